"""Runs inside runs: what `ctx.step.invoke…` starts, each with records of its own, shown in the step that asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import orjson

from polos_nb import registry
from polos_nb.agents import Agent, AgentRunConfig
from polos_nb.codec import digest, types_of
from polos_nb.durable.code_sources import source_name
from polos_nb.durable.code_version import code_version
from polos_nb.durable.fingerprint import StepCall
from polos_nb.durable.steps import Attempt, Slot, StepFailure, Steps
from polos_nb.errors import ArgumentsError, DefinitionError, StepExecutionError
from polos_nb.messages import AgentResult, Usage
from polos_nb.run_events import Event, StepEvent
from polos_nb.runtime.again import place_again
from polos_nb.runtime.approvals import approved, changed, changed_request, reserve_approval
from polos_nb.runtime.calls import ToolCallStep, tool_step
from polos_nb.runtime.conversation import Conversations, Place
from polos_nb.runtime.driver import Driver
from polos_nb.runtime.drives import Drive
from polos_nb.runtime.handles import ExecutionHandle
from polos_nb.runtime.inside import Asker
from polos_nb.runtime.queues import lane_of
from polos_nb.runtime.records import NESTED, lifted, nested_events, nested_run
from polos_nb.runtime.requests import plain_input
from polos_nb.runtime.run import Run
from polos_nb.runtime.targets import Target, agent_target, workflow_target
from polos_nb.settings import Settings
from polos_nb.stores.base import StepRecord, Store
from polos_nb.tools import Tool, payload_arguments
from polos_nb.workflows import Workflow

_RESULT_TYPES = types_of(AgentResult)


class Engine(Protocol):
    """What nested runs need of the runtime."""

    settings: Settings
    driver: Driver

    @property
    def conversations(self) -> Conversations:
        """Where this process stands in each conversation."""

    def place_of(self, target: Target) -> Any:
        """Where a target stands in its conversation."""

    async def start_beside(self, drive: Drive) -> ExecutionHandle:
        """Drive something as a task of its own; returns when its run is known."""

    def handle_of(self, started: Mapping[str, Any], again: Callable[[], Drive]) -> ExecutionHandle:
        """The handle of a run that was started beside another; `again` makes it go on if its process has ended."""


class NestedRun:
    """A workflow or an agent with its payload, as a step of another run; see `durable.host.Child`."""

    def __init__(
        self,
        engine: Engine,
        target: Target,
        parts: Mapping[str, Any],
        types: Mapping[str, type],
        timeout: float | None,
        texts: Mapping[str, str],
    ) -> None:
        self.id = target.id
        self.kind = target.kind
        self.usage: Usage | None = None
        self.wrote = False
        self.run_id = self.lineage = ""
        self._engine = engine
        self._target = target
        self._parts = parts
        self._types = types
        self._timeout = timeout
        self._texts = texts

    def call(self, key: str, name: str, chain: str) -> StepCall:
        """The step's call: the declaration with all it uses, and the payload."""
        parts = dict(self._parts) | ({"writes": chain} if chain else {})
        model = "/".join(part for part in (self._target.provider, self._target.model) if part)
        request = {self.kind: self.id, "input": self._parts["arguments"]} | ({"model": model} if model else {})
        about: dict[str, Any] = {"types": self._types, "blobs": self._texts}
        return StepCall(key=key, kind=self.kind, name=name, parts=parts, request=request, **about)

    async def execute(self, steps: Steps, slot: Slot, attempt: Attempt) -> Any:
        """Drive it to its end, inside the task of the run around it."""
        book = steps.book
        run = Run(self.id, conversation_id=self._target.conversation_id)
        run.subscribe(_passed_on(book, slot.path))
        lineage = lineage_inside(steps, slot, attempt)
        drive = Drive(
            target=self._target.with_fresh(book.fresh_inside(slot.call, slot.path)),
            run=run,
            lineage=lineage,
            place=self._place(steps, slot, lineage),
            timeout=self._timeout,
            outer=(steps.inside(slot, attempt.record), attempt.record),
            plan=book.plan,
            lot=book.lot,
            chain=slot.chain,
        )
        self.lineage = lineage
        try:
            result = await self._engine.driver.drive(drive)
            if drive.place is not None and self._target.conversation_id is not None:
                book.root.talked.setdefault(self._target.conversation_id, {})[run.id] = drive.place
            return result
        finally:
            self.run_id = run.id
            self.usage = run.transcript.usage
            self.wrote = drive.wrote

    @property
    def noted(self) -> dict[str, Any]:
        """The nested run, once it is known."""
        return {"run": self.run_id, "lineage": self.lineage} if self.run_id else {}

    def _place(self, steps: Steps, slot: Slot, lineage: str) -> Place | None:
        """Its turn: after what the run around it has said, else its own of an earlier pass or an earlier version."""
        book, talk = steps.book, self._target.conversation_id
        if talk is None or self.kind != "agent":
            return None
        if talk in book.root.talked:
            return self._engine.conversations.next(talk)
        before = book.store.newest_run(lineage)
        if before is None:
            past = book.store.past_steps(lineage=book.run.lineage, kind="agent", limit=500)
            found = (nested_run(step, book.store) for step in past if step.step_key == slot.path)
            before = next((run for run in found if run is not None), None)
        place = place_again(before, book.store) if before is not None and before.conversation_id == talk else None
        if place is not None and self._engine.conversations.follows(talk, place, {}):
            return place
        fresh: Place | None = self._engine.place_of(self._target)
        return fresh

    def beside(self, lineage: str, above: Mapping[str, Any], chain: str) -> Drive:
        """The same, to be driven beside the run that asked for it."""
        return Drive(
            target=self._target,
            run=Run(self.id, conversation_id=self._target.conversation_id),
            lineage=lineage,
            place=self._engine.place_of(self._target),
            timeout=self._timeout,
            above=dict(above),
            chain=chain,
        )


class ToolChild:
    """A tool with its arguments, as a step of a workflow: it needs no run of its own."""

    kind = "tool"
    usage: Usage | None = None

    def __init__(self, tool: Tool, arguments: dict[str, Any], asker: Asker) -> None:
        self.id = tool.id
        self._tool = tool
        self._arguments = arguments
        self._asker = asker
        self._calls: list[ToolCallStep] = []
        self.noted: dict[str, Any] = {}

    @property
    def wrote(self) -> bool:
        """Whether there was a write in it."""
        return self._tool.effect == "write" or any(call.wrote() for call in self._calls)

    def call(self, key: str, name: str, chain: str) -> StepCall:
        """The step's call."""
        return tool_step(self._tool, self._arguments, key=key, chain=chain)

    async def execute(self, steps: Steps, slot: Slot, attempt: Attempt) -> Any:
        """Call it, once a person has approved it where that is needed."""
        inner = steps.inside(slot, attempt.record)
        used = self._arguments
        approval = reserve_approval(self._tool, used, inner, slot.call)
        if approval is not None:
            try:
                used = await approved(self._tool, self._arguments, inner, approval)
            except StepFailure as failure:
                raise StepExecutionError(failure.text, step_key=slot.path) from None
            if used is not self._arguments:
                # The step is known by the call that the workflow made; what is inside it by the one that is made.
                slot, self.noted = changed(slot, used, steps), changed_request(used, self._arguments)
        self._calls.append(ToolCallStep(self._tool, used, steps, slot, self._asker))
        return await self._calls[-1].execute(attempt)


def lineage_inside(steps: Steps, slot: Slot, attempt: Attempt) -> str:
    """The lineage of the run inside a call: the same for another version of the same call."""
    run = steps.book.run
    return digest([run.lineage, run.horizon, steps.inside(slot, attempt.record).branch])


def _passed_on(book: Any, path: str) -> Callable[[Event], None]:
    """A listener that shows what happens in a nested run inside the step at `path`."""

    def listen(event: Event) -> None:
        if isinstance(event, StepEvent):
            book.tell(lifted(event, path, book.run))

    return listen


class Host:
    """The engine, as the steps of one run see it; see `durable.host.Host`."""

    def __init__(self, engine: Engine, target: Target) -> None:
        self._engine = engine
        self._asker = Asker(workflow_id=target.id, conversation_id=target.conversation_id, user_id=target.user_id)

    def child(
        self,
        target: Any,
        payload: Any,
        *,
        initial_state: Any = None,
        queue: Any = None,
        concurrency_key: str | None = None,
        run_timeout_seconds: float | None = None,
    ) -> Any:
        """What to run; see `durable.host.Host`."""
        found = _found(target)
        try:
            if isinstance(found, Tool):
                return ToolChild(found, payload_arguments(found, payload), self._asker)
            if isinstance(found, Agent):
                found = agent_config(found, payload)
            if isinstance(found, AgentRunConfig):
                return self._agent(found, run_timeout_seconds)
            lane = lane_of(found.id, found.queue, queue, concurrency_key)
            made = workflow_target(
                found,
                payload,
                initial_state=initial_state,
                conversation_id=self._asker.conversation_id,
                user_id=self._asker.user_id,
                lane=lane,
            )
        except (ArgumentsError, DefinitionError) as error:
            raise StepExecutionError(str(error)) from error
        code = found.version()
        parts = {"version": code.digest, "code": code.parts, "arguments": orjson.loads(made.input)}
        if found.state_schema is not None:
            parts["state"] = code_version(found.state_schema).digest
        types = {**code.types, **found.types(), **_RESULT_TYPES}
        return NestedRun(self._engine, made, parts, types, run_timeout_seconds, code.sources)

    def _agent(self, config: AgentRunConfig, timeout: float | None) -> NestedRun:
        config = config.inheriting(self._asker.conversation_id, self._asker.user_id)
        parts: dict[str, Any] = {"agent": config.agent.definition(), "arguments": plain_input(config.input)}
        parts |= {"params": dict(config.kwargs)} if config.kwargs else {}
        parts |= {"conversation": config.conversation_id} if config.conversation_id else {}
        parts |= {"user": config.user_id} if config.user_id else {}
        timeout = config.run_timeout_seconds if timeout is None else timeout
        target = agent_target(config, self._engine.settings)
        texts = {source_name(parts["agent"]["prompt"]): config.agent.system_prompt or ""}
        return NestedRun(self._engine, target, parts, config.agent.types(), timeout, texts)

    async def start(self, child: Any, steps: Steps, slot: Slot, attempt: Attempt) -> dict[str, Any]:
        """Start it beside the run that asks for it; see `durable.host.Host`."""
        if not isinstance(child, NestedRun):
            raise StepExecutionError(f"{child.id} is a tool, which is not started beside a run; use invoke_and_wait")
        lineage = lineage_inside(steps, slot, attempt)
        above = {"parent": steps.book.run.id, "parent_step": slot.path}
        handle = await self._engine.start_beside(child.beside(lineage, above, slot.chain))
        return {**handle.to_dict(), "lineage": lineage, "above": above, "chain": slot.chain}

    def version_of(self, target_id: str) -> str:
        """The version of what is declared under an id; see `durable.host.Host`."""
        found = registry.find(target_id)
        if found is None:
            return ""
        if isinstance(found, Agent):
            return found.__polos_version__()
        state = getattr(found, "state_schema", None)
        version = found.version().digest
        return digest([version, code_version(state).digest]) if state is not None else str(version)

    def handle(self, child: Any, started: dict[str, Any]) -> ExecutionHandle:
        """The handle of what `start` returned; see `durable.host.Host`."""
        return self._engine.handle_of(started, lambda: _beside(child, started))

    def retell(self, steps: Steps, slot: Slot, record: StepRecord) -> None:
        """Show the run inside a step that answered from the store; see `durable.host.Host`."""
        book = steps.book
        for event in nested_events(book.run, record, book.store, cached=True, path=slot.path):
            book.tell(event)
        for conversation_id, place, run_id in _turns(record, book.store) if book.plan is None else ():
            self._engine.conversations.said(conversation_id, place, run_id)
            book.root.talked.setdefault(conversation_id, {})[run_id] = place

    def follows(self, steps: Steps, record: StepRecord) -> bool:
        """Whether the turns inside a kept step follow what was said before them; see `durable.host.Host`."""
        store, now = steps.book.store, self._engine.conversations
        first: dict[str, Place] = {}
        for conversation_id, place, _ in _turns(record, store):
            first.setdefault(conversation_id, place)
        said = steps.book.root.talked
        return all(now.follows(talk, place, said.get(talk, {})) for talk, place in first.items())


def _beside(child: NestedRun, started: Mapping[str, Any]) -> Drive:
    return child.beside(started["lineage"], started["above"], started.get("chain", ""))


def _turns(step: StepRecord, store: Store) -> Iterator[tuple[str, Place, str]]:
    """The turns of conversations in the run inside a step, with the runs that they are."""
    run = nested_run(step, store) if step.kind in NESTED else None
    if run is None or run.conversation_id is None:
        return
    place = place_again(run, store) if run.kind == "agent" else None
    if place is not None:
        yield run.conversation_id, place, run.id
    for _, inner in store.trace(run.id) if run.kind == "workflow" else ():
        yield from _turns(inner, store)


def _found(target: Any) -> Any:
    found = registry.find(target) if isinstance(target, str) else target
    if found is None:
        known = ", ".join(sorted(registry.declared())) or "none"
        raise StepExecutionError(f"there is no workflow, agent or tool {target!r}; declared are: {known}")
    if not isinstance(found, Workflow | Agent | AgentRunConfig | Tool):
        raise StepExecutionError(
            f"{type(found).__name__} cannot be run; give a workflow, an agent with its input, a tool, or an id"
        )
    return found


def agent_config(agent: Agent, payload: Any) -> AgentRunConfig:
    """An agent with the payload that Polos gives one: its input, or a dict with `input` and what goes with it."""
    if isinstance(payload, Mapping) and "input" in payload:
        known = {"session_id", "conversation_id", "user_id", "streaming", "run_timeout_seconds"}
        options = {name: value for name, value in payload.items() if name in known}
        return agent.with_input(payload["input"], **options, **(payload.get("provider_kwargs") or {}))
    if payload is None:
        raise ArgumentsError(f"agent {agent.id!r} needs an input")
    return agent.with_input(payload)
