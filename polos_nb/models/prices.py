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

    litellm's table is asked first, but only if litellm is loaded already; cached tokens are then counted at
    their own price, as they are nowhere else.

    >>> cost("openai", "gpt-4o-mini", Usage(input_tokens=1_000_000))
    0.15
    """
    known = _litellm_cost(provider, model, usage)
    if known is not None:
        return known
    prices = _prices(provider, model)
    if prices is None or usage.cache_read_input_tokens or usage.cache_creation_input_tokens:
        return None
    return (usage.input_tokens * prices[0] + usage.output_tokens * prices[1]) / 1e6


def known_models() -> dict[str, list[str]]:
    """Models to suggest, by provider, written as they are given to an agent.

    >>> known_models()["openai"][0]
    'openai/gpt-4o'
    """
    return {provider: [f"{provider}/{model}" for model in models] for provider, models in MODELS.items()}


def _prices(provider: str, model: str) -> tuple[float, float] | None:
    family = PRICES.get(provider, {})
    if model in family:
        return family[model]
    for name, prices in family.items():
        date = model.removeprefix(name + "-").replace("-", "")
        if model.startswith(name + "-") and date.isdigit() and len(date) == 8:
            return prices
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
