"""The page of the tests heals what it loses, so that tests may lose messages on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.kernels import Kernel, kernel
from tests.notebook.page import Page, open_page

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

SETUP = """
import comm as comm_package
from polos_nb.notebook.feed import Feed
feed = Feed()
view = comm_package.create_comm(target_name="jupyter.widget", data={"state": {"kind": "run"}})

def say(message):
    view.send({"method": "custom", "content": message})

def hear(message):
    content = message["content"]["data"]["content"]
    if content["t"] == "hello":
        for answer in feed.hello(content["s"]):
            say(answer)
    elif content["do"] == "answer":
        say({"t": "res", "id": content["id"], "ok": True, "data": content})
    elif content["do"] == "double":
        say({"t": "res", "id": content["id"], "ok": True, "data": content["n"] * 2})
    else:
        say({"t": "res", "id": content["id"], "ok": False, "error": "Not that."})

view.on_msg(hear)

def add(word):
    feed.put([["t", "1", "text", word], ["o", "", ["1"]], ["h", {"status": "running"}]])
    say(feed.batch())
"""


@pytest.fixture
def started(tmp_path: Path) -> Any:
    """A kernel with one view."""
    with kernel(tmp_path) as running:
        assert running.run(SETUP).status == "ok"
        yield running


def words(page: Page) -> str:
    """The text of the only row."""
    return "".join(row["text"] for row in page.children())


def test_lost_and_late_batches_are_healed(started: Kernel) -> None:
    """Whatever is dropped or comes late, the text is whole in the end, and a reloaded page has it too."""
    page = open_page(started, "run")
    started.run("add('a')")
    page.until(lambda page: page.have == 1)
    page.spoil(drop=(3, 4), late=(6,))
    started.run("for word in 'bcdefgh': add(word)")
    page.until(lambda page: page.have == 8)
    assert words(page) == "abcdefgh"
    assert len(page.hellos) > 1
    again = page.reload()
    assert again.until(words) == "abcdefgh"


def test_requests_give_data_or_the_sentence_of_the_refusal(started: Kernel) -> None:
    """A refusal is an error of its own; it is expected with `refusal`."""
    page = open_page(started, "run")
    assert page.request("double", n=4) == 8
    assert page.refusal("undo") == "Not that."
    with pytest.raises(AssertionError, match="Not that"):
        page.request("undo")


def test_a_card_is_found_by_its_ask_and_answered_with_its_nonce(started: Kernel) -> None:
    """The answer names the run, the step and the nonce of the card."""
    page = open_page(started, "run")
    ask = {"run": "r1", "step": "2.1", "nonce": "n", "tool": "refund"}
    started.run(f"feed.put([['r', '1', {{'state': 'waiting', 'ask': {ask}}}]]); say(feed.batch())")
    row = page.card(tool="refund")
    sent = page.answer(row, {"approved": True})
    assert {name: sent[name] for name in ("run", "step", "nonce", "values")} == {
        "run": "r1",
        "step": "2.1",
        "nonce": "n",
        "values": {"approved": True},
    }
