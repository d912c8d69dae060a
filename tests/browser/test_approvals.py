"""Approval cards in a page: real clicks and keys answer them, nothing else does."""

from __future__ import annotations

import pytest

from tests.browser.desk import VIEW, Desk
from tests.browser.lab import SLOW, Cell, Notebook, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

SUSPEND = "%config PolosMagics.approval_mode = 'suspend'"
AUTO = "%config PolosMagics.approval_mode = 'auto'"


def asks(book: Notebook, order: str) -> Cell:
    """A cell whose run asks for the refund of orders."""
    cell = book.run(f"%%polos_run clerk --as out\nrefund {order}")
    cell.card.wait_for(timeout=SLOW)
    return cell


def test_a_real_click_approves(desk: Desk, book: Notebook) -> None:
    """A click that a script of the page makes does nothing; that of a person lets the cell go on."""
    cell = asks(book, "Click")
    approve = cell.card.get_by_role("button", name="Approve", exact=True)
    book.calm(approve)
    approve.evaluate("button => { for (let n = 0; n < 5; n += 1) button.click(); }")
    approve.evaluate("button => button.dispatchEvent(new MouseEvent('click', {bubbles: true, detail: 1}))")
    book.page.wait_for_timeout(700)
    assert not cell.done
    assert cell.card.is_visible()
    assert desk.times("Click") == []
    cell.press("Approve")
    cell.ended()
    cell.shows("Done with everything")
    assert desk.times("Click") == ["Click 42.5"]


def test_a_click_at_once_is_not_taken(desk: Desk, book: Notebook) -> None:
    """Who clicked where a card has just appeared did not mean it: the card says so, and stays."""
    cell = asks(book, "Early")
    cell.card.get_by_role("button", name="Approve", exact=True).click()
    if not cell.done:  # on a busy machine the click may come late enough
        said = cell.card.get_by_text("press again if you mean it")
        until(lambda: cell.done or said.count() or cell.card.count() == 0, 10, "the card says nothing")
        if said.count():
            assert desk.times("Early") == []
            cell.press("Approve")
    cell.ended()
    assert desk.times("Early") == ["Early 42.5"]


def test_an_approval_after_the_cell_has_ended(desk: Desk, book: Notebook) -> None:
    """In suspend mode the cell ends and the card stays; the click lets the run go on in the same output."""
    book.run(SUSPEND).ended()
    try:
        cell = asks(book, "Later")
        cell.ended()
        assert desk.times("Later") == []
        cell.press("Approve")
        cell.shows("Done with everything")
        until(lambda: all(VIEW not in output.get("data", {}) for output in cell.data()), 20, "the view is still there")
        assert desk.times("Later") == ["Later 42.5"]
        assert "Done with" in book.run("print(out.result)").ended().output.inner_text()
    finally:
        book.run(AUTO).ended()


def test_the_model_reacts_to_feedback(desk: Desk, book: Notebook) -> None:
    """A rejection with a reason: the tool does not run, and the reason is in what the model says then."""
    cell = asks(book, "Rejected")
    cell.card.get_by_role("textbox").fill("ask the boss first")
    cell.press("Reject")
    cell.ended()
    cell.shows("ask the boss first")
    assert desk.times("Rejected") == []


def test_edited_arguments_are_what_runs(desk: Desk, book: Notebook) -> None:
    """The arguments are edited in the card, and the tool gets what was written there; wrong JSON is not sent."""
    cell = asks(book, "Edited")
    cell.press("Edit")
    editor = cell.card.get_by_label("Arguments as JSON")
    editor.fill('{"order_id": "Edited", "amount": 7.5')
    cell.press("Approve edited")
    cell.shows("The edited arguments are not right.")
    editor.fill('{"order_id": "Edited", "amount": 7.5}')
    cell.press("Approve edited")
    cell.ended()
    assert desk.times("Edited") == ["Edited 7.5"]


def test_what_is_typed_survives_updates(desk: Desk, book: Notebook) -> None:
    """Two cards at once: while one is edited the other is answered, and the text that was typed is still there."""
    cell = asks(book, "One Two")
    cards = cell.output.locator(".polos-card")
    until(lambda: cards.count() == 2, 20, "there are no two cards")
    cell.press("Edit", within=cards.nth(1))
    editor = cards.nth(1).get_by_label("Arguments as JSON")
    editor.fill('{"order_id": "Two", "amount": 2}')
    cell.press("Approve", within=cards.nth(0))
    until(lambda: cards.count() == 1, 20, "the first card is still there")
    assert cell.output.get_by_label("Arguments as JSON").input_value() == '{"order_id": "Two", "amount": 2}'
    cell.press("Approve edited", within=cards.nth(0))
    cell.ended()
    assert sorted(desk.times("One") + desk.times("Two")) == ["One 42.5", "Two 2.0"]


def test_always_for_this_run_asks_no_more(desk: Desk, book: Notebook) -> None:
    """ "Every call in this run" answers the other card too."""
    cell = asks(book, "Three Four")
    cell.card.get_by_role("combobox").select_option("tool")
    cell.press("Approve", within=cell.card)
    cell.ended()
    assert sorted(desk.times("Three") + desk.times("Four")) == ["Four 42.5", "Three 42.5"]


def test_the_keyboard_alone_approves(desk: Desk, book: Notebook) -> None:
    """Tab reaches Approve, whose focus can be seen, and Enter presses it; before, no key does anything."""
    cell = asks(book, "Keys")
    page = book.page
    focused = "() => document.activeElement.closest('.polos-card') !== null"
    assert not page.evaluate(focused), "a card must not take the focus"
    cell.card.get_by_role("textbox").focus()
    page.keyboard.press("Escape")
    for key in ("a", "y", "Enter", "r", "n"):
        page.keyboard.press(key)
    assert cell.card.get_by_role("textbox").input_value() == "ay\nrn"
    for _ in range(6):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.textContent") == "Approve":
            break
    approve = cell.card.get_by_role("button", name="Approve", exact=True)
    outline = approve.evaluate(
        "button => [document.activeElement === button, button.matches(':focus-visible'),"
        " getComputedStyle(button).outlineStyle, parseFloat(getComputedStyle(button).outlineWidth)]"
    )
    assert outline[:3] == [True, True, "solid"]
    assert outline[3] >= 2
    for key in ("a", "y", "x", "1"):
        page.keyboard.press(key)
    page.wait_for_timeout(700)
    assert not cell.done
    assert desk.times("Keys") == []
    page.keyboard.press("Enter")
    cell.ended()
    assert desk.times("Keys") == ["Keys 42.5"]


def test_typing_in_a_card_is_not_a_shortcut(desk: Desk, book: Notebook) -> None:
    """Letters that delete, insert and cut cells in command mode are only text in the card."""
    cell = asks(book, "Typing")
    count = "() => window.jupyterapp.shell.currentWidget.content.widgets.length"
    before = book.page.evaluate(count)
    field = cell.card.get_by_role("textbox")
    field.click()
    book.page.keyboard.type("ddabxxmzz00 cv")
    assert field.input_value() == "ddabxxmzz00 cv"
    assert book.page.evaluate(count) == before
    assert cell.card.is_visible()
    book.page.keyboard.press("Control+z")
    cell.press("Approve")
    cell.ended()
    assert desk.times("Typing") == ["Typing 42.5"]
