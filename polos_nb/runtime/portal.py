"""One background event loop for the life of the process: for clients that live on one loop, and for sync callers."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_END = object()
_CLOSE_SECONDS = 1.0  # that a stream has to be closed in


class LoopThread:
    """A daemon thread with an event loop."""

    def __init__(self, name: str = "polos_nb-loop") -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run a coroutine there, with the caller's context variables, and return its future."""
        context = contextvars.copy_context()
        future: concurrent.futures.Future[T] = concurrent.futures.Future()

        def start() -> None:
            task = self.loop.create_task(coroutine, context=context)
            future.add_done_callback(lambda f: self.loop.call_soon_threadsafe(task.cancel) if f.cancelled() else None)
            task.add_done_callback(lambda done: _settle(done, future))

        self.loop.call_soon_threadsafe(start)
        return future

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there and wait. Ctrl-C, or Stop in a notebook, cancels it and raises KeyboardInterrupt."""
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("this would wait for itself; use await here")
        task: list[asyncio.Task[T]] = []
        started = threading.Event()

        async def tracked() -> T:
            current = asyncio.current_task()
            assert current is not None
            task.append(current)
            started.set()
            return await coroutine

        future = self.submit(tracked())
        try:
            while True:
                try:
                    return future.result(timeout=0.1)  # short waits, so that a signal is noticed on every platform
                except concurrent.futures.TimeoutError:
                    if future.done():
                        raise
        except KeyboardInterrupt:
            started.wait(1)
            self.loop.call_soon_threadsafe(task[0].cancel)
            concurrent.futures.wait([future], timeout=5)
            raise

    async def iterate(self, make: Callable[[], AsyncIterator[T]]) -> AsyncIterator[T]:
        """Drive an async iterator on this loop, and yield its items on the caller's.

        Closing or cancelling the caller's side closes the iterator there, and waits for that, but not for long.
        """
        here = asyncio.get_running_loop()
        items: asyncio.Queue[Any] = asyncio.Queue()

        def put(item: Any) -> None:
            if not here.is_closed():
                here.call_soon_threadsafe(items.put_nowait, item)

        async def pump() -> None:
            source = make()
            try:
                async for item in source:
                    put(item)
                put(_END)
            except BaseException as error:
                put(_Failure(error))
                if not isinstance(error, Exception):
                    raise
            finally:
                close = getattr(source, "aclose", None)
                if close is not None:
                    await close()

        closed = asyncio.Event()

        def tell() -> None:
            if not here.is_closed():
                here.call_soon_threadsafe(closed.set)

        async def whole() -> None:
            try:
                await pump()
            finally:
                tell()

        future = self.submit(whole())
        try:
            while True:
                item = await items.get()
                if item is _END:
                    return
                if isinstance(item, _Failure):
                    raise item.error
                yield item
        finally:
            if not future.done():
                future.cancel()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(closed.wait(), _CLOSE_SECONDS)


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def _settle(task: asyncio.Task[T], future: concurrent.futures.Future[T]) -> None:
    if future.cancelled():
        return
    if task.cancelled():
        future.set_exception(concurrent.futures.CancelledError())
    elif (error := task.exception()) is not None:
        future.set_exception(error)
    else:
        future.set_result(task.result())


_lock = threading.Lock()
_portal: list[LoopThread] = []


def portal() -> LoopThread:
    """The process's background loop, started on first use."""
    with _lock:
        if not _portal or not _portal[0]._thread.is_alive():
            _portal[:] = [LoopThread()]
        return _portal[0]
