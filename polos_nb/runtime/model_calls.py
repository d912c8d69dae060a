"""The calls of an agent's model, each a step: streamed to the listeners, or held back until somebody has checked it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any

from polos_nb.durable.fingerprint import StepCall
from polos_nb.durable.retry import Retry, passing_failure
from polos_nb.durable.steps import Attempt, StepFailure, Steps
from polos_nb.errors import ModelUnavailable, RunError
from polos_nb.messages import ToolCall, Usage
from polos_nb.models.base import ModelRequest, ModelResponse, Piece, ReasoningPiece, Restarted, TextPiece
from polos_nb.redaction import StreamRedactor
from polos_nb.run_events import ReasoningDelta, StreamStarted, TextDelta
from polos_nb.runtime.budget import allow, has_budget, settle
from polos_nb.runtime.requests import MessageLog, llm_parts, sayable

Ask = Callable[[ModelRequest], AsyncIterator[Piece | ModelResponse]]


class ModelCalls:
    """Asks a model in the steps of a run, or inside one of them."""

    def __init__(self, ask: Ask, retry_delay: float) -> None:
        self._ask = ask
        self._retry = Retry(max_retries=2, base_delay=retry_delay, should_retry=passing_failure)

    async def perform(
        self,
        steps: Steps,
        key: str,
        request: ModelRequest,
        log: MessageLog,
        *,
        held: Sequence[str] = (),
        check: Callable[[str], object] | None = None,
    ) -> ModelResponse:
        """The answer to the messages of `log`; with `held`, nothing of it is told, but who holds it back.

        `check` raises ModelUnavailable for a text that is of no use: the model is asked again, and nothing is kept.
        Raises RunError when the model failed for good.
        """
        call = StepCall(
            key=key,
            kind="llm",
            name="llm",
            parts=llm_parts(request, log),
            request={
                "model": f"{request.provider}/{request.model}",
                "messages": len(log.messages),
                **({"held": list(held)} if held else {}),
            },
            blobs=log.take_blobs(),
        )
        slot = steps.reserve(call)

        async def execute(attempt: Attempt) -> dict[str, Any]:
            await allow(steps, slot, attempt, request)
            about = {"step_key": slot.path, "step_type": "llm", "name": "llm", "parent": steps.path}
            kept = await self._stream(steps, request, about, silent=bool(held))
            if check is not None:
                check(kept["text"])
            return kept

        try:
            answer = await steps.perform(
                slot,
                execute,
                retry=replace(self._retry, max_retries=request.max_retries),
                usage_of=_usage_of,
                waits=has_budget(steps),
            )
        except StepFailure as failure:
            raise RunError(
                f"step {slot.path}: {failure.text}", run_id=steps.book.run.id, step_key=slot.path
            ) from None  # the cause may quote the request; its text is kept with the step
        finally:
            settle(steps, slot)
        return _revive(answer.value)

    async def _stream(
        self, steps: Steps, request: ModelRequest, about: dict[str, str], *, silent: bool
    ) -> dict[str, Any]:
        book = steps.book
        book.emit(StreamStarted, **about)
        response: ModelResponse | None = None
        said, thought = StreamRedactor(book.redactor), StreamRedactor(book.redactor)

        def tell(kind: type[TextDelta] | type[ReasoningDelta], text: str) -> None:
            if text and not silent:
                book.emit(kind, text=text, **about)

        async for piece in self._ask(request):
            if isinstance(piece, TextPiece):
                tell(TextDelta, said.feed(piece.text))
            elif isinstance(piece, ReasoningPiece):
                tell(ReasoningDelta, thought.feed(piece.text))
            elif isinstance(piece, Restarted):
                said, thought = StreamRedactor(book.redactor), StreamRedactor(book.redactor)
                book.emit(StreamStarted, **about)
            elif isinstance(piece, ModelResponse):
                response = piece
        tell(ReasoningDelta, thought.flush())
        tell(TextDelta, said.flush())
        if response is None:
            raise ModelUnavailable(f"{request.provider} ended the stream without an answer", provider=request.provider)
        return _kept(response)


def _kept(response: ModelResponse) -> dict[str, Any]:
    return {
        "text": sayable(response.text),
        "tool_calls": [kept_call(call) for call in response.tool_calls],
        "usage": response.usage.model_dump(mode="json", exclude_none=True),
        "finish_reason": response.finish_reason,
        "reasoning": sayable(response.reasoning) if response.reasoning else response.reasoning,
        "extra": response.extra,
        "model": response.model,
        **({"provider": response.provider} if response.provider else {}),
    }


def kept_call(call: ToolCall) -> dict[str, Any]:
    """A call that a model asks for, as it is kept."""
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
        provider=kept.get("provider", ""),
    )


def _usage_of(kept: Any) -> Usage | None:
    return Usage.model_validate(kept["usage"])
