"""Which models take images."""

from __future__ import annotations

import sys
import types

import pytest

from polos_nb import ScriptedModel
from polos_nb.models.vision import surely_takes_images, takes_images


def test_a_model_object_says_it_itself() -> None:
    """One that says nothing takes none."""
    model = ScriptedModel([])
    assert not surely_takes_images("scripted", model)
    model.takes_images = True  # type: ignore[attr-defined]
    assert surely_takes_images("scripted", model)


def test_without_litellm_only_well_known_families_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """litellm is not loaded for a guess."""
    monkeypatch.delitem(sys.modules, "litellm", raising=False)
    assert takes_images("openai", "gpt-4o-mini")
    assert takes_images("anthropic", "claude-sonnet-4-5")
    assert not takes_images("openai", "gpt-3.5-turbo")
    assert not takes_images("demo", "demo")
    assert "litellm" not in sys.modules


def test_the_table_of_litellm_decides_where_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that does not know a model raises, which means no."""
    asked: list[str] = []

    def supports_vision(model: str) -> bool:
        asked.append(model)
        if "unknown" in model:
            raise ValueError(model)
        return "sees" in model

    monkeypatch.setitem(sys.modules, "litellm", types.SimpleNamespace(supports_vision=supports_vision))  # type: ignore[arg-type]
    assert takes_images("together", "sees-7b")
    assert not takes_images("openai", "gpt-4o")
    assert not takes_images("openai", "unknown")
    assert not takes_images("demo", "sees")
    assert asked == ["together_ai/sees-7b", "openai/gpt-4o", "openai/unknown"]
