"""Which turn of a conversation a call is: a re-executed cell comes back to its own turn instead of adding one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from polos_nb.messages import Message
from polos_nb.stores.base import RunRecord, Store

_ALL = 100_000


@dataclass(frozen=True)
class Place:
    """A place in a conversation: `turn` counts from 0, `before` are the runs of the turns before it, in order.

    A place that was `chosen` is where a person wants to go on, as in a chat; the others follow from what was asked.
    """

    turn: int
    before: tuple[str, ...]
    chosen: bool = field(default=False, compare=False)

    @property
    def previous(self) -> str | None:
        """The run of the turn before, or None for the first."""
        return self.before[-1] if self.before else None


class Conversations:
    """The way that this process has gone through each conversation.

    A call is the turn that follows the last one, if that turn has been recorded with the same words; else an earlier
    or later turn with the same words (the cell was executed again); else a new turn. A process that has said
    nothing yet goes on at the end of what is kept. New words at a place where others are recorded begin a branch:
    the old turns stay in the store.

    A turn that this process has made already is come back to only from the cell that made it, as far as cells can be
    told apart: another cell that says "yes" again says something new. What was said at a chosen place was said in no
    cell: any cell comes back to it that says the same.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._paths: dict[str, list[str]] = {}
        self._asked: Counter[tuple[str, str, str]] = Counter()
        self._cell: str | None = None
        self._made: dict[tuple[str, int], str | None] = {}

    @property
    def cell(self) -> str | None:
        """The cell that is being executed; None when nobody can tell."""
        return self._cell

    def begin_cell(self, cell: str | None = None) -> None:
        """Equal calls are counted anew in each execution of a cell. `cell` names it; None when nobody can tell."""
        self._cell = cell
        self._asked.clear()

    def remembered(self) -> Counter[tuple[str, str, str]]:
        """What was asked in this cell, for `recall`."""
        return Counter(self._asked)

    def recall(self, asked: Counter[tuple[str, str, str]]) -> None:
        """Forget what was asked since."""
        self._asked = asked

    def place(self, conversation_id: str, target_id: str, input: str) -> Place:
        """The turn that this call is. `input` is the canonical text of the input."""
        nth = self._asked[conversation_id, target_id, input]
        self._asked[conversation_id, target_id, input] += 1
        runs = self._store.list_runs(conversation_id=conversation_id, limit=_ALL)
        kept = _newest_branch(runs)
        path = self._paths.get(conversation_id)
        here = path if path is not None else []
        if any(run.turn == len(here) and _same(run, target_id, input) for run in runs):
            return Place(len(here), tuple(here))
        known = {run.id: run for run in runs}
        way = kept if kept[: len(here)] == here else here
        matches = [
            turn
            for turn, run_id in enumerate(way)
            if _same(known.get(run_id), target_id, input)
            and (turn >= len(here) or self._may_return(conversation_id, turn))
        ]
        if nth < len(matches):
            return Place(matches[nth], tuple(way[: matches[nth]]))
        end = here if path is not None else kept
        return Place(len(end), tuple(end))

    def next(self, conversation_id: str) -> Place:
        """The turn that follows what this process has said last."""
        path = self._paths.get(conversation_id, [])
        return Place(len(path), tuple(path))

    def follows(self, conversation_id: str, place: Place, said: Mapping[str, Place]) -> bool:
        """Whether a turn at this place follows what this process has said, or could have if it has said nothing.

        `said` are the turns of the same pass with their places: it follows one of them, or was said beside one.
        """
        if said:
            return place.previous in said or place in said.values()
        path = self._paths.get(conversation_id)
        return path is None or tuple(path[: place.turn]) == place.before

    def said(self, conversation_id: str, place: Place, run_id: str) -> None:
        """The turn is complete: the next one follows it."""
        self._paths[conversation_id] = [*place.before, run_id]
        self._made[conversation_id, place.turn] = None if place.chosen else self._cell

    def stand(self, conversation_id: str, runs: Sequence[str]) -> None:
        """Go on behind these runs, whatever this process has said last; without any, at the beginning."""
        self._paths[conversation_id] = list(runs)

    def _may_return(self, conversation_id: str, turn: int) -> bool:
        made_by = self._made.get((conversation_id, turn))
        return self._cell is None or made_by is None or made_by == self._cell

    def history(self, place: Place) -> list[Message]:
        """The messages of the turns before, in order."""
        return [
            Message.model_validate_json(text) for run_id in place.before for text in self._store.get_messages(run_id)
        ]


def _same(run: RunRecord | None, target_id: str, input: str) -> bool:
    return run is not None and run.target_id == target_id and run.input == input


def _newest_branch(runs: list[RunRecord]) -> list[str]:
    """The runs from the first turn to the newest complete one, oldest first: a chat goes on behind a stopped turn."""
    known = {run.id: run for run in runs}
    out: list[str] = []
    run = next((run for run in runs if run.status == "completed"), None)
    while run is not None and run.id not in out:
        out.append(run.id)
        run = known.get(run.previous or "")
    return out[::-1]
