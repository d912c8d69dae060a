"""What happens while a run is driven: transient facts, named like the events of Polos, folded by `Transcript`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from polos_nb.messages import Usage

_WORKFLOWS = ("tool", "agent", "workflow")


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of all events. `target_id` is the agent or tool of the run `run_id`; `at` is seconds since 1970."""

    run_id: str = ""
    target_id: str = ""
    kind: str = "agent"
    at: float = 0.0

    @property
    def event_type(self) -> str:
        """The name of this event in Polos' vocabulary; each kind has its own."""
        return "event"

    @property
    def data(self) -> dict[str, Any]:
        """The event's data in Polos' shape."""
        return {"_metadata": {"execution_id": self.run_id, "workflow_id": self.target_id}}


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    """A run is being driven. `resumed` when an earlier pass left it unfinished, `replayed` when it was complete."""

    input: Any = None
    provider: str = ""
    model: str = ""
    conversation_id: str | None = None
    resumed: bool = False
    replayed: bool = False

    @property
    def event_type(self) -> str:
        """`agent_start`, `tool_start` or `workflow_start`."""
        return f"{self.kind}_start"

    @property
    def data(self) -> dict[str, Any]:
        """`payload`, as given."""
        return super().data | {"payload": self.input}


@dataclass(frozen=True, kw_only=True)
class RunFinished(Event):
    """A run ended: `status` is completed, failed, cancelled or suspended. `error` is one sentence."""

    status: str = "completed"
    result: Any = None
    error: str | None = None
    stop_reason: str = "end"
    usage: Usage = field(default_factory=Usage)
    steps: int = 0
    cached_steps: int = 0
    seconds: float | None = None

    @property
    def event_type(self) -> str:
        """`agent_finish`, or `workflow_cancel` when it was stopped."""
        return "workflow_cancel" if self.status == "cancelled" else f"{self.kind}_finish"

    @property
    def data(self) -> dict[str, Any]:
        """`result` and `status`, and `error` where there is one."""
        out = super().data | {"result": self.result, "status": self.status}
        return out | {"error": self.error} if self.error else out


@dataclass(frozen=True, kw_only=True)
class StepEvent(Event):
    """Something about one step. `parent` is the key of the step it happens in, "" at the top."""

    step_key: str = ""
    step_type: str = "run"
    name: str = ""
    parent: str = ""

    @property
    def data(self) -> dict[str, Any]:
        """`step_key` and `step_type`."""
        return super().data | {"step_key": self.step_key, "step_type": self.step_type}


@dataclass(frozen=True, kw_only=True)
class StepStarted(StepEvent):
    """A step is being executed (it did not answer from the store). `why` says what made it run again."""

    request: dict[str, Any] = field(default_factory=dict)
    why: str = ""

    @property
    def event_type(self) -> str:
        """`tool_start` for tools, `agent_start` and `workflow_start` for nested runs, else `step_start`."""
        return f"{self.step_type if self.step_type in _WORKFLOWS else 'step'}_start"

    @property
    def data(self) -> dict[str, Any]:
        """`data` holds the request; for a tool also `payload`."""
        return super().data | {"data": self.request, "payload": self.request.get("arguments")}


@dataclass(frozen=True, kw_only=True)
class StepFinished(StepEvent):
    """A step has its answer, and it is kept. `cached` when the store had it; `output` is plain JSON data."""

    request: dict[str, Any] = field(default_factory=dict)
    output: Any = None
    cached: bool = False
    usage: Usage | None = None
    seconds: float | None = None
    attempts: int = 1
    why: str = ""

    @property
    def event_type(self) -> str:
        """`tool_finish` for tools, `agent_finish` and `workflow_finish` for nested runs, else `step_finish`."""
        return f"{self.step_type if self.step_type in _WORKFLOWS else 'step'}_finish"

    @property
    def data(self) -> dict[str, Any]:
        """`data.result` is the answer."""
        return super().data | {"data": {"result": self.output}, "result": self.output, "cached": self.cached}


@dataclass(frozen=True, kw_only=True)
class StepFailed(StepEvent):
    """An attempt failed. With `retry_in` (seconds) it is tried again; without, the step has failed."""

    request: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    retry_in: float | None = None
    attempt: int = 1
    seconds: float | None = None
    why: str = ""

    @property
    def event_type(self) -> str:
        """`step_finish` with an `error`, as in Polos; `step_retry` when it will be tried again."""
        return "step_retry" if self.retry_in is not None else "step_finish"

    @property
    def data(self) -> dict[str, Any]:
        """`error`, and `retry_in` when it will be tried again."""
        return super().data | {"error": self.error, "retry_in": self.retry_in, "attempt": self.attempt}


@dataclass(frozen=True, kw_only=True)
class StreamStarted(StepEvent):
    """A model starts to answer. What it streamed before under this step key is void."""

    @property
    def event_type(self) -> str:
        """`stream_start`."""
        return "stream_start"

    @property
    def data(self) -> dict[str, Any]:
        """`step` is the step key."""
        return super().data | {"step": self.step_key}


@dataclass(frozen=True, kw_only=True)
class TextDelta(StepEvent):
    """A piece of the answer's text."""

    text: str = ""

    @property
    def event_type(self) -> str:
        """`text_delta`."""
        return "text_delta"

    @property
    def data(self) -> dict[str, Any]:
        """`content` is the piece."""
        return super().data | {"step": self.step_key, "content": self.text}


@dataclass(frozen=True, kw_only=True)
class AnswerPassed(StepEvent):
    """An answer that was held back has passed its guardrails: `text` and `tool_calls` as they are after them."""

    text: str = ""
    tool_calls: list[dict[str, Any]] = field(default_factory=list)

    @property
    def event_type(self) -> str:
        """`text_delta`, which holds the whole text; `answer_passed` for an answer without text."""
        return "text_delta" if self.text else "answer_passed"

    @property
    def data(self) -> dict[str, Any]:
        """`content` is the text."""
        return super().data | {"step": self.step_key, "content": self.text}


@dataclass(frozen=True, kw_only=True)
class ReasoningDelta(StepEvent):
    """A piece of the model's thinking."""

    text: str = ""

    @property
    def event_type(self) -> str:
        """`reasoning_delta`."""
        return "reasoning_delta"

    @property
    def data(self) -> dict[str, Any]:
        """`content` is the piece."""
        return super().data | {"step": self.step_key, "content": self.text}


@dataclass(frozen=True, kw_only=True)
class ToolCallRequested(StepEvent):
    """The model asks for a tool. `arguments` is the JSON text as it wrote it."""

    call_id: str = ""
    arguments: str = ""

    @property
    def event_type(self) -> str:
        """`tool_call`."""
        return "tool_call"

    @property
    def data(self) -> dict[str, Any]:
        """`tool_call` in OpenAI's shape."""
        call = {
            "id": self.call_id,
            "type": "function",
            "function": {"name": self.name, "arguments": self.arguments},
        }
        return super().data | {"step": self.step_key, "tool_call": call}


@dataclass(frozen=True, kw_only=True)
class StepSuspended(StepEvent):
    """A step waits: for the answer to `form` (with the id of its decision), or for `until`, in seconds since 1970.

    `path` is the step's path from the outermost run, which is how an answer names it.
    """

    form: dict[str, Any] | None = None
    decision: int = 0
    path: str = ""
    until: float | None = None

    @property
    def event_type(self) -> str:
        """`suspend_{step_key}` for a form, `step_wait` for a time or an event."""
        return "step_wait" if self.form is None else f"suspend_{self.step_key}"

    @property
    def data(self) -> dict[str, Any]:
        """The form with what was given beside it, or `until`."""
        return super().data | (self.form if self.form is not None else {"until": self.until})


@dataclass(frozen=True, kw_only=True)
class StepResumed(StepEvent):
    """What a step waited for has come; `answer` is what a person answered."""

    answer: Any = None
    decided_by: str = ""

    @property
    def event_type(self) -> str:
        """`resume_{step_key}`."""
        return f"resume_{self.step_key}"

    @property
    def data(self) -> dict[str, Any]:
        """The answer."""
        answer = self.answer if isinstance(self.answer, dict) else {"value": self.answer}
        return super().data | answer


@dataclass(frozen=True, kw_only=True)
class StepProgress(StepEvent):
    """How far a `map` or a batch is: `done` of `total`, of which `cached` answered from the store and `failed`."""

    done: int = 0
    total: int = 0
    cached: int = 0
    failed: int = 0

    @property
    def event_type(self) -> str:
        """`step_progress`."""
        return "step_progress"

    @property
    def data(self) -> dict[str, Any]:
        """The counts."""
        counts = {"done": self.done, "total": self.total, "cached": self.cached, "failed": self.failed}
        return super().data | counts


@dataclass(frozen=True, kw_only=True)
class SpanEnded(Event):
    """A measured part of the work is over; see `ctx.step.trace`."""

    name: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def event_type(self) -> str:
        """`span`."""
        return "span"

    @property
    def data(self) -> dict[str, Any]:
        """The name, the attributes and the seconds."""
        return super().data | {"name": self.name, "attributes": self.attributes, "seconds": self.seconds}
