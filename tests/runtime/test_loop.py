"""The agent loop: what goes to the model, what comes back, and when it ends."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from typing import Any

import pytest
from pydantic import BaseModel

from polos_nb import (
    Agent,
    MaxStepsConfig,
    MaxTokensConfig,
    OutputError,
    RunError,
    ScriptedModel,
    StopConditionContext,
    Tool,
    Turn,
    Usage,
    WorkflowContext,
    executed_tool,
    has_text,
    max_steps,
    max_tokens,
    stop_condition,
    tool,
)
from polos_nb.errors import CodecError
from polos_nb.models.base import ModelRequest
from tests.runtime.support import Process, calls, once_called, results


class City(BaseModel):
    """Where somebody lives."""

    name: str
    people: int = 0


@dataclasses.dataclass
class Point:
    x: int
    y: int


@tool(description="Echo")
def echo(text: str) -> str:
    return text


@tool(description="Fail")
def fail(text: str) -> str:
    raise ValueError(f"cannot take {text}")


def endless(*tools: Tool, **settings: Any) -> Agent:
    """An agent whose model never stops calling its first tool."""
    model = ScriptedModel(lambda request: Turn(text=f"turn {len(results(request))}", calls=[("echo", {"text": "x"})]))
    return Agent(id="endless", model=model, tools=tools or [echo], **settings)


# -- tool calls -----------------------------------------------------------------------------------------------------
def test_parallel_calls_overlap_and_their_results_keep_the_order_of_the_calls() -> None:
    """Calls of one turn run side by side, and the slowest one asked for first is told first."""
    order: list[str] = []

    @tool(description="Wait for the other")
    async def meet(name: str) -> str:
        order.append(f"{name} in")
        async with asyncio.timeout(10):
            while len([item for item in order if item.endswith("in")]) < 3:
                await asyncio.sleep(0)
            while name == "a" and "c out" not in order:
                await asyncio.sleep(0)
        order.append(f"{name} out")
        return name

    agent = Agent(id="a", model=once_called(calls(*(("meet", {"name": n}) for n in "abc"))), tools=[meet])
    result = Process().run(agent, "go")
    assert [item.result for item in result.tool_results] == ["a", "b", "c"]
    assert result.result == "done: a | b | c"
    assert order.index("c out") < order.index("a out")


def test_a_failing_tool_is_told_to_the_model_and_the_run_goes_on() -> None:
    """An exception in a tool becomes a result that the model reads; the result says failed."""
    agent = Agent(
        id="a", model=once_called(calls(("fail", {"text": "7"}), ("echo", {"text": "ok"}))), tools=[fail, echo]
    )
    result = Process().run(agent, "go")
    assert result.result == "done: Error: ValueError: cannot take 7 | ok"
    assert [item.status for item in result.tool_results] == ["failed", "completed"]
    assert result.tool_results[0].error == "ValueError: cannot take 7"
    assert result.stop_reason == "end"


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("nothing", {}, "there is no tool 'nothing'; the tools are: echo"),
        ("echo", "{not json", "JSON"),
        ("echo", "[1]", "object"),
        ("echo", {}, "text"),
        ("echo", {"text": "a", "loud": True}, "loud"),
        ("echo", {"text": {"a": 1}}, "text"),
    ],
)
def test_calls_that_cannot_be_made_are_told_to_the_model(name: str, arguments: Any, told: str) -> None:
    """Unknown tools, malformed arguments and arguments that do not fit come back as results it can read."""
    agent = Agent(id="a", model=once_called(calls((name, arguments))), tools=[echo])
    result = Process().run(agent, "go")
    assert result.result.startswith("done: Error: ")
    assert told in result.result
    assert result.tool_results[0].status == "failed"
    assert result.tool_results[0].tool_call_id == "call_1_1"


def test_only_the_agents_own_tools_can_be_called() -> None:
    """A tool that exists but was not given to the agent does not run."""
    ran: list[str] = []

    @tool(description="Secret")
    def secret() -> str:
        ran.append("secret")
        return "x"

    Agent(id="other", model=ScriptedModel([]), tools=[secret])
    result = Process().run(Agent(id="a", model=once_called(calls(("secret", {})))), "go")
    assert ran == []
    assert "there are no tools" in result.result


def test_a_tool_result_says_what_was_called_and_what_it_gave() -> None:
    """ToolResult names the tool, the status, the value, its class and the call."""

    @tool(description="Lookup")
    def lookup(name: str) -> City:
        return City(name=name, people=5)

    result = Process().run(Agent(id="a", model=once_called(calls(("lookup", {"name": "Bonn"}))), tools=[lookup]), "go")
    [told] = result.tool_results
    assert (told.tool_name, told.status, told.result) == ("lookup", "completed", City(name="Bonn", people=5))
    assert (told.result_schema, told.error, told.tool_call_id) == ("City", None, "call_1_1")
    assert result.steps[0].tool_results == [told]
    assert result.steps[0].tool_calls[0].function.name == "lookup"


@pytest.mark.parametrize(
    "value",
    [None, 0, False, "", [], {}, (1, 2), City(name="Bonn"), Point(1, 2), {1: "one"}, b"bytes", 1.5],
    ids=repr,
)
def test_any_value_a_tool_returns_comes_back_equal_and_again_from_the_store(value: Any) -> None:
    """Values that look like nothing are results too, and a replay gives the same value of the same type."""
    ran: list[int] = []

    @tool(description="Give")
    def give():  # type: ignore[no-untyped-def]
        ran.append(1)
        return value

    process = Process()
    agent = Agent(id="a", model=once_called(calls(("give", {}))), tools=[give])
    for _ in range(2):
        [told] = process.run(agent, "go").tool_results
        assert told.status == "completed"
        assert told.result == value
        assert type(told.result) is type(value)
    assert ran == [1]


def test_a_value_that_cannot_be_kept_is_refused_with_the_names_of_step_and_tool() -> None:
    """Nothing is lost silently: a live object fails the run and says where it came from."""

    @tool(description="Open")
    def handle():  # type: ignore[no-untyped-def]
        return object()

    with pytest.raises(CodecError, match=r"1\.handle\[call_1\].*tool handle"):
        Process().run(Agent(id="a", model=once_called(calls(("handle", {}))), tools=[handle]), "go")


def test_tools_may_be_sync_or_async_and_take_a_model_or_plain_parameters() -> None:
    """All forms work, with postponed annotations and with the context first or absent."""

    @tool(description="1")
    async def with_model(ctx: WorkflowContext, input: City) -> str:
        return f"{input.name} {ctx.workflow_id}"

    @tool(description="2")
    def plain(name: str, count: int = 2) -> str:
        return name * count

    @tool(description="3")
    async def with_context(ctx: WorkflowContext, name: str) -> str:
        return f"{name} {bool(ctx.execution_id)} {ctx.conversation_id} {ctx.user_id}"

    @tool
    def bare() -> str:
        """Say yes."""
        return "yes"

    turn = calls(
        ("with_model", {"name": "Bonn"}), ("plain", {"name": "a"}), ("with_context", {"name": "b"}), ("bare", "")
    )
    agent = Agent(id="me", model=once_called(turn), tools=[with_model, plain, with_context, bare])
    assert (
        Process().run(agent, "go", conversation_id=7, user_id="u1").result == "done: Bonn me | aa | b True 7 u1 | yes"
    )


def test_a_sync_tool_does_not_block_the_loop() -> None:
    """A function that is not async runs in a thread while the loop goes on."""
    beats: list[float] = []

    @tool(description="Block")
    def block() -> int:
        seen = len(beats)
        until = time.monotonic() + 10
        while len(beats) < seen + 3 and time.monotonic() < until:
            time.sleep(0.001)
        return len(beats) - seen

    async def body(client: Any) -> Any:
        async def beat() -> None:
            while True:
                beats.append(0)
                await asyncio.sleep(0)

        task = asyncio.create_task(beat())
        try:
            return await Agent(id="a", model=once_called(calls(("block", {}))), tools=[block]).run(client, "go")
        finally:
            task.cancel()

    assert Process().cell(body).tool_results[0].result >= 3


def test_a_tool_that_is_too_slow_fails_and_the_model_is_told() -> None:
    """`timeout=` limits one attempt."""

    @tool(description="Slow", timeout=0.02)
    async def slow() -> str:
        await asyncio.Event().wait()
        return "never"

    result = Process().run(Agent(id="a", model=once_called(calls(("slow", {}))), tools=[slow]), "go")
    assert "slow did not finish within 0.02 s" in result.result


def test_a_tool_is_tried_again_as_often_as_it_says() -> None:
    """`max_retries=2` means three attempts; the context counts them, and its idempotency key stays the same."""
    seen: list[tuple[int, str]] = []

    @tool(description="Flaky", max_retries=2)
    async def flaky(ctx: WorkflowContext) -> str:
        seen.append((ctx.retry_count, ctx.idempotency_key))
        if len(seen) < 3:
            raise OSError("not yet")
        return "at last"

    result = Process().run(Agent(id="a", model=once_called(calls(("flaky", {}))), tools=[flaky]), "go")
    assert result.result == "done: at last"
    assert [count for count, _ in seen] == [0, 1, 2]
    assert len({key for _, key in seen}) == 1
    assert seen[0][1]


def test_a_tool_that_raises_stop_iteration_fails_like_any_other() -> None:
    """StopIteration cannot cross a future; it must not hang the run."""

    @tool(description="First")
    def first() -> str:
        return next(iter([]))

    result = Process().run(Agent(id="a", model=once_called(calls(("first", {}))), tools=[first]), "go", timeout=10)
    assert "StopIteration" in result.result


# -- what the model is asked ----------------------------------------------------------------------------------------
def test_parameters_of_agent_and_call_reach_the_model_and_the_calls_win() -> None:
    """temperature, max_tokens, top_p and any other argument arrive; None is left out."""
    model = ScriptedModel(["one", "two"])
    agent = Agent(id="a", model=model, temperature=0.2, max_output_tokens=50, model_params={"seed": 7, "top_p": 0.1})
    process = Process()
    process.run(agent, "x")
    process.run(agent, "x", temperature=0.9, max_tokens=5, top_p=0.5, reasoning_effort="high", stop=None)
    assert model.requests[0].params == {"temperature": 0.2, "max_tokens": 50, "seed": 7, "top_p": 0.1}
    assert model.requests[1].params == {
        "temperature": 0.9, "max_tokens": 5, "seed": 7, "top_p": 0.5, "reasoning_effort": "high",
    }  # fmt: skip


def test_max_output_tokens_of_a_call_is_max_tokens() -> None:
    """Both names are one parameter, and the one given with the call wins."""
    model = ScriptedModel(["one"])
    Process().run(Agent(id="a", model=model, max_output_tokens=50), "x", max_output_tokens=9)
    assert model.requests[0].params == {"max_tokens": 9}


def test_the_system_prompt_comes_first_and_the_key_travels_outside_the_parameters() -> None:
    """The model gets the prompt, the input, the tools and the transport fields."""
    model = ScriptedModel(["one"])
    agent = Agent(
        id="a", model=model, system_prompt="Be kind.", tools=[echo], api_key="k", provider_base_url="http://localhost"
    )
    Process().run(agent, "x")
    request = model.requests[0]
    assert [(m.role, m.content) for m in request.messages] == [("system", "Be kind."), ("user", "x")]
    assert request.tools == [echo.to_llm_tool_definition()]
    assert (request.api_key, request.base_url) == ("k", "http://localhost")
    assert "k" not in repr(request.params)


@pytest.mark.parametrize(
    ("input", "sent"),
    [
        ("text", [("user", "text")]),
        (
            [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
            [("user", "a"), ("assistant", "b")],
        ),
        ({"city": "Bonn"}, [("user", '{"city": "Bonn"}')]),
        (City(name="Bonn"), [("user", '{"name": "Bonn", "people": 0}')]),
        ([1, 2], [("user", "[1, 2]")]),
        ([{"type": "text", "text": "hi"}], [("user", [{"type": "text", "text": "hi"}])]),
    ],
)
def test_inputs_become_messages(input: Any, sent: Any) -> None:
    """Text, messages, content parts, models and plain data are all inputs."""
    model = ScriptedModel(["one"])
    Process().run(Agent(id="a", model=model), input)
    assert [(m.role, m.content) for m in model.requests[0].messages] == sent


def test_the_result_of_one_agent_is_an_input_of_another() -> None:
    """An AgentResult is passed on as its answer."""
    process = Process()
    first = process.run(Agent(id="a", model=ScriptedModel(["draft"])), "x")
    model = ScriptedModel(["final"])
    assert process.run(Agent(id="b", model=model), first).result == "final"
    assert model.requests[0].messages[0].content == "draft"


def test_usage_is_summed_over_the_turns() -> None:
    """A run's usage is that of all its calls of the model."""
    said = [
        Turn(calls=[("echo", {"text": "x"})], usage=Usage(input_tokens=3, output_tokens=2, total_tokens=5)),
        Turn(text="end", usage=Usage(input_tokens=7, output_tokens=1, total_tokens=8, cache_read_input_tokens=4)),
    ]
    result = Process().run(Agent(id="a", model=ScriptedModel(said), tools=[echo]), "go")
    assert result.usage == Usage(input_tokens=10, output_tokens=3, total_tokens=13, cache_read_input_tokens=4)
    assert [step.usage.total_tokens for step in result.steps if step.usage] == [5, 8]


def test_calls_in_an_answer_with_text_are_made_and_the_text_is_kept() -> None:
    """Text beside calls belongs to the turn, not to the answer."""
    model = ScriptedModel([Turn(text="Let me see.", calls=[("echo", {"text": "x"})]), "end"])
    result = Process().run(Agent(id="a", model=model, tools=[echo]), "go")
    assert (result.result, result.steps[0].content) == ("end", "Let me see.")
    assert [m.role for m in model.requests[1].messages] == ["user", "assistant", "tool"]


def test_an_answer_that_was_cut_off_says_so() -> None:
    """A provider's finish reason other than stop is visible as the stop reason."""
    result = Process().run(Agent(id="a", model=ScriptedModel([Turn(text="half", finish_reason="length")])), "go")
    assert (result.result, result.stop_reason) == ("half", "length")


# -- stop conditions ------------------------------------------------------------------------------------------------
def test_an_agent_stops_after_ten_calls_of_the_model_and_says_so() -> None:
    """Without a max_steps of its own the limit is 10, and a reached limit is visible."""
    result = Process().run(endless(), "go")
    assert (result.total_steps, result.stop_reason) == (10, "max_steps")


def test_the_setting_changes_the_limit_and_a_condition_of_ones_own_replaces_it() -> None:
    """POLOS_AGENT_MAX_STEPS limits agents without max_steps only."""
    assert Process(max_steps=3).run(endless(), "go").total_steps == 3
    result = Process(max_steps=3).run(endless(stop_conditions=[max_steps(limit=5)]), "go")
    assert result.total_steps == 5


@pytest.mark.parametrize(
    "condition",
    [
        max_steps(MaxStepsConfig(limit=2)), max_steps(MaxStepsConfig(count=2)), max_steps(limit=2), max_steps(count=2),
        max_steps({"limit": 2}),
    ],
)  # fmt: skip
def test_max_steps_takes_limit_and_count(condition: Any) -> None:
    """Both names mean the same, in a config, a dict or by name."""
    result = Process().run(endless(stop_conditions=[condition]), "go")
    assert (result.total_steps, result.stop_reason) == (2, "max_steps")


def test_max_tokens_stops_when_input_and_output_reach_the_limit() -> None:
    """Tokens of all calls count together."""
    turn = Turn(calls=[("echo", {"text": "x"})], usage=Usage(input_tokens=8, output_tokens=2, total_tokens=10))
    agent = Agent(
        id="a",
        model=ScriptedModel(lambda request: turn),
        tools=[echo],
        stop_conditions=[max_tokens(MaxTokensConfig(limit=25))],
    )
    result = Process().run(agent, "go")
    assert (result.total_steps, result.stop_reason, result.usage.total_tokens) == (3, "max_tokens", 30)


def test_executed_tool_stops_when_all_named_tools_were_called() -> None:
    """One of two is not enough."""

    def script(request: ModelRequest) -> Turn:
        return calls(("fail" if results(request) else "echo", {"text": "x"}))

    names = ["echo", "fail"]
    agent = Agent(
        id="a", model=ScriptedModel(script), tools=[echo, fail], stop_conditions=[executed_tool(tool_names=names)]
    )
    result = Process().run(agent, "go")
    assert (result.total_steps, result.stop_reason) == (2, "executed_tool")


def test_has_text_stops_when_the_model_has_said_it() -> None:
    """Texts are looked for in what the model said in any turn; the text so far is the result."""
    result = Process().run(endless(stop_conditions=[has_text(texts=["turn 2"])]), "go")
    assert (result.total_steps, result.stop_reason, result.result) == (3, "has_text", "turn 2")


class Often(BaseModel):
    times: int


@stop_condition
def called_often(context: StopConditionContext, config: Often) -> bool:
    return sum(len(step.tool_calls) for step in context.steps) >= config.times


@stop_condition
async def called_at_all(context: StopConditionContext) -> bool:
    return bool(context.steps[-1].tool_results) and context.agent_id == "endless"


@pytest.mark.parametrize(
    ("condition", "steps", "reason"),
    [
        (called_often(Often(times=4)), 4, "called_often"),
        (called_often(times=3), 3, "called_often"),
        (called_at_all(), 1, "called_at_all"),
        (called_at_all, 1, "called_at_all"),
        (lambda context: len(context.steps) == 2, 2, "<lambda>"),
    ],
)
def test_own_conditions_stop_the_agent(condition: Any, steps: int, reason: str) -> None:
    """Declared conditions with and without settings, async ones, and plain functions all work."""
    result = Process().run(endless(stop_conditions=[condition]), "go")
    assert (result.total_steps, result.stop_reason) == (steps, reason)


def test_the_first_condition_that_holds_stops_the_agent() -> None:
    """Several conditions are joined by or."""
    result = Process().run(endless(stop_conditions=[max_steps(limit=9), has_text(texts=["turn 1"])]), "go")
    assert (result.total_steps, result.stop_reason) == (2, "has_text")


# -- structured output ----------------------------------------------------------------------------------------------
def test_structured_output_without_tools_uses_the_providers_schema() -> None:
    """The schema goes with the request, and the answer becomes an instance."""
    model = ScriptedModel(['{"name": "Bonn", "people": 3}'])
    result = Process().run(Agent(id="a", model=model, output_schema=City), "x")
    assert result.result == City(name="Bonn", people=3)
    assert result.result_schema == "City"
    request = model.requests[0]
    assert request.output_name == "City"
    assert request.output_schema is not None
    assert sorted(request.output_schema["required"]) == ["name", "people"]
    assert request.tools == []


def test_structured_output_with_tools_is_given_through_final_answer() -> None:
    """Beside tools there is one more, `final_answer`; its arguments are the answer and it is no tool result."""
    model = ScriptedModel([calls(("echo", {"text": "x"})), calls(("final_answer", {"name": "Bonn", "people": 3}))])
    result = Process().run(Agent(id="a", model=model, output_schema=City, tools=[echo]), "x")
    assert result.result == City(name="Bonn", people=3)
    assert result.stop_reason == "end"
    assert [item.tool_name for item in result.tool_results] == ["echo"]
    assert [tool["function"]["name"] for tool in model.requests[0].tools] == ["echo", "final_answer"]
    assert model.requests[0].output_schema is None


@pytest.mark.parametrize("tools", [[], [echo]])
def test_an_answer_that_does_not_fit_is_repaired_once(tools: list[Tool]) -> None:
    """The model reads what is wrong and answers again."""
    good = {"name": "Bonn", "people": 3}
    if tools:
        model = ScriptedModel([calls(("final_answer", {"people": "many"})), calls(("final_answer", good))])
    else:
        model = ScriptedModel(['{"people": "many"}', '{"name": "Bonn", "people": 3}'])
    result = Process().run(Agent(id="a", model=model, output_schema=City, tools=tools), "x")
    assert result.result == City(**good)
    assert result.total_steps == 2
    told = model.requests[1].messages[-1]
    assert told.role == ("tool" if tools else "user")
    assert "people" in told.text()


@pytest.mark.parametrize("tools", [[], [echo]])
def test_an_answer_that_does_not_fit_twice_is_an_error_with_its_text(tools: list[Tool]) -> None:
    """After the repair round OutputError carries the answer as it came."""
    if tools:
        model = ScriptedModel(lambda request: calls(("final_answer", {"people": "many"})))
    else:
        model = ScriptedModel(lambda request: '{"people": "many"}')
    process = Process()
    with pytest.raises(OutputError) as raised:
        process.run(Agent(id="a", model=model, output_schema=City, tools=tools), "x")
    assert raised.value.text == '{"people": "many"}'
    assert len(model.requests) == 2
    assert process.runtime.store.list_runs()[0].status == "failed"


def test_text_that_fits_the_schema_is_accepted_beside_tools() -> None:
    """A model that answers in JSON instead of calling final_answer is understood."""
    model = ScriptedModel(['Here: ```json\n{"name": "Bonn", "people": 1}\n```'])
    assert Process().run(Agent(id="a", model=model, output_schema=City, tools=[echo]), "x").result.people == 1


def test_a_list_is_an_output_schema() -> None:
    """Anything with a schema can be asked for."""
    model = ScriptedModel(['{"value": [{"name": "Bonn", "people": 1}]}'])
    assert Process().run(Agent(id="a", model=model, output_schema=list[City]), "x").result == [
        City(name="Bonn", people=1)
    ]


def test_a_script_that_is_used_up_fails_the_run_with_the_step() -> None:
    """RunError names the run and the step and says what the provider said."""
    process = Process()
    with pytest.raises(RunError, match=r"step 2\.llm: the script of 'scripted' has only 1 answers") as raised:
        process.run(Agent(id="a", model=ScriptedModel([calls(("echo", {"text": "x"}))]), tools=[echo]), "x")
    assert raised.value.step_key == "2.llm"
    assert raised.value.run_id == process.newest("a")
