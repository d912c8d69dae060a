"""Waiting inside a run: for a time, for an event, for a person; and the decision that a person gives."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from polos_nb.durable.book import Book
from polos_nb.errors import ConfigurationError, StepExecutionError
from polos_nb.forms import parse_form
from polos_nb.run_events import StepResumed, StepSuspended
from polos_nb.stores.base import StepRecord
from polos_nb.stores.waiting import DecisionRecord

POLL_SECONDS = 0.03
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked: `form` is JSON data with the form and what is shown beside it; `kind` as in `DecisionRecord`.

    `check` raises ConfigurationError for an early answer that is none. `settle` may answer the question in a person's
    place, by a rule that they made: it returns the decision as it is then.
    """

    kind: str
    form: dict[str, Any]
    timeout: float | None = None
    check: Callable[[dict[str, Any]], None] | None = None
    settle: Callable[[DecisionRecord], DecisionRecord] | None = None


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where something waits: the step's path, its record, the records of the steps around it, how to tell of it.

    A record that is `in_doubt` stays "started", also while its question waits.
    """

    path: str
    record: StepRecord
    around: Sequence[tuple[Book, StepRecord]]
    tell: Callable[..., None]
    in_doubt: bool = False


async def parked(
    book: Book, place: Place, ready: Callable[[], T | None], *, until: float | None = None, asks: bool = False
) -> T:
    """Wait until `ready()` gives something; it is asked when the store has changed, and when `until` has come.

    The steps around are marked as waiting: a process that ends now leaves no write in doubt.
    """
    marked = [(outer, record) for outer, record in place.around if record.effect == "write"]
    for outer, record in marked:
        outer.store.finish_step(record.id, status="suspended")
    if not place.in_doubt:
        book.store.finish_step(place.record.id, status="suspended")
    with book.lot.parked(book.prefix + place.path, math.inf if until is None else until, ready, asks=asks):
        seen: int | None = None
        while True:
            if book.lot.leaving:  # a nested run on another loop is left with the run around it
                raise asyncio.CancelledError
            version = book.store.version()
            late = until is not None and time.time() >= until
            if version != seen or late:
                seen = version
                value = ready()
                if value is not None:
                    break
            left = POLL_SECONDS if until is None else min(POLL_SECONDS, max(until - time.time(), 0.001))
            await asyncio.sleep(left)
    await book.lot.back(book.prefix + place.path)
    for outer, record in marked:
        outer.store.finish_step(record.id, status="started")
    return value


async def decided(book: Book, place: Place, question: Question) -> DecisionRecord:
    """The decision of a person: the one that is there, an early one, or the one that is waited for.

    Raises StepExecutionError when nobody answers within the question's timeout.
    """
    now = time.time()
    _drop_unfit(book, book.prefix + place.path, question)
    decision = book.store.ask(
        DecisionRecord(
            run_id=book.root.run.id,
            step_key=book.prefix + place.path,
            step_id=place.record.id,
            kind=question.kind,
            form=book.redactor.redact(orjson.dumps(question.form, default=str).decode()),
            expires_at=None if question.timeout is None else now + question.timeout,
            created_at=now,
        )
    )
    if decision.status == "waiting":
        _withdraw_older(book, decision)
        decision = decision if question.settle is None else question.settle(decision)
    if decision.status == "waiting":
        place.tell(
            StepSuspended,
            form=orjson.loads(decision.form),
            decision=decision.id,
            path=decision.step_key,
            until=decision.expires_at,
        )
        decision = await parked(book, place, lambda: _answered(book, decision), until=decision.expires_at, asks=True)
    if decision.status != "answered":
        waited = "" if decision.expires_at is None else f" within {decision.expires_at - decision.created_at:g} s"
        raise StepExecutionError(f"nobody answered{waited}", step_key=place.path)
    place.tell(StepResumed, answer=orjson.loads(decision.answer or "null"), decided_by=decision.decided_by or "")
    return decision


def _drop_unfit(book: Book, path: str, question: Question) -> None:
    """An early answer that does not fit the form is none: the question is asked."""
    run_id = book.root.run.id
    for early in book.store.decisions(run_id=run_id, status="answered"):
        if early.step_key != path or early.step_id is not None:
            continue
        answer = orjson.loads(early.answer or "null")
        answer = answer if isinstance(answer, dict) else {"value": answer}
        try:
            parse_form(question.form).check(answer)
            if question.check is not None:
                question.check(answer)
        except ConfigurationError:
            book.store.withdraw_early(run_id, path)


def _answered(book: Book, asked: DecisionRecord) -> DecisionRecord | None:
    decision = book.store.get_decision(asked.id)
    if decision is None:
        raise StepExecutionError("the question was deleted from the store", step_key=asked.step_key)
    if decision.status != "waiting":
        return decision
    if decision.expires_at is None or time.time() < decision.expires_at:
        return None
    book.store.decide(asked.id, status="expired", decided_by="timeout")  # unless an answer comes first
    return book.store.get_decision(asked.id)


def _withdraw_older(book: Book, asked: DecisionRecord) -> None:
    """A question that is asked in another form is not asked in its old form any more."""
    for other in book.store.decisions(run_id=asked.run_id, status="waiting"):
        if other.step_key == asked.step_key and other.id != asked.id:
            book.store.decide(other.id, status="withdrawn", decided_by="asked again")
