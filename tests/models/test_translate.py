"""Schemas and messages in the words of the providers."""

from __future__ import annotations

import enum
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from polos_nb.messages import Message, ToolCall, ToolCallFunction
from polos_nb.models.translate import message_dict, response_format, strict_schema
from tests.loopback.schemas import require_strict_schema
from tests.loopback.turns import Refused


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


class Address(BaseModel):
    street: str
    number: int | None = None


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Person(BaseModel):
    """A person."""

    name: str = Field(description="The full name")
    age: int = 3
    home: Address = Field(default=Address(street="Main"), description="Where they live")
    others: list[Address] = []
    mood: Mood = Mood.GOOD
    pet: Cat | Dog = Field(discriminator="kind")
    boss: Person | None = None


class Open(BaseModel):
    counts: dict[str, int]


class Anything(BaseModel):
    value: Any


class Pair(BaseModel):
    both: tuple[int, str]


def test_a_strict_schema_is_accepted() -> None:
    """Nested, optional, defaulted, recursive and discriminated models get an accepted form."""
    schema = Person.model_json_schema()
    with pytest.raises(Refused):
        require_strict_schema(schema, "person")
    strict = strict_schema(schema)
    assert strict is not None
    require_strict_schema(strict, "person")
    assert strict["required"] == ["name", "age", "home", "others", "mood", "pet", "boss"]
    assert strict["properties"]["name"]["description"] == "The full name"
    assert schema == Person.model_json_schema()


@pytest.mark.parametrize("model", [Open, Pair, Anything])
def test_no_strict_form(model: type[BaseModel]) -> None:
    """A schema that strict mode cannot say is sent as it is, not strict."""
    schema = model.model_json_schema()
    assert strict_schema(schema) is None
    given = response_format(schema, "answer")["json_schema"]
    assert given == {"name": "answer", "schema": schema, "strict": False}


def test_thinking_goes_back_to_its_provider_only() -> None:
    """Signed blocks are sent to the provider that signed them."""
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "s"}]
    message = Message(role="assistant", content="Hi", extra={"provider": "anthropic", "thinking_blocks": blocks})
    assert message_dict(message, "anthropic")["thinking_blocks"] == blocks
    assert message_dict(message, "openai") == {"role": "assistant", "content": "Hi"}


def test_specific_fields_of_a_call_go_back() -> None:
    """What a provider attached to a call goes back to it unchanged, and to nobody else."""
    fields = {"thought_signature": "abc"}
    call = ToolCall(
        id="call_1",
        function=ToolCallFunction(name="f", arguments=""),
        extra={"provider": "gemini", "provider_specific_fields": fields},
    )
    message = Message(role="assistant", tool_calls=[call])
    assert message_dict(message, "gemini")["tool_calls"][0]["provider_specific_fields"] == fields
    plain = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert message_dict(message, "openai") == {"role": "assistant", "content": None, "tool_calls": [plain]}


def test_empty_contents() -> None:
    """Where a provider wants a text there is one."""
    assert message_dict(Message(role="tool", tool_call_id="c"), "openai")["content"] == ""
    assert message_dict(Message(role="assistant"), "openai")["content"] == ""
