"""What is lost on the way: the page, the kernel, messages. The view comes back, and a tool runs once."""

from __future__ import annotations

import os
import re
import signal

import pytest

from tests.browser.desk import Desk
from tests.browser.lab import IDLE, SLOW, Notebook, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

# More messages than a Jupyter server lets through (1,000 a second), from another thread while the run goes on.
FLOOD = """
from IPython.display import display
import ipywidgets
noise = ipywidgets.IntText()
def flood():
    time.sleep(0.5)
    for n in range(8000):
        noise.send({"n": n})
import threading, time
threading.Thread(target=flood).start()
"""


def test_a_reloaded_page_gets_its_view_back(desk: Desk, book: Notebook) -> None:
    """The page is loaded again in the middle of two runs: the whole text is there, and an approval can be given."""
    book.run("%config PolosMagics.approval_mode = 'suspend'").ended()
    waiting = book.run("%%polos_run clerk --as out\nrefund Reloaded")
    waiting.card.wait_for(timeout=SLOW)
    waiting.ended()
    book.run("%config PolosMagics.approval_mode = 'auto'").ended()
    cell = book.run("%%polos_run writer --as written\n400 0.02")
    cell.view.get_by_text("word20 ").first.wait_for(timeout=SLOW)
    book.reload()
    cell.view.get_by_text("word20 ").first.wait_for(timeout=SLOW)
    cell.view.get_by_text("the end.").wait_for(timeout=SLOW)
    assert _words(cell.view.inner_text()) == list(range(400))
    waiting.card.wait_for(timeout=SLOW)
    waiting.press("Approve")
    waiting.view.get_by_text("Done with everything").wait_for(timeout=SLOW)
    assert desk.times("Reloaded") == ["Reloaded 42.5"]


def test_a_killed_kernel_asks_again(desk: Desk) -> None:
    """SIGKILL while an approval waits: the page says so; the same question comes again, and the tool runs once."""
    book = desk.open("killed.ipynb")
    pid = int(
        book.run("os.getpid() if 'os' in globals() else __import__('os').getpid()")
        .ended()
        .data()[0]["data"]["text/plain"]
    )
    cell = book.run("%%polos_run clerk --as out\nrefund Killed")
    cell.card.wait_for(timeout=SLOW)
    asked = cell.card.locator(".polos-card-where").inner_text().split(" · waiting")[0]
    os.kill(pid, signal.SIGKILL)
    cell.view.get_by_text("The kernel does not answer").wait_for(timeout=SLOW)
    book.page.locator(".jp-Dialog").get_by_role("button").last.click()  # "The kernel appears to have died."
    book.page.wait_for_function(IDLE, timeout=SLOW)
    book.page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 0; }")
    book.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-cell')")
    cell.again()
    until(lambda: cell.output.get_by_text("The kernel does not answer").count() == 0, 20, "the old view is still there")
    cell.card.wait_for(timeout=SLOW)
    assert cell.card.locator(".polos-card-where").inner_text().split(" · waiting")[0] == asked
    assert desk.times("Killed") == []
    cell.press("Approve")
    cell.ended()
    cell.shows("Done with everything")
    assert desk.times("Killed") == ["Killed 42.5"]


def test_dropped_messages_are_asked_for(desk: Desk, book: Notebook) -> None:
    """Another widget floods the server until it drops messages: the run's text is complete in its view all the same."""
    book.run(FLOOD).ended()
    cell = book.run("%%polos_run clerk --as out\nrefund Flooded")
    written = book.run("1")
    cell.card.wait_for(timeout=SLOW)
    log = desk.folder / "server.log"
    until(lambda: "rate exceeded" in log.read_text(encoding="utf-8"), 30, "the server has not dropped anything")
    cell.view.get_by_text("I ask for a refund.").wait_for(timeout=SLOW)
    cell.press("Approve")
    cell.ended()
    written.ended()
    cell.shows("Done with everything")
    assert desk.times("Flooded") == ["Flooded 42.5"]


def test_text_is_complete_after_a_flood(desk: Desk, book: Notebook) -> None:
    """A run that streams through the flood: not a word is missing or doubled in its view before it ends."""
    book.run(FLOOD).ended()
    cell = book.run("%%polos_run writer --as out\n300 0.05")
    cell.view.get_by_text("word280 ").wait_for(timeout=SLOW)
    shown = cell.view.inner_text()
    assert not cell.done
    assert _words(shown)[:281] == list(range(281))
    cell.ended()
    cell.shows("word299")


def _words(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"word(\d+)", text)]
