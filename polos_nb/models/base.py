"""What a language model is to polos_nb: a request goes in, pieces come out, one response ends it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from polos_nb.messages import Message, ToolCall, Usage


@dataclass(frozen=True)
class Alternative:
    """A model that is asked in the place of another: its provider, and its name or the `Model` itself."""

    provider: str
    model: str | Model


@dataclass(frozen=True, kw_only=True)
class ModelRequest:
    """One call of a model.

    `messages` start with the system prompt where there is one. `tools` are definitions in OpenAI's shape
    (`{"type": "function", "function": {"name", "description", "parameters"}}`) or provider built-ins as dicts.
    `output_schema` is a JSON schema when the answer must be JSON of that shape and there are no tools.
    `params` goes to the provider (temperature, max_tokens, reasoning_effort, ...). The transport fields below
    never take part in a fingerprint. `timeout` is the longest silence of the provider in seconds, `max_retries` how
    often a failure that may pass is tried again, `fallbacks` who is asked when the provider is down.
    """

    provider: str
    model: str
    messages: list[Message]
    tools: list[dict[str, Any]] = field(default_factory=list)
    output_schema: dict[str, Any] | None = None
    output_name: str = "answer"
    params: dict[str, Any] = field(default_factory=dict)
    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    timeout: float | None = None
    max_retries: int = 2
    fallbacks: tuple[Alternative, ...] = ()


@dataclass(frozen=True)
class TextPiece:
    """Text as it arrives."""

    text: str


@dataclass(frozen=True)
class ReasoningPiece:
    """Thinking as it arrives."""

    text: str


@dataclass(frozen=True)
class ToolCallPiece:
    """A part of a tool call: `name` comes once, `arguments` in parts; `index` says which call of this answer."""

    index: int
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True)
class Restarted:
    """Another model begins the answer anew: what came before of it is void."""

    model: str


Piece = TextPiece | ReasoningPiece | ToolCallPiece | Restarted


@dataclass(frozen=True, kw_only=True)
class ModelResponse:
    """The end of one model call.

    `finish_reason` is "stop", "tool_calls", "length" or "content_filter". `extra` holds provider blocks that
    go back unchanged (signed thinking). `provider` is named where another one than was asked has answered.
    """

    text: str = ""
    tool_calls: list[ToolCall] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    finish_reason: str = "stop"
    reasoning: str | None = None
    extra: dict[str, Any] | None = None
    model: str = ""
    provider: str = ""

    def message(self) -> Message:
        """The response as the assistant's message for the next turn."""
        return Message(
            role="assistant",
            content=self.text or None,
            tool_calls=self.tool_calls or None,
            reasoning=self.reasoning,
            extra=self.extra,
        )


@runtime_checkable
class Model(Protocol):
    """A language model.

    `stream` yields pieces in the order they arrive and then exactly one `ModelResponse`, which repeats the whole
    answer. It raises `ModelUnavailable` for failures that may pass and `ModelError` for all others; it never
    retries by itself. A stream that ends without a response is a `ModelUnavailable`. Closing the iterator closes
    the connection.

    `own_loop` is True when the model's client must live on one event loop for the life of the process: the
    runtime then drives `stream` there.
    """

    own_loop: bool

    def stream(self, request: ModelRequest) -> AsyncIterator[Piece | ModelResponse]:
        """Yield pieces, then one response."""
        ...
