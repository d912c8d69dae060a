"""Steps: asked for once, executed once, kept, then told. The only reader and writer of step records."""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback as traceback_module
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from polos_nb.codec import UnknownType, decode, digest, encode
from polos_nb.durable.asking import Place
from polos_nb.durable.book import Book
from polos_nb.durable.doubt import settled
from polos_nb.durable.fingerprint import StepCall, fingerprint
from polos_nb.durable.retry import Retry
from polos_nb.durable.slots import Answer, Attempt, Slot, StepFailure, as_json, as_told, changed_record, step_record
from polos_nb.durable.state import StateKeeper
from polos_nb.durable.writes import Writes
from polos_nb.errors import CodecError, LiveCallRefused, StepExecutionError, StepInDoubt, StoreError, one_line
from polos_nb.messages import Usage
from polos_nb.run_events import StepFailed, StepFinished, StepStarted
from polos_nb.stores.base import StepRecord


class Steps:
    """The steps of one branch of a run: the run itself, or the inside of one tool call.

    Occurrences and the chain of writes are counted per branch, so that parallel branches never depend on which of
    them is faster.
    """

    def __init__(
        self,
        book: Book,
        *,
        branch: str = "",
        path: str = "",
        chain: str = "",
        outer: tuple[Steps, StepRecord] | None = None,
        state: StateKeeper | None = None,
    ) -> None:
        self.book = book
        self.branch = branch
        self.path = path
        self.outer = outer if outer is not None else book.outer
        self.state = state
        self.writes = Writes(chain)
        self.has_written = False
        self._seen: Counter[str] = Counter()
        self._alike: Counter[str] = Counter()
        self._keys: set[str] = set()

    @property
    def chain(self) -> str:
        """The chain of `effect="write"` steps asked for so far in this branch and task; "" for none."""
        return self.writes.here().chain

    def claim_key(self, key: str) -> None:
        """Take a user's step key. Raises StepExecutionError when this branch has it already."""
        if not isinstance(key, str) or not key or not key.isprintable():
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
        asker = self.writes.here()
        return Slot(
            call=call,
            path=f"{self.path}/{call.key}" if self.path else call.key,
            fingerprint=mark,
            occurrence=occurrence,
            seq=self.book.next_seq(),
            lineage=run.lineage,
            horizon=run.horizon,
            redact=self.book.redactor.redact,
            chain=asker.chain,
            asker=asker,
            nth=self._nth(call, occurrence),
        )

    def _nth(self, call: StepCall, occurrence: int) -> int:
        """The occurrence of a call that may have steps inside it, whatever was written before it."""
        if "arguments" not in call.parts or call.kind == "run":
            return occurrence
        alike = digest([call.kind, call.name, call.parts["arguments"]])
        self._alike[alike] += 1
        return self._alike[alike] - 1

    def wrote(self, slot: Slot) -> None:
        """Note that a write was asked for: steps after it depend on it."""
        self.has_written = self.book.wrote = True
        slot.asker.note(slot.seq, slot.chain, slot.fingerprint)

    def asked_here(self) -> Callable[[str], None]:
        """What notes a write in a run that is started here without a step; it is called with the run's lineage."""
        branch, place = self.writes.here(), self.book.next_seq()
        before = branch.chain

        def note(lineage: str) -> None:
            self.has_written = self.book.wrote = True
            branch.note(place, before, lineage)

        return note

    def inside(self, slot: Slot, record: StepRecord) -> Steps:
        """The steps inside a call: a branch of its own, the same for another version of the same call."""
        call = slot.call
        # The writes before it are no part of it: branches of a gather in another order would repeat the writes inside.
        changed = [call.parts["asked"]] if "asked" in call.parts else []  # two calls may be changed into the same one
        identity = digest([self.branch, call.kind, call.name, call.parts.get("arguments"), slot.nth, *changed])
        return Steps(self.book, branch=identity, path=slot.path, chain=slot.chain, outer=(self, record))

    def uses(self, versions: Mapping[str, str]) -> None:
        """Note what is run here by its id, with its version: the code of the steps around this branch does not say."""
        for outer, record in self.around():
            outer.book.uses.setdefault(record.id, {}).update(versions)

    def around(self) -> list[tuple[Steps, StepRecord]]:
        """The steps that this branch is inside of, innermost first, those of outer runs too."""
        found = []
        outer = self.outer
        while outer is not None:
            found.append(outer)
            outer = outer[0].outer
        return found

    async def perform(
        self,
        slot: Slot,
        execute: Callable[[Attempt], Awaitable[Any]],
        *,
        retry: Retry | None = None,
        usage_of: Callable[[Any], Usage | None] = lambda value: None,
        wrote: Callable[[], bool] = lambda: False,
        waits: bool = False,
        descends: bool = False,
        afterwards: Callable[[], dict[str, Any]] = dict,
    ) -> Answer:
        """Answer from the store, or execute, keep and tell.

        `wrote` says afterwards whether there was a write inside, which makes the step itself one for later steps. A
        step that `waits` goes on with the record of an earlier pass instead of starting anew. A plan looks inside a
        step that `descends` into a run of its own. `afterwards()` is what is only known of the request at its end.

        `execute(attempt)` is awaited for each attempt. Raises StepFailure when the last attempt failed, StepInDoubt
        for a write of unknown outcome that a person does not want repeated, LiveCallRefused where nothing may execute,
        CodecError when the value cannot be kept.
        """
        book, call = self.book, slot.call
        found = None if book.wants_fresh(call, slot.path) else book.find(slot.fingerprint, slot.occurrence)
        kept, why = self._kept(slot, found)
        if kept is not None:
            return kept
        try:
            book.refuse(call, why)
            why = book.redactor.redact(why or book.why(call, found, slot.path))
            if book.plan is not None:
                if not descends:
                    await book.plan.stop(book.lot, book.prefix + slot.path, call, why)
                with book.lot.executing(book.prefix + slot.path):
                    value = await execute(Attempt(1, self._record(slot)))
                return Answer(value=value, cached=True, record=self._record(slot))
            if found is not None and found.status == "started" and call.effect == "write":
                output = await self._settle(slot, found)
                if output is not None:
                    return output
        except (StepInDoubt, LiveCallRefused) as error:
            book.interrupts[slot.path] = error
            raise
        if book.lot.leaving:  # a step that began now would be stopped in the middle
            raise asyncio.CancelledError
        if waits and found is not None and found.status in ("started", "suspended"):
            record = book.rejoin(found, slot.seq)
        else:
            book.open()
            record = book.start(call, self._record(slot), slot.seq, why)
        self.tell(StepStarted, slot, request=slot.request, why=why)
        with book.lot.executing(book.prefix + slot.path):
            return await self._execute(slot, record, execute, retry or Retry(), usage_of, wrote, afterwards)

    def _kept(self, slot: Slot, found: StepRecord | None) -> tuple[Answer | None, str]:
        """The answer of the store, or why a record that is there gives none. A recorded failure fails in replay."""
        book, call = self.book, slot.call
        if found is not None and found.status == "completed":
            if book.wants_fresh_inside(slot.path):
                return None, "a step inside it was asked to be fresh"
            if book.host is not None and not book.host.follows(self, found):
                return None, "what was said before it in its conversation changed"
            if changed := self._changed_use(found):
                return None, f"{changed}, which it runs by its id, changed"
            try:
                return self.answered(slot, found, decode(found.output or "null", call.types), cached=True), ""
            except UnknownType as error:
                if call.effect == "write":  # it was done: that its answer cannot be read is no reason to do it again
                    raise CodecError(
                        f"step {slot.path} was done, but its kept answer cannot be read: {error}"
                    ) from None
                return None, f"its kept value cannot be used: {error}"
        if found is not None and found.status == "failed" and book.mode == "replay":
            book.hit(slot.seq, found)
            self._tell_failed(slot, found.error or "", attempt=found.attempts, why="")
            raise StepFailure(StepExecutionError(found.error, step_key=slot.path), text=found.error or "")
        return None, ""

    def _changed_use(self, found: StepRecord) -> str:
        """What a kept step has run by its id and is declared otherwise now; "" for nothing."""
        if '"uses"' not in found.request or self.book.host is None:
            return ""
        uses: dict[str, str] = orjson.loads(found.request).get("uses") or {}
        for target_id, version in uses.items():
            if self.book.host.version_of(target_id) not in (version, ""):
                return target_id
        self.uses(uses)
        return ""

    async def _execute(
        self,
        slot: Slot,
        record: StepRecord,
        execute: Callable[[Attempt], Awaitable[Any]],
        retry: Retry,
        usage_of: Callable[[Any], Usage | None],
        wrote: Callable[[], bool],
        afterwards: Callable[[], dict[str, Any]],
    ) -> Answer:
        attempt = 0
        before = self.state.snapshot() if self.state is not None else {}
        while True:
            attempt += 1
            try:
                value = await execute(Attempt(attempt, record))
                self.book.raise_interrupt(slot.path)  # which the function may have caught like any other exception
                output = self.book.redactor.redact(encode(value, what=f"step {slot.path}", types=dict(slot.call.types)))
                kept = decode(output, slot.call.types)
                changed = self.state.changes(before) if self.state is not None else None
            except (StepInDoubt, LiveCallRefused, StoreError) as error:
                # A step inside this one ends the run. This one has neither finished nor failed, nor is it in doubt:
                # unless it is itself a write that did not end in time.
                self.book.interrupts[slot.path] = error
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
            uses = self.book.uses.pop(record.id, None)
            if more := afterwards() | ({"uses": uses} if uses else {}):
                changes["request"] = self.book.redactor.redact(as_json({**slot.call.request, **more}))
            if changed is not None:
                changes["state"] = self.book.redactor.redact(changed)
            self.book.store.finish_step(record.id, **changes)
            return self.answered(slot, changed_record(record, changes), kept, cached=False)

    def answered(self, slot: Slot, record: StepRecord, value: Any, *, cached: bool) -> Answer:
        """The answer of a step, told to the listeners."""
        if cached:
            self.book.hit(slot.seq, record)
            if record.state is not None and self.state is not None:
                self.state.put_back(record.state, record.started_at, record.finished_at or 0.0)
        usage = Usage.model_validate_json(record.usage) if record.usage else None
        if usage is not None and not self.path:
            self.book.usage = self.book.usage + usage
        seconds = None
        if record.finished_at and record.started_at:
            seconds = record.finished_at - record.started_at
        self.tell(
            StepFinished,
            slot,
            request=slot.shown(record),
            output=as_told(slot.call.request, value, record.output),
            cached=cached,
            usage=usage,
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

    def place(self, slot: Slot, record: StepRecord) -> Place:
        """Where a step waits."""

        def tell(event_type: Any, **fields: Any) -> None:
            self.tell(event_type, slot, **fields)

        around = [(outer.book, outer_record) for outer, outer_record in self.around()]
        return Place(path=slot.path, record=record, around=around, tell=tell)

    async def _settle(self, slot: Slot, found: StepRecord) -> Answer | None:
        """A write that was started and never ended is not repeated silently. None when it is to run again."""
        book = self.book
        book.open()
        request = slot.request
        self.tell(StepStarted, slot, request=request, why="it is not known whether it happened")
        with book.lot.executing(book.prefix + slot.path):
            output = await settled(book, replace(self.place(slot, found), in_doubt=True), request)
        if output is None:
            return None
        value = decode(output, slot.call.types)
        changes = {"status": "completed", "output": output, "finished_at": time.time()}
        book.store.finish_step(found.id, **changes)
        return self.answered(slot, changed_record(found, changes), value, cached=True)

    def _record(self, slot: Slot) -> StepRecord:
        call, run = slot.call, self.book.run
        return step_record(
            {
                "run_id": run.id,
                "lineage": run.lineage,
                "target_id": run.target_id,
                "step_key": slot.path,
                "kind": call.kind,
                "name": call.name,
                "fingerprint": slot.fingerprint,
                "occurrence": slot.occurrence,
                "effect": call.effect,
                "parts": slot.redact(as_json(call.parts)),
                "request": slot.request_text,
                "idempotency_key": slot.idempotency_key,
                "owner": self.book.owner,
                "parent": self.path,
                "started_at": time.time(),
            }
        )

    def tell(self, event_type: Any, slot: Slot, **fields: Any) -> None:
        """Tell the listeners something about a step."""
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
        self.tell(
            StepFailed,
            slot,
            request=slot.request,
            error=text,
            retry_in=retry_in,
            attempt=attempt,
            why=why,
        )


__all__ = ["Answer", "Attempt", "Slot", "StepFailure", "Steps"]
