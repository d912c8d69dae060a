"""Many processes on one store file: nobody is locked out, nothing is lost, and what is to be won is won once."""

from __future__ import annotations

import json
import multiprocessing
import multiprocessing.synchronize
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

from polos_nb.stores.base import RunRecord, StepRecord, Store, TraceRow
from polos_nb.stores.sqlite import SqliteStore
from polos_nb.stores.waiting import DecisionRecord, EventRecord, ScheduleRecord

PROCESSES = 8
STEPS = 120
ROUNDS = 150
TIMEOUT = 100.0
spawn = multiprocessing.get_context("spawn")  # real new processes, with no descriptor of this one

Barrier = multiprocessing.synchronize.Barrier
Task = Callable[[Store, int, Barrier], Any]


def _child(task: Task, path: str, number: int, barrier: Barrier, said: SimpleQueue[tuple[int, str, Any]]) -> None:
    try:
        barrier.wait(TIMEOUT)  # so that all of them open the file at the same moment
        store = SqliteStore(path)
        result = task(store, number, barrier)
        store.close()
        said.put((number, "", result))
    except BaseException as error:
        barrier.abort()
        said.put((number, f"{type(error).__name__}: {error}", None))


def in_processes(task: Task, path: Path, count: int) -> list[Any]:
    """What each process gave, in their order. Fails with the first error that one of them had."""
    barrier, said = spawn.Barrier(count), spawn.SimpleQueue()
    children = [spawn.Process(target=_child, args=(task, str(path), n, barrier, said)) for n in range(count)]
    for child in children:
        child.start()
    try:
        end = time.monotonic() + TIMEOUT
        answers = []
        while len(answers) < count and time.monotonic() < end:
            if said.empty():
                time.sleep(0.01)
            else:
                answers.append(said.get())
        errors = [error for _, error, _ in sorted(answers) if error and "BrokenBarrier" not in error]
        assert not errors
        assert len(answers) == count, f"{len(answers)} of {count} processes ended in {TIMEOUT:g} s"
    finally:
        for child in children:
            child.join(5)
            if child.is_alive():
                child.kill()
                child.join()
    return [result for _, _, result in sorted(answers, key=lambda answer: answer[0])]


def _step(run: RunRecord, name: str, lineage: str) -> StepRecord:
    return StepRecord(
        run_id=run.id, lineage=lineage, target_id="t", step_key=name, kind="run", name=name, fingerprint=name
    )


def _write_steps(store: Store, number: int, barrier: Barrier) -> list[int]:
    lineage = f"lineage-{number}"
    run = store.new_run(RunRecord(lineage=lineage, target_id="t"), expected=None)
    assert run is not None
    ids = []
    for n in range(STEPS):
        name = f"s{n}"
        assert store.find_step(lineage, name, 0) is None
        effect = "write" if n % 10 == 0 else "read"
        started = store.start_step(
            StepRecord(**{**vars(_step(run, name, lineage)), "effect": effect}), seq=n, blobs={"msg:shared": "hello"}
        )
        store.finish_step(started.id, status="completed", output=json.dumps([number, n]), attempts=1)
        ids.append(started.id)
    store.set_trace(run.id, [TraceRow(n, step_id) for n, step_id in enumerate(ids)])
    return ids


def test_eight_processes_write_at_once(tmp_path: Path) -> None:
    """Eight processes make a new store and write steps in it: each record is there once, with its own output."""
    ids = in_processes(_write_steps, tmp_path / "steps.db", PROCESSES)
    given = [step_id for own in ids for step_id in own]
    assert sorted(given) == list(range(1, PROCESSES * STEPS + 1))
    store = SqliteStore(tmp_path / "steps.db")
    assert store.stats().steps == PROCESSES * STEPS
    assert store.stats().runs == PROCESSES
    for number, own in enumerate(ids):
        found = [store.find_step(f"lineage-{number}", f"s{n}", 0) for n in range(STEPS)]
        assert [step.id for step in found if step] == own
        assert [json.loads(step.output or "") for step in found if step] == [[number, n] for n in range(STEPS)]
        assert {step.status for step in found if step} == {"completed"}
        assert [row.step_id for row, _ in store.trace(found[0].run_id)] == own  # type: ignore[union-attr]
    store.close()
    with sqlite3.connect(tmp_path / "steps.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert db.execute("SELECT count(*) FROM blobs").fetchone() == (1,)
    db.close()


def _open_only(store: Store, number: int, barrier: Barrier) -> int:
    return len(store.list_runs())


def test_eight_processes_open_a_new_file_at_once(tmp_path: Path) -> None:
    """Making the file, its log and its tables is a race that nobody loses, several times over."""
    for attempt in range(3):
        assert in_processes(_open_only, tmp_path / f"steps-{attempt}.db", PROCESSES) == [0] * PROCESSES


def _claim(store: Store, number: int, barrier: Barrier) -> list[bool]:
    won = []
    for n in range(ROUNDS):
        run = store.newest_run(f"claim-{n}")
        assert run is not None
        barrier.wait(TIMEOUT)
        won.append(store.claim_run(run.id, f"owner-{number}", expected=None, lease_until=time.time() + 60))
    return won


def test_one_of_two_processes_claims_a_run(tmp_path: Path) -> None:
    """Of two processes that claim the same run exactly one gets it, and its name is what the record says."""
    store = SqliteStore(tmp_path / "steps.db", durability="normal")
    for n in range(ROUNDS):
        store.new_run(RunRecord(lineage=f"claim-{n}", target_id="t"), expected=None)
    first, second = in_processes(_claim, tmp_path / "steps.db", 2)
    assert [a + b for a, b in zip(first, second, strict=True)] == [1] * ROUNDS
    owners = [run.owner for n in range(ROUNDS) if (run := store.newest_run(f"claim-{n}"))]
    assert owners == ["owner-0" if a else "owner-1" for a in first]
    assert Counter(first).keys() == {True, False}, "one process was always faster: this has shown no race"
    store.close()


def _new_runs(store: Store, number: int, barrier: Barrier) -> list[bool]:
    won = []
    for n in range(ROUNDS):
        barrier.wait(TIMEOUT)
        won.append(store.new_run(RunRecord(lineage=f"new-{n}", target_id=f"t{number}"), expected=None) is not None)
    return won


def test_one_of_two_processes_opens_the_first_run_of_a_lineage(tmp_path: Path) -> None:
    """Of two processes that add the first run of a lineage exactly one does."""
    first, second = in_processes(_new_runs, tmp_path / "steps.db", 2)
    assert [a + b for a, b in zip(first, second, strict=True)] == [1] * ROUNDS
    store = SqliteStore(tmp_path / "steps.db")
    assert store.stats().runs == ROUNDS
    store.close()


def _decide(store: Store, number: int, barrier: Barrier) -> list[tuple[int, bool]]:
    out = []
    for n in range(ROUNDS):
        barrier.wait(TIMEOUT)
        asked = store.ask(DecisionRecord(run_id="r1", step_key=f"s{n}", step_id=n + 1, form=f'"{number}"'))
        barrier.wait(TIMEOUT)
        out.append((asked.id, store.decide(asked.id, answer=str(number), decided_by=f"process {number}")))
    return out


def test_a_question_is_asked_once_and_answered_once(tmp_path: Path) -> None:
    """Two processes that ask for the same step have one question, and exactly one of two answers is taken."""
    store = SqliteStore(tmp_path / "steps.db", durability="normal")
    run = store.new_run(RunRecord(lineage="l", target_id="t"), expected=None)
    assert run is not None
    assert run.id == "r1"
    for n in range(ROUNDS):
        assert store.start_step(_step(run, f"s{n}", "l"), seq=n).id == n + 1
    first, second = in_processes(_decide, tmp_path / "steps.db", 2)
    assert [asked for asked, _ in first] == [asked for asked, _ in second]
    assert [a + b for (_, a), (_, b) in zip(first, second, strict=True)] == [1] * ROUNDS
    kept = {decision.id: decision for decision in store.decisions()}
    assert len(kept) == ROUNDS
    for asked, won in first:
        winner = 0 if won else 1
        assert (kept[asked].status, kept[asked].answer) == ("answered", str(winner))
        assert kept[asked].decided_by == f"process {winner}"
    store.close()


def _fire_and_publish(store: Store, number: int, barrier: Barrier) -> list[tuple[bool, bool, int]]:
    schedule = store.schedules()[0]
    out = []
    for n in range(ROUNDS):
        barrier.wait(TIMEOUT)
        fired = store.fire_schedule(schedule.id, expected=float(n), next_at=float(n + 1))
        moved = store.move_cursor("reader", n + 1, expected=n or None)
        out.append((fired, moved, store.publish([EventRecord(topic="t", key=f"k{n}", data=str(number))])[0].id))
    return out


def test_a_firing_a_cursor_and_an_event_key_are_taken_once(tmp_path: Path) -> None:
    """Of two processes one fires a schedule, one moves a cursor on, and equal keys become one event for both."""
    store = SqliteStore(tmp_path / "steps.db", durability="normal")
    store.put_schedule(ScheduleRecord(workflow_id="w", cron="* * * * *"))
    first, second = in_processes(_fire_and_publish, tmp_path / "steps.db", 2)
    assert [a[0] + b[0] for a, b in zip(first, second, strict=True)] == [1] * ROUNDS
    assert [a[1] + b[1] for a, b in zip(first, second, strict=True)] == [1] * ROUNDS
    assert [a[2] for a in first] == [b[2] for b in second]
    assert len(store.read_topic("t")) == ROUNDS
    assert store.get_cursor("reader") == ROUNDS
    assert store.schedules()[0].next_at == ROUNDS
    store.close()
