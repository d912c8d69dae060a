"""Plans: which steps of a call would answer from the store, which would be executed, and what that costs at most."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from polos_nb.agents import Agent
from polos_nb.durable.plan import Plan, Planned
from polos_nb.images import images_of, without_images
from polos_nb.messages import Usage
from polos_nb.models.prices import cost
from polos_nb.stores.base import Store
from polos_nb.tools import Tool
from polos_nb.transcript import AnswerItem, GroupItem, Transcript

_CHARS_PER_TOKEN = 3.0  # fewer than any common text has, so that the estimate is not too low
_OUTPUT_TOKENS = 4096  # assumed of a model whose answer is not limited
_PER_MESSAGE = 8  # tokens around each message
_PER_IMAGE = 3_000  # more than providers count for one of the largest size that they look at
FREE = ("demo", "scripted")  # providers whose answers cost nothing


@dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """A step that would be executed: its `key`, its `kind`, why, and for a model's the tokens and US dollars at most.

    `input_tokens` is an estimate from the length of the texts; `output_tokens` is the limit of the answer, `limited`
    says whether one was set. `cost` is None where the price is not known.
    """

    key: str
    kind: str
    name: str
    why: str = ""
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    limited: bool = False
    cost: float | None = None


@dataclass(frozen=True, kw_only=True)
class PlanReport:
    """What a call would do. `cached` are the steps that answer from the store, in order; `steps` are the first ones of
    each branch that would be executed: what comes after them nobody knows yet.

    `complete` when nothing would be executed. `approvals` are the tools that ask a person before they are called.
    `more_calls` is how often the model may be called after that, at most; None where nothing limits it.
    """

    target: str
    kind: str
    cached: list[str] = field(default_factory=list)
    steps: list[PlannedStep] = field(default_factory=list)
    approvals: list[str] = field(default_factory=list)
    complete: bool = False
    more_calls: int | None = None

    @property
    def cost(self) -> float | None:
        """US dollars for the steps that are known, at most; None where a price is not known."""
        prices = [step.cost for step in self.steps if step.kind == "llm"]
        return None if any(price is None for price in prices) else sum(price or 0.0 for price in prices)

    @property
    def tokens(self) -> int:
        """Tokens for the steps that are known, at most."""
        return sum(step.input_tokens + step.output_tokens for step in self.steps)


def report(plan: Plan, transcript: Transcript, target: Any, store: Store, *, max_steps: int) -> PlanReport:
    """The report of a pass that a plan has stopped. `target` is the agent, tool or workflow."""
    cached = [item for item in transcript.walk() if item.cached and not isinstance(item, GroupItem)]
    agent = target if isinstance(target, Agent) else None
    steps = [_step(item, store) for item in plan.stopped]
    asked = sum(isinstance(item, AnswerItem) for item in cached)
    limit = turns_limit(agent, max_steps) if agent is not None else None
    waiting = [step.name for step in steps if step.kind == "approval"]
    may = [tool.id for tool in agent.tools if isinstance(tool, Tool) and tool.approval == "always"] if agent else []
    return PlanReport(
        target=transcript.target_id or getattr(target, "id", ""),
        kind=transcript.kind,
        cached=[item.step_key for item in cached],
        steps=steps,
        approvals=list(dict.fromkeys([*waiting, *(may if steps else [])])),
        complete=not steps and transcript.status == "completed",
        more_calls=None if limit is None else max(0, limit - asked - sum(step.kind == "llm" for step in steps)),
    )


def turns_limit(agent: Agent, default: int) -> int:
    """How often an agent may call its model in one run; `default` where its stop conditions do not say."""
    limits = [
        getattr(condition.config, "limit", None) or getattr(condition.config, "count", None)
        for condition in agent.stop_conditions
        if condition.name == "max_steps"
    ]
    return min((int(limit) for limit in limits if limit), default=default)


def tokens_of(message: str) -> int:
    """The tokens of a message, given as JSON text: an estimate that is rather too high.

    >>> tokens_of('{"content": "Hi"}')
    14
    """
    images = 0
    if '"image' in message or "data:image" in message:
        parsed = json.loads(message)
        images, message = len(images_of(parsed)), json.dumps(without_images(parsed))
    return math.ceil(len(message) / _CHARS_PER_TOKEN) + _PER_MESSAGE + images * _PER_IMAGE


def _step(planned: Planned, store: Store) -> PlannedStep:
    call = planned.call
    about: dict[str, Any] = {"key": planned.path, "kind": call.kind, "name": call.name, "why": planned.why}
    if call.kind != "llm":
        return PlannedStep(**about)
    provider, model = str(call.parts["provider"]), str(call.parts["model"])
    params: Mapping[str, Any] = call.parts.get("params") or {}
    limit = next((params[name] for name in ("max_tokens", "max_completion_tokens") if params.get(name)), None)
    usage = Usage(input_tokens=_input_tokens(planned, store), output_tokens=int(limit) if limit else _OUTPUT_TOKENS)
    return PlannedStep(
        **about,
        model=f"{provider}/{model}",
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        limited=limit is not None,
        cost=0.0 if provider in FREE else cost(provider, model, usage),
    )


def _input_tokens(planned: Planned, store: Store) -> int:
    total = 0
    for name in planned.call.parts.get("messages") or ():
        text = planned.call.blobs.get(name) or store.get_blob(name) or ""
        total += tokens_of(text)
    tools = planned.call.parts.get("tools") or {}
    return total + 60 * len(tools) + len(orjson.dumps(dict(tools))) // 4
