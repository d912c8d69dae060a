"""The desks of the browser tests: one server and one browser for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.desk import SHOTS, Desk, desk_of
from tests.browser.lab import FACES, Notebook


@pytest.fixture(params=FACES, scope="module")
def desk(request: Any, tmp_path_factory: Any) -> Iterator[Desk]:
    """A server of each front end."""
    with desk_of(request.param, tmp_path_factory.mktemp("desk")) as made:
        yield made


@pytest.fixture(scope="module")
def shared(desk: Desk) -> Notebook:
    """A notebook whose kernel has the agents."""
    return desk.open("book.ipynb")


@pytest.fixture
def book(shared: Notebook) -> Notebook:
    """The notebook, with nothing running in it."""
    shared.idle()
    return shared


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Iterator[None]:
    """A picture of the page of a test that failed."""
    outcome = yield
    desk = getattr(item, "funcargs", {}).get("desk")
    if call.when == "call" and outcome.get_result().failed and isinstance(desk, Desk):
        SHOTS.mkdir(exist_ok=True)
        desk.page.screenshot(path=str(SHOTS / f"failed-{item.name}.png"))
