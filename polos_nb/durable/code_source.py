"""Finds the syntax tree that a live function or class was made from, and proves that it is that one.

A file may have been edited since it was imported, and a notebook keeps several versions of one class; so a
tree is only believed when it compiles to the code that is really there.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import Any, Generic, TypeVar

from polos_nb.durable.code_values import number_text

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_FUTURE_ANNOTATIONS = 0x1000000
_HAS_DOCSTRING = 0x4000000  # set by Python 3.14 and later
_MAX_INDEXES = 256
_INNER = ("__func__", "func", "fget")

V = TypeVar("V")


class IdentityCache(Generic[V]):
    """Remembers one value per object (not per equal object), for as long as the object lives."""

    def __init__(self) -> None:
        self._entries: dict[int, tuple[weakref.ref[Any], V]] = {}

    def get(self, key: Any) -> V | None:
        """The value kept for `key`, or None."""
        entry = self._entries.get(id(key))
        return entry[1] if entry is not None and entry[0]() is key else None

    def put(self, key: Any, value: V) -> V:
        """Keep `value` for `key` and return it."""
        number, entries = id(key), self._entries
        entries[number] = (weakref.ref(key, lambda _: entries.pop(number, None)), value)
        return value


@dataclass
class SourceIndex:
    """The functions and classes of one text: compiled code beside the node it comes from."""

    tree: ast.Module
    functions: dict[str, list[tuple[CodeType, FunctionNode]]] = field(default_factory=dict)
    classes: dict[str, list[ast.ClassDef]] = field(default_factory=dict)


_indexes: dict[tuple[str, int], SourceIndex | None] = {}


def code_text(code: CodeType) -> str:
    """What a code object does, as text: no positions, no docstring, no file name."""
    constants = list(code.co_consts)
    if constants and isinstance(constants[0], str) and _has_docstring(code):
        constants[0] = None
    shape = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & 0x2AC)
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    handlers = getattr(code, "co_exceptiontable", b"")
    return f"{shape}{names}{code.co_code.hex()}{handlers.hex()}[{','.join(map(_constant, constants))}]"


def _has_docstring(code: CodeType) -> bool:
    if code.co_name.startswith("<") or not code.co_flags & inspect.CO_OPTIMIZED:
        return False
    return sys.version_info < (3, 14) or bool(code.co_flags & _HAS_DOCSTRING)


def _constant(value: object) -> str:
    if isinstance(value, CodeType):
        return f"{value.co_name}:{code_text(value)}"
    if isinstance(value, tuple):
        return f"({','.join(map(_constant, value))})"
    if isinstance(value, frozenset):
        return f"{{{','.join(sorted(map(_constant, value)))}}}"
    return number_text(value)


def find_function(code: CodeType) -> FunctionNode | None:
    """The node that `code` was compiled from, or None when no text at hand compiles to it."""
    wanted = code_text(code)
    for text in _texts_of(code.co_filename):
        index = index_of(text, code.co_flags & _FUTURE_ANNOTATIONS)
        equal = [
            (made, node)
            for made, node in (index.functions.get(code.co_name, []) if index else [])
            if code_text(made) == wanted
        ]
        if equal:
            return min(equal, key=lambda pair: _distance(pair[0], code))[1]
    return None


def _distance(made: CodeType, code: CodeType) -> tuple[bool, int]:
    same_place = made.co_firstlineno == code.co_firstlineno and list(made.co_positions()) == list(code.co_positions())
    return (not same_place, abs(made.co_firstlineno - code.co_firstlineno))


def _texts_of(filename: str) -> Iterator[str]:
    """What was read of the file before, then what it says now (it may have been edited since)."""
    before = "".join(linecache.getlines(filename))
    if before:
        yield before
    linecache.checkcache(filename)
    now = "".join(linecache.getlines(filename))
    if now and now != before:
        yield now


def index_of(text: str, flags: int = 0) -> SourceIndex | None:
    """The index of `text`, None when it is not Python; kept, because many functions share a file."""
    key = (text, flags)
    if key not in _indexes:
        if len(_indexes) >= _MAX_INDEXES:
            _indexes.clear()
        _indexes[key] = _build_index(text, flags)
    return _indexes[key]


def _build_index(text: str, flags: int) -> SourceIndex | None:
    try:
        tree = ast.parse(text)
        module = compile(tree, "<source>", "exec", flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):
        return None
    index = SourceIndex(tree)
    by_place: dict[tuple[str, int], list[FunctionNode]] = {}
    for qualname, node in _definitions(tree, ""):
        if isinstance(node, ast.ClassDef):
            index.classes.setdefault(qualname, []).append(node)
        else:
            by_place.setdefault(_place(node), []).append(node)
    for code in _codes(module):
        found = _node_of(code, by_place.get((code.co_name, code.co_firstlineno), []))
        if found is not None:
            index.functions.setdefault(code.co_name, []).append((code, found))
    return index


def _definitions(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.ClassDef | FunctionNode]]:
    for child in ast.iter_child_nodes(node):
        inner = prefix
        if isinstance(child, ast.ClassDef):
            yield prefix + child.name, child
            inner = f"{prefix}{child.name}."
        elif isinstance(child, FunctionNode):
            name = "<lambda>" if isinstance(child, ast.Lambda) else child.name
            yield prefix + name, child
            inner = f"{prefix}{name}.<locals>."
        yield from _definitions(child, inner)


def _place(node: FunctionNode) -> tuple[str, int]:
    if isinstance(node, ast.Lambda):
        return ("<lambda>", node.lineno)
    return (node.name, min([node.lineno, *(item.lineno for item in node.decorator_list)]))


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _node_of(code: CodeType, nodes: list[FunctionNode]) -> FunctionNode | None:
    """The node, of those on one line, that `code` belongs to: the smallest lambda around its positions."""
    if not nodes or code.co_name != "<lambda>":
        return nodes[0] if nodes else None
    around = [node for node in nodes if isinstance(node, ast.Lambda) and _contains(node.body, code)]
    return min(around, key=_size) if around else None


def _contains(body: ast.expr, code: CodeType) -> bool:
    start, end = (body.lineno, body.col_offset), (body.end_lineno or 0, body.end_col_offset or 0)
    for line, end_line, column, end_column in code.co_positions():
        if line is None or end_line is None or column is None or end_column is None or column == end_column:
            continue  # set-up instructions have no place of their own
        if (line, column) < start or (end_line, end_column) > end:
            return False
    return True


def _size(node: ast.Lambda) -> tuple[int, int]:
    return ((node.end_lineno or 0) - node.lineno, (node.end_col_offset or 0) - node.col_offset)


def find_class(cls: type) -> ast.ClassDef | None:
    """The node that `cls` was made from, or None when no text at hand fits it.

    A class keeps no code of its own body, so candidates must have its annotations and compile to its methods;
    of those, the one that agrees with most of the class's literal values wins, then the newest.
    """
    best: tuple[int, ast.ClassDef] | None = None
    for text in _class_texts(cls):
        index = index_of(text, 0)
        for node in reversed(index.classes.get(cls.__qualname__, []) if index else []):
            if index is not None and _fits(node, cls, index, text):
                score = _agreement(node, cls)
                if best is None or score > best[0]:
                    best = (score, node)
    return best[1] if best else None


def _class_texts(cls: type) -> Iterator[str]:
    files = [item.__code__.co_filename for item in own_functions(cls).values()]
    module_file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    if module_file:
        files.append(module_file)
    for name in dict.fromkeys(files):
        yield from _texts_of(name)
    if module_file and cls.__module__ != "__main__":
        return
    word = f"class {cls.__name__}"
    for name in reversed(list(linecache.cache)):
        entry = linecache.cache.get(name)
        # Cells and exec'd text have no modification time; files do, and were looked at above.
        if name not in files and entry is not None and len(entry) == 4 and entry[1] is None:
            text = "".join(entry[2])
            if word in text:
                yield text


def plain_function(value: object) -> FunctionType | None:
    """The function inside a static, class or cached method; None for anything else."""
    for _ in range(4):
        if isinstance(value, FunctionType):
            return value
        inner = next((found for name in _INNER if (found := getattr(value, name, None)) is not None), None)
        if inner is None:
            return None
        value = inner
    return None


def own_functions(cls: type) -> dict[str, FunctionType]:
    """The methods written in the body of `cls`, by name; generated and borrowed ones left out."""
    found = {}
    for name, value in vars(cls).items():
        function = plain_function(value)
        while isinstance(wrapped := getattr(function, "__wrapped__", None), FunctionType):
            function = wrapped
        if function is None:
            continue
        qualname = getattr(function.__code__, "co_qualname", function.__qualname__)
        if qualname == f"{cls.__qualname__}.{function.__code__.co_name}":
            found[name] = function
    return found


def _fits(node: ast.ClassDef, cls: type, index: SourceIndex, text: str) -> bool:
    functions = {item.name: item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)}
    for live in own_functions(cls).values():
        name = live.__code__.co_name
        future = live.__code__.co_flags & _FUTURE_ANNOTATIONS
        made = index.functions.get(name, [])
        if future:
            other = index_of(text, future)
            made = other.functions.get(name, []) if other else []
        if name not in functions or not any(code_text(code) == code_text(live.__code__) for code, _ in made):
            return False
    annotated = {
        item.target.id for item in node.body if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    }
    # A class may gain annotations later (a decorator, a metaclass); those written in its body it cannot lose.
    return annotated == set(own_annotations(cls))


def own_annotations(cls: type) -> dict[str, Any]:
    """The annotations of the body of `cls`; those that cannot be evaluated yet are left out."""
    try:
        return dict(inspect.get_annotations(cls))
    except Exception:
        return {}


def _agreement(node: ast.ClassDef, cls: type) -> int:
    """How many literals of the body are what the live class says."""
    fields = getattr(cls, "__pydantic_fields__", None) or getattr(cls, "__dataclass_fields__", None) or {}
    score = 0
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and item.value is not None:
            live, name = fields.get(item.target.id), item.target.id
            score += _same(item.value, getattr(live, "default", vars(cls).get(name)))
            for keyword in item.value.keywords if isinstance(item.value, ast.Call) else []:
                known = [live, *getattr(live, "metadata", ())]
                score += any(_same(keyword.value, getattr(one, keyword.arg or "", None)) for one in known)
        elif isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name):
            live = vars(cls).get(item.targets[0].id)
            score += _same(item.value, getattr(live, "value", live))
    return score


def _same(node: ast.expr, live: object) -> bool:
    try:
        return bool(ast.literal_eval(node) == live)
    except Exception:
        return False
