"""Programs that the tests of several processes run in each of them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from polos_nb import Agent, PolosClient, WorkflowContext, tool, workflow
from polos_nb.durable.step_wait import answer_step
from polos_nb.runtime.runtime import Runtime
from polos_nb.settings import Settings
from polos_nb.stores.sqlite import SqliteStore
from tests.crash.programs import lines_of, note_in
from tests.runtime.support import calls, once_called


def client_in(folder: str | Path, patience: float | None = None) -> PolosClient:
    """A process's client on the file in a folder."""
    store = str(Path(folder) / "steps.db")
    return PolosClient(runtime=Runtime(store=store, mode="live", settings=Settings(), patience=patience))


async def go(folder: str | Path, name: str) -> None:
    """Wait for a file."""
    end = time.monotonic() + 60
    while not (Path(folder) / name).exists():
        assert time.monotonic() < end, f"nobody made {name}"
        await asyncio.sleep(0.002)


def write(folder: str | Path, name: str, value: Any) -> None:
    """Keep what a process found, all at once."""
    path = Path(folder) / name
    path.with_suffix(".new").write_text(json.dumps(value))
    path.with_suffix(".new").rename(path)


# -- the same calls at the same moment --------------------------------------------------------------------------------
def shared(folder: str | Path) -> Any:
    """A workflow with three steps, an agent with a tool, and a journal of what was really done."""
    note = note_in(Path(folder))

    async def work(name: str) -> str:
        note(name)
        await asyncio.sleep(0.003)
        return f"did {name}"

    @tool(description="Look", version=1, effect="write")
    async def look(n: int) -> str:
        return await work(f"{n} look")

    @workflow(id="shared", version=1)
    async def flow(ctx: WorkflowContext, payload: dict) -> list[Any]:  # type: ignore[type-arg]
        n = payload["n"]
        agent = Agent(id="clerk", model=once_called(calls(("look", {"n": n}))), tools=[look])
        found: list[Any] = [await ctx.step.run("first", work, f"{n} first", version=1)]
        found += await asyncio.gather(
            *(ctx.step.run(f"side-{m}", work, f"{n} side-{m}", effect="write", version=1) for m in range(2))
        )
        found.append((await ctx.step.agent_invoke_and_wait("ask", agent.with_input(f"round {n}"))).result)
        return found

    return flow


def rounds(folder: str, name: str, barrier: Any, count: int, spread: int = 1) -> None:
    """Run the same calls as the other processes, each at the same moment; with a `spread`, every process its own."""
    flow, client = shared(folder), client_in(folder)

    async def main() -> list[Any]:
        found = []
        for number in range(count):
            await asyncio.to_thread(barrier.wait, 60)
            run = client.runtime.start_workflow(flow, {"n": number * spread + (int(name) if spread > 1 else 0)})
            result = await run.result()
            found.append([result, run.transcript.to_text(), run.transcript.replayed])
        return found

    write(folder, f"found-{name}", asyncio.run(main()))


def decide(folder: str, name: str, barrier: Any, count: int) -> None:
    """Answer the same questions as the other processes, each at the same moment."""
    store = SqliteStore(str(Path(folder) / "steps.db"))
    told = []
    for number in range(count):
        end = time.monotonic() + 30
        while not any(d.step_key == f"review-{number}" for d in store.decisions(status="waiting")):
            assert time.monotonic() < end
            time.sleep(0.001)
        barrier.wait(60)
        told.append(answer_step(store, "r1", f"review-{number}", name, by=name))
        barrier.wait(60)
    write(folder, f"told-{name}", told)


def questions(count: int) -> Any:
    """A workflow that asks one question after the other."""

    @workflow(id="questions", version=1)
    async def flow(ctx: WorkflowContext) -> list[Any]:
        return [(await ctx.step.suspend(f"review-{number}"))["data"] for number in range(count)]

    return flow


# -- one that drives, and what becomes of it --------------------------------------------------------------------------
def slow(folder: str | Path, fails: bool = False) -> Any:
    """A workflow whose second step goes on until there is a file "free"; it may fail then."""
    note = note_in(Path(folder))

    async def held() -> str:
        note("start second")
        await go(folder, "free")
        note("end second")
        if fails:
            raise ValueError("no good")
        return "second"

    async def quick(name: str) -> str:
        note(f"end {name}")
        return name

    @workflow(id="slow", version=1)
    async def flow(ctx: WorkflowContext) -> list[str]:
        return [
            await ctx.step.run("first", quick, "first", version=1),
            await ctx.step.run("second", held, version=1, max_retries=0),
            await ctx.step.run("third", quick, "third", version=1),
        ]

    return flow


def drive(folder: str, name: str = "driver", fails: bool = False) -> None:
    """Drive the slow workflow, and say how it ended and when."""

    async def main() -> Any:
        try:
            return ["returned", await slow(folder, fails).run(client_in(folder), timeout=None)]
        except Exception as error:
            stopped = "was stopped; run it again" in str(error)
            return ["cancelled" if stopped else "failed", str(error)]

    found = asyncio.run(main())
    write(folder, f"ended-{name}", [*found, time.time()])


def ended(folder: Path, name: str = "driver") -> Any:
    """How a process ended; None while it goes on."""
    path = folder / f"ended-{name}"
    return json.loads(path.read_text()) if path.exists() else None


def in_second(folder: Path) -> Callable[[], bool]:
    """Whether somebody is in the second step."""
    return lambda: "start second" in lines_of(folder)


def in_a_loop(body: Callable[[PolosClient], Awaitable[Any]], folder: Path, patience: float | None = None) -> Any:
    """Do something in this process, as another process beside those that were started."""

    async def main() -> Any:
        return await body(client_in(folder, patience))

    return asyncio.run(main())
