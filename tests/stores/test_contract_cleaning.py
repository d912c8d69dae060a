"""What the docstrings of `Cleaning` promise, for every store."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from polos_nb.stores.base import BLOB_BYTES, RunRecord, Store
from polos_nb.stores.cleaning import LAPSED
from polos_nb.stores.sqlite import SqliteStore
from polos_nb.stores.waiting import DecisionRecord
from tests.stores.test_contract import a_step, add_run


def test_facts_about_lineages(store: Store) -> None:
    """Each lineage once, oldest newest run first, with what belongs to it."""
    old = add_run(store, "a", status="completed", created_at=1.0, finished_at=4.0)
    add_run(store, "b", status="completed", created_at=2.0, parent=old.id, parent_step="1.t", target_id="tool")
    newest = add_run(store, "a", status="failed", created_at=3.0)
    add_run(store, "c", status="completed", previous=newest.id, forked_from="r99")
    b, a, c = store.lineages()
    assert (a.lineage, a.target_id, a.status, a.runs, a.outermost, a.newest) == ("a", "weather", "failed", 2, True, 4.0)
    assert (b.lineage, b.target_id, b.outermost, b.linked) == ("b", "tool", False, frozenset({"a"}))
    assert (c.linked, a.linked) == (frozenset({"a"}), frozenset())
    assert not any(one.busy for one in (a, b, c))
    assert a.size > 0


def test_sizes_count_large_outputs_and_messages(store: Store) -> None:
    """A lineage's size holds the texts its records speak of."""
    large, small = add_run(store, "large"), add_run(store, "small")
    step = store.start_step(a_step(large, parts='{"messages":["msg:1"]}'), seq=0, blobs={"msg:1": "m" * 5000})
    store.finish_step(step.id, output="x" * BLOB_BYTES * 2)
    store.put_messages("c", small.id, 0, ["n" * 3000])
    sizes = {one.lineage: one.size for one in store.lineages()}
    assert BLOB_BYTES * 2 + 5000 < sizes["large"] < BLOB_BYTES * 2 + 8000
    assert 3000 < sizes["small"] < 5000


def test_what_is_going_on_is_busy_and_stays(store: Store) -> None:
    """Running, suspended, or with a decision that waits; a run whose driver is gone for a day is not."""
    running = add_run(store, "running", lease_until=time.time() + 30)
    add_run(store, "unknown")
    add_run(store, "dead", lease_until=time.time() - LAPSED - 60)
    add_run(store, "suspended", status="suspended")
    asking = add_run(store, "asking", status="failed")
    step = store.start_step(a_step(asking), seq=0)
    decision = store.ask(DecisionRecord(run_id=asking.id, step_key="k", step_id=step.id))
    add_run(store, "done", status="completed")
    busy = {one.lineage for one in store.lineages() if one.busy}
    assert busy == {"running", "unknown", "suspended", "asking"}
    for lineage in busy:
        assert store.forget(["done", lineage]) is None
    assert len(store.list_runs()) == 6
    store.decide(decision.id)
    store.update_run(running.id, status="completed")
    assert store.forget(["asking", "done", "dead", "running"]) == 1
    assert {run.lineage for run in store.list_runs()} == {"unknown", "suspended"}


def test_forgetting_takes_all_that_belongs_to_the_runs(store: Store) -> None:
    """Records, traces, messages and decisions; texts go with `tidy`, those that others speak of stay."""
    gone, kept = (add_run(store, name, status="completed") for name in ("gone", "kept"))
    for run, extra in ((gone, "msg:gone"), (kept, "msg:kept")):
        parts = f'{{"messages":["msg:both","{extra}"]}}'
        step = store.start_step(a_step(run, parts=parts), seq=0, blobs={"msg:both": "b", extra: "e", "other": "o"})
        store.finish_step(step.id, output=run.id * BLOB_BYTES)
        store.put_messages("c", run.id, 0, ["m"])
        store.answer_early(run.id, "k", "1")
    assert store.forget(["gone", "nobody"]) == 1
    assert store.get_run(gone.id) is None
    assert store.trace(gone.id) == store.get_messages(gone.id) == store.decisions(run_id=gone.id) == []
    assert store.find_step("gone", "f1", 0) is None
    store.tidy()
    texts = [store.get_blob(name) for name in ("msg:gone", "msg:both", "msg:kept", "other")]
    assert texts == [None, "b", "e", "o"]
    assert store.trace(kept.id)[0][1].output == kept.id * BLOB_BYTES
    assert store.get_messages(kept.id) == ["m"]
    assert store.forget([]) == 0


@pytest.mark.parametrize("reader", [False, True])
def test_the_file_becomes_smaller(reader: bool, tmp_path: Path) -> None:
    """What is freed goes back to the file system; somebody who is reading does not make it fail."""
    store = SqliteStore(tmp_path / "steps.db")
    run = add_run(store, status="completed")
    for number in range(20):
        step = store.start_step(a_step(run), seq=number)
        store.finish_step(step.id, output=str(number) * BLOB_BYTES * 2)
    store.tidy()
    before = store.stats().size
    assert before > 20 * BLOB_BYTES
    other = SqliteStore(tmp_path / "steps.db")
    if reader:
        connection = other._file.connection()
        connection.execute("BEGIN")
        connection.execute("SELECT * FROM runs").fetchall()
    assert store.forget([run.lineage]) == 20
    store.tidy()
    if reader:
        connection.execute("ROLLBACK")
        store.tidy()
    assert store.stats().size < before / 5
    store.close()
    other.close()


def test_a_busy_file_is_made_smaller_another_time(tmp_path: Path) -> None:
    """While another process writes, giving back space is left for later and is no error."""
    store, other = SqliteStore(tmp_path / "steps.db"), SqliteStore(tmp_path / "steps.db")
    with other._file.write():
        before = store._file.size()
        store._file.shrink()
        assert store._file.size() == before
    assert store.new_run(RunRecord(lineage="l", target_id="t"), expected=None) is not None
    store.close()
    other.close()
