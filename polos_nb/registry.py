"""Declarations by id: what `get_workflow("id")`, an invocation by name and a resumed run look up."""

from __future__ import annotations

from typing import Any

_declared: dict[tuple[str, str], Any] = {}


def register(kind: str, declaration: Any) -> None:
    """Make a declaration the one of its id. A cell that is executed again replaces what it had declared."""
    _declared[kind, declaration.id] = declaration


def find(id: str, kind: str | None = None) -> Any:
    """The declaration with this id (of this kind, "workflow", "agent" or "tool", if one is given), or None."""
    for one in ("workflow", "agent", "tool") if kind is None else (kind,):
        if (one, id) in _declared:
            return _declared[one, id]
    return None


def declared(kind: str | None = None) -> dict[str, Any]:
    """All declarations by id, those of one kind if it is given; of equal ids a workflow, then an agent."""
    found: dict[str, Any] = {}
    for (one, id), declaration in sorted(_declared.items(), key=lambda item: item[0][0] == "workflow"):
        if kind in (None, one):
            found[id] = declaration
    return found
