"""The process ends before and after every single write of the store: nothing finished is lost or done twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from polos_nb import Agent, ScriptedModel, Suspended, Turn, WorkflowContext, tool
from polos_nb.models.base import ModelRequest
from polos_nb.stores.base import StepRecord
from polos_nb.stores.sqlite import SqliteStore
from tests.crash.mortal import Died, MortalStore
from tests.runtime.support import Process, calls, results


class Program:
    """Two turns of a conversation: parallel tools, a durable call inside one, a write, and a turn that only talks."""

    def __init__(self) -> None:
        self.journal: list[str] = []
        journal = self.journal

        async def inner(at: str) -> str:
            journal.append("run inner")
            return f"inside {at}"

        @tool(description="Look", version=1)
        async def look(ctx: WorkflowContext, at: str) -> str:
            journal.append(f"tool look {at}")
            if at == "b":
                return str(await ctx.step.run("inner", inner, at, version=1))
            return f"{at} seen"

        @tool(description="Send", version=1, effect="write")
        async def send(to: str) -> str:
            journal.append(f"tool send {to}")
            return f"sent to {to}"

        def script(request: ModelRequest) -> Turn | str:
            journal.append(f"llm {len(request.messages)}")
            if request.messages[-1].text() == "second":
                return f"heard {len(request.messages)}"
            return [
                calls(("look", {"at": "a"}), ("look", {"at": "b"})),
                calls(("send", {"to": "ann"}), ("look", {"at": "c"})),
                f"end {results(request)}",
            ][(len(results(request)) + 1) // 2]

        self.agent = Agent(id="a", model=ScriptedModel(script), tools=[look, send], system_prompt="Be kind.")

    def cell(self, process: Process, fresh: Any = False) -> list[str]:
        """Execute the cell with both turns."""

        async def body(client: Any) -> list[str]:
            first = await self.agent.run(client, "first", conversation_id="c", fresh=fresh)
            second = await self.agent.run(client, "second", conversation_id="c")
            return [first.result, second.result]

        told: list[str] = process.cell(body)
        return told


def name_of(step: StepRecord) -> str:
    """A step as the journal calls it."""
    request = json.loads(step.request)
    if step.kind == "llm":
        return f"llm {request['messages']}"
    return "run inner" if step.kind == "run" else f"tool {step.name} {' '.join(request['arguments'].values())}"


def finished(store: SqliteStore) -> set[str]:
    """What is committed as completed."""
    return {name_of(step) for step in store.past_steps(limit=1000) if step.status == "completed"}


def reference(path: Path) -> tuple[list[str], list[str], list[str]]:
    """A run that nothing disturbs: its results, its journal and its writes."""
    program, store = Program(), MortalStore(SqliteStore(str(path)))
    told = program.cell(Process(store))  # type: ignore[arg-type]
    store.close()
    return told, program.journal, store.writes


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_the_process_may_end_at_any_write(after: bool, tmp_path: Path) -> None:
    """A second pass on the same file completes: no finished step runs twice, none is lost, writes are asked about."""
    told, journal, writes = reference(tmp_path / "whole.db")
    assert {"new_run", "start_step", "finish_step", "put_messages", "set_trace", "release_run"} <= set(writes)
    asked = 0
    for at in range(1, len(writes) + 1):
        path = tmp_path / f"{at}.db"
        program = Program()
        mortal = MortalStore(SqliteStore(str(path)), at, after=after)
        with pytest.raises(Died):
            program.cell(Process(mortal))  # type: ignore[arg-type]
        mortal.store.close()
        before = list(program.journal)
        process = Process(str(path))
        done = finished(process.runtime.store)  # type: ignore[arg-type]
        where = f"{'after' if after else 'before'} write {at}, {writes[at - 1]}"
        assert done <= set(before), where
        doubtful, sent = "", before.count("tool send ann")
        try:
            again = program.cell(process)
        except Suspended as error:
            asked += 1
            doubtful = error.waiting[0]
            sent = program.journal.count("tool send ann")
            again = program.cell(process, fresh=doubtful)
        assert again == told, where
        executed = program.journal[len(before) :]
        assert not done & set(executed), f"{where}: {done & set(executed)} ran again"
        assert set(program.journal) == set(journal), where
        assert len(executed) == len(set(executed)), where
        assert not doubtful or sent == before.count("tool send ann"), f"{where}: repeated without being asked"
        assert doubtful in ("", "2.send[call_1]"), where
        assert doubtful or program.journal.count("tool send ann") == 1, where
        quiet = list(program.journal)
        assert program.cell(process) == told, where
        assert program.journal == quiet, f"{where}: a third pass executed something"
        runs = process.runtime.store.list_runs(conversation_id="c")
        assert [run.status for run in runs] == ["completed", "completed"], where
        process.runtime.close()
    assert asked == 1  # the one place where the write was begun and its end is not known
