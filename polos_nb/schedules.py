"""Schedules: workflows that are started at the times of a cron line, as long as a `Polos` is entered or started.

>>> import asyncio
>>> from polos_nb import Polos, schedules, workflow
>>> @workflow(schedule=True)
... async def digest(ctx, payload: schedules.SchedulePayload):
...     return f"what came after {payload.last_timestamp}"
>>> async def main() -> None:
...     async with Polos(store=":memory:") as polos:
...         await schedules.create(polos, digest, "0 8 * * 1-5", timezone="Europe/Berlin", key="user-7")
...         for schedule in schedules.list(polos):
...             print(schedule.workflow_id, schedule.key, schedule.cron, schedule.timezone)
>>> asyncio.run(main())
digest user-7 0 8 * * 1-5 Europe/Berlin

`@workflow(schedule="*/5 * * * *")`, or a dict with cron, timezone and key, makes one schedule by itself. What was due
while nothing was started is made up for once, for the last time that was missed.
"""

from __future__ import annotations

import builtins
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from polos_nb import ambient, registry
from polos_nb.cron import Cron
from polos_nb.errors import DefinitionError
from polos_nb.runtime.schedule import SchedulePayload, put_schedule, schedule_name, schedule_number
from polos_nb.workflows import Workflow

__all__ = ["Schedule", "SchedulePayload", "create", "delete", "list"]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A schedule as it is kept. Times are in UTC; `last_at` is when it was last due."""

    id: str
    workflow_id: str
    key: str
    cron: str
    timezone: str
    next_at: datetime
    last_at: datetime | None = None


async def create(client: Any, workflow: Any, cron: str, timezone: str = "UTC", key: str = "global") -> str:
    """Start a workflow (given itself or by id) at the times of a cron line; returns the schedule's id.

    The workflow is declared with `schedule=True` or with a line of its own. For a workflow and key that have a schedule
    it is changed. Five fields: minute, hour, day, month, weekday. Raises DefinitionError for a wrong line or time zone.
    """
    found = registry.find(workflow, "workflow") if isinstance(workflow, str) else workflow
    if not isinstance(found, Workflow):
        known = ", ".join(sorted(registry.declared("workflow"))) or "none"
        raise DefinitionError(f"there is no workflow {workflow!r} to schedule; declared are: {known}")
    if not found.schedule:
        raise DefinitionError(
            f"workflow {found.id!r} has no schedule; declare it with @workflow(id={found.id!r}, schedule=True)"
        )
    store = _runtime(client).store
    record, _ = put_schedule(store, found.id, Cron(cron, timezone, key), time.time())
    return schedule_name(record.id)


def list(client: Any, workflow: Any = None) -> builtins.list[Schedule]:
    """All schedules, or those of a workflow (given itself or by id)."""
    id = getattr(workflow, "id", workflow)
    return [
        Schedule(
            id=schedule_name(record.id),
            workflow_id=record.workflow_id,
            key=record.key,
            cron=record.cron,
            timezone=record.timezone,
            next_at=datetime.fromtimestamp(record.next_at, UTC),
            last_at=None if record.last_at is None else datetime.fromtimestamp(record.last_at, UTC),
        )
        for record in _runtime(client).store.schedules(workflow_id=id)
    ]


async def delete(client: Any, schedule_id: str) -> bool:
    """Delete a schedule. False when there is none. That of a declaration comes back while it is declared."""
    return bool(_runtime(client).store.delete_schedule(schedule_number(schedule_id)))


def _runtime(client: Any) -> Any:
    chosen: Any = client if client is not None else ambient.current_runner()
    return chosen.runtime
