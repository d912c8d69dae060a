"""Counts over runs in dictionaries: the part of `MemoryStore` that lists of runs are made with."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence

from polos_nb.stores.base import RunRecord, StepRecord, TraceRow
from polos_nb.stores.counting import RunFigures
from polos_nb.stores.fields import matches, run_name, run_number


class MemoryCounting:
    """Counts in memory; see `Counting`."""

    _lock: threading.RLock
    _runs: dict[int, RunRecord]
    _steps: dict[int, StepRecord]
    _traces: dict[int, dict[int, TraceRow]]

    def count_runs(
        self,
        *,
        query: str = "",
        status: str | None = None,
        kind: str | None = None,
        since: float | None = None,
        outermost: bool = False,
    ) -> dict[str, int]:
        """How many runs of each target match; see `Counting`."""
        with self._lock:
            counts = Counter(
                run.target_id for run in self._listed(None, status, kind, since, outermost) if matches(run, query)
            )
        return dict(sorted(counts.items()))

    def figures(self, run_ids: Sequence[str]) -> dict[str, RunFigures]:
        """Figures of these runs; see `Counting`."""
        out: dict[str, RunFigures] = {}
        with self._lock:
            for number in filter(None, map(run_number, run_ids)):
                if number in self._runs:
                    rows = self._traces.get(number, {}).values()
                    cached = sum(row.cached for row in rows)
                    paid = sorted((step.id, step.parts, step.usage or "") for step in self._paid(number, {number}))
                    answers = tuple((parts, usage) for _, parts, usage in paid)
                    out[run_name(number)] = RunFigures(steps=len(rows), cached=cached, paid=answers)
        return out

    def _paid(self, number: int, seen: set[int]) -> Iterator[StepRecord]:
        """The model answers that were made in a run and in those inside it."""
        run = self._runs[number]
        for row in self._traces.get(number, {}).values():
            step = self._steps.get(row.step_id)
            if step is None or step.kind != "llm" or step.usage is None or step.run_id != run.id:
                continue
            if step.started_at >= run.created_at:
                yield step
        for inner, other in self._runs.items():
            if other.parent == run.id and inner not in seen:
                seen.add(inner)
                yield from self._paid(inner, seen)

    def _listed(
        self, target_id: str | None, status: str | None, kind: str | None, since: float | None, outermost: bool
    ) -> Iterator[RunRecord]:
        """The runs that match, newest first."""
        for run in reversed(self._runs.values()):
            if target_id not in (None, run.target_id) or status not in (None, run.status):
                continue
            if kind not in (None, run.kind) or (since is not None and run.created_at < since):
                continue
            if not (outermost and run.parent is not None):
                yield run
