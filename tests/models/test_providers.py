"""The table of providers: names, keys and addresses."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from polos_nb.errors import ConfigurationError
from polos_nb.models.providers import PROVIDERS, Key, base_url_for, get_provider, key_for

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in PROVIDERS.values():
        for name in (*provider.key_envs, *provider.base_envs):
            monkeypatch.delenv(name, raising=False)


def test_all_are_there() -> None:
    """Every provider of the public API is in the table under its name, and the table cannot be changed."""
    assert set(PROVIDERS) == {
        "openai",
        "anthropic",
        "gemini",
        "groq",
        "fireworks",
        "together",
        "azure",
        "ollama",
    }
    for name, provider in PROVIDERS.items():
        assert get_provider(name) is provider
        assert provider.name == name
    with pytest.raises(FrozenInstanceError):
        get_provider("openai").title = "x"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("opnai", 'did you mean "openai"'),
        ("OpenAI", 'did you mean "openai"'),
        ("xyz", "use one of openai, anthropic"),
    ],
)
def test_unknown(name: str, said: str) -> None:
    """An unknown name is an error that leads to a known one."""
    with pytest.raises(ConfigurationError, match=said):
        get_provider(name)


def test_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first variable that is set gives the key, blank ones do not count, and a key is not shown."""
    assert key_for("gemini") is None
    monkeypatch.setenv("GOOGLE_API_KEY", "second")
    assert key_for("gemini") == Key("GOOGLE_API_KEY", "second")
    monkeypatch.setenv("GEMINI_API_KEY", "  ")
    assert key_for("gemini") == Key("GOOGLE_API_KEY", "second")
    monkeypatch.setenv("GEMINI_API_KEY", "first")
    key = key_for(get_provider("gemini"))
    assert key == Key("GEMINI_API_KEY", "first", "environment")
    assert "first" not in repr(key)


def test_no_key_needed() -> None:
    """Ollama needs no key and has none."""
    assert get_provider("ollama").key_envs == ()
    assert key_for("ollama") is None


def test_base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment may say where a provider is."""
    assert base_url_for("openai") is None
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert base_url_for("openai") == "http://127.0.0.1:1/v1"


def test_importing_is_cheap() -> None:
    """The table is usable without litellm and pydantic."""
    script = (
        "import sys; import polos_nb.models.providers; "
        "print([name for name in ('litellm', 'pydantic', 'httpx', 'openai') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
