"""A run of the store, folded with the runs inside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from polos_nb import Agent, ScriptedModel, WorkflowContext, tool, workflow
from polos_nb.errors import ConfigurationError, Suspended
from polos_nb.reports.story import find_place, step_lines, story
from polos_nb.stores.base import Store
from polos_nb.stores.memory import MemoryStore
from polos_nb.stores.sqlite import SqliteStore
from polos_nb.transcript_items import GroupItem, RunItem, StepItem
from tests.reports.conftest import Book, weather_agent
from tests.runtime.support import Process, calls, once_called

PUBLISH = {"_form": {"title": "Publish?", "fields": [{"key": "approved", "type": "boolean", "required": True}]}}


@pytest.fixture(params=["sqlite", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = SqliteStore(tmp_path / "steps.db") if request.param == "sqlite" else MemoryStore()
    yield made
    made.close()


def flow_with(agent: Agent) -> Any:
    @workflow(id="flow")
    async def flow(ctx: WorkflowContext, payload: Any) -> Any:
        said = await ctx.step.agent_invoke_and_wait("ask", agent.with_input("hi"))
        doubled = await ctx.step.map("each", lambda x: x * 2, [1, 2, 3])
        done = await ctx.step.suspend("publish", PUBLISH)
        return [said.result, doubled, done.get("data", done)]

    return flow


def waiting_flow(store: Store) -> Process:
    """A process whose flow waits for an answer; run r1, with r2 inside."""
    process = Process(store)
    with pytest.raises(Suspended):
        process.cell(lambda client: flow_with(weather_agent()).run(client, {}))
    return process


def test_runs_inside_are_below_the_step_they_are_in(store: Store) -> None:
    """An agent's steps under its step, the items of a map under one group, and what waits has its form."""
    waiting_flow(store)
    told = story(store, "r1")
    ask, each, publish = told.transcript.items
    assert isinstance(ask, RunItem)
    assert isinstance(each, GroupItem)
    assert isinstance(publish, StepItem)
    assert [child.step_key for child in ask.children] == ["ask/1.llm", "ask/1.get_weather[call_1]", "ask/2.llm"]
    assert [child.output for child in each.children] == [2, 4, 6]  # type: ignore[attr-defined]
    assert (publish.state, publish.path) == ("waiting", "publish")
    assert publish.decision == store.decisions(run_id="r1")[0].id
    assert told.transcript.status == "suspended"


def test_it_is_the_transcript_of_the_engine(store: Store) -> None:
    """Where no tool starts runs of its own, it says what reading the run by its id says."""
    process = waiting_flow(store)
    assert story(store, "r1").transcript.to_text() == process.runtime.transcript_of("r1").to_text()
    assert story(store).run.id == "r2"  # the newest


def test_every_row_has_its_record(store: Store) -> None:
    """Places are by path and name the run, the number and the moment; the same are found one by one."""
    waiting_flow(store)
    told = story(store, "r1")
    rows = [item.step_key for item in told.transcript.walk() if not isinstance(item, GroupItem)]
    assert list(told.places) == rows
    assert (told.places["ask/2.llm"].run.id, told.places["ask/2.llm"].number) == ("r2", 3)
    for path, place in told.places.items():
        found = find_place(store, told.run, path)
        assert (found.step, found.cached, found.paid) == (place.step, place.cached, place.paid)
        assert place.at == place.step.started_at
        assert place.paid
    with pytest.raises(ConfigurationError, match=r"run r1 has no step ask/9\.llm"):
        find_place(store, told.run, "ask/9.llm")


def test_what_answers_from_the_store_stands_where_the_run_came_to_it(store: Store) -> None:
    """A run that shares steps of another one: they are cached, not paid for, and their times are this run's."""
    process = Process(store)
    agent = weather_agent()
    process.run(agent, "hi")
    process.run(weather_agent(prompt="Be brief."), "hi")
    told = story(store, "r2")
    llm, tool_call, _ = told.places.values()
    assert (llm.cached, tool_call.cached) == (False, True)
    assert not tool_call.paid
    assert tool_call.at > told.run.created_at > tool_call.step.started_at
    assert [line["run"] for line in step_lines(told)] == ["r2"] * 3
    assert [line["cached"] for line in step_lines(told)] == [False, True, False]


def test_all_inside_a_step_that_answered_is_cached(store: Store) -> None:
    """The steps of the run inside are cached too, in the time of the run around them."""
    process = waiting_flow(store)
    store.decide(store.decisions(run_id="r1")[0].id, answer='{"approved": true}')
    process.cell(lambda client: flow_with(weather_agent()).run(client, {}))
    resumed = story(store, "r1").places["ask/1.llm"]
    assert (resumed.cached, resumed.paid, resumed.at) == (True, True, resumed.step.started_at)
    process.cell(lambda client: flow_with(weather_agent()).run(client, {}, fresh="each[0]"))
    told = story(store, store.list_runs(target_id="flow")[0].id)
    assert told.run.id != "r1"
    inner = told.places["ask/1.llm"]
    assert (inner.cached, inner.paid) == (True, False)
    assert find_place(store, told.run, "ask/1.llm").paid is False
    assert all(item.cached for item in told.transcript.items[0].children)
    assert inner.at >= told.places["ask"].at


def test_a_run_that_a_tool_started_is_below_the_tool(store: Store) -> None:
    """Its steps are there as well, under the name of the run."""
    helper = Agent(id="helper", model=ScriptedModel(["inner"]))

    @tool
    async def ask_helper(question: str) -> str:
        "Ask."
        return str((await helper.run(None, question)).result)

    process = Process(store)
    boss = Agent(id="boss", model=once_called(calls(("ask_helper", {"question": "why"}))), tools=[ask_helper])

    async def cell(client: Any) -> Any:
        from polos_nb import ambient

        token = ambient.enter(client)
        try:
            return await boss.run(client, "hi")
        finally:
            ambient.leave(token)

    process.cell(cell)
    told = story(store, "r1")
    call = told.transcript.items[1]
    assert [child.step_key for child in call.children] == ["1.ask_helper[call_1]/r2"]
    (below,) = call.children
    assert isinstance(below, RunItem)
    assert (below.target, below.output, below.state) == ("helper", "inner", "done")
    assert [child.step_key for child in below.children] == ["1.ask_helper[call_1]/r2/1.llm"]
    assert find_place(store, told.run, "1.ask_helper[call_1]/r2/1.llm").run.id == "r2"


def test_a_failed_run_says_where(book: Book) -> None:
    """The step that failed has its error, and the transcript the run's."""
    run = book.add("broken", status="failed", error="it broke", finished_at=103.0)
    made = book.step(run, "load")
    book.store.finish_step(made.id, status="failed", error="no file", attempts=3, finished_at=102.0)
    told = story(book.store, run.id)
    assert (told.transcript.status, told.transcript.error) == ("failed", "it broke")
    assert (told.transcript.items[0].state, told.transcript.items[0].error) == ("failed", "no file")
    (line,) = step_lines(told)
    assert (line["step"], line["status"], line["error"], line["attempts"]) == ("load", "failed", "no file", 3)


def test_there_may_be_no_run(book: Book) -> None:
    """One sentence says so."""
    with pytest.raises(ConfigurationError, match="no run r7"):
        story(book.store, "r7")


def test_runs_that_name_each_other_end(book: Book) -> None:
    """A store that was written to by hand cannot make it run for ever."""
    one = book.add("one")
    two = book.add("two", parent=one.id, parent_step="a", root=one.id)
    book.step(one, "a", kind="agent", request=f'{{"run":"{two.id}"}}', output="x")
    book.step(two, "b", kind="agent", request=f'{{"run":"{one.id}"}}', output="y")
    assert list(story(book.store, one.id).places) == ["a", "a/b"]
