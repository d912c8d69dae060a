"""What the inspector makes runs do, in the background of the kernel: fork, retry, go on, stop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from polos_nb import ambient
from polos_nb.agents import DEFAULT_TIMEOUT
from polos_nb.errors import ConfigurationError, PolosError
from polos_nb.notebook.inspector_edits import as_asked
from polos_nb.notebook.kernel_compat import in_kernel
from polos_nb.notebook.running import Prepared
from polos_nb.notebook.session import NotebookSession
from polos_nb.reports.runs import find_run, path_to
from polos_nb.reports.story import Place, find_place
from polos_nb.runtime.again import place_again, target_of
from polos_nb.runtime.client import PolosClient
from polos_nb.runtime.leases import Leases
from polos_nb.runtime.run import Run
from polos_nb.stores.base import RunRecord


class Driving:
    """Drives runs for the pages of one session. Its methods return as soon as the run is known."""

    def __init__(self, session: NotebookSession) -> None:
        self._session = session
        self._tasks: set[asyncio.Task[Any]] = set()

    async def fork(self, run_id: str, path: str, changes: Mapping[str, Any], name: str | None) -> dict[str, str]:
        """A new run with one answer edited; its result is bound to `name`."""
        store = self._session.runtime.store
        record = find_run(store, run_id)
        place = find_place(store, record, path)
        edited, put = as_asked(store.trace(place.run.id), place.row, place.step, changes)
        before = {run.id for run in store.list_runs(limit=1)}

        def start(run: Run) -> Run:
            return self._session.runtime.fork(
                place.run.id,
                edited.step_key,
                put,
                declared=self._session.declared(),
                into=run,
                timeout=DEFAULT_TIMEOUT,
            )

        run = await self._begin(place.run, start, name)
        newest = {run.id for run in store.list_runs(limit=1)}
        said = f"{run.id} goes on from {place.run.id} with {edited.step_key} edited."
        if place.run.id != record.id:
            said += f" {place.run.id} is the run inside {record.id} at {path}; it is forked by itself."
        if before == newest:
            said += " The same fork was made before, so it is the same run."
        return {"sentence": said + (f" Its result becomes {name}." if name else ""), "run": run.id}

    async def retry(self, run_id: str, path: str) -> dict[str, str]:
        """The run again, with the answer of one step dropped. A step that failed is tried again anyway."""
        runtime = self._session.runtime
        store = runtime.store
        record = find_run(store, run_id)
        place = find_place(store, record, path)
        top = store.get_run(record.root) if record.root else record
        if top is None:
            raise ConfigurationError(f"run {record.root}, which {record.id} is inside of, is not in {store.location}")
        full = path_to(store, record) + path
        _reachable(place, full, top)
        newest = store.newest_run(top.lineage) or top
        if Leases(store).driven(newest):
            raise ConfigurationError(f"run {newest.id} is being driven; stop it first, or wait for its end")
        if runtime.mode not in ("live", "record"):
            raise ConfigurationError(f"a step that is tried again is executed, which mode {runtime.mode} does not do")
        fresh = frozenset({full}) if place.step.status == "completed" else frozenset()

        def start(run: Run) -> Run:
            target = target_of(top, runtime.settings, self._session.declared()).with_fresh(fresh)
            runtime.waiting.forget(top.lineage)
            return runtime.launch(target, run, DEFAULT_TIMEOUT, lineage=top.lineage, place=place_again(top, store))

        run = await self._begin(top, start, None)
        said = f"{full} is tried again in {run.id}; steps that do not depend on it answer from the store."
        if newest.id != top.id:
            said += f" {newest.id} is the newest run of the call of {top.id}, so it goes on from there."
        alike = [step.step_key for _, step in store.trace(top.id) if fresh and full == step.name != step.step_key]
        if alike:
            said += f" So are {', '.join(alike[:5])}, which have its name."
        return {"sentence": said, "run": run.id}

    async def go_on(self, run_id: str) -> str:
        """A run has an answer: it goes on here, unless this kernel or another one sees to that. What to add to say."""
        runtime = self._session.runtime
        record = runtime.store.get_run(run_id)
        if record is None:
            return ""
        if record.status == "cancelled":
            return "; it was stopped, so run its cell again"
        watched = run_id in runtime.waiting.runs and in_kernel(self._session.ip)  # elsewhere its loop stands still
        if record.status != "suspended" or watched:
            return ""

        def start(run: Run) -> Run:
            return runtime.resume(run_id, declared=self._session.declared(), into=run, timeout=DEFAULT_TIMEOUT)

        try:
            await self._begin(record, start, None)
        except ConfigurationError:  # not declared here: the answer is kept for who declares it
            return f"; it goes on where {record.target_id} is declared"
        return ""

    async def stop(self, run_id: str) -> dict[str, str]:
        """Stop a run, whichever process drives it."""
        record = find_run(self._session.runtime.store, run_id)
        if record.root is not None:
            raise ConfigurationError(f"run {record.id} is inside run {record.root}; stop that one")
        if not await PolosClient(runtime=self._session.runtime).cancel_execution(record.id):
            return {"sentence": f"{record.id} is over already: {record.status}."}
        self._session.stopped(record)
        return {"sentence": f"{record.id} is being stopped; what is finished is kept."}

    async def _begin(self, record: RunRecord, start: Callable[[Run], Run], name: str | None) -> Run:
        """Drive a run in the background; returns when it is known. Raises what stood in its way."""
        target_of(record, self._session.runtime.settings, self._session.declared())  # says what is not declared here
        run = Run(record.target_id, conversation_id=record.conversation_id)
        prepared = Prepared(run=run, start=start, bind=name, silent=True, quiet=True)
        task = asyncio.create_task(self._drive(prepared))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_heard)
        known = asyncio.create_task(run.known())
        known.add_done_callback(_heard)
        await asyncio.wait({task, known}, return_when=asyncio.FIRST_COMPLETED)
        known.cancel()
        if not run.id:
            failure = task.exception() if task.done() and not task.cancelled() else None
            raise (
                failure
                if isinstance(failure, PolosError)
                else ConfigurationError(f"the run of {record.target_id} did not begin")
            )
        return run

    async def _drive(self, prepared: Prepared) -> Any:
        ambient.inside.set(None)  # what a page starts belongs to no run
        return await self._session.runner.awaited(prepared, watched=True)


def _reachable(place: Place, full: str, top: RunRecord) -> None:
    """Raise ConfigurationError for a step that the outermost run cannot ask for anew."""
    parts = full.split("/")
    if any(part[:1] == "r" and part[1:].isdecimal() for part in parts[:-1]) and place.run.id != top.id:
        raise ConfigurationError(
            f"{place.run.id} was started by the code of another step; retry that step, which is around it"
        )


def _heard(task: asyncio.Task[Any]) -> None:
    """How a run ended is in its record, so asyncio need not shout about it."""
    with contextlib.suppress(asyncio.CancelledError):
        task.exception()
