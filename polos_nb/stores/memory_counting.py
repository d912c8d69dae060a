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
                    answers = sorted(
                        (step.id, paid, step.parts, step.usage or "") for step, paid in self._answers(number, {number})
                    )
                    out[run_name(number)] = RunFigures(
                        steps=len(rows),
                        cached=cached,
                        paid=tuple((parts, usage) for _, paid, parts, usage in answers if paid),
                        saved=tuple((parts, usage) for _, paid, parts, usage in answers if not paid),
                    )
        return out

    def _answers(self, number: int, seen: set[int]) -> Iterator[tuple[StepRecord, bool]]:
        """The model answers of a run and of those inside it, and whether they were made there."""
        run = self._runs[number]
        for row in self._traces.get(number, {}).values():
            step = self._steps.get(row.step_id)
            if step is not None and step.kind == "llm" and step.usage is not None:
                yield step, step.run_id == run.id and step.started_at >= run.created_at
        for inner, other in self._runs.items():
            if other.parent == run.id and inner not in seen:
                seen.add(inner)
                yield from self._answers(inner, seen)

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
