"""Cards for runs that the code of a cell started, such as `await agent.run(...)`: shown as long as they are needed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from polos_nb.notebook.host import Host
from polos_nb.notebook.kernel_compat import in_kernel
from polos_nb.notebook.painter import publish
from polos_nb.notebook.run_widget import RunWidget
from polos_nb.run_events import Event, StepSuspended
from polos_nb.runtime.run import Run

_TICK = 0.04  # seconds


class Asked:
    """Opens a view for a run that asks something while its cell waits, and takes it away when the run is over.

    Nothing of it stays: where nobody watches no card is shown, and outputs must be the same there.
    """

    def __init__(self, host: Host, watched: Callable[[], bool]) -> None:
        self._host = host
        self._watched = watched
        self._tasks: set[asyncio.Task[None]] = set()

    def started(self, run: Run) -> None:
        """A run is about to be driven (see `Runtime.on_run`)."""
        if run.attended or run in self._host.seen:  # a chat's message, or one that a cell shows already
            return
        if not self._host.in_cell or not self._watched() or not in_kernel(self._host.ip):
            return
        # On another thread's loop the cell's own thread is blocked, and hears no click.
        if threading.current_thread() is not threading.main_thread() or not self._host.inline:
            return
        run.attend()
        run.subscribe(lambda event: self._heard(run, event))

    def _heard(self, run: Run, event: Event) -> None:
        if isinstance(event, StepSuspended) and event.form is not None and run not in self._host.seen:
            self._host.seen.add(run)
            task = asyncio.get_running_loop().create_task(self._show(run))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _show(self, run: Run) -> None:
        view = RunWidget(self._host, run)
        try:
            while not run.done():
                view.tick()
                if run.attended and not view.inline:  # no page is there: the run is left, and its error says what to do
                    run.leave()
                await asyncio.sleep(_TICK)
        finally:
            run.leave()  # whatever became of the card: nobody waits any more with a run that shows none
        publish(self._host.ip, ({}, {}), display_id=view.display_id, update=True)
