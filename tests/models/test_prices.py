"""What calls cost, and which models are suggested."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from polos_nb.messages import Usage
from polos_nb.models.prices import cost, known_models
from polos_nb.models.providers import PROVIDERS

ROOT = Path(__file__).parents[2]
MILLION = Usage(input_tokens=1_000_000, output_tokens=1_000_000)


@pytest.fixture(autouse=True)
def without_litellm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "litellm", raising=False)


@pytest.mark.parametrize(
    ("provider", "model", "price"),
    [
        ("openai", "gpt-4o", 12.50),
        ("openai", "gpt-4o-2024-08-06", 12.50),
        ("openai", "gpt-4o-mini", 0.75),
        ("openai", "gpt-4o-mini-2024-07-18", 0.75),
        ("anthropic", "claude-sonnet-4-5", 18.0),
        ("anthropic", "claude-sonnet-4-20250514", 18.0),
        ("anthropic", "claude-opus-4-5-20251101", 30.0),
        ("anthropic", "claude-haiku-4-5", 6.0),
    ],
)
def test_known_prices(provider: str, model: str, price: float) -> None:
    """A million tokens in and out cost what the table says, also for dated names."""
    assert cost(provider, model, MILLION) == pytest.approx(price)


@pytest.mark.parametrize(
    ("provider", "model"),
    [("openai", "gpt-4o-audio-preview"), ("openai", "my-model"), ("azure", "gpt-4o"), ("nobody", "gpt-4o")],
)
def test_unknown_prices(provider: str, model: str) -> None:
    """A model that is not in the table has no price, rather than a wrong one."""
    assert cost(provider, model, MILLION) is None


def test_cached_tokens_have_another_price() -> None:
    """Without litellm's table too: a token read from the provider's cache costs less."""
    assert cost("openai", "gpt-4o", Usage(input_tokens=10, cache_read_input_tokens=5)) == pytest.approx(18.75e-6)
    assert cost("openai", "gpt-4o", Usage(input_tokens=10, cache_read_input_tokens=0)) == pytest.approx(25e-6)


def test_litellm_is_asked_if_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A litellm that is loaded knows more models; what it does not know falls back to our table."""

    def cost_per_token(model: str, prompt_tokens: int, completion_tokens: int, **more: int) -> tuple[float, float]:
        if model == "groq/llama":
            return 1.0, more["cache_read_input_tokens"] * 1.0
        raise LookupError("This model isn't mapped yet.")

    fake = ModuleType("litellm")
    fake.cost_per_token = cost_per_token  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "litellm", fake)
    assert cost("groq", "llama", Usage(input_tokens=1, cache_read_input_tokens=2)) == 3.0
    assert cost("openai", "gpt-4o", MILLION) == pytest.approx(12.5)
    assert cost("azure", "my-deployment", MILLION) is None


def test_a_litellm_that_is_being_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that the warming thread has not finished yet is not asked."""
    monkeypatch.setitem(sys.modules, "litellm", ModuleType("litellm"))
    assert cost("openai", "gpt-4o", MILLION) == pytest.approx(12.5)


def test_real_litellm_agrees() -> None:
    """litellm's own table and ours give the same price for every model of ours."""
    script = """
from polos_nb.messages import Usage
from polos_nb.models import prices
usage = Usage(input_tokens=1000, output_tokens=1000)
names = [(p, m) for p, models in prices.PRICES.items() for m in models if m != "claude-sonnet-4"]
ours = [prices.cost(p, m, usage) for p, m in names]
from polos_nb.models.litellm import load
load()
theirs = [prices.cost(p, m, usage) for p, m in names]
assert None not in ours, ours
assert [round(x, 9) for x in ours] == [round(x, 9) for x in theirs], (names, ours, theirs)
assert prices._litellm_cost("openai", "gpt-4o", usage) is not None
cached = prices.cost("openai", "gpt-4o", Usage(input_tokens=1000, cache_read_input_tokens=1000))
assert 0 < cached < prices.cost("openai", "gpt-4o", Usage(input_tokens=1000)), cached
assert prices.cost("azure", "my-deployment", usage) is None
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_known_models() -> None:
    """Every provider has a list of suggestions, written with the provider first."""
    models = known_models()
    assert set(models) == set(PROVIDERS)
    assert "openai/gpt-4o" in models["openai"]
    assert "anthropic/claude-sonnet-4-5" in models["anthropic"]
    assert all(model.startswith(f"{provider}/") for provider, names in models.items() for model in names)
