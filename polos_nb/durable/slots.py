"""What a step is while it is asked for: its identity, an attempt at it, and the answer it gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from polos_nb.codec import to_plain
from polos_nb.durable.fingerprint import StepCall
from polos_nb.errors import CodecError
from polos_nb.stores.base import StepRecord


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A call with its identity: what a pass asks the store for. Made before anything executes, in calling order."""

    call: StepCall
    path: str
    fingerprint: str
    occurrence: int
    seq: int
    idempotency_key: str
    chain: str = ""


@dataclass(frozen=True)
class Attempt:
    """One attempt at a step: its `number`, from 1, and the step's record, which is "started"."""

    number: int
    record: StepRecord


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a step gave. `value` is always the decoded form of what was kept."""

    value: Any
    cached: bool
    record: StepRecord


class StepFailure(Exception):
    """A step has failed for good; `error` is the last failure. The caller decides who hears of it."""

    def __init__(self, error: Exception, *, text: str) -> None:
        super().__init__(text)
        self.error = error
        self.text = text


def changed_record(record: StepRecord, changes: Mapping[str, Any]) -> StepRecord:
    """A record with other fields."""
    return StepRecord(**{**record.__dict__, **changes})


def as_json(value: Mapping[str, Any]) -> str:
    """A mapping as JSON with sorted keys; what JSON does not know as text."""
    return orjson.dumps(dict(value), option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS, default=str).decode()


def as_shown(value: Any) -> Any:
    """A value as plain data for listeners."""
    try:
        return to_plain(value)
    except CodecError:
        return repr(value)
