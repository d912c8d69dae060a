"""Events: facts on topics, published and streamed, and the events of runs.

A topic is a name that somebody publishes on; it needs no declaration. Events are kept in the store, so every process on
the same store sees them. `sequence_id` grows with each event of the store, over all topics.

>>> import asyncio
>>> from polos_nb import Polos, events
>>> async def main() -> None:
...     async with Polos(store=":memory:") as polos:
...         orders = events.stream_topic(polos, "orders")
...         await events.publish(polos, "orders", events.EventData(event_type="created", data={"id": 7}))
...         async for event in orders:
...             print(event.event_type, event.data)
...             break
>>> asyncio.run(main())
created {'id': 7}

`@workflow(trigger_on_event="orders")` starts a workflow for each event, as long as a `Polos` is entered or started; it
gets the fields of `EventPayload`. With `batch_size` or `batch_timeout_seconds` it gets those of `BatchEventPayload`: a
batch is started when it is full or, with a time-out, when its oldest event is as old as that. Without a time-out it
waits until it is full. Events count from when the workflow was first seen by a started `Polos`; what comes while none
is started is taken at the next start.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from pydantic import BaseModel, field_validator

from polos_nb import ambient
from polos_nb.codec import to_plain
from polos_nb.durable.step_wait import EventPayload, event_payload
from polos_nb.errors import ArgumentsError, CodecError
from polos_nb.redaction import redactor
from polos_nb.runtime.background import notice
from polos_nb.runtime.run import StreamEvent
from polos_nb.runtime.topics import known_run, read_run, read_topic
from polos_nb.stores.waiting import EventRecord

__all__ = [
    "BatchEventPayload",
    "EventData",
    "EventItem",
    "EventPayload",
    "StreamEvent",
    "batch_publish",
    "event_payload",
    "publish",
    "stream_topic",
    "stream_workflow",
]

EventItem = EventPayload  # one event of a batch has the fields of an event by itself


class BatchEventPayload(BaseModel):
    """What a workflow with `batch_size` or `batch_timeout_seconds` is given."""

    events: list[EventItem]


class EventData(BaseModel):
    """What is published: `data` is a dict or a pydantic model, `event_type` says what kind of fact it is."""

    event_type: str | None = None
    data: dict[str, Any] = {}

    @field_validator("data", mode="before")
    @classmethod
    def _as_dict(cls, value: Any) -> dict[str, Any]:
        if not isinstance(value, BaseModel | dict):
            raise CodecError(
                f"the data of an event is a dict or a pydantic model, not {type(value).__name__};"
                " write for example EventData(data={'value': ...})"
            )
        try:
            plain = to_plain(value)
        except CodecError as error:
            raise CodecError(f"the data of an event cannot be kept: {error}") from None
        return plain if isinstance(plain, dict) else {"value": plain}


async def publish(
    client: Any,
    topic: str,
    event_data: EventData,
    execution_id: str | None = None,
    root_execution_id: str | None = None,
) -> int:
    """Publish an event and return its sequence id. `client` may be None, for the ambient one.

    `execution_id` says which run it is about. A workflow publishes with `ctx.step.publish_event`, which does it once
    however often its body runs.
    """
    [number] = await batch_publish(client, topic, [event_data], execution_id, root_execution_id)
    return number


async def batch_publish(
    client: Any,
    topic: str,
    events: Sequence[EventData],
    execution_id: str | None = None,
    root_execution_id: str | None = None,
) -> list[int]:
    """Publish many events, all or none, and return their sequence ids in order."""
    _check_topic(topic)
    runtime = _runtime(client)
    redact, now = redactor().redact, time.time()
    records = []
    for event in events:
        if not isinstance(event, EventData):
            raise ArgumentsError(
                f"{type(event).__name__} is not an event; write events.EventData(event_type='created', data={{...}})"
            )
        data = redact(orjson.dumps(event.data).decode())
        records.append(
            EventRecord(
                topic=topic,
                event_type=event.event_type,
                data=data,
                run_id=execution_id or root_execution_id,
                created_at=now,
            )
        )
    notice(runtime)
    return [record.id for record in runtime.store.publish(records)]


def stream_topic(
    client: Any,
    topic: str,
    last_sequence_id: int | None = None,
    last_timestamp: datetime | str | float | None = None,
) -> AsyncIterator[StreamEvent]:
    """The events of a topic, as they come, for as long as they are read: `async for event in stream_topic(...)`.

    From the moment of this call on, or from what follows `last_sequence_id` (0: from the first event) or
    `last_timestamp` (a datetime, an ISO 8601 text or seconds since 1970). The events of a run are those of
    `stream_workflow`; its topic has only what was published there.
    """
    _check_topic(topic)
    store = _runtime(client).store
    since = _seconds(last_timestamp)
    after = last_sequence_id
    if after is None:
        after = store.last_event_id() if since is None else 0
    return read_topic(store, topic, after, since)


def stream_workflow(
    client: Any,
    workflow_id: Any,
    workflow_run_id: str,
    last_sequence_id: int | None = None,
    last_timestamp: datetime | str | float | None = None,
) -> AsyncIterator[StreamEvent]:
    """What happens in a run, in Polos' vocabulary: `workflow_start`, `step_start`, `suspend_{key}`, `text_delta`, ...

    From the beginning, or from what follows `last_sequence_id` or `last_timestamp`; it ends after the run's own
    `*_finish` (then the run is over for `client.get_execution` too) or `workflow_cancel`, and stays open while the run
    waits. What the run publishes with `publish_workflow_event` comes with the rest.

    Sequence ids count from 1. A run that is over is told from its records, the same to everybody; one that this process
    drives is told as it happens, with the text piece by piece; one that another process drives step by step. Raises
    StoreError for a run that is not there.
    """
    runtime = _runtime(client)
    id = str(getattr(workflow_id, "id", workflow_id) or "")
    known_run(runtime.store, workflow_run_id, id)
    return read_run(runtime, workflow_run_id, id, last_sequence_id or 0, _seconds(last_timestamp))


def _runtime(client: Any) -> Any:
    chosen: Any = client if client is not None else ambient.current_runner()
    return chosen.runtime


def _check_topic(topic: Any) -> None:
    if not isinstance(topic, str) or not topic.strip():
        raise ArgumentsError(f"topic {topic!r} is not a name; write for example 'orders'")


def _seconds(moment: datetime | str | float | None) -> float | None:
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            raise ArgumentsError(f"last_timestamp={moment!r} is no time in ISO 8601") from None
    if isinstance(moment, datetime):
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return moment
