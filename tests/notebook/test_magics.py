"""`%%polos_agent`, `%%polos_tool`, and the settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from IPython.core.error import UsageError

from polos_nb.agents import Agent
from polos_nb.errors import ConfigurationError, DefinitionError
from polos_nb.tools import Tool

TOOL = """%%polos_tool --effect write --retries 2
from pydantic import BaseModel
class Weather(BaseModel):
    celsius: float
_FACTOR = 2
def _helper(x):
    return x * _FACTOR
def look_up(city: str) -> Weather:
    "Weather of a city."
    return Weather(celsius=_helper(10.0))
"""


def test_a_tool_cell_binds_a_tool_with_its_source(shell: Any) -> None:
    """The function's name is the tool, it works, its source can be read, and its card is the cell's output."""
    ran = shell.ok(TOOL)
    made = shell.ns["look_up"]
    assert ran.value is made
    assert isinstance(made, Tool)
    assert (made.id, made.effect, made.max_retries) == ("look_up", "write", 2)
    assert made("Paris").celsius == 20.0
    assert "_helper(10.0)" in inspect.getsource(made.func)
    assert "look_up(city: str) -> Weather" in ran.out


def test_a_helper_counts_for_the_version_of_a_tool(shell: Any) -> None:
    """Editing a private helper in the cell changes the tool's version; a comment does not."""
    shell.ok(TOOL)
    first = shell.ns["look_up"].version().digest
    shell.ok(TOOL.replace("x * _FACTOR", "x * _FACTOR  # doubled"))
    assert shell.ns["look_up"].version().digest == first
    shell.ok(TOOL.replace("x * _FACTOR", "x + _FACTOR"))
    assert shell.ns["look_up"].version().digest != first


def test_a_tool_cell_that_fails_leaves_the_name_as_it_was(shell: Any) -> None:
    """A tool that cannot be made does not replace the one that could."""
    shell.ok(TOOL)
    before = shell.ns["look_up"]
    ran = shell.run("%%polos_tool\ndef look_up(city):\n    return city")
    assert isinstance(ran.error, UsageError)
    assert shell.ns["look_up"] is before


def test_running_a_tool_cell_again_is_no_duplicate(shell: Any) -> None:
    """The same cell may run any number of times; another function with the same id is refused."""
    shell.ok(TOOL)
    shell.ok(TOOL)
    ran = shell.run("%%polos_tool --id look_up\ndef other(a: int) -> int:\n    return a")
    assert isinstance(ran.error, UsageError)
    assert "look_up" in str(ran.error)
    assert "other" not in shell.ns


def test_an_agent_cell_binds_an_agent(shell: Any) -> None:
    """Flags, YAML head and interpolated body make the agent; its card shows what went in."""
    shell.ok("language = 'French'\nclass Person:\n    name: str")
    ran = shell.ok(
        "%%polos_agent my_bot -t get_weather --max-steps 4 --temperature 0.5 -p seed=1\n---\n"
        "model: openai/gpt-4o\ndescription: A bot\nthinking: {type: enabled}\n"
        "stop_conditions:\n  - has_text: {texts: [DONE]}\n"
        "---\nSpeak {{ language }}. \\{{ x }}\n"
    )
    agent = shell.ns["my_bot"]
    assert ran.value is agent
    assert isinstance(agent, Agent)
    assert (agent.id, agent.provider, agent.model) == ("my-bot", "openai", "gpt-4o")
    assert agent.system_prompt == "Speak French. {{ x }}"
    assert agent.model_params == {"thinking": {"type": "enabled"}, "seed": 1}
    assert agent.temperature == 0.5
    assert [condition.name for condition in agent.stop_conditions] == ["max_steps", "has_text"]
    assert agent.tools == (shell.ns["get_weather"],)
    assert "{{ language }} = 'French'" in ran.out


def test_prose_is_never_read_as_python(shell: Any) -> None:
    """Apostrophes, backslashes and brackets in a prompt or a question mean nothing."""
    shell.ok("%%polos_agent prosaic -m demo\nDon't say \\frac{a}{b} ([ or \"it's\\ so\n")
    ran = shell.ok("%%polos_run prosaic\nWhat's (that \\ and 'this;\n")
    assert "What's (that" in ran.out


@pytest.mark.parametrize(
    ("cell", "word"),
    [
        ("%%polos_agent x -m demo\n---\ntemprature: 1\n---\nHi", "temperature"),
        ("%%polos_agent x -m demo\n---\na: [\n---\nHi", "not YAML"),
        ("%%polos_agent x -m demo\n---\na: 1\nHi", "second ---"),
        ("%%polos_agent x -m gpt-4o\nHi", "openai/gpt-4o"),
        ("%%polos_agent my-bot -m demo\nHi", "my_bot"),
        ("%%polos_agent x -m demo -o Persn\nHi", "Persn"),
        ("%%polos_agent x -m demo -o __import__('os')\nHi", "not the name of a type"),
    ],
)
def test_mistakes_in_an_agent_cell(cell: str, word: str, shell: Any) -> None:
    """Each is one UsageError that names the remedy, and binds nothing."""
    ran = shell.run(cell)
    assert isinstance(ran.error, UsageError)
    assert word in str(ran.error)
    assert "x" not in shell.ns


def test_mistakes_are_real_exceptions_when_nobody_watches(make_shell: Callable[..., Any]) -> None:
    """Unwatched, the exception is ours and not a UsageError, so that a test run fails; it shows one line."""
    shell = make_shell(watched=False)
    for cell, kind in (
        ("%%polos_agent x\nHi", ConfigurationError),
        ("%%polos_tool\nx = 1", DefinitionError),
        ("%polos rnus", ConfigurationError),
    ):
        ran = shell.run(cell)
        assert type(ran.error) is kind
        assert len((ran.out + ran.err).strip().splitlines()) == 1


def test_the_settings_are_used(shell: Any) -> None:
    """`%config PolosMagics` gives a default model, switches interpolation off, and changes the mode."""
    shell.ok("%config PolosMagics.model = 'demo/demo'")
    shell.ok("%config PolosMagics.interpolation = 'off'")
    shell.ok("%%polos_agent plain\n{{ nothing }}")
    assert shell.ns["plain"].provider == "demo"
    assert shell.ns["plain"].system_prompt == "{{ nothing }}"
    shell.ok("%config PolosMagics.mode = 'offline'")
    assert shell.ip._polos_nb.runtime.mode == "offline"


@pytest.mark.parametrize("name", ["polos_run", "polos_agent", "polos_tool", "polos"])
def test_help_is_there_for_every_magic(name: str, shell: Any) -> None:
    """`-h` prints help, and `?` finds the same text."""
    cell = name in ("polos_agent", "polos_tool")
    ran = shell.ok(f"%%{name} -h\nx" if cell else f"%{name} -h")
    assert name in ran.out
    kind = "cell" if cell else "line"
    assert "-h" in (shell.ip.find_magic(name, kind).__doc__ or "")


def test_a_tool_body_that_is_not_python_or_fails(shell: Any) -> None:
    """A syntax error names its line; an error of the body itself is the user's own exception."""
    ran = shell.run("%%polos_tool\nimport os\ndef f(x: int) -> int\n    return x")
    assert isinstance(ran.error, UsageError)
    assert "line 2" in str(ran.error)
    assert isinstance(shell.run("%%polos_tool\n1 / 0\ndef f(x: int) -> int:\n    return x").error, ZeroDivisionError)
