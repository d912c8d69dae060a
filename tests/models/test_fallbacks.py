"""Another model answers when the one that was asked is down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from polos_nb.errors import ModelError, ModelUnavailable
from polos_nb.messages import Message
from polos_nb.models.base import Alternative, Model, ModelRequest, ModelResponse, Piece, Restarted, TextPiece
from polos_nb.models.fallbacks import first_available

DOWN = ModelUnavailable("A is overloaded", status=529, provider="a", retry_after=9.0)


def run(*fallbacks: Alternative, **behaviour: Any) -> tuple[list[Any], list[ModelRequest]]:
    """Pieces and requests, where each provider's behaviour is a list of pieces and errors."""
    asked: list[ModelRequest] = []

    async def ask(model: str | Model, request: ModelRequest) -> AsyncIterator[Piece | ModelResponse]:
        asked.append(request)
        for item in behaviour[request.provider]:
            if isinstance(item, BaseException):
                raise item
            yield item

    request = ModelRequest(
        provider="a",
        model="one",
        messages=[Message(role="user", content="Hi")],
        params={"temperature": 0.1},
        api_key="of a",
        base_url="http://a",
        fallbacks=tuple(fallbacks),
    )

    async def collect() -> list[Any]:
        return [piece async for piece in first_available("one", request, ask)]

    return asyncio.run(collect()), asked


B, C = Alternative("b", "two"), Alternative("c", "three")
ANSWER = ModelResponse(text="hi")


def test_the_first_is_enough() -> None:
    """Nobody else is asked when the first answers, and the response is the first's own."""
    pieces, asked = run(B, a=[TextPiece("hi"), ANSWER])
    assert pieces == [TextPiece("hi"), ANSWER]
    assert [request.provider for request in asked] == ["a"]


def test_the_next_answers_anew() -> None:
    """Half an answer of the first is void; the next has the same question, but not the first's key and address."""
    pieces, asked = run(B, C, a=[TextPiece("hal"), DOWN], b=[DOWN], c=[TextPiece("hi"), ANSWER])
    assert pieces[:3] == [TextPiece("hal"), Restarted("b/two"), Restarted("c/three")]
    assert pieces[-1].provider == "c"
    assert pieces[-1].text == "hi"
    assert [(one.provider, one.model, one.api_key, one.base_url) for one in asked] == [
        ("a", "one", "of a", "http://a"),
        ("b", "two", None, None),
        ("c", "three", None, None),
    ]
    assert asked[2].params == {"temperature": 0.1}


def test_all_are_down() -> None:
    """The error names each failure, and the shortest wait that was asked for."""
    other = ModelUnavailable("B is slow", status=429, provider="b", retry_after=2.0)
    with pytest.raises(ModelUnavailable, match="A is overloaded; B is slow") as caught:
        run(B, a=[DOWN], b=[other])
    assert (caught.value.status, caught.value.retry_after) == (429, 2.0)


def test_a_mistake_is_not_covered_up() -> None:
    """A refused key or request is an error at once: another model would hide it."""
    with pytest.raises(ModelError, match="refused the API key"):
        run(B, a=[ModelError("A refused the API key", status=401)], b=[ANSWER])
