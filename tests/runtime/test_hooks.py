"""Hooks: called at each point once, kept, their changes made, and FAIL fails."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from polos_nb import (
    Agent,
    AgentResult,
    DefinitionError,
    HookAction,
    HookContext,
    HookResult,
    ScriptedModel,
    Step,
    Turn,
    hook,
    max_steps,
    tool,
)
from polos_nb.models.base import ModelRequest
from tests.runtime.support import Process, calls, once_called, results

POINTS = ("on_start", "on_end", "on_agent_step_start", "on_agent_step_end", "on_tool_start", "on_tool_end")


class City(BaseModel):
    name: str


@tool(description="Echo")
def echo(text: str) -> str:
    return text


def watcher(seen: list[Any], what: Any = lambda context: context) -> Any:
    """A hook that notes what it is called with, and goes on."""

    @hook
    def watch(ctx: Any, hook_context: HookContext) -> HookResult:
        seen.append(what(hook_context))
        return HookResult.continue_with()

    return watch


# -- points -----------------------------------------------------------------------------------------------------------
def test_each_point_is_called_once_with_what_goes_on_there(process: Process) -> None:
    """An agent with one tool call calls its hooks in order, with payloads and outputs in Polos' shapes."""
    seen: dict[str, list[HookContext]] = {point: [] for point in POINTS}
    hooks = {point: watcher(seen[point]) for point in POINTS}
    agent = Agent(id="a", model=once_called(calls(("echo", {"text": "x"}))), tools=[echo], **hooks)
    result = process.run(agent, "hi", user_id="u")
    assert [len(seen[point]) for point in POINTS] == [1, 1, 2, 2, 1, 1]
    start, end = seen["on_start"][0], seen["on_end"][0]
    assert (start.workflow_id, start.user_id, start.current_payload["input"]) == ("a", "u", "hi")
    assert isinstance(end.current_output, AgentResult)
    assert end.current_output.result == result.result
    before, after = seen["on_tool_start"][0], seen["on_tool_end"][0]
    assert (before.current_tool, before.current_payload) == ("echo", {"text": "x"})
    assert (after.current_payload, after.current_output) == ({"text": "x"}, "x")
    step = seen["on_agent_step_start"][1]
    assert step.current_payload["step"] == 2
    assert [message["role"] for message in step.current_payload["messages"]] == ["user", "assistant", "tool"]
    assert [turn.step for turn in seen["on_agent_step_end"][1].steps] == [1, 2]
    assert isinstance(seen["on_agent_step_end"][1].current_output, Step)
    assert step.agent_config is not None
    assert (step.agent_config.name, step.agent_config.model) == ("a", "scripted")


def test_hooks_are_steps_with_the_keys_of_polos(process: Process) -> None:
    """Each hook is a step of its own, whose key says the point, the call and the function."""
    hooks = {point: [watcher([]), lambda ctx, context: None] for point in POINTS}
    model = once_called(calls(("echo", {"text": "x"}), ("echo", {"text": "y"})))
    process.run(Agent(id="a", model=model, tools=[echo], **hooks), "hi")
    keys = [step.step_key for _, step in process.trace("a") if step.kind == "hook"]
    assert keys == [
        "on_start.watch.0",
        "on_start.function.1",
        "1.hook.on_agent_step_start.watch.0",
        "1.hook.on_agent_step_start.function.1",
        *(f"1.hook.on_tool_start.{call}.{name}" for call in (0, 1) for name in ("watch.0", "function.1")),
        *(f"1.hook.on_tool_end.{call}.{name}" for call in (0, 1) for name in ("watch.0", "function.1")),
        "1.hook.on_agent_step_end.watch.0",
        "1.hook.on_agent_step_end.function.1",
        "2.hook.on_agent_step_start.watch.0",
        "2.hook.on_agent_step_start.function.1",
        "2.hook.on_agent_step_end.watch.0",
        "2.hook.on_agent_step_end.function.1",
        "on_end.watch.0",
        "on_end.function.1",
    ]


def test_a_replay_calls_no_hook(path: str) -> None:
    """A process that executes the cell again answers every hook from the store, with its changes."""
    seen: list[Any] = []

    @hook
    async def louder(ctx: Any, hook_context: HookContext) -> HookResult:
        seen.append(hook_context.current_output)
        return HookResult.continue_with(modified_output="LOUD")

    def made() -> Agent:
        return Agent(id="a", model=once_called(calls(("echo", {"text": "x"}))), tools=[echo], on_tool_end=louder)

    first, second = Process(path), Process(path)
    assert first.run(made(), "hi").result == second.run(made(), "hi").result == "done: LOUD"
    assert seen == ["x"]
    assert second.run(made(), "hi").cached
    first.runtime.close()
    second.runtime.close()


def test_another_answer_with_other_ids_calls_no_hook_again(process: Process) -> None:
    """Ids of calls, which a provider makes up anew, are no reason to call a hook again."""
    seen: list[Any] = []
    hooks = {point: watcher(seen) for point in POINTS}
    model = once_called(calls(("echo", {"text": "x"})))
    agent = Agent(id="a", model=model, tools=[echo], **hooks)
    process.run(agent, "hi")
    count, asked = len(seen), len(model.requests)
    again = process.run(agent, "hi", fresh="llm")
    assert (len(seen), len(model.requests)) == (count, 2 * asked)
    assert again.steps[0].tool_calls[0].id == "call_3_1"


def test_a_hook_may_use_steps_of_its_own(process: Process) -> None:
    """What a hook does through ctx.step is kept inside its step."""

    @hook
    async def asks(ctx: Any, hook_context: HookContext) -> HookResult:
        word = await ctx.step.run("word", lambda: "please")
        return HookResult.continue_with(modified_payload={"input": f"{word} {hook_context.current_payload['input']}"})

    model = ScriptedModel(["ok"])
    process.run(Agent(id="a", model=model, on_start=asks), "go")
    assert model.requests[0].messages[0].text() == "please go"
    assert "on_start.asks.0/word" in [step.step_key for _, step in process.trace("a")]


# -- changes ----------------------------------------------------------------------------------------------------------
def test_each_hook_sees_what_the_one_before_it_changed(process: Process) -> None:
    """Changes add up in order."""

    @hook
    def more(ctx: Any, hook_context: HookContext) -> HookResult:
        return HookResult.continue_with(modified_payload={"input": hook_context.current_payload["input"] + "!"})

    model = ScriptedModel(["ok"])
    process.run(Agent(id="a", model=model, on_start=[more, more]), "go")
    assert model.requests[0].messages[0].text() == "go!!"


def test_changing_what_a_hook_is_given_changes_nothing(process: Process) -> None:
    """Only what a hook returns counts."""

    @hook
    def sly(ctx: Any, hook_context: HookContext) -> HookResult:
        hook_context.current_payload["text"] = "sly"
        return HookResult.continue_with()

    agent = Agent(id="a", model=once_called(calls(("echo", {"text": "x"}))), tools=[echo], on_tool_start=sly)
    assert process.run(agent, "hi").result == "done: x"


def test_parameters_that_a_hook_changes_reach_the_model(process: Process) -> None:
    """`provider_kwargs` of the payload are those of the call."""

    @hook
    def cold(ctx: Any, hook_context: HookContext) -> HookResult:
        return HookResult.continue_with(modified_payload={"provider_kwargs": {"temperature": 0}})

    model = ScriptedModel(["ok"])
    process.run(Agent(id="a", model=model, on_start=cold), "go", temperature=1)
    assert model.requests[0].params == {"temperature": 0}


def test_each_parallel_call_has_a_hook_call_of_its_own(process: Process) -> None:
    """With two calls side by side, each tool gets its own changed arguments and the model its own changed result."""

    @hook
    def mark(ctx: Any, hook_context: HookContext) -> HookResult:
        text = hook_context.current_payload["text"]
        return HookResult.continue_with(modified_payload={"text": f"<{text}>"})

    @hook
    def tagged(ctx: Any, hook_context: HookContext) -> HookResult:
        return HookResult.continue_with(modified_output={"said": hook_context.current_output})

    model = once_called(calls(("echo", {"text": "a"}), ("echo", {"text": "b"})))
    result = process.run(Agent(id="a", model=model, tools=[echo], on_tool_start=mark, on_tool_end=tagged), "hi")
    assert [item.result for item in result.tool_results] == [{"said": "<a>"}, {"said": "<b>"}]
    assert '"<a>"' in result.result
    assert '"<b>"' in result.result


@pytest.mark.parametrize("output", ["text", ["a", 1], 0, False, {"a": 1}, City(name="Ulm"), 1.5])
def test_any_result_of_a_tool_can_be_seen_and_put_in_its_place(process: Process, output: Any) -> None:
    """Texts, lists, numbers and models come to a hook as they are, and may come from one."""
    seen: list[Any] = []

    @tool(description="Give")
    def give() -> Any:
        return output

    @hook
    def same(ctx: Any, hook_context: HookContext) -> HookResult:
        seen.append(hook_context.current_output)
        return HookResult.continue_with(modified_output=hook_context.current_output)

    model = once_called(calls(("give", {})))
    result = process.run(Agent(id="a", model=model, tools=[give], on_tool_end=same), "hi")
    assert seen == [output]
    assert result.tool_results[0].result == output
    assert type(result.tool_results[0].result) is type(output)


def test_a_hook_sees_that_a_tool_failed_and_may_tell_the_model_something_else(process: Process) -> None:
    """The output of a failed call is its error; what a hook puts in its place is what the model reads."""

    @tool(description="Fail")
    def fail() -> str:
        raise ValueError("no")

    @hook
    def soothe(ctx: Any, hook_context: HookContext) -> HookResult:
        assert hook_context.current_output == "Error: ValueError: no"
        return HookResult.continue_with(modified_output="nothing was found")

    model = once_called(calls(("fail", {})))
    result = process.run(Agent(id="a", model=model, tools=[fail], on_tool_end=soothe), "hi")
    assert result.result == "done: nothing was found"
    assert (result.tool_results[0].status, result.tool_results[0].error) == ("failed", "ValueError: no")


def test_messages_that_a_hook_changes_are_what_the_model_reads(process: Process) -> None:
    """`messages` of a step's payload go to the model; the system prompt stays."""

    @hook
    def only_last(ctx: Any, hook_context: HookContext) -> HookResult:
        return HookResult.continue_with(modified_payload={"messages": hook_context.current_payload["messages"][-1:]})

    model = ScriptedModel(["one", "two"])
    agent = Agent(id="a", model=model, system_prompt="Be kind.", on_agent_step_start=only_last)
    process.run(agent, "first", conversation_id="c")
    process.run(agent, "second", conversation_id="c")
    assert [message.text() for message in model.requests[1].messages] == ["Be kind.", "second"]


def test_a_turn_that_a_hook_changes_is_what_the_result_and_conditions_see(process: Process) -> None:
    """The text of the last turn is the answer."""

    @hook
    def upper(ctx: Any, hook_context: HookContext) -> HookResult:
        return HookResult.continue_with(modified_output={"content": hook_context.current_output.content.upper()})

    result = process.run(Agent(id="a", model=ScriptedModel(["quiet"]), on_agent_step_end=upper), "hi")
    assert (result.result, result.steps[0].content) == ("QUIET", "QUIET")


@pytest.mark.parametrize(
    ("output", "wanted"),
    [("short", "short"), ({"result": "named"}, "named"), ({"other": 1}, {"other": 1}), (["a"], ["a"])],
)
def test_the_result_that_a_hook_gives_is_the_result(process: Process, output: Any, wanted: Any) -> None:
    """`modified_output` of on_end is the answer, or fields of the result."""
    agent = Agent(id="a", model=ScriptedModel(["long"]), on_end=lambda ctx, context: HookResult(modified_output=output))
    assert process.run(agent, "hi").result == wanted


# -- declarations --------------------------------------------------------------------------------------------------
def test_a_wrong_hook_is_refused_where_it_is_declared() -> None:
    """Not a function, or one with other parameters."""
    with pytest.raises(DefinitionError, match=r"agent 'a': on_start=3 is not a function; write @hook above one"):
        Agent(id="a", provider="demo", on_start=3)
    with pytest.raises(DefinitionError, match=r"hook function must take \(ctx, hook_context\)"):
        hook(lambda ctx: None)
    with pytest.raises(DefinitionError, match="on_end"):
        tool(id="x", description="x", on_end=[lambda: None])(lambda: 1)


def test_results_are_made_as_in_polos() -> None:
    """`fail`, `continue_with`, the actions as text, `to_dict`."""
    assert HookResult.fail("x").action == "fail" == HookAction.FAIL
    assert HookResult.continue_with(modified_output=1).to_dict()["modified_output"] == 1
    assert HookResult.continue_with().action == "continue"


def test_stop_conditions_see_changed_turns(process: Process) -> None:
    """A hook that takes the text away does not disturb the conditions."""

    def script(request: ModelRequest) -> Turn:
        return Turn(text=str(len(results(request))), calls=[("echo", {"text": "x"})])

    agent = Agent(
        id="a", model=ScriptedModel(script), tools=[echo], stop_conditions=[max_steps(count=2)],
        on_agent_step_end=lambda ctx, context: HookResult(modified_output={"content": "seen"}),
    )  # fmt: skip
    result = process.run(agent, "hi")
    assert (result.stop_reason, [turn.content for turn in result.steps]) == ("max_steps", ["seen", "seen"])
