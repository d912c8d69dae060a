"""What a runtime does beside the runs that it is asked for: it starts those that events and schedules are to start."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

from polos_nb import ambient
from polos_nb.errors import PolosError
from polos_nb.runtime.outbox import Outbox, log
from polos_nb.runtime.runtime import Runtime
from polos_nb.runtime.schedule import Schedules
from polos_nb.runtime.triggers import Triggers

_TICK_SECONDS = 0.05
_STOP_SECONDS = 5.0  # that its runs have to close their streams


class Background:
    """Serves the triggers and schedules of a runtime, as a task of the loop it is started on.

    Started several times, it stops when it was stopped as often. Nothing is served in replay and offline.
    """

    def __init__(self, runtime: Runtime, *, clock: Callable[[], float] = time.time, grace: float = 2.0) -> None:
        self._runtime = runtime
        self.outbox = Outbox(runtime, grace=grace, clock=clock)
        self.triggers = Triggers(runtime, self.outbox, clock=clock)
        self.schedules = Schedules(runtime, self.outbox, clock=clock)
        self._users = 0
        self._task: asyncio.Task[None] | None = None
        self._failure = ""

    def start(self, runner: ambient.Runner) -> None:
        """Begin to serve. `runner` is the ambient client of the runs that are started."""
        self._users += 1
        if self._runtime.mode not in ("live", "record"):
            return
        if not self.serving:
            if self._on_run not in self._runtime.on_run:
                self._runtime.on_run.append(self._on_run)
            self.notice()
            self._task = asyncio.get_running_loop().create_task(self._serve(runner))

    async def stop(self) -> None:
        """Serve no more, and stop what was started here and goes on; the next start goes on with it."""
        self._users = max(self._users - 1, 0)
        if self._users:
            return
        _serving.pop(self._runtime, None)
        task, self._task = self._task, None
        if task is None:
            return
        self._runtime.on_run.remove(self._on_run)
        if task.get_loop() is asyncio.get_running_loop():
            task.cancel()
            await asyncio.wait({task})
        runs = self.outbox.going
        for run in runs:
            run.cancel()
        tasks = {run.task for run in runs if run.task is not None and run.task.get_loop() is task.get_loop()}
        if tasks and task.get_loop() is asyncio.get_running_loop():
            await asyncio.wait(tasks, timeout=_STOP_SECONDS)
        self.outbox.leave(runs)

    @property
    def serving(self) -> bool:
        """Whether triggers and schedules are served."""
        return self._task is not None and not self._task.done() and not self._task.get_loop().is_closed()

    def notice(self) -> None:
        """Look at what was declared: what is published from now on counts for it."""
        self.triggers.notice()
        self.schedules.notice()

    def tick(self) -> None:
        """One look at everything; on the loop that is to drive the runs."""
        try:
            self.triggers.take()
            self.schedules.fire()
            self.outbox.pump()
            self._failure = ""
        except Exception as error:  # a store that is locked for a moment, say: the next look may do better
            if str(error) != self._failure:
                log.error("events and schedules are not served: %s", error)
            self._failure = str(error)

    def _on_run(self, run: Any) -> None:
        """A run may publish: what was declared before it hears of that."""
        with contextlib.suppress(PolosError):
            self.notice()

    async def _serve(self, runner: ambient.Runner) -> None:
        ambient.inside.set(None)  # what is started belongs to no run
        ambient.enter(runner)
        while True:
            self.tick()
            await asyncio.sleep(_TICK_SECONDS)


_serving: dict[Runtime, Background] = {}


def serve(runtime: Runtime, runner: ambient.Runner) -> Background:
    """Serve the triggers and schedules of a runtime until what is returned is stopped."""
    found = _serving.setdefault(runtime, Background(runtime))
    found.start(runner)
    return found


def notice(runtime: Runtime) -> None:
    """Let a runtime that serves triggers look at what was declared, before something is published."""
    found = _serving.get(runtime)
    if found is not None and found.serving:
        found.notice()
