"""A model that says what it is told: for tests, examples and documentation, instead of mocks."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from polos_nb.errors import ModelError
from polos_nb.messages import ToolCall, ToolCallFunction, Usage
from polos_nb.models.base import ModelRequest, ModelResponse, Piece, ReasoningPiece, TextPiece, ToolCallPiece

_WORDS = re.compile(r"\s*\S+|\s+$")


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One answer: text, tool calls as `(name, arguments)`, or an error to raise. `delay` is in seconds a piece."""

    text: str = ""
    calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    reasoning: str | None = None
    usage: Usage | None = None
    error: Exception | None = None
    delay: float = 0.0
    finish_reason: str | None = None
    extra: Mapping[str, Any] | None = field(default=None)


Script = Sequence[Turn | str] | Callable[[ModelRequest], Turn | str]


class ScriptedModel:
    """A `Model` that follows a script: answers in order, or a function from the request to an answer.

    `requests` keeps what it was asked. A list that is used up raises ModelError, so that a test notices.

    >>> model = ScriptedModel([Turn(calls=[("get_weather", {"city": "Paris"})]), "Sunny."])
    >>> agent = Agent(id="weather", model=model, tools=[get_weather])  # doctest: +SKIP
    """

    own_loop = False

    def __init__(self, script: Script, *, name: str = "scripted") -> None:
        self.name = name
        self.requests: list[ModelRequest] = []
        self._script = script

    async def stream(self, request: ModelRequest) -> AsyncIterator[Piece | ModelResponse]:
        """Yield the words of the next answer, then the response."""
        self.requests.append(request)
        turn = self._next(request)
        async for piece in play(turn, request, len(self.requests)):
            yield piece

    def _next(self, request: ModelRequest) -> Turn:
        if callable(self._script):
            said = self._script(request)
        elif len(self.requests) > len(self._script):
            raise ModelError(f"the script of {self.name!r} has only {len(self._script)} answers", provider="scripted")
        else:
            said = self._script[len(self.requests) - 1]
        return Turn(text=said) if isinstance(said, str) else said


async def play(turn: Turn, request: ModelRequest, number: int) -> AsyncIterator[Piece | ModelResponse]:
    """A turn as a stream: reasoning, words, calls, response. Without `usage`, four characters count as a token."""
    if turn.error is not None:
        raise turn.error
    if turn.reasoning:
        yield ReasoningPiece(turn.reasoning)
    for word in _WORDS.findall(turn.text):
        await asyncio.sleep(turn.delay)
        yield TextPiece(word)
    calls = []
    for index, (name, arguments) in enumerate(turn.calls):
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        await asyncio.sleep(turn.delay)
        yield ToolCallPiece(index, name=name, arguments=text)
        calls.append(ToolCall(id=f"call_{number}_{index + 1}", function=ToolCallFunction(name=name, arguments=text)))
    yield ModelResponse(
        text=turn.text,
        tool_calls=calls,
        usage=turn.usage or _counted(turn, request, calls),
        finish_reason=turn.finish_reason or ("tool_calls" if calls else "stop"),
        reasoning=turn.reasoning,
        extra=dict(turn.extra) if turn.extra else None,
        model=request.model,
    )


def _counted(turn: Turn, request: ModelRequest, calls: list[ToolCall]) -> Usage:
    given = sum(len(message.text()) for message in request.messages) // 4 + 1
    said = (len(turn.text) + sum(len(call.function.arguments) for call in calls)) // 4 + 1
    return Usage(input_tokens=given, output_tokens=said, total_tokens=given + said)
