"""Runs as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from polos_nb.errors import ConfigurationError
from polos_nb.reports.answers import answer
from polos_nb.reports.export import export_jsonl, export_markdown, write_file
from tests.reports.conftest import Book, weather_agent


def lines_of(book: Book, *runs: str) -> list[dict[str, Any]]:
    out = []
    for line in export_jsonl(book.store, runs):
        assert "\n" not in line
        out.append(json.loads(line))
    return out


def test_json_lines_have_runs_steps_and_decisions(book: Book) -> None:
    """One object a line; JSON inside the records is data; a run that is asked for twice is written once."""
    first = book.run(input="Oslo")
    run = book.add("a", status="suspended", input='{"x": 1}')
    book.ask(run)
    answer(book.store, run.id, yes=True, by="ada")
    lines = lines_of(book, first, run.id, first)
    assert [line["type"] for line in lines] == ["run", "step", "step", "step", "run", "step", "decision"]
    assert (lines[0]["input"], lines[4]["input"]) == ("Oslo", {"x": 1})
    assert (lines[2]["run"], lines[2]["seq"], lines[2]["output"]) == (first, 2, "Paris: sunny")
    assert lines[2]["parts"]["arguments"] == {"city": "Paris"}
    assert (lines[6]["answer"]["approved"], lines[6]["decided_by"]) == (True, "ada")
    assert lines[6]["form"]["_form"]["title"] == "Refund order 7?"


def test_nested_runs_follow_the_run_that_started_them(book: Book) -> None:
    """With their steps."""
    top = book.add("top")
    book.step(top, "1.ask", 1, output=1)
    inner = book.add("inner", parent=top.id, parent_step="1.ask", root=top.id)
    book.step(inner, "look", 1, output=2)
    book.add("other")
    assert [line.get("step_key", line["id"]) for line in lines_of(book, top.id)] == ["r1", "1.ask", "r2", "look"]


def test_texts_that_are_not_unicode_survive(book: Book) -> None:
    """Halves of surrogate pairs come back as they were."""
    run = book.add("a", input=json.dumps("\ud800\u202e"))
    assert lines_of(book, run.id)[0]["input"] == "\ud800\u202e"


def test_markdown_is_a_report(book: Book) -> None:
    """Input, transcript, and a table of all steps; what models and tools said is text."""
    run = book.run(weather_agent(city="<b>Rome</b> | x"), "<script>alert(1)</script>")
    text = export_markdown(book.store, run)
    assert text.startswith(f"# weather-agent, run {run}\n")
    assert "## Transcript" in text
    assert "| r1 | 2.llm | scripted/scripted | live |" in text
    table = text[text.index("## Steps") :]
    assert "<b>" not in table.replace("\\<b", "")
    assert all(row.replace("\\|", "").count("|") == 8 for row in table.splitlines() if row.startswith("|"))
    assert text.endswith("\n")


def test_markdown_shows_decisions_and_nested_runs(book: Book) -> None:
    """Who decided what is part of the report."""
    top = book.add("top", status="suspended")
    book.step(top, "1.ask", 1, output=1)
    inner = book.add("inner", parent=top.id, parent_step="1.ask", root=top.id)
    book.step(inner, "look", 1, output=2)
    book.ask(top, "approve")
    answer(book.store, top.id, yes=False, by="ada")
    text = export_markdown(book.store, top.id)
    assert "| r2 | look |" in text
    assert "**approve** answered by ada" in text
    assert '"approved": false' in text


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    """It names the file."""
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write_file(str(tmp_path / "no" / "such" / "folder.md"), "x")
    write_file(str(tmp_path / "a.txt"), "half \ud800")
    assert (tmp_path / "a.txt").read_text() == "half \\ud800"
