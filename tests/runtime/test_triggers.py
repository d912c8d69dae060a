"""Workflows that events start: each event once, in batches, over restarts and processes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from polos_nb import Polos, PolosClient, events, registry, workflow
from polos_nb.events import EventData
from polos_nb.runtime.background import Background
from tests.aio import in_a_loop, until
from tests.runtime.support import Process


@pytest.fixture(autouse=True)
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test declares ends with it."""
    monkeypatch.setattr(registry, "_declared", {})


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "steps.db")


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def recorder(name: str = "on_order", **options: Any) -> tuple[Any, list[Any]]:
    """A workflow that notes what it was started for."""
    got: list[Any] = []

    @workflow(id=name, trigger_on_event="orders", **options)
    async def flow(ctx: Any, payload: dict[str, Any]) -> Any:
        seen = payload.get("data") or [event["data"] for event in payload["events"]]
        await ctx.step.run("note", got.append, seen)
        return seen

    return flow, got


async def put(client: PolosClient, *numbers: int) -> list[int]:
    """Publish events with these numbers."""
    return await events.batch_publish(client, "orders", [EventData(event_type="o", data={"n": n}) for n in numbers])


@in_a_loop
async def test_an_event_starts_its_workflow_with_the_fields_of_the_event(path: str) -> None:
    """The payload is the event, and the run is one like any other."""
    payloads = []

    @workflow(id="on_order", trigger_on_event="orders")
    async def on_order(ctx: Any, event: dict[str, Any]) -> str:
        payloads.append(dict(event))
        return "done"

    async with Polos(store=path, mode="live") as polos:
        number = await events.publish(polos, "orders", EventData(event_type="created", data={"id": 7}))
        await until(lambda: polos.runtime.store.list_runs(target_id="on_order", status="completed"))
    assert set(payloads[0]) == {"id", "sequence_id", "topic", "event_type", "data", "created_at"}
    assert payloads[0]["sequence_id"] == number
    assert payloads[0]["data"] == {"id": 7}
    assert events.EventPayload.model_validate(payloads[0]).event_type == "created"


@in_a_loop
async def test_only_what_comes_after_the_trigger_was_seen_counts(path: str) -> None:
    """The history of a topic starts nothing; an event in the cell that declares the workflow does."""
    async with Polos(store=path, mode="live") as polos:
        await put(polos, 1)
        _, got = recorder()
        await put(polos, 2)
        await until(lambda: got)
        assert got == [{"n": 2}]


@in_a_loop
async def test_a_run_that_publishes_is_heard_by_what_was_declared_before(path: str) -> None:
    """`ctx.step.publish_event` triggers too."""

    async with Polos(store=path, mode="live") as polos:
        _, got = recorder()

        @workflow(id="publisher")
        async def publisher(ctx: Any, payload: dict[str, Any]) -> None:
            await ctx.step.publish_event("tell", "orders", {"n": 5})

        await publisher.run(polos, {})
        await until(lambda: got)
        assert got == [{"n": 5}]


@in_a_loop
async def test_a_restart_goes_on_where_it_was(path: str) -> None:
    """What came while nothing was started is taken at the next start, and nothing twice."""
    _, got = recorder()
    async with Polos(store=path, mode="live") as polos:
        await put(polos, 1)
        await until(lambda: len(got) == 1)
    outside = Process(path)
    await put(outside.client, 2, 3)
    outside.runtime.close()
    async with Polos(store=path, mode="live") as polos:
        await until(lambda: len(got) == 3)
        await put(polos, 4)
        await until(lambda: len(got) == 4)
        assert len(polos.runtime.store.list_runs(target_id="on_order")) == 4
    assert sorted(item["n"] for item in got) == [1, 2, 3, 4]


@in_a_loop
async def test_a_batch_is_started_when_it_is_full(path: str) -> None:
    """Without a time-out a batch waits until it is full."""
    _, got = recorder(batch_size=3)
    clock = Clock()
    process = Process(path)
    served = Background(process.runtime, clock=clock)
    served.notice()
    await put(process.client, 1, 2)
    clock.now += 100_000
    served.tick()
    assert got == []
    assert served.outbox.going == []
    await put(process.client, 3, 4)
    served.tick()
    await until(lambda: got)
    assert got == [[{"n": 1}, {"n": 2}, {"n": 3}]]
    process.runtime.close()


@in_a_loop
async def test_a_batch_is_started_when_its_oldest_event_is_old_enough(path: str) -> None:
    """With a time-out, what there is is taken then; also where a batch is one event."""
    _, got = recorder(batch_size=10, batch_timeout_seconds=30)
    _, single = recorder("one_by_one", batch_timeout_seconds=30)
    clock = Clock()
    process = Process(path)
    served = Background(process.runtime, clock=clock)
    served.notice()
    await put(process.client, 1, 2)
    clock.now += 29
    served.tick()
    await until(lambda: len(single) == 2)
    assert got == []
    clock.now += 2
    served.tick()
    await until(lambda: got)
    assert got == [[{"n": 1}, {"n": 2}]]
    assert single == [[{"n": 1}], [{"n": 2}]]
    process.runtime.close()


@in_a_loop
async def test_two_processes_share_the_events(path: str) -> None:
    """Each event starts one run, whoever takes it."""
    _, got = recorder()
    one, two = Process(path), Process(path)
    served = [Background(one.runtime), Background(two.runtime)]
    for side in served:
        side.notice()
    await put(one.client, *range(20))
    async with asyncio.timeout(20):
        while len(got) < 20:
            for side in served:
                side.tick()
            await asyncio.sleep(0.005)
    for side in served:
        side.tick()
    await asyncio.sleep(0.1)
    assert sorted(item["n"] for item in got) == list(range(20))
    assert len(one.runtime.store.list_runs(target_id="on_order")) == 20
    one.runtime.close()
    two.runtime.close()


@in_a_loop
async def test_what_was_taken_and_not_started_is_started_by_another(path: str) -> None:
    """A process that ends right after it moved the cursor loses no event."""
    _, got = recorder()
    gone, clock = Process(path), Clock()
    dying = Background(gone.runtime, clock=clock)
    dying.notice()
    await put(gone.client, 1)
    dying.triggers.take()  # and here it ends
    other = Process(path)
    served = Background(other.runtime, clock=clock)
    served.tick()
    assert served.outbox.going == []  # its writer may be about to start it
    clock.now += 5
    served.outbox._looked = -10.0
    served.tick()
    await until(lambda: got)
    assert len(other.runtime.store.list_runs(target_id="on_order")) == 1
    gone.runtime.close()
    other.runtime.close()


@in_a_loop
async def test_a_stopped_run_goes_on_at_the_next_start(path: str) -> None:
    """Leaving the context is no cancellation: finished steps are kept, and the run is the same."""
    calls: list[str] = []
    gate = asyncio.Event()

    @workflow(id="slow", trigger_on_event="orders")
    async def slow(ctx: Any, payload: dict[str, Any]) -> str:
        await ctx.step.run("first", calls.append, "first")
        await ctx.step.run("second", gate.wait)
        return "done"

    async with Polos(store=path, mode="live") as polos:
        await put(polos, 1)
        await until(lambda: calls)
    gate.set()
    async with Polos(store=path, mode="live") as polos:
        [run] = await until(lambda: polos.runtime.store.list_runs(target_id="slow", status="completed"))
        assert run.id == "r1"
    assert calls == ["first"]


@in_a_loop
async def test_a_cancelled_run_is_not_started_again(path: str) -> None:
    """What somebody stopped stays stopped."""
    started: list[int] = []

    @workflow(id="slow", trigger_on_event="orders")
    async def slow(ctx: Any, payload: dict[str, Any]) -> None:
        started.append(1)
        await ctx.step.wait_for("long", hours=1)

    async with Polos(store=path, mode="live") as polos:
        await put(polos, 1)
        [run] = await until(lambda: polos.runtime.store.list_runs(target_id="slow"))
        await until(lambda: started)
        await polos.cancel_execution(run.id)
        await until(lambda: polos.runtime.store.list_runs(target_id="slow", status="cancelled"))
    async with Polos(store=path, mode="live") as polos:
        await asyncio.sleep(0.3)
        assert [r.status for r in polos.runtime.store.list_runs(target_id="slow")] == ["cancelled"]
    assert started == [1]


@in_a_loop
async def test_a_payload_that_does_not_fit_is_said_once(path: str, caplog: pytest.LogCaptureFixture) -> None:
    """A workflow that cannot take the event is not tried for ever, and the next event is not held up."""

    class Order(BaseModel):
        amount: int

    @workflow(id="strict", trigger_on_event="orders")
    async def strict(ctx: Any, payload: Order) -> None:
        pass

    _, got = recorder()
    async with Polos(store=path, mode="live") as polos:
        await put(polos, 1)
        await until(lambda: got and caplog.records)
        await put(polos, 2)
        await until(lambda: len(got) == 2 and len(caplog.records) == 2)
    assert caplog.records[0].getMessage().startswith("workflow strict was not started: ")


@in_a_loop
async def test_nothing_is_opened_where_nothing_is_triggered(tmp_path: Path) -> None:
    """Entering a client alone makes no store."""
    path = tmp_path / "none.db"
    async with Polos(store=str(path), mode="live"):
        await asyncio.sleep(0.2)
    assert not path.exists()


@in_a_loop
async def test_nothing_is_started_in_replay(path: str) -> None:
    """Replaying a notebook starts no workflow."""
    recorder()
    async with Polos(store=":memory:", mode="offline") as polos:
        await put(polos, 1)
        await asyncio.sleep(0.2)
        assert polos.runtime.store.list_runs() == []


@in_a_loop
async def test_a_client_can_be_started_without_being_entered(path: str) -> None:
    """In a notebook `await polos.start()` serves until `await polos.stop()`; starting twice is starting once."""
    _, got = recorder()
    polos = Polos(store=path, mode="live")
    await polos.start()
    await polos.start()
    await put(polos, 1)
    await until(lambda: got)
    await polos.stop()
    assert len(asyncio.all_tasks()) == 1


PROGRAM = """
    import asyncio, os, signal, sys
    from polos_nb import Polos, events, workflow

    @workflow(id="on_order", trigger_on_event="orders", queue={"concurrency_limit": 1})
    async def on_order(ctx, payload):
        n = payload["data"]["n"]
        await ctx.step.run("note", note, n)
        if n == 2 and os.environ.get("DIE"):
            os.kill(os.getpid(), signal.SIGKILL)
        return await ctx.step.run("after", note, n + 100)

    def note(n):
        with open(sys.argv[2], "a") as file:
            file.write(f"{n}\\n")
        return n

    async def main():
        async with Polos(store=sys.argv[1], mode="live") as polos:
            if os.environ.get("DIE"):
                await events.batch_publish(polos, "orders", [events.EventData(data={"n": n}) for n in range(4)])
            for _ in range(500):
                runs = polos.runtime.store.list_runs(target_id="on_order", status="completed")
                if len(runs) == 4:
                    return
                await asyncio.sleep(0.02)
            sys.exit("not all were started")

    asyncio.run(main())
"""


def test_a_killed_process_loses_no_event_and_repeats_no_step(tmp_path: Path) -> None:
    """After SIGKILL in the middle of a run, the next process finishes it and starts the others."""
    program, notes = tmp_path / "program.py", tmp_path / "notes.txt"
    program.write_text(textwrap.dedent(PROGRAM))
    command = [sys.executable, str(program), str(tmp_path / "steps.db"), str(notes)]
    first = subprocess.run(command, env={"PATH": "/usr/bin:/bin", "DIE": "1"}, timeout=60, check=False)
    assert first.returncode == -9
    subprocess.run(command, env={"PATH": "/usr/bin:/bin"}, timeout=60, check=True)
    assert [int(line) for line in notes.read_text().split()] == [0, 100, 1, 101, 2, 102, 3, 103]
