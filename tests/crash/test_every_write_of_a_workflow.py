"""A workflow's process ends before and after every single write: nothing is lost, nothing is done twice."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from polos_nb.stores.base import Store
from polos_nb.stores.memory import MemoryStore
from polos_nb.stores.sqlite import SqliteStore
from tests.crash.mortal import Died, MortalStore
from tests.crash.programs import EXECUTED, RESULT, TOPIC, WRITES, Program, answer_to, finished
from tests.runtime.support import Process


class Life:
    """One process after another on one store, and the journal that outlives them."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._memory = MemoryStore()
        self.journal: list[str] = []
        self.transcript = ""

    def store(self) -> Store:
        """The store as a new process opens it."""
        return self._memory if self._path is None else SqliteStore(str(self._path))

    def live(self, store: Any) -> dict[str, Any]:
        """A process that runs the program; a person beside it answers what it asks."""
        program = Program(self.journal.append, lambda: self.journal)
        process = Process(store, patience=None)
        runs: list[Any] = []
        process.runtime.on_run.append(runs.append)

        async def body(client: Any) -> dict[str, Any]:
            task = asyncio.ensure_future(program.run(client))
            while not task.done():
                for decision in store.decisions(status="waiting"):
                    store.decide(decision.id, answer=json.dumps(answer_to(decision, self.journal)))
                await asyncio.wait({task}, timeout=0.003)
            return task.result()

        found: dict[str, Any] = process.cell(body)
        self.transcript = untimed(runs[0].transcript.to_text())
        return found


def executed(lines: list[str]) -> list[str]:
    return [line.removeprefix("start ") for line in lines if line.startswith("start ")]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_workflows_process_may_end_at_any_write(kind: str, after: bool, tmp_path: Path) -> None:
    """The next process ends it: 0 finished steps run twice, 0 are lost, 0 writes repeated, all told once."""
    whole = Life(tmp_path / "whole.db" if kind == "sqlite" else None)
    store = whole.store()
    assert whole.live(store) == RESULT
    told = store_text(store)
    store.close()
    counts: Counter[str] = Counter()
    at = 0
    while True:
        at += 1
        life = Life(tmp_path / f"{at}.db" if kind == "sqlite" else None)
        mortal = MortalStore(life.store(), at, after=after)
        try:
            life.live(mortal)
            assert not mortal.dead
            break
        except Died:
            mortal.store.close()
        where = f"{'after' if after else 'before'} write {at}, {mortal.writes[-1]}"
        check(life, where, told, whole.transcript, counts)
    counts["faults"] = at - 1
    print(f"\n{kind}, {'after' if after else 'before'}: {dict(counts)}")
    assert at > 50
    assert counts["repeated"] == counts["lost"] == counts["writes repeated"] == 0
    assert counts["doubts"] > 0


def check(life: Life, where: str, told: str, shown: str, counts: Counter[str]) -> None:
    """Drive what a dead process has left to its end, and look at everything."""
    before = list(life.journal)
    store = life.store()
    done = finished(store)
    assert done <= {line.removeprefix("end ") for line in before if line.startswith("end ")}, where
    assert life.live(store) == RESULT, where
    again = executed(life.journal[len(before) :])
    counts["repeated"] += len(done & set(again)) + len(again) - len(set(again))
    counts["lost"] += len(EXECUTED ^ set(executed(life.journal))) + len(EXECUTED ^ finished(store))
    ends = Counter(line for line in life.journal if line.startswith("end "))
    counts["writes repeated"] += sum(ends[f"end {name}"] - 1 for name in WRITES)
    assert not done & set(again), f"{where}: {done & set(again)} ran again"
    assert len(again) == len(set(again)), f"{where}: {again}"
    assert set(executed(life.journal)) == EXECUTED, where
    assert all(ends[f"end {name}"] == 1 for name in WRITES), f"{where}: {ends}"
    assert store_text(store) == told, where
    quiet = list(life.journal)
    assert life.live(store) == RESULT, where
    assert life.journal == quiet, f"{where}: a third pass executed {life.journal[len(quiet) :]}"
    assert life.transcript == shown, where
    settled(store, where, counts)
    store.close()


def settled(store: Store, where: str, counts: Counter[str]) -> None:
    """Nothing is left over, and nothing was asked or told twice."""
    assert [run.status for run in store.list_runs()] == ["completed"] * 3, where
    decisions = store.decisions()
    assert {d.status for d in decisions} == {"answered"}, f"{where}: {decisions}"
    asked = Counter(d.kind for d in decisions)
    counts["doubts"] += asked.pop("doubt", 0)
    assert asked == {"suspend": 1, "approval": 1}, where
    assert len(store.read_topic(TOPIC)) == 1, where


def store_text(store: Store) -> str:
    """The transcript that the records give."""
    process = Process(store)
    return untimed(process.runtime.transcript_of(process.newest("order")).to_text())


def untimed(text: str) -> str:
    """A transcript without the moment at which a run was started beside it."""
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", "(time)", text)
