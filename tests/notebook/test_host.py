"""The notebook as its widgets see it: whose are closed when, whether cells wait, and runs that are stopped."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from polos_nb import Agent, ScriptedModel, Turn, tool
from polos_nb.errors import Suspended
from polos_nb.notebook import host as host_module
from polos_nb.notebook.host import Host
from polos_nb.runtime.run import Run
from tests.aio import in_a_loop
from tests.runtime.support import Process


class View:
    """A widget that can be closed once; `fails` makes that an error, as where its page is gone. `busy`: needed."""

    def __init__(self, *, fails: bool = False, busy: bool = False) -> None:
        self.closed = 0
        self.fails = fails
        self.busy = busy

    def needed(self) -> bool:
        return self.busy

    def close(self) -> None:
        self.closed += 1
        if self.fails:
            raise RuntimeError("its comm is gone")


def made(process: Process | None = None, mode: str = "auto", stopped: Any = None) -> Host:
    return Host(object(), lambda: (process or Process()).runtime, lambda: mode, stopped or (lambda record: None))


def test_a_cell_that_is_executed_again_closes_its_own_views() -> None:
    """Those of other cells stay; and so do those of front ends that do not say which cell it is."""
    host = made()
    first, second, nameless = View(), View(fails=True), View()
    host.begin_cell("a")
    host.keep(first)
    host.keep(second)
    host.begin_cell("b")
    host.begin_cell(None)
    host.keep(nameless)
    host.begin_cell(None)
    assert (first.closed, second.closed, nameless.closed) == (0, 0, 0)
    host.begin_cell("a")
    assert (first.closed, second.closed, nameless.closed) == (1, 1, 0)
    host.close()
    assert (first.closed, second.closed, nameless.closed) == (1, 1, 1)


def test_old_views_are_closed_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook in which a cell is executed all day keeps the newest."""
    monkeypatch.setattr(host_module, "_OPEN", 3)
    host = made()
    views = [View() for _ in range(5)]
    for view in views:
        host.keep(view)
    assert [view.closed for view in views] == [1, 1, 0, 0, 0]


def test_a_view_that_is_needed_stays_however_many_come_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The card of a run that waits could be clicked nowhere else; it goes with its cell."""
    monkeypatch.setattr(host_module, "_OPEN", 3)
    host = made()
    host.begin_cell("a")
    waiting = [View(busy=True) for _ in range(5)]
    over = [View() for _ in range(5)]
    for view in [*waiting, *over]:
        host.keep(view)
    assert [view.closed for view in [*waiting, *over]] == [0] * 5 + [1, 1, 0, 0, 0]
    host.begin_cell("a")
    assert all(view.closed == 1 for view in [*waiting, *over])


@pytest.mark.parametrize(
    ("mode", "hears", "inline"),
    [
        ("auto", True, True),
        ("auto", False, False),
        ("inline", False, True),
        ("suspend", True, False),
    ],
)
def test_cells_wait_where_clicks_are_heard_or_where_configured(
    monkeypatch: pytest.MonkeyPatch, mode: str, hears: bool, inline: bool
) -> None:
    """`%config PolosMagics.approval_mode` wins."""
    monkeypatch.setattr(host_module, "hears_clicks", lambda ip: hears)
    assert made(mode=mode).inline is inline


def agent(turn: Turn) -> Agent:
    """An agent with a tool that asks."""

    @tool(approval="always")
    def pay(amount: int) -> int:
        """Pay."""
        return amount

    return Agent(id="bot", model=ScriptedModel([turn]), tools=[pay])


@in_a_loop
async def test_a_run_that_is_driven_is_stopped() -> None:
    """Its task ends, and nobody else is told."""
    process = Process()
    told: list[Any] = []
    run = Run("bot")
    process.runtime.begin_cell()
    process.runtime.start(agent(Turn(text="word " * 1000, delay=0.01)).with_input("x"), into=run)
    await run.known()
    made(process, stopped=told.append).stop_run(run)
    with pytest.raises(asyncio.CancelledError):
        await run.result()
    assert told == []


@in_a_loop
async def test_a_run_that_was_left_waiting_is_stopped() -> None:
    """It is cancelled in the store, and whoever shows it is told once."""
    process = Process()
    told: list[Any] = []
    run = Run("bot")
    process.runtime.begin_cell()
    process.runtime.start(agent(Turn(calls=[("pay", {"amount": 3})])).with_input("x"), into=run)
    with pytest.raises(Suspended):
        await run.result()
    host = made(process, stopped=told.append)
    host.stop_run(run)
    record = process.runtime.store.get_run(run.id)
    assert record is not None
    assert record.status == "cancelled"
    host.stop_run(run)
    assert [one.id for one in told] == [run.id]
