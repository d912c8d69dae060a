"""How mistakes and failures reach a cell: one line for a person, a failing exception for a machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from IPython.core.error import UsageError

from polos_nb.errors import (
    ArgumentsError,
    CodecError,
    ConfigurationError,
    DefinitionError,
    RunError,
    StoreError,
)

MISTAKES = (ConfigurationError, DefinitionError, ArgumentsError, CodecError, StoreError)


class _MistakeLine:
    """Renders an exception as its one line."""

    def __init__(self, line: str) -> None:
        self._line = line

    def __call__(self) -> list[str]:
        return [self._line]


@contextlib.contextmanager
def mistakes(watched: bool) -> Iterator[None]:
    """Inside, a user's mistake becomes a `UsageError` when somebody is watching, which prints one line.

    When nobody is watching the exception itself goes on, shown as one line: a `UsageError` would leave tests green.
    """
    __tracebackhide__ = True
    try:
        yield
    except MISTAKES as error:
        if watched:
            raise UsageError(str(error)) from None
        raise one_line_only(error).with_traceback(None) from None


def one_line_only(error: BaseException) -> BaseException:
    """The same exception, which IPython now shows as one line; the whole traceback of a step is in the store."""
    text = " ".join(str(error).split()) or "failed"
    run_id = getattr(error, "run_id", "")
    line = f"{type(error).__name__}: {text}"
    if run_id and "%polos show" not in line:
        line += f" · %polos show {run_id}"
    error._render_traceback_ = _MistakeLine(line)  # type: ignore[attr-defined]
    return error


def stopped(run_id: str) -> RunError:
    """What a cell raises after Stop."""
    error = RunError("stopped; run the cell again to go on from here", run_id=run_id)
    one_line_only(error)
    return error
