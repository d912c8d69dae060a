"""The durable calls that run other workflows, agents and tools: one or many, waited for or only started."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from polos_nb.durable.fingerprint import StepCall
from polos_nb.durable.host import Child
from polos_nb.durable.progress import Progress
from polos_nb.durable.step_base import StepBase
from polos_nb.durable.steps import Attempt, Slot
from polos_nb.errors import StepExecutionError


class BatchWorkflowInput(BaseModel):
    """One of many to run: the id of a workflow, agent or tool, and its payload."""

    id: str
    payload: Any = None
    initial_state: Any = None
    run_timeout_seconds: float | None = None


class BatchStepResult(BaseModel):
    """What one of many gave: `result` when `success`, else `error`."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    workflow_id: str
    success: bool
    result: Any = None
    error: str | None = None


class InvokeSteps(StepBase):
    """Nested runs. Each is a run of its own in the store, with steps of its own, shown inside the step."""

    async def invoke_and_wait(
        self,
        step_key: str,
        workflow: Any,
        payload: Any = None,
        initial_state: Any = None,
        queue: Any = None,
        concurrency_key: str | None = None,
        run_timeout_seconds: float | None = None,
    ) -> Any:
        """Run a workflow, agent or tool (or the id of one) and return its result.

        Raises StepExecutionError with its message when it failed; what it finished is kept.
        """
        child = self._child(
            workflow,
            payload,
            initial_state=initial_state,
            queue=queue,
            concurrency_key=concurrency_key,
            run_timeout_seconds=run_timeout_seconds,
        )
        self._steps.claim_key(step_key)
        return (await self._nested(child, self._reserved(child, step_key, step_key))).value

    async def agent_invoke_and_wait(self, step_key: str, config: Any) -> Any:
        """Run an agent (`agent.with_input(...)`) and return its `AgentResult`."""
        return await self.invoke_and_wait(step_key, _agent(config))

    async def batch_invoke_and_wait(
        self, step_key: str, workflows: Sequence[BatchWorkflowInput | Mapping[str, Any]]
    ) -> list[BatchStepResult]:
        """Run many side by side; their results in the order of the list. One that fails does not end the others."""
        given = [BatchWorkflowInput.model_validate(item) for item in workflows]
        children = [
            self._child(
                item.id,
                item.payload,
                initial_state=item.initial_state,
                run_timeout_seconds=item.run_timeout_seconds,
            )
            for item in given
        ]
        return await self._batch(step_key, children)

    async def batch_agent_invoke_and_wait(self, step_key: str, configs: Sequence[Any]) -> list[BatchStepResult]:
        """Run many agents side by side; each `.result` is an `AgentResult`."""
        return await self._batch(step_key, [self._engine().child(_agent(config), None) for config in configs])

    async def invoke(
        self,
        step_key: str,
        workflow: Any,
        payload: Any = None,
        initial_state: Any = None,
        queue: Any = None,
        concurrency_key: str | None = None,
        run_timeout_seconds: float | None = None,
    ) -> Any:
        """Start a workflow, agent or tool beside this run, once, and return its `ExecutionHandle` at once."""
        child = self._child(
            workflow,
            payload,
            initial_state=initial_state,
            queue=queue,
            concurrency_key=concurrency_key,
            run_timeout_seconds=run_timeout_seconds,
        )
        self._steps.claim_key(step_key)
        return await self._started(child, step_key, step_key)

    async def agent_invoke(self, step_key: str, config: Any) -> Any:
        """Start an agent beside this run and return its `ExecutionHandle`."""
        return await self.invoke(step_key, _agent(config))

    async def batch_invoke(
        self, step_key: str, workflows: Sequence[BatchWorkflowInput | Mapping[str, Any]]
    ) -> list[Any]:
        """Start many; their handles in the order of the list."""
        self._steps.claim_key(step_key)
        handles = []
        for place, item in enumerate(BatchWorkflowInput.model_validate(item) for item in workflows):
            child = self._child(
                item.id,
                item.payload,
                initial_state=item.initial_state,
                run_timeout_seconds=item.run_timeout_seconds,
            )
            handles.append(await self._started(child, f"{step_key}[{place}]", step_key))
        return handles

    async def batch_agent_invoke(self, step_key: str, configs: Sequence[Any]) -> list[Any]:
        """Start many agents; their handles in the order of the list."""
        self._steps.claim_key(step_key)
        return [
            await self._started(self._engine().child(_agent(config), None), f"{step_key}[{place}]", step_key)
            for place, config in enumerate(configs)
        ]

    # -- how ----------------------------------------------------------------------------------------------------------
    def _child(self, target: Any, payload: Any, **options: Any) -> Child:
        """What to run. What is named by its id is not in the code of who runs it: its version is noted."""
        engine = self._engine()
        child = engine.child(target, payload, **options)
        if isinstance(target, str):
            self._steps.uses({target: engine.version_of(target)})
        return child

    def _reserved(self, child: Child, key: str, name: str) -> Slot:
        return self._steps.reserve(child.call(key, name, self._steps.chain))

    async def _batch(self, step_key: str, children: Sequence[Child]) -> list[BatchStepResult]:
        self._steps.claim_key(step_key)
        slots = [self._reserved(child, f"{step_key}[{place}]", step_key) for place, child in enumerate(children)]
        progress = Progress(self._steps, step_key, len(slots))

        async def one(child: Child, slot: Slot) -> BatchStepResult:
            try:
                answer = await progress.counted(self._nested(child, slot))
            except StepExecutionError as error:
                return BatchStepResult(workflow_id=child.id, success=False, error=str(error))
            return BatchStepResult.model_construct(workflow_id=child.id, success=True, result=answer.value, error=None)

        pairs = zip(children, slots, strict=True)
        found = await asyncio.gather(*(one(child, slot) for child, slot in pairs), return_exceptions=True)
        for item in found:  # every one has ended, and is kept, before what ends the run is raised
            if isinstance(item, BaseException):
                raise item
        return [item for item in found if isinstance(item, BatchStepResult)]

    async def _started(self, child: Child, key: str, name: str) -> Any:
        call = child.call(key, name, self._steps.chain)
        slot = self._steps.reserve(StepCall(key=key, kind="invoke", name=name, parts=call.parts, request=call.request))
        engine = self._engine()

        async def execute(attempt: Attempt) -> dict[str, Any]:
            return await engine.start(child, self._steps, slot, attempt)

        return engine.handle(child, (await self._performed(slot, execute)).value)


def _agent(config: Any) -> Any:
    if not hasattr(config, "agent") or not hasattr(config, "input"):
        raise StepExecutionError(
            f"an agent with its input is needed, as in agent.with_input('...'), not {type(config).__name__}"
        )
    return config
