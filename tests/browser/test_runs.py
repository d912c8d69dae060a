"""A run in its cell: it streams, its view gives way to what stays, and it can be stopped."""

from __future__ import annotations

import itertools
import json

import pytest

from tests.browser.desk import SETUP, VIEW, Desk
from tests.browser.lab import IDLE, SLOW, Notebook, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

# Notes the height of a view in every frame.
SAMPLE = """tag => {
    window.polosHeights = [];
    const look = () => {
        const root = document.querySelector(`[data-polos-cell="${tag}"] .polos-root`);
        if (root && root.querySelector(".polos-answer-live")) window.polosHeights.push(root.offsetHeight);
        if (!window.polosDone[tag]) requestAnimationFrame(look);
    };
    look();
}"""


def test_text_is_seen_before_the_end(desk: Desk, book: Notebook) -> None:
    """What the model has written is on the page while it goes on; what stays, and is saved, is no widget."""
    cell = book.run("%%polos_run writer --as out\n300 0.02")
    early = cell.view.get_by_text("word20 ")
    early.first.wait_for(state="visible", timeout=SLOW)
    assert not cell.done
    assert "word299" not in cell.output.inner_text()
    cell.ended()
    cell.shows("word299")
    until(lambda: cell.view.count() == 0, 10, "the view is still there")
    (output,) = cell.data()
    assert VIEW not in output["data"]
    assert {"text/html", "text/markdown", "text/plain"} <= output["data"].keys()
    until(lambda: "word299" in json.dumps(desk.saved(book)), 20, "the answer is not in the file")
    assert VIEW not in json.dumps(desk.saved(book))
    assert "widgets" not in desk.saved(book)["metadata"]


def test_the_view_never_shrinks_while_it_streams(book: Notebook) -> None:
    """Lists, tables and code come in without the page jumping."""
    cell = book.run("%%polos_run writer --as out\nmixed")
    book.page.evaluate(SAMPLE, cell.tag)
    cell.ended()
    heights = book.page.evaluate("() => window.polosHeights")
    assert len(heights) > 20
    assert heights[-1] > heights[0] + 100
    falls = [(before, after) for before, after in itertools.pairwise(heights) if after < before]
    assert falls == []


def test_stop_ends_the_run(book: Notebook) -> None:
    """The button in the view stops the run; the cell says so, and the next one can be run."""
    cell = book.run("%%polos_run writer --as out\n2000 0.02")
    cell.view.get_by_text("word20 ").first.wait_for(timeout=SLOW)
    cell.press("Stop this run")
    cell.ended()
    cell.shows("stopped")
    assert "word1999" not in cell.output.inner_text()
    assert "2" in book.run("1 + 1").ended().output.inner_text()


def test_interrupt_leaves_a_waiting_run_waiting(desk: Desk, book: Notebook) -> None:
    """The menu's Interrupt ends the cell; the same cell asks again with the same question, and nothing ran."""
    cell = book.run("%%polos_run clerk --as out\nrefund Interrupted")
    cell.card.wait_for(timeout=SLOW)
    book.command("notebook:interrupt-kernel")
    cell.ended()
    assert "2" in book.run("1 + 1").ended().output.inner_text()
    assert desk.times("Interrupted") == []
    cell.again()
    cell.card.wait_for(timeout=SLOW)
    cell.press("Approve")
    cell.ended()
    cell.shows("Done with everything")
    assert desk.times("Interrupted") == ["Interrupted 42.5"]


def test_run_all_executes_queued_cells_in_order(desk: Desk) -> None:
    """Run All of three cells that run agents: all are executed, one after the other, and each keeps its own answer."""
    cells = [SETUP, *(f"%%polos_run writer --as out{n}\n{n}0 0.01" for n in (2, 3, 4)), "print('last')"]
    book = desk.open("queued.ipynb", cells)
    book.page.wait_for_function(IDLE, timeout=SLOW)
    shown = until(lambda: book.outputs() if all(book.outputs()[1:]) else None, 20, "not all cells have an output")
    assert [len(outputs) for outputs in shown[1:]] == [1, 1, 1, 1]
    for outputs, last in zip(shown[1:4], (19, 29, 39), strict=True):
        assert VIEW not in outputs[0]["data"]
        assert f"word{last}" in str(outputs[0]["data"]["text/markdown"])
        assert f"word{last + 1}" not in str(outputs[0]["data"]["text/markdown"])
    assert shown[4][0]["text"] == "last\n"
