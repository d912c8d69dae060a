"""The agent loop: ask the model, call its tools, until there is an answer or a reason to stop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from polos_nb.agents import AgentRunConfig
from polos_nb.durable.fingerprint import StepCall
from polos_nb.durable.retry import Retry, passing_failure
from polos_nb.durable.steps import Attempt, StepFailure, Steps
from polos_nb.errors import ModelUnavailable, OutputError, RunError
from polos_nb.messages import AgentResult, Message, Step, ToolCall, ToolResult, Usage, total_usage
from polos_nb.models.base import ModelRequest, ModelResponse, Piece, ReasoningPiece, TextPiece
from polos_nb.redaction import StreamRedactor
from polos_nb.run_events import ReasoningDelta, StreamStarted, TextDelta, ToolCallRequested
from polos_nb.runtime.calls import Outcome, ToolCalls
from polos_nb.runtime.requests import (
    FINAL_ANSWER,
    MessageLog,
    llm_parts,
    parameters,
    response_schema,
    sayable,
    tool_definitions,
    user_messages,
)
from polos_nb.schema import parse_output, schema_name
from polos_nb.settings import Settings
from polos_nb.stop_conditions import StopConditionContext

Ask = Callable[[ModelRequest], AsyncIterator[Piece | ModelResponse]]


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
        self._ask = ask
        self._settings = settings
        system = [Message(role="system", content=self.agent.system_prompt)] if self.agent.system_prompt else []
        self._added = user_messages(config.input)
        self._log = MessageLog([*system, *history, *self._added])
        self._tools = tool_definitions(self.agent)
        self._schema, self._schema_name = response_schema(self.agent)
        self._params = parameters(config)
        self._turns: list[Step] = []
        self._repaired = False

    @property
    def new_messages(self) -> list[Message]:
        """What this run adds to its conversation."""
        return list(self._added)

    async def run(self) -> AgentResult:
        """Drive to the end. Raises RunError or OutputError when there is no answer to give."""
        while True:
            number = len(self._turns) + 1
            response = await self._answer(number)
            outcomes = await self._calls(number, response.tool_calls)
            self._turns.append(_turn(number, response, outcomes))
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
    async def _answer(self, number: int) -> ModelResponse:
        call = StepCall(
            key=f"{number}.llm",
            kind="llm",
            name="llm",
            parts=llm_parts(self.agent, self._log, self._tools, self._schema, self._params),
            request={
                "model": f"{self.agent.provider}/{self.agent.model_name}",
                "messages": len(self._log.messages),
            },
            blobs=self._log.take_blobs(),
        )
        slot = self._steps.reserve(call)
        request = self._request()

        async def execute(attempt: Attempt) -> dict[str, Any]:
            return await self._stream(request, slot.path)

        retry = Retry(max_retries=2, base_delay=self._settings.retry_delay, should_retry=passing_failure)
        try:
            answer = await self._steps.perform(slot, execute, retry=retry, usage_of=_usage_of)
        except StepFailure as failure:
            raise RunError(
                f"step {slot.path}: {failure.text}", run_id=self._steps.book.run.id, step_key=slot.path
            ) from None  # the cause may quote the request; its text is kept with the step
        response = _revive(answer.value)
        self._say(response.message())
        return response

    def _request(self) -> ModelRequest:
        return ModelRequest(
            provider=self.agent.provider,
            model=self.agent.model_name,
            messages=list(self._log.messages),
            tools=self._tools,
            output_schema=self._schema,
            output_name=self._schema_name,
            params=self._params,
            api_key=self.agent.api_key,
            base_url=self.agent.provider_base_url,
        )

    async def _stream(self, request: ModelRequest, path: str) -> dict[str, Any]:
        book = self._steps.book
        about = {"step_key": path, "step_type": "llm", "name": "llm"}
        book.emit(StreamStarted, **about)
        response: ModelResponse | None = None
        said, thought = StreamRedactor(book.redactor), StreamRedactor(book.redactor)
        async for piece in self._ask(request):
            if isinstance(piece, TextPiece):
                self._pass_on(TextDelta, said.feed(piece.text), about)
            elif isinstance(piece, ReasoningPiece):
                self._pass_on(ReasoningDelta, thought.feed(piece.text), about)
            elif isinstance(piece, ModelResponse):
                response = piece
        self._pass_on(ReasoningDelta, thought.flush(), about)
        self._pass_on(TextDelta, said.flush(), about)
        if response is None:
            raise ModelUnavailable(f"{request.provider} ended the stream without an answer", provider=request.provider)
        return _kept(response)

    def _pass_on(self, kind: type[TextDelta] | type[ReasoningDelta], text: str, about: dict[str, str]) -> None:
        if text:
            self._steps.book.emit(kind, text=text, **about)

    async def _calls(self, number: int, calls: list[ToolCall]) -> list[Outcome]:
        for call in calls:
            self._steps.book.emit(
                ToolCallRequested,
                step_key=f"{number}.llm",
                step_type="llm",
                name=call.function.name,
                call_id=call.id,
                arguments=call.function.arguments,
            )
        asked = [call for call in calls if call.function.name != FINAL_ANSWER or self._schema_tool() is False]
        outcomes = iter(await ToolCalls(self.config, self._steps, number).perform(asked))
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


def _turn(number: int, response: ModelResponse, outcomes: list[Outcome]) -> Step:
    return Step(
        step=number,
        content=response.text or None,
        tool_calls=response.tool_calls,
        tool_results=[outcome.result for outcome in outcomes],
        usage=response.usage,
    )


def _tool_message(call: ToolCall, text: str) -> Message:
    return Message(role="tool", content=text, tool_call_id=call.id, name=call.function.name)


def _kept(response: ModelResponse) -> dict[str, Any]:
    return {
        "text": sayable(response.text),
        "tool_calls": [_kept_call(call) for call in response.tool_calls],
        "usage": response.usage.model_dump(mode="json", exclude_none=True),
        "finish_reason": response.finish_reason,
        "reasoning": sayable(response.reasoning) if response.reasoning else response.reasoning,
        "extra": response.extra,
        "model": response.model,
    }


def _kept_call(call: ToolCall) -> dict[str, Any]:
    said = call.model_dump(mode="python", exclude_none=True)
    function = {name: sayable(value) if isinstance(value, str) else value for name, value in said["function"].items()}
    return said | {"function": function}


def _revive(kept: dict[str, Any]) -> ModelResponse:
    return ModelResponse(
        text=kept["text"],
        tool_calls=[ToolCall.model_validate(call) for call in kept["tool_calls"]],
        usage=Usage.model_validate(kept["usage"]),
        finish_reason=kept["finish_reason"],
        reasoning=kept.get("reasoning"),
        extra=kept.get("extra"),
        model=kept.get("model", ""),
    )


def _usage_of(kept: Any) -> Usage | None:
    return Usage.model_validate(kept["usage"])


__all__ = ["AgentLoop", "Ask"]
