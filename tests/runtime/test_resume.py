"""Re-executed calls: what answers from the store, what executes again, and why."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, create_model

from polos_nb import (
    Agent,
    LiveCallRefused,
    ModelError,
    ReplayMiss,
    RunError,
    ScriptedModel,
    Suspended,
    Tool,
    Turn,
    WorkflowContext,
    WorkflowTimeoutError,
    max_steps,
    tool,
)
from polos_nb.errors import CodecError, ModelUnavailable
from polos_nb.models.base import ModelRequest
from polos_nb.run_events import StepFailed
from polos_nb.stores.sqlite import SqliteStore
from tests.runtime.support import Process, calls, once_called, results

SECRET = "sk-test-abcdefghijklmnopqrstuvwxyz012345"


class Place(BaseModel):
    """A structured answer."""

    name: str
    size: int


@dataclasses.dataclass
class Reading:
    value: float
    tags: tuple[str, ...]


def counted(journal: list[str], name: str = "look", *, version: int = 1, **settings: Any) -> Tool:
    """A tool that writes its calls into a journal."""

    @tool(id=name, description="Look", version=version, **settings)
    async def look(ctx: WorkflowContext, at: str) -> str:
        journal.append(f"{name} {at}")
        return f"{at} seen"

    return look


def chain(journal: list[str], length: int, name: str = "look") -> ScriptedModel:
    """A model that calls a tool `length` times, one after the other, and then ends."""

    def script(request: ModelRequest) -> Turn | str:
        done = len(results(request))
        journal.append(f"llm {done}")
        return "end" if done == length else calls((name, {"at": str(done)}))

    return ScriptedModel(script)


# -- replay ---------------------------------------------------------------------------------------------------------
def test_a_call_executed_again_runs_nothing_and_gives_an_equal_result(process: Process, path: str) -> None:
    """Same process or a new one: no model, no tool, the same run and the same result."""
    journal: list[str] = []

    @tool(description="Measure")
    def measure(at: str) -> Reading:
        journal.append("measure")
        return Reading(1.5, (at,))

    def script(request: ModelRequest) -> Turn:
        journal.append("llm")
        called = results(request)
        return calls(("final_answer", {"name": "Bonn", "size": 3})) if called else calls(("measure", {"at": "x"}))

    agent = Agent(id="a", model=ScriptedModel(script), tools=[measure], output_schema=Place)
    first = process.run(agent, "go")
    assert first.result == Place(name="Bonn", size=3)
    assert not first.cached
    executed = list(journal)
    again = process.run(agent, "go")
    later = Process(path)
    third = later.run(agent, "go")
    later.runtime.close()
    assert journal == executed
    assert first == again == third
    assert again.cached
    assert third.cached
    assert type(third.tool_results[0].result) is Reading
    assert third.tool_results[0].result == Reading(1.5, ("x",))
    assert len(process.runtime.store.list_runs()) == 1


def test_equal_calls_in_a_loop_each_keep_their_own_answer(process: Process) -> None:
    """Three samples of one prompt are three answers, and re-executing gives the same three."""
    model = ScriptedModel(["one", "two", "three", "four"])
    agent = Agent(id="a", model=model)

    async def body(client: Any) -> list[str]:
        return [(await agent.run(client, "say")).result for _ in range(3)]

    assert process.cell(body) == ["one", "two", "three"]
    assert process.cell(body) == ["one", "two", "three"]
    assert len(model.requests) == 3


def test_equal_calls_at_once_each_keep_their_own_answer(process: Process) -> None:
    """A gather of equal calls makes as many calls, and they replay in calling order."""
    model = ScriptedModel(["one", "two", "three"])
    agent = Agent(id="a", model=model)

    async def body(client: Any) -> list[str]:
        return [item.result for item in await asyncio.gather(*(agent.run(client, "say") for _ in range(3)))]

    first = process.cell(body)
    assert sorted(first) == ["one", "three", "two"]
    assert process.cell(body) == first
    assert len(model.requests) == 3


def test_a_long_run_replays_whole(process: Process) -> None:
    """Fifty turns with a tool call each come back from the store."""
    journal: list[str] = []
    agent = Agent(id="a", model=chain(journal, 50), tools=[counted(journal)], stop_conditions=[max_steps(limit=60)])
    first = process.run(agent, "go")
    assert (first.total_steps, first.result, len(journal)) == (51, "end", 101)
    assert process.run(agent, "go") == first
    assert len(journal) == 101


# -- fresh ----------------------------------------------------------------------------------------------------------
def test_fresh_runs_everything_and_later_calls_come_back_to_it(process: Process) -> None:
    """`fresh=True` opens a run of its own, which is then the newest of its lineage."""
    model = ScriptedModel(["old", "new"])
    agent = Agent(id="a", model=model)
    assert process.run(agent, "x").result == "old"
    assert process.run(agent, "x", fresh=True).result == "new"
    assert process.run(agent, "x").result == "new"
    assert len(process.runtime.store.list_runs()) == 2


def test_a_fresh_step_runs_alone(process: Process) -> None:
    """`fresh="1.look[call_1]"` executes that step; what comes out the same cuts off the rest."""
    journal: list[str] = []
    agent = Agent(id="a", model=chain(journal, 2), tools=[counted(journal)])
    first = process.run(agent, "go")
    journal.clear()
    again = process.run(agent, "go", fresh="2.look[call_1]")
    assert journal == ["look 1"]
    assert again.result == first.result
    assert process.why("a") == {"2.look[call_1]": "asked to be fresh"}
    process.run(agent, "go", fresh=["look"])
    assert journal == ["look 1", "look 0", "look 1"]


def test_a_fresh_step_inside_a_tool_makes_the_tool_execute(process: Process) -> None:
    """A path with a slash names a step of `ctx.step`; the call around it executes, its other steps do not."""
    journal: list[str] = []

    @tool(description="Two")
    async def two(ctx: WorkflowContext) -> str:
        journal.append("two")
        await ctx.step.run("left", journal.append, "left", version=1)
        await ctx.step.run("right", journal.append, "right", version=1)
        return "ok"

    agent = Agent(id="a", model=once_called(calls(("two", {}))), tools=[two])
    process.run(agent, "go")
    process.run(agent, "go", fresh="1.two[call_1]/right")
    assert journal == ["two", "left", "right", "two", "right"]
    assert process.why("a")["1.two[call_1]"] == "a step inside it was asked to be fresh"


def test_a_fresh_run_that_was_interrupted_does_not_mix_with_old_answers(process: Process) -> None:
    """Resumed, a fresh run answers from itself and executes the rest, and nothing comes from before it."""
    said = ["old 1", "new 1"]
    broken = [True]

    def script(request: ModelRequest) -> Turn | str:
        if results(request) == ["new 1 seen"] and broken:
            return Turn(error=ModelError("refused"))
        if results(request):
            return f"end of {results(request)}"
        return calls(("look", {"at": said.pop(0)}))

    agent = Agent(id="a", model=ScriptedModel(script), tools=[counted([])])
    assert process.run(agent, "go").result == "end of ['old 1 seen']"
    with pytest.raises(RunError, match="refused"):
        process.run(agent, "go", fresh=True)
    broken.clear()
    assert process.run(agent, "go").result == "end of ['new 1 seen']"
    assert process.run(agent, "go").result == "end of ['new 1 seen']"
    assert said == []


def test_a_cache_that_is_switched_off_runs_everything(path: str) -> None:
    """POLOS_NB_CACHE=0 makes every call fresh."""
    model = ScriptedModel(["one", "two"])
    process = Process(path, cache=False)
    agent = Agent(id="a", model=model)
    assert [process.run(agent, "x").result for _ in range(2)] == ["one", "two"]
    process.runtime.close()


# -- failures -------------------------------------------------------------------------------------------------------
def test_a_failed_run_tries_only_the_failed_step_again(process: Process) -> None:
    """Finished steps stay; the trace says why the failed one ran again."""
    journal: list[str] = []
    broken = [True]

    def script(request: ModelRequest) -> Turn | str:
        journal.append(f"llm {len(results(request))}")
        if len(results(request)) == 2:
            return Turn(error=ModelError("out of order")) if broken else "end"
        return calls(("look", {"at": str(len(results(request)))}))

    agent = Agent(id="a", model=ScriptedModel(script), tools=[counted(journal)])
    with pytest.raises(RunError, match=r"step 3\.llm: out of order"):
        process.run(agent, "go")
    assert process.runtime.store.list_runs()[0].status == "failed"
    broken.clear()
    journal.clear()
    assert process.run(agent, "go").result == "end"
    assert journal == ["llm 2"]
    assert process.why("a") == {"3.llm": "the last attempt failed: out of order"}
    [run] = process.runtime.store.list_runs()
    assert (run.status, run.error) == ("completed", None)


def test_a_failed_tool_step_is_tried_again(process: Process) -> None:
    """The failure that the model read is not a cached answer."""
    broken = [True]

    @tool(description="Fetch", version=1)
    def fetch() -> str:
        if broken:
            raise OSError("no network")
        return "page"

    agent = Agent(id="a", model=once_called(calls(("fetch", {}))), tools=[fetch])
    assert process.run(agent, "go").result == "done: Error: OSError: no network"
    broken.clear()
    assert process.run(agent, "go").result == "done: page"
    why = process.why("a")
    assert why["1.fetch[call_1]"] == "the last attempt failed: OSError: no network"
    assert why["2.llm"].startswith("messages[2] changed (tool): ")


def test_an_edit_opens_a_new_run_and_keeps_the_old_one(process: Process) -> None:
    """An edited prompt or tool runs what depends on it, says why, and the old run stays as history."""
    journal: list[str] = []
    agent = Agent(id="a", model=chain(journal, 1), tools=[counted(journal)], system_prompt="Be kind.")
    process.run(agent, "go")
    journal.clear()
    edited = Agent(id="a", model=chain(journal, 1), tools=[counted(journal)], system_prompt="Be brief.")
    process.run(edited, "go")
    assert journal == ["llm 0", "llm 1"]
    assert "Be kind." in process.why("a")["1.llm"]
    assert "messages[0] changed" in process.why("a")["2.llm"]
    journal.clear()
    process.run(
        Agent(id="a", model=chain(journal, 1), tools=[counted(journal, version=2)], system_prompt="Be brief."), "go"
    )
    assert journal == ["look 0"]
    assert list(process.why("a")) == ["1.look[call_1]"]
    assert [run.status for run in process.runtime.store.list_runs()] == ["completed"] * 3
    journal.clear()
    process.run(agent, "go")
    assert journal == []


def test_changed_parameters_and_tools_are_named(process: Process) -> None:
    """`why` names the parameter or the tool that made a model call run again."""
    model = ScriptedModel(lambda request: "x")
    process.run(Agent(id="a", model=model), "go")
    process.run(Agent(id="a", model=model), "go", temperature=0.5)
    assert process.why("a") == {"1.llm": "parameter temperature is new"}
    process.run(Agent(id="a", model=model, tools=[counted([])]), "go", temperature=0.5)
    assert process.why("a") == {"1.llm": "tool look is new"}


# -- in doubt -------------------------------------------------------------------------------------------------------
class Died(BaseException):
    """The end of a process, as far as the engine can tell."""


def interrupted(process: Process, agent: Agent, **options: Any) -> None:
    """Run an agent whose process dies in a tool."""
    with pytest.raises(Died):
        process.run(agent, "go", **options)


def test_an_interrupted_write_is_asked_about_and_not_repeated(process: Process, path: str) -> None:
    """The run waits for a decision at that step; with `fresh` it is executed, once."""
    sent: list[str] = []
    dying = [True]

    @tool(description="Send", effect="write", version=1)
    async def send(to: str) -> str:
        sent.append(to)
        if dying:
            raise Died
        return "sent"

    agent = Agent(id="a", model=once_called(calls(("send", {"to": "ann"}))), tools=[send])
    interrupted(process, agent)
    dying.clear()
    later = Process(path)
    for _ in range(2):
        with pytest.raises(Suspended, match=r"waits at 1\.send\[call_1\]") as raised:
            later.run(agent, "go")
    assert raised.value.waiting == ("1.send[call_1]",)
    assert raised.value.run_id
    assert sent == ["ann"]
    assert later.run(agent, "go", fresh="1.send[call_1]").result == "done: sent"
    assert later.run(agent, "go").result == "done: sent"
    assert sent == ["ann", "ann"]
    later.runtime.close()


def test_an_interrupted_write_inside_a_tool_has_a_way_out(process: Process) -> None:
    """A read tool goes on; only the write in it is in doubt, and the sentence's own remedy works."""
    sent: list[str] = []
    dying = [True]

    async def charge(amount: int) -> str:
        sent.append(f"charge {amount}")
        if dying:
            raise Died
        return "charged"

    @tool(description="Order", effect="write", version=1)
    async def order(ctx: WorkflowContext) -> str:
        return str(await ctx.step.run("charge", charge, 5, effect="write", version=1))

    agent = Agent(id="a", model=once_called(calls(("order", {}))), tools=[order])
    interrupted(process, agent)
    dying.clear()
    asked = []
    fresh: Any = False
    for _ in range(4):
        try:
            result = process.run(agent, "go", fresh=fresh)
            break
        except Suspended as error:
            fresh = error.waiting[0]
            asked.append(fresh)
    assert asked == ["1.order[call_1]", "1.order[call_1]/charge"]
    assert result.result == "done: charged"
    assert sent == ["charge 5", "charge 5"]


def test_an_interrupted_read_runs_again(process: Process) -> None:
    """Model calls and reads may be repeated; the trace says that they were interrupted."""
    seen: list[str] = []
    dying = [True]

    @tool(description="Look", version=1)
    async def look() -> str:
        seen.append("look")
        if dying:
            raise Died
        return "seen"

    agent = Agent(id="a", model=once_called(calls(("look", {}))), tools=[look])
    interrupted(process, agent)
    dying.clear()
    assert process.run(agent, "go").result == "done: seen"
    assert seen == ["look", "look"]
    assert process.why("a")["1.look[call_1]"] == "it was interrupted"


# -- ctx.step -------------------------------------------------------------------------------------------------------
def test_the_durable_calls_of_a_tool_keep_their_values(process: Process) -> None:
    """run, now, uuid and random give the same values when the tool around them executes again."""
    seen: list[Any] = []
    ran: list[str] = []

    def add(a: int, b: int = 0) -> int:
        ran.append("add")
        return a + b

    @tool(description="All", version=1)
    async def everything(ctx: WorkflowContext) -> str:
        seen.append(
            (
                await ctx.step.run("add", add, 1, b=2, version=1),
                await ctx.step.now("now"),
                await ctx.step.uuid("id"),
                await ctx.step.random("dice"),
            )
        )
        return "ok"

    agent = Agent(id="a", model=once_called(calls(("everything", {}))), tools=[everything])
    process.run(agent, "go")
    process.run(agent, "go", fresh="everything")
    assert seen[0] == seen[1]
    assert seen[0][0] == 3
    assert ran == ["add"]
    assert len(seen[0][2]) == 36
    assert 0 <= seen[0][3] < 1


def test_equal_calls_of_a_tool_with_a_write_between_have_values_of_their_own(process: Process) -> None:
    """A second call of a tool in one run gets its own uuid, also when a write before it changed its identity."""
    ids: list[str] = []

    @tool(description="Mark", version=1)
    async def mark(ctx: WorkflowContext) -> str:
        ids.append(await ctx.step.uuid("id"))
        return "marked"

    @tool(description="Save", effect="write", version=1)
    def save() -> str:
        return "saved"

    order = ["mark", "save", "mark"]
    model = ScriptedModel(
        lambda request: "end" if len(results(request)) == 3 else calls((order[len(results(request))], {}))
    )
    process.run(Agent(id="a", model=model, tools=[mark, save]), "go")
    assert len(set(ids)) == 2


def test_a_step_key_used_twice_is_an_error_with_the_remedy(process: Process) -> None:
    """A tool cannot take the second answer for the first."""

    @tool(description="Twice")
    async def twice(ctx: WorkflowContext) -> list[int]:
        return [await ctx.step.now("when"), await ctx.step.now("when")]

    with pytest.raises(RunError, match=r"step key 'when' is used twice in this run; give each step its own"):
        process.tool(twice)


def test_a_failing_durable_call_fails_its_tool_after_its_retries(process: Process) -> None:
    """`max_retries` of `ctx.step.run` counts further attempts, and the tool fails with its text."""
    ran: list[int] = []

    def broken() -> None:
        ran.append(1)
        raise OSError("disk on fire")

    @tool(description="Save")
    async def save(ctx: WorkflowContext) -> None:
        await ctx.step.run("write", broken, max_retries=2, base_delay=0)

    with pytest.raises(RunError, match=r"Step execution failed after 2 retries: OSError: disk on fire"):
        process.tool(save)
    assert len(ran) == 3


# -- stopping -------------------------------------------------------------------------------------------------------
def test_a_cancelled_run_keeps_its_steps_and_goes_on_later(process: Process) -> None:
    """Cancelling in the middle of a tool leaves the run cancelled; executing the cell again finishes it."""
    journal: list[str] = []
    stuck = [True]
    reached = asyncio.Event()

    @tool(id="look", description="Look", version=1)
    async def look(at: str) -> str:
        journal.append(f"look {at}")
        if at == "1" and stuck:
            reached.set()
            await asyncio.Event().wait()
        return f"{at} seen"

    agent = Agent(id="a", model=chain(journal, 2), tools=[look])

    async def body(client: Any) -> None:
        task = asyncio.create_task(agent.run(client, "go"))
        async with asyncio.timeout(10):
            await reached.wait()
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        process.cell(body)
    assert process.runtime.store.list_runs()[0].status == "cancelled"
    stuck.clear()
    journal.clear()
    assert process.run(agent, "go").result == "end"
    assert journal == ["look 1", "llm 2"]


def test_a_timeout_keeps_what_is_finished(process: Process) -> None:
    """WorkflowTimeoutError names run and seconds, and the next execution goes on from there."""
    journal: list[str] = []
    stuck = [True]

    async def wait() -> None:
        if stuck:
            await asyncio.Event().wait()

    @tool(id="look", description="Look", version=1)
    async def look(at: str) -> str:
        journal.append(f"look {at}")
        if at == "1":
            await wait()
        return f"{at} seen"

    agent = Agent(id="a", model=chain(journal, 2), tools=[look])
    with pytest.raises(WorkflowTimeoutError, match=r"run r1 did not finish within 0\.3 s; run it again") as raised:
        process.run(agent, "go", timeout=0.3)
    assert (raised.value.run_id, raised.value.timeout_seconds) == ("r1", 0.3)
    kept = process.runtime.store.get_run("r1")
    assert kept is not None
    assert (kept.status, kept.error) == ("failed", str(raised.value))
    stuck.clear()
    journal.clear()
    assert process.run(agent, "go", timeout=30).result == "end"
    assert journal == ["look 1", "llm 2"]


# -- retries --------------------------------------------------------------------------------------------------------
def attempts_of(process: Process, agent: Agent) -> list[StepFailed]:
    """Run an agent as a stream and return the failures of attempts."""
    seen: list[Any] = []

    async def body(client: Any) -> None:
        stream = await agent.stream(client, "go")
        stream.subscribe(seen.append)
        await stream.result()

    process.cell(body)
    return [event for event in seen if isinstance(event, StepFailed)]


def test_a_passing_failure_is_tried_again_and_retry_after_is_honoured(process: Process) -> None:
    """The wait is at least what the provider asked for; the record counts the attempts."""
    busy = ModelUnavailable("busy", status=429, retry_after=0.05)
    model = ScriptedModel([Turn(error=busy), Turn(error=ModelUnavailable("overloaded")), "fine"])
    [first, second] = attempts_of(process, Agent(id="a", model=model))
    assert first.retry_in is not None
    assert first.retry_in >= 0.05
    assert second.retry_in == 0
    assert [(step.status, step.attempts) for _, step in process.trace("a")] == [("completed", 3)]


@pytest.mark.parametrize(
    ("error", "asked"),
    [(ModelError("bad request", status=400), 1), (ModelUnavailable("come back tomorrow", retry_after=4000), 1),
     (ModelUnavailable("overloaded"), 3), (KeyError("a bug"), 1)],
)  # fmt: skip
def test_failures_end_the_run_when_trying_again_does_not_help(process: Process, error: Exception, asked: int) -> None:
    """Final failures are not retried, long waits are left to a person, and no wait follows the last attempt."""
    model = ScriptedModel(lambda request: Turn(error=error))
    with pytest.raises(RunError, match=r"step 1\.llm: "):
        process.run(Agent(id="a", model=model), "go")
    assert len(model.requests) == asked
    [(_, step)] = process.trace("a")
    assert (step.status, step.attempts) == ("failed", asked)
    assert step.traceback


# -- secrets --------------------------------------------------------------------------------------------------------
def everything_in(path: str) -> bytes:
    """All bytes of a store, its log included."""
    return b"".join(file.read_bytes() for file in sorted(Path(path).parent.glob(Path(path).name + "*")))


def test_no_secret_reaches_the_file(process: Process, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of agents, and secrets in prompts, inputs, arguments, results and errors, are in no table."""
    monkeypatch.setenv("SERVICE_TOKEN", "tulips-and-clogs")

    @tool(description="Leak")
    async def leak(ctx: WorkflowContext, with_: str) -> str:
        await ctx.step.run("inner", lambda text: text, f"tulips-and-clogs {with_}")
        return f"the token is tulips-and-clogs {with_}"

    @tool(description="Break")
    def break_() -> str:
        raise ValueError("tulips-and-clogs")

    for prompt in ("one tulips-and-clogs", f"two {SECRET}"):
        agent = Agent(
            id="a",
            model=once_called(calls(("leak", {"with_": SECRET}), ("break_", {}))),
            tools=[leak, break_],
            system_prompt=prompt,
            api_key="unmarked-key-of-the-agent",
        )
        result = process.run(agent, f"my key is {SECRET}, tulips-and-clogs")
        assert "tulips" not in result.result
        assert process.why("a")["1.llm"] == "" or "[redacted]" in process.why("a")["1.llm"]
    process.runtime.close()
    kept = everything_in(path)
    assert b"[redacted]" in kept
    assert b"tulips-and-clogs" not in kept
    assert SECRET.encode() not in kept
    assert b"unmarked-key" not in kept


def test_no_secret_is_shown(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events and transcripts, which are rendered, are as free of secrets as the file."""
    monkeypatch.setenv("SERVICE_TOKEN", "tulips-and-clogs")
    seen: list[Any] = []

    @tool(description="Leak")
    async def leak(ctx: WorkflowContext) -> str:
        return str(await ctx.step.run("inner", str, "tulips-and-clogs"))

    agent = Agent(id="a", model=once_called(calls(("leak", {}))), tools=[leak])

    async def body(client: Any) -> None:
        stream = await agent.stream(client, "tulips-and-clogs")
        stream.subscribe(seen.append)
        await stream.result()

    process.cell(body)
    assert "tulips" not in repr(seen)
    assert "[redacted]" in repr(seen)


# -- modes ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("mode", "error"), [("offline", LiveCallRefused), ("replay", ReplayMiss)])
def test_where_calls_are_off_the_store_answers_and_a_miss_names_the_difference(
    process: Process, mode: Any, error: type[Exception]
) -> None:
    """Offline and replay: what is kept comes back; an edit is refused with the nearest record and the difference."""
    journal: list[str] = []
    agent = Agent(id="a", model=chain(journal, 1), tools=[counted(journal)], system_prompt="Be kind.")
    first = process.run(agent, "go")
    journal.clear()
    store = process.runtime.store
    off = Process(store, mode=mode)
    assert off.run(agent, "go") == first
    edited = Agent(id="a", model=chain(journal, 1), tools=[counted(journal)], system_prompt="Be brief.")
    with pytest.raises(
        error, match=r"step 1\.llm of a is not in .*the nearest is 1\.llm: messages\[0\] changed \(system\): .*kind"
    ):
        off.run(edited, "go")
    changed = Agent(id="a", model=chain(journal, 1), tools=[counted(journal, version=2)], system_prompt="Be kind.")
    with pytest.raises(error, match=r"step 1\.look\[call_1\] of a .*the nearest is 1\.look\[call_1\]: .*version"):
        off.run(changed, "go")
    with pytest.raises(error, match=r"the nearest is 1\.llm: messages\[1\] changed \(user\): .*go"):
        off.run(agent, "went")
    with pytest.raises(error, match="there is nothing like it"):
        off.run(Agent(id="b", model=chain(journal, 1)), "go")
    assert journal == []
    assert len(store.list_runs()) == 1


def test_offline_says_how_to_allow_calls(process: Process) -> None:
    """The refusal names the variable."""
    with pytest.raises(LiveCallRefused, match="POLOS_NB_ALLOW_LIVE=1 allows calls"):
        Process(process.runtime.store, mode="offline").run(Agent(id="a", model=ScriptedModel(["x"])), "go")


# -- several drivers ------------------------------------------------------------------------------------------------
def at_once(bodies: list[Callable[[], Any]]) -> list[Any]:
    """Call functions in threads that start together, and return what they returned."""
    barrier = threading.Barrier(len(bodies))
    out: list[Any] = [None] * len(bodies)

    def work(place: int) -> None:
        barrier.wait(10)
        try:
            out[place] = bodies[place]()
        except BaseException as error:
            out[place] = error

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return out


@pytest.mark.parametrize("first", ["new", "unfinished"])
def test_two_drivers_of_one_call_execute_each_step_once(path: str, first: str) -> None:
    """Two runtimes on one file, in two threads: one drives, the other waits, both have the result."""
    for attempt in range(5):
        journal: list[str] = []
        name = f"a{attempt}"
        agent = Agent(id=name, model=chain(journal, 3), tools=[counted(journal)])
        if first == "unfinished":
            broken = Agent(id=name, model=ScriptedModel([calls(("look", {"at": "0"}))]), tools=[counted([])])
            starter = Process(path)
            with pytest.raises(RunError):
                starter.run(broken, "go")
            starter.runtime.close()
        processes = [Process(path) for _ in range(3)]
        told = at_once([lambda one=one, agent=agent: one.run(agent, "go") for one in processes])  # type: ignore[misc]
        assert [getattr(item, "result", item) for item in told] == ["end"] * 3
        expected = ["llm 0", "llm 1", "llm 2", "llm 3", "look 0", "look 1", "look 2"]
        assert sorted(journal) == (
            expected if first == "new" else [e for e in expected if e not in ("llm 0", "look 0")]
        )
        for one in processes:
            one.runtime.close()
    store = SqliteStore(path)
    assert {run.status for run in store.list_runs()} == {"completed"}
    store.close()


def test_two_drivers_on_one_loop_execute_each_step_once(path: str) -> None:
    """The same with two runtimes whose passes take turns on one loop, after an edit of a completed run."""
    journal: list[str] = []
    one, two = Process(path), Process(path)
    one.run(Agent(id="a", model=chain([], 2), tools=[counted([])], system_prompt="v1"), "go")
    agent = Agent(id="a", model=chain(journal, 2), tools=[counted(journal)], system_prompt="v2")

    async def body(client: Any) -> Any:
        return await asyncio.gather(agent.run(one.client, "go"), agent.run(two.client, "go"))

    one.runtime.begin_cell()
    two.runtime.begin_cell()
    left, right = asyncio.run(body(None))
    assert left == right
    assert sorted(journal) == ["llm 0", "llm 1", "llm 2"]
    one.runtime.close()
    two.runtime.close()


def test_the_lease_of_a_long_step_is_renewed_and_not_taken_from_others(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The heartbeat renews a run's own lease, leaves one that was taken over alone, and ends with the run."""
    monkeypatch.setattr("polos_nb.runtime.leases.HEARTBEAT_SECONDS", 0.001)
    store = process.runtime.store
    seen: list[float | None] = []

    async def until(held: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not held():
                await asyncio.sleep(0.001)

    @tool(description="Long", version=1)
    async def long(ctx: WorkflowContext) -> str:
        def lease() -> float | None:
            run = store.get_run(ctx.run_id)
            return run.lease_until if run else None

        first = lease()
        await until(lambda: lease() != first)
        store.update_run(ctx.run_id, owner="another:boot:1:1/x", lease_until=5.0)
        for _ in range(20):
            await asyncio.sleep(0.001)
        seen.append(lease())
        return "ok"

    agent = Agent(id="a", model=once_called(calls(("long", {}))), tools=[long])
    assert process.run(agent, "go").result == "done: ok"
    assert seen == [5.0]


def test_two_final_answers_in_one_turn_take_the_one_that_fits(process: Process) -> None:
    """A model that answers twice at once is not sent back when one of the answers fits."""
    turn = calls(("final_answer", {"name": 5}), ("final_answer", {"name": "Bonn", "size": 1}))
    agent = Agent(id="a", model=ScriptedModel([turn]), tools=[counted([])], output_schema=Place)
    assert process.run(agent, "go").result == Place(name="Bonn", size=1)


def test_an_edit_that_is_taken_back_shows_the_run_that_answers(process: Process) -> None:
    """Edited and edited back: nothing executes, and the newest run is what the call gave, not what the edit gave."""

    def agent(prompt: str) -> Agent:
        return Agent(id="a", system_prompt=prompt, model=ScriptedModel(lambda request: f"as {prompt}"))

    first = process.run(agent("x"), "go")
    process.run(agent("y"), "go")
    back = process.run(agent("x"), "go")
    assert (back.result, back.cached) == ("as x", True)
    assert back.run_id not in (first.run_id, "r2")
    kept = process.runtime.store.get_run(back.run_id)
    assert kept is not None
    assert (kept.status, kept.result) == ("completed", '"as x"')
    assert [row.cached for row, _ in process.trace("a")] == [True]
    assert process.run(agent("x"), "go") == back
    assert process.newest("a") == back.run_id


def test_a_write_whose_answer_cannot_be_read_any_more_is_not_repeated(process: Process) -> None:
    """The class of a kept answer gained a required field: a read runs again, a write says what is wrong."""
    done: list[str] = []

    def order(effect: Any, fields: dict[str, Any]) -> Any:
        receipt = create_model("Receipt", **fields)

        @tool(id=f"order_{effect}", description="Order", version=1, effect=effect)
        def place() -> Any:
            done.append(effect)
            return receipt(**dict.fromkeys(fields, 1))

        place.schema = dataclasses.replace(place.schema, return_type=receipt)
        return place

    for effect in ("read", "write"):
        assert process.tool(order(effect, {"a": (int, ...)})).a == 1
    assert process.tool(order("read", {"a": (int, ...), "b": (int, ...)})).b == 1
    with pytest.raises(CodecError, match="order_write was done, but its kept answer cannot be read"):
        process.tool(order("write", {"a": (int, ...), "b": (int, ...)}))
    assert done == ["read", "write", "read"]
