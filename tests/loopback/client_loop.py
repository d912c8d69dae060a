"""One event loop for all calls of litellm in a test process, since it keeps connections between calls."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class ClientLoop:
    """A loop that runs in a daemon thread for the life of the process."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, name="test-client-loop", daemon=True).start()

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine on the loop; cancelling the future cancels its task."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def run(self, work: Coroutine[Any, Any, T], timeout: float = 60.0) -> T:
        """Run a coroutine on the loop and wait for its result, `timeout` seconds at most."""
        return self.start(work).result(timeout)


@functools.cache
def client_loop() -> ClientLoop:
    """The loop of this process."""
    return ClientLoop()
