"""Takes callables apart and finds modules: what the graph asks of live objects, executing no code."""

from __future__ import annotations

import functools
import importlib.util
import sys
from contextvars import ContextVar
from types import CellType, FunctionType, MethodType
from typing import Any

from polos_nb.durable.code_names import IMPORT


class _Missing:
    """The type of MISSING, which no user's value has."""


MISSING = _Missing()
"""Stands for a value that is not there."""

_asked: ContextVar[tuple[object, ...]] = ContextVar("polos_nb_versions_asked", default=())


def inner_parts(value: Any) -> dict[str, Any] | None:
    """What callables and descriptors of the standard library stand for."""
    if isinstance(value, MethodType):
        return {"func": value.__func__, "self": value.__self__}
    if isinstance(value, (functools.partial, functools.partialmethod)):
        return {"func": value.func, "args": value.args, "keywords": dict(value.keywords)}
    if isinstance(value, (staticmethod, classmethod)):
        return {"func": value.__func__}
    if isinstance(value, property):
        return {"get": value.fget, "set": value.fset, "delete": value.fdel}
    if isinstance(value, functools.cached_property):
        return {"func": value.func}
    if isinstance(value, functools._lru_cache_wrapper):
        return {"func": value.__wrapped__}
    return None


def declaration_name(value: Any) -> str:
    """What a declaration is called in the parts of a version."""
    name = getattr(value, "id", None) or getattr(value, "name", None) or ""
    return f"{type(value).__name__.lower()} {name}".strip()


def declared_version(value: Any) -> str:
    """What a declaration says is its version; of one whose tools use it itself, that is said only once."""
    bound = value.__polos_version__
    if not callable(bound):
        return str(bound)
    asked = _asked.get()
    if any(value is other for other in asked):
        return "itself"
    token = _asked.set((*asked, value))
    try:
        return str(bound())
    finally:
        _asked.reset(token)


def cell_content(cell: CellType) -> Any:
    """The value of a closure variable, MISSING when it has none yet."""
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return MISSING


def defaults(func: FunctionType) -> list[tuple[str, Any]]:
    """The parameters that have a default value, with it."""
    code = func.__code__
    values = func.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount][code.co_argcount - len(values) :]
    return [*zip(names, values, strict=False), *sorted((func.__kwdefaults__ or {}).items())]


def function_annotations(func: FunctionType) -> dict[str, Any]:
    """The annotations of a function, empty when they cannot be evaluated yet."""
    try:
        return func.__annotations__
    except Exception:  # evaluated on demand from Python 3.14 on, and may name what does not exist yet
        return {}


def absolute_name(root: str, scope: dict[str, Any]) -> str:
    """The full name of the module that the root of an import chain says."""
    level, _, name = root.removeprefix(IMPORT).partition(":")
    if level == "0":
        return name
    package = str(scope.get("__package__") or str(scope.get("__name__", "")).rpartition(".")[0])
    try:
        return importlib.util.resolve_name("." * int(level) + name, package)
    except ImportError:
        return name


def imported_module(root: str, scope: dict[str, Any]) -> Any:
    """The module of an import chain, MISSING when it was not imported yet."""
    return sys.modules.get(absolute_name(root, scope), MISSING)


def file_of(name: str) -> str | None:
    """The file a module would be imported from, None for the standard library and for what is not found."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        return None
    if name.rpartition(".")[0] not in sys.modules:  # find_spec would import the parents
        name = top
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    return found.origin if found is not None and found.has_location else None
