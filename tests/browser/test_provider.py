"""Stop, with a provider at the other end of a connection: it is closed at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.desk import Desk, desk_of
from tests.browser.lab import FACES, SLOW, Notebook
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


def test_stop_closes_the_connection(desk: Desk, provider: LoopbackProvider) -> None:
    """The button of the view and the menu's Interrupt: the provider sees the end of the connection within 500 ms."""
    book = desk.open("stop.ipynb", [PROGRAM])
    for how in ("button", "interrupt"):
        # Other tests run at the same time: the best of a few is what the machine can do.
        times: list[float] = []
        while len(times) < 4 and min(times, default=1.0) >= 0.5:
            times.append(_stopped(book, provider, how, f"Tell me story {how} {len(times)}."))
        print(f"{desk.face}, {how}: closed after {times} s")
        assert min(times) < 0.5, times


def _stopped(book: Notebook, provider: LoopbackProvider, how: str, prompt: str) -> float:
    """Run a cell, stop it in the middle, and say how long the connection lived on."""
    asked = len(provider.requests)
    cell = book.run(f"%%polos_run talker --as out\n{prompt}")
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
    assert len(provider.requests) == asked + 1
    return took
