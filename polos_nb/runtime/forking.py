"""Forks: a new run that shares the steps of another, has one answer edited, and goes on from there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from polos_nb.codec import digest
from polos_nb.codec_untag import untag
from polos_nb.errors import ConfigurationError
from polos_nb.redaction import redactor
from polos_nb.runtime.records import NESTED, nested_run
from polos_nb.stores.base import RunRecord, StepRecord, Store, TraceRow

_FIELDS = ("$model", "$dataclass", "$namedtuple")
_ITEMS = ("$tuple", "$set", "$frozenset")


@dataclass(frozen=True)
class Forked:
    """A run made by a fork: its record, which is waiting to be driven, and the step that was edited."""

    run: RunRecord
    step_key: str


def fork(store: Store, run: RunRecord, step_key: str, changes: Mapping[str, Any]) -> Forked:
    """Add a run that shares the steps of `run`, but for `step_key`, whose answer is edited.

    What comes after that step, and depends on it, is executed; what does not depend on it (a call beside it, a write
    that comes out the same) still answers from the store.

    A key of `changes` is a path into the answer: "text", "tool_calls.0.function.arguments.city", "temperature", or
    "result" for all of it; "arguments.city" of a tool call edits the call that the model made. The same fork again is
    the same run. Raises ConfigurationError for a step or a path that is not there.
    """
    if not changes:
        raise ConfigurationError("a fork needs a change; write for example --set text='Yes' or --set result.city=Rome")
    trace = store.trace(run.id)
    row, step = _find(store, run, trace, step_key)
    asked = {path: value for path, value in changes.items() if path.partition(".")[0] == "arguments"}
    if asked and step.kind == "tool":
        if len(asked) != len(changes):
            raise ConfigurationError("edit the arguments of a call or its result, not both: it is executed anew")
        row, step, changes = _asking(trace, row, step, asked)
    output = _edited(step, changes)
    lineage = digest([run.lineage, run.horizon, "fork", step.fingerprint, step.occurrence, output])
    shared = [(other, record) for other, record in trace if other.seq != row.seq and not _around(record, step)]
    edited = replace(step, output=redactor().redact(output), status="completed", error=None, traceback=None)
    made = store.newest_run(lineage) or _opened(store, run, lineage)
    if made.status == "suspended":  # not driven yet: its steps may not all be there
        _share(store, made, [*shared, (row, edited)])
    return Forked(made, step.step_key)


def _opened(store: Store, run: RunRecord, lineage: str) -> RunRecord:
    """A run of the fork's lineage, which waits to be driven."""
    made = replace(
        run,
        id="",
        lineage=lineage,
        status="suspended",
        horizon=0,
        result=None,
        error=None,
        usage=None,
        state=None,
        owner=None,
        lease_until=None,
        parent=None,
        parent_step=None,
        root=None,
        forked_from=run.id,
        created_at=time.time(),
        finished_at=None,
    )
    opened = store.new_run(made, expected=None) or store.newest_run(lineage)  # or somebody else's same fork
    assert opened is not None
    return opened


def _share(store: Store, made: RunRecord, rows: list[tuple[TraceRow, StepRecord]]) -> None:
    """Copies of these records in the fork's lineage; those that are there already stay."""
    trace = []
    for row, record in rows:
        if record.status != "completed":
            continue
        copy = store.find_step(made.lineage, record.fingerprint, record.occurrence)
        if copy is None or copy.status != "completed":
            copy = store.start_step(
                replace(record, id=0, run_id=made.id, lineage=made.lineage, owner=None), seq=row.seq
            )
            store.finish_step(
                copy.id,
                status="completed",
                output=record.output,
                usage=record.usage,
                attempts=record.attempts,
                state=record.state,
                finished_at=record.finished_at,
            )
        trace.append(TraceRow(row.seq, copy.id, cached=True))
    store.set_trace(made.id, trace)


def _find(
    store: Store, run: RunRecord, trace: list[tuple[TraceRow, StepRecord]], wanted: str
) -> tuple[TraceRow, StepRecord]:
    for number, (row, step) in enumerate(trace, 1):
        if wanted in (step.step_key, str(number)):
            if step.status != "completed":
                raise ConfigurationError(f"step {step.step_key} of run {run.id} has no answer to edit: {step.status}")
            return row, step
    for _, step in trace:
        nested = nested_run(step, store) if wanted.startswith(f"{step.step_key}/") and step.kind in NESTED else None
        if nested is not None:
            own = wanted.removeprefix(f"{step.step_key}/")
            raise ConfigurationError(f"step {wanted} is a step of the nested run {nested.id}; fork {nested.id} {own}")
    keys = ", ".join(step.step_key for _, step in trace) or "none"
    raise ConfigurationError(f"run {run.id} has no step {wanted}; it has {keys}")


def _around(record: StepRecord, step: StepRecord) -> bool:
    """Whether a record is of a step that the edited one happens in: that one has to be executed anew."""
    return bool(step.parent) and f"{step.parent}/".startswith(f"{record.step_key}/")


def _asking(
    trace: list[tuple[TraceRow, StepRecord]], row: TraceRow, step: StepRecord, asked: Mapping[str, Any]
) -> tuple[TraceRow, StepRecord, dict[str, Any]]:
    """The model's step that asked for a tool call, and the changes put as changes of its answer."""
    request = orjson.loads(step.request)
    wanted = request.get("asked", request.get("arguments"))  # a person may have changed what the model asked for
    for other, record in sorted(trace, key=lambda pair: pair[0].seq, reverse=True):
        if record.kind != "llm" or other.seq > row.seq or record.parent != step.parent:
            continue
        calls = orjson.loads(record.output or "{}").get("tool_calls") or []
        for place, call in enumerate(calls):
            function = call["function"]
            if function["name"] == step.name and _parsed(function["arguments"]) == wanted:
                prefix = f"tool_calls.{place}.function."
                return other, record, {prefix + path: value for path, value in asked.items()}
    raise ConfigurationError(f"no model asked for {step.step_key}; its arguments are the workflow's")


def _edited(step: StepRecord, changes: Mapping[str, Any]) -> str:
    tree = orjson.loads(step.output or "null")
    if step.kind == "approval" and any(path.startswith("arguments.") for path in changes):
        asked = orjson.loads(step.request).get("form", {}).get("_form", {}).get("context", {}).get("input")
        tree = {"arguments": asked, **tree} if isinstance(tree, dict) else tree
    for path, value in changes.items():
        parts = [part for part in path.split(".") if part]
        if parts and parts[0] in ("result", "output") and not _has(tree, parts[0]):
            parts = parts[1:]
        if step.kind in ("suspend", "wait_for_event") and parts and not _has(tree, parts[0]):
            parts = ["data", *parts]
        tree = _put(tree, parts, value, f"step {step.step_key}: there is no {path!r}")
    return orjson.dumps(tree).decode()


def _has(tree: Any, name: str) -> bool:
    inner = _open(tree)
    return isinstance(inner, dict) and name in inner


def _open(tree: Any) -> Any:
    """What is inside a tag of the codec: the fields of a model, the items of a tuple."""
    if isinstance(tree, dict) and len(tree) == 1:
        tag = next(iter(tree))
        if tag in _FIELDS:
            return tree[tag][1]
        if tag in _ITEMS:
            return tree[tag]
    return tree


def _put(tree: Any, parts: list[str], value: Any, problem: str) -> Any:
    if not parts:
        return value
    if isinstance(tree, str):  # the arguments of a call are JSON in a text
        inner = _parsed(tree)
        if not isinstance(inner, dict | list):
            raise ConfigurationError(f"{problem}; it is the text {tree[:60]!r}")
        return orjson.dumps(_put(inner, parts, value, problem)).decode()
    inner = _open(tree)
    name = parts[0]
    if isinstance(inner, list):
        if not name.isdecimal() or int(name) >= len(inner):
            raise ConfigurationError(f"{problem}; it is a list of {len(inner)}, so write a number from 0")
        inner[int(name)] = _put(inner[int(name)], parts[1:], value, problem)
    elif isinstance(inner, dict):
        if name not in inner and len(parts) > 1:
            raise ConfigurationError(f"{problem}; there is {', '.join(map(str, untag(inner))) or 'nothing'}")
        inner[name] = _put(inner.get(name), parts[1:], value, problem)
    else:
        raise ConfigurationError(f"{problem}; the answer is {untag(tree)!r}, so write result=...")
    return tree


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
