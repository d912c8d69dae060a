"""Answers put together from deltas in the shapes that versions and providers differ in."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from polos_nb.models.accumulate import Accumulator
from polos_nb.models.base import ToolCallPiece


def chunk(finish: str | None = None, usage: Any = None, **delta: Any) -> Any:
    choice = SimpleNamespace(delta=SimpleNamespace(**delta), finish_reason=finish)
    return SimpleNamespace(choices=[choice], usage=usage, model="m")


def call(index: int | None, id: str | None = None, name: str | None = None, arguments: str = "") -> Any:
    return SimpleNamespace(index=index, id=id, function=SimpleNamespace(name=name, arguments=arguments))


def thinking(text: str, signature: str | None = None) -> dict[str, Any]:
    return {"type": "thinking", "thinking": text, "signature": signature}


def blocks(*given: dict[str, Any]) -> Any:
    collected = Accumulator("anthropic", "m")
    for block in given:
        collected.add(chunk(thinking_blocks=[block]))
    extra = collected.response().extra
    return extra and extra.get("thinking_blocks")


def test_a_signature_that_comes_alone() -> None:
    """A signature without text closes the block."""
    assert blocks(thinking("a "), thinking("b"), thinking("", "s")) == [thinking("a b", "s")]


def test_a_signature_that_repeats_the_text() -> None:
    """A signature beside the whole text again does not double the text."""
    assert blocks(thinking("a "), thinking("b"), thinking("a b", "s")) == [thinking("a b", "s")]


def test_a_whole_block_and_several_blocks() -> None:
    """Blocks that come whole, after each other, or redacted are kept apart."""
    redacted = {"type": "redacted_thinking", "data": "x"}
    given = [thinking("a", "s"), redacted, thinking("b"), thinking("b", "t")]
    assert blocks(*given) == [thinking("a", "s"), redacted, thinking("b", "t")]


def test_thinking_without_a_signature_does_not_go_back() -> None:
    """A block that was never signed would be refused, so it is not kept."""
    assert blocks(thinking("a")) is None


def test_whole_calls_with_one_index() -> None:
    """Calls that come whole and share an index stay two calls."""
    collected = Accumulator("groq", "m")
    first = collected.add(chunk(tool_calls=[call(0, "a", "f", "{}")]))
    second = collected.add(chunk(tool_calls=[call(0, "b", "f", '{"x": 1}')], finish="stop"))
    assert [*first, *second] == [ToolCallPiece(0, "f", "{}"), ToolCallPiece(1, "f", '{"x": 1}')]
    response = collected.response()
    assert [(made.id, made.function.arguments) for made in response.tool_calls] == [
        ("a", "{}"),
        ("b", '{"x": 1}'),
    ]
    assert response.finish_reason == "tool_calls"


def test_calls_whose_parts_are_mixed() -> None:
    """Parts of parallel calls find their call by index; a name that is repeated is shown once."""
    collected = Accumulator("openai", "m")
    given = [
        call(0, "a", "f"),
        call(1, "b", "g"),
        call(1, None, None, "[1"),
        call(0, None, "f", "{}"),
        call(1, None, None, "]"),
    ]
    pieces = [piece for one in given for piece in collected.add(chunk(tool_calls=[one]))]
    assert [made.function.arguments for made in collected.response().tool_calls] == ["{}", "[1]"]
    assert [piece.name for piece in pieces if isinstance(piece, ToolCallPiece)] == ["f", "g", "", "", ""]


def test_a_call_without_an_id_gets_one() -> None:
    """Calls need ids to be answered, and ids of different answers differ."""
    ids = set()
    for _ in range(2):
        collected = Accumulator("openai", "m")
        collected.add(chunk(tool_calls=[call(None, None, "f")]))
        ids.add(collected.response().tool_calls[0].id)
    assert len(ids) == 2


def test_finish_reasons() -> None:
    """Finish reasons are one of four, whatever the provider calls them."""
    for given, expected in [("length", "length"), ("content_filter", "content_filter"), ("eos", "stop")]:
        collected = Accumulator("openai", "m")
        collected.add(chunk(content="x", finish=given))
        assert collected.response().finish_reason == expected


def test_usage_with_details() -> None:
    """Cached and reasoning tokens are kept, and a chunk without choices is fine."""
    collected = Accumulator("openai", "m")
    usage = SimpleNamespace(
        prompt_tokens=10,
        completion_tokens=5,
        total_tokens=15,
        prompt_tokens_details=SimpleNamespace(cached_tokens=4),
        completion_tokens_details=SimpleNamespace(reasoning_tokens=2),
    )
    collected.add(SimpleNamespace(choices=[], usage=usage, model=None))
    assert collected.response().usage.model_dump() == {
        "input_tokens": 10,
        "output_tokens": 5,
        "total_tokens": 15,
        "cache_read_input_tokens": 4,
        "cache_creation_input_tokens": None,
        "reasoning_output_tokens": 2,
    }
