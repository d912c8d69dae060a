"""Which runs there are, what waits, and one run with its steps and the runs that they started."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from polos_nb.codec_untag import untag
from polos_nb.errors import ConfigurationError
from polos_nb.reports.facts import Facts, cost_of, data_of, decision_facts, rule_facts, run_facts, step_facts
from polos_nb.runtime.always import rules
from polos_nb.stores.base import RunRecord, StepRecord, Store, TraceRow
from polos_nb.stores.fields import matches

STATUSES = ("running", "completed", "failed", "cancelled", "suspended")
_NUMBER = re.compile(r"^\d+\.")
_DEEPEST = 12  # levels of runs in runs
_NAMED = 12  # steps that a sentence names


def list_runs(store: Store, *, query: str = "", status: str | None = None, limit: int = 20) -> list[Facts]:
    """Runs, newest first."""
    found = store.list_runs(query=query, status=status, limit=limit)
    if not found and "_" in query:  # an agent's id has - where its name in the notebook has _
        found = store.list_runs(query=query.replace("_", "-"), status=status, limit=limit)
    return [run_facts(run) for run in found]


def list_waiting(store: Store, *, query: str = "", status: str | None = None, limit: int = 20) -> list[Facts]:
    """What waits for a person, oldest first: run, step, title of the form, since when, and when it expires."""
    out: list[Facts] = []
    for decision in store.decisions(status="waiting", limit=1_000_000):
        run = store.get_run(decision.run_id)
        if run is None or status not in (None, run.status) or run.status in ("cancelled", "completed"):
            continue  # nobody goes on with it, so nobody is asked
        if query and not (matches(run, query) or query.casefold() in decision.step_key.casefold()):
            continue
        out.append(decision_facts(decision, run))
    out = out[: max(limit, 0)]
    held = {run_id: list_rules(store, run_id) for run_id in {facts["run"] for facts in out}}
    return [{**facts, "always": held[facts["run"]]} for facts in out]


def list_rules(store: Store, run_id: str) -> list[Facts]:
    """The rules "always approve this" that hold in a run, oldest first."""
    return [rule_facts(rule) for rule in rules(store, find_run(store, run_id).id)]


def find_run(store: Store, run_id: str | None) -> RunRecord:
    """The run of that id, or the newest one. Raises ConfigurationError where there is none."""
    run = store.get_run(run_id) if run_id else next(iter(store.list_runs(limit=1)), None)
    if run is None:
        said = f"there is no run {run_id}" if run_id else "there is no run yet"
        raise ConfigurationError(f"{said} in {store.location}; polos-nb runs, or %polos runs, lists what there is")
    return run


def one_run(store: Store, run_id: str | None = None) -> Facts:
    """A run with its steps; each step has the `runs` it started, which have steps themselves, and so on.

    `cost` is what all its model calls have cost when they were made, nested ones included, and None where a price is
    not known; `saved` is the part of it that answered from the store.
    """
    run = find_run(store, run_id)
    facts = _with_steps(store, run, {run.id})
    waiting = store.decisions(run_id=run.root or run.id, status="waiting")
    prefix = path_to(store, run)
    facts["waiting"] = [decision_facts(one, run) for one in waiting if one.step_key.startswith(prefix)]
    facts["always"] = list_rules(store, run.id)
    facts["state"] = untag(data_of(run.state))
    return facts


def one_step(store: Store, run_id: str | None, wanted: str) -> Facts:
    """Everything about one step of a run."""
    run = find_run(store, run_id)
    number, (row, step) = find_step(run, store.trace(run.id), wanted)
    return {
        "run": run.id,
        "number": number,
        **step_facts(row, step),
        "request": untag(data_of(step.request)),
        "output": untag(data_of(step.output)),
        "traceback": step.traceback,
        "state_changes": untag(data_of(step.state)),
        "fingerprint": step.fingerprint,
        "runs": [run_facts(child) for child in _children(store, step)],
        "decisions": [
            decision_facts(one, run)
            for one in store.decisions(run_id=run.root or run.id)
            if one.step_id == step.id or one.step_key == path_to(store, run) + step.step_key
        ],
    }


def find_step(
    run: RunRecord, trace: Sequence[tuple[TraceRow, StepRecord]], wanted: str
) -> tuple[int, tuple[TraceRow, StepRecord]]:
    """The place (from 1) and line of a step, by number, key, last part of the key, or a unique beginning."""
    by_key = [step.step_key for _, step in trace]
    if wanted.isdecimal() and 0 < int(wanted) <= len(trace) and wanted not in by_key:
        return int(wanted), trace[int(wanted) - 1]
    key = find_key(by_key, wanted)
    if key is None:
        raise ConfigurationError(f"run {run.id} has no step {wanted}; it has {_few(by_key, ', ') or 'none'}")
    return by_key.index(key) + 1, trace[by_key.index(key)]


def find_key(keys: Sequence[str], wanted: str) -> str | None:
    """The key that is meant by a key, its last part, or a unique beginning of either; None for none.

    The number that the last part begins with may be left out.

    >>> find_key(["1.llm", "1.refund[call_1]", "2.llm"], "refund")
    '1.refund[call_1]'
    """
    keys = list(dict.fromkeys(keys))
    last = {key: key.rpartition("/")[2] for key in keys}
    bare = {key: _NUMBER.sub("", part) for key, part in last.items()}
    tests = (
        [key for key in keys if key == wanted],
        [key for key in keys if last[key] == wanted],
        [key for key in keys if bare[key] == wanted],
        [key for key in keys if wanted and any(part.startswith(wanted) for part in (key, last[key], bare[key]))],
    )
    for found in tests:
        if len(found) == 1:
            return found[0]
        if found:
            raise ConfigurationError(f"{wanted} may be {_few(found, ' or ')}; write more of the one that is meant")
    return None


def _few(keys: Sequence[str], between: str) -> str:
    """The first keys of a list, and how many more there are: a map may have thousands."""
    more = len(keys) - _NAMED
    return between.join(keys[:_NAMED]) + (f"{between}{more} more" if more > 0 else "")


def path_to(store: Store, run: RunRecord) -> str:
    """What the paths of this run's steps begin with, seen from the outermost run; "" for that run itself."""
    parts: list[str] = []
    seen = {run.id}
    while run.parent is not None and run.parent_step is not None:
        parts.append(run.parent_step)
        above = store.get_run(run.parent)
        if above is None or above.id in seen:
            break
        run = above
        seen.add(run.id)
    return "".join(f"{part}/" for part in reversed(parts))


def nested_runs(store: Store, run: RunRecord) -> Iterator[RunRecord]:
    """The runs that the steps of this run started, with those that they started, outer ones first."""
    waiting, seen = [run], {run.id}
    while waiting:
        current = waiting.pop(0)
        for _, step in store.trace(current.id):
            for child in _children(store, step):
                if child.id not in seen:
                    seen.add(child.id)
                    waiting.append(child)
                    yield child


def _with_steps(store: Store, run: RunRecord, above: set[str]) -> Facts:
    facts = run_facts(run)
    steps: list[Facts] = []
    total, saved, known = 0.0, 0.0, False
    for row, step in store.trace(run.id):
        inner = step_facts(row, step)
        inner["runs"] = []
        if len(above) < _DEEPEST:
            for child in _children(store, step):
                if child.id not in above:
                    inner["runs"].append(_with_steps(store, child, above | {child.id}))
        prices = [cost_of(step), *(child["cost"] for child in inner["runs"])]
        spent = sum(price for price in prices if price is not None)
        known = known or any(price is not None for price in prices)
        total += spent
        saved += spent if row.cached else sum(child["saved"] or 0.0 for child in inner["runs"])
        steps.append(inner)
    facts |= {"cost": total if known else None, "saved": saved if known else None, "steps": steps}
    return facts


def _children(store: Store, step: StepRecord) -> list[RunRecord]:
    """The runs inside a step: the one it names, and those it started when it was executed, in whichever run that was.

    Of several executions of the same call only the newest run is shown.
    """
    request = data_of(step.request)
    named = request.get("run") if isinstance(request, dict) else None
    inside = store.get_run(named) if isinstance(named, str) else None
    started = [run for run in store.child_runs(step.run_id) if run.parent_step == step.step_key]
    found = {run.lineage: run for run in (*([inside] if inside is not None else []), *started)}
    return sorted(found.values(), key=lambda run: (run.created_at, len(run.id), run.id))
