"""The reading half of the codec: tags back into the values they stand for."""

from __future__ import annotations

import base64
import dataclasses
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pydantic
from pydantic import BaseModel, ValidationError
from pydantic_core import TzInfo

from polos_nb.codec_arrays import decode_array
from polos_nb.codec_encode import IP_TYPES
from polos_nb.codec_types import UnknownType, find
from polos_nb.errors import CodecError, one_line

_PATHS = {"Path": Path, "PurePosixPath": PurePosixPath, "PureWindowsPath": PureWindowsPath}
_URLS = ("AnyUrl", "AnyHttpUrl", "HttpUrl", "AnyWebsocketUrl", "WebsocketUrl", "FileUrl", "FtpUrl")


class Decoder:
    """Turns trees that `Encoder` made back into values; `types` are the classes the caller allows by name."""

    def __init__(self, types: Mapping[str, type] | None = None) -> None:
        self._types = types

    def value(self, tree: Any) -> Any:
        """The value of a tree. Raises UnknownType for classes, CodecError for tags that make no sense."""
        kind = type(tree)
        if kind is list:
            return [self.value(item) for item in tree]
        if kind is not dict:
            return tree
        if len(tree) == 1:
            tag, body = next(iter(tree.items()))
            if tag.startswith("$"):
                return self._tagged(tag, body)
        return {key: self.value(item) for key, item in tree.items()}

    def _tagged(self, tag: str, body: Any) -> Any:
        try:
            if (revive := _TAGS.get(tag)) is not None:
                return revive(self, body)
            if tag.startswith("$np.") or tag.startswith("$pd."):
                return decode_array(tag, body, self.value)
        except CodecError:
            raise
        except Exception as error:  # whatever a damaged body makes the constructors say
            raise CodecError(f"a stored {tag} cannot be read ({one_line(error)}); the record is damaged") from error
        raise CodecError(f"a stored value has the unknown tag {tag}; a newer polos_nb wrote it, or it is damaged")

    def pairs(self, body: list[Any]) -> list[tuple[Any, Any]]:
        """Keys and values of a dict that was stored as pairs."""
        return [(self.value(key), self.value(item)) for key, item in body]

    def enum(self, body: list[Any]) -> Enum:
        """A member by its name, or by value for a combination of flags."""
        cls: Any = find(body[0], "enum", self._types)
        try:
            member = cls[body[1]] if body[1] is not None else cls(self.value(body[2]))
        except (KeyError, ValueError) as error:
            raise UnknownType(f"{cls.__qualname__} has changed: it has no {body[1] or body[2]!r} any more") from error
        return member  # type: ignore[no-any-return]

    def model(self, body: list[Any]) -> BaseModel:
        """A pydantic model, validated by the class as it is now."""
        name, stored, fields_set, extra = body
        cls: Any = find(name, "model", self._types)
        fields = {key: self.value(item) for key, item in stored.items()}
        _same_fields(cls, fields, cls.model_fields)
        data: Any = {**fields, **dict(self.pairs(extra or []))}
        if issubclass(cls, pydantic.RootModel):
            data = fields["root"]
        try:
            made = cls.model_validate(data, by_alias=False, by_name=True)
        except ValidationError as error:
            problems = [
                f"{'.'.join(map(str, e['loc'])) or 'value'}: {e['msg']}" for e in error.errors(include_input=False)
            ]
            raise UnknownType(
                f"a stored {cls.__qualname__} does not fit the class as it is now: {'; '.join(problems[:3])}"
            ) from error
        if fields_set is not None:
            object.__setattr__(made, "__pydantic_fields_set__", set(fields_set) & made.model_fields_set)
        return made  # type: ignore[no-any-return]

    def dataclass(self, body: list[Any]) -> Any:
        """A dataclass instance: made by its constructor, then given exactly the stored field values."""
        name, stored = body
        cls: Any = find(name, "dataclass", self._types)
        known = {field.name: field for field in dataclasses.fields(cls)}
        fields = {key: self.value(item) for key, item in stored.items()}
        _same_fields(cls, fields, known)
        try:
            if _has_init_vars(cls):
                made = object.__new__(cls)
            else:
                made = cls(**{key: item for key, item in fields.items() if known[key].init})
        except Exception as error:  # a changed class, or a __post_init__ that refuses
            raise UnknownType(
                f"a stored {cls.__qualname__} does not fit the class as it is now: {one_line(error)}"
            ) from error
        for key, item in fields.items():
            object.__setattr__(made, key, item)
        return made

    def namedtuple(self, body: list[Any]) -> Any:
        """A named tuple; fields that the class has gained take their defaults."""
        name, stored = body
        cls: Any = find(name, "namedtuple", self._types)
        fields = {key: self.value(item) for key, item in stored.items()}
        _same_fields(cls, fields, cls._fields)
        defaults: dict[str, Any] = cls._field_defaults
        missing = [key for key in cls._fields if key not in fields and key not in defaults]
        if missing:
            raise UnknownType(f"{cls.__qualname__} has changed: a stored one has no {missing[0]!r}")
        return cls._make(fields[key] if key in fields else defaults[key] for key in cls._fields)


def _same_fields(cls: type, fields: Mapping[str, Any], known: Any) -> None:
    gone = [name for name in fields if name not in known]
    if gone:
        raise UnknownType(f"{cls.__qualname__} has changed: it has no field {gone[0]!r} any more")


def _has_init_vars(cls: Any) -> bool:
    kinds = {getattr(field, "_field_type", None) for field in cls.__dataclass_fields__.values()}
    return any("INITVAR" in str(kind).upper() for kind in kinds)


def _tz(decoder: Decoder, body: list[Any]) -> timezone:
    days, seconds, microseconds, name = body
    offset = timedelta(days, seconds, microseconds)
    return timezone(offset) if name is None else timezone(offset, decoder.value(name))


def _url(body: list[Any]) -> Any:
    if body[0] not in _URLS:
        raise CodecError(f"a stored URL has the unknown kind {body[0]!r}")
    return getattr(pydantic, body[0])(body[1])


def _moment(decoder: Decoder, kind: type[datetime] | type[time], body: list[Any]) -> datetime | time:
    text, fold, tz = body
    return kind.fromisoformat(text).replace(fold=fold, tzinfo=decoder.value(tz))


_TAGS: dict[str, Callable[[Decoder, Any], Any]] = {
    "$int": lambda d, b: int(b, 16),
    "$float": lambda d, b: float(b),
    "$str": lambda d, b: base64.b64decode(b).decode("utf-8", "surrogatepass"),
    "$tuple": lambda d, b: tuple(d.value(b)),
    "$set": lambda d, b: set(d.value(b)),
    "$frozenset": lambda d, b: frozenset(d.value(b)),
    "$deque": lambda d, b: deque(d.value(b[0]), b[1]),
    "$dict": lambda d, b: dict(d.pairs(b)),
    "$OrderedDict": lambda d, b: OrderedDict(d.pairs(b)),
    "$Counter": lambda d, b: Counter(dict(d.pairs(b))),
    "$bytes": lambda d, b: base64.b64decode(b),
    "$bytearray": lambda d, b: bytearray(base64.b64decode(b)),
    "$complex": lambda d, b: complex(*d.value(b)),
    "$range": lambda d, b: range(*d.value(b)),
    "$date": lambda d, b: date.fromisoformat(b),
    "$datetime": lambda d, b: _moment(d, datetime, b),
    "$time": lambda d, b: _moment(d, time, b),
    "$timedelta": lambda d, b: timedelta(*b),
    "$timezone": _tz,
    "$zone": lambda d, b: ZoneInfo(b),
    "$tz": lambda d, b: TzInfo(b),
    "$decimal": lambda d, b: Decimal(b),
    "$fraction": lambda d, b: Fraction(*d.value(b)),
    "$uuid": lambda d, b: UUID(b),
    "$path": lambda d, b: _PATHS[b[0]](d.value(b[1])),
    "$ip": lambda d, b: IP_TYPES[b[0]](b[1]),
    "$url": lambda d, b: _url(b),
    "$enum": Decoder.enum,
    "$model": Decoder.model,
    "$dataclass": Decoder.dataclass,
    "$namedtuple": Decoder.namedtuple,
}
