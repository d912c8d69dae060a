"""What may be deleted from a store: the facts about each lineage, and the stores' contract for deleting them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

LAPSED = 24 * 3600.0  # seconds after the end of its lease, for which a run without a driver still counts as running


@dataclass(frozen=True, kw_only=True)
class LineageStats:
    """All runs of one lineage. `target_id` and `status` are those of the newest, `runs` counts them.

    `outermost` says that the newest was not started by another run. `newest` is the last time that one began or
    ended. `size` is about how many bytes it takes, shared texts included. `busy` says that a run is being driven or
    waits for an answer. `linked` are the lineages that belong to it: of runs that started its runs, of the turn
    before in a conversation, of what it was forked from.
    """

    lineage: str
    target_id: str
    status: str
    runs: int
    outermost: bool = True
    newest: float = 0.0
    size: int = 0
    busy: bool = False
    linked: frozenset[str] = frozenset()


class Cleaning(Protocol):
    """Deleting by lineage: a newer run may use steps that an older one of its lineage recorded."""

    def clear(self, *, target_id: str | None = None, run_id: str | None = None) -> int:
        """Delete runs with their steps, traces and messages: those of a target, one run (with the records of its
        lineage), or everything. Returns the number of deleted step records."""

    def lineages(self) -> list[LineageStats]:
        """Facts about every lineage, in the order of their newest runs, oldest first."""

    def forget(self, lineages: Collection[str]) -> int | None:
        """Delete these lineages with all that belongs to their runs, in one transaction, and return the number of
        deleted step records; None, and nothing deleted, when one of them is busy."""

    def tidy(self) -> None:
        """Delete texts that nothing speaks of any more, and give the freed space back."""
