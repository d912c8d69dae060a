"""Why the steps of a run were executed: what differs from the record that would have answered."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from polos_nb.durable.code_sources import source_name
from polos_nb.durable.fingerprint import differences, readable
from polos_nb.reports.facts import Facts, data_of
from polos_nb.reports.runs import find_run, find_step
from polos_nb.stores.base import StepRecord, Store, TraceRow

_HISTORY = 2_000
_TRIED = 20  # earlier records that are compared in full
_SAID = {
    "cached": "answered from the store: nothing it depends on has changed",
    "first": "the first execution: there was no earlier run like it",
    "new": "a new step: no earlier run had one like it",
    "used": "its earlier answer was used by an equal call before it",
}
_TOLD = (
    ("asked to be fresh", "fresh"),
    ("the last attempt failed", "failed"),
    ("it was interrupted", "interrupted"),
    ("it was waiting", "waited"),
)


def why(store: Store, run_id: str | None = None, step: str | None = None) -> list[Facts]:
    """For each step of a run, or one: `reason`, what it says in words, and the difference.

    `reason` is "cached", "first", "new", "fresh", "failed", "interrupted", "waited", "used" or "changed"; "changed"
    comes with the earlier record it was compared with (`against`, `against_run`), the `differences` in words, and
    `diffs` of the texts that are kept.
    """
    run = find_run(store, run_id)
    trace = store.trace(run.id)
    if step is not None:
        number, line = find_step(run, trace, step)
        lines = [(number, line)]
    else:
        lines = list(enumerate(trace, 1))
    used = {row.step_id for row, _ in trace}  # they stand beside a step, not before it
    history: dict[str, list[StepRecord]] = {}
    out: list[Facts] = []
    for number, (row, record) in lines:
        if record.lineage not in history:
            past = store.past_steps(lineage=record.lineage, limit=_HISTORY)
            history[record.lineage] = [one for one in past if one.id not in used]
        out.append({"run": run.id, "number": number, **_why(store, row, record, history[record.lineage])})
    return out


def _why(store: Store, row: TraceRow, step: StepRecord, history: list[StepRecord]) -> Facts:
    facts: Facts = {
        "step": step.step_key,
        "kind": step.kind,
        "name": step.name,
        "cached": row.cached,
        "against": None,
        "against_run": None,
        "differences": [],
        "diffs": [],
    }
    if row.cached:
        return facts | {"reason": "cached", "says": _SAID["cached"]}
    for beginning, reason in _TOLD:
        if row.why.startswith(beginning):
            return facts | {"reason": reason, "says": row.why}
    earlier = [one for one in history if one.id < step.id]
    if not any(one.run_id != step.run_id for one in earlier) and not row.why:
        return facts | {"reason": "first", "says": _SAID["first"]}
    near = _nearest(store, step, earlier)
    if near is None:
        return facts | {"reason": "new", "says": _SAID["new"]}
    old, new = parts_of(near), parts_of(step)
    said = differences(readable(old, _request(near)), readable(new, _request(step)), store.get_blob)
    facts |= {"against": near.step_key, "against_run": near.run_id}
    if not said:
        return facts | {"reason": "used", "says": row.why or _SAID["used"]}
    diffs = text_diffs(old, new, lambda name: store.get_blob(name) or store.get_blob(source_name(name)))
    return facts | {"reason": "changed", "says": "; ".join(said), "differences": said, "diffs": diffs}


def _nearest(store: Store, step: StepRecord, earlier: list[StepRecord]) -> StepRecord | None:
    """The youngest of the earlier records that differ least; one with the same key rather than another."""
    alike = [one for one in earlier if (one.kind, one.name) == (step.kind, step.name)]
    pool = ([one for one in alike if one.step_key == step.step_key] or alike)[:_TRIED]
    new = parts_of(step)
    return min(pool, key=lambda one: len(differences(parts_of(one), new, store.get_blob)), default=None)


def parts_of(step: StepRecord) -> dict[str, Any]:
    """What a step's fingerprint was made of."""
    parts = data_of(step.parts)
    return parts if isinstance(parts, dict) else {}


def _request(step: StepRecord) -> dict[str, Any]:
    request = data_of(step.request)
    return request if isinstance(request, dict) else {}


def text_diffs(
    old: Mapping[str, Any], new: Mapping[str, Any], text_of: Callable[[str], str | None]
) -> list[dict[str, str]]:
    """Unified diffs of the parts that differ and whose texts are kept: `what` and `diff` of each."""
    out: list[dict[str, str]] = []
    for name in [*new, *(key for key in old if key not in new)]:
        before, after = old.get(name), new.get(name)
        if before == after or name in ("version", "writes"):
            continue
        label = {"code": "the code it uses"}.get(name, name)
        diff = unified(_lines(name, before, text_of), _lines(name, after, text_of))
        if diff:
            out.append({"what": label, "diff": diff})
    return out


def unified(old: Iterable[str], new: Iterable[str], context: int = 3) -> str:
    """The lines in which two texts differ, with a few around them; "" when they are equal.

    >>> unified(["a", "b"], ["a", "c"])
    '@@ -1,2 +1,2 @@\\n a\\n-b\\n+c'
    """
    lines = list(difflib.unified_diff(list(old), list(new), lineterm="", n=context))
    return "\n".join(lines[2:])  # the names of two files, which these are not


def _lines(name: str, value: Any, text_of: Callable[[str], str | None]) -> list[str]:
    if value is None:
        return []
    if name == "messages" and isinstance(value, list):
        return [line for entry in value for line in _message_lines(str(entry), text_of)]
    if isinstance(value, Mapping):
        return [line for key, inner in value.items() for line in _entry_lines(str(key), inner, text_of)]
    return _text_lines(value, text_of)


def _entry_lines(key: str, value: Any, text_of: Callable[[str], str | None]) -> list[str]:
    lines = _text_lines(value, text_of)
    return [f"{key} = {lines[0]}"] if len(lines) == 1 else [f"{key}:", *(f"  {line}" for line in lines)]


def _text_lines(value: Any, text_of: Callable[[str], str | None]) -> list[str]:
    """A value as lines: the text behind it where it is the name of one."""
    if isinstance(value, str):
        kept = text_of(value)
        return (value if kept is None else kept).splitlines() or [""]
    return json.dumps(value, ensure_ascii=False, indent=2, default=str).splitlines()


def _message_lines(name: str, text_of: Callable[[str], str | None]) -> list[str]:
    kept = text_of(name)
    message = data_of(kept)
    if not isinstance(message, dict):
        return [f"[a message that is not kept: {name}]"]
    content = message.get("content")
    said = content if isinstance(content, str) else "" if content is None else json.dumps(content, ensure_ascii=False)
    lines = [f"[{message.get('role')}]", *said.splitlines()]
    return lines + [f"calls {json.dumps(call, ensure_ascii=False)}" for call in message.get("calls") or []]
