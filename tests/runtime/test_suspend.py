"""Waiting for people, times and events: across restarts, in any order, with timeouts, and when stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from polos_nb import (
    Agent,
    StepExecutionError,
    Suspended,
    WorkflowContext,
    WorkflowState,
    WorkflowTimeoutError,
    tool,
    workflow,
)
from polos_nb.durable.step_wait import answer_step
from polos_nb.errors import RunError
from polos_nb.stores.memory import MemoryStore
from polos_nb.stores.waiting import EventRecord
from tests.runtime.support import Process, calls, once_called


def waits(process: Process, body: Callable[[Any], Awaitable[Any]]) -> tuple[str, ...]:
    """Execute a cell that has to wait; the steps that it waits at."""
    with pytest.raises(Suspended) as caught:
        process.cell(body)
    return caught.value.waiting


async def until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.002)
    return found


def answered(process: Process, key: str, data: Any, target: str = "asking") -> bool:
    return answer_step(process.runtime.store, process.newest(target), key, data)


def asked(process: Process, status: str | None = None) -> list[str]:
    return [d.step_key for d in process.runtime.store.decisions(status=status)]  # type: ignore[arg-type]


def asking(journal: list[str], body: Callable[[WorkflowContext], Awaitable[Any]], id: str = "asking") -> Any:
    """A workflow with a step before and a step after what it waits for."""

    @workflow(id=id, version=1)
    async def flow(ctx: WorkflowContext) -> Any:
        await ctx.step.run("before", lambda: journal.append("before"), version=1)
        found = await body(ctx)
        await ctx.step.run("after", lambda: journal.append("after"), version=1)
        return found

    return flow


def test_an_answer_given_while_nothing_runs_is_used_by_the_next_process(path: str) -> None:
    """Suspended; answered from another process while the first is gone; the next one goes on and asks nothing."""
    journal: list[str] = []
    flow = asking(journal, lambda ctx: ctx.step.suspend("review", {"draft": "x"}))
    assert waits(Process(path), flow.run) == ("review",)
    assert answered(Process(path), "review", {"approved": True})
    process = Process(path)
    assert process.cell(flow.run)["data"] == {"approved": True}
    assert process.cell(flow.run)["data"] == {"approved": True}
    assert journal == ["before", "after"]
    assert asked(process) == ["review"]


def test_an_answer_may_come_before_the_question(path: str) -> None:
    """It is kept, and the step that asks for it does not wait."""
    journal: list[str] = []

    async def body(ctx: WorkflowContext) -> Any:
        first = await ctx.step.suspend("first")
        return [first["data"], (await ctx.step.suspend("second"))["data"]]

    flow = asking(journal, body)
    assert waits(Process(path), flow.run) == ("first",)
    assert answered(Process(path), "second", 2)
    assert answered(Process(path), "first", 1)
    process = Process(path)
    assert process.cell(flow.run) == [1, 2]
    assert not answered(process, "second", 3)
    assert process.cell(flow.run) == [1, 2]


def test_an_answer_that_crosses_with_the_question_is_not_lost(path: str) -> None:
    """Asked between the answerer's look and its early answer: the question is answered all the same."""
    journal: list[str] = []
    flow = asking(journal, lambda ctx: ctx.step.suspend("review"))
    process = Process(path)
    store = process.runtime.store

    class Crossing:
        """The store of somebody who looks, and answers only after the question has been asked."""

        def __getattr__(self, name: str) -> Any:
            if name == "answer_early" and not asked(process):
                assert waits(process, flow.run) == ("review",)
            return getattr(store, name)

    @workflow(id="other", version=1)
    async def other(ctx: WorkflowContext) -> None:
        return None

    process.cell(other.run)  # r1; the workflow will be r2
    assert answer_step(Crossing(), "r2", "review", {"approved": True})
    assert asked(process, "waiting") == []
    assert process.cell(flow.run)["data"] == {"approved": True}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
@pytest.mark.parametrize("group", [False, True], ids=["gather", "TaskGroup"])
def test_several_questions_at_once_are_answered_in_any_order(
    path: str, group: bool, order: tuple[int, int, int]
) -> None:
    """All are asked at once; each pass keeps what was answered, and waits for the rest."""

    async def body(ctx: WorkflowContext) -> Any:
        keys = ["a", "b", "c"]
        if group:
            async with asyncio.TaskGroup() as tasks:
                made = [tasks.create_task(ctx.step.suspend(key)) for key in keys]
            return [task.result()["data"] for task in made]
        return [found["data"] for found in await asyncio.gather(*map(ctx.step.suspend, keys))]

    journal: list[str] = []
    flow = asking(journal, body)
    left = {"a", "b", "c"}
    for place in order:
        assert set(waits(Process(path), flow.run)) == left
        key = "abc"[place]
        assert answered(Process(path), key, place)
        left.discard(key)
    process = Process(path)
    assert process.cell(flow.run) == [0, 1, 2]
    assert journal == ["before", "after"]
    assert sorted(asked(process)) == ["a", "b", "c"]


def test_a_question_that_nobody_answers_in_time_fails_and_is_asked_again(path: str) -> None:
    """The timeout raises; executing the cell again asks again, and that question can be answered."""
    journal: list[str] = []
    flow = asking(journal, lambda ctx: ctx.step.suspend("review", timeout=0.15))
    process = Process(path, patience=None)
    with pytest.raises((StepExecutionError, RunError), match=r"nobody answered within 0\.15 s"):
        process.cell(flow.run)
    assert process.runtime.store.get_run("r1").status == "failed"  # type: ignore[union-attr]
    assert [d.status for d in process.runtime.store.decisions()] == ["expired"]

    async def body(client: Any) -> Any:
        task = asyncio.ensure_future(flow.run(client))
        await until(lambda: asked(process, "waiting"))
        assert answered(process, "review", "yes")
        return await task

    assert process.cell(body)["data"] == "yes"
    assert journal == ["before", "after"]


def test_a_timeout_fires_while_no_process_lives(path: str) -> None:
    """The time goes on when nothing runs; the next process is told at once."""
    flow = asking([], lambda ctx: ctx.step.suspend("review", timeout=0.3))
    waits(Process(path), flow.run)
    due = Process(path).runtime.store.decisions()[0].expires_at
    assert due is not None
    while time.time() < due:
        time.sleep(0.01)
    with pytest.raises((StepExecutionError, RunError), match="nobody answered"):
        Process(path).cell(flow.run)


@pytest.mark.parametrize("kind", ["wait_for", "wait_until"])
def test_a_wait_goes_on_over_a_restart(path: str, kind: str) -> None:
    """The second process waits only for what is left, and a third not at all."""
    moment = datetime.now(UTC) + timedelta(seconds=0.6)

    async def body(ctx: WorkflowContext) -> None:
        if kind == "wait_for":
            await ctx.step.wait_for("pause", seconds=0.6)
        else:
            await ctx.step.wait_until("pause", moment)

    journal: list[str] = []
    flow = asking(journal, body)
    began = time.time()
    assert waits(Process(path), flow.run) == ("pause",)
    assert time.time() - began < 0.55
    process = Process(path, patience=None)
    process.cell(flow.run)
    assert 0.55 <= time.time() - began < 1.1
    began = time.time()
    process.cell(flow.run)
    assert time.time() - began < 0.3
    assert journal == ["before", "after"]
    (step,) = [step for _, step in process.trace("asking") if step.kind == "wait"]
    assert step.status == "completed"


def test_an_event_that_comes_between_two_processes_is_received(path: str) -> None:
    """Older events do not count; the first one published after the wait began does, whoever lives then."""
    journal: list[str] = []

    async def body(ctx: WorkflowContext) -> Any:
        return (await ctx.step.wait_for_event("news", "topic")).data

    flow = asking(journal, body)
    store = Process(path).runtime.store
    store.publish([EventRecord(topic="topic", data='{"n": 0}')])
    assert waits(Process(path), flow.run) == ("news",)
    store.publish([EventRecord(topic="other", data='{"n": 1}')])
    assert waits(Process(path), flow.run) == ("news",)
    store.publish([EventRecord(topic="topic", data=json.dumps({"n": n})) for n in (2, 3)])
    process = Process(path)
    assert process.cell(flow.run) == {"n": 2}
    assert process.cell(flow.run) == {"n": 2}
    assert journal == ["before", "after"]


def test_a_rejected_call_is_told_to_the_model_and_never_asked_twice(path: str) -> None:
    """The model reads the feedback; the tool does not run; a replay and a new process ask nothing."""
    journal: list[str] = []

    @tool(description="Pay", version=1, approval="always")
    async def pay(amount: int) -> str:
        journal.append("pay")
        return "paid"

    agent = Agent(id="clerk", model=once_called(calls(("pay", {"amount": 3}))), tools=[pay])
    body = lambda client: agent.run(client, "go")  # noqa: E731
    assert waits(Process(path), body) == ("1.approve_pay[call_1]",)
    assert answered(Process(path), "1.approve_pay[call_1]", {"approved": False, "feedback": "too much"}, "clerk")
    process = Process(path)
    for _ in range(2):
        assert process.run(agent, "go").result == (
            'done: Error: Tool "pay" was rejected by the user. Feedback: too much'
        )
    assert Process(path).run(agent, "go").agent_run_id == "r1"
    assert journal == []
    assert asked(process) == ["1.approve_pay[call_1]"]


def test_a_question_inside_a_tool_of_a_nested_agent_is_named_by_its_path(path: str) -> None:
    """Workflow, agent, tool, question: one path, and all four go on in another process once it is answered."""
    journal: list[str] = []

    @tool(description="Ask", version=1, effect="write")
    async def consult(ctx: WorkflowContext) -> str:
        found = await ctx.step.suspend("which", {"colour": "?"})
        journal.append("consult")
        return str(found["data"])

    agent = Agent(id="clerk", model=once_called(calls(("consult", {}))), tools=[consult])

    async def body(ctx: WorkflowContext) -> Any:
        return (await ctx.step.agent_invoke_and_wait("ask", agent.with_input("go"))).result

    flow = asking(journal, body)
    where = "ask/1.consult[call_1]/which"
    assert waits(Process(path), flow.run) == (where,)
    assert {run.status for run in Process(path).runtime.store.list_runs()} == {"suspended"}
    assert answered(Process(path), where, "red")
    process = Process(path)
    assert process.cell(flow.run) == "done: red"
    assert journal == ["before", "consult", "after"]
    assert {run.status for run in process.runtime.store.list_runs()} == {"completed"}
    assert asked(process) == [where]


@pytest.mark.parametrize("early", [False, True], ids=["waiting", "early"])
def test_a_question_may_be_answered_by_the_nested_run_that_asks_it(path: str, early: bool) -> None:
    """As Polos' clients do, which know the run that asks and its step."""

    async def ask(ctx: WorkflowContext) -> Any:
        await ctx.step.suspend("first")
        return (await ctx.step.suspend("which"))["data"]

    inner = asking([], ask, id="inner")
    flow = asking([], lambda ctx: ctx.step.invoke_and_wait("deep", inner))
    assert waits(Process(path), flow.run) == ("deep/first",)
    if early:
        assert answered(Process(path), "which", "blue", "inner")
    assert answered(Process(path), "first", None, "inner")
    if not early:
        assert waits(Process(path), flow.run) == ("deep/which",)
        assert answered(Process(path), "which", "blue", "inner")
    assert Process(path).cell(flow.run) == "blue"


def test_a_run_whose_caller_had_no_more_time_stays_suspended(path: str) -> None:
    """WorkflowTimeoutError leaves the question open; calling it again comes back to the same run."""
    journal: list[str] = []
    flow = asking(journal, lambda ctx: ctx.step.suspend("review"))
    process = Process(path, patience=None)
    with pytest.raises(WorkflowTimeoutError, match="it waits at review"):
        process.cell(lambda client: flow.run(client, timeout=0.3))
    assert process.runtime.store.get_run("r1").status == "suspended"  # type: ignore[union-attr]
    assert asked(process, "waiting") == ["review"]
    assert answered(process, "review", 1)
    assert process.cell(lambda client: flow.run(client, timeout=5))["data"] == 1
    assert process.newest("asking") == "r1"
    assert journal == ["before", "after"]


class Sum(WorkflowState):
    """What parallel steps add to."""

    value: int = 0


def test_parallel_steps_give_the_same_state_when_they_answer_from_the_store(path: str) -> None:
    """The step that ended last had the last word, whichever is asked for first."""

    @workflow(id="sum", version=1, state_schema=Sum)
    async def flow(ctx: WorkflowContext) -> int:
        ended = [asyncio.Event() for _ in range(4)]
        ended[3].set()

        async def add(place: int) -> None:
            await ended[place + 1].wait()  # the last item ends first
            ctx.state.value += 10**place
            ended[place].set()

        await ctx.step.map("add", add, [0, 1, 2], version=1)
        return int(ctx.state.value)

    assert Process(path).cell(flow.run) == 111
    assert Process(path).cell(flow.run) == 111


@pytest.mark.parametrize("late", [0.093, 0.094, 0.095, 0.096, 0.097, 0.098])
def test_an_answer_that_comes_while_a_run_is_being_left_leaves_nothing_in_doubt(late: float) -> None:
    """The loop is busy when the answer and the end of patience come: no write is begun and then stopped."""
    flow_writes: list[str] = []

    async def write() -> None:
        await asyncio.sleep(0.01)
        flow_writes.append("written")

    async def body(ctx: WorkflowContext) -> None:
        await ctx.step.suspend("review")
        await ctx.step.run("write", write, effect="write", version=1)

    flow, process = asking([], body), Process(MemoryStore())
    store = process.runtime.store

    async def cell(client: Any) -> None:
        async def answer() -> None:
            await until(lambda: asked(process, "waiting"))
            (decision,) = store.decisions()
            await asyncio.sleep(decision.created_at + late - time.time())
            store.decide(decision.id, answer="1")
            time.sleep(0.06)  # all that waits is due at once

        answerer = asyncio.ensure_future(answer())
        with contextlib.suppress(Suspended):
            await flow.run(client)
        await answerer

    process.cell(cell)
    assert "started" not in [step.status for step in store.past_steps() if step.name == "write"]
    process.cell(flow.run)
    assert flow_writes == ["written"]
    assert [d.kind for d in store.decisions()] == ["suspend"]
