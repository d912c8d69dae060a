"""One pass over a run: opened or come back to, driven from the top, and ended in the store as it ended."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import orjson

from polos_nb.codec_untag import untag
from polos_nb.durable.book import Book, Superseded
from polos_nb.durable.lot import Lot
from polos_nb.durable.plan import Plan
from polos_nb.durable.steps import Steps
from polos_nb.errors import (
    PolosError,
    RunError,
    StepExecutionError,
    StoreError,
    Suspended,
    WorkflowTimeoutError,
    one_line,
)
from polos_nb.messages import AgentResult
from polos_nb.redaction import redactor
from polos_nb.run_events import RunFinished, RunStarted
from polos_nb.runtime.cassettes import record_lineages
from polos_nb.runtime.conversation import Conversations, Place
from polos_nb.runtime.leases import Leases
from polos_nb.runtime.queues import Queues
from polos_nb.runtime.reader import follow
from polos_nb.runtime.records import kept_options, kept_result, kept_usage, run_finished
from polos_nb.runtime.run import Run
from polos_nb.runtime.targets import Pass, Target
from polos_nb.settings import Mode, Settings
from polos_nb.stores.base import RunRecord, Store


class Surroundings(Protocol):
    """What a driver needs of the runtime it belongs to."""

    settings: Settings
    cassettes: list[Path]
    lineages: dict[str, set[int]]
    patience: float | None
    queues: Queues

    @property
    def mode(self) -> Mode:
        """The mode that runs are in."""

    @property
    def store(self) -> Store:
        """The store."""

    @property
    def conversations(self) -> Conversations:
        """Where this process stands in each conversation."""

    def host(self, target: Target) -> Any:
        """The engine as the steps of a target see it."""


@dataclass(kw_only=True)
class Drive:
    """One call to be driven: what, into which `Run`, under which lineage, and what is around it.

    `outer` is the branch and the record of the step that a nested run hangs on; `above` are fields that say which run
    started one that goes its own way. With a `plan` nothing is executed. `wrote` says afterwards whether there was a
    write.
    """

    target: Target
    run: Run
    lineage: str
    place: Place | None = None
    timeout: float | None = None
    outer: Any = None
    plan: Plan | None = None
    forked_from: str | None = None
    above: dict[str, Any] = field(default_factory=dict)
    wrote: bool = False
    lot: Lot = field(default_factory=Lot)
    limit: asyncio.Timeout | None = None

    def anew(self) -> Drive:
        """The same call for another pass, into a `Run` of its own."""
        run = Run(self.target.id, conversation_id=self.target.conversation_id)
        return replace(self, run=run, timeout=None, wrote=False, lot=Lot(), limit=None)


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
                async with self._runtime.queues.turn(drive.target.lane):
                    return await self._passes(drive)
        except TimeoutError as error:
            if not limit.expired():
                raise _told(drive, error) from error
            raise self._late(drive) from None
        except Exception as error:
            told = _told(drive, error)
            if told is error:
                raise
            raise told from error
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
        )
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
            async with leases.kept(lambda: book.run.id if book.writing else ""):
                result = await self._work(drive, book, now)
                return self._completed(drive, book, now, result, began)
        except Superseded:
            raise
        except BaseException as error:
            drive.wrote = drive.wrote or book.wrote
            drive.run.stopped_id = book.run.id if book.writing else ""
            self._failed(drive, book, now, error, began)
            raise

    async def _work(self, drive: Drive, book: Book, now: Pass) -> Any:
        """The body of the target. An outermost run that only waits is left, where nobody waits with it."""
        patience = 0.0 if drive.plan is not None else self._runtime.patience
        if drive.outer is not None or patience is None:
            return await drive.target.body(Steps(book, state=now.keeper(drive.target)), now)
        work = asyncio.ensure_future(drive.target.body(Steps(book, state=now.keeper(drive.target)), now))
        idle = asyncio.ensure_future(book.lot.until_idle(patience))
        try:
            await asyncio.wait({work, idle}, return_when=asyncio.FIRST_COMPLETED)
            while not work.done() and not book.lot.idle(patience):  # what it waited for came at this very moment
                idle = asyncio.ensure_future(book.lot.until_idle(patience))
                await asyncio.wait({work, idle}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                book.lot.leaving = True
                work.cancel()
                await asyncio.wait({work})
            if not work.cancelled():
                return work.result()
            if not book.lot.leaving:
                raise asyncio.CancelledError
            raise suspended(book)
        except asyncio.CancelledError:
            work.cancel()
            await asyncio.wait({work}, timeout=5)
            raise
        finally:
            idle.cancel()

    def _fresh(self, drive: Drive) -> bool | frozenset[str]:
        runtime = self._runtime
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
            options=kept_options(target.provider, target.model, target.call),
            **{**_above(drive.outer), **drive.above},
        )
        while True:
            newest = store.newest_run(lineage)
            found = newest.id if newest else None
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

    def _completed(self, drive: Drive, book: Book, now: Pass, result: Any, began: float) -> Any:
        runtime, target, place = self._runtime, drive.target, drive.place
        usage = result.usage if isinstance(result, AgentResult) and target.kind == "agent" else book.usage
        drive.wrote = drive.wrote or book.wrote
        value = result.result if isinstance(result, AgentResult) else result
        shown = kept_result(value, book.redactor)
        book.check_fresh()
        book.settle()
        if book.writing:
            if target.conversation_id is not None and place is not None:
                runtime.store.put_messages(
                    target.conversation_id, book.run.id, place.turn, [book.redactor.redact(text) for text in now.said]
                )
            book.save_trace()
            book.withdraw_questions()
            runtime.store.release_run(
                book.run.id,
                book.owner,
                status="completed",
                result=shown.text,
                error=None,
                usage=kept_usage(usage),
                options=kept_options(target.provider, target.model, target.call, result),
                state=now.state_text(book.redactor),
                finished_at=time.time(),
            )
        if place is not None and target.conversation_id is not None and drive.plan is None:
            runtime.conversations.said(target.conversation_id, place, book.run.id)
        if drive.plan is None:
            used = runtime.lineages.setdefault(book.run.lineage, set())
            used |= book.used
            if runtime.mode == "record" and runtime.settings.cassette:
                record_lineages(runtime.store, {book.run.lineage: used}, Path(runtime.settings.cassette))
        book.emit(
            RunFinished,
            status="completed",
            result=shown.plain,
            stop_reason=getattr(result, "stop_reason", "end"),
            usage=usage,
            steps=book.executed + book.hits,
            cached_steps=book.hits,
            seconds=time.monotonic() - began,
        )
        if isinstance(result, AgentResult) and target.kind == "agent":
            return replace(result, agent_run_id=book.run.id)
        return result

    def _failed(self, drive: Drive, book: Book, now: Pass, error: BaseException, began: float) -> None:
        status, text = _ending(drive, book, error)
        if status == "suspended" and _cancelled(book):  # by another process, just now
            status, text = "cancelled", "stopped"
        if isinstance(error, PolosError) and getattr(error, "run_id", None) == "":
            error.run_id = book.run.id  # type: ignore[attr-defined]
        if book.writing:
            ended = {"status": status, "error": text, "finished_at": None if status == "suspended" else time.time()}
            with contextlib.suppress(StoreError):  # the first failure is the one to tell
                self._runtime.store.release_run(book.run.id, book.owner, state=now.state_text(book.redactor), **ended)
            with contextlib.suppress(StoreError):
                book.save_trace()
            self._runtime.lineages.setdefault(book.run.lineage, set()).update(book.used)
        book.emit(
            RunFinished,
            status=status,
            error=text,
            steps=book.executed + book.hits,
            cached_steps=book.hits,
            seconds=time.monotonic() - began,
        )


def _told(drive: Drive, error: Exception) -> Exception:
    """What the caller of a run hears: a RunError for what a workflow's own code or one of its steps has raised."""
    own = isinstance(error, StepExecutionError) or not isinstance(error, PolosError)
    if drive.target.kind != "workflow" or drive.outer is not None or not own:
        return error
    return RunError(one_line(error, 2000), run_id=drive.run.id, step_key=getattr(error, "step_key", ""))


def suspended(book: Book) -> Suspended:
    """The error that leaves a run which waits for an answer."""
    waiting = tuple(book.lot.abandoned)
    run = book.root.run.id
    steps = ", ".join(waiting)
    return Suspended(
        f"run {run} waits at {steps}. Answer with %polos approve {run} --yes (or --no; polos-nb approve in a terminal),"
        " and it goes on; run the cell again to come back to it",
        run_id=run,
        waiting=waiting,
    )


def _ending(drive: Drive, book: Book, error: BaseException) -> tuple[str, str | None]:
    """The status of a run that did not complete, and its error."""
    lot = book.lot
    if isinstance(error, asyncio.CancelledError | KeyboardInterrupt | GeneratorExit | Suspended):
        late = drive.limit is not None and drive.limit.expired()
        if isinstance(error, Suspended) or lot.leaving or (late and lot.abandoned):
            return "suspended", None
        if drive.above and not drive.run.stopped:  # nobody stopped it: the loop ends that it was started beside on
            return "suspended", None
        return "cancelled", "stopped"
    return "failed", book.redactor.redact(one_line(error, 2000))


def _cancelled(book: Book) -> bool:
    """Whether the store says that this run, or the outermost one around it, is cancelled."""
    with contextlib.suppress(StoreError):
        found = [book.store.get_run(name) for name in {book.run.id, book.root.run.id} if name]
        return any(run is not None and run.status == "cancelled" for run in found)
    return False


def _above(outer: Any) -> dict[str, Any]:
    if outer is None:
        return {}
    steps, record = outer
    return {"parent": steps.book.run.id, "parent_step": record.step_key, "root": steps.book.root.run.id}
