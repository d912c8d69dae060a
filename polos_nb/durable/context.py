"""What a workflow or tool sees of the run it works in: `ctx`, and the durable calls on `ctx.step`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from polos_nb.durable.step_invoke import InvokeSteps
from polos_nb.durable.step_run import RunSteps
from polos_nb.durable.step_wait import WaitSteps


@dataclass(frozen=True, kw_only=True)
class WorkflowContext:
    """The run that a workflow or a tool's call belongs to.

    `step` has the durable calls; `idempotency_key` names this very call, the same in every attempt at it and in every
    later pass: hand it to services that take one. `workflow_id` is the id of the workflow, agent or tool that runs,
    and `execution_id` (the same as `run_id`) that of the run; "" while a run is only replayed. `state` is an instance
    of the workflow's `state_schema`: what is assigned to it is kept with each step.
    """

    workflow_id: str
    execution_id: str
    step: StepMethods = field(repr=False)
    idempotency_key: str = ""
    conversation_id: str | None = None
    user_id: str | None = None
    retry_count: int = 0
    workflow_type: Literal["agent", "tool", "workflow"] = "tool"
    root_workflow_id: str = ""
    root_execution_id: str = ""
    parent_execution_id: str | None = None
    state: Any = None

    @property
    def run_id(self) -> str:
        """The same as `execution_id`."""
        return self.execution_id

    @property
    def session_id(self) -> str | None:
        """The same as `conversation_id`."""
        return self.conversation_id


class StepMethods(InvokeSteps, RunSteps, WaitSteps):
    """The durable calls: each is executed once, kept, and answers from the store ever after."""
