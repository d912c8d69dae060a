"""`polos-nb approve` with edited arguments, and its rules "always approve this"."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from polos_nb import Agent, Suspended, tool
from polos_nb.cli import main
from tests.runtime.support import Process, calls, once_called

STEP = "1.approve_pay[call_1]"


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    """A store with a run r1 that waits for two approvals."""
    monkeypatch.setenv("POLOS_NB_STORE", str(tmp_path / "steps.db"))

    @tool(id="pay", description="Pay", version=1, approval="always")
    async def pay(amount: int) -> int:
        return amount

    made = Process(str(tmp_path / "steps.db"))
    agent = Agent(id="clerk", model=once_called(calls(("pay", {"amount": 3}), ("pay", {"amount": 4}))), tools=[pay])
    with pytest.raises(Suspended):
        made.run(agent, "go")
    yield made
    made.runtime.close()


def cli(*words: str, status: int = 0) -> Any:
    done = CliRunner().invoke(main, words)
    assert done.exit_code == status, done.output
    return done


def test_a_call_is_approved_with_other_arguments(process: Process) -> None:
    """As JSON; the sentence says so; what does not fit is one sentence and decides nothing."""
    for text, said in (
        ('{"amount": "x"}', "the arguments do not fit the tool: argument amount: 'x' is not of type 'integer'"),
        ("amount=2", "the arguments are not JSON"),
    ):
        assert said in cli("approve", "r1", STEP, "--yes", "--args", text, status=1).stderr
    assert "rejected takes no arguments" in cli("approve", "r1", STEP, "--no", "--args", "{}", status=1).stderr
    done = cli("approve", "r1", STEP, "--yes", "--args", '{"amount": 2}')
    assert done.output == f"r1 · {STEP}: approved (arguments edited)\n"
    assert "approved (arguments edited)" in cli("show", "r1", "--step", STEP).output


def test_a_rule_is_made_listed_and_taken_back(process: Process) -> None:
    """--always answers what waits beside it; --rules lists, --revoke takes back, as data too."""
    assert "sometimes" in cli("approve", "r1", STEP, "--yes", "--always", "sometimes", status=2).stderr
    assert "rejected cannot be allowed" in cli("approve", "r1", STEP, "--no", "--always", "tool", status=1).stderr
    assert "r1 has no rule" in cli("approve", "r1", "--rules").output
    done = cli("approve", "r1", STEP, "--yes", "--always", "tool", "--by", "ada")
    assert done.output == f"r1 · {STEP}: approved, and always for pay; 1 other call that waited was approved too\n"
    (rule,) = json.loads(cli("approve", "r1", "--rules", "--json").stdout)
    assert (rule["tool"], rule["step"], rule["by"]) == ("pay", STEP, "ada")
    assert "every call of pay in this run" in cli("approve", "r1", "--rules").output
    assert "stand alone" in cli("approve", "r1", STEP, "--rules", status=2).stderr
    assert "run r1 has no rule 99" in cli("approve", "r1", "--revoke", "99", status=1).stderr
    assert "no longer approved without asking: every call of pay" in cli("approve", "r1", "--revoke", rule["id"]).output
    assert json.loads(cli("approve", "r1", "--rules", "--json").stdout) == []
    assert "no run r9" in cli("approve", "r9", "--rules", status=1).stderr
