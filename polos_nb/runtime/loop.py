"""The agent loop: ask the model, call its tools, until there is an answer or a reason to stop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from polos_nb.agents import AgentRunConfig
from polos_nb.compaction import marked, remembered
from polos_nb.durable.steps import Steps
from polos_nb.errors import OutputError
from polos_nb.messages import AgentResult, Message, Step, ToolCall, ToolResult, Usage, total_usage
from polos_nb.models.base import ModelRequest, ModelResponse
from polos_nb.run_events import ToolCallRequested
from polos_nb.runtime.agent_hooks import AgentHooks, Asking
from polos_nb.runtime.calls import Outcome, ToolCalls
from polos_nb.runtime.compacting import Compacting
from polos_nb.runtime.guarding import Guards
from polos_nb.runtime.model_calls import Ask, ModelCalls
from polos_nb.runtime.requests import (
    FINAL_ANSWER,
    MessageLog,
    response_schema,
    tool_definitions,
    user_messages,
)
from polos_nb.schema import parse_output, schema_name
from polos_nb.settings import Settings
from polos_nb.stop_conditions import StopConditionContext


class AgentLoop:
    """One pass of an agent over one input.

    `history` are the messages of the conversation so far; `new_messages` is what this run adds to it.
    """

    def __init__(
        self, config: AgentRunConfig, steps: Steps, ask: Ask, settings: Settings, history: list[Message]
    ) -> None:
        self.config = config
        self.agent = config.agent
        self._steps = steps
        self._settings = settings
        self._models = ModelCalls(ask, settings.retry_delay)
        self._hooks = AgentHooks(config, steps, settings.retry_delay)
        self._guards = Guards(config, steps, self._models, settings.retry_delay)
        self._compacting = Compacting(config, steps, self._models, settings.retry_delay)
        self._history = remembered(history)
        self._added: list[Message] = []
        self._system: Message | None = None
        self._log = MessageLog([])
        self._tools = tool_definitions(self.agent)
        self._schema, self._schema_name = response_schema(self.agent)
        self._asking = Asking.of(config)
        self._as_kept = True  # whether the messages are those of the conversation: no hook has changed them
        self._turns: list[Step] = []
        self._repaired = False

    @property
    def new_messages(self) -> list[Message]:
        """What this run adds to its conversation."""
        return list(self._added)

    async def run(self) -> AgentResult:
        """Drive to the end. Raises RunError or OutputError when there is no answer to give."""
        self.config = await self._hooks.start()
        self._asking = Asking.of(self.config)
        self._added = user_messages(self.config.input)
        self._log_again([*self._history, *self._added])
        result = await self._hooks.end(await self._answered())
        return replace(result, cached=self._steps.book.executed == 0)

    async def _answered(self) -> AgentResult:
        while True:
            number = len(self._turns) + 1
            key, response, usage = await self._answer(number)
            outcomes = await self._calls(number, key, response.tool_calls)
            turn = _turn(number, response, outcomes, usage)
            seen = await self._hooks.step_end(number, self._log, self._said(), turn, self._turns, self._asking)
            self._turns.append(seen)
            if seen.content != turn.content:
                response = replace(response, text=seen.content or "")
            for outcome in outcomes:
                self._say(outcome.message)
            ended = self._ended(response, outcomes)
            if ended is not None:
                return ended
            if outcomes:
                reason = await self._stop_reason()
                if reason is not None:
                    return self._result(self._partial(response), reason)

    # -- one turn -----------------------------------------------------------------------------------------------------
    async def _answer(self, number: int) -> tuple[str, ModelResponse, Usage]:
        """What the model says: the step that said it, and the tokens of all that was asked for it."""
        changed = await self._hooks.step_start(number, self._log, self._said(), self._turns, self._asking)
        if changed is not None:
            self._as_kept = False
            self._log_again(changed)
        usage = await self._compact(number)
        key, request = f"{number}.llm", self._request()
        if self.agent.guardrails:
            passed = await self._guards.answer(number, request, self._log, self._turns, self._asking)
            key, response, spent = passed.key, passed.response, passed.usage
            if passed.asking != self._asking:
                self._asking, said = passed.asking, self._said()
                self._log_again(said)
        else:
            response = await self._models.perform(self._steps, key, request, self._log)
            spent = response.usage
        self._say(response.message())
        return key, response, usage + spent if usage.total_tokens else spent

    async def _compact(self, number: int) -> Usage:
        made = await self._compacting.compact(number, self._request, self._said())
        if made is None:
            return Usage()
        if number == 1 and self._as_kept and self._said()[-len(made.kept) :] == list(made.kept):
            # The next turn begins with this summary, instead of making one of a longer conversation again.
            self._added.insert(0, marked(made.summary, max(0, len(made.kept) - len(self._added))))
        self._log_again(made.messages)
        return made.usage

    def _said(self) -> list[Message]:
        """The messages without the system prompt."""
        return [message for message in self._log.messages if message is not self._system]

    def _log_again(self, messages: list[Message]) -> None:
        prompt = self._asking.prompt
        self._system = Message(role="system", content=prompt) if prompt else None
        self._log = MessageLog([*([self._system] if self._system else []), *messages])

    def _request(self) -> ModelRequest:
        asking = self._asking
        return ModelRequest(
            provider=asking.provider,
            model=asking.model,
            messages=list(self._log.messages),
            tools=self._tools,
            output_schema=self._schema,
            output_name=self._schema_name,
            params=dict(asking.params),
            api_key=self.agent.api_key,
            base_url=self.agent.provider_base_url,
            timeout=self.agent.timeout,
            max_retries=self.agent.max_retries,
            fallbacks=self.agent.fallbacks,
        )

    async def _calls(self, number: int, key: str, calls: list[ToolCall]) -> list[Outcome]:
        for call in calls:
            self._steps.book.emit(
                ToolCallRequested,
                step_key=key,
                step_type="llm",
                name=call.function.name,
                call_id=call.id,
                arguments=call.function.arguments,
            )
        asked = [call for call in calls if call.function.name != FINAL_ANSWER or self._schema_tool() is False]
        outcomes = iter(
            await ToolCalls(self.config, self._steps, number, self._hooks, self._turns, self._asking).perform(asked)
        )
        return [
            self._final_answer(call) if call not in asked else next(outcomes)  # keeps the order of the calls
            for call in calls
        ]

    def _say(self, message: Message) -> None:
        self._log.add(message)
        self._added.append(message)

    # -- the end ------------------------------------------------------------------------------------------------------
    def _ended(self, response: ModelResponse, outcomes: list[Outcome]) -> AgentResult | None:
        finals = [outcome for outcome in outcomes if outcome.final]
        if finals:
            final = next((outcome for outcome in finals if outcome.result.status == "completed"), finals[0])
            if final.result.status == "completed":
                return self._result(final.result.result, "end")
            if self._repaired:
                raise OutputError(final.result.error or "", text=final.text)
            self._repaired = True
            return None
        if outcomes:
            return None
        if self.agent.output_schema is None:
            return self._result(response.text, "end" if response.finish_reason == "stop" else response.finish_reason)
        try:
            return self._result(parse_output(self.agent.output_schema, response.text), "end")
        except OutputError as error:
            if self._repaired or response.finish_reason == "length":
                raise OutputError(
                    f"the answer of {self.agent.id} does not fit {schema_name(self.agent.output_schema)}: {error}",
                    text=response.text,
                ) from None
            self._repaired = True
            how = f"call {FINAL_ANSWER}" if self._schema_tool() else "answer with JSON that fits the schema only"
            self._say(Message(role="user", content=f"Your answer does not fit: {error} Please {how}."))
            return None

    def _schema_tool(self) -> bool:
        return self.agent.output_schema is not None and bool(self.agent.tools)

    def _final_answer(self, call: ToolCall) -> Outcome:
        text = call.function.arguments
        about: dict[str, Any] = {"tool_name": FINAL_ANSWER, "tool_call_id": call.id}
        try:
            value = parse_output(self.agent.output_schema, text)
        except OutputError as error:
            said = f"Error: {error} Call {FINAL_ANSWER} again with arguments that fit."
            result = ToolResult(status="failed", error=str(error), **about)
            return Outcome(result=result, message=_tool_message(call, said), final=True, text=text)
        result = ToolResult(result=value, **about)
        return Outcome(result=result, message=_tool_message(call, "ok"), final=True, text=text)

    def _partial(self, response: ModelResponse) -> Any:
        """What a run that is stopped has to show: its text, or the structured answer if it is one already."""
        if self.agent.output_schema is None:
            return response.text or None
        try:
            return parse_output(self.agent.output_schema, response.text)
        except OutputError:
            return None

    async def _stop_reason(self) -> str | None:
        context = StopConditionContext(steps=self._turns, agent_id=self.agent.id, agent_run_id=self._steps.book.run.id)
        for condition in self.agent.stop_conditions:
            if await condition.holds(context):
                return condition.name
        if any(condition.name == "max_steps" for condition in self.agent.stop_conditions):
            return None
        return "max_steps" if len(self._turns) >= self._settings.max_steps else None

    def _result(self, value: Any, reason: str) -> AgentResult:
        schema = self.agent.output_schema
        return AgentResult(
            agent_run_id=self._steps.book.run.id,
            agent_id=self.agent.id,
            result=value,
            result_schema=schema_name(schema) if schema is not None else None,
            tool_results=[
                result for turn in self._turns for result in turn.tool_results if result.tool_name != FINAL_ANSWER
            ],
            total_steps=len(self._turns),
            usage=total_usage(turn.usage for turn in self._turns),
            stop_reason=reason,
            steps=list(self._turns),
            cached=self._steps.book.executed == 0,
        )


def _turn(number: int, response: ModelResponse, outcomes: list[Outcome], usage: Usage) -> Step:
    return Step(
        step=number,
        content=response.text or None,
        tool_calls=response.tool_calls,
        tool_results=[outcome.result for outcome in outcomes],
        usage=usage,
    )


def _tool_message(call: ToolCall, text: str) -> Message:
    return Message(role="tool", content=text, tool_call_id=call.id, name=call.function.name)


__all__ = ["AgentLoop", "Ask"]
