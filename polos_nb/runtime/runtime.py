"""The engine: it drives runs from the top, and finished steps answer from the store."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from polos_nb import ambient
from polos_nb.agents import AgentRunConfig
from polos_nb.codec import digest
from polos_nb.durable.plan import Plan
from polos_nb.errors import ConfigurationError, StoreError, Suspended
from polos_nb.runtime.again import place_again, target_of
from polos_nb.runtime.announce import announce
from polos_nb.runtime.children import Host
from polos_nb.runtime.conversation import Conversations, Place
from polos_nb.runtime.driver import Driver
from polos_nb.runtime.drives import Drive
from polos_nb.runtime.forking import fork
from polos_nb.runtime.handles import ExecutionHandle, handle_of_run
from polos_nb.runtime.planning import PlanReport, report
from polos_nb.runtime.queues import Queues, beside, lane_of
from polos_nb.runtime.records import transcript_from_records
from polos_nb.runtime.run import Run
from polos_nb.runtime.targets import Target, agent_target, tool_target, workflow_target
from polos_nb.runtime.waiting import Waiting
from polos_nb.settings import MEMORY, Mode, Settings
from polos_nb.stores.base import RunRecord, Store
from polos_nb.stores.cassette import Cassette
from polos_nb.stores.memory import MemoryStore
from polos_nb.stores.sqlite import SqliteStore
from polos_nb.tools import Tool
from polos_nb.transcript import Transcript
from polos_nb.workflows import Workflow

_FINISH_SECONDS = 5.0  # that stopped runs have to close their streams


class Runtime:
    """Drives runs against one store.

    `store` is a `Store`, a path, ":memory:", or None for what the settings say. `mode` wins over the settings; without
    either it is "live" when somebody is watching (`watched`) or live calls are allowed, else "replay" when there are
    cassettes, else "offline". In replay the cassettes are the store and no file is opened.

    A run that only waits, for a person, an event or a time, is waited with where `patience` is None. Else it is left
    once it would have to wait for longer than `patience` seconds, and raises Suspended; it goes on by itself when what
    it waits for has come, as long as this runtime lives.
    """

    def __init__(
        self,
        *,
        store: Store | str | None = None,
        mode: Mode | None = None,
        settings: Settings | None = None,
        watched: bool = True,
        cassettes: Sequence[Path] = (),
        patience: float | None = None,
    ) -> None:
        self.patience = patience
        self.settings = settings or Settings.from_environment()
        self.watched = watched
        self.notebook: str | None = None  # the notebook that runs are started in, by the name of its file
        self.cassettes = list(cassettes)
        if not self.cassettes and self.settings.cassette and Path(self.settings.cassette).exists():
            self.cassettes = [Path(self.settings.cassette)]
        self.lineages: dict[str, set[int]] = {}  # what this process has driven, with the steps it used
        self._mode = mode
        self._given = store
        self._store: Store | None = None if store is None or isinstance(store, str) else store
        self._conversations: Conversations | None = None
        self._asked: Counter[str] = Counter()
        self._cell: str | None = None
        self._talking: set[str] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._runs: weakref.WeakSet[Run] = weakref.WeakSet()
        self.driver = Driver(self)
        self.queues = Queues()
        self.waiting = Waiting(self._again)
        self.runner: Any = None  # the client that runs started inside this runtime's runs use
        self.on_run: list[Callable[[Run], None]] = []  # told of every outermost run before it is driven

    # -- what is where -----------------------------------------------------------------------------
    @property
    def mode(self) -> Mode:
        """The mode that runs are in."""
        chosen = self._mode or self.settings.mode
        if chosen:
            return chosen
        if self.watched or self.settings.allow_live:
            return "live"
        return "replay" if self.cassettes else "offline"

    @property
    def store(self) -> Store:
        """The store, opened on first use. Raises StoreError, with the remedy."""
        if self._store is None:
            if self.mode == "replay":
                self._store = self._replay_store()
            else:
                where = self._given if isinstance(self._given, str) else self.settings.store_path()
                self._store = MemoryStore() if where == MEMORY else SqliteStore(where)
        return self._store

    def _replay_store(self) -> Store:
        store = MemoryStore()
        for path in self.cassettes:
            Cassette.load(path).fill(store)
        return store

    @property
    def conversations(self) -> Conversations:
        """Where this process stands in each conversation."""
        if self._conversations is None:
            self._conversations = Conversations(self.store)
            self._conversations.begin_cell(self._cell)
        return self._conversations

    def begin_cell(self, cell: str | None = None) -> None:
        """Equal calls are counted anew: a cell is being executed. `cell` is its id, where the front end says one."""
        self._asked.clear()
        self._cell = cell
        if self._conversations is not None:
            self._conversations.begin_cell(cell)

    def close(self) -> None:
        """Release the store."""
        self.waiting.stop()
        if self._store is not None:
            self._store.close()
            self._store = None
            self._conversations = None

    def transcript_of(self, run_id: str) -> Transcript:
        """What a reader sees of a run, from its records. Raises StoreError for an unknown run."""
        run = self._record(run_id)
        return transcript_from_records(run, self.store.trace(run.id), self.store)

    # -- starting ----------------------------------------------------------------------------------
    def start(self, config: AgentRunConfig, *, timeout: float | None = None, into: Run | None = None) -> Run:
        """Drive an agent as a task on the running loop; returns at once. `timeout` is in seconds."""
        return self.launch(agent_target(config, self.settings), into, timeout)

    def start_tool(
        self,
        tool: Tool,
        arguments: dict[str, Any],
        *,
        conversation_id: str | None = None,
        user_id: str | None = None,
        fresh: bool | frozenset[str] = False,
        timeout: float | None = None,
        into: Run | None = None,
    ) -> Run:
        """Drive a tool by itself, like `start`."""
        return self.launch(tool_target(tool, arguments, conversation_id, user_id, fresh), into, timeout)

    def start_workflow(
        self,
        workflow: Workflow,
        payload: Any = None,
        *,
        queue: Any = None,
        concurrency_key: str | None = None,
        timeout: float | None = None,
        into: Run | None = None,
        **options: Any,
    ) -> Run:
        """Drive a workflow, like `start`. Options: initial_state, conversation_id, user_id, fresh."""
        lane = lane_of(workflow.id, workflow.queue, queue, concurrency_key)
        return self.launch(workflow_target(workflow, payload, lane=lane, **options), into, timeout)

    def launch(
        self,
        target: Target,
        into: Run | None = None,
        timeout: float | None = None,
        *,
        lineage: str | None = None,
        place: Place | None = None,
    ) -> Run:
        """Drive a target as a task on the running loop; returns at once.

        With a `lineage`, and the run's `place` in its conversation, it goes on with the newest run of that lineage.
        """
        run = into or Run(target.id, conversation_id=target.conversation_id)
        talk = target.conversation_id if target.kind == "agent" else None
        if talk in self._talking:
            raise ConfigurationError(
                f"conversation {talk!r} has a turn in progress; await it before the next: turns follow each other"
            )
        # The identity is taken now, in calling order, not when the task happens to begin.
        place = place or (self.place_of(target) if lineage is None else None)
        inside = ambient.inside.get()
        around = inside.steps if inside is not None else None
        drive = Drive(
            target=target,
            run=run,
            lineage=lineage or self._lineage(target, place),
            place=place,
            timeout=timeout,
            outer=inside.outer if inside is not None and inside.steps.book.store is self.store else None,
            plan=around.book.plan if around is not None else None,
            again=lineage is not None,
            chain=around.chain if around is not None else "",
        )
        task = self._begin(drive)
        if around is not None:  # a write inside is one of the code around it, at this place
            note = around.asked_here()
            task.add_done_callback(lambda done: note(drive.lineage) if drive.wrote else None)
        if talk is not None:
            self._talking.add(talk)
            task.add_done_callback(lambda done: self._talking.discard(talk))
        return run

    def _begin(self, drive: Drive) -> asyncio.Task[Any]:
        run = drive.run
        if drive.plan is None:
            if self.patience is None and drive.outer is None:
                announce(run, self.store.location)
            for listener in self.on_run:
                listener(run)
        task = asyncio.get_running_loop().create_task(self._driven(drive))
        task.add_done_callback(_retrieved)
        task.add_done_callback(lambda done: run.close())  # also when it was cancelled before it began
        run.task = task
        self._runs.add(run)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _driven(self, drive: Drive) -> Any:
        if self.runner is not None:  # this task's own: what its code starts is kept where this run is
            ambient.enter(self.runner)
        try:
            return await self.driver.drive(drive)
        except Suspended:
            if drive.outer is None and drive.plan is None:
                self.waiting.remember(drive)
            raise
        finally:
            self._talking.discard(drive.run.conversation_id or "")  # before anybody hears that the turn is over

    def _again(self, drive: Drive) -> Run | None:
        """Go on with a run that was left waiting, unless somebody has cancelled it."""
        record = self.store.get_run(drive.run.id)
        if record is None or record.status == "cancelled":
            return None
        again = drive.anew()
        self._begin(again)
        return again.run

    def resume(
        self,
        run_id: str,
        *,
        declared: Mapping[str, Any] | None = None,
        into: Run | None = None,
        timeout: float | None = None,
    ) -> Run:
        """Go on with a run by its id, in whichever process. `declared` are declarations by id, beside the registry's.

        Raises StoreError for an unknown run, ConfigurationError for what is not declared here.
        """
        record = self._record(run_id)
        if record.root is not None:
            raise ConfigurationError(f"run {run_id} is inside run {record.root}; resume that one")
        self.waiting.forget(record.lineage)
        target = target_of(record, self.settings, declared)
        return self.launch(target, into, timeout, lineage=record.lineage, place=place_again(record, self.store))

    def fork(
        self,
        run_id: str,
        step_key: str,
        changes: Mapping[str, Any],
        *,
        declared: Mapping[str, Any] | None = None,
        into: Run | None = None,
        timeout: float | None = None,
    ) -> Run:
        """Drive a fork of a run: the steps before `step_key` are shared, its answer is edited; see `forking.fork`."""
        record = self._record(run_id)
        target = target_of(record, self.settings, declared)
        if self.mode not in ("live", "record"):
            raise ConfigurationError(f"a fork executes steps, which mode {self.mode} does not")
        made = fork(self.store, record, step_key, changes).run
        return self.launch(target, into, timeout, lineage=made.lineage, place=place_again(record, self.store))

    async def plan(self, target: Target, declaration: Any) -> PlanReport:
        """What driving a target would do, without executing or writing anything. `declaration` is its agent, tool or
        workflow."""
        plan = Plan()
        run = Run(target.id, conversation_id=target.conversation_id)
        asked, talked = Counter(self._asked), self.conversations.remembered()
        place = self.place_of(target)
        drive = Drive(target=target, run=run, lineage=self._lineage(target, place), place=place, plan=plan)
        self._asked = asked  # a plan is no call: the next one is the one that was planned
        self.conversations.recall(talked)
        with contextlib.suppress(Suspended):
            await asyncio.create_task(self._driven(drive))  # a task, for what it starts is started in its surroundings
        return report(plan, run.transcript, declaration, self.store, max_steps=self.settings.max_steps)

    def _record(self, run_id: str) -> RunRecord:
        record = self.store.get_run(run_id)
        if record is None:
            raise StoreError(f"there is no run {run_id} in {self.store.location}; see %polos runs")
        return record

    async def start_beside(self, drive: Drive) -> ExecutionHandle:
        """Drive something as a task of its own; returns when its run is known."""
        with beside():
            self._begin(drive)
        return await self.handle(drive.run)

    async def handle(self, run: Run) -> ExecutionHandle:
        """The handle of a run that was started, once the store knows it. Raises what it raised before that."""
        await run.known()
        record = self.store.get_run(run.id) if run.id else None
        if record is None:
            return ExecutionHandle(id=run.id, workflow_id=run.target_id, created_at=run.created_at)
        return handle_of_run(record, self.store)

    def handle_of(self, started: Mapping[str, Any], again: Callable[[], Drive]) -> ExecutionHandle:
        """The handle of a run that was started beside another; it goes on if its process has ended."""
        fields = {name: started[name] for name in ExecutionHandle.__dataclass_fields__}
        record = self.store.get_run(started["id"])
        unfinished = record is not None and record.status in ("running", "suspended")
        if unfinished and self.mode in ("live", "record") and self.live(started["id"]) is None:
            with beside():
                self._begin(again())  # where another process drives it, this one reads along
        return ExecutionHandle(**fields)

    def live(self, run_id: str) -> Run | None:
        """The run that this process drives, or has driven, under this id; None where it has not."""
        found = [run for run in list(self._runs) if run.id == run_id]
        going = [run for run in found if not run.done()]
        return (going or found or [None])[-1]  # type: ignore[list-item]

    @property
    def busy(self) -> bool:
        """Whether a run is being driven."""
        return bool(self._tasks)

    async def finish(self) -> None:
        """Stop the runs that are still driven by this loop, and wait until they have let go of the store."""
        self.waiting.stop()
        here = asyncio.get_running_loop()
        tasks = {task for task in self._tasks if task.get_loop() is here and task is not asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_FINISH_SECONDS)

    def host(self, target: Target) -> Host:
        """The engine as the steps of a target see it."""
        return Host(self, target)

    def place_of(self, target: Target) -> Place | None:
        """Where a target stands in its conversation; None for what has none."""
        if target.conversation_id is None or target.kind != "agent":
            return None
        return self.conversations.place(target.conversation_id, target.id, target.input)

    def _lineage(self, target: Target, place: Place | None) -> str:
        call = [target.kind, target.id, target.input, target.conversation_id, place.turn if place else None]
        call += [target.user_id] if target.user_id is not None else []  # what one user was told is no one else's
        base = digest(call)
        tool_call = ambient.inside.get()
        if tool_call is not None and place is None:
            tool_call.asked[base] += 1
            return digest([base, tool_call.asked[base] - 1, tool_call.call])
        occurrence = 0 if place else self._asked[base]
        self._asked[base] += 1
        return digest([base, occurrence])


def _retrieved(task: asyncio.Task[Any]) -> None:
    """Failures of a run that nobody waits for are in its transcript; asyncio need not shout about them."""
    if not task.cancelled():
        task.exception()
