"""Workflows with nested runs in a cassette: the same transcript, nothing called, in a store with other ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from polos_nb import Agent, ReplayMiss, ScriptedModel, WorkflowContext, WorkflowState, workflow
from polos_nb.runtime.cassettes import record_lineages
from tests.runtime.support import Process


class Count(WorkflowState):
    value: int = 0


def flow_of(journal: list[str], prompt: str = "go") -> Any:
    def say(request: Any) -> str:
        journal.append("llm")
        return f"said {request.messages[-1].text()}"

    agent = Agent(id="sayer", model=ScriptedModel(say))

    @workflow(id="inner-flow", version=1)
    async def inner(ctx: WorkflowContext, input: dict) -> str:
        return str((await ctx.step.agent_invoke_and_wait("deep/er", agent.with_input(input.text))).result)

    @workflow(id="outer-flow", version=1, state_schema=Count)
    async def outer(ctx: WorkflowContext) -> Any:
        def count() -> None:
            ctx.state.value += 1

        await ctx.step.run("count", count, version=1)
        first = await ctx.step.invoke_and_wait("in", inner, {"text": prompt})
        mapped = await ctx.step.map("each", agent, ["x", "y"])
        return [first, [item.result for item in mapped], ctx.state.value]

    return outer


def shown(process: Process, flow: Any) -> Any:
    async def cell(client: Any) -> Any:
        run = client.runtime.start_workflow(flow)
        return await run.result(), run.transcript

    return process.cell(cell)


def test_a_recorded_workflow_replays_with_its_nested_runs(tmp_path: Path) -> None:
    """The recording is made of the store; another run before it makes the ids differ."""
    journal: list[str] = []
    live = Process()
    live.run(Agent(id="other", model=ScriptedModel(["x"])), "first, so that the ids differ")
    flow = flow_of(journal)
    value, transcript = shown(live, flow)
    assert value == ["said go", ["said x", "said y"], 1]
    path = tmp_path / "flow.jsonl"
    newest = live.runtime.store.get_run(live.newest("outer-flow"))
    assert newest is not None
    recorded = record_lineages(live.runtime.store, [newest.lineage], path)
    assert recorded.runs == 5
    assert '"run":' not in "".join(line for line in path.read_text().splitlines() if '"request": {"run"' in line)

    journal.clear()
    replay = Process(None, mode="replay", cassettes=[path])
    again, replayed = shown(replay, flow)
    assert again == value
    assert replayed.to_text() == transcript.to_text()
    assert [item.step_key for item in replayed.walk()] == [item.step_key for item in transcript.walk()]
    assert "in/deep/er/1.llm" in [item.step_key for item in replayed.walk()]
    assert journal == []


def test_a_changed_nested_step_is_a_miss_that_names_it(tmp_path: Path) -> None:
    """The error speaks of the step that is not in the cassette."""
    live = Process()
    shown(live, flow_of([]))
    path = tmp_path / "flow.jsonl"
    newest = live.runtime.store.get_run(live.newest("outer-flow"))
    assert newest is not None
    record_lineages(live.runtime.store, [newest.lineage], path)
    replay = Process(None, mode="replay", cassettes=[path])
    with pytest.raises(ReplayMiss, match=r"step in of outer-flow is not in flow\.jsonl"):
        shown(replay, flow_of([], prompt="changed"))
