"""Asks a provider whether it takes our key, by the list of its models, which costs nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from polos_nb.models.keys import find_base_url
from polos_nb.models.providers import PROVIDERS, Key, Provider

_PATIENCE = 5.0
# Where the list of models is, behind the base URL; what the base URL is unless the environment says otherwise.
_LISTS: dict[str, tuple[str, str]] = {
    "openai": ("https://api.openai.com/v1", "/models"),
    "anthropic": ("https://api.anthropic.com", "/v1/models"),
    "gemini": ("https://generativelanguage.googleapis.com/v1beta", "/models"),
    "groq": ("https://api.groq.com/openai/v1", "/models"),
    "fireworks": ("https://api.fireworks.ai/inference/v1", "/models"),
    "together": ("https://api.together.xyz/v1", "/models"),
    "azure": ("", "/openai/models?api-version=2024-10-21"),
    "ollama": ("http://localhost:11434", "/api/tags"),
}


def usable(keys: dict[str, Key | None]) -> dict[str, str]:
    """For each provider of `keys` what it says to its key, in a few words; all are asked at once, for 5 s at most."""
    with ThreadPoolExecutor(max_workers=len(keys) or 1) as pool:
        answers = pool.map(lambda name: _state(PROVIDERS[name], keys[name]), keys)
        return dict(zip(keys, answers, strict=True))


def _state(provider: Provider, key: Key | None) -> str:
    import httpx  # noqa: PLC0415 - heavy, and only needed here

    if provider.key_envs and key is None:
        return "no key"
    default, path = _LISTS[provider.name]
    base = (find_base_url(provider, key) or default).rstrip("/")
    if not base:
        return f"no address: set {provider.base_envs[0]}"
    if provider.name == "azure" and base.endswith("/openai/v1"):
        path = "/models"
    try:
        answer = httpx.get(base + path, headers=_headers(provider, key), timeout=_PATIENCE)
    except Exception:  # a wrong address fails in many ways, and their texts may hold it with a password
        return "cannot be reached"
    if answer.is_success:
        return "usable"
    if answer.status_code in (401, 403) or (provider.name == "gemini" and answer.status_code == 400):
        return f"key refused ({answer.status_code})"
    return f"answered {answer.status_code}"


def _headers(provider: Provider, key: Key | None) -> dict[str, Any]:
    value = key.value if key is not None else ""
    if provider.name == "anthropic":
        return {"x-api-key": value, "anthropic-version": "2023-06-01"}
    if provider.name == "gemini":
        return {"x-goog-api-key": value}
    if provider.name == "azure":
        return {"api-key": value}
    return {"Authorization": f"Bearer {value}"} if value else {}
