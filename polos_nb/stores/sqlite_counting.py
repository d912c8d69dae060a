"""Counts over the runs of the SQLite file: the part of `SqliteStore` that lists of runs are made with."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from polos_nb.stores.counting import RunFigures
from polos_nb.stores.fields import SEARCHED, contains, run_name, run_number
from polos_nb.stores.sqlite_file import SqliteFile

SEARCH_PAGE = 500  # rows that one look takes, so that the file is not held for long
_MANY = 500  # runs whose figures one statement takes

_FAMILY = (
    "WITH RECURSIVE family(top, id) AS (SELECT id, id FROM runs WHERE id IN ({marks}) "
    "UNION SELECT f.top, r.id FROM family f JOIN runs r ON r.parent = 'r' || f.id) "
)
_ANSWERS = _FAMILY + (
    "SELECT f.top, s.run_id = f.id AND s.started_at >= r.created_at, s.parts, s.usage "
    "FROM family f JOIN runs r ON r.id = f.id "
    "JOIN run_steps t ON t.run_id = f.id JOIN steps s ON s.id = t.step_id "
    "WHERE s.kind = 'llm' AND s.usage IS NOT NULL "
    "ORDER BY s.id"
)
_TRACED = (
    "SELECT r.id, count(t.seq), coalesce(sum(t.cached), 0) FROM runs r LEFT JOIN run_steps t ON t.run_id = r.id "
    "WHERE r.id IN ({marks}) GROUP BY r.id"
)


class SqliteCounting:
    """Counts on the file of the store; see `Counting`."""

    _file: SqliteFile

    def count_runs(
        self,
        *,
        query: str = "",
        status: str | None = None,
        kind: str | None = None,
        since: float | None = None,
        outermost: bool = False,
    ) -> dict[str, int]:
        """How many runs of each target match; see `Counting`."""
        self._file.look()
        where, values = run_filter({"status": status, "kind": kind}, since, outermost)
        if not query:
            sql = f"SELECT target_id, count(*) FROM runs{where} GROUP BY target_id ORDER BY target_id"
            return dict(self._file.read(sql, values))
        counts: Counter[str] = Counter()
        before = 2**63 - 1
        columns = ", ".join(f"'r' || {name}" if name == "id" else name for name in SEARCHED)
        sql = f"SELECT id, target_id, {columns} FROM runs{where or ' WHERE 1'} AND id < ? ORDER BY id DESC LIMIT ?"
        while rows := self._file.read(sql, (*values, before, SEARCH_PAGE)):
            counts.update(row[1] for row in rows if contains(row[2:], query))
            before = rows[-1][0]
        return dict(sorted(counts.items()))

    def figures(self, run_ids: Sequence[str]) -> dict[str, RunFigures]:
        """Figures of these runs; see `Counting`."""
        numbers = [number for number in map(run_number, run_ids) if number is not None]
        out: dict[str, RunFigures] = {}
        for first in range(0, len(numbers), _MANY):
            some = tuple(numbers[first : first + _MANY])
            marks = ", ".join("?" * len(some))
            answers: dict[tuple[int, int], list[tuple[str, str]]] = defaultdict(list)
            for top, paid, parts, usage in self._file.read(_ANSWERS.format(marks=marks), some):
                answers[top, paid].append((parts, usage))
            for number, steps, cached in self._file.read(_TRACED.format(marks=marks), some):
                out[run_name(number)] = RunFigures(
                    steps=steps, cached=cached, paid=tuple(answers[number, 1]), saved=tuple(answers[number, 0])
                )
        return out


def run_filter(
    equal: Mapping[str, str | None], since: float | None = None, outermost: bool = False
) -> tuple[str, tuple[Any, ...]]:
    """The WHERE of a list of runs, and its values; "" for all runs."""
    given = {name: value for name, value in equal.items() if value is not None}
    conditions = [f"{name} = ?" for name in given]
    conditions += ["created_at >= ?"] if since is not None else []
    conditions += ["parent IS NULL"] if outermost else []
    values = (*given.values(), *([since] if since is not None else []))
    return (f" WHERE {' AND '.join(conditions)}" if conditions else ""), values
