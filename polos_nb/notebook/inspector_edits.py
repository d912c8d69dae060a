"""What of a step can be edited in a fork, and how an edit of a call is put as one of what the model asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from polos_nb.codec_untag import untag
from polos_nb.reports.facts import data_of
from polos_nb.safe_text import json_text
from polos_nb.stores.base import StepRecord, TraceRow

_ENTRIES = 20
_BYTES = 2_048
_DEEP = 4  # levels of a result whose fields are offered by themselves
_UNEDITABLE = ("wait_for", "wait_until", "publish_event", "invoke", "resume")

Line = tuple[TraceRow, StepRecord]


def editable(trace: Sequence[Line], row: TraceRow, step: StepRecord) -> dict[str, Any]:
    """Paths that a fork at this step takes, with the values that are there now; {} where nothing can be edited."""
    out: dict[str, Any] = {}
    for path, value in _offered(trace, row, step):
        if len(out) == _ENTRIES:
            break
        if "" not in path.split(".") and len(json_text(value).encode("utf-8", "replace")) <= _BYTES:
            out[path] = value
    return out


def asked_at(trace: Sequence[Line], row: TraceRow, step: StepRecord) -> tuple[StepRecord, int] | None:
    """The model's step that asked for a tool call, and the place of the call in its answer; None for none."""
    if step.kind != "tool":
        return None
    request = _request(step)
    wanted = request.get("asked", request.get("arguments"))  # a person may have changed what the model asked for
    for other, record in sorted(trace, key=lambda line: line[0].seq, reverse=True):
        if record.kind != "llm" or record.status != "completed" or other.seq > row.seq or record.parent != step.parent:
            continue
        for place, (name, arguments) in enumerate(_calls(record)):
            if name == step.name and arguments == wanted:
                return record, place
    return None


def as_asked(
    trace: Sequence[Line], row: TraceRow, step: StepRecord, changes: Mapping[str, Any]
) -> tuple[StepRecord, dict[str, Any]]:
    """The step to fork at, and the changes of its answer.

    Other arguments of a call are another answer of the model that asked for it. So even a call that failed, which has
    no answer of its own, can be made with other arguments.
    """
    asked = asked_at(trace, row, step)
    if asked is None or not all(path.partition(".")[0] == "arguments" for path in changes):
        return step, dict(changes)
    record, place = asked
    return record, {f"tool_calls.{place}.function.{path}": value for path, value in changes.items()}


def _offered(trace: Sequence[Line], row: TraceRow, step: StepRecord) -> Iterator[tuple[str, Any]]:
    """All paths, in the order in which they are worth offering."""
    asked = asked_at(trace, row, step)
    if asked is not None:
        record, place = asked
        yield from _leaves("arguments", _calls(record)[place][1])
    if step.status != "completed" or step.kind in _UNEDITABLE:
        return
    output = data_of(step.output)
    if step.kind == "llm" and isinstance(output, dict):
        if output.get("text") or not output.get("tool_calls"):
            yield "text", output.get("text") or ""
        for place, (_, arguments) in enumerate(_calls(step)):
            yield from _leaves(f"tool_calls.{place}.function.arguments", arguments)
        return
    shown = untag(output)
    if step.kind in ("suspend", "wait_for_event", "approval", "doubt"):
        answered = shown.get("data", shown) if isinstance(shown, dict) else None
        if isinstance(answered, dict):
            yield from ((path, value) for name, inner in answered.items() for path, value in _leaves(str(name), inner))
        return
    if isinstance(shown, dict) and "result" in shown:  # an agent's result, of which the answer is a field
        shown = shown["result"]
    yield "result", shown
    if isinstance(shown, dict | list):
        yield from _leaves("result", shown)


def _leaves(path: str, value: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The plain values inside a value, with their paths. A name with a dot in it cannot be part of one."""
    if isinstance(value, dict) and depth < _DEEP:
        for name, inner in value.items():
            if "." not in str(name) and "$" not in str(name):
                yield from _leaves(f"{path}.{name}", inner, depth + 1)
    elif isinstance(value, list) and depth < _DEEP:
        for place, inner in enumerate(value[:_ENTRIES]):
            yield from _leaves(f"{path}.{place}", inner, depth + 1)
    elif not isinstance(value, dict | list):
        yield path, value


def _calls(step: StepRecord) -> list[tuple[str, Any]]:
    """The calls that a model's answer asks for: names, and arguments as data."""
    output = data_of(step.output)
    found = output.get("tool_calls") if isinstance(output, dict) else None
    calls = [call.get("function") or {} for call in found or []]
    return [(str(call.get("name")), _parsed(call.get("arguments"))) for call in calls]


def _parsed(text: Any) -> Any:
    try:
        return json.loads(text or "{}")
    except (TypeError, ValueError, RecursionError):
        return text


def _request(step: StepRecord) -> dict[str, Any]:
    request = data_of(step.request)
    return request if isinstance(request, dict) else {}
