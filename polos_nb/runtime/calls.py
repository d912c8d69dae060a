"""The tool calls of one turn: side by side, each a step of its own, their results in the order of the calls."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from polos_nb.agents import AgentRunConfig
from polos_nb.codec import to_plain, to_text
from polos_nb.durable.context import WorkflowContext
from polos_nb.durable.fingerprint import StepCall
from polos_nb.durable.retry import Retry
from polos_nb.durable.steps import Attempt, Slot, StepFailure, Steps
from polos_nb.errors import ArgumentsError, CodecError, RunError, StepInDoubt
from polos_nb.images import without_images
from polos_nb.media import content_of, from_tool
from polos_nb.messages import Message, Step, ToolCall, ToolResult
from polos_nb.runtime.agent_hooks import AgentHooks, Asking
from polos_nb.runtime.approvals import approved, changed, reserve_approval
from polos_nb.runtime.hooking import Hooks, Look
from polos_nb.runtime.inside import Asker, inside
from polos_nb.runtime.requests import sayable
from polos_nb.schema import parse_arguments
from polos_nb.tools import Tool


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one call gave: the result for the caller, and the message that the model reads."""

    result: ToolResult
    message: Message
    final: bool = False
    text: str = ""


class ToolCalls:
    """Performs the calls of one turn."""

    def __init__(
        self,
        config: AgentRunConfig,
        steps: Steps,
        number: int,
        hooks: AgentHooks,
        turns: Sequence[Step],
        asking: Asking,
    ) -> None:
        self._config = config
        self._hooks = hooks
        self._turns = turns
        self._asking = asking
        self._steps = steps
        self._number = number
        self._wrote: set[str] = set()
        self._asker = Asker(workflow_id=config.agent.id, conversation_id=config.conversation_id, user_id=config.user_id)

    async def perform(self, calls: Sequence[ToolCall]) -> list[Outcome]:
        """Call all of them. Every call ends, and is kept, before anything that ends the run is raised."""
        if not calls:
            return []
        # Identities first, in calling order and on one chain of writes: they must not depend on who is faster.
        prepared = [await self._prepare(call, place) for place, call in enumerate(calls, 1)]
        for item in prepared:
            if isinstance(item, _Prepared) and item.tool.effect == "write":
                self._steps.wrote(item.slot)
        outcomes = await asyncio.gather(
            *(self._outcome(call, item) for call, item in zip(calls, prepared, strict=True)), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        for item in prepared:
            if not isinstance(item, _Prepared):
                continue
            # There was a write inside, or another one than was asked for: what comes later depends on it.
            if item.edited if item.tool.effect == "write" else item.slot.fingerprint in self._wrote:
                self._steps.wrote(item.slot)
        done = [outcome for outcome in outcomes if isinstance(outcome, Outcome)]
        return [await self._seen(place, item, done[place]) for place, item in enumerate(prepared)]

    async def _seen(self, place: int, item: _Prepared | str, outcome: Outcome) -> Outcome:
        """What a call gave, as the hooks after it leave it: for the model and for the caller."""
        if isinstance(item, str):
            return outcome
        result = outcome.result
        output = result.result if result.status == "completed" else f"Error: {result.error}"
        about = (self._number, place, item.tool, item.arguments)
        after = await self._hooks.tool_end(*about, output, self._turns, self._asking)
        if after is output:
            return outcome
        message = outcome.message.model_copy(update={"content": _told(after)})
        return replace(outcome, result=result.model_copy(update={"result": after}), message=message)

    async def _prepare(self, call: ToolCall, place: int) -> _Prepared | str:
        """The call with its identity, or the sentence that tells the model what is wrong with it."""
        name = call.function.name
        tool = self._config.agent.tool(name)
        if tool is None:
            own = ", ".join(item.id for item in self._config.agent.tools if isinstance(item, Tool))
            return f"there is no tool {name!r}; " + (f"the tools are: {own}" if own else "there are no tools")
        try:
            arguments = parse_arguments(call.function.arguments)
            tool.schema.bind(arguments, None)
        except ArgumentsError as error:
            return str(error)
        arguments = await self._changed(place - 1, tool, arguments)
        step = tool_step(tool, arguments, key=f"{self._number}.{tool.id}[call_{place}]", chain=self._steps.chain)
        approval = reserve_approval(tool, arguments, self._steps, step)  # it comes first in the trace, as it happens
        return _Prepared(tool, arguments, self._steps.reserve(step), approval)

    async def _changed(self, place: int, tool: Tool, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments as the hooks before the call leave them. Raises RunError when the tool does not take them."""
        used = await self._hooks.tool_start(self._number, place, tool, arguments, self._turns, self._asking)
        try:
            tool.schema.bind(used, None)
        except ArgumentsError as error:
            raise RunError(
                f"a hook at on_tool_start changed the arguments of {tool.id} into ones that it does not take: {error}",
                run_id=self._steps.book.run.id,
                step_key=f"{self._number}.hook.on_tool_start.{place}",
            ) from None
        return used

    async def _outcome(self, call: ToolCall, item: _Prepared | str) -> Outcome:
        if isinstance(item, str):
            return _failed(call, item)
        try:
            if item.approval is not None:
                used = await approved(item.tool, item.arguments, self._steps, item.approval)
                item.use(used, self._steps)
            value = await perform_tool(
                item.tool, item.arguments, self._steps, item.slot, self._asker, noted=self._wrote
            )
        except StepFailure as failure:
            return _failed(call, failure.text, item.changed_to)
        result = ToolResult(
            tool_name=item.tool.id,
            result=value,
            result_schema=type(value).__name__ if item.tool.types() else None,
            tool_call_id=call.id,
            tool_call_call_id=call.call_id,
            arguments=item.changed_to,
        )
        return Outcome(result=result, message=_message(call, value, item.changed_to))


@dataclass
class _Prepared:
    tool: Tool
    arguments: dict[str, Any]
    slot: Slot
    approval: Slot | None = None
    edited: bool = False

    @property
    def changed_to(self) -> dict[str, Any] | None:
        """The arguments that a person has changed the call's to; None where they did not."""
        return self.arguments if self.edited else None

    def use(self, arguments: dict[str, Any], steps: Steps) -> None:
        """Call it with these arguments, which a person has approved."""
        if arguments is not self.arguments:
            self.slot, self.arguments, self.edited = changed(self.slot, arguments, steps), arguments, True


def tool_step(tool: Tool, arguments: dict[str, Any], *, key: str, chain: str) -> StepCall:
    """The durable call of a tool: its answer depends on its code, its arguments and the writes before it."""
    code = tool.version()
    parts: dict[str, Any] = {"version": code.digest, "code": code.parts, "arguments": arguments}
    return StepCall(
        key=key,
        kind="tool",
        name=tool.id,
        parts=parts | {"writes": chain} if chain else parts,
        request={"arguments": arguments},
        blobs=code.sources,
        types={**code.types, **tool.types()},
        effect=tool.effect,
    )


async def perform_tool(
    tool: Tool,
    arguments: dict[str, Any],
    steps: Steps,
    slot: Slot,
    asker: Asker,
    *,
    noted: set[str] | None = None,
) -> Any:
    """Call a tool as a step and return its value. Raises StepFailure, or what `Steps.perform` raises.

    `noted` gets the step's fingerprint when there was a write in it.
    """
    call = ToolCallStep(tool, arguments, steps, slot, asker)
    written = False
    retry = Retry(max_retries=tool.max_retries, base_delay=steps.book.retry_delay)
    try:
        answer = await steps.perform(slot, call.execute, retry=retry, wrote=call.wrote)
        written = answer.record.effect == "write"
        return answer.value
    except StepFailure:
        written = call.wrote()
        raise
    finally:
        if noted is not None and written:
            noted.add(slot.fingerprint)


class ToolCallStep:
    """The execution of one tool call, which may be tried more than once."""

    def __init__(self, tool: Tool, arguments: dict[str, Any], steps: Steps, slot: Slot, asker: Asker) -> None:
        self._tool = tool
        self._arguments = arguments
        self._steps = steps
        self._slot = slot
        self._asker = asker
        self._inner: list[Steps] = []

    def wrote(self) -> bool:
        """Whether there was a write inside."""
        return any(branch.has_written for branch in self._inner)

    async def execute(self, attempt: Attempt) -> Any:
        """Call the function with a context of its own."""
        with inside(self._steps, self._slot, attempt, self._asker) as (ctx, inner):
            self._inner.append(inner)
            return await self._watched(ctx, inner)

    async def _watched(self, ctx: WorkflowContext, inner: Steps) -> Any:
        """What the tool returns, its own hooks before and after it."""
        tool, arguments = self._tool, self._arguments
        if not (tool.on_start or tool.on_end):
            return await _value(tool, arguments, ctx, self._slot)
        hooks = Hooks(inner, self._asker, "tool", self._steps.book.retry_delay)
        look = Look(payload=arguments, tool=tool.id, types=tool.types())
        look = await hooks.call("on_start", tool.on_start, look)
        look.output = await _value(tool, look.payload, ctx, self._slot)
        return (await hooks.call("on_end", tool.on_end, look)).output


async def _value(tool: Tool, arguments: dict[str, Any], ctx: WorkflowContext, slot: Slot) -> Any:
    """What the tool returns, within its time, and such that a model can be told."""
    try:
        async with asyncio.timeout(tool.timeout) as limit:
            value = from_tool(await tool.call(arguments, ctx))
    except TimeoutError:
        if not limit.expired():
            raise
        if tool.effect == "write":
            raise late_write(slot, tool) from None
        raise TimeoutError(f"{tool.id} did not finish within {tool.timeout:g} s") from None
    try:
        to_text(value)  # what a model cannot be told must fail here, with the step's name
    except CodecError as error:
        raise CodecError(f"step {slot.path}: tool {tool.id} returned what cannot be kept: {error}") from None
    return value


def late_write(slot: Slot, tool: Tool) -> StepInDoubt:
    """A write that was not over in time may still be going on, so it is neither retried nor failed."""
    return StepInDoubt(
        f"step {slot.path} did not finish within {tool.timeout:g} s and may still be going on; it has outside effects,"
        f" so it is not repeated silently. If it did not happen, run the cell again with --fresh {slot.path}"
        f" (fresh={slot.path!r} in Python)",
        step_key=slot.path,
    )


def _failed(call: ToolCall, text: str, changed_to: dict[str, Any] | None = None) -> Outcome:
    result = ToolResult(
        tool_name=call.function.name,
        status="failed",
        error=text,
        tool_call_id=call.id,
        tool_call_call_id=call.call_id,
        arguments=changed_to,
    )
    return Outcome(result=result, message=_message(call, f"Error: {text}", changed_to))


def _message(call: ToolCall, value: Any, changed_to: dict[str, Any] | None = None) -> Message:
    """What the model reads of a call; a line before it says with which arguments, where those are not its own."""
    before = ""
    if changed_to is not None:
        before = f"The user changed the arguments of this call and approved it with: {to_text(changed_to)}\n"
    return Message(role="tool", content=_told(value, before), tool_call_id=call.id, name=call.function.name)


def _told(value: Any, before: str = "") -> str | list[dict[str, Any]]:
    """A result as the content of a message: as text, with the images in it as parts of their own."""
    if isinstance(value, str) and not value.startswith("data:image/"):
        return sayable(before + value)
    plain = to_plain(value)
    return content_of(sayable(before + to_text(without_images(plain))), plain)
