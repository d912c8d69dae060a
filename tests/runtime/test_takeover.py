"""A driver that is killed, cancelled, fails or is stopped, and what those who read along and come after find."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from polos_nb import PolosClient, Suspended, WorkflowContext, workflow
from polos_nb.errors import RunError
from polos_nb.stores.sqlite import SqliteStore
from tests.crash.lanes import started, until
from tests.crash.programs import lines_of
from tests.runtime.programs import client_in, drive, ended, in_a_loop, in_second, slow
from tests.runtime.support import Process

ALL = ["first", "second", "third"]


@contextmanager
def driver(folder: Path, *args: Any) -> Iterator[Any]:
    """A process that drives the slow workflow, and is in its second step."""
    process = started(drive, str(folder), *args)
    try:
        until(lambda: in_second(folder)() or not process.is_alive(), what="the second step")
        assert process.is_alive(), (folder / "said").read_text()
        yield process
    finally:
        process.kill()
        process.join()


async def seen(condition: Any, seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.005)


async def reading(client: PolosClient, folder: Path, fails: bool = False) -> Any:
    """The same call, which reads along where another process is in the second step."""
    run = client.runtime.start_workflow(slow(folder, fails))
    await seen(lambda: "second" in run.transcript.to_text())
    return run


def status(folder: Path) -> str:
    store = SqliteStore(str(folder / "steps.db"))
    try:
        return store.get_run("r1").status  # type: ignore[union-attr]
    finally:
        store.close()


def test_a_reader_sees_the_steps_as_they_happen(tmp_path: Path) -> None:
    """While the other process is in a step, the reader's transcript has the finished one, and the open one."""

    async def body(client: PolosClient) -> Any:
        run = await reading(client, tmp_path)
        assert {item.step_key: item.state for item in run.transcript.items} == {"first": "done", "second": "running"}
        (tmp_path / "free").touch()
        return await run.result()

    with driver(tmp_path) as process:
        assert in_a_loop(body, tmp_path) == ALL
        process.join(10)
    assert ended(tmp_path)[:2] == ["returned", ALL]
    assert Counter(lines_of(tmp_path)) == Counter(["start second", *(f"end {name}" for name in ALL)])


def test_a_reader_takes_over_from_a_driver_that_is_killed(tmp_path: Path) -> None:
    """At once, not when the lease lapses; what was finished is not done again."""

    async def body(client: PolosClient) -> Any:
        run = await reading(client, tmp_path)
        process.kill()
        began = time.monotonic()
        await seen(lambda: lines_of(tmp_path).count("start second") == 2)
        assert time.monotonic() - began < 5
        (tmp_path / "free").touch()
        return await run.result()

    with driver(tmp_path) as process:
        assert in_a_loop(body, tmp_path) == ALL
    assert Counter(lines_of(tmp_path)) == Counter(["start second"] * 2 + [f"end {name}" for name in ALL])
    assert status(tmp_path) == "completed"


def test_a_run_that_is_cancelled_from_another_process_stops_and_can_go_on(tmp_path: Path) -> None:
    """Its driver stops within 2 s; the run is "cancelled"; running it again does only what is missing."""

    async def cancel(client: PolosClient) -> Any:
        assert await client.cancel_execution("r1")
        began = time.time()
        await seen(lambda: ended(tmp_path))
        return (await client.get_execution("r1"))["status"], ended(tmp_path)[2] - began

    with driver(tmp_path):
        how, seconds = in_a_loop(cancel, tmp_path)
    assert ended(tmp_path)[0] == "cancelled"
    assert how == "cancelled"
    assert seconds < 2
    (tmp_path / "free").touch()
    assert in_a_loop(slow(tmp_path).run, tmp_path) == ALL
    assert Counter(lines_of(tmp_path)) == Counter(["start second"] * 2 + [f"end {name}" for name in ALL])
    assert status(tmp_path) == "completed"


def test_who_reads_along_does_not_go_on_with_a_run_that_was_cancelled(tmp_path: Path) -> None:
    """Cancelled means cancelled: the reader is told so, and nothing more is executed."""

    async def body(client: PolosClient) -> Any:
        run = await reading(client, tmp_path)
        assert await client_in(tmp_path).cancel_execution("r1")
        with pytest.raises(RunError, match="run r1 was stopped"):
            await run.result()
        assert run.transcript.status == "cancelled"

    with driver(tmp_path):
        in_a_loop(body, tmp_path)
        until(lambda: ended(tmp_path))
    assert status(tmp_path) == "cancelled"
    assert Counter(lines_of(tmp_path)) == Counter(["start second", "end first"])


def test_who_reads_along_is_told_that_the_run_failed(tmp_path: Path) -> None:
    """A step that failed for the driver is not tried again by everybody who looked on."""

    async def body(client: PolosClient) -> Any:
        run = await reading(client, tmp_path, True)
        (tmp_path / "free").touch()
        with pytest.raises(RunError, match="no good"):
            await run.result()
        assert run.transcript.status == "failed"

    with driver(tmp_path, "driver", True) as process:
        in_a_loop(body, tmp_path)
        process.join(10)
    assert ended(tmp_path)[0] == "failed"
    assert Counter(lines_of(tmp_path)) == Counter(["start second", "end second", "end first"])


def test_a_cancelled_run_has_one_driver_even_when_it_is_called_again_at_once(tmp_path: Path) -> None:
    """The new driver begins when the old one has let go."""
    held_until = 0.0

    async def body(client: PolosClient) -> Any:
        nonlocal held_until
        store = client.runtime.store
        owner = store.get_run("r1").owner  # type: ignore[union-attr]
        await client.cancel_execution("r1")
        run = client.runtime.start_workflow(slow(tmp_path))
        while store.get_run("r1").owner == owner:  # type: ignore[union-attr]
            held_until = time.time()
            await asyncio.sleep(0.002)
        await seen(lambda: lines_of(tmp_path).count("start second") == 2)
        (second,) = [step for _, step in store.trace("r1") if step.name == "second"]
        assert second.started_at > held_until > 0
        until(lambda: ended(tmp_path), what="the end of the first driver")
        (tmp_path / "free").touch()
        return await run.result()

    with driver(tmp_path):
        assert in_a_loop(body, tmp_path) == ALL
    assert ended(tmp_path)[0] == "cancelled"


def test_stop_keeps_what_is_finished(path: str) -> None:
    """Stopped inside a step: the run is cancelled, the steps before and beside it are kept, it alone runs again."""
    journal: list[str] = []
    free = asyncio.Event()

    @workflow(id="stopped", version=1)
    async def flow(ctx: WorkflowContext) -> Any:
        async def quick(name: str) -> str:
            journal.append(name)
            return name

        async def held() -> str:
            journal.append("held")
            await free.wait()
            return "held"

        first = await ctx.step.run("first", quick, "first", version=1)
        both = await asyncio.gather(
            ctx.step.run("beside", quick, "beside", version=1), ctx.step.run("held", held, version=1)
        )
        return [first, *both]

    async def stop(client: PolosClient) -> None:
        task = asyncio.ensure_future(flow.run(client))
        await seen(lambda: journal == ["first", "beside", "held"])
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    process = Process(path, patience=None)
    process.cell(stop)
    assert process.runtime.store.get_run("r1").status == "cancelled"  # type: ignore[union-attr]
    free = asyncio.Event()
    free.set()
    assert Process(path).cell(flow.run) == ["first", "beside", "held"]
    assert Counter(journal) == Counter(["first", "beside", "held", "held"])


@pytest.mark.parametrize("patience", [None, 0.0])
def test_stop_while_a_run_waits_keeps_the_question(path: str, patience: float | None) -> None:
    """It can be answered afterwards, and the run goes on when it is called again."""
    journal: list[str] = []
    flow = asking(journal)

    async def stop(client: PolosClient) -> None:
        task = asyncio.ensure_future(flow.run(client))
        await seen(lambda: client.runtime.store.decisions(status="waiting"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    process = Process(path, patience=patience)
    process.cell(stop)
    store = process.runtime.store
    assert store.get_run("r1").status == "cancelled"  # type: ignore[union-attr]
    (decision,) = store.decisions()
    assert store.decide(decision.id, answer="1")
    assert Process(path).cell(flow.run)["data"] == 1
    assert journal == ["before"]
    assert len(store.decisions()) == 1


def asking(journal: list[str]) -> Any:
    """A workflow that asks after its first step."""

    @workflow(id="asking", version=1)
    async def flow(ctx: WorkflowContext) -> Any:
        await ctx.step.run("before", lambda: journal.append("before"), version=1)
        return await ctx.step.suspend("review")

    return flow


@pytest.mark.parametrize("other", [False, True], ids=["this process", "another process"])
def test_a_suspended_run_that_was_cancelled_does_not_go_on_by_itself(path: str, other: bool) -> None:
    """An answer that comes afterwards is kept; only calling the run again drives it."""
    flow = asking([])
    process = Process(path)

    async def body(client: PolosClient) -> Any:
        with pytest.raises(Suspended):
            await flow.run(client)
        runs: list[Any] = []
        client.runtime.on_run.append(runs.append)
        assert await (Process(path).client if other else client).cancel_execution("r1")
        store = client.runtime.store
        assert store.decide(store.decisions()[0].id, answer="1")
        await seen(lambda: not client.runtime.waiting.runs)
        assert store.get_run("r1").status == "cancelled"
        assert runs == []

    process.cell(body)
    assert Process(path).cell(flow.run)["data"] == 1


def test_a_run_that_was_only_started_goes_on_after_its_process_has_ended(path: str) -> None:
    """The caller's loop ends before it does: the next pass of the caller drives it on, with what it had finished."""
    journal: list[str] = []
    gates = [asyncio.Event()]

    @workflow(id="side", version=1)
    async def side(ctx: WorkflowContext) -> str:
        async def held() -> str:
            journal.append("held")
            await gates[-1].wait()
            return "held"

        await ctx.step.run("first", lambda: journal.append("first"), version=1)
        return str(await ctx.step.run("held", held, version=1))

    @workflow(id="starter", version=1)
    async def starter(ctx: WorkflowContext) -> str:
        return str((await ctx.step.invoke("start", side)).id)

    async def body(client: PolosClient) -> str:
        name = str(await starter.run(client))
        await seen(lambda: journal.count("held") == len(gates))
        return name

    name = Process(path).cell(body)
    gates.append(asyncio.Event())

    async def again(client: PolosClient) -> Any:
        assert await body(client) == name
        gates[-1].set()
        return await client.result_of(name)

    assert Process(path).cell(again) == "held"
    assert journal == ["first", "held", "held"]


def test_a_run_that_was_only_started_and_cancelled_stays_cancelled(path: str) -> None:
    """Somebody stopped it: another pass of its caller does not start it again."""
    started_again: list[str] = []

    @workflow(id="side", version=1)
    async def side(ctx: WorkflowContext) -> None:
        started_again.append("side")
        await ctx.step.suspend("review")

    @workflow(id="starter", version=1)
    async def starter(ctx: WorkflowContext) -> str:
        return str((await ctx.step.invoke("start", side)).id)

    async def body(client: PolosClient) -> None:
        name = await starter.run(client)
        await seen(lambda: client.runtime.store.decisions())
        await client.cancel_execution(name)
        await seen(lambda: client.runtime.store.get_run(name).status == "cancelled")  # type: ignore[union-attr]

    Process(path, patience=None).cell(body)
    process = Process(path)
    name = process.cell(starter.run)
    assert process.runtime.store.get_run(name).status == "cancelled"  # type: ignore[union-attr]
    assert started_again == ["side"]
