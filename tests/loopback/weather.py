"""A small model for examples: it looks up the weather of cities, and reads a person out of a text."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.loopback.turns import Call, Request, Turn

# Words with a capital that are no city: what a sentence begins with.
STARTS = """
    A An And Are Can Check Compare Could Do Does Find For Get Give Hello Hey Hi How I I'm In Is It Let
    Look Now Or Please Report Say Should Show Tell Thanks The Then There Today Tomorrow Use Weather What
    What's When Where Which Who Will Would You
"""
NOT_CITIES = frozenset(STARTS.split())


def cities_in(text: str) -> list[str]:
    """The capitalised names in a text, in order and once each.

    >>> cities_in("What's the weather in New York and Tokyo?")
    ['New York', 'Tokyo']
    """
    found: list[str] = []
    for match in re.finditer(r"[A-ZÀ-Þ][\w'’-]*(?: [A-ZÀ-Þ][\w'’-]*)*", text):
        words = match.group().replace("’", "'").split()
        while words and words[0] in NOT_CITIES:
            words.pop(0)
        name = " ".join(words)
        if name and name not in NOT_CITIES and name not in found:
            found.append(name)
    return found


def person_in(text: str) -> dict[str, Any]:
    """Name, age, e-mail address and place that a text tells of a person; None for what it does not tell.

    >>> person_in("Hi, I'm Alice, 28 years old, living in SF. Email: alice@example.com")
    {'name': 'Alice', 'age': 28, 'email': 'alice@example.com', 'location': 'SF'}
    """
    names = r"((?:[A-Z][\w-]*)(?: [A-Z][\w-]*)*)"
    name = re.search(rf"(?:I'm|I’m|I am|[Nn]ame is|[Tt]his is|[Mm]eet) {names}", text) or re.search(names, text)
    age = re.search(r"\b(\d{1,3})\b", text)
    email = re.search(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", text)
    place = re.search(rf"(?:living in|lives in|live in|based in|from|in) {names}", text)
    return {
        "name": name.group(1) if name else None,
        "age": int(age.group(1)) if age else None,
        "email": email.group() if email else None,
        "location": place.group(1) if place else None,
    }


def _fill(schema: dict[str, Any], text: str) -> dict[str, Any]:
    known = person_in(text)
    empty: dict[str, Any] = {
        "string": "",
        "integer": 0,
        "number": 0,
        "boolean": False,
        "array": [],
        "object": {},
    }
    answer = {}
    for name, inner in (schema.get("properties") or {}).items():
        found = known.get(name)
        answer[name] = empty.get(str(inner.get("type"))) if found is None else found
    return answer


def _result_text(content: str) -> str:
    try:
        value = json.loads(content)
    except ValueError:
        return content
    if isinstance(value, dict):
        return ", ".join(f"{name} {inner}" for name, inner in value.items())
    return str(value)


def weather_script(request: Request) -> Turn:
    """Answer as an obliging weather assistant.

    A structured request, or one that offers a `final_answer` tool, is answered with a person read out of the
    text. A question about cities calls `get_weather` for each of them at once; results are answered with a
    sentence that contains them.
    """
    size = len(json.dumps(request.messages)) // 4 + 1
    if request.schema is not None:
        text = json.dumps(_fill(request.schema, request.user))
        return Turn(text=text, usage=(size, len(text) // 4 + 1))
    if request.tool_results:
        text = "Here is the weather: " + "; ".join(_result_text(seen.content) for seen in request.tool_results) + "."
        return Turn(text=text, usage=(size, len(text) // 4 + 1))
    if "final_answer" in request.tool_names:
        tool = next(tool for tool in request.tools if tool.get("name") == "final_answer")
        schema = tool.get("parameters") or tool.get("input_schema") or {}
        return Turn(calls=[Call("final_answer", _fill(schema, request.user))], usage=(size, 20))
    cities = cities_in(request.user)
    if cities and "get_weather" in request.tool_names:
        tool = next(tool for tool in request.tools if tool.get("name") == "get_weather")
        schema = tool.get("parameters") or tool.get("input_schema") or {}
        argument = next(iter(schema.get("properties") or {}), "city")
        return Turn(calls=[Call("get_weather", {argument: city}) for city in cities], usage=(size, 12 * len(cities)))
    text = f"You said: {request.user}"
    return Turn(text=text, usage=(size, len(text) // 4 + 1))


SCRIPTS = {"weather": weather_script}
