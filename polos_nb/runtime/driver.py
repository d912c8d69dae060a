"""One pass over a run: opened or come back to, driven from the top, and ended in the store as it ended."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from typing import Any

import orjson

from polos_nb.codec_untag import untag
from polos_nb.durable.book import Book, Superseded
from polos_nb.durable.steps import Steps
from polos_nb.errors import RunError, StoreError, WorkflowTimeoutError
from polos_nb.redaction import redactor
from polos_nb.run_events import RunFinished, RunStarted
from polos_nb.runtime.drives import Drive, Surroundings
from polos_nb.runtime.endings import completed, failed, suspended, told
from polos_nb.runtime.leases import Leases
from polos_nb.runtime.reader import follow
from polos_nb.runtime.records import kept_options, run_finished
from polos_nb.runtime.targets import Pass
from polos_nb.stores.base import RunRecord

_BEFORE = 0.5  # seconds


class Driver:
    """Drives calls, pass by pass."""

    def __init__(self, runtime: Surroundings) -> None:
        self._runtime = runtime

    async def drive(self, drive: Drive) -> Any:
        """Drive to the end. Raises what the run raised, WorkflowTimeoutError, or Suspended."""
        run = drive.run
        try:
            async with asyncio.timeout(drive.timeout) as limit:
                drive.limit = limit
                if drive.outer is None:
                    drive.lot.limit = limit
                return await self._passes(drive)
        except TimeoutError as error:
            if not limit.expired():
                raise told(drive, error) from error
            raise self._late(drive) from None
        except Exception as error:
            heard = told(drive, error)
            if heard is error:
                raise
            raise heard from error
        finally:
            run.close()

    async def _passes(self, drive: Drive) -> Any:
        while True:
            try:
                with Leases(self._runtime.store) as leases:
                    return await self._pass(drive, leases)
            except Superseded:
                continue

    def _late(self, drive: Drive) -> WorkflowTimeoutError:
        """The error of a run whose time is up; one that waits goes on waiting."""
        waiting = ", ".join(drive.lot.abandoned)
        error = WorkflowTimeoutError(
            drive.run.id or None, drive.timeout, waiting=f"; it waits at {waiting}" if waiting else ""
        )
        if not waiting:
            self._timed_out(drive, str(error))
        return error

    def _timed_out(self, drive: Drive, text: str) -> None:
        """What was noted as stopped has failed: nobody stopped it."""
        run, target = drive.run, drive.target
        if run.stopped_id:
            with contextlib.suppress(StoreError):
                self._runtime.store.update_run(run.stopped_id, status="failed", error=text)
        run.emit(
            RunFinished(
                run_id=run.id, target_id=target.id, kind=target.kind, at=time.time(), status="failed", error=text
            )
        )

    async def _pass(self, drive: Drive, leases: Leases) -> Any:
        target, runtime = drive.target, self._runtime
        record, newest, how = await self._open(drive, leases)
        book = Book(
            store=runtime.store,
            run=record,
            newest=newest,
            owner=leases.owner,
            emit=drive.run.emit,
            mode=runtime.mode,
            fresh=self._fresh(drive),
            recording=", ".join(path.name for path in runtime.cassettes) or "the cassette",
            redactor=redactor(),
            lease_seconds=leases.seconds,
            retry_delay=runtime.settings.retry_delay,
            outer=drive.outer,
            plan=drive.plan,
            lot=drive.lot if drive.outer is None else None,
            host=runtime.host(target),
            freshened=drive.freshened,
        )
        book.watched = runtime.watched
        if drive.plan is None:
            default = runtime.settings.budget if drive.outer is None else None
            book.budget = default if target.budget is None else target.budget
        began = time.monotonic()
        book.emit(
            RunStarted,
            input=untag(orjson.loads(target.input)),
            provider=target.provider,
            model=target.model,
            conversation_id=target.conversation_id,
            resumed=how == "resumed",
            replayed=how == "replayed",
        )
        place = drive.place
        now = Pass(history=runtime.conversations.history(place) if place else [])
        try:
            # A run is known before its turn in a queue comes; what only answers from the store needs none.
            lane = target.lane if how != "replayed" and drive.plan is None else None
            async with leases.kept(lambda: book.run.id if book.writing else ""):
                async with runtime.queues.turn(lane, book.lot, book.prefix):
                    result = await self._settled(drive, book, now)
                    return completed(runtime, drive, book, now, result, began)
        except Superseded:
            raise
        except BaseException as error:
            drive.wrote = drive.wrote or book.wrote
            drive.freshened |= book.freshening
            drive.run.stopped_id = book.run.id if book.writing else ""
            failed(runtime, drive, book, now, error, began)
            raise

    async def _settled(self, drive: Drive, book: Book, now: Pass) -> Any:
        """The body of the target, and the end of every step that it has started and not waited for."""
        try:
            result = await self._work(drive, book, now)
        except Exception:
            await book.lot.quiet(book.prefix)
            book.raise_interrupt()  # which the body may have caught like any other exception
            raise
        except BaseException:
            await book.lot.quiet(book.prefix, cancel=True)
            raise
        await book.lot.quiet(book.prefix)
        book.raise_interrupt()
        return result

    async def _work(self, drive: Drive, book: Book, now: Pass) -> Any:
        """The body of the target. An outermost run that only waits is left, where nobody waits with it."""
        patience = 0.0 if drive.plan is not None else self._runtime.patience
        steps = Steps(book, chain=drive.chain, state=now.keeper(drive.target))
        if drive.outer is not None or (patience is None and not drive.run.attended):
            return await _body(drive, steps, now)
        patience = patience or 0.0
        work = asyncio.ensure_future(_body(drive, steps, now))
        idle = asyncio.ensure_future(_left(drive, book, patience))
        try:
            await asyncio.wait({work, idle}, return_when=asyncio.FIRST_COMPLETED)
            while not work.done() and not book.lot.idle(patience):  # what it waited for came at this very moment
                idle = asyncio.ensure_future(_left(drive, book, patience))
                await asyncio.wait({work, idle}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                book.lot.leaving = True
                work.cancel()
                await asyncio.wait({work})
            if book.lot.leaving and book.lot.left:  # whatever the body made of being left: it has not ended
                if not work.cancelled():
                    work.exception()
                raise suspended(book)
            if not work.cancelled():
                return work.result()
            raise asyncio.CancelledError
        except asyncio.CancelledError:
            work.cancel()
            await asyncio.wait({work}, timeout=5)
            raise
        finally:
            idle.cancel()

    def _fresh(self, drive: Drive) -> bool | frozenset[str]:
        runtime = self._runtime
        if drive.again:
            return False if isinstance(drive.target.fresh, bool) else drive.target.fresh
        if runtime.mode == "record":  # a cell that asks the same again gets the same, as in replay
            return drive.target.fresh or drive.lineage not in runtime.lineages
        if runtime.mode == "live" and not runtime.settings.cache:
            return True
        return drive.target.fresh

    async def _open(self, drive: Drive, leases: Leases) -> tuple[RunRecord, str | None, str]:
        """The run this pass belongs to, the id of the lineage's newest run, and whether it is new, resumed or
        replayed. While another driver has it, this one reads along."""
        runtime, target, place, fresh = self._runtime, drive.target, drive.place, self._fresh(drive)
        store, lineage = runtime.store, drive.lineage
        new = RunRecord(
            lineage=lineage,
            target_id=target.id,
            kind=target.kind,
            input=target.input,
            conversation_id=target.conversation_id,
            turn=place.turn if place else None,
            previous=place.previous if place else None,
            forked_from=drive.forked_from,
            notebook=runtime.notebook,
            options=kept_options(target.provider, target.model, target.call),
            **{**above(drive.outer), **drive.above},
        )
        while True:
            newest = store.newest_run(lineage)
            found = newest.id if newest else None
            if drive.plan is not None and fresh is True:  # nothing that is kept would answer
                return replace(new, horizon=store.last_step_id()), found, "new"
            if runtime.mode in ("replay", "offline") or drive.plan is not None:
                return (replace(newest, status="completed"), found, "replayed") if newest else (new, found, "new")
            if newest is not None and leases.driven(newest):
                await follow(store, newest, drive.run.emit, leases.driven)
                if newest.status == "running":  # else it is waited for to begin again
                    self._heard(drive, newest.id)
                continue
            if fresh is True or newest is None:
                horizon = store.last_step_id() if fresh is True else 0
                opened = store.new_run(
                    replace(new, horizon=horizon, owner=leases.owner, **leases.times()), expected=found
                )
                if opened is not None:
                    return opened, opened.id, "new"
                continue
            if newest.status == "completed":
                return replace(newest, previous=new.previous), found, "replayed"
            if leases.take(newest):
                return replace(newest, status="running", owner=leases.owner), found, "resumed"

    def _heard(self, drive: Drive, run_id: str) -> None:
        """Raise for a run that was stopped or failed while this pass read along: who looks on does not try again."""
        store = self._runtime.store
        run = store.get_run(run_id)
        if run is None or run.status not in ("cancelled", "failed"):
            return
        drive.run.emit(run_finished(run, store.trace(run.id)))
        how = "was stopped" if run.status == "cancelled" else f"failed: {run.error}"
        raise RunError(f"run {run.id} {how}, where it was driven; run it again to go on from there", run_id=run.id)


async def _left(drive: Drive, book: Book, patience: float) -> None:
    """Return when a run only waits, for longer than `patience`, and nobody waits with it for an answer."""
    while True:
        await book.lot.until_idle(patience)
        # Where its time is up while it waits for an answer, it has not failed: it is left a moment before.
        when = drive.limit.when() if drive.limit is not None else None
        late = when is not None and when - asyncio.get_running_loop().time() < _BEFORE
        if late or not (drive.run.attended and book.lot.asking):
            return
        await drive.run.left_alone(_BEFORE / 2)


async def _body(drive: Drive, steps: Steps, now: Pass) -> Any:
    steps.writes.adopt()
    return await drive.target.body(steps, now)


def above(outer: Any) -> dict[str, Any]:
    """The fields of a run that say which run it is nested in."""
    if outer is None:
        return {}
    steps, record = outer
    return {"parent": steps.book.run.id, "parent_step": record.step_key, "root": steps.book.root.run.id}
