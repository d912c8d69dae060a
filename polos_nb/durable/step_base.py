"""What the durable calls on `ctx.step` share: the branch they belong to, and small helpers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from polos_nb.durable.fingerprint import StepCall
from polos_nb.durable.host import Child, Host
from polos_nb.durable.steps import Answer, Attempt, Slot, StepFailure, Steps
from polos_nb.errors import StepExecutionError


class StepBase:
    """The branch of a run that durable calls are made in, and the engine behind it."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def _performed(
        self, slot: Slot, execute: Callable[[Attempt], Awaitable[Any]], *, waits: bool = False, **options: Any
    ) -> Answer:
        """Perform a step; its failure is a StepExecutionError."""
        try:
            return await self._steps.perform(slot, execute, waits=waits, **options)
        except StepFailure as failure:
            if isinstance(failure.error, StepExecutionError):
                raise failure.error from failure.error.__cause__
            raise StepExecutionError(failure.text, step_key=slot.path) from failure.error

    def _claimed(self, call: StepCall) -> Slot:
        self._steps.claim_key(call.key)
        return self._steps.reserve(call)

    def _engine(self) -> Host:
        host: Host | None = self._steps.book.host
        if host is None:
            raise StepExecutionError("this context belongs to no run, so it cannot start another")
        return host

    async def _nested(self, child: Child, slot: Slot) -> Answer:
        async def execute(attempt: Attempt) -> Any:
            return await child.execute(self._steps, slot, attempt)

        answer = await self._performed(
            slot,
            execute,
            usage_of=lambda value: child.usage,
            wrote=lambda: child.wrote,
            descends=child.kind != "tool",
            afterwards=lambda: child.noted,
        )
        if answer.record.effect == "write":
            self._steps.wrote(slot)
        if answer.cached and child.kind != "tool":
            self._engine().retell(self._steps, slot, answer.record)
        return answer
