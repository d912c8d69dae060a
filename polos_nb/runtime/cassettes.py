"""Recording: the runs that are already paid for, copied from the store into a cassette."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from polos_nb.stores.base import StepRecord, Store
from polos_nb.stores.cassette import Cassette


@dataclass(frozen=True)
class Recorded:
    """What was written: `runs` and `steps` of this recording, into the file `path`."""

    path: Path
    runs: int
    steps: int


def record_lineages(store: Store, lineages: Sequence[str], path: Path, *, replace: bool = False) -> Recorded:
    """Copy the newest completed run of each lineage into a cassette; no step is executed.

    What the cassette holds of other lineages stays, unless `replace`. Raises ConfigurationError, and writes nothing,
    when a secret would be written.
    """
    cassette = Cassette() if replace or not path.exists() else Cassette.load(path)
    runs = steps = 0
    for lineage in lineages:
        run = store.newest_run(lineage)
        if run is None or run.status != "completed":
            continue
        rows = store.trace(run.id)
        cassette.merge(run, rows, store.get_messages(run.id), _blobs(store, rows))
        runs += 1
        steps += len(rows)
    cassette.save(path)
    return Recorded(path, runs, steps)


def _blobs(store: Store, rows: Sequence[tuple[object, StepRecord]]) -> dict[str, str]:
    """The message texts that the steps speak of."""
    out: dict[str, str] = {}
    for _, step in rows:
        for name in orjson.loads(step.parts).get("messages", ()):
            text = store.get_blob(name)
            if text is not None:
                out[name] = text
    return out
