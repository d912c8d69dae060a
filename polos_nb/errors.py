"""Every exception of polos_nb, in one tree, each with the data it speaks of.

PolosError
├── DefinitionError          an agent, tool or condition is declared wrongly
├── ConfigurationError       an option, environment variable or file is wrong
├── ArgumentsError           arguments do not fit a tool's signature (the model reads this)
├── CodecError               a value cannot be kept
├── StoreError               the step store cannot be used
├── ModelError               a provider refused or failed
│   └── ModelUnavailable     ... and trying again later may help
├── OutputError              the model's answer does not fit the output schema
├── StepExecutionError       a step failed after its retries
├── StepInDoubt              a write was started and nobody knows whether it happened
├── RunError                 a run failed
│   └── WorkflowTimeoutError ... because its time was up
└── LiveCallRefused          a live call where live calls are off
    └── ReplayMiss           ... because the cassette has no such step

Suspended (a BaseException)  a run waits for an answer
"""

from __future__ import annotations

from typing import Any


class PolosError(Exception):
    """Base of all errors that polos_nb raises; its text is one sentence for a person."""


class DefinitionError(PolosError, TypeError):
    """An agent, a tool or a stop condition is declared in a way that cannot work."""


class ConfigurationError(PolosError, ValueError):
    """An option, an environment variable or a file says something that cannot be used."""


class ArgumentsError(PolosError, ValueError):
    """Arguments do not fit a tool's signature; the text is written for the model that sent them."""


class CodecError(PolosError, TypeError):
    """A value cannot be kept in the store and come back equal."""


class StoreError(PolosError):
    """The step store cannot be opened, read or written."""


class ModelError(PolosError):
    """A provider refused or failed; `status` is its HTTP status where there was one."""

    def __init__(self, message: str, *, status: int | None = None, provider: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.provider = provider


class ModelUnavailable(ModelError):
    """A failure that may pass: rate limit, overload, dropped connection. `retry_after` is in seconds."""

    def __init__(
        self, message: str, *, status: int | None = None, provider: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message, status=status, provider=provider)
        self.retry_after = retry_after


class OutputError(PolosError, ValueError):
    """The model's answer does not fit the output schema; `text` is the answer as it came."""

    def __init__(self, message: str, *, text: str = "") -> None:
        super().__init__(message)
        self.text = text


class StepExecutionError(PolosError):
    """A step failed after its retries; `reason` is the text of the last failure."""

    def __init__(self, reason: str | None = None, *, step_key: str = "") -> None:
        super().__init__(reason or "step failed")
        self.reason = reason
        self.step_key = step_key


class StepInDoubt(PolosError):
    """A step with outside effects was started, and the process ended before it was known to finish."""

    def __init__(self, message: str, *, step_key: str = "", run_id: str = "") -> None:
        super().__init__(message)
        self.step_key = step_key
        self.run_id = run_id


class Suspended(BaseException):
    """A run waits for an answer, and nobody here waits with it. `run_id` names it, `waiting` the steps that wait.

    Not an `Exception`: a tool or workflow that handles all its errors must not swallow it. What is finished is kept;
    once the answer is there, running the same call again goes on.
    """

    def __init__(self, message: str, *, run_id: str = "", waiting: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.run_id = run_id
        self.waiting = waiting

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback: nothing has gone wrong."""
        return [f"Waiting: {self}"]


class RunError(PolosError, RuntimeError):
    """A run failed; `run_id` names it for `%polos show`, `step_key` the step that failed."""

    def __init__(self, message: str, *, run_id: str = "", step_key: str = "") -> None:
        super().__init__(message)
        self.run_id = run_id
        self.step_key = step_key


class WorkflowTimeoutError(RunError):
    """A run did not finish within its `timeout`; what it finished is kept."""

    def __init__(
        self, execution_id: str | None = None, timeout_seconds: float | None = None, *, waiting: str = ""
    ) -> None:
        super().__init__(
            f"run {execution_id} did not finish within {timeout_seconds:g} s{waiting}; run it again to go on from there"
            if timeout_seconds is not None
            else f"run {execution_id} timed out",
            run_id=execution_id or "",
        )
        self.execution_id = execution_id
        self.timeout_seconds = timeout_seconds


class LiveCallRefused(PolosError):
    """A step would have to execute where nobody is watching and live calls are off."""


class ReplayMiss(LiveCallRefused):
    """A step is not in the cassette; `difference` says how the nearest recording differs."""

    def __init__(self, message: str, *, step_key: str = "", difference: str = "") -> None:
        super().__init__(message)
        self.step_key = step_key
        self.difference = difference


def one_line(error: BaseException, limit: int = 300) -> str:
    """The first line of an error's text with its type, at most `limit` characters.

    >>> one_line(ValueError("no such city"))
    'ValueError: no such city'
    """
    text: Any = str(error).strip().splitlines()
    head = text[0] if text else ""
    if "validation error" in head and callable(getattr(error, "errors", None)):  # pydantic says where on other lines
        first = error.errors()[0]  # type: ignore[attr-defined]
        head = f"{head.rpartition(' for ')[2]}.{'.'.join(map(str, first['loc']))}: {first['msg']}"
    name = type(error).__name__
    said = head if isinstance(error, PolosError) and head else f"{name}: {head}" if head else name
    return said if len(said) <= limit else said[: limit - 1] + "…"
