"""Which classes stored values may be revived as: only those that the caller or this process itself named."""

from __future__ import annotations

import dataclasses
import inspect
import threading
import typing
import weakref
from collections.abc import Mapping
from enum import Enum
from typing import Any, Literal

from pydantic import BaseModel

from polos_nb.errors import CodecError

Kind = Literal["model", "dataclass", "enum", "namedtuple"]

_newest: dict[str, type] = {}
_seen: weakref.WeakSet[type] = weakref.WeakSet()
_lock = threading.Lock()


class UnknownType(CodecError):
    """A stored value belongs to a class that is not known now, or has changed; treat the record as a miss."""


def ident(cls: type) -> str:
    """The name under which values of a class are stored: "module:qualname"."""
    return f"{cls.__module__}:{cls.__qualname__}"


def kind_of(cls: type) -> Kind | None:
    """What a class is to the codec; None for a class whose values cannot be kept."""
    if issubclass(cls, Enum):
        return "enum"
    if issubclass(cls, BaseModel):
        return "model"
    if dataclasses.is_dataclass(cls):
        return "dataclass"
    if issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple):
        return "namedtuple"
    return None


def remember(cls: type) -> type:
    """Make a class the one that stored values of its name are revived as. Usable as a decorator.

    Classes of encoded values are remembered by themselves; a later class of the same module and qualname
    (a notebook cell that was run again) replaces the earlier one.
    """
    if not isinstance(cls, type) or kind_of(cls) is None:
        raise CodecError(
            f"{getattr(cls, '__qualname__', cls)!r} is not a class of values that can be kept; "
            "use a pydantic model, a dataclass, an Enum or a NamedTuple"
        )
    with _lock:
        _seen.add(cls)
        _newest[ident(cls)] = cls
    return cls


def note(cls: type) -> None:
    """Remember the class of a value being encoded, unless it was seen before: old instances promote nothing."""
    if _newest.get(ident(cls)) is cls:
        return
    with _lock:
        fresh = cls not in _seen
    if fresh:
        remember(cls)


def find(name: str, kind: Kind, types: Mapping[str, type] | None) -> type:
    """The class for a stored "module:qualname"; UnknownType where there is none.

    The caller's `types` come first, then the newest remembered class of exactly this name, then a class of
    `types` whose last part of the name agrees (a class that moved). Nothing is imported.
    """
    given = {n: c for n, c in (types or {}).items() if isinstance(c, type) and kind_of(c) == kind}
    exact = [c for n, c in given.items() if n == name or ident(c) == name]
    if exact:
        return exact[-1]
    known = _newest.get(name)
    if known is not None and kind_of(known) == kind:
        return known
    last = last_part(name)
    moved = [c for n, c in given.items() if n == last or last_part(ident(c)) == last]
    if len(set(moved)) == 1:
        return moved[0]
    if moved:
        raise UnknownType(f"a stored value is a {kind} {name}, and several known classes are called {last}")
    raise UnknownType(
        f"a stored value is a {kind} {name}, and no such class is known now; run the cell that defines {last}"
    )


def last_part(name: str) -> str:
    """The last part of a dotted name; what is in square brackets stays.

    >>> last_part("shop:make.<locals>.Box[a.Item]")
    'Box[a.Item]'
    """
    head, bracket, rest = name.rpartition(":")[2].partition("[")
    return head.rpartition(".")[2] + bracket + rest


def types_of(annotation_or_value: Any) -> dict[str, type]:
    """The classes that occur in an annotation or in a value, by "module:qualname", for `decode(types=...)`.

    Looks into unions, containers, `Annotated`, and the fields of models, dataclasses, named tuples and
    typed dicts. An annotation that cannot be resolved is passed over.
    """
    found: dict[str, type] = {}
    _collect(annotation_or_value, found, {})
    return found


def _collect(thing: Any, found: dict[str, type], seen: dict[int, Any]) -> None:
    if id(thing) in seen or thing is None or (isinstance(thing, (str, bytes, int, float)) and not _is_enum(thing)):
        return
    seen[id(thing)] = thing  # held, so that no later hint gets the same id
    if isinstance(thing, type) and typing.get_origin(thing) is None:
        kind = kind_of(thing)
        if kind is not None:
            found[ident(thing)] = thing
        for hint in _field_hints(thing):
            _collect(hint, found, seen)
        return
    if typing.get_origin(thing) is not None:
        for part in (typing.get_origin(thing), *typing.get_args(thing)):
            _collect(part, found, seen)
        return
    if hasattr(thing, "__value__") and type(thing).__name__ == "TypeAliasType":
        _collect(thing.__value__, found, seen)
        return
    _collect_value(thing, found, seen)


def _collect_value(value: Any, found: dict[str, type], seen: dict[int, Any]) -> None:
    if isinstance(value, Mapping):
        for pair in value.items():
            for part in pair:
                _collect(part, found, seen)
        return
    if kind_of(type(value)) is not None:
        _collect(type(value), found, seen)
    if isinstance(value, BaseModel):
        for part in value.__dict__.values():
            _collect(part, found, seen)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            _collect(getattr(value, field.name, None), found, seen)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for part in value:
            _collect(part, found, seen)


def _is_enum(value: Any) -> bool:
    return isinstance(value, Enum)


def _field_hints(cls: type) -> list[Any]:
    if issubclass(cls, BaseModel):
        return [field.annotation for field in cls.model_fields.values()]
    if dataclasses.is_dataclass(cls) or hasattr(cls, "_fields") or hasattr(cls, "__total__"):
        try:
            return list(typing.get_type_hints(cls).values())
        except Exception:  # a name that only exists elsewhere: what is resolved already still helps
            raw = list(inspect.get_annotations(cls).values())
            return [hint for hint in raw if not isinstance(hint, str)]
    return []
