"""The writing half of the codec: a value as a tree of plain JSON values and tags."""

from __future__ import annotations

import base64
import dataclasses
import math
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from pydantic import AnyUrl, BaseModel, Secret, SecretBytes, SecretStr
from pydantic_core import TzInfo

from polos_nb.codec_arrays import encode_array
from polos_nb.codec_types import ident, kind_of, note
from polos_nb.errors import CodecError
from polos_nb.payload import Payload

MAX_DEPTH = 200
PathPart = tuple[Any, str, Any] | None

IP_TYPES = {
    cls.__name__: cls for cls in (IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network)
}


def is_plain(value: Any, depth: int = 0) -> bool:
    """Whether JSON says a value exactly: no tags needed anywhere in it (lone surrogates aside)."""
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if kind is int:
        return bool(-(2**63) <= value < 2**64)
    if kind is float:
        return math.isfinite(value)
    if depth >= MAX_DEPTH:
        return False
    if kind is list:
        return all(is_plain(item, depth + 1) for item in value)
    if kind is not dict or (len(value) == 1 and looks_like_tag(value)):
        return False
    return all(type(key) is str and is_plain(item, depth + 1) for key, item in value.items())


def looks_like_tag(value: dict[Any, Any]) -> bool:
    """Whether a dict would be read back as a tag."""
    if len(value) != 1:
        return False
    key = next(iter(value))
    return type(key) is str and key.startswith("$")


def base64_text(data: bytes | bytearray) -> str:
    """Bytes as base64 text."""
    return base64.b64encode(data).decode("ascii")


class Encoder:
    """Turns one value into a tree; `classes` are the classes met on the way, by stored name.

    With `canonical` the tree is for hashing: dicts are sorted, classes are named without their module.
    """

    def __init__(self, what: str, *, canonical: bool = False) -> None:
        self.what = what
        self.canonical = canonical
        self.classes: dict[str, type] = {}
        self.frames: list[tuple[Any, Any, PathPart]] = []  # pandas values with their trees, to be checked
        self._open: set[int] = set()  # ids of the containers around the current value

    def value(self, value: Any, path: PathPart) -> Any:
        """The tree of a value found at `path`."""
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is str:
            return self._text(value)
        if kind is int:
            return value if -(2**63) <= value < 2**64 else {"$int": hex(value)}
        if kind is float:
            return value if math.isfinite(value) else {"$float": repr(value)}
        simple = _SIMPLE.get(kind)
        if simple is not None:
            return simple(self, value, path)
        if id(value) in self._open:
            raise self.refuse(value, path, "it contains itself", "return data without cycles")
        if len(self._open) >= MAX_DEPTH:
            raise self.refuse(value, None, f"it is nested more than {MAX_DEPTH} levels deep", "return flatter data")
        self._open.add(id(value))
        try:
            return self._container(value, kind, path)
        finally:
            self._open.discard(id(value))

    def refuse(self, value: Any, path: PathPart, why: str = "", fix: str = "") -> CodecError:
        """The error for a value that cannot be kept."""
        root = self.what.split(" ")[0]
        place = f" at {format_path(path, root if root.isidentifier() else 'value')}" if path is not None else ""
        name = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
        reason = f"{why} (type {name})" if why else f"a {name} has no lasting form"
        fix = fix or "return JSON-able data, a pydantic model or a dataclass instead"
        return CodecError(f"{self.what} cannot be kept{place}: {reason}; {fix}")

    def _text(self, value: str) -> Any:
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:  # a lone surrogate, which UTF-8 cannot say
                return {"$str": base64_text(value.encode("utf-8", "surrogatepass"))}
        return value

    def _container(self, value: Any, kind: type, path: PathPart) -> Any:
        if kind is list:
            return self._items(value, path)
        if kind is dict or kind is Payload:
            return self._dict(value, path)
        if kind is tuple:
            return {"$tuple": self._items(value, path)}
        if kind is set or kind is frozenset:
            return {"$set" if kind is set else "$frozenset": self._sorted(self._items(value, path))}
        if kind is deque:
            return {"$deque": [self._items(value, path), value.maxlen]}
        if kind is OrderedDict or kind is Counter:
            return {f"${kind.__name__}": self._pairs(value, path)}
        if isinstance(value, (SecretStr, SecretBytes, Secret)):
            raise self.refuse(
                value, path, "a secret is never written", "read it where it is used, from the environment"
            )
        if kind_of(kind) is not None:
            return self._instance(value, kind, path)
        if kind.__module__.partition(".")[0] in ("numpy", "pandas"):
            return self._array(value, path)
        if isinstance(value, AnyUrl) and kind.__module__ == "pydantic.networks":
            return {"$url": [kind.__name__, str(value)]}
        raise self._unsupported(value, path)

    def _items(self, value: Any, path: PathPart) -> list[Any]:
        return [self.value(item, (path, "index", n)) for n, item in enumerate(value)]

    def _sorted(self, trees: list[Any]) -> list[Any]:
        return sorted(trees, key=orjson.dumps)

    def _dict(self, value: dict[Any, Any], path: PathPart) -> Any:
        if all(type(key) is str and type(self._text(key)) is str for key in value) and not looks_like_tag(value):
            tree = {key: self.value(item, (path, "key", key)) for key, item in value.items()}
            return dict(sorted(tree.items(), key=lambda item: item[0].encode())) if self.canonical else tree
        return {"$dict": self._pairs(value, path)}

    def _pairs(self, value: dict[Any, Any], path: PathPart) -> list[list[Any]]:
        pairs = [
            [self.value(key, (path, "name", key)), self.value(item, (path, "key", key))] for key, item in value.items()
        ]
        return self._sorted(pairs) if self.canonical and not isinstance(value, OrderedDict) else pairs

    def _instance(self, value: Any, kind: type, path: PathPart) -> Any:
        name = kind.__qualname__ if self.canonical else ident(kind)
        if not self.canonical:
            note(kind)
            self.classes[name] = kind
        if isinstance(value, Enum):
            if value.name in kind.__members__:  # type: ignore[attr-defined]
                return {"$enum": [name, value.name]}
            return {"$enum": [name, None, self.value(value.value, (path, "attr", "value"))]}
        if isinstance(value, BaseModel):
            return {"$model": self._model(name, value, path)}
        if dataclasses.is_dataclass(value):
            if isinstance(value, (dict, list, set, frozenset, tuple, str, bytes, int, float, BaseException)):
                raise self.refuse(value, path, "a dataclass that is also a built-in container or an exception")
            names = [field.name for field in dataclasses.fields(value)]
            if self.canonical and hasattr(kind, "__polos_volatile__"):  # what differs between equal ones
                names = [name for name in names if name not in kind.__polos_volatile__]
            if missing := [n for n in names if not hasattr(value, n)]:
                raise self.refuse(value, path, f"its field {missing[0]!r} was never set")
            return {"$dataclass": [name, self._fields({n: getattr(value, n) for n in names}, path)]}
        fields = dict(zip(kind._fields, value, strict=True))  # type: ignore[attr-defined]
        return {"$namedtuple": [name, self._fields(fields, path)]}

    def _model(self, name: str, value: BaseModel, path: PathPart) -> list[Any]:
        fields = {n: value.__dict__[n] for n in type(value).model_fields if n in value.__dict__}
        extra = value.model_extra or {}
        tree: list[Any] = [name, self._fields(fields, path), None, None]
        if not self.canonical and value.model_fields_set != fields.keys() | extra.keys():
            tree[2] = sorted(value.model_fields_set)
        if extra:
            tree[3] = self._pairs(extra, path)
        return tree

    def _fields(self, fields: dict[str, Any], path: PathPart) -> dict[str, Any]:
        # Names of fields are identifiers, so this object is never mistaken for a tag.
        names = sorted(fields) if self.canonical else fields
        return {name: self.value(fields[name], (path, "attr", name)) for name in names}

    def _array(self, value: Any, path: PathPart) -> Any:
        try:
            tree = encode_array(value, lambda item: self.value(item, (path, "index", "...")))
        except ValueError as error:
            raise self.refuse_array(value, path, str(error)) from error
        if not self.canonical and next(iter(tree)).startswith("$pd."):
            self.frames.append((value, tree, path))
        return tree

    def refuse_array(self, value: Any, path: PathPart, why: str) -> CodecError:
        """The error for a numpy or pandas value that cannot be kept."""
        return self.refuse(value, path, why, "write it to a file and return the path, or return plain data")

    def _unsupported(self, value: Any, path: PathPart) -> CodecError:
        if isinstance(value, (str, bytes, int, float, dict, list, tuple, set, frozenset)):
            base = next(c for c in type(value).__mro__ if c.__module__ == "builtins")
            return self.refuse(value, path, fix=f"convert it first, for example with {base.__name__}(value)")
        if isinstance(value, BaseException):
            return self.refuse(value, path, "an exception is not data", "raise it, or return its text")
        if hasattr(value, "fileno"):
            return self.refuse(value, path, "an open resource", "return what was read from it, or a path or URL")
        if hasattr(value, "__aiter__") or hasattr(value, "__next__"):
            return self.refuse(value, path, "it can be read only once", "return list(value)")
        if hasattr(value, "__await__"):
            return self.refuse(value, path, "it was not awaited", "await it and return what it gives")
        if hasattr(value, "close") and not isinstance(value, type):
            return self.refuse(value, path, "an open resource", "return what was read from it, or a path or URL")
        if callable(value):
            return self.refuse(value, path, "code is not kept", "return what it computes, or a name for it")
        return self.refuse(value, path)


def format_path(path: PathPart, root: str) -> str:
    """A place inside a value, as Python would write it: `result["rows"][3].handle`."""
    parts: list[str] = []
    while path is not None:
        path, how, key = path
        if how == "attr":
            parts.append(f".{key}")
        elif how == "name":
            parts.append(f" (the key {key!r:.60})")
        elif isinstance(key, str) and how == "key":
            parts.append("[" + orjson.dumps(key.encode("utf-8", "replace").decode()).decode() + "]")
        else:
            parts.append(f"[{key!s:.60}]" if how == "index" else f"[{key!r:.60}]")
    return root + "".join(reversed(parts))


def _timezone(encoder: Encoder, value: timezone, path: PathPart) -> Any:
    parts: tuple[Any, ...] = value.__getinitargs__()  # type: ignore[attr-defined]
    offset = parts[0]
    name = encoder.value(parts[1], path) if len(parts) > 1 else None
    return {"$timezone": [offset.days, offset.seconds, offset.microseconds, name]}


def _zone(encoder: Encoder, value: ZoneInfo, path: PathPart) -> Any:
    if value.key is None:
        raise encoder.refuse(value, path, "a time zone without a name", 'use ZoneInfo("Area/City")')
    return {"$zone": value.key}


def _tz(encoder: Encoder, tz: tzinfo | None, path: PathPart) -> Any:
    if tz is None or type(tz) in (timezone, ZoneInfo, TzInfo):
        return encoder.value(tz, (path, "attr", "tzinfo"))
    raise encoder.refuse(tz, (path, "attr", "tzinfo"), "a time zone of its own kind", "use zoneinfo.ZoneInfo")


def _datetime(encoder: Encoder, value: datetime, path: PathPart) -> Any:
    return {"$datetime": [value.replace(tzinfo=None).isoformat(), value.fold, _tz(encoder, value.tzinfo, path)]}


def _time(encoder: Encoder, value: time, path: PathPart) -> Any:
    return {"$time": [value.replace(tzinfo=None).isoformat(), value.fold, _tz(encoder, value.tzinfo, path)]}


def _path(encoder: Encoder, value: PurePath, path: PathPart) -> Any:
    kind = "Path" if isinstance(value, Path) else type(value).__name__
    return {"$path": [kind, encoder.value(str(value), path)]}


_SIMPLE: dict[type, Callable[[Encoder, Any, PathPart], Any]] = {
    bytes: lambda e, v, p: {"$bytes": base64_text(v)},
    bytearray: lambda e, v, p: {"$bytearray": base64_text(v)},
    complex: lambda e, v, p: {"$complex": [e.value(v.real, p), e.value(v.imag, p)]},
    range: lambda e, v, p: {"$range": [e.value(n, p) for n in (v.start, v.stop, v.step)]},
    date: lambda e, v, p: {"$date": v.isoformat()},
    datetime: _datetime,
    time: _time,
    timedelta: lambda e, v, p: {"$timedelta": [v.days, v.seconds, v.microseconds]},
    timezone: _timezone,
    ZoneInfo: _zone,
    TzInfo: lambda e, v, p: {"$tz": v.utcoffset(None).total_seconds()},
    Decimal: lambda e, v, p: {"$decimal": str(v)},
    Fraction: lambda e, v, p: {"$fraction": [e.value(v.numerator, p), e.value(v.denominator, p)]},
    UUID: lambda e, v, p: {"$uuid": str(v)},
    type(Path()): _path,
    PurePosixPath: _path,
    PureWindowsPath: _path,
    **{cls: lambda e, v, p: {"$ip": [type(v).__name__, str(v)]} for cls in IP_TYPES.values()},
}
