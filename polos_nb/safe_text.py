"""Text of models and tools, made safe to show and short enough to save: what every rendering of a run shares."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_BREAKS = re.compile("\r\n?|\u2028|\u2029")
# Overrides and isolates can show text in another order than it has; marks (U+200E, U+200F) cannot, and stay.
_BIDI = {code: f"[U+{code:04X}]" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
_CONTROL = {code: "\ufffd" for code in (*range(0x20), *range(0x7F, 0xA0)) if code not in (0x09, 0x0A)}
_TABLE = _CONTROL | _BIDI
_SURROGATE = re.compile("[\ud800-\udfff]")
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
_FENCE = re.compile(r"(`{3,}|~{3,})([^\n]*)")
_TICKS = re.compile(r"`+")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


@dataclass(frozen=True)
class Limits:
    """How much of a run one rendering shows: characters of the answer and of a value, number of items and rows."""

    answer: int = 16_000
    value: int = 1_200
    items: int = 60


def visible(text: str) -> str:
    """Text without what a reader cannot see: control characters, terminal colours, bidi overrides, lone surrogates.

    >>> visible("a\\x00b\\u202ec")
    'a\ufffdb[U+202E]c'
    """
    if text.isascii() and text.isprintable():
        return text
    text = _BREAKS.sub("\n", _ANSI.sub("", text))
    return _SURROGATE.sub("\ufffd", text.translate(_TABLE))


def shorten(text: str, limit: int) -> tuple[str, int]:
    """The beginning of a text, at most `limit` characters, and how many characters were left out.

    >>> shorten("twenty-four letters or so", 20)
    ('twenty-four letters', 6)
    """
    if len(text) <= limit:
        return text, 0
    end = max(text.rfind(" ", limit - limit // 8, limit), text.rfind("\n", limit - limit // 8, limit))
    kept = text[: end if end > 0 else limit]
    return kept, len(text) - len(kept)


def left_out(count: int, what: str = "characters") -> str:
    """The note that stands where something was left out; names the magic that shows everything."""
    return f"… {count:,} more {what}: %polos show"


def brief(text: str, limit: int) -> str:
    """A text, made visible and shortened, with a note when something is missing."""
    kept, missing = shorten(text, limit)
    return f"{visible(kept)} {left_out(missing)}" if missing else visible(kept)


def without_addresses(text: str) -> str:
    """An error's text without memory addresses, so that it is the same in every process."""
    return _ADDRESS.sub("0x…", text)


def value_text(value: Any) -> str:
    """Plain data on one line, as JSON; a text without line breaks stays as it is."""
    if isinstance(value, str) and "\n" not in value and "\r" not in value:
        return value
    return json_text(value)


def json_text(value: Any, *, indent: int | None = None) -> str:
    """Plain data as JSON in the order it has; what JSON does not know is shown as its text."""
    return json.dumps(value, ensure_ascii=False, indent=indent, default=str)


def call_text(name: str, arguments: Any, limit: int) -> str:
    """A call the way Python writes it, shortened.

    >>> call_text("get_weather", {"city": "Paris"}, 80)
    'get_weather(city="Paris")'
    """
    if isinstance(arguments, Mapping):
        inner = ", ".join(f"{key}={json_text(value)}" for key, value in arguments.items())
    else:
        inner = "" if arguments in (None, "") else value_text(arguments)
    return f"{brief(name, 80)}({brief(inner, limit)})"


def code_span(text: str) -> str:
    """A text as Markdown inline code, whatever it contains."""
    text = visible(text).replace("\n", " ").strip() or " "
    ticks = "`" * (max((len(run) for run in _TICKS.findall(text)), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def code_block(text: str) -> str:
    """A text as a fenced Markdown block, whatever it contains."""
    text = visible(text)
    ticks = "`" * max(3, max((len(run) for run in _TICKS.findall(text)), default=0) + 1)
    return f"{ticks}\n{text}\n{ticks}"


def inline_markdown(text: str) -> str:
    """A text that must not be read as Markdown, on one line."""
    return re.sub(r"([\\`*\[\]<>|#~$]|(?<!\w)_|_(?!\w))", r"\\\1", visible(text).replace("\n", " "))


def inert_markdown(text: str) -> str:
    """A model's Markdown without raw HTML, its last fence closed, so that what follows it stays what it is.

    `<` before a tag name becomes `&lt;` except where it is certainly code: in a fence that begins in the first
    column, and in inline code when all backticks of the text pair up within their lines.
    """
    text = visible(text)
    paired = all(len(rest) == 0 for rest in map(_unpaired, _outside_fences(text)))
    out: list[str] = []
    fence = ""
    for line in text.split("\n"):
        if fence:
            closing = _closes(line, fence)
            out.append(line)
            fence = "" if closing else fence
            continue
        fence = _opens(line)
        out.append(line if fence and "<" not in line else _escape_tags(line, paired))
    return "\n".join([*out, fence] if fence else out)


def _opens(line: str) -> str:
    match = _FENCE.match(line)
    if match is None or (match[1][0] == "`" and "`" in match[2]):
        return ""
    return match[1]


def _closes(line: str, fence: str) -> bool:
    bare = line.strip(" \t")
    indent = len(line) - len(line.lstrip(" "))
    return indent <= 3 and len(bare) >= len(fence) and set(bare) == {fence[0]}


def _outside_fences(text: str) -> list[str]:
    lines: list[str] = []
    fence = ""
    for line in text.split("\n"):
        if fence:
            fence = "" if _closes(line, fence) else fence
            continue
        fence = _opens(line)
        if not fence:
            lines.append(line)
    return lines


def _spans(line: str) -> tuple[list[tuple[int, int]], list[int]]:
    """Where inline code is in a line when its backticks pair up from the left, and the runs that found no partner."""
    runs = [(match.start(), match.end()) for match in _TICKS.finditer(line)]
    spans: list[tuple[int, int]] = []
    alone: list[int] = []
    at = 0
    while at < len(runs):
        start, end = runs[at]
        size = end - start
        partner = next((n for n in range(at + 1, len(runs)) if runs[n][1] - runs[n][0] == size), None)
        if partner is None or line[:start].endswith("\\"):
            alone.append(start)
            at += 1
            continue
        spans.append((start, runs[partner][1]))
        at = partner + 1
    return spans, alone


def _unpaired(line: str) -> list[int]:
    return _spans(line)[1]


def _escape_tags(line: str, paired: bool) -> str:
    if "<" not in line:
        return line
    spans = _spans(line)[0] if paired and "|" not in line else []
    out: list[str] = []
    at = 0
    for start, end in spans:
        out += [_TAG.sub("&lt;", line[at:start]), line[start:end]]
        at = end
    return "".join([*out, _TAG.sub("&lt;", line[at:])])
