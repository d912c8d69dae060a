"""Cron lines: checked with a sentence, and the times they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from polos_nb.errors import DefinitionError

_EXAMPLE = "write five fields (minute, hour, day, month, weekday), as in '0 8 * * 1-5'"


@dataclass(frozen=True)
class Cron:
    """A cron line in a time zone, and the key of the schedule it is for. Raises DefinitionError where it is wrong.

    >>> Cron("*/5 * * * *").after(0.0)
    300.0
    """

    line: str
    timezone: str = "UTC"
    key: str = "global"

    def __post_init__(self) -> None:
        if not isinstance(self.line, str) or len(self.line.split()) != 5:
            raise DefinitionError(f"cron={self.line!r} is not a cron line; {_EXAMPLE}")
        try:
            zone = ZoneInfo(self.timezone)
        except (ValueError, OSError, LookupError, TypeError):  # what ZoneInfo raises for names that are not there
            raise DefinitionError(
                f"timezone={self.timezone!r} is not a time zone; write one like 'UTC' or 'Europe/Berlin'"
            ) from None
        if not isinstance(self.key, str) or not self.key:
            raise DefinitionError(f"key={self.key!r} is not a name; a schedule's key is a text, as in key='user-7'")
        try:
            next(CronSim(self.line, datetime(2024, 1, 1, tzinfo=zone)))
        except CronSimError as error:
            what = str(error)
            raise DefinitionError(f"cron={self.line!r}: {what[:1].lower()}{what[1:]}; {_EXAMPLE}") from None
        except StopIteration:
            raise DefinitionError(f"cron={self.line!r} is never due; {_EXAMPLE}") from None

    @classmethod
    def declared(cls, workflow_id: str, schedule: Any) -> Self | None:
        """What `@workflow(schedule=...)` says: a line, or a dict; None where it says no time."""
        if schedule is None or isinstance(schedule, bool):
            return None
        names = {"cron", "timezone", "key"}
        try:
            if isinstance(schedule, str):
                return cls(schedule)
            if not isinstance(schedule, dict) or "cron" not in schedule or set(schedule) - names:
                raise DefinitionError(
                    f"schedule={schedule!r} is neither a cron line, nor a dict with cron, timezone and key, nor True"
                )
            return cls(schedule["cron"], **{name: value for name, value in schedule.items() if name != "cron"})
        except DefinitionError as error:
            raise DefinitionError(f"workflow {workflow_id!r}: {error}") from None

    def after(self, at: float) -> float:
        """The first time after `at`; in seconds since 1970."""
        return next(CronSim(self.line, self._local(at))).timestamp()

    def until(self, at: float) -> float:
        """The last time that is not after `at`."""
        return next(CronSim(self.line, self._local(at + 1), reverse=True)).timestamp()

    def _local(self, at: float) -> datetime:
        return datetime.fromtimestamp(int(at), UTC).astimezone(ZoneInfo(self.timezone))
