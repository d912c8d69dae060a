"""The engine: it drives runs from the top, and finished steps answer from the store."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from polos_nb import ambient
from polos_nb.agents import AgentRunConfig
from polos_nb.codec import digest
from polos_nb.codec_untag import untag
from polos_nb.durable.book import Book, Superseded
from polos_nb.durable.steps import Steps
from polos_nb.errors import ConfigurationError, PolosError, StoreError, WorkflowTimeoutError, one_line
from polos_nb.events import RunFinished, RunStarted
from polos_nb.messages import AgentResult, Usage
from polos_nb.redaction import redactor
from polos_nb.runtime.cassettes import record_lineages
from polos_nb.runtime.conversation import Conversations, Place
from polos_nb.runtime.leases import Leases
from polos_nb.runtime.records import kept_options, kept_result, kept_usage, transcript_from_records
from polos_nb.runtime.run import Run
from polos_nb.runtime.targets import Pass, Target, agent_target, tool_target
from polos_nb.settings import MEMORY, Mode, Settings
from polos_nb.stores.base import RunRecord, Store
from polos_nb.stores.cassette import Cassette
from polos_nb.stores.memory import MemoryStore
from polos_nb.stores.sqlite import SqliteStore
from polos_nb.tools import Tool
from polos_nb.transcript import Transcript

_FINISH_SECONDS = 5.0  # that stopped runs have to close their streams


class Runtime:
    """Drives runs against one store.

    `store` is a `Store`, a path, ":memory:", or None for what the settings say. `mode` wins over the settings; without
    either it is "live" when somebody is watching (`watched`) or live calls are allowed, else "replay" when there are
    cassettes, else "offline". In replay the cassettes are the store and no file is opened.
    """

    def __init__(
        self,
        *,
        store: Store | str | None = None,
        mode: Mode | None = None,
        settings: Settings | None = None,
        watched: bool = True,
        cassettes: Sequence[Path] = (),
    ) -> None:
        self.settings = settings or Settings.from_environment()
        self.watched = watched
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
        if self._store is not None:
            self._store.close()
            self._store = None
            self._conversations = None

    def transcript_of(self, run_id: str) -> Transcript:
        """What a reader sees of a run, from its records. Raises StoreError for an unknown run."""
        run = self.store.get_run(run_id)
        if run is None:
            raise StoreError(f"there is no run {run_id} in {self.store.location}; see %polos runs")
        return transcript_from_records(run, self.store.trace(run.id))

    # -- starting ----------------------------------------------------------------------------------
    def start(self, config: AgentRunConfig, *, timeout: float | None = None, into: Run | None = None) -> Run:
        """Drive an agent as a task on the running loop; returns at once. `timeout` is in seconds."""
        return self._launch(agent_target(config, self.settings), into, timeout)

    def start_tool(
        self,
        tool: Tool,
        arguments: dict[str, Any],
        *,
        conversation_id: str | None = None,
        user_id: str | None = None,
        fresh: bool | frozenset[str] = False,
        timeout: float | None = None,
    ) -> Run:
        """Drive a tool by itself, like `start`."""
        return self._launch(tool_target(tool, arguments, conversation_id, user_id, fresh), None, timeout)

    def _launch(self, target: Target, run: Run | None, timeout: float | None) -> Run:
        run = run or Run(target.id, conversation_id=target.conversation_id)
        talk = target.conversation_id if target.kind == "agent" else None
        if talk in self._talking:
            raise ConfigurationError(
                f"conversation {talk!r} has a turn in progress; await it before the next: turns follow each other"
            )
        # The identity is taken now, in calling order, not when the task happens to begin.
        place = self._place(target)
        lineage = self._lineage(target, place)
        task = asyncio.get_running_loop().create_task(self._drive(target, run, lineage, place, timeout))
        task.add_done_callback(_retrieved)
        task.add_done_callback(lambda done: run.close())  # also when it was cancelled before it began
        run.task = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if talk is not None:
            self._talking.add(talk)
            task.add_done_callback(lambda done: self._talking.discard(talk))
        return run

    @property
    def busy(self) -> bool:
        """Whether a run is being driven."""
        return bool(self._tasks)

    async def finish(self) -> None:
        """Stop the runs that are still driven by this loop, and wait until they have let go of the store."""
        here = asyncio.get_running_loop()
        tasks = {task for task in self._tasks if task.get_loop() is here and task is not asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_FINISH_SECONDS)

    def _place(self, target: Target) -> Place | None:
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

    # -- driving -----------------------------------------------------------------------------------
    async def _drive(self, target: Target, run: Run, lineage: str, place: Place | None, timeout: float | None) -> Any:
        try:
            async with asyncio.timeout(timeout) as limit:
                while True:
                    try:
                        with Leases(self.store) as leases:
                            return await self._pass(target, run, lineage, place, leases)
                    except Superseded:
                        continue
        except TimeoutError:
            if not limit.expired():
                raise
            error = WorkflowTimeoutError(run.id or None, timeout)
            self._timed_out(target, run, str(error))
            raise error from None
        finally:
            run.close()

    def _timed_out(self, target: Target, run: Run, text: str) -> None:
        """What was noted as stopped has failed: nobody stopped it."""
        if run.stopped_id:
            with contextlib.suppress(StoreError):
                self.store.update_run(run.stopped_id, status="failed", error=text)
        run.emit(
            RunFinished(
                run_id=run.id, target_id=target.id, kind=target.kind, at=time.time(), status="failed", error=text
            )
        )

    async def _pass(self, target: Target, run: Run, lineage: str, place: Place | None, leases: Leases) -> Any:
        fresh: bool | frozenset[str] = target.fresh
        if self.mode == "record":
            fresh = fresh or lineage not in self.lineages  # a cell that asks the same again gets the same, as in replay
        elif self.mode == "live" and not self.settings.cache:
            fresh = True
        record, newest, how = await self._open(target, lineage, place, fresh, leases)
        book = Book(
            store=self.store,
            run=record,
            newest=newest,
            owner=leases.owner,
            emit=run.emit,
            mode=self.mode,
            fresh=fresh,
            recording=", ".join(path.name for path in self.cassettes) or "the cassette",
            redactor=redactor(),
            lease_seconds=leases.seconds,
            retry_delay=self.settings.retry_delay,
        )
        began = time.monotonic()
        book.emit(
            RunStarted,
            input=untag(orjson.loads(target.input)),
            provider=target.provider,
            model=target.model,
            conversation_id=target.conversation_id,
            resumed=how == "resumed",
            replayed=how == "replayed",
        )
        now = Pass(history=self.conversations.history(place) if place else [])
        try:
            async with leases.kept(lambda: book.run.id if book.writing else ""):
                result = await target.body(Steps(book), now)
                return self._completed(target, book, place, now, result, began)
        except Superseded:
            raise
        except BaseException as error:
            run.stopped_id = book.run.id if book.writing else ""
            self._failed(book, error, began)
            raise

    async def _open(
        self, target: Target, lineage: str, place: Place | None, fresh: bool | frozenset[str], leases: Leases
    ) -> tuple[RunRecord, str | None, str]:
        """The run this pass belongs to, the id of the lineage's newest run, and whether it is new, resumed or
        replayed. Waits while another driver has it."""
        new = RunRecord(
            lineage=lineage,
            target_id=target.id,
            kind=target.kind,
            input=target.input,
            conversation_id=target.conversation_id,
            turn=place.turn if place else None,
            previous=place.previous if place else None,
        )
        while True:
            newest = self.store.newest_run(lineage)
            found = newest.id if newest else None
            if self.mode in ("replay", "offline"):
                return (replace(newest, status="completed"), found, "replayed") if newest else (new, found, "new")
            if newest is not None and await leases.wait_while_driven(newest):
                continue
            if fresh is True or newest is None:
                horizon = self.store.last_step_id() if fresh is True else 0
                opened = self.store.new_run(
                    replace(new, horizon=horizon, owner=leases.owner, **leases.times()), expected=found
                )
                if opened is not None:
                    return opened, opened.id, "new"
                continue
            if newest.status == "completed":
                return replace(newest, previous=new.previous), found, "replayed"
            if leases.take(newest):
                return replace(newest, status="running", owner=leases.owner), found, "resumed"

    def _completed(self, target: Target, book: Book, place: Place | None, now: Pass, result: Any, began: float) -> Any:
        usage = result.usage if isinstance(result, AgentResult) else Usage()
        value = result.result if isinstance(result, AgentResult) else result
        shown = kept_result(value, book.redactor)
        book.check_fresh()
        book.settle()
        if book.writing:
            if target.conversation_id is not None and place is not None:
                self.store.put_messages(
                    target.conversation_id, book.run.id, place.turn, [book.redactor.redact(text) for text in now.said]
                )
            book.save_trace()
            self.store.release_run(
                book.run.id,
                book.owner,
                status="completed",
                result=shown.text,
                error=None,
                usage=kept_usage(usage),
                options=kept_options(target.provider, target.model, result),
                finished_at=time.time(),
            )
        if place is not None and target.conversation_id is not None:
            self.conversations.said(target.conversation_id, place, book.run.id)
        used = self.lineages.setdefault(book.run.lineage, set())
        used |= book.used
        if self.mode == "record" and self.settings.cassette:
            record_lineages(self.store, {book.run.lineage: used}, Path(self.settings.cassette))
        book.emit(
            RunFinished,
            status="completed",
            result=shown.plain,
            stop_reason=getattr(result, "stop_reason", "end"),
            usage=usage,
            steps=book.executed + book.hits,
            cached_steps=book.hits,
            seconds=time.monotonic() - began,
        )
        if isinstance(result, AgentResult):
            return replace(result, agent_run_id=book.run.id)
        return result

    def _failed(self, book: Book, error: BaseException, began: float) -> None:
        stopped = isinstance(error, asyncio.CancelledError | KeyboardInterrupt | GeneratorExit)
        status = "cancelled" if stopped else "failed"
        text = "stopped" if stopped else book.redactor.redact(one_line(error, 2000))
        if isinstance(error, PolosError) and getattr(error, "run_id", None) == "":
            error.run_id = book.run.id  # type: ignore[attr-defined]
        if book.writing:
            with contextlib.suppress(StoreError):  # the first failure is the one to tell
                self.store.release_run(book.run.id, book.owner, status=status, error=text, finished_at=time.time())
            with contextlib.suppress(StoreError):
                book.save_trace()
            self.lineages.setdefault(book.run.lineage, set()).update(book.used)
        book.emit(
            RunFinished,
            status=status,
            error=text,
            steps=book.executed + book.hits,
            cached_steps=book.hits,
            seconds=time.monotonic() - began,
        )


def _retrieved(task: asyncio.Task[Any]) -> None:
    """Failures of a run that nobody waits for are in its transcript; asyncio need not shout about them."""
    if not task.cancelled():
        task.exception()
