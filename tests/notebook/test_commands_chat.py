"""`%polos_chat`: which conversation a cell gets, what its variable holds, and how it is shown without a page."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from polos_nb import ConfigurationError
from polos_nb.notebook.arguments import HelpAsked
from polos_nb.notebook.chat import Chat
from polos_nb.notebook.commands_chat import open_chat
from polos_nb.notebook.session import SINGLETON
from tests.notebook.conftest import BOT, Shell


def opened(shell: Shell, line: str, cell: str | None = "c1") -> Chat:
    """The chat of a line, as its cell gets it."""
    session: Any = getattr(shell.ip, SINGLETON)
    session.begin_cell(SimpleNamespace(cell_id=cell))
    chat = open_chat(session, line)
    shell.ip.events.trigger("post_run_cell", None)
    return chat


@pytest.fixture
def static(make_shell: Callable[..., Shell]) -> Shell:
    """A shell that nobody watches, with the agent `bot`."""
    made = make_shell(watched=False)
    made.ok(BOT)
    return made


def test_a_cell_that_is_executed_again_goes_on_with_its_conversation(shell: Shell) -> None:
    """Another cell begins a new one; with an id it is that one, and unknown ids begin one of that name."""
    assert opened(shell, "bot").conversation == "weather-bot-1"
    assert opened(shell, "bot").conversation == "weather-bot-1"
    assert opened(shell, "bot", "c2").conversation == "weather-bot-2"
    assert opened(shell, "bot --conversation weather-bot-1", "c3").conversation == "weather-bot-1"
    assert opened(shell, "bot -s 'trip to Oslo'", "c3").conversation == "trip to Oslo"
    assert opened(shell, "bot", "c1") is opened(shell, "bot", "c1")


def test_where_cells_have_no_name_the_same_line_goes_on(shell: Shell) -> None:
    """So it is in front ends that do not say which cell is executed."""
    assert opened(shell, "bot", None).conversation == "weather-bot-1"
    assert opened(shell, "bot", None).conversation == "weather-bot-1"
    assert opened(shell, "bot --as chat", None).conversation == "weather-bot-2"


def test_the_variable_holds_the_chat(shell: Shell) -> None:
    """`--as` binds it; a name that cannot be bound, an unknown agent and an unknown flag are mistakes."""
    chat = opened(shell, "bot --as talk")
    assert shell.ns["talk"] is chat
    for line in ("bot --as 1x", "bott", "bot --nope", "", "get_weather", "bot 'open"):
        with pytest.raises(ConfigurationError):
            opened(shell, line)


def test_help_says_how_it_is_written(shell: Shell) -> None:
    """`-h` in any place."""
    with pytest.raises(HelpAsked, match=r"--conversation ID"):
        opened(shell, "bot -h")


def test_in_a_terminal_a_chat_is_text(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    """What was said so far is printed."""
    opened(shell, "bot")
    assert capsys.readouterr().out == "weather-bot · chat · 0 turns\n"


def test_where_nobody_watches_a_chat_is_one_output_that_stays(static: Shell) -> None:
    """The conversation so far, without a view."""
    static.displays = []
    opened(static, "bot -s c")
    [shown] = static.displays
    assert (shown["update"], sorted(shown["data"])) == (False, ["text/html", "text/markdown", "text/plain"])


def test_the_value_of_the_cell_is_not_shown_a_second_time(static: Shell) -> None:
    """In its own cell the chat is shown once; in another cell the variable shows it again."""
    static.ns["open_chat"] = lambda: open_chat(getattr(static.ip, SINGLETON), "bot --as chat")
    assert len(static.ok("open_chat()").displays) == 1
    assert len(static.ok("chat").displays) == 1
    assert len(static.ok("x = chat").displays) == 0


def test_the_first_cell_of_a_chat_is_offered_as_the_next_one(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """`chat.cells()` gives all cells."""
    offered: list[str] = []
    monkeypatch.setattr(shell.ip, "set_next_input", offered.append)
    shell.ns["talk"] = opened(shell, "bot -s c")
    shell.ok("await talk.send('Paris')\nawait talk.send('Rome')")
    found = ["%%polos_run weather-bot -s c\nParis", "%%polos_run weather-bot -s c\nRome"]
    assert shell.ok("talk.cells()").value == found
    assert offered == found[:1]


def test_a_redefined_agent_is_the_one_that_answers(shell: Shell) -> None:
    """Executing the cell again takes the agent as it is now."""
    chat = opened(shell, "bot")
    shell.ok("bot = Agent(id='weather-bot', model=ScriptedModel(['new']))")
    assert opened(shell, "bot") is chat
    assert chat.agent is shell.ns["bot"]
    shell.ns["talk"] = chat
    shell.ok("await talk.send('hi')")
    assert chat.last == "new"
