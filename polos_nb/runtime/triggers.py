"""Triggers: workflows that events on a topic start, each event once, over processes and restarts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from polos_nb import registry
from polos_nb.codec import digest
from polos_nb.durable.step_wait import event_payload
from polos_nb.runtime.outbox import Outbox, promise
from polos_nb.runtime.runtime import Runtime
from polos_nb.stores.waiting import EventRecord
from polos_nb.workflows import Workflow

_ROUNDS = 100  # batches of one workflow that are taken before the next workflow has its turn


class Triggers:
    """Takes events from topics for the workflows that wait for them, and has their runs started.

    How far a workflow has come on its topic is a cursor in the store. A batch is kept in the outbox before the cursor
    moves past it, under a key that is the cursor's place: of two processes one writes it, and a process that ends in
    between leaves a batch that the next one finds.
    """

    def __init__(self, runtime: Runtime, outbox: Outbox, *, clock: Callable[[], float] = time.time) -> None:
        self._runtime = runtime
        self._outbox = outbox
        self._clock = clock
        self._seen: int | None = None
        self._places: set[str] = set()  # cursors that are there
        self._filling = False  # a batch waits for its time-out

    def notice(self) -> None:
        """Events from now on count for the workflows that were declared since the last time."""
        for workflow in self._workflows():
            name, store = _cursor(workflow), self._runtime.store
            if name not in self._places:
                if store.get_cursor(name) is None:
                    store.move_cursor(name, store.last_event_id(), expected=None)
                self._places.add(name)
                self._seen = None

    def take(self) -> None:
        """Take what has come, and what has waited long enough for its batch to be full."""
        self.notice()
        if not self._places:
            return  # the store need not be opened
        version = self._runtime.store.version()
        if version == self._seen and not self._filling:
            return
        self._seen, self._filling = version, False
        for workflow in self._workflows():
            for _ in range(_ROUNDS):
                if not self._take_batch(workflow):
                    break
            else:
                self._seen = None  # there is more

    def _workflows(self) -> list[Workflow]:
        return [flow for flow in list(registry.declared("workflow").values()) if flow.trigger_on_event]

    def _take_batch(self, workflow: Workflow) -> bool:
        """Take one batch, if there is one. True where there may be another."""
        store, name = self._runtime.store, _cursor(workflow)
        place = store.get_cursor(name)
        if place is None:
            return False
        events = store.read_topic(str(workflow.trigger_on_event), after=place, limit=workflow.batch_size)
        if not events:
            return False
        if len(events) < workflow.batch_size:
            patience = workflow.batch_timeout_seconds
            if patience is None:
                return False
            if self._clock() - events[0].created_at < patience:
                self._filling = True
                return False
        line = promise(
            self._runtime,
            workflow.id,
            f"{name}@{place}",
            digest(["trigger", workflow.id, [event.id for event in events]]),
            _payload(workflow, events),
            self._clock(),
            last=events[-1].id,
        )
        if store.move_cursor(name, orjson.loads(line.data)["last"], expected=place):
            self._outbox.add(line)
        return True


def _cursor(workflow: Workflow) -> str:
    return f"trigger/{workflow.id}/{workflow.trigger_on_event}"


def _payload(workflow: Workflow, events: Sequence[EventRecord]) -> dict[str, Any]:
    given = [event_payload(event).model_dump(mode="json") for event in events]
    if workflow.batch_size == 1 and workflow.batch_timeout_seconds is None:
        return given[0]
    return {"events": given}
