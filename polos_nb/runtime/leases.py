"""Who drives a run: one pass at a time, in any process; a lease lapses when its owner is gone."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

from polos_nb.errors import StoreError
from polos_nb.stores.base import RunRecord, Store
from polos_nb.stores.owner import alive, owner_id

LEASE_SECONDS = 30.0
HEARTBEAT_SECONDS = 10.0
_LOOK_SECONDS = 0.5  # how often a driver looks whether its run was cancelled elsewhere

_active: set[str] = set()


class Leases:
    """The leases of one pass, which lasts as long as the `with` block. `owner` names this process and pass."""

    seconds = LEASE_SECONDS

    def __init__(self, store: Store) -> None:
        self._store = store
        self.owner = f"{owner_id()}/{uuid.uuid4().hex[:8]}"

    def __enter__(self) -> Self:
        _active.add(self.owner)  # before the store can name this owner: another thread may look at once
        return self

    def __exit__(self, *exc_info: object) -> None:
        _active.discard(self.owner)

    def times(self) -> dict[str, Any]:
        """The fields of a run that begins now."""
        now = time.time()
        return {"created_at": now, "lease_until": now + self.seconds}

    def take(self, run: RunRecord) -> bool:
        """Become the driver of a run that nobody drives; False when somebody was faster."""
        return self._store.claim_run(run.id, self.owner, expected=run.owner, lease_until=time.time() + self.seconds)

    @contextlib.asynccontextmanager
    async def kept(self, run_id: Callable[[], str]) -> AsyncIterator[None]:
        """Renew the lease of `run_id()` (nothing while it is "") as long as the block runs.

        The block is cancelled when another process has cancelled the run, or has taken it over.
        """
        task = asyncio.current_task()
        assert task is not None
        beat = asyncio.get_running_loop().create_task(self._beat(run_id, task))
        try:
            yield
        finally:
            beat.cancel()

    async def _beat(self, run_id: Callable[[], str], task: asyncio.Task[Any]) -> None:
        renewed = time.monotonic()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            with contextlib.suppress(StoreError):  # locked for a moment, or cleared: the steps themselves will say so
                run = self._store.get_run(run_id()) if run_id() else None
                if run is not None and (run.owner != self.owner or run.status == "cancelled"):
                    task.cancel()
                    return
                if run is not None and time.monotonic() - renewed >= HEARTBEAT_SECONDS:
                    self._store.update_run(run.id, lease_until=time.time() + self.seconds)
                    renewed = time.monotonic()

    def driven(self, run: RunRecord) -> bool:
        """Whether another living pass drives this run; one that was cancelled is driven until its driver lets go."""
        if run.status not in ("running", "cancelled") or not run.owner or run.owner == self.owner:
            return False
        process, _, _ = run.owner.partition("/")
        if process == owner_id():
            return run.owner in _active
        living = alive(process)
        if living is not None:  # of this host: a process that is busy for longer than its lease is not gone
            return living
        return (run.lease_until or 0.0) > time.time()
