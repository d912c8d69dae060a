"""What a run drives: an agent with an input, or a tool by itself, put the same way for the runtime."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from polos_nb.agents import AgentRunConfig
from polos_nb.codec import canonical
from polos_nb.durable.steps import StepFailure, Steps
from polos_nb.errors import RunError
from polos_nb.messages import AgentResult, Message
from polos_nb.models.base import Model, ModelRequest, ModelResponse, Piece
from polos_nb.models.registry import get_model
from polos_nb.redaction import redactor
from polos_nb.runtime.calls import perform_tool, tool_step
from polos_nb.runtime.loop import AgentLoop
from polos_nb.runtime.portal import portal
from polos_nb.runtime.requests import plain_input
from polos_nb.settings import Settings
from polos_nb.tools import Tool


@dataclass
class Pass:
    """What the body of a target learns of its conversation (`history`), and adds to it (`said`, as JSON texts)."""

    history: list[Message] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a run drives. `input` is its canonical text without secrets; `body` does the work."""

    id: str
    kind: str
    input: str
    body: Callable[[Steps, Pass], Awaitable[Any]]
    provider: str = ""
    model: str = ""
    conversation_id: str | None = None
    user_id: str | None = None
    fresh: bool | frozenset[str] = False


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
        slot = steps.reserve(tool_step(tool, arguments, key=tool.id, chain=steps.chain))
        try:
            return await perform_tool(
                tool,
                arguments,
                steps,
                slot,
                workflow_id=tool.id,
                conversation_id=conversation_id,
                user_id=user_id,
            )
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
    )


def _ask(model: str | Model) -> Callable[[ModelRequest], AsyncIterator[Piece | ModelResponse]]:
    """How the loop asks this model. The model is looked up on the first call that is not answered from the store."""

    def ask(request: ModelRequest) -> AsyncIterator[Piece | ModelResponse]:
        asked = get_model(request.provider) if isinstance(model, str) else model
        if asked.own_loop:
            return portal().iterate(lambda: asked.stream(request))
        return asked.stream(request)

    return ask
