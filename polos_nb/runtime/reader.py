"""Reading along: the events of a run that somebody else drives, made of the records it writes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from polos_nb.run_events import Event
from polos_nb.runtime.records import Answers, run_started, trace_events
from polos_nb.stores.base import RunRecord, Store

_POLL_SECONDS = 0.03


async def follow(
    store: Store, run: RunRecord, emit: Callable[[Event], None], driven: Callable[[RunRecord], bool]
) -> None:
    """Tell what happens in a run as long as it is `driven`. Its text comes step by step, not token by token."""
    emit(run_started(run))
    told: dict[int, tuple[int, str]] = {}
    seen: int | None = None
    current: RunRecord | None = run
    while current is not None and driven(current):
        version = store.version()
        if version != seen:
            seen = version
            for row, step in store.trace(run.id):
                if told.get(row.seq) != (step.id, step.status):
                    told[row.seq] = (step.id, step.status)
                    for event in trace_events(run, row, step, store, Answers(store)):
                        emit(event)
            current = store.get_run(run.id)
            continue
        await asyncio.sleep(_POLL_SECONDS)
        current = store.get_run(run.id)
