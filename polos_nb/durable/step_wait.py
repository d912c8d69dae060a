"""The durable calls that wait: for a time, for an event, for a person; and those that others wait for."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from pydantic import BaseModel

from polos_nb.codec import digest, to_plain
from polos_nb.durable.asking import Place, Question, decided, parked
from polos_nb.durable.fingerprint import StepCall
from polos_nb.durable.step_base import StepBase
from polos_nb.durable.steps import Attempt, Slot
from polos_nb.errors import CodecError, StepExecutionError
from polos_nb.run_events import StepResumed, StepSuspended
from polos_nb.stores.waiting import DecisionRecord, EventRecord


class EventPayload(BaseModel):
    """An event as a waiting workflow gets it. `sequence_id` grows with each event of the store."""

    id: str
    sequence_id: int
    topic: str
    event_type: str | None = None
    data: dict[str, Any] = {}
    created_at: datetime


def event_payload(event: EventRecord) -> EventPayload:
    """An event of the store in Polos' shape."""
    return EventPayload(
        id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{event.topic}/{event.id}")),
        sequence_id=event.id,
        topic=event.topic,
        event_type=event.event_type,
        data=orjson.loads(event.data),
        created_at=datetime.fromtimestamp(event.created_at, UTC),
    )


class WaitSteps(StepBase):
    """Waiting, and telling others."""

    # -- for a time ---------------------------------------------------------------------------------------------------
    async def wait_for(
        self,
        step_key: str,
        seconds: float | None = None,
        minutes: float | None = None,
        hours: float | None = None,
        days: float | None = None,
        weeks: float | None = None,
    ) -> None:
        """Wait for the sum of what is given. A wait that outlives the process goes on with what is left of it.

        >>> await ctx.step.wait_for("cool down", minutes=5)  # doctest: +SKIP
        """
        units = ((seconds, 1), (minutes, 60), (hours, 3600), (days, 86_400), (weeks, 604_800))
        total = sum((amount or 0) * size for amount, size in units)
        if total <= 0:
            raise StepExecutionError(f"wait_for {step_key!r} needs a time above zero, as in seconds=30")
        await self._wait(step_key, time.time() + total, {"seconds": total})

    async def wait_until(self, step_key: str, timestamp: datetime) -> None:
        """Wait until a moment; without a time zone it is in UTC. A moment that has passed is no wait."""
        if not isinstance(timestamp, datetime):
            raise StepExecutionError(f"wait_until {step_key!r} needs a datetime, not {timestamp!r}")
        moment = timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)
        await self._wait(step_key, moment.timestamp(), {"until": moment.astimezone(UTC).isoformat()})

    async def _wait(self, step_key: str, due: float, parts: dict[str, Any]) -> None:
        slot = self._claimed(StepCall(key=step_key, kind="wait", name=step_key, parts=parts, request={"until": due}))

        async def execute(attempt: Attempt) -> None:
            until = float(orjson.loads(attempt.record.request)["until"])
            if until > time.time():
                place = self._waiting(slot, attempt)
                place.tell(StepSuspended, until=until)
                await parked(self._steps.book, place, lambda: True if time.time() >= until else None, until=until)
                place.tell(StepResumed)

        await self._performed(slot, execute, waits=True)

    # -- for an event -------------------------------------------------------------------------------------------------
    async def wait_for_event(self, step_key: str, topic: str, timeout: float | None = None) -> EventPayload:
        """Wait for the next event on a topic. What was published before is not waited for.

        Raises StepExecutionError when none comes within `timeout` seconds.
        """
        _check_timeout(step_key, timeout)
        store = self._steps.book.store
        now = time.time()
        call = StepCall(
            key=step_key,
            kind="wait_for_event",
            name=step_key,
            parts={"topic": topic},
            request={
                "topic": topic,
                "after": store.last_event_id(),
                "until": None if timeout is None else now + timeout,
            },
            types={"polos_nb:EventPayload": EventPayload},
        )
        slot = self._claimed(call)

        async def execute(attempt: Attempt) -> EventPayload:
            asked = orjson.loads(attempt.record.request)
            place = self._waiting(slot, attempt)
            place.tell(StepSuspended, until=asked["until"])

            def ready() -> EventPayload | None:
                events = store.read_topic(topic, after=asked["after"], limit=1)
                if events:
                    return event_payload(events[0])
                if asked["until"] is not None and time.time() >= asked["until"]:
                    raise StepExecutionError(f"no event came on {topic!r} in time", step_key=slot.path)
                return None

            event = await parked(self._steps.book, place, ready, until=asked["until"])
            place.tell(StepResumed, answer=event.model_dump(mode="json"))
            return event

        event: EventPayload = (await self._performed(slot, execute, waits=True)).value
        return event

    async def publish_event(
        self, step_key: str, topic: str, data: Mapping[str, Any] | BaseModel, event_type: str | None = None
    ) -> int:
        """Publish an event once; returns its sequence id. `data` is a dict or a model."""
        plain = _data(step_key, data)
        call = StepCall(
            key=step_key,
            kind="publish_event",
            name=step_key,
            parts={"topic": topic, "event_type": event_type, "data": digest(plain)},
            request={"topic": topic, "event_type": event_type, "data": plain},
        )
        slot = self._claimed(call)
        book = self._steps.book

        async def execute(attempt: Attempt) -> int:
            event = EventRecord(
                topic=topic,
                event_type=event_type,
                data=book.redactor.redact(orjson.dumps(plain).decode()),
                run_id=book.run.id,
                key=slot.idempotency_key,
                created_at=time.time(),
            )
            return book.store.publish([event])[0].id

        return int((await self._performed(slot, execute)).value)

    async def publish_workflow_event(
        self, step_key: str, data: Mapping[str, Any] | BaseModel, event_type: str | None = None
    ) -> int:
        """Publish an event on the topic of the outermost run."""
        return await self.publish_event(step_key, _topic(self._steps.book.root.run), data, event_type)

    # -- for a person -------------------------------------------------------------------------------------------------
    async def suspend(
        self, step_key: str, data: Mapping[str, Any] | BaseModel | None = None, timeout: float | None = None
    ) -> dict[str, Any]:
        """Wait for an answer from outside, and return it as an event: what was answered is under "data".

        `data` is shown to who is asked; with a `_form` in it (title, description, fields) there is something to fill
        in. An answer may come before the question. Raises StepExecutionError when none comes within `timeout` seconds.

        >>> answer = await ctx.step.suspend("review", {"draft": draft})  # doctest: +SKIP
        >>> answer["data"].get("approved")  # doctest: +SKIP
        """
        _check_timeout(step_key, timeout)
        shown = _data(step_key, data if data is not None else {})
        parts = {"shown": {name: digest(value) for name, value in _canonical(data).items()}}
        return await self._ask(step_key, "suspend", Question(kind="suspend", form=shown, timeout=timeout), parts)

    async def _ask(self, step_key: str, name: str, question: Question, parts: dict[str, Any]) -> dict[str, Any]:
        call = StepCall(key=step_key, kind=question.kind, name=step_key, parts=parts, request={"form": question.form})
        slot = self._claimed(call)

        async def execute(attempt: Attempt) -> dict[str, Any]:
            decision = await decided(self._steps.book, self._waiting(slot, attempt), question)
            return _envelope(decision, self._steps.book.root.run)

        answer: dict[str, Any] = (await self._performed(slot, execute, waits=True)).value
        return answer

    async def resume(
        self,
        step_key: str,
        suspend_step_key: str,
        suspend_execution_id: str,
        suspend_workflow_id: str | None = None,
        data: Any = None,
    ) -> None:
        """Answer a step that another run waits at; `suspend_execution_id` names the outermost run."""
        plain = to_plain(data)
        parts = {"run": suspend_execution_id, "step": suspend_step_key, "data": digest(plain)}
        slot = self._claimed(StepCall(key=step_key, kind="resume", name=step_key, parts=parts, request=dict(parts)))

        async def execute(attempt: Attempt) -> None:
            if self._steps.book.store.get_run(suspend_execution_id) is None:
                raise StepExecutionError(f"there is no run {suspend_execution_id} to answer", step_key=slot.path)
            answer_step(self._steps.book.store, suspend_execution_id, suspend_step_key, plain, by="workflow")

        await self._performed(slot, execute)

    def _waiting(self, slot: Slot, attempt: Attempt) -> Place:
        return self._steps.place(slot, attempt.record)


def _check_timeout(key: str, timeout: Any) -> None:
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float)):
        raise StepExecutionError(f"step {key!r}: timeout={timeout!r} is no number of seconds; write for example 3600")


def answer_step(store: Any, run_id: str, step_key: str, data: Any, *, by: str = "") -> bool:
    """Answer what a run waits for at a step, or keep the answer for when it asks. False when it is answered already.

    The step is named by its path from that run. What waits already may also be named by the last part of its path.
    """
    text = orjson.dumps(data, default=str).decode()
    root, path = _from_outermost(store, run_id, step_key)
    known = store.decisions(run_id=root)
    same = [d for d in known if d.step_key == path]
    same = same or [d for d in known if d.step_key.rpartition("/")[2] == step_key]
    waiting = [d for d in same if d.status == "waiting"]
    if waiting:
        return bool(store.decide(waiting[-1].id, answer=text, decided_by=by))
    if any(d.status == "answered" and d.step_id is not None for d in same):
        return False
    store.answer_early(root, path, text, by)
    for decision in store.decisions(run_id=root, status="waiting"):
        if decision.step_key == path:  # it was asked in the meantime
            return bool(store.decide(decision.id, answer=text, decided_by=by))
    return True


def _from_outermost(store: Any, run_id: str, path: str) -> tuple[str, str]:
    """The outermost run around a run, and the path from there."""
    run = store.get_run(run_id)
    while run is not None and run.root is not None and run.parent is not None:
        run_id, path = run.parent, f"{run.parent_step}/{path}"
        run = store.get_run(run_id)
    return run_id, path


def _data(step_key: str, data: Any) -> dict[str, Any]:
    try:
        plain = to_plain(data)
    except CodecError as error:
        raise CodecError(f"step {step_key}: what is given cannot be shown: {error}") from None
    return plain if isinstance(plain, dict) else {"value": plain}


def _canonical(data: Any) -> dict[str, Any]:
    """What is shown, by name, such that equal things have equal digests."""
    if isinstance(data, BaseModel):
        return {name: getattr(data, name) for name in type(data).model_fields}
    return {str(name): value for name, value in (data or {}).items()}


def _topic(run: Any) -> str:
    return f"workflow/{run.target_id}/{run.id}"


def _envelope(decision: DecisionRecord, run: Any) -> dict[str, Any]:
    """A decision as the event that Polos returns from `suspend`."""
    topic = _topic(run)
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{topic}/{decision.id}")),
        "sequence_id": decision.id,
        "topic": topic,
        "event_type": f"resume_{decision.step_key.rpartition('/')[2]}",
        "data": orjson.loads(decision.answer or "null"),
        "decided_by": decision.decided_by or None,
        "created_at": datetime.fromtimestamp(decision.decided_at or 0, UTC).isoformat(),
    }
