"""Budgets: checked before a call with what it may cost at most; asked about, or refused; nested and side by side."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from polos_nb import (
    Agent,
    ConfigurationError,
    RunError,
    ScriptedModel,
    Suspended,
    Turn,
    Usage,
    WorkflowContext,
    tool,
    workflow,
)
from polos_nb.reports.answers import answer
from polos_nb.runtime.again import target_of
from polos_nb.settings import Settings
from tests.runtime.support import Process

# A call of this model with at most 1,000 tokens of answer costs at most $0.01 and a little for its input.
SPENT = Usage(input_tokens=400, output_tokens=900, total_tokens=1300)  # $0.01


@tool(version=1)
def look() -> str:
    return "nothing"


def agent(turns: int = 3, *, id: str = "buyer", model: str = "gpt-4o", **options: Any) -> Agent:
    """An agent that calls a tool before each of its answers but the last."""
    script = [Turn(calls=[("look", {})], usage=SPENT)] * (turns - 1) + [Turn(text="done", usage=SPENT)]
    options = {"max_output_tokens": 1000, **options}
    return Agent(id=id, provider="openai", model=ScriptedModel(script, name=model), tools=[look], **options)


def asked_of(which: Agent) -> int:
    return len(which.model.requests)  # type: ignore[union-attr]


def process(store: Any = ":memory:", *, watched: bool = True, **settings: Any) -> Process:
    made = Process(store, **settings)
    made.runtime.watched = watched
    return made


def reply(here: Process, **values: Any) -> None:
    answer(here.runtime.store, here.newest("buyer"), None, values=values, by="ada")


def test_a_run_within_its_budget_is_not_asked_about() -> None:
    """Also where the last call fits only because the ones before cost less than they might have."""
    here = process()
    assert here.run(agent(budget=0.0311), "go").result == "done"
    assert here.runtime.store.decisions() == []


def test_a_call_that_may_go_over_is_refused_where_nobody_watches(path: str) -> None:
    """The sentence says what it may cost, what is left and what to do; a larger budget goes on from there."""
    here, which = process(path, watched=False), agent(budget=0.015)
    with pytest.raises(
        RunError,
        match=r"2\.llm: the next call of openai/gpt-4o may cost up to \$0\.0\d+, and \$0\.0050 of the budget"
        r" of \$0\.0150 is left; give the run a larger budget",
    ):
        here.run(which, "go")
    assert asked_of(which) == 1
    here.runtime.close()
    again = agent(budget=1)
    again.model.requests.append(None)  # type: ignore[union-attr,arg-type]  # its first answer is in the store
    assert process(path, watched=False).run(again, "go").result == "done"
    assert asked_of(again) == 3


def test_somebody_who_watches_is_asked_for_each_call(path: str) -> None:
    """Yes without an amount allows one call; what was allowed is not asked again, neither later nor in a replay."""
    which = agent(turns=2, budget=0.005)
    for number in (1, 2):
        here = process(path)
        with pytest.raises(Suspended) as caught:
            here.run(which, "go")
        assert caught.value.waiting == (f"{number}.llm",)
        assert asked_of(which) == number - 1
        question = here.runtime.store.decisions(status="waiting")[0]
        assert question.kind == "budget"
        form = json.loads(question.form)["_form"]
        assert form["title"] == "Over the budget"
        assert form["description"].startswith("The next call of openai/gpt-4o may cost up to $0.0")
        reply(here, approved=True)
        here.runtime.close()
    for _ in range(2):
        here = process(path)
        assert here.run(which, "go").result == "done"
        here.runtime.close()
    assert asked_of(which) == 2
    assert len(process(path).runtime.store.decisions()) == 2


def test_a_larger_budget_in_the_answer_holds_for_the_rest_of_the_run(path: str) -> None:
    """Also after a restart."""
    which = agent(turns=3, budget=0.005)
    here = process(path)
    with pytest.raises(Suspended):
        here.run(which, "go")
    reply(here, approved=True, budget="0.05")
    here.runtime.close()
    here = process(path)
    assert here.run(which, "go").result == "done"
    assert len(here.runtime.store.decisions()) == 1


def test_no_means_no(path: str) -> None:
    """The run fails with a sentence, and the call is not made."""
    which = agent(budget=0.005)
    here = process(path)
    with pytest.raises(Suspended):
        here.run(which, "go")
    reply(here, approved=False)
    with pytest.raises(RunError, match="and the call was rejected"):
        here.run(which, "go")
    assert asked_of(which) == 0


def test_a_model_of_unknown_price_is_not_called_silently() -> None:
    """Unknown is not free; once allowed it is for the whole run. What costs nothing needs no budget."""
    which = agent(turns=2, model="gpt-99", budget=5)
    with pytest.raises(RunError, match="the price of openai/gpt-99 is not known, so the budget of"):
        process(watched=False).run(which, "go")
    here = process()
    with pytest.raises(Suspended):
        here.run(which, "go")
    reply(here, approved=True)
    assert here.run(which, "go").result == "done"
    free = Agent(id="free", model=ScriptedModel(["done"]), budget=0)
    assert process(watched=False).run(free, "go").result == "done"


def test_an_answer_that_nothing_limits_counts_with_the_longest_one() -> None:
    """16,384 tokens of gpt-4o are $0.16."""
    which = agent(budget=0.15, max_output_tokens=None)
    with pytest.raises(RunError, match=r"may cost up to \$0\.16, and \$0\.15"):
        process(watched=False).run(which, "go")


def test_the_budget_of_the_call_wins_over_the_agent_s_and_that_over_the_setting() -> None:
    """0.0 is a budget; a run without any is not checked."""
    with pytest.raises(RunError, match=r"budget of \$0\.00"):
        process(watched=False).run(agent(budget=1), "go", budget=0.0)
    with pytest.raises(RunError, match=r"budget of \$0\.0010"):
        process(watched=False, budget=0.001).run(agent(), "go")
    assert process(watched=False, budget=0.001).run(agent(budget=1), "go").result == "done"
    assert process(watched=False).run(agent(), "go").result == "done"


def test_the_runs_inside_count_in_the_budget_of_the_outermost() -> None:
    """The second agent of the workflow is over what the first has left."""
    first, second = agent(turns=1, id="first"), agent(turns=1, id="second")

    @workflow(id="both", version=1)
    async def both(ctx: WorkflowContext) -> str:
        await ctx.step.agent_invoke_and_wait("one", first.with_input("go"))
        await ctx.step.agent_invoke_and_wait("two", second.with_input("go"))
        return "done"

    with pytest.raises(RunError, match=r"\$0\.0050 of the budget of \$0\.0150 is left"):
        process(watched=False, budget=0.015).cell(both.run)
    assert (asked_of(first), asked_of(second)) == (1, 0)


def test_calls_side_by_side_do_not_spend_the_same_money_twice() -> None:
    """Of four at once, as many are made as fit together."""
    agents = [agent(turns=1, id=f"a{number}") for number in range(4)]

    @workflow(id="four", version=1)
    async def four(ctx: WorkflowContext) -> list[str]:
        work = (ctx.step.agent_invoke_and_wait(one.id, one.with_input("go")) for one in agents)
        found = await asyncio.gather(*work, return_exceptions=True)
        return [type(one).__name__ for one in found]

    said = process(watched=False, budget=0.025).cell(four.run)
    assert sorted(said) == ["AgentResult"] * 2 + ["StepExecutionError"] * 2
    assert sum(map(asked_of, agents)) == 2


def test_a_run_that_is_driven_by_its_id_keeps_its_budget() -> None:
    """Where somebody answers elsewhere, the run goes on with the budget of the call that began it."""
    here, which = process(), agent(turns=2)
    with pytest.raises(Suspended):
        here.run(which, "go", budget=0.0)
    run = here.runtime.store.get_run(here.newest("buyer"))
    assert run is not None
    assert target_of(run, here.runtime.settings, {"buyer": which}).budget == 0.0


@pytest.mark.parametrize("given", ["much", -1, True, float("inf")])
def test_what_is_no_budget_is_refused(given: Any) -> None:
    """Where it is written."""
    with pytest.raises(ConfigurationError, match="is no budget; write an amount of US dollars"):
        Agent(id="a", provider="demo", budget=given)
    with pytest.raises(ConfigurationError, match="POLOS_NB_BUDGET"):
        Settings.from_environment({"POLOS_NB_BUDGET": str(given)})
