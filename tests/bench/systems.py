"""A thousand steps in one system: what each measured process of the step benchmark runs.

Prints two times in seconds: of the steps, and of what is around them in the call (start and end of the run).

Executed as a script by the interpreter that has the system: `systems.py SYSTEM PHASE FILE COUNT LABEL`. In the phase
"fresh" the steps execute and the run then ends without being done; in the phase "cached" it is driven again in this
new process, and must execute nothing. LABEL makes a run of its own, so that a file can be used again.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

RAW_TABLE = (
    "CREATE TABLE IF NOT EXISTS steps (run TEXT NOT NULL, key TEXT NOT NULL, output TEXT NOT NULL,"
    " PRIMARY KEY (run, key))"
)
TEXT = "x" * 1000
executed = 0
loop = 0.0  # seconds that the steps took


@dataclass(frozen=True)
class Job:
    """What to measure."""

    phase: str
    file: str
    count: int
    label: str

    @property
    def fresh(self) -> bool:
        """Whether the steps are to execute."""
        return self.phase == "fresh"


async def work(number: int) -> dict[str, Any]:
    """A trivial step with a result of 1 KB."""
    global executed
    executed += 1
    return {"number": number, "text": TEXT}


async def all_steps(count: int, step: Callable[[int], Awaitable[dict[str, Any]]]) -> None:
    """Ask for each step in turn."""
    global loop
    begin = time.perf_counter()
    for number in range(count):
        value = await step(number)
        assert value["number"] == number
    loop = time.perf_counter() - begin


class NotDone(Exception):
    """Ends a run after its last step, so that the next process has to go through all of them."""


def raw(job: Job, synchronous: str) -> float:
    """sqlite3 without anything around it: look, execute, write, commit."""
    db = sqlite3.connect(job.file, isolation_level=None, timeout=30)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA synchronous = {synchronous}")
    db.execute(RAW_TABLE)

    async def step(number: int) -> dict[str, Any]:
        key = f"s{number}"
        row = db.execute("SELECT output FROM steps WHERE run = ? AND key = ?", (job.label, key)).fetchone()
        if row is not None:
            kept: dict[str, Any] = orjson.loads(row[0])
            return kept
        value = await work(number)
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO steps VALUES (?, ?, ?)", (job.label, key, orjson.dumps(value).decode()))
        db.execute("COMMIT")
        return value

    asyncio.run(all_steps(job.count, step))
    return loop


def polos(job: Job, durability: str) -> float:
    """polos_nb through its public API, on its SQLite store."""
    from polos_nb import PolosClient, WorkflowContext
    from polos_nb.errors import PolosError
    from polos_nb.stores.sqlite import SqliteStore
    from polos_nb.workflows import workflow

    @workflow(id="steps")
    async def steps(ctx: WorkflowContext, payload: dict[str, Any]) -> int:
        count: int = payload["count"]
        await all_steps(count, lambda number: ctx.step.run(f"s{number}", work, number))
        if os.environ.get("BENCH_PHASE") == "fresh":
            raise NotDone
        return count

    os.environ["BENCH_PHASE"] = job.phase
    client = PolosClient(store=SqliteStore(job.file, durability=durability), mode="live")  # type: ignore[arg-type]

    async def main() -> float:
        begin = time.perf_counter()
        try:
            await steps.run(client, {"count": job.count, "label": job.label})
        except PolosError:
            if not job.fresh:
                raise
        return time.perf_counter() - begin

    seconds = asyncio.run(main())
    client.runtime.close()
    return seconds


def dbos(job: Job) -> float:
    """DBOS on SQLite as it comes. The second process recovers the workflow, as it does after a crash."""
    from dbos import DBOS, SetWorkflowID

    DBOS(config={"name": "bench", "system_database_url": f"sqlite:///{job.file}", "log_level": "ERROR"})
    step = DBOS.step()(work)
    ended = threading.Event()

    @DBOS.workflow()
    async def steps(count: int) -> int:
        await all_steps(count, step)
        ended.set()
        if job.fresh:
            await asyncio.sleep(600)  # until the process ends
        return count

    async def main() -> None:
        DBOS.launch()
        if job.fresh:
            with SetWorkflowID(job.label):
                await DBOS.start_workflow_async(steps, job.count)
        while not ended.is_set():
            await asyncio.sleep(0.01)
        _finish(loop, job)

    asyncio.run(main())
    raise AssertionError("the process has ended before")


def langgraph(job: Job) -> float:
    """LangGraph's functional API with its SQLite checkpointer; every step is kept before the next begins."""
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
    from langgraph.func import entrypoint, task

    step = task(work)

    async def main() -> float:
        async with AsyncSqliteSaver.from_conn_string(job.file) as saver:

            @entrypoint(checkpointer=saver)
            async def steps(count: int) -> int:
                await all_steps(count, step)
                if job.fresh:
                    raise NotDone
                return count

            begin = time.perf_counter()
            try:
                config: Any = {"configurable": {"thread_id": job.label}, "recursion_limit": 10**9}
                await steps.ainvoke(job.count if job.fresh else None, config, durability="sync")
            except NotDone:
                assert job.fresh
            return time.perf_counter() - begin

    return asyncio.run(main())


SYSTEMS: dict[str, Callable[[Job], float]] = {
    "raw FULL": lambda job: raw(job, "FULL"),
    "raw NORMAL": lambda job: raw(job, "NORMAL"),
    "polos_nb full": lambda job: polos(job, "full"),
    "polos_nb normal": lambda job: polos(job, "normal"),
    "DBOS SQLite": dbos,
    "LangGraph sync": langgraph,
}


def _finish(seconds: float, job: Job) -> None:
    """Say the time and end at once: nothing is told to be over, as in a crash."""
    assert executed == (job.count if job.fresh else 0), f"{executed} steps were executed"
    print(json.dumps([loop, seconds - loop]), flush=True)
    os._exit(0)


def main() -> None:
    """Measure what the command line says."""
    system, phase, file, count, label = sys.argv[1:]
    job = Job(phase, str(Path(file).resolve()), int(count), label)
    _finish(SYSTEMS[system](job), job)


if __name__ == "__main__":
    main()
