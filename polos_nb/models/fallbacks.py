"""Asks another model when the one that was asked is down."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace

from polos_nb.errors import ModelUnavailable
from polos_nb.models.base import Alternative, Model, ModelRequest, ModelResponse, Piece, Restarted

Stream = AsyncIterator[Piece | ModelResponse]


async def first_available(
    model: str | Model, request: ModelRequest, ask: Callable[[str | Model, ModelRequest], Stream]
) -> AsyncGenerator[Piece | ModelResponse]:
    """Stream the answer of the first model that is not down: that of the request, then its `fallbacks` in order.

    Only a failure that may pass leads to the next one; a refused key or request is the caller's to mend. A fallback
    gets the same messages and parameters, but neither the key nor the base URL, which belong to the first. Raises what
    the last one raised, which names those before it.
    """
    failures: list[ModelUnavailable] = []
    for other in (Alternative(request.provider, model), *request.fallbacks):
        asked = request if not failures else _addressed(request, other)
        if failures:
            yield Restarted(f"{asked.provider}/{asked.model}")
        try:
            async with contextlib.aclosing(ask(other.model, asked)) as stream:  # type: ignore[type-var]
                async for piece in stream:
                    if isinstance(piece, ModelResponse) and failures:
                        piece = replace(piece, provider=other.provider)
                    yield piece
                return
        except ModelUnavailable as failure:
            failures.append(failure)
    raise _all_down(failures)


def _addressed(request: ModelRequest, other: Alternative) -> ModelRequest:
    name = other.model if isinstance(other.model, str) else str(getattr(other.model, "name", "custom"))
    return replace(request, provider=other.provider, model=name, api_key=None, base_url=None)


def _all_down(failures: list[ModelUnavailable]) -> ModelUnavailable:
    last = failures[-1]
    waits = [failure.retry_after for failure in failures if failure.retry_after is not None]
    text = "; ".join(str(failure) for failure in failures)
    return ModelUnavailable(
        text,
        status=last.status,
        provider=last.provider,
        retry_after=min(waits) if len(waits) == len(failures) else None,
    )
