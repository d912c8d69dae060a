"""Gives a function a version that changes when, and only when, what it does may have changed.

The version is the hash of the normalised syntax tree of the function and of what it uses of the user's own
code: functions, classes and constants of its module, of other user modules or of the notebook, transitively.

* Installed packages count by version, the standard library by name, polos_nb by nothing.
* Comments, docstrings, white space, a function's decorators as text, its own name, the place and order of
  definitions, file names, line numbers and addresses never count. What a decorator did to the function does:
  the wrapper is followed like any other function.
* Plain values count by value and are read again at each call; clients, locks, loggers and other objects of
  packages by type. Values that look like keys (`API_KEY`) do not count.
* What the code itself changes (`global counter`, `CALLS.append(...)`, `stats["n"] += 1`) is state, not code:
  it counts by type, or not at all if the name is assigned. Otherwise every run would make a new version.
* Functions and classes marked `@opaque` do not count.
* `version=` replaces all of this by what it declares.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, TypeVar

from polos_nb.codec_types import ident
from polos_nb.durable.code_graph import Graph
from polos_nb.durable.code_pieces import Node, reachable
from polos_nb.durable.code_sources import Sources
from polos_nb.durable.code_watch import Sealed

T = TypeVar("T")


@dataclass(frozen=True)
class CodeVersion:
    """A version: `digest` decides, `parts` explain it, `types` serve to revive stored values.

    `digest` is 32 hexadecimal characters. `parts` gives for each component a short hash (ends in "…") or its
    value: `{"get_weather()": "a1f3c9d2…", "RATE": "0.7", "numpy": "2.1.0"}`. `types` are the
    user's classes met on the way, by "module:qualname". `sources` are the texts behind the hashes; see `Sources`.
    """

    digest: str
    parts: dict[str, str] = field(default_factory=dict)
    types: dict[str, type] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)


def code_version(func: Callable[..., Any], *, declared: str | int | None = None) -> CodeVersion:
    """The version of `func`: a function, method, partial, callable object or class.

    With `declared` the digest is that of the declared text alone; types are collected all the same.
    """
    code = func.__code__ if type(func) is FunctionType else None
    known = _known.get((id(code), declared)) if code is not None else None
    if known is not None and known[0].holds(func):  # type: ignore[arg-type]
        return known[1]
    graph = Graph(func)
    order = reachable(graph.root())
    types = {ident(cls): cls for cls in graph.classes}
    if declared is not None:
        version = CodeVersion(_hash(f"declared:{declared}"), {"version": str(declared)}, types)
    else:
        origins: dict[str, Any] = {}
        version = CodeVersion(_canonical(order), _parts(order, origins), types, Sources(origins))
    if graph.sealed is not None:
        if len(_known) >= _MAX_KNOWN:
            _known.clear()  # it keeps what it compares alive
        _known[id(code), declared] = (graph.sealed, version)
    return version


_MAX_KNOWN = 256
# By the id of a function's code, which `Sealed` keeps alive: a function that is made again (a lambda in a loop) has
# the same code. A cell that is executed again compiles new code, and so has a version of its own worked out.
_known: dict[tuple[int, str | int | None], tuple[Sealed, CodeVersion]] = {}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _canonical(order: list[Node]) -> str:
    """Nodes are numbered as they are met from the function, by sorted labels: their names do not count."""
    number = {id(node): index for index, node in enumerate(order)}
    lines = []
    for node in order:
        refs = ",".join(f"{label!r}:{number[id(node.refs[label])]}" for label in sorted(node.refs))
        lines.append(f"{node.text}\n{refs}")
    return _hash("\n\n".join(lines))


def _parts(order: list[Node], origins: dict[str, Any]) -> dict[str, str]:
    twins = Counter(node.display for node in order)
    groups: dict[str, dict[tuple[str, str], None]] = {}
    for node in order:
        if node.display:
            value = node.shown if node.shown is not None else _hash(_shallow(node, twins))[:8] + "…"
            if node.origin is not None and node.shown is None:
                origins[value] = node.origin
            groups.setdefault(node.display, {})[(node.module, value)] = None
    parts = {}
    for display, found in groups.items():
        modules = [module for module, _ in found]
        seen: dict[str, int] = {}
        for module, value in sorted(found):
            name = display if len(found) == 1 else f"{module}.{display}" if len(set(modules)) > 1 else display
            seen[name] = seen.get(name, 0) + 1
            parts[name if seen[name] == 1 else f"{name} #{seen[name]}"] = value
    return dict(sorted(parts.items()))


def _shallow(node: Node, twins: Counter[str], depth: int = 8) -> str:
    """A node without those that have a part of their own; nodes of one name differ by all they use."""
    lines = [node.text]
    for label in sorted(node.refs):
        target = node.refs[label]
        if not target.display and depth:
            lines.append(f"{label}:{_shallow(target, twins, depth - 1)}")
        elif twins[target.display] > 1 and target is not node:
            lines.append(f"{label}:{_canonical(reachable(target))}")
    return "\n".join(lines)


def explain(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """What differs between two `CodeVersion.parts`, one phrase each.

    >>> explain({"RATE": "0.7", "log()": "11aa22bb…"}, {"RATE": "0.8", "log()": "33cc44dd…"})
    ['RATE: 0.7 → 0.8', 'log() changed']
    """
    phrases = []
    for name in sorted({*old, *new}):
        if name not in old:
            phrases.append(f"{name} is new")
        elif name not in new:
            phrases.append(f"{name} is no longer used")
        elif old[name] != new[name]:
            hashed = old[name].endswith("…") or new[name].endswith("…")
            phrases.append(f"{name} changed" if hashed else f"{name}: {old[name]} → {new[name]}")
    return phrases


def opaque(obj: T) -> T:
    """Mark a function or class so that it never counts in a version: logging, settings, clients.

    >>> @opaque
    ... def log(text): print(text)
    """
    obj.__polos_opaque__ = True  # type: ignore[attr-defined]
    return obj
