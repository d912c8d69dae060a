"""What a reader sees of a run, folded from its events; the one source of every rendering."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from polos_nb.messages import total_usage
from polos_nb.run_events import (
    AnswerPassed,
    Event,
    ReasoningDelta,
    RunFinished,
    RunStarted,
    StepEvent,
    StepFailed,
    StepFinished,
    StepProgress,
    StepResumed,
    StepStarted,
    StepSuspended,
    StreamStarted,
    TextDelta,
    ToolCallRequested,
)
from polos_nb.safe_text import Limits
from polos_nb.transcript_items import AnswerItem, Call, GroupItem, Item, RunItem, RunView, StepItem, ToolItem
from polos_nb.transcript_order import in_call_order
from polos_nb.transcript_text import live_text, markdown_text, plain_text

__all__ = ["AnswerItem", "Call", "GroupItem", "Item", "RunItem", "StepItem", "ToolItem", "Transcript"]

_PLACE = re.compile(r"\[\d+\]")


@dataclass(kw_only=True)
class Transcript(RunView):
    """A run, folded from events one at a time; live events and those of a replay give the same transcript.

    Only `run_id`, times, `cached`, `resumed`, `replayed`, `why`, `cost` and who decided differ; see `volatile`.

        transcript = Transcript()
        for event in events:
            transcript.add(event)
        print(transcript.to_text())
    """

    _by_key: dict[tuple[str, str], Item] = field(default_factory=dict, repr=False, compare=False)
    _by_path: dict[str, Item] = field(default_factory=dict, repr=False, compare=False)
    _answers: bool = field(default=False, repr=False, compare=False)  # whether a model has said anything
    _orphans: set[str] = field(default_factory=set, repr=False, compare=False)  # parents not told of yet

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
        self.items, self._by_key, self._by_path = [], {}, {}
        self.kind, self.input = event.kind, event.input
        self.provider, self.model = event.provider, event.model
        self.conversation_id = event.conversation_id
        self.resumed, self.replayed = event.resumed, event.replayed
        self.status, self.error, self.result, self.stop_reason = "running", None, None, "end"
        self.usage, self.seconds = total_usage([]), None

    def _finish(self, event: RunFinished) -> None:
        self.status, self.result, self.error = event.status, event.result, event.error
        self.stop_reason, self.seconds = event.stop_reason, event.seconds
        if event.status == "completed":  # else what the steps used is what is known
            self.usage = event.usage
        for item in self.walk():
            if item.open:
                item.state = "waiting" if event.status == "suspended" and waits(item) else "stopped"
            if isinstance(item, GroupItem):
                item.forget()

    def _step(self, event: StepEvent) -> None:
        if isinstance(event, StepProgress):
            self._group(event.step_key, event.name, event.parent).total = event.total
            return
        item = self._by_key.get((event.parent, event.step_key)) or self._item(event)
        if isinstance(event, StepStarted):
            _begin(item, event)
        elif isinstance(event, StepFinished):
            before = item.usage if isinstance(item, AnswerItem) else None
            _complete(item, event)
            if isinstance(item, AnswerItem) and before is None:  # adding up all of them each time would take too long
                self.usage = total_usage([self.usage, item.usage])
            elif isinstance(item, AnswerItem):
                self.usage = total_usage(i.usage for i in self.walk() if isinstance(i, AnswerItem))
        elif isinstance(event, StepFailed):
            item.state = "failed" if event.retry_in is None else "retrying"
            item.error, item.seconds, item.why = event.error, event.seconds, event.why or item.why
            item.attempts, item.retry_in = event.attempt, event.retry_in
            _take_request(item, event.request)
        elif isinstance(event, StepSuspended | StepResumed):
            _wait(item, event)
        elif isinstance(item, AnswerItem):
            _stream(item, event)
        self._answers = self._answers or isinstance(item, AnswerItem)
        if self._answers and isinstance(item, ToolItem) and (isinstance(event, StepStarted) or item.cached):
            in_call_order(self._siblings(item))
        self._settle_group(item)

    def _item(self, event: StepEvent) -> Item:
        streams = isinstance(event, (StreamStarted, TextDelta, AnswerPassed, ReasoningDelta, ToolCallRequested))
        item = _new_item(event, "llm" if streams else event.step_type)
        self._by_key[event.parent, event.step_key] = self._by_path[event.step_key] = item
        if item.parent and item.parent not in self._by_path:
            self._orphans.add(item.parent)
        self._siblings(item).append(item)
        self._adopt(item)
        return item

    def _adopt(self, item: Item) -> None:
        """Take in what was told before the step it happens in."""
        if not item.step_key or item.step_key not in self._orphans:
            return
        for early in [other for other in self.items if other.parent == item.step_key]:
            self.items.remove(early)
            item.children.append(early)

    def _siblings(self, item: Item) -> list[Item]:
        if _is_one_of_many(item):
            return self._group(item.step_key.rpartition("[")[0], item.name, item.parent).children
        parent = self._parent(item)
        return self.items if parent is None or parent is item else parent.children

    def _parent(self, item: Item) -> Item | None:
        return self._by_path.get(item.parent) if item.parent else None

    def _group(self, key: str, name: str, parent: str) -> GroupItem:
        known = self._by_key.get((parent, key))
        if isinstance(known, GroupItem):
            return known
        group = GroupItem(step_key=key, name=name, parent=parent)
        self._by_key[parent, key] = self._by_path[key] = group
        above = self._parent(group)
        (self.items if above is None else above.children).append(group)
        return group

    def _settle_group(self, item: Item) -> None:
        if _is_one_of_many(item):
            self._group(item.step_key.rpartition("[")[0], item.name, item.parent).settle(item)


def waits(item: Item) -> bool:
    """Whether an item waits, or something inside it does."""
    return item.state == "waiting" or any(waits(child) for child in item.children)


def _is_one_of_many(item: Item) -> bool:
    """Whether an item is one of a `map` or a batch, whose keys are the name with the place behind it."""
    if not item.step_key.endswith("]"):
        return False
    own = item.step_key[len(item.parent) + 1 :] if item.parent else item.step_key
    place = own.removeprefix(item.name)
    return bool(item.name) and place != own and bool(_PLACE.fullmatch(place))


def _new_item(event: StepEvent, step_type: str) -> Item:
    # The name of a requested call is the tool's, not the step's.
    name = "" if isinstance(event, ToolCallRequested) else event.name
    key, parent = event.step_key, event.parent
    if step_type == "llm":
        return AnswerItem(step_key=key, name=name, parent=parent)
    if step_type == "tool":
        return ToolItem(step_key=key, name=name, parent=parent)
    if step_type in ("agent", "workflow"):
        return RunItem(step_key=key, name=name, parent=parent, kind=step_type)
    return StepItem(step_key=key, name=name, parent=parent, kind=step_type)


def _take_request(item: Item, request: dict[str, Any]) -> None:
    if isinstance(item, ToolItem) and "arguments" in request:
        item.arguments, item.asked = request["arguments"], request.get("asked")
    elif isinstance(item, AnswerItem):
        item.model = str(request.get("model") or item.model)
        item.held = tuple(map(str, request.get("held") or ()))
    elif isinstance(item, RunItem):
        item.target = str(request.get(item.kind) or item.target)
        item.model = str(request.get("model") or item.model)
        item.input = request.get("input", item.input)
    elif isinstance(item, StepItem) and isinstance(request.get("form"), dict):
        item.form = request["form"]


def _wait(item: Item, event: StepSuspended | StepResumed) -> None:
    if isinstance(event, StepResumed):
        item.state = "running"
        if isinstance(item, StepItem):
            item.answer, item.decided_by, item.decided_at = event.answer, event.decided_by, event.at or None
        return
    item.state = "waiting"
    if isinstance(item, StepItem):
        item.form, item.decision, item.path, item.until = event.form, event.decision, event.path, event.until


def _begin(item: Item, event: StepStarted) -> None:
    item.state, item.error, item.cached, item.why = "running", None, False, event.why
    item.at, item.attempts, item.retry_in = event.at or None, 1, None
    item.name = event.name or item.name
    _take_request(item, event.request)
    if isinstance(item, AnswerItem):
        item.text, item.reasoning, item.tool_calls = "", "", []


def _complete(item: Item, event: StepFinished) -> None:
    item.state, item.error, item.cached, item.seconds = "done", None, event.cached, event.seconds
    item.name, item.why = event.name or item.name, event.why or item.why
    item.attempts, item.retry_in = event.attempts, None
    if item.at is None and not event.cached and event.at and event.seconds is not None:
        item.at = event.at - event.seconds
    _take_request(item, event.request)
    if isinstance(item, AnswerItem):
        said = event.output if isinstance(event.output, dict) else {"text": event.output}
        item.text, item.reasoning = str(said.get("text") or ""), str(said.get("reasoning") or "")
        item.tool_calls = [_call(entry) for entry in said.get("tool_calls") or []]
        item.usage = event.usage
    elif isinstance(item, ToolItem):
        item.result = event.output
    elif isinstance(item, StepItem | RunItem):
        item.output = event.output
        if isinstance(item, StepItem) and item.kind == "approval" and item.answer is None:
            item.answer = event.output  # of an earlier run: who gave it is known to the store


def _call(entry: dict[str, Any]) -> Call:
    function = entry.get("function") or {}
    return Call(
        name=str(function.get("name", "")),
        arguments=str(function.get("arguments") or "{}"),
        call_id=str(entry.get("id", "")),
    )


def _stream(item: AnswerItem, event: StepEvent) -> None:
    if isinstance(event, AnswerPassed):
        item.text, item.tool_calls, item.held = event.text, [_call(entry) for entry in event.tool_calls], ()
        return
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
