"""Keeps what was read of each function, class and module, so that a second look costs one look-up."""

from __future__ import annotations

import dis
import hashlib
import linecache
import typing
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import is_
from types import CodeType, ModuleType
from typing import Any

from polos_nb.durable.code_names import (
    MUTATORS,
    Names,
    dump,
    dump_class,
    dump_function,
    names_of_class,
    names_of_function,
)
from polos_nb.durable.code_source import (
    IdentityCache,
    code_text,
    find_class,
    find_function,
    index_of,
    own_functions,
)

_CONSTRUCTORS = frozenset({"__init__", "__new__", "__post_init__", "model_post_init", "__set_name__"})


@dataclass(eq=False)
class Node:
    """One function, class, value or package; `refs` are what it uses, by the name the code uses.

    `display`, `shown` and `origin`, the code object or class, are for people and never count; an empty `display` has no
    part of its own.
    """

    display: str
    module: str = ""
    text: str = ""
    shown: str | None = None
    refs: dict[str, Node] = field(default_factory=dict)
    origin: Any = None


@dataclass(frozen=True)
class Piece:
    """The hash of a tree (or of byte code, without a source) and the names it uses."""

    text: str
    names: Names


@dataclass(frozen=True)
class ClassPiece(Piece):
    """The same of a class; `state` are the attributes its methods change, which therefore do not count."""

    state: frozenset[str]
    methods: frozenset[str]
    has_source: bool


_functions: IdentityCache[Piece] = IdentityCache()
_classes: IdentityCache[tuple[tuple[CodeType, ...], ClassPiece]] = IdentityCache()


def short(text: str) -> str:
    """A hash that stands for a long text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def function_piece(code: CodeType) -> Piece:
    """What was read of the function that this code belongs to."""
    known = _functions.get(code)
    if known is not None:
        return known
    node = find_function(code)
    if node is None:
        return _functions.put(code, Piece(short(f"code:{code_text(code)}"), names_of_code(code)))
    return _functions.put(code, Piece(short(dump_function(node)), names_of_function(node)))


def class_piece(cls: type) -> ClassPiece:
    """What was read of a class; read again when one of its methods was replaced."""
    methods = own_functions(cls)
    stamp = tuple(item.__code__ for item in methods.values())  # kept alive, so that no other code gets the same id
    known = _classes.get(cls)
    if known is not None and len(known[0]) == len(stamp) and all(map(is_, known[0], stamp)):
        return known[1]
    state: set[str] = set()
    for name, function in methods.items():
        if name not in _CONSTRUCTORS:
            state |= function_piece(function.__code__).names.attributes
    node = find_class(cls)
    if node is None:
        names = sorted(name for name in vars(cls) if not (name.startswith("__") and name.endswith("__")))
        text = f"class {cls.__qualname__}{names if not hasattr(cls, '__pydantic_fields__') else ''}"
        piece = ClassPiece(short(text), Names(), frozenset(state), frozenset(methods), False)
    else:
        text = dump_class(node)
        piece = ClassPiece(short(text), names_of_class(node), frozenset(state), frozenset(methods), True)
    return _classes.put(cls, (stamp, piece))[1]


def module_text(module: ModuleType) -> str:
    """The hash of a user's module as a whole, for a module that is passed around."""
    return file_text(getattr(module, "__file__", None) or "")


def file_text(filename: str) -> str:
    """The hash of the normalised tree of a file."""
    text = "".join(linecache.getlines(filename))
    index = index_of(text)
    return short(text if index is None else dump(index.tree))


def names_of_code(code: CodeType) -> Names:
    """The outer names in byte code, for functions whose source is not at hand."""
    names = Names()
    chain: list[str] = []
    for item in [*dis.get_instructions(code), None]:
        if item is not None and item.opname in ("LOAD_ATTR", "LOAD_METHOD") and chain:
            chain.append(str(item.argval))
            continue
        if chain:
            names.used.add(tuple(chain))
            if len(chain) > 1 and chain[-1] in MUTATORS:
                names.mutated.add(tuple(chain[:-1]))
        chain = []
        if item is None or item.opname in ("PUSH_NULL", "CACHE", "PRECALL"):
            continue
        free = item.argval in code.co_freevars
        if item.opname in ("LOAD_GLOBAL", "LOAD_NAME") or (item.opname.startswith("LOAD_") and free):
            chain = [str(item.argval)]
        elif item.opname in ("STORE_GLOBAL", "DELETE_GLOBAL") or (item.opname == "STORE_DEREF" and free):
            names.assigned.add(str(item.argval))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner = names_of_code(constant)
            own = {*code.co_cellvars}
            names.used |= {one for one in inner.used if one[0] not in own}
            names.assigned |= inner.assigned - own
            names.mutated |= {one for one in inner.mutated if one[0] not in own}
    return names


def typing_parts(annotation: Any) -> Iterator[Any]:
    """The leaves of an annotation: classes, texts still to be evaluated, and the metadata of `Annotated`."""
    supertype = getattr(annotation, "__supertype__", None)  # NewType
    alias = getattr(annotation, "__value__", None)  # `type X = ...`
    arguments = typing.get_args(annotation)
    if isinstance(annotation, type) and not arguments:
        yield annotation
    elif isinstance(annotation, typing.ForwardRef):
        yield annotation.__forward_arg__
    elif isinstance(annotation, typing.TypeVar):
        yield annotation.__name__
    elif supertype is not None or (alias is not None and not isinstance(annotation, type)):
        yield from typing_parts(supertype if supertype is not None else alias)
    elif typing.get_origin(annotation) is typing.Literal:
        yield from ()  # the tree has its values
    elif hasattr(annotation, "__metadata__"):
        yield from typing_parts(annotation.__origin__)
        yield from annotation.__metadata__
    elif arguments:
        origin = typing.get_origin(annotation)
        if isinstance(origin, type):
            yield origin
        for item in arguments:
            yield from typing_parts(item) if not isinstance(item, (list, str)) else (item,)
    else:
        yield annotation


def reachable(root: Node) -> list[Node]:
    """All nodes that count, breadth first by sorted labels."""
    order = {id(root): root}
    queue = deque([root])
    while queue:
        refs = queue.popleft().refs
        for label in sorted(refs):
            target = refs[label]
            if id(target) not in order:
                order[id(target)] = target
                queue.append(target)
    return list(order.values())
