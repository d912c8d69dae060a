"""Workflows whose processes are killed at 200 random moments, and answered from outside: all end, nothing twice."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.crash.lanes import Lane
from tests.crash.programs import EXECUTED, RESULT, TOPIC, WRITES, finished, lines_of

KILLS = 200
LANES = 4
PAUSE = 0.006
LONGEST = 0.12


@pytest.mark.timeout(115)
def test_workflows_killed_two_hundred_times_end_and_nothing_happened_twice(tmp_path: Path) -> None:
    """Four at a time, SIGKILL spread over all they do: 0 finished steps repeated, 0 lost, 0 writes repeated."""
    began = time.monotonic()
    ended: list[Lane] = []
    repeated: list[str] = []
    lock = threading.Lock()
    kills = [KILLS]

    def lane(number: int) -> None:
        chance = random.Random(number)
        for life in range(10_000):
            if kills[0] <= 0:
                return
            work = Lane(tmp_path / f"{number}-{life}", chance, PAUSE)
            while work.result() is None:
                before = len(work.places)
                twice = work.life(LONGEST if kills[0] > 0 else None)
                with lock:
                    repeated.extend(f"{work.folder.name}: {name}" for name in twice)
                    kills[0] -= len(work.places) - before
            ended.append(work)

    with ThreadPoolExecutor(LANES) as pool:
        list(pool.map(lane, range(LANES)))
    counts: Counter[str] = Counter()
    for work in ended:
        check(work, counts)
        work.close()
    places = Counter(place for work in ended for place in work.places)
    print(
        f"\n{sum(places.values())} kills at {len(places)} places, {len(ended)} workflows ended in"
        f" {time.monotonic() - began:.0f} s; finished steps repeated {len(repeated)}, lost {counts['lost']}, writes"
        f" repeated {counts['writes']}, events too many {counts['events']}; in flight {counts['in flight']}, doubts"
        f" {counts['doubts']}, answered while dead {counts['dead']}, early {counts['early']}\n{dict(places)}"
    )
    assert repeated == []
    assert counts["lost"] == counts["writes"] == counts["events"] == 0
    assert sum(places.values()) >= KILLS
    assert len(places) >= 20
    assert counts["doubts"] > 5
    assert counts["dead"] > 0
    assert counts["early"] > 0


def check(work: Lane, counts: Counter[str]) -> None:
    """Look at everything that is left of a workflow that has ended."""
    where, store = work.folder.name, work.store
    assert work.result() == RESULT, where
    lines = Counter(lines_of(work.folder))
    counts["lost"] += len(finished(store) ^ EXECUTED)
    counts["lost"] += len({line.removeprefix("end ") for line in lines if line.startswith("end ")} ^ EXECUTED)
    counts["writes"] += sum(lines[f"end {name}"] - 1 for name in WRITES)
    counts["in flight"] += sum(number - 1 for line, number in lines.items() if line.startswith("start "))
    counts["events"] += len(store.read_topic(TOPIC)) - 1
    assert [run.status for run in store.list_runs()] == ["completed"] * 3, where
    decisions = store.decisions()
    assert {d.status for d in decisions} == {"answered"}, f"{where}: {decisions}"
    asked = Counter(d.kind for d in decisions)
    counts["doubts"] += asked.pop("doubt", 0)
    assert asked == {"suspend": 1, "approval": 1}, where
    counts["dead"] += work.answered_while_dead
    counts["early"] += work.answered_early
