"""A kernel killed between tool calls: the next execution does only what is missing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.kernels import Kernel, kernel
from tests.loopback.server import LoopbackProvider
from tests.loopback.turns import Call, Request, Turn

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(180)]

SETUP = """
import os, pathlib, time
from polos_nb import Agent, tool
folder = pathlib.Path(os.environ["FOLDER"])

def note(text):
    with open(folder / "journal", "a") as journal:
        journal.write(text + "\\n")

@tool(description="Measure a place")
def measure(place: int) -> int:
    note(f"start {place}")
    while place == 3 and not (folder / "go").exists():
        time.sleep(0.01)
    note(f"end {place}")
    return place * 10

surveyor = Agent(id="surveyor", provider="openai", model="gpt-4o", tools=[measure])
"""
RUN = '(await surveyor.run("Measure five places")).result'


def script(request: Request) -> Turn:
    """Asks for one place after the other, then sums up."""
    done = len(request.tool_results)
    return Turn(calls=[Call("measure", {"place": done + 1})]) if done < 5 else Turn(text="All five are measured.")


def test_a_kernel_killed_between_tool_calls_resumes_with_what_is_missing(tmp_path: Path) -> None:
    """Killed inside call 3 of 5: afterwards calls 1 and 2 do not run again and the provider sees only new requests."""
    journal = tmp_path / "journal"
    with LoopbackProvider(script) as provider:
        env = {**provider.env(), "FOLDER": str(tmp_path), "POLOS_NB_MODE": "live"}
        first = Kernel(tmp_path, env)
        assert first.run(SETUP).status == "ok"
        first.send(RUN)  # no answer will come: the kernel dies in the middle
        _until(lambda: journal.exists() and "start 3" in journal.read_text())
        first.kill()
        assert len(provider.requests) == 3
        (tmp_path / "go").touch()
        with kernel(tmp_path, env) as second:
            assert second.run(SETUP).status == "ok"
            result = second.run(RUN)
            assert result.shown() == ["'All five are measured.'"]
            assert len(provider.requests) == 6
            again = second.run(RUN)
            assert again.shown() == result.shown()
            assert len(provider.requests) == 6
    lines = journal.read_text().split("\n")
    assert [lines.count(f"end {place}") for place in range(1, 6)] == [1, 1, 1, 1, 1]
    assert [lines.count(f"start {place}") for place in range(1, 6)] == [1, 1, 2, 1, 1]


def _until(condition: object, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
