"""Clients, and declarations: what may be said, and what the refusals say."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from polos_nb import (
    Agent,
    DefinitionError,
    MemoryStore,
    Polos,
    PolosClient,
    PolosError,
    RunError,
    ScriptedModel,
    StopConditionContext,
    Tool,
    WorkflowContext,
    ambient,
    max_steps,
    stop_condition,
    tool,
)
from polos_nb.errors import ArgumentsError
from polos_nb.runtime.client import default_client, default_runtime, set_default_runtime
from polos_nb.runtime.runtime import Runtime
from tests.runtime.support import Process


class City(BaseModel):
    name: str


@tool(description="Greet")
async def greet(ctx: WorkflowContext, input: City) -> str:
    return f"Hello {input.name} from {ctx.workflow_id}"


def agent_of(*answers: str) -> Agent:
    return Agent(id="a", model=ScriptedModel(answers))


@pytest.fixture
def own_default() -> Any:
    """A process runtime in memory."""
    runtime = Runtime(store=":memory:", mode="live")
    set_default_runtime(runtime)
    yield runtime
    set_default_runtime(None)


def test_the_client_may_be_given_named_or_left_out(own_default: Runtime) -> None:
    """agent.run(client, text), agent.run(text, client=client), agent.run(text) and agent.run(None, text) all run."""
    store = MemoryStore()
    client = PolosClient(store=store, mode="live")
    agent = agent_of("1", "2", "3", "4", "5")

    async def body() -> list[str]:
        ran = [
            await agent.run(client, "x"),
            await agent.run("x", client=client),
            await agent.run(client=client, input="x"),
            await agent.run("x"),
            await agent.run(None, "x"),
        ]
        return [item.result for item in ran]

    assert asyncio.run(body()) == ["1", "2", "3", "4", "5"]
    assert len(store.list_runs()) == 3
    assert len(own_default.store.list_runs()) == 2


def test_inside_polos_its_client_is_the_ambient_one(own_default: Runtime) -> None:
    """`async with Polos(...)` runs agents that are told of no client, also in tasks, and gives way when it ends."""
    store = MemoryStore()
    agent = agent_of("1", "2", "3")

    async def body() -> None:
        async with Polos(project_id="p", store=store, mode="live") as polos:
            assert ambient.current_runner() is polos
            await agent.run("x")
            await asyncio.create_task(agent.run("y"))
        await agent.run("x")

    asyncio.run(body())
    assert len(store.list_runs()) == 2
    assert len(own_default.store.list_runs()) == 1


def test_a_client_takes_what_polos_takes(own_default: Runtime) -> None:
    """`PolosClient(api_key=...)` is accepted; without a store of its own it shares the process's."""
    client = PolosClient(api_url="http://localhost:8080", api_key="k", project_id="p", deployment_id="d")
    assert client.runtime is own_default
    assert default_client().runtime is own_default
    assert "k" not in repr(client)[len("PolosClient") :]


def test_a_client_with_a_path_keeps_its_runs_there(tmp_path: Path) -> None:
    """A path makes a file, and closing Polos releases it."""
    path = tmp_path / "own.db"

    async def body() -> None:
        async with Polos(store=str(path), mode="live") as polos:
            await agent_of("1").run(polos, "x")

    asyncio.run(body())
    assert path.exists()


def test_run_sync_works_without_a_loop_and_inside_one() -> None:
    """A background loop does the work while the caller waits."""
    client = PolosClient(store=":memory:", mode="live")
    agent = agent_of("1", "2")
    assert agent.run_sync(client, "x").result == "1"

    async def body() -> str:
        return str(agent.run_sync(client, "y").result)

    assert asyncio.run(body()) == "2"


def test_a_configured_agent_is_run_by_the_client() -> None:
    """`agent.with_input(...)` carries input, conversation and parameters."""
    client = PolosClient(store=":memory:", mode="live")
    agent = agent_of("1")
    config = agent.with_input("x", session_id=5, temperature=0.5, user_id="u")
    assert (config.conversation_id, config.session_id, config.user_id) == ("5", "5", "u")
    assert asyncio.run(client.run_agent(config)).result == "1"
    assert agent.model.requests[0].params == {"temperature": 0.5}  # type: ignore[union-attr]


def test_a_tool_runs_by_itself_durably() -> None:
    """`tool.run` takes a mapping or the input model, with or without a client, and answers again from the store."""
    ran: list[str] = []

    @tool(description="Add")
    def add(a: int, b: int = 1) -> int:
        ran.append("add")
        return a + b

    process = Process()
    assert process.tool(add, {"a": 1}) == 2
    assert process.tool(add, {"a": 1}) == 2
    assert process.tool(add, {"a": 1}, fresh=True) == 2
    assert ran == ["add", "add"]
    assert process.tool(greet, City(name="Ann")) == "Hello Ann from greet"
    assert process.tool(greet, {"name": "Bob"}, session_id=3, user_id="u", timeout=5) == "Hello Bob from greet"


def test_a_tool_called_like_a_function_is_the_function() -> None:
    """No run, no store."""

    @tool(description="Add")
    def add(a: int, b: int = 1) -> int:
        return a + b

    assert add(1, b=4) == add.function(1, 4) == 5


def test_a_tool_that_fails_by_itself_fails_its_run() -> None:
    """RunError names the step and has the tool's exception as its cause."""

    @tool(description="Break")
    def broken() -> None:
        raise OSError("no disk")

    with pytest.raises(RunError, match="step broken: OSError: no disk") as raised:
        Process().tool(broken)
    assert isinstance(raised.value.__cause__, OSError)


def test_a_payload_that_does_not_fit_is_refused_before_a_run_begins() -> None:
    """ArgumentsError names the argument; nothing is recorded."""
    process = Process()
    for payload in ({"nam": "x"}, [1], 5):
        with pytest.raises(ArgumentsError):
            process.tool(greet, payload)
    assert process.runtime.store.list_runs() == []


def test_an_unknown_option_of_a_tool_is_refused_before_a_run_begins() -> None:
    """The sentence lists the options."""
    process = Process()
    with pytest.raises(DefinitionError, match=r"unknown option tiemout=; the options are: .*timeout"):
        process.tool(greet, {"name": "x"}, tiemout=5)
    assert process.runtime.store.list_runs() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((), "needs an input"), (("a", "b"), "name the others"), ((None, "a", "b"), "name the others")],
)
def test_a_call_without_or_with_too_many_inputs_is_refused(arguments: Any, message: str) -> None:
    """TypeError says what is expected."""
    with pytest.raises(TypeError, match=message):
        asyncio.run(agent_of("1").run(*arguments))


def test_the_process_runtime_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without settings it is one runtime, on the store that the settings name; under pytest calls are off."""
    monkeypatch.setenv("POLOS_NB_STORE", str(tmp_path / "steps.db"))
    set_default_runtime(None)
    try:
        assert default_runtime() is default_runtime()
        assert default_runtime().mode == "offline"
    finally:
        default_runtime().close()
        set_default_runtime(None)


# -- declarations ---------------------------------------------------------------------------------------------------
def plain(x: int) -> int:
    return x


def undocumented(x) -> int:  # type: ignore[no-untyped-def]
    return 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Agent(id="", model=ScriptedModel([])), r"write for example Agent\(id="),
        (lambda: Agent(id="a"), "write provider='openai'"),
        (lambda: Agent(id="a", provider="openai"), "write for example model='gpt-4o'"),
        (lambda: Agent(id="a", model="gpt-4o"), "write provider='openai'"),
        (lambda: Agent(id="a", provider="demo", tools=[plain]), "plain is not a tool; write @tool above"),
        (lambda: Agent(id="a", provider="demo", tools=[greet, greet]), "give one another id"),
        (lambda: Agent(id="a", provider="demo", queue="x"), "queue= is not in this version.*leave it out"),
        (lambda: Agent(id="a", provider="demo", sistem_prompt="x"), "did you mean system_prompt=?"),
        (lambda: Agent(id="a", provider="demo", top_p=1), r"provider parameters go to run\(...\)"),
        (lambda: Agent(id="a", provider="demo", provider_llm_api="responses"), "leave it out"),
        (lambda: Agent(id="a", provider="demo", stop_conditions=[3]), r"write for example max_steps\(count=15\)"),
        (lambda: Agent(id="a", provider="demo").with_input("x", initial_state={}), "initial_state is for workflows"),
        (lambda: Tool("t"), "write @tool above one"),
        (lambda: tool(id="a b")(plain), "use up to 64 letters, digits, _ and -"),
        (lambda: tool(approval="maybe")(plain), "neither 'always' nor 'none'"),  # type: ignore[call-overload]
        (lambda: tool(effect="maybe")(plain), "neither 'read' nor 'write'"),  # type: ignore[call-overload]
        (lambda: tool(undocumented), "no type annotation; write x: str"),
        (lambda: max_steps(limit=0), "stop condition max_steps: limit"),
        (lambda: max_steps(maximum=3), "stop condition max_steps: maximum"),
        (lambda: max_steps(3), r"write max_steps\(MaxStepsConfig\(...\)\)"),
        (lambda: stop_condition(lambda: True), r"must take \(context\) or \(context, config\)"),
        (lambda: stop_condition(lambda context, config: True), "annotate config with a pydantic model"),
        (lambda: stop_condition(plain)(3), r"takes no settings; write plain\(\)"),
        (lambda: Polos(channels=["slack"]), "leave it out"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused_with_the_remedy(make: Any, message: str) -> None:
    """DefinitionError, one line, saying how to write it."""
    with pytest.raises(DefinitionError, match=message) as raised:
        make()
    assert "\n" not in str(raised.value)
    assert isinstance(raised.value, PolosError)


def test_a_later_option_that_says_nothing_is_accepted() -> None:
    """`guardrails=None`, as copied from Polos, is harmless."""
    agent = Agent(id="a", provider="demo", guardrails=None, queue=None, compaction=None, stream_to_workflow=False)
    assert agent.definition() == Agent(id="a", provider="demo").definition()


def test_provider_and_model_may_be_one_text() -> None:
    """`model="anthropic/claude"` names both."""
    agent = Agent(id="a", model="Anthropic/claude-x")
    assert (agent.provider, agent.model_name) == ("anthropic", "claude-x")


def test_the_definition_of_an_agent_changes_with_its_schema_and_its_conditions() -> None:
    """Code that uses an agent is another version when a field of its output or a condition's body changes."""

    def agent_with(fields: dict[str, Any], answer: bool) -> Agent:
        schema = type("Out", (BaseModel,), {"__annotations__": fields, "__module__": __name__})
        if answer:

            @stop_condition
            def stop(context: StopConditionContext) -> bool:
                return True
        else:

            @stop_condition
            def stop(context: StopConditionContext) -> bool:
                return False

        return Agent(id="a", provider="demo", output_schema=schema, stop_conditions=[stop])

    first = agent_with({"a": int}, True).__polos_version__()
    assert first == agent_with({"a": int}, True).__polos_version__()
    assert first != agent_with({"a": int, "b": int}, True).__polos_version__()
    assert first != agent_with({"a": int}, False).__polos_version__()
