"""Which models take images, as far as it is known without asking anybody."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from polos_nb.models.base import Model
from polos_nb.models.providers import PROVIDERS

# What the names of models begin with that see images; asked only as long as litellm, which knows all, is not loaded.
_SEEING = {
    "openai": ("gpt-4o", "gpt-4.1", "gpt-5", "o3", "o4-mini"),
    "anthropic": ("claude-",),
    "gemini": ("gemini-",),
}


def takes_images(provider: str, model: str | Model) -> bool:
    """Whether a model takes images; False where that is not known. Never loads litellm.

    A `Model` object says so with an attribute `takes_images`.

    >>> takes_images("openai", "gpt-4o-mini"), takes_images("groq", "llama-3.3-70b-versatile")
    (True, False)
    """
    if not isinstance(model, str):
        return bool(getattr(model, "takes_images", False))
    asked = getattr(sys.modules.get("litellm"), "supports_vision", None)
    if asked is None:
        return model.startswith(_SEEING.get(provider, ("\0",)))
    if provider not in PROVIDERS:
        return False
    return _in_table(asked, f"{PROVIDERS[provider].prefix}/{model}")


def surely_takes_images(provider: str, model: str | Model) -> bool:
    """The same, from litellm's own table: loads litellm, which takes seconds. Raises ModelError if it cannot."""
    if isinstance(model, str) and provider in PROVIDERS:
        from polos_nb.models.litellm import load  # noqa: PLC0415 - its translation of messages asks `takes_images`

        load()
    return takes_images(provider, model)


@lru_cache(maxsize=64)  # a page asks often, and a look takes about a millisecond
def _in_table(asked: Callable[..., Any], name: str) -> bool:
    try:
        return bool(asked(model=name))
    except Exception:  # its table answers with exceptions of several kinds, and all of them mean that it does not know
        return False
