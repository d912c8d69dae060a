"""Budgets in a notebook: `--budget`, `%config PolosMagics.budget`, and `%polos cost --by`."""

from __future__ import annotations

import json
from typing import Any

from IPython.core.error import UsageError

BUYER = """
from polos_nb import Usage
turn = Turn(text="done", usage=Usage(input_tokens=400, output_tokens=900, total_tokens=1300))
def buyer_of(id):
    return Agent(id=id, provider="openai", model=ScriptedModel([turn], name="gpt-4o"), max_output_tokens=1000)
one, two, three = buyer_of("one"), buyer_of("two"), buyer_of("three")
"""


def test_the_budget_of_a_line_and_of_the_settings(shell: Any) -> None:
    """Over it the run waits for an answer; within it nothing is asked; the settings show it."""
    store = shell.ip._polos_nb.runtime.store

    def waiting() -> list[str]:
        asked = store.decisions(status="waiting")
        assert {decision.kind for decision in asked} <= {"budget"}
        return [json.loads(decision.form)["_form"]["description"] for decision in asked]

    shell.ok(BUYER)
    shell.run("%polos_run one go --budget 0.001")
    (asked,) = waiting()
    assert asked.endswith("and $0.0010 of the budget of $0.0010 is left.")
    assert "done" in shell.ok("%polos approve r1 --yes").out + shell.ok("%polos_run one go --budget 0.001").out
    shell.ok("%polos_run two go --budget 0.05 -q")
    assert waiting() == []
    shell.ok("%config PolosMagics.budget = 0.001")
    assert "$0.00 a run" in shell.ok("%polos config").out
    shell.run("%polos_run three go -q")
    assert len(waiting()) == 1
    shell.ok("%config PolosMagics.budget = None")
    shell.ok("%polos_run three go -q")
    assert waiting() == []  # what was asked under another budget is not asked any more
    assert isinstance(shell.run("%polos_run two go --budget much").error, UsageError)


def test_cost_by_agent(shell: Any) -> None:
    """A line for each, and the sum; a run beside --by is a mistake."""
    shell.ok(BUYER)
    shell.ok("%polos_run one go -q")
    shell.ok("%polos_run two go -q")
    said = shell.ok("%polos cost --by agent").out
    assert "$0.0100" in said
    assert "Paid for: 2,600 tokens, $0.0200." in said
    for by in ("run", "day", "notebook"):
        assert "$0.0200" in shell.ok(f"%polos cost --by {by}").out
    assert "leave the run out" in str(shell.run("%polos cost r1 --by day").error)
