"""Follows a function to all of the user's code it uses: a graph whose edges are the names in the code."""

from __future__ import annotations

import functools
import sys
from collections import deque
from collections.abc import Callable
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

from polos_nb.durable.code_data import Describer
from polos_nb.durable.code_lookup import (
    MISSING,
    absolute_name,
    cell_content,
    declaration_name,
    declared_version,
    defaults,
    file_of,
    function_annotations,
    inner_parts,
)
from polos_nb.durable.code_names import IMPORT, SELF, Chain, Names, names_of_text
from polos_nb.durable.code_pieces import (
    Node,
    class_piece,
    file_text,
    function_piece,
    module_text,
    typing_parts,
)
from polos_nb.durable.code_resolve import resolve
from polos_nb.durable.code_source import own_annotations
from polos_nb.durable.code_values import (
    is_own,
    is_secret,
    is_user_code,
    is_user_file,
    is_user_module,
    mark_of,
    may_show,
    package_version,
)
from polos_nb.durable.code_watch import Key, Sealed, Watch

_MODULE_FACTS = frozenset({"__name__", "__file__", "__doc__", "__spec__", "__package__", "__loader__", "__builtins__"})
"""Where a module is and what it is called never counts."""


class Graph:
    """All nodes of one `code_version` call: one per object, filled from a queue, so depth is no limit."""

    def __init__(self, func: Any) -> None:
        self.func = func
        self.sealed: Sealed | None = None  # what to compare to know that the graph is still the same
        self._watch = Watch(func)
        self.classes: dict[type, None] = {}
        self._nodes: dict[Key, Node | None] = {}
        self._alive: list[Any] = []  # ids are only meaningful while their objects live
        self._todo: deque[Callable[[], None]] = deque()
        self._state: dict[Key, str] = {}  # what the code itself changes
        self._state_class: dict[Key, Node] = {}
        self._edges: list[tuple[Node, str, Key, str]] = []
        self._data = Describer(self.object, self._watch.changing)

    def root(self) -> Node:
        """The node of the function, with everything it uses filled in."""
        func = self.func
        node = self.object(func)
        if node is None:
            node = self._data.node("", func) if mark_of(func, "__polos_opaque__") is not True else Node("")
        while self._todo:
            self._todo.popleft()()
        for key, text in self._state.items():
            changed = self._nodes.get(key)
            if changed is not None:
                kept = {label: item for label, item in changed.refs.items() if label == "@class"}
                if len(kept) < len(changed.refs):  # what is in it does not count, but says what the code changes
                    self._watch.changing()
                changed.text, changed.shown, changed.refs = f"state:{text}", text, kept
        self._point_to_state()
        self.sealed = self._watch.seal(self._state)
        return node

    def _point_to_state(self) -> None:
        """Let names that the code changes lead to the same node whatever they hold: only a class counts."""
        made: dict[Key, Node] = {}
        for node, label, key, name in self._edges:
            if key in self._state:
                if key not in made:
                    text = self._state[key]
                    made[key] = Node(name, text=f"state:{text}", shown=text)
                    cls = self._state_class.get(key)
                    if cls is not None:
                        made[key].refs["@class"] = cls
                node.refs[label] = made[key]

    # ---- objects -----------------------------------------------------------------------------------------

    def object(self, value: Any) -> Node | None:
        """The node of a function, class, module or instance; None for data and for what does not count."""
        key = ("obj", id(value), "")
        if key in self._nodes:
            self._watch.met_again(value)
            return self._nodes[key]
        self._watch.met(value)
        if mark_of(value, "__polos_opaque__") is True:
            return None
        node, fill = self._start(value)
        if node is not None:
            self._alive.append(value)
            self._nodes[key] = node
            if fill is not None:
                self._todo.append(fill)
        return node

    def _start(self, value: Any) -> tuple[Node | None, Callable[[], None] | None]:
        if not isinstance(value, type) and mark_of(value, "__polos_declaration__"):
            node = Node(declaration_name(value))
            self._watch.changing(("obj", id(value), ""))
            return node, lambda: self._fill_declaration(node, value)
        if isinstance(value, ModuleType):
            return self._module(value), None
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, type):
            return self._class(value)
        parts = inner_parts(value)
        if parts is not None:
            if isinstance(value, (functools.partial, functools.partialmethod)):
                self._watch.changing(("obj", id(value), ""))
            node = Node("partial" if "keywords" in parts else "", text=type(value).__name__)
            return node, lambda: self._data.fields(node, parts)
        if self._data.is_instance(value) and is_user_module(type(value).__module__):
            self._watch.changing(("obj", id(value), ""))
            node = Node(f"{type(value).__qualname__} instance", type(value).__module__)
            state = self._state_of(type(value))
            return node, lambda: self._data.instance(node, value, state)
        return None, None

    def _fill_declaration(self, node: Node, value: Any) -> None:
        text = mark_of(value, "__polos_version__")
        if text is not None:
            node.text = f"{type(value).__name__}:{declared_version(value)}"
            return
        node.text = type(value).__name__
        node.display = ""  # the part that counts is the function's
        self._ref(node, "func", getattr(value, "func", None))
        self._ref(node, "state", getattr(value, "state_schema", None))

    def _ref(self, node: Node, label: str, value: Any) -> None:
        target = self.object(value) if value is not None else None
        if target is not None:
            node.refs[label] = target

    def _refs(self, node: Node, parts: dict[str, Any]) -> None:
        for label, item in parts.items():
            self._ref(node, label, item)

    def _library(self, module: str, qualname: str = "") -> Node | None:
        """A package or module that is not the user's, or an object of one: it counts by version."""
        top = module.partition(".")[0] or "builtins"
        if is_own(top):
            return None
        key = ("library", 0, f"{module}.{qualname}")
        if key not in self._nodes:
            version = package_version(top)
            self._watch.package(top, version)
            if not qualname:
                self._nodes[key] = Node(module, text=f"library {module} {version}", shown=version)
            else:
                node = Node("", text=f"library {module}.{qualname}")
                if top != "builtins":
                    self._refs_package(node, top)
                self._nodes[key] = node
        return self._nodes[key]

    def _refs_package(self, node: Node, top: str) -> None:
        package = self._library(top)
        if package is not None:
            node.refs["package"] = package

    def _module(self, module: ModuleType) -> Node | None:
        name = module.__name__
        if not is_user_module(name):
            return self._library(name)
        self._watch.changing(("obj", id(module), ""))
        return Node(f"module {name}", text=f"module {module_text(module)}")

    # ---- functions ---------------------------------------------------------------------------------------

    def _function(self, func: FunctionType) -> tuple[Node | None, Callable[[], None] | None]:
        module = str(func.__globals__.get("__name__") or func.__module__ or "")
        self._watch.module(module)
        if is_user_code(func.__code__, module):
            name = func.__code__.co_qualname.replace(".<locals>", "")
            node = Node(f"{name}()", module, origin=func.__code__)
            return node, lambda: self._fill_function(node, func)
        wrapped: dict[str, Any] = {}
        if getattr(func, "__wrapped__", None) is not None:
            wrapped["wrapped"] = func.__wrapped__  # type: ignore[attr-defined]
        for name, cell in zip(func.__code__.co_freevars, func.__closure__ or (), strict=False):
            content = cell_content(cell)
            self._watch.cell(("name", id(cell), ""), cell, content)
            if isinstance(content, (FunctionType, MethodType)):
                wrapped[f"closure {name}"] = content
        if is_own(module) and not wrapped:
            return None, None
        node = Node("", text=f"wrapper {module}.{func.__code__.co_qualname}")
        library = self._library(module, func.__code__.co_qualname)
        if library is not None:
            node.refs["library"] = library
        return node, lambda: self._refs(node, wrapped)

    def _fill_function(self, node: Node, func: FunctionType) -> None:
        code = func.__code__
        piece = function_piece(code)
        node.text = piece.text
        cells = dict(zip(code.co_freevars, func.__closure__ or (), strict=False))
        for name, value in defaults(func):
            if name in piece.names.parameters:
                node.text += f"|{name}:{type(value).__qualname__}"
            else:
                node.text += f"|{name}={self._data.text(value, node, f'default {name}', name)}"
        self._annotations(node, function_annotations(func), func.__globals__, cells)
        self._follow_names(node, piece.names, func.__globals__, cells, code.co_name)
        self._ref(node, "@wrapped", getattr(func, "__wrapped__", None))
        self._own_class(node, func)

    def _own_class(self, node: Node, func: FunctionType) -> None:
        """A method counts with the class it is found in."""
        code, scope = func.__code__, func.__globals__
        name, dot, _ = code.co_qualname.partition(".")
        owner = scope.get(name, MISSING) if dot else MISSING
        if dot:
            self._watch.name(("name", id(scope), name), scope, name, owner)
        if isinstance(owner, type):
            held = vars(owner).get(code.co_name, MISSING)
            self._watch.name(("held", id(owner), code.co_name), vars(owner), code.co_name, held)
            if held is func or getattr(held, "__func__", None) is func:
                self._watch.met_again(func)
                self._ref(node, "@class", owner)

    def _annotations(
        self, node: Node, found: dict[str, Any], scope: dict[str, Any], cells: dict[str, CellType]
    ) -> None:
        for name, annotation in found.items():
            leaves = [annotation] if isinstance(annotation, str) else list(typing_parts(annotation))
            for number, leaf in enumerate(leaves):
                if isinstance(leaf, str):
                    self._follow_names(node, names_of_text(leaf), scope, cells, "")
                elif isinstance(leaf, type):
                    if leaf.__module__ != "builtins":
                        self._ref(node, f"@annotation {name} {number}", leaf)
                elif leaf is not None and leaf is not ...:
                    node.text += f"|{self._data.text(leaf, node, f'@annotation {name} {number}', name)}"

    # ---- names -------------------------------------------------------------------------------------------

    def _follow_names(
        self, node: Node, names: Names, scope: dict[str, Any], cells: dict[str, CellType], own_name: str
    ) -> None:
        for chain in names.used:
            self._follow(node, chain, scope, cells, own_name)
        for name in names.assigned:
            key = ("name", id(cells[name]), "") if name in cells else ("name", id(scope), name)
            self._state[key] = "assigned by the code"
        for chain in names.mutated:
            self._note_state(chain, scope, cells)

    def _note_state(self, chain: Chain, scope: dict[str, Any], cells: dict[str, CellType]) -> None:
        key, value, rest, _ = resolve(self._watch, chain, scope, cells)
        if isinstance(value, type) and rest:
            self._state[("attr", id(value), rest[0])] = "changed by the code"
        elif value is not MISSING and not isinstance(value, (ModuleType, FunctionType, type)):
            self._state.setdefault(key, type(value).__qualname__)
            self._state.setdefault(("obj", id(value), ""), type(value).__qualname__)
            cls = self.object(type(value)) if is_user_module(type(value).__module__) else None
            if cls is not None:
                self._state_class[key] = cls

    def _follow(
        self, node: Node, chain: Chain, scope: dict[str, Any], cells: dict[str, CellType], own_name: str
    ) -> None:
        real = (own_name, *chain[1:]) if chain[0] == SELF else chain
        key, value, rest, module = resolve(self._watch, real, scope, cells)
        if module == "builtins" or real[0] in _MODULE_FACTS:
            return
        used = chain[: len(chain) - len(rest)]
        label = ".".join(used)
        if value is MISSING and chain[0] == SELF:
            return
        self._edges.append((node, label, key, used[-1]))
        if value is MISSING:
            target: Node | None = self._unknown(real[: len(used)], scope)
        else:
            target = self._place(key, used[-1], module, value)
        if target is not None:
            node.refs[label] = target

    def _unknown(self, chain: Chain, scope: dict[str, Any]) -> Node:
        """A name that has no value now; a module not imported yet counts by its file, or as a package."""
        if chain[0].startswith(IMPORT):
            name = absolute_name(chain[0], scope)
            filename = file_of(name)
            if filename is None or not is_user_file(filename):
                return self._library(name) or Node("")
            return Node(f"module {name}", text=f"module {file_text(filename)}")
        return Node(".".join(chain), str(scope.get("__name__", "")), text="undefined", shown="undefined")

    def _place(self, key: Key, name: str, module: str, value: Any) -> Node | None:
        """The node of a value found under a name: its own, if it is code, else one for this place."""
        if key in self._nodes:
            return self._nodes[key]
        if is_secret(name, value):
            return None
        if mark_of(value, "__polos_opaque__") is True:
            self._watch.met(value)
            return None
        node = self.object(value)
        if node is None and not self._data.skips(value):
            shown = self._nodes[key] = self._shown(name, value, key)
            shown.module = module
            return shown
        return node

    def _shown(self, name: str, value: Any, key: Key) -> Node:
        around, self._watch.place = self._watch.place, key
        node = self._data.node(name, value)
        self._watch.place = around
        if not may_show(name, node.shown or ""):
            node.shown = None
        return node

    # ---- classes -----------------------------------------------------------------------------------------

    def _state_of(self, cls: type) -> frozenset[str]:
        """Attributes that methods of the class or of its user bases change outside of constructors."""
        found: frozenset[str] = frozenset()
        for base in cls.__mro__:
            if is_user_module(base.__module__):
                found |= class_piece(base).state
        return found

    def _class(self, cls: type) -> tuple[Node | None, Callable[[], None] | None]:
        if not is_user_module(cls.__module__):
            return self._library(cls.__module__, cls.__qualname__), None
        self.classes[cls] = None
        self._watch.user_class(cls)
        node = Node(f"class {cls.__qualname__.replace('.<locals>', '')}", cls.__module__, origin=cls)
        return node, lambda: self._fill_class(node, cls)

    def _fill_class(self, node: Node, cls: type) -> None:
        piece = class_piece(cls)
        node.text = piece.text
        module = sys.modules.get(cls.__module__)
        scope = vars(module) if module is not None else {}
        self._follow_names(node, piece.names, scope, {}, "")
        self._annotations(node, own_annotations(cls), scope, {})
        for number, base in enumerate(cls.__bases__):
            if base is not object:
                self._ref(node, f"@base {number}", base)
        if type(cls) is not type:
            self._ref(node, "@metaclass", type(cls))
        for name, value in self._data.class_facts(node, cls, piece):
            key = ("attr", id(cls), name)
            target = self.object(value)
            if target is None and not self._data.skips(value):
                target = self._shown(f"{cls.__qualname__}.{name}", value, key)
                self._nodes[key] = target
            if target is not None:
                node.refs[f"@attribute {name}"] = target
