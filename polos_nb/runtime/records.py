"""Records as a reader's transcript, and results as records."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from polos_nb.codec import encode, to_plain
from polos_nb.codec_untag import untag
from polos_nb.errors import CodecError
from polos_nb.events import Event, RunFinished, RunStarted, StepFailed, StepFinished, StepStarted
from polos_nb.messages import Usage
from polos_nb.redaction import Redactor
from polos_nb.stores.base import RunRecord, StepRecord, TraceRow
from polos_nb.transcript import Transcript


class Kept(NamedTuple):
    """A result as it is kept (`text`) and as it is shown (`plain`)."""

    text: str
    plain: Any


def kept_result(value: Any, redactor: Redactor) -> Kept:
    """A run's result for its record. It is for lists and people only, so what cannot be kept is described."""
    try:
        text = redactor.redact(encode(value))
        return Kept(text, untag(orjson.loads(redactor.redact(orjson.dumps(to_plain(value)).decode()))))
    except CodecError:
        return Kept(encode(redactor.redact(repr(value))), redactor.redact(repr(value)))


def kept_usage(usage: Usage) -> str:
    """Usage as JSON."""
    return usage.model_dump_json(exclude_none=True)


def kept_options(provider: str, model: str, result: Any) -> str:
    """What a list of runs wants to know beside the columns, as JSON."""
    reason = getattr(result, "stop_reason", "end")
    return orjson.dumps({"provider": provider, "model": model, "stop_reason": reason}).decode()


def transcript_from_records(run: RunRecord, trace: list[tuple[TraceRow, StepRecord]]) -> Transcript:
    """The transcript that the events of the run would have given."""
    options = orjson.loads(run.options or "{}")
    about: dict[str, Any] = {"run_id": run.id, "target_id": run.target_id, "kind": run.kind, "at": run.created_at}
    out = Transcript()
    out.add(
        RunStarted(
            input=untag(orjson.loads(run.input)),
            provider=options.get("provider", ""),
            model=options.get("model", ""),
            conversation_id=run.conversation_id,
            **about,
        )
    )
    for row, step in trace:
        for event in _events(row, step, about):
            out.add(event)
    if run.status != "running":
        out.add(
            RunFinished(
                status=run.status,
                result=untag(orjson.loads(run.result)) if run.result else None,
                error=run.error,
                stop_reason=options.get("stop_reason", "end"),
                usage=Usage.model_validate_json(run.usage) if run.usage else Usage(),
                steps=len(trace),
                cached_steps=sum(row.cached for row, _ in trace),
                seconds=run.finished_at - run.created_at if run.finished_at else None,
                **about,
            )
        )
    return out


def _events(row: TraceRow, step: StepRecord, about: dict[str, Any]) -> list[Event]:
    parent = step.step_key.rpartition("/")[0]
    request = orjson.loads(step.request)
    common = about | {
        "step_key": step.step_key,
        "step_type": step.kind,
        "name": step.name,
        "parent": parent,
        "request": request,
    }
    seconds = step.finished_at - step.started_at if step.finished_at else None
    started = StepStarted(why=row.why, **common)
    if step.status == "completed":
        finished = StepFinished(
            output=untag(orjson.loads(step.output or "null")),
            cached=row.cached,
            usage=Usage.model_validate_json(step.usage) if step.usage else None,
            seconds=seconds,
            attempts=step.attempts,
            why=row.why,
            **common,
        )
        return [finished] if row.cached else [started, finished]
    if step.status == "failed":
        return [started, StepFailed(error=step.error or "", attempt=step.attempts, seconds=seconds, **common)]
    return [started]
