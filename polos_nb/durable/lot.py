"""Which steps of a run are being executed, and which of those only wait: how a driver knows that nothing moves."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

_GRACE = 0.1  # seconds in which a run that seems to wait may still go on by itself


@dataclass(frozen=True)
class Left:
    """A step that waited when its run was left; see `Lot.parked`."""

    path: str
    until: float
    ready: Callable[[], Any]

    def over(self) -> bool:
        """Whether there is no more to wait for."""
        try:
            return time.time() >= self.until or self.ready() is not None
        except Exception:  # it will say so when the run goes on
            return True


class Lot:
    """The steps in progress of one outermost run, nested runs included, by their path from there.

    Safe from any thread: a nested run may be driven by another loop.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.leaving = False  # the run is being left because it only waits
        self.left: list[Left] = []  # what waited when the run was left
        self._executing: Counter[str] = Counter()
        self._parked: dict[str, float] = {}
        self._changes = 0
        self._wakers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    @contextmanager
    def executing(self, path: str) -> Iterator[None]:
        """The step at `path` is being executed as long as the block runs."""
        with self._lock:
            self._executing[path] += 1
            self._changes += 1
        try:
            yield
        finally:
            with self._lock:
                self._executing[path] -= 1
                if not self._executing[path]:
                    del self._executing[path]
                self._changes += 1
            if self._parked:
                self._wake()

    @contextmanager
    def parked(self, path: str, until: float = math.inf, ready: Callable[[], Any] = lambda: None) -> Iterator[None]:
        """The step at `path` waits as long as the block runs, at most until a time in seconds since 1970.

        `ready()` gives something, or raises, when it need not wait any more.
        """
        with self._lock:
            self._parked[path] = until
            self._changes += 1
        self._wake()
        try:
            yield
        except asyncio.CancelledError:
            self.left.append(Left(path, until, ready))
            raise
        finally:
            with self._lock:
                self._parked.pop(path, None)
                self._changes += 1

    @property
    def abandoned(self) -> list[str]:
        """The paths of the steps that waited when the run was left."""
        return [left.path for left in self.left]

    @property
    def waiting(self) -> list[str]:
        """The paths of the steps that wait."""
        with self._lock:
            return sorted(self._parked)

    def idle(self, patience: float) -> bool:
        """Whether all that is executed waits, or is around something that waits, for longer than `patience`."""
        with self._lock:
            if not self._parked or min(self._parked.values()) - time.time() <= patience:
                return False
            around = {path[:end] for path in self._parked for end in range(len(path)) if path[end] == "/"}
            return all(path in self._parked or path in around for path in self._executing)

    async def until_idle(self, patience: float, grace: float = _GRACE) -> None:
        """Return when the run is idle and stays so for `grace` seconds."""
        waker = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._wakers.add(waker)
        try:
            while True:
                waker[1].clear()
                before = self._changes
                if self.idle(patience):
                    await asyncio.sleep(grace)
                    if before == self._changes and self.idle(patience):
                        return
                    continue
                await waker[1].wait()
        finally:
            with self._lock:
                self._wakers.discard(waker)

    def _wake(self) -> None:
        with self._lock:
            wakers = list(self._wakers)
        for loop, event in wakers:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)
