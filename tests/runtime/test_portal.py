"""The background loop: values, failures, context and cancellation cross it unchanged."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from polos_nb.runtime.portal import LoopThread, portal
from tests.runtime.support import Process


def test_a_coroutine_runs_there_and_its_value_comes_back() -> None:
    """`run` waits for the value or the exception."""

    async def where() -> str:
        return threading.current_thread().name

    async def broken() -> None:
        raise OSError("no disk")

    assert portal().run(where()) == "polos_nb-loop"
    with pytest.raises(OSError, match="no disk"):
        portal().run(broken())


def test_there_is_one_loop_for_the_process() -> None:
    """The same loop serves all callers, from any thread."""
    seen: list[LoopThread] = []
    threads = [threading.Thread(target=lambda: seen.append(portal())) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert set(seen) == {portal()}


def test_the_callers_context_goes_along() -> None:
    """Context variables have the caller's values."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="outside")

    async def read() -> str:
        return variable.get()

    variable.set("inside")
    assert portal().run(read()) == "inside"


def test_waiting_for_oneself_is_refused() -> None:
    """`run` on the loop's own thread would never end."""

    async def nested() -> None:
        portal().run(asyncio.sleep(0))

    with pytest.raises(RuntimeError, match="use await"):
        portal().run(nested())


def test_an_iterator_is_driven_there_and_read_here() -> None:
    """Items keep their order, and a failure follows those before it."""

    async def numbers() -> AsyncIterator[tuple[int, str]]:
        for number in range(3):
            yield number, threading.current_thread().name
        raise OSError("cut")

    got: list[Any] = []

    async def body() -> None:
        async for item in portal().iterate(numbers):
            got.append(item)

    with pytest.raises(OSError, match="cut"):
        asyncio.run(body())
    assert got == [(number, "polos_nb-loop") for number in range(3)]


@pytest.mark.parametrize("how", ["closed", "cancelled"])
def test_an_iterator_that_is_left_is_closed_there(how: str) -> None:
    """Closing or cancelling the reader ends the source."""
    ended = threading.Event()

    async def forever() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def read() -> None:
        iterator = portal().iterate(forever)
        assert await anext(iterator) == 1
        if how == "closed":
            await iterator.aclose()  # type: ignore[attr-defined]
        else:
            task = asyncio.ensure_future(anext(iterator))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(read())
    assert ended.wait(10)


def test_a_model_that_lives_on_one_loop_is_driven_there() -> None:
    """A model with `own_loop` streams on the background loop, whichever loop the run is on."""
    from polos_nb import Agent, ScriptedModel
    from polos_nb.models.base import ModelRequest

    seen: list[str] = []

    class Settled(ScriptedModel):
        own_loop = True

        def _next(self, request: ModelRequest) -> Any:
            seen.append(threading.current_thread().name)
            return super()._next(request)

    agent = Agent(id="a", model=Settled(["one", "two"]))
    process = Process()
    assert process.run(agent, "x").result == "one"
    assert process.run(agent, "y").result == "two"
    assert seen == ["polos_nb-loop", "polos_nb-loop"]
