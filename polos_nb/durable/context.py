"""What a tool sees of the run it works in: `ctx`, and the durable calls on `ctx.step`."""

from __future__ import annotations

import asyncio
import inspect
import random
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from polos_nb.codec import digest, types_of
from polos_nb.durable.code_version import CodeVersion, code_version
from polos_nb.durable.fingerprint import StepCall
from polos_nb.durable.retry import Retry
from polos_nb.durable.steps import StepFailure, Steps
from polos_nb.errors import CodecError, StepExecutionError
from polos_nb.stores.base import Effect


@dataclass(frozen=True, kw_only=True)
class WorkflowContext:
    """The run that a tool's call belongs to.

    `step` has the durable calls; `idempotency_key` names this very call, the same in every attempt at it and in every
    later pass: hand it to services that take one. `workflow_id` is the id of the agent or tool that runs, and
    `execution_id` (the same as `run_id`) that of the run; "" while a run is only replayed.
    """

    workflow_id: str
    execution_id: str
    step: StepMethods = field(repr=False)
    idempotency_key: str = ""
    conversation_id: str | None = None
    user_id: str | None = None
    retry_count: int = 0
    workflow_type: Literal["agent", "tool", "workflow"] = "tool"
    root_workflow_id: str = ""
    root_execution_id: str = ""

    @property
    def run_id(self) -> str:
        """The same as `execution_id`."""
        return self.execution_id

    @property
    def session_id(self) -> str | None:
        """The same as `conversation_id`."""
        return self.conversation_id


class StepMethods:
    """The durable calls: each is executed once, kept, and answers from the store ever after."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def run(
        self,
        step_key: str,
        func: Callable[..., Any],
        *args: Any,
        max_retries: int = 2,
        base_delay: float = 1.0,
        max_delay: float = 10.0,
        effect: Effect = "read",
        version: str | int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Call `func(*args, **kwargs)` once, in a thread when it is not async, and return what it returned.

        The kept answer is returned as long as the key, the code of `func` (with all it uses of your own code, or
        `version` when you declare one) and the arguments stay the same. A failure is tried again `max_retries` times,
        after `base_delay` seconds, doubling up to `max_delay`. With `effect="write"` a call that was interrupted is
        not repeated silently, and later steps depend on it.

        Raises StepExecutionError when the last attempt failed, and CodecError when an argument or the result cannot
        be kept.

        >>> total = await ctx.step.run("add", lambda a, b: a + b, 1, 2)  # doctest: +SKIP
        """
        self._steps.claim_key(step_key)
        code = code_version(func, declared=version)
        call = StepCall(
            key=step_key,
            kind="run",
            name=step_key,
            # A write is known by its key: with the chain, branches of a gather in another order would repeat it.
            parts=_call_parts(step_key, code, args, kwargs, self._steps.chain if effect == "read" else ""),
            request={"function": getattr(func, "__qualname__", repr(func)), "arguments": _shown(args, kwargs)},
            types={**code.types, **_return_types(func)},
            effect=effect,
        )
        slot = self._steps.reserve(call)
        if effect == "write":
            self._steps.wrote(slot)
        retry = Retry(max_retries=max_retries, base_delay=base_delay, max_delay=max_delay)
        try:
            answer = await self._steps.perform(slot, lambda attempt: call_function(func, args, kwargs), retry=retry)
        except StepFailure as failure:
            text = f"Step execution failed after {max_retries} retries: {failure.text}"
            raise StepExecutionError(text, step_key=slot.path) from failure.error
        return answer.value

    async def uuid(self, step_key: str) -> str:
        """A random UUID, the same on every later pass."""
        return str(await self._value(step_key, "uuid", lambda: str(uuid.uuid4())))

    async def now(self, step_key: str) -> int:
        """The time in milliseconds since 1970 when this was first asked, the same on every later pass."""
        return int(await self._value(step_key, "now", lambda: int(time.time() * 1000)))

    async def random(self, step_key: str) -> float:
        """A random number in [0, 1), the same on every later pass."""
        return float(await self._value(step_key, "random", random.random))

    async def _value(self, step_key: str, kind: str, make: Callable[[], Any]) -> Any:
        self._steps.claim_key(step_key)
        slot = self._steps.reserve(StepCall(key=step_key, kind=kind, name=step_key))

        async def execute(attempt: int) -> Any:
            return make()

        return (await self._steps.perform(slot, execute)).value


async def call_function(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a function without blocking the loop: async ones are awaited, others run in a thread with this context."""
    if inspect.iscoroutinefunction(func) or inspect.iscoroutinefunction(getattr(func, "__call__", None)):  # noqa: B004
        return await _ended(func, func(*args, **kwargs))
    result = await asyncio.to_thread(_call, func, args, kwargs)
    return await _ended(func, result) if isinstance(result, Awaitable) else result


async def _ended(func: Callable[..., Any], result: Awaitable[Any]) -> Any:
    try:
        return await result
    except KeyboardInterrupt:  # Stop, while the function kept the loop busy
        raise asyncio.CancelledError from None
    except SystemExit as error:  # it would end the loop, and with it the kernel
        raise RuntimeError(f"{getattr(func, '__name__', 'the function')} called sys.exit({error.code!r})") from error


def _call(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    try:
        return func(*args, **kwargs)
    except SystemExit as error:
        raise RuntimeError(f"{getattr(func, '__name__', 'the function')} called sys.exit({error.code!r})") from error
    except (KeyboardInterrupt, GeneratorExit, asyncio.CancelledError) as error:  # in a thread nobody has sent these
        raise RuntimeError(f"{getattr(func, '__name__', 'the function')} raised {type(error).__name__}") from error
    except StopIteration as error:  # a future refuses to carry it, and would never end
        raise RuntimeError(f"{getattr(func, '__name__', 'the function')} raised StopIteration") from error


def _call_parts(
    key: str, code: CodeVersion, args: tuple[Any, ...], kwargs: dict[str, Any], chain: str
) -> dict[str, Any]:
    try:
        named = {str(place): digest(value) for place, value in enumerate(args)}
        named |= {name: digest(value) for name, value in kwargs.items()}
    except CodecError as error:
        raise CodecError(
            f"step {key}: an argument cannot be told apart from others: {error}; pass data instead of live objects"
        ) from None
    parts: dict[str, Any] = {"version": code.digest, "code": code.parts, "arguments": named}
    return parts | {"writes": chain} if chain else parts


def _shown(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, str]:
    named = {str(place): value for place, value in enumerate(args)} | kwargs
    return {name: _clip(repr(value)) for name, value in named.items()}


def _clip(text: str, limit: int = 200) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _return_types(func: Callable[..., Any]) -> dict[str, type]:
    annotation = getattr(func, "__annotations__", {}).get("return")
    if annotation is None or isinstance(annotation, str):
        return {}
    return types_of(annotation)
