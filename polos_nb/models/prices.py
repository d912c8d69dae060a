"""What a model call costs, as far as it is known without asking anybody, and which models to suggest."""

from __future__ import annotations

import sys

from polos_nb.messages import Usage
from polos_nb.models.providers import PROVIDERS

# US dollars for a million input and output tokens. A dated name ("gpt-4o-2024-08-06") has the price of its
# family.
PRICES: dict[str, dict[str, tuple[float, float]]] = {
    "openai": {"gpt-4o": (2.50, 10.00), "gpt-4o-mini": (0.15, 0.60)},
    "anthropic": {
        "claude-sonnet-4": (3.00, 15.00),
        "claude-sonnet-4-5": (3.00, 15.00),
        "claude-opus-4-5": (5.00, 25.00),
        "claude-haiku-4-5": (1.00, 5.00),
    },
}

# How many tokens an answer has at most where the caller sets no limit, of the same families.
_LONGEST = {"gpt-4o": 16_384, "gpt-4o-mini": 16_384, "claude-opus-4-5": 64_000, "claude-haiku-4-5": 64_000}
_LONGEST |= {"claude-sonnet-4": 64_000, "claude-sonnet-4-5": 64_000}

# What a token read from the provider's cache costs, and one written into it, against one that is neither.
_CACHED: dict[str, tuple[float, float]] = {"openai": (0.5, 1.0), "anthropic": (0.1, 1.25)}

MODELS: dict[str, tuple[str, ...]] = {
    "openai": ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-5", "gpt-5-mini", "o3", "o4-mini"),
    "anthropic": ("claude-sonnet-4-5", "claude-opus-4-5", "claude-haiku-4-5", "claude-sonnet-4-20250514"),
    "gemini": ("gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite"),
    "groq": ("llama-3.3-70b-versatile", "openai/gpt-oss-120b", "openai/gpt-oss-20b"),
    "fireworks": ("accounts/fireworks/models/llama-v3p3-70b-instruct",),
    "together": ("meta-llama/Llama-3.3-70B-Instruct-Turbo", "openai/gpt-oss-120b"),
    "azure": (),
    "ollama": ("llama3.2", "qwen3"),
}


def cost(provider: str, model: str, usage: Usage) -> float | None:
    """The price of a usage in US dollars, or None where the price is not known.

    litellm's table is asked first, but only if litellm is loaded already. Cached tokens have prices of their own.

    >>> cost("openai", "gpt-4o-mini", Usage(input_tokens=1_000_000))
    0.15
    """
    known = _litellm_cost(provider, model, usage)
    if known is not None:
        return known
    prices = _prices(provider, model)
    if prices is None:
        return None
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    reading, writing = _CACHED[provider]
    given = usage.input_tokens - read - written + read * reading + written * writing
    return (given * prices[0] + usage.output_tokens * prices[1]) / 1e6


def longest_answer(provider: str, model: str) -> int | None:
    """How many tokens an answer of a model has at most; None where that is not known. Never loads litellm.

    >>> longest_answer("openai", "gpt-4o-mini-2024-07-18")
    16384
    """
    table = getattr(sys.modules.get("litellm"), "model_cost", None) or {}
    prefix = PROVIDERS[provider].prefix if provider in PROVIDERS else provider
    for name in (f"{prefix}/{model}", model):
        limit = table.get(name, {}).get("max_output_tokens")
        if isinstance(limit, int) and limit > 0:
            return limit
    family = _family(provider, model)
    return _LONGEST.get(family) if family is not None else None


def known_models() -> dict[str, list[str]]:
    """Models to suggest, by provider, written as they are given to an agent.

    >>> known_models()["openai"][0]
    'openai/gpt-4o'
    """
    return {provider: [f"{provider}/{model}" for model in models] for provider, models in MODELS.items()}


def _prices(provider: str, model: str) -> tuple[float, float] | None:
    family = _family(provider, model)
    return PRICES[provider][family] if family is not None else None


def _family(provider: str, model: str) -> str | None:
    """The name in the tables above that a model goes by."""
    known = PRICES.get(provider, {})
    if model in known:
        return model
    for name in known:
        date = model.removeprefix(name + "-").replace("-", "")
        if model.startswith(name + "-") and date.isdigit() and len(date) == 8:
            return name
    return None


def _litellm_cost(provider: str, model: str, usage: Usage) -> float | None:
    litellm = sys.modules.get("litellm")
    # A module that is still being imported (in the warming thread) has no such name yet.
    per_token = getattr(litellm, "cost_per_token", None) if litellm is not None else None
    if per_token is None or provider not in PROVIDERS:
        return None
    try:
        given, made = per_token(
            model=f"{PROVIDERS[provider].prefix}/{model}",
            prompt_tokens=usage.input_tokens,
            completion_tokens=usage.output_tokens,
            cache_read_input_tokens=usage.cache_read_input_tokens or 0,
            cache_creation_input_tokens=usage.cache_creation_input_tokens or 0,
        )
    except Exception:  # its table says "unknown" with exceptions of several kinds, and a price is never worth a crash
        return None
    return float(given + made) or None
