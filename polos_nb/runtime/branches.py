"""A conversation as a tree of turns: which branches it has, and which turns each of them goes through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from polos_nb.runtime.conversation import Place
from polos_nb.runtime.leases import Leases
from polos_nb.stores.base import RunRecord, Store

_ALL = 100_000


@dataclass(frozen=True)
class Turn:
    """One turn of a branch. `beside` are the runs at this place, oldest first, this one included."""

    run: RunRecord
    beside: tuple[str, ...]

    @property
    def branch(self) -> int:
        """Which of the runs at this place this is, from 1."""
        return self.beside.index(self.run.id) + 1


class Branches:
    """The turns of a conversation as the store has them now, whatever became of them.

    A turn follows the run that its record names as `previous`; two that follow the same one begin two branches.
    """

    def __init__(self, store: Store, conversation_id: str) -> None:
        self._store = store
        found = store.list_runs(conversation_id=conversation_id, limit=_ALL)
        everyone = {run.id: run for run in found}
        turns = [run for run in reversed(found) if run.turn is not None and not _inside(run, everyone)]
        self._runs = {run.id: run for run in turns}  # oldest first
        self._next: dict[str, list[str]] = {}
        for run in turns:
            self._next.setdefault(self._before(run), []).append(run.id)

    def __len__(self) -> int:
        return len(self._runs)

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._runs

    @property
    def ends(self) -> int:
        """How many branches there are: turns that none follows."""
        return sum(run_id not in self._next for run_id in self._runs)

    def run(self, run_id: str) -> RunRecord | None:
        """The record of a turn, or None where there is none of that id."""
        return self._runs.get(run_id)

    def to(self, run_id: str | None) -> list[Turn]:
        """The turns from the first one to this one; none for None and for an unknown run."""
        out: list[Turn] = []
        seen: set[str] = set()
        run = self._runs.get(run_id or "")
        while run is not None and run.id not in seen:
            seen.add(run.id)
            out.append(Turn(run, self.beside(self._before(run))))
            run = self._runs.get(run.previous or "")
        return out[::-1]

    def through(self, run_id: str | None) -> list[Turn]:
        """The branch that goes through this turn and was gone on with last; without a run, the newest branch of all."""
        if run_id is not None and run_id not in self._runs:
            run_id = None
        for candidate in reversed(self._runs):
            path = self.to(candidate)
            if run_id is None or any(turn.run.id == run_id for turn in path):
                return path
        return []

    def beside(self, previous: str) -> tuple[str, ...]:
        """The runs that follow this one, oldest first; those that begin the conversation for ""."""
        return tuple(self._next.get(previous, ()))

    def driven(self) -> RunRecord | None:
        """The turn that a living process is answering now, or None."""
        return next((run for run in reversed(self._runs.values()) if self.is_driven(run)), None)

    def is_driven(self, run: RunRecord) -> bool:
        """Whether a living process, this one included, drives a run; one that is "running" otherwise was cut off."""
        return run.status == "running" and Leases(self._store).driven(run)

    def _before(self, run: RunRecord) -> str:
        return run.previous if run.previous in self._runs and run.previous is not None else ""


def place_behind(turns: Sequence[Turn]) -> Place:
    """The place that follows these turns, chosen by a person."""
    before = tuple(turn.run.id for turn in turns)
    return Place(len(before), before, chosen=True)


def free_name(store: Store, stem: str, taken: Sequence[str] = ()) -> str:
    """A name for a new conversation that a person can read: "weather-agent-3".

    `taken` are names that are given away although nothing was said in them yet.
    """
    number = 1
    while f"{stem}-{number}" in taken or store.list_runs(conversation_id=f"{stem}-{number}", limit=1):
        number += 1
    return f"{stem}-{number}"


def _inside(run: RunRecord, everyone: dict[str, RunRecord]) -> bool:
    """Whether a run happened inside a turn: the agents that an agent asks for help inherit its conversation."""
    above = everyone.get(run.root or "")
    return above is not None and above.kind == "agent"
