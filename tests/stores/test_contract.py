"""What the docstrings of `Store` promise, for every store."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from polos_nb.errors import StoreError
from polos_nb.stores.base import BLOB_BYTES, RunRecord, StepRecord, Store, TraceRow


def add_run(store: Store, lineage: str = "l1", **fields: object) -> RunRecord:
    newest = store.newest_run(lineage)
    record = replace(RunRecord(lineage=lineage, target_id="weather"), **fields)  # type: ignore[arg-type]
    run = store.new_run(record, expected=newest.id if newest else None)
    assert run is not None
    return run


def a_step(run: RunRecord, fingerprint: str = "f1", **fields: object) -> StepRecord:
    step = StepRecord(
        run_id=run.id,
        lineage=run.lineage,
        target_id=run.target_id,
        step_key="1.llm",
        kind="llm",
        name="llm",
        fingerprint=fingerprint,
    )
    return replace(step, **fields)  # type: ignore[arg-type]


def test_a_run_comes_back_as_it_was_given(store: Store) -> None:
    """A run gets an id and every other field comes back unchanged."""
    given = RunRecord(
        lineage="l",
        target_id="t",
        kind="tool",
        input='{"a":1}',
        status="suspended",
        occurrence=2,
        conversation_id="c",
        turn=3,
        previous="r7",
        horizon=5,
        options='{"x":2}',
        result="null",
        error="é\x00\ud800",
        usage="{}",
        owner="o",
        lease_until=1.5,
        parent="r8",
        forked_from="r9",
        notebook="n.ipynb",
        created_at=10.25,
        finished_at=11.5,
    )
    run = store.new_run(given, expected=None)
    assert run == replace(given, id="r1")
    assert store.get_run("r1") == store.get_run("1") == store.newest_run("l") == run
    assert store.get_run("r2") is store.get_run("nonsense") is store.get_run("9" * 30) is None


def test_only_one_of_two_gets_the_next_run_of_a_lineage(store: Store) -> None:
    """`new_run` writes nothing when somebody else has added a run to the lineage meanwhile."""
    first = add_run(store)
    assert store.new_run(RunRecord(lineage="l1", target_id="t"), expected=None) is None
    assert store.new_run(RunRecord(lineage="l1", target_id="t"), expected="r99") is None
    second = store.new_run(RunRecord(lineage="l1", target_id="t"), expected=first.id)
    assert second is not None
    assert second.id == "r2"
    assert store.new_run(RunRecord(lineage="l2", target_id="t"), expected=first.id) is None
    assert store.stats().runs == 2
    newest = store.newest_run("l1")
    assert newest is not None
    assert newest.id == "r2"


def test_fields_are_set_by_name(store: Store) -> None:
    """Unknown runs and records are StoreErrors, unknown fields TypeErrors, and neither writes anything."""
    run = add_run(store)
    step = store.start_step(a_step(run), seq=0)
    store.update_run(run.id, status="completed", result="1", finished_at=2.0)
    after = store.get_run("1")
    assert after == replace(run, status="completed", result="1", finished_at=2.0)
    for call in (store.update_run, lambda name, **fields: store.release_run(name, "o", **fields)):
        with pytest.raises(TypeError, match="colour"):
            call(run.id, status="failed", colour="red")
    with pytest.raises(TypeError, match="id"):
        store.update_run(run.id, id="r5")
    with pytest.raises(TypeError, match="colour"):
        store.finish_step(step.id, colour="red")
    with pytest.raises(StoreError, match="r77"):
        store.update_run("r77", status="failed")
    with pytest.raises(StoreError, match="77"):
        store.finish_step(77, status="failed")
    assert store.get_run("1") == after


def test_runs_are_listed_newest_first(store: Store) -> None:
    """Filters are exact, the search finds parts in any case, and there are at most `limit`."""
    one = add_run(store, "a", input='"Weather in KÖLN"', conversation_id="chat-1", turn=0)
    two = add_run(store, "b", target_id="other", error="50% off_by", status="failed")
    three = add_run(store, "c", conversation_id="chat-1", turn=1)
    ids = lambda **query: [run.id for run in store.list_runs(**query)]  # noqa: E731
    assert ids() == [three.id, two.id, one.id]
    assert ids(limit=2) == [three.id, two.id]
    assert ids(limit=0) == []
    assert ids(target_id="weather") == ids(conversation_id="chat-1") == [three.id, one.id]
    assert ids(status="failed") == ids(query="0% OFF_") == ids(query="r2") == ids(query="FAILED") == [two.id]
    assert ids(query="köln", status="running") == [one.id]
    assert ids(query="köln", status="failed") == ids(query="%")[1:] == []
    assert ids(query="CHAT", limit=1) == [three.id]


def test_a_search_reads_beyond_its_first_page(store: Store) -> None:
    """The oldest of many runs is found."""
    add_run(store, "needle", input='"needle"')
    for number in range(520):
        add_run(store, f"hay{number}")
    assert [run.lineage for run in store.list_runs(query="NEEDLE")] == ["needle"]


def test_a_lease_has_one_holder(store: Store) -> None:
    """Claims compare with the owner that was seen, and only the holder's release writes."""
    run = add_run(store, status="suspended")
    assert store.claim_run(run.id, "me", expected=None, lease_until=5.0)
    held = store.get_run(run.id)
    assert held == replace(run, owner="me", lease_until=5.0, status="running")
    assert not store.claim_run(run.id, "you", expected=None, lease_until=9.0)
    assert not store.claim_run("r99", "you", expected=None, lease_until=9.0)
    store.release_run(run.id, "you", status="failed")
    assert store.get_run(run.id) == held
    assert store.claim_run(run.id, "you", expected="me", lease_until=9.0)
    store.release_run(run.id, "you", status="completed", result="2")
    assert store.get_run(run.id) == replace(run, status="completed", result="2")


def test_a_claim_is_won_once(store: Store) -> None:
    """Of many threads that claim a free run one succeeds."""
    run = add_run(store)
    wins: list[str] = []

    def claim(name: str) -> None:
        if store.claim_run(run.id, name, expected=None, lease_until=1.0):
            wins.append(name)

    threads = [threading.Thread(target=claim, args=(f"t{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wins) == 1


def test_a_step_is_found_by_its_identity(store: Store) -> None:
    """The youngest record of lineage, fingerprint and occurrence answers, if it is younger than `after`."""
    run = add_run(store)
    given = a_step(
        run, parts="{}", request='"q"', effect="write", attempts=2, idempotency_key="k", owner="o", started_at=1.5
    )
    first = store.start_step(replace(given, status="completed"), seq=0, why="new")
    assert first == replace(given, id=1, status="started")
    assert store.find_step("l1", "f1", 0) == store.get_step(1) == first
    second = store.start_step(given, seq=0)
    store.finish_step(second.id, status="failed", error="no", traceback="t", usage="{}", finished_at=2.5)
    found = store.find_step("l1", "f1", 0)
    assert found == replace(second, status="failed", error="no", traceback="t", usage="{}", finished_at=2.5)
    assert store.find_step("l1", "f1", 0, after=1) == found
    for miss in (("l1", "f1", 1), ("l1", "f2", 0), ("l2", "f1", 0)):
        assert store.find_step(*miss) is None
    assert store.find_step("l1", "f1", 0, after=2) is None
    assert store.last_step_id() == 2
    assert store.get_step(3) is None


def test_a_step_without_its_run_is_refused(store: Store) -> None:
    """Nothing is written for a run that is not there, not even blobs."""
    run = RunRecord(id="r5", lineage="l", target_id="t")
    for call in (
        lambda: store.start_step(a_step(run), seq=0, blobs={"b": "text"}),
        lambda: store.put_messages("c", "r5", 0, ["m"]),
        lambda: store.set_trace("r5", [TraceRow(0, 1)]),
    ):
        with pytest.raises(StoreError, match="cleared"):
            call()
    assert store.get_blob("b") is None
    assert store.last_step_id() == 0


@pytest.mark.parametrize(
    "text", ['""', "null", '"\\u0000"', "x\x00y", "\ud83d", "🌷" * BLOB_BYTES, "a" * (BLOB_BYTES + 1)]
)
def test_outputs_come_back_exactly(store: Store, text: str) -> None:
    """Any text, of any size, comes back as it was given, from every way of reading."""
    run = add_run(store)
    step = store.start_step(a_step(run), seq=0)
    store.finish_step(step.id, status="completed", output=text)
    done = replace(step, status="completed", output=text)
    assert store.get_step(step.id) == store.find_step("l1", "f1", 0) == done
    assert store.trace(run.id) == [(TraceRow(0, step.id), done)]
    assert store.past_steps() == [done]
    store.finish_step(step.id, output="small")
    assert store.get_step(step.id) == replace(done, output="small")


def test_past_steps_are_the_youngest_first(store: Store) -> None:
    """All that is given must match."""
    one, two = add_run(store, "a"), add_run(store, "b", target_id="other")
    steps = [store.start_step(a_step(run, kind=kind), seq=0) for run in (one, two) for kind in ("llm", "tool")]
    assert store.past_steps() == steps[::-1]
    assert store.past_steps(lineage="a", kind="tool") == [steps[1]]
    assert store.past_steps(target_id="other") == [steps[3], steps[2]]
    assert store.past_steps(limit=1) == [steps[3]]


def test_a_trace_is_in_order_and_can_be_replaced(store: Store) -> None:
    """A started step takes its place in the trace, also a place that is taken; `set_trace` replaces all of it."""
    run = add_run(store)
    late = store.start_step(a_step(run, "late"), seq=2, why="new step")
    early = store.start_step(a_step(run, "early"), seq=0)
    assert store.trace("1") == [(TraceRow(0, early.id), early), (TraceRow(2, late.id, False, "new step"), late)]
    again = store.start_step(a_step(run, "again"), seq=2)
    assert [row.step_id for row, _ in store.trace(run.id)] == [early.id, again.id]
    rows = [TraceRow(1, late.id, True, "cached"), TraceRow(0, again.id)]
    store.set_trace(run.id, rows)
    assert [row for row, _ in store.trace(run.id)] == rows[::-1]
    with pytest.raises(StoreError):
        store.set_trace(run.id, [TraceRow(0, 99)])
    assert [row for row, _ in store.trace(run.id)] == rows[::-1]
    store.set_trace(run.id, [])
    assert store.trace(run.id) == store.trace("r9") == []


def test_messages_and_blobs(store: Store) -> None:
    """A run's messages are replaced as a whole; a blob is kept once, by name."""
    run = add_run(store)
    assert store.get_messages(run.id) == []
    store.put_messages("c", run.id, 0, ["a", "b", "c"])
    store.put_messages("c", run.id, 0, ["x", "y"])
    assert store.get_messages("1") == ["x", "y"]
    store.put_blobs({"one": "1", "two": "2"})
    store.start_step(a_step(run), seq=0, blobs={"two": "changed", "three": "3"})
    assert [store.get_blob(name) for name in ("one", "two", "three", "four")] == ["1", "2", "3", None]


def test_clear_deletes_a_target_a_lineage_or_everything(store: Store) -> None:
    """Runs go with steps, traces, messages and the runs they started; ids are never given twice."""
    kept = add_run(store, "keep", target_id="keep")
    first, second = add_run(store, "a", conversation_id="c", turn=0), add_run(store, "a")
    child = add_run(store, "child", target_id="tool", parent=first.id)
    other = add_run(store, "b")
    for run in (kept, first, second, child, other):
        step = store.start_step(a_step(run), seq=0)
        store.finish_step(step.id, output=run.id * BLOB_BYTES)
        store.put_messages("c", run.id, 0, ["m"])
    assert store.clear(run_id="r99") == store.clear(target_id="nobody") == 0
    assert store.clear(run_id=second.id) == 3
    assert [run.id for run in store.list_runs()] == [other.id, kept.id]
    assert store.get_messages(first.id) == store.trace(first.id) == []
    assert store.find_step("a", "f1", 0) is None
    assert store.clear(target_id="weather") == 1
    assert store.trace(kept.id)[0][1].output == kept.id * BLOB_BYTES
    assert store.clear() == 1
    assert store.stats().runs == store.stats().steps == 0
    assert store.last_step_id() == 5
    assert add_run(store).id == "r6"


def test_stats_count(store: Store) -> None:
    """Counts, times and step records by target."""
    empty = store.stats()
    assert (empty.runs, empty.steps, empty.oldest, dict(empty.by_target)) == (0, 0, None, {})
    one = add_run(store, "a", created_at=5.0, conversation_id="c", turn=0)
    add_run(store, "b", created_at=9.0, conversation_id="c", turn=1)
    store.start_step(a_step(one), seq=0)
    stats = store.stats()
    assert (stats.location, stats.runs, stats.steps, stats.conversations) == (store.location, 2, 1, 1)
    assert (stats.oldest, stats.newest, dict(stats.by_target)) == (5.0, 9.0, {"weather": 1})
    assert stats.size > 0


def test_version_changes_with_every_write(store: Store) -> None:
    """Reading changes nothing; each write is seen."""
    seen = [store.version()]
    assert store.version() == seen[0]
    run = add_run(store)
    seen.append(store.version())
    step = store.start_step(a_step(run), seq=0)
    seen.append(store.version())
    store.finish_step(step.id, status="completed")
    seen.append(store.version())
    store.clear()
    seen.append(store.version())
    assert len(set(seen)) == 5


def test_closing_twice_is_fine(store: Store) -> None:
    """The second `close` does nothing."""
    store.close()
    assert store.close() is None  # type: ignore[func-returns-value]
