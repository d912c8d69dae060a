"""Transcripts as rows of a page: what is told at once, what only grows, what an answer must carry, and large maps."""

from __future__ import annotations

import copy
import time
from typing import Any

from polos_nb.messages import Usage
from polos_nb.notebook.feed import Feed
from polos_nb.notebook.rows import RunRows, head_of
from polos_nb.run_events import (
    Event,
    RunFinished,
    RunStarted,
    StepFailed,
    StepFinished,
    StepProgress,
    StepResumed,
    StepStarted,
    StepSuspended,
    TextDelta,
)
from polos_nb.transcript import Transcript

RUN: dict[str, Any] = {"run_id": "r1", "target_id": "bot"}
FORM: dict[str, Any] = {
    "_tool": "refund",
    "_form": {
        "title": "Approve tool: refund",
        "fields": [{"key": "approved", "type": "boolean", "required": True}],
        "context": {"tool": "refund", "input": {"order": "a", "amount": 3}},
    },
}


class Told:
    """A page that is told of a run: `add` takes events, `state` is what the page has."""

    def __init__(self, **options: Any) -> None:
        self.run = Transcript()
        self.rows = RunRows(**options)
        self.feed = Feed()
        self.last: list[Any] = []

    def add(self, *events: Event) -> list[Any]:
        """Tell the page of events; the changes that were needed."""
        for event in events:
            self.run.add(event)
        self.last = copy.deepcopy(self.rows.ops(self.run))
        self.feed.put(self.last)
        return self.last

    @property
    def state(self) -> dict[str, Any]:
        return self.feed.state

    def row(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] = self.state["rows"][key]
        return found


def llm(event: Any, **more: Any) -> Any:
    return event(**RUN, step_key="1.llm", step_type="llm", name="gpt", **more)


def asked(event: Any, key: str = "1.approve_refund[c1]", parent: str = "", **more: Any) -> Any:
    return event(**RUN, step_key=key, parent=parent, step_type="approval", name="refund", **more)


def test_a_text_that_grows_is_told_by_what_came() -> None:
    """The row is sent once, then nothing but the new text; a retry that begins anew replaces it."""
    page = Told()
    page.add(RunStarted(**RUN), llm(StepStarted), llm(TextDelta, text="Hel"))
    assert page.row("1.llm")["text"] == "Hel"
    assert page.add(llm(TextDelta, text="lo")) == [["t", "1.llm", "text", "lo"]]
    assert page.add() == []
    page.add(llm(StepFailed, error="cut", retry_in=1.0), llm(StepStarted), llm(TextDelta, text="Bye"))
    assert page.row("1.llm")["text"] == "Bye"
    assert page.state["order"] == {"": ["1.llm"]}


def test_a_question_keeps_its_card_until_it_is_answered() -> None:
    """The nonce is asked for once; when it is decided the card goes, and who decided what stays."""
    nonces: list[int] = []

    def nonce(decision: int) -> str:
        nonces.append(decision)
        return f"n{len(nonces)}"

    page = Told(nonce_of=nonce, run_id="r7")
    page.add(RunStarted(**RUN), asked(StepSuspended, form=FORM, decision=5, path="outer/1.approve_refund[c1]"))
    card = page.row("1.approve_refund[c1]")["ask"]
    assert (card["run"], card["step"], card["nonce"]) == ("r7", "outer/1.approve_refund[c1]", "n1")
    assert (card["kind"], card["tool"], card["can_edit"], card["can_always"]) == ("approval", "refund", True, True)
    assert '"amount": 3' in card["args"]
    assert card["command"] == "%polos approve r7 'outer/1.approve_refund[c1]' --yes"
    page.add(asked(StepSuspended, form=FORM, decision=5, path="outer/1.approve_refund[c1]", until=9.0))
    assert page.row("1.approve_refund[c1]")["ask"]["nonce"] == "n1"
    page.add(
        asked(StepResumed, answer={"approved": False, "feedback": "no"}, decided_by="ada"),
        asked(StepFinished, output={"approved": False}),
    )
    row = page.row("1.approve_refund[c1]")
    assert row["ask"] is None
    assert "ada" in row["decided"]
    assert nonces == [5]


def test_arguments_that_are_too_long_can_be_read_but_not_edited() -> None:
    """What a card shows of them is cut, so what was cut must not be sent back."""
    form = copy.deepcopy(FORM)
    form["_form"]["context"]["input"]["order"] = "x" * 60_000
    page = Told()
    page.add(RunStarted(**RUN), asked(StepSuspended, form=form, decision=1))
    card = page.row("1.approve_refund[c1]")["ask"]
    assert not card["can_edit"]
    assert len(card["args"]) < 51_000


def item(event: Any, number: int, **more: Any) -> Any:
    return event(**RUN, step_key=f"all[{number}]", parent="all", step_type="agent", name="all", **more)


def filled(page: Told, count: int) -> None:
    """A map of agents that are all running."""
    group = StepProgress(**RUN, step_key="all", step_type="group", name="all", total=count)
    page.add(RunStarted(**RUN), group, *(item(StepStarted, number) for number in range(count)))


def test_a_large_map_is_one_row_and_those_that_need_somebody() -> None:
    """Items that fail are listed, the others counted; many items cost one row and little time."""
    page = Told()
    filled(page, 3_000)
    assert list(page.state["rows"]) == ["all"]
    begin = time.perf_counter()
    page.add(*(item(StepFinished, number, output="ok") for number in range(2_000)))
    page.add(item(StepFailed, 2_001, error="lost"))
    assert time.perf_counter() - begin < 2
    row = page.row("all")
    assert (row["total"], row["done"], row["failed_n"], row["live_n"], row["hidden"]) == (3_000, 2_001, 1, 2_000, 2_999)
    assert page.state["order"]["all"] == ["all[2001]"]


def test_a_question_inside_an_item_of_a_large_map_is_seen() -> None:
    """The item runs on as long as its cell waits with it; it is counted as waiting, and its card is there."""
    page = Told()
    filled(page, 100)
    key = "all[70]/1.approve_refund[c1]"
    page.add(asked(StepSuspended, key, "all[70]", form=FORM, decision=3))
    assert page.row("all")["waiting_n"] == 1
    assert page.state["order"]["all"] == ["all[70]"]
    assert page.row(key)["ask"]["decision"] == 3
    page.add(asked(StepResumed, key, "all[70]", answer={"approved": True}), asked(StepFinished, key, "all[70]"))
    assert page.row("all")["waiting_n"] == 0
    assert key not in page.state["rows"]
    assert page.state["order"]["all"] == []


def test_rows_of_a_turn_hang_under_it() -> None:
    """A prefix and a parent keep runs apart that are shown in one page."""
    page = Told(prefix="m2/", parent="m2")
    page.add(RunStarted(**RUN), llm(StepStarted))
    assert page.state["order"] == {"m2": ["m2/1.llm"]}
    assert page.row("m2/1.llm")["parent"] == "m2"


def test_the_head_says_what_goes_on() -> None:
    """In words, from the first moment to the end; an answer that a row shows already is not sent twice."""
    page = Told()
    page.add(RunStarted(**RUN, input="hi", provider="openai", model="gpt-4o"))
    assert (head_of(page.run)["phase"], head_of(page.run)["model"]) == ("starting", "openai/gpt-4o")
    page.add(llm(StepStarted))
    assert head_of(page.run)["phase"] == "waiting for the first token"
    page.add(llm(TextDelta, text="Hello"))
    assert head_of(page.run)["phase"] == "writing"
    output: dict[str, Any] = {
        "text": "Hello",
        "tool_calls": [],
        "reasoning": None,
        "finish_reason": "stop",
        "usage": {},
    }
    page.add(llm(StepFinished, output=output, usage=Usage(input_tokens=3, output_tokens=2)))
    page.add(RunFinished(**RUN, result="Hello", seconds=1.5, usage=Usage(input_tokens=3, output_tokens=2)))
    head = head_of(page.run)
    assert (head["status"], head["seconds"], head["tokens_in"], head["tokens_out"]) == ("completed", 1.5, 3, 2)
    assert head["answer"] is None


def test_an_answer_that_no_row_shows_is_in_the_head() -> None:
    """Structured answers are values of their own."""
    page = Told()
    page.add(RunStarted(**RUN), RunFinished(**RUN, result=[{"city": "Oslo", "celsius": 3}]))
    assert head_of(page.run)["answer"]["t"] == "table"
