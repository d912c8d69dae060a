"""Schedules: workflows that are started at the times of a cron line, each time once, over processes and restarts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import orjson
from pydantic import BaseModel

from polos_nb import registry
from polos_nb.codec import digest
from polos_nb.cron import Cron
from polos_nb.errors import DefinitionError
from polos_nb.runtime.outbox import Outbox, log, promise
from polos_nb.runtime.runtime import Runtime
from polos_nb.stores.base import Store
from polos_nb.stores.waiting import ScheduleRecord
from polos_nb.workflows import Workflow


class SchedulePayload(BaseModel):
    """What a scheduled workflow is given. Times are in UTC; `timestamp` is when it was due, not when it began.

    `last_timestamp` is when it was due before, and `upcoming` when it is due next.
    """

    timestamp: datetime
    last_timestamp: datetime | None = None
    timezone: str = "UTC"
    schedule_id: str = ""
    key: str = "global"
    upcoming: datetime | None = None


def schedule_name(number: int) -> str:
    """The id of a schedule, such as "s3"."""
    return f"s{number}"


def schedule_number(name: str) -> int:
    """The number in a schedule's id; 0 for what is none."""
    text = str(name).removeprefix("s")
    return int(text) if text.isdecimal() else 0


def put_schedule(
    store: Store, workflow_id: str, cron: Cron, now: float, *, declared: bool = False
) -> tuple[ScheduleRecord, bool]:
    """Add a schedule, or change the one of the same workflow and key; and whether anything was written.

    One that is there with the same times is left as it is: it may be due already.
    """
    for found in store.schedules(workflow_id=workflow_id):
        if (found.key, found.cron, found.timezone) == (cron.key, cron.line, cron.timezone):
            return found, False
    record = ScheduleRecord(
        workflow_id=workflow_id,
        key=cron.key,
        cron=cron.line,
        timezone=cron.timezone,
        payload=orjson.dumps({"declared": declared}).decode(),
        created_at=now,
        next_at=cron.after(now),
    )
    return store.put_schedule(record), True


class Schedules:
    """Has the runs started that schedules are due for. `clock` gives seconds since 1970.

    What was due while nothing was alive is made up for once, for the last time that was missed. A line of the outbox is
    written before the schedule moves on, under a key that is the schedule and the time: nothing is lost in between.
    """

    def __init__(self, runtime: Runtime, outbox: Outbox, *, clock: Callable[[], float] = time.time) -> None:
        self._runtime = runtime
        self._outbox = outbox
        self._clock = clock
        self._declared: dict[str, Workflow] = {}  # declarations that have been looked at
        self._seen: int | None = None
        self._next = 0.0

    def notice(self) -> None:
        """Keep the schedules that declarations speak of, and delete those that they no longer speak of."""
        workflows = registry.declared("workflow").values()
        if not self._declared and not any(workflow.schedule for workflow in workflows):
            return  # the store need not be opened
        for workflow in workflows:
            if self._declared.get(workflow.id) is workflow:
                continue
            self._declared[workflow.id] = workflow
            try:
                self._keep(workflow)
            except DefinitionError as error:
                log.error("no schedule was made: %s", error)

    def fire(self) -> None:
        """Have everything started that is due."""
        self.notice()
        if not self._declared:
            return
        version, now = self._runtime.store.version(), self._clock()
        if version == self._seen and now < self._next:
            return
        self._seen, self._next = version, float("inf")
        for schedule in self._runtime.store.schedules():
            workflow = self._declared.get(schedule.workflow_id)
            if workflow is None or not workflow.schedule:
                continue  # another process knows this workflow
            if schedule.next_at <= now:
                self._fire(schedule, now)
                self._next = 0.0
            else:
                self._next = min(self._next, schedule.next_at)

    def _keep(self, workflow: Workflow) -> None:
        store = self._runtime.store
        cron = Cron.declared(workflow.id, workflow.schedule)
        for found in store.schedules(workflow_id=workflow.id):
            declared = orjson.loads(found.payload or "null") == {"declared": True}
            if declared and (cron is None or found.key != cron.key):
                store.delete_schedule(found.id)
        if cron is not None:
            put_schedule(store, workflow.id, cron, self._clock(), declared=True)

    def _fire(self, schedule: ScheduleRecord, now: float) -> None:
        store = self._runtime.store
        cron = Cron(schedule.cron, schedule.timezone, schedule.key)
        due = max(cron.until(now), schedule.next_at)
        upcoming = cron.after(due)
        name = schedule_name(schedule.id)
        payload = SchedulePayload(
            timestamp=_moment(due),
            last_timestamp=None if schedule.last_at is None else _moment(schedule.last_at),
            timezone=schedule.timezone,
            schedule_id=name,
            key=schedule.key,
            upcoming=_moment(upcoming),
        )
        if due != schedule.next_at:  # what was missed before the last time is passed over
            if not store.fire_schedule(schedule.id, expected=schedule.next_at, next_at=due):
                return
            schedule = replace(schedule, next_at=due)
        line = promise(
            self._runtime,
            schedule.workflow_id,
            f"schedule/{name}@{due:.0f}",
            digest(["schedule", schedule.workflow_id, name, due]),
            payload.model_dump(mode="json"),
            now,
        )
        if store.fire_schedule(schedule.id, expected=due, next_at=upcoming):
            self._outbox.add(line)


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
