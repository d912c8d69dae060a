"""An agent as a tool of another one: a nested run, kept, replayed and shown in the call."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from polos_nb import Agent, DefinitionError, ScriptedModel, tool
from polos_nb.transcript_items import AnswerItem, RunItem
from tests.runtime.support import Process, calls, once_called


class City(BaseModel):
    name: str


def pair(**options: Any) -> tuple[Agent, ScriptedModel, ScriptedModel]:
    """An agent that asks another one once; with the models of both."""
    inner = ScriptedModel(lambda request: f"42 ({request.messages[-1].text()})")
    helper = Agent(id="math-helper", model=inner, description="Knows numbers", **options)
    outer = once_called(calls(("math-helper", {"input": "six times seven"})))
    return Agent(id="asker", model=outer, tools=[helper.as_tool()]), outer, inner


def test_the_model_is_told_of_the_agent_and_reads_its_answer(process: Process) -> None:
    """Name, description and one text as the input; the answer is the tool's result."""
    agent, outer, _ = pair()
    result = process.run(agent, "hi")
    function = outer.requests[0].tools[0]["function"]
    assert (function["name"], function["description"]) == ("math-helper", "Knows numbers")
    assert function["parameters"]["required"] == ["input"]
    assert result.tool_results[0].result == "42 (six times seven)"


def test_each_call_is_a_nested_run_with_a_trace(process: Process) -> None:
    """The run inside is a run of its own, below the call, and its steps are shown there."""
    agent, _, _ = pair()
    process.run(agent, "hi")
    inner = process.runtime.store.list_runs(target_id="math-helper")[0]
    assert (inner.parent, inner.parent_step) == (process.newest("asker"), "1.math-helper[call_1]/run")
    assert [step.step_key for _, step in process.trace("math-helper")] == ["1.llm"]

    async def body(client: Any) -> Any:
        stream = await agent.stream(client, "hi again")
        chunks = [chunk async for chunk in stream.text_chunks]
        return "".join(chunks), stream.transcript

    text, transcript = process.cell(body)
    nested = [item for item in transcript.walk() if isinstance(item, RunItem)]
    assert [(item.target, [type(child) for child in item.children]) for item in nested] == [
        ("math-helper", [AnswerItem])
    ]
    assert text.startswith("done: ")


def test_a_replay_and_a_changed_question_call_the_helper_only_where_needed(path: str) -> None:
    """Another process replays it all; another prompt of the helper asks the helper again."""
    one, two = Process(path), Process(path)
    agent, _, inner = pair()
    first = one.run(agent, "hi").result
    agent, _, again = pair()
    assert two.run(agent, "hi").result == first
    assert again.requests == []
    agent, _, other = pair(system_prompt="Count in dozens.")
    two.run(agent, "hi")
    assert (len(inner.requests), len(other.requests)) == (1, 1)
    one.runtime.close()
    two.runtime.close()


def test_the_helper_is_outside_the_conversation(process: Process) -> None:
    """It is told its question only, and the conversation has the turns of the asker only."""
    agent, outer, inner = pair()
    process.run(agent, "first", conversation_id="c")
    process.run(agent, "second", conversation_id="c")
    assert all(len(request.messages) == 1 for request in inner.requests)
    assert [run.target_id for run in process.runtime.store.list_runs(conversation_id="c")] == ["asker", "asker"]
    roles = [message.role for message in outer.requests[-1].messages]
    assert roles.count("user") == 2


def test_an_answer_that_fits_a_schema_comes_as_data(process: Process) -> None:
    """The asker reads JSON, the caller gets an instance, in a replay too."""
    helper = Agent(
        id="cities", model=ScriptedModel(['{"name": "Ulm"}']), output_schema=City, description="Finds a city"
    )
    agent = Agent(id="asker", model=once_called(calls(("find", {"input": "x"}))), tools=[helper.as_tool("find")])
    assert process.run(agent, "hi").tool_results[0].result == City(name="Ulm")
    assert process.run(agent, "hi").tool_results[0].result == City(name="Ulm")


def test_a_write_inside_the_helper_is_a_write_of_the_asker(process: Process) -> None:
    """What is read after it depends on it."""
    done: list[str] = []

    @tool(description="Save", effect="write")
    def save(text: str) -> str:
        done.append(text)
        return "saved"

    helper = Agent(id="saver", model=once_called(calls(("save", {"text": "x"}))), tools=[save], description="Saves")
    agent = Agent(id="asker", model=once_called(calls(("saver", {"input": "x"}))), tools=[helper.as_tool()])
    process.run(agent, "hi")
    process.run(agent, "hi")
    record = next(step for _, step in process.trace("asker") if step.step_key == "1.saver[call_1]")
    assert (done, record.effect) == (["x"], "write")


def test_a_helper_that_fails_fails_the_call(process: Process) -> None:
    """The model reads why, and may go on without it."""
    helper = Agent(id="helper", model=ScriptedModel([]), description="Fails")
    agent = Agent(id="asker", model=once_called(calls(("helper", {"input": "x"}))), tools=[helper.as_tool()])
    result = process.run(agent, "hi")
    assert result.tool_results[0].status == "failed"
    assert "script" in result.result


def test_a_helper_may_need_approval() -> None:
    """The arguments of a tool hold for it."""
    helper = Agent(id="my helper!", provider="demo", description="Helps")
    made = helper.as_tool(approval="always", description="Better")
    assert (made.id, made.approval, made.effect, made.description) == ("my_helper", "always", "write", "Better")


def test_a_helper_without_a_description_is_refused() -> None:
    """No model would know what to use it for."""
    with pytest.raises(DefinitionError, match=r"has no description.*as_tool\(description="):
        Agent(id="x", provider="demo").as_tool()
