"""Deleting what nobody needs any more: whole families of runs, oldest first, and never what is still going on."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from dataclasses import dataclass

from polos_nb.errors import ConfigurationError
from polos_nb.reports.facts import Facts, when
from polos_nb.stores.base import Store
from polos_nb.stores.cleaning import LineageStats

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_BYTES = {"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


@dataclass(frozen=True)
class Family:
    """Lineages that only make sense together: runs, the runs they started, and the turns of their conversation."""

    members: tuple[LineageStats, ...]

    @property
    def head(self) -> LineageStats:
        """The lineage of the newest run that no other run started."""
        return next((one for one in reversed(self.members) if one.outermost), self.members[-1])

    @property
    def newest(self) -> float:
        """When something happened last."""
        return max(one.newest for one in self.members)

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return sum(one.size for one in self.members)

    @property
    def busy(self) -> bool:
        """Whether one of its runs is being driven or waits for an answer."""
        return any(one.busy for one in self.members)


def collect(
    store: Store,
    *,
    older_than: float | None = None,
    max_bytes: int | None = None,
    status: str | None = None,
    keep: int = 0,
    dry_run: bool = False,
) -> Facts:
    """Delete families of runs, and say what was deleted.

    `older_than` (seconds since the last thing that happened in it) and `max_bytes` (of the whole store, reached by
    deleting the oldest) each say what goes; with neither, all goes that may. What may go is limited by `status` (of
    the newest run) and by `keep`: the newest so many families of each target stay. A family with a run that is
    being driven or waits for an answer always stays. With `dry_run` nothing is deleted, and sizes are estimates.
    """
    if older_than is None and max_bytes is None and status is None and not keep:
        raise ConfigurationError(
            "say what may go: --older-than 30d, --max-size 500MB, --status failed or --keep 10; --dry-run only tells"
        )
    before = store.stats().size
    deleted: list[Family] = []
    steps = 0
    while True:
        if not dry_run:
            store.tidy()  # the size of the file is only then what its runs take
        families = families_of(store.lineages())
        chosen = _chosen(families, store.stats().size, older_than, max_bytes, status, keep)
        gone = 0
        for family in chosen:
            number = 0 if dry_run else store.forget([one.lineage for one in family.members])
            if number is not None:  # None: it was taken up again meanwhile
                deleted.append(family)
                steps += number
                gone += 1
        if dry_run or not gone:  # sizes are estimates, so it may take another round to reach `max_bytes`
            break
    freed = sum(family.size for family in deleted) if dry_run else max(0, before - store.stats().size)
    return {
        "dry_run": dry_run,
        "runs": sum(one.runs for family in deleted for one in family.members),
        "steps": None if dry_run else steps,
        "size_before": before,
        "freed": freed,
        "busy": sum(family.busy for family in families),
        "deleted": [
            {
                "target": family.head.target_id,
                "status": family.head.status,
                "runs": sum(one.runs for one in family.members),
                "newest": when(family.newest),
                "size": family.size,
            }
            for family in deleted
        ],
    }


def families_of(lineages: list[LineageStats]) -> list[Family]:
    """Lineages grouped with those they are linked to, the family that was quiet for longest first."""
    above = {one.lineage: one.lineage for one in lineages}

    def root(name: str) -> str:
        while above[name] != name:
            above[name] = above[above[name]]
            name = above[name]
        return name

    for one in lineages:
        for other in one.linked & above.keys():
            above[root(other)] = root(one.lineage)
    groups: dict[str, list[LineageStats]] = defaultdict(list)
    for one in lineages:
        groups[root(one.lineage)].append(one)
    return sorted((Family(tuple(members)) for members in groups.values()), key=lambda family: family.newest)


def _chosen(
    families: list[Family],
    size: int,
    older_than: float | None,
    max_bytes: int | None,
    status: str | None,
    keep: int,
) -> list[Family]:
    kept: dict[str, int] = defaultdict(int)
    may: list[Family] = []
    for family in reversed(families):
        target = family.head.target_id
        kept[target] += 1
        if kept[target] > keep and not family.busy and status in (None, family.head.status):
            may.insert(0, family)
    if older_than is None and max_bytes is None:
        return may
    limit = time.time() - older_than if older_than is not None else float("-inf")
    chosen = [family for family in may if family.newest < limit]
    size -= sum(family.size for family in chosen)
    for family in may:
        if max_bytes is None or size <= max_bytes:
            break
        if family not in chosen:
            chosen.append(family)
            size -= family.size
    return chosen


def parse_age(text: str) -> float:
    """Seconds of a text such as 90s, 45m, 12h, 30d or 2w.

    >>> parse_age("30d")
    2592000.0
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip().lower())
    if match is None:
        raise ConfigurationError(f"{text!r} is not an age; write for example 30d, 12h or 2w")
    return float(match[1]) * _SECONDS[match[2]]


def parse_size(text: str) -> int:
    """Bytes of a text such as 500MB, 1.5GB or 4096.

    >>> parse_size("1.5GB")
    1500000000
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]?i?b|)", text.strip().lower())
    if match is None or match[2] not in _BYTES:
        raise ConfigurationError(f"{text!r} is not a size; write for example 500MB or 2GB")
    return int(float(match[1]) * _BYTES[match[2]])
