"""The store that forgets: the same contract in dictionaries, for tests and for replaying recordings."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from polos_nb.errors import StoreError
from polos_nb.stores.base import RunRecord, StepRecord, StoreStats, TraceRow
from polos_nb.stores.fields import (
    check_run_changes,
    check_step_changes,
    matches,
    output_blob,
    run_name,
    run_number,
)
from polos_nb.stores.memory_cleaning import Identity, MemoryCleaning
from polos_nb.stores.memory_counting import MemoryCounting
from polos_nb.stores.memory_waiting import MemoryWaiting


class MemoryStore(MemoryWaiting, MemoryCleaning, MemoryCounting):
    """A `Store` in memory. It ends with the process and is not shared with others.

    >>> store = MemoryStore()
    >>> run = store.new_run(RunRecord(lineage="l", target_id="weather"), expected=None)
    >>> run.id
    'r1'
    """

    def __init__(self) -> None:
        self.location = "memory"
        self._lock = threading.RLock()
        self._runs: dict[int, RunRecord] = {}
        self._steps: dict[int, StepRecord] = {}
        self._by_identity: dict[Identity, list[int]] = {}
        self._traces: dict[int, dict[int, TraceRow]] = {}
        self._messages: dict[int, list[str]] = {}
        self._blobs: dict[str, str] = {}
        self._last_run = 0
        self._last_step = 0
        self._version = 0
        self._empty()

    # -- runs ---------------------------------------------------------------------------------------
    def new_run(self, run: RunRecord, *, expected: str | None) -> RunRecord | None:
        """Add a run, unless `expected` is no longer the newest of its lineage; see `Store`."""
        with self._lock:
            newest = self.newest_run(run.lineage)
            wanted = None if expected is None else run_number(expected) or -1
            if (run_number(newest.id) if newest else None) != wanted:
                return None
            self._last_run += 1
            self._version += 1
            added = self._runs[self._last_run] = replace(run, id=run_name(self._last_run))
            return added

    def update_run(self, run_id: str, **changes: Any) -> None:
        """Set fields of a run; see `Store`."""
        check_run_changes(changes)
        with self._lock:
            number = self._known(run_id)
            self._runs[number] = replace(self._runs[number], **changes)
            self._version += 1

    def get_run(self, run_id: str) -> RunRecord | None:
        """The run, or None; see `Store`."""
        with self._lock:
            return self._runs.get(run_number(run_id) or 0)

    def newest_run(self, lineage: str) -> RunRecord | None:
        """The youngest run of a lineage, or None; see `Store`."""
        with self._lock:
            return next((run for run in reversed(self._runs.values()) if run.lineage == lineage), None)

    def list_runs(
        self,
        *,
        query: str = "",
        target_id: str | None = None,
        status: str | None = None,
        conversation_id: str | None = None,
        kind: str | None = None,
        since: float | None = None,
        outermost: bool = False,
        offset: int = 0,
        limit: int = 50,
    ) -> list[RunRecord]:
        """Runs, newest first; see `Store`."""
        with self._lock:
            found = [
                run
                for run in self._listed(target_id, status, kind, since, outermost)
                if conversation_id in (None, run.conversation_id) and matches(run, query)
            ]
            return found[max(offset, 0) :][: max(limit, 0)]

    def child_runs(self, run_id: str) -> list[RunRecord]:
        """The runs that steps of this run have started; see `Store`."""
        parent = run_name(run_number(run_id) or -1)
        with self._lock:
            return [run for run in self._runs.values() if run.parent == parent]

    def claim_run(self, run_id: str, owner: str, *, expected: str | None, lease_until: float) -> bool:
        """Become the driver if the owner is still `expected`; see `Store`."""
        with self._lock:
            run = self.get_run(run_id)
            if run is None or run.owner != expected:
                return False
            self.update_run(run_id, owner=owner, lease_until=lease_until, status="running")
            return True

    def release_run(self, run_id: str, owner: str, **changes: Any) -> None:
        """Give up the lease and set fields, if `owner` holds it; see `Store`."""
        check_run_changes(changes)
        with self._lock:
            run = self.get_run(run_id)
            if run is not None and run.owner == owner:
                self.update_run(run_id, **{"owner": None, "lease_until": None, **changes})

    # -- steps --------------------------------------------------------------------------------------
    def find_step(self, lineage: str, fingerprint: str, occurrence: int, *, after: int = 0) -> StepRecord | None:
        """The youngest record with this identity; see `Store`."""
        with self._lock:
            ids = self._by_identity.get((lineage, fingerprint, occurrence))
            return self._steps[ids[-1]] if ids and ids[-1] > after else None

    def start_step(
        self, step: StepRecord, *, seq: int, why: str = "", blobs: Mapping[str, str] | None = None
    ) -> StepRecord:
        """Add a record, its line in the trace and its blobs; see `Store`."""
        with self._lock:
            number = self._known(step.run_id)
            self.put_blobs(blobs or {})
            self._keep_output(step.output)
            self._last_step += 1
            self._version += 1
            added = replace(step, id=self._last_step, run_id=run_name(number), status="started")
            self._steps[added.id] = added
            self._by_identity.setdefault(_identity(added), []).append(added.id)
            self._traces.setdefault(number, {})[seq] = TraceRow(seq, added.id, False, why)
            return added

    def finish_step(self, step_id: int, **changes: Any) -> None:
        """Set fields of a record; see `Store`."""
        check_step_changes(changes)
        with self._lock:
            before = self._steps.get(step_id)
            if before is None:
                raise StoreError(
                    f"the step record {step_id} is not in the step store {self.location}, probably "
                    f"because it was "
                    "cleared: run the cell again"
                )
            self._keep_output(changes.get("output"))
            after = self._steps[step_id] = replace(before, **changes)
            if _identity(before) != _identity(after):
                self._by_identity[_identity(before)].remove(step_id)
                ids = self._by_identity.setdefault(_identity(after), [])
                ids.append(step_id)
                ids.sort()
            self._version += 1

    def get_step(self, step_id: int) -> StepRecord | None:
        """One record, or None; see `Store`."""
        with self._lock:
            return self._steps.get(step_id)

    def last_step_id(self) -> int:
        """The largest id given so far; see `Store`."""
        return self._last_step

    def past_steps(
        self,
        *,
        lineage: str | None = None,
        target_id: str | None = None,
        kind: str | None = None,
        limit: int = 50,
    ) -> list[StepRecord]:
        """Records that match all that is given, youngest first; see `Store`."""
        with self._lock:
            found = [
                step
                for step in reversed(self._steps.values())
                if lineage in (None, step.lineage) and target_id in (None, step.target_id) and kind in (None, step.kind)
            ]
            return found[: max(limit, 0)]

    def set_trace(self, run_id: str, rows: Sequence[TraceRow]) -> None:
        """Replace the whole trace of a run; see `Store`."""
        with self._lock:
            number = self._known(run_id) if rows else run_number(run_id) or 0
            for row in rows:
                if row.step_id not in self._steps:
                    raise StoreError(
                        f"the step record {row.step_id} is no longer in the step store {self.location}, "
                        f"probably "
                        "because it was cleared: run the cell again"
                    )
            self._traces[number] = {row.seq: row for row in rows}
            self._version += 1

    def trace(self, run_id: str) -> list[tuple[TraceRow, StepRecord]]:
        """The trace of a run in order; see `Store`."""
        with self._lock:
            rows = self._traces.get(run_number(run_id) or 0, {})
            return [(rows[seq], self._steps[rows[seq].step_id]) for seq in sorted(rows)]

    # -- conversations and blobs --------------------------------------------------------------------
    def put_messages(self, conversation_id: str, run_id: str, turn: int, messages: Sequence[str]) -> None:
        """Keep what one run added to a conversation; see `Store`."""
        with self._lock:
            self._messages[self._known(run_id) if messages else run_number(run_id) or 0] = list(messages)
            self._version += 1

    def get_messages(self, run_id: str) -> list[str]:
        """What one run added to its conversation, in order; see `Store`."""
        with self._lock:
            return list(self._messages.get(run_number(run_id) or 0, ()))

    def put_blobs(self, blobs: Mapping[str, str]) -> None:
        """Keep texts by name; see `Store`."""
        with self._lock:
            for name, text in blobs.items():
                self._blobs.setdefault(name, text)
            self._version += bool(blobs)

    def get_blob(self, name: str) -> str | None:
        """A kept text, or None; see `Store`."""
        with self._lock:
            return self._blobs.get(name)

    # -- housekeeping -------------------------------------------------------------------------------
    def stats(self) -> StoreStats:
        """Counts and sizes (of the texts); see `Store`. `by_target` counts step records."""
        with self._lock:
            targets = sorted(step.target_id for step in self._steps.values())
            times = [run.created_at for run in self._runs.values()]
            texts = [
                value for record in (*self._runs.values(), *self._steps.values()) for value in vars(record).values()
            ]
            texts += [*self._blobs.values(), *(text for kept in self._messages.values() for text in kept)]
            return StoreStats(
                location=self.location,
                runs=len(self._runs),
                steps=len(self._steps),
                conversations=len({run.conversation_id for run in self._runs.values()} - {None}),
                size=sum(len(text.encode("utf-8", "surrogatepass")) for text in texts if isinstance(text, str)),
                oldest=min(times, default=None),
                newest=max(times, default=None),
                by_target={target: targets.count(target) for target in dict.fromkeys(targets)},
            )

    def version(self) -> int:
        """A number that changes with every write; see `Store`."""
        return self._version

    def close(self) -> None:
        """Nothing to release; see `Store`."""

    def _known(self, run_id: str) -> int:
        number = run_number(run_id)
        if number is None or number not in self._runs:
            raise StoreError(f"there is no run {run_id} in the step store {self.location}: it may have been cleared")
        return number

    def _keep_output(self, output: str | None) -> None:
        large = output_blob(output)
        if large is not None and output is not None:
            self._blobs.setdefault(large, output)


def _identity(step: StepRecord) -> Identity:
    return step.lineage, step.fingerprint, step.occurrence
