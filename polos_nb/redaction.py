"""Keeps secrets out of all that is written or shown: values of the environment, and known shapes of keys."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

REDACTED = "[redacted]"
# Keys are ASCII without spaces; other scripts are never held back. Tried where a word starts: else it is quadratic.
_LAST_WORD = re.compile(r"(?<![!-~])[!-~]+\Z")
_LONGEST_WORD = 4096
_KEY_BEGINS = re.compile(r"sk-|AIza|gsk_|fw_|tgp_|xox|xapp-|gh[pousr]_|github_pat_|AKIA|hf_|e2b_|eyJ|[Bb]earer|-----")
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
_MIN_LENGTH = 8
_COMMON = {"password", "disabled", "required", "optional", "undefined", "anonymous", "username", "localhost"} | {
    "changeme", "development", "production", "readonly", "internal", "external", "standard"
}  # fmt: skip

# A key starts where a word starts. In JSON and in URLs the letter before it may belong to an escape: \n, \u0020, %20.
_ESCAPES = (r"(?<=\\[nrtbf]{0})", r"(?<=\\u[0-9a-fA-F]{{4}}{0})", r"(?<=%[0-9A-Fa-f]{{2}}{0})")


def _shape(name: str, prefix: str, rest: str) -> tuple[str, str, str]:
    # The literal comes first, so that the engine skips to its first letter; what must not precede it is checked after.
    starts = "|".join(pattern.format(prefix) for pattern in (r"(?<![A-Za-z0-9]{0})", *_ESCAPES))
    return name, prefix, f"{prefix}(?:{starts}){rest}"


_PEM_TEXT = r"(?:[A-Za-z0-9+/=\s:,.-]|\\+[nr])"
# A name, the literal that the pattern begins with, and the pattern.
_SHAPES: tuple[tuple[str, str, str], ...] = (
    _shape("Anthropic key", "sk-ant-", r"[A-Za-z0-9_-]{12,}"),
    _shape("OpenAI key", "sk-", r"(?:proj|svcacct|admin|or|lf)-[A-Za-z0-9_-]{12,}"),
    _shape("OpenAI key", "sk-", r"(?=[A-Za-z_-]{0,60}[0-9])[A-Za-z0-9_-]{20,}"),
    _shape("Google key", "AIza", r"[A-Za-z0-9_-]{30,}"),
    _shape("Groq key", "gsk_", r"[A-Za-z0-9]{20,}"),
    _shape("Fireworks key", "fw_", r"(?=[A-Za-z]{0,40}[0-9])[A-Za-z0-9]{20,}"),
    _shape("Together key", "tgp_v1_", r"[A-Za-z0-9_-]{20,}"),
    _shape("Slack token", "xox", r"[abeprs]-[A-Za-z0-9-]{10,}"),
    _shape("Slack token", "xapp-", r"[A-Za-z0-9-]{10,}"),
    *(_shape("GitHub token", f"gh{letter}_", r"[A-Za-z0-9]{20,}") for letter in "pousr"),
    _shape("GitHub token", "github_pat_", r"[A-Za-z0-9_]{20,}"),
    _shape("AWS key", "AKIA", r"[0-9A-Z]{16}(?![0-9A-Za-z])"),
    _shape("Hugging Face token", "hf_", r"[A-Za-z0-9]{30,}"),
    _shape("E2B key", "e2b_", r"[A-Za-z0-9]{20,}"),
    _shape("JSON web token", "eyJ", r"[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
    _shape("bearer token", "Bearer", r"(?:\s|%20|\+)+(?=[A-Za-z._~+/-]{0,200}[0-9])[A-Za-z0-9._~+/-]{12,}=*"),
    _shape("bearer token", "bearer", r"(?:\s|%20|\+)+(?=[A-Za-z._~+/-]{0,200}[0-9])[A-Za-z0-9._~+/-]{12,}=*"),
    (
        "private key",
        "-----BEGIN ",
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
        rf"(?:{_PEM_TEXT}{{0,20000}}?-----END [A-Z ]{{0,30}}PRIVATE KEY(?: BLOCK)?-----"
        r"|(?:[A-Za-z0-9+/=]|\\+[nr]|\r?\n)*)",
    ),
)
_ALL_SHAPES = re.compile("|".join(pattern for _, _, pattern in _SHAPES))
_NAMED_SHAPES = tuple((name, re.compile(pattern)) for name, _, pattern in _SHAPES)


def _rarest(literal: str) -> str:
    return next((character for character in "_-JKzxBb" if character in literal), literal[0])


_LITERALS = tuple({literal: None for _, literal, _ in _SHAPES})
# Each literal by its rarest character: looking for one character takes a twentieth of the time of looking for two.
_BY_CHARACTER = {
    rare: tuple(literal for literal in _LITERALS if _rarest(literal) == rare)
    for rare in {_rarest(literal): None for literal in _LITERALS}
}


class Redactor:
    """Replaces secrets by "[redacted]": values of secret-looking variables of `environment`, and known key shapes.

    A variable counts when its name holds KEY, TOKEN, SECRET, PASSWORD, PASSWD or CREDENTIAL and its value has at
    least 8 characters. JSON text stays valid JSON.

    >>> Redactor({"CITY_API_KEY": "tulips-and-clogs"}).redact("key=tulips-and-clogs&city=Delft")
    'key=[redacted]&city=Delft'
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._names: dict[str, str] = {}
        self._structures: list[Any] = []  # values that are JSON objects, such as the file of a service account
        for name, value in environment.items():
            if is_secret_name(name) and _counts(name, value.strip()):
                if value.strip()[0] in "{[" and _is_json(value):
                    self._structures.append(json.loads(value))
                for form in _forms(value.strip()):
                    self._names.setdefault(form, name)
        longest_first = sorted(self._names, key=len, reverse=True)
        self._values = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def redact(self, text: str) -> str:
        """The text without its secrets."""
        spans = self._spans(text)
        if not spans:
            return text
        parts, end = [], 0
        for start, stop, _ in spans:
            parts += [text[end:start], REDACTED]
            end = stop
        redacted = "".join([*parts, text[end:]])
        # A value that is a number, or that holds quotes, may have taken a part of the syntax with it.
        if text.lstrip()[:1] in ("{", "[", '"') and not _is_json(redacted) and _is_json(text):
            return self._redact_json(text)
        return redacted

    def may_begin(self, word: str) -> bool:
        """Whether a word at the end of an unfinished text may be a part of a secret."""
        if _KEY_BEGINS.search(word):
            return True
        return any(
            word.endswith(form[:size]) for form in self._names for size in range(min(len(word), len(form)), 0, -1)
        )

    def find(self, text: str) -> list[str]:
        """What `redact` would take out: the names of variables and of shapes, sorted, never a value."""
        return sorted({name for _, _, names in self._spans(text) for name in names})

    def _spans(self, text: str) -> list[tuple[int, int, set[str]]]:
        """Where secrets are, in order. Overlapping ones are one, so that no part of either stays."""
        found = []
        if _may_have_a_key(text):
            found += [(*match.span(), _shape_name(match.group())) for match in _ALL_SHAPES.finditer(text)]
        if self._values is not None and any(map(text.__contains__, self._names)):
            found += [(*match.span(), self._names[match.group()]) for match in self._values.finditer(text)]
        if not found:
            return []
        merged: list[tuple[int, int, set[str]]] = []
        for start, stop, name in sorted(found):
            if merged and start < merged[-1][1]:
                first, last, names = merged.pop()
                merged.append((first, max(last, stop), names | {name}))
            else:
                merged.append((start, stop, {name}))
        return merged

    def _redact_json(self, text: str) -> str:
        def walk(value: Any) -> Any:
            if value in self._structures:
                return REDACTED
            if isinstance(value, dict):
                return {self.redact(key): walk(item) for key, item in value.items()}
            if isinstance(value, list):
                return [walk(item) for item in value]
            if isinstance(value, str):
                return self.redact(value)
            if isinstance(value, int | float) and self._spans(json.dumps(value)):
                return REDACTED
            return value

        redacted = json.dumps(walk(json.loads(text)), ensure_ascii=False, separators=(",", ":"))
        return json.dumps(REDACTED) if self._spans(redacted) else redacted


class StreamRedactor:
    """Redacts a text that comes in pieces: what may be the beginning of a secret is held back until that is known.

    >>> stream = StreamRedactor(Redactor({"CITY_API_KEY": "tulips-and-clogs"}))
    >>> [stream.feed("key tulips-"), stream.feed("and-clogs ok"), stream.flush()]
    ['key ', '[redacted] ok', '']
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = ""

    def feed(self, piece: str) -> str:
        """What can be shown now."""
        text = self._held + piece
        end = _LAST_WORD.search(text)
        held = end is not None and len(end.group()) <= _LONGEST_WORD and self._redactor.may_begin(end.group())
        place = end.start() if end is not None and held else len(text)
        self._held = text[place:]
        return self._redactor.redact(text[:place])

    def flush(self) -> str:
        """The rest, at the end."""
        text, self._held = self._held, ""
        return self._redactor.redact(text)


_cache: dict[str, Any] = {"environment": None, "redactor": None}
_cache_lock = threading.Lock()
_known: dict[str, str] = {}


def remember(name: str, secret: str) -> None:
    """Keep a secret that is not in the environment out of everything too, from now on; `name` says what it is."""
    with _cache_lock:
        other = _known.get(name, secret) != secret
        _known[f"{name} (SECRET {len(_known)})" if other else name] = secret


def redactor() -> Redactor:
    """The redactor of this process's environment; made anew when a variable that matters has changed."""
    environment = {name: os.environ.get(name, "") for name in list(os.environ) if is_secret_name(name)}
    with _cache_lock:
        environment |= {f"KEY {name}": secret for name, secret in _known.items()}
        if _cache["environment"] != environment:
            _cache.update(environment=environment, redactor=Redactor(environment))
        kept: Redactor = _cache["redactor"]
        return kept


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Does a variable of this name hold a secret?"""
    return _SECRET_NAME.search(name) is not None


def _counts(name: str, value: str) -> bool:
    if len(value) < _MIN_LENGTH or value.casefold() in _COMMON:
        return False
    return not (value.isdecimal() and "TOKENS" in name.upper())  # MAX_TOKENS=10000000 is a number, not a secret


def _forms(value: str) -> set[str]:
    """A value as it is and as it looks inside JSON, inside JSON in JSON, and inside a URL."""
    forms = {value, quote(value), quote(value, safe=""), quote_plus(value)}
    for ascii_only in (True, False):
        once = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        forms |= {once, json.dumps(once, ensure_ascii=ascii_only)[1:-1]}
    return forms


def _may_have_a_key(text: str) -> bool:
    """Whether a literal that a shape begins with is there: nearly all texts have none, which is quick to see."""
    for rare, literals in _BY_CHARACTER.items():
        if rare in text:
            for literal in literals:
                if literal in text:
                    return True
    return False


def _shape_name(secret: str) -> str:
    # Without what stood before it, every look-behind holds.
    return next((name for name, pattern in _NAMED_SHAPES if pattern.fullmatch(secret)), "key")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
