"""Nested runs after an edit, side by side, in a conversation, in a plan, and left waiting: never stale, never twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from polos_nb import (
    Agent,
    LiveCallRefused,
    RunError,
    ScriptedModel,
    StepExecutionError,
    Suspended,
    WorkflowContext,
    WorkflowState,
    tool,
    workflow,
)
from tests.runtime.support import Process, calls, once_called


def executed(path: str, flow: Any, mode: Any = "live", **options: Any) -> Any:
    """What a workflow returns in a new process on the store at `path`."""
    process = Process(path, mode=mode)
    try:
        return process.cell(lambda client: flow.run(client, **options))
    finally:
        process.runtime.close()


def putting(journal: list[str], id: str) -> Any:
    @workflow(id=id, version=1)
    async def put(ctx: WorkflowContext, input: dict) -> str:
        async def write(name: str, delay: float) -> str:
            await asyncio.sleep(delay)
            journal.append(name)
            return name

        return str(await ctx.step.run("put", write, input.name, input.delay, effect="write", version=1))

    return put


def test_writes_side_by_side_that_ended_in_another_order_are_not_repeated(path: str) -> None:
    """What follows a map of writes depends on the order of its items, not on which of them was faster."""
    journal: list[str] = []
    put = putting(journal, "changes-put")

    @workflow(id="changes-map")
    async def flow(ctx: WorkflowContext) -> None:
        await ctx.step.map("each", put, [{"name": "slow", "delay": 0.1}, {"name": "fast", "delay": 0.0}])
        await ctx.step.invoke_and_wait("after", put, {"name": "after", "delay": 0.0})

    executed(path, flow)
    assert journal == ["fast", "slow", "after"]
    executed(path, flow)
    assert journal == ["fast", "slow", "after"]


def test_writes_in_branches_of_a_gather_are_not_repeated(path: str) -> None:
    """Branches that were faster in the first pass than in a replay find the writes inside their nested runs."""
    journal: list[str] = []
    put = putting(journal, "changes-branch-put")

    @workflow(id="changes-gather")
    async def flow(ctx: WorkflowContext) -> None:
        async def branch(name: str, delay: float) -> None:
            for place in "12":
                await ctx.step.invoke_and_wait(name + place, put, {"name": name + place, "delay": delay})

        await asyncio.gather(branch("slow", 0.1), branch("fast", 0.0))

    executed(path, flow)
    first = list(journal)
    assert sorted(first) == ["fast1", "fast2", "slow1", "slow2"]
    executed(path, flow)
    assert journal == first


def by_id(answer: str) -> Any:
    @workflow(id="changes-leaf")
    async def leaf(ctx: WorkflowContext) -> str:
        return str(await ctx.step.run("answer", lambda: answer))

    @workflow(id="changes-middle")
    async def middle(ctx: WorkflowContext) -> str:
        return str(await ctx.step.invoke_and_wait("leaf", "changes-leaf"))

    @workflow(id="changes-top")
    async def top(ctx: WorkflowContext) -> str:
        return str(await ctx.step.invoke_and_wait("middle", middle))

    return top


def test_a_workflow_that_is_run_by_its_id_counts_for_all_that_run_it(path: str) -> None:
    """The code of who runs it does not say what it is: its version is kept with the steps around it."""
    assert executed(path, by_id("one")) == "one"
    assert executed(path, by_id("one")) == "one"
    assert executed(path, by_id("two")) == "two"
    process = Process(path)
    executed(path, by_id("two"))
    assert process.why("changes-top") == {"middle": "changes-leaf, which it runs by its id, changed"}
    process.runtime.close()


def test_a_tool_that_runs_a_workflow_by_its_id_follows_its_changes(path: str) -> None:
    """The same for the tools of an agent."""

    def agent(answer: str) -> Agent:
        by_id(answer)

        @tool(id="changes-ask")
        async def ask(ctx: WorkflowContext) -> str:
            """Ask."""
            return str(await ctx.step.invoke_and_wait("leaf", "changes-leaf"))

        return Agent(id="changes-asker", model=once_called(calls(("changes-ask", {}))), tools=[ask])

    for answer in ("one", "two"):
        process = Process(path)
        assert process.run(agent(answer), "go").result == f"done: {answer}"
        process.runtime.close()


def test_turns_of_a_conversation_follow_an_edited_turn_before_them(path: str) -> None:
    """A later turn is asked again where an earlier one says something else, and hears only the new one."""
    asked: list[str] = []

    def script(request: Any) -> str:
        asked.append(request.messages[-1].text())
        return " / ".join(message.text() for message in request.messages if message.role == "user")

    def flow(name: str) -> Any:
        agent = Agent(id="changes-talker", model=ScriptedModel(script))

        @workflow(id="changes-talk", version=1)
        async def talk(ctx: WorkflowContext) -> str:
            await ctx.step.agent_invoke_and_wait("name", agent.with_input(name))
            return str((await ctx.step.agent_invoke_and_wait("who", agent.with_input("who?"))).result)

        return talk

    for name in ("Ann", "Ann", "Bob", "Bob"):
        assert executed(path, flow(name), conversation_id="c") == f"{name} / who?"
    assert asked == ["Ann", "who?", "Bob", "who?"]


def test_a_plan_does_not_drive_what_a_body_runs_without_a_step(path: str) -> None:
    """An agent that the body of a workflow awaits is planned like the rest: no call, no run, no file changed."""
    asked: list[str] = []
    agent = Agent(id="changes-inner", model=ScriptedModel(lambda request: asked.append("llm") or "hi"))

    @workflow(id="changes-ambient")
    async def flow(ctx: WorkflowContext) -> Any:
        return (await agent.run("x")).result

    process = Process(path)
    plan = process.cell(lambda client: client.plan(flow))
    assert [step.key for step in plan.steps] == ["1.llm"]
    assert not plan.complete
    assert asked == []
    assert process.runtime.store.list_runs(limit=9) == []
    assert process.cell(lambda client: flow.run(client)) == "hi"
    assert process.cell(lambda client: client.plan(flow)).complete
    assert asked == ["llm"]
    process.runtime.close()


def test_what_a_body_runs_is_kept_where_the_body_is(path: str) -> None:
    """A client with a store of its own is the one that runs started inside its runs use."""
    agent = Agent(id="changes-inner", model=ScriptedModel(["hi"]))

    @workflow(id="changes-ambient-store")
    async def flow(ctx: WorkflowContext) -> Any:
        return (await agent.run("x")).result

    process = Process(path)
    assert process.cell(lambda client: flow.run(client)) == "hi"
    assert {run.target_id for run in process.runtime.store.list_runs(limit=9)} == {flow.id, agent.id}
    process.runtime.close()


def test_an_agent_that_a_body_runs_reads_after_the_write_before_it(path: str) -> None:
    """What is read in a run without a step is not answered from before a write that changed."""
    kept: dict[str, str] = {}

    def flow(value: str) -> Any:
        @tool(id="changes-read", effect="read", version=1)
        def read() -> str:
            """Read."""
            return kept["value"]

        agent = Agent(id="changes-reader", model=once_called(calls(("changes-read", {}))), tools=[read])

        @workflow(id="changes-write", version=1)
        async def write(ctx: WorkflowContext) -> Any:
            await ctx.step.run("write", lambda text: kept.update(value=text), value, effect="write", version=1)
            return (await agent.run("x")).result

        return write

    assert executed(path, flow("one")) == "done: one"
    assert executed(path, flow("two")) == "done: two"


@pytest.mark.parametrize("again", [False, True])
def test_a_body_that_catches_everything_still_waits(process: Process, again: bool) -> None:
    """A run that is left because it waits has not ended, whatever its code makes of that."""

    @workflow(id="changes-catch")
    async def flow(ctx: WorkflowContext) -> Any:
        try:
            return await ctx.step.suspend("ask", {"ready": True})
        except BaseException as error:
            if again:
                raise ValueError("wrapped") from error
            return "nobody answered"

    with pytest.raises(Suspended):
        process.cell(lambda client: flow.run(client))
    assert process.runtime.store.list_runs(limit=1)[0].status == "suspended"


@pytest.mark.parametrize("nested", [False, True])
def test_a_miss_ends_a_run_whose_code_catches_it(path: str, nested: bool) -> None:
    """Where nothing may be called, a body that catches every failure does not hide that a step is missing."""

    def flow(value: int) -> Any:
        @workflow(id="changes-miss-inner", version=1)
        async def inner(ctx: WorkflowContext) -> Any:
            return await ctx.step.run("double", lambda number: 2 * number, value)

        @workflow(id="changes-miss")
        async def outer(ctx: WorkflowContext) -> Any:
            try:
                if nested:
                    return await ctx.step.invoke_and_wait(f"inner-{value}", inner)
                return await ctx.step.run("double", lambda number: 2 * number, value)
            except Exception:
                return "a fallback"

        return outer

    assert executed(path, flow(1)) == 2
    with pytest.raises(LiveCallRefused):
        executed(path, flow(2), mode="offline")


@pytest.mark.parametrize("fresh", [True, "first"])
def test_a_fresh_run_that_waited_is_not_fresh_again(process: Process, fresh: Any) -> None:
    """The answer goes to the run that asked; what was done anew in it is not done once more."""
    journal: list[str] = []

    @workflow(id="changes-fresh")
    async def flow(ctx: WorkflowContext) -> Any:
        await ctx.step.run("first", lambda: journal.append("first"), version=1)
        return (await ctx.step.suspend("ask", {"ready": True}))["data"]

    async def cell(client: Any) -> Any:
        with pytest.raises(Suspended) as waits:
            await flow.run(client, fresh=fresh)
        await client.resume("", waits.value.run_id, "ask", {"yes": True})
        async with asyncio.timeout(10):
            while (run := client.runtime.store.list_runs(limit=1)[0]).status != "completed":
                await asyncio.sleep(0.02)
        return run.id, waits.value.run_id

    went_on, asked = process.cell(cell)
    assert went_on == asked
    assert journal == ["first"]


def test_a_rejected_tool_of_a_workflow_says_so_in_a_sentence(process: Process) -> None:
    """The failure is what the person said, without the name of a class of the engine."""

    @tool(id="changes-pay", approval="always")
    def pay() -> str:
        """Pay."""
        return "paid"

    @workflow(id="changes-paying")
    async def flow(ctx: WorkflowContext) -> Any:
        try:
            return await ctx.step.invoke_and_wait("pay", pay)
        except StepExecutionError as error:
            return str(error)

    async def cell(client: Any) -> Any:
        with pytest.raises(Suspended) as waits:
            await flow.run(client)
        await client.resume("", waits.value.run_id, waits.value.waiting[0], {"approved": False})

    process.cell(cell)
    assert process.cell(lambda client: flow.run(client)) == 'Tool "changes-pay" was rejected by the user.'


def test_the_state_of_a_nested_workflow_counts(path: str) -> None:
    """A nested workflow whose state begins otherwise is run again."""

    class One(WorkflowState):
        value: int = 1

    class Two(WorkflowState):
        value: int = 2

    def flow(state: type[WorkflowState]) -> Any:
        @workflow(id="changes-stateful", state_schema=state)
        async def inner(ctx: WorkflowContext) -> int:
            return int(ctx.state.value)

        @workflow(id="changes-around-state")
        async def outer(ctx: WorkflowContext) -> Any:
            return await ctx.step.invoke_and_wait("inner", inner)

        return outer

    assert [executed(path, flow(state)) for state in (One, One, Two)] == [1, 1, 2]


def test_a_turn_in_another_nested_workflow_follows_the_edited_one(path: str) -> None:
    """A conversation goes through nested workflows: what was said in the one counts in the next."""

    def flow(name: str) -> Any:
        agent = Agent(
            id="changes-through",
            model=ScriptedModel(lambda request: " / ".join(m.text() for m in request.messages if m.role == "user")),
        )

        @workflow(id="changes-say", version=1)
        async def say(ctx: WorkflowContext, input: dict) -> str:
            return str((await ctx.step.agent_invoke_and_wait("say", agent.with_input(input.text))).result)

        @workflow(id="changes-say-twice", version=1)
        async def outer(ctx: WorkflowContext) -> Any:
            await ctx.step.invoke_and_wait("name", say, {"text": name})
            return await ctx.step.invoke_and_wait("who", say, {"text": "who?"})

        return outer

    assert executed(path, flow("Ann"), conversation_id="c") == "Ann / who?"
    assert executed(path, flow("Bob"), conversation_id="c").endswith("Bob / who?")


# -- writes side by side --------------------------------------------------------------------------------------------
def test_writes_of_branches_beside_each_other_are_not_repeated_in_another_order(process: Process) -> None:
    """Each branch writes in a nested run, and then by an agent's tool; which is faster differs from pass to pass."""
    journal: list[str] = []
    delays: dict[str, float] = {}
    broken = [True]

    @tool(description="Pay", effect="write", version=1)
    def pay(who: str) -> str:
        journal.append(f"pay {who}")
        return f"paid {who}"

    def agent_of(who: str) -> Agent:
        return Agent(id=f"payer-{who}", model=once_called(calls(("pay", {"who": who}))), tools=[pay])

    @workflow(id="noting", version=1)
    async def noting(ctx: WorkflowContext, input: dict) -> None:
        await asyncio.sleep(delays[input.who])
        await ctx.step.run("note", lambda: journal.append(f"note {input.who}"), effect="write", version=1)

    @workflow(id="branching", version=1)
    async def flow(ctx: WorkflowContext) -> Any:
        async def branch(who: str) -> Any:
            await ctx.step.invoke_and_wait(f"note-{who}", noting, {"who": who})
            await asyncio.sleep(delays[who])
            return (await ctx.step.agent_invoke_and_wait(f"pay-{who}", agent_of(who).with_input("go"))).result

        paid = await asyncio.gather(branch("a"), branch("b"), branch("c"))
        await ctx.step.invoke_and_wait("last", pay, {"who": "all"})
        await ctx.step.run("risky", lambda: 1 / 0 if broken else 1, version=1, max_retries=0)
        return paid

    delays.update(a=0.06, b=0.0, c=0.03)
    with pytest.raises(RunError):
        process.cell(lambda client: flow.run(client))
    once = sorted(journal)
    assert once == sorted([*(f"{what} {who}" for what in ("note", "pay") for who in "abc"), "pay all"])
    broken.clear()
    for times in ({"a": 0.0, "b": 0.06, "c": 0.03}, {"a": 0.03, "b": 0.0, "c": 0.06}, {"a": 0.0, "b": 0.0, "c": 0.0}):
        delays.update(times)
        assert process.cell(lambda client: flow.run(client)) == ["done: paid a", "done: paid b", "done: paid c"]
    assert sorted(journal) == once


def test_a_read_after_branches_depends_on_what_they_wrote(process: Process) -> None:
    """And on what was written before and between them, in whichever task."""
    reads: list[str] = []
    texts = {"first": "1", "left": "1", "second": "1"}

    def write(text: str) -> None: ...

    def read() -> int:
        reads.append("read")
        return len(reads)

    @workflow(id="reading", version=1)
    async def flow(ctx: WorkflowContext) -> Any:
        async def left() -> None:
            await ctx.step.run("left", write, texts["left"], effect="write", version=1)

        async def looks(key: str) -> Any:
            return await ctx.step.run(key, read, version=1)

        await ctx.step.run("first", write, texts["first"], effect="write", version=1)
        await asyncio.gather(left(), looks("beside"))
        between = await asyncio.gather(looks("after"), looks("after too"))
        await ctx.step.run("second", write, texts["second"], effect="write", version=1)
        return [*between, await ctx.step.run("end", read, version=1)]

    def again() -> int:
        before = len(reads)
        process.cell(lambda client: flow.run(client))
        return len(reads) - before

    assert again() == 4
    assert again() == 0
    texts["second"] = "2"
    assert again() == 1
    texts["left"] = "2"
    assert again() == 3  # not the one beside it
    texts["first"] = "2"
    assert again() == 4
