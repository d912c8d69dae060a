"""Runs as streams of events: what the records tell, what is told once over several passes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from polos_nb import Agent, ScriptedModel, StoreError, events, registry, tool, workflow
from polos_nb.runtime.topics import known_run, read_run, read_topic
from polos_nb.stores.memory import MemoryStore
from polos_nb.stores.waiting import EventRecord
from tests.aio import in_a_loop, listed, taken
from tests.runtime.support import Process, calls, once_called


@pytest.fixture(autouse=True)
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test declares ends with it."""
    monkeypatch.setattr(registry, "_declared", {})


@pytest.fixture
def waited(path: str) -> Any:
    process = Process(path, patience=None)
    yield process
    process.runtime.close()


@in_a_loop
async def test_a_long_topic_is_read_in_pages() -> None:
    """Thousands of events come in order, each once."""
    store = MemoryStore()
    store.publish([EventRecord(topic="t", data=f'{{"n":{n}}}', created_at=1.0) for n in range(1200)])
    read = await taken(read_topic(store, "t", 100), 1100)
    assert [event.data["n"] for event in read] == list(range(100, 1200))


@in_a_loop
async def test_records_tell_what_was_asked_and_answered_in_a_nested_run(waited: Process) -> None:
    """The question of a run inside is in the stream of either run, under the key that each knows it by."""

    @workflow(id="asks_inside")
    async def inner(ctx: Any, payload: dict[str, Any]) -> Any:
        return (await ctx.step.suspend("go", {"why": "x"}))["data"]

    @workflow(id="asks_outside")
    async def outer(ctx: Any, payload: dict[str, Any]) -> Any:
        return await ctx.step.invoke_and_wait("inside", inner, {})

    client = waited.client
    handle = await client.invoke(outer, {})
    async for event in events.stream_workflow(client, outer, handle.id):
        if event.event_type.startswith("suspend_"):
            await client.resume(outer.id, handle.id, event.event_type.removeprefix("suspend_"), {"ok": 1})
    read = [e.event_type for e in await listed(events.stream_workflow(client, outer, handle.id))]
    assert [kind for kind in read if kind.startswith(("suspend", "resume"))] == [
        "suspend_inside/go",
        "resume_inside/go",
    ]
    [child] = waited.runtime.store.child_runs(handle.id)
    inside = await listed(events.stream_workflow(client, inner, child.id))
    assert [e.event_type for e in inside if e.event_type.startswith(("suspend", "resume"))] == [
        "suspend_go",
        "resume_go",
    ]
    assert [e.data["ok"] for e in inside if e.event_type == "resume_go"] == [1]
    assert (await listed(events.stream_workflow(client, outer, child.id)))[-1].event_type == "workflow_finish"


@in_a_loop
async def test_an_early_answer_was_never_asked_for(waited: Process) -> None:
    """Where the answer came before the question, there is no `suspend_` event, live or from the records."""

    @workflow(id="answered_early")
    async def flow(ctx: Any, payload: dict[str, Any]) -> Any:
        await ctx.step.wait_for("a moment", seconds=0.3)
        return (await ctx.step.suspend("go", {}))["data"]

    client = waited.client
    handle = await client.invoke(flow, {})
    await client.resume(flow.id, handle.id, "go", {"ok": 1})
    live = [e.event_type for e in await listed(events.stream_workflow(client, flow, handle.id))]
    kept = [e.event_type for e in await listed(events.stream_workflow(client, flow, handle.id))]
    for kinds in (live, kept):
        assert "resume_go" in kinds
        assert "suspend_go" not in kinds


@in_a_loop
async def test_a_run_that_was_left_is_told_once(path: str) -> None:
    """Two passes in two processes read as one run: no step is told twice."""

    @workflow(id="left_and_resumed")
    async def flow(ctx: Any, payload: dict[str, Any]) -> Any:
        await ctx.step.run("before", lambda: 1)
        answer = await ctx.step.suspend("go", {})
        await ctx.step.run("after", lambda: 2)
        return answer["data"]

    first, second = Process(path, patience=0.0), Process(path, patience=None)
    handle = await first.client.invoke(flow, {})
    seen = []
    async for event in events.stream_workflow(second.client, flow, handle.id):
        seen.append((event.event_type, event.data.get("step_key")))
        if event.event_type == "suspend_go":
            await second.client.resume(flow.id, handle.id, "go", {"ok": 1})
    assert seen == [
        ("workflow_start", None),
        ("step_start", "before"),
        ("step_finish", "before"),
        ("step_start", "go"),
        ("suspend_go", "go"),
        ("resume_go", "go"),
        ("step_finish", "go"),
        ("step_start", "after"),
        ("step_finish", "after"),
        ("workflow_finish", None),
    ]
    first.runtime.close()
    second.runtime.close()


@in_a_loop
async def test_the_start_and_end_of_a_nested_run_name_that_run(waited: Process) -> None:
    """Code that waits for the finish with the run's own id does not stop at another's."""

    @tool(id="look")
    def look(place: str) -> str:
        """Look."""
        return place

    agent = Agent(id="nested_agent", model=once_called(calls(("look", {"place": "here"}))), tools=[look])

    @workflow(id="around_agent")
    async def flow(ctx: Any, payload: dict[str, Any]) -> str:
        return str((await ctx.step.agent_invoke_and_wait("ask", agent.with_input("hello"))).result)

    client = waited.client
    handle = await client.invoke(flow, {})
    for _ in range(2):  # as it happens, and from the records
        read = await listed(events.stream_workflow(client, flow, handle.id))
        own = [e.event_type for e in read if e.data["_metadata"]["execution_id"] == handle.id]
        assert "agent_finish" not in own
        assert own.count("workflow_finish") == 1
        assert "tool_start" in own
        [nested] = [e for e in read if e.event_type == "agent_finish"]
        assert nested.data["_metadata"]["workflow_id"] == "nested_agent"


@in_a_loop
async def test_a_run_that_is_not_there_has_no_stream(waited: Process) -> None:
    """It is refused before anything is read."""
    with pytest.raises(StoreError, match="there is no run r9"):
        known_run(waited.runtime.store, "r9")
    stream: AsyncIterator[Any] = read_run(waited.runtime, "r9")
    with pytest.raises(StoreError, match="there is no run r9"):
        await listed(stream)


@in_a_loop
async def test_an_agent_is_streamed_with_its_calls(waited: Process) -> None:
    """Text and tool calls are in Polos' words."""
    agent = Agent(id="plain_agent", model=ScriptedModel(["hello there"]))
    stream = await agent.stream(waited.client, "hi")
    await stream.known()
    read = await listed(events.stream_workflow(waited.client, agent, stream.id))
    kinds = [event.event_type for event in read]
    assert kinds[:3] == ["agent_start", "step_start", "stream_start"]
    assert kinds[-2:] == ["step_finish", "agent_finish"]
    assert "text_delta" in kinds
