"""Stopping a run: what is finished is kept, the provider's stream is closed, and the next call goes on."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from polos_nb import Agent, RunError, WorkflowContext, WorkflowTimeoutError, workflow
from polos_nb.cli import main
from polos_nb.run_events import TextDelta
from tests.loopback.server import LoopbackProvider
from tests.loopback.turns import Request, Turn
from tests.runtime.support import Process

LONG = " ".join(f"word{n}" for n in range(400))


@pytest.mark.parametrize(("provider", "model"), [("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4-5")])
def test_stopping_closes_the_stream_of_the_provider(
    provider: str, model: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The provider sees that the client has left, in the middle of its answer; the step before it is kept."""
    slow = [True]

    def script(request: Request) -> Turn:
        return Turn(text=LONG, delay=0.02) if slow else Turn(text="short")

    journal: list[str] = []
    agent = Agent(id="writer", provider=provider, model=model)

    @workflow(id="stopped-flow", version=1)
    async def flow(ctx: WorkflowContext) -> str:
        await ctx.step.run("before", lambda: journal.append("before"), version=1)
        return str((await ctx.step.agent_invoke_and_wait("write", agent.with_input("go"))).result)

    async def stop_in_the_middle(client: Any) -> None:
        run = client.runtime.start_workflow(flow)
        talking = asyncio.Event()
        run.subscribe(lambda event: talking.set() if isinstance(event, TextDelta) else None)
        await asyncio.wait_for(talking.wait(), 60)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run.result()

    with LoopbackProvider(script) as server:
        for name, value in server.env().items():
            monkeypatch.setenv(name, value)
        process = Process(str(tmp_path / "steps.db"))
        process.cell(stop_in_the_middle)
        server.wait_for(lambda server: server.requests[0].hung_up)
        assert server.requests[0].chunks_sent < 400
        assert process.runtime.store.list_runs(target_id="stopped-flow")[0].status == "cancelled"
        slow.clear()
        assert process.cell(lambda client: flow.run(client)) == "short"
        assert len(server.requests) == 2
    assert journal == ["before"]


def test_a_run_is_stopped_from_another_process(tmp_path: Path) -> None:
    """`polos-nb stop` ends it within two seconds; running its call again goes on; a run that is over says so."""
    path = str(tmp_path / "steps.db")
    process = Process(path)
    free = asyncio.Event()
    began = time.monotonic()

    @workflow(id="endless", version=1)
    async def flow(ctx: WorkflowContext) -> str:
        await ctx.step.run("first", lambda: None, version=1)
        await ctx.step.run("second", free.wait, version=1)
        return "done"

    async def stopped(client: Any) -> None:
        run = client.runtime.start_workflow(flow)
        await run.known()
        done = await asyncio.to_thread(CliRunner().invoke, main, ["stop", run.id, "--store", path])
        assert done.exit_code == 0, done.output
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(run.result(), 10)

    process.cell(stopped)
    assert time.monotonic() - began < 10
    assert process.runtime.store.list_runs()[0].status == "cancelled"
    free.set()
    assert process.cell(lambda client: flow.run(client)) == "done"
    again = CliRunner().invoke(main, ["stop", "r1", "--store", path])
    assert again.exit_code == 1
    assert "r1 is over already: completed" in again.output


def test_who_waits_for_a_run_that_is_stopped_elsewhere_hears_it(process: Process) -> None:
    """A sentence with the run's id, not a bare cancellation."""

    @workflow(id="halted", version=1)
    async def flow(ctx: WorkflowContext) -> None:
        await ctx.step.wait_for("long", seconds=20)

    async def halted(client: Any) -> None:
        task = asyncio.create_task(flow.run(client))
        async with asyncio.timeout(10):
            while not client.runtime.store.list_runs(status="running"):
                await asyncio.sleep(0.01)
        await client.cancel_execution("r1")
        with pytest.raises(RunError, match="run r1 was stopped; run it again"):
            await task

    process.runtime.patience = None
    process.cell(halted)


def test_a_nested_run_waits_when_the_time_of_the_run_around_it_is_up(process: Process) -> None:
    """Neither is stopped: both go on waiting."""

    @workflow(id="inside", version=1)
    async def inside(ctx: WorkflowContext) -> None:
        await ctx.step.suspend("ask")

    @workflow(id="around", version=1)
    async def around(ctx: WorkflowContext) -> None:
        await ctx.step.invoke_and_wait("in", inside)

    process.runtime.patience = None
    with pytest.raises(WorkflowTimeoutError, match="it waits at in/ask"):
        process.cell(lambda client: around.run(client, timeout=0.2))
    assert {run.target_id: run.status for run in process.runtime.store.list_runs()} == {
        "inside": "suspended",
        "around": "suspended",
    }
