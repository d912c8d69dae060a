"""What a durable step costs, fresh and cached, beside raw SQLite and two other engines; then in a file of a million.

Every number is of a process of its own, all systems take their turn in each round, and the medians are shown; only
ratios of one run mean anything. Nothing about absolute time is asserted.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from polos_nb.stores.base import RunRecord
from polos_nb.stores.sqlite import SqliteStore
from tests.bench.peers import VARIABLE, peers_python
from tests.bench.systems import RAW_TABLE

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = int(os.environ.get("POLOS_BENCH_ROUNDS", "5"))
STEPS = 1_000
OLD_STEPS = 1_000_000
OURS = ("raw FULL", "raw NORMAL", "polos_nb full", "polos_nb normal")
PHASES = ("fresh", "cached")
PEERS = ("DBOS SQLite", "LangGraph sync")

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]
Times = dict[tuple[str, str], list[tuple[float, float]]]


def _cost(python: Path | str, system: str, phase: str, file: Path, label: str) -> tuple[float, float]:
    """Of one process: microseconds a step, and milliseconds for what is around the steps.

    A fresh step is paid when it is kept, which some systems do after the last one: there the whole call counts.
    """
    script = str(ROOT / "tests" / "bench" / "systems.py")
    command = [str(python), script, system, phase, str(file), str(STEPS), label]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=file.parent)
    assert done.returncode == 0, f"{system} {phase}: {done.stderr[-2000:]}"
    steps, around = json.loads(done.stdout.splitlines()[-1])
    return (steps + (around if phase == "fresh" else 0)) / STEPS * 1e6, around * 1e3


def _round(times: Times, systems: dict[str, tuple[Path | str, Path]], label: str) -> None:
    """One measurement of each system, in another order each time: first fresh, then cached."""
    order = list(systems)
    random.shuffle(order)
    for system in order:
        python, file = systems[system]
        for phase in PHASES:
            times[system, phase].append(_cost(python, system, phase, file, label))


def _middle(values: list[tuple[float, float]]) -> float:
    return statistics.median(steps for steps, _ in values)


def _table(title: str, times: Times, note: str = "") -> None:
    middle = {key: _middle(values) for key, values in times.items()}
    head = f"{'µs':>16} {'of raw':>7} {'around, ms':>11}"
    print(f"\n{title}\n{'':28} {'fresh ' + head[6:]} {'cached ' + head[7:]}")
    for system in dict.fromkeys(system for system, _ in times):
        level = "raw NORMAL" if "ormal" in system or system == "raw NORMAL" else "raw FULL"
        row = f"{system:24}"
        for phase in PHASES:
            own, raw = (
                times[system, phase],
                middle[level + ("" if (level, phase) in middle else " of a million"), phase],
            )
            shown = f"{middle[system, phase]:.0f} ({min(own)[0]:.0f}-{max(own)[0]:.0f})"
            around = statistics.median(milliseconds for _, milliseconds in own)
            row += f" {shown:>16} {middle[system, phase] / raw:7.2f} {around:11.1f}"
        print(row)
    print(note)


def test_a_thousand_steps(tmp_path: Path) -> None:
    """Fresh and cached steps in a new file, ours and the peers' beside plain SQLite statements."""
    peers = peers_python()
    if peers is None:
        reason = f"the peers cannot be installed in .ci/peers; set {VARIABLE} to an environment that has them"
        assert not os.environ.get("CI"), reason
        print(f"\nnot measured: {', '.join(PEERS)}: {reason}")
    pythons: dict[str, Path | str] = dict.fromkeys(OURS, sys.executable)
    if peers is not None:
        pythons |= dict.fromkeys(PEERS, peers)
    times: Times = defaultdict(list)
    for number in range(ROUNDS):
        files = {
            system: (python, tmp_path / f"{system}-{number}.db".replace(" ", "-")) for system, python in pythons.items()
        }
        _round(times, files, f"run-{number}")
        for _, file in files.values():
            for left in file.parent.glob(f"{file.name}*"):
                left.unlink()
    order = {(system, phase): times[system, phase] for system in pythons for phase in PHASES}
    _table(
        f"{STEPS:,} steps of 1 KB in a new file, {ROUNDS} rounds: median (least-most)",
        order,
        "fresh: the whole call; cached: the steps alone. around: start and end of the run (of DBOS not known)."
        " Goals: ours fresh 1.5 of raw, cached 30 µs.",
    )
    if peers is None:
        pytest.skip("the peers are not installed")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that is emptied at once: pytest would keep gigabytes for a while."""
    yield tmp_path
    for file in tmp_path.iterdir():
        file.unlink()


def test_a_thousand_steps_in_a_file_of_a_million(folder: Path) -> None:
    """A million older steps in the file change nothing that matters."""
    old = {"raw": folder / "raw.db", "ours": folder / "ours.db"}
    _old_raw(old["raw"])
    _old_ours(old["ours"])
    sizes = {name: file.stat().st_size / 2**20 for name, file in old.items()}
    times: Times = defaultdict(list)
    for number in range(ROUNDS):
        empty = folder / f"empty-{number}.db"
        _round(times, {"polos_nb full": (sys.executable, empty)}, f"run-{number}")
        new: Times = defaultdict(list)
        _round(
            new,
            {
                "raw FULL": (sys.executable, old["raw"]),
                "polos_nb full": (sys.executable, old["ours"]),
            },
            f"run-{number}",
        )
        for (system, phase), values in new.items():
            times[f"{system} of a million", phase] += values
    order = [(s, p) for s in ("raw FULL of a million", "polos_nb full", "polos_nb full of a million") for p in PHASES]
    ratio = [
        _middle(times["polos_nb full of a million", phase]) / _middle(times["polos_nb full", phase]) for phase in PHASES
    ]
    _table(
        f"{STEPS:,} steps more, {ROUNDS} rounds: median (least-most); {sizes['raw']:.0f} and {sizes['ours']:.0f} MiB",
        {key: times[key] for key in order},
        f"of a million to empty: fresh {ratio[0]:.2f}, cached {ratio[1]:.2f}. Goal: 1.2.",
    )


_NUMBERS = "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {last}) INSERT INTO {into} FROM n"


def _fill(file: Path, *statements: str) -> None:
    """Execute bulk statements quickly: nothing waits for the disk, and indexes are made at the end."""
    db = sqlite3.connect(file, isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA cache_size = -1000000")
    indexes = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").fetchall()
    db.execute("BEGIN IMMEDIATE")
    for name, _ in indexes:
        db.execute(f"DROP INDEX {name}")
    for statement in statements:
        db.execute(statement)
    for _, sql in indexes:
        db.execute(sql)
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def _old_raw(file: Path) -> None:
    db = sqlite3.connect(file, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(RAW_TABLE)
    db.close()
    row = "printf('old-%05d', i / 1000), 's' || (i % 1000), '\"' || hex(randomblob(500)) || '\"'"
    _fill(file, _NUMBERS.format(last=OLD_STEPS - 1, into=f"steps SELECT {row}"))


def _old_ours(file: Path) -> None:
    store = SqliteStore(file, durability="normal")
    assert store.new_run(RunRecord(lineage="old", target_id="steps"), expected=None) is not None
    store.close()
    runs = (
        "runs (lineage, target_id, kind, input, status, occurrence, horizon, options, created_at)"
        " SELECT lower(hex(randomblob(16))), 'steps', 'tool', '{}', 'completed', 0, 0, '{}', i"
    )
    steps = (
        "steps (run_id, lineage, target_id, step_key, kind, name, fingerprint, occurrence, status, effect, parts,"
        " request, output, attempts, idempotency_key, started_at, finished_at)"
        " SELECT i / 1000 + 2, (SELECT lineage FROM runs WHERE id = i / 1000 + 2), 'steps', 's' || (i % 1000), 'run',"
        " 's' || (i % 1000), lower(hex(randomblob(16))), 0, 'completed', 'read', '{\"version\":\"1\"}', '{}',"
        " '\"' || hex(randomblob(500)) || '\"', 1, lower(hex(randomblob(16))), i, i"
    )
    lines = "run_steps (run_id, seq, step_id, cached, why) SELECT i / 1000 + 2, i % 1000, i + 1, 0, ''"
    _fill(
        file,
        _NUMBERS.format(last=OLD_STEPS // 1000 - 1, into=runs),
        _NUMBERS.format(last=OLD_STEPS - 1, into=steps),
        _NUMBERS.format(last=OLD_STEPS - 1, into=lines),
    )
