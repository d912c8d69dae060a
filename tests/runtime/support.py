"""What the tests of the engine share: a process with a store, in which cells are executed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from polos_nb import Agent, PolosClient, ScriptedModel, Turn
from polos_nb.messages import AgentResult
from polos_nb.models.base import ModelRequest
from polos_nb.runtime.runtime import Runtime
from polos_nb.settings import Mode, Settings
from polos_nb.stores.base import StepRecord, Store, TraceRow


class Process:
    """A process on a store; `run` and `cell` each execute one cell. Nothing waits between attempts.

    A run that waits for an answer raises Suspended, unless `patience` is None.
    """

    def __init__(
        self,
        store: Store | str | None = ":memory:",
        *,
        mode: Mode = "live",
        cassettes: Sequence[Path] = (),
        patience: float | None = 0.0,
        **settings: Any,
    ) -> None:
        settings = {"retry_delay": 0.0} | settings
        self.runtime = Runtime(
            store=store, mode=mode, settings=Settings(**settings), cassettes=cassettes, patience=patience
        )
        self.client = PolosClient(runtime=self.runtime)

    def cell(self, body: Callable[[PolosClient], Awaitable[Any]]) -> Any:
        """Execute a cell."""
        self.runtime.begin_cell()

        async def main() -> Any:
            return await body(self.client)

        return asyncio.run(main())

    def run(self, agent: Agent, input: Any, **options: Any) -> AgentResult:
        """Execute a cell that runs an agent."""
        result: AgentResult = self.cell(lambda client: agent.run(client, input, **options))
        return result

    def tool(self, tool: Any, payload: Any = None, **options: Any) -> Any:
        """Execute a cell that runs a tool by itself."""
        return self.cell(lambda client: tool.run(client, payload, **options))

    def newest(self, target_id: str) -> str:
        """The id of the newest run of a target."""
        return self.runtime.store.list_runs(target_id=target_id, limit=1)[0].id

    def trace(self, target_id: str) -> list[tuple[TraceRow, StepRecord]]:
        """The trace of the newest run of a target."""
        return self.runtime.store.trace(self.newest(target_id))

    def why(self, target_id: str) -> dict[str, str]:
        """Why each step of the newest run of a target executed; without those that answered from the store."""
        return {step.step_key: row.why for row, step in self.trace(target_id) if not row.cached}


def calls(*named: tuple[str, Any]) -> Turn:
    """An answer that calls tools."""
    return Turn(calls=list(named))


def results(request: ModelRequest) -> list[str]:
    """The tool results that a model is shown."""
    return [message.text() for message in request.messages if message.role == "tool"]


def once_called(turn: Turn, text: str = "done") -> ScriptedModel:
    """A model that calls tools once, and then says what they gave after `text`."""

    def script(request: ModelRequest) -> Turn | str:
        said = results(request)
        return f"{text}: {' | '.join(said)}" if said else turn

    return ScriptedModel(script)
