"""Decisions, events and schedules in the SQLite file: the part of `SqliteStore` that runs wait on."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from polos_nb.stores.fields import run_name, run_number
from polos_nb.stores.sqlite_file import SqliteFile, execute
from polos_nb.stores.waiting import DecisionRecord, DecisionStatus, EventRecord, ScheduleRecord

_DECISION_FIELDS = tuple(field.name for field in fields(DecisionRecord))
_EVENT_FIELDS = tuple(field.name for field in fields(EventRecord))
_SCHEDULE_FIELDS = tuple(field.name for field in fields(ScheduleRecord))
_DECISION = f"SELECT {', '.join(_DECISION_FIELDS)} FROM decisions"
_EVENT = f"SELECT {', '.join(_EVENT_FIELDS)} FROM events"
_SCHEDULE = f"SELECT {', '.join(_SCHEDULE_FIELDS)} FROM schedules"


class SqliteWaiting:
    """Decisions and topics on the file of the store; see `Decisions` and `Topics`."""

    _file: SqliteFile

    # -- decisions --------------------------------------------------------------------------------------------------
    def ask(self, decision: DecisionRecord) -> DecisionRecord:
        """The decision of a step, added when there is none; see `Decisions`."""
        with self._file.write() as db:
            number = run_number(decision.run_id)
            row = execute(db, f"{_DECISION} WHERE step_id = ? ORDER BY id DESC LIMIT 1", (decision.step_id,)).fetchone()
            if row is not None:
                return _decision(row)
            row = execute(
                db,
                f"{_DECISION} WHERE run_id = ? AND step_key = ? AND step_id IS NULL AND status = 'answered'",
                (number, decision.step_key),
            ).fetchone()
            if row is None:
                added = {**vars(decision), "run_id": number}
                return replace(decision, id=_insert(db, "decisions", added))
            early = replace(
                _decision(row),
                step_id=decision.step_id,
                kind=decision.kind,
                form=decision.form,
                created_at=decision.created_at,
            )
            execute(
                db,
                "UPDATE decisions SET step_id = ?, kind = ?, form = ?, created_at = ? WHERE id = ?",
                (early.step_id, early.kind, early.form, early.created_at, early.id),
            )
            return early

    def decide(
        self, decision_id: int, *, status: DecisionStatus = "answered", answer: str | None = None, decided_by: str = ""
    ) -> bool:
        """Answer what waits, once; see `Decisions`."""
        with self._file.write() as db:
            return (
                execute(
                    db,
                    "UPDATE decisions SET status = ?, answer = ?, decided_by = ?, decided_at = ?"
                    " WHERE id = ? AND status = 'waiting'",
                    (status, answer, decided_by, time.time(), decision_id),
                ).rowcount
                == 1
            )

    def answer_early(self, run_id: str, step_key: str, answer: str, decided_by: str = "") -> DecisionRecord:
        """Keep an answer to a question that is yet to come; see `Decisions`."""
        now = time.time()
        early = DecisionRecord(
            run_id=run_id,
            step_key=step_key,
            status="answered",
            answer=answer,
            decided_by=decided_by,
            created_at=now,
            decided_at=now,
        )
        with self._file.write() as db:
            number = run_number(run_id)
            asked = execute(
                db,
                f"{_DECISION} WHERE run_id = ? AND step_key = ? AND status = 'waiting' ORDER BY id DESC LIMIT 1",
                (number, step_key),
            ).fetchone()
            if asked is not None:
                sql = (
                    "UPDATE decisions SET status = 'answered', answer = ?, decided_by = ?, decided_at = ? WHERE id = ?"
                )
                known = _decision(asked)
                execute(db, sql, (answer, decided_by, now, known.id))
                return replace(known, status="answered", answer=answer, decided_by=decided_by, decided_at=now)
            execute(
                db,
                "DELETE FROM decisions WHERE run_id = ? AND step_key = ? AND step_id IS NULL",
                (number, step_key),
            )
            return replace(early, id=_insert(db, "decisions", {**vars(early), "run_id": number}))

    def withdraw_early(self, run_id: str, step_key: str) -> bool:
        """Delete an early answer; see `Decisions`."""
        with self._file.write() as db:
            sql = "DELETE FROM decisions WHERE run_id = ? AND step_key = ? AND step_id IS NULL"
            return execute(db, sql, (run_number(run_id), step_key)).rowcount > 0

    def get_decision(self, decision_id: int) -> DecisionRecord | None:
        """One decision, or None; see `Decisions`."""
        rows = self._file.read(f"{_DECISION} WHERE id = ?", (decision_id,))
        return _decision(rows[0]) if rows else None

    def decisions(
        self, *, run_id: str | None = None, status: DecisionStatus | None = None, limit: int = 1_000_000
    ) -> list[DecisionRecord]:
        """Decisions, oldest first; see `Decisions`."""
        where: str = "WHERE 1"
        values: list[object] = []
        if run_id is not None:
            where, values = f"{where} AND run_id = ?", [run_number(run_id)]
        if status is not None:
            where, values = f"{where} AND status = ?", [*values, status]
        rows = self._file.read(f"{_DECISION} {where} ORDER BY id LIMIT ?", (*values, max(limit, 0)))
        return [_decision(row) for row in rows]

    # -- topics -----------------------------------------------------------------------------------------------------
    def publish(self, events: Sequence[EventRecord]) -> list[EventRecord]:
        """Add events in one transaction; see `Topics`."""
        out: list[EventRecord] = []
        with self._file.write() as db:
            for event in events:
                known = None
                if event.key is not None:
                    known = execute(db, f"{_EVENT} WHERE key = ?", (event.key,)).fetchone()
                out.append(
                    EventRecord(**dict(zip(_EVENT_FIELDS, known, strict=True)))
                    if known is not None
                    else replace(event, id=_insert(db, "events", vars(event)))
                )
        return out

    def read_topic(
        self, topic: str, *, after: int = 0, since: float | None = None, limit: int = 1000
    ) -> list[EventRecord]:
        """Events of a topic, oldest first; see `Topics`."""
        rows = self._file.read(
            f"{_EVENT} WHERE topic = ? AND id > ? AND created_at >= ? ORDER BY id LIMIT ?",
            (topic, after, since or 0.0, max(limit, 0)),
        )
        return [EventRecord(**dict(zip(_EVENT_FIELDS, row, strict=True))) for row in rows]

    def last_event_id(self) -> int:
        """The largest id given so far; see `Topics`."""
        rows = self._file.read("SELECT seq FROM sqlite_sequence WHERE name = 'events'")
        return int(rows[0][0]) if rows else 0

    def get_cursor(self, name: str) -> int | None:
        """How far a reader has come; see `Topics`."""
        rows = self._file.read("SELECT position FROM cursors WHERE name = ?", (name,))
        return int(rows[0][0]) if rows else None

    def move_cursor(self, name: str, position: int, *, expected: int | None) -> bool:
        """Move a reader on; see `Topics`."""
        with self._file.write() as db:
            if expected is None:
                sql = "INSERT OR IGNORE INTO cursors (position, name) VALUES (?, ?)"
                return execute(db, sql, (position, name)).rowcount == 1
            sql = "UPDATE cursors SET position = ? WHERE name = ? AND position = ?"
            return execute(db, sql, (position, name, expected)).rowcount == 1

    def put_schedule(self, schedule: ScheduleRecord) -> ScheduleRecord:
        """Add or replace a schedule; see `Topics`."""
        with self._file.write() as db:
            row = execute(
                db, f"{_SCHEDULE} WHERE workflow_id = ? AND key = ?", (schedule.workflow_id, schedule.key)
            ).fetchone()
            if row is None:
                return replace(schedule, id=_insert(db, "schedules", vars(schedule)))
            before = ScheduleRecord(**dict(zip(_SCHEDULE_FIELDS, row, strict=True)))
            execute(
                db,
                "UPDATE schedules SET cron = ?, timezone = ?, payload = ?, next_at = ? WHERE id = ?",
                (schedule.cron, schedule.timezone, schedule.payload, schedule.next_at, before.id),
            )
            return replace(schedule, id=before.id, last_at=before.last_at, created_at=before.created_at)

    def schedules(self, *, workflow_id: str | None = None) -> list[ScheduleRecord]:
        """Schedules in the order of their ids; see `Topics`."""
        rows = self._file.read(
            f"{_SCHEDULE} WHERE ?1 IS NULL OR workflow_id = ?1 ORDER BY id",
            (workflow_id,),
        )
        return [ScheduleRecord(**dict(zip(_SCHEDULE_FIELDS, row, strict=True))) for row in rows]

    def fire_schedule(self, schedule_id: int, *, expected: float, next_at: float) -> bool:
        """Take a firing; see `Topics`."""
        with self._file.write() as db:
            sql = "UPDATE schedules SET last_at = next_at, next_at = ? WHERE id = ? AND next_at = ?"
            return execute(db, sql, (next_at, schedule_id, expected)).rowcount == 1

    def delete_schedule(self, schedule_id: int) -> bool:
        """Delete a schedule; see `Topics`."""
        with self._file.write() as db:
            return execute(db, "DELETE FROM schedules WHERE id = ?", (schedule_id,)).rowcount == 1


def _insert(db: sqlite3.Connection, table: str, values: dict[str, Any]) -> int:
    given = {name: value for name, value in values.items() if name != "id"}
    sql = f"INSERT INTO {table} ({', '.join(given)}) VALUES ({', '.join('?' * len(given))})"
    return execute(db, sql, tuple(given.values())).lastrowid or 0


def _decision(row: tuple[Any, ...]) -> DecisionRecord:
    found = dict(zip(_DECISION_FIELDS, row, strict=True))
    return DecisionRecord(**{**found, "run_id": run_name(found["run_id"])})
