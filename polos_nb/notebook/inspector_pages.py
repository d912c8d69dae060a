"""What the inspector shows: lists of runs, one run, one step, as JSON data for the page. Only reads the store."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from polos_nb.codec_untag import untag
from polos_nb.errors import ConfigurationError
from polos_nb.notebook.feed import Feed
from polos_nb.notebook.rows import RunRows, head_of, view_value
from polos_nb.notebook.run_widget import always_of
from polos_nb.reports.cost import Money, cost_note, cost_of_story, money_of_figures
from polos_nb.reports.diff import diff
from polos_nb.reports.facts import Facts, data_of, pretty, run_facts, when
from polos_nb.reports.pages import dollars
from polos_nb.reports.runs import find_run, path_to
from polos_nb.reports.story import Story, find_place, story
from polos_nb.reports.why import why
from polos_nb.safe_text import brief
from polos_nb.stores.base import RunRecord, Store
from polos_nb.transcript_items import Item

INPUT = 200  # characters of an input in a list
WHOLE = 1_000_000
_COMPARED = 4_000  # characters of a step's answer in a comparison
_DAY = 86_400.0


def runs_data(
    store: Store,
    *,
    query: str = "",
    status: str | None = None,
    target: str | None = None,
    kind: str | None = None,
    since: float | None = None,
    offset: int = 0,
    limit: int = 25,
) -> dict[str, Any]:
    """A page of the list of runs, newest first, with the number of all that match and the targets to choose from.

    Runs inside others are only listed to those who look for something: a text, a target or a kind.
    """
    about: dict[str, Any] = {
        "query": query,
        "status": status,
        "kind": kind,
        "since": time.time() - since * _DAY if since is not None else None,
        "outermost": not (query or target or kind),
    }
    counts = store.count_runs(**about)
    if not counts and "_" in query:  # an agent's id has - where its name in the notebook has _
        about["query"] = query.replace("_", "-")
        counts = store.count_runs(**about)
    found = store.list_runs(**about, target_id=target, offset=offset, limit=limit)
    figures = store.figures([run.id for run in found])
    return {
        "runs": [_listed(store, run, figures.get(run.id)) for run in found],
        "total": sum(counts.values()) if target is None else counts.get(target, 0),
        "targets": list(counts),
    }


def _listed(store: Store, run: RunRecord, figures: Any) -> Facts:
    facts = run_facts(run)
    money = money_of_figures(figures)
    return {
        "id": run.id,
        "target": run.target_id,
        "kind": run.kind,
        "status": run.status,
        "input": brief(" ".join(facts["input"].split()), INPUT),
        "when": when(run.created_at),
        "at": run.created_at,
        "steps": figures.steps if figures is not None else 0,
        "cached": figures.cached if figures is not None else 0,
        "tokens": money.tokens_in + money.tokens_out,
        "cost": _paid(money),
        "priced": money.priced,
        "seconds": facts["seconds"],
        "model": facts["model"],
        "waiting": bool(waiting_of(store, run)),
        "conversation": run.conversation_id or "",
        "forked_from": run.forked_from or "",
        "parent": run.parent or "",
        "error": brief(run.error, INPUT) if run.error else None,
    }


def waiting_of(store: Store, run: RunRecord) -> list[str]:
    """The paths, from the outermost run, of the steps of a run that wait for a person."""
    if run.status not in ("running", "suspended"):
        return []
    prefix = path_to(store, run)
    asked = store.decisions(run_id=run.root or run.id, status="waiting")
    return [one.step_key for one in asked if one.step_key.startswith(prefix)]


def run_data(store: Store, run_id: str, nonce_of: Callable[[int], str]) -> dict[str, Any]:
    """One run: its head, the rows of its timeline with those of the runs inside it, and what it waits for."""
    told = story(store, run_id)
    run = told.run
    rows = RunRows(prefix=f"{run.id}/", nonce_of=nonce_of, run_id=run.root or run.id)
    feed = Feed()
    feed.put(rows.ops(told.transcript))
    state = feed.state
    for item in told.transcript.walk():
        row = state["rows"].get(f"{run.id}/{item.step_key}")
        if row is not None:
            row |= _timed(told, item)
    return {
        "head": {**head_of(told.transcript), **_head(store, told)},
        "state": {"rows": state["rows"], "order": state["order"]},
        "input": view_value(untag(data_of(run.input)), _COMPARED),
        "waiting": [key for key, row in state["rows"].items() if row.get("ask")],
    }


def _head(store: Store, told: Story) -> dict[str, Any]:
    """The fields of the head that records know better than events."""
    run, facts = told.run, cost_of_story(told)
    over = run.status in ("completed", "failed", "cancelled")
    spent = facts["paid"] if facts["steps"] else None
    result = told.transcript.result
    return {
        "began": run.created_at,
        "seconds": run.finished_at - run.created_at if over and run.finished_at else None,
        "tokens_in": facts["tokens_in"],
        "tokens_out": facts["tokens_out"],
        "cost": spent,
        "priced": not facts["unknown"],
        "saved": facts["saved"] if facts["tokens_saved"] else None,
        "mode": "",
        "always": always_of(store, run.id),
        "can_stop": not over and run.root is None,
        "answer": view_value(result, 20_000) if over and result is not None else None,
        "conversation": run.conversation_id or "",
        "forked_from": run.forked_from or "",
        "parent": run.parent or "",
    }


def _timed(told: Story, item: Item) -> dict[str, Any]:
    """When a row began and how long it took, its key for requests, and the version of what it ran."""
    place = told.places.get(item.step_key)
    if place is None:  # the items of a map together, or a run that a tool has started
        at, seconds = _span(told, item)
        took = seconds if item.seconds is None else item.seconds
        return {"at": at, "seconds": took, "step": item.step_key, "version": "", "run": told.run.id}
    parts = data_of(place.step.parts)
    version = str(parts.get("version") or "")[:8] if isinstance(parts, dict) else ""
    return {"at": place.at, "seconds": item.seconds, "step": place.path, "version": version, "run": place.run.id}


def _span(told: Story, item: Item) -> tuple[float | None, float | None]:
    """From the first of what is inside an item to the last."""
    begins: list[float] = []
    ends: list[float] = []
    inside = list(item.children)
    while inside:
        child = inside.pop()
        inside += child.children
        place = told.places.get(child.step_key)
        if place is not None:
            begins.append(place.at)
            ends.append(place.at + (child.seconds or 0.0))
    return (min(begins), max(ends) - min(begins)) if begins else (None, None)


def why_data(store: Store, run_id: str) -> dict[str, Any]:
    """Why each step of a run was executed, a line for each."""
    return {"lines": [{"step": one["step"], "text": why_text(one)} for one in why(store, run_id)]}


def why_text(facts: Facts) -> str:
    """Why one step was executed, with the texts that differ."""
    against = f" (compared with {facts['against_run']} · {facts['against']})" if facts["against"] else ""
    parts = [facts["says"] + against]
    parts += [f"{one['what']}:\n{brief(one['diff'], 20_000)}" for one in facts["diffs"]]
    return "\n\n".join(parts)


def cost_data(store: Store, run_id: str) -> dict[str, Any]:
    """What each model's answer of a run has cost, as a table, and the sums in words."""
    facts = cost_of_story(story(store, run_id))
    rows = [
        [
            line["step"],
            line["model"],
            "live" if line["paid"] else "cached",
            f"{line['tokens_in']:,}",
            f"{line['tokens_out']:,}",
            "price unknown" if line["cost"] is None else dollars(line["cost"]),
        ]
        for line in facts["steps"]
    ]
    head = ["step", "model", "state", "tokens in", "tokens out", "cost"]
    return {"table": {"t": "table", "head": head, "rows": rows, "more": 0}, "note": cost_note(facts)}


def diff_data(store: Store, a: str, b: str) -> dict[str, Any]:
    """Two runs side by side."""
    facts = diff(store, a, b)
    before, after = ({step.step_key: step for _, step in store.trace(facts[name]["run"])} for name in ("a", "b"))
    rows = []
    for step in facts["steps"]:
        old = before.get(step["before"]) if step["change"] != "added" else None
        new = after.get(step["step"]) if step["change"] != "removed" else None
        rows.append(
            {
                "step": step["step"],
                "a": _compared(old),
                "b": _compared(new),
                "same": step["change"] == "same",
                "change": step["change"],
                "asked": "; ".join(step["asked"]),
            }
        )
    one, two = facts["a"], facts["b"]
    summary = [
        {"name": name, "a": brief(str(one[name] or ""), _COMPARED), "b": brief(str(two[name] or ""), _COMPARED)}
        for name in ("target", "status", "input", "result", "error")
        if one[name] or two[name]
    ]
    for name, shown in (("tokens", _plain), ("cost", dollars), ("seconds", _plain)):
        if facts[name] != [None, None]:
            summary.append({"name": name, "a": shown(facts[name][0]), "b": shown(facts[name][1])})
    return {"rows": rows, "summary": summary, "a": one["run"], "b": two["run"]}


def _compared(step: Any) -> str:
    return "" if step is None else brief(pretty(step.output) if step.output else step.error or step.status, _COMPARED)


def _plain(value: Any) -> str:
    return "" if value is None else str(value)


def _paid(money: Money) -> float | None:
    """What was paid; None where that is not known, and where there was nothing to pay for."""
    return money.total if money.tokens_in or money.tokens_out else None


def more_data(store: Store, row: str, field: str) -> dict[str, Any]:
    """All of one value of a row, or of the run itself for a row without a path."""
    run_id, _, path = row.partition("/")
    run = find_run(store, run_id)
    if path:
        started = started_run(store, run, path)
        if started is None:
            return _more_of_step(store, run, path, field)
        run = started
    kept = {"input": run.input, "output": run.result, "result": run.result, "answer": run.result}
    if field == "error":
        return view_value(run.error or "", WHOLE)
    if field not in kept:
        raise ConfigurationError(f"{field} is nothing that a run has")
    return view_value(untag(data_of(kept[field])), WHOLE)


def started_run(store: Store, run: RunRecord, path: str) -> RunRecord | None:
    """The run that a path ends at, which the code of a step has started; None for a path that ends at a step."""
    name = path.rpartition("/")[2]
    found = store.get_run(name) if name[:1] == "r" and name[1:].isdecimal() else None
    return found if found is not None and found.root == (run.root or run.id) else None


def _more_of_step(store: Store, run: RunRecord, path: str, field: str) -> dict[str, Any]:
    step = find_place(store, run, path).step
    request, output = untag(data_of(step.request)), untag(data_of(step.output))
    asked = request if isinstance(request, dict) else {}
    said = output if isinstance(output, dict) else {}
    values: dict[str, Callable[[], Any]] = {
        "args": lambda: asked.get("arguments"),
        "input": lambda: asked.get("input"),
        "result": lambda: output,
        "output": lambda: output,
        "text": lambda: said.get("text") or "",
        "reasoning": lambda: said.get("reasoning") or "",
        "error": lambda: step.error or "",
        "traceback": lambda: step.traceback or "",
        "request": lambda: request,
    }
    if field not in values:
        raise ConfigurationError(f"{field} is nothing that a step has")
    return view_value(values[field](), WHOLE)
