"""A store whose process ends at one chosen write, for tests that let it end at each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polos_nb.stores.base import Store

WRITES = frozenset(
    {"new_run", "update_run", "claim_run", "release_run", "start_step", "finish_step", "set_trace", "put_messages"}
    | {"put_blobs", "ask", "decide", "answer_early", "publish", "move_cursor", "put_schedule", "fire_schedule"}
    | {"delete_schedule", "clear", "forget", "tidy"}
)


class Died(BaseException):
    """The end of the process."""


class MortalStore:
    """A store whose process ends at the write number `at` (from 1), before or after it is committed."""

    def __init__(self, store: Store, at: int = 0, *, after: bool = False) -> None:
        self.store = store
        self.location = store.location
        self.writes: list[str] = []
        self.dead = False
        self._at = at
        self._after = after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.store, name)
        return self._wrapped(name, method) if callable(method) else method

    def _wrapped(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if self.dead:
                raise Died
            if name not in WRITES:
                return method(*args, **kwargs)
            self.writes.append(name)
            last = len(self.writes) == self._at
            if last and not self._after:
                self.dead = True
                raise Died
            value = method(*args, **kwargs)
            if last:
                self.dead = True
                raise Died
            return value

        return call
