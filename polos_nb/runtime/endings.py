"""How a pass over a run ends: in the store, for the listeners, and for the caller."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from polos_nb.durable.book import Book
from polos_nb.errors import PolosError, RunError, StepExecutionError, StoreError, Suspended, one_line
from polos_nb.forms import parse_form
from polos_nb.messages import AgentResult
from polos_nb.run_events import RunFinished
from polos_nb.runtime.cassettes import record_lineages
from polos_nb.runtime.drives import Drive, Surroundings
from polos_nb.runtime.records import kept_options, kept_result, kept_usage
from polos_nb.runtime.targets import Pass


def completed(runtime: Surroundings, drive: Drive, book: Book, now: Pass, result: Any, began: float) -> Any:
    """Keep the result of a pass that came to its end, and tell of it."""
    target, place = drive.target, drive.place
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


def failed(runtime: Surroundings, drive: Drive, book: Book, now: Pass, error: BaseException, began: float) -> None:
    """Keep how a pass ended that did not complete, and tell of it."""
    status, text = _ending(drive, book, error)
    if status == "suspended" and _cancelled(book):  # by another process, just now
        status, text = "cancelled", "stopped"
    if isinstance(error, PolosError) and getattr(error, "run_id", None) == "":
        error.run_id = book.run.id  # type: ignore[attr-defined]
    if book.writing:
        ended = {"status": status, "error": text, "finished_at": None if status == "suspended" else time.time()}
        with contextlib.suppress(StoreError):  # the first failure is the one to tell
            runtime.store.release_run(book.run.id, book.owner, state=now.state_text(book.redactor), **ended)
        with contextlib.suppress(StoreError):
            book.save_trace()
        runtime.lineages.setdefault(book.run.lineage, set()).update(book.used)
    book.emit(
        RunFinished,
        status=status,
        error=text,
        steps=book.executed + book.hits,
        cached_steps=book.hits,
        seconds=time.monotonic() - began,
    )


def told(drive: Drive, error: Exception) -> Exception:
    """What the caller of a run hears: a RunError for what a workflow's own code or one of its steps has raised."""
    own = isinstance(error, StepExecutionError) or not isinstance(error, PolosError)
    if drive.target.kind != "workflow" or drive.outer is not None or not own:
        return error
    return RunError(one_line(error, 2000), run_id=drive.run.id, step_key=getattr(error, "step_key", ""))


def suspended(book: Book) -> Suspended:
    """The error that leaves a run which waits: for people, or for a time or an event."""
    waiting = tuple(book.lot.abandoned)
    run = book.root.run.id
    asked = book.store.decisions(run_id=run, status="waiting")
    if len(asked) == 1:
        flags = parse_form(orjson.loads(asked[0].form)).flags()
        how = f"Answer with %polos approve {run} {flags}, or polos-nb approve in a terminal, and it goes on"
    elif asked:
        how = f"Answer each with %polos approve {run} STEP, or polos-nb approve in a terminal"
    else:
        how = "It goes on by itself as long as this process lives"
    return Suspended(
        f"run {run} waits at {', '.join(waiting)}. {how}; run the cell again to come back to it",
        run_id=run,
        waiting=waiting,
    )


def _ending(drive: Drive, book: Book, error: BaseException) -> tuple[str, str | None]:
    """The status of a run that did not complete, and its error."""
    lot = book.lot
    if isinstance(error, asyncio.CancelledError | KeyboardInterrupt | GeneratorExit | Suspended):
        late = any(limit is not None and limit.expired() for limit in (drive.limit, lot.limit))
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
