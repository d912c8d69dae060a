"""The chat in a page: messages, attachments, branches, and all of it by the keyboard."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.desk import Desk
from tests.browser.lab import SLOW, Cell, Notebook, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


def box(cell: Cell) -> Any:
    """The field in which messages are written."""
    return cell.output.get_by_role("textbox", name="Message", exact=True)


def test_a_conversation_with_a_branch(desk: Desk, book: Notebook) -> None:
    """Two turns; the first is edited, which makes a branch; the old one can be chosen again, with what followed it."""
    cell = book.run("%polos_chat clerk").ended()
    for text in ("Hello", "And more"):
        box(cell).fill(text)
        cell.press("Send")
        cell.view.get_by_text(f"You said: {text}").wait_for(timeout=SLOW)
    first = cell.output.locator(".polos-turn").first
    cell.press("✎ Edit & branch", within=first)
    first.get_by_role("textbox").fill("Goodbye")
    cell.press("Send as a new branch", within=first)
    cell.view.get_by_text("You said: Goodbye").wait_for(timeout=SLOW)
    until(lambda: cell.view.get_by_text("You said: Hello").count() == 0, 10, "the old branch is still shown")
    assert cell.output.locator(".polos-branch-place").first.inner_text() == "2 of 2"
    cell.press("Previous branch")
    cell.view.get_by_text("You said: Hello").wait_for(timeout=SLOW)
    cell.view.get_by_text("You said: And more").wait_for(timeout=SLOW)
    assert cell.output.locator(".polos-branch-place").first.inner_text() == "1 of 2"


def test_a_tool_is_approved_in_the_chat(desk: Desk, book: Notebook) -> None:
    """The card is in the turn that asks; the answer goes on below it."""
    cell = book.run("%polos_chat clerk --session asks").ended()
    box(cell).fill("refund Chatted")
    cell.press("Send")
    cell.card.wait_for(timeout=SLOW)
    cell.press("Approve", within=cell.card)
    cell.view.get_by_text("Done with").wait_for(timeout=SLOW)
    assert desk.times("Chatted") == ["Chatted 42.5"]


def test_a_file_is_attached(book: Notebook) -> None:
    """A chip shows what is attached, can be taken away, and is in the turn that was sent with it."""
    cell = book.run("%polos_chat clerk --session files").ended()
    picker = cell.output.locator("input[type=file]")
    file = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"remember the milk"}
    picker.set_input_files([file])
    cell.shows("notes.txt")
    cell.output.locator(".polos-attachment-remove").click()
    until(lambda: cell.output.get_by_text("notes.txt").count() == 0, 10, "the chip is still there")
    picker.set_input_files([file])
    cell.shows("notes.txt")
    box(cell).fill("Read this")
    cell.press("Send")
    turn = cell.output.locator(".polos-turn").first
    turn.get_by_text("notes.txt").wait_for(timeout=SLOW)
    turn.get_by_text("You said: Read this").wait_for(timeout=SLOW)


def test_the_keyboard_alone_talks(book: Notebook) -> None:
    """Enter sends, Shift+Enter is a new line, Tab reaches the turn's buttons; letters are no shortcuts of the page."""
    cell = book.run("%polos_chat clerk --session keys").ended()
    page = book.page
    count = "() => window.jupyterapp.shell.currentWidget.content.widgets.length"
    cells = page.evaluate(count)
    box(cell).wait_for(timeout=SLOW)
    assert not page.evaluate("() => document.activeElement.closest('.polos-chat') !== null"), (
        "it must not take the focus"
    )
    box(cell).focus()
    page.keyboard.type("dd a")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("b x")
    assert box(cell).input_value() == "dd a\nb x"
    page.keyboard.press("Enter")
    cell.view.get_by_text("You said: dd a").wait_for(timeout=SLOW)
    assert box(cell).input_value() == ""
    assert page.evaluate("() => document.activeElement.tagName") == "TEXTAREA"
    for _ in range(12):
        page.keyboard.press("Shift+Tab")
        if "Retry" in page.evaluate("() => document.activeElement.textContent"):
            break
    assert page.evaluate("() => document.activeElement.matches(':focus-visible')")
    page.keyboard.press("x")
    page.keyboard.press("Enter")
    until(lambda: cell.output.locator(".polos-branch-place").inner_text() == "2 of 2", 20, "it was not asked again")
    assert page.evaluate(count) == cells


def test_the_answer_is_stopped(book: Notebook) -> None:
    """Stop ends the answer that is being written, and the next message is answered."""
    cell = book.run("%polos_chat writer --session stops").ended()
    box(cell).fill("3000 0.02")
    cell.press("Send")
    cell.view.get_by_text("word20 ").first.wait_for(timeout=SLOW)
    cell.press("Stop the answer")
    cell.view.get_by_text("stopped").first.wait_for(timeout=SLOW)
    box(cell).fill("5 0.01")
    cell.press("Send")
    cell.view.get_by_text("the end.").wait_for(timeout=SLOW)


def test_what_is_typed_meanwhile_stays(book: Notebook) -> None:
    """The next message is typed while an answer comes in: when that has ended, all letters are there, and the focus."""
    cell = book.run("%polos_chat writer --session typing").ended()
    box(cell).fill("100 0.02")
    box(cell).press("Enter")
    cell.view.get_by_text("word20 ").first.wait_for(timeout=SLOW)
    typed = ""
    while not cell.view.get_by_text("word80 ").count():
        book.page.keyboard.type("x")
        typed += "x"
    until(
        lambda: "the end." in str(cell.data()[0]["data"]["text/markdown"]), 20, "the turn is not in what would be saved"
    )
    book.page.keyboard.type("yz")
    assert box(cell).input_value() == typed + "yz"
    assert book.page.evaluate("() => document.activeElement.tagName") == "TEXTAREA"
