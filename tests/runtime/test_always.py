"""Rules "always approve this": what they cover, in which run, that other processes see them, and how they end."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from polos_nb import Agent, PolosClient, ScriptedModel, Suspended, WorkflowContext, tool, workflow
from polos_nb.durable.step_wait import answer_step
from polos_nb.errors import ConfigurationError
from polos_nb.reports.answers import answer
from polos_nb.runtime.always import revoke, rules
from polos_nb.stores.base import Store
from tests.runtime.support import Process, calls, results

FIRST = "1.approve_pay[call_1]"


def paying(journal: list[int], version: int = 1, id: str = "pay") -> Any:
    """A tool that needs an approval, and notes what it paid."""

    @tool(id=id, description="Pay", version=version, approval="always")
    async def pay(amount: int) -> int:
        journal.append(amount)
        return amount

    return pay


def clerk(pay: Any, *turns: tuple[int, ...], id: str = "clerk", more: Any = None) -> Agent:
    """An agent that makes these payments: those of a turn side by side."""

    def script(request: Any) -> Any:
        said, place = len(results(request)), 0
        for turn in turns:
            if said == place:
                return calls(*((pay.id, {"amount": amount}) for amount in turn))
            place += len(turn)
        return "done"

    return Agent(id=id, model=ScriptedModel(script), tools=[pay, *([more] if more else [])])


def go(agent: Agent) -> Any:
    return lambda client: agent.run(client, "go")


def suspended(process: Process, body: Any) -> tuple[str, ...]:
    with pytest.raises(Suspended) as caught:
        process.cell(body)
    return caught.value.waiting


def always(store: Store, scope: Any = "tool", step: str | None = None, **more: Any) -> Any:
    return answer(store, "r1", step, values={"approved": True, "allow_always": scope, **more}, by="ada")


@pytest.mark.parametrize("scope", ["tool", True, "same"])
@pytest.mark.parametrize("file", [True, False], ids=["sqlite", "memory"])
def test_later_calls_are_approved_without_asking(path: str, file: bool, scope: Any) -> None:
    """In another pass or process too; who decided is told; "same" covers only equal arguments."""
    journal: list[int] = []
    agent = clerk(paying(journal), (3,), (3,), (4,))
    process = Process(path if file else ":memory:")
    suspended(process, go(agent))
    always(process.runtime.store, scope)
    again = Process(path) if file else process
    if scope == "same":
        assert suspended(again, go(agent)) == ("3.approve_pay[call_1]",)
        assert journal == [3, 3]
    else:
        assert again.run(agent, "go").result == "done"
        assert journal == [3, 3, 4]
    decided = [(d.step_key, d.decided_by) for d in again.runtime.store.decisions(status="answered")]
    assert decided[:2] == [(FIRST, "ada"), ("2.approve_pay[call_1]", f"always (ada, {FIRST})")]
    (rule,) = rules(again.runtime.store, "r1")
    assert (rule.tool, rule.by, rule.step) == ("pay", "ada", FIRST)
    assert rule.arguments == ({"amount": 3} if scope == "same" else None)
    assert time.time() - rule.at < 60


def test_a_replay_needs_no_rule(path: str) -> None:
    """Decisions made by a rule are kept like others: nothing runs, nothing is asked, in any mode."""
    journal: list[int] = []
    agent = clerk(paying(journal), (3,), (4,))
    suspended(Process(path), go(agent))
    always(Process(path).runtime.store)
    Process(path).run(agent, "go")
    revoke(Process(path).runtime.store, "r1", rules(Process(path).runtime.store, "r1")[0].id)
    result = Process(path, mode="offline").run(agent, "go")
    assert (result.cached, result.agent_run_id, journal) == (True, "r1", [3, 4])


def test_a_rule_is_of_its_tool_and_its_version(path: str) -> None:
    """Another tool is asked for, and so is another version of the same one."""
    journal: list[int] = []
    pay, give = paying(journal), paying(journal, id="give")

    def script(request: Any) -> Any:
        turns = [calls(("pay", {"amount": 3})), calls(("give", {"amount": 3})), calls(("pay", {"amount": 4})), "done"]
        return turns[len(results(request))]

    agent = Agent(id="clerk", model=ScriptedModel(script), tools=[pay, give])
    suspended(Process(path), go(agent))
    always(Process(path).runtime.store)
    assert suspended(Process(path), go(agent)) == ("2.approve_give[call_1]",)
    answer(Process(path).runtime.store, "r1", values={"approved": True})
    changed = Agent(id="clerk", model=ScriptedModel(script), tools=[paying(journal, version=2), give])
    assert suspended(Process(path), go(changed)) == ("3.approve_pay[call_1]",)


def test_a_new_run_has_no_rules(path: str) -> None:
    """Neither a fresh one nor a fork."""
    journal: list[int] = []
    agent = clerk(paying(journal), (3,), (4,))
    process = Process(path)
    suspended(process, go(agent))
    always(process.runtime.store)
    process.run(agent, "go")
    assert suspended(process, lambda client: agent.run(client, "go", fresh=True)) == (FIRST,)
    assert rules(process.runtime.store, process.newest("clerk")) == []

    async def body(client: Any) -> Any:
        changes = {"tool_calls.0.function.arguments.amount": 5}
        return await process.runtime.fork("r1", "2.llm", changes).result()

    assert suspended(process, body) == ("2.approve_pay[call_1]",)


def test_a_rule_that_is_taken_back_asks_again(path: str) -> None:
    """By its id, once; decisions that it made stay."""
    journal: list[int] = []
    agent = clerk(paying(journal), (3,), (4,), (3,))
    suspended(Process(path), go(agent))
    store = Process(path).runtime.store
    always(store, "same")
    assert suspended(Process(path), go(agent)) == ("2.approve_pay[call_1]",)
    (rule,) = rules(store, "r1")
    with pytest.raises(ConfigurationError, match=f"run r1 has no rule 99; it has {rule.id}"):
        revoke(store, "r1", "99")
    assert revoke(store, "r1", rule.id).id == rule.id
    assert rules(store, "r1") == []
    with pytest.raises(ConfigurationError, match="it has none"):
        revoke(store, "r1", rule.id)
    answer(store, "r1", values={"approved": True})
    assert suspended(Process(path), go(agent)) == ("3.approve_pay[call_1]",)
    assert journal == [3, 4]


@pytest.mark.parametrize("how", ["answer", "step"])
def test_calls_that_wait_beside_it_need_one_click(path: str, how: str) -> None:
    """Five cards of a live run: one answer, all go on within a second, whichever way it was given."""
    journal: list[int] = []
    agent = clerk(paying(journal), (1, 2, 3, 4, 5))
    process = Process(path, patience=None)
    store = process.runtime.store

    async def body(client: PolosClient) -> Any:
        task = asyncio.ensure_future(agent.run(client, "go"))
        while len(store.decisions(status="waiting")) < 5:
            await asyncio.sleep(0.005)
        began = time.monotonic()
        if how == "answer":
            done = always(store, step="1.approve_pay[call_3]")
            assert done.sentence().endswith("approved, and always for pay; 4 other calls that waited were approved too")
        else:
            answer_step(store, "r1", "1.approve_pay[call_3]", {"approved": True, "allow_always": True})
        await asyncio.wait_for(task, 20)
        return time.monotonic() - began

    assert process.cell(body) < 1.0
    assert sorted(journal) == [1, 2, 3, 4, 5]
    assert store.decisions(status="waiting") == []


def test_calls_that_waited_while_nobody_lived(path: str) -> None:
    """One answer for all of a run that is suspended; only those that the rule covers."""
    journal: list[int] = []
    agent = clerk(paying(journal), (1, 2, 1))
    suspended(Process(path), go(agent))
    always(Process(path).runtime.store, "same", FIRST)
    assert suspended(Process(path), go(agent)) == ("1.approve_pay[call_2]",)
    assert journal == [1, 1]


def test_a_rule_holds_in_the_outermost_run_and_all_inside(path: str) -> None:
    """Given in a nested agent; it covers the workflow's own calls and another agent's; listed from inside too."""
    journal: list[int] = []
    pay = paying(journal)
    first, second = clerk(pay, (1,), id="first"), clerk(pay, (2,), id="second")

    @workflow(id="flow", version=1)
    async def flow(ctx: WorkflowContext) -> Any:
        await ctx.step.agent_invoke_and_wait("one", first.with_input("go"))
        await ctx.step.agent_invoke_and_wait("two", second.with_input("go"))
        return await ctx.step.invoke_and_wait("three", pay, {"amount": 3})

    assert suspended(Process(path), flow.run) == (f"one/{FIRST}",)
    always(Process(path).runtime.store)
    process = Process(path)
    assert process.cell(flow.run) == 3
    assert journal == [1, 2, 3]
    store = process.runtime.store
    assert rules(store, process.newest("second")) == rules(store, "r1") != []
    revoke(store, process.newest("second"), rules(store, "r1")[0].id)
    assert rules(store, "r1") == []


def test_an_answer_of_a_person_comes_before_a_rule(path: str) -> None:
    """An early rejection of a call is not overruled."""
    journal: list[int] = []
    agent = clerk(paying(journal), (1,), (2,))
    suspended(Process(path), go(agent))
    store = Process(path).runtime.store
    answer(store, "r1", "2.approve_pay[call_1]", values={"approved": False})
    always(store, step=FIRST)
    Process(path).run(agent, "go")
    assert journal == [1]


def test_an_early_always_makes_a_rule_when_it_is_asked(path: str) -> None:
    """It is none before: nobody knows yet what it is about."""
    journal: list[int] = []
    agent = clerk(paying(journal), (1,), (2,), (3,))
    suspended(Process(path), go(agent))
    store = Process(path).runtime.store
    always(store, step="2.approve_pay[call_1]")
    assert rules(store, "r1") == []
    answer(store, "r1", FIRST, values={"approved": True})
    Process(path).run(agent, "go")
    assert [rule.step for rule in rules(store, "r1")] == ["2.approve_pay[call_1]"]
    assert journal == [1, 2, 3]


@pytest.mark.parametrize("scope", ["tool", "same"])
def test_an_edited_call_that_is_always_allowed(path: str, scope: str) -> None:
    """ "tool" covers calls as the model makes them; "same" those with the arguments as they were edited."""
    journal: list[int] = []
    agent = clerk(paying(journal), (3,), (2,), (3,))
    suspended(Process(path), go(agent))
    done = always(Process(path).runtime.store, scope, arguments={"amount": 2})
    covers = "always for pay" if scope == "tool" else "always with these arguments"
    assert done.sentence() == f"r1 · {FIRST}: approved (arguments edited), and {covers}"
    if scope == "tool":
        Process(path).run(agent, "go")
        assert journal == [2, 2, 3]
    else:
        assert suspended(Process(path), go(agent)) == ("3.approve_pay[call_1]",)
        assert journal == [2, 2]


def test_what_cannot_be_always_allowed(path: str) -> None:
    """A rejection, and words that mean nothing: a sentence, and the call goes on waiting."""
    agent = clerk(paying([]), (3,))
    suspended(Process(path), go(agent))
    store = Process(path).runtime.store
    with pytest.raises(ConfigurationError, match="a call that is rejected cannot be allowed always"):
        always(store, approved=False)
    with pytest.raises(ConfigurationError, match="'sometimes' cannot be allowed always; write tool"):
        always(store, "sometimes")
    with pytest.raises(ConfigurationError, match="a call that is rejected cannot be allowed always"):
        always(store, step="2.later", approved=False)
    assert [d.status for d in store.decisions()] == ["waiting"]
