"""Queues: how many runs are driven at once, first come first served."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from polos_nb import DefinitionError, PolosClient, Queue, Workflow, queue, workflow
from polos_nb.runtime.queues import Lane, Queues, Turn, beside, lane_of
from tests.aio import in_a_loop, until
from tests.runtime.support import Process


class Counted:
    """A workflow whose runs stay until they are let go, and how many there were at once."""

    def __init__(self, id: str, **options: Any) -> None:
        self.now = self.most = 0
        self.order: list[Any] = []
        self.gate = asyncio.Event()

        async def hold(name: Any) -> None:
            self.now += 1
            self.most = max(self.most, self.now)
            self.order.append(name)
            await self.gate.wait()
            self.now -= 1

        async def flow(ctx: Any, payload: dict[str, Any]) -> None:
            await ctx.step.run("hold", hold, payload["n"])

        self.flow: Workflow = workflow(id=id, **options)(flow)


@pytest.fixture
def client() -> Any:
    process = Process(":memory:", patience=None)
    yield process.client
    process.runtime.close()


async def run_all(client: PolosClient, counted: Counted, count: int, **options: Any) -> None:
    """Run many at once; they are let go when as many are there as there ever will be."""
    runs = [asyncio.create_task(counted.flow.run(client, {"n": n}, **options)) for n in range(count)]
    await until(lambda: counted.now)
    await asyncio.sleep(0.1)  # more would have come by now
    counted.gate.set()
    await asyncio.gather(*runs)


@pytest.mark.parametrize(
    ("declared", "most"),
    [
        (queue("by object", concurrency_limit=2), 2),
        ("by name", 3),
        ({"concurrency_limit": 1}, 1),
        ({"name": "of a dict", "concurrency_limit": 4}, 4),
        (None, 5),
        (Queue("without limit"), 5),
    ],
)
def test_a_workflow_keeps_to_the_limit_of_its_queue(client: PolosClient, declared: Any, most: int) -> None:
    """An object, a name, a dict; without a limit all run at once. They come in the order in which they were started."""
    queue("by name", concurrency_limit=3)

    @in_a_loop
    async def main() -> None:
        counted = Counted("counted", queue=declared)
        await run_all(client, counted, 5)
        assert counted.most == most
        assert counted.order == [0, 1, 2, 3, 4]

    main()


@in_a_loop
async def test_a_queue_given_with_the_run_wins(client: PolosClient) -> None:
    """`run(queue=...)` and `invoke(queue=...)` take the place of what is declared."""
    counted = Counted("counted", queue=queue("declared", 4))
    await run_all(client, counted, 5, queue=queue("given", 1))
    assert counted.most == 1


@in_a_loop
async def test_a_client_makes_a_queue_at_run_time(client: PolosClient) -> None:
    """`client.invoke(queue_name=, queue_concurrency_limit=)`."""
    counted = Counted("counted")
    starting = [
        asyncio.create_task(client.invoke("counted", {"n": n}, queue_name="made", queue_concurrency_limit=2))
        for n in range(4)
    ]
    await until(lambda: counted.now == 2)
    await asyncio.sleep(0.1)
    counted.gate.set()
    for handle in await asyncio.gather(*starting):
        await client.result_of(handle.id)
    assert counted.most == 2


@in_a_loop
async def test_workflows_share_a_queue(client: PolosClient) -> None:
    """Two workflows in one queue keep to its limit together."""
    shared = queue("shared", concurrency_limit=1)
    one, two = Counted("one", queue=shared), Counted("two", queue=shared)
    runs = [asyncio.create_task(flow.run(client, {"n": 1})) for flow in (one.flow, two.flow)]
    await until(lambda: one.now)
    await asyncio.sleep(0.1)
    assert two.now == 0
    one.gate.set()
    await until(lambda: two.now)
    two.gate.set()
    await asyncio.gather(*runs)


@in_a_loop
async def test_each_concurrency_key_has_the_limit_for_itself(client: PolosClient) -> None:
    """One user's runs do not wait for another's."""
    counted = Counted("counted", queue=queue("per user", concurrency_limit=1))
    runs = [
        asyncio.create_task(counted.flow.run(client, {"n": n}, concurrency_key=f"user {n % 2}", fresh=True))
        for n in range(4)
    ]
    await until(lambda: counted.now == 2)
    await asyncio.sleep(0.1)
    assert sorted(counted.order) == [0, 1]
    counted.gate.set()
    await asyncio.gather(*runs)


@in_a_loop
async def test_a_run_does_not_wait_for_itself(client: PolosClient) -> None:
    """What a run starts and waits for in the lane it has goes on at once."""
    lane = queue("mine", concurrency_limit=1)

    @workflow(id="inner_of_lane", queue=lane)
    async def inner(ctx: Any, payload: dict[str, Any]) -> int:
        return 1

    @workflow(id="outer_of_lane", queue=lane)
    async def outer(ctx: Any, payload: dict[str, Any]) -> int:
        return int(await ctx.step.invoke_and_wait("inner", inner, {}))

    async with asyncio.timeout(5):
        assert await outer.run(client, {}) == 1


@in_a_loop
async def test_who_is_cancelled_leaves_the_line(client: PolosClient) -> None:
    """The next one has its turn."""
    counted = Counted("counted", queue=queue("left", concurrency_limit=1))
    runs = [asyncio.create_task(counted.flow.run(client, {"n": n})) for n in range(3)]
    await until(lambda: counted.now)
    runs[1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await runs[1]
    counted.gate.set()
    await asyncio.gather(runs[0], runs[2])
    assert counted.order == [0, 2]
    assert client.runtime.queues._lines == {}


LANE = Lane("lane", 1)


class Waits:
    """A run that says when it only waits."""

    def __init__(self) -> None:
        self.idle = asyncio.Event()
        self.turns: list[Turn] = []

    def lend(self, turn: Turn, below: str) -> None:
        self.turns.append(turn)

    async def until_idle(self, patience: float, *, below: str = "") -> None:
        await self.idle.wait()
        self.idle.clear()


@in_a_loop
async def test_a_turn_is_lent_while_its_run_waits() -> None:
    """Another has the place meanwhile; the run comes back when that is free, and only then goes on."""
    queues, waits, order = Queues(), Waits(), []
    let_go = asyncio.Event()

    async def other() -> None:
        async with queues.turn(LANE):
            order.append("other")
            await let_go.wait()

    async with queues.turn(LANE, waits):
        with beside():
            second = asyncio.create_task(other())
        await asyncio.sleep(0.1)
        assert order == []
        waits.idle.set()
        await until(lambda: order)
        coming = [asyncio.create_task(waits.turns[0].back()) for _ in range(2)]
        await asyncio.sleep(0.1)
        assert not any(task.done() for task in coming)
        let_go.set()
        async with asyncio.timeout(5):
            await asyncio.gather(second, *coming)
        with beside():
            third = asyncio.create_task(other())
        await asyncio.sleep(0.1)
        assert order == ["other"]
    async with asyncio.timeout(5):
        await third
    assert queues._lines == {}


@in_a_loop
async def test_what_is_started_beside_waits_for_its_turn() -> None:
    """A run that nobody waits for queues behind the one that started it."""
    queues, order = Queues(), []

    async def started() -> None:
        async with queues.turn(LANE):
            order.append("beside")

    async with queues.turn(LANE):
        with beside():
            task = asyncio.create_task(started())
        await asyncio.sleep(0.1)
        assert order == []
    await task
    assert order == ["beside"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (7, "queue=7 is neither a name, a queue"),
        ({"limit": 2}, "a queue has no 'limit'"),
        ({"concurrency_limit": 0}, "must be 1 or more"),
        (Queue("zero", 0), "must be 1 or more"),
    ],
)
def test_a_wrong_queue_is_refused_in_a_sentence(given: Any, said: str) -> None:
    """The sentence says what is wrong with it."""
    with pytest.raises(DefinitionError, match=said):
        lane_of("flow", given)
