"""The sources behind a version, for people who ask what changed: read only when a step is executed."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from types import CodeType
from typing import Any

from polos_nb.durable.code_source import find_class, find_function


class Sources(Mapping[str, str]):
    """Sources by the name under which a store keeps them, "src:" and the short hash that `CodeVersion.parts` shows.

    They are without comments and docstrings, as far as those do not count either. `origins` are the code objects and
    classes by their short hashes. What has no source at hand is left out.
    """

    def __init__(self, origins: Mapping[str, Any]) -> None:
        self._origins = origins
        self._read: dict[str, str] | None = None

    def __getitem__(self, name: str) -> str:
        return self._texts()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts())

    def __len__(self) -> int:
        return len(self._texts())

    def _texts(self) -> dict[str, str]:
        if self._read is None:
            found = {source_name(value): _source(origin) for value, origin in self._origins.items()}
            self._read = {name: text for name, text in found.items() if text}
        return self._read


def source_name(shown: str) -> str:
    """The name under which the source behind a short hash is kept.

    >>> source_name("a1f3c9d2…")
    'src:a1f3c9d2'
    """
    return f"src:{shown.removesuffix('…')}"


def _source(origin: Any) -> str:
    node = find_function(origin) if isinstance(origin, CodeType) else find_class(origin)
    if node is None:
        return ""
    tree = ast.parse(ast.unparse(node))  # a copy, which may be changed
    for inner in ast.walk(tree):
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner.body = inner.body[1:] or [ast.Pass()] if ast.get_docstring(inner) is not None else inner.body
    first = tree.body[0]
    if isinstance(first, ast.FunctionDef | ast.AsyncFunctionDef):
        first.decorator_list = []
    return ast.unparse(tree)
