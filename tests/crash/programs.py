"""The workflow of the crash tests: every kind of durable call, and a journal of what was really done."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from polos_nb import Agent, PolosClient, ScriptedModel, WorkflowContext, WorkflowState, tool, workflow
from polos_nb.models.base import ModelRequest
from polos_nb.stores.base import StepRecord, Store
from polos_nb.stores.waiting import DecisionRecord
from tests.runtime.support import calls, results

TOPIC = "orders"
WRITES = ("tool send", "tool pay", "run charge")  # what must not happen twice
EXECUTED = frozenset(
    {"llm 2", "llm 5", "llm 7", "tool look", "run inside", "run flaky", "run counted", "run beside", *WRITES}
    | {f"run sizes[{place}]" for place in range(3)}
)
RESULT = {
    "flaky": "did run flaky",
    "said": "end ['did tool send', 'did tool look', 'did tool pay']",
    "sizes": ["did run sizes[0]", "did run sizes[1]", "did run sizes[2]"],
    "review": {"approved": True},
    "charged": "did run charge",
    "event": 1,
    "count": 11,
    "beside": "did run beside",
}


class Count(WorkflowState):
    """How far the workflow came, as its steps and its body count."""

    value: int = 0


class Program:
    """A workflow over everything that is durable.

    An agent with parallel tool calls, one of which writes, and one that needs an approval; retries, state, a map, a
    suspend, an event, a write, and a workflow that is only started. `note` keeps a line of the journal, which `lines`
    reads; each piece of work takes `pause` seconds.
    """

    def __init__(self, note: Callable[[str], None], lines: Callable[[], Iterable[str]], pause: float = 0.0) -> None:
        self._note = note
        self._lines = lines
        self._pause = pause
        self.order = self._order(self._agent())

    async def _work(self, name: str) -> str:
        self._note(f"start {name}")
        await asyncio.sleep(self._pause)
        self._note(f"end {name}")
        await asyncio.sleep(self._pause / 4)  # it happened, and nobody knows yet
        return f"did {name}"

    def _agent(self) -> Agent:
        work = self._work

        @tool(description="Send", version=1, effect="write")
        async def send(to: str) -> str:
            return await work("tool send")

        @tool(description="Look", version=1)
        async def look(ctx: WorkflowContext, at: str) -> str:
            await ctx.step.run("inside", work, "run inside", version=1)
            return await work("tool look")

        @tool(description="Pay", version=1, approval="always")
        async def pay(amount: int) -> str:
            return await work("tool pay")

        def script(request: ModelRequest) -> Any:
            said = results(request)
            turns = [calls(("send", {"to": "ann"}), ("look", {"at": "b"})), None, calls(("pay", {"amount": 3}))]
            return turns[len(said)] if len(said) < 3 else f"end {said}"

        class Model(ScriptedModel):
            async def stream(self, request: ModelRequest) -> Any:
                await work(f"llm {len(request.messages)}")
                async for piece in super().stream(request):
                    yield piece

        return Agent(id="clerk", model=Model(script), tools=[send, look, pay], system_prompt="Be kind.")

    def _order(self, agent: Agent) -> Any:
        work, note, lines = self._work, self._note, self._lines

        async def flaky() -> str:
            if "failed run flaky" not in lines():
                note("failed run flaky")
                raise ValueError("not yet")
            return await work("run flaky")

        async def size(place: int) -> str:
            return await work(f"run sizes[{place}]")

        @workflow(id="side", version=1)
        async def side(ctx: WorkflowContext, payload: dict) -> str:  # type: ignore[type-arg]
            return str(await ctx.step.run("beside", work, payload["name"], version=1))

        @workflow(id="order", version=1, state_schema=Count)
        async def order(ctx: WorkflowContext, payload: dict) -> dict:  # type: ignore[type-arg]
            async def counted() -> None:
                ctx.state.value += 10
                await work("run counted")

            step = ctx.step
            found = {"flaky": await step.run("flaky", flaky, base_delay=0.0, version=1)}
            answer = await step.agent_invoke_and_wait("ask", agent.with_input(payload["ask"]))
            started = await step.invoke("start", side, {"name": "run beside"})
            found |= {"said": answer.result, "sizes": await step.map("sizes", size, range(3), version=1)}
            await step.run("counted", counted, version=1)
            reviewed = await step.suspend("review", {"draft": answer.result})
            found |= {"review": reviewed["data"]}
            found |= {"charged": await step.run("charge", work, "run charge", effect="write", version=1)}
            found |= {"event": await step.publish_event("tell", TOPIC, {"sizes": found["sizes"]})}
            ctx.state.value += 1
            return {**found, "count": ctx.state.value, "started": started.id}

        return order

    async def run(self, client: PolosClient) -> dict[str, Any]:
        """Run it to the end, with what it started; the result is without names of runs."""
        found: dict[str, Any] = await self.order.run(client, {"ask": "go"}, timeout=None)
        found["beside"] = await client.result_of(found.pop("started"))
        return found


def answer_to(decision: DecisionRecord, lines: Iterable[str]) -> dict[str, Any]:
    """What a person says who has looked into the journal."""
    if decision.kind != "doubt":
        return {"approved": True}
    key = decision.step_key.rpartition("/")[2]
    name = "run charge" if key == "charge" else f"tool {key.partition('.')[2].partition('[')[0]}"
    return {"action": "done", "result": f"did {name}"} if f"end {name}" in lines else {"action": "again"}


def name_of(step: StepRecord) -> str | None:
    """A step as the journal calls it; None for one that executes nothing of its own."""
    if step.kind == "llm":
        return f"llm {json.loads(step.request)['messages']}"
    if step.kind == "run":
        return f"run {step.step_key.rpartition('/')[2]}"
    return f"tool {step.name}" if step.kind == "tool" else None


def finished(store: Store) -> set[str]:
    """What is committed as completed."""
    return {name for step in store.past_steps(limit=1000) if step.status == "completed" and (name := name_of(step))}


def note_in(folder: Path) -> Callable[[str], None]:
    """Keeps lines that survive the end of this process."""

    def note(line: str) -> None:
        file = os.open(folder / "journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(file, f"{line}\n".encode())
        os.close(file)

    return note


def lines_of(folder: Path) -> list[str]:
    """The journal of a folder."""
    path = folder / "journal"
    return path.read_text().splitlines() if path.exists() else []


def main(folder: str, pause: float) -> None:
    """A process that runs the workflow in a folder, waits for the answers of others, and writes its result."""
    here = Path(folder)
    program = Program(note_in(here), lambda: lines_of(here), pause)
    client = PolosClient(store=str(here / "steps.db"), mode="live")
    found = asyncio.run(program.run(client))
    (here / "result.new").write_text(json.dumps(found))
    (here / "result.new").rename(here / "result")
