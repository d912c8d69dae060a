"""What the docstrings of `Decisions` and `Topics` promise, for every store; and nested runs."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from polos_nb.errors import StoreError
from polos_nb.stores.base import Store
from polos_nb.stores.sqlite import SqliteStore
from polos_nb.stores.waiting import DecisionRecord, EventRecord, ScheduleRecord
from tests.stores.test_contract import a_step, add_run


def a_question(store: Store, **fields: Any) -> DecisionRecord:
    """A decision that waits, of a step of a new run."""
    run = add_run(store)
    step = store.start_step(a_step(run), seq=0)
    given = DecisionRecord(run_id=run.id, step_key="1.ask", step_id=step.id, form='{"a":1}', created_at=5.0)
    return store.ask(replace(given, **fields))


def at_once(number: int, what: Callable[[int], bool]) -> list[int]:
    """Who of several threads succeeded."""
    barrier = threading.Barrier(number)
    won: list[int] = []

    def one(place: int) -> None:
        barrier.wait(10)
        if what(place):
            won.append(place)

    threads = [threading.Thread(target=one, args=(place,)) for place in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return won


# -- nested runs --------------------------------------------------------------------------------------------------
def test_nested_runs_are_listed_oldest_first(store: Store) -> None:
    """`child_runs` gives the direct ones only; an unknown run has none."""
    top = add_run(store, "top")
    one = add_run(store, "one", parent=top.id, parent_step="1.a", root=top.id)
    add_run(store, "other")
    two = add_run(store, "two", parent=top.id, parent_step="1.b", root=top.id)
    deep = add_run(store, "deep", parent=one.id, parent_step="1.c", root=top.id)
    assert store.child_runs(top.id) == store.child_runs("1") == [one, two]
    assert store.child_runs(one.id) == [deep]
    assert store.child_runs(deep.id) == store.child_runs("r99") == store.child_runs("nonsense") == []


# -- decisions ----------------------------------------------------------------------------------------------------
def test_a_question_is_asked_once(store: Store) -> None:
    """`ask` adds a decision with an id; asking for the same step again gives what is there, whatever it has become."""
    asked = a_question(store, kind="approval", expires_at=99.0)
    assert asked == replace(asked, id=1, run_id="r1", status="waiting", kind="approval", expires_at=99.0, answer=None)
    again = replace(asked, id=0, form="{}", created_at=9.0)
    assert store.ask(again) == asked == store.get_decision(1)
    assert store.decide(asked.id, answer="true", decided_by="me")
    answered = store.ask(again)
    assert (answered.id, answered.status, answered.answer, answered.form) == (1, "answered", "true", '{"a":1}')
    assert store.get_decision(99) is None


def test_a_question_of_no_run_is_refused(store: Store) -> None:
    """A run that was cleared cannot ask."""
    with pytest.raises(StoreError):
        store.ask(DecisionRecord(run_id="r9", step_key="k", step_id=1))
    with pytest.raises(StoreError):
        store.answer_early("r9", "k", "1")
    assert store.decisions() == []


def test_a_decision_is_made_once(store: Store) -> None:
    """The first answer stays; expiring and withdrawing are answers of their own kind; an unknown one is False."""
    asked = a_question(store)
    before = time.time()
    assert store.decide(asked.id, answer='{"approved": true}', decided_by="me")
    first = store.get_decision(asked.id)
    assert first is not None
    assert (first.status, first.answer, first.decided_by) == ("answered", '{"approved": true}', "me")
    assert before <= (first.decided_at or 0) <= time.time()
    assert not store.decide(asked.id, answer="false", decided_by="you")
    assert not store.decide(asked.id, status="expired")
    assert store.get_decision(asked.id) == first
    assert not store.decide(99)
    for status in ("expired", "withdrawn"):
        other = a_question(store)
        assert store.decide(other.id, status=status)
        made = store.get_decision(other.id)
        assert made is not None
        assert (made.status, made.answer) == (status, None)


def test_of_many_threads_one_decides(store: Store) -> None:
    """Two clicks at once: exactly one wins, and its answer is the one that is kept."""
    asked = a_question(store)
    won = at_once(8, lambda place: store.decide(asked.id, answer=str(place), decided_by=f"t{place}"))
    assert len(won) == 1
    kept = store.get_decision(asked.id)
    assert kept is not None
    assert (kept.answer, kept.decided_by) == (str(won[0]), f"t{won[0]}")


_DECIDE = """
import sys
from polos_nb.stores.sqlite import SqliteStore
store = SqliteStore(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(store.decide(int(sys.argv[2]), answer=sys.argv[3]), flush=True)
"""


def test_of_several_processes_one_decides(tmp_path: Path) -> None:
    """A click and a command line at once: exactly one wins."""
    path = str(tmp_path / "steps.db")
    store = SqliteStore(path)
    asked = a_question(store)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _DECIDE, path, str(asked.id), str(place)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for place in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert sorted(said) == ["False", "False", "False", "True"]
    kept = store.get_decision(asked.id)
    assert kept is not None
    assert kept.answer == str(said.index("True"))
    store.close()


def test_an_early_answer_meets_its_question(store: Store) -> None:
    """It is kept for run and step key, replaced by a later one, and becomes the answer of the step that asks."""
    run = add_run(store)
    step = store.start_step(a_step(run), seq=0)
    first = store.answer_early(run.id, "1.ask", "1", "me")
    assert (first.status, first.step_id, first.answer, first.decided_by) == ("answered", None, "1", "me")
    second = store.answer_early(run.id, "1.ask", "2", "you")
    other = store.answer_early(run.id, "2.ask", "3")
    assert store.decisions(run_id=run.id) == [second, other]
    question = DecisionRecord(run_id=run.id, step_key="1.ask", step_id=step.id, kind="approval", form='{"q":1}')
    asked = store.ask(question)
    assert (asked.id, asked.status, asked.answer, asked.decided_by) == (second.id, "answered", "2", "you")
    assert (asked.step_id, asked.kind, asked.form) == (step.id, "approval", '{"q":1}')
    assert store.get_decision(second.id) == asked
    later = store.start_step(a_step(run), seq=1)
    assert store.ask(replace(question, step_id=later.id)).status == "waiting"  # it was used


def test_decisions_are_listed_oldest_first(store: Store) -> None:
    """By run, by status, at most `limit`."""
    one, two = a_question(store), a_question(store)
    three = store.ask(replace(one, id=0, step_key="2.ask", step_id=two.step_id and store.start_step(
        a_step(add_run(store, "x")), seq=0).id))  # fmt: skip
    assert store.decisions() == [one, two, three]
    assert store.decisions(run_id=one.run_id) == store.decisions(run_id="1") == [one, three]
    assert store.decide(one.id)
    assert store.decisions(status="waiting") == [two, three]
    assert [d.id for d in store.decisions(status="answered")] == [one.id]
    assert store.decisions(status="waiting", limit=1) == [two]
    assert store.decisions(limit=0) == store.decisions(run_id="r99") == []


def test_decisions_go_with_their_run(store: Store) -> None:
    """Nothing waits for a run that was cleared."""
    asked = a_question(store)
    store.answer_early(asked.run_id, "later", "1")
    store.clear(run_id=asked.run_id)
    assert store.decisions() == []


# -- topics -------------------------------------------------------------------------------------------------------
def test_events_are_read_in_order(store: Store) -> None:
    """Ids grow over all topics; a reader goes on behind the last one it saw, or from a time."""
    assert store.last_event_id() == 0
    given = [EventRecord(topic=topic, event_type="t", data=str(n), run_id="r1", created_at=float(n))
             for n, topic in enumerate("aba")]  # fmt: skip
    made = store.publish(given)
    assert made == [replace(event, id=n) for n, event in enumerate(given, 1)]
    more = store.publish([EventRecord(topic="a", created_at=9.0)])
    assert store.publish([]) == []
    assert store.last_event_id() == 4
    assert store.read_topic("a") == [made[0], made[2], *more]
    assert store.read_topic("a", after=1) == [made[2], *more]
    assert store.read_topic("a", since=2.0) == [made[2], *more]
    assert store.read_topic("a", after=1, since=3.0) == more
    assert store.read_topic("a", limit=1) == [made[0]]
    assert store.read_topic("c") == store.read_topic("a", after=4) == store.read_topic("a", limit=0) == []


def test_equal_keys_are_one_event(store: Store) -> None:
    """Publishing again gives what is there, also within one call; without a key every event is its own."""
    first = store.publish([EventRecord(topic="a", key="k", data="1"), EventRecord(topic="a")])
    again = store.publish([EventRecord(topic="a", key="k", data="2"), EventRecord(topic="a", key="new")])
    assert again[0] == first[0]
    twice = store.publish([EventRecord(topic="a", key="twice"), EventRecord(topic="a", key="twice")])
    assert twice[0] == twice[1]
    assert [event.key for event in store.read_topic("a")] == ["k", None, "new", "twice"]


def test_a_cursor_moves_from_where_it_was_seen(store: Store) -> None:
    """Of two readers of one name, one goes on."""
    assert store.get_cursor("reader") is None
    assert not store.move_cursor("reader", 3, expected=1)
    assert store.move_cursor("reader", 3, expected=None)
    assert not store.move_cursor("reader", 4, expected=None)
    assert store.move_cursor("reader", 5, expected=3)
    assert store.get_cursor("reader") == 5
    assert store.get_cursor("other") is None
    won = at_once(6, lambda place: store.move_cursor("reader", 10 + place, expected=5))
    assert len(won) == 1
    assert store.get_cursor("reader") == 10 + won[0]


def test_a_schedule_is_one_for_its_workflow_and_key(store: Store) -> None:
    """Putting it again replaces it and keeps its id, its beginning and when it fired last."""
    one = store.put_schedule(ScheduleRecord(workflow_id="w", cron="* * * * *", created_at=1.0, next_at=60.0))
    two = store.put_schedule(ScheduleRecord(workflow_id="w", key="b", cron="0 0 * * *", timezone="Europe/Oslo"))
    three = store.put_schedule(ScheduleRecord(workflow_id="v", cron="1 * * * *", payload="7"))
    assert store.schedules() == [one, two, three]
    assert store.schedules(workflow_id="w") == [one, two]
    assert store.fire_schedule(one.id, expected=60.0, next_at=120.0)
    again = store.put_schedule(ScheduleRecord(workflow_id="w", cron="5 * * * *", created_at=9.0, next_at=300.0))
    assert again == replace(one, cron="5 * * * *", last_at=60.0, next_at=300.0)
    assert store.schedules(workflow_id="w") == [again, two]
    assert store.schedules(workflow_id="nobody") == []


def test_a_firing_is_taken_once(store: Store) -> None:
    """Of several processes that see a schedule due, one starts the workflow."""
    made = store.put_schedule(ScheduleRecord(workflow_id="w", cron="* * * * *", next_at=60.0))
    assert not store.fire_schedule(made.id, expected=59.0, next_at=120.0)
    assert not store.fire_schedule(99, expected=60.0, next_at=120.0)
    won = at_once(6, lambda place: store.fire_schedule(made.id, expected=60.0, next_at=120.0))
    assert len(won) == 1
    assert store.schedules() == [replace(made, last_at=60.0, next_at=120.0)]


def test_a_schedule_can_be_deleted(store: Store) -> None:
    """Deleting says whether there was one; its id is not given again."""
    made = store.put_schedule(ScheduleRecord(workflow_id="w", cron="* * * * *"))
    assert store.delete_schedule(made.id)
    assert not store.delete_schedule(made.id)
    assert store.schedules() == []
    assert store.put_schedule(ScheduleRecord(workflow_id="w", cron="* * * * *")).id == made.id + 1


def test_every_write_of_waiting_is_seen(store: Store) -> None:
    """`version` changes, so that who waits finds out."""
    seen = [store.version()]
    asked = a_question(store)
    for write in (
        lambda: store.decide(asked.id),
        lambda: store.answer_early(asked.run_id, "x", "1"),
        lambda: store.publish([EventRecord(topic="a")]),
        lambda: store.move_cursor("c", 1, expected=None),
        lambda: store.put_schedule(ScheduleRecord(workflow_id="w", cron="* * * * *", next_at=1.0)),
        lambda: store.fire_schedule(1, expected=1.0, next_at=2.0),
        lambda: store.delete_schedule(1),
    ):
        write()
        seen.append(store.version())
    assert len(set(seen)) == len(seen)


def test_an_early_answer_to_what_is_asked_by_now_answers_it(store: Store) -> None:
    """The question and the answer may come at the same moment: the answer is not left for a later question."""
    asked = a_question(store)
    found = store.answer_early(asked.run_id, "1.ask", '{"approved":true}', "ann")
    assert (found.id, found.status, found.decided_by) == (asked.id, "answered", "ann")
    assert [d.status for d in store.decisions(run_id=asked.run_id)] == ["answered"]


def test_an_early_answer_is_withdrawn_only_while_nobody_has_taken_it(store: Store) -> None:
    """One that a question has taken is a decision."""
    asked = a_question(store)
    store.answer_early(asked.run_id, "2.later", "{}")
    assert store.withdraw_early(asked.run_id, "2.later")
    assert not store.withdraw_early(asked.run_id, "2.later")
    assert store.decide(asked.id, answer="{}")
    assert not store.withdraw_early(asked.run_id, "1.ask")
    assert [d.status for d in store.decisions(run_id=asked.run_id)] == ["answered"]
