"""Compaction: which messages are folded, which stay, and that roles stay what they are."""

from __future__ import annotations

from itertools import pairwise

import pytest
from pydantic import ValidationError

from polos_nb import CompactionConfig
from polos_nb.compaction import SUMMARY_ACK, SUMMARY_PREFIX, compacted, estimate_tokens, marked, remembered, split
from polos_nb.messages import Message, ToolCall, ToolCallFunction

SMALL = CompactionConfig(max_conversation_tokens=1, min_recent_messages=2)


def user(text: str) -> Message:
    return Message(role="user", content=text)


def said(text: str) -> Message:
    return Message(role="assistant", content=text)


def asks(name: str) -> Message:
    call = ToolCall(id=name, function=ToolCallFunction(name=name, arguments="{}"))
    return Message(role="assistant", tool_calls=[call])


def gave(name: str) -> Message:
    return Message(role="tool", content="a result", tool_call_id=name, name=name)


TALK = [user("u1"), said("a1"), user("u2"), said("a2"), user("u3")]


def test_few_messages_stay_as_they_are() -> None:
    """Within the budget, and where it is switched off, nothing is folded."""
    assert split(TALK, CompactionConfig()) is None
    assert split(TALK, SMALL.model_copy(update={"enabled": False})) is None
    assert split(TALK[:2], SMALL) is None


def test_tokens_are_estimated_by_four_characters_each_with_calls_and_parts() -> None:
    """Arguments of calls and content parts count; a started token is one."""
    assert estimate_tokens([user("12345"), user("")]) == 2
    long = ToolCall(id="x", function=ToolCallFunction(name="f", arguments="x" * 399))
    assert estimate_tokens([Message(role="assistant", tool_calls=[long])]) == 100
    assert estimate_tokens([Message(role="user", content=[{"type": "text", "text": "x" * 400}])]) > 100


def test_the_last_messages_stay_and_the_others_are_folded() -> None:
    """With two recent messages, the rest goes into the summary."""
    parted = split(TALK, SMALL)
    assert parted is not None
    assert [message.text() for message in parted.folded] == ["u1", "a1", "u2"]
    assert [message.text() for message in parted.recent] == ["a2", "u3"]


def test_a_result_stays_with_its_call() -> None:
    """A cut never comes between a call and its results: a provider would refuse the messages."""
    talk = [user("u1"), said("a1"), user("u2"), asks("f"), gave("f"), gave("f")]
    parted = split(talk, CompactionConfig(max_conversation_tokens=1, min_recent_messages=1))
    assert parted is not None
    assert [message.role for message in parted.recent] == ["user", "assistant", "tool", "tool"]


def test_the_users_last_message_always_stays() -> None:
    """In a long loop of calls the question is not folded, however far back it is."""
    talk = [user("u1"), said("a1"), user("the question"), *[asks("f"), gave("f")] * 5]
    parted = split(talk, SMALL)
    assert parted is not None
    assert [message.role for message in parted.recent] == ["user", "assistant", "tool"]
    assert parted.recent[0].text() == "the question"
    assert "the question" not in [message.text() for message in parted.folded]


@pytest.mark.parametrize("recent", [[], [user("u")], [said("a"), user("u")], [asks("f"), gave("f")]])
def test_user_and_assistant_take_turns_after_compaction(recent: list[Message]) -> None:
    """The summary is the user's, and is acknowledged where the user goes on."""
    made = compacted("sum", recent)
    assert made[0].text() == SUMMARY_PREFIX + "sum"
    roles = [message.role for message in made if message.role != "tool"]
    assert all(a != b for a, b in pairwise(roles))
    assert made[len(made) - len(recent) :] == recent


def test_a_summary_is_not_folded_but_goes_on() -> None:
    """A second compaction knows the first summary, and does not take its messages for something that was said."""
    talk = [*compacted("first", [user("u1")]), said("a1"), user("u2")]
    parted = split(talk, CompactionConfig(max_conversation_tokens=1, min_recent_messages=1))
    assert parted is not None
    assert parted.before == "first"
    assert [message.text() for message in parted.folded] == ["u1", "a1"]
    assert SUMMARY_ACK not in [message.text() for message in parted.folded]


def test_a_kept_conversation_begins_with_its_last_summary_which_is_told_once() -> None:
    """What the mark says to keep stays, what came after it follows; older marks are not told."""
    history = [
        user("u1"),
        said("a1"),
        marked("one", 1),
        user("u2"),
        said("a2"),
        marked("two", 2),
        user("u3"),
        said("a3"),
    ]
    texts = [message.text() for message in remembered(history)]
    assert texts == [SUMMARY_PREFIX + "two", SUMMARY_ACK, "u2", "a2", "u3", "a3"]
    assert remembered(TALK) == TALK


def test_settings_that_make_no_sense_are_refused() -> None:
    """Numbers from 1, and no other names."""
    for wrong in ({"max_conversation_tokens": 0}, {"min_recent_messages": 0}, {"budget": 5}):
        with pytest.raises(ValidationError):
            CompactionConfig(**wrong)  # type: ignore[arg-type]
