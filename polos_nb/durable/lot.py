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
from typing import Any, Protocol

_STOP_SECONDS = 5.0  # that stopped steps have to end in
_GRACE = 0.1  # seconds in which a run that seems to wait may still go on by itself


class Lent(Protocol):
    """What a run holds only while it does something: its turn in a queue."""

    async def back(self) -> None:
        """Take it again, where it was given away."""


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
        self.limit: asyncio.Timeout | None = None  # of the outermost run
        self.leaving = False  # the run is being left because it only waits
        self.left: list[Left] = []  # what waited when the run was left
        self._lent: list[tuple[Lent, str]] = []
        self._executing: Counter[str] = Counter()
        self._tasks: dict[str, asyncio.Task[Any] | None] = {}
        self._parked: dict[str, float] = {}
        self._asking: Counter[str] = Counter()
        self._changes = 0
        self._wakers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    @contextmanager
    def executing(self, path: str) -> Iterator[None]:
        """The step at `path` is being executed as long as the block runs."""
        with self._lock:
            self._executing[path] += 1
            self._tasks[path] = asyncio.current_task()
            self._changes += 1
        try:
            yield
        finally:
            with self._lock:
                self._executing[path] -= 1
                if not self._executing[path]:
                    del self._executing[path]
                    self._tasks.pop(path, None)
                self._changes += 1
            if self._parked:
                self._wake()

    @contextmanager
    def parked(
        self, path: str, until: float = math.inf, ready: Callable[[], Any] = lambda: None, *, asks: bool = False
    ) -> Iterator[None]:
        """The step at `path` waits as long as the block runs, at most until a time in seconds since 1970.

        `ready()` gives something, or raises, when it need not wait any more. `asks`: it waits for a person.
        """
        with self._lock:
            self._parked[path] = until
            self._asking[path] += asks
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
                self._asking[path] -= asks
                self._changes += 1

    def lend(self, turn: Lent, below: str) -> None:
        """Have a turn come `back` before a step goes on that waited, if its path begins with `below`."""
        self._lent.append((turn, below))

    async def back(self, path: str) -> None:
        """The step at `path` has waited: take again what was lent meanwhile, before it goes on."""
        for turn, below in list(self._lent):
            if path.startswith(below):
                await turn.back()

    async def quiet(self, below: str, *, cancel: bool = False) -> None:
        """Return when nothing is executed whose path begins with `below`, but by the current task.

        A body may end while tasks that it has started are still in a step: after a failure in `asyncio.gather`, for
        example. Their steps come to their end, and are kept; those that only wait are stopped, and so are all with
        `cancel`.
        """
        here, me = asyncio.get_running_loop(), asyncio.current_task()
        while True:
            with self._lock:
                tasks = {
                    task
                    for path, task in self._tasks.items()
                    if task is not None and path.startswith(below) and task is not me and not task.done()
                }
            tasks = {task for task in tasks if task.get_loop() is here}
            if not tasks:
                return
            if cancel or self.idle(0.0, below):
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks, timeout=_STOP_SECONDS)
                return
            await asyncio.wait(tasks, timeout=_GRACE)

    @property
    def abandoned(self) -> list[str]:
        """The paths of the steps that waited when the run was left."""
        return [left.path for left in self.left]

    @property
    def asking(self) -> bool:
        """Whether a step waits for a person."""
        with self._lock:
            return any(self._asking.values())

    @property
    def waiting(self) -> list[str]:
        """The paths of the steps that wait."""
        with self._lock:
            return sorted(self._parked)

    def idle(self, patience: float, below: str = "") -> bool:
        """Whether all that is executed waits, or is around something that waits, for longer than `patience`.

        With `below`, all of the steps whose paths begin with that.
        """
        with self._lock:
            parked = {path: until for path, until in self._parked.items() if path.startswith(below)}
            if not parked or min(parked.values()) - time.time() <= patience:
                return False
            around = {path[:end] for path in parked for end in range(len(path)) if path[end] == "/"}
            executing = [path for path in self._executing if path.startswith(below)]
            return all(path in parked or path in around for path in executing)

    async def until_idle(self, patience: float, grace: float = _GRACE, *, below: str = "") -> None:
        """Return when the run, or what is below a path, is idle and stays so for `grace` seconds."""
        waker = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._wakers.add(waker)
        try:
            while True:
                waker[1].clear()
                before = self._changes
                if self.idle(patience, below):
                    await asyncio.sleep(grace)
                    if before == self._changes and self.idle(patience, below):
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
