"""Plans, forks and runs that are resumed by their id."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from polos_nb import Agent, ScriptedModel, Suspended, WorkflowContext, WorkflowState, max_steps, tool, workflow
from polos_nb.errors import ConfigurationError
from polos_nb.models.base import ModelRequest
from polos_nb.runtime.planning import PlanReport
from tests.runtime.support import Process, calls, results

JOURNAL: list[str] = []


class Reading(BaseModel):
    place: str
    celsius: float


@tool(description="Read a thermometer", version=1)
def read(place: str) -> Reading:
    JOURNAL.append(f"read {place}")
    return Reading(place=place, celsius=20)


@tool(description="Open the window", approval="always", version=1)
def open_window(wide: bool = False) -> str:
    JOURNAL.append(f"open {wide}")
    return "open"


def script(request: ModelRequest) -> Any:
    JOURNAL.append("llm")
    said = results(request)
    if not said:
        return calls(("read", {"place": "hall"}), ("read", {"place": "attic"}))
    if len(said) == 2:
        return calls(("open_window", {"wide": '"celsius":35' in said[0].replace(" ", "")}))
    return " / ".join(said)


keeper = Agent(
    id="keeper", model=ScriptedModel(script), tools=[read, open_window], stop_conditions=[max_steps(limit=6)]
)


@workflow(id="house", version=1)
async def house(ctx: WorkflowContext, input: dict) -> Any:
    said = await ctx.step.agent_invoke_and_wait("keep", keeper.with_input(input.task))
    return await ctx.step.run("shout", str.upper, said.result, version=1)


@pytest.fixture
def process() -> Process:
    JOURNAL.clear()
    return Process()


def plan(process: Process, target: Any, payload: Any = None) -> PlanReport:
    report: PlanReport = process.cell(lambda client: client.plan(target, payload))
    return report


def answer(process: Process, run_id: str, data: Any) -> None:
    for decision in process.runtime.store.decisions(run_id=run_id, status="waiting"):
        process.cell(lambda client, d=decision: client.resume(None, d.run_id, d.step_key, data))


def finished(process: Process, agent: Agent = keeper, input: str = "go") -> str:
    """Run the agent to its end, approving; the id of its run."""
    with pytest.raises(Suspended) as raised:
        process.run(agent, input)
    answer(process, raised.value.run_id, {"approved": True})
    assert process.run(agent, input).result
    return raised.value.run_id


# -- plans ----------------------------------------------------------------------------------------------------------
def test_a_plan_before_the_first_run(process: Process) -> None:
    """The first call is the model's, with tokens and price at most; nothing is called or written."""
    report = plan(process, keeper.with_input("go"))
    assert [(step.key, step.kind, step.why) for step in report.steps] == [("1.llm", "llm", "")]
    assert report.cached == []
    assert not report.complete
    assert report.approvals == ["open_window"]
    assert report.more_calls == 5
    assert report.steps[0].input_tokens > 0
    assert report.tokens == report.steps[0].input_tokens + report.steps[0].output_tokens
    assert JOURNAL == []
    assert process.runtime.store.stats().runs == 0


def test_a_plan_half_way_names_what_waits(process: Process) -> None:
    """What is finished answers; the question is the first thing that would be executed."""
    with pytest.raises(Suspended):
        process.cell(lambda client: house.run(client, {"task": "go"}))
    before = list(JOURNAL)
    report = plan(process, house, {"task": "go"})
    assert [step.key for step in report.steps] == ["keep/2.approve_open_window[call_1]"]
    assert report.cached == ["keep/1.llm", "keep/1.read[call_1]", "keep/1.read[call_2]", "keep/2.llm"]
    assert report.approvals == ["open_window"]
    assert before == JOURNAL


def test_a_plan_of_a_finished_run_is_complete(process: Process) -> None:
    """Nothing would be executed, and it costs nothing."""
    finished(process)
    report = plan(process, keeper.with_input("go"))
    assert report.complete
    assert report.steps == []
    assert (report.tokens, report.cost) == (0, 0.0)


def test_a_plan_after_an_edit_says_why(process: Process) -> None:
    """The parameter that changed, and which steps would still answer."""
    finished(process)
    report = plan(process, keeper.with_input("go", temperature=0.1))
    assert [(step.key, step.why) for step in report.steps] == [("1.llm", "parameter temperature is new")]


def test_a_plan_looks_into_every_branch(process: Process) -> None:
    """Steps that run side by side are each the first of their branch."""

    @workflow(id="wide", version=1)
    async def wide(ctx: WorkflowContext) -> Any:
        return await ctx.step.map("each", str.upper, ["a", "b"], version=1)

    assert [step.key for step in plan(process, wide).steps] == ["each[0]", "each[1]"]


def test_a_plan_is_no_call(process: Process) -> None:
    """The run after it, in the same cell, is the one that was planned, also in a conversation."""

    async def both(client: Any) -> Any:
        agent = Agent(id="talker", model=ScriptedModel(["one", "two"]))
        config = agent.with_input("hello", conversation_id="c")
        await client.plan(config)
        first = await agent.run(client, "hello", conversation_id="c")
        return first.result, await client.plan(config)

    said, _ = process.cell(both)
    assert said == "one"
    assert [run.turn for run in process.runtime.store.list_runs()] == [0]


# -- forks ----------------------------------------------------------------------------------------------------------
def fork(process: Process, run_id: str, step: str, changes: dict[str, Any]) -> Any:
    async def cell(client: Any) -> Any:
        handle = await client.fork(run_id, step, changes)
        return handle, await handle.result(client)

    return process.cell(cell)


def test_a_fork_with_another_result_goes_on_from_there(process: Process) -> None:
    """The field of a model is edited; what depends on it is executed, what does not is not."""
    run_id = finished(process)
    JOURNAL.clear()
    with pytest.raises(Suspended) as raised:
        fork(process, run_id, "1.read[call_1]", {"result.celsius": 35})
    assert JOURNAL == ["llm"]
    answer(process, raised.value.run_id, {"approved": True})
    handle, result = fork(process, run_id, "1.read[call_1]", {"result.celsius": 35})
    assert handle.id == raised.value.run_id
    assert result.tool_results[0].result == Reading(place="hall", celsius=35)
    assert JOURNAL == ["llm", "open True", "llm"]
    record = process.runtime.store.get_run(handle.id)
    assert record is not None
    assert record.forked_from == run_id


def test_a_fork_of_what_a_model_said(process: Process) -> None:
    """The text of the last answer is the result; nothing is called."""
    run_id = finished(process)
    JOURNAL.clear()
    _, result = fork(process, run_id, "3.llm", {"text": "edited"})
    assert result.result == "edited"
    assert JOURNAL == []


def test_a_fork_of_the_arguments_edits_the_call_that_the_model_made(process: Process) -> None:
    """The tool is called with them, and the model reads what that gives."""
    run_id = finished(process)
    JOURNAL.clear()
    _, result = fork(process, run_id, "1.read[call_2]", {"arguments.place": "cellar"})
    assert [item.result.place for item in result.tool_results[:2]] == ["hall", "cellar"]
    assert JOURNAL == ["read cellar", "llm", "llm"]


def test_a_fork_of_a_decision(process: Process) -> None:
    """Rejected in place of approved: the tool is not called, and the model reads the feedback."""
    run_id = finished(process)
    JOURNAL.clear()
    _, result = fork(process, run_id, "2.approve_open_window[call_1]", {"approved": False, "feedback": "too cold"})
    assert "rejected by the user. Feedback: too cold" in result.result
    assert JOURNAL == ["llm"]


@pytest.mark.parametrize(
    ("step", "changes", "said"),
    [
        ("9.llm", {"text": "x"}, "has no step 9.llm; it has 1.llm"),
        ("1.llm", {}, "a fork needs a change"),
        ("1.llm", {"tool_calls.7.id": "x"}, "it is a list of 2"),
        ("1.llm", {"text.deep.er": "x"}, "it is the text"),
        ("1.read[call_1]", {"arguments.place": "x", "result": 1}, "not both"),
    ],
)
def test_a_fork_that_cannot_be_is_one_sentence(step: str, changes: dict[str, Any], said: str, process: Process) -> None:
    """And no run is made."""
    run_id = finished(process)
    before = process.runtime.store.stats().runs
    with pytest.raises(ConfigurationError, match=said):
        fork(process, run_id, step, changes)
    assert process.runtime.store.stats().runs == before


# -- resuming by id -------------------------------------------------------------------------------------------------
class Count(WorkflowState):
    value: int = 0


def test_a_run_is_resumed_by_its_id(process: Process) -> None:
    """With the payload, the state, the parameters and the user that it was called with."""
    seen: list[Any] = []

    def say(request: ModelRequest) -> str:
        seen.append(request.params)
        return "said"

    sayer = Agent(id="sayer", model=ScriptedModel(say))

    @workflow(id="counting", version=1, state_schema=Count)
    async def counted(ctx: WorkflowContext, input: dict) -> Any:
        answered = await ctx.step.suspend("ask")
        text = await ctx.step.agent_invoke_and_wait("say", sayer.with_input("x", top_p=0.5))
        return [input.n, ctx.state.value, ctx.user_id, answered["data"], text.result]

    with pytest.raises(Suspended) as raised:
        process.cell(lambda client: counted.run(client, {"n": 1}, initial_state={"value": 5}, user_id="u"))
    process.runtime.waiting.stop()
    answer(process, raised.value.run_id, "yes")

    async def resumed(client: Any) -> Any:
        return await client.runtime.resume(raised.value.run_id).result()

    later = Process(process.runtime.store)
    assert later.cell(resumed) == [1, 5, "u", "yes", "said"]
    assert seen == [{"top_p": 0.5}]
    assert later.newest("counting") == raised.value.run_id


def test_an_agent_is_resumed_with_its_parameters(process: Process) -> None:
    """So that its first step still answers from the store."""
    with pytest.raises(Suspended) as raised:
        process.run(keeper, "go", temperature=0.3)
    process.runtime.waiting.stop()
    before = JOURNAL.count("llm")
    answer(process, raised.value.run_id, {"approved": True})
    later = Process(process.runtime.store)

    async def resumed(client: Any) -> Any:
        return await client.runtime.resume(raised.value.run_id).result()

    assert later.cell(resumed).result.endswith("/ open")
    assert JOURNAL.count("llm") == before + 1


def test_what_is_not_declared_cannot_be_resumed(process: Process) -> None:
    """The sentence says what to do."""

    @workflow(id="for-a-moment")
    async def gone(ctx: WorkflowContext) -> None: ...

    process.cell(lambda client: gone.run(client))
    from polos_nb import registry

    del registry._declared["workflow", "for-a-moment"]
    with pytest.raises(ConfigurationError, match="is not declared here; run the cell"):
        process.runtime.resume("r1")


def test_a_plan_honours_what_is_asked_to_be_fresh(process: Process) -> None:
    """All of it, one step, or a step of a nested run; as a list too."""
    with pytest.raises(Suspended) as raised:
        process.cell(lambda client: house.run(client, {"task": "go"}))
    answer(process, raised.value.run_id, {"approved": True})
    process.cell(lambda client: house.run(client, {"task": "go"}))

    def first(**options: Any) -> list[str]:
        report = process.cell(lambda client: client.plan(house, {"task": "go"}, **options))
        return [step.key for step in report.steps]

    assert first() == []
    assert first(fresh=True) == ["keep/1.llm"]
    assert first(fresh=["shout"]) == ["shout"]
    assert first(fresh="keep") == ["keep/1.llm"]
    assert first(fresh="keep/2.llm") == ["keep/2.llm"]


def test_a_step_of_a_nested_run_is_forked_in_its_own_run(process: Process) -> None:
    """The sentence says which."""
    with pytest.raises(Suspended) as raised:
        process.cell(lambda client: house.run(client, {"task": "go"}))
    with pytest.raises(ConfigurationError, match=r"keep/1\.llm is a step of the nested run r2; fork r2 1\.llm"):
        fork(process, raised.value.run_id, "keep/1.llm", {"text": "x"})
    with pytest.raises(ConfigurationError, match="has no step"):
        fork(process, raised.value.run_id, "nothing/1.llm", {"text": "x"})


def test_why_shows_arguments_as_they_were_given(process: Process) -> None:
    """Not their digests; a difference beyond what is shown is said as such."""

    @workflow(id="sized", version=1)
    async def sized(ctx: WorkflowContext) -> Any:
        return await ctx.step.run("size", len, value, version=1)

    value = "abc"
    process.cell(lambda client: sized.run(client))
    value = "abcd"
    process.cell(lambda client: sized.run(client))
    assert process.why("sized") == {"size": "argument 0: 'abc' → 'abcd'"}
    value = "x" * 300 + "1"
    process.cell(lambda client: sized.run(client))
    value = "x" * 300 + "2"
    process.cell(lambda client: sized.run(client))
    assert process.why("sized") == {"size": "argument 0: changed"}
