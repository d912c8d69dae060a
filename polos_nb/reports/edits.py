"""What an answer to an approval may hold beside its fields: other arguments for the call, and "always"."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from polos_nb.errors import ConfigurationError
from polos_nb.redaction import redactor
from polos_nb.runtime.always import SCOPES, alike
from polos_nb.safe_text import brief, value_text

_MISTAKES = 5  # that a sentence names


def checked(given: Mapping[str, Any], form: Any = None) -> dict[str, Any]:
    """An answer to an approval, with `arguments` and `allow_always` as they are kept.

    `form` is what was asked, as data; without it, in an answer that comes before the question, only what needs no
    form is checked. Raises ConfigurationError that says what is wrong.
    """
    out = {key: value for key, value in given.items() if key not in ("arguments", "allow_always")}
    scope = _scope(given.get("allow_always"))
    arguments = _arguments(given.get("arguments"))
    if out.get("approved") is not True:
        if scope is not None:
            raise ConfigurationError("a call that is rejected cannot be allowed always; approve it, or leave that out")
        if arguments is not None:
            raise ConfigurationError("a call that is rejected takes no arguments; approve it, or leave them out")
    if arguments is not None:
        around = form if isinstance(form, Mapping) else {}
        shown = (around.get("_form") or {}).get("context") or {}
        asked = shown.get("input") if isinstance(shown, Mapping) else None
        if not alike(arguments, asked):
            _check(arguments, asked, around.get("_arguments_schema"))
            out["arguments"] = arguments
    return out if scope is None else out | {"allow_always": scope}


def _scope(given: Any) -> str | None:
    """What is always allowed: "tool", "same", or None for nothing. Polos' own clients say true."""
    said = given.strip().lower() if isinstance(given, str) else given
    if said in (None, False, "", "no", "false"):
        return None
    if said in (True, "yes", "true"):
        return "tool"
    if said not in SCOPES:
        raise ConfigurationError(
            f"{brief(value_text(given), 60)!r} cannot be allowed always; write tool (every call of it in this run) or"
            " same (calls with exactly these arguments)"
        )
    return str(said)


def _arguments(given: Any) -> dict[str, Any] | None:
    """The arguments, which a command line writes as JSON."""
    value = given
    if isinstance(given, str):
        try:
            value = json.loads(given)
        except ValueError as error:
            raise ConfigurationError(
                f"the arguments are not JSON ({error}); write an object, for example '{{\"amount\": 3}}'"
            ) from None
    if value is not None and not isinstance(value, dict):
        raise ConfigurationError(
            f"the arguments must be an object, not {brief(value_text(value), 60)};"
            " write for example '{\"amount\": 3}'"
        )
    return value


def _check(arguments: dict[str, Any], asked: Any, schema: Any) -> None:
    """Raise ConfigurationError where a tool does not take these arguments, or the store cannot keep them."""
    before = asked if isinstance(asked, dict) else {}
    new = {key: value for key, value in arguments.items() if key not in before or not alike(value, before[key])}
    secret = [key for key, value in new.items() if _hides(value)]
    if secret:
        raise ConfigurationError(
            f"argument {secret[0]} holds a secret, which is not kept; let the tool read it from the environment"
        )
    mistakes = _mistakes(arguments, schema, new) if isinstance(schema, Mapping) else []
    if mistakes:
        allowed = ", ".join((schema or {}).get("properties") or {}) or "none"
        raise ConfigurationError(
            f"the arguments do not fit the tool: {'; '.join(mistakes[:_MISTAKES])}; allowed arguments: {allowed}"
        )


def _hides(value: Any) -> bool:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return redactor().redact(text) != text


def _mistakes(arguments: dict[str, Any], schema: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What is wrong with arguments. Those that are as the model wrote them have passed the tool's own, laxer check.

    A schema of a user's own that cannot be followed says nothing here; the tool checks again when it is called.
    """
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # noqa: PLC0415 - takes 50 ms
    from referencing import Registry  # noqa: PLC0415 - the same
    from referencing.exceptions import Unresolvable  # noqa: PLC0415 - the same

    # An empty registry: a schema's references never lead to another place, least of all into the network.
    validator = Draft202012Validator(dict(schema), registry=Registry())
    try:
        errors = sorted(validator.iter_errors(arguments), key=lambda error: [str(part) for part in error.absolute_path])
    except Unresolvable:
        return []
    kept = [error for error in errors if not error.absolute_path or error.absolute_path[0] in new]
    return [_sentence(error.absolute_path, error.message) for error in kept]


def _sentence(path: Any, message: str) -> str:
    place = ".".join(str(part) for part in path)
    return brief(f"argument {place}: {message}" if place else message, 200)
