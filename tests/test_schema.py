"""Signatures and types become schemas that providers accept, and data from models is checked against them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from polos_nb.errors import ArgumentsError, DefinitionError, OutputError
from polos_nb.schema import describe, first_paragraph, output_schema, parse_arguments, parse_output, schema_name


class Unit(Enum):
    C = "celsius"
    F = "fahrenheit"


class Place(BaseModel):
    """Where."""

    city: str = Field(description="Its name")
    days: int = Field(default=3, ge=1, le=9)


class Trip(BaseModel):
    places: list[Place]
    first: Place | None = None
    title: str = ""


class Tree(BaseModel):
    name: str
    children: list[Tree] = []


class WorkflowContext:
    pass


def refs(schema: Any) -> list[str]:
    """Every $ref in a schema."""
    text = json.dumps(schema)
    return [part.split('"')[0] for part in text.split('"$ref": "')[1:]]


def test_plain_parameters_become_a_closed_object() -> None:
    """Annotated parameters with defaults become a schema without titles that allows nothing else."""

    def weather(city: str, days: int = 3, *, unit: Unit = Unit.C) -> str:
        return city

    schema = describe(weather, name="weather")
    assert schema.parameters["type"] == "object"
    assert schema.parameters["additionalProperties"] is False
    assert schema.parameters["required"] == ["city"]
    assert schema.parameters["properties"]["city"] == {"type": "string"}
    assert schema.parameters["properties"]["days"] == {"type": "integer", "default": 3}
    assert schema.parameters["properties"]["unit"]["enum"] == ["celsius", "fahrenheit"]
    assert not refs(schema.parameters)
    assert (schema.takes_context, schema.is_async, schema.return_type, schema.input_model) == (False, False, str, None)
    args, kwargs = schema.bind({"city": "Rome", "days": "2", "unit": "fahrenheit"}, None)
    assert (args, kwargs) == (("Rome", 2), {"unit": Unit.F})


@pytest.mark.parametrize("form", ["ctx", "context", "WorkflowContext", "string"])
def test_the_context_is_recognised(form: str) -> None:
    """A first parameter is the context by its bare name, or by the name of its class."""

    def a(ctx, city: str): ...  # type: ignore[no-untyped-def]
    def b(context, city: str): ...  # type: ignore[no-untyped-def]
    def c(anything: WorkflowContext, city: str): ...  # type: ignore[no-untyped-def]
    def d(anything: AgentContext, city: str): ...  # type: ignore[no-untyped-def]  # noqa: F821

    func = {"ctx": a, "context": b, "WorkflowContext": c, "string": d}[form]
    schema = describe(func, name="f")
    assert schema.takes_context
    assert list(schema.parameters["properties"]) == ["city"]
    assert schema.bind({"city": "x"}, "the context") == (("the context", "x"), {})


def test_no_parameters_at_all() -> None:
    """A function of a context only has an empty object as its schema."""

    async def tool(ctx):  # type: ignore[no-untyped-def]
        return None

    schema = describe(tool, name="tool")
    assert schema.parameters == {"type": "object", "properties": {}, "additionalProperties": False}
    assert schema.is_async
    assert schema.bind({}, 1) == ((1,), {})
    with pytest.raises(ArgumentsError, match="'x': there is no such argument"):
        schema.bind({"x": 1}, 1)


@pytest.mark.parametrize("with_context", [True, False])
def test_one_model_is_the_schema_itself(with_context: bool) -> None:
    """`(ctx, input: Model)` and `(input: Model)` take the model's fields as arguments."""

    def one(ctx, input: Trip) -> dict[str, Any]: ...  # type: ignore[no-untyped-def, empty-body]
    def two(input: Trip) -> dict[str, Any]: ...  # type: ignore[empty-body]

    schema = describe(one if with_context else two, name="trip")
    assert schema.input_model is Trip
    assert not refs(schema.parameters)
    assert list(schema.parameters["properties"]) == ["places", "first", "title"]
    args, kwargs = schema.bind({"places": [{"city": "Rome"}]}, "ctx")
    assert args == (("ctx",) if with_context else ()) + (Trip(places=[Place(city="Rome")]),)
    assert kwargs == {}


def test_local_classes_are_resolved_by_closure_and_localns() -> None:
    """String annotations find classes of the enclosing function."""

    class Local(BaseModel):
        a: int

    def uses(x: Local | None = None) -> None: ...

    assert describe(uses, name="uses", localns=locals()).bind({"x": {"a": 1}}, None) == ((Local(a=1),), {})


def test_descriptions_come_from_annotated_and_docstrings() -> None:
    """Google, NumPy and Sphinx sections and Annotated all describe parameters."""

    def google(a: str, b: int = 1) -> None:
        """Does it.

        Args:
            a: the first,
                on two lines
            b (int): the second

        Returns:
            nothing: at all
        """

    def numpy(a: str, b: int = 1) -> None:
        """Does it.

        Parameters
        ----------
        a : str
            the first, on two lines
        b : int
            the second
        """

    def sphinx(a: str, b: int = 1) -> None:
        """Does it.

        :param a: the first, on two lines
        :param int b: the second
        :returns: nothing
        """

    def annotated(a: Annotated[str, Field(description="the first, on two lines")], b: int = 1) -> None:
        """Does it.

        Args:
            b: the second
        """

    for func in (google, numpy, sphinx, annotated):
        properties = describe(func, name="f").parameters["properties"]
        assert properties["a"]["description"] == "the first, on two lines", func.__name__
        assert properties["b"] == {"type": "integer", "default": 1, "description": "the second"}, func.__name__
        assert first_paragraph(func.__doc__ or "") == "Does it."


def test_containers_unions_and_literals() -> None:
    """Lists, dicts, unions, Literal, Optional and typed dicts have schemas and are coerced."""

    def tool(
        a: list[Place],
        b: dict[str, int],
        c: int | str,
        d: Literal["x", "y"],
        e: Optional[float] = None,  # noqa: UP045
    ) -> None: ...

    schema = describe(tool, name="tool")
    assert not refs(schema.parameters)
    args, _ = schema.bind({"a": [{"city": "R"}], "b": {"k": 1}, "c": "1", "d": "x"}, None)
    assert args == ([Place(city="R")], {"k": 1}, "1", "x", None)


def test_unusual_parameter_names() -> None:
    """Names that pydantic itself uses are names of parameters like any other."""

    def tool(schema: str, title: str, json: int = 1, model_config: str = "m", _under: int = 2, copy: bool = False): ...  # type: ignore[no-untyped-def]

    schema = describe(tool, name="tool")
    assert set(schema.parameters["properties"]) == {"schema", "title", "json", "model_config", "_under", "copy"}
    args, _ = schema.bind({"schema": "s", "title": "t", "_under": 5}, None)
    assert args == ("s", "t", 1, "m", 5, False)


def test_defaults_are_not_shared_between_calls() -> None:
    """A mutable default is a fresh one in every call."""

    def tool(items: list[int] = []) -> None: ...  # noqa: B006

    schema = describe(tool, name="tool")
    schema.bind({}, None)[0][0].append(1)
    assert schema.bind({}, None)[0] == ([],)


def _wrong() -> list[tuple[Any, str]]:
    def bare(x): ...  # type: ignore[no-untyped-def]
    def star(*args: int): ...  # type: ignore[no-untyped-def]
    def stars(**kwargs: int): ...  # type: ignore[no-untyped-def]
    def positional(x: int, /): ...  # type: ignore[no-untyped-def]
    def unknown(x: Nowhere): ...  # type: ignore[no-untyped-def]  # noqa: F821
    def impossible(x: WorkflowContextLike): ...  # type: ignore[no-untyped-def]

    return [
        (bare, "parameter 'x' has no type annotation; write x: str"),
        (star, r"\*args"),
        (stars, r"\*\*kwargs"),
        (positional, "positional-only"),
        (unknown, "'Nowhere'"),
        (impossible, "no schema"),
    ]


class WorkflowContextLike:
    pass


@pytest.mark.parametrize(("func", "said"), _wrong(), ids=lambda value: getattr(value, "__name__", ""))
def test_wrong_signatures_are_named(func: Any, said: str) -> None:
    """A signature that a model cannot be told of is a DefinitionError that names the tool and the remedy."""
    with pytest.raises(DefinitionError, match=said) as caught:
        describe(func, name="f")
    assert "tool 'f'" in str(caught.value)


def test_wrong_arguments_are_named_for_the_model() -> None:
    """Every wrong argument is named, with the allowed ones at the end."""

    def weather(city: str, days: int = 3) -> None: ...

    with pytest.raises(ArgumentsError) as caught:
        describe(weather, name="w").bind({"days": "many", "town": "Rome"}, None)
    said = str(caught.value)
    assert "'city'" in said
    assert "required" in said
    assert "'days'" in said
    assert "'town'" in said
    assert said.endswith("allowed arguments: city, days")


@pytest.mark.parametrize(("text", "value"), [("", {}), (" \n", {}), ("{}", {}), ('{"a": [1]}', {"a": [1]})])
def test_arguments_are_parsed(text: str, value: dict[str, Any]) -> None:
    """Nothing is no arguments; an object is the arguments."""
    assert parse_arguments(text) == value


@pytest.mark.parametrize(
    ("text", "said"), [('{"a": 1', "near"), ("[1]", "list"), ("null", "object"), ("{'a': 1}", "JSON")]
)
def test_malformed_arguments_are_told(text: str, said: str) -> None:
    """Text that is not one JSON object is an ArgumentsError with what is wrong."""
    with pytest.raises(ArgumentsError, match=said):
        parse_arguments(text)


def test_output_schemas_are_strict() -> None:
    """All properties are required at every level, nothing else is allowed, constraints stay."""
    schema = output_schema(Trip)
    assert not refs(schema)
    assert schema["required"] == ["places", "first", "title"]
    place = schema["properties"]["places"]["items"]
    assert (place["required"], place["additionalProperties"]) == (["city", "days"], False)
    days = place["properties"]["days"]
    assert (days["minimum"], days["maximum"]) == (1, 9)
    assert {"type": "null"} in schema["properties"]["first"]["anyOf"]
    assert "default" not in json.dumps(schema)


def test_recursive_output_schemas_keep_definitions() -> None:
    """A model that contains itself keeps its $defs, and every reference has its target."""
    schema = output_schema(Tree)
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    for ref in refs(schema):
        assert ref.removeprefix("#/$defs/") in schema["$defs"]
    assert schema["$defs"]["Tree"]["required"] == ["name", "children"]
    assert parse_output(Tree, '{"name": "a", "children": [{"name": "b", "children": []}]}').children[0].name == "b"


class Row(TypedDict):
    a: int


@dataclass
class Data:
    a: int


@pytest.mark.parametrize(
    ("tp", "text", "value"),
    [
        (Place, '{"city": "R", "days": 2}', Place(city="R", days=2)),
        (list[Place], '{"value": [{"city": "R", "days": 3}]}', [Place(city="R")]),
        (list[Tree], '{"value": [{"name": "R", "children": []}]}', [Tree(name="R")]),
        (int, '{"value": 4}', 4),
        (Literal["a", "b"], '{"value": "a"}', "a"),
        (dict[str, int], '{"value": {"k": 1}}', {"k": 1}),
        (Row, '{"a": 1}', {"a": 1}),
        (Data, '{"a": 1}', Data(1)),
        (Place | None, '{"value": null}', None),
        (Unit, '{"value": "celsius"}', Unit.C),
    ],
    ids=lambda value: schema_name(value) if not isinstance(value, str) else "",
)
def test_outputs_are_parsed(tp: Any, text: str, value: Any) -> None:
    """Models, lists, typed dicts, dataclasses and primitives have an object schema and are parsed from it."""
    schema = output_schema(tp)
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == set(json.loads(text))
    assert parse_output(tp, text) == value


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"city": "R", "days": 2}\n```',
        '```\n{"city": "R", "days": 2}\n```',
        'Here it is: {"city": "R", "days": 2}. Enjoy {it}!',
        '  {"city": "R", "days": 2}\n',
    ],
)
def test_prose_and_fences_around_an_answer_are_passed_over(text: str) -> None:
    """One JSON object inside a code fence or prose is found."""
    assert parse_output(Place, text) == Place(city="R", days=2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"days": 99}', ["city", "required", "days", "9"]),
        ("Sorry, no.", ["not JSON"]),
        ('{"city": "A", "days": 1} or {"city": "B", "days": 1}', ["JSON"]),
        ("", ["not JSON"]),
        ("[" * 100_000, ["JSON"]),
    ],
    ids=["fields", "prose", "two", "empty", "deep"],
)
def test_answers_that_do_not_fit_are_told_with_their_text(text: str, words: list[str]) -> None:
    """An answer that does not fit is an OutputError that lists each problem and keeps the text."""
    with pytest.raises(OutputError) as caught:
        parse_output(Place, text)
    assert caught.value.text == text
    for word in words:
        assert word in str(caught.value)


def test_a_type_without_schema_is_a_definition_error() -> None:
    """An output type that pydantic cannot describe is named."""
    with pytest.raises(DefinitionError, match="WorkflowContextLike"):
        output_schema(WorkflowContextLike)


def test_names_of_schemas() -> None:
    """Names are short and made of what providers allow."""
    assert schema_name(Place) == "Place"
    assert schema_name(list[Place]) == "list_Place"
    assert all(c.isalnum() or c in "_-" for c in schema_name(dict[str, Place | None]))


def test_first_paragraph_ends_before_the_arguments() -> None:
    """What describes a function ends where its arguments begin."""
    assert first_paragraph("One.\n\n    Two: three.\n\n    Args:\n        a: b\n") == "One.\n\nTwo: three."
    assert first_paragraph("") == ""
