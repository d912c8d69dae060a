"""The inside of a step: the context that a user's function gets there, and the branch that its own steps are in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from polos_nb import ambient
from polos_nb.codec import digest
from polos_nb.durable.context import StepMethods, WorkflowContext
from polos_nb.durable.steps import Attempt, Slot, Steps


@dataclass(frozen=True, kw_only=True)
class Asker:
    """Who calls a function: the workflow, agent or tool whose run it is, with its conversation and user."""

    workflow_id: str
    conversation_id: str | None = None
    user_id: str | None = None


@contextlib.contextmanager
def inside(
    steps: Steps,
    slot: Slot,
    attempt: Attempt,
    asker: Asker,
    kind: Literal["agent", "tool", "workflow"] = "tool",
) -> Iterator[tuple[WorkflowContext, Steps]]:
    """The context for a function that is called in a step, and its branch."""
    book = steps.book
    inner = steps.inside(slot, attempt.record)
    inner.writes.adopt()
    ctx = WorkflowContext(
        workflow_id=asker.workflow_id,
        execution_id=book.run.id,
        step=StepMethods(inner),
        idempotency_key=slot.idempotency_key,
        conversation_id=asker.conversation_id,
        user_id=asker.user_id,
        retry_count=attempt.number - 1,
        workflow_type=kind,
        root_workflow_id=book.root.run.target_id,
        root_execution_id=book.root.run.id,
    )
    # Runs that the function starts belong to this very call, whatever version of the function makes them.
    identity = digest([book.run.lineage, book.run.horizon, inner.branch])
    token = ambient.inside.set(ambient.Inside(identity, inner, outer=(inner, attempt.record)))
    try:
        yield ctx, inner
    finally:
        ambient.inside.reset(token)
