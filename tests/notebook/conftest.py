"""A real shell with the extension in it, for the tests of the notebook layer."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

BOT = """
from polos_nb import Agent, ScriptedModel, Turn, tool
calls = []
@tool
def get_weather(city: str) -> str:
    "Weather of a city."
    calls.append(city)
    return f"{city}: sunny"
def script(request):
    asked = request.messages[-1]
    if asked.role == "tool":
        return f"It is {asked.text()}."
    return Turn(calls=[("get_weather", {"city": asked.text()})])
bot = Agent(id="weather-bot", model=ScriptedModel(script), tools=[get_weather])
broken = Agent(id="broken", model=ScriptedModel([]))
"""


@dataclass
class Ran:
    """What a cell gave: its value, its error, its text on the two streams, and its displays."""

    value: Any
    error: BaseException | None
    out: str
    err: str
    displays: list[dict[str, Any]]


class Shell:
    """A shell whose displays are collected as a kernel would send them."""

    def __init__(self) -> None:
        self.ip = InteractiveShell()
        self.displays: list[dict[str, Any]] = []
        self.ip.displayhook.write_output_prompt = lambda: None  # a kernel writes none
        self.ip.display_pub.publish = self._publish  # type: ignore[method-assign]

    def _publish(self, data: Any, metadata: Any = None, *, update: bool = False, **rest: Any) -> None:
        self.displays.append({"data": data, "metadata": metadata or {}, "update": update})

    def run(self, code: str) -> Ran:
        self.displays = []
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            done = self.ip.run_cell(code, store_history=True)
        error = done.error_in_exec or done.error_before_exec
        return Ran(done.result, error, out.getvalue(), err.getvalue(), self.displays)

    def ok(self, code: str) -> Ran:
        ran = self.run(code)
        if ran.error is not None:
            raise ran.error
        return ran

    @property
    def ns(self) -> dict[str, Any]:
        return self.ip.user_ns

    def text(self, value: Any) -> str:
        """The plain text of a value as a cell would show it."""
        data, _ = self.ip.display_formatter.format(value)
        return str(data.get("text/plain", ""))


@pytest.fixture
def make_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Shell]]:
    """Makes shells with the extension loaded, on a store of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POLOS_NB_STORE", str(tmp_path / "steps.db"))
    made: list[Shell] = []

    def make(*, watched: bool = True, mode: str = "live") -> Shell:
        monkeypatch.setenv("POLOS_NB_WATCHING", "1" if watched else "0")
        monkeypatch.setenv("POLOS_NB_MODE", mode)
        shell = Shell()
        shell.ok("%load_ext polos_nb")
        made.append(shell)
        return shell

    yield make
    for shell in made:
        shell.run("%unload_ext polos_nb")
        shell.ip.history_manager.end_session()  # its database, else a ResourceWarning


@pytest.fixture
def shell(make_shell: Callable[..., Shell]) -> Shell:
    """A watched shell with a scripted agent `bot` and its tool."""
    made = make_shell()
    made.ok(BOT)
    return made
