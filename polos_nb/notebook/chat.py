"""A chat: a conversation with an agent in which each message is a run; what `%polos_chat` gives."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from polos_nb.agents import Agent
from polos_nb.errors import ConfigurationError, RunError, StoreError
from polos_nb.messages import AgentResult, Message
from polos_nb.models.vision import surely_takes_images
from polos_nb.notebook.attachments import composed, edited, from_python, has_images, message_of
from polos_nb.notebook.chat_list import conversations_of
from polos_nb.notebook.chat_page import as_cells, as_markdown, bundle, cells
from polos_nb.notebook.chat_queue import Queue, Sending
from polos_nb.notebook.chat_turns import ChatTurn, StoredTurns, keep_part, queued_turn
from polos_nb.notebook.markup import Bundle
from polos_nb.runtime.branches import Branches, Turn, free_name, place_behind
from polos_nb.runtime.conversation import Place
from polos_nb.runtime.run import Run
from polos_nb.runtime.runtime import Runtime
from polos_nb.safe_text import brief
from polos_nb.stores.base import Store

_TICK = 0.04  # seconds

# By store: names that were given to new conversations, in which nothing may have been said yet.
_taken: WeakKeyDictionary[Store, set[str]] = WeakKeyDictionary()


class Chat:
    """A conversation with an agent. The store is what it is made of: everywhere the same turns are seen.

    `runtime` gives the runtime of the moment. Without a `conversation` a new one is begun. `on_change` are called when
    what a reader sees has changed for good: a turn is over, or another branch or conversation is shown. `listeners` are
    called at every change, from any thread.

    >>> answer = await chat.send("What should I pack for Oslo?")  # doctest: +SKIP
    """

    def __init__(self, agent: Agent, runtime: Callable[[], Runtime], conversation: str | None = None) -> None:
        self.agent = agent
        self.on_change: list[Callable[[Chat], Any]] = []
        self.listeners: list[Callable[[], None]] = []
        self.shower: Callable[[Chat], None] | None = None  # shows it in the cell that is being executed
        self.next_input: Callable[[str], None] | None = None  # puts a text into a new cell
        self._runtime = runtime
        self._stored = StoredTurns()
        self._rows: dict[str, str] = {}  # the name of a turn's row, by its run
        self._number = 0
        self._tip: str | None = None  # the run at the end of the branch that is shown
        self._failed: Sending | None = None  # a message that never became a run
        self._turns: tuple[ChatTurn, ...] = ()
        self._queue = Queue(runtime, changed=self._changed, begun=self._looked, ended=self._ended)
        self._watched: Runtime | None = None
        self._named = not conversation  # whether the name was made up here
        self._conversation = conversation or self._new_name()
        self.look()

    # -- what is seen ----------------------------------------------------------------------------------------------
    @property
    def conversation(self) -> str:
        """The id of the conversation, to give to `%polos_run AGENT -s ID` or `%polos_chat AGENT --conversation ID`."""
        return self._conversation

    @property
    def turns(self) -> tuple[ChatTurn, ...]:
        """The turns of the branch that is shown, as of the last look, and the messages on their way."""
        return self._turns

    @property
    def messages(self) -> list[Message]:
        """What was said on the branch that is shown, as the model is told it; without what was not finished."""
        self.look()
        return self._runtime().conversations.history(place_behind(self._path()))

    @property
    def last(self) -> Any:
        """The newest answer of the branch that is shown: a text, or plain data; None before there is one."""
        self.look()
        return next((turn.answer for turn in reversed(self._turns) if turn.status == "completed"), None)

    @property
    def busy(self) -> bool:
        """Whether a message is on its way."""
        return self._queue.busy

    @property
    def queued(self) -> int:
        """How many messages wait for the one before them."""
        return len(self._queue.waiting)

    @property
    def note(self) -> str:
        """What a reader should know of the conversation; "" when there is nothing."""
        others = sorted({turn.agent for turn in self._turns if turn.agent and turn.agent != self.agent.id})
        return f"Parts of this conversation are with {', '.join(others)}." if others else ""

    @property
    def current(self) -> Run | None:
        """The run that answers now, or None."""
        sending = self._queue.current
        return sending.run if sending is not None else None

    def turn(self, row: Any) -> ChatTurn:
        """The turn of that row. Raises ConfigurationError."""
        found = next((turn for turn in self._turns if turn.row == row), None)
        if found is None:
            raise ConfigurationError("this turn is not in the conversation that is shown any more")
        return found

    def look(self) -> bool:
        """See what the store has now. Whether anything has changed."""
        before = self._turns
        self._turns = tuple(self._read())
        return [(t.row, t.status, id(t.transcript), t.branches) for t in before] != [
            (t.row, t.status, id(t.transcript), t.branches) for t in self._turns
        ]

    def refresh(self) -> bool:
        """See what cells, other kernels and other people have done. Whether anything has changed."""
        changed = self.look()
        if changed:
            self._tell()
        return changed

    def _read(self) -> list[ChatTurn]:
        store, sending, branches = self._runtime().store, self._queue.current, self._branches
        run = sending.run if sending is not None else None
        known = run is not None and run.id in branches
        if sending is None:
            path = branches.through(self._tip)
            self._tip = path[-1].run.id if path else None
        elif run is not None and known:
            path = branches.to(run.id)
        else:
            path = branches.to(sending.resume or (sending.at or sending.place()).previous)
        if run is not None and known and sending is not None:
            self._rows.setdefault(run.id, sending.row)
        turns = [
            self._stored.turn(
                store,
                found,
                self._rows.setdefault(found.run.id, f"t{found.run.id}"),
                driven=branches.is_driven(found.run),
                transcript=run.transcript if run is not None and found.run.id == run.id else None,
            )
            for found in path
        ]
        if sending is not None and not known and not sending.resume:
            turns.append(queued_turn(sending.row, sending.input, run=run, status="running"))
        if self._failed is not None:
            failed = self._failed
            turns.append(queued_turn(failed.row, failed.input, run=failed.run, status="failed", error=failed.error))
        return turns + [queued_turn(one.row, one.input) for one in self._queue.waiting if not one.resume]

    def attend(self, attends: Callable[[], bool]) -> None:
        """Wait with a message for an answer to what it asks only where `attends()`; else it is left till then."""
        self._queue.attends = attends

    # -- what is said ----------------------------------------------------------------------------------------------
    async def send(self, text: str, attachments: Sequence[Any] = ()) -> AgentResult:
        """Say something at the end of the branch that is shown, and return the answer. Waits for messages before it.

        `attachments` are paths of text files or images. Raises what the run raises, and RunError when it was stopped.
        An interrupt stops it.
        """
        sending = await self.begin(text, attachments)
        try:
            while not sending.done.done():  # a kernel notices an interrupt only when its loop wakes up
                await asyncio.wait({sending.done}, timeout=_TICK)
        except asyncio.CancelledError:
            self._queue.give_up(sending)
            raise
        if sending.done.cancelled():
            run_id = sending.run.id if sending.run is not None else ""
            raise RunError("stopped; Retry in the chat goes on from here", run_id=run_id)
        result: AgentResult = sending.done.result()
        return result

    async def begin(self, text: str, attachments: Sequence[Any] = ()) -> Sending:
        """The same, but return when it is on its way. Raises ConfigurationError for what cannot be sent."""
        question = composed(message_of(text, empty=bool(attachments)), from_python(attachments))
        await self._check_images(question)
        if self._named and not self.busy and not self._turns and len(self._branches):
            self._conversation = self._new_name()  # another kernel took this name for a conversation of its own
        self._failed = None
        return self._put(question, self._end)

    async def edit(self, row: str, text: str) -> Sending:
        """Say something else in place of a turn: a new branch, which keeps the attachments. Returns at once."""
        turn = self._settled(row)
        question = edited(turn.input, message_of(text, empty=bool(turn.attachments)))
        await self._check_images(question)
        return self._put(question, self._before(turn))

    async def retry(self, row: str) -> Sending:
        """Ask again: goes on with a turn that is not complete, and begins a new branch beside one that is."""
        turn = self._settled(row)
        await self._check_images(turn.input)
        record = self._runtime().store.get_run(turn.run_id) if turn.run_id else None
        if record is not None and record.status != "completed" and record.target_id == self.agent.id:
            newest = self._runtime().store.newest_run(record.lineage)
            if newest is not None and newest.id == record.id:
                return self._put(turn.input, self._before(turn), resume=record.id)
        return self._put(turn.input, self._before(turn))

    def show_branch(self, row: str, branch: int) -> None:
        """Show another branch at a turn, by its number from 1; what is said next goes on there."""
        turn = self._settled(row)
        if isinstance(branch, bool) or not isinstance(branch, int) or not 1 <= branch <= len(turn.beside):
            raise ConfigurationError(f"there is no branch {branch} at this turn; it has {max(1, len(turn.beside))}")
        self._tip = turn.beside[branch - 1]
        self._moved()

    def open(self, conversation: str) -> None:
        """Show another conversation; one that is not known begins with the next message. Not while one is answered."""
        name = conversation.strip() if isinstance(conversation, str) else ""
        if not name or len(name) > 200 or not name.isprintable():
            raise ConfigurationError("a conversation is named by one line of at most 200 characters")
        self._idle("open another conversation")
        self._conversation, self._tip, self._failed, self._named = name, None, None, False
        self._moved()

    def new(self) -> None:
        """Begin a new conversation."""
        self._idle("begin a new conversation")
        self.open(self._new_name())
        self._named = True

    def stop(self, row: str = "") -> bool:
        """Stop the answer that is being given; or, with the row of a message that waits, take that back."""
        if row and self._queue.drop(row):
            self._looked()
            return True
        stopped = self._queue.stop()
        self._changed()
        return stopped

    async def goes_on(self, run_id: str) -> None:
        """A run of this conversation was answered: where nobody drives it, it goes on here."""
        self.look()
        turn = next((turn for turn in self._turns if turn.run_id == run_id), None)
        left = turn is not None and turn.status in ("suspended", "unfinished")
        if turn is not None and left and not self.busy and run_id not in self._runtime().waiting.runs:
            await self.retry(turn.row)

    def conversations(self) -> list[dict[str, Any]]:
        """The conversations of this agent, newest first: id, title, number of turns, and when it was gone on with."""
        return conversations_of(self._runtime().store, self.agent.id)

    # -- what stays ------------------------------------------------------------------------------------------------
    def export(self, as_: str = "markdown") -> str:
        """The branch that is shown as "markdown", or as "cells" that come back to the same answers."""
        self.look()
        if as_ not in ("cells", "markdown"):
            raise ConfigurationError(f"a chat is exported as cells or as markdown, not as {brief(str(as_), 40)}")
        return as_cells(self) if as_ == "cells" else as_markdown(self)

    def cells(self) -> list[str]:
        """The cells of `export("cells")`; in a notebook the first of them is also put below the cell that asks."""
        self.look()
        found = cells(self)
        if found and self.next_input is not None:
            self.next_input(found[0])
        return found

    def bundle(self) -> Bundle:
        """The branch that is shown as an output that stays: `(data, metadata)`."""
        return bundle(self)

    def _ipython_display_(self) -> None:
        if self.shower is None:
            raise NotImplementedError  # then its mimebundle is shown
        self.shower(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Bundle:
        self.look()
        return self.bundle()

    def __repr__(self) -> str:
        count = len(self._turns)
        return f"Chat({self.agent.id!r}, {self._conversation!r}, {count} turn{'' if count == 1 else 's'})"

    # -- inside ----------------------------------------------------------------------------------------------------
    def _put(self, question: Any, place: Callable[[], Place], *, resume: str = "") -> Sending:
        self._watch()
        self._number += 1
        row = self._rows.get(resume) or f"m{self._number}"
        sending = Sending(
            row=row,
            input=question,
            agent=self.agent,
            conversation=lambda: self._conversation,
            place=place,
            resume=resume,
        )
        self._queue.put(sending)
        self._looked()
        return sending

    def _path(self) -> list[Turn]:
        return self._branches.to(self._tip)

    def _end(self) -> Place:
        """The place behind what is shown, when the message's turn has come."""
        return place_behind(self._branches.through(self._tip))

    def _before(self, turn: ChatTurn) -> Callable[[], Place]:
        """The place of a turn."""
        if not turn.run_id:
            return self._end
        place = place_behind(self._branches.to(turn.run_id)[:-1])
        return lambda: place

    def _settled(self, row: str) -> ChatTurn:
        self._idle("change a turn")
        turn = self.turn(row)
        if self._failed is not None and turn.row == self._failed.row:
            self._failed = None
        return turn

    def _idle(self, what: str) -> None:
        if self.busy:
            raise ConfigurationError(f"a message is being answered: stop it or wait for its end, then {what}")

    def _ended(self, sending: Sending) -> None:
        """A message is over: it is the end of the branch that is shown."""
        run = sending.run
        if run is not None and run.id:
            self._tip = run.id
            if run.task is not None and run.task.cancelled():
                with contextlib.suppress(StoreError):
                    keep_part(self._runtime().store, self._conversation, run, sending.input)
        elif sending.error:
            self._failed = sending
        with contextlib.suppress(StoreError):
            self._moved(stand=False)

    def _watch(self) -> None:
        """Hear of runs that go on by themselves after they were left waiting."""
        runtime = self._runtime()
        if self._watched is not runtime:
            self._watched = runtime
            runtime.waiting.on_resume.append(self._resumed)

    def _resumed(self, before: Run, after: Run) -> None:
        if before.conversation_id != self._conversation or self._queue.current or before.id not in self._rows:
            return
        after.subscribe(lambda event: self._changed())
        row = self._rows[before.id]
        sending = Sending(
            row=row, input="", agent=self.agent, conversation=lambda: self._conversation, place=self._end, run=after,
            resume=before.id,
        )  # fmt: skip
        self._queue.put(sending)

    def _looked(self) -> None:
        with contextlib.suppress(StoreError):  # the run itself says what is wrong with the store
            self.look()
        self._changed()

    def _moved(self, *, stand: bool = True) -> None:
        """Another branch or conversation is shown, or a turn is over."""
        self.look()
        path = [turn.run.id for turn in self._path()] if stand else []
        if path:  # so that `%polos_run -s` goes on at the same place
            self._runtime().conversations.stand(self._conversation, path)
        self._tell()

    def _tell(self) -> None:
        self._changed()
        for told in list(self.on_change):
            told(self)

    def _changed(self) -> None:
        for listener in list(self.listeners):
            listener()

    @property
    def _branches(self) -> Branches:
        return Branches(self._runtime().store, self._conversation)

    def _new_name(self) -> str:
        taken = _taken.setdefault(self._runtime().store, set())
        name: str = free_name(self._runtime().store, self.agent.id, tuple(taken))
        taken.add(name)
        return name

    async def _check_images(self, question: Any) -> None:
        agent = self.agent
        if has_images(question) and not await asyncio.to_thread(surely_takes_images, agent.provider, agent.model):
            raise ConfigurationError(
                f"{agent.provider}/{agent.model_name} is not known to take images; attach a text file, or use a model"
                " that sees images"
            )
