"""What all runs of a store have cost, summed up by agent, run, day or notebook: what was paid beside what was saved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from polos_nb.reports.cost import Money, money_of, sum_text
from polos_nb.reports.facts import Facts
from polos_nb.reports.pages import Page
from polos_nb.stores.base import RunRecord, Store
from polos_nb.stores.counting import RunFigures
from polos_nb.transcript_text import count

BY = ("agent", "run", "day", "notebook")
_MANY = 500  # runs that one look takes
_SHOWN = 50  # lines of a page
_Answers = Counter[tuple[str, str]]


def cost_by(store: Store, by: str) -> Facts:
    """What the models' answers of all runs have cost, by "agent", "run" (the outermost), "day" or "notebook".

    `groups` are the sums, the newest first for runs and days, else what cost most: `name`, how many `runs`, `calls` of
    models that were paid for, `tokens_in`, `tokens_out`, `paid` in US dollars with `unknown` (answers of unknown
    price, which are not in it; None where none is known), and `saved`, `unknown_saved` and `tokens_saved` of what the
    store has answered. `total` has the same of all together.
    """
    sums: dict[str, tuple[int, _Answers, _Answers]] = {}
    for run, own_paid, own_saved in _own(store):
        name = _name(run, by)
        runs, all_paid, all_saved = sums.get(name, (0, Counter(), Counter()))
        sums[name] = (runs + (by != "run" or run.root is None), all_paid + own_paid, all_saved + own_saved)
    groups = [_group(name, *of) for name, of in sums.items()]
    if by not in ("run", "day"):
        groups.sort(
            key=lambda group: (-(group["paid"] or 0.0), -group["tokens_in"] - group["tokens_out"], group["name"])
        )
    runs = sum(group["runs"] for group in groups)
    paid: _Answers = sum((of[1] for of in sums.values()), Counter())
    saved: _Answers = sum((of[2] for of in sums.values()), Counter())
    return {"by": by, "groups": groups, "total": _group("all", runs, paid, saved)}


def cost_by_page(facts: Facts) -> Page:
    """The sums as a page."""
    groups, total = facts["groups"], facts["total"]
    if not total["calls"] and not total["tokens_saved"]:
        return Page(note="No model was asked, so nothing was paid for.")
    rows = [
        (
            group["name"],
            group["runs"],
            group["calls"],
            group["tokens_in"],
            group["tokens_out"],
            sum_text(group["paid"], group["unknown"]) if group["calls"] else "",
            sum_text(group["saved"], group["unknown_saved"]) if group["tokens_saved"] else "",
        )
        for group in groups[:_SHOWN]
    ]
    note = (
        f"Paid for: {total['tokens_in'] + total['tokens_out']:,} tokens, {sum_text(total['paid'], total['unknown'])}."
    )
    if total["tokens_saved"]:
        saved = sum_text(total["saved"], total["unknown_saved"])
        note += f" Answered from the store: {total['tokens_saved']:,} tokens, {saved}."
    if len(groups) > _SHOWN:
        note += f" {count(len(groups) - _SHOWN, 'line')} more with --json."
    head = (facts["by"], "runs", "calls", "tokens in", "tokens out", "cost", "saved by the store")
    return Page("", head, rows, note=note, whole=(facts["by"], "cost", "saved by the store"))


def _own(store: Store) -> Iterator[tuple[RunRecord, _Answers, _Answers]]:
    """Each run, newest first, with the answers that were paid for and saved in itself, not in runs inside it."""
    runs = _all_runs(store)
    figures: dict[str, RunFigures] = {}
    for first in range(0, len(runs), _MANY):
        figures |= store.figures([run.id for run in runs[first : first + _MANY]])
    paid = {run.id: Counter(_of(figures, run).paid) for run in runs}
    saved = {run.id: Counter(_of(figures, run).saved) for run in runs}
    whole = [(dict(paid), paid), (dict(saved), saved)]
    for run in runs:
        if run.parent in paid:
            for all_of, own in whole:
                own[run.parent] = own[run.parent] - all_of[run.id]
    for run in runs:
        yield run, paid[run.id], saved[run.id]


def _of(figures: dict[str, RunFigures], run: RunRecord) -> RunFigures:
    return figures.get(run.id) or RunFigures()


def _all_runs(store: Store) -> list[RunRecord]:
    found: dict[str, RunRecord] = {}
    while page := store.list_runs(offset=len(found), limit=_MANY):
        before = len(found)
        found |= {run.id: run for run in page}
        if len(found) == before:  # a run was added meanwhile
            break
    return list(found.values())


def _name(run: RunRecord, by: str) -> str:
    if by == "agent":
        return run.target_id
    if by == "run":
        return run.root or run.id
    if by == "day":
        return datetime.fromtimestamp(run.created_at).date().isoformat()
    return run.notebook or "no notebook"


def _group(name: str, runs: int, paid: _Answers, saved: _Answers) -> Facts:
    spent: Money = money_of(paid.elements())
    spared: Money = money_of(saved.elements())
    return {
        "name": name,
        "runs": runs,
        "calls": paid.total(),
        "tokens_in": spent.tokens_in,
        "tokens_out": spent.tokens_out,
        "paid": spent.total,
        "unknown": spent.unknown,
        "saved": spared.total,
        "unknown_saved": spared.unknown,
        "tokens_saved": spared.tokens_in + spared.tokens_out,
    }
