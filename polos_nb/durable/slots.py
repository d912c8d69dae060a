"""What a step is while it is asked for: its identity, an attempt at it, and the answer it gave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cached_property
from typing import Any

import orjson

from polos_nb.codec import digest, to_plain
from polos_nb.durable.fingerprint import StepCall
from polos_nb.durable.writes import Branch
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
    lineage: str
    horizon: int
    redact: Callable[[str], str] = field(repr=False, compare=False)
    chain: str = ""
    asker: Branch = field(default_factory=lambda: Branch(""), repr=False, compare=False)
    nth: int = 0

    # Only steps that execute have a use for the first, and nothing in the others changes while a step is performed.
    @cached_property
    def idempotency_key(self) -> str:
        """What names this very call, the same in every attempt and pass."""
        return digest([self.lineage, self.horizon, self.fingerprint, self.occurrence])

    @cached_property
    def request_text(self) -> str:
        """What is kept of the call for people, as JSON without secrets."""
        return self.redact(as_json(self.call.request))

    @cached_property
    def request(self) -> dict[str, Any]:
        """What is shown of the call: the same as what is kept."""
        shown: dict[str, Any] = orjson.loads(self.request_text)
        return shown

    def shown(self, record: StepRecord) -> dict[str, Any]:
        """What is shown of the call once it has its answer: with the arguments that a person has changed, if any."""
        if '"asked"' not in record.request:
            return self.request
        shown: dict[str, Any] = orjson.loads(record.request)
        return shown


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
    return step_record({**record.__dict__, **changes})


def step_record(values: Mapping[str, Any]) -> StepRecord:
    """A record of its fields; a frozen dataclass sets each through a call, which takes five times as long."""
    record = object.__new__(StepRecord)
    record.__dict__.update(_DEFAULTS)
    record.__dict__.update(values)
    return record


_DEFAULTS = {item.name: item.default for item in fields(StepRecord) if item.default is not MISSING}


def as_json(value: Mapping[str, Any]) -> str:
    """A mapping as JSON with sorted keys; what JSON does not know as text."""
    return orjson.dumps(dict(value), option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS, default=str).decode()


_HELD = frozenset({"text", "reasoning", "tool_calls", "extra", "usage"})


def as_told(request: Mapping[str, Any], value: Any, kept: str | None = None) -> Any:
    """What is told of a step's answer, as plain data; see `without_held`."""
    return without_held(request, as_shown(value, kept))


def without_held(request: Mapping[str, Any], output: Any) -> Any:
    """What is told of an answer that is held back until it was checked: nothing that was said in it. Others whole."""
    if "held" not in request or not isinstance(output, dict):
        return output
    return {name: value for name, value in output.items() if name not in _HELD and value is not None}


def as_shown(value: Any, kept: str | None = None) -> Any:
    """A value as plain data for listeners; read from its `kept` form where that says all, which is quicker."""
    if kept is not None and '"$' not in kept:
        return orjson.loads(kept)
    try:
        return to_plain(value)
    except CodecError:
        return repr(value)
