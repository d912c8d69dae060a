"""Small tables and texts that `%polos` shows: the same in HTML, Markdown and plain text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from polos_nb.notebook.markup import CELL, pre, text_html
from polos_nb.safe_text import brief, code_block, inline_markdown, visible

_CELL_LIMIT = 300
_SHORT = 24  # characters that never need a line break


class Shown:
    """A title, a table, blocks of text and a note; each may be missing. Shows itself at the end of a cell."""

    def __init__(
        self,
        title: str = "",
        head: Sequence[str] = (),
        rows: Sequence[Sequence[Any]] = (),
        *,
        blocks: Sequence[tuple[str, str]] = (),
        note: str = "",
    ) -> None:
        self.title = visible(title)
        self.head = list(head)
        self.rows = [[_cell(value) for value in row] for row in rows]
        self.blocks = [(label, visible(text)) for label, text in blocks if text]
        self.note = note

    def __repr__(self) -> str:
        parts = [self.title] if self.title else []
        table = [self.head, *self.rows] if any(self.head) else self.rows
        if table:
            widths = [max(len(row[n]) for row in table) for n in range(len(table[0]))]
            parts += [
                "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in table
            ]
        for label, text in self.blocks:
            parts += [f"{label}:" if label else "", *("  " + line for line in text.splitlines())]
        parts += [self.note] if self.note else []
        return "\n".join(parts)

    def _repr_markdown_(self) -> str:
        parts = [f"**{inline_markdown(self.title)}**"] if self.title else []
        if self.rows:
            width = len(self.rows[0])
            table = [self.head or [""] * width, ["---"] * width, *self.rows]
            parts.append("\n".join("| " + " | ".join(_in_table(text) for text in row) + " |" for row in table))
        for label, text in self.blocks:
            parts.append(f"{inline_markdown(label)}\n\n{code_block(text)}")
        parts += [inline_markdown(self.note)] if self.note else []
        return "\n\n".join(parts)

    def _repr_html_(self) -> str:
        out = [f"<p><strong>{text_html(self.title)}</strong></p>"] if self.title else []
        if self.rows:
            head = "".join(_td(text, "th") for text in self.head)
            body = "\n".join("<tr>" + "".join(_td(text, "td") for text in row) + "</tr>" for row in self.rows)
            out.append(
                '<table style="border-collapse: collapse">'
                + (f"<tr>{head}</tr>" if head else "")
                + f"\n{body}\n</table>"
            )
        for label, text in self.blocks:
            out.append(f"<p>{text_html(label)}</p>\n{pre(text)}")
        out += [f"<p>{text_html(self.note)}</p>"] if self.note else []
        return "\n".join(out)


def _cell(value: Any) -> str:
    return brief(" ".join(str("" if value is None else value).split()), _CELL_LIMIT)


def _td(text: str, tag: str) -> str:
    wrap = "; white-space: nowrap" if len(text) <= _SHORT else ""
    return f'<{tag} style="{CELL}{wrap}">{text_html(text)}</{tag}>'


def _in_table(text: str) -> str:
    return "---" if text == "---" else inline_markdown(text).replace("|", "\\|")
