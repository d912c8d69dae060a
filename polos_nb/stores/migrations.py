"""The schema of the step store as ordered migrations, so that a file of any age opens in the version that
is installed."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

from polos_nb.errors import StoreError

APPLICATION_ID = 0x504F4C4F  # "POLO", in the header of the file

_FIRST = """
CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    lineage TEXT NOT NULL,
    target_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    input TEXT NOT NULL,
    status TEXT NOT NULL,
    occurrence INTEGER NOT NULL,
    conversation_id TEXT,
    turn INTEGER,
    previous TEXT,
    horizon INTEGER NOT NULL,
    options TEXT NOT NULL,
    result TEXT,
    error TEXT,
    usage TEXT,
    owner TEXT,
    lease_until REAL,
    parent TEXT,
    forked_from TEXT,
    notebook TEXT,
    created_at REAL NOT NULL,
    finished_at REAL
);
CREATE INDEX runs_lineage ON runs (lineage);
CREATE INDEX runs_conversation ON runs (conversation_id, turn);
CREATE INDEX runs_parent ON runs (parent) WHERE parent IS NOT NULL;
CREATE TABLE blobs (
    name TEXT PRIMARY KEY,
    text TEXT NOT NULL,
    size INTEGER NOT NULL
);
CREATE TABLE steps (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    lineage TEXT NOT NULL,
    target_id TEXT NOT NULL,
    step_key TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    occurrence INTEGER NOT NULL,
    status TEXT NOT NULL,
    effect TEXT NOT NULL,
    parts TEXT NOT NULL,
    request TEXT NOT NULL,
    output TEXT,
    output_blob TEXT REFERENCES blobs (name),
    error TEXT,
    traceback TEXT,
    usage TEXT,
    attempts INTEGER NOT NULL,
    idempotency_key TEXT NOT NULL,
    owner TEXT,
    started_at REAL NOT NULL,
    finished_at REAL
);
CREATE INDEX steps_identity ON steps (lineage, fingerprint, occurrence);
CREATE INDEX steps_run ON steps (run_id);
CREATE INDEX steps_target ON steps (target_id, kind);
CREATE INDEX steps_output_blob ON steps (output_blob) WHERE output_blob IS NOT NULL;
CREATE TABLE run_steps (
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    step_id INTEGER NOT NULL REFERENCES steps (id) ON DELETE CASCADE,
    cached INTEGER NOT NULL,
    why TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
);
CREATE INDEX run_steps_step ON run_steps (step_id);
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    step_id INTEGER REFERENCES steps (id) ON DELETE CASCADE,
    step_key TEXT NOT NULL,
    form TEXT NOT NULL,
    status TEXT NOT NULL,
    answer TEXT,
    decided_by TEXT,
    created_at REAL NOT NULL,
    decided_at REAL
);
CREATE INDEX decisions_run ON decisions (run_id);
CREATE INDEX decisions_step ON decisions (step_id);
CREATE TABLE messages (
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    conversation_id TEXT NOT NULL,
    turn INTEGER NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (run_id, position)
);
CREATE INDEX messages_conversation ON messages (conversation_id, turn);
"""

_SECOND = """
ALTER TABLE runs ADD COLUMN parent_step TEXT;
ALTER TABLE runs ADD COLUMN root TEXT;
ALTER TABLE runs ADD COLUMN state TEXT;
ALTER TABLE steps ADD COLUMN parent TEXT NOT NULL DEFAULT '';
ALTER TABLE steps ADD COLUMN state TEXT;
ALTER TABLE decisions ADD COLUMN kind TEXT NOT NULL DEFAULT 'suspend';
ALTER TABLE decisions ADD COLUMN expires_at REAL;
CREATE INDEX decisions_waiting ON decisions (status) WHERE status = 'waiting';
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    event_type TEXT,
    data TEXT NOT NULL,
    run_id TEXT,
    key TEXT UNIQUE,
    created_at REAL NOT NULL
);
CREATE INDEX events_topic ON events (topic, id);
CREATE TABLE cursors (
    name TEXT PRIMARY KEY,
    position INTEGER NOT NULL
);
CREATE TABLE schedules (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    workflow_id TEXT NOT NULL,
    key TEXT NOT NULL,
    cron TEXT NOT NULL,
    timezone TEXT NOT NULL,
    payload TEXT NOT NULL,
    created_at REAL NOT NULL,
    last_at REAL,
    next_at REAL NOT NULL,
    UNIQUE (workflow_id, key)
);
"""

# A migration is never edited once it was released: add the next one. The version of a file is their number.
MIGRATIONS: tuple[tuple[str, str], ...] = (
    ("m001_runs_steps_decisions_messages_blobs", _FIRST),
    ("m002_nested_runs_state_events_schedules", _SECOND),
)
VERSION = len(MIGRATIONS)

# What sqlite-utils itself would make, so that `Migrations` and its command line find a new file up to date.
_RECORD = """
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
"""


def file_version(connection: sqlite3.Connection, location: str) -> int:
    """The schema version of an open file: 0 for an empty one.

    Raises StoreError when the file belongs to another program or to a newer polos_nb.
    """
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if application == APPLICATION_ID:
        if version > VERSION:
            raise StoreError(
                f"the step store {location} was written by a newer polos_nb (its format is {version}, "
                f"this one reads "
                f"up to {VERSION}): upgrade polos_nb, or set POLOS_NB_STORE to another file"
            )
        return version
    if application or version or connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        # Another process may have made the tables between these looks; its commit made it ours at the same time.
        if int(connection.execute("PRAGMA application_id").fetchone()[0]) == APPLICATION_ID:
            return file_version(connection, location)
        raise StoreError(
            f"{location} is an SQLite database of another program: set POLOS_NB_STORE to a file of its own for polos_nb"
        )
    return 0


def migrate(connection: sqlite3.Connection, location: str) -> None:
    """Bring an open file to `VERSION` in one transaction; does nothing when another process was faster.

    A new file is made from plain SQL: importing sqlite-utils takes 0.3 s, and 1.3 s where pandas is
    installed, which
    the first cell of a notebook should not wait for. An older file goes through sqlite-utils' `Migrations`.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = file_version(connection, location)
        if version == 0:
            _create(connection)
        elif version < VERSION:
            apply_migrations(connection)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def apply_migrations(connection: sqlite3.Connection) -> None:
    """Apply what the file has not seen through sqlite-utils, inside the transaction that is open."""
    import sqlite_utils  # noqa: PLC0415 - slow to import, and only a file of an older version needs it

    migrations = sqlite_utils.Migrations("polos_nb")
    for name, script in MIGRATIONS:

        def step(db: sqlite_utils.Database, script: str = script) -> None:
            _run_script(db.conn, script)

        migrations(name=name)(step)
    migrations.apply(sqlite_utils.Database(connection))


def _create(connection: sqlite3.Connection) -> None:
    _run_script(connection, _RECORD)
    for name, script in MIGRATIONS:
        _run_script(connection, script)
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('polos_nb', ?, ?)",
            (name, str(datetime.now(UTC))),
        )


def _run_script(connection: sqlite3.Connection, script: str) -> None:
    # Not executescript: that commits the transaction which makes the whole change one.
    for statement in script.split(";\n"):
        if statement.strip():
            connection.execute(statement)
