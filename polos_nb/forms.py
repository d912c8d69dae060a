"""Forms that a run shows to a person, and the check of what the person answers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from polos_nb.errors import ConfigurationError
from polos_nb.safe_text import brief, value_text

TYPES = ("boolean", "text", "textarea", "number", "select", "email", "url")
_YES, _NO = ("yes", "y", "true", "1", "on"), ("no", "n", "false", "0", "off")
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_INTEGER = re.compile(r"[+-]?\d+")
_ALLOWED = {
    "boolean": "yes or no",
    "number": "a number",
    "email": "an e-mail address",
    "url": "an address that begins with https:// or http://",
    "text": "a text",
    "textarea": "a text",
}
_EXAMPLE = {
    "boolean": "yes",
    "number": "3",
    "email": "name@example.com",
    "url": "https://example.com",
    "text": "'some words'",
    "textarea": "'some words'",
}
_HOW = {"boolean": "yes|no", "number": "NUMBER", "email": "EMAIL", "url": "URL"}


@dataclass(frozen=True)
class Option:
    """One choice of a select field: what a person reads, and what the run gets."""

    label: str
    value: Any


@dataclass(frozen=True, kw_only=True)
class Field:
    """One thing to fill in. `type` is one of `TYPES`; `default` None means that there is none."""

    key: str
    type: str = "text"
    label: str = ""
    description: str = ""
    required: bool = False
    default: Any = None
    options: tuple[Option, ...] = ()

    def how(self) -> str:
        """How an answer is written on a line.

        >>> Field(key="approved", type="boolean").how()
        'approved=yes|no'
        """
        if self.options and self.type == "select":
            return f"{self.key}={'|'.join(_shown(option.value) for option in self.options)}"
        return f"{self.key}={_HOW.get(self.type, 'TEXT')}"

    def _allowed(self) -> str:
        if self.type != "select":
            return _ALLOWED[self.type]
        return f"one of {', '.join(_shown(option.value) for option in self.options)}"

    def _example(self) -> str:
        text = _shown(self.options[0].value) if self.options and self.type == "select" else _EXAMPLE.get(self.type, "…")
        text = f"'{text}'" if " " in text and not text.startswith("'") else text
        return f"{self.key}={text}"


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a person is asked. `context` is what they need to know; `source` and `tool` say who asks.

    >>> form = parse_form({"_form": {"title": "Refund?", "fields": [{"key": "approved", "type": "boolean"}]}})
    >>> form.check({"approved": "yes"})
    {'approved': True}
    """

    title: str = ""
    description: str = ""
    fields: tuple[Field, ...] = ()
    context: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    tool: str = ""

    def field(self, key: str) -> Field | None:
        """The field of that key, or None."""
        return next((one for one in self.fields if one.key == key), None)

    def how(self) -> str:
        """How an answer is written on a line: all fields."""
        return " ".join(one.how() for one in self.fields)

    def flags(self) -> str:
        """How it is answered on the line of `approve`.

        >>> parse_form({"_form": {"fields": [{"key": "region", "type": "text", "required": True}]}}).flags()
        '--set region=TEXT'
        """
        needed = [one for one in self.fields if one.required and one.key != "approved" and one.default is None]
        if not self.fields or self.field("approved") is not None:
            return " ".join(["--yes (or --no)", *(f"--set {one.how()}" for one in needed)])
        return " ".join(f"--set {one.how()}" for one in needed or self.fields)

    def check(self, answers: Mapping[str, Any]) -> dict[str, Any]:
        """The answers with their right types, defaults filled in, and everything that is no field as it was given.

        Texts are read as a command line writes them. Raises ConfigurationError that names every mistake.
        """
        known = {one.key for one in self.fields}
        out: dict[str, Any] = {key: value for key, value in answers.items() if key not in known}
        mistakes: list[str] = []
        for one in self.fields:
            given = answers.get(one.key)
            if _missing(one, given):
                if one.default is not None:
                    out[one.key] = one.default
                elif one.required:
                    mistakes.append(f"{one.key} is missing, which is {one._allowed()} (write {one._example()})")
                continue
            try:
                out[one.key] = _coerced(one, given)
            except ValueError:
                shown = brief(value_text(given), 60)
                mistakes.append(f"{one.key} must be {one._allowed()}, not {shown!r} (write {one._example()})")
        if mistakes:
            raise ConfigurationError("the answer does not fit the form: " + "; ".join(mistakes))
        return out


def parse_form(data: Any) -> Form:
    """The form in what a step shows. Data without a form gives one without fields, which accepts any answer.

    >>> parse_form({"total": 3}).fields
    ()
    """
    around = data if isinstance(data, Mapping) else {}
    form = around.get("_form")
    if not isinstance(form, Mapping):
        return Form(source=_text(around.get("_source")), tool=_text(around.get("_tool")))
    entries = form.get("fields")
    context = form.get("context")
    fields = [_field(entry) for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []
    by_key = {one.key: one for one in fields if one.key}
    return Form(
        title=_text(form.get("title")),
        description=_text(form.get("description")),
        fields=tuple(by_key.values()),
        context=dict(context) if isinstance(context, Mapping) else {} if context is None else {"context": context},
        source=_text(around.get("_source")),
        tool=_text(around.get("_tool")),
    )


def _field(entry: Mapping[str, Any]) -> Field:
    kind = entry.get("type")
    options = entry.get("options")
    return Field(
        key=_text(entry.get("key") or entry.get("name")),
        type=kind if isinstance(kind, str) and kind in TYPES else "text",
        label=_text(entry.get("label")),
        description=_text(entry.get("description")),
        required=bool(entry.get("required")),
        default=entry.get("default"),
        options=tuple(_option(one) for one in options) if isinstance(options, list) else (),
    )


def _option(entry: Any) -> Option:
    if isinstance(entry, Mapping):
        value = entry.get("value", entry.get("label"))
        return Option(_text(entry.get("label")) or _shown(value), value)
    return Option(_shown(entry), entry)


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else value_text(value)


def _shown(value: Any) -> str:
    return brief(value_text(value), 60)


def _missing(one: Field, given: Any) -> bool:
    if given is None:
        return True
    empty = isinstance(given, str) and not given.strip()
    return empty and (one.required or one.type not in ("text", "textarea"))


def _coerced(one: Field, given: Any) -> Any:
    if one.type == "select":
        return _chosen(one, given)
    if one.type == "boolean":
        return _boolean(given)
    if one.type == "number":
        return _number(given)
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise ValueError
    text = str(given)
    if one.type == "email":
        return _matching(text.strip(), _EMAIL.fullmatch(text.strip()) is not None)
    if one.type == "url":
        return _matching(text.strip(), _is_url(text.strip()))
    return text


def _boolean(given: Any) -> bool:
    if isinstance(given, bool):
        return given
    word = str(given).strip().lower() if isinstance(given, str | int) else ""
    if word not in (*_YES, *_NO):
        raise ValueError
    return word in _YES


def _number(given: Any) -> int | float:
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise ValueError
    if isinstance(given, str):
        text = given.strip().replace("_", "x")  # Python's own "1_000" is not how people write a number
        given = int(text) if _INTEGER.fullmatch(text) and len(text) < 400 else float(text)
    number: int | float = given
    if not math.isfinite(number):
        raise ValueError
    return number


def _chosen(one: Field, given: Any) -> Any:
    if not one.options:
        return given
    for option in one.options:
        if type(option.value) is type(given) and option.value == given:
            return option.value
    text = value_text(given).strip()
    written = [(option.value, value_text(option.value), option.label) for option in one.options]
    folded = text.casefold()
    found = [value for value, as_text, _ in written if as_text == text]
    found += [value for value, _, label in written if label == text]
    found += [value for value, as_text, label in written if folded in (as_text.casefold(), label.casefold())]
    if not found:
        raise ValueError
    return found[0]


def _matching(text: str, fits: bool) -> str:
    if not fits:
        raise ValueError
    return text


def _is_url(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not any(char.isspace() for char in text)
