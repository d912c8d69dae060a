"""`%polos conversations`: the list, one conversation, and going on from a turn."""

from __future__ import annotations

import json
from typing import Any

from IPython.core.error import UsageError

from tests.notebook.conftest import Shell


def talk(shell: Shell, *words: str) -> None:
    """Say words in the conversation c, each in a cell of its own."""
    shell.ok("from polos_nb import Agent, ScriptedModel")
    shell.ok(
        "echo = Agent(id='echo', model=ScriptedModel(lambda r: 'heard '"
        " + ' '.join(m.text() for m in r.messages if m.role == 'user')))"
    )
    for word in words:
        shell.ok(f"(await echo.run({word!r}, conversation_id='c')).result")


def listed(shell: Shell, line: str) -> Any:
    return json.loads(repr(shell.ok(f"%polos conversations {line} --json").value).lstrip(":\n"))


def test_conversations_are_listed_with_their_turns(shell: Shell) -> None:
    """Each has its agents, its first words and how many turns there are; --find filters, and nothing is said so."""
    assert "No conversations in" in shell.ok("%polos conversations").out
    talk(shell, "one", "two")
    shell.ok("(await echo.run('other', conversation_id='d')).result")
    facts = listed(shell, "")
    assert [(f["conversation"], f["agents"], f["turns"], f["title"]) for f in facts] == [
        ("d", ["echo"], 1, "other"),
        ("c", ["echo"], 2, "one"),
    ]
    assert [f["conversation"] for f in listed(shell, "--find oth")] == ["d"]
    assert "No conversations like that" in shell.ok("%polos conversations --find nothing").out


def test_one_conversation_shows_what_was_said(shell: Shell) -> None:
    """Turn by turn: the run, what was said and answered."""
    talk(shell, "one", "two")
    text = shell.ok("%polos conversations c").out
    assert text.index("heard one") < text.index("heard one two")
    assert "--from RUN" in text
    ran = shell.run("%polos conversations cc")
    assert isinstance(ran.error, UsageError)
    assert "did you mean c?" in str(ran.error)


def test_a_branch_begins_at_a_turn(shell: Shell) -> None:
    """After --from the next message follows that turn; both branches are there, and each can be shown."""
    talk(shell, "one", "two", "three")
    first = listed(shell, "c")["turns_said"][0]["run"]
    assert "The 2 after it stay as a branch." in shell.ok(f"%polos conversations c --from {first}").out
    assert shell.ok("(await echo.run('instead', conversation_id='c')).result").value == "heard one instead"
    facts = listed(shell, "c")
    assert ([t["input"] for t in facts["turns_said"]], facts["branches"]) == (["one", "instead"], 2)
    assert facts["turns_said"][1]["branch"] == "2 of 2"
    old = facts["turns_said"][1]["beside"][0]
    assert [t["input"] for t in listed(shell, f"c --run {old}")["turns_said"]] == ["one", "two", "three"]


def test_what_is_no_turn_is_said(shell: Shell) -> None:
    """A run of another conversation, or flags without a conversation, are mistakes with a remedy."""
    talk(shell, "one")
    assert "is no turn of c; its turns are r1" in str(shell.run("%polos conversations c --from r99").error)
    assert "are for one conversation" in str(shell.run("%polos conversations --from r1").error)
