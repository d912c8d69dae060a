"""Reading topics and runs as streams of events in Polos' shape: what is there already, then what comes."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson

from polos_nb.errors import StoreError
from polos_nb.run_events import (
    Event,
    RunFinished,
    RunStarted,
    StepEvent,
    StepFailed,
    StepFinished,
    StepResumed,
    StepStarted,
    StepSuspended,
)
from polos_nb.runtime.records import NESTED, run_events, run_finished
from polos_nb.runtime.run import Run, StreamEvent
from polos_nb.stores.base import RunRecord, Store
from polos_nb.stores.waiting import DecisionRecord, EventRecord

_POLL_SECONDS = 0.03
_PAGE = 500  # events of a topic that are read at once
_OVER = ("completed", "failed", "cancelled")
# What is told once of a run, however many passes it took; what a model streams is said again by the next pass.
_ONCE = (RunStarted, RunFinished, StepStarted, StepFinished, StepFailed, StepSuspended, StepResumed)


class Source(Protocol):
    """What streams need of the runtime."""

    @property
    def store(self) -> Store:
        """The store."""

    def live(self, run_id: str) -> Run | None:
        """The run that this process drives, or has driven."""


# -- topics -----------------------------------------------------------------------------------------------------------
def stream_event(event: EventRecord) -> StreamEvent:
    """An event of a topic in Polos' shape."""
    return StreamEvent(
        id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{event.topic}/{event.id}")),
        sequence_id=event.id,
        topic=event.topic,
        event_type=event.event_type or "",
        data=orjson.loads(event.data),
        created_at=datetime.fromtimestamp(event.created_at, UTC).isoformat(),
    )


async def read_topic(store: Store, topic: str, after: int, since: float | None = None) -> AsyncIterator[StreamEvent]:
    """The events of a topic with ids above `after`, younger than `since`, as they come. It never ends."""
    seen: int | None = None
    while True:
        version = store.version()  # before the reading: what is written meanwhile is read in the next round
        if version == seen:
            await asyncio.sleep(_POLL_SECONDS)
            continue
        seen = version
        while True:
            page = store.read_topic(topic, after=after, since=since, limit=_PAGE)
            for event in page:
                after = event.id
                if since is None or event.created_at > since:
                    yield stream_event(event)
            if len(page) < _PAGE:
                break


# -- runs -------------------------------------------------------------------------------------------------------------
async def read_run(
    source: Source, run_id: str, workflow_id: str = "", after: int = 0, since: float | None = None
) -> AsyncIterator[StreamEvent]:
    """The events of a run from its beginning until it is over; see `events.stream_workflow`."""
    run = known_run(source.store, run_id, workflow_id)
    shape = _Shape(run)
    async for event in _told(source, run):
        for shaped in shape.of(event):
            if shaped.sequence_id > after and (since is None or event.at > since):
                yield shaped


def known_run(store: Store, run_id: str, workflow_id: str = "") -> RunRecord:
    """A run by its id, checked against the workflow it should be a run of. Raises StoreError."""
    run = store.get_run(run_id)
    if run is None:
        raise StoreError(f"there is no run {run_id} in {store.location}; see %polos runs")
    root = store.get_run(run.root) if run.root else None
    if workflow_id and workflow_id not in (run.target_id, root.target_id if root else None):
        raise StoreError(f"run {run_id} is a run of {run.target_id}, not of {workflow_id}; give the id of its workflow")
    return run


async def _told(source: Source, run: RunRecord) -> AsyncIterator[Event]:
    """What happens in a run, told once: by the process that drives it, else by its records.

    A pass that was left because it waits is no end; the next pass goes on where the last one was.
    """
    store, told = source.store, _Told()
    heard: Run | None = None
    seen: int | None = None
    while True:
        version = store.version()
        live = source.live(run.id)
        current = store.get_run(run.id)
        if current is None:
            return  # deleted
        if live is not None and live is not heard and current.status not in _OVER:
            heard, seen = live, None
            async for event in told.new(live):
                if not isinstance(event, RunFinished):
                    yield event
                elif _over(store, run.id):  # else it was left, or another process has taken it up again
                    yield event
                    return
            continue
        if version != seen:
            seen = version
            for event in told.new_of(records_of(store, current)):
                yield event
            if current.status in _OVER:
                yield run_finished(current, store.trace(current.id))
                return
        await asyncio.sleep(_POLL_SECONDS)


def _over(store: Store, run_id: str) -> bool:
    run = store.get_run(run_id)
    return run is None or run.status in _OVER


def records_of(store: Store, run: RunRecord) -> Iterator[Event]:
    """The events of a run as its records tell them, without its end; with the questions that were answered."""
    asked: dict[str, DecisionRecord] = {}
    above = _path_of(store, run)
    for decision in store.decisions(run_id=run.root or run.id):
        if decision.status in ("answered", "expired") and decision.step_id and decision.step_key.startswith(above):
            asked[decision.step_key[len(above) :]] = decision
    for event in run_events(run, store.trace(run.id), store):
        if isinstance(event, RunFinished):
            return
        decision_of = asked.get(event.step_key) if isinstance(event, StepFinished | StepFailed) else None
        if isinstance(event, StepEvent) and decision_of is not None:
            yield from _asked_and_answered(event, asked.pop(event.step_key))
            yield event
            continue
        yield event
        if isinstance(event, StepStarted) and event.step_key in asked and asked[event.step_key].status == "answered":
            yield from _asked_and_answered(event, asked.pop(event.step_key))  # it goes on with the answer


def _asked_and_answered(event: StepEvent, decision: DecisionRecord) -> Iterator[Event]:
    common = {name: getattr(event, name) for name in ("run_id", "target_id", "kind", "step_key", "step_type", "name")}
    if decision.decided_at is None or decision.decided_at > decision.created_at:  # else nobody was asked
        yield StepSuspended(
            form=orjson.loads(decision.form),
            decision=decision.id,
            path=decision.step_key,
            until=decision.expires_at,
            at=decision.created_at,
            parent=event.parent,
            **common,
        )
    if decision.status == "answered":
        yield StepResumed(
            answer=orjson.loads(decision.answer or "null"),
            decided_by=decision.decided_by or "",
            at=decision.decided_at or 0.0,
            parent=event.parent,
            **common,
        )


def _path_of(store: Store, run: RunRecord) -> str:
    """What the paths of a run's steps begin with, seen from the outermost run."""
    above, current = "", run
    while current.root and current.parent and current.parent_step:
        above = f"{current.parent_step}/{above}"
        parent = store.get_run(current.parent)
        if parent is None:
            break
        current = parent
    return above


class _Told:
    """What was told of a run, so that a next pass, or its records, add what is new."""

    def __init__(self) -> None:
        self._told: Counter[tuple[str, ...]] = Counter()

    async def new(self, run: Run) -> AsyncIterator[Event]:
        """What a pass in this process tells that was not told before."""
        said: Counter[tuple[str, ...]] = Counter()
        async for event in run.read():
            if self._is_new(event, said):
                yield event

    def new_of(self, events: Iterable[Event]) -> Iterator[Event]:
        """The same for events that are there."""
        said: Counter[tuple[str, ...]] = Counter()
        for event in events:
            if self._is_new(event, said):
                yield event

    def _is_new(self, event: Event, said: Counter[tuple[str, ...]]) -> bool:
        if not isinstance(event, _ONCE) or isinstance(event, RunFinished):
            return True
        mark: tuple[str, ...] = (type(event).__name__,)
        if isinstance(event, StepEvent):
            mark = (*mark, event.step_key, str(getattr(event, "decision", "")), str(getattr(event, "attempt", "")))
        said[mark] += 1
        if said[mark] <= self._told[mark]:
            return False
        self._told[mark] = said[mark]
        return True


class _Shape:
    """Events of one run in Polos' shape, numbered."""

    def __init__(self, run: RunRecord) -> None:
        self._run = run
        self._topic = f"workflow/{run.target_id}/{run.id}"
        self._number = 0

    def of(self, event: Event) -> Iterator[StreamEvent]:
        """An event as Polos sends it; with it what the run published on its own topic."""
        yield self._shaped(event, event.event_type, _data(event))
        if isinstance(event, StepFinished) and event.step_type == "publish_event":
            published = event.request
            if published.get("topic") == self._topic:
                yield self._shaped(event, published.get("event_type") or "", published.get("data") or {})

    def _shaped(self, event: Event, event_type: str, data: dict[str, Any]) -> StreamEvent:
        self._number += 1
        return StreamEvent(
            id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self._topic}/{self._number}")),
            sequence_id=self._number,
            topic=self._topic,
            event_type=event_type,
            data=data,
            created_at=datetime.fromtimestamp(event.at, UTC).isoformat(),
        )


def _data(event: Event) -> dict[str, Any]:
    """The data, in which the start and the end of a nested run are not taken for those of the run around it."""
    if not isinstance(event, StepStarted | StepFinished) or event.step_type not in NESTED:
        return event.data
    inside = {"execution_id": event.request.get("run"), "workflow_id": event.request.get(event.step_type)}
    return event.data | {"_metadata": inside}
