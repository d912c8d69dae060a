"""Conversations: what is remembered, and which turn a call is."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from polos_nb import Agent, DefinitionError, ModelError, RunError, ScriptedModel, Turn, tool
from polos_nb.models.base import ModelRequest
from tests.runtime.support import Process, calls


def heard(request: ModelRequest) -> list[str]:
    """What a model is shown, in short."""
    return [f"{message.role}: {message.text()}" for message in request.messages]


def parrot() -> ScriptedModel:
    """A model that answers with the number of messages it was shown and the last of them."""
    return ScriptedModel(lambda request: f"{len(request.messages)} {request.messages[-1].text()}")


def test_a_turn_is_shown_what_was_said_before_with_its_roles(process: Process) -> None:
    """Messages, tool calls and their results come back in order with the roles they had."""

    @tool(description="Look")
    def look(at: str) -> str:
        return f"{at} seen"

    model = ScriptedModel([calls(("look", {"at": "x"})), "I looked.", "Again."])
    agent = Agent(id="a", model=model, tools=[look], system_prompt="Be kind.")
    process.run(agent, "first", conversation_id="c")
    process.run(agent, "second", conversation_id="c")
    last = model.requests[-1].messages
    assert heard(model.requests[-1]) == [
        "system: Be kind.", "user: first", "assistant: ", "tool: x seen", "assistant: I looked.", "user: second",
    ]  # fmt: skip
    [call] = last[2].tool_calls or []
    assert (call.function.name, call.id) == ("look", last[3].tool_call_id)


def test_without_a_conversation_nothing_is_remembered(process: Process) -> None:
    """Two runs that name no conversation know nothing of each other."""
    agent = Agent(id="a", model=parrot())
    assert process.run(agent, "first").result == "1 first"
    assert process.run(agent, "second").result == "1 second"


def test_a_turn_executed_again_replays_and_adds_nothing(process: Process) -> None:
    """Cells of a chat can be executed again, one or all of them, in order."""
    agent = Agent(id="a", model=parrot())
    said = [process.run(agent, text, conversation_id="c") for text in ("one", "two", "three")]
    assert [item.result for item in said] == ["1 one", "3 two", "5 three"]
    assert process.run(agent, "three", conversation_id="c") == said[2]
    assert [process.run(agent, text, conversation_id="c") for text in ("one", "two", "three")] == said
    assert process.run(agent, "four", conversation_id="c").result == "7 four"
    assert len(process.runtime.store.list_runs()) == 4


def test_a_new_process_goes_through_the_conversation_and_on(process: Process, path: str) -> None:
    """Run All after a restart replays each turn; a new turn follows the last."""
    agent = Agent(id="a", model=parrot())
    said = [process.run(agent, text, conversation_id="c") for text in ("one", "two")]
    later = Process(path)
    assert [later.run(agent, text, conversation_id="c") for text in ("one", "two")] == said
    assert later.run(agent, "three", conversation_id="c").result == "5 three"
    later.runtime.close()
    straight = Process(path)
    assert straight.run(agent, "four", conversation_id="c").result == "7 four"
    straight.runtime.close()


def test_equal_words_in_one_cell_are_turns_of_their_own(process: Process) -> None:
    """Saying the same twice is two turns, and executing the cell again gives the same two answers."""
    agent = Agent(id="a", model=parrot())

    async def body(client: Any) -> list[str]:
        return [(await agent.run(client, "hi", conversation_id="c")).result for _ in range(2)]

    assert process.cell(body) == ["1 hi", "3 hi"]
    assert process.cell(body) == ["1 hi", "3 hi"]
    assert len(process.runtime.store.list_runs()) == 2


def test_an_edited_turn_begins_a_branch(process: Process, path: str) -> None:
    """Other words at a place leave the old turns in the store and go on from the turn before."""
    agent = Agent(id="a", model=parrot())
    for text in ("one", "two", "three"):
        process.run(agent, text, conversation_id="c")
    process.run(agent, "one", conversation_id="c")
    assert process.run(agent, "2", conversation_id="c").result == "3 2"
    assert process.run(agent, "three", conversation_id="c").result == "5 three"
    assert heard(agent.model.requests[-1])[2] == "user: 2"  # type: ignore[union-attr]
    assert "messages[2] changed" in process.why("a")["1.llm"]
    assert len(process.runtime.store.list_runs()) == 5
    later = Process(path)
    assert later.run(agent, "four", conversation_id="c").result == "7 four"
    assert heard(agent.model.requests[-1])[2] == "user: 2"  # type: ignore[union-attr]
    later.runtime.close()


def test_two_agents_share_a_conversation(process: Process) -> None:
    """Memory belongs to the conversation; each agent keeps its own system prompt."""
    process.run(Agent(id="a", model=parrot(), system_prompt="A"), "one", conversation_id="c")
    model = parrot()
    process.run(Agent(id="b", model=model, system_prompt="B"), "two", conversation_id="c")
    assert heard(model.requests[0]) == ["system: B", "user: one", "assistant: 2 one", "user: two"]


def test_conversations_do_not_hear_each_other(process: Process) -> None:
    """Two names are two memories."""
    agent = Agent(id="a", model=parrot())
    process.run(agent, "one", conversation_id="c")
    assert process.run(agent, "two", conversation_id="d").result == "1 two"


def test_a_conversation_may_be_named_by_anything_with_a_text_and_by_either_argument(process: Process) -> None:
    """A uuid works, and session_id is the same thing."""
    agent = Agent(id="a", model=parrot())
    name = uuid.UUID(int=7)
    process.run(agent, "one", conversation_id=name)
    assert process.run(agent, "two", session_id=str(name)).result == "3 two"
    assert process.run(agent, "three", session_id=name, conversation_id=str(name)).result == "5 three"
    assert process.runtime.store.list_runs(limit=1)[0].conversation_id == str(name)


def test_two_different_names_for_one_conversation_are_refused(process: Process) -> None:
    """The sentence says what to do; for tools the same holds."""
    with pytest.raises(DefinitionError, match="give one"):
        process.run(Agent(id="a", model=parrot()), "one", conversation_id="c", session_id="d")

    @tool(description="Look")
    def look() -> str:
        return "seen"

    with pytest.raises(DefinitionError, match="give one"):
        process.tool(look, {}, conversation_id="c", session_id="d")


def test_a_failed_turn_is_tried_again_at_its_place(process: Process, path: str) -> None:
    """A failed turn is not remembered; executed again, in this process or the next, it takes its place."""
    broken = [True]

    def script(request: ModelRequest) -> Turn | str:
        if broken and request.messages[-1].text() == "two":
            return Turn(error=ModelError("out of order"))
        return f"{len(request.messages)}"

    agent = Agent(id="a", model=ScriptedModel(script))
    process.run(agent, "one", conversation_id="c")
    for _ in range(2):
        with pytest.raises(RunError):
            process.run(agent, "two", conversation_id="c")
    later = Process(path)
    with pytest.raises(RunError):
        later.run(agent, "two", conversation_id="c")
    broken.clear()
    assert later.run(agent, "two", conversation_id="c").result == "3"
    assert later.run(agent, "three", conversation_id="c").result == "5"
    assert len(later.runtime.store.list_runs()) == 3
    later.runtime.close()


def test_a_fresh_turn_replaces_its_answer_and_the_next_turn_hears_it(process: Process) -> None:
    """`fresh=True` says a turn anew at its place."""
    answers = iter(["old", "x", "new", "y"])
    model = ScriptedModel(lambda request: next(answers))
    agent = Agent(id="a", model=model)
    process.run(agent, "one", conversation_id="c")
    process.run(agent, "two", conversation_id="c")
    assert process.run(agent, "one", conversation_id="c", fresh=True).result == "new"
    assert process.run(agent, "two", conversation_id="c").result == "y"
    assert heard(model.requests[-1]) == ["user: one", "assistant: new", "user: two"]


def test_an_edit_that_is_taken_back_takes_its_turn_back(process: Process, path: str) -> None:
    """The prompt is edited and edited back: nothing runs, and later turns hear what was said first, in any process."""

    def told(prompt: str) -> Agent:
        return Agent(
            id="a", system_prompt=prompt, model=ScriptedModel(lambda request: f"{prompt}: {len(heard(request))}")
        )

    for text in ("one", "two"):
        process.run(told("kind"), text, conversation_id="c")
    assert process.run(told("rude"), "one", conversation_id="c").result == "rude: 2"
    agent = told("kind")
    assert process.run(agent, "one", conversation_id="c").result == "kind: 2"
    assert process.run(agent, "two", conversation_id="c").result == "kind: 4"
    assert agent.model.requests == []  # type: ignore[union-attr]
    newest = process.runtime.store.list_runs(limit=1)[0]
    assert newest.turn == 1
    later = Process(path)
    straight = told("kind")
    assert later.run(straight, "three", conversation_id="c").result == "kind: 6"
    said = heard(straight.model.requests[0])  # type: ignore[union-attr]
    assert said[1:5] == ["user: one", "assistant: kind: 2", "user: two", "assistant: kind: 4"]
    later.runtime.close()
