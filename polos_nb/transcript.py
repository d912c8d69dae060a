"""What a reader sees of a run, folded from its events; the one source of every rendering."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from polos_nb.events import (
    Event,
    ReasoningDelta,
    RunFinished,
    RunStarted,
    StepEvent,
    StepFailed,
    StepFinished,
    StepStarted,
    StreamStarted,
    TextDelta,
    ToolCallRequested,
)
from polos_nb.messages import total_usage
from polos_nb.safe_text import Limits, json_text
from polos_nb.transcript_items import AnswerItem, Call, Item, RunView, StepItem, ToolItem
from polos_nb.transcript_text import live_text, markdown_text, plain_text

__all__ = ["AnswerItem", "Call", "Item", "StepItem", "ToolItem", "Transcript"]


@dataclass(kw_only=True)
class Transcript(RunView):
    """A run, folded from events one at a time; live events and those of a replay give the same transcript.

    Only `run_id`, durations, `cached`, `resumed`, `replayed`, `why` and `cost` differ; see `volatile`.

        transcript = Transcript()
        for event in events:
            transcript.add(event)
        print(transcript.to_text())
    """

    _by_key: dict[str, Item] = field(default_factory=dict, repr=False, compare=False)

    def add(self, event: Event) -> None:
        """Fold one event. A step that is told twice stays one item; a run that starts over starts empty."""
        self.version += 1
        self.run_id = event.run_id or self.run_id
        self.target_id = event.target_id or self.target_id
        if isinstance(event, RunStarted):
            self._start(event)
        elif isinstance(event, RunFinished):
            self._finish(event)
        elif isinstance(event, StepEvent):
            self._step(event)

    def to_text(self, limits: Limits | None = None) -> str:
        """Plain text: the answer, then the trace. Free of ids, times, cost and cache state."""
        return plain_text(self, limits or Limits())

    def to_markdown(self, limits: Limits | None = None) -> str:
        """Markdown: the answer, then the trace as a list. Free of ids, times, cost and cache state, and of HTML."""
        return markdown_text(self, limits or Limits())

    def live_text(self) -> str:
        """One line per step with its state, for a terminal while the run goes on."""
        return live_text(self)

    # -- folding ----------------------------------------------------------------------------------------------------
    def _start(self, event: RunStarted) -> None:
        self.items, self._by_key = [], {}
        self.kind, self.input = event.kind, event.input
        self.provider, self.model = event.provider, event.model
        self.conversation_id = event.conversation_id
        self.resumed, self.replayed = event.resumed, event.replayed
        self.status, self.error, self.result, self.stop_reason = "running", None, None, "end"
        self.usage, self.seconds = total_usage([]), None

    def _finish(self, event: RunFinished) -> None:
        self.status, self.result, self.error = event.status, event.result, event.error
        self.stop_reason, self.usage, self.seconds = event.stop_reason, event.usage, event.seconds
        for item in self.walk():
            if item.open:
                item.state = "stopped"

    def _step(self, event: StepEvent) -> None:
        item = self._item(event)
        if isinstance(event, StepStarted):
            _begin(item, event)
        elif isinstance(event, StepFinished):
            _complete(item, event)
            self.usage = total_usage(i.usage for i in self.walk() if isinstance(i, AnswerItem))
        elif isinstance(event, StepFailed):
            item.state = "failed" if event.retry_in is None else "retrying"
            item.error, item.seconds, item.why = event.error, event.seconds, event.why or item.why
            _take_request(item, event.request)
        elif isinstance(item, AnswerItem):
            _stream(item, event)
        if isinstance(item, ToolItem) and (isinstance(event, StepStarted) or item.cached):
            _in_call_order(self._siblings(item))

    def _item(self, event: StepEvent) -> Item:
        known = self._by_key.get(event.step_key)
        if known is not None:
            return known
        streams = isinstance(event, (StreamStarted, TextDelta, ReasoningDelta, ToolCallRequested))
        item = _new_item(event, "llm" if streams else event.step_type)
        self._by_key[event.step_key] = item
        self._siblings(item).append(item)
        for early in [other for other in self.items if other.parent == item.step_key]:
            self.items.remove(early)  # it was told before the step it happens in
            item.children.append(early)
        return item

    def _siblings(self, item: Item) -> list[Item]:
        parent = self._by_key.get(item.parent) if item.parent else None
        return self.items if parent is None or parent is item else parent.children


def _new_item(event: StepEvent, step_type: str) -> Item:
    # The name of a requested call is the tool's, not the step's.
    name = "" if isinstance(event, ToolCallRequested) else event.name
    key, parent = event.step_key, event.parent
    if step_type == "llm":
        return AnswerItem(step_key=key, name=name, parent=parent)
    if step_type == "tool":
        return ToolItem(step_key=key, name=name, parent=parent)
    return StepItem(step_key=key, name=name, parent=parent, kind=step_type)


def _take_request(item: Item, request: dict[str, Any]) -> None:
    if isinstance(item, ToolItem) and "arguments" in request:
        item.arguments = request["arguments"]
    elif isinstance(item, AnswerItem):
        item.model = str(request.get("model") or item.model)


def _begin(item: Item, event: StepStarted) -> None:
    item.state, item.error, item.cached, item.why = "running", None, False, event.why
    item.name = event.name or item.name
    _take_request(item, event.request)
    if isinstance(item, AnswerItem):
        item.text, item.reasoning, item.tool_calls = "", "", []


def _complete(item: Item, event: StepFinished) -> None:
    item.state, item.error, item.cached, item.seconds = "done", None, event.cached, event.seconds
    item.name, item.why = event.name or item.name, event.why or item.why
    _take_request(item, event.request)
    if isinstance(item, AnswerItem):
        said = event.output if isinstance(event.output, dict) else {"text": event.output}
        item.text, item.reasoning = str(said.get("text") or ""), str(said.get("reasoning") or "")
        item.tool_calls = [_call(entry) for entry in said.get("tool_calls") or []]
        item.usage = event.usage
    elif isinstance(item, ToolItem):
        item.result = event.output
    elif isinstance(item, StepItem):
        item.output = event.output


def _call(entry: dict[str, Any]) -> Call:
    function = entry.get("function") or {}
    return Call(
        name=str(function.get("name", "")),
        arguments=str(function.get("arguments") or "{}"),
        call_id=str(entry.get("id", "")),
    )


def _stream(item: AnswerItem, event: StepEvent) -> None:
    if item.state == "done":
        return  # the kept answer is the whole answer
    if isinstance(event, StreamStarted):
        item.text, item.reasoning, item.tool_calls, item.state = "", "", [], "running"
    elif isinstance(event, TextDelta):
        item.text += event.text
    elif isinstance(event, ReasoningDelta):
        item.reasoning += event.text
    elif isinstance(event, ToolCallRequested):
        item.tool_calls.append(Call(name=event.name, arguments=event.arguments, call_id=event.call_id))


def _in_call_order(siblings: list[Item]) -> None:
    """Sort the tools behind the last answer as the model asked for them, whichever started or finished first."""
    last = next((n for n in range(len(siblings) - 1, -1, -1) if isinstance(siblings[n], AnswerItem)), None)
    if last is None:
        return
    answer, group = siblings[last], siblings[last + 1 :]
    assert isinstance(answer, AnswerItem)
    tools = sorted((item for item in group if isinstance(item, ToolItem)), key=lambda i: _natural(i.step_key))
    said = {tool.step_key: json_text(tool.arguments) for tool in tools}
    order: list[Item] = []
    for call in answer.tool_calls:
        named = [tool for tool in tools if tool.name == call.name]
        if named:
            value = json_text(call.value)
            chosen = next((tool for tool in named if said[tool.step_key] == value), named[0])
            tools.remove(chosen)
            order.append(chosen)
    placed = {item.step_key for item in order}
    siblings[last + 1 :] = order + [item for item in group if item.step_key not in placed]


def _natural(key: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", key)]
