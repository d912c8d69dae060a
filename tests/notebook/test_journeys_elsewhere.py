"""What others do to a run that a page shows, on every ipykernel: another process answers or stops it; a page lies."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kernels import IPYKERNELS
from tests.notebook.journey_agents import APPROVED, SUSPEND, VIEW, Journey, journey

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]


@pytest.fixture(params=IPYKERNELS, scope="module")
def shared(request: Any, tmp_path_factory: Any) -> Iterator[Journey]:
    """One kernel of each version for the tests of this module."""
    with journey(request.param, tmp_path_factory.mktemp("elsewhere")) as made:
        yield made


@pytest.fixture
def here(shared: Journey) -> Journey:
    """The kernel, whose cells wait for answers."""
    return shared.ready()


@pytest.mark.parametrize("mode", ["inline", "suspend"])
def test_an_answer_from_another_process_is_seen(shared: Journey, mode: str) -> None:
    """`polos-nb approve` elsewhere: within a second or so the card is decided, by whom, and the run goes on."""
    shared.ready(*([SUSPEND] if mode == "suspend" else []))
    request, page = shared.start(f"%%polos_run clerk --as out\nall cli-{mode}")
    row = page.card()
    shared.cli("approve", page.head["id"], "--yes", "--by", "ada")
    begin = time.monotonic()
    page.until(lambda page: "by ada" in page.rows[row["id"]]["decided"])
    assert time.monotonic() - begin < 1.5
    page.status("completed")
    shared.ok(request)
    assert shared.value("out.result") == f"Done: refunded cli-{mode} 10"
    assert len(shared.times(f"cli-{mode}")) == 1


def test_a_late_answer_of_the_page_says_who_was_first(here: Journey) -> None:
    """A click after somebody else has answered is refused or said to be late, and changes nothing."""
    request, page = here.start("%%polos_run clerk --as out\nall first ?")
    row = page.card(tool="refund")
    here.cli("approve", page.head["id"], row["ask"]["step"], "--no", "--feedback", "not today", "--by", "ada")
    said = page.answer(row, APPROVED)["sentence"]
    assert "ada" in said
    assert "rejected" in said
    page.answer(page.card(tool="confirm"), APPROVED)
    here.ok(request)
    assert here.times("first") == []


def test_a_stop_from_another_process_is_seen_inline(here: Journey) -> None:
    """`polos-nb stop` while the cell waits: it ends with one line, and the next cell works."""
    request, page = here.start("%%polos_run clerk --as out\nall stopped")
    page.card()
    here.cli("stop", page.head["id"])
    result = here.kernel.collect(request, 10)
    assert result.status == "error"
    assert "stopped" in result.error
    assert here.value("1 + 1") == "2"
    assert page.status("cancelled", timeout=5)


def test_a_stop_from_another_process_is_seen_while_a_run_is_left(shared: Journey) -> None:
    """Within two seconds the output of a run that was left waiting says that it was stopped, untouched."""
    here = shared.ready(SUSPEND)
    request, page = here.start("%%polos_run clerk --as left\nall abandoned")
    page.card()
    shows = here.shows(request)
    here.ok(request)
    here.cli("stop", page.head["id"])
    begin = time.monotonic()
    here.kernel.until(lambda: VIEW not in shows[-1], 10)
    assert time.monotonic() - begin < 2.5
    assert "stopped" in shows[-1]["text/plain"]
    assert page.head["status"] == "cancelled"
    assert "stopped" in here.value("left")


FORGED: list[tuple[dict[str, Any], str]] = [
    ({"nonce": "0" * 16}, "this card is not the one"),
    ({"nonce": None}, "this card is not the one"),
    ({"nonce": ["x"]}, "this card is not the one"),
    ({"nonce": "ä"}, "this card is not the one"),
    ({"run": "r1"}, "this card is not the one"),
    ({"run": "r999999"}, "this card is not the one"),
    ({"run": 3}, "an answer needs the run"),
    ({"step": "1.llm"}, "this card is not the one"),
    ({"step": None}, "an answer needs the run"),
    ({"values": "yes"}, "an answer needs the run"),
    ({"values": {}}, ""),
    ({"values": {"approved": "maybe"}}, ""),
    ({"values": {"approved": True, "arguments": "all of it"}}, ""),
    ({"values": {"approved": True, "arguments": {"order": ["a"], "amount": {}}}}, ""),
    ({"values": {"approved": True}, "always": "everything"}, ""),
]


def test_forged_answers_are_refused(here: Journey) -> None:
    """An answer counts only with the word of its card, for its step, and in its form: the run waits on."""
    here.run("%polos_run writer '3 0' -q")
    request, page = here.start("%%polos_run clerk --as out\nall forged")
    row = page.card()
    ask = row["ask"]
    good = {"run": ask["run"], "step": ask["step"], "nonce": ask["nonce"], "values": APPROVED, "always": None}
    for changed, sentence in FORGED:
        assert sentence in page.refusal("answer", **{**good, **changed}), changed
    assert page.cards()
    assert not here.kernel.ended(request)
    page.request("answer", **good)
    here.ok(request)
    assert here.times("forged") == ["forged 10"]


GARBAGE: list[Any] = [
    None,
    3,
    "hello",
    ["t", "req"],
    {},
    {"t": None},
    {"t": "res", "id": "x"},
    {"t": "hello", "s": "all"},
    {"t": "hello", "s": -5},
    {"t": "hello", "s": 10**30},
    {"t": "hello"},
    {"t": "req"},
    {"t": "req", "id": 7, "do": "stop"},
    {"t": "req", "id": "nobody", "do": ["stop"]},
    {"t": "req", "id": "nobody", "do": "answer", "values": {"x": [[[[]]]] * 1000}},
    {"t": "req", "id": "x" * 1_000_000, "do": "answer"},
    {"t": "req", "id": "nobody", "do": "x" * 1_000_000},
]


def test_garbage_from_the_page_changes_nothing(here: Journey) -> None:
    """Whatever comes over the comm, the run waits on and its card works; what asks for something hears a sentence."""
    request, page = here.start("%%polos_run clerk --as out\nall garbage")
    row = page.card()
    for content in GARBAGE:
        page.comm.send(content)
    for data in (None, 5, {"method": "custom"}, {"method": "nonsense"}, {"method": "update", "state": {"kind": 5}}):
        page.comm.send_data(data)
    assert "a run cannot 'fly'" in page.refusal("fly")
    assert "a run cannot 'send'" in page.refusal("send", text="hello")
    assert "there is no step" in page.refusal("more", row="9.llm", field="text")
    assert "has no" in page.refusal("more", row="1.llm", field="__class__")
    assert "no rule" in page.refusal("revoke", rule={"a": 1})
    page.answer(row, APPROVED)
    here.ok(request)
    assert here.times("garbage") == ["garbage 10"]
    assert all(len(said["error"]) <= 2_000 for said in page.results.values() if not said["ok"])
