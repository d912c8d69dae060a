"""A chat in a real kernel, spoken to by protocol as a page does: it streams, asks, branches and outlives its kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.kernels import Kernel, kernel
from tests.notebook.page import Page, open_page

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

VIEW = "application/vnd.jupyter.widget-view+json"

SETUP = """
%load_ext polos_nb
from polos_nb import Agent, ScriptedModel, Turn, tool

@tool(approval="always")
def refund(order: str) -> str:
    "Refund an order."
    open("refunds.txt", "a").write(order + "\\n")
    return f"refunded {order}"

def script(request):
    last = request.messages[-1]
    if last.role == "tool":
        return f"Done: {last.text()}"
    if last.text().isdigit():
        return Turn(calls=[("refund", {"order": last.text()})])
    if last.text() == "long":
        return Turn(text="word " * 2000, delay=0.01)
    return f"{len(request.messages)} {last.text()}"

bot = Agent(id="bot", model=ScriptedModel(script), tools=[refund])
"""
OPEN = "%polos_chat bot --as chat"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"POLOS_NB_STORE": str(tmp_path / "steps.db")}


@pytest.fixture
def started(tmp_path: Path, env: dict[str, str]) -> Any:
    with kernel(tmp_path, env) as made:
        assert made.run(SETUP).status == "ok"
        yield made


def opened(started: Kernel, line: str = OPEN) -> Page:
    """The page of a chat."""
    result = started.run(line)
    assert result.status == "ok", result
    return open_page(started, "chat")


def said(page: Page, text: str) -> dict[str, Any]:
    """Send a message and wait for the end of its turn."""
    row = page.request("send", text=text, attachments=[])["turn"]
    return over(page, row)


def over(page: Page, row: str) -> dict[str, Any]:
    """The turn when it is over."""
    ended = ("completed", "failed", "cancelled")
    return page.until(lambda page: page.rows.get(row, {}).get("status") in ended and page.rows[row])


def texts(page: Page) -> list[tuple[str, str]]:
    """What is shown: each message, and the last text that the agent said to it."""
    out = []
    for turn in page.children():
        last = [row.get("text") or "" for row in page.children(turn["id"]) if row["kind"] == "llm"]
        out.append((turn["text"], turn["answer"]["s"] if turn.get("answer") else last[-1] if last else ""))
    return out


def test_the_cell_ends_and_messages_are_answered_after_it(started: Kernel) -> None:
    """Each message is a run of its own; other cells run meanwhile; the variable has the conversation."""
    page = opened(started)
    assert said(page, "hello")["status"] == "completed"
    assert texts(page) == [("hello", "1 hello")]
    long = page.request("send", text="long", attachments=[])["turn"]
    assert started.run("1 + 1").shown() == ["2"]
    page.until(lambda page: any(row.get("text") for row in page.children(long)))
    assert page.request("stop")["sentence"]
    turn = over(page, long)
    assert turn["status"] == "cancelled"
    assert texts(page)[1][1].startswith("word")
    assert said(page, "after")["status"] == "completed"
    assert started.run("[t.text for t in chat.turns]").shown() == ["['hello', 'long', 'after']"]
    assert started.run("print((await chat.send('from a cell')).result)").stdout.strip().endswith("from a cell")
    page.until(lambda page: len(page.children()) == 4)


def test_a_page_that_is_reloaded_shows_the_same(started: Kernel) -> None:
    """Nothing of the conversation lives in the page, also in the middle of an answer."""
    page = opened(started)
    said(page, "hello")
    long = page.request("send", text="long", attachments=[])["turn"]
    page.until(lambda page: any(row.get("text") for row in page.children(long)))
    again = page.reload()
    again.until(lambda page: len(page.children()) == 2 and any(row.get("text") for row in page.children(long)))
    assert texts(again)[0] == ("hello", "1 hello")
    again.request("stop")
    over(again, long)


def test_branches_and_other_cells_are_seen_in_the_page(started: Kernel) -> None:
    """Edit, retry, switch; a cell that says something in the conversation is seen within a second or so."""
    page = opened(started)
    first, second = said(page, "one"), said(page, "two")
    edited = page.request("edit", turn=second["id"], text="zwei")["turn"]
    assert over(page, edited)["branches"] == 2
    page.request("branch", turn=edited, branch=1)
    page.until(lambda page: texts(page) == [("one", "1 one"), ("two", "3 two")])
    conversation = page.head["conversation"]
    assert started.run(f"%polos_run bot -s {conversation} three").status == "ok"
    page.until(lambda page: texts(page)[-1] == ("three", "5 three"))
    assert "there is no branch" in page.refusal("branch", turn=first["id"], branch=9)
    cells = page.request("export", **{"as": "cells"})["text"].split("\n\n# %%\n")
    assert [cell.partition("\n")[2] for cell in cells] == ["one", "two", "three"]


def test_the_output_is_kept_current(started: Kernel) -> None:
    """What would be saved holds the view and the conversation so far; the cell's value is not shown beside it."""
    result = started.run(OPEN)
    assert len(result.outputs) == 1
    assert VIEW in result.outputs[0]["data"]
    page = open_page(started, "chat")
    said(page, "hello")

    def saved() -> bool:
        updates = [one["data"] for found in started._results.values() for one in found.updates]
        return any("1 hello" in data["text/plain"] and VIEW in data for data in updates)

    started.until(saved)


def test_a_card_outlives_its_kernel_and_its_tool_runs_once(tmp_path: Path, env: dict[str, str]) -> None:
    """The kernel is killed while it waits; the next one shows the same card, and the answer drives the run on."""
    with kernel(tmp_path, env) as first:
        first.run(SETUP)
        page = opened(first)
        page.request("send", text="881", attachments=[])
        page.card(tool="refund")
        conversation = page.head["conversation"]
        first.kill()
    with kernel(tmp_path, env) as later:
        later.run(SETUP)
        page = opened(later, f"{OPEN} --conversation {conversation}")
        [turn] = page.until(lambda page: page.children())
        assert turn["status"] == "unfinished"
        page.answer(page.card(tool="refund"), {"approved": True})
        assert over(page, turn["id"])["status"] == "completed"
        assert texts(page) == [("881", "Done: refunded 881")]
    assert (tmp_path / "refunds.txt").read_text() == "881\n"


def test_an_interrupt_leaves_the_chat_as_it_is(started: Kernel) -> None:
    """Stop of a cell is not Stop of the chat: its answer goes on."""
    page = opened(started)
    row = page.request("send", text="long", attachments=[])["turn"]
    page.until(lambda page: any(row.get("text") for row in page.children(row)))
    request = started.send("import time; print('began', flush=True); time.sleep(30)")
    started.until(lambda: "began" in started.so_far(request).stdout)
    started.interrupt()
    started.until(lambda: started.ended(request))
    assert page.rows[row]["status"] == "running"
    page.request("stop")
    over(page, row)
