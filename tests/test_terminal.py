"""Pages on a terminal."""

from __future__ import annotations

import re

import pytest

from polos_nb.reports.pages import Page
from polos_nb.terminal import page_text

PAGE = Page(
    "r1 · bot",
    ("run", "status", "input"),
    [("r1", "completed", "a " * 100), ("r12", "failed", "漢字" * 40), ("r13", "failed", "\x1b[31mred\nline")],
    blocks=[("output", "@@ -1 +1 @@\n-old\n+new\x1b[2J")],
    note="A note.",
)


def columns(line: str) -> int:
    return sum(2 if "\u2e80" <= char <= "\u9fff" else 1 for char in line)


@pytest.mark.parametrize("width", [30, 40, 80, 240])
def test_a_table_fits_the_terminal(width: int) -> None:
    """No line is longer than the terminal is wide, wide characters count double, and one row is one line."""
    lines = page_text(PAGE, width).splitlines()
    assert all(columns(line) <= width for line in lines)
    assert [line.split()[0] for line in lines[1:5]] == ["run", "r1", "r12", "r13"]
    assert lines[2].endswith("…") == (width < 240)
    assert "completed" in lines[2]


def test_what_a_reader_has_to_type_is_cut_last() -> None:
    """Columns that are to stay whole lose nothing while others can give way."""
    page = Page("", ("step", "text"), [("1.approve_refund[call_1]", "x" * 90)], whole=("step",))
    assert page_text(page, 40).splitlines()[1] == "1.approve_refund[call_1]  " + "x" * 13 + "…"
    assert page_text(page, 20).splitlines()[1] == "1.approve…  xxxxxxx…"


def test_nothing_is_cut_where_it_is_not_a_terminal() -> None:
    """Output that goes to a file or a pipe is whole."""
    assert ("漢字" * 40) in page_text(PAGE, None)


def test_colours_are_only_where_they_are_asked_for() -> None:
    """States and differences are coloured; what came from records colours nothing."""
    plain = page_text(PAGE, 80)
    assert "\x1b" not in plain
    coloured = page_text(PAGE, 80, colour=True)
    assert re.search(r"\x1b\[31mfailed", coloured)
    assert "\x1b[32m+new" in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain


def test_a_narrow_terminal_keeps_every_column() -> None:
    """Columns are not cut below a few characters, even if that is too wide."""
    lines = page_text(Page("", ("a", "b"), [("x" * 50, "y" * 50)]), 5).splitlines()
    assert lines[1] == "xxxxxxx…  yyyyyyy…"


def test_a_page_may_be_a_note_only() -> None:
    """An empty table shows no head."""
    assert page_text(Page("", ("a",), [], note="None."), 80) == "None."
