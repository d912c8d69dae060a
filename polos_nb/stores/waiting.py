"""What runs wait for: decisions of people, events on topics, schedules; records, and the stores' contract for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

DecisionStatus = Literal["waiting", "answered", "expired", "withdrawn"]


@dataclass(frozen=True, kw_only=True)
class DecisionRecord:
    """A question to a person, and its answer.

    `run_id` is the outermost run, and `step_key` the path of the step from there; `step_id` is the record that waits,
    None for an answer that came before the question. `kind` is "suspend", "approval", "doubt" or "budget". `form` and
    `answer` are JSON texts. Times are seconds since 1970; after `expires_at` the question is no longer answered.
    """

    id: int = 0
    run_id: str
    step_key: str
    step_id: int | None = None
    kind: str = "suspend"
    form: str = "{}"
    status: DecisionStatus = "waiting"
    answer: str | None = None
    decided_by: str | None = None
    expires_at: float | None = None
    created_at: float = 0.0
    decided_at: float | None = None


@dataclass(frozen=True, kw_only=True)
class EventRecord:
    """An event on a topic. `id` grows with each event of the store, `data` is a JSON text; equal keys are one event."""

    id: int = 0
    topic: str
    event_type: str | None = None
    data: str = "{}"
    run_id: str | None = None
    key: str | None = None
    created_at: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ScheduleRecord:
    """When a workflow is to be started. (`workflow_id`, `key`) is unique; `cron` has five fields, in `timezone`."""

    id: int = 0
    workflow_id: str
    key: str = "global"
    cron: str
    timezone: str = "UTC"
    payload: str = "null"
    created_at: float = 0.0
    last_at: float | None = None
    next_at: float = 0.0


class Decisions(Protocol):
    """Questions and answers. Each question is answered once, whoever is faster."""

    def ask(self, decision: DecisionRecord) -> DecisionRecord:
        """The decision of the step `decision.step_id`: the one that is there; else an early answer for its run and
        step key, which becomes this step's; else `decision`, added. All in one transaction."""

    def decide(
        self, decision_id: int, *, status: DecisionStatus = "answered", answer: str | None = None, decided_by: str = ""
    ) -> bool:
        """Answer a decision that is waiting, expire it or withdraw it. False, and nothing written, when it does not
        wait any more."""

    def answer_early(self, run_id: str, step_key: str, answer: str, decided_by: str = "") -> DecisionRecord:
        """Keep an answer to a question that the run has yet to ask; replaces an earlier early answer. If the question
        was asked in the meantime, it answers that."""

    def withdraw_early(self, run_id: str, step_key: str) -> bool:
        """Delete an early answer that no question has taken. False when there is none."""

    def get_decision(self, decision_id: int) -> DecisionRecord | None:
        """One decision, or None."""

    def decisions(
        self, *, run_id: str | None = None, status: DecisionStatus | None = None, limit: int = 1_000_000
    ) -> list[DecisionRecord]:
        """Decisions that match all that is given, oldest first."""


class Topics(Protocol):
    """Events in the order in which they were published, and schedules."""

    def publish(self, events: Sequence[EventRecord]) -> list[EventRecord]:
        """Add events in one transaction and return them with their ids; for a `key` that is there, what is there."""

    def read_topic(
        self, topic: str, *, after: int = 0, since: float | None = None, limit: int = 1000
    ) -> list[EventRecord]:
        """Events of a topic with an id above `after` and, if given, not older than `since`; oldest first."""

    def last_event_id(self) -> int:
        """The largest id given to any event so far; 0 in an empty store."""

    def get_cursor(self, name: str) -> int | None:
        """How far a reader of events has come, or None."""

    def move_cursor(self, name: str, position: int, *, expected: int | None) -> bool:
        """Move a reader on, if it still is where `expected` says (None: unknown). False when it is not."""

    def put_schedule(self, schedule: ScheduleRecord) -> ScheduleRecord:
        """Add a schedule, or replace the one of the same workflow and key, which keeps its id and `last_at`."""

    def schedules(self, *, workflow_id: str | None = None) -> list[ScheduleRecord]:
        """All schedules, or those of a workflow, in the order of their ids."""

    def fire_schedule(self, schedule_id: int, *, expected: float, next_at: float) -> bool:
        """Take the firing of a schedule whose `next_at` still is `expected`: that becomes its `last_at`, and `next_at`
        its next one. False when another process was faster."""

    def delete_schedule(self, schedule_id: int) -> bool:
        """Delete a schedule. False when there is none."""
