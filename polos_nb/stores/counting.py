"""What a list of runs shows beside the runs themselves: how many there are, and figures of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class RunFigures:
    """Figures of one run: the number of `steps` in its trace, how many of them were `cached`, and what was paid for.

    `paid` are the model answers that were made in this run, or in one inside it: pairs of a step's `parts`, which name
    the model, and its `usage`. What answered from the store is not among them, nor what a fork shares: these are
    `saved`, in the same form.
    """

    steps: int = 0
    cached: int = 0
    paid: tuple[tuple[str, str], ...] = ()
    saved: tuple[tuple[str, str], ...] = ()


class Counting(Protocol):
    """Counts over runs, none of which loads what steps have answered."""

    def count_runs(
        self,
        *,
        query: str = "",
        status: str | None = None,
        kind: str | None = None,
        since: float | None = None,
        outermost: bool = False,
    ) -> dict[str, int]:
        """How many runs of each target match, as `list_runs` would list them; targets by name."""

    def figures(self, run_ids: Sequence[str]) -> dict[str, RunFigures]:
        """Figures of these runs, by id. Unknown runs are left out."""
