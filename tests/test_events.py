"""Events as users see them: published, streamed, and the events of a run."""

from __future__ import annotations

import asyncio
import doctest
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from polos_nb import Agent, Polos, PolosClient, ScriptedModel, StoreError, events, schedules, workflow
from polos_nb.errors import ArgumentsError, CodecError
from tests.aio import in_a_loop, listed, taken
from tests.runtime.support import Process

EventData = events.EventData


@pytest.fixture
def client() -> Any:
    process = Process(":memory:", patience=None)
    yield process.client
    process.runtime.close()


@in_a_loop
async def test_published_events_have_growing_ids(client: PolosClient) -> None:
    """Each event of a topic has an id of its own, in the order of publishing."""
    first = await events.publish(client, "orders", EventData(event_type="created", data={"n": 1}))
    many = await events.batch_publish(client, "orders", [EventData(data={"n": 2}), EventData(data={"n": 3})])
    assert first < many[0] < many[1]
    read = await taken(events.stream_topic(client, "orders", last_sequence_id=0), 3)
    assert [(event.sequence_id, event.data) for event in read] == [
        (first, {"n": 1}),
        (many[0], {"n": 2}),
        (many[1], {"n": 3}),
    ]
    assert read[0].event_type == "created"
    assert read[0].topic == "orders"


@in_a_loop
async def test_a_topic_is_streamed_from_the_moment_of_the_call(client: PolosClient) -> None:
    """What is published between the call and the first reading is not lost, what was published before is not read."""
    await events.publish(client, "t", EventData(data={"n": 0}))
    stream = events.stream_topic(client, "t")
    await events.publish(client, "t", EventData(data={"n": 1}))
    await events.publish(client, "elsewhere", EventData(data={"n": 9}))
    reading = asyncio.create_task(taken(stream, 2))
    await asyncio.sleep(0)
    await events.publish(client, "t", EventData(data={"n": 2}))
    assert [event.data["n"] for event in await reading] == [1, 2]


@in_a_loop
async def test_a_topic_is_streamed_from_a_time(client: PolosClient) -> None:
    """What is younger than a moment is read, whatever form the moment has."""
    await events.publish(client, "t", EventData(data={"n": 0}))
    moment = time.time()
    while time.time() == moment:
        await asyncio.sleep(0.001)
    await events.publish(client, "t", EventData(data={"n": 1}))
    [event] = await taken(events.stream_topic(client, "t", last_timestamp=moment), 1)
    assert event.data == {"n": 1}
    before = await taken(events.stream_topic(client, "t", last_timestamp="2020-01-01T00:00:00"), 2)
    assert [e.data["n"] for e in before] == [0, 1]
    with pytest.raises(ArgumentsError, match="no time in ISO 8601"):
        events.stream_topic(client, "t", last_timestamp="yesterday")


@in_a_loop
async def test_data_is_a_dict_or_a_model(client: PolosClient) -> None:
    """A model is published as its fields; anything else is refused in a sentence."""

    class Order(BaseModel):
        id: int

    await events.publish(client, "t", EventData(data=Order(id=7)))  # type: ignore[arg-type]
    [event] = await taken(events.stream_topic(client, "t", 0), 1)
    assert event.data == {"id": 7}
    with pytest.raises(CodecError, match=r"a dict or a pydantic model, not list; write for example EventData"):
        EventData(data=[1])  # type: ignore[arg-type]
    with pytest.raises(ArgumentsError, match=r"dict is not an event; write events\.EventData"):
        await events.publish(client, "t", {"id": 7})  # type: ignore[arg-type]
    with pytest.raises(ArgumentsError, match="is not a name"):
        await events.publish(client, " ", EventData())


@in_a_loop
async def test_what_is_published_has_no_secrets(client: PolosClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The value of a secret is redacted before it is kept."""
    monkeypatch.setenv("ORDERS_API_KEY", "very-secret-value-12345")
    await events.publish(client, "t", EventData(data={"text": "key very-secret-value-12345"}))
    [event] = await taken(events.stream_topic(client, "t", 0), 1)
    assert "very-secret-value" not in str(event.data)


@in_a_loop
async def test_without_a_client_the_ambient_one_is_meant() -> None:
    """`None` is the enclosing `Polos`, in all functions."""
    async with Polos(store=":memory:", mode="live") as polos:
        stream = events.stream_topic(None, "t")
        number = await events.publish(None, "t", EventData(data={"n": 1}))
        [event] = await taken(stream, 1)
        assert event.sequence_id == number
        assert (await taken(events.stream_topic(polos, "t", 0), 1))[0] == event


@workflow(id="streamed_steps")
async def steps_flow(ctx: Any, payload: dict[str, Any]) -> str:
    await ctx.step.run("first", lambda: "one")
    await ctx.step.publish_workflow_event("tell", {"share": 0.5}, "half")
    return str(await ctx.step.invoke_and_wait("inner", inner_flow, {}))


@workflow(id="streamed_inner")
async def inner_flow(ctx: Any, payload: dict[str, Any]) -> str:
    return str(await ctx.step.run("deep", lambda: "two"))


@in_a_loop
async def test_a_run_is_streamed_from_its_beginning_to_its_own_finish(client: PolosClient) -> None:
    """A late reader gets everything; a nested finish is not the end; finish means completed."""
    handle = await client.invoke(steps_flow, {"a": 1})
    seen = []
    async for event in events.stream_workflow(client, handle.workflow_id, handle.id):
        seen.append(event)
        if event.event_type == "workflow_finish" and event.data["_metadata"]["execution_id"] == handle.id:
            assert (await client.get_execution(handle.id))["status"] == "completed"
    kinds = [event.event_type for event in seen]
    assert kinds[0] == "workflow_start"
    assert kinds.count("workflow_finish") == 2  # the nested one, and its own
    assert kinds[-1] == "workflow_finish"
    assert seen[-1].data["result"] == "two"
    assert [event.data for event in seen if event.event_type == "half"] == [{"share": 0.5}]
    assert [event.sequence_id for event in seen] == list(range(1, len(seen) + 1))
    assert seen[0].topic == f"workflow/streamed_steps/{handle.id}"


@in_a_loop
async def test_a_finished_run_reads_the_same_every_time(client: PolosClient) -> None:
    """Sequence ids are stable, and reading can go on after one of them."""
    handle = await client.invoke(steps_flow, {"a": 2})
    await client.result_of(handle.id)
    first = await listed(events.stream_workflow(client, steps_flow, handle.id))
    assert first == await listed(events.stream_workflow(client, steps_flow, handle.id))
    rest = await listed(events.stream_workflow(client, steps_flow, handle.id, last_sequence_id=3))
    assert rest == first[3:]
    assert await listed(events.stream_workflow(client, steps_flow, handle.id, last_timestamp=time.time() + 60)) == []


@in_a_loop
async def test_text_comes_piece_by_piece_while_it_is_written(client: PolosClient) -> None:
    """An agent that this process drives streams its text."""
    agent = Agent(id="stream_writer", model=ScriptedModel(["Hello world"]))
    stream = await agent.stream(client, "say")
    reading: list[Any] = []
    await stream.known()
    async for event in events.stream_workflow(client, "stream_writer", stream.id):
        reading.append(event)
    kinds = [event.event_type for event in reading]
    assert (kinds[0], kinds[-1]) == ("agent_start", "agent_finish")
    assert "".join(e.data["content"] for e in reading if e.event_type == "text_delta") == "Hello world"


@workflow(id="streamed_asker")
async def asking_flow(ctx: Any, payload: dict[str, Any]) -> Any:
    await ctx.step.run("before", lambda: 1)
    answer = await ctx.step.suspend("review", {"draft": "x"})
    await ctx.step.run("after", lambda: 2)
    return answer["data"]["ok"]


@pytest.mark.parametrize("patience", [None, 0.0])
@in_a_loop
async def test_a_stream_stays_open_while_its_run_waits(tmp_path: Path, patience: float | None) -> None:
    """The question comes, the answer, and what follows: each once, also when the run was left in between."""
    process = Process(str(tmp_path / "steps.db"), patience=patience)
    client = process.client
    handle = await client.invoke(asking_flow, {})
    kinds = []
    async with asyncio.timeout(20):
        async for event in events.stream_workflow(client, asking_flow, handle.id):
            kinds.append(event.event_type)
            if event.event_type == "suspend_review":
                assert event.data["draft"] == "x"
                await client.resume(handle.root_workflow_id, handle.root_execution_id, "review", {"ok": True})
    assert kinds.count("suspend_review") == kinds.count("resume_review") == 1
    assert kinds.count("workflow_start") == kinds.count("workflow_finish") == 1
    assert kinds.index("resume_review") < kinds.index("workflow_finish") == len(kinds) - 1
    again = [event.event_type for event in await listed(events.stream_workflow(client, asking_flow, handle.id))]
    assert again.count("suspend_review") == again.count("resume_review") == 1
    process.runtime.close()


@in_a_loop
async def test_a_run_of_another_process_is_streamed_from_its_records(tmp_path: Path) -> None:
    """A reader that does not drive the run sees the question, the answer and the end as they come."""
    path = str(tmp_path / "steps.db")
    here, there = Process(path, patience=None), Process(path, patience=None)
    handle = await there.client.invoke(asking_flow, {})
    kinds = []
    async with asyncio.timeout(20):
        async for event in events.stream_workflow(here.client, asking_flow, handle.id):
            kinds.append(event.event_type)
            if event.event_type == "suspend_review":
                await here.client.resume(None, handle.id, "review", {"ok": False})
    assert kinds[0] == "workflow_start"
    assert kinds.index("suspend_review") < kinds.index("resume_review") < kinds.index("workflow_finish")
    assert [kind for kind in kinds if kinds.count(kind) > 1] == [k for k in kinds if k in ("step_start", "step_finish")]
    assert here.runtime.live(handle.id) is None
    here.runtime.close()
    there.runtime.close()


@in_a_loop
async def test_a_failed_run_ends_its_stream(client: PolosClient) -> None:
    """The finish says what went wrong, while Polos says nothing."""

    @workflow(id="streamed_failing")
    async def failing(ctx: Any, payload: dict[str, Any]) -> None:
        raise ValueError("no such order")

    handle = await client.invoke(failing, {})
    last = (await listed(events.stream_workflow(client, failing, handle.id)))[-1]
    assert (last.event_type, last.data["status"]) == ("workflow_finish", "failed")
    assert "no such order" in last.data["error"]


@in_a_loop
async def test_a_cancelled_run_ends_its_stream(client: PolosClient) -> None:
    """A run that is stopped ends with `workflow_cancel`."""
    handle = await client.invoke(asking_flow, {"n": "cancelled"})
    reading = asyncio.create_task(listed(events.stream_workflow(client, asking_flow, handle.id)))
    await asyncio.sleep(0)
    await client.cancel_execution(handle.id)
    assert (await reading)[-1].event_type == "workflow_cancel"


@in_a_loop
async def test_only_a_run_of_the_workflow_is_streamed(client: PolosClient) -> None:
    """An unknown run, or one of another workflow, is refused at the call."""
    with pytest.raises(StoreError, match="there is no run r77"):
        events.stream_workflow(client, steps_flow, "r77")
    handle = await client.invoke(inner_flow, {})
    with pytest.raises(StoreError, match=r"is a run of streamed_inner, not of streamed_steps"):
        events.stream_workflow(client, steps_flow, handle.id)


@pytest.mark.parametrize("module", [events, schedules])
def test_the_examples_in_the_docstrings_run(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the modules show is what happens."""
    monkeypatch.setattr("builtins._", None, raising=False)  # where doctest leaves its last value, which IPython minds
    assert doctest.testmod(module).failed == 0
    assert doctest.testmod(module).attempted > 3
