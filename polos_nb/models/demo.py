"""The offline model behind `provider="demo"`: no key, no network, no language model; enough to see everything work."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

from polos_nb.messages import Message
from polos_nb.models.base import ModelRequest, ModelResponse, Piece
from polos_nb.models.scripted import Turn, play

_NAME = re.compile(r"\b[A-Z][a-z]+(?:[ -][A-Z][a-z]+)*\b")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_QUOTED = re.compile(r"[\"“']([^\"”']{2,60})[\"”']")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+[\w]")
_NOT_NAMES = {
    "Compare", "What", "Which", "Who", "When", "Where", "Why", "How", "Is", "Are", "Do", "Does", "Tell",
    "Please", "The", "In", "On", "And", "Or", "Give", "Find", "Show", "Search", "Look", "Hi", "Hello", "Email",
    "My", "It", "Now", "For", "Use", "Call", "Answer", "Book", "Order", "Will", "Can", "Could", "Should",
    "Then", "Also", "Them", "Write", "Summarize",
}  # fmt: skip
DELAY = 0.04  # seconds a word, so that a demo can be seen to stream


class DemoModel:
    """Calls a tool that fits for each name in the message, then says what the tools gave.

    It knows no language: capitalised names, quoted texts and numbers of the last message become arguments. With an
    output schema it fills the fields with what it recognises.
    """

    own_loop = False
    name = "demo"

    async def stream(self, request: ModelRequest) -> AsyncIterator[Piece | ModelResponse]:
        """Yield the words of an answer, then the response."""
        turns = sum(message.role == "assistant" for message in request.messages)
        async for piece in play(_turn(request), request, turns + 1):
            yield piece


def _turn(request: ModelRequest) -> Turn:
    last = max((i for i, m in enumerate(request.messages) if m.role == "user"), default=0)
    text = request.messages[last].text() if request.messages else ""
    results = [message for message in request.messages[last + 1 :] if message.role == "tool"]
    functions = [tool["function"] for tool in request.tools if "function" in tool]
    final = next((f for f in functions if f["name"] == "final_answer"), None)
    if request.output_schema is not None:
        return Turn(text=json.dumps(_fill(request.output_schema, text)), delay=DELAY)
    if not results:
        calls = [call for function in functions if function is not final for call in _calls(function, text)]
        if calls:
            said = f"I will ask {_listed(sorted({name for name, _ in calls}))}."
            return Turn(text=said, calls=calls[:8], delay=DELAY)
    if final is not None:
        return Turn(calls=[("final_answer", _fill(final["parameters"], text, results))], delay=DELAY)
    if results:
        return Turn(text=_report(results), delay=DELAY)
    return Turn(
        text="This is the offline demo: no model is called. "
        + (f"You said: {text.strip()}" if text.strip() else "You said nothing."),
        delay=DELAY,
    )


def _calls(function: Mapping[str, Any], text: str) -> list[tuple[str, dict[str, Any]]]:
    schema = function.get("parameters") or {}
    fields: Mapping[str, Any] = schema.get("properties") or {}
    required = [name for name in schema.get("required") or fields if name in fields]
    if not required:
        return [(function["name"], {})]
    first = required[0]
    values = _candidates(fields[first], text)
    out = []
    for value in values:
        arguments = {first: value}
        for name in required[1:]:
            more = _candidates(fields[name], text)
            arguments[name] = more[0] if more else _empty(fields[name])
        out.append((function["name"], arguments))
    return out


def _candidates(schema: Mapping[str, Any], text: str) -> list[Any]:
    if schema.get("enum"):
        return [value for value in schema["enum"] if str(value).lower() in text.lower()] or [schema["enum"][0]]
    kind = schema.get("type")
    if kind in ("integer", "number"):
        numbers = _NUMBER.findall(text)
        return [int(float(n)) if kind == "integer" else float(n) for n in numbers[:1]]
    if kind == "string":
        return list(dict.fromkeys(_names(text))) or [text.strip()[:80]] if text.strip() else []
    return [_empty(schema)]


def _names(text: str) -> list[str]:
    found = _QUOTED.findall(text)
    for match in _NAME.findall(text):
        words = match.split(" ")
        while words and words[0] in _NOT_NAMES:
            words = words[1:]
        if words:
            found.append(" ".join(words))
    return found


def _fill(schema: Mapping[str, Any], text: str, results: list[Message] | None = None) -> Any:
    return {name: _value(name, field, text, results or []) for name, field in (schema.get("properties") or {}).items()}


def _value(name: str, schema: Mapping[str, Any], text: str, results: list[Message]) -> Any:
    schema = _plain_schema(schema)
    kind = schema.get("type")
    if kind == "object":
        return _fill(schema, text, results)
    if kind == "array":
        items = schema.get("items") or {}
        if _plain_schema(items).get("type") == "object":
            return [_fill(_plain_schema(items), text, results)]
        return _candidates(_plain_schema(items), text)[:5]
    if kind == "string" and "mail" in name:
        return next(iter(_EMAIL.findall(text)), "")
    if kind == "string" and not schema.get("enum"):
        return _by_hint(name, text) or (results[-1].text() if results else "")
    return next(iter(_candidates(schema, text)), _empty(schema))


def _by_hint(name: str, text: str) -> str:
    """The name that follows a telling word: "I'm Alice", "living in SF"."""
    hints = {"location": r"\b(?:in|at|from)\s+", "city": r"\b(?:in|at|from)\s+", "name": r"\b(?:I'm|I am|name is)\s+"}
    if name in hints:
        match = re.search(hints[name] + r"([A-Z][\w]*(?: [A-Z][\w]*)*)", text)
        if match:
            return match.group(1)
    return next(iter(_names(text)), "")


def _plain_schema(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    for option in schema.get("anyOf") or ():
        if option.get("type") != "null":
            return option  # type: ignore[no-any-return]
    return schema


def _empty(schema: Mapping[str, Any]) -> Any:
    if "default" in schema:
        return schema["default"]
    if schema.get("enum"):
        return schema["enum"][0]
    empties = {"integer": 0, "number": 0.0, "boolean": False, "array": [], "object": {}, "string": ""}
    return empties.get(str(schema.get("type")))


def _report(results: list[Message]) -> str:
    lines = [f"- {_told(message.text())}" for message in results]
    return "Here is what the tools say:\n\n" + "\n".join(lines)


def _told(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        return text.strip()
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')}: {item}" for name, item in value.items())
    return text.strip()


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
