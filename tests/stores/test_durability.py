"""What a commit waits for: the disk, unless nothing would be lost with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from polos_nb.errors import StoreError
from polos_nb.stores.base import Effect, RunRecord, StepRecord, TraceRow
from polos_nb.stores.sqlite import SqliteStore

FULL, NORMAL = 2, 1  # as PRAGMA synchronous says them


def _level(store: SqliteStore) -> int:
    """What the last transaction waited for."""
    return int(store._file.read("PRAGMA synchronous")[0][0])


def _started(store: SqliteStore, effect: Effect) -> int:
    newest = store.newest_run("l")
    run = store.new_run(RunRecord(lineage="l", target_id="t"), expected=newest.id if newest else None)
    assert run is not None
    assert _level(store) == (FULL if store._file._full else NORMAL)
    step = StepRecord(
        run_id=run.id, lineage="l", target_id="t", step_key="s", kind="run", name="s", fingerprint="f", effect=effect
    )
    return store.start_step(step, seq=0).id


@pytest.mark.parametrize(("effect", "waited"), [("read", NORMAL), ("write", FULL)])
def test_only_the_start_of_a_read_does_not_wait_for_the_disk(tmp_path: Path, effect: Effect, waited: int) -> None:
    """That a read began need not survive a power failure; that a write began does, and all that comes of either."""
    store = SqliteStore(tmp_path / "steps.db")
    step_id = _started(store, effect)
    assert _level(store) == waited
    store.finish_step(step_id, status="completed", output="1")
    assert _level(store) == FULL
    step_id = _started(store, effect)
    store.set_trace("r2", [TraceRow(0, step_id)])
    assert _level(store) == FULL
    store.close()


def test_normal_durability_never_waits(tmp_path: Path) -> None:
    """A store that was asked for speed waits for the disk at no commit."""
    store = SqliteStore(tmp_path / "steps.db", durability="normal")
    step_id = _started(store, "write")
    assert _level(store) == NORMAL
    store.finish_step(step_id, status="completed", output="1")
    assert _level(store) == NORMAL
    store.close()


def test_a_step_of_a_run_that_is_gone_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    """A step for a run that was cleared meanwhile is a sentence, and neither its record nor its blobs are kept."""
    store = SqliteStore(tmp_path / "steps.db")
    for run_id in ("r7", "nonsense"):
        step = StepRecord(
            run_id=run_id, lineage="l", target_id="t", step_key="s", kind="run", name="s", fingerprint="f"
        )
        with pytest.raises(StoreError, match=f"the run {run_id} is not in the step store .* run the cell again"):
            store.start_step(step, seq=0, blobs={"msg:1": "text"})
    assert store.get_blob("msg:1") is None
    assert store.stats().steps == 0
    store.close()
