"""Lists of runs in pages, and the figures beside them, on every store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from polos_nb.stores.base import RunRecord, StepRecord, Store, TraceRow
from polos_nb.stores.counting import RunFigures


def add(store: Store, lineage: str, **fields: Any) -> RunRecord:
    run = store.new_run(RunRecord(lineage=lineage, target_id="weather", **fields), expected=None)
    assert run is not None
    return run


def answered(store: Store, run: RunRecord, key: str, seq: int, *, kind: str = "llm", **fields: Any) -> StepRecord:
    step = StepRecord(
        run_id=run.id,
        lineage=run.lineage,
        target_id=run.target_id,
        step_key=key,
        kind=kind,
        name=key,
        fingerprint=key,
        parts=f'{{"model":"{key}"}}',
        started_at=run.created_at + 1,
    )
    made = store.start_step(replace(step, **fields), seq=seq)
    store.finish_step(made.id, status="completed", output="1", usage='{"total_tokens":3}' if kind == "llm" else None)
    return made


@pytest.fixture
def runs(store: Store) -> list[RunRecord]:
    """Five runs, one of which another one has started."""
    return [
        add(store, "a", input='"Köln"', created_at=10.0),
        replace_target(store, "b", "other", kind="workflow", created_at=20.0, status="failed"),
        add(store, "c", created_at=30.0),
        add(store, "d", created_at=40.0, parent="r2", root="r2", parent_step="ask"),
        add(store, "e", created_at=50.0, kind="tool"),
    ]


def replace_target(store: Store, lineage: str, target: str, **fields: Any) -> RunRecord:
    run = store.new_run(RunRecord(lineage=lineage, target_id=target, **fields), expected=None)
    assert run is not None
    return run


def ids(store: Store, **about: Any) -> list[str]:
    return [run.id for run in store.list_runs(**about)]


def test_pages_follow_each_other(store: Store, runs: list[RunRecord]) -> None:
    """`offset` skips what matches, with and without a search; beyond the end there is nothing."""
    assert ids(store, limit=2) + ids(store, offset=2, limit=2) + ids(store, offset=4, limit=2) == [
        "r5",
        "r4",
        "r3",
        "r2",
        "r1",
    ]
    assert ids(store, offset=9) == ids(store, offset=1, limit=0) == []
    assert ids(store, query="weather", offset=1, limit=2) == ["r4", "r3"]
    assert ids(store, query="weather", offset=3, limit=9) == ["r1"]
    assert ids(store, offset=-3, limit=1) == ["r5"]


def test_filters_are_exact(store: Store, runs: list[RunRecord]) -> None:
    """The kind, the time from which on, and whether another run has started it."""
    assert ids(store, kind="workflow") == ["r2"]
    assert ids(store, since=30.0) == ["r5", "r4", "r3"]
    assert ids(store, since=30.1, outermost=True) == ["r5"]
    assert ids(store, outermost=True) == ["r5", "r3", "r2", "r1"]
    assert ids(store, outermost=True, kind="agent", query="KÖLN") == ["r1"]


def test_counts_are_those_of_the_list(store: Store, runs: list[RunRecord]) -> None:
    """By target, and the same filters; nothing that matches is an empty count."""
    assert store.count_runs() == {"other": 1, "weather": 4}
    assert store.count_runs(outermost=True, since=15.0) == {"other": 1, "weather": 2}
    assert store.count_runs(status="failed") == store.count_runs(kind="workflow") == {"other": 1}
    assert store.count_runs(query="köLN") == store.count_runs(query="r1") == {"weather": 1}
    assert store.count_runs(query="nothing like it") == {}


def test_a_count_reads_beyond_its_first_page(store: Store) -> None:
    """The oldest of many runs counts in a search, and is found on its last page."""
    add(store, "needle", input='"needle"')
    for number in range(520):
        add(store, f"hay{number}", input='"hay"')
    assert store.count_runs(query="needle") == {"weather": 1}
    assert store.count_runs(query="WEATHER") == {"weather": 521}
    assert ids(store, query="weather", offset=520, limit=5) == ["r1"]


def test_figures_count_the_trace_and_what_was_paid_for(store: Store, runs: list[RunRecord]) -> None:
    """Steps and cached ones of the run itself; model answers of the run and of those inside it, in their order."""
    outer, inner = runs[1], runs[3]
    answered(store, outer, "one", 1)
    answered(store, outer, "look", 2, kind="tool")
    answered(store, inner, "two", 1)
    found = store.figures([outer.id, inner.id, "r99", "nonsense"])
    usage = '{"total_tokens":3}'
    assert set(found) == {"r2", "r4"}
    assert found["r2"] == RunFigures(steps=2, paid=(('{"model":"one"}', usage), ('{"model":"two"}', usage)))
    assert found["r4"] == RunFigures(steps=1, paid=(('{"model":"two"}', usage),))


def test_what_others_have_paid_for_is_not_paid_again(store: Store, runs: list[RunRecord]) -> None:
    """A step of an earlier run, and one that a fork shares; what this run did before it went on is its own."""
    first, second = runs[0], runs[2]
    kept = answered(store, first, "one", 1)
    store.set_trace(second.id, [TraceRow(1, kept.id, cached=True)])
    answered(store, second, "shared", 2, started_at=first.created_at)
    own = answered(store, second, "own", 3)
    lines = [TraceRow(row.seq, row.step_id, cached=True) for row, _ in store.trace(second.id)]
    store.set_trace(second.id, [*lines[:2], TraceRow(3, own.id, cached=True)])
    assert store.figures([second.id])[second.id] == RunFigures(
        steps=3,
        cached=3,
        paid=(('{"model":"own"}', '{"total_tokens":3}'),),
        saved=(('{"model":"one"}', '{"total_tokens":3}'), ('{"model":"shared"}', '{"total_tokens":3}')),
    )


def test_no_figures_of_no_runs(store: Store) -> None:
    """An empty list is asked for where a page is empty."""
    assert store.figures([]) == {}
