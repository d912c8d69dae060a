"""Code written for the Polos SDK: its clients, handles, batches and wire shapes, as people use them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from polos_nb import (
    Agent,
    AgentResult,
    BatchWorkflowInput,
    Polos,
    ScriptedModel,
    StoreError,
    WorkflowContext,
    WorkflowTimeoutError,
    batch_agent_invoke,
    batch_invoke,
    workflow,
)
from polos_nb.errors import ConfigurationError
from tests.aio import in_a_loop


class Code(BaseModel):
    code: str


def reviewer(name: str) -> Agent:
    return Agent(id=name, model=ScriptedModel(lambda request: f"{name}: {request.messages[-1].text()}"))


SECURITY, SPEED = reviewer("security"), reviewer("speed")


@workflow(id="parallel-review")
async def parallel_review(ctx: WorkflowContext, payload: Code) -> dict[str, Any]:
    reviews = await ctx.step.batch_agent_invoke_and_wait(
        "reviews", [SECURITY.with_input(payload.code), SPEED.with_input([{"role": "user", "content": payload.code}])]
    )
    return {"reviews": [AgentResult.model_validate(review.result).result for review in reviews]}


@workflow(id="several-people")
async def several_people(ctx: WorkflowContext, payload: dict) -> dict[str, Any]:
    first = await ctx.step.suspend("approve", data={"draft": payload.text}, timeout=86_400)
    one, two = await asyncio.gather(ctx.step.suspend("one", {"n": 1}), ctx.step.suspend("two", {"n": 2}))
    return {"ok": first.get("data", {}).get("approved"), "one": one["data"], "two": two["data"], "event": first}


async def waits_at(polos: Polos, run_id: str, *steps: str) -> None:
    """Wait until a run waits at exactly these steps."""
    async with asyncio.timeout(10):
        while (await polos.get_execution(run_id))["waiting"] != list(steps):
            await asyncio.sleep(0.01)


@in_a_loop
async def test_agents_side_by_side() -> None:
    """Results of a batch are agent results, in the order of the list."""
    async with Polos(store=":memory:", mode="live") as polos:
        found = await parallel_review.run(polos, {"code": "x"})
        assert found == {"reviews": ["security: x", "speed: x"]}
        assert AgentResult.model_validate((await SPEED.run(polos, "y")).model_dump()).result == "speed: y"


@in_a_loop
async def test_people_answer_by_resume_in_any_order() -> None:
    """Early, late, and several at once; the first answer counts; what comes back is the whole event."""
    async with Polos(store=":memory:", mode="live") as polos:
        handle = await polos.invoke("several-people", {"text": "hello"}, session_id="s")
        about = {"suspend_workflow_id": handle.root_workflow_id, "suspend_execution_id": handle.root_execution_id}
        assert await polos.resume(**about, suspend_step_key="two", data={"v": 2})  # before it is asked
        await waits_at(polos, handle.id, "approve")
        assert (await polos.get_execution(handle.id))["status"] == "waiting"
        assert await polos.resume(**about, suspend_step_key="approve", data={"approved": True})
        assert not await polos.resume(**about, suspend_step_key="approve", data={"approved": False})
        await waits_at(polos, handle.id, "one")
        assert await polos.resume(handle.root_workflow_id, handle.root_execution_id, "one", {"v": 1})
        result = await handle.result(polos)
        assert (result["ok"], result["one"], result["two"]) == (True, {"v": 1}, {"v": 2})
        assert {"id", "sequence_id", "topic", "event_type", "data", "created_at"} <= set(result["event"])
        assert result["event"]["event_type"] == "resume_approve"
        found = await handle.get(polos)
        assert (found["status"], found["workflow_id"], found["session_id"]) == ("completed", "several-people", "s")
        assert (await polos.get_execution(handle.id))["result"]["one"] == {"v": 1}


@in_a_loop
async def test_a_timeout_leaves_the_run_waiting() -> None:
    """Calling it again comes back to it."""
    async with Polos(store=":memory:", mode="live") as polos:
        with pytest.raises(WorkflowTimeoutError, match="it waits at approve") as raised:
            await several_people.run(polos, {"text": "a"}, timeout=0.2)
        run_id = raised.value.execution_id
        assert run_id is not None
        assert (await polos.get_execution(run_id))["status"] == "waiting"
        for step in ("approve", "one", "two"):
            await polos.resume(None, run_id, step, {"approved": True})
        polos.runtime.begin_cell()
        assert (await several_people.run(polos, {"text": "a"}))["ok"] is True
        assert (await polos.get_execution(run_id))["status"] == "completed"


@in_a_loop
async def test_a_handle_cancels() -> None:
    """Once; what is over is not cancelled."""
    async with Polos(store=":memory:", mode="live") as polos:
        handle = await polos.invoke("several-people", {"text": "b"})
        await waits_at(polos, handle.id, "approve")
        assert await handle.cancel(polos)
        async with asyncio.timeout(10):
            while (await polos.get_execution(handle.id))["status"] != "cancelled":
                await asyncio.sleep(0.01)
        assert not await handle.cancel(polos)


@in_a_loop
async def test_batches_return_handles() -> None:
    """For workflows by id and for agents with their input."""
    async with Polos(store=":memory:", mode="live") as polos:
        given = [BatchWorkflowInput(id="parallel-review", payload={"code": text}) for text in "ab"]
        handles = await batch_invoke(polos, given, session_id="s")
        assert [(await handle.result(polos))["reviews"][0] for handle in handles] == ["security: a", "security: b"]
        handles = await batch_agent_invoke(polos, [SPEED.with_input("c"), SECURITY.with_input("d")])
        assert [(await handle.result(polos)).result for handle in handles] == ["speed: c", "security: d"]


@in_a_loop
async def test_what_is_not_there_is_said() -> None:
    """Unknown ids of workflows and runs are one sentence."""
    async with Polos(store=":memory:", mode="live") as polos:
        with pytest.raises(ConfigurationError, match="there is no workflow, agent or tool 'nope'; declared are: "):
            await polos.invoke("nope")
        for call in (polos.get_execution("r9"), polos.cancel_execution("r9"), polos.resume(None, "r9", "x", {})):
            with pytest.raises(StoreError, match="there is no run r9"):
                await call
