"""A front end without a widget manager: the output itself follows the run, and says how to approve."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.desk import VIEW, Desk, desk_of
from tests.browser.lab import SLOW, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: Any) -> Iterator[Desk]:
    """JupyterLab whose widget manager is disabled."""
    with desk_of("lab", tmp_path_factory.mktemp("plain"), disabled=["@jupyter-widgets/jupyterlab-manager"]) as made:
        yield made


def test_without_a_widget_manager_the_output_streams(desk: Desk) -> None:
    """No page says hello: text is seen before the end, and a run that waits leaves the line that approves it."""
    book = desk.open("plain.ipynb")
    cell = book.run("%%polos_run writer --as out\n400 0.02")
    cell.output.get_by_text("word20 ").first.wait_for(timeout=SLOW)
    assert not cell.done
    cell.ended()
    cell.shows("word399")
    waiting = book.run("%%polos_run clerk --as out\nrefund Plain").ended()
    waiting.shows("%polos approve")
    assert "model not found" not in waiting.output.inner_text()
    command = until(lambda: _command(waiting.output.inner_text()), 10, "no line that approves")
    book.run(command).ended()
    waiting.shows("Done with everything")
    assert desk.times("Plain") == ["Plain 42.5"]
    assert all(VIEW not in output.get("data", {}) for output in waiting.data())


def _command(text: str) -> str:
    found = [line[line.index("%polos approve") :] for line in text.splitlines() if "%polos approve" in line]
    return found[0].split("--yes")[0] + "--yes" if found and "--yes" in found[0] else ""
