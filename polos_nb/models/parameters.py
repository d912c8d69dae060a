"""What a caller passes to a model beside the messages, on its way to the provider: as it is, or not at all."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from polos_nb.errors import ModelError
from polos_nb.models.base import ModelRequest
from polos_nb.models.providers import Provider

# What the transport sets itself: a caller's value would silently win or lose against it. More than one answer (n) has
# no place in a run.
RESERVED = frozenset(
    [
        "model",
        "messages",
        "stream",
        "stream_options",
        "tools",
        "api_key",
        "api_base",
        "base_url",
        "num_retries",
        "max_retries",
        "timeout",
        "n",
        "fallbacks",
        "drop_params",
        "allowed_openai_params",
        "mock_response",
        "custom_llm_provider",
    ]
)
# litellm keeps these to itself, or refuses them by a table that knows nothing of the model. The providers speak
# OpenAI's dialect, so the values go into the body past litellm, and the provider itself says what it does not take.
_PAST_LITELLM: dict[str, frozenset[str]] = {
    "openai": frozenset({"metadata"}),
    "azure": frozenset({"metadata", "reasoning_effort", "service_tier", "verbosity"}),
    "groq": frozenset({"metadata", "reasoning_effort", "user"}),
    "fireworks": frozenset({"metadata", "reasoning_effort", "thinking", "tool_choice"}),
    "together": frozenset({"metadata", "reasoning_effort", "user"}),
}
_TAKEN_UNKNOWN_TO_LITELLM = {"anthropic": frozenset({"service_tier"})}
# For a model that is not OpenAI's own, on a server that only speaks like OpenAI.
_COMPATIBLE = frozenset({"metadata", "reasoning_effort", "thinking", "verbosity"})
_OPENAIS_OWN = re.compile(r"(?:responses/|ft:)?(?:gpt-|o\d|chatgpt|codex|computer-use)")
# What litellm drops without a word. A parameter that has no effect must not look as if it had one.
_DROPPED: dict[str, frozenset[str]] = {
    "gemini": frozenset(
        [
            "user",
            "parallel_tool_calls",
            "metadata",
            "min_p",
            "repetition_penalty",
            "cache_control",
            "num_ctx",
            "keep_alive",
        ]
    ),
    "ollama": frozenset(["user", "metadata", "parallel_tool_calls", "tool_choice"]),
}
# A request to OpenAI's Responses has these, and litellm leaves all other names out of it.
_RESPONSES = frozenset(
    [
        "background",
        "include",
        "instructions",
        "max_output_tokens",
        "max_tokens",
        "max_completion_tokens",
        "max_tool_calls",
        "metadata",
        "parallel_tool_calls",
        "previous_response_id",
        "prompt_cache_key",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "service_tier",
        "store",
        "temperature",
        "text",
        "tool_choice",
        "top_logprobs",
        "top_p",
        "truncation",
        "user",
        "verbosity",
        "extra_body",
        "extra_headers",
    ]
)


def parameters(request: ModelRequest, provider: Provider) -> dict[str, Any]:
    """The caller's parameters as keyword arguments of litellm. Raises ModelError for what cannot be passed on."""
    params = {name: value for name, value in request.params.items() if value is not None}
    if taken := sorted(RESERVED & set(params)):
        raise _refused(taken[0], request, provider, "polos_nb sets it itself; remove it")
    limit = params.pop("max_output_tokens", None)
    if limit is not None:
        params.setdefault("max_tokens", limit)
    past = dict(params.pop("extra_body", None) or {})
    _translate_reasoning(params, past, request, provider)
    if lost := sorted(_DROPPED.get(provider.name, frozenset()) & set(params)):
        raise _refused(lost[0], request, provider, "it has no such parameter; remove it")
    for name in _past_litellm(request, provider) & set(params):
        past[name] = params.pop(name)
    if provider.name in ("anthropic", "ollama"):
        params |= past  # litellm has no such detour there, and leaves unknown names where they are
    elif past:
        params["extra_body"] = past
    if allowed := sorted(_TAKEN_UNKNOWN_TO_LITELLM.get(provider.name, frozenset()) & set(params)):
        params["allowed_openai_params"] = allowed
    return params


def refuse_what_responses_lose(names: Iterable[str], request: ModelRequest, provider: Provider) -> None:
    """Raise ModelError for a parameter that OpenAI's Responses do not have, for a model that is reached by them."""
    if lost := sorted(set(names) - _RESPONSES):
        raise _refused(lost[0], request, provider, "OpenAI's Responses, by which it is reached, have no such parameter")


def _past_litellm(request: ModelRequest, provider: Provider) -> frozenset[str]:
    if provider.name == "openai" and not _OPENAIS_OWN.match(request.model):
        return _COMPATIBLE
    return _PAST_LITELLM.get(provider.name, frozenset())


def _translate_reasoning(
    params: dict[str, Any], past: dict[str, Any], request: ModelRequest, provider: Provider
) -> None:
    """`reasoning={"effort": ...}` is one provider's spelling; `reasoning_effort` is what all the others take."""
    reasoning = params.pop("reasoning", None)
    if reasoning is None:
        return
    if provider.name == "together" and isinstance(reasoning, dict) and "effort" not in reasoning:
        past["reasoning"] = reasoning  # Together's own: {"enabled": true}
        return
    if not isinstance(reasoning, dict) or set(reasoning) != {"effort"}:
        raise ModelError(
            f"reasoning={reasoning!r} cannot be passed to {request.model} on {provider.title}: "
            'write reasoning={"effort": "low"}, "medium" or "high"',
            provider=request.provider,
        )
    params.setdefault("reasoning_effort", reasoning["effort"])


def _refused(name: str, request: ModelRequest, provider: Provider, why: str) -> ModelError:
    return ModelError(
        f"the parameter {name} cannot be passed to {request.model} on {provider.title}: {why}",
        provider=request.provider,
    )
