"""Puts values of the notebook into prompts: `{{ expr }}`, and nothing else."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import SecretBytes, SecretStr

from polos_nb.codec import to_text
from polos_nb.errors import CodecError, ConfigurationError
from polos_nb.redaction import redactor

_HEAD_ROWS = 5
_ECHO = 60
_NBVAL = re.compile(r"#\s*NBVAL_\w+")


class Interpolated(NamedTuple):
    """The text with its values in it, and what was put in: expression to a short description."""

    text: str
    echo: dict[str, str]


def interpolate(text: str, names: Mapping[str, Any]) -> Interpolated:
    """Replace each `{{ expr }}` of a line by its value; `\\{{` writes two braces, `{x}` stays.

    Raises ConfigurationError, naming the expression and its line, for one that cannot be evaluated or that is a
    secret. DataFrames and arrays are summarised; `{{ df:full }}` puts them in whole.

    >>> interpolate("Weather in {{ city }}?", {"city": "Paris"}).text
    'Weather in Paris?'
    """
    echo: dict[str, str] = {}
    lines = [_line(line, number, names, echo) for number, line in enumerate(text.split("\n"), 1)]
    return Interpolated("\n".join(lines), echo)


def strip_markers(body: str) -> str:
    """A prompt without the `# NBVAL_...` markers at its top, which are meant for nbval."""
    lines = body.split("\n")
    while lines and _NBVAL.match(lines[0].strip()):
        lines.pop(0)
    return "\n".join(lines)


def _line(line: str, number: int, names: Mapping[str, Any], echo: dict[str, str]) -> str:
    out: list[str] = []
    place = 0
    while (start := line.find("{{", place)) >= 0:
        if start > 0 and line[start - 1] == "\\":
            out.append(line[place : start - 1] + "{{")
            place = start + 2
            continue
        end = _end(line, start + 2)
        if end is None or not line[start + 2 : end].strip():
            out.append(line[place : start + 2])
            place = start + 2
            continue
        out.append(line[place:start])
        out.append(_value(line[start + 2 : end].strip(), number, names, echo))
        place = end + 2
    return "".join(out) + line[place:]


def _end(line: str, start: int) -> int | None:
    """Where the closing braces are: the first place that leaves an expression, so that dicts may be inside."""
    first: int | None = None
    end = line.find("}}", start)
    while end >= 0:
        first = end if first is None else first
        if _parsed(_split(line[start:end].strip())[0]) is not None:
            return end
        end = line.find("}}", end + 1)
    return first


def _split(expression: str) -> tuple[str, bool]:
    """The expression without `:full`, and whether that was there."""
    bare = expression.removesuffix(":full")
    return bare.strip(), bare != expression


def _parsed(expression: str) -> ast.Expression | None:
    try:
        return ast.parse(expression, mode="eval")
    except (SyntaxError, ValueError):
        return None


def _value(expression: str, number: int, names: Mapping[str, Any], echo: dict[str, str]) -> str:
    source, full = _split(expression)
    where = f"line {number}: {{{{ {expression} }}}}"
    tree = _parsed(source)
    if tree is None:
        raise ConfigurationError(f"{where} is not a Python expression; write \\{{{{ for two braces that are meant so")
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in names and not hasattr(builtins, node.id):
            if _is_bound(tree, node.id):
                continue
            raise ConfigurationError(
                f"{where}: {node.id} is not defined; define it in a cell above, or write \\{{{{ for two braces"
            )
    try:
        value = eval(compile(tree, "<prompt>", "eval"), {"__builtins__": builtins, **names})
    except Exception as error:
        raise ConfigurationError(f"{where} fails: {type(error).__name__}: {error}") from None
    text = _text(value, full, where)
    echo[source] = describe(value)
    return text


def _is_bound(tree: ast.AST, name: str) -> bool:
    """Whether a comprehension or a lambda of the expression itself binds the name."""
    stores = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return name in stores | {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}


def _text(value: Any, full: bool, where: str) -> str:
    if isinstance(value, SecretStr | SecretBytes):
        raise ConfigurationError(f"{where} is a secret; a prompt goes to the provider, so it is not put in")
    if isinstance(value, str):
        text = value
    elif _shape(value) is not None:
        text = _whole(value) if full else _summary(value)
    else:
        try:
            text = to_text(value)
        except CodecError:
            text = str(value)
    found = redactor().find(text)
    if found:
        raise ConfigurationError(f"{where} holds a secret ({', '.join(found)}); it is not put into a prompt")
    return text


def describe(value: Any) -> str:
    """A value in a few words, for the echo in a card: `'Paris'`, `DataFrame[5×3]`."""
    shape = _shape(value)
    if shape is not None:
        return f"{type(value).__name__}[{'×'.join(str(n) for n in shape)}]"
    said = repr(value) if isinstance(value, str | int | float | bool | list | dict | tuple | None) else _short(value)
    said = redactor().redact(said)
    return said if len(said) <= _ECHO else said[: _ECHO - 1] + "…"


def _short(value: Any) -> str:
    return f"{type(value).__name__}: {str(value)[:_ECHO]}"


def _shape(value: Any) -> tuple[int, ...] | None:
    """The shape of a frame, series or array of a data library; None for all other values."""
    if type(value).__module__.partition(".")[0] not in ("pandas", "polars", "numpy", "xarray", "pyarrow", "torch"):
        return None
    shape = getattr(value, "shape", None)
    return tuple(int(n) for n in shape) if isinstance(shape, tuple) and shape else None


def _summary(value: Any) -> str:
    shape = " × ".join(str(n) for n in _shape(value) or ())
    head = value.head(_HEAD_ROWS) if hasattr(value, "head") else value[:_HEAD_ROWS]
    columns = getattr(value, "columns", None)
    title = f"{type(value).__name__} of shape {shape}"
    title += f", columns: {', '.join(map(str, columns))}" if columns is not None else ""
    return f"{title}; first rows:\n{_whole(head)}"


def _whole(value: Any) -> str:
    if hasattr(value, "to_string"):
        return str(value.to_string())
    return str(value.tolist()) if hasattr(value, "tolist") else str(value)
