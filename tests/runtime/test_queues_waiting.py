"""A run that waits frees its place in its queue."""

from __future__ import annotations

import asyncio
from typing import Any

from polos_nb import queue, workflow
from tests.aio import in_a_loop, until
from tests.runtime.support import Process


@in_a_loop
async def test_a_run_that_waits_for_a_person_frees_its_place() -> None:
    """The next run has its turn meanwhile; the first goes on when that is over, not before."""
    lane, order, gate = queue("waiting", concurrency_limit=1), [], asyncio.Event()
    process = Process(":memory:", patience=None)
    client = process.client

    async def note(name: str) -> None:
        order.append(name)
        if name == "second":
            await gate.wait()
            order.append("second is over")

    @workflow(id="asks_in_lane", queue=lane)
    async def asks(ctx: Any, payload: dict[str, Any]) -> str:
        await ctx.step.run("first", note, "asks")
        await ctx.step.suspend("go", {})
        await ctx.step.run("last", note, "goes on")
        return "done"

    @workflow(id="works_in_lane", queue=lane)
    async def works(ctx: Any, payload: dict[str, Any]) -> str:
        await ctx.step.run("work", note, "second")
        return "done"

    asking = await client.invoke(asks, {})
    working = await client.invoke(works, {})
    await until(lambda: "second" in order)
    await client.resume(None, asking.id, "go", {})
    await asyncio.sleep(0.3)
    assert order == ["asks", "second"]
    gate.set()
    assert await client.result_of(asking.id) == "done"
    assert await client.result_of(working.id) == "done"
    assert order == ["asks", "second", "second is over", "goes on"]
    process.runtime.close()


@in_a_loop
async def test_invoking_returns_before_the_turn_comes() -> None:
    """A handle is there at once, also where the lane is full; a replayed run waits for nobody."""
    lane, gate = queue("full", concurrency_limit=1), asyncio.Event()
    process = Process(":memory:", patience=None)

    @workflow(id="full_lane", queue=lane)
    async def flow(ctx: Any, payload: dict[str, Any]) -> int:
        await ctx.step.run("hold", gate.wait)
        return int(payload["n"])

    async with asyncio.timeout(5):
        handles = [await process.client.invoke(flow, {"n": n}) for n in range(3)]
        assert len({handle.id for handle in handles}) == 3
        gate.set()
        assert [await handle.result(process.client) for handle in handles] == [0, 1, 2]
    process.runtime.close()


@in_a_loop
async def test_what_is_started_beside_a_run_waits_for_its_turn() -> None:
    """`ctx.step.invoke` in the same lane: it begins when the run that started it has ended."""
    lane, order = queue("beside", concurrency_limit=1), []
    process = Process(":memory:", patience=None)

    @workflow(id="child_beside", queue=lane)
    async def child(ctx: Any, payload: dict[str, Any]) -> None:
        await ctx.step.run("note", order.append, "child")

    @workflow(id="parent_beside", queue=lane)
    async def parent(ctx: Any, payload: dict[str, Any]) -> Any:
        handle = await ctx.step.invoke("child", child, {})
        await ctx.step.run("work", asyncio.sleep, 0.2)
        await ctx.step.run("note", order.append, "parent")
        return handle.id

    await process.client.result_of(await parent.run(process.client, {}))
    assert order == ["parent", "child"]
    process.runtime.close()
