"""The Python form in a kernel where the extension is not loaded: the same runs, the same caution."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kernels import kernel

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

SETUP = """
from polos_nb import Agent, ScriptedModel
model = ScriptedModel(lambda request: f"answer {len(model.requests)}")
agent = Agent(id="bot", model=model)
"""
ASK = "(await agent.run('Hello')).result"


def test_a_cell_executed_again_comes_back_to_its_run(tmp_path: Path) -> None:
    """Executing the same cell twice calls the model once; a loop in one cell gets an answer for each round."""
    with kernel(tmp_path, {"POLOS_NB_STORE": str(tmp_path / "steps.db")}) as started:
        assert started.run(SETUP).status == "ok"
        assert [started.run(ASK).shown() for _ in range(2)] == [["'answer 1'"], ["'answer 1'"]]
        loop = "[(await agent.run('Again')).result for _ in range(2)]"
        assert [started.run(loop).shown() for _ in range(2)] == [["['answer 2', 'answer 3']"]] * 2


def test_where_nobody_is_watching_nothing_is_called(tmp_path: Path) -> None:
    """Without a cassette only the store answers, and the error says how to allow calls."""
    with kernel(tmp_path, {"POLOS_NB_STORE": str(tmp_path / "steps.db")}, watched=False) as started:
        assert started.run(SETUP).status == "ok"
        refused = started.run(ASK)
        assert refused.status == "error"
        assert "LiveCallRefused" in refused.error
        assert "POLOS_NB_ALLOW_LIVE=1" in refused.error
