"""The book of one pass over a run: which record answered where, what was executed, and in which run it is written."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson

from polos_nb.durable.fingerprint import StepCall, differences
from polos_nb.errors import ConfigurationError, LiveCallRefused, ReplayMiss
from polos_nb.events import Event
from polos_nb.redaction import Redactor
from polos_nb.settings import Mode
from polos_nb.stores.base import RunRecord, StepRecord, Store, TraceRow


class Superseded(BaseException):
    """Another driver has opened a newer run of this lineage: start the pass again. Never seen by a user."""


class Book:
    """The record of one pass.

    A pass over a completed run reads only; at the first step that has to execute, a new run of the lineage is opened
    and everything seen so far becomes the beginning of its trace. A pass over an unfinished run writes in that run.
    `newest` is the id of the lineage's newest run as this pass found it; a run without an id is opened when needed.
    """

    def __init__(
        self,
        *,
        store: Store,
        run: RunRecord,
        newest: str | None,
        owner: str,
        emit: Callable[[Event], None],
        mode: Mode = "live",
        fresh: bool | frozenset[str] = False,
        recording: str = "the cassette",
        redactor: Redactor,
        lease_seconds: float = 30.0,
        retry_delay: float = 1.0,
    ) -> None:
        self.store = store
        self.run = run
        self.newest = newest
        self.owner = owner
        self.mode = mode
        self.fresh = fresh
        self.recording = recording
        self.redactor = redactor
        self.retry_delay = retry_delay
        self.interrupts: dict[str, Exception] = {}  # what ends the run, by step, whatever a tool does with it
        self.executed = 0
        self.hits = 0
        self._emit = emit
        self._lease = lease_seconds
        self._rows: dict[int, TraceRow] = {}
        self._top: dict[int, int] = {}  # the records of steps that are not inside another one, by place
        self._freshened: set[str] = set()
        self._next_seq = 0
        self._start = store.last_step_id()
        self._history: list[StepRecord] | None = None

    @property
    def writing(self) -> bool:
        """Whether this pass holds a run of its own to write in."""
        return bool(self.run.id) and self.run.status != "completed" and self.mode in ("live", "record")

    @property
    def used(self) -> set[int]:
        """The records that answered or were made."""
        return {row.step_id for row in self._rows.values()}

    def emit(self, event_type: type[Event], **fields: Any) -> None:
        """Tell the listeners something about this run."""
        self._emit(
            event_type(
                run_id=self.run.id,
                target_id=self.run.target_id,
                kind=self.run.kind,
                at=time.time(),
                **fields,
            )
        )

    def raise_interrupt(self, path: str) -> None:
        """Raise what ended a step inside this one. Steps beside it go on and are kept."""
        for inner, error in self.interrupts.items():
            if inner.startswith(f"{path}/"):
                raise error from None

    def next_seq(self) -> int:
        """The place of the next step in the trace, in the order in which steps are asked for."""
        self._next_seq += 1
        return self._next_seq

    def wants_fresh(self, call: StepCall, path: str) -> bool:
        """Whether this step must not answer from the store. A fresh run starts above a horizon of its own."""
        if isinstance(self.fresh, bool):
            return False
        names = {path, call.key, call.name, call.key.partition("[")[0]} & self.fresh
        self._freshened |= names
        return bool(names)

    def wants_fresh_inside(self, path: str) -> bool:
        """Whether a step inside this one must not answer from the store, so that this one has to execute."""
        return not isinstance(self.fresh, bool) and any(name.startswith(f"{path}/") for name in self.fresh)

    def check_fresh(self) -> None:
        """Raise ConfigurationError when a step was to be fresh that this run does not have."""
        missed = set() if isinstance(self.fresh, bool) else set(self.fresh) - self._freshened
        if missed:
            keys = [step.step_key for step in map(self.store.get_step, sorted(self.used)) if step is not None]
            raise ConfigurationError(
                f"there is no step {sorted(missed)[0]} to be fresh in this run; it has: {', '.join(keys) or 'none'}"
            )

    def find(self, fingerprint: str, occurrence: int) -> StepRecord | None:
        """The record that answers, or the failed or unfinished one that would have."""
        return self.store.find_step(self.run.lineage, fingerprint, occurrence, after=self.run.horizon)

    def hit(self, seq: int, record: StepRecord) -> None:
        """A record has answered."""
        self.hits += 1
        self._rows[seq] = TraceRow(seq, record.id, cached=True)
        if "/" not in record.step_key:
            self._top[seq] = record.id

    def start(self, call: StepCall, record: StepRecord, seq: int, why: str) -> StepRecord:
        """Commit that a step is about to execute; opens a run when this pass only read so far."""
        self._open()
        self.executed += 1
        blobs = {name: self.redactor.redact(text) for name, text in call.blobs.items()}
        record = self.store.start_step(
            replace(record, run_id=self.run.id, owner=self.owner), seq=seq, why=why, blobs=blobs
        )
        self._rows[seq] = TraceRow(seq, record.id, cached=False, why=why)
        return record

    def _open(self) -> None:
        if self.run.id and self.run.status != "completed":
            return
        opened = self.store.new_run(
            replace(
                self.run,
                id="",
                status="running",
                owner=self.owner,
                lease_until=time.time() + self._lease,
                created_at=time.time(),
                finished_at=None,
                result=None,
                error=None,
                usage=None,
            ),
            expected=self.newest,
        )
        if opened is None:
            raise Superseded
        self.run = opened

    def settle(self) -> None:
        """Open a run of its own for a pass that executed nothing and yet is not the run it came back to.

        So it is when an edit was taken back: older records of the lineage answer, and the newest run is another one;
        or when the turn before it in the conversation is another run now.
        """
        if self.run.status != "completed" or self.mode not in ("live", "record"):
            return
        before = self.store.get_run(self.run.id)
        if before is None or before.previous != self.run.previous:
            self._open()
            return
        kept = [step.id for _, step in self.store.trace(self.run.id) if "/" not in step.step_key]
        if kept != [self._top[seq] for seq in sorted(self._top)]:
            self._open()

    def save_trace(self) -> None:
        """Keep which record answered where. Only for a pass that wrote."""
        if self.writing:
            self.store.set_trace(self.run.id, [self._rows[seq] for seq in sorted(self._rows)])

    # -- saying why -------------------------------------------------------------------------------------------------
    def why(self, call: StepCall, found: StepRecord | None, path: str) -> str:
        """What made a step execute although the lineage may have answers; "" in a first run."""
        if self.fresh is True or self.wants_fresh(call, path):
            return "asked to be fresh"
        if found is not None and found.status == "failed":
            return f"the last attempt failed: {found.error}"
        if found is not None and found.status in ("started", "suspended"):
            return "it was interrupted"
        near = self._nearest(call, self._lineage_history())
        if near is None:
            return "new step" if self._lineage_history() else ""
        return "; ".join(self._differences(near, call)) or "its earlier answer is used already"

    def refuse(self, call: StepCall) -> None:
        """Raise when steps may not execute in this mode; names the nearest record and the difference."""
        if self.mode in ("live", "record"):
            return
        history = self._lineage_history() or self.store.past_steps(
            target_id=self.run.target_id, kind=call.kind, limit=200
        )
        near = self._nearest(call, history)
        if near is None:
            difference = "there is nothing like it"
        else:
            said = self._differences(near, call)
            said = said or ["the input of the run changed"]
            difference = f"the nearest is {near.step_key}: " + "; ".join(said)
        step = f"step {call.key} of {self.run.target_id}"
        if self.mode == "replay":
            raise ReplayMiss(
                f"{step} is not in {self.recording}; {difference}. Record it again: run the notebook where calls are"
                " allowed, then %polos cassette record",
                step_key=call.key,
                difference=difference,
            )
        raise LiveCallRefused(
            f"{step} is not in the store, and in mode offline nothing is called; {difference}. Where nobody is"
            " watching, POLOS_NB_ALLOW_LIVE=1 allows calls; or record a cassette: %polos cassette record"
        )

    def _lineage_history(self) -> list[StepRecord]:
        if self._history is None:
            rows = self.store.past_steps(lineage=self.run.lineage, limit=500)
            self._history = [row for row in rows if row.id <= self._start]
        return self._history

    def _nearest(self, call: StepCall, history: list[StepRecord]) -> StepRecord | None:
        alike = [row for row in history if row.kind == call.kind and row.name == call.name]
        same_key = [row for row in alike if row.step_key == call.key]
        pool = (same_key or alike)[:20]
        if not pool:
            return None
        return min(pool, key=lambda row: len(self._differences(row, call)))

    def _differences(self, row: StepRecord, call: StepCall) -> list[str]:
        def text_of(name: str) -> str | None:
            text = call.blobs.get(name) or self.store.get_blob(name)
            return None if text is None else self.redactor.redact(text)

        parts = orjson.loads(orjson.dumps(dict(call.parts), option=orjson.OPT_NON_STR_KEYS))
        return differences(orjson.loads(row.parts), parts, text_of)
