"""Kernels that are killed while something waits, on every ipykernel: the next one comes back to the same questions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kernels import IPYKERNELS
from tests.notebook.journey_agents import APPROVED, SUSPEND, journey, poll

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

CELL = "%%polos_run clerk --as out\nall killed"
LEFT = "%%polos_run clerk --as left\nall left"


@pytest.mark.parametrize("version", IPYKERNELS)
def test_what_waited_in_a_killed_kernel_is_answered_in_the_next(version: str, tmp_path: Path) -> None:
    """A cell, a chat, and a run in the inspector: the same cards are there again, and each tool runs once."""
    with journey(version, tmp_path) as first:
        first.run(SUSPEND)
        request, page = first.start(LEFT)
        page.card()
        first.ok(request)
        left = page.head["id"]
        request, page = first.start("%polos_chat clerk", "chat")
        first.ok(request)
        page.request("send", text="all chatted", attachments=[])
        page.card()
        conversation = page.head["conversation"]
        first.ready()
        request, page = first.start(CELL)
        asked = page.card()["ask"]
        first.kernel.kill()
    assert first.ran == []
    with journey(version, tmp_path) as later:
        request, page = later.start(CELL)
        row = page.card()
        assert (row["ask"]["step"], row["ask"]["args"]) == (asked["step"], asked["args"])
        assert row["ask"]["nonce"] != asked["nonce"]
        old = {"run": row["ask"]["run"], "step": asked["step"], "nonce": asked["nonce"], "values": APPROVED}
        assert "this card is not the one" in page.refusal("answer", **old)
        page.answer(row, APPROVED)
        later.ok(request)
        assert later.value("out.result") == "Done: refunded killed 10"

        request, page = later.start(f"%polos_chat clerk --conversation {conversation}", "chat")
        later.ok(request)
        page.answer(page.card(), APPROVED)
        page.until(lambda page: [turn["status"] for turn in page.children()] == ["completed"])
        assert [turn["text"] for turn in page.children()] == ["all chatted"]

        request, page = later.start("%polos runs", "inspector")
        later.ok(request)
        shown = page.request("run", run=left)
        [waiting] = shown["waiting"]
        page.answer(shown["state"]["rows"][waiting], APPROVED)
        poll(lambda: page.request("run", run=left)["head"]["status"] == "completed")
        later.run(LEFT)
        assert later.value("left.result") == "Done: refunded left 10"
    assert sorted(later.ran) == ["chatted 10", "killed 10", "left 10"]
