"""Rewrites cells so that they await: `%%polos_run`, `%polos_run`, and the `asyncio.run(...)` of pasted scripts."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator

_CELL = re.compile(r"^%%polos_run(?:[ \t]+(?P<line>.*))?$")
_DEFINING = re.compile(r"^%%polos_(?:agent|tool|workflow)\b")
_TARGET = "get_ipython()._polos_nb"
_NESTED = frozenset({"run_cell_magic", "run_line_magic"})
_CLOSED = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda,
    ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
)  # fmt: skip

Lines = list[str]


class Transformer:
    """The two transformers of one shell. `allowed` says whether a cell may await at all (a kernel with autoawait)."""

    def __init__(self, allowed: Callable[[], bool]) -> None:
        self._allowed = allowed

    def cleanup(self, lines: Lines) -> Lines:
        """For `ip.input_transformers_cleanup`: a whole `%%polos_run` cell."""
        return self._apply(transform_cell_magic, lines)

    def post(self, lines: Lines) -> Lines:
        """For `ip.input_transformers_post`: line magics and `asyncio.run` in Python code."""
        return self._apply(transform_calls, lines)

    def _apply(self, transform: Callable[[Lines], Lines], lines: Lines) -> Lines:
        try:
            changed = transform(lines)
            return changed if changed is lines or (self._allowed() and not nested()) else lines
        except Exception:  # an exception here would break every cell of the notebook
            return lines


def nested() -> bool:
    """Whether code is being transformed inside another magic (`%%time`, `%%capture`), which could not await."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name in _NESTED:
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def transform_cell_magic(lines: Lines) -> Lines:
    """`%%polos_run LINE` and its body as one awaited call; any other cell as it is.

    >>> transform_cell_magic(["%%polos_run bot\\n", "Hello\\n"])
    ["await get_ipython()._polos_nb.run_cell('bot', 'Hello\\\\n')\\n"]
    """
    for index, line in enumerate(lines):
        if not line.strip():
            continue
        match = _CELL.match(line.rstrip())
        if match is None:
            # IPython refuses a cell magic without a body before it could show its help or say what is missing.
            bare = _DEFINING.match(line) and not "".join(lines[index + 1 :]).strip()
            return [*lines[:index], line.rstrip() + "\n", "\n"] if bare else lines
        body = "".join(lines[index + 1 :])
        return [f"await {_TARGET}.run_cell({(match['line'] or '').strip()!r}, {body!r})\n"]
    return lines


def transform_calls(lines: Lines) -> Lines:
    """Top-level `%polos_run` calls and `asyncio.run(x)` as awaits; code that cannot be parsed as it is.

    >>> "".join(transform_calls(["x = asyncio.run(main())\\n"]))
    'x = (await (main()))\\n'
    """
    if not any("polos_run" in line or "asyncio" in line for line in lines):
        return lines
    source = "".join(lines)
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return lines
    data = source.encode()
    starts = _line_starts(data)
    edits: list[tuple[int, int, str]] = []
    alone = {id(node.value) for node in tree.body if isinstance(node, ast.Expr)}  # whose value nobody takes
    for call in _calls(tree):
        if _is_asyncio_run(call):
            edits += _await_argument(call, data, starts)
        elif (line := _polos_line(call)) is not None:
            edits.append(
                (*_span(call, starts), f"(await {_TARGET}.run_line({line!r}{', alone=True' * (id(call) in alone)}))")
            )
    if not edits:
        return lines
    for start, end, text in sorted(edits, reverse=True):
        data = data[:start] + text.encode() + data[end:]
    return data.decode().splitlines(keepends=True)


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    """Calls that are evaluated at the top level, outside functions, classes and comprehensions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _CLOSED):
            continue
        if isinstance(child, ast.Call):
            yield child
        yield from _calls(child)


def _is_asyncio_run(call: ast.Call) -> bool:
    function = call.func
    return (
        isinstance(function, ast.Attribute)
        and function.attr == "run"
        and isinstance(function.value, ast.Name)
        and function.value.id == "asyncio"
        and len(call.args) == 1
        and not call.keywords
        and not isinstance(call.args[0], ast.Starred | ast.GeneratorExp)
    )


def _polos_line(call: ast.Call) -> str | None:
    """The line of a `get_ipython().run_line_magic('polos_run', LINE)`."""
    function = call.func
    if not (isinstance(function, ast.Attribute) and function.attr == "run_line_magic" and len(call.args) == 2):
        return None
    name, line = call.args
    if isinstance(name, ast.Constant) and name.value == "polos_run" and isinstance(line, ast.Constant):
        return str(line.value)
    return None


def _await_argument(call: ast.Call, data: bytes, starts: list[int]) -> list[tuple[int, int, str]]:
    # Only the name goes and one bracket comes, so that lines, comments and what is inside stay where they are.
    start, end = _span(call, starts)
    edits = [(start, _span(call.func, starts)[1], "(await "), (end, end, ")")]
    comma = _comma(data, _span(call.args[0], starts)[1], end)
    return edits if comma is None else [*edits, (comma, comma + 1, "")]


def _comma(data: bytes, start: int, end: int) -> int | None:
    """Where the trailing comma is, which would make a tuple of the argument."""
    in_comment = False
    for place in range(start, end):
        letter = data[place : place + 1]
        if in_comment:
            in_comment = letter != b"\n"
        elif letter == b"#":
            in_comment = True
        elif letter == b",":
            return place
    return None


def _line_starts(data: bytes) -> list[int]:
    starts, place = [0], 0
    for line in re.split(rb"(?<=\n)|(?<=\r)(?!\n)", data):
        place += len(line)
        starts.append(place)
    return starts


def _span(node: ast.expr, starts: list[int]) -> tuple[int, int]:
    """Where a node is, in bytes: that is how `ast` counts columns."""
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
