"""Queues: how many runs of one kind are driven at once."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from polos_nb.errors import DefinitionError

_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Queue:
    """A name and how many runs may be driven at once (None: any number). Made by `queue()`."""

    name: str
    concurrency_limit: int | None = None


@dataclass(frozen=True)
class Lane:
    """A queue and the concurrency key within it: each key has the queue's limit for itself."""

    name: str
    limit: int
    key: str | None = None


def queue(name: str, concurrency_limit: int | None = None) -> Queue:
    """A queue to give to several workflows, so that together they keep to one limit.

    >>> slow = queue("slow", concurrency_limit=2)
    """
    if not name or not isinstance(name, str):
        raise DefinitionError(f"a queue needs a name, as in queue('slow', concurrency_limit=2), not {name!r}")
    if concurrency_limit is not None and concurrency_limit < 1:
        raise DefinitionError(f"queue {name!r}: concurrency_limit={concurrency_limit} must be 1 or more")
    made = Queue(name, concurrency_limit)
    if concurrency_limit is not None:
        _limits[name] = min(concurrency_limit, _limits.get(name, concurrency_limit))
    return made


def lane_of(workflow_id: str, declared: Any, given: Any = None, key: str | None = None) -> Lane | None:
    """Where a run queues: `given` with the call, else `declared` with the workflow; None where there is no limit.

    Either is a name, a `Queue`, or a dict with `name` and `concurrency_limit`; without a name it is the workflow's id.
    """
    chosen = given if given is not None else declared
    if chosen is None:
        return None
    if isinstance(chosen, str):
        chosen = Queue(chosen, _limits.get(chosen))
    if isinstance(chosen, dict):
        unknown = set(chosen) - {"name", "concurrency_limit"}
        if unknown:
            raise DefinitionError(f"workflow {workflow_id!r}: a queue has no {sorted(unknown)[0]!r}")
        chosen = queue(chosen.get("name") or workflow_id, chosen.get("concurrency_limit"))
    if not isinstance(chosen, Queue):
        raise DefinitionError(f"workflow {workflow_id!r}: queue={chosen!r} is neither a name, a queue() nor a dict")
    limit = chosen.concurrency_limit if chosen.concurrency_limit is not None else _limits.get(chosen.name)
    return None if limit is None else Lane(chosen.name, limit, key)


_held: ContextVar[frozenset[tuple[str, str | None]]] = ContextVar("polos_nb_lanes", default=frozenset())
_limits: dict[str, int] = {}  # the smallest limit that was declared for a name


class Queues:
    """The lanes of one process. Runs of other loops queue in the same lanes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[tuple[str, str | None], list[object]] = {}

    @contextlib.asynccontextmanager
    async def turn(self, lane: Lane | None) -> AsyncIterator[None]:
        """Wait for a turn in the lane, first come first served, and keep it as long as the block runs.

        What has a turn already, and starts more in the same lane, does not wait for itself.
        """
        if lane is None or (lane.name, lane.key) in _held.get():
            yield
            return
        ticket = object()
        place = (lane.name, lane.key)
        token = _held.set(_held.get() | {place})
        with self._lock:
            line = self._lines.setdefault(place, [])
            line.append(ticket)
        try:
            while line.index(ticket) >= lane.limit:  # noqa: ASYNC110
                await asyncio.sleep(_POLL_SECONDS)  # who leaves may be on another loop
            yield
        finally:
            _held.reset(token)
            with self._lock:
                line.remove(ticket)
