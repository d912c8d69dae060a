"""What every store does alike: names of runs and blobs, checks of changed fields, the search in runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from polos_nb.stores.base import BLOB_BYTES, RunRecord, StepRecord

RUN_FIELDS = tuple(field.name for field in fields(RunRecord))
STEP_FIELDS = tuple(field.name for field in fields(StepRecord))
_RUN_CHANGES = frozenset(RUN_FIELDS) - {"id"}
_STEP_CHANGES = frozenset(STEP_FIELDS) - {"id", "run_id"}
SEARCHED = ("id", "target_id", "input", "status", "error", "conversation_id")  # fields of a run
_LARGEST = 2**63 - 1  # of an SQLite integer


def run_number(run_id: str) -> int | None:
    """The number in a run's id, or None for a text that cannot be one.

    >>> run_number("r12"), run_number("12"), run_number("x")
    (12, 12, None)
    """
    digits = run_id[1:] if run_id[:1] in ("r", "R") else run_id
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > 19:
        return None
    number = int(digits)
    return number if number <= _LARGEST else None


def run_name(number: int) -> str:
    """The id that people see of a run: `run_name(12)` is "r12"."""
    return f"r{number}"


def check_run_changes(changes: Mapping[str, Any]) -> None:
    """Raise TypeError for what is no field of `RunRecord` that may change."""
    _check(changes, _RUN_CHANGES, "run")


def check_step_changes(changes: Mapping[str, Any]) -> None:
    """Raise TypeError for what is no field of `StepRecord` that may change."""
    _check(changes, _STEP_CHANGES, "step record")


def _check(changes: Mapping[str, Any], allowed: Iterable[str], what: str) -> None:
    wrong = sorted(set(changes).difference(allowed))
    if wrong:
        raise TypeError(
            f"{', '.join(wrong)} cannot be changed in a {what}; its fields are {', '.join(sorted(allowed))}"
        )


def output_blob(text: str | None) -> str | None:
    """The blob that an output belongs in, "out:" and its SHA-256; None for a small one, which stays in its
    row."""
    if text is None or len(text) * 4 <= BLOB_BYTES:
        return None
    encoded = text.encode("utf-8", "surrogatepass")
    return f"out:{hashlib.sha256(encoded).hexdigest()}" if len(encoded) > BLOB_BYTES else None


def matches(run: RunRecord, query: str) -> bool:
    """Is the search text of `list_runs` a part of this run, in any case? The empty text is."""
    return contains([getattr(run, name) for name in SEARCHED], query)


def contains(texts: Iterable[str | None], query: str) -> bool:
    """Is the search text a part of one of these, in any case?"""
    folded = query.casefold()
    return not folded or any(folded in text.casefold() for text in texts if text)
