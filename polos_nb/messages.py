"""What is said between a user, a model and its tools, and the result that a caller holds at the end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Role = Literal["system", "user", "assistant", "tool"]


class Usage(BaseModel):
    """Tokens of one model call, or of a whole run. Names follow OpenTelemetry's GenAI conventions.

    `cache_read_input_tokens` and `cache_creation_input_tokens` are part of `input_tokens`;
    `reasoning_output_tokens` is part of `output_tokens`. None means that the provider did not say.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    reasoning_output_tokens: int | None = None

    def __add__(self, other: Usage) -> Usage:
        def add(a: int | None, b: int | None) -> int | None:
            return None if a is None and b is None else (a or 0) + (b or 0)

        sums = {name: add(getattr(self, name), getattr(other, name)) for name in Usage.model_fields}
        return Usage.model_validate(sums)


class ToolCallFunction(BaseModel):
    """The function that a model calls; `arguments` is the JSON text as the model wrote it."""

    name: str
    arguments: str = "{}"


class ToolCall(BaseModel):
    """One call that a model asks for. `id` is the provider's; `extra` carries what must go back unchanged."""

    id: str
    type: Literal["function"] = "function"
    function: ToolCallFunction
    call_id: str | None = None
    extra: dict[str, Any] | None = None


class Message(BaseModel):
    """One message of a conversation, in the shape of OpenAI's chat completions.

    `content` is a text, or a list of content parts; `reasoning` is the model's thinking as text;
    `extra` holds provider blocks (signed thinking) that go back unchanged on the next turn.
    """

    role: Role
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    name: str | None = None
    reasoning: str | None = None
    extra: dict[str, Any] | None = None

    def text(self) -> str:
        """The text of the message, content parts joined by line breaks."""
        if isinstance(self.content, list):
            return "\n".join(str(part.get("text", f"[{part.get('type', 'part')}]")) for part in self.content)
        return self.content or ""


class ToolResult(BaseModel):
    """What a tool call gave: `result` when `status` is "completed", `error` when it is "failed".

    `arguments` are those that the tool was called with where a person changed the model's; else None.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    tool_name: str
    status: Literal["completed", "failed"] = "completed"
    result: Any = None
    result_schema: str | None = None
    error: str | None = None
    tool_call_id: str | None = None
    tool_call_call_id: str | None = None
    arguments: dict[str, Any] | None = None


class Step(BaseModel):
    """One turn of an agent: what the model said, the calls it made and what they gave."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    step: int
    content: str | None = None
    tool_calls: list[ToolCall] = []
    tool_results: list[ToolResult] = []
    usage: Usage | None = None
    raw_output: Any = None


@dataclass(frozen=True, kw_only=True)
class AgentResult:
    """The end of an agent's run.

    `result` is the answer: a text, or an instance of the agent's `output_schema`. `stop_reason` is "end" when the
    model finished by itself, else the name of the condition that stopped it ("max_steps", "max_tokens", ...).
    `cached` says that no step had to execute: everything answered from the store.
    """

    agent_run_id: str
    result: Any = None
    result_schema: str | None = None
    tool_results: list[ToolResult] = field(default_factory=list)
    total_steps: int = 0
    usage: Usage = field(default_factory=Usage)
    stop_reason: str = "end"
    steps: list[Step] = field(default_factory=list, repr=False)
    agent_id: str = ""
    cached: bool = field(default=False, compare=False)

    __polos_volatile__ = ("agent_run_id", "cached")  # a step that takes a result does not depend on these

    @property
    def run_id(self) -> str:
        """The same as `agent_run_id`: the name to give to `%polos show`."""
        return self.agent_run_id

    @classmethod
    def model_validate(cls, value: Any) -> AgentResult:
        """A result of what it was made of: itself, or the mapping that `model_dump` gave."""
        if isinstance(value, cls):
            return value
        known = {name: value[name] for name in cls.__dataclass_fields__ if name in value}
        lists: dict[str, Any] = {"tool_results": ToolResult, "steps": Step}
        for name, kind in lists.items():
            known[name] = [kind.model_validate(item) for item in known.get(name) or []]
        return cls(**{**known, "usage": Usage.model_validate(known.get("usage") or {})})

    def model_dump(self) -> dict[str, Any]:
        """The fields as a dict; `result` stays what it is."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name in ("tool_results", "steps"):
            plain[name] = [item.model_dump() for item in plain[name]]
        return plain | {"usage": self.usage.model_dump()}

    def text(self) -> str:
        """The answer as text; a structured answer as JSON."""
        return as_text(self.result)

    def with_cached(self, cached: bool) -> AgentResult:
        """The same result, marked as answered from the store or not."""
        return replace(self, cached=cached)


def as_text(value: Any) -> str:
    """A value as a person reads it in a sentence: text as it is, models as JSON, None as nothing."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    return str(value)


def total_usage(usages: Iterable[Usage | None]) -> Usage:
    """The sum of usages; missing ones count as nothing."""
    total = Usage()
    for usage in usages:
        if usage is not None:
            total = total + usage
    return total
