"""Cards for runs that a cell's code started: only where somebody can click, and only as long as they are needed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from polos_nb import Agent, ScriptedModel, Turn, tool
from polos_nb.errors import Suspended
from polos_nb.models.base import ModelRequest
from polos_nb.notebook import run_widget
from polos_nb.notebook.asked import Asked
from polos_nb.notebook.host import Host
from polos_nb.notebook.widget import Widget
from polos_nb.runtime.run import Run
from tests.aio import in_a_loop, until
from tests.notebook.comms import PageComm, recorded
from tests.runtime.support import Process


@pytest.fixture(autouse=True)
def comms(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[PageComm]]:
    """Every comm that is opened."""
    yield recorded(monkeypatch)
    Widget.close_all()


class Shell:
    """A kernel's shell; `published` are its outputs."""

    def __init__(self) -> None:
        self.kernel = object()
        self.display_pub = self
        self.published: list[tuple[dict[str, Any], bool]] = []

    def publish(self, data: Any, metadata: Any = None, transient: Any = None, update: bool = False) -> None:
        """As a display publisher."""
        self.published.append((data, update))


class Notebook:
    """A session with its runtime, in a cell that is being executed."""

    def __init__(self, *, mode: str = "inline", watched: bool = True, in_cell: bool = True) -> None:
        self.process = Process()
        self.shell = Shell()
        self.host = Host(self.shell, lambda: self.process.runtime, lambda: mode, lambda record: None)
        self.process.runtime.on_run.append(Asked(self.host, lambda: watched).started)
        self.process.runtime.begin_cell()
        self.host.begin_cell("a")
        if not in_cell:
            self.host.end_cell()

    def start(self, into: Run | None = None) -> Run:
        """Start an agent that asks whether to pay."""
        return self.process.runtime.start(clerk().with_input("go"), into=into)

    async def card(self) -> tuple[PageComm, dict[str, Any]]:
        """The page of the card, once it is there."""
        widget: Any = await until(lambda: next(iter(self.host._widgets), None))
        widget.heard = True
        ask = await until(
            lambda: next((row["ask"] for row in widget.feed.state["rows"].values() if row.get("ask")), None)
        )
        return widget.comm, ask


def clerk() -> Agent:
    """Pays when it may."""

    @tool(approval="always")
    def pay(amount: int) -> int:
        """Pay."""
        return amount

    def script(request: ModelRequest) -> Turn | str:
        return "paid" if request.messages[-1].role == "tool" else Turn(calls=[("pay", {"amount": 3})])

    return Agent(id="clerk", model=ScriptedModel(script), tools=[pay])


@in_a_loop
async def test_a_card_is_there_until_it_is_answered() -> None:
    """The code that awaits goes on, and nothing of the card stays in the output."""
    notebook = Notebook()
    run = notebook.start()
    page, ask = await notebook.card()
    assert not run.done()
    answer = {"run": ask["run"], "step": ask["step"], "nonce": ask["nonce"], "values": {"approved": True}}
    page.say({"t": "req", "id": "q1", "do": "answer", **answer})
    assert (await run.result()).result == "paid"
    await until(lambda: notebook.shell.published[-1] == ({}, True))


@in_a_loop
async def test_where_no_page_answers_the_run_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code gets the error that says how to answer."""
    monkeypatch.setattr(run_widget, "_DEAF", 0.05)
    notebook = Notebook()
    run = notebook.start()
    with pytest.raises(Suspended, match="%polos approve r1 --yes"):
        async with asyncio.timeout(5):
            await run.result()
    await until(lambda: notebook.shell.published[-1] == ({}, True))


@pytest.mark.parametrize(
    "options", [{"mode": "suspend"}, {"watched": False}, {"in_cell": False}], ids=["suspend", "unwatched", "no cell"]
)
def test_where_nobody_can_click_the_run_is_left_at_once(options: dict[str, Any], comms: list[PageComm]) -> None:
    """Where cells do not wait, where nobody is watching, and where no cell is being executed: no card, no output."""

    @in_a_loop
    async def main() -> None:
        notebook = Notebook(**options)
        with pytest.raises(Suspended):
            async with asyncio.timeout(5):
                await notebook.start().result()
        assert notebook.shell.published == []

    main()
    assert comms == []


@in_a_loop
async def test_a_run_that_something_shows_already_gets_no_second_card(comms: list[PageComm]) -> None:
    """Its own view has the card."""
    notebook = Notebook()
    run = Run("clerk")
    notebook.host.seen.add(run)
    with pytest.raises(Suspended):
        async with asyncio.timeout(5):
            await notebook.start(run).result()
    assert comms == []


@in_a_loop
async def test_a_run_whose_card_cannot_be_shown_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cell would wait for ever otherwise, with nothing to click."""

    def broken(view: Any) -> None:
        raise ImportError("no anywidget here")

    monkeypatch.setattr(run_widget.RunWidget, "tick", broken)
    heard: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: heard.append(context))
    notebook = Notebook()
    run = notebook.start()
    with pytest.raises(Suspended, match="%polos approve r1 --yes"):
        async with asyncio.timeout(5):
            await run.result()
