"""The live view of one run: opened when there is something to see, heard where a page is, replaced by what stays."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from polos_nb import Agent, ScriptedModel, Turn, tool
from polos_nb.errors import ConfigurationError, Suspended
from polos_nb.messages import Usage
from polos_nb.models.base import ModelRequest
from polos_nb.notebook import run_widget
from polos_nb.notebook.rows import RunRows
from polos_nb.notebook.run_widget import RunWidget, more_of, spent_on
from polos_nb.notebook.widget import Widget
from polos_nb.run_events import RunStarted, StepFinished, StepStarted
from polos_nb.runtime.run import Run
from polos_nb.transcript import Transcript
from tests.aio import in_a_loop, until
from tests.notebook.comms import PageComm, recorded
from tests.runtime.support import Process

VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(autouse=True)
def comms(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[PageComm]]:
    """Every comm that is opened."""
    yield recorded(monkeypatch)
    Widget.close_all()


class Host:
    """A notebook whose outputs are `published`. `inline` says whether cells wait for answers."""

    def __init__(self, *, inline: bool = True) -> None:
        self.process = Process()
        self.store = self.process.runtime.store
        self.inline = inline
        self.ip = self
        self.display_pub = self
        self.published: list[dict[str, Any]] = []
        self.kept: list[Any] = []
        self.stopped: list[Run] = []

    def publish(self, data: Any, metadata: Any = None, transient: Any = None, update: bool = False) -> None:
        """As a display publisher."""
        self.published.append({**data, "update": update})

    def keep(self, widget: Any) -> None:
        """Note the widget."""
        self.kept.append(widget)

    def stop_run(self, run: Run) -> None:
        """Note the run."""
        self.stopped.append(run)

    def start(self, agent: Agent, prompt: str, *, attended: bool = False) -> Run:
        """Drive an agent on the running loop."""
        run = Run(agent.id)
        if attended:
            run.attend()
        self.process.runtime.begin_cell()
        return self.process.runtime.start(agent.with_input(prompt), into=run)


def refunder(ran: list[str]) -> Agent:
    """An agent whose tool asks, and which then says what became of it."""

    @tool(approval="always")
    def refund(order: str) -> str:
        """Refund an order."""
        ran.append(order)
        return f"refunded {order}"

    def script(request: ModelRequest) -> Turn | str:
        last = request.messages[-1]
        return f"Done: {last.text()}" if last.role == "tool" else Turn(calls=[("refund", {"order": last.text()})])

    return Agent(id="clerk", model=ScriptedModel(script), tools=[refund])


def slow(text: str, delay: float = 0.01) -> Agent:
    """An agent that says a text slowly."""
    return Agent(id="slow", model=ScriptedModel(lambda request: Turn(text=text, delay=delay)))


async def follow(view: RunWidget, run: Run) -> None:
    """What a cell does while its run is driven."""
    while not run.done():
        view.tick()
        await asyncio.sleep(0.005)
    view.end(run.task.exception() if run.task else None)


@in_a_loop
async def test_a_run_that_ends_at_once_opens_no_view(comms: list[PageComm]) -> None:
    """One output and no comm: so it is in a notebook whose runs all answer from the store."""
    host = Host()
    run = host.start(slow("hi", 0.0), "x")
    view = RunWidget(host, run)
    view.begin()
    await run.result()
    view.end()
    assert comms == []
    [output] = host.published
    assert VIEW not in output
    assert "hi" in output["text/plain"]


@in_a_loop
async def test_a_view_follows_its_run_and_goes(comms: list[PageComm]) -> None:
    """The page gets all of it, and the output two bundles: one with the view, and what stays."""
    host = Host()
    run = host.start(slow("one two three four five six"), "x")
    await follow(RunWidget(host, run), run)
    [widget] = host.kept
    assert [(VIEW in output, output["update"]) for output in host.published] == [(True, False), (False, True)]
    state = widget.feed.state
    assert state["rows"]["1.llm"]["text"] == "one two three four five six"
    assert (state["head"]["status"], state["head"]["mode"], state["head"]["can_stop"]) == ("completed", "inline", False)
    assert state["head"]["cost"] == 0.0
    assert not widget.closed


@in_a_loop
async def test_without_a_page_the_output_is_updated_and_nobody_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while without a word; a page that says hello later gets its view back."""
    monkeypatch.setattr(run_widget, "_DEAF", 0.05)
    host = Host()
    run = host.start(slow("word " * 200), "x")
    view = RunWidget(host, run)
    assert view.inline
    task = asyncio.create_task(follow(view, run))
    await until(lambda: len(host.published) > 1)
    assert not view.inline
    assert VIEW not in host.published[-1]
    host.kept[0].comm.say({"t": "hello", "s": 0})
    await until(lambda: VIEW in host.published[-1])
    assert view.inline
    await task
    assert VIEW not in host.published[-1]


@in_a_loop
async def test_a_late_hello_does_not_replace_what_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that comes when the run is over leaves the static output alone."""
    monkeypatch.setattr(run_widget, "_DEAF", 0.05)
    host = Host()
    run = host.start(slow("word " * 30), "x")
    await follow(RunWidget(host, run), run)
    count = len(host.published)
    host.kept[0].comm.say({"t": "hello", "s": 0})
    await until(lambda: host.kept[0].comm.heard and host.kept[0].heard)
    assert len(host.published) == count
    assert VIEW not in host.published[-1]


@in_a_loop
async def test_a_run_that_waits_keeps_its_view_and_goes_on_in_it() -> None:
    """The card is answered with its word only; the rows never go back while the next pass tells them again."""
    ran: list[str] = []
    host = Host(inline=False)
    agent = refunder(ran)
    run = host.start(agent, "o1")
    view = RunWidget(host, run)
    task = asyncio.create_task(follow(view, run))
    await until(lambda: host.kept)
    host.kept[0].heard = True
    await task
    assert isinstance(run.task and run.task.exception(), Suspended)
    assert VIEW in host.published[-1]
    widget = host.kept[0]
    [row] = [row for row in widget.feed.state["rows"].values() if row.get("ask")]
    ask = row["ask"]
    good = {"run": ask["run"], "step": ask["step"], "nonce": ask["nonce"], "values": {"approved": True}}
    with pytest.raises(ConfigurationError, match="this card is not the one"):
        view._request("answer", {**good, "nonce": "0" * 16})
    assert "approved" in view._request("answer", good)["sentence"]
    after = host.start(agent, "o1")
    assert view.again(after) is view
    seen = []
    while not after.done():
        view.tick()
        widget.flush()
        seen.append(len(widget.feed.state["rows"]))
        await asyncio.sleep(0.001)
    view.end()
    assert min(seen) >= 2
    assert (ran, widget.feed.state["head"]["status"]) == (["o1"], "completed")
    assert VIEW not in host.published[-1]
    assert len(host.kept) == 1


@in_a_loop
async def test_what_a_page_may_ask_for() -> None:
    """Each word leads to one deed; others are refused with a sentence that lists them."""
    host = Host()
    run = host.start(refunder([]), "o1", attended=True)
    view = RunWidget(host, run)
    view.tick()
    await until(lambda: "1.llm" in host.kept[0].feed.state["rows"])
    with pytest.raises(ConfigurationError, match="a run cannot 'fly'; it can answer, stop, later, revoke, more"):
        view._request("fly", {})
    with pytest.raises(ConfigurationError, match="has no rule 7"):
        view._request("revoke", {"rule": "7"})
    assert view._request("stop", {})["sentence"]
    assert host.stopped == [run]
    await until(lambda: host.store.decisions(run_id=run.id, status="waiting"))
    assert view._request("later", {})["sentence"]
    with pytest.raises(Suspended):
        await run.result()


@in_a_loop
async def test_rules_are_listed_and_taken_back() -> None:
    """A rule is in the head as soon as an answer made it, and gone when it is revoked."""
    ran: list[str] = []
    host = Host()
    run = host.start(refunder(ran), "o1", attended=True)
    view = RunWidget(host, run)
    task = asyncio.create_task(follow(view, run))
    await until(lambda: host.kept)
    widget = host.kept[0]
    widget.heard = True
    row = await until(lambda: next((row for row in widget.feed.state["rows"].values() if row.get("ask")), None))
    ask = row["ask"]
    answer = {"run": ask["run"], "step": ask["step"], "nonce": ask["nonce"], "values": {"approved": True}}
    view._request("answer", {**answer, "always": "tool"})
    await task
    [rule] = widget.feed.state["head"]["always"]
    assert rule["tool"] == "refund"
    assert "refund" in view._request("revoke", {"rule": rule["id"]})["sentence"]
    await until(lambda: widget.feed.state["head"]["always"] == [])


def shown() -> Transcript:
    """A run with a long result."""
    run = Transcript()
    head: dict[str, Any] = {"run_id": "r1", "target_id": "bot"}
    run.add(RunStarted(**head, input="question"))
    step: dict[str, Any] = {**head, "step_key": "1.get[c1]", "step_type": "tool", "name": "get"}
    run.add(StepStarted(**step, request={"arguments": {"city": "Oslo"}}))
    run.add(StepFinished(**step, request={"arguments": {"city": "Oslo"}}, output="x" * 5_000))
    return run


def test_all_of_a_value_can_be_asked_for() -> None:
    """By row and field; what is not there is said in one sentence."""
    run = shown()
    assert more_of(run, {"row": "1.get[c1]", "field": "result"}) == {"t": "text", "s": "x" * 5_000, "more": 0}
    assert more_of(run, {"row": "m1/1.get[c1]", "field": "args"}, "m1/")["t"] == "json"
    assert more_of(run, {"row": "", "field": "input"})["s"] == "question"
    with pytest.raises(ConfigurationError, match=r"there is no step '9\.llm'"):
        more_of(run, {"row": "9.llm", "field": "text"})
    with pytest.raises(ConfigurationError, match="a get has no '_seen'; it has error, args, result"):
        more_of(run, {"row": "1.get[c1]", "field": "_seen"})


@pytest.mark.parametrize(
    ("model", "cached", "expected"),
    [
        ("openai/gpt-4o", False, (pytest.approx(0.0125), True)),
        ("openai/gpt-4o", True, (None, True)),
        ("demo/demo", False, (0.0, True)),
        ("nowhere/none", False, (None, False)),
    ],
)
def test_what_live_calls_cost(model: str, cached: bool, expected: Any) -> None:
    """Scripted ones nothing; where there were none, and where the price is not known, nothing is said."""
    run = Transcript()
    head: dict[str, Any] = {"run_id": "r1", "target_id": "bot"}
    step: dict[str, Any] = {**head, "step_key": "1.llm", "step_type": "llm", "request": {"model": model}}
    output: dict[str, Any] = {"text": "hi", "tool_calls": [], "reasoning": None, "finish_reason": "stop", "usage": {}}
    usage = Usage(input_tokens=1_000, output_tokens=1_000, total_tokens=2_000)
    run.add(RunStarted(**head))
    if not cached:
        run.add(StepStarted(**step))
    run.add(StepFinished(**step, output=output, usage=usage, cached=cached))
    assert spent_on(run) == expected


@in_a_loop
async def test_nothing_is_lost_of_a_run_that_another_thread_adds_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an event that comes while the rows are made, nor the rows of a look that failed in the middle."""
    host = Host()
    run = Run("bot")
    head: dict[str, Any] = {"run_id": "r1", "target_id": "bot"}
    view = RunWidget(host, run)
    view.tick()
    widget = host.kept[0]
    own = RunRows.ops
    late = [StepStarted(**head, step_key=f"{n}.get", step_type="tool", name="get") for n in (1, 2)]

    def then_late(rows: RunRows, transcript: Transcript) -> Any:
        out = own(rows, transcript)
        if late:
            run.emit(late.pop(0))
        else:
            monkeypatch.setattr(RunRows, "ops", then_fails)
        return out

    def then_fails(rows: RunRows, transcript: Transcript) -> Any:
        monkeypatch.setattr(RunRows, "ops", own)
        own(rows, transcript)
        raise RuntimeError("dictionary changed size during iteration")

    monkeypatch.setattr(RunRows, "ops", then_late)
    run.emit(RunStarted(**head))
    await until(lambda: widget.feed.state["order"].get("") == ["1.get", "2.get"])
    run.emit(StepStarted(**head, step_key="3.get", step_type="tool", name="get"))
    await until(lambda: "3.get" in widget.feed.state["rows"])
    assert RunRows.ops is own


@in_a_loop
async def test_a_view_that_was_closed_is_waited_for_no_more() -> None:
    """As by `Widget.close_all()`: the output is updated, and the cell that waits for a click ends."""
    host = Host()
    run = host.start(refunder([]), "o1", attended=True)
    view = RunWidget(host, run)
    view.tick()
    widget = host.kept[0]
    widget.heard = True
    await until(lambda: host.store.decisions(run_id=run.id or "r1", status="waiting"))
    assert view.inline
    assert widget.needed()
    Widget.close_all()
    assert not view.inline
    run.leave()
    with pytest.raises(Suspended) as failure:
        await run.result()
    view.end(failure.value)
    assert VIEW not in host.published[-1]
    assert "%polos approve r1" in host.published[-1]["text/plain"]


@in_a_loop
async def test_a_page_is_not_given_up_while_the_kernel_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it said in that time is heard only afterwards."""
    clock = [100.0]
    monkeypatch.setattr(run_widget, "time", SimpleNamespace(monotonic=lambda: clock[0], time=time.time))
    host = Host()
    view = RunWidget(host, Run("bot"))
    view.tick()
    clock[0] += 60.0  # a tool of the user's that does not await
    view.tick()
    assert view.inline
    for _ in range(50):
        clock[0] += 0.1
        view.tick()
    assert not view.inline
