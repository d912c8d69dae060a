"""Two runs side by side: their steps aligned, and what differs in answers, tokens, cost and time."""

from __future__ import annotations

import difflib
from typing import Any

from polos_nb.durable.fingerprint import differences
from polos_nb.messages import Usage
from polos_nb.reports.facts import Facts, cost_of, pretty, run_facts, step_facts
from polos_nb.reports.runs import find_run
from polos_nb.reports.why import parts_of, unified
from polos_nb.stores.base import RunRecord, StepRecord, Store, TraceRow

Line = tuple[TraceRow, StepRecord]


def diff(store: Store, a: str, b: str) -> Facts:
    """What differs from run `a` to run `b`.

    `steps` are aligned by kind, name and the step they happen in, so that a step that was put in or taken out does
    not make all others look different; `change` is "same", "changed", "added" or "removed". `text` holds unified
    diffs of answers, `asked` says in words what differs in the questions; `tokens`, `cost` (US dollars) and `seconds`
    are pairs, None where they are not known.
    """
    one, two = find_run(store, a), find_run(store, b)
    first, second = store.trace(one.id), store.trace(two.id)
    names, others = [_name(line) for line in first], [_name(line) for line in second]
    matcher = difflib.SequenceMatcher(a=names, b=others, autojunk=False)
    steps: list[Facts] = []
    for tag, a0, a1, b0, b1 in matcher.get_opcodes():
        if tag == "equal":
            steps += [_pair(store, old, new) for old, new in zip(first[a0:a1], second[b0:b1], strict=True)]
        else:
            steps += [_alone(line, "removed") for line in first[a0:a1]]
            steps += [_alone(line, "added") for line in second[b0:b1]]
    return {
        "a": run_facts(one),
        "b": run_facts(two),
        "input": _texts(one.input, two.input),
        "result": _texts(one.result, two.result),
        "status": [one.status, two.status],
        "tokens": [_tokens(one), _tokens(two)],
        "cost": [_cost(first), _cost(second)],
        "seconds": [_seconds(one), _seconds(two)],
        "steps": steps,
    }


def _name(line: Line) -> tuple[str, str, str]:
    step = line[1]
    return step.kind, step.name, step.parent


def _pair(store: Store, old: Line, new: Line) -> Facts:
    was, now = step_facts(*old), step_facts(*new)
    same = old[1].id == new[1].id
    text = "" if same else _texts(old[1].output, new[1].output)
    asked = [] if same else differences(parts_of(old[1]), parts_of(new[1]), store.get_blob)
    other = asked or was["status"] != now["status"] or was["error"] != now["error"]
    return {
        "change": "changed" if text or other else "same",
        "step": now["step"],
        "before": was["step"],
        "call": now["call"],
        "state": [was["state"], now["state"]],
        "text": text,
        "asked": asked,
        **{name: [was[name], now[name]] for name in ("tokens", "cost", "seconds", "error")},
    }


def _alone(line: Line, change: str) -> Facts:
    facts = step_facts(*line)
    place = 0 if change == "removed" else 1

    def pair(value: Any) -> list[Any]:
        return [value, None] if place == 0 else [None, value]

    output = pretty(line[1].output).splitlines()
    return {
        "change": change,
        "step": facts["step"],
        "before": facts["step"] if change == "removed" else None,
        "call": facts["call"],
        "state": pair(facts["state"]),
        "text": unified(output, []) if change == "removed" else unified([], output),
        "asked": [],
        **{name: pair(facts[name]) for name in ("tokens", "cost", "seconds", "error")},
    }


def _texts(old: str | None, new: str | None) -> str:
    return "" if old == new else unified(pretty(old).splitlines(), pretty(new).splitlines())


def _tokens(run: RunRecord) -> int | None:
    return Usage.model_validate_json(run.usage).total_tokens if run.usage else None


def _cost(trace: list[Line]) -> float | None:
    prices = [price for price in (cost_of(step) for _, step in trace) if price is not None]
    return sum(prices) if prices else None


def _seconds(run: RunRecord) -> float | None:
    return round(run.finished_at - run.created_at, 3) if run.finished_at else None
