"""The page's approval workflow as a plain script: it says what it waits for, and waits with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.loopback.server import LoopbackProvider
from tests.seeds.approvals import AGENTS, DONE, PLAN, TASK, WORKFLOW, approve, script, until

pytestmark = pytest.mark.timeout(180)

MAIN = """
import asyncio, sys

async def main():
    timeout = float(sys.argv[1]) if sys.argv[1:] else 600
    result = await approval_workflow.run(client, {"task": "%s"}, timeout=timeout)
    print("RESULT", result.result if result else result)

if __name__ == "__main__":
    asyncio.run(main())
"""


class Script:
    """main.py in a folder of its own, with a provider on loopback."""

    def __init__(self, folder: Path, provider: LoopbackProvider) -> None:
        self.store = folder / ".polos" / "steps.db"
        self.provider = provider
        self._folder = folder
        (folder / "main.py").write_text(AGENTS + WORKFLOW + MAIN % TASK)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """`python main.py`, its output in files so that it can be read while it goes on."""
        outside = ("PYTEST", "POLOS_NB")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(outside)}
        with (self._folder / "out").open("w") as out, (self._folder / "err").open("w") as err:
            command = [sys.executable, "main.py", *arguments]
            env = {**kept, **self.provider.env()}
            return subprocess.Popen(command, cwd=self._folder, env=env, stdout=out, stderr=err, text=True)

    def read(self, stream: str) -> str:
        """What it has written so far."""
        return (self._folder / stream).read_text()


@pytest.fixture
def main(tmp_path: Path) -> Iterator[Script]:
    """The script, not started."""
    with LoopbackProvider(script) as provider:
        yield Script(tmp_path, provider)


def test_a_script_says_what_it_waits_for_and_goes_on_by_itself(main: Script) -> None:
    """The sentence on stderr has the very command that approves; the script then ends with the result."""
    process = main.start()
    try:
        until(lambda: "waits at suspend_step" in main.read("err"), 60, "it did not say that it waits")
        assert "polos-nb approve r1 'suspend_step' --yes" in main.read("err")
        assert len(main.read("err").splitlines()) == 1
        approve(main.store, "r1", "suspend_step", "--yes")
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    assert main.read("out").strip() == f"RESULT {DONE}"
    again = main.start()
    assert again.wait(60) == 0
    assert main.read("out").strip() == f"RESULT {DONE}"
    assert main.read("err") == ""
    assert [request.user for request in main.provider.requests] == [TASK, PLAN]


def test_a_script_whose_time_is_up_leaves_the_run_waiting(main: Script) -> None:
    """A small timeout raises WorkflowTimeoutError; the run still waits, and a later call comes back to it."""
    first = main.start()  # the planner may take longer than the small timeout, so it answers before
    try:
        until(lambda: "waits at suspend_step" in main.read("err"), 60, "it did not say that it waits")
    finally:
        first.kill()
        first.wait()
    for _ in range(2):
        assert main.start("1").wait(60) == 1
        assert "WorkflowTimeoutError: run r1 did not finish within 1 s; it waits at suspend_step" in main.read("err")
    approve(main.store, "r1", "--no")
    assert main.start().wait(60) == 0
    assert main.read("out").strip() == "RESULT None"
    assert [request.user for request in main.provider.requests] == [TASK]
