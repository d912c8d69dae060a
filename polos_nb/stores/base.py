"""What durable state is: the records, and the contract of every store that keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from polos_nb.stores.cleaning import Cleaning
from polos_nb.stores.counting import Counting
from polos_nb.stores.waiting import Decisions, Topics

RunStatus = Literal["running", "completed", "failed", "cancelled", "suspended"]
StepStatus = Literal["started", "completed", "failed", "suspended"]
Effect = Literal["read", "write"]

BLOB_BYTES = 64 * 1024  # outputs above this size live once in `blobs`


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One execution of an agent, a tool or a workflow.

    `id` is "r" and a number, unique in its store. `lineage` is what a re-executed call comes back to. `input`,
    `result`, `options` and `state` (of a workflow) are JSON texts. `turn` counts the calls of a conversation from 0
    and `previous` is the run of the turn before. `parent` is the run whose step `parent_step` started this one, `root`
    the outermost run above it; both are None for an outermost run. Step records with an id of `horizon` or less never
    answer this run (it was asked to be fresh). `owner` drives the run until `lease_until`; times are seconds since
    1970.
    """

    id: str = ""
    lineage: str
    target_id: str
    kind: str = "agent"
    input: str = "null"
    status: RunStatus = "running"
    occurrence: int = 0
    conversation_id: str | None = None
    turn: int | None = None
    previous: str | None = None
    horizon: int = 0
    options: str = "{}"
    result: str | None = None
    error: str | None = None
    usage: str | None = None
    owner: str | None = None
    lease_until: float | None = None
    parent: str | None = None
    parent_step: str | None = None
    root: str | None = None
    state: str | None = None
    forked_from: str | None = None
    notebook: str | None = None
    created_at: float = 0.0
    finished_at: float | None = None


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """One durable call inside a run, or one attempt at it.

    A record answers a call when `lineage`, `fingerprint` and `occurrence` are the same and `status` is "completed".
    `parts` are what the fingerprint was made of (a flat JSON object, for saying what changed), `request` is what a
    person wants to see of the call, `output` is the encoded answer; all three are JSON texts. `parent` is the key of
    the step it happens in, "" at the top; `step_key` begins with it. `state` has the fields of the workflow's state
    that changed while it was executed, as JSON.
    """

    id: int = 0
    run_id: str
    lineage: str
    target_id: str
    step_key: str
    kind: str
    name: str
    fingerprint: str
    occurrence: int = 0
    status: StepStatus = "started"
    effect: Effect = "read"
    parts: str = "{}"
    request: str = "{}"
    output: str | None = None
    error: str | None = None
    traceback: str | None = None
    usage: str | None = None
    attempts: int = 0
    idempotency_key: str = ""
    owner: str | None = None
    parent: str = ""
    state: str | None = None
    started_at: float = 0.0
    finished_at: float | None = None


@dataclass(frozen=True)
class TraceRow:
    """One line of a run's trace: the step record that answered at place `seq`, whether `cached`, and `why` it ran."""

    seq: int
    step_id: int
    cached: bool = False
    why: str = ""


@dataclass(frozen=True)
class StoreStats:
    """How much a store holds. `size` is in bytes, times are seconds since 1970."""

    location: str
    runs: int = 0
    steps: int = 0
    conversations: int = 0
    size: int = 0
    oldest: float | None = None
    newest: float | None = None
    by_target: Mapping[str, int] = field(default_factory=dict)


class Store(Decisions, Topics, Cleaning, Counting, Protocol):
    """Keeps runs, steps, conversation messages, decisions and blobs.

    All calls are synchronous, safe from any thread, and atomic: when one returns, what it wrote survives the end of
    the process; when it raises, it wrote nothing. Failures of the disk or the file are `StoreError`s with a sentence
    for a person. Texts come back exactly as they were given. A store may be shared by several processes.
    """

    location: str

    # -- runs ---------------------------------------------------------------------------------------------------
    def new_run(self, run: RunRecord, *, expected: str | None) -> RunRecord | None:
        """Add a run, give it an id and return it. None, and nothing written, when `newest_run(run.lineage)` is no
        longer the run with id `expected` (None: no run at all): somebody else was faster."""

    def update_run(self, run_id: str, **changes: Any) -> None:
        """Set fields of `RunRecord` by name. An unknown run is a `StoreError`, an unknown field a TypeError."""

    def get_run(self, run_id: str) -> RunRecord | None:
        """The run, or None. "12" means "r12"."""

    def newest_run(self, lineage: str) -> RunRecord | None:
        """The youngest run of a lineage, or None."""

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
        """Runs, newest first. `query` is a part of id, target, input, status, error or conversation id (any case).

        `since` leaves out what began earlier, in seconds since 1970; `outermost` what another run has started. The
        first `offset` of those that match are skipped."""

    def child_runs(self, run_id: str) -> list[RunRecord]:
        """The runs that steps of this run have started, oldest first."""

    def claim_run(self, run_id: str, owner: str, *, expected: str | None, lease_until: float) -> bool:
        """Become the driver if the run's owner is still `expected`; sets status "running". False when it is not."""

    def release_run(self, run_id: str, owner: str, **changes: Any) -> None:
        """Give up the lease if `owner` holds it, and set fields of the run in the same transaction."""

    # -- steps --------------------------------------------------------------------------------------------------
    def find_step(self, lineage: str, fingerprint: str, occurrence: int, *, after: int = 0) -> StepRecord | None:
        """The youngest record with this identity and an id above `after`, whatever its status, or None."""

    def start_step(
        self, step: StepRecord, *, seq: int, why: str = "", blobs: Mapping[str, str] | None = None
    ) -> StepRecord:
        """Add a record with status "started", its line in the run's trace and the blobs it speaks of (kept once,
        by name), all in one transaction. Returns it with its id."""

    def finish_step(self, step_id: int, **changes: Any) -> None:
        """Set fields of `StepRecord` by name: status, output, error, ... An output over 64 KB goes to `blobs`."""

    def get_step(self, step_id: int) -> StepRecord | None:
        """One record, or None."""

    def last_step_id(self) -> int:
        """The largest id given to any step so far; 0 in an empty store."""

    def past_steps(
        self, *, lineage: str | None = None, target_id: str | None = None, kind: str | None = None, limit: int = 50
    ) -> list[StepRecord]:
        """Records that match all that is given, youngest first: the history that `why` and a miss compare with."""

    def set_trace(self, run_id: str, rows: Sequence[TraceRow]) -> None:
        """Replace the whole trace of a run."""

    def trace(self, run_id: str) -> list[tuple[TraceRow, StepRecord]]:
        """The trace of a run in order of `seq`, each line with its record."""

    # -- conversations and blobs ----------------------------------------------------------------------------------
    def put_messages(self, conversation_id: str, run_id: str, turn: int, messages: Sequence[str]) -> None:
        """Keep what one run added to a conversation; replaces what the same run had added before."""

    def get_messages(self, run_id: str) -> list[str]:
        """What one run added to its conversation, in order; [] for none."""

    def put_blobs(self, blobs: Mapping[str, str]) -> None:
        """Keep texts by name; a name that is there already is left as it is."""

    def get_blob(self, name: str) -> str | None:
        """A kept text, or None."""

    # -- housekeeping -----------------------------------------------------------------------------------------------
    def stats(self) -> StoreStats:
        """Counts and sizes."""

    def version(self) -> int:
        """A number that changes when another process or thread has written; cheap enough to poll every 20 ms."""

    def close(self) -> None:
        """Release the file. Calling it twice is fine."""
