"""What must never happen: each of these did once."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from polos_nb import Agent, ConfigurationError, ScriptedModel, StepInDoubt, Suspended, Turn, WorkflowContext, tool
from polos_nb.models.base import ModelRequest
from tests.runtime.support import Process, once_called

_ = WorkflowContext  # named in annotations


@pytest.fixture
def process() -> Process:
    return Process()


def test_what_one_user_was_told_is_no_one_elses(process: Process) -> None:
    """The same question of another user is another run."""

    @tool(description="Records")
    def records(ctx: WorkflowContext) -> str:
        return f"records of {ctx.user_id}"

    def answer(request: ModelRequest) -> Turn:
        if request.messages[-1].role == "tool":
            return Turn(text=request.messages[-1].text())
        return Turn(calls=[("records", {})])

    agent = Agent(id="clerk", model=ScriptedModel(answer), tools=[records])
    assert process.run(agent, "mine?", user_id="alice").result == "records of alice"
    assert process.run(agent, "mine?", user_id="bob").result == "records of bob"


def test_a_tool_may_mention_the_class_of_agents(process: Process) -> None:
    """A tool that makes an agent, or is annotated with one, has a version like any other."""

    @tool(description="Make")
    def make() -> str:
        return Agent(id="child", provider="demo").id

    assert process.tool(make) == "child"


def test_writes_in_branches_are_done_once_whichever_branch_is_faster(process: Process) -> None:
    """A tool gathers branches that each read and then write; it fails once, and its second attempt repeats no write."""
    charged: list[str] = []
    slow = ["ann"]

    async def fetch(name: str) -> str:
        if name in slow:
            await asyncio.sleep(0.05)
        return name

    async def charge(name: str) -> str:
        charged.append(name)
        return name

    @tool(description="Charge", max_retries=1, version=1)
    async def settle(ctx: WorkflowContext) -> str:
        async def branch(name: str) -> None:
            await ctx.step.run(f"fetch-{name}", fetch, name, version=1)
            await ctx.step.run(f"charge-{name}", charge, name, effect="write", version=1)

        await asyncio.gather(branch("ann"), branch("bob"))
        if slow == ["ann"]:
            slow[:] = ["bob"]
            raise ValueError("once")
        return "settled"

    assert process.tool(settle) == "settled"
    assert sorted(charged) == ["ann", "bob"]


def test_a_write_inside_a_tool_makes_later_reads_new(process: Process) -> None:
    """save(v1) writes in a step of its own; after save(v2) the same read() is not answered from before."""
    data: dict[str, str] = {}

    async def put(value: str) -> None:
        data["value"] = value

    @tool(description="Save")
    async def save(ctx: WorkflowContext, value: str) -> str:
        await ctx.step.run("put", put, value, effect="write", version=1)
        return "ok"

    @tool(description="Read", version=1)
    def read() -> str:
        return data["value"]

    def answer(request: ModelRequest) -> Turn:
        results = [message.text() for message in request.messages if message.role == "tool"]
        if not results:
            return Turn(calls=[("save", {"value": request.messages[0].text()})])
        return Turn(calls=[("read", {})]) if len(results) == 1 else Turn(text=results[-1])

    def scribe(value: str) -> Agent:
        return Agent(id="scribe", system_prompt=value, model=ScriptedModel(answer), tools=[save, read])

    assert [process.run(scribe(value), "go").result for value in ("v1", "v2", "v2")] == ["v1", "v2", "v2"]


def test_a_write_that_is_late_is_asked_about_and_never_retried(process: Process) -> None:
    """Its thread may still be going on, so a time limit leaves it in doubt."""
    paid: list[int] = []

    @tool(description="Pay", effect="write", timeout=0.05, max_retries=3)
    async def pay() -> str:
        paid.append(1)
        await asyncio.sleep(10)
        return "paid"

    agent = Agent(id="payer", model=once_called(Turn(calls=[("pay", {})])), tools=[pay])
    with pytest.raises(StepInDoubt, match=r"--fresh 1\.pay\[call_1\]"):
        process.run(agent, "go")
    with pytest.raises(Suspended, match=r"1\.pay\[call_1\]"):
        process.run(agent, "go")
    assert paid == [1]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_tool_that_calls_sys_exit_has_failed(kind: str, process: Process) -> None:
    """It ends neither the loop nor the process: the model reads what happened."""

    async def leave_async() -> str:
        sys.exit(3)

    def leave() -> str:
        sys.exit(3)

    quit_tool = tool(id="leave", description="Leave")(leave if kind == "sync" else leave_async)
    agent = Agent(id="a", model=once_called(Turn(calls=[("leave", {})])), tools=[quit_tool])
    (failed,) = process.run(agent, "go").tool_results
    assert failed.status == "failed"
    assert "sys.exit(3)" in (failed.error or "")


def test_another_cell_that_says_the_same_says_something_new(process: Process) -> None:
    """Two cells say "yes": two turns; executing either again replays its own."""
    agent = Agent(id="a", model=ScriptedModel(lambda request: f"{len(request.messages)}"))

    def say(cell: str, text: str) -> Any:
        process.runtime.begin_cell(cell)
        return asyncio.run(agent.run(process.client, text, conversation_id="c")).result

    assert [say("1", "plan"), say("2", "yes"), say("3", "book?"), say("4", "yes")] == ["1", "3", "5", "7"]
    assert say("2", "yes") == "3"
    assert say("3", "book?") == "5"
    assert say("4", "yes") == "7"


def test_turns_of_one_conversation_follow_each_other(process: Process) -> None:
    """Two at once are refused by a sentence."""
    agent = Agent(id="a", model=ScriptedModel(lambda request: Turn(text="slow answer", delay=0.01)))

    async def body(client: Any) -> None:
        await asyncio.gather(*(agent.run(client, text, conversation_id="c") for text in ("one", "two")))

    with pytest.raises(ConfigurationError, match="turn in progress"):
        process.cell(body)


def test_a_step_that_is_to_be_fresh_must_be_there(process: Process) -> None:
    """A name that the run does not have is an error that lists those it has."""
    agent = Agent(id="a", model=ScriptedModel(lambda request: "x"))
    process.run(agent, "go")
    with pytest.raises(ConfigurationError, match=r"no step 9\.llm.*it has: 1\.llm"):
        process.run(agent, "go", fresh="9.llm")


def test_a_secret_that_comes_in_pieces_is_not_streamed(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pieces are held back until the word is whole."""
    monkeypatch.setenv("SERVICE_TOKEN", "hunter2-hunter2")

    class Pieces(ScriptedModel):
        async def stream(self, request: ModelRequest) -> Any:
            from polos_nb.models.base import ModelResponse, TextPiece

            for piece in ("key hun", "ter2-hun", "ter2 ok"):
                yield TextPiece(piece)
            yield ModelResponse(text="key hunter2-hunter2 ok")

    agent = Agent(id="a", model=Pieces([]))

    async def body(client: Any) -> str:
        return await (await agent.stream(client, "go")).text()

    assert process.cell(body) == "key [redacted] ok"


def test_half_of_a_surrogate_pair_is_replaced(process: Process) -> None:
    """The name of a strange file in a prompt or a result is sent as far as it can be."""

    @tool(description="Name")
    def name() -> str:
        return "a\ud800b"

    agent = Agent(id="a", model=once_called(Turn(calls=[("name", {})])), tools=[name])
    assert process.run(agent, "\ud800 lone").result


def test_an_agent_asked_inside_a_tool_answers_once_per_call(process: Process) -> None:
    """A second attempt of the tool asks nothing again, and each of two equal calls keeps its own sample."""
    child = Agent(id="child", model=ScriptedModel(lambda request: f"sample {len(child.model.requests)}"))  # type: ignore[union-attr]
    failures = ["once", "twice"]

    @tool(description="Ask", max_retries=1, version=1)
    async def ask(which: int) -> str:
        said = (await child.run(process.client, "say")).result
        if failures:
            raise ValueError(failures.pop())
        return f"{which}: {said}"

    agent = Agent(id="a", model=once_called(Turn(calls=[("ask", {"which": 1}), ("ask", {"which": 2})])), tools=[ask])
    first = [result.result for result in process.run(agent, "go").tool_results]
    assert first == ["1: sample 1", "2: sample 2"]
    assert len(child.model.requests) == 2  # type: ignore[union-attr]
    again = process.run(agent, "go", fresh=frozenset({"1.ask[call_2]"}))
    assert [result.result for result in again.tool_results] == first
    assert len(child.model.requests) == 2  # type: ignore[union-attr]
