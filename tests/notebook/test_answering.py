"""Answers of a page count only with the word of the card that was drawn for the question."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from polos_nb import Agent, ScriptedModel, Turn, WorkflowContext, tool
from polos_nb.errors import ConfigurationError, Suspended
from polos_nb.notebook.answering import Answering
from polos_nb.reports.answers import answer
from polos_nb.stores.waiting import DecisionRecord
from tests.runtime.support import Process

APPROVED = {"approved": True}


@pytest.fixture
def process() -> Process:
    """A store in which r1 waits for two approvals, and r2 for one."""

    @tool(approval="always")
    def pay(amount: int) -> int:
        """Pay."""
        return amount

    made = Process()
    calls = [("pay", {"amount": 3}), ("pay", {"amount": 4})]
    for name, asked in (("two", calls), ("one", calls[:1])):
        agent = Agent(id=name, model=ScriptedModel([Turn(calls=asked)]), tools=[pay])
        with pytest.raises(Suspended):
            made.run(agent, "go")
    return made


def decided(process: Process, run: str) -> list[DecisionRecord]:
    return sorted(process.runtime.store.decisions(run_id=run), key=lambda decision: decision.id)


def card(cards: Answering, decision: DecisionRecord, **changed: Any) -> dict[str, Any]:
    """An answer as the card of a decision sends it."""
    run, step = decision.run_id, decision.step_key
    return {"run": run, "step": step, "nonce": cards.nonce(decision.id), "values": APPROVED, "always": None, **changed}


def test_a_card_answers_its_own_question_once(process: Process) -> None:
    """A second answer says who was first; it changes nothing."""
    cards = Answering(process.runtime.store, "ada")
    first, second = decided(process, "r1")
    assert cards.answer(card(cards, second))["sentence"].endswith("approved")
    assert [one.status for one in decided(process, "r1")] == ["waiting", "answered"]
    later = Answering(process.runtime.store, "bob")
    said = later.answer(card(later, second, values={"approved": False}))["sentence"]
    assert "was decided already by ada" in said
    assert decided(process, "r1")[1].decided_by == "ada"
    assert first.status == "waiting"


@pytest.mark.parametrize("which", ["none", "wrong", "neighbour", "other run", "other page"])
def test_other_words_are_refused(process: Process, which: str) -> None:
    """None, a wrong one, that of another card of the run, of another run, of another widget."""
    store = process.runtime.store
    cards = Answering(store)
    first, second = decided(process, "r1")
    [other] = decided(process, "r2")
    own = cards.nonce(first.id)
    nonce = {
        "none": None,
        "wrong": own[:-1] + ("0" if own[-1] != "0" else "1"),
        "neighbour": cards.nonce(second.id),
        "other run": cards.nonce(other.id),
        "other page": Answering(store).nonce(first.id),
    }[which]
    with pytest.raises(ConfigurationError, match="this card is not the one that asks for"):
        cards.answer(card(cards, first, nonce=nonce))
    assert [one.status for one in decided(process, "r1")] == ["waiting", "waiting"]


def test_a_question_that_was_never_drawn_cannot_be_answered(process: Process) -> None:
    """A word that nobody was given fits nothing."""
    [only] = decided(process, "r2")
    cards = Answering(process.runtime.store)
    for nonce in ("", None, "0" * 16):
        with pytest.raises(ConfigurationError, match="this card is not the one"):
            cards.answer({"run": "r2", "step": only.step_key, "nonce": nonce, "values": APPROVED})


@pytest.mark.parametrize(
    "changed", [{"run": 1}, {"run": None}, {"step": ["x"]}, {"values": "yes"}, {"values": [1]}, {"values": None}]
)
def test_answers_of_the_wrong_shape_are_refused(process: Process, changed: dict[str, Any]) -> None:
    """With a sentence that says what an answer needs."""
    cards = Answering(process.runtime.store)
    with pytest.raises(ConfigurationError, match="an answer needs the run, the step and the values of its card"):
        cards.answer(card(cards, decided(process, "r2")[0], **changed))


def test_the_same_question_keeps_its_word(process: Process) -> None:
    """A card that is drawn again, or reloaded, can still be answered."""
    cards = Answering(process.runtime.store)
    assert cards.nonce(1) == cards.nonce(1) != cards.nonce(2)
    assert len(cards.nonce(1)) == 16


def test_a_second_click_never_answers_another_question() -> None:
    """The call of a nested agent whose key ends alike waits on; so it does when a line names the step that is over."""

    @tool(approval="always")
    def pay(amount: int) -> int:
        """Pay."""
        return amount

    inner = Agent(id="inner", model=ScriptedModel([Turn(calls=[("pay", {"amount": 999})])]), tools=[pay])

    @tool
    async def helper(ctx: WorkflowContext, x: str) -> str:
        """Ask another agent."""
        return str(await ctx.step.agent_invoke_and_wait("ask", inner.with_input(x)))

    process = Process()
    calls: list[tuple[str, dict[str, Any]]] = [("pay", {"amount": 1}), ("helper", {"x": "go"})]
    with pytest.raises(Suspended):
        process.run(Agent(id="outer", model=ScriptedModel([Turn(calls=calls)]), tools=[pay, helper]), "go")
    own, nested = decided(process, "r1")
    assert nested.step_key.endswith(f"/{own.step_key}")
    cards = Answering(process.runtime.store, "ada")
    for said in ("approved", "was decided already by ada"):
        assert said in cards.answer(card(cards, own))["sentence"]
    assert answer(process.runtime.store, "r1", own.step_key, yes=True).state == "already"
    assert [one.status for one in decided(process, "r1")] == ["answered", "waiting"]


def test_a_card_does_not_answer_what_is_asked_in_its_place_by_now(process: Process) -> None:
    """The page has shown other arguments than the ones that would be approved."""
    store = process.runtime.store
    cards = Answering(store)
    [old] = decided(process, "r2")
    assert store.decide(old.id, status="withdrawn", decided_by="asked again")
    new = store.ask(replace(old, step_id=1_000_000, form=old.form.replace("3", "999")))
    with pytest.raises(ConfigurationError, match="is no longer asked: it was withdrawn"):
        cards.answer(card(cards, old))
    assert new.id != old.id
    assert store.get_decision(new.id) == new
