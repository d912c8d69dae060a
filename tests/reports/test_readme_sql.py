"""The README's queries, taken from its text and executed on a store."""

from __future__ import annotations

import re
import sqlite3
import time
from pathlib import Path
from typing import Any

from tests.reports.conftest import Book, failing_agent, weather_agent

README = Path(__file__).parents[2] / "README.md"
QUERIES = dict(re.findall(r"<!-- sql: (\w+) -->\n```sql\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL))


def rows(book: Book, name: str) -> list[dict[str, Any]]:
    """What a query of the README gives."""
    connection = sqlite3.connect(f"file:{book.path}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in connection.execute(QUERIES[name]).fetchall()]
    finally:
        connection.close()


def test_tokens_of_each_agent_and_day(book: Book) -> None:
    """The sum is what the run says it has used, on today's date (UTC)."""
    begun = time.gmtime()
    used = sum(book.process.run(weather_agent(), words).usage.total_tokens for words in ("a", "b"))
    (row,) = rows(book, "tokens")
    assert row["day"] in (time.strftime("%Y-%m-%d", begun), time.strftime("%Y-%m-%d", time.gmtime()))
    assert (row["agent"], row["calls"], row["tokens"]) == ("weather-agent", 4, used)


def test_what_waits_for_whom(book: Book) -> None:
    """The question's title, and not what was answered."""
    run = book.add("a", status="suspended", conversation_id="ada")
    book.store.decide(book.ask(run, "first"))
    book.ask(run, "second")
    (row,) = rows(book, "waiting")
    assert row == {
        "run": "r1",
        "asks": "flow",
        "of_conversation": "ada",
        "step": "second",
        "question": "Refund order 7?",
        "since": "1970-01-01 00:01:40",
    }


def test_slow_and_failed_steps(book: Book) -> None:
    """Those that failed come first; every attempt counts."""
    run = book.add("a")
    book.step(run, "slow", 1, output=1)
    book.run(failing_agent())
    first, second = rows(book, "slow")
    assert (first["agent"], first["step"], first["failed"]) == ("broken", "llm", first["executed"])
    assert (second["step"], second["failed"], second["seconds"], second["longest"]) == ("slow", 0, 1.0, 1.0)


def test_every_query_of_the_readme_is_tested() -> None:
    """A query that is added needs a test of its own."""
    assert set(QUERIES) == {"tokens", "waiting", "slow"}
    assert README.read_text(encoding="utf-8").count("```sql") == len(QUERIES)
