"""Deleting old runs."""

from __future__ import annotations

import time
from typing import Any

import pytest

from polos_nb.errors import ConfigurationError
from polos_nb.reports.collect import collect, families_of, parse_age, parse_size
from polos_nb.reports.pages import collect_page
from polos_nb.stores.base import RunRecord
from tests.reports.conftest import Book, weather_agent

DAY = 86400.0


def at(days: float, **fields: Any) -> dict[str, Any]:
    """The fields of a run that ended so many days ago."""
    now = time.time()
    return {"status": "completed", "created_at": now - days * DAY, "finished_at": now - days * DAY} | fields


def left(book: Book) -> set[str]:
    return {run.lineage for run in book.store.list_runs()}


def filled(book: Book, run: RunRecord, size: int = 200_000) -> None:
    book.step(run, "big", 1, output=run.id * (size // len(run.id)))


def test_old_families_go_whole(book: Book) -> None:
    """A family is as old as what happened last in it: nested runs, later runs of the lineage, later turns count."""
    top = book.add("old", **at(40))
    book.add("nested", **at(40, parent=top.id, parent_step="1.a", root=top.id))
    book.add("again", **at(50))
    book.add("again", **at(3))
    turn = book.add("turn0", **at(45, conversation_id="c", turn=0))
    book.add("turn1", **at(2, conversation_id="c", turn=1, previous=turn.id))
    facts = collect(book.store, older_than=30 * DAY)
    assert left(book) == {"again", "turn0", "turn1"}
    assert (facts["runs"], [one["runs"] for one in facts["deleted"]]) == (2, [2])
    assert len(families_of(book.store.lineages())) == 2


def test_what_is_going_on_stays(book: Book) -> None:
    """A run that is driven, suspended or asks keeps its whole family, whatever is asked for."""
    book.add("running", **at(90, status="running", finished_at=None))
    top = book.add("top", **at(90))
    book.add("child", **at(90, status="suspended", parent=top.id, parent_step="a"))
    book.ask(book.add("asks", **at(90, status="failed")))
    book.add("done", **at(90))
    assert [one["target"] for one in collect(book.store, older_than=0.0, dry_run=True)["deleted"]] == ["flow"]
    facts = collect(book.store, older_than=0.0, max_bytes=0)
    assert left(book) == {"running", "top", "child", "asks"}
    assert facts["busy"] == 3
    assert "stays" in collect_page(facts).note


def test_status_and_keep_limit_what_goes(book: Book) -> None:
    """Only families whose newest run has the status; never the newest N of a target."""
    for days in (5, 4, 3):
        book.add(f"flow{days}", **at(days))
        book.add(f"bad{days}", **at(days, status="failed", target_id="other"))
    collect(book.store, status="failed", keep=1, older_than=3.5 * DAY)
    assert left(book) == {"flow5", "flow4", "flow3", "bad3"}
    collect(book.store, keep=2)
    assert left(book) == {"flow4", "flow3", "bad3"}
    collect(book.store, status="failed")
    assert left(book) == {"flow4", "flow3"}


def test_the_oldest_go_until_the_store_is_small_enough(book: Book) -> None:
    """The file's size afterwards is what was asked for, and the youngest are still there."""
    for days in (1, 9, 5, 7, 3):
        filled(book, book.add(f"d{days}", **at(days)))
    assert book.store.stats().size > 1_000_000
    facts = collect(book.store, max_bytes=700_000)
    assert book.store.stats().size <= 700_000
    assert left(book) == {"d1", "d3"}
    assert facts["freed"] > 500_000
    assert collect(book.store, max_bytes=700_000)["runs"] == 0


def test_a_dry_run_tells_the_same_and_deletes_nothing(book: Book) -> None:
    """What it names is what goes."""
    for days in (50, 40, 3):
        filled(book, book.add(f"d{days}", **at(days)))
    told = collect(book.store, older_than=30 * DAY, dry_run=True)
    assert left(book) == {"d50", "d40", "d3"}
    done = collect(book.store, older_than=30 * DAY)
    assert told["deleted"] == done["deleted"]
    assert told["runs"] == done["runs"] == 2
    assert 0.5 < told["freed"] / done["freed"] < 2
    assert collect_page(told).note.startswith("2 runs would be deleted, about ")
    assert collect_page(done).note.startswith("2 runs deleted, ")


def test_what_is_left_still_answers(book: Book) -> None:
    """Deleting other lineages costs no step of those that stay."""
    book.run(weather_agent(city="Rome"), "gone")
    old = book.store.list_runs(limit=1)[0]
    book.store.update_run(old.id, created_at=1.0, finished_at=2.0)
    book.run(weather_agent(), "kept")
    assert collect(book.store, older_than=DAY)["steps"] == 3
    again = book.process.run(weather_agent(), "kept")
    assert again.cached


def test_nothing_is_deleted_where_nothing_was_said(book: Book) -> None:
    """The error names the ways to say it."""
    book.add("a", **at(90))
    with pytest.raises(ConfigurationError, match="--older-than 30d"):
        collect(book.store)
    assert left(book) == {"a"}


def test_ages_and_sizes_are_read() -> None:
    """Units people write; anything else is an error with an example."""
    assert [parse_age(text) for text in ("90s", "45m", "12H", "1.5d", "2w")] == [90, 2700, 43200, 129600, 1209600]
    assert [parse_size(text) for text in ("10", "5KB", "500 mb", "2GiB")] == [10, 5000, 500_000_000, 2 * 2**30]
    for text in ("", "30", "d", "-1d", "3y"):
        with pytest.raises(ConfigurationError, match="30d"):
            parse_age(text)
    for text in ("", "MB", "-5MB", "5TB", "5i"):
        with pytest.raises(ConfigurationError, match="500MB"):
            parse_size(text)
