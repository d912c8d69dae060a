"""The chat and the inspector of runs on every ipykernel, spoken to as their pages do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.kernels import IPYKERNELS
from tests.notebook.journey_agents import APPROVED, SUSPEND, VIEW, Journey, journey, poll
from tests.notebook.page import Page

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

OVER = ("completed", "failed", "cancelled")


@pytest.fixture(params=IPYKERNELS, scope="module")
def shared(request: Any, tmp_path_factory: Any) -> Iterator[Journey]:
    """One kernel of each version for the tests of this module."""
    with journey(request.param, tmp_path_factory.mktemp("views")) as made:
        yield made


@pytest.fixture
def here(shared: Journey) -> Journey:
    """The kernel, whose cells wait for answers."""
    return shared.ready()


def chat(here: Journey, line: str) -> Page:
    """The page of a chat whose cell has ended."""
    request, page = here.start(line, "chat")
    here.ok(request)
    page.until(lambda page: page.head.get("conversation"))
    return page


def send(page: Page, text: str) -> str:
    """The row of the turn of a message."""
    row: str = page.request("send", text=text, attachments=[])["turn"]
    return row


def over(page: Page, row: str) -> dict[str, Any]:
    """A turn when it is over."""
    found: dict[str, Any] = page.until(lambda page: page.rows.get(row, {}).get("status") in OVER and page.rows[row])
    return found


def said(page: Page, row: str) -> str:
    """What was answered in a turn, as the page finds it."""
    turn = page.rows.get(row, {})
    if turn.get("answer"):
        return str(turn["answer"]["s"])
    return next((one["text"] for one in reversed(page.children(row)) if one["kind"] == "llm" and one.get("text")), "")


def test_a_chat_streams_and_can_be_stopped(here: Journey) -> None:
    """The answer comes while it is written; Stop keeps what was said; two messages wait in their order."""
    page = chat(here, "%polos_chat writer")
    row = send(page, "5000 0.005")
    page.until(lambda page: "word9 " in said(page, row))
    assert page.head["busy"]
    queued = [send(page, "2 0 second"), send(page, "3 0 third")]
    page.until(lambda page: page.head["queued"] == 2)
    assert here.value("6 * 7") == "42"
    page.request("stop")
    assert over(page, row)["status"] == "cancelled"
    assert said(page, row).startswith("word0 word1 ")
    assert [over(page, row)["status"] for row in queued] == ["completed", "completed"]
    assert said(page, queued[1]).split() == ["word0", "word1", "word2"]
    page.until(lambda page: not page.head["busy"] and page.head["queued"] == 0)


def test_a_chat_asks_branches_and_tries_again(here: Journey) -> None:
    """A card inside the turn, a message that is edited, an answer that is tried again, and back to the first branch."""
    page = chat(here, "%polos_chat clerk --as talk")
    row = send(page, "all chat")
    page.answer(page.card(tool="refund"), APPROVED)
    assert over(page, row)["status"] == "completed"
    assert said(page, row) == "Done: refunded chat 10"
    assert here.times("chat") == ["chat 10"]
    second = send(page, "thanks")
    over(page, second)
    edited = page.request("edit", turn=second, text="thank you")["turn"]
    assert over(page, edited)["branches"] == 2
    assert page.rows[edited]["branch"] == 2
    retried = page.request("retry", turn=edited)["turn"]
    over(page, retried)
    page.until(lambda page: page.children()[-1]["branches"] == 3)
    page.request("branch", turn=retried, branch=1)
    page.until(lambda page: [turn["text"] for turn in page.children()] == ["all chat", "thanks"])
    assert here.times("chat") == ["chat 10"]
    text = page.result(page.ask("export", **{"as": "markdown"}))["text"]
    assert "thanks" in text
    assert "thank you" not in text


def test_the_inspector_shows_forks_and_retries(here: Journey) -> None:
    """The list, one run, one step as it was sent, why, cost, the diff of a fork, and a step that is tried again."""
    here.run("%polos_run clerk 'hello there' -q --as first")
    run = here.value("first.run_id")
    request, page = here.start("%polos runs", "inspector")
    result = here.ok(request)
    assert VIEW in result.outputs[0]["data"]
    assert run in result.outputs[0]["data"]["text/plain"]
    assert page.until(lambda page: page.head.get("first"))["total"] >= 1
    listed = page.request("runs", query="hello there", status="", target="", kind="", since=None, offset=0, limit=50)
    assert [one["id"] for one in listed["runs"]] == [run]
    shown = page.request("run", run=run)
    assert shown["head"]["status"] == "completed"
    assert [shown["state"]["rows"][row]["kind"] for row in shown["state"]["order"][""]] == ["llm"]
    step = page.request("step", run=run, step="1.llm")
    assert [message["text"] for message in step["messages"] if message["role"] == "user"] == ["hello there"]
    assert page.request("why", run=run)["lines"]
    assert page.request("cost", run=run)["table"]
    path = next(iter(step["editable"]))
    forked = page.request("fork", run=run, step="1.llm", changes={path: "edited by hand"}, name="copy")
    poll(lambda: finished(page, forked["run"]))
    assert here.value("copy.result") == "edited by hand"
    diff = page.request("diff", a=run, b=forked["run"])
    assert [row["same"] for row in diff["rows"]] == [False]
    again = page.request("retry", run=run, step="1.llm")
    poll(lambda: finished(page, again["run"]))
    assert "is over already" in page.request("stop", run=run)["sentence"]
    assert "no run" in page.refusal("run", run="r9999").lower()


def finished(page: Page, run: str) -> bool:
    """Whether a run is over, as the list of runs says."""
    listed = page.request("runs", query=run, status="", target="", kind="", since=None, offset=0, limit=50)
    return any(one["id"] == run and one["status"] in OVER for one in listed["runs"])


def test_the_inspector_answers_a_run_that_waits(shared: Journey) -> None:
    """Its card is the one of the run, and the variable of the cell gets the result."""
    here = shared.ready(SUSPEND)
    request, cell = here.start("%%polos_run clerk --as left\nall inspected")
    cell.card()
    here.ok(request)
    run = cell.head["id"]
    request, page = here.start(f"%polos show {run}", "inspector")
    here.ok(request)
    shown = page.request("run", run=run)
    [waiting] = shown["waiting"]
    page.answer(shown["state"]["rows"][waiting], APPROVED)
    cell.status("completed")
    poll(lambda: finished(page, run))
    assert here.value("left.result") == "Done: refunded inspected 10"
    assert here.times("inspected") == ["inspected 10"]
