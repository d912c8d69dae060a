"""The page's approval workflow, put into a notebook and into a script, and what answers it from outside."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.loopback.turns import Request, Turn
from tests.seeds.support import FOLDER

AGENTS = """
from polos_nb import Agent, PolosClient, WorkflowContext, workflow

planning_agent = Agent(id="planner", provider="openai", model="gpt-4o", system_prompt="Plan.")
executor_agent = Agent(id="executor", provider="openai", model="gpt-4o", system_prompt="Execute.")
client = PolosClient()
"""
WORKFLOW = (FOLDER / "page_approval.txt").read_text()
TASK = "Sell the car"
PLAN = "1. Wash it 2. Sell it"
DONE = f"Did: {PLAN}"


def script(request: Request) -> Turn:
    """The planner's answer, or the executor's."""
    return Turn(text=PLAN if request.system == "Plan." else f"Did: {request.user}")


def approve(store: Path, *words: str) -> str:
    """Answer with the command, in a process of its own; returns what it said."""
    command = [sys.executable, "-m", "polos_nb", "approve", *words, "--store", str(store)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def until(condition: Callable[[], Any], seconds: float, message: str) -> Any:
    """Wait for a condition to hold, and return what it gave."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(message)
