"""Tests that await: each runs in a loop of its own; and streams that are read with a time-out."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any


def in_a_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """An async test as one that pytest can call."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))  # type: ignore[arg-type]

    return run


async def taken(stream: AsyncIterator[Any], count: int, seconds: float = 10.0) -> list[Any]:
    """The first items of a stream."""
    out: list[Any] = []
    async with asyncio.timeout(seconds):
        async for item in stream:
            out.append(item)
            if len(out) == count:
                break
    return out


async def listed(stream: AsyncIterator[Any], seconds: float = 10.0) -> list[Any]:
    """All items of a stream that ends."""
    async with asyncio.timeout(seconds):
        return [item async for item in stream]


async def until(true: Callable[[], Any], seconds: float = 10.0) -> Any:
    """What a condition gives, as soon as it gives something."""
    async with asyncio.timeout(seconds):
        while True:
            found = true()
            if found:
                return found
            await asyncio.sleep(0.01)
