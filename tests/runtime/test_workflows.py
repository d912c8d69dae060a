"""Workflows: steps, nested runs, state, and what comes back when they are run again."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel, Field

from polos_nb import (
    Agent,
    AgentResult,
    BatchWorkflowInput,
    DefinitionError,
    RunError,
    ScriptedModel,
    StepExecutionError,
    Workflow,
    WorkflowContext,
    WorkflowState,
    get_all_workflows,
    get_workflow,
    tool,
    workflow,
)
from polos_nb.errors import ArgumentsError
from polos_nb.models.base import ModelRequest
from tests.runtime.support import Process, calls, once_called, results


@pytest.fixture
def process() -> Process:
    return Process()


def counting(name: str, journal: list[str]) -> Any:
    """An agent that says how often it was asked."""

    def script(request: ModelRequest) -> str:
        journal.append(name)
        return f"{name}: {request.messages[-1].text()}"

    return Agent(id=name, model=ScriptedModel(script))


class Generating:
    def __init__(self, ctx: Any) -> None: ...


async def generating(ctx: Any) -> Any:
    yield 1


# -- declaring ------------------------------------------------------------------------------------------------------
def test_a_workflow_is_found_by_its_id() -> None:
    """The registry has workflows, agents and tools; a later declaration of an id replaces the earlier one."""

    @workflow(id="registered-flow")
    async def first(ctx: WorkflowContext) -> int:
        return 1

    @workflow(id="registered-flow", description="Second")
    async def second(ctx: WorkflowContext) -> int:
        return 2

    assert get_workflow("registered-flow") is second
    assert get_all_workflows()["registered-flow"] is second
    assert get_workflow("no-such-flow") is None
    assert first.id == second.id


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: workflow(lambda: 1), "takes no context"),
        (lambda: workflow(id=" ")(lambda ctx: 1), "is not a name"),
        (lambda: workflow(Generating), "is a class"),
        (lambda: workflow(generating), "yield"),
        (lambda: workflow(id="w", schedule="every day")(lambda ctx: 1), "is not a cron line"),
        (lambda: workflow(id="w", on_start=[3])(lambda ctx: 1), "on_start=3 is not a function; write @hook"),
        (lambda: workflow(id="w", state_shema=int)(lambda ctx: 1), "did you mean state_schema="),
        (lambda: workflow(id="w", state_schema=int)(lambda ctx: 1), "is not a WorkflowState class"),
        (lambda: workflow(id="w", schedule="* * * * *", queue="q")(lambda ctx: 1), "both schedule= and queue="),
        (lambda: workflow(id="w", batch_size=0)(lambda ctx: 1), "must be 1 or more"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused(make: Any, said: str) -> None:
    """The sentence says what is wrong with it."""
    with pytest.raises(DefinitionError, match=said):
        make()


# -- payloads -------------------------------------------------------------------------------------------------------
class Order(BaseModel):
    id: str
    amount: float = Field(gt=0)


def test_a_dict_payload_answers_attribute_access(process: Process) -> None:
    """All the way down, and it is still a dict."""

    @workflow
    async def flow(ctx: WorkflowContext, input: dict) -> Any:
        return [input.task, input["options"].depth, input.items_list[0].name, dict(input)]

    payload = {"task": "plan", "options": {"depth": 2}, "items_list": [{"name": "a"}]}
    assert process.cell(lambda client: flow.run(client, payload)) == ["plan", 2, "a", payload]


def test_a_model_payload_is_checked(process: Process) -> None:
    """A dict becomes the model; what does not fit is one sentence, before a run begins."""

    @workflow
    async def flow(ctx: WorkflowContext, order: Order) -> float:
        return order.amount

    assert process.cell(lambda client: flow.run(client, {"id": "o1", "amount": 3})) == 3.0
    assert process.cell(lambda client: flow.run(client, Order(id="o1", amount=4))) == 4.0
    with pytest.raises(ArgumentsError, match=r"order\.amount.*greater than 0.*got -1"):
        process.cell(lambda client: flow.run(client, {"id": "o1", "amount": -1}))
    assert len(process.runtime.store.list_runs()) == 2


def test_several_parameters_take_a_mapping(process: Process) -> None:
    """Defaults apply; missing and unknown names are said."""

    @workflow
    async def flow(ctx: WorkflowContext, a: int, b: int = 2) -> int:
        return a * b

    assert process.cell(lambda client: flow.run(client, {"a": 4})) == 8
    with pytest.raises(ArgumentsError, match="a is missing; there is no c"):
        process.cell(lambda client: flow.run(client, {"c": 1}))


def test_the_body_cannot_change_the_payload_of_the_next_pass(process: Process) -> None:
    """Each pass gets what the caller gave."""
    seen: list[Any] = []

    @workflow
    async def flow(ctx: WorkflowContext, input: dict) -> None:
        seen.append(dict(input))
        input["more"] = 1
        await ctx.step.run("fail", lambda: 1 / 0, max_retries=0)

    for _ in range(2):
        with pytest.raises(RunError):
            process.cell(lambda client: flow.run(client, {"a": 1}))
    assert seen == [{"a": 1}, {"a": 1}]


# -- steps ----------------------------------------------------------------------------------------------------------
def test_finished_steps_answer_and_failed_ones_are_tried_again(process: Process) -> None:
    """A failure is never a cached answer."""
    journal: list[str] = []
    broken = [True]

    def first() -> str:
        journal.append("first")
        return "kept"

    def second() -> str:
        journal.append("second")
        if broken:
            raise ValueError("not yet")
        return "done"

    @workflow(version=1)
    async def flow(ctx: WorkflowContext) -> list[str]:
        return [
            await ctx.step.run("first", first, version=1),
            await ctx.step.run("second", second, version=1, max_retries=1, base_delay=0.001),
        ]

    with pytest.raises(RunError, match="failed after 1 retries: ValueError: not yet") as raised:
        process.cell(lambda client: flow.run(client))
    assert isinstance(raised.value.__cause__, StepExecutionError)
    assert raised.value.run_id == "r1"
    broken.clear()
    assert process.cell(lambda client: flow.run(client)) == ["kept", "done"]
    assert journal == ["first", "second", "second", "second"]


def test_a_duplicate_key_is_an_error(process: Process) -> None:
    """Not a stale answer."""

    @workflow
    async def flow(ctx: WorkflowContext) -> None:
        await ctx.step.run("one", lambda: 1)
        await ctx.step.wait_for("one", seconds=0.01)

    with pytest.raises(RunError, match="'one' is used twice"):
        process.cell(lambda client: flow.run(client))


@pytest.mark.parametrize("key", ["a/b", "order [1]", "größe", "2024-01-01T00:00", "a.b", "%s", "x" * 300])
def test_any_printable_key_works(key: str, process: Process) -> None:
    """Also one with a slash: it is shown as the caller wrote it, live and from the records."""

    @workflow(id="keys", version=1)
    async def flow(ctx: WorkflowContext) -> int:
        return await ctx.step.run(key, lambda: 7, version=1)

    assert process.cell(lambda client: flow.run(client)) == 7
    assert process.trace("keys")[0][1].step_key == key
    shown = process.runtime.transcript_of(process.newest("keys"))
    assert [(item.step_key, item.parent) for item in shown.walk()] == [(key, "")]


def test_values_that_do_not_change(process: Process) -> None:
    """uuid, now and random are the same in every pass."""
    seen: list[Any] = []

    @workflow
    async def flow(ctx: WorkflowContext) -> None:
        seen.append([await ctx.step.uuid("u"), await ctx.step.now("n"), await ctx.step.random("r")])
        await ctx.step.run("fail", lambda: 1 / 0, max_retries=0)

    for _ in range(2):
        with pytest.raises(RunError):
            process.cell(lambda client: flow.run(client))
    assert seen[0] == seen[1]


def test_what_a_workflow_returns_may_hold_an_agent_result(process: Process) -> None:
    """Passed on as input, nested in a dict that a step is given, and returned."""
    journal: list[str] = []
    first, second = counting("one", journal), counting("two", journal)
    logged: list[Any] = []

    @workflow
    async def flow(ctx: WorkflowContext, input: dict) -> Any:
        plan = await ctx.step.agent_invoke_and_wait("plan", first.with_input(input.task))
        await ctx.step.run("log", lambda entry: logged.append(entry["plan"].result), {"plan": plan})
        return {"plan": plan, "done": await ctx.step.agent_invoke_and_wait("do", second.with_input(plan))}

    for _ in range(2):
        found = process.cell(lambda client: flow.run(client, {"task": "go"}))
        assert isinstance(found["plan"], AgentResult)
        assert found["done"].result == "two: one: go"
    assert journal == ["one", "two"]
    assert logged == ["one: go"]


# -- map and batches ------------------------------------------------------------------------------------------------
def test_map_keeps_each_item_wherever_it_stands(process: Process) -> None:
    """Results are in the items' order; a new item in the middle is the only one that is executed."""
    journal: list[str] = []

    def shout(text: str) -> str:
        journal.append(text)
        return text.upper()

    @workflow(id="mapped", version=1)
    async def flow(ctx: WorkflowContext, input: dict) -> list[str]:
        return await ctx.step.map("shout", shout, items, version=1, concurrency=2)

    items = ["a", "b", "c", "b"]
    assert process.cell(lambda client: flow.run(client, {})) == ["A", "B", "C", "B"]
    items = ["a", "new", "b", "c", "b"]
    assert process.cell(lambda client: flow.run(client, {})) == ["A", "NEW", "B", "C", "B"]
    assert sorted(journal) == ["a", "b", "b", "c", "new"]


def test_map_limits_how_many_run_at_once(process: Process) -> None:
    """Never more than `concurrency`."""
    now, most, lock = [0], [0], threading.Lock()

    def work(item: int) -> int:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        threading.Event().wait(0.01)
        with lock:
            now[0] -= 1
        return item

    @workflow
    async def flow(ctx: WorkflowContext) -> list[int]:
        return await ctx.step.map("work", work, range(12), concurrency=3)

    assert process.cell(lambda client: flow.run(client)) == list(range(12))
    assert 2 <= most[0] <= 3


def test_a_map_with_failures_keeps_the_rest(process: Process) -> None:
    """All items are tried; the error counts; the next pass executes only what failed."""
    journal: list[int] = []
    broken = {3, 5}

    def work(item: int) -> int:
        journal.append(item)
        if item in broken:
            raise ValueError(f"item {item}")
        return item

    @workflow
    async def flow(ctx: WorkflowContext) -> list[int]:
        return await ctx.step.map("work", work, range(8), version=1, max_retries=0)

    with pytest.raises(RunError, match=r"2 of 8 items of work failed; the others are kept\. The first: .*item 3"):
        process.cell(lambda client: flow.run(client))
    broken.clear()
    journal.clear()
    assert process.cell(lambda client: flow.run(client)) == list(range(8))
    assert sorted(journal) == [3, 5]


def test_map_over_an_agent_runs_it_once_for_each_item(process: Process) -> None:
    """Each is a nested run with a result of its own."""
    journal: list[str] = []
    writer = counting("writer", journal)

    @workflow
    async def flow(ctx: WorkflowContext) -> list[str]:
        return [result.result for result in await ctx.step.map("write", writer, ["a", "b"])]

    for _ in range(2):
        assert process.cell(lambda client: flow.run(client)) == ["writer: a", "writer: b"]
    assert journal == ["writer", "writer"]


def test_a_batch_gives_results_in_order_and_does_not_raise(process: Process) -> None:
    """Each result says whether it succeeded."""

    @workflow(id="half")
    async def half(ctx: WorkflowContext, input: dict) -> float:
        return await ctx.step.run("divide", lambda n: 10 / n, input.n, max_retries=0)

    @workflow
    async def flow(ctx: WorkflowContext) -> Any:
        given = [BatchWorkflowInput(id="half", payload={"n": n}) for n in (2, 0, 5)]
        return await ctx.step.batch_invoke_and_wait("batch", given)

    found = process.cell(lambda client: flow.run(client))
    assert [(item.success, item.result) for item in found] == [(True, 5.0), (False, None), (True, 2.0)]
    assert "division by zero" in found[1].error
    assert {item.workflow_id for item in found} == {"half"}


# -- nested runs ----------------------------------------------------------------------------------------------------
def test_an_agent_in_a_workflow_is_a_nested_run(process: Process) -> None:
    """It has a record and steps of its own, and is shown in the step, live, from the records, and when replayed."""
    journal: list[str] = []

    @tool(description="Look", version=1)
    def look(place: str) -> str:
        journal.append(place)
        return f"seen {place}"

    agent = Agent(id="looker", model=once_called(calls(("look", {"place": "here"}))), tools=[look])

    @workflow(id="outer", version=1)
    async def flow(ctx: WorkflowContext) -> str:
        return (await ctx.step.agent_invoke_and_wait("ask", agent.with_input("go"))).result

    def shown(client: Any) -> Any:
        run = client.runtime.start_workflow(flow)
        return _waited(run)

    async def _waited(run: Any) -> Any:
        await run.result()
        return run.transcript

    live, replayed = process.cell(shown), process.cell(shown)
    stored = process.runtime.transcript_of(process.newest("outer"))
    keys = ["ask", "ask/1.llm", "ask/1.look[call_1]", "ask/2.llm"]
    for transcript in (live, replayed, stored):
        assert [item.step_key for item in transcript.walk()] == keys
        assert transcript.usage == live.usage
    assert live.to_text() == replayed.to_text() == stored.to_text()
    assert replayed.from_store
    child = process.runtime.store.child_runs(process.newest("outer"))[0]
    assert (child.target_id, child.parent_step, child.root) == ("looker", "ask", process.newest("outer"))
    assert journal == ["here"]


def test_an_edited_tool_in_a_nested_agent_runs_again_and_the_rest_is_cut_off(process: Process) -> None:
    """The nested run's own steps answer where nothing changed."""
    journal: list[str] = []

    def agent_with(text: str) -> Agent:
        @tool(id="look", description="Look", version=text)
        def look() -> str:
            journal.append(f"look {text}")
            return text

        def script(request: ModelRequest) -> Any:
            journal.append("llm")
            said = results(request)
            return f"it is {said[0]}" if said else calls(("look", {}))

        return Agent(id="looker", model=ScriptedModel(script), tools=[look])

    @workflow(id="outer", version=1)
    async def flow(ctx: WorkflowContext) -> str:
        return (await ctx.step.agent_invoke_and_wait("ask", agent.with_input("go"))).result

    agent = agent_with("old")
    assert process.cell(lambda client: flow.run(client)) == "it is old"
    agent = agent_with("new")
    journal.clear()
    assert process.cell(lambda client: flow.run(client)) == "it is new"
    assert journal == ["look new", "llm"]


def test_with_input_honours_every_argument(process: Process) -> None:
    """Parameters, conversation and user reach the nested agent; without them it has those of the workflow."""
    seen: list[Any] = []

    @tool(description="Who", version=1)
    def who(ctx: WorkflowContext) -> str:
        seen.append((ctx.conversation_id, ctx.user_id, ctx.root_workflow_id))
        return "ok"

    def script(request: ModelRequest) -> Any:
        seen.append(request.params)
        return "done" if results(request) else calls(("who", {}))

    agent = Agent(id="knower", model=ScriptedModel(script), tools=[who])

    @workflow(id="outer")
    async def flow(ctx: WorkflowContext) -> None:
        own = agent.with_input("a", session_id="s", user_id="u", temperature=0.5)
        await ctx.step.agent_invoke_and_wait("own", own)
        await ctx.step.agent_invoke_and_wait("inherited", agent.with_input("b"))

    process.cell(lambda client: flow.run(client, session_id="outer-s", user_id="outer-u"))
    assert seen == [
        {"temperature": 0.5},
        ("s", "u", "outer"),
        {"temperature": 0.5},
        {},
        ("outer-s", "outer-u", "outer"),
        {},
    ]


def test_a_failing_nested_run_says_why_and_is_resumed(process: Process) -> None:
    """The error is the nested run's; the next pass goes on in it."""
    journal: list[str] = []
    broken = [True]

    @workflow(id="inner", version=1)
    async def inner(ctx: WorkflowContext) -> str:
        await ctx.step.run("before", lambda: journal.append("before"), version=1)
        await ctx.step.run("risky", lambda: 1 / 0 if broken else 1, version=1, max_retries=0)
        return "fine"

    @workflow(id="outer", version=1)
    async def outer(ctx: WorkflowContext) -> str:
        try:
            return str(await ctx.step.invoke_and_wait("in", "inner"))
        except StepExecutionError as error:
            return f"caught {error.reason}"

    assert "division by zero" in process.cell(lambda client: outer.run(client))
    broken.clear()
    assert process.cell(lambda client: outer.run(client)) == "fine"
    assert journal == ["before"]


def test_an_unknown_target_names_what_there_is(process: Process) -> None:
    """The sentence lists what is declared."""

    @workflow
    async def flow(ctx: WorkflowContext) -> None:
        await ctx.step.invoke_and_wait("x", "no-such-thing")

    with pytest.raises(RunError, match=r"there is no workflow, agent or tool 'no-such-thing'; declared are: .*flow"):
        process.cell(lambda client: flow.run(client))


def test_a_tool_is_run_as_a_step(process: Process) -> None:
    """invoke_and_wait takes a tool; it needs no run of its own."""

    @tool(description="Add")
    def add(a: int, b: int) -> int:
        return a + b

    @workflow(id="adding")
    async def flow(ctx: WorkflowContext) -> int:
        return int(await ctx.step.invoke_and_wait("sum", add, {"a": 1, "b": 2}))

    assert process.cell(lambda client: flow.run(client)) == 3
    assert [run.target_id for run in process.runtime.store.list_runs()] == ["adding"]


def test_a_started_run_goes_its_own_way(process: Process) -> None:
    """invoke returns a handle; a second pass starts nothing."""
    journal: list[str] = []

    @workflow(id="beside")
    async def beside(ctx: WorkflowContext, input: dict) -> int:
        journal.append("beside")
        return int(input.n) * 2

    @workflow(id="starter")
    async def starter(ctx: WorkflowContext) -> Any:
        return await ctx.step.invoke("go", beside, {"n": 21})

    async def both(client: Any) -> Any:
        handle = await starter.run(client)
        return handle, await handle.result(client), await handle.get(client)

    handle, value, found = process.cell(both)
    assert value == 42
    assert (found["status"], found["result"], found["workflow_id"]) == ("completed", 42, "beside")
    assert handle.step_key == "go"
    assert process.cell(lambda client: starter.run(client)) == handle
    assert journal == ["beside"]


# -- state ----------------------------------------------------------------------------------------------------------
class Progress(WorkflowState):
    count: int = 0
    names: list[str] = Field(default_factory=list)


def test_state_comes_back_with_the_steps_that_changed_it(process: Process) -> None:
    """A step that answers from the store brings its change of the state along."""
    broken = [True]

    @workflow(id="stateful", version=1, state_schema=Progress)
    async def flow(ctx: WorkflowContext) -> Any:
        def work(name: str) -> None:
            ctx.state.count += 1
            ctx.state.names = [*ctx.state.names, name]

        await ctx.step.run("one", work, "one", version=1)
        ctx.state.count += 10
        await ctx.step.run("two", work, "two", version=1)
        await ctx.step.run("risky", lambda: 1 / 0 if broken else 1, version=1, max_retries=0)
        return ctx.state.count, ctx.state.names

    with pytest.raises(RunError):
        process.cell(lambda client: flow.run(client, initial_state={"count": 100}))
    record = process.runtime.store.get_run("r1")
    assert record is not None
    assert record.state == '{"count":112,"names":["one","two"]}'
    broken.clear()
    assert process.cell(lambda client: flow.run(client, initial_state=Progress(count=100))) == (112, ["one", "two"])
    assert process.cell(lambda client: flow.run(client)) == (12, ["one", "two"])


def test_a_state_that_does_not_fit_is_refused(process: Process) -> None:
    """Before the run begins; a workflow without a schema takes none."""

    @workflow(state_schema=Progress)
    async def stateful(ctx: WorkflowContext) -> None: ...

    @workflow
    async def stateless(ctx: WorkflowContext) -> None: ...

    with pytest.raises(ArgumentsError, match="initial state does not fit Progress: count"):
        process.cell(lambda client: stateful.run(client, initial_state={"count": "many"}))
    with pytest.raises(ArgumentsError, match="has no state_schema="):
        process.cell(lambda client: stateless.run(client, initial_state={"count": 1}))


# -- results --------------------------------------------------------------------------------------------------------
@dataclass
class Point:
    x: int
    y: int


def test_a_nested_workflow_returns_typed_values(process: Process) -> None:
    """Models and dataclasses come back as themselves, in the first pass and from the store."""

    @workflow(id="maker")
    async def maker(ctx: WorkflowContext) -> tuple[Order, Point]:
        return Order(id="o", amount=1), Point(1, 2)

    @workflow
    async def flow(ctx: WorkflowContext) -> Any:
        return await ctx.step.invoke_and_wait("make", maker)

    for _ in range(2):
        assert process.cell(lambda client: flow.run(client)) == (Order(id="o", amount=1), Point(1, 2))


def test_unknown_options_are_said(process: Process) -> None:
    """With what was probably meant."""

    @workflow
    async def flow(ctx: WorkflowContext) -> None: ...

    with pytest.raises(DefinitionError, match="did you mean session_id="):
        process.cell(lambda client: flow.run(client, sesion_id="x"))


def test_run_sync_works_without_a_loop(process: Process) -> None:
    """For callers that cannot await."""

    @workflow
    async def flow(ctx: WorkflowContext, input: dict) -> int:
        return await ctx.step.run("double", lambda n: n * 2, input.n)

    assert flow.run_sync(process.client, {"n": 4}) == 8


def test_the_plain_function_stays_callable() -> None:
    """Calling a workflow calls the function, without a run."""

    @workflow
    async def flow(ctx: WorkflowContext) -> int:
        return 5

    assert isinstance(flow, Workflow)
    assert asyncio.run(flow(None)) == 5


# -- tasks that a body does not wait for ----------------------------------------------------------------------------
def test_a_failure_beside_a_step_does_not_leave_it_behind(process: Process) -> None:
    """gather raises at the first failure; the other step ends and is kept before the run is over."""
    journal: list[str] = []
    broken = [True]

    async def slow() -> str:
        await asyncio.sleep(0.15)
        journal.append("slow")
        return "kept"

    @workflow(id="gathering", version=1)
    async def flow(ctx: WorkflowContext) -> Any:
        return await asyncio.gather(
            ctx.step.run("slow", slow, version=1),
            ctx.step.run("risky", lambda: 1 / 0 if broken else 1, version=1, max_retries=0),
        )

    with pytest.raises(RunError, match="division by zero"):
        process.cell(lambda client: flow.run(client))
    assert {step.name: step.status for _, step in process.trace("gathering")} == {
        "slow": "completed",
        "risky": "failed",
    }
    broken.clear()
    assert process.cell(lambda client: flow.run(client)) == ["kept", 1]
    assert journal == ["slow"]


def test_a_failure_beside_a_question_ends_the_run(process: Process) -> None:
    """What only waits does not hold up the failure; the question is asked again."""
    broken = [True]

    @workflow(id="asking", version=1)
    async def flow(ctx: WorkflowContext) -> Any:
        return await asyncio.gather(
            ctx.step.suspend("ask"),
            ctx.step.run("risky", lambda: 1 / 0 if broken else 1, version=1, max_retries=0),
        )

    with pytest.raises(RunError, match="division by zero"):
        process.cell(lambda client: flow.run(client))
    assert [decision.step_key for decision in process.runtime.store.decisions(status="waiting")] == ["ask"]
    broken.clear()
    process.cell(lambda client: client.resume(None, "r1", "ask", "yes"))
    asked, risky = process.cell(lambda client: flow.run(client))
    assert (asked["data"], risky) == ("yes", 1)
