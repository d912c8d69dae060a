"""`%polos approve` with edited arguments, and its rules "always approve this"."""

from __future__ import annotations

from typing import Any

from IPython.core.error import UsageError

SETUP = """
import polos_nb
paid = []
@polos_nb.tool(id="pay", description="Pay", version=1, approval="always")
async def pay(amount: int) -> int:
    paid.append(amount)
    return amount

def turns(request):
    said = sum(message.role == "tool" for message in request.messages)
    call = lambda n: polos_nb.Turn(calls=[("pay", {"amount": n})])
    return [call(3), call(4), call(5), "done"][said]

clerk = polos_nb.Agent(id="clerk", model=polos_nb.ScriptedModel(turns), tools=[pay])
"""


def waiting(shell: Any) -> str:
    """A run that waits for an approval; its id."""
    shell.ok(SETUP)
    runtime = shell.ip._polos_nb.runtime
    runtime.patience = 0.0
    shell.run("await clerk.run(input='go')")
    (decision,) = runtime.store.decisions(status="waiting")
    return str(decision.run_id)


def test_arguments_are_edited_and_rules_are_made_and_taken_back(shell: Any) -> None:
    """The flags of the command line, with its sentences."""
    run = waiting(shell)
    refused = shell.run(f'%polos approve {run} --yes --args \'{{"amount": "x"}}\'').error
    assert "is not of type 'integer'" in str(refused)
    done = shell.ok(f"%polos approve {run} --yes --args '{{\"amount\": 2}}' --always tool --by ada")
    assert "approved (arguments edited), and always for pay" in repr(done.value)
    listed = shell.ok(f"%polos approve {run} --rules").out
    assert "every call of pay in this run" in listed
    store = shell.ip._polos_nb.runtime.store
    rule = store.decisions(run_id=run)[0].id
    assert isinstance(shell.run(f"%polos approve {run} --yes --revoke {rule}").error, UsageError)
    said = repr(shell.ok(f"%polos approve {run} --revoke {rule}").value)
    assert "no longer approved without asking: every call of pay in this run" in said
    assert "has no rule" in repr(shell.ok(f"%polos approve {run} --rules").value)
