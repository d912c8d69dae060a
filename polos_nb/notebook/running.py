"""How a prepared run is started, shown, waited for and ended in a cell, and how it goes on after the cell."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import getpass
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from polos_nb.errors import PolosError, StoreError, Suspended
from polos_nb.messages import AgentResult
from polos_nb.models.keys import DESK
from polos_nb.notebook.failures import one_line_only, stopped
from polos_nb.notebook.painter import Painter
from polos_nb.notebook.pending import PendingRun
from polos_nb.run_events import RunFinished
from polos_nb.runtime.planning import PlanReport
from polos_nb.runtime.portal import portal
from polos_nb.runtime.run import Run
from polos_nb.runtime.runtime import Runtime

_TICK = 0.04  # seconds; an awaiting kernel notices Stop only when its loop wakes up
_LOOK = 0.5  # seconds between two looks at what others did to runs that wait
_STOP = 5.0  # seconds that a stopped run has to close its streams


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A run that only has to be started: into which `Run`, and how; what it is bound to; whether its value is shown.

    `turns` is how often an agent may call its model, None where nothing says so.
    """

    run: Run
    start: Callable[[Run], Any]
    plan: Callable[[], Coroutine[Any, Any, PlanReport]] | None = None
    bind: str | None = None
    silent: bool = False
    cell: bool = False
    quiet: bool = False
    render: str | None = None
    turns: int | None = None


@dataclass(frozen=True)
class _Left:
    """A run that was left waiting, with what shows it."""

    run: Run
    prepared: Prepared
    painter: Painter
    pending: PendingRun


class Runner:
    """Runs of one shell's cells. `names` are the notebook's."""

    def __init__(self, ip: Any, painter_of: Callable[[Prepared], Painter]) -> None:
        self.active = 0
        self._ip = ip
        self._painter_of = painter_of
        self._runtime: Runtime | None = None
        self._shown: set[int] = set()
        self._left: dict[int, _Left] = {}
        self._followers: set[asyncio.Task[None]] = set()
        self._watch: asyncio.Task[None] | None = None

    def watch(self, runtime: Runtime) -> None:
        """Show runs of this runtime that go on after their cell."""
        self._runtime = runtime
        runtime.waiting.on_resume.append(self._resumed)

    def close(self) -> None:
        """What waits goes on here no more: its output becomes what stays, and its variable says so."""
        if self._watch is not None and not self._watch.get_loop().is_closed():
            self._watch.get_loop().call_soon_threadsafe(self._watch.cancel)
        for left in self._left.values():
            left.pending.fail(PolosError("left when polos_nb was unloaded; run its cell again"), stopped=True)
            if left.painter.stays:
                left.painter.end()
        self._left.clear()

    def begin_cell(self) -> None:
        """A cell begins."""
        self._shown.clear()

    def was_shown(self, result: AgentResult) -> bool:
        """Whether this cell has already shown the result; true once."""
        known = id(result) in self._shown
        self._shown.discard(id(result))
        return known

    async def awaited(self, prepared: Prepared, *, watched: bool) -> Any:
        """Run it on the running loop."""
        __tracebackhide__ = True
        run = prepared.run
        painter = self._painter_of(prepared)
        self.active += 1
        desk = contextlib.ExitStack()
        try:
            if watched:
                desk.enter_context(DESK.attended())
            if painter.inline:
                run.attend()
            prepared.start(run)
            painter.begin()
            assert run.task is not None
            while not run.task.done():
                await asyncio.wait({run.task}, timeout=_TICK)
                painter.tick()
                DESK.serve(getpass.getpass)
                if run.attended and not painter.inline:  # nobody is there who could answer in the cell's output
                    run.leave()
        except asyncio.CancelledError:
            run.cancel()
            with contextlib.suppress(asyncio.CancelledError):  # a second Stop waits for nothing
                if run.task is not None:
                    await asyncio.wait({run.task}, timeout=_STOP)
            painter.end()
            raise stopped(run.id) from None
        finally:
            desk.close()
            self.active -= 1
        return self._finish(prepared, painter, watched)

    def blocking(self, prepared: Prepared, *, watched: bool) -> Any:
        """Run it where nothing can be awaited: a background loop drives it, this thread shows it."""
        __tracebackhide__ = True
        run = prepared.run
        painter = self._painter_of(prepared)

        async def drive() -> None:
            prepared.start(run)
            assert run.task is not None
            await asyncio.wait({run.task})

        self.active += 1
        desk = contextlib.ExitStack()
        try:
            if watched:
                desk.enter_context(DESK.attended())
            future = portal().submit(drive())
            painter.begin()
            while not concurrent.futures.wait([future], timeout=_TICK).done:
                painter.tick()
                DESK.serve(getpass.getpass)
            future.result()
        except KeyboardInterrupt:
            run.cancel()
            with contextlib.suppress(KeyboardInterrupt):  # a second Stop waits for nothing
                concurrent.futures.wait([future], timeout=_STOP)
            painter.end()
            raise stopped(run.id) from None
        finally:
            desk.close()
            self.active -= 1
        return self._finish(prepared, painter, watched)

    def _finish(self, prepared: Prepared, painter: Painter, watched: bool) -> Any:
        __tracebackhide__ = True
        run = prepared.run
        assert run.task is not None
        if run.task.cancelled():
            painter.end()
            raise stopped(run.id)
        failure = run.task.exception()
        painter.end(failure)
        if isinstance(failure, Suspended) and watched:
            return self._leave(prepared, painter, failure)
        self._elsewhere(run, failure)
        if failure is not None:
            raise one_line_only(failure).with_traceback(None) from None
        return self._value(prepared, run.task.result())

    def _value(self, prepared: Prepared, result: Any) -> Any:
        if prepared.bind:
            self._ip.user_ns[prepared.bind] = result
        if prepared.silent:
            return None
        if isinstance(result, AgentResult):
            self._shown.add(id(result))  # the run's own output is the display; the value is only kept
            return result
        return None if prepared.cell or prepared.bind else result  # other values would be shown a second time

    def left(self, run: Run, painter: Painter, failure: Suspended) -> None:
        """A run that something else showed was left waiting: its output shows how it goes on."""
        self._leave(Prepared(run=run, start=lambda run: run), painter, failure)

    # -- runs that wait -----------------------------------------------------------------------------------------------
    def _leave(self, prepared: Prepared, painter: Painter, failure: Suspended) -> None:
        """The cell ends, and the run waits: its variable says so until it has the result."""
        for left in self._taken(prepared.run.id):
            left.pending.waits_again(failure)
            self._left[id(left.prepared)] = replace(left, run=prepared.run)
        pending = PendingRun(failure, lambda: self._look(failure.run_id))
        self._left[id(prepared)] = _Left(prepared.run, prepared, painter, pending)
        if prepared.bind:
            self._ip.user_ns[prepared.bind] = pending
        if painter.stays and (self._watch is None or self._watch.done()):
            with contextlib.suppress(RuntimeError):  # where nothing can be awaited its variable looks, when it is used
                self._watch = asyncio.get_running_loop().create_task(self._watched())

    async def _watched(self) -> None:
        """Notice that another process has stopped a run that waits here: what shows it should say so."""
        seen = None
        while self._left and self._runtime is not None:
            await asyncio.sleep(_LOOK)
            with contextlib.suppress(StoreError):  # a file that is busy now is not the next time
                version = self._runtime.store.version()
                if version != seen:
                    seen = version
                    for run_id in {left.pending.run_id for left in self._left.values()}:
                        self._look(run_id)

    def stopped(self, run_id: str) -> None:
        """A run that waits was stopped: its variable and its output say so."""
        for left in self._taken(run_id):
            left.pending.fail(stopped(run_id), stopped=True)
            seen = left.run.transcript
            seen.add(RunFinished(run_id=run_id, target_id=seen.target_id, at=time.time(), status="cancelled"))
            if left.painter.stays:
                left.painter.end()

    def _look(self, run_id: str) -> None:
        """Whether another process has stopped a run that waits here."""
        waits = any(left.pending.run_id == run_id for left in self._left.values())
        if not waits or self._runtime is None:
            return
        record = self._runtime.store.get_run(run_id)
        if record is not None and record.status == "cancelled":
            self._runtime.waiting.forget(record.lineage)
            self.stopped(run_id)

    def _taken(self, run_id: str) -> list[_Left]:
        """Every place that this run was left at: cells that make the same call share a run."""
        found = [key for key, left in self._left.items() if left.pending.run_id == run_id]
        return [self._left.pop(key) for key in found]

    def _elsewhere(self, run: Run, failure: BaseException | None) -> None:
        """A run is over that was left waiting in other places: they get its end too."""
        assert run.task is not None
        for left in self._taken(run.id):
            if left.painter.stays:
                left.painter.again(run).end(failure)
            if failure is not None:
                left.pending.fail(failure)
            else:
                self._settle(left, run.task.result())

    def _settle(self, left: _Left, result: Any) -> None:
        left.pending.settle(result)
        name = left.prepared.bind
        if name and self._ip.user_ns.get(name) is left.pending:
            self._ip.user_ns[name] = result

    def _resumed(self, before: Run, after: Run) -> None:
        """A run goes on: show it where it was shown, on the loop that drives it."""
        for left in self._taken(before.id):
            left.pending.goes_on()
            painter = left.painter.again(after)
            task = asyncio.get_running_loop().create_task(self._follow(left, painter, after))
            self._followers.add(task)
            task.add_done_callback(self._followers.discard)

    async def _follow(self, left: _Left, painter: Painter, run: Run) -> None:
        assert run.task is not None
        showing = painter.stays
        while not run.task.done():
            await asyncio.wait({run.task}, timeout=_TICK)
            if showing:
                painter.tick()
        failure: BaseException | None = asyncio.CancelledError() if run.task.cancelled() else run.task.exception()
        if showing:
            painter.end(None if run.task.cancelled() else failure)
        if isinstance(failure, Suspended):
            left.pending.waits_again(failure)
            self._left[id(left.prepared)] = _Left(run, left.prepared, painter, left.pending)
            return
        if failure is not None:
            halted = run.task.cancelled()
            left.pending.fail(stopped(run.id) if halted else failure, stopped=halted)
            return
        self._settle(left, run.task.result())
