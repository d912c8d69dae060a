"""One call to be driven, and what whoever drives it needs of the runtime."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from polos_nb.durable.lot import Lot
from polos_nb.durable.plan import Plan
from polos_nb.runtime.conversation import Conversations, Place
from polos_nb.runtime.queues import Queues
from polos_nb.runtime.run import Run
from polos_nb.runtime.targets import Target
from polos_nb.settings import Mode, Settings
from polos_nb.stores.base import Store


class Surroundings(Protocol):
    """What a driver needs of the runtime it belongs to."""

    settings: Settings
    cassettes: list[Path]
    lineages: dict[str, set[int]]
    patience: float | None
    watched: bool
    notebook: str | None
    queues: Queues

    @property
    def mode(self) -> Mode:
        """The mode that runs are in."""

    @property
    def store(self) -> Store:
        """The store."""

    @property
    def conversations(self) -> Conversations:
        """Where this process stands in each conversation."""

    def host(self, target: Target) -> Any:
        """The engine as the steps of a target see it."""


@dataclass(kw_only=True)
class Drive:
    """One call to be driven: what, into which `Run`, under which lineage, and what is around it.

    `outer` is the branch and the record of the step that a nested run hangs on; `above` are fields that say which run
    started one that goes its own way. With a `plan` nothing is executed. `wrote` says afterwards whether there was a
    write. A call that is driven `again` goes on with its newest run, even one that was to be fresh; `freshened` are the
    steps that it has asked for anew already. `chain` are the writes before it: what is read inside depends on them.
    """

    target: Target
    run: Run
    lineage: str
    place: Place | None = None
    timeout: float | None = None
    outer: Any = None
    plan: Plan | None = None
    forked_from: str | None = None
    above: dict[str, Any] = field(default_factory=dict)
    wrote: bool = False
    lot: Lot = field(default_factory=Lot)
    limit: asyncio.Timeout | None = None
    again: bool = False
    freshened: frozenset[str] = frozenset()
    chain: str = ""

    def anew(self) -> Drive:
        """The same call for another pass, into a `Run` of its own."""
        run = Run(self.target.id, conversation_id=self.target.conversation_id)
        return replace(self, run=run, timeout=None, wrote=False, lot=Lot(), limit=None, again=True)
