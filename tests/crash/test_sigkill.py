"""Real processes killed at random moments: the run ends, finished steps ran once, nothing is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from polos_nb.stores.sqlite import SqliteStore

PROGRAM = '''
import asyncio, os, sys
from polos_nb import Agent, PolosClient, ScriptedModel, Suspended, Turn, WorkflowContext, opaque, tool

TURNS = 9

@opaque
def note(line):
    """One line that survives the end of this process."""
    file = os.open("journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, (line + "\\n").encode())
    os.close(file)

@opaque
async def work(name):
    note("start " + name)
    await asyncio.sleep(0.006)
    note("end " + name)
    return "did " + name

@tool(description="Read", version=1)
async def read(ctx: WorkflowContext, name: str) -> str:
    if name == "read-4":
        await ctx.step.run("inside", work, "inside-4", version=1)
    return await work(name)

@tool(description="Write", version=1, effect="write")
async def write(name: str) -> str:
    return await work(name)

async def turn(request):
    return await work("llm-%d" % sum(m.role == "assistant" for m in request.messages))

class Model(ScriptedModel):
    async def stream(self, request):
        await turn(request)
        async for piece in super().stream(request):
            yield piece

def script(request):
    done = sum(m.role == "assistant" for m in request.messages)
    if done == TURNS:
        return " ".join(sorted(m.text().split()[-1] for m in request.messages if m.role == "tool"))
    second = ("write", {"name": "write-%d" % done}) if done % 3 == 0 else ("read", {"name": "other-%d" % done})
    return Turn(calls=[("read", {"name": "read-%d" % done}), second])

agent = Agent(id="a", model=Model(script), tools=[read, write])

async def main():
    fresh = False
    while True:
        try:
            client = PolosClient(store="steps.db", mode="live", patience=0.0)
            result = await agent.run(client, "go", fresh=fresh)
            break
        except Suspended as error:
            note("asked " + error.waiting[0])
            fresh = error.waiting[0]  # a person looked, and says: do it
    with open("result", "w") as file:
        file.write(result.result)

note("ready")
asyncio.run(main())
'''
KILLS = 14
SECONDS = 25.0


def journal(folder: Path) -> list[str]:
    path = folder / "journal"
    return path.read_text().splitlines() if path.exists() else []


def committed(folder: Path) -> set[str]:
    """The names of the steps whose answers are kept."""
    if not (folder / "steps.db").exists():
        return set()
    store = SqliteStore(str(folder / "steps.db"))
    try:
        steps = [step for step in store.past_steps(limit=1000) if step.status == "completed"]
    finally:
        store.close()
    return {
        f"llm-{int(step.step_key.split('.')[0]) - 1}"
        if step.kind == "llm"
        else "inside-4"
        if step.kind == "run"
        else (step.output or "").strip('"').split()[-1]
        for step in steps
    }


def killed_after(folder: Path, seconds: float | None) -> bool:
    """Run the program; kill it `seconds` after it has begun a step. Whether it came to its end."""
    seen = len(journal(folder)) + 1  # one more: it says when it is ready
    process = subprocess.Popen(
        [sys.executable, "program.py"],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if not k.startswith(("POLOS_", "PYTEST"))}
        | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until = time.monotonic() + 20
        while len(journal(folder)) <= seen and process.poll() is None and time.monotonic() < until:
            time.sleep(0.002)
        if seconds is not None:
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
        _, errors = process.communicate(timeout=30)
        assert process.returncode in (0, -signal.SIGKILL), errors
        return process.returncode == 0
    finally:
        process.kill()
        process.wait()


def test_a_run_killed_many_times_ends_and_no_finished_step_ran_twice(tmp_path: Path) -> None:
    """About thirty steps, SIGKILL at random moments: each committed step started no more, none is missing."""
    (tmp_path / "program.py").write_text(PROGRAM)
    chance = random.Random(20)
    began = time.monotonic()
    kills = 0
    for _ in range(KILLS):
        if time.monotonic() - began > SECONDS:
            break
        done, seen = committed(tmp_path), len(journal(tmp_path))
        if killed_after(tmp_path, chance.uniform(0, 0.03)):
            break
        kills += 1
        started = {line.split()[1] for line in journal(tmp_path)[seen:] if line.startswith("start ")}
        assert not done & started, f"finished steps ran again: {done & started}"
    done, seen = committed(tmp_path), len(journal(tmp_path))
    assert killed_after(tmp_path, None)
    lines = journal(tmp_path)
    assert not done & {line.split()[1] for line in lines[seen:] if line.startswith("start ")}
    starts = Counter(line.split()[1] for line in lines if line.startswith("start "))
    asked = [line for line in lines if line.startswith("asked ")]
    expected = {f"read-{n}" for n in range(9)} | {f"write-{n}" if n % 3 == 0 else f"other-{n}" for n in range(9)}
    assert (tmp_path / "result").read_text().split() == sorted(expected)
    assert set(starts) == expected | {f"llm-{n}" for n in range(10)} | {"inside-4"}
    assert committed(tmp_path) == set(starts)
    for name in ("write-0", "write-3", "write-6"):
        assert starts[name] <= 1 + sum("write[" in line for line in asked)
    assert kills >= 5
    repeated = sum(starts.values()) - len(starts)
    print(f"{kills} kills, {len(starts)} steps, {repeated} repeated in flight, asked about writes {len(asked)} times")
