"""What all runs have cost, by agent, run, day and notebook."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from polos_nb.reports.cost_by import BY, cost_by, cost_by_page
from polos_nb.stores.base import RunRecord, StepRecord, Store, TraceRow
from polos_nb.stores.memory import MemoryStore
from polos_nb.stores.sqlite import SqliteStore
from tests.reports.test_cost import MINI, ODD, USED


@pytest.fixture(params=["sqlite", "memory"])
def store(request: Any, tmp_path: Path) -> Iterator[Store]:
    made: Store = SqliteStore(str(tmp_path / "steps.db")) if request.param == "sqlite" else MemoryStore()
    yield made
    made.close()


def asked(store: Store, run: RunRecord, key: str, seq: int, parts: str = MINI) -> int:
    """An answer of a model that was made in a run; its record."""
    step = StepRecord(
        run_id=run.id, lineage=run.lineage, target_id=run.target_id, step_key=key, kind="llm", name="llm",
        fingerprint=f"{run.id}{key}", started_at=run.created_at + 1, parts=parts,
    )  # fmt: skip
    made = store.start_step(step, seq=seq)
    store.finish_step(made.id, status="completed", output="{}", usage=USED)
    return made.id


def filled(store: Store) -> None:
    """Two days: an agent with another inside it, one that the store answered, one of unknown price."""

    def add(target: str, created: float, **about: Any) -> RunRecord:
        run = RunRecord(lineage=target, target_id=target, status="completed", created_at=created, **about)
        newest = store.newest_run(target)
        made = store.new_run(run, expected=newest.id if newest else None)
        assert made is not None
        return made

    day = 86_400.0
    outer = add("outer", 10 * day + 43_200, notebook="a.ipynb")
    kept = asked(store, outer, "1.llm", 1)
    inner = add("inner", 10 * day + 43_201, parent=outer.id, parent_step="2.tool", root=outer.id, notebook="a.ipynb")
    asked(store, inner, "1.llm", 1)
    asked(store, inner, "2.llm", 2)
    again = add("outer", 12 * day + 43_200)
    store.set_trace(again.id, [TraceRow(1, kept, cached=True)])
    asked(store, again, "2.llm", 2, ODD)


def told(store: Store, by: str) -> list[tuple[Any, ...]]:
    groups = cost_by(store, by)["groups"]
    return [(g["name"], g["runs"], g["calls"], g["paid"], g["unknown"], g["saved"]) for g in groups]


def test_sums_by_agent_run_day_and_notebook(store: Store) -> None:
    """An answer counts once, where it was made; what the store answered is beside it; unknown is never nothing."""
    filled(store)
    assert told(store, "agent") == [("inner", 1, 2, 0.3, 0, 0.0), ("outer", 2, 2, 0.15, 1, 0.15)]
    assert [(name, runs, calls) for name, runs, calls, *_ in told(store, "run")] == [("r3", 1, 1), ("r1", 1, 3)]
    assert [(calls, paid) for _, _, calls, paid, _, _ in told(store, "day")] == [(1, None), (3, pytest.approx(0.45))]
    names = {name: calls for name, _, calls, *_ in told(store, "notebook")}
    assert names == {"a.ipynb": 3, "no notebook": 1}
    for by in BY:
        total = cost_by(store, by)["total"]
        assert (total["calls"], total["paid"], total["unknown"], total["saved"], total["runs"]) == (
            4, pytest.approx(0.45), 1, 0.15, 2 if by == "run" else 3
        )  # fmt: skip


def test_the_page_says_what_was_paid_and_what_was_saved(store: Store) -> None:
    """Side by side in each line, and in a sentence."""
    filled(store)
    page = cost_by_page(cost_by(store, "agent"))
    assert page.rows[0] == ("inner", 1, 2, 2_000_000, 0, "$0.3000", "")
    assert page.rows[1][-2:] == ("$0.1500 and 1 answer at a price that is not known", "$0.1500")
    assert page.note == (
        "Paid for: 4,000,000 tokens, $0.4500 and 1 answer at a price that is not known."
        " Answered from the store: 1,000,000 tokens, $0.1500."
    )


def test_a_store_without_answers_says_so(store: Store) -> None:
    """No table of nothing."""
    assert cost_by_page(cost_by(store, "day")).note == "No model was asked, so nothing was paid for."


def test_many_runs_are_all_counted(store: Store) -> None:
    """More than one look takes."""
    run = RunRecord(lineage="x", target_id="x", status="completed", created_at=5.0)
    for number in range(520):
        store.new_run(replace(run, lineage=f"x{number}"), expected=None)
    assert cost_by(store, "agent")["total"]["runs"] == 520
