"""What is asked at every step is found through an index, however large the file is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from polos_nb.stores import sqlite, sqlite_waiting
from polos_nb.stores.sqlite import SqliteStore

QUERIES = {
    "find_step": (sqlite._FIND_STEP, "steps_identity"),
    "get_step": (sqlite._GET_STEP, "INTEGER PRIMARY KEY"),
    "newest id of a lineage": (sqlite._NEWEST_ID, "runs_lineage"),
    "newest_run": (sqlite._NEWEST_RUN, "runs_lineage"),
    "get_run": (sqlite._GET_RUN, "INTEGER PRIMARY KEY"),
    "claim_run": (sqlite._CLAIM, "INTEGER PRIMARY KEY"),
    "child_runs": (sqlite._CHILDREN, "runs_parent"),
    "trace": (sqlite._TRACE, "sqlite_autoindex_run_steps_1"),
    "finish_step": (sqlite._update_text("steps", ("status", "output")), "INTEGER PRIMARY KEY"),
    "update_run": (sqlite._update_text("runs", ("status",)), "INTEGER PRIMARY KEY"),
    "set_trace": ("DELETE FROM run_steps WHERE run_id = ?", "sqlite_autoindex_run_steps_1"),
    "past_steps": (
        f"SELECT s.id FROM {sqlite._STEPS} WHERE s.lineage = ? ORDER BY s.id DESC LIMIT ?",
        "steps_identity",
    ),
    "the decision of a step": (f"{sqlite_waiting._DECISION} WHERE step_id = ?", "decisions_step"),
    "the decisions of a run": (f"{sqlite_waiting._DECISION} WHERE 1 AND run_id = ?", "decisions_run"),
    "read_topic": (f"{sqlite_waiting._EVENT} WHERE topic = ? AND id > ? ORDER BY id LIMIT ?", "events_topic"),
}


def plan_of(store: SqliteStore, sql: str) -> list[str]:
    """How SQLite goes about a statement."""
    parameters: list[Any] = [None] * sql.count("?")
    return [str(row[3]) for row in store._file.read(f"EXPLAIN QUERY PLAN {sql}", parameters)]


@pytest.mark.parametrize("query", QUERIES)
def test_an_index_is_used(tmp_path: Path, query: str) -> None:
    """No table is gone through from end to end."""
    sql, index = QUERIES[query]
    store = SqliteStore(tmp_path / "steps.db")
    plan = plan_of(store, sql)
    store.close()
    assert not [line for line in plan if line.startswith("SCAN")], plan
    assert index in " ".join(plan), plan


def test_every_index_serves_a_foreign_key_or_a_query(tmp_path: Path) -> None:
    """An index costs a write at each step, so each has its reason here."""
    reasons = {
        "runs_lineage": "newest_run",
        "runs_conversation": "list_runs of a conversation",
        "runs_parent": "child_runs",
        "steps_identity": "find_step",
        "steps_run": "clearing a run",
        "steps_target": "the history a miss compares with, stats",
        "steps_output_blob": "clearing blobs",
        "run_steps_step": "clearing a step",
        "decisions_run": "the decisions of a run",
        "decisions_step": "the decision of a step",
        "decisions_waiting": "what waits",
        "messages_conversation": "the messages of a conversation",
        "events_topic": "read_topic",
        "idx__sqlite_migrations_migration_set_name": "migrations",
    }
    store = SqliteStore(tmp_path / "steps.db")
    rows = store._file.read("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
    store.close()
    assert {row[0] for row in rows} == set(reasons)
