"""The durable calls that call a function: one, or one for each of many items; and values that stay the same."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from polos_nb.codec import digest, types_of
from polos_nb.durable.calling import call_function
from polos_nb.durable.code_version import CodeVersion, code_version
from polos_nb.durable.fingerprint import StepCall
from polos_nb.durable.progress import Progress
from polos_nb.durable.retry import Retry
from polos_nb.durable.step_base import StepBase
from polos_nb.durable.steps import Answer, Attempt, Slot, StepFailure
from polos_nb.errors import CodecError, StepExecutionError, one_line
from polos_nb.run_events import SpanEnded
from polos_nb.stores.base import Effect


class RunSteps(StepBase):
    """Calling functions, durably."""

    async def run(
        self,
        step_key: str,
        func: Callable[..., Any],
        *args: Any,
        max_retries: int = 2,
        base_delay: float = 1.0,
        max_delay: float = 10.0,
        effect: Effect = "read",
        version: str | int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Call `func(*args, **kwargs)` once, in a thread when it is not async, and return what it returned.

        The kept answer is returned as long as the key, the code of `func` (with all it uses of your own code, or
        `version` when you declare one) and the arguments stay the same. A failure is tried again `max_retries` times,
        after `base_delay` seconds, doubling up to `max_delay`. With `effect="write"` a call that was interrupted is
        not repeated silently, and later steps depend on it.

        Raises StepExecutionError when the last attempt failed, and CodecError when an argument or the result cannot
        be kept.

        >>> total = await ctx.step.run("add", lambda a, b: a + b, 1, 2)  # doctest: +SKIP
        """
        _check_effect(step_key, effect)
        code = code_version(func, declared=version)
        self._steps.claim_key(step_key)
        slot = self._steps.reserve(self._call(step_key, step_key, func, code, args, kwargs, effect))
        if effect == "write":
            self._steps.wrote(slot)
        retry = Retry(max_retries=max_retries, base_delay=base_delay, max_delay=max_delay)
        return await self._called(slot, func, args, kwargs, retry)

    async def map(
        self,
        step_key: str,
        func: Any,
        items: Iterable[Any],
        *,
        concurrency: int = 16,
        max_retries: int = 2,
        base_delay: float = 1.0,
        max_delay: float = 10.0,
        effect: Effect = "read",
        version: str | int | None = None,
    ) -> list[Any]:
        """`func(item)` for each item, each a step of its own, `concurrency` at a time; results in the items' order.

        `func` is a function, or a workflow, agent or tool, which gets the item as its payload. An item that was done
        is not done again wherever it stands in the list. All items are tried before a failure is raised.
        Raises StepExecutionError that says how many failed, and how the first one did.

        >>> sizes = await ctx.step.map("sizes", len, ["a", "bb"])  # doctest: +SKIP
        """
        if concurrency < 1:
            raise StepExecutionError(f"map {step_key!r}: concurrency is {concurrency}, and must be 1 or more")
        if not isinstance(items, Iterable):
            raise StepExecutionError(f"map {step_key!r} needs a list of items, not {type(items).__name__}")
        _check_effect(step_key, effect)
        self._steps.claim_key(step_key)
        retry = Retry(max_retries=max_retries, base_delay=base_delay, max_delay=max_delay)
        declared = getattr(func, "__polos_declaration__", False)
        code = None if declared else code_version(func, declared=version)
        work: list[tuple[Slot, Callable[[], Awaitable[Answer]]]] = []
        for place, item in enumerate(items):
            key = f"{step_key}[{place}]"
            if code is None:
                work.append(self._run_item(key, step_key, func, item))
            else:
                slot = self._steps.reserve(self._call(key, step_key, func, code, (item,), {}, effect))
                if effect == "write":
                    self._steps.wrote(slot)
                work.append((slot, partial(self._performed_call, slot, func, (item,), {}, retry)))
        return await self._all(step_key, work, concurrency)

    def _run_item(self, key: str, name: str, target: Any, item: Any) -> tuple[Slot, Callable[[], Awaitable[Answer]]]:
        child = self._engine().child(target.with_input(item) if hasattr(target, "with_input") else target, item)
        slot = self._steps.reserve(child.call(key, name, self._steps.chain))
        return slot, partial(self._nested, child, slot)

    async def _all(
        self, key: str, work: Sequence[tuple[Slot, Callable[[], Awaitable[Answer]]]], concurrency: int
    ) -> list[Any]:
        limit = asyncio.Semaphore(concurrency)
        progress = Progress(self._steps, key, len(work))

        async def one(perform: Callable[[], Awaitable[Answer]]) -> Answer:
            async with limit:
                return await progress.counted(perform())

        found = await asyncio.gather(*(one(perform) for _, perform in work), return_exceptions=True)
        failed = [item for item in found if isinstance(item, BaseException)]
        final = next((item for item in failed if not isinstance(item, StepExecutionError)), None)
        if final is not None:
            raise final
        if failed:
            raise StepExecutionError(
                f"{len(failed)} of {len(work)} items of {key} failed; the others are kept. The first: {failed[0]}",
                step_key=key,
            ) from failed[0]
        return [item.value for item in found if isinstance(item, Answer)]

    async def uuid(self, step_key: str) -> str:
        """A random UUID, the same on every later pass."""
        return str(await self._value(step_key, "uuid", lambda: str(uuid.uuid4())))

    async def now(self, step_key: str) -> int:
        """The time in milliseconds since 1970 when this was first asked, the same on every later pass."""
        return int(await self._value(step_key, "now", lambda: int(time.time() * 1000)))

    async def random(self, step_key: str) -> float:
        """A random number in [0, 1), the same on every later pass."""
        return float(await self._value(step_key, "random", random.random))

    async def _value(self, step_key: str, kind: str, make: Callable[[], Any]) -> Any:
        slot = self._claimed(StepCall(key=step_key, kind=kind, name=step_key))

        async def execute(attempt: Attempt) -> Any:
            return make()

        return (await self._performed(slot, execute)).value

    @contextlib.contextmanager
    def trace(self, name: str, attributes: Mapping[str, Any] | None = None) -> Iterator[Span]:
        """Measure a part of the work: listeners get a `span` event with its name, attributes and seconds.

        It is no step: nothing is kept.

        >>> with ctx.step.trace("parse", {"pages": 3}) as span:  # doctest: +SKIP
        ...     span.set_attribute("words", 1200)
        """
        span = Span(name, dict(attributes or {}))
        began = time.monotonic()
        try:
            yield span
        except Exception as error:
            span.set_attribute("error", one_line(error))
            raise
        finally:
            self._steps.book.emit(SpanEnded, name=name, attributes=span.attributes, seconds=time.monotonic() - began)

    def _call(
        self,
        key: str,
        name: str,
        func: Callable[..., Any],
        code: CodeVersion,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        effect: Effect,
    ) -> StepCall:
        return StepCall(
            key=key,
            kind="run",
            name=name,
            # A write is known by its key: with the chain, branches of a gather in another order would repeat it.
            parts=_call_parts(key, code, args, kwargs, self._steps.chain if effect == "read" else ""),
            request={"function": getattr(func, "__qualname__", repr(func)), "arguments": _shown(args, kwargs)},
            blobs=code.sources,
            types={**code.types, **_return_types(func)},
            effect=effect,
        )

    async def _called(
        self, slot: Slot, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], retry: Retry
    ) -> Any:
        return (await self._performed_call(slot, func, args, kwargs, retry)).value

    async def _performed_call(
        self, slot: Slot, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], retry: Retry
    ) -> Answer:
        try:
            return await self._steps.perform(slot, lambda attempt: call_function(func, args, kwargs), retry=retry)
        except StepFailure as failure:
            text = f"Step execution failed after {retry.max_retries} retries: {failure.text}"
            raise StepExecutionError(text, step_key=slot.path) from failure.error


class Span:
    """A part of the work that is measured; see `RunSteps.trace`."""

    def __init__(self, name: str, attributes: dict[str, Any]) -> None:
        self.name = name
        self.attributes = attributes

    def set_attribute(self, key: str, value: Any) -> None:
        """Say something about it."""
        self.attributes[key] = value


def _check_effect(key: str, effect: str) -> None:
    if effect not in ("read", "write"):
        raise StepExecutionError(f"step {key!r}: effect={effect!r} is neither 'read' nor 'write'")


def _call_parts(
    key: str, code: CodeVersion, args: tuple[Any, ...], kwargs: dict[str, Any], chain: str
) -> dict[str, Any]:
    try:
        named = {str(place): digest(value) for place, value in enumerate(args)}
        named |= {name: digest(value) for name, value in kwargs.items()}
    except CodecError as error:
        raise CodecError(
            f"step {key}: an argument cannot be told apart from others: {error}; pass data instead of live objects"
        ) from None
    parts: dict[str, Any] = {"version": code.digest, "code": code.parts, "arguments": named}
    return parts | {"writes": chain} if chain else parts


def _shown(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, str]:
    named = {str(place): value for place, value in enumerate(args)} | kwargs
    return {name: _clip(_text(value)) for name, value in named.items()}


def _text(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # of the user's own class, or of a number that is too long to be written
        return f"a {type(value).__qualname__}"


def _clip(text: str, limit: int = 200) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _return_types(func: Callable[..., Any]) -> dict[str, type]:
    annotation = getattr(func, "__annotations__", {}).get("return")
    if annotation is None or isinstance(annotation, str):
        return {}
    return types_of(annotation)
