"""`PolosClient` and `Polos`: the handle that users hold of the runtime in their own process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from polos_nb import ambient
from polos_nb.agents import DEFAULT_TIMEOUT, AgentRunConfig, as_conversation, as_fresh
from polos_nb.codec import to_plain
from polos_nb.durable.step_invoke import BatchWorkflowInput
from polos_nb.durable.step_wait import answer_step
from polos_nb.errors import DefinitionError, RunError, StoreError
from polos_nb.messages import AgentResult
from polos_nb.runtime.background import Background, serve
from polos_nb.runtime.handles import ExecutionHandle, execution_data
from polos_nb.runtime.invoking import invoke, planned, result_of
from polos_nb.runtime.planning import PlanReport
from polos_nb.runtime.portal import portal
from polos_nb.runtime.queues import Queue
from polos_nb.runtime.run import Run, StreamResult
from polos_nb.runtime.runtime import Runtime
from polos_nb.settings import Mode
from polos_nb.stores.base import RunRecord, Store
from polos_nb.tools import Tool
from polos_nb.workflows import Workflow

_TOOL_OPTIONS = ("conversation_id", "session_id", "user_id", "fresh", "timeout")
_TICK = 0.05  # seconds; an idle kernel notices Stop only when its loop wakes up


class PolosClient:
    """Runs agents and tools in this process. `PolosClient()` needs nothing; there is no server.

    `api_url`, `api_key`, `project_id` and `deployment_id` are taken for the sake of code written for Polos, and not
    used. `store` is a path, ":memory:", a `Store`, or None for `.polos/steps.db`; `mode` is "live", "record", "replay"
    or "offline". A run that waits for somebody's answer is waited with, unless `patience` says for how many seconds
    at most: then it raises Suspended, and goes on once the answer is there. Clients without a store of their own share
    the process's.

    >>> client = PolosClient()
    >>> response = await agent.run(client, "Hello")  # doctest: +SKIP
    """

    def __init__(
        self,
        api_url: str | None = None,
        api_key: str | None = None,
        project_id: str | None = None,
        deployment_id: str | None = None,
        *,
        store: Store | str | None = None,
        mode: Mode | None = None,
        cassettes: Sequence[str | os.PathLike[str]] = (),
        patience: float | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        self.api_url = api_url
        self.project_id = project_id
        self.deployment_id = deployment_id
        own = store is not None or mode is not None or bool(cassettes) or patience is not None
        if runtime is None and own:
            files = [Path(path) for path in cassettes]
            runtime = Runtime(store=store, mode=mode, watched=_watched(), cassettes=files, patience=patience)
        self._runtime = runtime
        if runtime is not None and runtime.runner is None:
            runtime.runner = self

    @property
    def runtime(self) -> Runtime:
        """The engine behind this client."""
        return self._runtime if self._runtime is not None else default_runtime()

    async def run_agent(self, config: AgentRunConfig, *, timeout: float | None = None) -> AgentResult:
        """Drive a configured agent (`agent.with_input(...)`) to its end."""
        limit = timeout if timeout is not None else config.run_timeout_seconds
        result: AgentResult = await waited(self.runtime.start(config, timeout=limit))
        return result

    def run_agent_blocking(self, config: AgentRunConfig, *, timeout: float | None = None) -> AgentResult:
        """The same for callers that cannot await: a background loop does the work."""
        return portal().run(self.run_agent(config, timeout=timeout))

    async def stream_agent(self, config: AgentRunConfig, *, timeout: float | None = None) -> StreamResult:
        """Start a configured agent and return what it streams."""
        limit = timeout if timeout is not None else config.run_timeout_seconds
        stream = StreamResult(config.agent.id, conversation_id=config.conversation_id)
        self.runtime.start(config, timeout=limit, into=stream)
        return stream

    async def run_tool(self, tool: Tool, payload: dict[str, Any], *, options: dict[str, Any]) -> Any:
        """Drive a tool by itself to its end."""
        for name in options:
            if name not in _TOOL_OPTIONS:
                raise DefinitionError(
                    f"tool {tool.id!r}: unknown option {name}=; the options are: {', '.join(_TOOL_OPTIONS)}"
                )
        run = self.runtime.start_tool(
            tool,
            payload,
            conversation_id=as_conversation(options.get("conversation_id"), options.get("session_id")),
            user_id=options.get("user_id"),
            fresh=as_fresh(options.get("fresh", False)),
            timeout=options.get("timeout", DEFAULT_TIMEOUT),
        )
        return await waited(run)

    # -- workflows ----------------------------------------------------------------------------------------------------
    async def run_workflow(
        self, workflow: Workflow, payload: Any = None, *, timeout: float | None = None, **options: Any
    ) -> Any:
        """Drive a workflow to its end and return what it returned. Options are those of `Workflow.run`."""
        return await waited(self.runtime.start_workflow(workflow, payload, timeout=timeout, **options))

    def run_workflow_blocking(
        self, workflow: Workflow, payload: Any = None, *, timeout: float | None = None, **options: Any
    ) -> Any:
        """The same for callers that cannot await: a background loop does the work."""
        return portal().run(self.run_workflow(workflow, payload, timeout=timeout, **options))

    async def invoke(
        self,
        workflow_id: Any,
        payload: Any = None,
        queue_name: str | None = None,
        queue_concurrency_limit: int | None = None,
        concurrency_key: str | None = None,
        session_id: Any = None,
        user_id: str | None = None,
        initial_state: Any = None,
        run_timeout_seconds: float | None = None,
        **options: Any,
    ) -> ExecutionHandle:
        """Start a workflow or an agent, given itself or by id, and return its handle at once.

        An agent's payload is its input, or `{"input": ...}`. Options: `queue`, `conversation_id`, `fresh`.
        """
        return await invoke(
            self.runtime,
            workflow_id,
            payload,
            queue=Queue(queue_name, queue_concurrency_limit) if queue_name else options.pop("queue", None),
            concurrency_key=concurrency_key,
            conversation_id=as_conversation(options.pop("conversation_id", None), session_id),
            user_id=user_id,
            initial_state=initial_state,
            timeout=run_timeout_seconds,
            **options,
        )

    async def batch_invoke(
        self, workflows: Sequence[Any], session_id: Any = None, user_id: str | None = None
    ) -> list[ExecutionHandle]:
        """Start many (`BatchWorkflowInput`); their handles in the order of the list."""
        given = [BatchWorkflowInput.model_validate(item) for item in workflows]
        return [
            await self.invoke(
                item.id,
                item.payload,
                session_id=session_id,
                user_id=user_id,
                initial_state=item.initial_state,
                run_timeout_seconds=item.run_timeout_seconds,
            )
            for item in given
        ]

    async def resume(
        self,
        suspend_workflow_id: str | None = None,
        suspend_execution_id: str = "",
        suspend_step_key: str = "",
        data: Any = None,
        *,
        decided_by: str = "",
    ) -> bool:
        """Answer what a run waits for, from any process.

        `suspend_execution_id` is the run that asks, or a run around it, with the step's path from there.
        An answer may come before the question. False when somebody has answered already.
        """
        store = self.runtime.store
        if store.get_run(suspend_execution_id) is None:
            raise StoreError(f"there is no run {suspend_execution_id} in {store.location}")
        return answer_step(store, suspend_execution_id, suspend_step_key, to_plain(data), by=decided_by)

    async def get_execution(self, execution_id: str) -> dict[str, Any]:
        """A run as plain data: `id`, `workflow_id`, `status`, `payload`, `result`, `error`, times, what it waits at.

        Raises StoreError for an unknown run.
        """
        return execution_data(self._run(execution_id), self.runtime.store)

    async def cancel_execution(self, execution_id: str) -> bool:
        """Stop a run, whichever process drives it. What it finished is kept. False when it is over already.

        A nested run is stopped together with the run around it.
        """
        run = self._run(execution_id)
        if run.status not in ("running", "suspended"):
            return False
        live = self.runtime.live(execution_id)
        if live is not None and not live.done():
            live.cancel()
            return True
        self.runtime.store.update_run(run.id, status="cancelled", error="stopped")
        return True

    async def plan(self, target: Any, payload: Any = None, **options: Any) -> PlanReport:
        """What a call would do, without executing anything: `client.plan(agent.with_input("..."))`,
        `client.plan(workflow, payload)`. Options are those of `Workflow.run`."""
        return await planned(self.runtime, target, payload, **options)

    async def fork(
        self, run_id: str, step_key: str, changes: Mapping[str, Any], *, timeout: float | None = None
    ) -> ExecutionHandle:
        """Start a new run that shares the steps of a run before one, whose answer is edited; returns its handle.

        `changes` maps paths into the answer to values: `{"text": "No."}` for what a model said, `{"result.city":
        "Rome"}` for a tool's result, `{"arguments.city": "Rome"}` for a call, `{"approved": False}` for a decision.
        """
        return await self.runtime.handle(self.runtime.fork(run_id, step_key, changes, timeout=timeout))

    async def result_of(self, execution_id: str) -> Any:
        """Wait for the end of a run and return its result. Raises what it raised; RunError for another process's."""
        return await result_of(self.runtime, self._run(execution_id).id)

    def _run(self, execution_id: str) -> RunRecord:
        run = self.runtime.store.get_run(execution_id)
        if run is None:
            raise StoreError(f"there is no run {execution_id} in {self.runtime.store.location}")
        return run

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Polos(PolosClient):
    """A client as an async context manager: agents that run inside use it without being told.

    >>> async with Polos() as polos:  # doctest: +SKIP
    ...     response = await agent.run(polos, "Hello")
    """

    def __init__(
        self,
        project_id: str | None = None,
        api_url: str | None = None,
        api_key: str | None = None,
        deployment_id: str | None = None,
        port: int | None = None,
        max_concurrent_workflows: int | None = None,
        channels: Sequence[Any] | None = None,
        log_file: str | None = None,
        *,
        store: Store | str | None = None,
        mode: Mode | None = None,
        cassettes: Sequence[str | os.PathLike[str]] = (),
        patience: float | None = None,
    ) -> None:
        if channels:
            raise DefinitionError("Polos(channels=...) is not in this version; leave it out")
        super().__init__(
            api_url, api_key, project_id, deployment_id, store=store, mode=mode, cassettes=cassettes, patience=patience
        )
        self._token: Any = None
        self._background: Background | None = None

    async def start(self) -> None:
        """Start workflows for events and at the times of schedules, from now on until `stop`.

        There is no server: it is this process that does it, as long as its loop runs.
        """
        if self._background is None:
            self._background = serve(self.runtime, self)

    async def serve(self) -> None:
        """The same, until it is stopped (Ctrl-C, or cancelled): the last line of a script that only serves."""
        await self.start()
        try:
            await asyncio.Event().wait()
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Stop the runs that go on and release the store, if this client has one of its own.

        Runs that events and schedules started go on at the next start.
        """
        serving, self._background = self._background, None
        if serving is not None:
            await serving.stop()
        if self._runtime is not None:
            await self._runtime.finish()
            self._runtime.close()

    async def __aenter__(self) -> Self:
        self._token = ambient.enter(self)
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        ambient.leave(self._token)
        await self.stop()


async def waited(run: Run) -> Any:
    """Wait for a run. Being cancelled (Stop in a notebook) stops the run and keeps what is finished."""
    assert run.task is not None
    try:
        while not run.task.done():
            await asyncio.wait({run.task}, timeout=_TICK)
    except asyncio.CancelledError:
        run.cancel()
        await asyncio.wait({run.task}, timeout=5)
        raise
    if run.task.cancelled():  # not by whoever waits here
        raise RunError(f"run {run.id} was stopped; run it again to go on from there", run_id=run.id)
    return run.task.result()


_default: list[Runtime] = []


def default_runtime() -> Runtime:
    """The process's own runtime, made on first use: a notebook's where there is one, else from the settings."""
    if not _default:
        made = ambient.host_runtime()
        if not _default:  # making a notebook's runtime sets it already
            _default.append(made or Runtime(watched=_watched()))
            if _default[0].runner is None:
                PolosClient(runtime=_default[0])
    return _default[0]


def set_default_runtime(runtime: Runtime | None) -> None:
    """Make another runtime the process's own; None forgets the present one without closing it."""
    _default[:] = [] if runtime is None else [runtime]


def default_client() -> PolosClient:
    """A client of the process's own runtime."""
    return PolosClient()


def _watched() -> bool:
    return not {"PYTEST_CURRENT_TEST", "PYTEST_VERSION"} & os.environ.keys()
