"""Recording: the runs that are already paid for, copied from the store into a cassette."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from polos_nb.runtime.records import NESTED
from polos_nb.stores.base import StepRecord, Store, TraceRow
from polos_nb.stores.cassette import Cassette


@dataclass(frozen=True)
class Recorded:
    """What was written: `runs` and `steps` of this recording, into the file `path`."""

    path: Path
    runs: int
    steps: int


def record_lineages(
    store: Store, lineages: Mapping[str, Collection[int]] | Sequence[str], path: Path, *, replace: bool = False
) -> Recorded:
    """Copy the newest run of each lineage into a cassette; no step is executed.

    A mapping says which other steps the process has used of each lineage: those of an agent before its cell was
    executed in another form, which the notebook will ask for again.
    What the cassette holds of other lineages stays, unless `replace`. Raises ConfigurationError, and writes nothing,
    when a secret would be written.
    """
    cassette = Cassette() if replace or not path.exists() else Cassette.load(path)
    runs = steps = 0
    used = dict(lineages) if isinstance(lineages, Mapping) else dict.fromkeys(lineages, ())
    waiting = list(used)
    while waiting:
        lineage = waiting.pop(0)
        step_ids = used[lineage]
        run = store.newest_run(lineage)
        if run is None or run.status not in ("completed", "failed"):
            continue
        rows = store.trace(run.id)
        rows += _others(store, rows, step_ids)
        cassette.merge(run, rows, store.get_messages(run.id), _blobs(store, rows))
        runs += 1
        steps += len(rows)
        for inside in _nested(rows):  # what happened in a step is shown with it
            if inside not in used:
                used[inside] = ()
                waiting.append(inside)
    cassette.save(path)
    return Recorded(path, runs, steps)


def _nested(rows: Sequence[tuple[TraceRow, StepRecord]]) -> list[str]:
    """The lineages of the runs inside these steps."""
    found = [orjson.loads(step.request or "{}").get("lineage") for _, step in rows if step.kind in NESTED]
    return [lineage for lineage in found if isinstance(lineage, str)]


def _others(
    store: Store, rows: Sequence[tuple[TraceRow, StepRecord]], step_ids: Collection[int]
) -> list[tuple[TraceRow, StepRecord]]:
    """Steps that were used and are not in the run's own trace, behind it."""
    known = {step.id for _, step in rows}
    place = max((row.seq for row, _ in rows), default=0)
    found = [store.get_step(step_id) for step_id in sorted(set(step_ids) - known)]
    return [(TraceRow(place + n, step.id), step) for n, step in enumerate(filter(None, found), 1)]


def _blobs(store: Store, rows: Sequence[tuple[object, StepRecord]]) -> dict[str, str]:
    """The message texts that the steps speak of."""
    out: dict[str, str] = {}
    for _, step in rows:
        for name in orjson.loads(step.parts).get("messages", ()):
            text = store.get_blob(name)
            if text is not None:
                out[name] = text
    return out
