"""The one event loop for all calls of litellm in a test process: the runtime's own, since litellm lives on one loop."""

from __future__ import annotations

from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from polos_nb.runtime.portal import portal

T = TypeVar("T")


class ClientLoop:
    """Runs coroutines on the process's background loop."""

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine on the loop; cancelling the future cancels its task."""
        return portal().submit(work)

    def run(self, work: Coroutine[Any, Any, T], timeout: float = 60.0) -> T:
        """Run a coroutine on the loop and wait for its result, `timeout` seconds at most."""
        return self.start(work).result(timeout)


def client_loop() -> ClientLoop:
    """The loop of this process."""
    return ClientLoop()
