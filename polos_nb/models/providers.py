"""The providers that polos_nb knows: their names, where their keys are, and where they are reached."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from polos_nb.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Provider:
    """One provider of models.

    `prefix` is litellm's name of it. `key_envs` and `base_envs` are environment variables, the first that is
    set counts; no `key_envs` means that no key is needed.
    """

    name: str
    title: str
    prefix: str
    key_envs: tuple[str, ...] = ()
    base_envs: tuple[str, ...] = ()
    base_url: str | None = None


class Key(NamedTuple):
    """An API key, the variable that it belongs to, and where it was found; shown without its value."""

    env: str
    value: str
    source: str = "environment"

    def __repr__(self) -> str:
        return f"Key(env={self.env!r}, value='[redacted]', source={self.source!r})"


PROVIDERS: dict[str, Provider] = {
    provider.name: provider
    for provider in (
        Provider(
            name="openai",
            title="OpenAI",
            prefix="openai",
            key_envs=("OPENAI_API_KEY",),
            base_envs=("OPENAI_BASE_URL", "OPENAI_API_BASE"),
        ),
        Provider(
            name="anthropic",
            title="Anthropic",
            prefix="anthropic",
            key_envs=("ANTHROPIC_API_KEY",),
            base_envs=("ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE"),
        ),
        Provider(
            name="gemini",
            title="Gemini",
            prefix="gemini",
            key_envs=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
            base_envs=("GEMINI_API_BASE",),
        ),
        Provider(
            name="groq",
            title="Groq",
            prefix="groq",
            key_envs=("GROQ_API_KEY",),
            base_envs=("GROQ_API_BASE",),
        ),
        Provider(
            name="fireworks",
            title="Fireworks",
            prefix="fireworks_ai",
            key_envs=(
                "FIREWORKS_API_KEY",
                "FIREWORKS_AI_API_KEY",
                "FIREWORKSAI_API_KEY",
                "FIREWORKS_AI_TOKEN",
            ),
            base_envs=("FIREWORKS_API_BASE",),
        ),
        Provider(
            name="together",
            title="Together",
            prefix="together_ai",
            key_envs=("TOGETHER_API_KEY", "TOGETHERAI_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHER_AI_TOKEN"),
            base_envs=("TOGETHER_AI_API_BASE",),
        ),
        Provider(
            name="azure",
            title="Azure OpenAI",
            prefix="azure",
            key_envs=("AZURE_API_KEY", "AZURE_OPENAI_API_KEY"),
            base_envs=("AZURE_API_BASE", "AZURE_OPENAI_ENDPOINT"),
        ),
        Provider(name="ollama", title="Ollama", prefix="ollama_chat", base_envs=("OLLAMA_API_BASE",)),
    )
}


def get_provider(name: str) -> Provider:
    """The provider of that name; a ConfigurationError names the nearest one if there is none.

    >>> get_provider("openai").key_envs
    ('OPENAI_API_KEY',)
    """
    provider = PROVIDERS.get(name)
    if provider is not None:
        return provider
    near = difflib.get_close_matches(str(name).lower(), PROVIDERS, n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"use one of {', '.join(PROVIDERS)}"
    raise ConfigurationError(f'there is no provider "{name}": {hint}')


def key_for(provider: Provider | str) -> Key | None:
    """The API key that the environment holds for a provider, with its variable; None if there is none."""
    known = get_provider(provider) if isinstance(provider, str) else provider
    for env in known.key_envs:
        value = os.environ.get(env, "").strip()
        if value:
            return Key(env, value)
    return None


def base_url_for(provider: Provider | str) -> str | None:
    """The base URL that the environment gives for a provider, else its default; None if unknown."""
    known = get_provider(provider) if isinstance(provider, str) else provider
    for env in known.base_envs:
        value = os.environ.get(env, "").strip()
        if value:
            return value
    return known.base_url


def address(provider: Provider, base_url: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of litellm that say where a provider is.

    A base URL of Azure that ends in /openai/v1 is of its newer kind, without dated versions.

    >>> address(get_provider("azure"), "https://x.openai.azure.com/openai/v1/", {})
    {'api_base': 'https://x.openai.azure.com', 'api_version': 'v1'}
    """
    trimmed = base_url.rstrip("/")
    if provider.name == "azure" and trimmed.endswith("/openai/v1"):
        return {"api_base": trimmed.removesuffix("/openai/v1"), "api_version": arguments.get("api_version") or "v1"}
    return {"api_base": base_url}
