"""The parts of a transcript: its items, and the head that holds them, so that rendering and folding share both."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from polos_nb.messages import Usage

ItemState = Literal["running", "waiting", "done", "failed", "retrying", "stopped"]


@dataclass(kw_only=True)
class Item:
    """One step as a reader sees it. `seconds` is how long it took when it was executed, None while unknown.

    `at` is when it began in this run, in seconds since 1970, None for what answered from the store. `attempts` were
    made so far; after a failed one the next is made in `retry_in` seconds.
    """

    step_key: str
    name: str = ""
    parent: str = ""
    state: ItemState = "running"
    cached: bool = False
    error: str | None = None
    seconds: float | None = None
    why: str = ""
    at: float | None = None
    attempts: int = 1
    retry_in: float | None = None
    children: list[Item] = field(default_factory=list)

    @property
    def open(self) -> bool:
        """Whether the step has neither an answer nor a final failure."""
        return self.state in ("running", "waiting", "retrying", "stopped")


@dataclass(frozen=True, kw_only=True)
class Call:
    """A tool call that a model asks for. `arguments` is the JSON text as the model wrote it."""

    name: str
    arguments: str = "{}"
    call_id: str = ""

    @property
    def value(self) -> Any:
        """The arguments as data; the text itself when it is not JSON."""
        try:
            return json.loads(self.arguments or "{}")
        except (ValueError, RecursionError):
            return self.arguments


@dataclass(kw_only=True)
class AnswerItem(Item):
    """What a model said in one step: text, thinking, and the tools it asks for.

    `held` are the guardrails that hold it back; what did not pass them is not here. () once it has passed.
    """

    text: str = ""
    reasoning: str = ""
    tool_calls: list[Call] = field(default_factory=list)
    usage: Usage | None = None
    model: str = ""
    held: tuple[str, ...] = ()


@dataclass(kw_only=True)
class ToolItem(Item):
    """One tool call. `arguments` and `result` are plain JSON data.

    `asked` are the arguments that the model wrote, where a person changed them to `arguments`; else None.
    """

    arguments: Any = None
    asked: Any = None
    result: Any = None


@dataclass(kw_only=True)
class StepItem(Item):
    """One `ctx.step` call. `kind` is "run", "now", "wait_for_event", ...; `output` is plain JSON data.

    A step that waits has a `form` (with the id of its `decision`, and its `path` from the outermost run), or waits
    `until` a time in seconds since 1970, or for neither, if for an event. Once it was answered, `answer` is what it
    was given, `decided_by` whom ("" for unknown), and `decided_at` when, in seconds since 1970.
    """

    kind: str = "run"
    output: Any = None
    form: dict[str, Any] | None = None
    decision: int = 0
    path: str = ""
    until: float | None = None
    answer: Any = None
    decided_by: str = ""
    decided_at: float | None = None


@dataclass(kw_only=True)
class RunItem(Item):
    """A nested run: an agent or a workflow (`kind`) inside another run. Its steps are its children."""

    kind: str = "agent"
    target: str = ""
    model: str = ""
    input: Any = None
    output: Any = None


@dataclass(kw_only=True)
class GroupItem(Item):
    """The items of one `map` or batch, which are its children. `total` is 0 while it is not known."""

    total: int = 0
    _seen: dict[str, tuple[ItemState, bool]] = field(default_factory=dict, repr=False, compare=False)
    _states: Counter[str] = field(default_factory=Counter, repr=False, compare=False)
    _cached: Counter[bool] = field(default_factory=Counter, repr=False, compare=False)

    def settle(self, changed: Item) -> None:
        """Take the state that follows from the children's, one of which has changed."""
        # Counting all of them at each event would take time that grows with the square of their number.
        for item in self.children if len(self._seen) < len(self.children) - 1 else [changed]:
            before, now = self._seen.get(item.step_key), (item.state, item.cached)
            if before is not None:
                self._states[before[0]] -= 1
                self._cached[before[1]] -= 1
            self._states[now[0]] += 1
            self._cached[now[1]] += 1
            self._seen[item.step_key] = now
        for state in ("waiting", "retrying", "running", "stopped", "failed"):
            if self._states[state]:
                self.state = state
                break
        else:
            self.state = "running" if self.total > len(self.children) else "done"
        self.cached = not self._cached[False]

    def counts(self) -> Counter[str]:
        """How many children are in each state, and how many of them were "cached"."""
        if len(self._seen) != len(self.children):
            states = Counter[str](item.state for item in self.children)
            return states + Counter(cached=sum(item.cached for item in self.children))
        return self._states + Counter(cached=self._cached[True])

    def forget(self) -> None:
        """Count all children at the next event: they were changed together."""
        self._seen.clear()
        self._states.clear()
        self._cached.clear()


@dataclass(kw_only=True)
class RunView:
    """A run as a reader sees it. `version` grows with each change; `cost` is in US dollars where it is known."""

    run_id: str = ""
    target_id: str = ""
    kind: str = "agent"
    provider: str = ""
    model: str = ""
    input: Any = None
    status: str = "running"
    error: str | None = None
    result: Any = None
    stop_reason: str = "end"
    usage: Usage = field(default_factory=Usage)
    seconds: float | None = None
    resumed: bool = False
    replayed: bool = False
    conversation_id: str | None = None
    cost: float | None = None
    items: list[Item] = field(default_factory=list)
    version: int = 0

    def walk(self) -> Iterator[Item]:
        """All items, nested ones after the item they happen in."""
        waiting = list(reversed(self.items))
        while waiting:
            item = waiting.pop()
            yield item
            waiting.extend(reversed(item.children))

    @property
    def steps(self) -> int:
        """The number of steps at the top; it does not depend on what was cached."""
        return len(self.items)

    @property
    def cached(self) -> int:
        """How many steps answered from the store, nested ones included."""
        return sum(item.cached for item in self.walk())

    @property
    def live(self) -> int:
        """How many steps were executed to an answer, nested ones included."""
        return sum(item.state == "done" and not item.cached for item in self.walk())

    @property
    def failed(self) -> int:
        """How many steps failed for good, nested ones included."""
        return sum(item.state == "failed" for item in self.walk())

    @property
    def partial_text(self) -> str:
        """What the model said last; the answer as far as it came when there is no result."""
        answers = [item.text for item in self.items if isinstance(item, AnswerItem) and item.text]
        return answers[-1] if answers else ""

    def tools_used(self) -> dict[str, int]:
        """How often each tool was called at the top, in the order of first use."""
        return dict(Counter(item.name for item in self.items if isinstance(item, ToolItem)))

    @property
    def from_store(self) -> bool:
        """Whether the run is complete and every step answered from the store."""
        return self.status == "completed" and self.cached > 0 and self.live == 0 and self.failed == 0

    def volatile(self, *, cost: float | None = None) -> dict[str, Any]:
        """What differs between two executions of the same cell: for an output's metadata, never its data.

        Run id, durations in seconds, tokens, cost in US dollars, and for each step whether and why it ran.
        """
        price = self.cost if cost is None else cost
        out: dict[str, Any] = {
            "run_id": self.run_id,
            "target": self.target_id,
            "seconds": self.seconds,
            "cached": self.cached,
            "live": self.live,
            "failed": self.failed,
            "resumed": self.resumed,
            "replayed": self.replayed,
            "usage": self.usage.model_dump(exclude_none=True),
            "steps": [_volatile_step(item) for item in list(self.walk())[:100]],
        }
        return out if price is None else out | {"cost": price}


def _volatile_step(item: Item) -> dict[str, Any]:
    said = {"key": item.step_key[:80], "cached": item.cached}
    return said | {
        name: value for name, value in (("seconds", item.seconds), ("why", item.why[:200])) if value not in (None, "")
    }
