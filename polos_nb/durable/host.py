"""What durable steps need of the engine above them: nested runs, and runs that are only started."""

from __future__ import annotations

from typing import Any, Protocol

from polos_nb.durable.fingerprint import StepCall
from polos_nb.durable.steps import Attempt, Slot, Steps
from polos_nb.messages import Usage
from polos_nb.stores.base import StepRecord


class Child(Protocol):
    """A workflow, an agent or a tool with its payload, as a step of the run that asks for it."""

    id: str
    kind: str

    def call(self, key: str, name: str, chain: str) -> StepCall:
        """The step's call: what its answer depends on."""

    async def execute(self, steps: Steps, slot: Slot, attempt: Attempt) -> Any:
        """Drive it to its end."""

    @property
    def noted(self) -> dict[str, Any]:
        """What is only known of it at its end, for the step's request: the nested run with its lineage, or the
        arguments that a person has changed a tool's to."""

    @property
    def usage(self) -> Usage | None:
        """The tokens it used, after its end."""

    @property
    def wrote(self) -> bool:
        """Whether there was a write in it, after its end."""


class Host(Protocol):
    """The engine, as steps see it."""

    def child(
        self,
        target: Any,
        payload: Any,
        *,
        initial_state: Any = None,
        queue: Any = None,
        concurrency_key: str | None = None,
        run_timeout_seconds: float | None = None,
    ) -> Child:
        """What to run: `target` is a workflow, agent or tool, the id of one, or an agent with its input.

        Raises StepExecutionError when there is no such thing, or the payload does not fit.
        """

    def version_of(self, target_id: str) -> str:
        """The version of what is declared under an id; "" for nothing."""

    def follows(self, steps: Steps, record: StepRecord) -> bool:
        """Whether the turns of conversations inside a kept step follow what was said before them, as far as this
        process has said something."""

    async def start(self, child: Child, steps: Steps, slot: Slot, attempt: Attempt) -> dict[str, Any]:
        """Start it beside the run that asks for it, and return what identifies it."""

    def handle(self, child: Child, started: dict[str, Any]) -> Any:
        """The handle of what `start` returned. A run whose process has ended goes on."""

    def retell(self, steps: Steps, slot: Slot, record: StepRecord) -> None:
        """Tell the listeners what happened in a nested run whose step answered from the store."""
