"""Answers that are given in the page, on every ipykernel: while the cell waits, and after it has ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.kernels import IPYKERNELS
from tests.notebook.journey_agents import APPROVED, SUSPEND, VIEW, Journey, journey

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]


@pytest.fixture(params=IPYKERNELS, scope="module")
def shared(request: Any, tmp_path_factory: Any) -> Iterator[Journey]:
    """One kernel of each version for the tests of this module."""
    with journey(request.param, tmp_path_factory.mktemp("answers")) as made:
        yield made


@pytest.fixture
def inline(shared: Journey) -> Journey:
    """The kernel, whose cells wait for answers."""
    return shared.ready()


@pytest.fixture
def suspend(shared: Journey) -> Journey:
    """The kernel, whose cells end when their run waits."""
    return shared.ready(SUSPEND)


def test_the_cell_waits_for_its_answer(inline: Journey) -> None:
    """The card is there while the cell runs; the answer lets it go on, and the tool runs once."""
    request, page = inline.start("%%polos_run clerk --as out\nall inline")
    row = page.card(tool="refund")
    assert page.head["mode"] == "inline"
    assert not inline.kernel.ended(request)
    assert inline.times("inline") == []
    assert "approved" in page.answer(row, APPROVED)["sentence"]
    shows = inline.shows(request)
    result = inline.ok(request)
    assert page.status("completed")
    assert page.rows[row["id"]]["decided"].startswith("approved")
    assert inline.times("inline") == ["inline 10"]
    assert inline.value("out.result") == "Done: refunded inline 10"
    assert len(result.outputs) == 1
    assert "Done: refunded inline 10" in shows[-1]["text/markdown"]
    assert VIEW not in shows[-1]


def test_the_cell_ends_and_the_answer_drives_it_on(suspend: Journey) -> None:
    """The variable says that it waits; the answer drives the run in the background, in the same output."""
    request, page = suspend.start("%%polos_run clerk --as out\nall later")
    shows = suspend.shows(request)
    suspend.ok(request)
    row = page.card(tool="refund")
    assert page.head["mode"] == "suspend"
    assert VIEW in shows[-1]
    assert "waiting at 1.approve_refund" in suspend.value("out")
    page.answer(row, APPROVED)
    page.status("completed")
    suspend.kernel.until(lambda: VIEW not in shows[-1])
    assert "refunded later 10" in shows[-1]["text/markdown"]
    assert suspend.value("out.result") == "Done: refunded later 10"
    assert suspend.times("later") == ["later 10"]


def test_the_model_hears_why_it_was_rejected(inline: Journey) -> None:
    """The feedback is what the tool's result says; the tool does not run."""
    request, page = inline.start("%%polos_run clerk --as out\nall reject")
    page.answer(page.card(), {"approved": False, "feedback": "ask the boss first"})
    inline.ok(request)
    assert "ask the boss first" in inline.value("out.result")
    assert inline.value("clerk.model.requests[-1].messages[-1].role").endswith("tool")
    assert "ask the boss first" in inline.value("clerk.model.requests[-1].messages[-1].text()")
    assert inline.times("reject") == []


def test_edited_arguments_are_used_and_told(inline: Journey) -> None:
    """The tool gets the edited arguments, and the model hears that they were edited."""
    request, page = inline.start("%%polos_run clerk --as out\nall edit")
    row = page.card()
    assert row["ask"]["can_edit"]
    page.answer(row, {"approved": True, "arguments": {"order": "edit", "amount": 3}})
    inline.ok(request)
    assert inline.times("edit") == ["edit 3"]
    told = inline.value("clerk.model.requests[-1].messages[-1].text()")
    assert "refunded edit 3" in told
    assert "edited" in told or "changed" in told or '"amount": 3' in told


@pytest.mark.parametrize("mode", ["inline", "suspend"])
def test_two_cards_are_answered_in_any_order(shared: Journey, mode: str) -> None:
    """Two calls beside each other ask at once; the second may be answered first."""
    shared.ready(*([SUSPEND] if mode == "suspend" else []))
    request, page = shared.start(f"%%polos_run clerk --as out\nall {mode}1 {mode}2")
    page.until(lambda page: len(page.cards()) == 2)
    first, second = page.cards()
    page.answer(second, APPROVED)
    page.until(lambda page: [row["id"] for row in page.cards()] == [first["id"]])
    assert page.head["status"] in ("running", "suspended")
    page.answer(first, APPROVED)
    page.status("completed")
    shared.ok(request)
    assert shared.value("out.result") == f"Done: refunded {mode}1 10; refunded {mode}2 10"
    assert len(shared.times(f"{mode}1") + shared.times(f"{mode}2")) == 2


def test_items_of_a_map_ask_at_once(inline: Journey) -> None:
    """Cards of nested runs are those of the outermost run; the bar of the map counts what waits."""
    request, page = inline.start("%%polos_run audit --as out\norders: [m1, m2]")
    page.until(lambda page: len(page.cards()) == 2)
    [group] = [row for row in page.rows.values() if row["kind"] == "group"]
    page.until(lambda page: page.rows[group["id"]]["waiting_n"] == 2)
    first, second = page.cards()
    assert {first["ask"]["run"], second["ask"]["run"]} == {page.head["id"]}
    page.answer(second, APPROVED)
    page.until(lambda page: page.rows[group["id"]]["waiting_n"] == 1)
    page.answer(first, APPROVED)
    inline.ok(request)
    page.status("completed")
    assert page.rows[group["id"]]["done"] == page.rows[group["id"]]["total"] == 2
    assert inline.value("out") == "['Done: refunded m1 10', 'Done: refunded m2 10']"


def test_queued_cells_run_after_the_one_that_asks(inline: Journey) -> None:
    """Run All: the others wait for the answer and then run in their order."""
    first, page = inline.start("order = []\nout = await clerk.run('all queue')\norder.append(out.result)")
    rest = [inline.send("order.append('second')"), inline.send("await asyncio.sleep(0.01); order.append('third')")]
    last = inline.send("print(order)")
    row = page.card()
    assert not inline.kernel.ended(rest[0])
    page.answer(row, APPROVED)
    for request in (first, *rest):
        inline.ok(request)
    assert inline.ok(last).stdout == "['Done: refunded queue 10', 'second', 'third']\n"


def test_always_holds_until_it_is_taken_back(inline: Journey) -> None:
    """The second call is not asked for, the rule is listed, and after it is revoked the third asks again."""
    request, page = inline.start("%%polos_run clerk --as out\neach w1 w2 ? w3")
    page.answer(page.card(tool="refund"), APPROVED, always="tool")
    confirm = page.card(tool="confirm")
    assert inline.times("w2") == ["w2 10"]
    [rule] = page.until(lambda page: page.head["always"])
    assert rule["tool"] == "refund"
    assert "refund" in page.request("revoke", rule=rule["id"])["sentence"]
    page.until(lambda page: page.head["always"] == [])
    assert "no rule" in page.refusal("revoke", rule=rule["id"])
    page.answer(confirm, APPROVED)
    row = page.card(tool="refund")
    assert inline.times("w3") == []
    page.answer(row, APPROVED)
    inline.ok(request)
    assert inline.times("w3") == ["w3 10"]


def test_later_ends_the_cell_and_the_card_stays(inline: Journey) -> None:
    """The run waits on; its card is answered after the cell."""
    request, page = inline.start("%%polos_run clerk --as out\nall leave")
    row = page.card()
    shows = inline.shows(request)
    assert "goes on here" in page.request("later")["sentence"]
    inline.ok(request)
    page.status("suspended")
    assert inline.value("type(out).__name__") == "PendingRun"
    assert VIEW in shows[-1]
    page.answer(row, APPROVED)
    page.status("completed")
    inline.kernel.until(lambda: VIEW not in shows[-1])
    assert inline.value("out.result") == "Done: refunded leave 10"


def test_python_code_that_awaits_an_agent_gets_a_card(inline: Journey) -> None:
    """It is there as long as it is needed: in the end the output is empty."""
    request, page = inline.start("out = await clerk.run('all python')\nprint(out.result)")
    row = page.card()
    shows = inline.shows(request)
    assert VIEW in shows[-1]
    page.answer(row, APPROVED)
    result = inline.ok(request)
    assert result.stdout == "Done: refunded python 10\n"
    inline.kernel.until(lambda: shows[-1] == {})
    assert inline.times("python") == ["python 10"]
