"""A plan: a pass that answers from the store and stops where something would have to be executed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from polos_nb.durable.fingerprint import StepCall
from polos_nb.durable.lot import Lot


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A step that would have to be executed, and why: "" where the lineage has no answers at all."""

    path: str
    call: StepCall
    why: str


@dataclass
class Plan:
    """What a pass found out without executing: the first steps of each branch that would be executed."""

    stopped: list[Planned] = field(default_factory=list)

    async def stop(self, lot: Lot, path: str, call: StepCall, why: str) -> None:
        """Note a step that would be executed, and wait: the branch ends here. Other branches go on."""
        self.stopped.append(Planned(path=path, call=call, why=why))
        with lot.parked(path):
            await asyncio.Event().wait()
