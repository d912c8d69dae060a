"""Starting runs without waiting, and waiting for runs that were started: by id, in this process or another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from polos_nb import ambient, registry
from polos_nb.agents import Agent, AgentRunConfig, as_conversation, as_fresh
from polos_nb.codec import decode
from polos_nb.errors import ConfigurationError, RunError
from polos_nb.runtime.children import agent_config
from polos_nb.runtime.handles import ExecutionHandle
from polos_nb.runtime.planning import PlanReport
from polos_nb.runtime.runtime import Runtime
from polos_nb.runtime.targets import agent_target, tool_target, workflow_target
from polos_nb.tools import Tool, payload_arguments
from polos_nb.workflows import Workflow

_POLL_SECONDS = 0.03
_OVER = ("completed", "failed", "cancelled")


async def invoke(
    runtime: Runtime,
    target: Any,
    payload: Any,
    *,
    queue: Any = None,
    concurrency_key: str | None = None,
    conversation_id: str | None = None,
    user_id: str | None = None,
    initial_state: Any = None,
    timeout: float | None = None,
    fresh: bool | frozenset[str] = False,
) -> ExecutionHandle:
    """Start a workflow, agent or tool (or the id of one) and return its handle once its run is known."""
    found = registry.find(target) if isinstance(target, str) else target
    if isinstance(found, Agent):
        found = agent_config(found, payload)
    if isinstance(found, AgentRunConfig):
        run = runtime.start(found.inheriting(conversation_id, user_id), timeout=timeout)
    elif isinstance(found, Tool):
        arguments = payload_arguments(found, payload)
        run = runtime.start_tool(
            found, arguments, conversation_id=conversation_id, user_id=user_id, timeout=timeout, fresh=fresh
        )
    elif isinstance(found, Workflow):
        run = runtime.start_workflow(
            found,
            payload,
            queue=queue,
            concurrency_key=concurrency_key,
            initial_state=initial_state,
            conversation_id=conversation_id,
            user_id=user_id,
            timeout=timeout,
            fresh=fresh,
        )
    else:
        known = ", ".join(sorted(registry.declared())) or "none"
        raise ConfigurationError(f"there is no workflow, agent or tool {target!r}; declared are: {known}")
    return await runtime.handle(run)


async def planned(runtime: Runtime, target: Any, payload: Any = None, **options: Any) -> PlanReport:
    """What a call would do; see `PolosClient.plan`."""
    if "session_id" in options or "conversation_id" in options:
        named = as_conversation(options.pop("conversation_id", None), options.pop("session_id", None))
        options["conversation_id"] = named
    if "fresh" in options:
        options["fresh"] = as_fresh(options["fresh"])
    found = registry.find(target) if isinstance(target, str) else target
    if isinstance(found, Agent):
        found = agent_config(found, payload)
    if isinstance(found, AgentRunConfig):
        return await runtime.plan(agent_target(found, runtime.settings), found.agent)
    if isinstance(found, Tool):
        return await runtime.plan(tool_target(found, payload_arguments(found, payload), None, None, False), found)
    if isinstance(found, Workflow):
        return await runtime.plan(workflow_target(found, payload, **options), found)
    raise ConfigurationError(f"{target!r} cannot be planned; give agent.with_input('...'), or a workflow and a payload")


async def result_of(runtime: Runtime, run_id: str) -> Any:
    """The result of a run, once it is over. Raises what it raised, or RunError where another process drove it."""
    live = runtime.live(run_id)
    if live is not None:
        return await live.result()
    store = runtime.store
    while True:
        run = store.get_run(run_id)
        if run is None or run.status in _OVER:
            break
        await asyncio.sleep(_POLL_SECONDS)
    if run is None:
        raise RunError(f"run {run_id} was deleted from the store", run_id=run_id)
    if run.status != "completed":
        raise RunError(f"run {run_id} {run.status}: {run.error}", run_id=run_id)
    return decode(run.result or "null")


async def batch_invoke(
    client: Any, workflows: Sequence[Any], session_id: Any = None, user_id: str | None = None
) -> list[ExecutionHandle]:
    """Start many (`BatchWorkflowInput`) and return their handles in the order of the list."""
    runner = client if client is not None else ambient.current_runner()
    handles: list[ExecutionHandle] = await runner.batch_invoke(workflows, session_id=session_id, user_id=user_id)
    return handles


async def batch_agent_invoke(client: Any, agents: Sequence[AgentRunConfig]) -> list[ExecutionHandle]:
    """Start many agents, each `agent.with_input(...)`, and return their handles in the order of the list."""
    runner = client if client is not None else ambient.current_runner()
    return [await runner.invoke(config) for config in agents]
