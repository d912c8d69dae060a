"""Calling hooks: one after another, each a step that is kept, its changes applied before the next one looks."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from polos_nb.codec import digest, types_of
from polos_nb.durable.calling import call_function
from polos_nb.durable.code_version import code_version
from polos_nb.durable.fingerprint import StepCall
from polos_nb.durable.retry import Retry
from polos_nb.durable.steps import Answer, Attempt, StepFailure, Steps
from polos_nb.errors import CodecError, RunError, StepExecutionError
from polos_nb.hooks import AgentConfig, Hook, HookAction, HookContext, HookResult, function_name
from polos_nb.messages import Step, Usage
from polos_nb.runtime.inside import Asker, inside


class HookFailed(StepExecutionError):
    """A hook has decided to fail what it looked at."""


@dataclass(kw_only=True)
class Look:
    """What hooks look at. `seen` are parts for the fingerprint that stand for `payload` or `output`, where these hold
    what differs from run to run; `types` are the classes that an output may be made of."""

    payload: Any = None
    output: Any = None
    tool: str | None = None
    config: AgentConfig | None = None
    turns: Sequence[Step] = ()
    seen: Mapping[str, Any] = field(default_factory=dict)
    types: Mapping[str, type] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)


class Hooks:
    """The hooks of one run, or of one tool call."""

    def __init__(self, steps: Steps, asker: Asker, kind: Any, retry_delay: float) -> None:
        self._steps = steps
        self._asker = asker
        self._kind = kind
        self._retry_delay = retry_delay

    async def call(self, point: str, hooks: Sequence[Hook], look: Look) -> Look:
        """Call the hooks of a point ("2.hook.on_tool_start.0"); returns what is left of `look` after their changes.

        Raises RunError when one of them fails the run, or raises: in an agent's run; StepExecutionError elsewhere.
        """
        for place, hook in enumerate(hooks):
            name = function_name(hook)
            kept = await self._called(f"{point}.{name}.{place}", name, hook, look)
            if kept["modified_payload"] is not None:
                look.payload = merged(look.payload, kept["modified_payload"])
                look.seen = {key: value for key, value in look.seen.items() if key != "payload"}
                look.changed |= {"payload", *kept["modified_payload"]}
            if kept["modified_output"] is not None:
                look.output = kept["modified_output"]
                look.seen = {key: value for key, value in look.seen.items() if key != "output"}
                look.changed.add("output")
        return look

    async def _called(self, key: str, name: str, hook: Hook, look: Look) -> dict[str, Any]:
        code = code_version(hook)
        asker = self._asker
        seen = {"payload": look.payload, "output": look.output, **look.seen, "steps": turns_seen(look.turns)}
        parts: dict[str, Any] = {"version": code.digest, "code": code.parts, "point": point_of(key)}
        try:
            parts |= {part: digest(value) for part, value in seen.items() if value is not None}
        except CodecError as error:
            raise CodecError(f"step {key}: what the hook looks at cannot be told apart: {error}") from None
        parts |= {"tool": look.tool} if look.tool else {}
        parts |= {"config": digest(look.config)} if look.config is not None else {}
        parts |= {"conversation": asker.conversation_id} if asker.conversation_id else {}
        parts |= {"user": asker.user_id} if asker.user_id else {}
        types = {**code.types, **look.types, **types_of(HookResult)}
        call = StepCall(
            key=key,
            kind="hook",
            name=name,
            parts=parts | ({"writes": self._steps.chain} if self._steps.chain else {}),
            request={"hook": name, "point": point_of(key), **({"tool": look.tool} if look.tool else {})},
            blobs=code.sources,
            types=types,
        )

        async def execute(ctx: Any, inner: Steps) -> dict[str, Any]:
            context = HookContext.model_construct(
                workflow_id=asker.workflow_id,
                session_id=asker.conversation_id,
                user_id=asker.user_id,
                agent_config=copy.deepcopy(look.config),
                steps=copy.deepcopy(list(look.turns)),
                current_tool=look.tool,
                current_payload=copy.deepcopy(look.payload),
                current_output=copy.deepcopy(look.output),
            )
            return decision(await call_function(hook, (ctx, context), {}), name)

        answer = await checked_step(self._steps, call, asker, self._kind, self._retry_delay, execute)
        kept: dict[str, Any] = answer.value
        return kept


async def checked_step(
    steps: Steps,
    call: StepCall,
    asker: Asker,
    kind: Any,
    retry_delay: float,
    execute: Callable[[Any, Steps], Awaitable[dict[str, Any]]],
    usage_of: Callable[[Any], Usage | None] = lambda value: None,
) -> Answer:
    """Perform the step of a hook or guardrail; `execute(ctx, inner)` is called inside it.

    Raises RunError (StepExecutionError in a workflow or tool) when it failed for good.
    """
    slot = steps.reserve(call)
    branches: list[Steps] = []

    async def attempted(attempt: Attempt) -> dict[str, Any]:
        with inside(steps, slot, attempt, asker, kind) as (ctx, inner):
            branches.append(inner)
            return await execute(ctx, inner)

    def again(error: BaseException) -> bool:
        return not isinstance(error, HookFailed | RunError)

    retry = Retry(max_retries=2, base_delay=retry_delay, should_retry=again)
    try:
        answer = await steps.perform(
            slot,
            attempted,
            retry=retry,
            usage_of=usage_of,
            wrote=lambda: any(branch.has_written for branch in branches),
        )
    except StepFailure as failure:
        text = f"step {slot.path}: {failure.text}"
        if kind == "agent":
            raise RunError(text, run_id=steps.book.run.id, step_key=slot.path) from failure.error
        raise StepExecutionError(text, step_key=slot.path) from failure.error
    if answer.record.effect == "write":
        steps.wrote(slot)
    return answer


def decision(result: Any, name: str) -> dict[str, Any]:
    """What a hook returned, as it is kept. Raises HookFailed when it decided to fail."""
    if result is None:
        result = HookResult()
    if not isinstance(result, HookResult):
        raise HookFailed(f"hook {name} returned {type(result).__name__}, not a HookResult")
    if result.action == HookAction.FAIL:
        raise HookFailed(f"hook {name} failed it: {result.error_message or 'it gave no reason'}")
    return {"modified_payload": result.modified_payload, "modified_output": result.modified_output}


def merged(payload: Any, changes: Mapping[str, Any]) -> Any:
    """A payload with the fields that a hook has changed."""
    if isinstance(payload, BaseModel):
        return {**{name: getattr(payload, name) for name in type(payload).model_fields}, **changes}
    return {**payload, **changes} if isinstance(payload, Mapping) else dict(changes)


def turns_seen(turns: Sequence[Step]) -> list[Any]:
    """Turns as they count in a fingerprint: without the ids of calls, which a provider makes up anew each time."""
    return [
        [
            turn.content,
            [[call.function.name, call.function.arguments] for call in turn.tool_calls],
            [[result.tool_name, result.status, result.result, result.error] for result in turn.tool_results],
            None if turn.usage is None else turn.usage.model_dump(),
        ]
        for turn in turns
    ]


def point_of(key: str) -> str:
    """The point that a step's key names: "on_tool_start"."""
    return next(part for part in key.split(".") if part.startswith("on_"))
