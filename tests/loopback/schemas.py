"""The rules that the providers' strict structured output puts on a JSON schema."""

from __future__ import annotations

from typing import Any

from tests.loopback.turns import Refused

UNSUPPORTED = (
    "allOf",
    "not",
    "dependentRequired",
    "dependentSchemas",
    "if",
    "then",
    "else",
    "patternProperties",
)


def require_strict_schema(schema: dict[str, Any], what: str) -> None:
    """Refuse open objects, properties that are not required, and words that strict mode does not know."""
    if schema.get("type") != "object":
        raise Refused(f"Invalid schema for {what}: schema must be a JSON Schema of 'type: \"object\"'.")
    _walk(schema, what, (), required=True)


def require_closed_schema(schema: dict[str, Any], what: str) -> None:
    """Refuse a schema with open objects."""
    _walk(schema, what, (), required=False)


def _walk(schema: Any, what: str, context: tuple[str, ...], required: bool) -> None:
    if not isinstance(schema, dict):
        return
    where = f"Invalid schema for {what}: In context={context!r}"
    if unknown := [word for word in UNSUPPORTED if word in schema]:
        raise Refused(f"{where}, '{unknown[0]}' is not permitted.")
    if "$ref" in schema and len(schema) > 1 and required:
        raise Refused(f"{where}, $ref cannot have keywords {sorted(set(schema) - {'$ref'})}.")
    if required and "default" in schema:
        raise Refused(f"{where}, 'default' is not permitted.")
    properties = schema.get("properties") or {}
    if schema.get("type") == "object" or properties:
        if schema.get("additionalProperties") is not False:
            raise Refused(f"{where}, 'additionalProperties' is required to be supplied and to be false.")
        if required and (missing := sorted(set(properties) - set(schema.get("required") or []))):
            raise Refused(f"{where}, 'required' must include every key in properties. Missing '{missing[0]}'.")
    for group in ("properties", "$defs", "definitions"):
        for name, inner in (schema.get(group) or {}).items():
            _walk(inner, what, (*context, group, name), required)
    for name in ("items",):
        _walk(schema.get(name), what, (*context, name), required)
    for at, inner in enumerate(schema.get("anyOf") or []):
        _walk(inner, what, (*context, "anyOf", str(at)), required)
