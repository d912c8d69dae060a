"""What the loopback provider is told to answer, and what it writes down about each request."""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

_call_numbers = itertools.count(1)


@dataclass
class Call:
    """A tool call that the model makes. Without `id` it gets one of its own."""

    name: str
    arguments: dict[str, Any] | str = field(default_factory=dict)
    id: str = field(default_factory=lambda: f"call_{next(_call_numbers):06d}")


@dataclass
class ApiError:
    """A refusal: HTTP status, the provider's message, headers (`{"retry-after": "2"}`), an error code."""

    status: int
    message: str = "the loopback provider was told to fail"
    headers: dict[str, str] = field(default_factory=dict)
    code: str | None = None


@dataclass
class Turn:
    """One answer of the model.

    `usage` is (input, output) tokens, of which `cached` came from the provider's prompt cache, `cache_written` went
    into it, and `thought` were spent on thinking. `drop_after` cuts the connection after that many chunks; `malformed`
    puts a broken frame in the place of the third; `ends_early` ends the stream in order but without a finish
    reason. `delay` is the time between chunks and `start_delay` the time before the first, in seconds.
    `error_after` sends `error` as an event of the stream after that many chunks instead of a refusal.
    `finish` is "stop", "length" or "content_filter"; None means what the content says.
    """

    text: str = ""
    calls: Sequence[Call] = ()
    thinking: str | None = None
    usage: tuple[int, int] | None = (10, 5)
    cached: int = 0
    cache_written: int = 0
    thought: int = 0
    error: ApiError | None = None
    drop_after: int | None = None
    malformed: bool = False
    ends_early: bool = False
    error_after: int | None = None
    delay: float = 0.0
    start_delay: float = 0.0
    finish: str | None = None


@dataclass
class ToolResultSeen:
    """A tool's result as the provider received it."""

    call_id: str
    content: str
    is_error: bool = False


@dataclass
class Request:
    """One request as the provider received it; `hung_up`: the client left before the answer's end."""

    provider: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    refused: str | None = None
    hung_up: bool = False
    finished: bool = False
    chunks_sent: int = 0
    query: dict[str, str] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)
    tools: list[dict[str, Any]] = field(default_factory=list)
    system: str = ""
    user: str = ""
    tool_results: list[ToolResultSeen] = field(default_factory=list)
    last_role: str = ""
    schema: dict[str, Any] | None = None
    stream: bool = False
    model: str = ""

    @property
    def tool_names(self) -> list[str]:
        """The names of the tools that were offered."""
        return [str(tool.get("name", "")) for tool in self.tools]


Script = Sequence[Turn] | Callable[[Request], Turn]


class Refused(Exception):
    """The provider does not take the request: an HTTP status and its message."""

    def __init__(self, message: str, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code


def signature_of(thinking: str) -> str:
    """The signature that belongs to a text of thinking, so that a changed text or signature is noticed."""
    digest = hashlib.sha256(b"loopback signs this: " + thinking.encode()).digest()
    return base64.b64encode(digest).decode()


def pieces(text: str, parts: int | None = None) -> list[str]:
    """A text cut into small pieces: words by default, or about `parts` equal pieces.

    >>> pieces("a bc d")
    ['a ', 'bc ', 'd']
    """
    if not text:
        return []
    if parts is None:
        words = text.split(" ")
        return [word + " " for word in words[:-1]] + ([words[-1]] if words[-1] else [])
    size = max(1, -(-len(text) // parts))
    return [text[at : at + size] for at in range(0, len(text), size)]


def turn_from_json(data: dict[str, Any]) -> Turn:
    """A turn from its JSON form: the same field names, calls and error as objects.

    >>> turn_from_json({"text": "Hi", "calls": [{"name": "f", "arguments": {"x": 1}}]}).calls[0].name
    'f'
    """
    values = dict(data)
    values["calls"] = [Call(**call) for call in values.get("calls", ())]
    if values.get("error") is not None:
        values["error"] = ApiError(**values["error"])
    if values.get("usage") is not None:
        values["usage"] = tuple(values["usage"])
    return Turn(**values)
