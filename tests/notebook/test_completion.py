"""Completion inside the magics."""

from __future__ import annotations

import time
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter

from polos_nb.agents import Agent
from polos_nb.notebook.completion import suggest
from polos_nb.tools import tool


@tool
def get_weather(city: str) -> str:
    """Weather."""
    return city


NAMES: dict[str, Any] = {
    "bot": Agent(id="bot", provider="demo"),
    "get_weather": get_weather,
    "topic": "tea",
    "_hidden": 1,
    "Person": type("Person", (), {}),
}


def words(text: str, names: dict[str, Any] = NAMES) -> list[str] | None:
    """Suggestions at the place of `|`."""
    before, _, _ = text.partition("|")
    line = before.count("\n")
    found = suggest(text.replace("|", ""), line, len(before.split("\n")[-1]), names, lambda: ["r2", "r12", "r1"])
    return None if found is None else found.words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%%polos_run --qu|", ["--quiet"]),
        ("%%polos_run b|", ["bot"]),
        ("%%polos_run bot --render s|", ["static"]),
        ("%%polos_agent x -t get|", ["get_weather"]),
        ("%%polos_agent x -t a,get|", ["get_weather"]),
        ("%%polos_agent x -o P|", ["Person"]),
        ("%%polos_agent x -m openai/gpt-4o-|", ["openai/gpt-4o-mini"]),
        ("%%polos_tool --effect |", ["read", "write"]),
        ("x = %polos_run b|", ["bot"]),
        ("%polos sh|", ["show"]),
        ("%polos cassette re|", ["record"]),
        ("%polos runs --st|", ["--status"]),
        ("%polos show r1|", ["r12", "r1"]),
        ("%polos diff r1 r2|", ["r2"]),
        ("%polos why r1 r|", []),
        ("%polos runs r|", []),
        ("%polos cache g|", ["gc"]),
        ("%polos runs --status com|", ["completed"]),
        ("%%polos_run bot\nTell me about {{ to|", ["topic"]),
        ("%%polos_run bot\nTell me about to|", []),
        ("%%polos_agent x\nYou are a |", []),
    ],
)
def test_what_is_suggested(text: str, expected: list[str]) -> None:
    """Flags, names, models and variables where they belong, and nothing in prose."""
    assert words(text) == expected


@pytest.mark.parametrize("text", ["x = to|", "%%polos_tool\nimport o|", "%%polos_run bot\n{{ topic.up|", "%time b|"])
def test_python_is_left_to_ipython(text: str) -> None:
    """Outside the magics, in a tool's body and behind a dot, IPython's own suggestions stand."""
    assert words(text) is None


def test_the_shell_offers_ours_and_keeps_python_out_of_prose(shell: Any) -> None:
    """Through IPython's own completer: flags only after `--`, and no Python in prose."""

    def complete(text: str) -> list[str]:
        lines = text.split("\n")
        with provisionalcompleter():
            return [found.text for found in shell.ip.Completer.completions(lines[-1], len(lines[-1]))]

    assert "--quiet" in complete("%%polos_run --")
    assert all(word.startswith("--") for word in complete("%%polos_run --"))
    assert complete("%polos_run bo") == ["bot"]


def test_suggestions_are_quick() -> None:
    """A notebook of ten thousand names is completed without a pause that a person would notice."""
    names = NAMES | {f"name_{n}": n for n in range(10_000)}
    begin = time.perf_counter()
    for _ in range(10):
        suggest("%%polos_run bot\n{{ name_9", 1, 9, names)
    assert (time.perf_counter() - begin) / 10 < 0.5
