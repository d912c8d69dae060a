"""Keeps API keys out of the texts of errors, whoever wrote those texts."""

from __future__ import annotations

import re

from polos_nb.redaction import REDACTED, redactor

# Providers echo keys with their middle starred out, and errors are short texts in which a false alarm costs little:
# these shapes are wider than those of the store's redactor.
_ECHOES = re.compile(
    r"\b(?:sk|pk|rk)-(?=[\w.-]*[\d*])[\w*.-]{4,}(?<![.])"  # not sk-learn
    r"|\bAIza[\w*-]{10,}"
    r"|\b(?:gsk|fw|tgp|hf|ghp|gho|ghs|github_pat|glpat)_[\w*-]{8,}"
    r"|\bxox[abeprs]-[\w*-]{8,}"
    r"|\bAKIA[A-Z0-9*]{12,}"
    r"|(?<=Bearer )[\w.*~+/=-]{8,}"
    r"|(?<=[Kk]ey provided: )\S+(?<![.,;])"
    r"|(?<=://)[^\s/@:]+:[^\s/@]+(?=@)"  # user:password of a URL
)


def redact(text: str, *secrets: str | None) -> str:
    """A text without the given secrets, the values of secret-looking environment variables, and key shapes.

    >>> redact("Incorrect API key provided: sk-abcd****wxyz.")
    'Incorrect API key provided: [redacted].'
    """
    # Longest first: one secret may be the beginning of another.
    for value in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(value, REDACTED)
    return _ECHOES.sub(REDACTED, redactor().redact(text))
