"""How much faster a second execution is: 20 steps with a model that takes 50 ms, in one run. Prints a table."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from polos_nb import Agent, PolosClient, ScriptedModel, Turn, max_steps, tool


@tool(description="The next number")
def following(number: int) -> int:
    return number + 1


@pytest.mark.bench
def test_a_second_execution_takes_a_twentieth(tmp_path: Path) -> None:
    """The second execution of a 20-step run takes less than 5 % of the first with a 50 ms model."""

    def script(request: object) -> Turn:
        turns = len(model.requests)
        if turns == 11:
            return Turn(text="done", delay=0.05)
        return Turn(calls=[("following", {"number": turns})], delay=0.05)

    model = ScriptedModel(script)
    agent = Agent(id="counter", model=model, tools=[following], stop_conditions=[max_steps(limit=20)])

    async def run() -> tuple[float, float, int]:
        client = PolosClient(store=str(tmp_path / "steps.db"), mode="live")
        begin = time.perf_counter()
        first = await agent.run(client, "Count")
        middle = time.perf_counter()
        client.runtime.begin_cell()
        second = await agent.run(client, "Count")
        end = time.perf_counter()
        assert second == first
        assert second.cached
        client.runtime.close()
        return middle - begin, end - middle, first.total_steps + len(first.tool_results)

    first, second, steps = asyncio.run(run())
    assert steps >= 20
    print(f"\n{steps} steps: first {first * 1000:.0f} ms, second {second * 1000:.1f} ms = {second / first:.1%}")
    assert len(model.requests) == 11
    assert second < first * 0.05
