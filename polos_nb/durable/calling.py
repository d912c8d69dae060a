"""Calling a user's function: without blocking the loop, and without letting it end the loop or the kernel."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any


async def call_function(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a function without blocking the loop: async ones are awaited, others run in a thread with this context."""
    if inspect.iscoroutinefunction(func) or inspect.iscoroutinefunction(getattr(func, "__call__", None)):  # noqa: B004
        return await _ended(func, func(*args, **kwargs))
    result = await asyncio.to_thread(_call, func, args, kwargs)
    return await _ended(func, result) if isinstance(result, Awaitable) else result


async def _ended(func: Callable[..., Any], result: Awaitable[Any]) -> Any:
    try:
        return await result
    except KeyboardInterrupt:  # Stop, while the function kept the loop busy
        raise asyncio.CancelledError from None
    except SystemExit as error:  # it would end the loop, and with it the kernel
        raise RuntimeError(f"{getattr(func, '__name__', 'the function')} called sys.exit({error.code!r})") from error


def _call(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    try:
        return func(*args, **kwargs)
    except SystemExit as error:
        raise RuntimeError(f"{getattr(func, '__name__', 'the function')} called sys.exit({error.code!r})") from error
    except (KeyboardInterrupt, GeneratorExit, asyncio.CancelledError) as error:  # in a thread nobody has sent these
        raise RuntimeError(f"{getattr(func, '__name__', 'the function')} raised {type(error).__name__}") from error
    except StopIteration as error:  # a future refuses to carry it, and would never end
        raise RuntimeError(f"{getattr(func, '__name__', 'the function')} raised StopIteration") from error
