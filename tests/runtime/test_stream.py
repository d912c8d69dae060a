"""Streams: what a caller reads while a run is driven, and after."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from polos_nb import Agent, ModelError, PolosError, RunError, ScriptedModel, StreamResult, Turn, tool
from polos_nb.errors import ModelUnavailable
from polos_nb.models.base import ModelRequest, ModelResponse, Piece, TextPiece
from tests.runtime.support import Process, calls


@tool(description="Echo")
def echo(text: str) -> str:
    return text


def talker() -> Agent:
    turns = [Turn(text="Let me see.", calls=[("echo", {"text": "x"})]), "It is x."]
    return Agent(id="a", model=ScriptedModel(turns), tools=[echo])


def stuck() -> Agent:
    """An agent whose model says a word and then nothing more."""
    return Agent(id="stuck", model=Halting())


class Halting:
    """A model that stops in the middle of its answer and never goes on."""

    own_loop = False
    name = "halting"

    async def stream(self, request: ModelRequest) -> AsyncIterator[Piece | ModelResponse]:
        yield TextPiece("Well")
        await asyncio.Event().wait()


class Cutting:
    """A model whose connection is cut twice in the middle of its answer."""

    own_loop = False
    name = "cutting"

    def __init__(self) -> None:
        self.attempts = 0

    async def stream(self, request: ModelRequest) -> AsyncIterator[Piece | ModelResponse]:
        self.attempts += 1
        for word in ["one ", "two ", "three"][: self.attempts]:
            yield TextPiece(word)
        if self.attempts < 3:
            raise ModelUnavailable("the connection was cut")
        yield ModelResponse(text="one two three")


async def listed(source: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in source]


async def into(got: list[Any], source: AsyncIterator[Any]) -> None:
    """Collect what arrives, also when a failure follows."""
    async for item in source:
        got.append(item)


def test_text_arrives_in_pieces_and_the_rest_is_there_after_the_end() -> None:
    """text_chunks, text(), result() and get() agree; usage, tool results and steps follow."""

    async def body(client: Any) -> None:
        stream = await talker().stream(client, "go")
        assert isinstance(stream, StreamResult)
        chunks = await listed(stream.text_chunks)
        assert chunks == ["Let", " me", " see.", "\n\nIt", " is", " x."]
        assert await stream.text() == "".join(chunks)
        result = await stream.result()
        assert result.result == "It is x."
        assert await stream.get() == {"status": "completed", "result": result, "error": None, "execution_id": "r1"}
        assert stream.final is result
        assert stream.usage == result.usage
        assert [item.result for item in stream.tool_results] == ["x"]
        assert (stream.total_steps, len(stream.steps), stream.stop_reason) == (2, 2, "end")
        assert stream.done()
        assert (stream.id, stream.run_id, stream.agent_run_id, stream.workflow_id) == ("r1", "r1", "r1", "a")
        assert stream.to_dict()["topic"] == "workflow/a/r1"

    Process().cell(body)


def test_events_speak_polos_vocabulary_in_order() -> None:
    """Every event has a type, a number, a topic and its data."""

    async def body(client: Any) -> None:
        stream = await talker().stream(client, "go")
        events = await listed(stream.events)
        kinds = [event.event_type for event in events]
        assert [kind for place, kind in enumerate(kinds) if kinds[place - 1] != kind or place == 0] == [
            "agent_start", "step_start", "stream_start", "text_delta", "step_finish", "tool_call", "tool_start",
            "tool_finish", "step_start", "stream_start", "text_delta", "step_finish", "agent_finish",
        ]  # fmt: skip
        assert [event.sequence_id for event in events] == list(range(1, len(events) + 1))
        text = "".join(event.data["content"] for event in events if event.event_type == "text_delta")
        assert text == "Let me see.It is x."
        [asked] = [event for event in events if event.event_type == "tool_call"]
        assert asked.data["tool_call"]["function"] == {"name": "echo", "arguments": '{"text": "x"}'}
        assert len({event.id for event in events}) == len(events)
        assert events[-1].topic == "workflow/a/r1"
        assert [event.id for event in await listed(stream.events)] == [event.id for event in events]

    Process().cell(body)


def test_a_stream_may_be_read_twice_at_once_and_later() -> None:
    """Each reader gets everything from the start."""

    async def body(client: Any) -> None:
        stream = await talker().stream(client, "go")
        one, two, events = await asyncio.gather(
            listed(stream.text_chunks), listed(stream.text_chunks), listed(stream.events)
        )
        assert one == two == await listed(stream.text_chunks)
        assert len(events) == len(await listed(stream.events))

    Process().cell(body)


def test_what_is_there_after_the_end_is_an_error_before_it() -> None:
    """usage and tool_results of a run that goes on say what to write."""

    async def body(client: Any) -> None:
        stream = await stuck().stream(client, "go")
        for name in ("usage", "tool_results", "final", "steps", "total_steps", "stop_reason"):
            with pytest.raises(PolosError, match=r"await stream\.result\(\)"):
                getattr(stream, name)
        stream.cancel()

    Process().cell(body)


def test_a_failure_is_raised_where_it_is_read_after_what_had_arrived() -> None:
    """All ways of reading raise what the run raised."""
    model = ScriptedModel([Turn(text="first ", calls=[("echo", {"text": "x"})]), Turn(error=ModelError("refused"))])
    agent = Agent(id="a", model=model, tools=[echo])

    async def body(client: Any) -> None:
        stream = await agent.stream(client, "go")
        arrived: list[str] = []
        with pytest.raises(RunError, match="refused"):
            await into(arrived, stream.text_chunks)
        assert "".join(arrived) == "first "
        for read in (stream.text, stream.result, stream.get):
            with pytest.raises(RunError, match="refused"):
                await read()
        seen: list[Any] = []
        with pytest.raises(RunError, match="refused"):
            await into(seen, stream.events)
        assert seen[-1].event_type == "agent_finish"
        with pytest.raises(RunError, match="refused"):
            stream.usage  # noqa: B018

    Process().cell(body)


def test_a_cached_stream_says_the_same() -> None:
    """A replay gives each turn's text in one piece, and calls nothing."""
    process = Process()
    agent = talker()

    async def body(client: Any) -> tuple[str, Any, list[str]]:
        stream = await agent.stream(client, "go")
        return await stream.text(), await stream.result(), [e.event_type for e in await listed(stream.events)]

    text, result, _ = process.cell(body)
    again, cached, kinds = process.cell(body)
    assert (again, cached) == (text, result)
    assert cached.cached
    assert "step_start" not in kinds
    assert len(agent.model.requests) == 2  # type: ignore[union-attr]


def test_a_retry_does_not_repeat_text() -> None:
    """What a cut connection had delivered is not said again by the next attempt."""
    agent = Agent(id="a", model=Cutting())

    async def body(client: Any) -> None:
        stream = await agent.stream(client, "go")
        assert await listed(stream.text_chunks) == ["one ", "two ", "three"]
        kinds = [event.event_type for event in await listed(stream.events)]
        assert kinds.count("step_retry") == 2
        assert kinds.count("stream_start") == 3

    Process().cell(body)


def test_a_cancelled_stream_ends_and_can_be_resumed() -> None:
    """Cancelling ends all readers with CancelledError, and the run is kept as cancelled."""
    process = Process()

    async def body(client: Any) -> None:
        stream = await stuck().stream(client, "go")
        async for chunk in stream.text_chunks:
            assert chunk == "Well"
            break
        stream.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stream.text()
        assert process.runtime.store.list_runs()[0].status == "cancelled"
        assert (await listed_events(stream))[-1] == "workflow_cancel"

    process.cell(body)
    resumed = process.run(
        Agent(id="stuck", provider="scripted", model=ScriptedModel(["Well, yes."], name="halting")), "go"
    )
    assert resumed.result == "Well, yes."
    assert len(process.runtime.store.list_runs()) == 1


async def listed_events(stream: StreamResult) -> list[str]:
    kinds = []
    try:
        async for event in stream.events:
            kinds.append(event.event_type)
    except asyncio.CancelledError:
        pass
    return kinds


def test_a_stream_cancelled_before_it_began_ends_too() -> None:
    """A reader of a run that never started does not wait for ever."""

    async def body(client: Any) -> None:
        stream = await stuck().stream(client, "go")
        stream.cancel()
        async with asyncio.timeout(10):
            with pytest.raises(asyncio.CancelledError):
                await stream.text()

    Process().cell(body)


def test_an_abandoned_stream_does_not_complain() -> None:
    """Nobody has to read a stream: not one that fails, and not one that goes on when the loop ends."""

    async def body(client: Any) -> None:
        failing = Agent(id="f", model=ScriptedModel([Turn(error=ModelError("refused"))]))
        await failing.stream(client, "go")
        await stuck().stream(client, "go")
        await asyncio.sleep(0)
        partly = await talker().stream(client, "go")
        async for _ in partly.text_chunks:
            break

    complaints: list[dict[str, Any]] = []

    async def watched(client: Any) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
        await body(client)

    Process().cell(watched)
    gc.collect()  # a task whose failure nobody retrieved complains when it is collected
    assert complaints == []


def test_a_stream_can_be_awaited_from_another_loop() -> None:
    """A run started on one loop gives its result on another."""
    from polos_nb.runtime.portal import portal

    process = Process()
    stream = portal().run(talker().stream(process.client, "go"))
    assert asyncio.run(stream.text()) == "Let me see.\n\nIt is x."
    assert asyncio.run(stream.result()).result == "It is x."


def test_calls_without_text_stream_nothing() -> None:
    """A turn of calls only has no text."""
    agent = Agent(id="a", model=ScriptedModel([calls(("echo", {"text": "x"})), "end"]), tools=[echo])

    async def body(client: Any) -> list[str]:
        return await listed((await agent.stream(client, "go")).text_chunks)

    assert Process().cell(body) == ["end"]
