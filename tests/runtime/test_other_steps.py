"""The calls of `ctx.step` that start, answer, measure and count."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from polos_nb import Agent, BatchWorkflowInput, RunError, ScriptedModel, Suspended, WorkflowContext, workflow
from polos_nb.run_events import SpanEnded, StepProgress
from tests.runtime.support import Process

echo = Agent(id="echo-agent", model=ScriptedModel(lambda request: f"said {request.messages[-1].text()}"))
JOURNAL: list[Any] = []


@workflow(id="doubling", version=1)
async def doubling(ctx: WorkflowContext, input: dict) -> int:
    JOURNAL.append(input.n)
    return int(input.n) * 2


@pytest.fixture(autouse=True)
def _empty() -> None:
    JOURNAL.clear()


def test_many_are_started_beside_a_run_once(process: Process) -> None:
    """Workflows and agents, in the order of the list; a second pass gives the same handles and starts nothing."""

    @workflow(id="starting", version=1)
    async def starting(ctx: WorkflowContext) -> Any:
        given = [BatchWorkflowInput(id="doubling", payload={"n": n}) for n in (1, 2)]
        several = await ctx.step.batch_invoke("several", given)
        one = await ctx.step.agent_invoke("one", echo.with_input("a"))
        agents = await ctx.step.batch_agent_invoke("agents", [echo.with_input("b"), echo.with_input("c")])
        return [*several, one, *agents]

    async def cell(client: Any) -> Any:
        handles = await starting.run(client)
        return handles, [await handle.result(client) for handle in handles]

    handles, values = process.cell(cell)
    assert [getattr(value, "result", value) for value in values] == [2, 4, "said a", "said b", "said c"]
    assert [handle.step_key for handle in handles] == ["several[0]", "several[1]", "one", "agents[0]", "agents[1]"]
    assert len({handle.id for handle in handles}) == 5
    assert process.cell(lambda client: starting.run(client)) == handles
    assert JOURNAL == [1, 2]


def test_a_workflow_answers_what_another_run_waits_for(process: Process) -> None:
    """Once: a second pass answers nothing."""

    @workflow(id="asking", version=1)
    async def asking(ctx: WorkflowContext) -> Any:
        return (await ctx.step.suspend("ask"))["data"]

    @workflow(id="answering", version=1)
    async def answering(ctx: WorkflowContext, input: dict) -> None:
        await ctx.step.resume("tell", "ask", input.run, "asking", {"approved": True})

    with pytest.raises(Suspended) as raised:
        process.cell(lambda client: asking.run(client))
    process.runtime.waiting.stop()
    for _ in range(2):
        process.cell(lambda client: answering.run(client, {"run": raised.value.run_id}))
    assert process.cell(lambda client: asking.run(client)) == {"approved": True}
    (decision,) = process.runtime.store.decisions()
    assert (decision.status, decision.decided_by) == ("answered", "workflow")


def events_of(process: Process, flow: Any, kind: type) -> list[Any]:
    """The events of one kind that a run tells, whether it fails or not."""
    told: list[Any] = []

    async def cell(client: Any) -> None:
        run = client.runtime.start_workflow(flow)
        run.subscribe(lambda event: told.append(event) if isinstance(event, kind) else None)
        await asyncio.wait({run.task})

    process.cell(cell)
    return told


def test_a_map_tells_how_far_it_is(process: Process) -> None:
    """After each item: how many are done, answered from the store, and failed."""
    broken = {1}

    def work(item: int) -> int:
        if item in broken:
            raise ValueError(item)
        return item

    @workflow(id="counting-items", version=1)
    async def flow(ctx: WorkflowContext) -> Any:
        return await ctx.step.map("work", work, range(3), version=1, max_retries=0, concurrency=1)

    def counts() -> list[tuple[int, int, int, int]]:
        found = events_of(process, flow, StepProgress)
        assert {event.step_key for event in found} <= {"work"}
        return [(event.done, event.total, event.cached, event.failed) for event in found]

    assert counts() == [(1, 3, 0, 0), (2, 3, 0, 1), (3, 3, 0, 1)]
    broken.clear()
    assert counts() == [(1, 3, 1, 0), (2, 3, 1, 0), (3, 3, 2, 0)]


def test_a_batch_tells_how_far_it_is(process: Process) -> None:
    """Like a map; its event has Polos' shape."""

    @workflow(id="counting-runs", version=1)
    async def flow(ctx: WorkflowContext) -> Any:
        given = [{"id": "doubling", "payload": {"n": n}} for n in (1, 2)]
        return await ctx.step.batch_invoke_and_wait("both", given)

    found = events_of(process, flow, StepProgress)
    assert [(event.done, event.total) for event in found] == [(1, 2), (2, 2)]
    assert found[-1].event_type == "step_progress"
    assert found[-1].data | {"done": 2, "total": 2, "cached": 0, "failed": 0} == found[-1].data


def test_a_part_of_the_work_is_measured(process: Process) -> None:
    """Its name, attributes and seconds are told, an error too; it is no step."""

    @workflow(id="measuring", version=1)
    async def flow(ctx: WorkflowContext) -> None:
        with ctx.step.trace("parse", {"pages": 3}) as span:
            span.set_attribute("words", 7)
        with ctx.step.trace("break"):
            raise ValueError("no")

    parse, fails = events_of(process, flow, SpanEnded)
    assert (parse.name, parse.attributes) == ("parse", {"pages": 3, "words": 7})
    assert parse.seconds >= 0
    assert fails.attributes == {"error": "ValueError: no"}
    assert process.trace("measuring") == []


def test_stopping_twice_does_not_wait_for_a_body_that_will_not_end(process: Process) -> None:
    """The first Stop asks; the second leaves."""

    @workflow(id="stubborn", version=1)
    async def flow(ctx: WorkflowContext) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            JOURNAL.append("asked")
            await asyncio.sleep(60)

    async def cell(client: Any) -> float:
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(flow.run(client))
        async with asyncio.timeout(10):
            while not client.runtime.store.list_runs(status="running"):
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            task.cancel()
            while not JOURNAL:
                await asyncio.sleep(0.01)
            began = loop.time()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        return loop.time() - began

    process.runtime.patience = None
    assert process.cell(cell) < 4  # less than what one Stop waits


def test_a_resumed_answer_for_an_unknown_run_fails_the_step(process: Process) -> None:
    """With a sentence."""

    @workflow(id="misdirected", version=1)
    async def flow(ctx: WorkflowContext) -> None:
        await ctx.step.resume("tell", "ask", "r99", "asking", {})

    with pytest.raises(RunError, match="r99"):
        process.cell(lambda client: flow.run(client))
