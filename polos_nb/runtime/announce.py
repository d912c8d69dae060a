"""Says on stderr what a run waits for, where the caller waits with it: otherwise a script would only stand still."""

from __future__ import annotations

import sys

from polos_nb.forms import Form, parse_form
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
        form = parse_form(event.form)
        asks = f": {form.title}" if form.title else ""
        step = event.path.rpartition("/")[2]
        end = "" if asks.endswith(("?", ".", "!")) else "."
        how = _how(run.id, step, location, form)
        sys.stderr.write(f"polos_nb: run {run.id} waits at {event.path}{asks}{end} Answer with {how}\n")

    run.subscribe(listen)


def _how(run_id: str, step: str, location: str, form: Form) -> str:
    if location in ("memory", MEMORY):
        return f"client.resume(None, {run_id!r}, {step!r}, {{...}}) in this process"
    return f"polos-nb approve {run_id} '{step}' {form.flags()}, in another terminal"
