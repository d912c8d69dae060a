"""Decisions, events and schedules in dictionaries: the part of `MemoryStore` that runs wait on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from polos_nb.stores.fields import run_name, run_number
from polos_nb.stores.waiting import DecisionRecord, DecisionStatus, EventRecord, ScheduleRecord


class MemoryWaiting:
    """Decisions and topics in memory; see `Decisions` and `Topics`."""

    _lock: threading.RLock
    _version: int
    _known: Callable[[str], int]

    def _empty(self) -> None:
        self._decisions: dict[int, DecisionRecord] = {}
        self._events: list[EventRecord] = []
        self._cursors: dict[str, int] = {}
        self._schedules: dict[int, ScheduleRecord] = {}
        self._last_decision = self._last_schedule = 0

    # -- decisions --------------------------------------------------------------------------------------------------
    def ask(self, decision: DecisionRecord) -> DecisionRecord:
        """The decision of a step, added when there is none; see `Decisions`."""
        with self._lock:
            own = [d for d in self._decisions.values() if d.step_id == decision.step_id]
            if own:
                return own[-1]
            early = [d for d in self._early(decision.run_id, decision.step_key) if d.status == "answered"]
            if not early:
                return self._add(decision)
            taken = replace(
                early[0],
                step_id=decision.step_id,
                kind=decision.kind,
                form=decision.form,
                created_at=decision.created_at,
            )
            self._decisions[taken.id] = taken
            self._version += 1
            return taken

    def decide(
        self, decision_id: int, *, status: DecisionStatus = "answered", answer: str | None = None, decided_by: str = ""
    ) -> bool:
        """Answer what waits, once; see `Decisions`."""
        with self._lock:
            found = self._decisions.get(decision_id)
            if found is None or found.status != "waiting":
                return False
            self._decisions[decision_id] = replace(
                found, status=status, answer=answer, decided_by=decided_by, decided_at=time.time()
            )
            self._version += 1
            return True

    def answer_early(self, run_id: str, step_key: str, answer: str, decided_by: str = "") -> DecisionRecord:
        """Keep an answer to a question that is yet to come; see `Decisions`."""
        now = time.time()
        with self._lock:
            name = run_name(run_number(run_id) or 0)
            asked = [
                decision
                for decision in self._decisions.values()
                if (decision.run_id, decision.step_key, decision.status) == (name, step_key, "waiting")
            ]
            if asked:
                self.decide(asked[-1].id, answer=answer, decided_by=decided_by)
                return self._decisions[asked[-1].id]
            for before in self._early(run_id, step_key):
                del self._decisions[before.id]
            return self._add(
                DecisionRecord(
                    run_id=run_id,
                    step_key=step_key,
                    status="answered",
                    answer=answer,
                    decided_by=decided_by,
                    created_at=now,
                    decided_at=now,
                )
            )

    def withdraw_early(self, run_id: str, step_key: str) -> bool:
        """Delete an early answer; see `Decisions`."""
        with self._lock:
            early = self._early(run_id, step_key)
            for decision in early:
                del self._decisions[decision.id]
            self._version += bool(early)
            return bool(early)

    def get_decision(self, decision_id: int) -> DecisionRecord | None:
        """One decision, or None; see `Decisions`."""
        with self._lock:
            return self._decisions.get(decision_id)

    def decisions(
        self, *, run_id: str | None = None, status: DecisionStatus | None = None, limit: int = 1_000_000
    ) -> list[DecisionRecord]:
        """Decisions, oldest first; see `Decisions`."""
        number = None if run_id is None else run_number(run_id)
        with self._lock:
            found = [
                decision
                for decision in self._decisions.values()
                if (run_id is None or run_number(decision.run_id) == number) and status in (None, decision.status)
            ]
            return found[: max(limit, 0)]

    def _early(self, run_id: str, step_key: str) -> list[DecisionRecord]:
        name = run_name(run_number(run_id) or 0)
        return [
            d for d in self._decisions.values() if d.run_id == name and d.step_key == step_key and d.step_id is None
        ]

    def _add(self, decision: DecisionRecord) -> DecisionRecord:
        number = self._known(decision.run_id)
        self._last_decision += 1
        self._version += 1
        added = replace(decision, id=self._last_decision, run_id=run_name(number))
        self._decisions[added.id] = added
        return added

    # -- topics -----------------------------------------------------------------------------------------------------
    def publish(self, events: Sequence[EventRecord]) -> list[EventRecord]:
        """Add events; see `Topics`."""
        out: list[EventRecord] = []
        with self._lock:
            for event in events:
                known = next((e for e in self._events if event.key is not None and e.key == event.key), None)
                if known is None:
                    known = replace(event, id=len(self._events) + 1)
                    self._events.append(known)
                    self._version += 1
                out.append(known)
        return out

    def read_topic(
        self, topic: str, *, after: int = 0, since: float | None = None, limit: int = 1000
    ) -> list[EventRecord]:
        """Events of a topic, oldest first; see `Topics`."""
        with self._lock:
            found = [e for e in self._events[after:] if e.topic == topic and e.created_at >= (since or 0.0)]
            return found[: max(limit, 0)]

    def last_event_id(self) -> int:
        """The largest id given so far; see `Topics`."""
        return len(self._events)

    def get_cursor(self, name: str) -> int | None:
        """How far a reader has come; see `Topics`."""
        with self._lock:
            return self._cursors.get(name)

    def move_cursor(self, name: str, position: int, *, expected: int | None) -> bool:
        """Move a reader on; see `Topics`."""
        with self._lock:
            if self._cursors.get(name) != expected:
                return False
            self._cursors[name] = position
            self._version += 1
            return True

    def put_schedule(self, schedule: ScheduleRecord) -> ScheduleRecord:
        """Add or replace a schedule; see `Topics`."""
        with self._lock:
            same = [
                s for s in self._schedules.values() if (s.workflow_id, s.key) == (schedule.workflow_id, schedule.key)
            ]
            if same:
                kept = replace(schedule, id=same[0].id, last_at=same[0].last_at, created_at=same[0].created_at)
            else:
                self._last_schedule += 1
                kept = replace(schedule, id=self._last_schedule)
            self._schedules[kept.id] = kept
            self._version += 1
            return kept

    def schedules(self, *, workflow_id: str | None = None) -> list[ScheduleRecord]:
        """Schedules in the order of their ids; see `Topics`."""
        with self._lock:
            return [s for s in self._schedules.values() if workflow_id in (None, s.workflow_id)]

    def fire_schedule(self, schedule_id: int, *, expected: float, next_at: float) -> bool:
        """Take a firing; see `Topics`."""
        with self._lock:
            found = self._schedules.get(schedule_id)
            if found is None or found.next_at != expected:
                return False
            self._schedules[schedule_id] = replace(found, last_at=found.next_at, next_at=next_at)
            self._version += 1
            return True

    def delete_schedule(self, schedule_id: int) -> bool:
        """Delete a schedule; see `Topics`."""
        with self._lock:
            self._version += 1
            return self._schedules.pop(schedule_id, None) is not None
