"""Values as plain JSON data: what a model or a page reads. There is no way back; that is what the codec is for."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
from collections import deque
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import PurePath
from typing import Any
from uuid import UUID

from pydantic import AnyUrl, BaseModel, Secret, SecretBytes, SecretStr

from polos_nb.errors import CodecError, one_line

_ROWS = 50  # of a table; a model gets the shape of the rest
_JSON = (str, bool, int)
_BITS = 14_000  # 4,214 digits
_IPS = (IPv4Address, IPv4Network, IPv6Address, IPv6Network)
# The text of a secret is asterisks.
_AS_TEXT = (Decimal, Fraction, UUID, PurePath, timedelta, complex, AnyUrl, Secret, SecretStr, SecretBytes, *_IPS)


def to_plain(value: Any) -> Any:
    """A value as plain JSON data. Raises CodecError for what has no such form.

    Models and dataclasses become objects, dates ISO texts, bytes base64, sets sorted lists where that is possible,
    NaN null; a DataFrame becomes its columns, its shape and the first 50 rows.

    >>> to_plain({"at": date(2026, 1, 2), "tags": ("a", "b")})
    {'at': '2026-01-02', 'tags': ['a', 'b']}
    """
    return _plain(value, 0)


def to_text(value: Any) -> str:
    """What a model reads of a tool's result: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(to_plain(value), ensure_ascii=False)


def _plain(value: Any, depth: int) -> Any:
    if depth > 200:
        raise CodecError("the value is nested more than 200 levels deep, or contains itself; return flatter data")
    if isinstance(value, Enum):
        return _plain(value.value, depth + 1)
    if value is None or isinstance(value, str | bool | int):
        return _json(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, BaseModel):
        return _plain(_dumped(value), depth + 1)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name), depth + 1) for field in dataclasses.fields(value)}
    return _container(value, depth)


def _json(value: Any) -> Any:
    if value is not None and type(value) not in _JSON:
        value = next(kind for kind in _JSON if isinstance(value, kind))(value)
    # Python refuses to write longer numbers in decimal digits.
    return hex(value) if type(value) is int and value.bit_length() > _BITS else value


def _dumped(value: BaseModel) -> Any:
    """A model by its own serializers and exclusions; the values inside stay as they are."""
    try:
        return value.model_dump(warnings=False)
    except Exception as error:  # a serializer of the user's may raise anything
        raise CodecError(f"a {type(value).__qualname__} cannot be told to a model: {one_line(error)}") from error


def _container(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        return {_key(name): _plain(item, depth + 1) for name, item in value.items()}
    if isinstance(value, tuple) and (names := getattr(value, "_fields", None)):
        return {name: _plain(item, depth + 1) for name, item in zip(names, value, strict=True)}
    if isinstance(value, list | tuple | range | deque):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, set | frozenset):
        # The items themselves may have no order (NaN), or only a partial one (sets), and then that of their hashes,
        # which is another one in each process, would show.
        items = [_plain(item, depth + 1) for item in value]
        return sorted(items, key=None if _ordered(items) else repr)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, _AS_TEXT):
        return str(value)
    return _array(value, depth)


def _ordered(items: list[Any]) -> bool:
    kinds = set(map(type, items))
    return kinds == {str} or kinds <= {int, float}


def _key(name: Any) -> str:
    return name if isinstance(name, str) else str(_plain(name, 1))


def _array(value: Any, depth: int) -> Any:
    library, kind = type(value).__module__.partition(".")[0], type(value).__name__
    if library == "pandas" and kind == "DataFrame":
        rows = [[_plain(item, depth + 1) for item in row] for row in value.head(_ROWS).itertuples(index=False)]
        return {"columns": [str(name) for name in value.columns], "rows": rows, "shape": list(value.shape)}
    if library == "pandas" and kind == "Series":
        return [_plain(item, depth + 1) for item in value.head(_ROWS).tolist()]
    if library == "pandas" and kind in ("NaTType", "NAType"):
        return None
    if library == "numpy" and hasattr(value, "tolist"):
        return _plain(value.tolist(), depth + 1)
    name = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    raise CodecError(
        f"a {name} cannot be told to a model; return JSON-able data, a pydantic model or a dataclass instead"
    )
