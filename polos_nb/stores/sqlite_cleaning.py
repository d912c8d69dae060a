"""Deleting from the SQLite file: the part of `SqliteStore` that keeps the file small."""

from __future__ import annotations

import sqlite3
import time
from collections import defaultdict
from collections.abc import Collection
from typing import Any

from polos_nb.stores.cleaning import LAPSED, LineageStats
from polos_nb.stores.fields import run_name, run_number
from polos_nb.stores.sqlite_file import SqliteFile, execute

# A lineage and those of the runs that its runs started, and so on.
_FAMILY = """
WITH RECURSIVE family (lineage) AS (
    SELECT lineage FROM runs WHERE (:id IS NULL OR id = :id) AND (:target IS NULL OR target_id = :target)
    UNION
    SELECT child.lineage FROM family
    JOIN runs parent ON parent.lineage = family.lineage
    JOIN runs child ON child.parent = 'r' || parent.id
)
SELECT lineage FROM family
"""
_UNUSED_MESSAGES = (
    "DELETE FROM blobs WHERE name LIKE 'msg:%' AND name NOT IN"
    " (SELECT value FROM steps, json_each(steps.parts, '$.messages') WHERE value IS NOT NULL)"
)
_UNUSED_SOURCES = (
    "DELETE FROM blobs WHERE name GLOB 'src:*' AND name NOT IN"
    " (SELECT 'src:' || rtrim(value, '…') FROM steps, json_each(steps.parts, '$.code') WHERE value IS NOT NULL"
    " UNION SELECT 'src:' || value FROM steps, json_each(steps.parts, '$.agent.prompt') WHERE value IS NOT NULL)"
)
_UNUSED_OUTPUTS = (
    "DELETE FROM blobs WHERE name GLOB 'out:*' AND NOT EXISTS (SELECT 1 FROM steps WHERE output_blob = blobs.name)"
)
_BUSY = (
    "(status = 'suspended' OR (status = 'running' AND coalesce(lease_until, 9e99) > :lapsed)"
    " OR EXISTS (SELECT 1 FROM decisions d WHERE d.run_id = runs.id AND d.status = 'waiting'))"
)
_RUNS = (
    "SELECT id, lineage, target_id, status, parent, previous, forked_from, coalesce(finished_at, created_at),"
    " length(CAST(input AS BLOB)) + coalesce(length(CAST(result AS BLOB)), 0) + 300,"
    f" {_BUSY} FROM runs ORDER BY id"
)
_SIZES = (
    "SELECT lineage, sum(length(CAST(parts AS BLOB)) + length(CAST(request AS BLOB))"
    " + coalesce(length(CAST(output AS BLOB)), 0) + coalesce(length(CAST(traceback AS BLOB)), 0) + 500)"
    " FROM steps GROUP BY lineage",
    "SELECT u.lineage, sum(b.size) FROM (SELECT DISTINCT lineage, output_blob FROM steps) u"
    " JOIN blobs b ON b.name = u.output_blob GROUP BY u.lineage",
    "SELECT u.lineage, sum(b.size) FROM (SELECT DISTINCT s.lineage, m.value AS name FROM steps s,"
    " json_each(s.parts, '$.messages') m) u JOIN blobs b ON b.name = u.name GROUP BY u.lineage",
    "SELECT r.lineage, sum(length(CAST(m.message AS BLOB))) FROM messages m JOIN runs r ON r.id = m.run_id"
    " GROUP BY r.lineage",
)


class SqliteCleaning:
    """Deleting by lineage on the file of the store; see `Cleaning`."""

    _file: SqliteFile

    def clear(self, *, target_id: str | None = None, run_id: str | None = None) -> int:
        """Delete runs with their steps, traces and messages; see `Cleaning`."""
        everything = target_id is None and run_id is None
        deleted = 0
        with self._file.write() as db:
            if everything:
                deleted = execute(db, "DELETE FROM steps").rowcount
                execute(db, "DELETE FROM runs")
                execute(db, "DELETE FROM blobs")
            else:
                number = None if run_id is None else (run_number(run_id) or -1)
                family = db.execute(_FAMILY, {"id": number, "target": target_id}).fetchall()
                deleted = _delete(db, [lineage for (lineage,) in family])
                execute(db, _UNUSED_OUTPUTS)
                execute(db, _UNUSED_MESSAGES)
                execute(db, _UNUSED_SOURCES)
        self._file.shrink()
        return deleted

    def lineages(self) -> list[LineageStats]:
        """Facts about every lineage; see `Cleaning`."""
        sizes: dict[str, int] = defaultdict(int)
        for sql in _SIZES:
            for lineage, size in self._file.read(sql):
                sizes[lineage] += size or 0
        rows = self._file.read(_RUNS, {"lapsed": time.time() - LAPSED})
        of_run = {run_name(row[0]): row[1] for row in rows}
        found: dict[str, list[tuple[Any, ...]]] = {}
        for row in rows:
            found.setdefault(row[1], []).append(row)
        out = []
        for lineage, runs in found.items():
            others = {of_run.get(name) for row in runs for name in row[4:7] if name}
            last = runs[-1]
            facts = LineageStats(
                lineage=lineage,
                target_id=last[2],
                status=last[3],
                runs=len(runs),
                outermost=last[4] is None,
                newest=max(row[7] for row in runs),
                size=sizes[lineage] + sum(row[8] for row in runs),
                busy=any(row[9] for row in runs),
                linked=frozenset(other for other in others if other is not None and other != lineage),
            )
            out.append((last[0], facts))
        return [facts for _, facts in sorted(out, key=lambda pair: pair[0])]

    def forget(self, lineages: Collection[str]) -> int | None:
        """Delete these lineages, unless one is busy; see `Cleaning`."""
        with self._file.write() as db:
            for lineage in lineages:
                sql = f"SELECT 1 FROM runs WHERE lineage = :lineage AND {_BUSY}"
                if db.execute(sql, {"lineage": lineage, "lapsed": time.time() - LAPSED}).fetchone():
                    return None
            return _delete(db, lineages)

    def tidy(self) -> None:
        """Delete unused texts and shrink the file; see `Cleaning`."""
        with self._file.write() as db:
            execute(db, _UNUSED_OUTPUTS)
            execute(db, _UNUSED_MESSAGES)
            execute(db, _UNUSED_SOURCES)
        self._file.shrink()


def _delete(db: sqlite3.Connection, lineages: Collection[str]) -> int:
    deleted = 0
    for lineage in lineages:
        deleted += execute(
            db,
            "DELETE FROM steps WHERE lineage = ? OR run_id IN (SELECT id FROM runs WHERE lineage = ?)",
            (lineage, lineage),
        ).rowcount
        execute(db, "DELETE FROM runs WHERE lineage = ?", (lineage,))
    return deleted
