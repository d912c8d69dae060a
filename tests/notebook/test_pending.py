"""The value of a cell whose run waits."""

from __future__ import annotations

import asyncio

import pytest

from polos_nb.errors import PolosError, Suspended
from polos_nb.notebook.pending import PendingRun


def test_a_pending_value_says_what_it_waits_for_until_it_has_the_result() -> None:
    """Attributes, items and await; its repr is the result's in the end."""
    pending = PendingRun(Suspended("run r1 waits at ask", run_id="r1", waiting=("ask",)))
    assert repr(pending) == "PendingRun('r1', waiting at ask)"
    with pytest.raises(PolosError, match="result is not there yet: run r1 waits at ask"):
        _ = pending.result
    with pytest.raises(PolosError, match=r"\['approved'\] is not there yet"):
        _ = pending["approved"]
    pending.settle({"approved": True})
    assert pending["approved"] is True
    assert list(pending.keys()) == ["approved"]
    assert repr(pending) == "{'approved': True}"

    async def waited() -> object:
        return await pending

    assert asyncio.run(waited()) == {"approved": True}
