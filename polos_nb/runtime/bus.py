"""The events of one run: kept in order, told to listeners at once, and to readers whenever they ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from polos_nb.run_events import Event


class EventLog:
    """An append-only list of events with listeners (called at once) and readers (from the first event on)."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.closed = False
        self._listeners: list[Callable[[Event], None]] = []
        self._wakers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` with every event from now on, in the thread that emits it."""
        self._listeners.append(listener)

    def emit(self, event: Event) -> None:
        """Keep an event and tell everybody."""
        self.events.append(event)
        for listener in self._listeners:
            listener(event)
        self._wake()

    def close(self) -> None:
        """No event follows: readers end."""
        self.closed = True
        self._wake()

    async def read(self) -> AsyncIterator[Event]:
        """All events from the first one on, as they come, until the log is closed."""
        waker = (asyncio.get_running_loop(), asyncio.Event())
        self._wakers.add(waker)
        place = 0
        try:
            while True:
                while place < len(self.events):
                    place += 1
                    yield self.events[place - 1]
                if self.closed:
                    return
                waker[1].clear()
                if place < len(self.events) or self.closed:
                    continue
                await waker[1].wait()
        finally:
            self._wakers.discard(waker)

    def _wake(self) -> None:
        for loop, event in list(self._wakers):
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)
