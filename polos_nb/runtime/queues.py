"""Queues: how many runs of one kind are driven at once."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

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
    if limit is not None and limit < 1:
        raise DefinitionError(f"workflow {workflow_id!r}: concurrency_limit={limit} must be 1 or more")
    return None if limit is None else Lane(chosen.name, limit, key)


_held: ContextVar[frozenset[tuple[str, str | None]]] = ContextVar("polos_nb_lanes", default=frozenset())
_limits: dict[str, int] = {}  # the smallest limit that was declared for a name


@contextlib.contextmanager
def beside() -> Iterator[None]:
    """What is started in this block is waited for by nobody: it queues in the lanes that are held around it."""
    token = _held.set(frozenset())
    try:
        yield
    finally:
        _held.reset(token)


class Turn:
    """A place in a lane. A run that only waits leaves it to others, and comes back before it goes on."""

    def __init__(self, queues: Queues, lane: Lane) -> None:
        self._queues = queues
        self._lane = lane
        self._ticket: object | None = None

    async def back(self) -> None:
        """Wait for the turn, at the end of the line; at once where it was not left."""
        if self._ticket is None:
            self._ticket = self._queues.enter(self._lane)
        while self._ticket is not None and self._queues.ahead(self._lane, self._ticket) >= self._lane.limit:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)  # who leaves may be on another loop

    def leave(self) -> None:
        """Let the next one have the place."""
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            self._queues.leave(self._lane, ticket)

    @property
    def held(self) -> bool:
        """Whether it is in the line."""
        return self._ticket is not None


class Waits(Protocol):
    """How a turn learns that its run only waits; see `durable.lot.Lot`."""

    def lend(self, turn: Turn, below: str) -> None:
        """Have the turn come `back` before a step goes on that waited, if its path begins with `below`."""

    async def until_idle(self, patience: float, *, below: str = "") -> None:
        """Return when all that is executed below a path waits."""


class Queues:
    """The lanes of one process. Runs of other loops queue in the same lanes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[tuple[str, str | None], list[object]] = {}

    @contextlib.asynccontextmanager
    async def turn(self, lane: Lane | None, waits: Waits | None = None, below: str = "") -> AsyncIterator[None]:
        """Wait for a turn in the lane, first come first served, and keep it as long as the block runs.

        What has a turn already, and starts more in the same lane, does not wait for itself. While all steps below a
        path only wait, as `waits` knows, others have the place.
        """
        if lane is None or (lane.name, lane.key) in _held.get():
            yield
            return
        token = _held.set(_held.get() | {(lane.name, lane.key)})
        turn = Turn(self, lane)
        lending: asyncio.Task[None] | None = None
        try:
            await turn.back()
            if waits is not None:
                waits.lend(turn, below)
                lending = asyncio.get_running_loop().create_task(_lent(turn, waits, below))
            yield
        finally:
            if lending is not None:
                lending.cancel()
            turn.leave()
            _held.reset(token)

    def enter(self, lane: Lane) -> object:
        """Stand in line; returns a ticket."""
        ticket = object()
        with self._lock:
            self._lines.setdefault((lane.name, lane.key), []).append(ticket)
        return ticket

    def ahead(self, lane: Lane, ticket: object) -> int:
        """How many are before this ticket."""
        with self._lock:
            line = self._lines.get((lane.name, lane.key), [])
            return line.index(ticket) if ticket in line else 0

    def leave(self, lane: Lane, ticket: object) -> None:
        """Leave the line."""
        with self._lock:
            line = self._lines[lane.name, lane.key]
            line.remove(ticket)
            if not line:
                del self._lines[lane.name, lane.key]


async def _lent(turn: Turn, waits: Waits, below: str) -> None:
    while True:
        await waits.until_idle(0.0, below=below)
        turn.leave()
        while not turn.held:  # noqa: ASYNC110 - who comes back may be on another loop
            await asyncio.sleep(_POLL_SECONDS)
