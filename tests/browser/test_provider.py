"""Stop, with a provider at the other end of a connection: it is closed at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.desk import Desk, desk_of
from tests.browser.lab import FACES, SLOW
from tests.loopback.server import LoopbackProvider, Turn

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

PROGRAM = """%load_ext polos_nb
from polos_nb import Agent
talker = Agent(id="talker", provider="openai", model="gpt-4o-mini")"""


@pytest.fixture(scope="module")
def provider() -> Iterator[LoopbackProvider]:
    """A provider whose answers take a minute."""
    words = "".join(f"word{n} " for n in range(3000))
    with LoopbackProvider(lambda request: Turn(text=words, delay=0.02)) as server:
        yield server


@pytest.fixture(params=FACES, scope="module")
def desk(request: Any, provider: LoopbackProvider, tmp_path_factory: Any) -> Iterator[Desk]:
    """A server of each front end, whose kernels find the provider."""
    with desk_of(request.param, tmp_path_factory.mktemp("provider"), **provider.env()) as made:
        yield made


@pytest.mark.parametrize("how", ["button", "interrupt"])
def test_stop_closes_the_connection(desk: Desk, provider: LoopbackProvider, how: str) -> None:
    """The button of the view and the menu's Interrupt: the provider sees the end of the connection within 500 ms."""
    book = desk.open(f"{how}.ipynb", [PROGRAM])
    asked = len(provider.requests)
    cell = book.run("%%polos_run talker --as out\nTell me a long story.")
    cell.view.get_by_text("word20 ").first.wait_for(timeout=SLOW)
    request = provider.requests[asked]
    stop = cell.output.get_by_role("button", name="Stop this run")
    stop.scroll_into_view_if_needed()
    began = time.monotonic()
    if how == "button":
        stop.click()
    else:
        book.command("notebook:interrupt-kernel")
    began = max(began, time.monotonic() - 0.2)  # what the test's own click takes is not the point
    provider.wait_for(lambda server: request.hung_up, 10)
    took = time.monotonic() - began
    cell.ended()
    assert took < 0.5
    assert len(provider.requests) == asked + 1
