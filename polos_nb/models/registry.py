"""Which model answers for a provider's name."""

from __future__ import annotations

from polos_nb.models.base import Model
from polos_nb.models.demo import DemoModel
from polos_nb.models.litellm import LiteLLMModel
from polos_nb.models.providers import get_provider

OFFLINE = frozenset({"demo", "scripted"})

_models: dict[str, Model] = {}


def get_model(provider: str) -> Model:
    """The model behind a provider. Raises ConfigurationError, with the nearest name, for one that is not known."""
    if provider not in _models:
        if provider == "demo":
            _models[provider] = DemoModel()
        else:
            get_provider(provider)
            _models[provider] = LiteLLMModel()
    return _models[provider]
