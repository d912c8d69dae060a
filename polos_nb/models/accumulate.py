"""Puts a streamed answer together from its deltas, signed thinking included."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from polos_nb.messages import ToolCall, ToolCallFunction, Usage
from polos_nb.models.base import ModelResponse, Piece, ReasoningPiece, TextPiece, ToolCallPiece

_FINISH = {
    "function_call": "tool_calls",
    "tool_calls": "tool_calls",
    "length": "length",
    "content_filter": "content_filter",
}


class _Call:
    """One tool call that is still arriving."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.id = ""
        self.name = ""
        self.arguments = ""
        self.fields: dict[str, Any] = {}


class Accumulator:
    """Collects the chunks of one answer; `add` gives the pieces of a chunk, `response` the whole."""

    def __init__(self, provider: str, model: str) -> None:
        self._provider = provider
        self._model = model
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._blocks: list[dict[str, Any]] = []
        self._fields: dict[str, Any] = {}
        self._items: list[Any] = []
        self._usage: Any = None
        self.finish_reason: str | None = None

    def add(self, chunk: Any) -> list[Piece]:
        """Take one chunk of litellm's stream and say what is new in it."""
        self._usage = getattr(chunk, "usage", None) or self._usage
        self._model = getattr(chunk, "model", None) or self._model
        pieces: list[Piece] = []
        for choice in chunk.choices or ():
            delta = choice.delta
            self.finish_reason = choice.finish_reason or self.finish_reason
            if reasoning := getattr(delta, "reasoning_content", None):
                self._reasoning.append(reasoning)
                pieces.append(ReasoningPiece(reasoning))
            for block in getattr(delta, "thinking_blocks", None) or ():
                self._add_block(dict(block))
            if text := getattr(delta, "content", None):
                self._text.append(text)
                pieces.append(TextPiece(text))
            for call in getattr(delta, "tool_calls", None) or ():
                pieces.append(self._add_call(call))
            self._items += getattr(delta, "reasoning_items", None) or ()
            self._add_fields(getattr(delta, "provider_specific_fields", None) or {})
        return pieces

    def _add_block(self, block: dict[str, Any]) -> None:
        """Thinking comes in parts without a signature; the signature ends the block.

        Some versions of litellm repeat the whole text beside the signature. The provider signs the text once,
        so a repeated one must not be added again.
        """
        block = {name: value for name, value in block.items() if value is not None}
        signature = block.get("signature")
        last = self._blocks[-1] if self._blocks else None
        open_ = last is not None and last.get("type") == "thinking" and not last.get("signature")
        if block.get("type") != "thinking" or not open_ or last is None:
            self._blocks.append(block)
            return
        text = str(block.get("thinking") or "")
        if not (signature and text == last.get("thinking")):
            last["thinking"] = last.get("thinking", "") + text
        if signature:
            last["signature"] = signature

    def _add_call(self, delta: Any) -> ToolCallPiece:
        function = delta.function
        index = delta.index if delta.index is not None else len(self._calls)
        call = self._by_index.get(index)
        # Providers that send calls whole may give all of them the same index.
        if call is None or (delta.id and call.id and delta.id != call.id):
            call = _Call(len(self._calls))
            self._calls.append(call)
            self._by_index[index] = call
        call.id = call.id or delta.id or ""
        new_name = "" if call.name else (getattr(function, "name", None) or "")
        call.name = call.name or new_name
        arguments = getattr(function, "arguments", None) or ""
        call.arguments += arguments
        call.fields.update(getattr(delta, "provider_specific_fields", None) or {})
        return ToolCallPiece(call.at, new_name, arguments)

    def _add_fields(self, fields: dict[str, Any]) -> None:
        for name, value in fields.items():
            # Thinking is kept by itself, put together from its parts.
            if name in ("thinking_blocks", "reasoning_content") or value is None:
                continue
            old = self._fields.get(name)
            self._fields[name] = [*old, *value] if isinstance(old, list) and isinstance(value, list) else value

    def _extra(self) -> dict[str, Any] | None:
        extra = {
            "thinking_blocks": [block for block in self._blocks if block.get("type") != "thinking" or _signed(block)],
            "provider_specific_fields": self._fields,
            "reasoning_items": self._items,
        }
        kept = {name: value for name, value in extra.items() if value}
        return {"provider": self._provider, **kept} if kept else None

    def _tool_call(self, call: _Call) -> ToolCall:
        return ToolCall(
            id=call.id or f"call_{uuid4().hex[:24]}",
            function=ToolCallFunction(name=call.name, arguments=call.arguments or "{}"),
            extra={"provider": self._provider, "provider_specific_fields": call.fields} if call.fields else None,
        )

    def response(self) -> ModelResponse:
        """The whole answer, to be asked for after the last chunk."""
        calls = [self._tool_call(call) for call in self._calls]
        finish = _FINISH.get(self.finish_reason or "", "stop")
        if finish == "tool_calls" and not calls:
            finish = "stop"  # the call that litellm made the model put a JSON answer into, and took out again
        return ModelResponse(
            text="".join(self._text),
            tool_calls=calls,
            usage=_usage(self._usage),
            finish_reason="tool_calls" if calls and finish == "stop" else finish,
            reasoning="".join(self._reasoning) or None,
            extra=self._extra(),
            model=self._model,
        )


def _signed(block: dict[str, Any]) -> bool:
    return bool(block.get("signature"))


def _usage(usage: Any) -> Usage:
    if usage is None:
        return Usage()
    given = getattr(usage, "prompt_tokens", 0) or 0
    made = getattr(usage, "completion_tokens", 0) or 0
    inputs = getattr(usage, "prompt_tokens_details", None)
    outputs = getattr(usage, "completion_tokens_details", None)
    return Usage(
        input_tokens=given,
        output_tokens=made,
        total_tokens=getattr(usage, "total_tokens", 0) or given + made,
        cache_read_input_tokens=getattr(inputs, "cached_tokens", None),
        cache_creation_input_tokens=getattr(inputs, "cache_creation_tokens", None),
        reasoning_output_tokens=getattr(outputs, "reasoning_tokens", None),
    )
