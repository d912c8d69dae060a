"""Keys are taken out of texts that others wrote."""

from __future__ import annotations

import pytest

from polos_nb.models.redaction import redact


@pytest.mark.parametrize(
    "key",
    ["sk-abc123def456", "sk-ant-api03-xyz_1", "sk-proj-****wxyz", "AIzaSyA1234567890abc", "gsk_abcdefgh1234",
     "xoxb-123456789012", "ghp_abcdefgh1234", "AKIAABCDEFGHIJKL"],
)  # fmt: skip
def test_known_shapes(key: str) -> None:
    """Keys of known shape go, in a sentence and as providers echo them."""
    assert redact(f"the key {key} is wrong") == "the key [redacted] is wrong"


def test_values_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values of variables with secret names go, and switches such as "true" stay."""
    monkeypatch.setenv("MY_DB_PASSWORD", "correct horse battery")
    monkeypatch.setenv("USE_API_KEY", "true")
    monkeypatch.setenv("MY_CITY", "Ouagadougou")
    text = "it is true: correct horse battery in Ouagadougou"
    assert redact(text) == "it is true: [redacted] in Ouagadougou"


def test_the_longer_secret_goes_first() -> None:
    """A secret that begins with another leaves no rest."""
    assert redact("abcdefgh12", "abcdefgh", "abcdefgh12") == "[redacted]"


@pytest.mark.parametrize("text", ["a task-force", "ask-me-later", "risk-averse", "sk-learn", "gpt-4o-mini", ""])
def test_words_stay(text: str) -> None:
    """Ordinary words and model names are no keys."""
    assert redact(text) == text


def test_a_password_in_a_url() -> None:
    """User and password of a URL go, its host stays."""
    assert redact("cannot reach http://me:hunter2@host:1/v1") == "cannot reach http://[redacted]@host:1/v1"
