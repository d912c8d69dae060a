"""Deleting from dictionaries: the part of `MemoryStore` that keeps it small."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection

import orjson

from polos_nb.stores.base import RunRecord, StepRecord, TraceRow
from polos_nb.stores.cleaning import LAPSED, LineageStats
from polos_nb.stores.fields import output_blob, run_number
from polos_nb.stores.waiting import DecisionRecord

Identity = tuple[str, str, int]


class MemoryCleaning:
    """Deleting by lineage in memory; see `Cleaning`."""

    _lock: threading.RLock
    _version: int
    _runs: dict[int, RunRecord]
    _steps: dict[int, StepRecord]
    _by_identity: dict[Identity, list[int]]
    _traces: dict[int, dict[int, TraceRow]]
    _messages: dict[int, list[str]]
    _blobs: dict[str, str]
    _decisions: dict[int, DecisionRecord]

    def clear(self, *, target_id: str | None = None, run_id: str | None = None) -> int:
        """Delete runs with their steps, traces and messages; see `Cleaning`."""
        with self._lock:
            everything = target_id is None and run_id is None
            lineages = self._family(target_id, None if run_id is None else run_number(run_id) or -1)
            deleted = self._delete(lineages, everything=everything)
            if everything:
                self._blobs = {}
            self.tidy()
            return deleted

    def lineages(self) -> list[LineageStats]:
        """Facts about every lineage; see `Cleaning`."""
        with self._lock:
            by_lineage: dict[str, list[RunRecord]] = {}
            for run in self._runs.values():
                by_lineage.setdefault(run.lineage, []).append(run)
            found = [self._facts(runs) for runs in sorted(by_lineage.values(), key=lambda runs: _number(runs[-1]))]
            return found

    def forget(self, lineages: Collection[str]) -> int | None:
        """Delete these lineages, unless one is busy; see `Cleaning`."""
        with self._lock:
            wanted = set(lineages)
            if any(self._busy(run) for run in self._runs.values() if run.lineage in wanted):
                return None
            return self._delete(wanted)

    def tidy(self) -> None:
        """Delete unused texts; see `Cleaning`."""
        with self._lock:
            named = {name for step in self._steps.values() for name in _blobs_of(step)}
            self._blobs = {
                name: text
                for name, text in self._blobs.items()
                if not name.startswith(("out:", "msg:", "src:")) or name in named
            }
            self._version += 1

    def _facts(self, runs: list[RunRecord]) -> LineageStats:
        last = runs[-1]
        others: set[str] = set()
        for run in runs:
            for name in (run.parent, run.previous, run.forked_from):
                other = self._runs.get(run_number(name) or 0) if name else None
                others |= {other.lineage} if other is not None else set()
        return LineageStats(
            lineage=last.lineage,
            target_id=last.target_id,
            status=last.status,
            runs=len(runs),
            outermost=last.parent is None,
            newest=max(run.created_at if run.finished_at is None else run.finished_at for run in runs),
            size=self._size(runs),
            busy=any(self._busy(run) for run in runs),
            linked=frozenset(others - {last.lineage}),
        )

    def _size(self, runs: list[RunRecord]) -> int:
        steps = [step for step in self._steps.values() if step.lineage == runs[0].lineage]
        texts = [text for run in runs for text in (run.input, run.result or "")]
        texts += [text for run in runs for text in self._messages.get(_number(run), ())]
        texts += [text or "" for step in steps for text in (step.parts, step.request, step.output, step.traceback)]
        messages = {name for step in steps for name in _blobs_of(step) if name.startswith("msg:")}
        texts += [self._blobs.get(name, "") for name in messages]
        return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) + 300 * len(runs) + 500 * len(steps)

    def _busy(self, run: RunRecord) -> bool:
        if run.status == "suspended":
            return True
        if run.status == "running" and (run.lease_until is None or run.lease_until > time.time() - LAPSED):
            return True
        return any(d.run_id == run.id and d.status == "waiting" for d in self._decisions.values())

    def _delete(self, lineages: Collection[str], *, everything: bool = False) -> int:
        gone = {number for number, run in self._runs.items() if run.lineage in lineages}
        steps = {
            step.id
            for step in self._steps.values()
            if everything or step.lineage in lineages or run_number(step.run_id) in gone
        }
        self._runs = {number: run for number, run in self._runs.items() if number not in gone}
        self._steps = {number: step for number, step in self._steps.items() if number not in steps}
        self._traces = {
            number: {seq: row for seq, row in rows.items() if row.step_id not in steps}
            for number, rows in self._traces.items()
            if number not in gone
        }
        self._messages = {number: texts for number, texts in self._messages.items() if number not in gone}
        self._decisions = {
            number: decision
            for number, decision in self._decisions.items()
            if run_number(decision.run_id) not in gone and decision.step_id not in steps
        }
        self._by_identity = {}
        for step in self._steps.values():
            self._by_identity.setdefault((step.lineage, step.fingerprint, step.occurrence), []).append(step.id)
        self._version += 1
        return len(steps)

    def _family(self, target_id: str | None, number: int | None) -> set[str]:
        """The lineages of the runs meant, and of the runs that those started, and so on."""
        lineages = {
            run.lineage
            for key, run in self._runs.items()
            if number in (None, key) and target_id in (None, run.target_id)
        }
        while True:
            parents = {run.id for run in self._runs.values() if run.lineage in lineages}
            more = {run.lineage for run in self._runs.values() if run.parent in parents} | lineages
            if more == lineages:
                return lineages
            lineages = more


def _blobs_of(step: StepRecord) -> set[str]:
    large = output_blob(step.output)
    parts = orjson.loads(step.parts)
    hashes = [*(parts.get("code") or {}).values(), (parts.get("agent") or {}).get("prompt")]
    sources = {f"src:{str(value).removesuffix('…')}" for value in hashes}
    return set(parts.get("messages", ())) | sources | ({large} if large is not None else set())


def _number(run: RunRecord) -> int:
    return run_number(run.id) or 0
