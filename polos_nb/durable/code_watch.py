"""What a version was read from, so that it is worked out again as soon as anything of that is another thing."""

from __future__ import annotations

import datetime
import functools
import sys
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from operator import is_
from types import CellType, FunctionType
from typing import Any

from polos_nb.durable.code_lookup import MISSING, cell_content, function_annotations
from polos_nb.durable.code_values import mark_of, package_version

Key = tuple[str, int, str]
"""Where a value was found: ("name", id of namespace, name), ("attr", id of class, name), ("obj", id, "")."""

_PLAIN = (type(None), bool, int, float, complex, str, bytes, list, dict, set, tuple, frozenset, type(MISSING))
_FIELD = ("default", "default_factory", "alias", "title", "description")
_EVERYWHERE: Key = ("", 0, "")
"""Is never the place of something that the code itself changes."""


class Watch:
    """All reads of one `code_version` call, each noted before or while it is made.

    An answer may only be given again when it is certain to be the same: everything that was found is the same object,
    and none of the objects can have changed inside. What is read by value and may change inside is `changing`, and
    makes an end of that. What the code changes itself counts by type, here as in the version.
    """

    def __init__(self, root: Any) -> None:
        self.place = _EVERYWHERE  # of the value that is being described
        self._root = root
        self._facts = _function_facts(root) if type(root) is FunctionType else ()
        self._only_root = False  # whether the root itself was met again, so that a copy of it is another graph
        self._names: dict[Key, tuple[Mapping[str, Any], str, Any]] = {}
        self._cells: dict[Key, tuple[CellType, Any]] = {}
        self._functions: dict[int, tuple[FunctionType, tuple[Any, ...]]] = {}
        self._classes: dict[int, tuple[type, dict[str, Any], tuple[Any, ...]]] = {}
        self._marks: list[tuple[Any, Any]] = []
        self._attributes: list[tuple[Any, str, Any]] = []
        self._packages: dict[str, str] = {}
        self._changing: set[Key] = set()

    def name(self, place: Key, scope: Mapping[str, Any], name: str, value: Any) -> None:
        """A name was looked up in a namespace; MISSING when it is not there."""
        self._names.setdefault(place, (scope, name, value))

    def module(self, name: str) -> None:
        """It was asked which module has a name, and whose code that is."""
        self.name(("module", 0, name), sys.modules, name, sys.modules.get(name, MISSING))

    def package(self, top: str, version: str) -> None:
        """It was asked which version of a package is installed."""
        self._packages[top] = version

    def cell(self, place: Key, cell: CellType, value: Any) -> None:
        """A closure variable was read."""
        self._cells.setdefault(place, (cell, value))

    def attribute(self, owner: Any, name: str) -> None:
        """An attribute was read of an object that is compared by identity otherwise."""
        self._attributes.append((owner, name, getattr(owner, name, MISSING)))

    def met(self, value: Any) -> None:
        """An object was asked whether it counts, and what it is."""
        if isinstance(value, FunctionType):
            if value is not self._root:
                self._functions.setdefault(id(value), (value, _function_facts(value)))
            if value.__dict__.get("__polos_declaration__"):
                self.changing()
        elif isinstance(value, (functools._lru_cache_wrapper, functools.cached_property)):
            self.attribute(value, "__wrapped__" if isinstance(value, functools._lru_cache_wrapper) else "func")
            self._marks.append((value, mark_of(value, "__polos_opaque__")))
        elif hasattr(value, "__dict__"):
            mark = mark_of(value, "__polos_opaque__")
            self._marks.append((value, mark))
            if mark is True and not isinstance(value, type):
                self.changing()  # it may be large, and is not to be kept alive from here

    def met_again(self, value: Any) -> None:
        """An object was asked for that is known already."""
        if value is self._root:
            self._only_root = True

    def user_class(self, cls: type) -> None:
        """A class of the user's is about to be read."""
        self.module(cls.__module__)
        self._classes[id(cls)] = (cls, dict(vars(cls)), _class_facts(cls))

    def changing(self, place: Key | None = None) -> None:
        """Something was read by value that may change inside; at `place`, or where the description is."""
        self._changing.add(place or self.place)

    def seal(self, state: Mapping[Key, str]) -> Sealed | None:
        """What to compare next time; None when that would not be enough. `state` is what the code changes itself."""
        if self._changing - state.keys() or type(self._root) is not FunctionType:
            return None
        own = {id(cell): number for number, cell in enumerate(self._root.__closure__ or ())}
        only = self._root if self._only_root else None
        sealed = Sealed(self._root.__globals__, self._facts, only, list(self._functions.values()), self._marks)
        sealed.attributes, sealed.packages = self._attributes, list(self._packages.items())
        for place, (scope, name, value) in self._names.items():
            sealed.names.append((scope, name, *_expected(value, place in state)))
        for place, (cell, value) in self._cells.items():
            number = own.get(id(cell), -1)
            sealed.cells.append((number, cell if number < 0 else None, *_expected(value, place in state)))
        for cls, members, facts in self._classes.values():
            expected = {name: _expected(value, ("attr", id(cls), name) in state) for name, value in members.items()}
            sealed.classes.append((cls, expected, facts))
        return sealed


@dataclass
class Sealed:
    """The reads behind a version that is known."""

    scope: Mapping[str, Any]
    facts: tuple[Any, ...]
    only: FunctionType | None
    functions: list[tuple[FunctionType, tuple[Any, ...]]]
    marks: list[tuple[Any, Any]]
    attributes: list[tuple[Any, str, Any]] = field(default_factory=list)
    packages: list[tuple[str, str]] = field(default_factory=list)
    names: list[tuple[Mapping[str, Any], str, Any, type | None]] = field(default_factory=list)
    cells: list[tuple[int, CellType | None, Any, type | None]] = field(default_factory=list)
    classes: list[tuple[type, dict[str, tuple[Any, type | None]], tuple[Any, ...]]] = field(default_factory=list)

    def holds(self, func: FunctionType) -> bool:
        """Whether all reads would find the same for `func`."""
        if func.__globals__ is not self.scope or not _same(_function_facts(func), self.facts):
            return False
        if self.only is not None and func is not self.only:
            return False
        for scope, name, value, kind in self.names:
            found = scope.get(name, MISSING)
            if found is not value and type(found) is not kind:
                return False
        for number, cell, value, kind in self.cells:
            found = cell_content(cell if cell is not None else func.__closure__[number])  # type: ignore[index]
            if found is not value and type(found) is not kind:
                return False
        for other, facts in self.functions:
            if not _same(_function_facts(other), facts):
                return False
        return self._objects_hold()

    def _objects_hold(self) -> bool:
        for marked, mark in self.marks:
            if mark_of(marked, "__polos_opaque__") is not mark:
                return False
        for owner, name, value in self.attributes:
            if getattr(owner, name, MISSING) is not value:
                return False
        if any(package_version(top) != version for top, version in self.packages):
            return False
        return all(
            _same_members(vars(cls), members) and _same(_class_facts(cls), facts)
            for cls, members, facts in self.classes
        )


def is_fixed(value: Any) -> bool:
    """Whether an object of the standard library that is described by value can never change inside."""
    if isinstance(value, (datetime.datetime, datetime.time)):
        return value.tzinfo is None or is_fixed(value.tzinfo)
    if isinstance(value, datetime.tzinfo):
        return type(value) in (datetime.timezone, zoneinfo.ZoneInfo)
    return not isinstance(value, (bytearray, slice))


def _expected(value: Any, changes: bool) -> tuple[Any, type | None]:
    """The object to find again; of plain data that the code changes only the type."""
    # Any other object is compared by identity even so: it may have led to code, and may be known by other names.
    return (_NOTHING, type(value)) if changes and type(value) in _PLAIN else (value, None)


_NOTHING = object()


def _function_facts(func: FunctionType) -> tuple[Any, ...]:
    """All that was read of a function itself. Its dictionaries are taken apart: they may change in place."""
    own = func.__dict__
    return (
        func.__code__,
        func.__defaults__,
        func.__module__,
        func.__globals__.get("__name__"),
        own.get("__wrapped__"),
        own.get("__polos_opaque__"),
        own.get("__polos_declaration__"),
        *(_pairs(func.__kwdefaults__) if func.__kwdefaults__ else ()),
        *_pairs(function_annotations(func)),
    )


def _class_facts(cls: type) -> tuple[Any, ...]:
    """What was read of a class beyond the objects in its dictionary."""
    members = vars(cls)
    found: list[Any] = [cls.__bases__, cls.__qualname__]
    annotations = members.get("__annotations__")
    if isinstance(annotations, Mapping):
        found += _pairs(annotations)
    fields = members.get("__pydantic_fields__")
    if isinstance(fields, Mapping):
        for name, info in fields.items():
            found += (name, info, info.is_required(), *getattr(info, "metadata", ()))
            found += [getattr(info, aspect, None) for aspect in _FIELD]
    elif "__dataclass_fields__" in members:
        for name, info in members["__dataclass_fields__"].items():
            found += (name, info, info.default, info.default_factory)
        params = members.get("__dataclass_params__")
        found += [getattr(params, name, None) for name in getattr(type(params), "__slots__", ())]
    return tuple(found)


def _pairs(mapping: Mapping[str, Any]) -> Iterator[Any]:
    for pair in mapping.items():
        yield from pair


def _same(left: tuple[Any, ...], right: tuple[Any, ...]) -> bool:
    return len(left) == len(right) and all(map(is_, left, right))


def _same_members(found: Mapping[str, Any], expected: dict[str, tuple[Any, type | None]]) -> bool:
    if len(found) != len(expected):
        return False
    for name, (value, kind) in expected.items():
        member = found.get(name, MISSING)
        if member is not value and type(member) is not kind:
            return False
    return True
