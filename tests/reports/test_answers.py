"""Answering what a run waits for."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from polos_nb.errors import ConfigurationError
from polos_nb.reports.answers import Answered, answer, pairs_of
from polos_nb.stores.sqlite import SqliteStore
from polos_nb.stores.waiting import DecisionRecord
from tests.reports.conftest import APPROVAL, DOUBT, Book

KEY = "approve_refund[call_1]"


def kept(book: Book, decision_id: int) -> Any:
    decision = book.store.get_decision(decision_id)
    assert decision is not None
    return json.loads(decision.answer or "null")


def test_the_one_decision_that_waits_is_answered(book: Book) -> None:
    """Without a step; the answers are kept as JSON with their types, and the sentence says what was decided."""
    one = book.ask(book.add("a", status="suspended"))
    done = answer(book.store, "1", yes=True, values={"amount": "3"}, feedback="ok", by="ada")
    assert (done.state, done.run_id, done.step_key, done.decided_by) == ("answered", "r1", KEY, "ada")
    assert kept(book, one) == {"approved": True, "amount": 3, "feedback": "ok"}
    assert done.sentence() == f"r1 · {KEY}: approved (amount=3, feedback=ok)"
    decision = book.store.get_decision(one)
    assert decision is not None
    assert (decision.status, decision.decided_by) == ("answered", "ada")


def test_a_rejection_says_so(book: Book) -> None:
    """`yes=False` is no; a plain approval is one line as short as can be."""
    run = book.add("a", status="suspended")
    book.ask(run)
    assert answer(book.store, "r1", yes=False).sentence() == f"r1 · {KEY}: rejected"
    book.ask(run, "2.approve")
    assert answer(book.store, "r1", yes=True).sentence() == "r1 · 2.approve: approved"


@pytest.mark.parametrize("step", [KEY, "approve", "2.work/approve_mail", "approve_m"])
def test_a_step_is_named_by_key_last_part_or_beginning(book: Book, step: str) -> None:
    """Any text that fits one of them only."""
    run = book.add("a", status="suspended")
    book.ask(run, KEY)
    book.ask(run, "2.work/approve_mail")
    if step == "approve":
        with pytest.raises(ConfigurationError, match="may be"):
            answer(book.store, "r1", step, yes=True)
        return
    done = answer(book.store, "r1", step, yes=True)
    assert done.step_key == (KEY if "refund" in step else "2.work/approve_mail")
    assert len(book.store.decisions(status="waiting")) == 1


def test_several_need_a_name(book: Book) -> None:
    """The error lists what waits, with titles; nothing is decided."""
    run = book.add("a", status="suspended")
    book.ask(run)
    book.ask(run, "other", form={})
    with pytest.raises(ConfigurationError, match=r"waits for 2 answers.*Refund order 7\?.*other"):
        answer(book.store, "r1", yes=True)
    assert len(book.store.decisions(status="waiting")) == 2


def test_an_answer_that_does_not_fit_decides_nothing(book: Book) -> None:
    """Nothing said, no yes or no, or a wrong value: the run goes on waiting."""
    book.ask(book.add("a", status="suspended"))
    for given, said in (
        ({}, "say --yes or --no"),
        ({"values": {"amount": "3"}}, "say --yes or --no"),
        ({"yes": True, "values": {"amount": "much"}}, "amount must be a number"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            answer(book.store, "r1", **given)  # type: ignore[arg-type]
    assert len(book.store.decisions(status="waiting")) == 1
    book.ask(book.add("b", status="suspended"), form={"total": 3})
    with pytest.raises(ConfigurationError, match="--set key=value"):
        answer(book.store, "r2")
    assert answer(book.store, "r2", values={"anything": "goes"}).answer == {"anything": "goes"}


def test_a_doubt_is_not_answered_by_yes(book: Book) -> None:
    """What to do with a write in doubt is said by name."""
    one = book.ask(book.add("a", status="suspended"), "charge", form=DOUBT, kind="doubt")
    with pytest.raises(ConfigurationError, match="--set action=again"):
        answer(book.store, "r1", yes=True)
    with pytest.raises(ConfigurationError, match="one of again, done, stop"):
        answer(book.store, "r1", values={"action": "perhaps"})
    done = answer(book.store, "r1", values={"action": "done", "result": "7"})
    assert done.sentence() == "r1 · charge: answered: action=done, result=7"
    assert kept(book, one) == {"action": "done", "result": "7"}


def test_an_answer_before_the_question_is_kept(book: Book) -> None:
    """The run takes it when it asks; the sentence says so, and what it waits for now."""
    run = book.add("a", status="suspended")
    book.ask(run)
    done = answer(book.store, "r1", "2.later", yes=True, by="ada")
    assert done.state == "early"
    assert done.sentence().startswith("r1 · 2.later: approved; kept for when the run asks; now it waits for approve_r")
    again = answer(book.store, "r1", "2.later", yes=False)  # replaced while nobody has asked
    assert again.state == "early"
    asked = book.ask(run, "2.later")
    assert kept(book, asked) == {"approved": False}
    with pytest.raises(ConfigurationError, match="say --yes"):
        answer(book.store, "r1", "3.later")


def test_what_is_decided_is_told(book: Book) -> None:
    """Who decided what; with and without a step."""
    book.ask(book.add("a", status="suspended"))
    answer(book.store, "r1", yes=False, by="ada")
    for step in (None, KEY):
        done = answer(book.store, "r1", step, yes=True, by="bob")
        assert (done.state, done.decided_by, done.answer["approved"]) == ("already", "ada", False)
        assert "was decided already by ada at 2" in done.sentence()
        assert "rejected" in done.sentence()


def test_an_ended_or_unknown_run_asks_nothing(book: Book) -> None:
    """No answer is kept for a run that will not ask, nor for a step that has its answer."""
    book.add("a", status="completed")
    with pytest.raises(ConfigurationError, match="r1 waits for no answer and is completed"):
        answer(book.store, "r1", yes=True)
    with pytest.raises(ConfigurationError, match="r1 is completed and asks nothing"):
        answer(book.store, "r1", "x", yes=True)
    with pytest.raises(ConfigurationError, match="no run r9"):
        answer(book.store, "r9", yes=True)
    run = book.add("b", status="suspended")
    book.step(run, "1.llm", 1, output="x")
    with pytest.raises(ConfigurationError, match="has its answer"):
        answer(book.store, run.id, "1.llm", yes=True)
    assert book.store.decisions() == []


def test_a_question_whose_time_is_up_is_not_answered(book: Book) -> None:
    """Whether the run has noticed it or not."""
    run = book.add("a", status="suspended")
    one = book.ask(run, expires_at=time.time() - 1)
    with pytest.raises(ConfigurationError, match="its time was up"):
        answer(book.store, "r1", KEY, yes=True)
    book.store.decide(one, status="expired")
    with pytest.raises(ConfigurationError, match="its time was up"):
        answer(book.store, "r1", KEY, yes=True)
    other = book.ask(run, "other")
    book.store.decide(other, status="withdrawn")
    with pytest.raises(ConfigurationError, match="withdrawn"):
        answer(book.store, "r1", "other", yes=True)


def test_the_questions_of_a_nested_run_can_be_answered_by_its_id(book: Book) -> None:
    """They are kept with the outermost run, under the path of the step."""
    top = book.add("top", status="suspended")
    inner = book.add("inner", parent=top.id, parent_step="1.ask", root=top.id, status="suspended")
    book.ask(inner, "1.ask/approve")
    book.ask(top, "other")
    done = answer(book.store, inner.id, yes=True)  # the only one of this run
    assert (done.run_id, done.step_key) == ("r1", "1.ask/approve")
    early = answer(book.store, inner.id, "later", yes=True)
    assert (early.run_id, early.step_key, early.state) == ("r1", "1.ask/later", "early")


def test_secrets_are_not_kept(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a person pastes goes through the same redaction as everything else."""
    monkeypatch.setenv("SHOP_API_KEY", "tulips-and-clogs")
    one = book.ask(book.add("a", status="suspended"))
    answer(book.store, "r1", yes=True, feedback="use tulips-and-clogs")
    assert kept(book, one)["feedback"] == "use [redacted]"


def test_of_two_answers_at_once_one_counts(book: Book) -> None:
    """Two stores on one file, as two processes have: one answers, the other hears who was faster."""
    one = book.ask(book.add("a", status="suspended"))
    barrier = threading.Barrier(2)
    said: list[Answered] = []

    def decide(yes: bool) -> None:
        store = SqliteStore(book.path)
        barrier.wait(10)
        said.append(answer(store, "r1", KEY, yes=yes, by=str(yes)))
        store.close()

    threads = [threading.Thread(target=decide, args=(yes,)) for yes in (True, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done.state for done in said) == ["already", "answered"]
    assert {done.answer["approved"] for done in said} == {kept(book, one)["approved"]}


def test_what_is_shown_of_an_answer_is_made_visible() -> None:
    """A person's text cannot move the cursor."""
    done = Answered(run_id="r1", step_key="a\x1b[2J", state="answered", answer={"feedback": "\x1b[31m\nx"})
    assert "\x1b" not in done.sentence()
    assert "\n" not in done.sentence()


@pytest.mark.parametrize("pair", ["amount", "=3", " =3"])
def test_pairs_need_a_key_and_a_value(pair: str) -> None:
    """The error shows how to write one."""
    with pytest.raises(ConfigurationError, match="amount=3"):
        pairs_of([pair])


def test_a_path_that_is_known_means_no_other_step(book: Book) -> None:
    """A line that is written twice does not answer the call of a nested run whose key ends alike."""
    run = book.add("a", status="suspended")
    own, nested = book.ask(run), book.ask(run, f"1.helper/{KEY}")
    assert answer(book.store, "r1", KEY, yes=True).state == "answered"
    assert answer(book.store, "r1", KEY, yes=True).state == "already"
    assert kept(book, own) == {"approved": True}
    assert kept(book, nested) is None
    assert answer(book.store, "r1", f"1.helper/{KEY}", yes=False).state == "answered"


def test_a_question_is_found_behind_a_thousand_others(book: Book) -> None:
    """As in a map whose items each ask."""
    run = book.add("a", status="suspended")
    record = DecisionRecord(run_id=run.id, step_key="x", kind="approval", form=json.dumps(APPROVAL), created_at=100.0)
    for number in range(1_005):
        step = book.step(run, f"pay[{number}]", seq=number)
        made = book.store.ask(replace(record, step_key=step.step_key, step_id=step.id))
    assert answer(book.store, "r1", "pay[1004]", yes=True).state == "answered"
    assert kept(book, made.id) == {"approved": True}
