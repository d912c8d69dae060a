"""Writes the values that code refers to as text: plain data by value, other objects by type."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import functools
import pathlib
import re
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, MethodDescriptorType, ModuleType, WrapperDescriptorType
from typing import Any

from polos_nb.codec import digest
from polos_nb.durable.code_pieces import ClassPiece, Node
from polos_nb.durable.code_source import plain_function
from polos_nb.durable.code_values import (
    is_own,
    is_secret,
    is_user_code,
    is_user_module,
    mark_of,
    number_text,
    package_version,
)
from polos_nb.durable.code_watch import is_fixed

_SCALARS = (type(None), bool, int, float, complex, str, bytes, bytearray, range, slice, type(...))
_REPR_TYPES = (
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.tzinfo,
    decimal.Decimal,
    fractions.Fraction,
    uuid.UUID,
)
_CONTAINERS = (list, tuple, set, frozenset, dict, deque)
_NAMED = (BuiltinFunctionType, MethodDescriptorType, WrapperDescriptorType)
_LARGE = 1000
"""Containers of more items are hashed at once where the codec can, which is faster than item by item."""


class Describer:
    """Writes values; `of_object` gives the nodes of functions, classes and instances met inside of them.

    `changing` is called for each value that may change inside while it stays the same object.
    """

    def __init__(self, of_object: Callable[[Any], Node | None], changing: Callable[[], None]) -> None:
        self._of_object = of_object
        self._changing = changing  # called for what is read by value and may change inside
        self._open: set[int] = set()  # containers being written, for data that contains itself

    def node(self, name: str, value: Any) -> Node:
        """The node of a value called `name`; `shown` is its text where that is short and plain."""
        node = Node(name)
        node.text = self.text(value, node, "", name)
        if not node.refs and len(node.text) <= 40:
            node.shown = node.text
        return node

    def skips(self, value: Any) -> bool:
        """Whether a value that has no node of its own counts for nothing."""
        if isinstance(value, (FunctionType, ModuleType, type)) or mark_of(value, "__polos_opaque__") is True:
            return True
        return is_own(type(value).__module__)

    def is_instance(self, value: Any) -> bool:
        """Whether a value is an object with attributes, not plain data."""
        return not isinstance(value, enum.Enum) and type(value) not in _SCALARS

    def fields(self, node: Node, parts: Mapping[str, Any]) -> None:
        """Add named parts to a node."""
        for name, value in parts.items():
            node.text += f"|{name}={self.text(value, node, name, name)}"

    def instance(self, node: Node, value: Any, state: frozenset[str]) -> None:
        """Fill the node of an object of a user's class: its class, and its attributes but for `state`."""
        cls = type(value)
        node.text = "instance"
        self._refer(node, "@class", cls)
        for name, item in sorted(_attributes(value).items()):
            if name not in state and not is_secret(name, item):
                node.text += f"|{name}={self.text(item, node, name, name)}"
        bases: tuple[Callable[[Any], Any], ...] = (dict, list, tuple, set, frozenset, str, int, float, bytes)
        for base in bases:
            if isinstance(value, base):  # type: ignore[arg-type]
                node.text += self.text(base(value), node, "@items", "")
                break

    def text(self, value: Any, node: Node, path: str, name: str) -> str:
        """A value as text; what is code in it becomes a reference of `node` labelled by its path."""
        kind = type(value)
        if is_secret(name, value):
            return "secret"
        if kind in _SCALARS:
            if not is_fixed(value):
                self._changing()
            return number_text(value)
        if isinstance(value, enum.Enum):
            self._refer(node, f"{path}@enum", kind)
            return f"{kind.__qualname__}.{value.name}"
        if isinstance(value, pathlib.PurePath):
            return f"Path({value.as_posix()!r})"
        if isinstance(value, re.Pattern):
            return f"re.compile({value.pattern!r}, {value.flags})"
        if isinstance(value, _REPR_TYPES) and not is_user_module(kind.__module__):
            if not is_fixed(value):
                self._changing()
            return number_text(value)
        if isinstance(value, _CONTAINERS) and not is_user_module(kind.__module__):
            return self._container(value, node, path)
        target = self._of_object(value)
        if target is not None:
            node.refs[path or "@value"] = target
            return "@"
        if self.skips(value):
            return "-"
        return self._library_object(value, node, path)

    def _refer(self, node: Node, label: str, cls: type) -> None:
        target = self._of_object(cls)
        if target is not None:
            node.refs[label] = target

    def _container(self, value: Any, node: Node, path: str) -> str:
        if id(value) in self._open:
            return "cycle"
        if type(value) not in (tuple, frozenset) or len(value) > _LARGE:
            self._changing()
        if len(value) > _LARGE:
            try:
                return f"{type(value).__name__} {digest(value)}"
            except Exception:
                pass  # something in it cannot be encoded; written item by item
        self._open.add(id(value))
        try:
            return self._items(value, node, path)
        finally:
            self._open.discard(id(value))

    def _items(self, value: Any, node: Node, path: str) -> str:
        name = type(value).__name__
        if isinstance(value, dict):
            pairs = []
            for key, item in value.items():
                label = number_text(key) if type(key) is int else str(key)
                written = self.text(item, node, f"{path}[{label}]", label)
                pairs.append(f"{self.text(key, node, f'{path}@key {label}', '')}: {written}")
            pairs.sort()
            return f"{'' if name == 'dict' else name}{{{', '.join(pairs)}}}"
        if isinstance(value, (set, frozenset)):
            texts = []
            for item in value:
                label = getattr(item, "__qualname__", None) or repr(type(item))
                texts.append(self.text(item, node, f"{path}{{{label}}}", ""))
            texts.sort()
            return f"{'' if name == 'set' else name}{{{', '.join(texts)}}}"
        texts = [self.text(item, node, f"{path}[{number}]", "") for number, item in enumerate(value)]
        inner = ", ".join(texts)
        if name == "list":
            return f"[{inner}]"
        return f"({inner}{',' if len(texts) == 1 else ''})" if name == "tuple" else f"{name}({inner})"

    def _library_object(self, value: Any, node: Node, path: str) -> str:
        """An object of a package: data that the codec knows by value, everything else by type and version."""
        kind = type(value)
        if isinstance(value, _NAMED):
            owner = getattr(value, "__module__", None) or getattr(value, "__objclass__", kind).__module__
            return f"{owner}.{value.__qualname__}"
        name = f"{kind.__module__}.{kind.__qualname__}"
        version = package_version(kind.__module__.partition(".")[0])
        if version != "stdlib":
            name += f" {version}"
        if callable(value) and isinstance(getattr(value, "__name__", None), str):
            if hasattr(value, "__dict__"):
                self._changing()
            return f"{name} {value.__name__}"  # a function made by a package, for example a ufunc
        if hasattr(kind, "__pydantic_fields__") or _is_frozen_dataclass(kind):
            if not _is_frozen_dataclass(kind):
                self._changing()
            if id(value) in self._open:
                return "cycle"
            self._open.add(id(value))
            parts = [
                f"{key}={self.text(item, node, f'{path}.{key}', key)}"
                for key, item in sorted(_attributes(value).items())
            ]
            self._open.discard(id(value))
            return f"{name}({', '.join(parts)})"
        if version != "stdlib":
            self._changing()
            try:
                return f"{name} {digest(value)}"
            except Exception:
                pass  # a client, a session: counts by type
        return name

    def class_facts(self, node: Node, cls: type, piece: ClassPiece) -> Iterator[tuple[str, Any]]:
        """Write what the live class says beyond its tree, and give its methods and its attributes."""
        fields = vars(cls).get("__pydantic_fields__")
        if isinstance(fields, Mapping):
            for name, field in fields.items():
                node.text += f"|{name}{self._pydantic_field(node, name, field)}"
        elif "__dataclass_fields__" in vars(cls):
            node.text += f"|{vars(cls).get('__dataclass_params__')!r}"
            for name, field in vars(cls)["__dataclass_fields__"].items():
                for aspect in ("default", "default_factory"):
                    value = getattr(field, aspect)
                    if type(value).__name__ != "_MISSING_TYPE":
                        node.text += f"|{name} {self.text(value, node, f'@{aspect} {name}', name)}"
            fields = vars(cls)["__dataclass_fields__"]
        for name, value in list(vars(cls).items()):
            function = plain_function(value)
            if function is not None:
                if name in piece.methods or is_user_code(function.__code__, function.__module__ or ""):
                    generated = function.__code__.co_qualname.startswith("__create_fn__")
                    if not generated:
                        yield name, value
            elif issubclass(cls, enum.Enum):
                if isinstance(value, cls) or name in cls.__members__:
                    written = self.text(cls.__members__[name].value, node, f"@member {name}", "")
                    node.text += f"|{name}={written}"
            elif name not in piece.state and name not in (fields or ()) and _is_plain_attribute(name, value):
                yield name, value

    def _pydantic_field(self, node: Node, name: str, field: Any) -> str:
        parts = []
        for aspect in ("default", "default_factory", "alias", "title", "description", "metadata"):
            value = getattr(field, aspect, None)
            if value is not None and type(value).__name__ != "PydanticUndefinedType":
                # That the list of its metadata stays the same is watched.
                listed, path = aspect == "metadata" and type(value) is list, f"@{aspect} {name}"
                written = self._items(value, node, path) if listed else self.text(value, node, path, name)
                parts.append(f"{aspect}={written}")
        return f"({field.is_required()},{','.join(parts)})"


def _attributes(value: Any) -> dict[str, Any]:
    """What an object holds, in its dictionary and its slots, without what it caches for itself."""
    cls = type(value)
    found = dict(getattr(value, "__dict__", None) or {})
    for base in cls.__mro__:
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if not name.startswith("__") and hasattr(value, name):
                found[name] = getattr(value, name)
    cached = set()
    for base in cls.__mro__:
        cached |= {name for name, item in vars(base).items() if isinstance(item, functools.cached_property)}
    return {name: item for name, item in found.items() if name not in cached and not name.startswith("__")}


def _is_frozen_dataclass(cls: type) -> bool:
    return bool(getattr(getattr(cls, "__dataclass_params__", None), "frozen", False))


def _is_plain_attribute(name: str, value: Any) -> bool:
    if name.startswith(("__", "_abc_", "model_", "_member", "_value2")) or name == "__annotations__":
        return False
    return isinstance(value, (*_SCALARS, *_REPR_TYPES, *_CONTAINERS, pathlib.PurePath, re.Pattern, enum.Enum))
