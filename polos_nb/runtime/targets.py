"""What a run drives: a workflow or an agent with its input, or a tool by itself, put the same way for the runtime."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from polos_nb import ambient
from polos_nb.agents import AgentRunConfig
from polos_nb.codec import canonical, digest, to_plain
from polos_nb.durable.context import StepMethods, WorkflowContext
from polos_nb.durable.state import StateKeeper
from polos_nb.durable.steps import StepFailure, Steps
from polos_nb.errors import ArgumentsError, CodecError, RunError
from polos_nb.messages import AgentResult, Message
from polos_nb.models.base import Model, ModelRequest, ModelResponse, Piece
from polos_nb.models.fallbacks import first_available
from polos_nb.models.registry import get_model
from polos_nb.redaction import Redactor, redactor
from polos_nb.runtime.approvals import approved, changed, reserve_approval
from polos_nb.runtime.calls import perform_tool, tool_step
from polos_nb.runtime.hooking import Hooks, Look
from polos_nb.runtime.inside import Asker
from polos_nb.runtime.loop import AgentLoop
from polos_nb.runtime.portal import portal
from polos_nb.runtime.queues import Lane
from polos_nb.runtime.requests import plain_input
from polos_nb.settings import Settings
from polos_nb.tools import Tool
from polos_nb.workflows import Workflow


@dataclass
class Pass:
    """What the body of a target learns of its conversation (`history`), and adds to it (`said`, as JSON texts)."""

    history: list[Message] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    state: StateKeeper | None = None

    def keeper(self, target: Target) -> StateKeeper | None:
        """The keeper of the target's state, which begins anew in each pass; None for a target without state."""
        self.state = None if target.initial_state is None else StateKeeper(target.initial_state())
        return self.state

    def state_text(self, redact: Redactor) -> str | None:
        """The state as it is now, for the run's record."""
        if self.state is None:
            return None
        try:
            return redact.redact(self.state.text())
        except CodecError:
            return None


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a run drives. `input` is its canonical text without secrets; `body` does the work.

    `lane` is where it queues, if anywhere. `call` is what else a record must keep, as plain data, so that the run can
    be driven again by its id. `budget` is in US dollars.
    """

    id: str
    kind: str
    input: str
    body: Callable[[Steps, Pass], Awaitable[Any]]
    provider: str = ""
    model: str = ""
    conversation_id: str | None = None
    user_id: str | None = None
    fresh: bool | frozenset[str] = False
    initial_state: Callable[[], BaseModel] | None = None
    lane: Lane | None = None
    budget: float | None = None
    call: dict[str, Any] = field(default_factory=dict)

    def with_fresh(self, fresh: bool | frozenset[str]) -> Target:
        """The same with other steps to be fresh."""
        return replace(self, fresh=fresh) if fresh else self


def agent_target(config: AgentRunConfig, settings: Settings) -> Target:
    """An agent with its input."""
    agent = config.agent
    config = replace(config, input=copy.deepcopy(config.input))  # the caller may change it before the task begins

    async def body(steps: Steps, now: Pass) -> AgentResult:
        loop = AgentLoop(config, steps, _ask(agent.model), settings, now.history)
        result = await loop.run()
        now.said = [message.model_dump_json(exclude_none=True) for message in loop.new_messages]
        return result

    return Target(
        id=agent.id,
        kind="agent",
        input=redactor().redact(canonical(plain_input(config.input)).decode()),
        body=body,
        provider=agent.provider,
        model=agent.model_name,
        conversation_id=config.conversation_id,
        user_id=config.user_id,
        fresh=config.fresh,
        budget=config.budget if config.budget is not None else agent.budget,
        call=_kept_call(config.user_id, params=_sayable(config.kwargs), budget=_as_text(config.budget)),
    )


def tool_target(
    tool: Tool,
    arguments: dict[str, Any],
    conversation_id: str | None,
    user_id: str | None,
    fresh: bool | frozenset[str],
) -> Target:
    """A tool by itself. Raises ArgumentsError, before a run begins, when the arguments do not fit."""
    tool.schema.bind(arguments, None)

    async def body(steps: Steps, now: Pass) -> Any:
        step = tool_step(tool, arguments, key=tool.id, chain=steps.chain)
        approval = reserve_approval(tool, arguments, steps, step)
        asker = Asker(workflow_id=tool.id, conversation_id=conversation_id, user_id=user_id)
        slot = steps.reserve(step)
        try:
            used = arguments if approval is None else await approved(tool, arguments, steps, approval)
            slot = slot if used is arguments else changed(slot, used, steps)
            return await perform_tool(tool, used, steps, slot, asker)
        except StepFailure as failure:
            text = f"step {slot.path}: {failure.text}"
            raise RunError(text, run_id=steps.book.run.id, step_key=slot.path) from failure.error

    return Target(
        id=tool.id,
        kind="tool",
        input=redactor().redact(canonical(arguments).decode()),
        body=body,
        conversation_id=conversation_id,
        user_id=user_id,
        fresh=fresh,
        call=_kept_call(user_id),
    )


def workflow_target(
    workflow: Workflow,
    payload: Any,
    *,
    initial_state: Any = None,
    conversation_id: str | None = None,
    user_id: str | None = None,
    fresh: bool | frozenset[str] = False,
    lane: Lane | None = None,
    budget: float | None = None,
) -> Target:
    """A workflow with its payload. Raises ArgumentsError, before a run begins, when the payload does not fit."""
    checked = copy.deepcopy(workflow.payload.check(payload))
    make_state = _initial_state(workflow, initial_state)

    async def body(steps: Steps, now: Pass) -> Any:
        book = steps.book
        ctx = WorkflowContext(
            workflow_id=workflow.id,
            execution_id=book.run.id,
            step=StepMethods(steps),
            idempotency_key=digest([book.run.lineage, book.run.horizon]),
            conversation_id=conversation_id,
            user_id=user_id,
            workflow_type="workflow",
            root_workflow_id=book.root.run.target_id,
            root_execution_id=book.root.run.id,
            parent_execution_id=None if book.outer is None else book.outer[0].book.run.id,
            state=None if now.state is None else now.state.state,
        )
        # Runs that the body starts without a step belong to this run.
        inside = ambient.Inside(digest([book.run.lineage, book.run.horizon, "body"]), steps)
        token = ambient.inside.set(inside)
        try:
            # A pass must not change what the next one gets.
            return await _watched(workflow, ctx, copy.deepcopy(checked), steps)
        finally:
            ambient.inside.reset(token)

    shown = {"payload": checked, "state": initial_state} if initial_state is not None else checked
    return Target(
        id=workflow.id,
        kind="workflow",
        input=redactor().redact(canonical(shown, what=f"the payload of {workflow.id}").decode()),
        body=body,
        conversation_id=conversation_id,
        user_id=user_id,
        fresh=fresh,
        initial_state=make_state,
        lane=lane,
        budget=budget,
        call=_kept_call(user_id, state=initial_state is not None, budget=_as_text(budget)),
    )


def _as_text(budget: float | None) -> str | None:
    return None if budget is None else str(budget)  # as a number, 0.0 would count as none


async def _watched(workflow: Workflow, ctx: WorkflowContext, payload: Any, steps: Steps) -> Any:
    """The result of a workflow's function, its hooks before and after it."""
    if not (workflow.on_start or workflow.on_end):
        return await workflow.call(ctx, payload)
    asker = Asker(workflow_id=workflow.id, conversation_id=ctx.conversation_id, user_id=ctx.user_id)
    hooks = Hooks(steps, asker, "workflow", steps.book.retry_delay)
    look = await hooks.call("on_start", workflow.on_start, Look(payload=payload, types=workflow.types()))
    if look.changed:
        look.payload = workflow.payload.check(look.payload)
    look.output = await workflow.call(ctx, copy.deepcopy(look.payload))
    return (await hooks.call("on_end", workflow.on_end, look)).output


def _kept_call(user_id: str | None, **more: Any) -> dict[str, Any]:
    return {name: value for name, value in {"user_id": user_id, **more}.items() if value}


def _sayable(params: Mapping[str, Any]) -> dict[str, Any]:
    """What went to the provider, as plain data without secrets; what has no such form is left out."""
    out: dict[str, Any] = {}
    for name, value in params.items():
        try:
            out[name] = orjson.loads(redactor().redact(orjson.dumps(to_plain(value)).decode()))
        except (CodecError, TypeError, ValueError):
            continue
    return out


def _initial_state(workflow: Workflow, given: Any) -> Callable[[], BaseModel] | None:
    schema = workflow.state_schema
    if schema is None:
        if given is not None:
            raise ArgumentsError(f"workflow {workflow.id!r} has no state_schema=, so it takes no initial_state")
        return None
    try:
        if given is None:
            made = schema()
        elif isinstance(given, schema):
            made = given
        else:
            made = schema.model_validate(given.model_dump() if isinstance(given, BaseModel) else given)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ArgumentsError(
            f"workflow {workflow.id!r}: the initial state does not fit {schema.__name__}: {place}: {first['msg']}"
        ) from None
    return lambda: made.model_copy(deep=True)


def _ask(model: str | Model) -> Callable[[ModelRequest], AsyncIterator[Piece | ModelResponse]]:
    """How the loop asks this model. The model is looked up on the first call that is not answered from the store."""

    def one(named: str | Model, request: ModelRequest) -> AsyncIterator[Piece | ModelResponse]:
        asked = get_model(request.provider) if isinstance(named, str) else named
        if asked.own_loop:
            return portal().iterate(lambda: asked.stream(request))
        return asked.stream(request)

    def ask(request: ModelRequest) -> AsyncIterator[Piece | ModelResponse]:
        return first_available(model, request, one) if request.fallbacks else one(model, request)

    return ask
