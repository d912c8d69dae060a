"""The quick start in a real JupyterLab: it streams, calls a tool, and the second execution calls nothing."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.browser.lab import Notebook, browser_page, chromium, jupyterlab, until

NOTEBOOKS = Path(__file__).parent.parent.parent / "notebooks"

# Notes that a run was to be seen while it went on, however short that was.
WATCH = """() => {
    const look = () => {
        for (const head of document.querySelectorAll(".polos-run-head")) {
            if (head.textContent.includes("running")) window.seenRunning = true;
        }
    };
    new MutationObserver(look).observe(document.body, {childList: true, subtree: true, characterData: true});
}"""

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


@pytest.fixture
def quick_start(tmp_path: Path) -> Any:
    """The quick start, open in a page, in a folder of its own with no store yet."""
    if chromium() is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is missing in CI; .ci/install-chromium installs it")
        pytest.skip("no Chromium here; install the system's package to run this")
    shutil.copy(NOTEBOOKS / "quick_start.ipynb", tmp_path)
    with (
        jupyterlab(tmp_path, {"POLOS_NB_STORE": str(tmp_path / "steps.db")}) as address,
        browser_page(tmp_path) as page,
    ):
        yield Notebook(page, address, "quick_start.ipynb")


def _runs(notebook: Notebook) -> list[dict[str, Any]]:
    """The volatile facts of the runs that are shown."""
    outputs = [output for cell in notebook.outputs() for output in cell]
    return [
        output["metadata"]["polos"] for output in outputs if "run_id" in output.get("metadata", {}).get("polos", {})
    ]


def test_the_quick_start_streams_and_resumes(quick_start: Notebook, tmp_path: Path) -> None:
    """Text is on the page before the run has ended; after a restart of the kernel all steps answer from the store."""
    page = quick_start.page
    page.evaluate(WATCH)
    quick_start.run_all()
    assert page.evaluate("() => window.seenRunning === true"), "the run was not to be seen while it went on"
    first = until(lambda: _runs(quick_start), 20, "no run is shown")
    assert all(run["live"] > 0 for run in first[:1])
    before = quick_start.outputs()
    quick_start.restart()
    quick_start.run_all()
    second = until(lambda: _runs(quick_start), 20, "no run is shown after the restart")
    assert [run["live"] for run in second] == [0] * len(first)
    assert page.query_selector("text=resumed from the store: 4 of 4 steps, no calls") is not None
    page.screenshot(path=str(tmp_path / "resumed.png"), full_page=True)
    until(lambda: _data(quick_start.outputs()) == _data(before), 20, "the outputs are not those of the first execution")
    quick_start.save()
    saved = json.loads((tmp_path / "quick_start.ipynb").read_text())
    mimes = {mime for cell in saved["cells"] for output in cell.get("outputs", ()) for mime in output.get("data", {})}
    assert "application/vnd.jupyter.widget-view+json" not in mimes
    page.screenshot(path=str(tmp_path / "quick_start.png"), full_page=True)


def _data(outputs: list[list[dict[str, Any]]]) -> list[list[Any]]:
    return [[output.get("data") or output.get("text") for output in cell] for cell in outputs]
