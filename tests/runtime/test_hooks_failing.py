"""Hooks that fail a run, and the hooks of tools and workflows."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from polos_nb import (
    Agent,
    HookContext,
    HookResult,
    RunError,
    ScriptedModel,
    hook,
    tool,
    workflow,
)
from tests.runtime.support import Process, calls, once_called

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


@hook
def refuse(ctx: Any, hook_context: HookContext) -> HookResult:
    return HookResult.fail("not today")


# -- FAIL -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("point", POINTS)
def test_a_hook_that_fails_fails_the_run(process: Process, point: str) -> None:
    """At each of the six points the run ends, names the hook and its reason, and is failed in the store."""
    agent = Agent(id="a", model=once_called(calls(("echo", {"text": "x"}))), tools=[echo], **{point: refuse})
    with pytest.raises(RunError, match=rf"{point}.*hook refuse failed it: not today") as caught:
        process.run(agent, "hi")
    run = process.runtime.store.list_runs(target_id="a")[0]
    assert (run.status, caught.value.run_id) == ("failed", run.id)


def test_nothing_is_called_after_a_hook_at_the_start_fails(process: Process) -> None:
    """Neither the model nor the hooks after it."""
    model, seen = ScriptedModel([]), []
    agent = Agent(id="a", model=model, on_start=[refuse, watcher(seen)])
    with pytest.raises(RunError, match="not today"):
        process.run(agent, "hi")
    assert (model.requests, seen) == ([], [])


def test_no_tool_is_called_where_a_hook_fails_one_of_two(process: Process) -> None:
    """All hooks of a turn's calls come before the first call."""
    made: list[str] = []

    @tool(description="Note")
    def note(text: str) -> str:
        made.append(text)
        return text

    @hook
    def second(ctx: Any, hook_context: HookContext) -> HookResult:
        return HookResult.fail("b") if hook_context.current_payload["text"] == "b" else HookResult.continue_with()

    agent = Agent(
        id="a", model=ScriptedModel([calls(("note", {"text": "a"}), ("note", {"text": "b"}))]), tools=[note],
        on_tool_start=second,
    )  # fmt: skip
    with pytest.raises(RunError, match="failed it: b"):
        process.run(agent, "hi")
    assert made == []


def test_a_failed_hook_is_asked_again_and_what_was_done_is_kept(process: Process) -> None:
    """Executing the cell again calls the hook that failed, and no model whose answer is there."""
    open_now: list[bool] = []

    @hook
    def is_open(ctx: Any, hook_context: HookContext) -> HookResult:
        return HookResult.continue_with() if open_now else HookResult.fail("closed")

    model = ScriptedModel(["answer"])
    agent = Agent(id="a", model=model, on_end=is_open)
    with pytest.raises(RunError, match="closed"):
        process.run(agent, "hi")
    open_now.append(True)
    assert process.run(agent, "hi").result == "answer"
    assert len(model.requests) == 1


def test_a_hook_that_raises_is_tried_again_and_then_fails_the_run(process: Process) -> None:
    """As a step of a workflow: two more attempts, then its error."""
    tried: list[int] = []

    @hook
    def broken(ctx: Any, hook_context: HookContext) -> HookResult:
        tried.append(1)
        raise LookupError("nothing there")

    with pytest.raises(RunError, match=r"on_start\.broken\.0: LookupError: nothing there"):
        process.run(Agent(id="a", model=ScriptedModel([]), on_start=broken), "hi")
    assert len(tried) == 3


def test_a_hook_that_returns_something_else_fails_the_run(process: Process) -> None:
    """True is no decision; None is: to go on."""
    agent = Agent(id="a", model=ScriptedModel(["x"]), on_start=lambda ctx, context: True)
    with pytest.raises(RunError, match="returned bool, not a HookResult"):
        process.run(agent, "hi")


def test_arguments_that_a_tool_does_not_take_fail_the_run(process: Process) -> None:
    """A hook that breaks a call is at fault, not the model."""

    @hook
    def wrong(ctx: Any, hook_context: HookContext) -> HookResult:
        return HookResult.continue_with(modified_payload={"colour": "red"})

    agent = Agent(id="a", model=once_called(calls(("echo", {"text": "x"}))), tools=[echo], on_tool_start=wrong)
    with pytest.raises(RunError, match=r"on_tool_start changed the arguments of echo.*colour"):
        process.run(agent, "hi")


# -- of tools and workflows -------------------------------------------------------------------------------------------
def test_a_tool_has_hooks_of_its_own(process: Process) -> None:
    """Its hooks change arguments and result inside its step, for every agent that has it."""

    @hook
    def twice(ctx: Any, hook_context: HookContext) -> HookResult:
        return HookResult.continue_with(modified_payload={"n": hook_context.current_payload["n"] * 2})

    @hook
    def spelled(ctx: Any, hook_context: HookContext) -> HookResult:
        return HookResult.continue_with(modified_output=f"it is {hook_context.current_output}")

    @tool(description="Add one", on_start=twice, on_end=[spelled])
    def add_one(n: int) -> int:
        return n + 1

    result = process.run(Agent(id="a", model=once_called(calls(("add_one", {"n": 5}))), tools=[add_one]), "hi")
    assert result.tool_results[0].result == "it is 11"
    keys = [step.step_key for _, step in process.trace("a")]
    assert "1.add_one[call_1]/on_start.twice.0" in keys
    assert process.tool(add_one, {"n": 1}) == "it is 3"


def test_a_tools_own_hook_that_fails_fails_the_call(process: Process) -> None:
    """The model reads why, and the run goes on."""

    @tool(description="Never", on_start=refuse)
    def never() -> str:
        raise AssertionError("it was called")

    result = process.run(Agent(id="a", model=once_called(calls(("never", {}))), tools=[never]), "hi")
    assert "not today" in result.result
    assert result.tool_results[0].status == "failed"


def test_a_workflow_has_hooks(process: Process) -> None:
    """They see payload and result, models included, and may change both."""
    seen: list[Any] = []

    @hook
    def moved(ctx: Any, hook_context: HookContext) -> HookResult:
        seen.append(hook_context.current_payload)
        return HookResult.continue_with(modified_payload={"name": "Ulm"})

    @hook
    def spelled(ctx: Any, hook_context: HookContext) -> HookResult:
        return HookResult.continue_with(modified_output=hook_context.current_output.upper())

    @workflow(on_start=moved, on_end=spelled)
    async def name_of(ctx: Any, payload: City) -> str:
        return payload.name

    assert process.cell(lambda client: name_of.run(client, City(name="Bonn"))) == "ULM"
    assert seen == [City(name="Bonn")]


@pytest.mark.parametrize("point", ["on_start", "on_end"])
def test_a_workflows_hook_that_fails_fails_the_run(process: Process, point: str) -> None:
    """A workflow whose hook says no has failed."""

    @workflow(id="w", **{point: refuse})
    async def nothing(ctx: Any) -> None:
        return None

    with pytest.raises(RunError, match="not today"):
        process.cell(lambda client: nothing.run(client))
    assert process.runtime.store.list_runs(target_id="w")[0].status == "failed"


def test_a_result_that_is_none_stays_none(process: Process) -> None:
    """A hook at the end that changes nothing leaves None."""
    seen: list[Any] = []

    @workflow(on_end=watcher(seen, lambda context: context.current_output))
    async def nothing(ctx: Any) -> None:
        return None

    assert process.cell(lambda client: nothing.run(client)) is None
    assert seen == [None]
