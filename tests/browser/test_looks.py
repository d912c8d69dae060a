"""How all views look in JupyterLab, light and dark, wide and narrow; their pictures are kept in `shots`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.desk import Desk, desk_of
from tests.browser.lab import SLOW, Cell, Notebook, until
from tests.browser.looks import looks, picture, set_width

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

README = 900  # pixels


@pytest.fixture(scope="module")
def desk(tmp_path_factory: Any) -> Iterator[Desk]:
    """JupyterLab: its themes are those of Notebook 7."""
    with desk_of("lab", tmp_path_factory.mktemp("looks")) as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def _narrower(desk: Desk) -> None:
    desk.page.set_viewport_size({"width": 1400, "height": 2600})


def opened(cell: Cell) -> None:
    """Open everything that can be opened in a view."""
    cell.view.first.evaluate("root => root.querySelectorAll('details').forEach(each => { each.open = true; })")
    cell.notebook.page.wait_for_timeout(400)
    cell.view.first.evaluate("root => root.querySelectorAll('details').forEach(each => { each.open = true; })")


def test_a_run_that_streams(book: Notebook) -> None:
    """Text that comes in, the head with its facts."""
    cell = book.run("%%polos_run writer --as out\n5000 0.02")
    cell.view.get_by_text("word30 ").wait_for(timeout=SLOW)
    wrong = looks(cell, "streaming")
    assert not cell.done
    cell.press("Stop this run")
    cell.ended()
    assert wrong == []


def test_cards_and_an_open_trace(book: Notebook) -> None:
    """A card, the same with its arguments being edited, the trace opened; several cards."""
    cell = book.run("%%polos_run clerk --as out\nrefund 881")
    cell.card.wait_for(timeout=SLOW)
    set_width(cell, README)
    picture(cell, "readme-approval")
    wrong = looks(cell, "card")
    cell.press("Edit")
    cell.card.get_by_label("Arguments as JSON").fill('{"order_id": "881", "amount": 12.5, }')
    wrong += looks(cell, "card-edited")
    opened(cell)
    wrong += looks(cell, "trace")
    cell.press("Discard the edit")
    cell.press("Approve")
    cell.ended()
    several = book.run("%%polos_run clerk --as out\nrefund 882 883 order-with-a-very-long-name-" + "x" * 80)
    until(lambda: several.output.locator(".polos-card").count() == 3, 20, "there are no three cards")
    wrong += looks(several, "cards")
    several.card.get_by_role("combobox").select_option("tool")
    several.press("Approve", within=several.card)
    several.ended()
    assert wrong == []


def test_progress(book: Notebook) -> None:
    """One bar for many items."""
    cell = book.run('%%polos_run audit --as out\n{"orders": 900}')
    cell.view.get_by_role("progressbar").wait_for(timeout=SLOW)
    cell.view.get_by_text("per second").wait_for(timeout=SLOW)
    wrong = looks(cell, "progress")
    cell.press("Stop this run")
    cell.ended()
    assert wrong == []


def test_a_chat(book: Notebook) -> None:
    """A conversation with branches, steps and a card."""
    cell = book.run("%polos_chat clerk").ended()
    box = cell.output.get_by_role("textbox", name="Message")
    box.fill("Hello, a first message with `code` and a long-word-" + "y" * 90)
    cell.press("Send")
    cell.view.get_by_text("You said: Hello").wait_for(timeout=SLOW)
    box.fill("refund 884")
    cell.press("Send")
    cell.card.wait_for(timeout=SLOW)
    wrong = looks(cell, "chat-card")
    cell.press("Approve", within=cell.card)
    cell.view.get_by_text("Done with").wait_for(timeout=SLOW)
    cell.press("Conversations ▾")
    opened(cell)
    wrong += looks(cell, "chat")
    assert wrong == []


def test_the_inspector(book: Notebook) -> None:
    """The list of runs, one run, a step that is forked, two runs compared."""
    cell = book.run("%polos runs").ended()
    cell.view.locator("[data-run]").first.wait_for(timeout=SLOW)
    wrong = looks(cell, "inspector-list")
    detail = book.run("%polos show r2").ended()
    detail.view.locator(".polos-gantt-row").first.wait_for(timeout=SLOW)
    set_width(detail, README)
    picture(detail, "readme-inspector")
    wrong += looks(detail, "inspector-detail")
    for tab in ("Messages", "Raw", "Why", "Cost"):
        detail.output.get_by_role("tab", name=tab).click()
        book.page.wait_for_timeout(600)
        wrong += looks(detail, f"inspector-{tab.lower()}", ("light",))
    detail.output.get_by_role("textbox", name="Compare with").fill("r3")
    detail.press("Compare")
    detail.view.get_by_text("Only what differs").wait_for(timeout=SLOW)
    detail.view.locator(".polos-diff-table").first.wait_for(timeout=SLOW)
    wrong += looks(detail, "diff")
    assert wrong == []


def test_what_stays(book: Notebook) -> None:
    """The static output of a run, and of an error, light and dark, wide and narrow."""
    cell = book.run("%%polos_run writer --as out\nmixed").ended()
    cell.shows("Part 3")
    cell.output.evaluate("area => area.querySelectorAll('details').forEach(each => { each.open = true; })")
    for theme in ("light", "dark"):
        book.theme(theme)
        for width in (None, 400):
            set_width(cell, width)
            picture(cell, f"static-{theme}-{width or 'wide'}")
    book.theme("light")
