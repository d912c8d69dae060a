"""Several processes at the same calls at the same moment: one drives, the others read along."""

from __future__ import annotations

import json
import multiprocessing
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from polos_nb.durable.step_wait import answer_step
from polos_nb.stores.sqlite import SqliteStore
from tests.crash.lanes import started
from tests.crash.programs import lines_of
from tests.runtime.programs import decide, in_a_loop, questions, rounds

_context = multiprocessing.get_context("forkserver")


def together(folder: Path, target: Any, processes: int, *args: Any) -> None:
    """Run a program in several processes to its end."""
    barrier = _context.Barrier(processes)
    running = [started(target, str(folder), str(number), barrier, *args) for number in range(processes)]
    try:
        for process in running:
            process.join(90)
            assert process.exitcode == 0, (folder / "said").read_text()
    finally:
        for process in running:
            process.kill()
            process.join()


def found(folder: Path, name: str, processes: int) -> list[Any]:
    return [json.loads((folder / f"{name}-{number}").read_text()) for number in range(processes)]


def expected(n: int) -> list[str]:
    return [f"did {n} first", f"did {n} side-0", f"did {n} side-1", f"done: did {n} look"]


@pytest.mark.parametrize(("processes", "count"), [(2, 40), (8, 6)])
def test_processes_that_execute_the_same_call_share_one_run(tmp_path: Path, processes: int, count: int) -> None:
    """In every round each step is executed once, and all get the same result and the same transcript."""
    together(tmp_path, rounds, processes, count)
    told = found(tmp_path, "found", processes)
    driven = 0
    for number in range(count):
        results = [own[number][0] for own in told]
        assert results == [expected(number)] * processes
        assert len({own[number][1] for own in told}) == 1, "the transcripts differ"
        assert "side-1" in told[0][number][1]
        driven += sum(not own[number][2] for own in told)
    assert driven == count  # the others only read
    steps = Counter(lines_of(tmp_path))
    assert len(steps) == count * 4
    assert set(steps.values()) == {1}
    store = SqliteStore(str(tmp_path / "steps.db"))
    assert Counter(run.status for run in store.list_runs(limit=1000)) == {"completed": 2 * count}
    assert store.decisions() == []
    store.close()


def test_eight_processes_drive_different_runs_on_one_store(tmp_path: Path) -> None:
    """None finds the file locked, and nothing is executed twice or missing."""
    processes, count = 8, 10
    together(tmp_path, rounds, processes, count, processes)
    told = found(tmp_path, "found", processes)
    for place, own in enumerate(told):
        assert [result for result, _, _ in own] == [expected(n * processes + place) for n in range(count)]
        assert not any(replayed for _, _, replayed in own)
    steps = Counter(lines_of(tmp_path))
    assert len(steps) == processes * count * 4
    assert set(steps.values()) == {1}
    assert "locked" not in (tmp_path / "said").read_text()


def test_of_two_answers_at_the_same_moment_one_counts(tmp_path: Path) -> None:
    """In every round one process is told that its answer counts, and the other that it came too late."""
    count = 25
    flow = questions(count)
    barrier = _context.Barrier(2)
    running = [started(decide, str(tmp_path), str(number), barrier, count) for number in range(2)]
    try:
        answers = in_a_loop(flow.run, tmp_path)
        for process in running:
            process.join(30)
            assert process.exitcode == 0, (tmp_path / "said").read_text()
    finally:
        for process in running:
            process.kill()
            process.join()
    told = found(tmp_path, "told", 2)
    for number in range(count):
        assert sorted([told[0][number], told[1][number]]) == [False, True], number
        assert answers[number] == ("0" if told[0][number] else "1")
    store = SqliteStore(str(tmp_path / "steps.db"))
    assert not answer_step(store, "r1", "review-0", "late")
    assert in_a_loop(flow.run, tmp_path) == answers
    assert [d.status for d in store.decisions()] == ["answered"] * count
    store.close()
