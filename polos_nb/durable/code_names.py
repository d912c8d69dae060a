"""Reads off a syntax tree what decides behaviour: its text, and the outer names it uses and changes."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from polos_nb.durable.code_values import number_text

Chain = tuple[str, ...]
"""A name and the attributes taken of it: `settings.RATE` is `("settings", "RATE")`."""

SELF = "@self"
IMPORT = "@import "
"""Starts the root of a chain through an import inside a function: `@import 0:package.module`."""

MUTATORS = frozenset(
    {
        "append",
        "add",
        "update",
        "extend",
        "insert",
        "pop",
        "popitem",
        "clear",
        "setdefault",
        "remove",
        "discard",
    }
    | {"appendleft", "extendleft", "popleft", "sort", "reverse", "write", "writelines"}
)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_NAMING = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
    *(ast.ExceptHandler, ast.MatchAs, ast.MatchStar),
)
_SKIPPED = frozenset({"ctx", "kind", "type_comment", "type_ignores"})


@dataclass
class Names:
    """What a piece of code does with names that it does not bind itself."""

    used: set[Chain] = field(default_factory=set)
    assigned: set[str] = field(default_factory=set)  # by `global` or `nonlocal`
    mutated: set[Chain] = field(default_factory=set)  # changed in place
    parameters: set[str] = field(default_factory=set)  # own parameters changed in place (mutable defaults)
    attributes: set[str] = field(default_factory=set)  # attributes of the first parameter that are changed


def dump(node: ast.AST | list[ast.AST], own_name: str = "") -> str:
    """The text of a tree without positions, docstrings and empty fields; `own_name` reads as "@self".

    Empty fields are left out, so that a field added by a later Python version changes nothing.
    """
    if isinstance(node, list):
        return f"[{','.join(dump(item, own_name) for item in node)}]"
    if isinstance(node, ast.Constant):
        return f"{type(node.value).__name__}:{number_text(node.value)}"
    if isinstance(node, ast.Name) and node.id == own_name:
        return f"Name({SELF})"
    parts = []
    for name, value in ast.iter_fields(node):
        if name in _SKIPPED or value is None or value == []:
            continue
        if name == "body" and isinstance(value, list):
            value = _without_docstring(node, value)
        parts.append(f"{name}={_field(value, own_name)}")
    return f"{type(node).__name__}({','.join(parts)})"


def _field(value: object, own_name: str) -> str:
    if isinstance(value, ast.AST):
        return dump(value, own_name)
    if isinstance(value, list):
        return f"[{','.join(_field(item, own_name) for item in value)}]"
    return repr(value)


def _without_docstring(node: ast.AST, body: list[ast.stmt]) -> list[ast.stmt]:
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)) or not body:
        return body
    first = body[0]
    value = first.value if isinstance(first, ast.Expr) else None
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return body[1:] or [ast.Pass()]
    return body


def dump_function(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> str:
    """The normalised text of a function: without its name and its decorators."""
    if isinstance(node, ast.Lambda):
        return f"Function({dump(node.args)},{dump(ast.Return(value=node.body))})"
    own_name = "" if node.name in _bindings(node).bound else node.name
    kind = type(node).__name__.removesuffix("Def")
    returns = dump(node.returns) if node.returns else ""
    body = [dump(item, own_name) for item in _without_docstring(node, node.body)]
    return f"{kind}({dump(node.args)},{','.join(body)}{'->' + returns if returns else ''})"


def dump_class(node: ast.ClassDef) -> str:
    """The normalised text of a class body; of its methods only names and decorators (they count apart).

    Decorators of a class and of its methods do count: `@field_validator("city")` says what is validated.
    """
    parts = [dump(item) for item in [*node.decorator_list, *node.bases, *node.keywords]]
    for item in _without_docstring(node, node.body):
        if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)):
            decorators = ",".join(dump(one) for one in item.decorator_list)
            parts.append(f"def {item.name}({decorators})")
        elif not isinstance(item, ast.Pass):
            parts.append(dump(item))
    return f"class {node.name}({','.join(parts)})"


@dataclass
class _Scope:
    """The names one function, comprehension or class binds, and which of them are imports."""

    bound: set[str] = field(default_factory=set)
    outer: set[str] = field(default_factory=set)  # declared `global` or `nonlocal`
    imports: dict[str, Chain] = field(default_factory=dict)
    is_class: bool = False


def _bindings(node: ast.AST) -> _Scope:
    scope = _Scope(is_class=isinstance(node, ast.ClassDef))
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        scope.bound |= set(parameters(node))
    body = node.body if isinstance(node, _SCOPES) else []
    for item in _own_nodes(body if isinstance(body, list) else [body]):
        _bind(item, scope)
    scope.bound -= scope.outer
    return scope


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> list[str]:
    """The names of all parameters, in order."""
    args = node.args
    every = [*args.posonlyargs, *args.args, args.vararg, *args.kwonlyargs, args.kwarg]
    return [item.arg for item in every if item is not None]


def _own_nodes(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """All nodes of a body that run in its own scope (a walrus in a comprehension binds outside of it)."""
    for node in nodes:
        yield node
        if isinstance(node, _SCOPES):
            continue
        if isinstance(node, _COMPREHENSIONS):
            yield from (item for item in ast.walk(node) if isinstance(item, ast.NamedExpr))
            yield from (item.target for item in ast.walk(node) if isinstance(item, ast.NamedExpr))
            continue
        yield from _own_nodes(ast.iter_child_nodes(node))


def _bind(node: ast.AST, scope: _Scope) -> None:
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        scope.bound.add(node.id)
    elif isinstance(node, _NAMING) and node.name:
        scope.bound.add(node.name)
    elif isinstance(node, ast.MatchMapping) and node.rest:
        scope.bound.add(node.rest)
    elif isinstance(node, (ast.Global, ast.Nonlocal)):
        scope.outer |= set(node.names)
    elif isinstance(node, ast.Import):
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            scope.bound.add(name)
            scope.imports[name] = (f"{IMPORT}0:{alias.name if alias.asname else name}",)
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            name = alias.asname or alias.name
            scope.bound.add(name)
            scope.imports[name] = (f"{IMPORT}{node.level}:{node.module or ''}", alias.name)


class _Reader(ast.NodeVisitor):
    """Walks a tree with its scopes; names bound by none of them are the outer ones."""

    def __init__(self) -> None:
        self.names = Names()
        self.scopes: list[_Scope] = []
        self.top: list[str] = []

    def enter(self, node: ast.AST, children: Iterable[ast.AST], scope: _Scope) -> None:
        for chain in scope.imports.values():
            if len(chain) > 1:
                self.names.used.add(chain)
        self.scopes.append(scope)
        for child in children:
            self.visit(child)
        self.scopes.pop()

    def visit_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        """A nested function: its decorators, defaults and annotations run outside, its body inside."""
        for item in [*getattr(node, "decorator_list", []), *node.args.defaults, *node.args.kw_defaults]:
            if item is not None:
                self.visit(item)
        self.visit_annotations(node)
        self.enter(node, node.body if isinstance(node.body, list) else [node.body], _bindings(node))

    def visit_annotations(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        args = node.args
        every = [*args.posonlyargs, *args.args, args.vararg, *args.kwonlyargs, args.kwarg]
        for item in [*(one.annotation for one in every if one), getattr(node, "returns", None)]:
            if item is not None:
                self.annotation(item)

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = visit_function

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for item in [*node.decorator_list, *node.bases, *node.keywords]:
            self.visit(item)
        self.enter(node, node.body, _bindings(node))

    def visit_comprehension_scope(self, node: ast.AST) -> None:
        scope = _Scope()
        for generator in node.generators:  # type: ignore[attr-defined]
            for item in ast.walk(generator.target):
                if isinstance(item, ast.Name):
                    scope.bound.add(item.id)
        self.enter(node, ast.iter_child_nodes(node), scope)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_comprehension_scope

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.annotation(node.annotation)
        self.changed(node.target)
        self.visit(node.target)
        if node.value is not None:
            self.visit(node.value)

    def annotation(self, node: ast.expr) -> None:
        """Names of an annotation, those in quoted parts too."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                node = ast.parse(node.value.strip(), mode="eval").body
            except SyntaxError:
                return
        if isinstance(node, ast.Subscript):
            name = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            self.visit(node.value)
            inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            for number, item in enumerate(inner):
                plain = name == "Literal" or (name == "Annotated" and number > 0)
                (self.visit if plain else self.annotation)(item)
        elif isinstance(node, (ast.BinOp, ast.Tuple, ast.List)):
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.expr):
                    self.annotation(child)
        else:
            self.visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        self.use((node.id,), load=isinstance(node.ctx, ast.Load))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        chain = chain_of(node)
        if chain is None:
            self.generic_visit(node)
        else:
            if not isinstance(node.ctx, ast.Load):
                self.changed(node)
            self.use(chain, load=True)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.changed(node)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
            self.mark(node.func.value)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.changed(node.target)
        self.generic_visit(node)

    def changed(self, target: ast.expr) -> None:
        """An assignment to, or deletion of, an item or attribute changes what it belongs to."""
        if isinstance(target, ast.Subscript):
            self.mark(target.value)
        elif isinstance(target, ast.Attribute):
            self.mark(target)

    def mark(self, node: ast.expr) -> None:
        """The object `node` stands for is changed in place."""
        while isinstance(node, ast.Subscript):
            node = node.value
        chain = chain_of(node)
        if chain is None:
            return
        if self.top and len(chain) > 1 and chain[0] == self.top[0]:
            self.names.attributes.add(chain[1])
        if chain[0] in self.top:
            self.names.parameters.add(chain[0])
        outer = self.outer(chain)
        if outer is not None:
            self.names.mutated.add(outer)

    def use(self, chain: Chain, *, load: bool) -> None:
        outer = self.outer(chain)
        if outer is None:
            return
        if load:
            self.names.used.add(outer)
        else:
            self.names.assigned.add(outer[0])

    def outer(self, chain: Chain) -> Chain | None:
        """`chain` as seen from outside all scopes, None when its root is bound by one of them."""
        for depth, scope in enumerate(reversed(self.scopes)):
            if scope.is_class and depth > 0:
                continue  # a class body's names are not seen by the functions in it
            root = chain[0]
            if root in scope.imports and root in scope.bound:
                return scope.imports[root] + chain[1:]
            if root in scope.bound:
                return None
        return chain


def chain_of(node: ast.expr) -> Chain | None:
    """`a.b.c` as a chain; None when its root is not a name."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return (node.id, *reversed(attributes)) if isinstance(node, ast.Name) else None


def names_of_function(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> Names:
    """The outer names in a function's body; its defaults and annotations are read from the live function."""
    reader = _Reader()
    reader.top = parameters(node)
    reader.enter(node, node.body if isinstance(node.body, list) else [node.body], _bindings(node))
    own_name = getattr(node, "name", "")
    used = {(SELF, *chain[1:]) if chain[0] == own_name else chain for chain in reader.names.used}
    reader.names.used = used
    return reader.names


def names_of_class(node: ast.ClassDef) -> Names:
    """The outer names a class body uses: in defaults, decorators and annotations, not in its methods."""
    reader = _Reader()
    outside: list[ast.AST] = [*node.decorator_list, *node.keywords]
    inside: list[ast.AST] = []
    for item in node.body:
        if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)):
            inside.extend(item.decorator_list)
        elif isinstance(item, ast.AnnAssign):  # annotations are read from the live class
            inside.extend([item.value] if item.value else [])
        else:
            inside.append(item)
    for one in outside:
        reader.visit(one)
    reader.enter(node, inside, _bindings(node))
    return reader.names


def names_of_text(text: str) -> Names:
    """The names in an annotation that is still text."""
    reader = _Reader()
    reader.annotation(ast.Constant(value=text))
    return reader.names
