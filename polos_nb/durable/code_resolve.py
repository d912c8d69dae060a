"""Finds what a chain of names leads to in live namespaces, noting each look-up."""

from __future__ import annotations

import builtins
import sys
from types import CellType, ModuleType
from typing import Any

from polos_nb.durable.code_lookup import MISSING, absolute_name, cell_content, imported_module
from polos_nb.durable.code_names import IMPORT, Chain
from polos_nb.durable.code_values import is_user_module
from polos_nb.durable.code_watch import Key, Watch


def resolve(
    watch: Watch, chain: Chain, scope: dict[str, Any], cells: dict[str, CellType]
) -> tuple[Key, Any, Chain, str]:
    """Where a chain leads through modules: place, object, rest of the chain, name of the module."""
    root, rest = chain[0], chain[1:]
    module = str(scope.get("__name__", ""))
    if root.startswith(IMPORT):
        value, key = imported_module(root, scope), ("name", id(scope), root)
        watch.name(key, sys.modules, absolute_name(root, scope), value)
        for name in ("__package__", "__name__"):
            watch.name(("name", id(scope), name), scope, name, scope.get(name, MISSING))
        if value is MISSING:
            watch.changing()
    elif root in cells:
        value, key = cell_content(cells[root]), ("name", id(cells[root]), "")
        watch.cell(key, cells[root], value)
    else:
        value, key = scope.get(root, MISSING), ("name", id(scope), root)
        watch.name(key, scope, root, value)
        if value is MISSING:
            found = vars(builtins).get(root, MISSING)
            watch.name(("builtins", 0, root), vars(builtins), root, found)
            if found is not MISSING:
                return key, None, (), "builtins"
    while isinstance(value, ModuleType) and rest and is_user_module(value.__name__):
        owner, name = value, rest[0]
        value = vars(owner).get(name, MISSING)
        watch.name(("name", id(vars(owner)), name), vars(owner), name, value)
        if value is MISSING:
            watch.changing()
            value = sys.modules.get(f"{owner.__name__}.{name}", MISSING)
        if value is MISSING and "__getattr__" in vars(owner):
            value = getattr(owner, name, MISSING)
        key, rest, module = ("name", id(vars(owner)), name), rest[1:], owner.__name__
    return key, value, rest, module
