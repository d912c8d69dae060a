"""What you hold while a run is driven, and what is left of it afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from polos_nb.errors import PolosError
from polos_nb.messages import AgentResult, Step, ToolResult, Usage
from polos_nb.run_events import AnswerPassed, Event, StepEvent, StepFinished, StreamStarted, TextDelta
from polos_nb.runtime.bus import EventLog
from polos_nb.transcript import Transcript

_BETWEEN = "\n\n"  # between the texts of two turns


class Run:
    """A run that is being driven as a task of the loop it was started on.

    `transcript` is what a reader sees of it, at any moment. `id` is "" until the run is known in the store.
    """

    def __init__(self, target_id: str, *, conversation_id: str | None = None) -> None:
        self.target_id = target_id
        self.conversation_id = conversation_id
        self.created_at = datetime.now(UTC).isoformat()
        self.transcript = Transcript()
        self.task: asyncio.Task[Any] | None = None
        self.stopped = False  # whether somebody has asked for its end
        self.stopped_id = ""  # the run that a pass was writing in when it ended before its time
        self.attended = False  # whether somebody waits with it, however long it waits for an answer
        self._alone = asyncio.Event()
        self._id = ""
        self._log = EventLog()
        self._log.listen(self.transcript.add)

    @property
    def id(self) -> str:
        """The name of the run, such as "r12"."""
        return self._id

    @property
    def run_id(self) -> str:
        """The same as `id`."""
        return self._id

    async def known(self) -> None:
        """Return when the run has its id, or has ended without one."""
        async for _ in self._log.read():
            if self._id:
                return
        if self.task is not None and self.task.done() and not self.task.cancelled():
            self.task.result()

    def emit(self, event: Event) -> None:
        """Take an event of this run."""
        if event.run_id:
            self._id = event.run_id
        self._log.emit(event)

    def read(self) -> AsyncIterator[Event]:
        """All events from the first one on, as they come, to the end of the run."""
        return self._log.read()

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` with every event from now on."""
        self._log.listen(listener)

    def close(self) -> None:
        """No event follows."""
        self._log.close()

    def done(self) -> bool:
        """Whether the run has ended, well or not."""
        return self.task is not None and self.task.done()

    def cancel(self) -> None:
        """Stop the run. What it finished is kept; running the same call again goes on from there."""
        self.stopped = True
        if self.task is not None:
            self.task.get_loop().call_soon_threadsafe(self.task.cancel)

    def attend(self) -> None:
        """Wait with this run when it waits for an answer, until `leave`. Before it is started."""
        self.attended = True

    def leave(self) -> None:
        """Wait with this run no more: once it only waits, it is left, and goes on when it has its answer."""
        self.attended = False
        if self.task is not None and not self.task.get_loop().is_closed():
            self.task.get_loop().call_soon_threadsafe(self._alone.set)

    async def left_alone(self, seconds: float) -> None:
        """Return when nobody waits with this run any more, or after that many seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._alone.wait(), seconds)

    async def result(self) -> Any:
        """The result, when it is there. Raises what the run raised: RunError and its kin, CancelledError."""
        if self.task is None:
            raise PolosError("this run was never started")
        if self.task.get_loop() is asyncio.get_running_loop():
            return await asyncio.shield(self.task)
        return await asyncio.shield(asyncio.wrap_future(_as_future(self.task)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.target_id!r}, {self.transcript.status})"


@dataclass(frozen=True)
class StreamEvent:
    """An event in Polos' shape. `sequence_id` counts from 1 within the run."""

    id: str
    sequence_id: int
    topic: str
    event_type: str
    data: dict[str, Any]
    created_at: str


class StreamResult(Run):
    """The run that `agent.stream()` started.

    >>> stream = await agent.stream("What's the weather in Tokyo?")  # doctest: +SKIP
    >>> async for chunk in stream.text_chunks:  # doctest: +SKIP
    ...     print(chunk, end="")
    >>> stream.usage.total_tokens  # doctest: +SKIP

    `text_chunks` and `events` may be read any number of times, from the start each time. A failure of the run is
    raised where it is read, after what had arrived.
    """

    @property
    def agent_run_id(self) -> str:
        """The same as `id`."""
        return self._id

    @property
    def workflow_id(self) -> str:
        """The agent's id."""
        return self.target_id

    root_workflow_id = workflow_id

    @property
    def session_id(self) -> str | None:
        """The conversation, if there is one."""
        return self.conversation_id

    @property
    def topic(self) -> str:
        """The name of this run's stream of events."""
        return f"workflow/{self.target_id}/{self._id}"

    @property
    def text_chunks(self) -> AsyncIterator[str]:
        """The text of all turns as it arrives, an empty line between turns. What a retry says again comes once."""
        return self._chunks()

    @property
    def events(self) -> AsyncIterator[StreamEvent]:
        """Everything that happens, in Polos' vocabulary: agent_start, step_start, text_delta, tool_call, ..."""
        return self._events()

    async def text(self) -> str:
        """The whole text, when the run has ended."""
        return "".join([chunk async for chunk in self._chunks()])

    async def get(self) -> dict[str, Any]:
        """The result with the run's status, as a dict."""
        result = await self.result()
        return {"status": "completed", "result": result, "error": None, "execution_id": self._id}

    @property
    def final(self) -> AgentResult:
        """The result of a run that has ended. Raises PolosError before that, and what the run raised."""
        if self.task is None or not self.task.done():
            raise PolosError("the run has not ended; write: await stream.result()")
        result: AgentResult = self.task.result()
        return result

    @property
    def usage(self) -> Usage:
        """Tokens of the whole run, after its end."""
        return self.final.usage

    @property
    def tool_results(self) -> list[ToolResult]:
        """Results of all tool calls, after the end."""
        return self.final.tool_results

    @property
    def steps(self) -> list[Step]:
        """The turns, after the end."""
        return self.final.steps

    @property
    def total_steps(self) -> int:
        """How many turns there were, after the end."""
        return self.final.total_steps

    @property
    def stop_reason(self) -> str:
        """What ended the run, after the end."""
        return self.final.stop_reason

    def to_dict(self) -> dict[str, Any]:
        """What identifies this run."""
        return {
            "id": self._id,
            "workflow_id": self.target_id,
            "created_at": self.created_at,
            "session_id": self.conversation_id,
            "topic": self.topic,
        }

    async def _chunks(self) -> AsyncIterator[str]:
        said: dict[str, str] = {}  # what was yielded of each step
        heard: dict[str, str] = {}  # what its current attempt has said
        done: set[str] = set()
        async for event in self._log.read():
            if isinstance(event, StepEvent) and event.parent:
                continue  # what an agent says that this one has asked is no text of its own
            if isinstance(event, StreamStarted):
                heard[event.step_key] = ""
            elif isinstance(event, TextDelta) and event.step_key not in done:
                key = event.step_key
                heard[key] = heard.get(key, "") + event.text
                before = said.get(key, "")
                if before.startswith(heard[key]):
                    continue  # a retry says again what was said
                new = heard[key][len(before) :] if heard[key].startswith(before) else event.text
                between = _BETWEEN if said and not before else ""
                said[key] = before + new
                yield between + new
            elif isinstance(event, AnswerPassed) and event.text and event.step_key not in said:
                between = _BETWEEN if said else ""
                said[event.step_key] = event.text
                yield between + event.text
            elif isinstance(event, StepFinished) and event.step_type == "llm" and event.step_key not in done:
                done.add(event.step_key)
                text = str((event.output or {}).get("text") or "")
                if event.cached and text:
                    between = _BETWEEN if said else ""
                    said[event.step_key] = text
                    yield between + text
        await self._raise_failure()

    async def _events(self) -> AsyncIterator[StreamEvent]:
        number = 0
        async for event in self._log.read():
            number += 1
            yield StreamEvent(
                id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self._id}/{number}")),
                sequence_id=number,
                topic=self.topic,
                event_type=event.event_type,
                data=event.data,
                created_at=datetime.fromtimestamp(event.at, UTC).isoformat(),
            )
        await self._raise_failure()

    async def _raise_failure(self) -> None:
        await self.result()


def _as_future(task: asyncio.Task[Any]) -> Any:
    """A task of another loop as a thread-safe future."""

    async def wait() -> Any:
        return await asyncio.shield(task)

    return asyncio.run_coroutine_threadsafe(wait(), task.get_loop())
