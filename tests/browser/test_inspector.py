"""The inspector in a page: find a run, look at its steps, fork it, compare, approve; also after a restart."""

from __future__ import annotations

import pytest

from tests.browser.desk import Desk
from tests.browser.lab import SLOW, Cell, Notebook, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def runs(shared: Notebook) -> Notebook:
    """A notebook with three runs in its store: two that are over and one that waits."""
    shared.run("%%polos_run writer --as out\n20 0.01").ended()
    shared.run("%%polos_run clerk --as said\nhello world").ended()
    shared.run("%config PolosMagics.approval_mode = 'suspend'").ended()
    shared.run("%%polos_run clerk --as waits\nrefund Inspected").ended().card.wait_for(timeout=SLOW)
    return shared


def listed(cell: Cell) -> list[str]:
    """The runs that a list shows."""
    found: list[str] = cell.output.locator("[data-run]").evaluate_all("rows => rows.map(row => row.dataset.run)")
    return found


def test_runs_are_listed_and_filtered(runs: Notebook) -> None:
    """Search, agent and status narrow the list; what waits can be opened from it."""
    cell = runs.run("%polos runs").ended()
    cell.output.locator("[data-run]").first.wait_for(timeout=SLOW)
    assert listed(cell) == ["r3", "r2", "r1"]
    cell.output.get_by_role("searchbox", name="Search").fill("hello")
    until(lambda: listed(cell) == ["r2"], 20, "the search finds something else")
    cell.output.get_by_role("searchbox", name="Search").fill("")
    cell.output.get_by_label("Agent", exact=True).select_option("writer")
    until(lambda: listed(cell) == ["r1"], 20, "the filter lets other agents through")
    cell.output.get_by_label("Agent", exact=True).select_option("")
    cell.output.get_by_label("Status", exact=True).select_option("suspended")
    until(lambda: listed(cell) == ["r3"], 20, "the filter lets other states through")
    cell.press("Show run r3")
    cell.output.locator(".polos-gantt-row").first.wait_for(timeout=SLOW)
    cell.press("Back to the list of runs")
    until(lambda: listed(cell) == ["r3"], 20, "the list is not where it was left")


def test_a_step_is_looked_at(runs: Notebook) -> None:
    """A bar for each step selects it; its messages, raw data and why it ran are shown."""
    cell = runs.run("%polos show r3").ended()
    bars = cell.output.locator(".polos-gantt-row")
    bars.first.wait_for(timeout=SLOW)
    assert bars.count() == 4
    widths = cell.output.locator(".polos-gantt-bar").evaluate_all("bars => bars.map(bar => bar.offsetWidth)")
    assert all(width > 0 for width in widths)
    bars.nth(1).click()
    cell.output.get_by_text("delivered").first.wait_for(timeout=SLOW)
    bars.nth(0).click()
    cell.output.get_by_role("tab", name="Messages").click()
    cell.output.get_by_role("tabpanel").get_by_text("refund Inspected").first.wait_for(timeout=SLOW)
    cell.output.get_by_role("tab", name="Why").click()
    cell.output.get_by_role("tabpanel").get_by_text("first execution").first.wait_for(timeout=SLOW)


def test_a_fork_with_an_edit_and_its_comparison(runs: Notebook) -> None:
    """A text is edited and the run forked from there; the new run has it, and the comparison says what differs."""
    cell = runs.run("%polos show r2").ended()
    cell.output.locator(".polos-gantt-row").first.wait_for(timeout=SLOW)
    cell.press("✎ Edit & fork from here")
    editor = cell.output.locator(".polos-fork textarea").last
    editor.wait_for(timeout=SLOW)
    editor.fill("an edited answer")
    cell.press("Fork the run")
    new = cell.output.get_by_role("button", name="Open r4")
    new.wait_for(timeout=SLOW)
    cell.output.get_by_role("textbox", name="Compare with").fill("r4")
    cell.press("Compare")
    cell.output.get_by_text("≠ differs").first.wait_for(timeout=SLOW)
    cell.output.get_by_text("an edited answer").first.wait_for(timeout=SLOW)
    cell.press("Open r4")
    cell.output.get_by_text("an edited answer").first.wait_for(timeout=SLOW)


def test_what_waits_is_approved_after_a_restart(desk: Desk, runs: Notebook) -> None:
    """A new kernel that has the agents: the waiting run is opened from the store, approved, and goes on."""
    runs.restart()
    runs.page.evaluate(
        "() => { const app = window.jupyterapp; app.shell.currentWidget.content.activeCellIndex = 0;"
        " return app.commands.execute('notebook:run-cell'); }"
    )
    cell = runs.run("%polos show r3").ended()
    cell.card.wait_for(timeout=SLOW)
    assert desk.times("Inspected") == []
    cell.press("Approve", within=cell.card)
    cell.output.get_by_text("done").first.wait_for(timeout=SLOW)
    until(lambda: desk.times("Inspected"), 30, "the tool did not run")
    until(lambda: cell.output.locator(".polos-card").count() == 0, 20, "the card is still there")
    assert desk.times("Inspected") == ["Inspected 42.5"]
