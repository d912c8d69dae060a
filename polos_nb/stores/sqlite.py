"""The store that survives: one SQLite file beside the notebook, which any SQLite tool can read."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, replace
from functools import lru_cache
from operator import itemgetter
from typing import Any, TypeVar

from polos_nb.errors import StoreError
from polos_nb.stores.base import RunRecord, StepRecord, StoreStats, TraceRow
from polos_nb.stores.fields import (
    RUN_FIELDS,
    STEP_FIELDS,
    check_run_changes,
    check_step_changes,
    matches,
    output_blob,
    run_name,
    run_number,
)
from polos_nb.stores.sqlite_cleaning import SqliteCleaning
from polos_nb.stores.sqlite_counting import SEARCH_PAGE, SqliteCounting, run_filter
from polos_nb.stores.sqlite_file import Durability, SqliteFile, execute
from polos_nb.stores.sqlite_waiting import SqliteWaiting

R = TypeVar("R", RunRecord, StepRecord)

_RUN_COLUMNS = ", ".join(f"'r' || {name}" if name == "id" else name for name in RUN_FIELDS)
_STEP_SPECIAL = {"run_id": "'r' || s.run_id", "output": "coalesce(s.output, b.text)"}
_STEP_COLUMNS = ", ".join(_STEP_SPECIAL.get(name, f"s.{name}") for name in STEP_FIELDS)
_STEPS = "steps s LEFT JOIN blobs b ON b.name = s.output_blob"
_STEP_STORED = tuple(name for name in STEP_FIELDS if name != "id")
_stored = itemgetter(*_STEP_STORED)

_NEW_RUN = f"INSERT INTO runs ({', '.join(RUN_FIELDS[1:])}) VALUES ({', '.join('?' * (len(RUN_FIELDS) - 1))})"
_NEWEST_ID = "SELECT max(id) FROM runs WHERE lineage = ?"
_GET_RUN = f"SELECT {_RUN_COLUMNS} FROM runs WHERE id = ?"
_NEWEST_RUN = f"SELECT {_RUN_COLUMNS} FROM runs WHERE lineage = ? ORDER BY id DESC LIMIT 1"
_CHILDREN = f"SELECT {_RUN_COLUMNS} FROM runs WHERE parent = ? ORDER BY id"
_CLAIM = "UPDATE runs SET owner = ?, lease_until = ?, status = 'running' WHERE id = ? AND owner IS ?"
_NEW_STEP = (
    f"INSERT INTO steps ({', '.join(_STEP_STORED)}, output_blob) VALUES ({', '.join('?' * (len(_STEP_STORED) + 1))})"
)
_GET_STEP = f"SELECT {_STEP_COLUMNS} FROM {_STEPS} WHERE s.id = ?"
_FIND_STEP = (
    f"SELECT {_STEP_COLUMNS} FROM {_STEPS} "
    "WHERE s.lineage = ? AND s.fingerprint = ? AND s.occurrence = ? AND s.id > ? ORDER BY s.id DESC LIMIT 1"
)
_NEW_LINE = "INSERT OR REPLACE INTO run_steps (run_id, seq, step_id, cached, why) VALUES (?, ?, ?, ?, ?)"
_TRACE = (
    f"SELECT t.seq, t.step_id, t.cached, t.why, {_STEP_COLUMNS} "
    f"FROM run_steps t JOIN steps s ON s.id = t.step_id LEFT JOIN blobs b ON b.name = s.output_blob "
    "WHERE t.run_id = ? ORDER BY t.seq"
)
_NEW_BLOB = "INSERT OR IGNORE INTO blobs (name, text, size) VALUES (?, ?, ?)"
_NEW_MESSAGE = "INSERT INTO messages (run_id, position, conversation_id, turn, message) VALUES (?, ?, ?, ?, ?)"


class SqliteStore(SqliteWaiting, SqliteCleaning, SqliteCounting):
    """A `Store` in an SQLite file, which is made with its directory when it is not there.

    What was written survives the end of the process, however that comes. `durability` says what survives a failure
    of the machine: with "full" everything but the youngest "started" records of steps without outside effects, which
    would be executed again anyway: every other commit waits for the disk (about 0.2 ms). "normal" never waits, and
    may lose the last commits. `timeout` is how long to wait for another process, in seconds. Raises StoreError when
    the file cannot be used.

    >>> store = SqliteStore(".polos/steps.db")     # doctest: +SKIP
    """

    def __init__(self, path: str | os.PathLike[str], *, durability: Durability = "full", timeout: float = 30.0) -> None:
        self._file = SqliteFile(path, durability=durability, timeout=timeout)
        self.location = self._file.path

    # -- runs ---------------------------------------------------------------------------------------
    def new_run(self, run: RunRecord, *, expected: str | None) -> RunRecord | None:
        """Add a run, unless `expected` is no longer the newest of its lineage; see `Store`."""
        with self._file.write() as db:
            newest = execute(db, _NEWEST_ID, (run.lineage,)).fetchone()[0]
            if newest != (None if expected is None else _known(expected)):
                return None
            number = execute(db, _NEW_RUN, astuple(run)[1:]).lastrowid
        return replace(run, id=run_name(number or 0))

    def update_run(self, run_id: str, **changes: Any) -> None:
        """Set fields of a run; see `Store`."""
        check_run_changes(changes)
        with self._file.write() as db:
            if not _update(db, "runs", run_number(run_id), changes):
                raise StoreError(
                    f"there is no run {run_id} in the step store {self.location}: it may have been cleared"
                )

    def get_run(self, run_id: str) -> RunRecord | None:
        """The run, or None; see `Store`."""
        return _first_run(self._file.read(_GET_RUN, (run_number(run_id),)))

    def newest_run(self, lineage: str) -> RunRecord | None:
        """The youngest run of a lineage, or None; see `Store`. Every pass begins here, so it looks for the file."""
        self._file.look()
        return _first_run(self._file.read(_NEWEST_RUN, (lineage,)))

    def list_runs(
        self,
        *,
        query: str = "",
        target_id: str | None = None,
        status: str | None = None,
        conversation_id: str | None = None,
        kind: str | None = None,
        since: float | None = None,
        outermost: bool = False,
        offset: int = 0,
        limit: int = 50,
    ) -> list[RunRecord]:
        """Runs, newest first; see `Store`."""
        self._file.look()
        given = {"target_id": target_id, "status": status, "conversation_id": conversation_id, "kind": kind}
        where, values = run_filter(given, since, outermost)
        limit, offset = max(limit, 0), max(offset, 0)
        if not query:
            sql = f"SELECT {_RUN_COLUMNS} FROM runs{where} ORDER BY id DESC LIMIT ? OFFSET ?"
            return [_run(row) for row in self._file.read(sql, (*values, limit, offset))]
        found: list[RunRecord] = []
        # SQLite folds only ASCII letters, so the search is ours: in pages, not to hold the lock for long.
        before: int | None = 2**63 - 1
        page = f"SELECT {_RUN_COLUMNS} FROM runs{where or ' WHERE 1'} AND id < ? ORDER BY id DESC LIMIT ?"
        while len(found) < offset + limit:
            rows = self._file.read(page, (*values, before, SEARCH_PAGE))
            runs = [_run(row) for row in rows]
            found += [run for run in runs if matches(run, query)]
            if len(rows) < SEARCH_PAGE:
                break
            before = run_number(runs[-1].id)
        return found[offset:][:limit]

    def child_runs(self, run_id: str) -> list[RunRecord]:
        """The runs that steps of this run have started; see `Store`."""
        return [_run(row) for row in self._file.read(_CHILDREN, (run_name(_known(run_id)),))]

    def claim_run(self, run_id: str, owner: str, *, expected: str | None, lease_until: float) -> bool:
        """Become the driver if the owner is still `expected`; see `Store`."""
        with self._file.write() as db:
            return execute(db, _CLAIM, (owner, lease_until, run_number(run_id), expected)).rowcount == 1

    def release_run(self, run_id: str, owner: str, **changes: Any) -> None:
        """Give up the lease and set fields, if `owner` holds it; see `Store`."""
        check_run_changes(changes)
        with self._file.write() as db:
            held = execute(db, "SELECT 1 FROM runs WHERE id = ? AND owner = ?", (run_number(run_id), owner)).fetchone()
            if held:
                _update(db, "runs", run_number(run_id), {"owner": None, "lease_until": None, **changes})

    # -- steps --------------------------------------------------------------------------------------
    def find_step(self, lineage: str, fingerprint: str, occurrence: int, *, after: int = 0) -> StepRecord | None:
        """The youngest record with this identity; see `Store`."""
        return _first_step(self._file.read(_FIND_STEP, (lineage, fingerprint, occurrence, after)))

    def start_step(
        self, step: StepRecord, *, seq: int, why: str = "", blobs: Mapping[str, str] | None = None
    ) -> StepRecord:
        """Add a record, its line in the trace and its blobs in one transaction; see `Store`."""
        number = run_number(step.run_id)
        large = output_blob(step.output)
        fields = {**vars(step), "status": "started"}
        stored = {**fields, "run_id": number, "output": None if large else step.output}
        # A read that a power failure has made unheard of is executed again, as it would be if it were known.
        with self._file.write(wait=step.effect == "write") as db:
            _keep(db, blobs or {})
            if large is not None:
                _keep(db, {large: step.output or ""})
            try:
                step_id = execute(db, _NEW_STEP, (*_stored(stored), large)).lastrowid or 0
            except sqlite3.IntegrityError as error:
                raise StoreError(
                    f"the run {step.run_id} is not in the step store {self.location}, probably because it was cleared: "
                    "run the cell again"
                ) from error
            execute(db, _NEW_LINE, (number, seq, step_id, 0, why))
        return _made(StepRecord, {**fields, "id": step_id, "run_id": run_name(number or 0)})

    def finish_step(self, step_id: int, **changes: Any) -> None:
        """Set fields of a record; see `Store`."""
        check_step_changes(changes)
        with self._file.write() as db:
            if "output" in changes:
                large = output_blob(changes["output"])
                if large is not None:
                    _keep(db, {large: changes["output"]})
                    changes["output"] = None
                changes["output_blob"] = large
            if not _update(db, "steps", step_id, changes):
                raise StoreError(
                    f"the step record {step_id} is not in the step store {self.location}, probably "
                    f"because it was "
                    "cleared: run the cell again"
                )

    def get_step(self, step_id: int) -> StepRecord | None:
        """One record, or None; see `Store`."""
        return _first_step(self._file.read(_GET_STEP, (step_id,)))

    def last_step_id(self) -> int:
        """The largest id given so far; see `Store`."""
        rows = self._file.read("SELECT seq FROM sqlite_sequence WHERE name = 'steps'")
        return int(rows[0][0]) if rows else 0

    def past_steps(
        self,
        *,
        lineage: str | None = None,
        target_id: str | None = None,
        kind: str | None = None,
        limit: int = 50,
    ) -> list[StepRecord]:
        """Records that match all that is given, youngest first; see `Store`."""
        given = {"s.lineage": lineage, "s.target_id": target_id, "s.kind": kind}
        where, values = _where({name: value for name, value in given.items() if value is not None})
        sql = f"SELECT {_STEP_COLUMNS} FROM {_STEPS}{where} ORDER BY s.id DESC LIMIT ?"
        return [_step(row) for row in self._file.read(sql, (*values, max(limit, 0)))]

    def set_trace(self, run_id: str, rows: Sequence[TraceRow]) -> None:
        """Replace the whole trace of a run; see `Store`."""
        number = run_number(run_id)
        with self._file.write() as db:
            execute(db, "DELETE FROM run_steps WHERE run_id = ?", (number,))
            lines = [(number, row.seq, row.step_id, int(row.cached), row.why) for row in rows]
            try:
                db.executemany(_NEW_LINE, lines)
            except UnicodeEncodeError:  # a lone surrogate in a text, which only `execute` knows how to keep
                for line in lines:
                    execute(db, _NEW_LINE, line)

    def trace(self, run_id: str) -> list[tuple[TraceRow, StepRecord]]:
        """The trace of a run in order; see `Store`."""
        rows = self._file.read(_TRACE, (run_number(run_id),))
        return [(TraceRow(row[0], row[1], bool(row[2]), row[3]), _step(row[4:])) for row in rows]

    # -- conversations and blobs --------------------------------------------------------------------
    def put_messages(self, conversation_id: str, run_id: str, turn: int, messages: Sequence[str]) -> None:
        """Keep what one run added to a conversation; see `Store`."""
        number = run_number(run_id)
        with self._file.write() as db:
            execute(db, "DELETE FROM messages WHERE run_id = ?", (number,))
            for position, message in enumerate(messages):
                execute(db, _NEW_MESSAGE, (number, position, conversation_id, turn, message))

    def get_messages(self, run_id: str) -> list[str]:
        """What one run added to its conversation, in order; see `Store`."""
        rows = self._file.read("SELECT message FROM messages WHERE run_id = ? ORDER BY position", (run_number(run_id),))
        return [row[0] for row in rows]

    def put_blobs(self, blobs: Mapping[str, str]) -> None:
        """Keep texts by name; see `Store`."""
        if blobs:
            with self._file.write() as db:
                _keep(db, blobs)

    def get_blob(self, name: str) -> str | None:
        """A kept text, or None; see `Store`."""
        rows = self._file.read("SELECT text FROM blobs WHERE name = ?", (name,))
        return rows[0][0] if rows else None

    # -- housekeeping -------------------------------------------------------------------------------
    def stats(self) -> StoreStats:
        """Counts and sizes; see `Store`. `by_target` counts step records."""
        runs, conversations, oldest, newest = self._file.read(
            "SELECT count(*), count(DISTINCT conversation_id), min(created_at), max(created_at) FROM runs"
        )[0]
        by_target = dict(self._file.read("SELECT target_id, count(*) FROM steps GROUP BY target_id ORDER BY target_id"))
        return StoreStats(
            location=self.location,
            runs=runs,
            steps=sum(by_target.values()),
            conversations=conversations,
            size=self._file.size(),
            oldest=oldest,
            newest=newest,
            by_target=by_target,
        )

    def version(self) -> int:
        """A number that changes with every write; see `Store`."""
        return self._file.version()

    def close(self) -> None:
        """Release the file; see `Store`."""
        self._file.close()


def _known(run_id: str) -> int:
    number = run_number(run_id)
    return -1 if number is None else number  # no run has it


def _where(given: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
    conditions = " AND ".join(f"{name} = ?" for name in given)
    return (f" WHERE {conditions}" if conditions else ""), tuple(given.values())


def _update(db: sqlite3.Connection, table: str, number: int | None, changes: Mapping[str, Any]) -> bool:
    return execute(db, _update_text(table, tuple(changes)), (*changes.values(), number)).rowcount == 1


@lru_cache(maxsize=64)
def _update_text(table: str, names: tuple[str, ...]) -> str:
    columns = ", ".join(f"{name} = ?" for name in names) or "id = id"
    return f"UPDATE {table} SET {columns} WHERE id = ?"


def _keep(db: sqlite3.Connection, blobs: Mapping[str, str]) -> None:
    for name, text in blobs.items():
        execute(db, _NEW_BLOB, (name, text, len(text.encode("utf-8", "surrogatepass"))))


def _first_run(rows: Iterable[tuple[Any, ...]]) -> RunRecord | None:
    for row in rows:
        return _run(row)
    return None


def _first_step(rows: Iterable[tuple[Any, ...]]) -> StepRecord | None:
    for row in rows:
        return _step(row)
    return None


def _run(row: tuple[Any, ...]) -> RunRecord:
    return _made(RunRecord, dict(zip(RUN_FIELDS, row, strict=True)))


def _step(row: tuple[Any, ...]) -> StepRecord:
    return _made(StepRecord, dict(zip(STEP_FIELDS, row, strict=True)))


def _made(kind: type[R], values: dict[str, Any]) -> R:
    """A record of all its fields. A frozen dataclass sets each through a call, which takes five times as long."""
    record = object.__new__(kind)
    record.__dict__.update(values)
    return record
