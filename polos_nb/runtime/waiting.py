"""Runs that were left waiting: watched, and driven on when what they wait for has come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from polos_nb.runtime.drives import Drive
from polos_nb.runtime.run import Run

_POLL_SECONDS = 0.1


class Waiting:
    """The runs of this process that nobody waits with. `again` drives one on and returns its new `Run`.

    It returns None for one that was cancelled in the meantime.

    `on_resume` is called with the old and the new `Run` before the new one begins, in the loop that drives it.
    """

    def __init__(self, again: Callable[[Drive], Run | None]) -> None:
        self.on_resume: list[Callable[[Run, Run], None]] = []
        self._again = again
        self._left: dict[str, Drive] = {}
        self._watch: asyncio.Task[None] | None = None

    def remember(self, drive: Drive) -> None:
        """Watch over a run that was just left; on the loop that drove it."""
        self._left[drive.lineage] = drive
        if self._watch is None or self._watch.done():
            self._watch = asyncio.get_running_loop().create_task(self._watched())

    def forget(self, lineage: str) -> None:
        """Watch over a run no more: it is being driven."""
        self._left.pop(lineage, None)

    @property
    def runs(self) -> list[str]:
        """The ids of the runs that are watched over."""
        return [drive.run.id for drive in self._left.values()]

    def stop(self) -> None:
        """Watch no more. The runs go on when they are called again."""
        self._left.clear()
        if self._watch is not None and not self._watch.get_loop().is_closed():
            self._watch.get_loop().call_soon_threadsafe(self._watch.cancel)

    async def _watched(self) -> None:
        while self._left:
            await asyncio.sleep(_POLL_SECONDS)
            for drive in list(self._left.values()):
                if drive.lineage in self._left and any(left.over() for left in drive.lot.left):
                    self.forget(drive.lineage)
                    run = self._again(drive)
                    if run is not None:
                        for listener in self.on_resume:
                            listener(drive.run, run)
