"""The value of a cell whose run waits for an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any

from polos_nb.errors import PolosError, Suspended

_POLL_SECONDS = 0.05
_OPEN = ("waiting", "running")


class PendingRun:
    """A run that waits. Its attributes and items raise, saying what it waits for; later they are the result's.

    `await pending` waits for the result. `look` is called before it says anything: the run may have been stopped
    elsewhere, and whoever knows then says so here.
    """

    def __init__(self, failure: Suspended, look: Callable[[], None] = lambda: None) -> None:
        self._look = look
        self._failure: BaseException = failure
        self._run_id = failure.run_id
        self._result: Any = None
        self._state = "waiting"

    @property
    def run_id(self) -> str:
        """The run, such as "r12"."""
        return self._run_id

    def goes_on(self) -> None:
        """What the run waited for has come."""
        self._state = "running"

    def waits_again(self, failure: Suspended) -> None:
        """The run went on and waits at another step."""
        self._failure, self._state = failure, "waiting"

    def settle(self, result: Any) -> None:
        """The run is over."""
        self._result, self._state = result, "done"

    def fail(self, failure: BaseException, *, stopped: bool = False) -> None:
        """The run has failed, or was stopped."""
        self._failure, self._state = failure, "stopped" if stopped else "failed"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        self._look()
        if self._state == "done":
            return getattr(self._result, name)
        raise PolosError(f"{name} is not there{' yet' if self._state in _OPEN else ''}: {self._why()}")

    def __getitem__(self, key: Any) -> Any:
        self._look()
        if self._state == "done":
            return self._result[key]
        raise PolosError(f"[{key!r}] is not there{' yet' if self._state in _OPEN else ''}: {self._why()}")

    def _why(self) -> str:
        if self._state == "waiting":
            return str(self._failure)
        said = {"running": "goes on", "stopped": f"was {self._failure}"}
        return f"run {self._run_id} {said.get(self._state, f'failed: {self._failure}')}"

    def __await__(self) -> Generator[Any, None, Any]:
        return self._wait().__await__()

    async def _wait(self) -> Any:
        while self._state in _OPEN:
            await asyncio.sleep(_POLL_SECONDS)
            self._look()
        if self._state != "done":
            raise PolosError(self._why()) from self._failure
        return self._result

    def __repr__(self) -> str:
        self._look()
        if self._state == "done":
            return repr(self._result)
        waiting = ", ".join(getattr(self._failure, "waiting", ()))
        return f"PendingRun({self._run_id!r}, {f'waiting at {waiting}' if self._state == 'waiting' else self._state})"
