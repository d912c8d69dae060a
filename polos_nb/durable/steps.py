"""Steps: asked for once, executed once, kept, then told. The only reader and writer of step records."""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback as traceback_module
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from polos_nb.codec import UnknownType, decode, digest, encode, to_plain
from polos_nb.durable.book import Book
from polos_nb.durable.fingerprint import StepCall, extend_chain, fingerprint
from polos_nb.durable.retry import Retry
from polos_nb.errors import CodecError, LiveCallRefused, StepExecutionError, StepInDoubt, StoreError, one_line
from polos_nb.events import StepFailed, StepFinished, StepStarted
from polos_nb.messages import Usage
from polos_nb.stores.base import StepRecord


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A call with its identity: what a pass asks the store for. Made before anything executes, in calling order."""

    call: StepCall
    path: str
    fingerprint: str
    occurrence: int
    seq: int
    idempotency_key: str
    chain: str = ""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a step gave. `value` is always the decoded form of what was kept."""

    value: Any
    cached: bool
    record: StepRecord


class StepFailure(Exception):
    """A step has failed for good; `error` is the last failure. The caller decides who hears of it."""

    def __init__(self, error: Exception, *, text: str) -> None:
        super().__init__(text)
        self.error = error
        self.text = text


class Steps:
    """The steps of one branch of a run: the run itself, or the inside of one tool call.

    Occurrences and the chain of writes are counted per branch, so that parallel branches never depend on which of
    them is faster.
    """

    def __init__(self, book: Book, *, branch: str = "", path: str = "", chain: str = "") -> None:
        self.book = book
        self.branch = branch
        self.path = path
        self._chain = chain
        self.has_written = False
        self._seen: Counter[str] = Counter()
        self._keys: set[str] = set()

    @property
    def chain(self) -> str:
        """The chain of `effect="write"` steps asked for so far in this branch; "" for none."""
        return self._chain

    def claim_key(self, key: str) -> None:
        """Take a user's step key. Raises StepExecutionError when this branch has it already."""
        if not key or not key.isprintable():
            raise StepExecutionError(f"step key {key!r} is not a printable text", step_key=key)
        if key in self._keys:
            raise StepExecutionError(
                f"step key {key!r} is used twice in this run; give each step its own, for example f'{key}-{{i}}'",
                step_key=key,
            )
        self._keys.add(key)

    def reserve(self, call: StepCall) -> Slot:
        """Give a call its identity. Calls of one turn are reserved in order before any of them executes."""
        mark = fingerprint(call, self.branch)
        occurrence = self._seen[mark]
        self._seen[mark] += 1
        run = self.book.run
        return Slot(
            call=call,
            path=f"{self.path}/{call.key}" if self.path else call.key,
            fingerprint=mark,
            occurrence=occurrence,
            seq=self.book.next_seq(),
            idempotency_key=digest([run.lineage, run.horizon, mark, occurrence]),
            chain=self._chain,
        )

    def wrote(self, slot: Slot) -> None:
        """Note that a write was asked for: steps after it depend on it."""
        self.has_written = True
        self._chain = extend_chain(self._chain, slot.fingerprint)

    def inside(self, slot: Slot) -> Steps:
        """The steps inside a tool call: a branch of its own, the same for another version of the same call."""
        call = slot.call
        # Equal calls with a write between them both have the occurrence 0: the chain tells them apart.
        identity = digest([self.branch, call.kind, call.name, call.parts.get("arguments"), slot.chain, slot.occurrence])
        return Steps(self.book, branch=identity, path=slot.path, chain=slot.chain)

    async def perform(
        self,
        slot: Slot,
        execute: Callable[[int], Awaitable[Any]],
        *,
        retry: Retry | None = None,
        usage_of: Callable[[Any], Usage | None] = lambda value: None,
        wrote: Callable[[], bool] = lambda: False,
    ) -> Answer:
        """Answer from the store, or execute, keep and tell.

        `wrote` says afterwards whether there was a write inside, which makes the step itself one for later steps.

        `execute(attempt)` is awaited with the attempt's number, from 1. Raises StepFailure when the last attempt
        failed, StepInDoubt for a write of unknown outcome, LiveCallRefused where nothing may execute, CodecError
        when the value cannot be kept.
        """
        book, call = self.book, slot.call
        found = None if book.wants_fresh(call, slot.path) else book.find(slot.fingerprint, slot.occurrence)
        why = ""
        if found is not None and found.status == "completed" and book.wants_fresh_inside(slot.path):
            why = "a step inside it was asked to be fresh"
        elif found is not None and found.status == "completed":
            try:
                return self._answer(slot, found, decode(found.output or "null", call.types), cached=True)
            except UnknownType as error:
                if call.effect == "write":  # it was done: that its answer cannot be read is no reason to do it again
                    raise CodecError(
                        f"step {slot.path} was done, but its kept answer cannot be read: {error}"
                    ) from None
                why = f"its kept value cannot be used: {error}"
        if found is not None and found.status == "failed" and book.mode == "replay":
            book.hit(slot.seq, found)
            self._tell_failed(slot, found.error or "", attempt=found.attempts, why="")
            raise StepFailure(StepExecutionError(found.error, step_key=slot.path), text=found.error or "")
        try:
            book.refuse(call)
            self._settle_doubt(slot, found)
        except (StepInDoubt, LiveCallRefused) as error:
            book.interrupts[slot.path] = error
            raise
        why = book.redactor.redact(why or book.why(call, found, slot.path))
        record = book.start(call, self._record(slot), slot.seq, why)
        self._tell(StepStarted, slot, request=self._request(slot), why=why)
        return await self._execute(slot, record, execute, retry or Retry(), usage_of, wrote)

    async def _execute(
        self,
        slot: Slot,
        record: StepRecord,
        execute: Callable[[int], Awaitable[Any]],
        retry: Retry,
        usage_of: Callable[[Any], Usage | None],
        wrote: Callable[[], bool],
    ) -> Answer:
        attempt = 0
        while True:
            attempt += 1
            try:
                value = await execute(attempt)
                self.book.raise_interrupt(slot.path)  # which the function may have caught like any other exception
                output = self.book.redactor.redact(encode(value, what=f"step {slot.path}", types=dict(slot.call.types)))
                kept = decode(output, slot.call.types)
            except (StepInDoubt, LiveCallRefused, StoreError) as error:
                # A step inside this one ends the run. This one has neither finished nor failed, nor is it in doubt:
                # unless it is itself a write that did not end in time.
                if getattr(error, "step_key", "") != slot.path:
                    with contextlib.suppress(StoreError):
                        self.book.store.finish_step(record.id, status="suspended", attempts=attempt)
                raise
            except Exception as error:
                self.book.raise_interrupt(slot.path)
                wait = None if isinstance(error, CodecError) else retry.delay(attempt, error)
                text = self.book.redactor.redact(one_line(error, 2000))
                if wait is None:
                    self._fail(slot, record, error, text, attempt)
                    if isinstance(error, CodecError):
                        raise
                    raise StepFailure(error, text=text) from error
                self._tell_failed(slot, text, attempt=attempt, retry_in=wait)
                # Stop may come during the wait: what has failed is not in doubt.
                self.book.store.finish_step(record.id, status="failed", error=text, attempts=attempt)
                await asyncio.sleep(wait)
                self.book.store.finish_step(record.id, status="started", error=None)
                continue
            usage = usage_of(kept)
            changes: dict[str, Any] = {
                "status": "completed",
                "output": output,
                "attempts": attempt,
                "finished_at": time.time(),
                "usage": usage.model_dump_json(exclude_none=True) if usage else None,
                "effect": "write" if wrote() else record.effect,
            }
            self.book.store.finish_step(record.id, **changes)
            return self._answer(slot, _with(record, changes), kept, cached=False)

    def _answer(self, slot: Slot, record: StepRecord, value: Any, *, cached: bool) -> Answer:
        if cached:
            self.book.hit(slot.seq, record)
        seconds = None
        if record.finished_at and record.started_at:
            seconds = record.finished_at - record.started_at
        self._tell(
            StepFinished,
            slot,
            request=self._request(slot),
            output=_plain(value),
            cached=cached,
            usage=Usage.model_validate_json(record.usage) if record.usage else None,
            seconds=seconds,
            attempts=record.attempts,
        )
        return Answer(value=value, cached=cached, record=record)

    def _fail(self, slot: Slot, record: StepRecord, error: Exception, text: str, attempt: int) -> None:
        trace = self.book.redactor.redact("".join(traceback_module.format_exception(error)))
        self.book.store.finish_step(
            record.id,
            status="failed",
            error=text,
            traceback=trace,
            attempts=attempt,
            finished_at=time.time(),
        )
        self._tell_failed(slot, text, attempt=attempt)

    def _settle_doubt(self, slot: Slot, found: StepRecord | None) -> None:
        """A write that was started and never ended is not repeated silently."""
        if found is None or found.status != "started" or slot.call.effect != "write":
            return
        raise StepInDoubt(
            f"step {slot.path} was started and the process ended before it was known to finish; it has outside effects,"
            f" so it is not repeated silently. If it did not happen, run the cell again with --fresh {slot.path}"
            f" (fresh={slot.path!r} in Python)",
            step_key=slot.path,
            run_id=self.book.run.id,
        )

    def _request(self, slot: Slot) -> dict[str, Any]:
        """What is shown of the call: the same as what its record says."""
        shown: dict[str, Any] = orjson.loads(self.book.redactor.redact(_json(slot.call.request)))
        return shown

    def _record(self, slot: Slot) -> StepRecord:
        call, redact = slot.call, self.book.redactor.redact
        return StepRecord(
            run_id=self.book.run.id,
            lineage=self.book.run.lineage,
            target_id=self.book.run.target_id,
            step_key=slot.path,
            kind=call.kind,
            name=call.name,
            fingerprint=slot.fingerprint,
            occurrence=slot.occurrence,
            effect=call.effect,
            parts=redact(_json(call.parts)),
            request=redact(_json(call.request)),
            idempotency_key=slot.idempotency_key,
            started_at=time.time(),
        )

    def _tell(self, event_type: Any, slot: Slot, **fields: Any) -> None:
        self.book.emit(
            event_type,
            step_key=slot.path,
            step_type=slot.call.kind,
            name=slot.call.name,
            parent=self.path,
            **fields,
        )

    def _tell_failed(
        self, slot: Slot, text: str, *, attempt: int, retry_in: float | None = None, why: str = ""
    ) -> None:
        self._tell(
            StepFailed,
            slot,
            request=self._request(slot),
            error=text,
            retry_in=retry_in,
            attempt=attempt,
            why=why,
        )


def _with(record: StepRecord, changes: Mapping[str, Any]) -> StepRecord:
    return StepRecord(**{**record.__dict__, **changes})


def _json(value: Mapping[str, Any]) -> str:
    return orjson.dumps(dict(value), option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS, default=str).decode()


def _plain(value: Any) -> Any:
    try:
        return to_plain(value)
    except CodecError:
        return repr(value)
