"""Runs that are due: what an event or a schedule is to start is kept first and started then, and nothing is lost."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import orjson

from polos_nb import registry
from polos_nb.errors import PolosError
from polos_nb.runtime.leases import Leases
from polos_nb.runtime.queues import lane_of
from polos_nb.runtime.run import Run
from polos_nb.runtime.runtime import Runtime
from polos_nb.runtime.targets import workflow_target
from polos_nb.stores.waiting import EventRecord
from polos_nb.workflows import Workflow

_TOPIC = "polos_nb/due/"  # and the workflow's id
_GRACE = 2.0  # seconds that the process which wrote a line has to start its run
_LOOK_SECONDS = 1.0  # how often the lines of other processes are looked at
_AT_ONCE = 100  # runs that are driven at the same time; more wait for their turn
_OVER = ("completed", "failed", "cancelled")
_PAGE = 1000

log = logging.getLogger("polos_nb")


def promise(
    runtime: Runtime, workflow_id: str, key: str, lineage: str, payload: Any, at: float, **more: Any
) -> EventRecord:
    """Keep that a run is due. For a `key` that is there it is what is there, whoever wrote it.

    It is an event on a topic of its own, so a process that ends right afterwards loses nothing; see `Outbox`. `more`
    is kept with it.
    """
    data = orjson.dumps({"lineage": lineage, "payload": payload, **more}).decode()
    line = EventRecord(topic=_TOPIC + workflow_id, event_type="due", data=data, key=key, created_at=at)
    return runtime.store.publish([line])[0]


class Outbox:
    """Starts the runs that are due, in order; the lineage of each makes it one run, whoever starts it.

    A line is done with when its run is over. What another process wrote is started where that process is gone: after
    it was killed between writing and starting, or while its run was driven.
    """

    def __init__(self, runtime: Runtime, *, grace: float = _GRACE, clock: Callable[[], float] = time.time) -> None:
        self._runtime = runtime
        self._grace = grace
        self._clock = clock
        self._own: set[int] = set()  # lines that this process wrote
        self._started: dict[int, Run] = {}
        self._over: set[int] = set()
        self._looked = -_LOOK_SECONDS
        self._changed = True
        self._ended = 0

    def add(self, line: EventRecord) -> None:
        """A line that this process wrote: nobody need be waited for."""
        self._own.add(line.id)
        self._changed = True

    def pump(self) -> None:
        """Start what is due. On the loop that is to drive the runs."""
        now = time.monotonic()
        ended = sum(run.done() for run in self._started.values())
        if not self._changed and ended == self._ended and now - self._looked < _LOOK_SECONDS:
            return
        self._looked, self._changed, self._ended = now, False, ended
        for workflow in list(registry.declared("workflow").values()):
            if workflow.trigger_on_event or workflow.schedule:
                self._pump(workflow)

    @property
    def going(self) -> list[Run]:
        """The runs that were started here and have not ended."""
        return [run for run in self._started.values() if not run.done()]

    def leave(self, runs: list[Run]) -> None:
        """What was stopped with this process is not cancelled but interrupted: the next start goes on with it."""
        for run in runs:
            record = self._runtime.store.get_run(run.id) if run.id else None
            if record is not None and record.status == "cancelled":
                self._runtime.store.update_run(record.id, status="running", error=None, finished_at=None)

    def _pump(self, workflow: Workflow) -> None:
        store = self._runtime.store
        name = _TOPIC + workflow.id
        done = store.get_cursor(name)
        lines = store.read_topic(name, after=done or 0, limit=_PAGE)
        settled, all_over = done or 0, True
        for line in lines:
            over = self._is_over(line)
            all_over = all_over and over
            if all_over:
                settled = line.id
            elif not over and line.id not in self._started and len(self.going) < _AT_ONCE:
                self._start(workflow, line)
        if settled != (done or 0):
            store.move_cursor(name, settled, expected=done)
            for line in lines:
                if line.id <= settled:
                    self._over.discard(line.id)
                    self._started.pop(line.id, None)
            self._ended = sum(run.done() for run in self._started.values())

    def _is_over(self, line: EventRecord) -> bool:
        if line.id in self._over:
            return True
        run = self._runtime.store.newest_run(orjson.loads(line.data)["lineage"])
        if run is None or run.status not in _OVER:
            return False
        self._over.add(line.id)
        self._own.discard(line.id)
        return True

    def _start(self, workflow: Workflow, line: EventRecord) -> None:
        due = orjson.loads(line.data)
        run = self._runtime.store.newest_run(due["lineage"])
        if run is not None and Leases(self._runtime.store).driven(run):
            return
        if run is None and line.id not in self._own and self._clock() - line.created_at < self._grace:
            return
        try:
            target = workflow_target(workflow, due["payload"], lane=lane_of(workflow.id, workflow.queue))
            self._started[line.id] = self._runtime.launch(target, lineage=due["lineage"])
        except PolosError as error:  # a payload that does not fit the declaration will not fit later
            log.error("workflow %s was not started: %s", workflow.id, error)
            self._over.add(line.id)
