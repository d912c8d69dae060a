"""Values as a page shows them: text, JSON, a table or an image, cut where they are long."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import orjson

from polos_nb.images import image_of
from polos_nb.safe_text import Limits, json_text
from polos_nb.transcript_text import plain, table_of

_MANY = 20
_ROWS = 50
_MORE = 1_000_000  # characters that a page may ask for


def view_value(value: Any, limit: int = 1200) -> dict[str, Any]:
    """A value in the shape of the page's values; `more` counts what was left out, in characters or rows.

    >>> view_value("sunny")
    {'t': 'text', 's': 'sunny', 'more': 0}
    >>> view_value({"celsius": 21})["t"]
    'json'
    """
    data = plain(value)
    image = image_of(data)
    if image is not None:
        return {"t": "image", "type": image.media_type, "data": image.data, "alt": image.alt}
    if isinstance(data, str):
        return _cut("text", data, limit)
    if isinstance(data, list) and 0 < len(data) <= _MANY and any(image_of(part) for part in data):
        return {"t": "many", "items": [view_value(_said(part), limit) for part in data]}
    if _is_table(data):
        table = table_of(data, Limits(value=min(limit, 300), items=_ROWS if limit < _MORE else 10_000))
        if table is not None and table.head:
            return {"t": "table", "head": table.head, "rows": table.rows, "more": table.missing}
    return _cut("json", json_text(data, indent=2), limit)


def _cut(kind: str, text: str, limit: int) -> dict[str, Any]:
    limit = min(limit, _MORE)
    # A few characters more cost less than the button that would show them.
    kept = text if len(text) <= limit + limit // 10 else text[:limit]
    return {"t": kind, "s": kept, "more": len(text) - len(kept)}


def _said(part: Any) -> Any:
    """The text of a part of a message that is nothing but text."""
    if isinstance(part, Mapping) and part.get("type") in ("text", "input_text") and isinstance(part.get("text"), str):
        return part["text"]
    return part


def _is_table(data: Any) -> bool:
    if not isinstance(data, list) or not data:
        return False
    flat = (str, int, float, bool, type(None))
    return all(isinstance(row, Mapping) and row and all(isinstance(v, flat) for v in row.values()) for row in data)


def sendable(data: Any) -> Any:
    """Data without what no page could read: lone surrogates, numbers that are none, integers beyond 64 bits.

    >>> sendable({"a": float("nan"), "b": 2**80, "c": [1, "x"]})
    {'a': None, 'b': '1208925819614629174706176', 'c': [1, 'x']}
    """
    try:
        return orjson.loads(orjson.dumps(data))
    except TypeError:
        return _mended(data)


def _mended(data: Any) -> Any:
    if isinstance(data, str):
        return data.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # two halves become one character
    if isinstance(data, Mapping):
        return {_mended(str(key)): _mended(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_mended(value) for value in data]
    if isinstance(data, bool) or data is None:
        return data
    if isinstance(data, int):
        return data if -(2**63) <= data < 2**64 else str(data)
    return data if isinstance(data, float) and math.isfinite(data) else None
