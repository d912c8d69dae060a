"""Whatever a run returned, or was given, can be told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from polos_nb.codec import decode
from polos_nb.durable.context import WorkflowContext
from polos_nb.redaction import Redactor
from polos_nb.runtime.records import kept_result
from polos_nb.workflows import workflow
from tests.runtime.support import Process


@dataclass(frozen=True)
class Silent:
    """Data that cannot be shown as text."""

    number: int

    def __repr__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, 10**300, "a\ud800b", {"a\udfff": [2**80]}])
def test_results_that_json_writers_refuse(value: Any) -> None:
    """A result beyond 64 bits, or with a lone surrogate, is kept as it is and shown as it is."""
    kept = kept_result(value, Redactor({}))
    assert decode(kept.text) == value
    assert kept.plain == value


def test_a_result_that_cannot_be_kept_nor_shown() -> None:
    """A result without a lasting form whose text raises is described by its type."""

    class Session:
        def __repr__(self) -> str:
            raise RuntimeError("no text")

    assert "Session" in kept_result(Session(), Redactor({})).plain


def test_a_secret_in_a_result_is_redacted() -> None:
    """A secret goes from what is kept and from what is shown."""
    kept = kept_result({"key": "tulips-and-clogs", "n": 2**70}, Redactor({"CITY_SECRET": "tulips-and-clogs"}))
    assert "tulips" not in kept.text
    assert kept.plain == {"key": "[redacted]", "n": 2**70}


def test_arguments_that_cannot_be_shown() -> None:
    """An argument whose text raises, or is a number too long to be written, is shown by its type."""

    @workflow(id="silent_arguments")
    async def silent_arguments(ctx: WorkflowContext) -> int:
        return int(await ctx.step.run("add", lambda one, two: one.number + two % 10, Silent(1), 10**5000))

    process = Process()
    assert process.cell(lambda client: silent_arguments.run(client)) == 1
    steps = process.runtime.store.past_steps(target_id="silent_arguments")
    assert next(step.request for step in steps if step.name == "add").count('"a Silent"') == 1
    process.runtime.close()
