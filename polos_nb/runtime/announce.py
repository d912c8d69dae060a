"""Says on stderr what a run waits for, where the caller waits with it: otherwise a script would only stand still."""

from __future__ import annotations

import sys

from polos_nb.run_events import Event, StepSuspended
from polos_nb.runtime.run import Run
from polos_nb.settings import MEMORY


def announce(run: Run, location: str) -> None:
    """Tell of each question of a run once. `location` is its store's file."""
    told: set[int] = set()

    def listen(event: Event) -> None:
        if not isinstance(event, StepSuspended) or event.form is None or event.decision in told:
            return
        told.add(event.decision)
        form = event.form.get("_form")
        title = str(form.get("title") or "") if isinstance(form, dict) else ""
        asks = f": {title}" if title else ""
        step = event.path.rpartition("/")[2]
        sys.stderr.write(
            f"polos_nb: run {run.id} waits at {event.path}{asks}. Answer with {_how(run.id, step, location)}\n"
        )

    run.subscribe(listen)


def _how(run_id: str, step: str, location: str) -> str:
    if location in ("memory", MEMORY):
        return f"client.resume(None, {run_id!r}, {step!r}, {{...}}) in this process"
    return f"polos-nb approve {run_id} '{step}' --yes (or --no, --set KEY=VALUE), in another terminal"
