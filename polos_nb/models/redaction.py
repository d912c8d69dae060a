"""Keeps API keys out of the texts of errors, whoever wrote those texts."""

from __future__ import annotations

import os
import re

REDACTED = "[redacted]"

_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)
# Shorter values are switches ("true", "1"), and taking them out would make a text unreadable.
_SHORTEST_SECRET = 8
# Providers echo keys with their middle starred out, so stars belong to the shapes.
_SHAPES = re.compile(
    r"\b(?:sk|pk|rk)-[\w*.-]{4,}"  # OpenAI, Anthropic and those that copy them
    r"|\bAIza[\w*-]{10,}"  # Google
    r"|\b(?:gsk|fw|tgp|hf|ghp|gho|ghs|github_pat|glpat)_[\w*-]{8,}"
    r"|\bxox[abeprs]-[\w*-]{8,}"  # Slack
    r"|\bAKIA[A-Z0-9*]{12,}"  # AWS
    r"|(?<=Bearer )[\w.*~+/=-]{8,}"
    r"|(?<=[Kk]ey provided: )\S+(?<![.,;])"
    r"|(?<=://)[^\s/@:]+:[^\s/@]+(?=@)"  # user:password of a URL
)


def redact(text: str, *secrets: str | None) -> str:
    """A text without the given secrets, the values of secret-looking environment variables, and key shapes.

    >>> redact("Incorrect API key provided: sk-abcd****wxyz.")
    'Incorrect API key provided: [redacted].'
    """
    values = {value for value in secrets if value}
    values |= {
        value
        for name, value in os.environ.items()
        if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_SECRET
    }
    # Longest first: one secret may be the beginning of another.
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, REDACTED)
    return _SHAPES.sub(REDACTED, text)
