"""Recordings: what they keep, what they refuse, and that the store then answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from polos_nb.errors import ConfigurationError
from polos_nb.stores.base import BLOB_BYTES, RunRecord, StepRecord, Store
from polos_nb.stores.cassette import Cassette, find_cassettes
from polos_nb.stores.memory import MemoryStore


def converse(store: Store, *, noise: int = 0, answer: str = '"21"') -> list[RunRecord]:
    """Two turns of a conversation with a failed and a large step; `noise` changes all that a cassette must not keep."""
    runs: list[RunRecord] = []
    for _ in range(noise):
        store.new_run(RunRecord(lineage=f"noise{_}", target_id="n"), expected=None)
    for turn in range(2):
        given = RunRecord(
            lineage=f"l{turn}",
            target_id="weather",
            conversation_id="c",
            turn=turn,
            created_at=1.0 + noise,
            previous=runs[-1].id if runs else None,
            notebook=f"n{noise}.ipynb",
            horizon=noise,
        )
        run = store.new_run(given, expected=None)
        assert run is not None
        step = StepRecord(
            run_id=run.id,
            lineage=run.lineage,
            target_id="weather",
            step_key="1.llm",
            kind="llm",
            name="llm",
            fingerprint="f",
            started_at=noise,
            owner=f"o{noise}",
            idempotency_key=f"{run.id}:1",
            request='"\u2028é"',
        )
        failed = store.start_step(step, seq=0, blobs={"prompt": "You are a forecaster."})
        store.finish_step(failed.id, status="failed", error="RateLimit", traceback=f"line {noise}")
        done = store.start_step(step, seq=1, why="it failed")
        usage = json.dumps({"cost": noise, "output_tokens": 2, "input_tokens": 3})
        store.finish_step(done.id, status="completed", output=answer, usage=usage, attempts=noise)
        tool = replace(step, kind="tool", step_key="2.get[a]", fingerprint="g")
        store.finish_step(store.start_step(tool, seq=4 + noise).id, status="failed", error="no such city")
        large = replace(step, kind="tool", step_key="2.get[b]", fingerprint="h")
        store.finish_step(store.start_step(large, seq=5 + noise).id, status="completed", output="x" * (BLOB_BYTES + 1))
        store.start_step(replace(step, step_key="3.llm", fingerprint="i"), seq=6 + noise)
        store.put_messages("c", run.id, turn, [f'"m{turn}"', '"n"'])
        store.update_run(run.id, status="completed", result=answer, usage=usage)
        runs.append(run)
    return runs


def record(cassette: Cassette, store: Store, runs: list[RunRecord]) -> Cassette:
    for run in runs:
        now = store.get_run(run.id)
        assert now is not None
        blobs = {"prompt": store.get_blob("prompt") or ""}
        cassette.merge(now, store.trace(run.id), store.get_messages(run.id), blobs)
    return cassette


def saved(path: Path, **options: object) -> bytes:
    store = MemoryStore()
    record(Cassette(), store, converse(store, **options)).save(path)  # type: ignore[arg-type]
    return path.read_bytes()


def test_a_store_that_was_filled_answers(tmp_path: Path) -> None:
    """Runs, steps, failures, traces, messages, links and blobs come back."""
    saved(tmp_path / "a.jsonl", noise=3)
    store = MemoryStore()
    Cassette.load(tmp_path / "a.jsonl").fill(store)
    first, second = store.newest_run("l0"), store.newest_run("l1")
    assert first is not None
    assert second is not None
    assert (second.previous, second.result, second.status, second.turn) == (first.id, '"21"', "completed", 1)
    steps = [step for _, step in store.trace(second.id)]
    assert [(step.step_key, step.status, step.error) for step in steps] == [
        ("1.llm", "completed", None),
        ("2.get[a]", "failed", "no such city"),
        ("2.get[b]", "completed", None),
    ]
    assert store.find_step("l1", "f", 0) == steps[0]
    assert steps[0].request == '"\u2028é"'
    assert steps[2].output == "x" * (BLOB_BYTES + 1)
    assert json.loads(steps[0].usage or "") == {"input_tokens": 3, "output_tokens": 2}
    assert store.get_messages(second.id) == ['"m1"', '"n"']
    assert store.get_blob("prompt") == "You are a forecaster."


def test_recordings_of_the_same_runs_are_the_same_bytes(tmp_path: Path) -> None:
    """Ids, times, owners, costs and paths leave no trace, in whatever order and however often it is recorded."""
    one = saved(tmp_path / "a.jsonl")
    assert saved(tmp_path / "b.jsonl", noise=5) == one
    Cassette.load(tmp_path / "a.jsonl").save(tmp_path / "c.jsonl")
    assert (tmp_path / "c.jsonl").read_bytes() == one
    store = MemoryStore()
    again = record(Cassette.load(tmp_path / "a.jsonl"), store, converse(store, noise=2)[1:])
    again.save(tmp_path / "d.jsonl")
    assert (tmp_path / "d.jsonl").read_bytes() == one
    filled = MemoryStore()
    Cassette.load(tmp_path / "a.jsonl").fill(filled)
    record(Cassette(), filled, filled.list_runs()).save(tmp_path / "e.jsonl")
    assert (tmp_path / "e.jsonl").read_bytes() == one
    lines = one.decode().removesuffix("\n").split("\n")
    assert all(json.dumps(json.loads(line), sort_keys=True, ensure_ascii=False) == line for line in lines)
    assert b"\r" not in one


def test_a_new_recording_replaces_its_lineage(tmp_path: Path) -> None:
    """Nothing of the old one stays, the others do."""
    saved(tmp_path / "a.jsonl")
    cassette = Cassette.load(tmp_path / "a.jsonl")
    store = MemoryStore()
    record(cassette, store, converse(store, answer='"99"')[:1])
    cassette.save(tmp_path / "a.jsonl")
    filled = MemoryStore()
    Cassette.load(tmp_path / "a.jsonl").fill(filled)
    found = [filled.newest_run(lineage) for lineage in cassette.lineages()]
    assert [run.result for run in found if run] == ['"99"', '"21"']
    assert cassette.unused(["l1", "other"]) == ["l0"]


def test_a_fork_refers_to_the_records_of_its_origin(tmp_path: Path) -> None:
    """A record in two traces is one record again after filling."""
    store = MemoryStore()
    origin = converse(store)[0]
    fork = store.new_run(RunRecord(lineage="fork", target_id="weather", forked_from=origin.id), expected=None)
    assert fork is not None
    store.set_trace(fork.id, [row for row, _ in store.trace(origin.id)][:2])
    record(Cassette(), store, [origin, fork]).save(tmp_path / "a.jsonl")
    filled = MemoryStore()
    Cassette.load(tmp_path / "a.jsonl").fill(filled)
    one, two = filled.newest_run("l0"), filled.newest_run("fork")
    assert one is not None
    assert two is not None
    assert two.forked_from == one.id
    shared = {step.id for _, step in filled.trace(two.id)}
    assert len(shared) == 1
    assert shared < {step.id for _, step in filled.trace(one.id)}


def test_a_secret_is_refused_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names target, step and kind of the secret, never its value; the old file stays."""
    before = saved(tmp_path / "a.jsonl")
    monkeypatch.setenv("CITY_API_KEY", "tulips-and-clogs")
    with pytest.raises(ConfigurationError) as caught:
        saved(tmp_path / "a.jsonl", answer='"tulips-and-clogs"')
    assert "CITY_API_KEY" in str(caught.value)
    assert "weather" in str(caught.value)
    assert "tulips" not in str(caught.value)
    assert (tmp_path / "a.jsonl").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("<<<<<<< HEAD", "not JSON"),
        ("[1]", "not a recorded line"),
        ('{"v":2,"type":"run"}', "newer"),
        ('{"v":1,"type":"song"}', "song"),
        ('{"v":1,"type":["run"]}', "type"),
        ('{"v":1,"type":"blob","name":"a"}', '"text"'),
        ('{"v":1,"type":"blob","name":"a","text":5}', '"text"'),
    ],
)
def test_a_malformed_line_is_pointed_at(tmp_path: Path, line: str, said: str) -> None:
    """The error has the path, the line's number and what to do."""
    content = saved(tmp_path / "a.jsonl").decode()
    number = content.count("\n") + 1
    (tmp_path / "a.jsonl").write_text(content + line + "\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=f"line {number} of .*a.jsonl.*record") as caught:
        Cassette.load(tmp_path / "a.jsonl")
    assert said in str(caught.value)


def test_files_that_cannot_be(tmp_path: Path) -> None:
    """Absent, binary, doubled and unwritable files are each one sentence; an empty one is an empty cassette."""
    with pytest.raises(ConfigurationError, match=r"none\.jsonl cannot be read"):
        Cassette.load(tmp_path / "none.jsonl")
    (tmp_path / "b.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="UTF-8"):
        Cassette.load(tmp_path / "b.jsonl")
    content = saved(tmp_path / "a.jsonl")
    (tmp_path / "a.jsonl").write_bytes(content + content)
    with pytest.raises(ConfigurationError, match="second time"):
        Cassette.load(tmp_path / "a.jsonl")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        Cassette().save(tmp_path / "a.jsonl" / "c.jsonl")
    (tmp_path / "crlf.jsonl").write_bytes(content.replace(b"\n", b"\r\n"))
    assert Cassette.load(tmp_path / "crlf.jsonl").lineages() == ["l0", "l1"]
    (tmp_path / "empty.jsonl").touch()
    assert Cassette.load(tmp_path / "empty.jsonl").lineages() == []


def test_cassettes_are_found_beside_notebooks(tmp_path: Path) -> None:
    """`cassettes/*.jsonl`, sorted; nothing where there is no such directory."""
    assert find_cassettes(tmp_path) == []
    for name in ("b.jsonl", "a.jsonl", "c.txt"):
        Cassette().save(tmp_path / "cassettes" / name)
    assert [path.name for path in find_cassettes(tmp_path)] == ["a.jsonl", "b.jsonl"]
