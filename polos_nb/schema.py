"""Function signatures and types as JSON schemas, and data from models checked against them."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Annotated, Any, get_origin, get_type_hints

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from polos_nb.errors import ArgumentsError, DefinitionError, OutputError

_INSIDE = "argument_"  # before parameter names, since a model's fields cannot be called "schema" or "copy"
_CONTEXTS = {"WorkflowContext", "AgentContext"}
_SECTION = re.compile(r"^\s*(Args|Arguments|Parameters|Returns|Raises|Yields|Examples?|Notes?):?\s*$")
_ITEM = re.compile(r"^\s*(?::param\s+(?:[\w\[\], |.]+\s+)?)?(\w+)\s*(?:\([^)]*\)|:\s*[\w\[\], |.]+)?\s*:\s*(.*)$")


@dataclass(frozen=True)
class FunctionSchema:
    """A function as a model is told of it: `parameters` is a JSON schema, `bind` turns arguments into a call."""

    name: str
    parameters: dict[str, Any]
    takes_context: bool
    input_model: type[BaseModel] | None
    return_type: Any
    is_async: bool
    _model: type[BaseModel] = field(repr=False)
    _keyword: frozenset[str] = field(default=frozenset(), repr=False)
    _single: bool = False
    _single_keyword: str | None = None

    def bind(self, arguments: Mapping[str, Any], context: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments from outside as positional and keyword arguments. Raises ArgumentsError naming what is wrong."""
        checked = self._check(arguments)
        head = (context,) if self.takes_context else ()
        if self._single:
            if self._single_keyword:
                return head, {self._single_keyword: checked}
            return (*head, checked), {}
        values = {_outside(name): getattr(checked, name) for name in type(checked).model_fields}
        positional = tuple(value for name, value in values.items() if name not in self._keyword)
        return (*head, *positional), {name: value for name, value in values.items() if name in self._keyword}

    def _check(self, arguments: Mapping[str, Any]) -> BaseModel:
        try:
            return self._model.model_validate(dict(arguments))
        except ValidationError as error:
            problems = "; ".join(_problem(item, "argument") for item in error.errors()[:5])
            allowed = ", ".join(self.parameters["properties"]) or "none"
            raise ArgumentsError(f"{problems}; allowed arguments: {allowed}") from None


def describe(func: Callable[..., Any], *, name: str, localns: Mapping[str, Any] | None = None) -> FunctionSchema:
    """The schema of a function: `(ctx)`, `(ctx, input: Model)`, `(input: Model)`, or plain annotated parameters.

    `localns` resolves annotations that name classes local to a function. Raises DefinitionError with the remedy.
    """
    parameters = list(inspect.signature(func).parameters.values())
    takes_context = bool(parameters) and _is_context(parameters[0])
    hints = _hints(func, name, localns, skip=parameters[0].name if takes_context else "")
    rest = parameters[1:] if takes_context else parameters
    for parameter in rest:
        _check_parameter(parameter, hints, name)
    common: dict[str, Any] = {
        "name": name,
        "takes_context": takes_context,
        "return_type": hints.get("return", Any),
        "is_async": inspect.iscoroutinefunction(func),
    }
    if len(rest) == 1 and _is_model(hints[rest[0].name]):
        model = hints[rest[0].name]
        keyword = rest[0].name if rest[0].kind is rest[0].KEYWORD_ONLY else None
        schema = _object_schema(model, name)
        return FunctionSchema(
            parameters=schema, input_model=model, _model=model, _single=True, _single_keyword=keyword, **common
        )
    model = _arguments_model(name, rest, hints, _argument_docs(func.__doc__ or ""))
    keyword_only = frozenset(parameter.name for parameter in rest if parameter.kind is parameter.KEYWORD_ONLY)
    return FunctionSchema(
        parameters=_object_schema(model, name), input_model=None, _model=model, _keyword=keyword_only, **common
    )


def _hints(func: Callable[..., Any], name: str, localns: Mapping[str, Any] | None, *, skip: str) -> dict[str, Any]:
    """The resolved annotations, but for the context's: its class need not be imported for its name to be enough."""
    plain: Any = inspect.unwrap(func)
    written = SimpleNamespace(
        __annotations__={key: hint for key, hint in getattr(plain, "__annotations__", {}).items() if key != skip}
    )
    names = {**(localns or {}), **_closure(plain)}
    try:
        return get_type_hints(written, getattr(plain, "__globals__", {}), names, include_extras=True)
    except NameError as error:
        raise DefinitionError(
            f"tool {name!r}: the annotation {error.name!r} is not defined here; define or import it before the tool"
        ) from None
    except Exception as error:
        raise DefinitionError(f"tool {name!r}: its annotations cannot be read: {error}") from None


def _closure(func: Any) -> dict[str, Any]:
    """The variables of enclosing functions that a function uses and that have a value by now."""
    found: dict[str, Any] = {}
    names = getattr(getattr(func, "__code__", None), "co_freevars", ())
    for name, cell in zip(names, getattr(func, "__closure__", None) or (), strict=False):
        with suppress(ValueError):  # assigned only later
            found[name] = cell.cell_contents
    return found


def _is_context(parameter: inspect.Parameter) -> bool:
    annotation = parameter.annotation
    if annotation is inspect.Parameter.empty:
        return parameter.name in ("ctx", "context")
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    return text.rpartition(".")[2].strip("'\"") in _CONTEXTS


def _check_parameter(parameter: inspect.Parameter, hints: Mapping[str, Any], name: str) -> None:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
        raise DefinitionError(f"tool {name!r}: {stars}{parameter.name} cannot be told to a model; name the parameters")
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise DefinitionError(f"tool {name!r}: parameter {parameter.name!r} is positional-only; remove the /")
    if parameter.name not in hints:
        raise DefinitionError(
            f"tool {name!r}: parameter {parameter.name!r} has no type annotation; write {parameter.name}: str"
        )


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _outside(name: str) -> str:
    return name.removeprefix(_INSIDE)


def _arguments_model(
    name: str, parameters: list[inspect.Parameter], hints: Mapping[str, Any], docs: Mapping[str, str]
) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for parameter in parameters:
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        hint, notes = hints[parameter.name], ()
        if get_origin(hint) is Annotated:
            hint, notes = hint.__origin__, hint.__metadata__
        # What the parameter itself says of its description comes later, and so before the docstring.
        described = Field(description=docs.get(parameter.name))
        fields[_INSIDE + parameter.name] = (Annotated[hint, described, *notes, Field(alias=parameter.name)], default)
    try:
        return create_model(name, __config__=ConfigDict(extra="forbid", arbitrary_types_allowed=False), **fields)
    except (PydanticSchemaGenerationError, PydanticUserError, TypeError, NameError) as error:
        wrong = str(error).splitlines()[0]
        raise DefinitionError(f"tool {name!r}: no schema can be made of its parameters: {wrong}") from None


def _object_schema(model: type[BaseModel], name: str) -> dict[str, Any]:
    try:
        schema = inlined(model.model_json_schema())
    except Exception as error:
        wrong = str(error).splitlines()[0]
        raise DefinitionError(f"tool {name!r}: no schema can be made of its parameters: {wrong}") from None
    schema.setdefault("properties", {})
    schema["additionalProperties"] = False
    return schema


def inlined(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON schema without titles, and with its references resolved; recursive ones keep their `$defs`."""
    definitions = dict(schema.get("$defs", {}))
    recursive: set[str] = set()

    def walk(node: Any, open_names: tuple[str, ...], *, names: bool = False) -> Any:
        if isinstance(node, list):
            return [walk(item, open_names) for item in node]
        if not isinstance(node, Mapping):
            return node
        reference = None if names else node.get("$ref")
        if isinstance(reference, str):
            target = reference.rpartition("/")[2]
            if target in open_names:
                recursive.add(target)
                return {"$ref": f"#/$defs/{target}"}
            rest = {key: value for key, value in node.items() if key != "$ref"}
            return {**walk(definitions[target], (*open_names, target)), **walk(rest, open_names)}
        return {
            key: walk(value, open_names, names=key == "properties" and not names)
            for key, value in node.items()
            if names or not (key == "$defs" or (key == "title" and isinstance(value, str)))
        }

    out: dict[str, Any] = walk(dict(schema), ())
    if recursive:
        out["$defs"] = {name: walk(definitions[name], (name,)) for name in sorted(recursive)}
    return out


def parse_arguments(text: str) -> dict[str, Any]:
    """The arguments that a model wrote, as a dict; nothing at all is {}. ArgumentsError says where it breaks."""
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        place = getattr(error, "pos", 0)
        near = text[max(0, place - 20) : place + 20]
        raise ArgumentsError(f"the arguments are not JSON: {error}, near {near!r}; send one JSON object") from None
    if not isinstance(value, dict):
        raise ArgumentsError(f"the arguments are {type(value).__name__}, not a JSON object; send one JSON object")
    try:
        orjson.dumps(value)
    except TypeError as error:  # too deep, an integer beyond 64 bits, half a surrogate pair: no store could keep it
        raise ArgumentsError(f"the arguments cannot be kept: {error}; send plainer ones") from None
    return value


def output_schema(tp: Any) -> dict[str, Any]:
    """The JSON schema of a structured answer, strict: every property required, none beyond them.

    Anything but an object at the top is wrapped as `{"value": ...}`. Raises DefinitionError for a type without schema.
    """
    try:
        schema = inlined(TypeAdapter(tp).json_schema())
    except Exception as error:
        wrong = str(error).splitlines()[0]
        raise DefinitionError(f"output_schema {schema_name(tp)}: no JSON schema can be made of it: {wrong}") from None
    if schema.get("type") != "object" or "properties" not in schema:
        definitions = schema.pop("$defs", None)
        schema = {"type": "object", "properties": {"value": schema}, "required": ["value"]}
        if definitions:
            schema["$defs"] = definitions
    return _strict(schema)  # type: ignore[no-any-return]


def _strict(node: Any, *, names: bool = False) -> Any:
    if isinstance(node, list):
        return [_strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    out = {key: _strict(value, names=key in ("properties", "$defs") and not names) for key, value in node.items()}
    if not names and isinstance(out.get("properties"), dict):
        out["additionalProperties"] = False
        out["required"] = list(out["properties"])
    if not names:
        out.pop("default", None)
    return out


def schema_name(tp: Any) -> str:
    """A short name of a type: "PersonInfo", "list_PersonInfo"."""
    name = getattr(tp, "__name__", None)
    arguments = getattr(tp, "__args__", None)
    if arguments and not isinstance(tp, type):
        name = "_".join([str(name or "answer"), *(schema_name(argument) for argument in arguments)])
    return re.sub(r"[^A-Za-z0-9_-]+", "_", str(name or "answer")).strip("_")[:60] or "answer"


def parse_output(tp: Any, text: str) -> Any:
    """An answer as an instance of `tp`. Raises OutputError, with the text kept, naming each field that does not fit."""
    adapter = TypeAdapter(tp)
    data = _json_of(text)
    schema = adapter.json_schema()
    wrapped = not (schema.get("type") == "object" and "properties" in inlined(schema))
    if wrapped and isinstance(data, dict) and set(data) == {"value"}:
        data = data["value"]
    try:
        return adapter.validate_json(json.dumps(data))
    except ValidationError as error:
        problems = "; ".join(_problem(item, "field") for item in error.errors()[:5])
        raise OutputError(f"{problems}.", text=text) from None


def _json_of(text: str) -> Any:
    candidates = [text.strip()]
    fence = re.search(r"```(?:json)?\s*\n(.*?)```", text, re.DOTALL)
    if fence:
        candidates.append(fence.group(1).strip())
    for candidate in candidates:
        with suppress(ValueError, RecursionError):
            return json.loads(candidate)
    found = _objects_in(text)
    if len(found) == 1:
        return found[0]
    if found:
        raise OutputError(f"it holds {len(found)} JSON objects instead of one.", text=text)
    raise OutputError("it is not JSON.", text=text)


def _objects_in(text: str, limit: int = 50) -> list[Any]:
    """The JSON objects in a text, from at most `limit` opening braces; nothing from inside a broken object."""
    found = []
    at = text.find("{")
    for _ in range(limit):
        if at < 0:
            break
        try:
            value, end = json.JSONDecoder().raw_decode(text, at)
            found.append(value)
        except json.JSONDecodeError as error:
            end = max(error.pos, at + 1)
        except RecursionError:
            break
        at = text.find("{", end)
    return found


def _problem(item: Any, what: str) -> str:
    place = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"{what} {place!r}: there is no such {what}"
    if item["type"] == "missing":
        return f"{what} {place!r}: it is required"
    return f"{what} {place!r}: {item['msg']}" if place else str(item["msg"])


def first_paragraph(doc: str) -> str:
    """A docstring's first paragraphs, up to the section that describes arguments.

    >>> first_paragraph("Weather of a city.\\n\\nArgs:\\n    city: its name")
    'Weather of a city.'
    """
    lines = []
    for line in inspect.cleandoc(doc).splitlines():
        if _SECTION.match(line) or line.lstrip().startswith(":param"):
            break
        lines.append(line)
    while lines and set(lines[-1].strip()) <= {"-"}:
        lines.pop()
    return "\n".join(lines).strip()


def _argument_docs(doc: str) -> dict[str, str]:
    """What a docstring says of each argument, in Google's, NumPy's or Sphinx' style."""
    out: dict[str, str] = {}
    inside = False
    current = ""
    for line in inspect.cleandoc(doc).splitlines():
        section = _SECTION.match(line)
        if section:
            inside = section.group(1) in ("Args", "Arguments", "Parameters")
            continue
        if not inside and not line.lstrip().startswith(":param"):
            continue
        item = _ITEM.match(line)
        if item and (line.startswith((" ", ":param")) or item.group(2) == ""):
            current = item.group(1)
            out[current] = item.group(2).strip()
        elif re.match(r"^\w+ : ", line):
            current = line.split(" : ")[0]
            out[current] = ""
        elif current and line.strip() and set(line.strip()) != {"-"}:
            out[current] = f"{out[current]} {line.strip()}".strip()
    return {name: text for name, text in out.items() if text}
