"""The book of one pass over a run: which record answered where, what was executed, and in which run it is written."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson

from polos_nb.durable.fingerprint import StepCall, differences, readable
from polos_nb.durable.lot import Lot
from polos_nb.durable.plan import Plan
from polos_nb.errors import ConfigurationError, LiveCallRefused, ReplayMiss
from polos_nb.messages import Usage
from polos_nb.redaction import Redactor
from polos_nb.run_events import Event
from polos_nb.settings import Mode
from polos_nb.stores.base import RunRecord, StepRecord, Store, TraceRow


class Superseded(BaseException):
    """Another driver has opened a newer run of this lineage: start the pass again. Never seen by a user."""


class Book:
    """The record of one pass.

    A pass over a completed run reads only; at the first step that has to execute, a new run of the lineage is opened
    and everything seen so far becomes the beginning of its trace. A pass over an unfinished run writes in that run.
    `newest` is the id of the lineage's newest run as this pass found it; a run without an id is opened when needed.
    `host` is the engine as steps see it. `outer` is the branch of another run's step in which this run was started,
    with the record of that step. With a `plan` nothing is executed or written.
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
        outer: Any = None,
        plan: Plan | None = None,
        lot: Lot | None = None,
        host: Any = None,
        freshened: frozenset[str] = frozenset(),
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
        self.plan = plan
        self.host: Any = host
        self.wrote = False  # whether a write was asked for
        self.outer: Any = outer  # (Steps, StepRecord), which this module is below of
        self.root: Book = self if outer is None else outer[0].book.root
        self.lot: Lot = (lot or Lot()) if outer is None else self.root.lot
        self.prefix: str = "" if outer is None else f"{outer[0].book.prefix}{outer[1].step_key}/"
        self.budget: float | None = None  # in US dollars, for this run and those inside it
        self.reserved: dict[str, float] = {}  # what calls of models that are being made may cost, by their full path
        self.watched = True  # whether somebody is there who could be asked
        self.interrupts: dict[str, Exception] = {}  # what ends the run, by step, whatever a tool does with it
        self.usage = Usage()  # tokens of the steps at the top, which have those of the steps inside them
        self.executed = 0
        self.hits = 0
        self._emit = emit
        self._lease = lease_seconds
        self._rows: dict[int, TraceRow] = {}
        self._top: dict[int, int] = {}  # the records of steps that are not inside another one, by place
        self._freshened: set[str] = set()
        self.freshened = freshened  # steps that an earlier pass of the same call has asked for anew, by their full path
        self.freshening: set[str] = set()  # those of this pass
        self.talked: dict[str, dict[str, Any]] = {}  # each conversation's turns of this pass: their places, by run
        self.uses: dict[int, dict[str, str]] = {}  # what a step runs by id, with its version, by the step's record
        self._next_seq = 0
        self._texts: set[str] = set()  # that this pass has kept
        self._start = store.last_step_id()
        self._history: list[StepRecord] | None = None

    @property
    def writing(self) -> bool:
        """Whether this pass holds a run of its own to write in."""
        return (
            self.plan is None
            and bool(self.run.id)
            and self.run.status != "completed"
            and self.mode in ("live", "record")
        )

    @property
    def used(self) -> set[int]:
        """The records that answered or were made."""
        return {row.step_id for row in self._rows.values()}

    def tell(self, event: Event) -> None:
        """Tell the listeners what happened in a run inside this one."""
        self._emit(event)

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

    def raise_interrupt(self, path: str = "") -> None:
        """Raise what ended a step inside this one, or any step. Steps beside it go on and are kept."""
        for inner, error in self.interrupts.items():
            if not path or inner.startswith(f"{path}/"):
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
        full = self.prefix + path
        if not names or full in self.root.freshened:
            return False
        self.root.freshening.add(full)
        return True

    def wants_fresh_inside(self, path: str) -> bool:
        """Whether a step inside this one must not answer from the store, so that this one has to execute."""
        return not isinstance(self.fresh, bool) and any(name.startswith(f"{path}/") for name in self.fresh)

    def fresh_inside(self, call: StepCall, path: str) -> bool | frozenset[str]:
        """What is to be fresh in the run inside a step."""
        if isinstance(self.fresh, bool):
            return False  # a fresh run is another run, and so is what is inside it
        inside = {name for name in self.fresh if name.startswith(f"{path}/")}
        self._freshened |= inside
        return self.wants_fresh(call, path) or frozenset(name.removeprefix(f"{path}/") for name in inside)

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
        if not record.parent:
            self._top[seq] = record.id

    def start(self, call: StepCall, record: StepRecord, seq: int, why: str) -> StepRecord:
        """Commit that a step is about to execute; opens a run when this pass only read so far."""
        self.open()
        self.executed += 1
        blobs = {name: self.redactor.redact(text) for name, text in call.blobs.items() if name not in self._texts}
        self._texts.update(blobs)
        if record.run_id != self.run.id:
            record = replace(record, run_id=self.run.id)
        record = self.store.start_step(record, seq=seq, why=why, blobs=blobs)
        self._rows[seq] = TraceRow(seq, record.id, cached=False, why=why)
        return record

    def rejoin(self, record: StepRecord, seq: int) -> StepRecord:
        """Go on with a step that an earlier pass left waiting."""
        self.open()
        self.executed += 1
        self._rows[seq] = TraceRow(seq, record.id, cached=False)
        return record

    def open(self) -> None:
        """Have a run to write in. Raises Superseded when another driver was faster."""
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
                state=None,
                **self.above(),
            ),
            expected=self.newest,
        )
        if opened is None:
            raise Superseded
        self.run = opened

    def above(self) -> dict[str, Any]:
        """The fields of this run that say which run it is nested in."""
        if self.outer is None:
            return {"parent": None, "parent_step": None, "root": None}
        outer, record = self.outer
        return {"parent": outer.book.run.id, "parent_step": record.step_key, "root": self.root.run.id}

    def settle(self) -> None:
        """Open a run of its own for a pass that executed nothing and yet is not the run it came back to.

        So it is when an edit was taken back: older records of the lineage answer, and the newest run is another one;
        or when the turn before it in the conversation is another run now.
        """
        if self.plan is not None or self.run.status != "completed" or self.mode not in ("live", "record"):
            return
        before = self.store.get_run(self.run.id)
        if before is None or before.previous != self.run.previous:
            self.open()
            return
        kept = [step.id for _, step in self.store.trace(self.run.id) if not step.parent]
        if kept != [self._top[seq] for seq in sorted(self._top)]:
            self.open()

    def withdraw_questions(self) -> None:
        """Whatever an outermost run has asked and not waited for is not asked any more: the run is over."""
        if self.outer is None:
            for decision in self.store.decisions(run_id=self.run.id, status="waiting"):
                self.store.decide(decision.id, status="withdrawn", decided_by="the run is over")

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
            return "it was interrupted" if found.status == "started" else "it was waiting"
        near = self._nearest(call, self._lineage_history())
        if near is None:
            return "new step" if self._lineage_history() else ""
        return "; ".join(self._differences(near, call)) or "its earlier answer is used already"

    def refuse(self, call: StepCall, why: str = "") -> None:
        """Raise when steps may not execute in this mode; names the nearest record and the difference."""
        if self.plan is not None or self.mode in ("live", "record"):
            return
        history = self._lineage_history() or self.store.past_steps(
            target_id=self.run.target_id, kind=call.kind, limit=200
        )
        near = self._nearest(call, history)
        if near is None:
            difference = "there is nothing like it"
        else:
            said = self._differences(near, call)
            waits = near.status == "suspended" and near.kind == call.kind
            said = said or [why or ("it waits for an answer" if waits else "the input of the run changed")]
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
        before = readable(orjson.loads(row.parts), orjson.loads(row.request or "{}"))
        return differences(before, readable(parts, call.request), text_of)
