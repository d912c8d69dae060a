"""Declarations that use themselves have a version, which still follows their code."""

from __future__ import annotations

import asyncio
from typing import Any

from polos_nb import Agent, Polos, PolosClient, ScriptedModel, WorkflowContext, tool, workflow
from polos_nb.models.base import ModelRequest
from tests.runtime.support import calls, results


@workflow(id="factorial")
async def factorial(ctx: WorkflowContext, payload: dict) -> int:  # type: ignore[type-arg]
    n = int(payload["n"])
    return n if n < 2 else n * int(await ctx.step.invoke_and_wait("less", factorial, {"n": n - 1}))


@tool(id="deeper", description="Ask deeper")
async def deeper(question: str) -> str:
    return str((await agent.run(question)).result)


def script(request: ModelRequest) -> Any:
    said = results(request)
    if request.messages[-1].text() == "leaf":
        return "found"
    return f"told: {said[0]}" if said else calls(("deeper", {"question": "leaf"}))


agent = Agent(id="digger", model=ScriptedModel(script), tools=[deeper])


def test_a_workflow_may_run_itself() -> None:
    """A nested run of the same workflow is a step like any other."""
    client = PolosClient(store=":memory:", mode="live")
    assert asyncio.run(factorial.run(client, {"n": 4})) == 24
    assert factorial.version().digest == factorial.version().digest


def test_an_agent_may_be_run_by_its_own_tool() -> None:
    """The tool's version has the agent's, which has the tool's."""

    async def main() -> Any:
        async with Polos(store=":memory:", mode="live"):
            return (await agent.run("go")).result

    assert asyncio.run(main()) == "told: found"


def test_the_version_of_a_workflow_follows_the_workflow_that_it_uses() -> None:
    """Another body of the inner one is another version of the outer one; so is another declared version."""

    def outer(inner: Any) -> str:
        @workflow(id="outer")
        async def flow(ctx: WorkflowContext) -> Any:
            return await ctx.step.invoke_and_wait("in", inner)

        return str(flow.version().digest)

    def inner(declared: int | None, other: bool) -> Any:
        @workflow(id="inner", version=declared)
        async def one(ctx: WorkflowContext) -> int:
            return 1

        @workflow(id="inner", version=declared)
        async def two(ctx: WorkflowContext) -> int:
            return 2

        return two if other else one

    assert outer(inner(None, False)) == outer(inner(None, False))
    assert outer(inner(None, False)) != outer(inner(None, True))
    assert outer(inner(1, False)) == outer(inner(1, True))
    assert outer(inner(1, False)) != outer(inner(2, False))
