"""The providers that the contract test runs on, and how each of them is known on the wire."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from polos_nb.messages import Message
from polos_nb.models.base import ModelRequest, ModelResponse
from polos_nb.models.litellm import LiteLLMModel
from tests.loopback.client_loop import client_loop
from tests.loopback.routes import KEYS
from tests.loopback.server import LoopbackProvider, Request

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
PERSON = {
    "title": "PersonInfo",
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}


@dataclass(frozen=True)
class Case:
    """One provider with one of its models.

    `path` is a pattern of where the request goes. `schema` names the part of the body that asks for a JSON answer.
    `thinking` are parameters that turn thinking on; None where the provider shows none. `cached` says whether it
    counts tokens of its prompt cache, `parts` whether the arguments of a call come in parts.
    """

    id: str
    provider: str
    model: str
    path: str
    schema: str
    thinking: dict[str, Any] | None = field(default_factory=dict)
    cached: bool = True
    parts: bool = True
    compat: bool = False


_BUDGET = {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 4000}
_EFFORT = {"reasoning_effort": "high"}
_CHAT = "response_format"
CASES = [
    Case("openai", "openai", "gpt-4o", "/v1/chat/completions", _CHAT, None),
    Case("openai by responses", "openai", "gpt-5-codex", "/v1/responses", "text", _EFFORT),
    Case("anthropic", "anthropic", "claude-sonnet-4-5", "/anthropic/v1/messages", "output_format", _BUDGET),
    Case(
        "gemini",
        "gemini",
        "gemini-2.5-flash",
        "/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent",
        "generationConfig",
        _BUDGET,
        parts=False,
    ),
    Case(
        "gemini 3",
        "gemini",
        "gemini-3-pro-preview",
        "/gemini/v1beta/models/gemini-3-pro-preview:streamGenerateContent",
        "generationConfig",
        _EFFORT,
        parts=False,
    ),
    Case("groq", "groq", "openai/gpt-oss-120b", "/groq/openai/v1/chat/completions", _CHAT, _EFFORT, parts=False),
    Case("groq llama", "groq", "llama-3.3-70b-versatile", "/groq/openai/v1/chat/completions", "tools", parts=False),
    Case(
        "fireworks",
        "fireworks",
        "accounts/fireworks/models/qwen3-8b",
        "/fireworks/inference/v1/chat/completions",
        _CHAT,
        _EFFORT,
    ),
    Case("together", "together", "openai/gpt-oss-120b", "/together/v1/chat/completions", _CHAT, _EFFORT),
    Case("azure", "azure", "my-gpt", "/azure/openai/deployments/my-gpt/chat/completions", _CHAT, None),
    Case("ollama", "ollama", "llama3.2", "/ollama/api/chat", "format", _EFFORT, cached=False, parts=False),
    Case("compatible", "openai", "my-model", "/compat/v1/chat/completions", _CHAT, compat=True),
]


def ask(case: Case, server: LoopbackProvider, *messages: Message | str, **fields: Any) -> ModelRequest:
    """A request to a provider; only the compatible server needs an address, all others have one in the environment."""
    given = [Message(role="user", content=m) if isinstance(m, str) else m for m in messages or ("Hello",)]
    if case.compat:
        fields |= {"base_url": server.compat_url}
    return ModelRequest(provider=case.provider, model=case.model, messages=given, **fields)


def run(request: ModelRequest) -> tuple[list[Any], ModelResponse]:
    """The pieces and the response of a call."""

    async def collect() -> list[Any]:
        return [piece async for piece in LiteLLMModel().stream(request)]

    *pieces, response = client_loop().run(collect())
    assert isinstance(response, ModelResponse)
    return pieces, response


def assert_arrived(case: Case, request: Request) -> None:
    """The request came by the provider's own way, with the provider's own key and in nobody else's header."""
    assert request.refused is None
    assert re.fullmatch(re.escape(case.path), request.path)
    named = {name for name in ("authorization", "x-api-key", "x-goog-api-key", "api-key") if name in request.headers}
    wanted = {"anthropic": {"x-api-key"}, "gemini": {"x-goog-api-key"}, "azure": {"api-key"}}
    if case.provider != "ollama":  # which has no key
        assert named == wanted.get(case.provider, {"authorization"})
    others = [key for name, key in KEYS.items() if key != KEYS.get(request.provider)]
    assert not [key for key in others if key in str(request.headers)]
