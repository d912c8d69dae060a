"""Checks what an agent says about how its model is called: time-out, retries, who is asked when it is down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from polos_nb.errors import ConfigurationError, DefinitionError
from polos_nb.models.base import Alternative, Model
from polos_nb.models.providers import get_provider


def as_timeout(who: str, value: Any) -> float | None:
    """Seconds of silence after which a provider is given up, or None. Raises DefinitionError for anything else."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise DefinitionError(f"{who}: timeout={value!r} is not a number of seconds; write for example timeout=30")
    return float(value)


def as_model_retries(who: str, value: Any) -> int:
    """How often to try again. Raises DefinitionError for what is no count."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise DefinitionError(f"{who}: max_retries={value!r} is not a count; write 0, 1, 2, ...")
    return value


def as_fallbacks(who: str, value: Sequence[str | Model] | str | Model | None) -> tuple[Alternative, ...]:
    """The models to ask in turn. Raises DefinitionError, with the remedy, for one that cannot be asked.

    >>> as_fallbacks("agent 'a'", "groq/openai/gpt-oss-20b")
    (Alternative(provider='groq', model='openai/gpt-oss-20b'),)
    """
    given = [value] if isinstance(value, str | Model) else list(value or ())
    return tuple(_alternative(who, item) for item in given)


def _alternative(who: str, item: Any) -> Alternative:
    if isinstance(item, Model):
        return Alternative("scripted", item)
    provider, _, model = item.partition("/") if isinstance(item, str) else ("", "", "")
    provider = provider.strip().lower()
    if provider == "demo":
        return Alternative(provider, model or "demo")
    if not provider or not model:
        raise DefinitionError(
            f"{who}: fallbacks={item!r} does not name a model; write for example fallbacks=['openai/gpt-4o']"
        )
    try:
        get_provider(provider)
    except ConfigurationError as error:
        raise DefinitionError(f"{who}: fallbacks={item!r}: {error}") from None
    return Alternative(provider, model)
