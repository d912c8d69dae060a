"""What a saved notebook shows: without a kernel, converted, and with its HTML cleaned as on GitHub."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.browser.desk import SETUP, Desk
from tests.browser.lab import SLOW, Notebook, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def saved(desk: Desk) -> Path:
    """A notebook with a run that is over, one that waits, a chat and an inspector, saved while all of them are open."""
    book = desk.open("saved.ipynb", ["%config PolosMagics.approval_mode = 'suspend'\n" + SETUP])
    book.run("%%polos_run writer --as out\n60 0.001").ended()
    book.run("%%polos_run clerk --as waits\nrefund Saved").ended().card.wait_for(timeout=SLOW)
    chat = book.run("%polos_chat clerk").ended()
    chat.output.get_by_role("textbox", name="Message").fill("Hello there")
    chat.press("Send")
    chat.view.get_by_text("You said: Hello there").wait_for(timeout=SLOW)
    book.run("%polos runs").ended().view.locator("[data-run]").first.wait_for(timeout=SLOW)
    book.run("%polos show r1").ended().view.get_by_text("Messages").wait_for(timeout=SLOW)
    until(lambda: "You said: Hello there" in json.dumps(desk.saved(book)), 20, "the chat is not saved")
    return desk.folder / book.name


def test_a_notebook_without_a_kernel_shows_everything(desk: Desk, saved: Path) -> None:
    """Reopened with no kernel at all: answers, what waits, the chat and the runs are to be read."""
    data = json.loads(saved.read_text(encoding="utf-8"))
    data["metadata"]["kernelspec"] = {"name": "nowhere", "display_name": "nowhere", "language": "nothing"}
    data["metadata"].pop("language_info", None)
    copy = saved.with_name("reopened.ipynb")
    copy.write_text(json.dumps(data), encoding="utf-8")
    book = desk.open(copy.name, (), kernel=False)
    _no_kernel(book)
    book.mark()
    book.cell(1).shows("word59")
    book.cell(2).shows("refund_order")
    book.cell(2).shows("approve")
    book.cell(3).shows("You said: Hello there")
    book.cell(4).shows("r1")
    book.cell(4).shows("clerk")
    book.cell(5).shows("writer")
    shown = book.page.locator(".jp-Notebook").inner_text()
    for wrong in ("model not found", "Error displaying widget", "Widget(", "<polos_nb", "Loading widget"):
        assert wrong not in shown


def _no_kernel(book: Notebook) -> None:
    dialog = book.page.locator(".jp-Dialog")
    dialog.wait_for(timeout=SLOW)
    button = dialog.get_by_role("button", name=re.compile("No Kernel"))
    if button.count():
        button.first.click()
    else:
        dialog.get_by_role("button").first.click()
    dialog.wait_for(state="detached", timeout=SLOW)
    assert book.page.evaluate("() => !window.jupyterapp.shell.currentWidget.context.sessionContext.session?.kernel")


def test_no_widget_state_is_saved_for_runs_that_are_over(saved: Path) -> None:
    """The file has no widget state, and a run that is over no view."""
    book = json.loads(saved.read_text(encoding="utf-8"))
    assert "widgets" not in book["metadata"]
    assert "widget-view" not in json.dumps(book["cells"][1])


@pytest.mark.parametrize("to", ["html", "markdown"])
def test_nbconvert_shows_answer_and_trace(saved: Path, to: str) -> None:
    """Converted to HTML and to Markdown, the answer, its steps and what waits can be read."""
    from nbconvert import HTMLExporter, MarkdownExporter

    text, _ = (HTMLExporter if to == "html" else MarkdownExporter)().from_filename(str(saved))
    for wanted in ("word59", "1 step", "refund_order", "get_order", "You said: Hello there"):
        assert wanted in text
    assert "model not found" not in text


def test_cleaned_html_can_be_read(desk: Desk, saved: Path) -> None:
    """Without styles, classes and scripts, as sites clean notebooks, the text is there and in order."""
    book = json.loads(saved.read_text(encoding="utf-8"))
    parts = [_html(output) for cell in book["cells"][1:4] for output in cell["outputs"]]
    page = desk.page.context.new_page()
    try:
        page.set_content("<meta charset=utf-8>" + "<hr>".join(_cleaned(part) for part in parts))
        page.evaluate("() => document.querySelectorAll('details').forEach(each => { each.open = true; })")
        shown = page.locator("body").inner_text()
        assert page.locator("[style], [class], script, style").count() == 0
        order = [
            shown.index(text) for text in ("word59", "writer", "refund_order", "get_order", "You said: Hello there")
        ]
        assert order == sorted(order)
        assert "{" not in shown.split("word59")[0]  # no style sheet is left as text
        page.screenshot(path=str(_shots() / f"cleaned-{desk.face}.png"), full_page=True)
    finally:
        page.close()


def _shots() -> Path:
    from tests.browser.desk import SHOTS

    SHOTS.mkdir(exist_ok=True)
    return SHOTS


def _html(output: dict[str, Any]) -> str:
    return "".join(output["data"]["text/html"])


def _cleaned(html: str) -> str:
    html = re.sub(r"(?s)<(style|script)\b.*?</\1>", "", html)
    return re.sub(r"""\s(?:style|class|id|on\w+)=(?:"[^"]*"|'[^']*'|[^\s>]+)""", "", html)
