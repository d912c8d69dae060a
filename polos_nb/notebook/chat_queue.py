"""The messages of one chat on their way: one after the other, each a run that is driven on the kernel's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from polos_nb.agents import Agent
from polos_nb.errors import ConfigurationError, PolosError
from polos_nb.run_events import Event, RunStarted
from polos_nb.runtime.branches import Branches
from polos_nb.runtime.conversation import Place
from polos_nb.runtime.run import Run
from polos_nb.runtime.runtime import Runtime
from polos_nb.runtime.targets import agent_target

_LOOK = 0.2  # seconds between two looks whether somebody else still answers in the conversation


@dataclass(eq=False, kw_only=True)
class Sending:
    """One message on its way. `place` is where it belongs, asked when its turn has come.

    With `resume` it goes on with that run, and with a `run` that has begun already it is only waited for.
    """

    row: str
    input: Any
    agent: Agent
    conversation: Callable[[], str]
    place: Callable[[], Place]
    resume: str = ""
    run: Run | None = None
    at: Place | None = None
    error: str = ""
    dropped: bool = False
    done: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Queue:
    """Sends messages, and tells of each when it has `changed`, when it has `begun` and when it is over (`ended`)."""

    def __init__(
        self,
        runtime: Callable[[], Runtime],
        *,
        changed: Callable[[], None],
        begun: Callable[[], None],
        ended: Callable[[Sending], None],
    ) -> None:
        self.attends: Callable[[], bool] = lambda: runtime().watched  # whether somebody could click an answer now
        self.current: Sending | None = None
        self.waiting: list[Sending] = []
        self._runtime = runtime
        self._changed = changed
        self._begun = begun
        self._ended = ended
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether anything is on its way."""
        return self.current is not None or bool(self.waiting)

    def put(self, sending: Sending) -> None:
        """Send it when those before it are over; on the running loop."""
        sending.done.add_done_callback(lambda done: done.cancelled() or done.exception())  # seen in the chat anyway
        self.waiting.append(sending)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._send())

    def stop(self) -> bool:
        """Stop what is being answered now. False when nothing is."""
        if self.current is None:
            return False
        self.current.dropped = True
        if self.current.run is not None and self.current.run.task is not None:
            self.current.run.cancel()
        return True

    def drop(self, row: str) -> bool:
        """Take a message back that has not begun. False when there is none."""
        for sending in self.waiting:
            if sending.row == row:
                self.waiting.remove(sending)
                sending.done.cancel()
                return True
        return False

    def give_up(self, sending: Sending) -> None:
        """Nobody waits for this message any more: stop it, wherever it is."""
        if self.current is sending:
            self.stop()
        else:
            self.drop(sending.row)

    async def _send(self) -> None:
        while self.waiting:
            self.current = sending = self.waiting.pop(0)
            self._begun()
            try:
                await self._drive(sending)
            finally:
                self.current = None
                if not sending.done.done():
                    sending.done.cancel()
                self._ended(sending)

    async def _drive(self, sending: Sending) -> None:
        try:
            await self._free(sending)
            if sending.dropped:
                return
            run = sending.run if sending.run is not None and sending.run.task is not None else self._start(sending)
            self._begun()
            assert run.task is not None
            await asyncio.wait({run.task})
        except (PolosError, TypeError, ValueError) as error:  # before there was a run
            sending.error = str(error)
            sending.done.set_exception(error)
            return
        if run.task.cancelled():
            return
        failure = run.task.exception()
        if failure is None:
            sending.done.set_result(run.task.result())
            return
        sending.error = " ".join(str(failure).split())
        sending.done.set_exception(failure)

    def _start(self, sending: Sending) -> Run:
        runtime, agent, conversation = self._runtime(), sending.agent, sending.conversation()
        sending.run = run = Run(agent.id, conversation_id=conversation)
        if self.attends():  # as long as the chat is there, it waits for a person
            run.attend()
        loop = asyncio.get_running_loop()

        def heard(event: Event) -> None:
            if isinstance(event, RunStarted):
                loop.call_soon_threadsafe(self._begun)  # what fails there must not end the run
            self._changed()

        run.subscribe(heard)
        if sending.resume:
            return runtime.resume(sending.resume, declared={agent.id: agent}, into=run)
        # What is said in a chat is new, however often it was said before.
        config = agent.with_input(sending.input, conversation_id=conversation, fresh=True)
        sending.at = sending.place()
        return runtime.launch(agent_target(config, runtime.settings), run, place=sending.at)

    async def _free(self, sending: Sending) -> None:
        """Wait until nobody else, such as a cell or another kernel, answers in this conversation."""
        while not sending.dropped:
            other = Branches(self._runtime().store, sending.conversation()).driven()
            if other is None or (sending.run is not None and sending.run.id == other.id):
                return
            if other.id == sending.resume:
                raise ConfigurationError(f"run {other.id} is being answered already, by another cell or kernel")
            await asyncio.sleep(_LOOK)
