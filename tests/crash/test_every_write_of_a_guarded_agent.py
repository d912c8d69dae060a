"""The process ends at every write of an agent with hooks, guardrails and compaction: what was decided stays decided."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from polos_nb import (
    Agent,
    CompactionConfig,
    GuardrailContext,
    GuardrailResult,
    HookContext,
    HookResult,
    ScriptedModel,
    Turn,
    guardrail,
    hook,
    tool,
)
from polos_nb.models.base import ModelRequest
from polos_nb.stores.sqlite import SqliteStore
from tests.crash.mortal import Died, MortalStore
from tests.runtime.support import Process, calls, results


class Program:
    """Two turns: hooks around a tool call, a refused answer, a judged one, and a summary before the second turn."""

    def __init__(self) -> None:
        self.journal: list[str] = []
        journal = self.journal

        @hook
        def louder(ctx: Any, hook_context: HookContext) -> HookResult:
            journal.append(f"hook {hook_context.current_payload}")
            return HookResult.continue_with(modified_payload={"at": hook_context.current_payload["at"].upper()})

        @guardrail
        def no_draft(ctx: Any, guardrail_context: GuardrailContext) -> GuardrailResult:
            journal.append(f"guardrail {guardrail_context.content}")
            if "draft" in (guardrail_context.content or ""):
                return GuardrailResult.fail("it is a draft")
            return GuardrailResult.continue_with()

        @tool(description="Look", version=1)
        def look(at: str) -> str:
            journal.append(f"tool {at}")
            return f"{at} seen {'x' * 400}"

        def script(request: ModelRequest) -> Turn | str:
            text = request.messages[-1].text()
            if "evaluate the following" in text:
                journal.append("judge")
                return '{"passed": true, "reason": ""}'
            if text.startswith("Below is the older"):
                journal.append("summary")
                return "It was about b."
            journal.append(f"llm {len(request.messages)} {text[:10]}")
            if "failed guardrail" in text:
                return "final"
            if text == "second":
                return f"second of {len(request.messages)}"
            return "draft" if results(request) else calls(("look", {"at": "b"}))

        self.agent = Agent(
            id="a",
            model=ScriptedModel(script),
            tools=[look],
            on_tool_start=louder,
            guardrails=[no_draft, "It is short."],
            compaction=CompactionConfig(max_conversation_tokens=110, min_recent_messages=1),
        )

    def cell(self, process: Process) -> list[str]:
        """Execute the cell with both turns."""

        async def body(client: Any) -> list[str]:
            first = await self.agent.run(client, "first", conversation_id="c")
            second = await self.agent.run(client, "second", conversation_id="c")
            return [first.result, second.result]

        told: list[str] = process.cell(body)
        return told


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_the_process_may_end_at_any_write(after: bool, tmp_path: Path) -> None:
    """A second pass gives the same answers; at most what was in flight is done again, and a third pass does nothing."""
    program, whole = Program(), MortalStore(SqliteStore(str(tmp_path / "whole.db")))
    told = program.cell(Process(whole))  # type: ignore[arg-type]
    whole.store.close()
    journal = Counter(program.journal)
    assert told[0] == "final"
    assert {"summary", "judge", "tool B"} <= set(journal)
    for at in range(1, len(whole.writes) + 1):
        path = tmp_path / f"{at}.db"
        program = Program()
        mortal = MortalStore(SqliteStore(str(path)), at, after=after)
        with pytest.raises(Died):
            program.cell(Process(mortal))  # type: ignore[arg-type]
        mortal.store.close()
        process = Process(str(path))
        where = f"{'after' if after else 'before'} write {at}, {whole.writes[at - 1]}"
        assert program.cell(process) == told, where
        again = Counter(program.journal) - journal
        assert sum(again.values()) <= 1, f"{where}: {again} was done again"
        assert not journal - Counter(program.journal), where
        quiet = list(program.journal)
        assert program.cell(process) == told, where
        assert program.journal == quiet, f"{where}: a third pass executed something"
        process.runtime.close()
