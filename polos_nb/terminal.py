"""Pages on a terminal: columns that fit its width, and colours where somebody sees them."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from typing import Any

import click

from polos_nb.reports.pages import Page
from polos_nb.safe_text import brief, visible

_CELL = 300
_NARROW = 8  # no column is made narrower than this, or than its head
_COLOURS = {
    "completed": "green", "live": "green", "answered": "green", "failed": "red", "cancelled": "yellow",
    "suspended": "yellow", "waiting": "yellow", "running": "cyan", "cached": "bright_black", "changed": "yellow",
}  # fmt: skip


def show(page: Page) -> None:
    """Print a page. On a terminal, tables are clipped to its width; elsewhere nothing is cut."""
    on_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if on_terminal else None
    colour = on_terminal and not os.environ.get("NO_COLOR")
    text = page_text(page, width, colour=colour)
    if text:
        click.echo(text, color=colour)


def page_text(page: Page, width: int | None, *, colour: bool = False) -> str:
    """A page as text; `width` None means: as wide as it takes."""
    parts = [_styled(visible(page.title), colour, bold=True)] if page.title else []
    parts += table_lines(page, width, colour=colour)
    for label, text in page.blocks:
        parts.append(f"{_styled(visible(label), colour, bold=True)}:")
        parts += [f"  {_diff_line(line, colour)}" for line in visible(text).splitlines()]
    parts += [visible(page.note)] if page.note else []
    return "\n".join(parts)


def table_lines(page: Page, width: int | None, *, colour: bool = False) -> list[str]:
    """The table of a page as lines of at most `width` columns of the terminal."""
    head, rows = page.head, page.rows
    if not rows:
        return []
    cells = [[_cell(value) for value in row] for row in rows]
    table = [list(head), *cells] if any(head) else cells
    widths = [max(_columns(row[n]) for row in table) for n in range(len(table[0]))]
    if width is not None:
        names = list(head) or [""] * len(widths)
        least = [min(size, max(_NARROW, _columns(name))) for size, name in zip(widths, names, strict=True)]
        first = [size if name in page.whole else low for size, low, name in zip(widths, least, names, strict=True)]
        widths = _fitting(_fitting(widths, first, width), least, width)
    lines = []
    for place, row in enumerate(table):
        shown = [_padded(text, size) for text, size in zip(row, widths, strict=True)]
        shown[-1] = shown[-1].rstrip()
        if place == 0 and any(head):
            shown = [_styled(text, colour, dim=True) for text in shown]
        else:
            shown = [_styled(text, colour and text.strip() in _COLOURS, fg=_colour(text)) for text in shown]
        lines.append("  ".join(shown).rstrip())
    return lines


def _fitting(widths: list[int], least: list[int], width: int) -> list[int]:
    """Columns cut, the widest first and none below its least, until they fit or cannot be cut any more."""
    widths = list(widths)
    while sum(widths) + 2 * (len(widths) - 1) > width:
        room = [n for n, size in enumerate(widths) if size > least[n]]
        if not room:
            break
        widths[max(room, key=lambda n: widths[n])] -= 1
    return widths


def _cell(value: Any) -> str:
    return brief(" ".join(str("" if value is None else value).split()), _CELL)


def _columns(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(_wide(char) for char in text)


def _wide(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) == "Cf":
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _padded(text: str, size: int) -> str:
    if _columns(text) > size:
        kept = ""
        for char in text:
            if _columns(kept) + _wide(char) > size - 1:
                break
            kept += char
        text = kept + "…"
    return text + " " * (size - _columns(text))


def _colour(text: str) -> str | None:
    return _COLOURS.get(text.strip())


def _diff_line(line: str, colour: bool) -> str:
    fg = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
    return _styled(line, colour and fg is not None, fg=fg)


def _styled(text: str, colour: bool, **style: Any) -> str:
    return click.style(text, **style) if colour else text
