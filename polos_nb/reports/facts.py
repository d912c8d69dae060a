"""Records as plain facts: one mapping for a run, a step or a decision, which every list and every JSON shows."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from polos_nb.codec_untag import untag
from polos_nb.forms import parse_form
from polos_nb.messages import Usage
from polos_nb.models.prices import cost
from polos_nb.runtime.always import Rule
from polos_nb.safe_text import brief, call_text, json_text, value_text
from polos_nb.stores.base import RunRecord, StepRecord, TraceRow
from polos_nb.stores.waiting import DecisionRecord

Facts = dict[str, Any]
_ASKED = 300  # characters of what is shown to a person
# What is kept of a question and not shown.
_BESIDE = ("_form", "_source", "_tool", "_arguments_schema", "_call", "_run", "_unknown")

# What JSON may hold as it is and a terminal should not: controls, bidi overrides, line separators, lone surrogates.
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def run_facts(run: RunRecord) -> Facts:
    """What a list of runs says of one."""
    options = data_of(run.options) or {}
    usage = Usage.model_validate_json(run.usage) if run.usage else None
    model = "/".join(str(options[key]) for key in ("provider", "model") if options.get(key))
    return {
        "run": run.id,
        "target": run.target_id,
        "kind": run.kind,
        "status": run.status,
        "input": text_of(run.input),
        "result": text_of(run.result),
        "error": run.error,
        "model": model,
        "tokens": usage.total_tokens if usage else 0,
        "conversation": run.conversation_id,
        "parent": run.parent,
        "started": when(run.created_at),
        "seconds": round(run.finished_at - run.created_at, 3) if run.finished_at else None,
    }


def step_facts(row: TraceRow, step: StepRecord) -> Facts:
    """What a trace says of one step, without its output. `cost` is in US dollars, None where it is not known."""
    usage = Usage.model_validate_json(step.usage) if step.usage else None
    return {
        "step": step.step_key,
        "kind": step.kind,
        "name": step.name,
        "call": call_of(step),
        "state": state_of(row, step),
        "cached": row.cached,
        "status": step.status,
        "why": row.why,
        "error": step.error,
        "attempts": step.attempts,
        "tokens": usage.total_tokens if usage else 0,
        "cost": cost_of(step),
        "seconds": round(step.finished_at - step.started_at, 3) if step.finished_at else None,
        "recorded_in": step.run_id,
    }


def decision_facts(decision: DecisionRecord, run: RunRecord | None = None) -> Facts:
    """What a list says of a decision, waiting or not."""
    form = parse_form(data_of(decision.form))
    return {
        "run": decision.run_id,
        "target": run.target_id if run is not None else None,
        "step": decision.step_key,
        "kind": decision.kind,
        "status": decision.status,
        "title": form.title or form.description,
        "tool": form.tool,
        "shows": _shown(data_of(decision.form)),
        "how": form.how(),
        "since": when(decision.created_at),
        "expires": when(decision.expires_at),
        "answer": data_of(decision.answer),
        "decided_by": decision.decided_by,
        "decided": when(decision.decided_at),
    }


def rule_facts(rule: Rule) -> Facts:
    """What a list says of a rule "always approve this"."""
    return {
        "id": rule.id,
        "tool": rule.tool,
        "arguments": rule.arguments,
        "text": rule.text,
        "step": rule.step,
        "by": rule.by,
        "since": when(rule.at),
    }


def _shown(data: Any) -> str:
    """What a person needs to know for an answer, on a line; "" for nothing."""
    if isinstance(data, dict):
        beside = {key: value for key, value in data.items() if key not in _BESIDE}
        data = {**parse_form(data).context, **beside}
    return brief(value_text(untag(data)), _ASKED) if data else ""


def call_of(step: StepRecord) -> str:
    """A step as a person would name it: a tool call with its arguments, a model, or its name."""
    request = data_of(step.request) or {}
    if step.kind == "tool":
        return call_text(step.name, untag(request.get("arguments")), 80)
    return str(request.get("model") or step.name) if step.kind == "llm" else step.name


def state_of(row: TraceRow, step: StepRecord) -> str:
    """ "cached" and "live" for what has an answer, else the record's status."""
    if step.status == "completed":
        return "cached" if row.cached else "live"
    return step.status


def cost_of(step: StepRecord) -> float | None:
    """The price of the model's answer in a step, in US dollars; None for other steps and unknown prices."""
    if step.kind != "llm" or not step.usage:
        return None
    parts = data_of(step.parts) or {}
    return cost(str(parts.get("provider")), str(parts.get("model")), Usage.model_validate_json(step.usage))


def data_of(kept: str | None) -> Any:
    """A kept JSON text as data, with its tags; None for none, and the text itself where it is not JSON."""
    if not kept:
        return None
    try:
        return json.loads(kept)
    except ValueError:
        return kept


def text_of(kept: str | None) -> str:
    """A kept value on one line, as a person reads it."""
    value = untag(data_of(kept))
    return "" if value is None else value if isinstance(value, str) else value_text(value)


def pretty(kept: str | None) -> str:
    """A kept value over several lines: a text as it is, data as indented JSON."""
    value = untag(data_of(kept))
    return "" if kept is None else value if isinstance(value, str) else json_text(value, indent=2)


def when(at: float | None) -> str:
    """A time in the reader's own zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)) if at else ""


def as_json(data: Any, *, indent: int | None = 2) -> str:
    """Facts as JSON text that says exactly what they say, and that no terminal reads as a command."""
    text = json.dumps(data, ensure_ascii=False, indent=indent, default=str)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
