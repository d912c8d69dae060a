"""Records as a reader's transcript, and results as records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import orjson

from polos_nb.codec import encode, to_plain
from polos_nb.codec_untag import untag
from polos_nb.durable.slots import without_held
from polos_nb.errors import CodecError
from polos_nb.messages import Usage
from polos_nb.redaction import Redactor
from polos_nb.run_events import (
    AnswerPassed,
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
from polos_nb.stores.base import RunRecord, StepRecord, Store, TraceRow
from polos_nb.stores.waiting import DecisionRecord
from polos_nb.transcript import Transcript

NESTED = ("agent", "workflow")  # kinds of steps that have a run of their own
_ASKING = ("approval", "suspend")
_ALL = 1_000_000


class Kept(NamedTuple):
    """A result as it is kept (`text`) and as it is shown (`plain`)."""

    text: str
    plain: Any


def kept_result(value: Any, redactor: Redactor) -> Kept:
    """A run's result for its record. It is for lists and people only, so what cannot be kept is described."""
    try:
        text = redactor.redact(encode(value))
        return Kept(text, untag(json.loads(redactor.redact(json.dumps(to_plain(value), ensure_ascii=False)))))
    except CodecError:
        shown = redactor.redact(_described(value))
        return Kept(encode(shown), shown)


def _described(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # of the user's own class
        return f"a {type(value).__qualname__}"


def kept_usage(usage: Usage) -> str:
    """Usage as JSON."""
    return usage.model_dump_json(exclude_none=True)


def kept_options(provider: str, model: str, call: Mapping[str, Any], result: Any = None) -> str:
    """What a list of runs wants to know beside the columns, and what it takes to drive the run again, as JSON."""
    reason = getattr(result, "stop_reason", "end")
    kept = {"provider": provider, "model": model, "stop_reason": reason}
    return orjson.dumps(kept | ({"call": dict(call)} if call else {})).decode()


def run_started(run: RunRecord) -> RunStarted:
    """The event that a run began with."""
    options = orjson.loads(run.options or "{}")
    return RunStarted(
        input=untag(orjson.loads(run.input)),
        provider=options.get("provider", ""),
        model=options.get("model", ""),
        conversation_id=run.conversation_id,
        **_about(run),
    )


def run_finished(run: RunRecord, trace: list[tuple[TraceRow, StepRecord]]) -> RunFinished:
    """The event that a run ended with."""
    return RunFinished(
        status=run.status,
        result=untag(orjson.loads(run.result)) if run.result else None,
        error=run.error,
        stop_reason=orjson.loads(run.options or "{}").get("stop_reason", "end"),
        usage=Usage.model_validate_json(run.usage) if run.usage else Usage(),
        steps=len(trace),
        cached_steps=sum(row.cached for row, _ in trace),
        seconds=run.finished_at - run.created_at if run.finished_at else None,
        **_about(run),
    )


def transcript_from_records(run: RunRecord, trace: list[tuple[TraceRow, StepRecord]], store: Store) -> Transcript:
    """The transcript that the events of the run would have given."""
    out = Transcript()
    for event in run_events(run, trace, store, Answers(store)):
        out.add(event)
    return out


class Answers:
    """Who answered which step, as the store knows it; each run is looked up once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, dict[int | None, DecisionRecord]] = {}

    def of(self, step: StepRecord) -> DecisionRecord | None:
        """What a person answered at a step; None for steps that ask nobody."""
        if step.kind not in _ASKING or step.status != "completed":
            return None
        if step.run_id not in self._known:
            run = self._store.get_run(step.run_id)
            found = self._store.decisions(
                run_id=(run.root if run else None) or step.run_id, status="answered", limit=_ALL
            )
            self._known[step.run_id] = {decision.step_id: decision for decision in found}
        return self._known[step.run_id].get(step.id)


def run_events(
    run: RunRecord, trace: list[tuple[TraceRow, StepRecord]], store: Store, answers: Answers | None = None
) -> Iterator[Event]:
    """The events of a run as its records tell them; with `answers`, also who answered what."""
    yield run_started(run)
    for row, step in trace:
        yield from trace_events(run, row, step, store, answers)
    if run.status != "running":
        yield run_finished(run, trace)


def trace_events(
    run: RunRecord, row: TraceRow, step: StepRecord, store: Store, answers: Answers | None = None
) -> Iterator[Event]:
    """The events of one step as its record tells them, with those of the run inside it."""
    common = _about(run) | {
        "step_key": step.step_key,
        "step_type": step.kind,
        "name": step.name,
        "parent": step.parent,
        "at": step.started_at or run.created_at,
    }
    request = orjson.loads(step.request)
    seconds = step.finished_at - step.started_at if step.finished_at else None
    started = StepStarted(why=row.why, request=request, **common)
    answered = None if answers is None else answers.of(step)
    if step.status == "completed":
        ended = common | {"at": step.finished_at or common["at"]}
        finished = StepFinished(
            output=without_held(request, untag(orjson.loads(step.output or "null"))),
            cached=row.cached,
            usage=Usage.model_validate_json(step.usage) if step.usage else None,
            seconds=seconds,
            attempts=step.attempts,
            why=row.why,
            request=request,
            **ended,
        )
        told = [] if answered is None else [_resumed(answered, common)]
        if row.cached:
            yield from told
            yield finished
            yield from _passed(step, request, common)
            yield from nested_events(run, step, store, cached=True, answers=answers)
            return
        yield started
        yield from told
        yield from nested_events(run, step, store, answers=answers)
        yield finished
        yield from _passed(step, request, common)
        return
    yield started
    yield from nested_events(run, step, store, answers=answers)
    if step.status == "failed":
        ended = common | {"at": step.finished_at or common["at"]}
        failed = StepFailed(error=step.error or "", attempt=step.attempts, seconds=seconds, request=request, **ended)
        yield failed
    for decision in store.decisions(run_id=run.root or run.id, status="waiting"):
        if decision.step_id == step.id:
            form = orjson.loads(decision.form)
            yield StepSuspended(
                form=form, decision=decision.id, path=decision.step_key, until=decision.expires_at, **common
            )


def _passed(step: StepRecord, request: Mapping[str, Any], common: Mapping[str, Any]) -> Iterator[AnswerPassed]:
    """The answer that the last of its guardrails has let pass."""
    if step.kind != "guardrail" or not request.get("last"):
        return
    kept = untag(orjson.loads(step.output or "null"))
    if kept["action"] == "continue":
        about = dict(common) | {"step_key": request["of"], "step_type": "llm", "name": "llm"}
        yield AnswerPassed(text=kept["text"], tool_calls=kept["tool_calls"], **about)


def nested_events(
    run: RunRecord,
    step: StepRecord,
    store: Store,
    *,
    cached: bool = False,
    path: str = "",
    answers: Answers | None = None,
) -> Iterator[StepEvent]:
    """The step events of the run inside a step, put below that step (at `path`); all as `cached` if the step is."""
    child = nested_run(step, store) if step.kind in NESTED else None
    if child is None:
        return
    for row, inner in store.trace(child.id):
        shown = TraceRow(row.seq, row.step_id, cached=True) if cached else row
        for event in trace_events(child, shown, inner, store, answers):
            if isinstance(event, StepEvent):
                yield lifted(event, path or step.step_key, run)


def _resumed(decision: DecisionRecord, common: Mapping[str, Any]) -> StepResumed:
    answer = orjson.loads(decision.answer or "null")
    about = dict(common) | {"at": decision.decided_at or 0.0}
    return StepResumed(answer=answer, decided_by=decision.decided_by or "", **about)


def nested_run(step: StepRecord, store: Store) -> RunRecord | None:
    """The run inside a step, or None where there is none."""
    request = orjson.loads(step.request or "{}")
    if request.get("run"):
        return store.get_run(request["run"])
    if request.get("lineage"):  # of a recording, in which runs have no ids
        return store.newest_run(request["lineage"])
    inside = [run for run in store.child_runs(step.run_id) if run.parent_step == step.step_key]
    return inside[-1] if inside else None


def lifted(event: StepEvent, path: str, run: RunRecord) -> StepEvent:
    """An event of a nested run as one of the run around it, below the step at `path`."""
    return replace(
        event,
        step_key=f"{path}/{event.step_key}",
        parent=f"{path}/{event.parent}" if event.parent else path,
        **{name: value for name, value in _about(run).items() if name != "at"},
    )


def _about(run: RunRecord) -> dict[str, Any]:
    return {"run_id": run.id, "target_id": run.target_id, "kind": run.kind, "at": run.created_at}
