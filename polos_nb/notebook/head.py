"""Reads the YAML head of an agent cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from polos_nb.errors import ConfigurationError
from polos_nb.notebook.arguments import did_you_mean

_FENCE = "---"


def split_head(body: str, keys: Sequence[str]) -> tuple[dict[str, Any], str]:
    """The head between the two lines of `---` as a mapping, and the text after it; without a head, {} and the text.

    Raises ConfigurationError for a head that is not a YAML mapping or has an unknown key.

    >>> split_head("---\\ntemperature: 0.5\\n---\\nBe kind.", ["temperature"])
    ({'temperature': 0.5}, 'Be kind.')
    """
    lines = body.lstrip("\n").split("\n")
    if not lines or lines[0].strip() != _FENCE:
        return {}, body
    end = next((n for n, line in enumerate(lines[1:], 1) if line.strip() == _FENCE), None)
    if end is None:
        raise ConfigurationError("%%polos_agent: the head starts with --- but no second --- ends it")
    try:
        head = yaml.safe_load("\n".join(lines[1:end])) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 2})" if mark is not None else ""
        raise ConfigurationError(
            f"%%polos_agent: the head is not YAML{where}: {getattr(error, 'problem', error)}"
        ) from None
    if not isinstance(head, dict):
        raise ConfigurationError("%%polos_agent: the head must be lines of key: value")
    for key in head:
        if key not in keys:
            hint = did_you_mean(str(key), keys) or "; parameters of a provider go under params:"
            raise ConfigurationError(f"%%polos_agent: there is no {key}: in the head{hint}")
    return head, "\n".join(lines[end + 1 :])
