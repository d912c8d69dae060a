"""What runs have cost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from polos_nb.reports.cost import cost_note, cost_page, money_of, run_cost
from polos_nb.stores.base import RunRecord, TraceRow
from tests.reports.conftest import Book, weather_agent

USED = '{"input_tokens":1000000,"output_tokens":0,"total_tokens":1000000}'
MINI = '{"provider":"openai","model":"gpt-4o-mini"}'
ODD = '{"provider":"openai","model":"nobody-knows-it"}'


def asked(book: Book, run: RunRecord, key: str, seq: int, parts: str = MINI, usage: str | None = USED) -> Any:
    request = json.dumps({"model": "/".join(json.loads(parts).values())})
    step = book.step(run, key, seq, kind="llm", parts=parts, request=request, output={"text": "hi"})
    book.store.finish_step(step.id, usage=usage)
    return step


def test_each_answer_has_its_price(book: Book) -> None:
    """Tokens and dollars of each, and their sum, in the page and in a sentence."""
    run = book.add("a", status="completed")
    asked(book, run, "1.llm", 1)
    asked(book, run, "2.llm", 2)
    facts = run_cost(book.store, run.id)
    assert [(line["step"], line["tokens_in"], line["cost"]) for line in facts["steps"]] == [
        ("1.llm", 1_000_000, 0.15),
        ("2.llm", 1_000_000, 0.15),
    ]
    assert (facts["paid"], facts["unknown"], facts["saved"], facts["tokens_saved"]) == (0.3, 0, 0.0, 0)
    assert cost_note(facts) == "Paid for in this run: 2,000,000 tokens, $0.3000."
    assert [row[-1] for row in cost_page(facts).rows] == ["$0.1500", "$0.1500"]


def test_an_unknown_price_is_none_and_never_nothing(book: Book) -> None:
    """Alone the sum is unknown; beside others it says how many are left out."""
    run = book.add("a", status="completed")
    asked(book, run, "1.llm", 1, ODD)
    facts = run_cost(book.store, run.id)
    assert facts["steps"][0]["cost"] is facts["paid"] is None
    assert "price unknown" in cost_note(facts)
    assert cost_page(facts).rows[0][-1] == "unknown"
    asked(book, run, "2.llm", 2)
    facts = run_cost(book.store, run.id)
    assert (facts["paid"], facts["unknown"]) == (0.15, 1)
    assert "$0.1500 and 1 answer at a price that is not known" in cost_note(facts)


def test_what_answered_from_the_store_is_saved(book: Book) -> None:
    """An answer of an earlier run costs nothing again."""
    first, second = book.add("a", status="completed"), book.add("a", status="completed")
    kept = asked(book, first, "1.llm", 1)
    book.store.set_trace(second.id, [TraceRow(1, kept.id, cached=True)])
    facts = run_cost(book.store, second.id)
    assert (facts["paid"], facts["saved"], facts["tokens_saved"]) == (0.0, 0.15, 1_000_000)
    assert "Answered from the store: 1,000,000 tokens, $0.1500." in cost_note(facts)


def test_runs_inside_count(book: Book) -> None:
    """The answers of a nested run are lines of the run around it."""
    outer = book.add("a", status="completed")
    inner = book.add("b", parent=outer.id, parent_step="ask", root=outer.id, status="completed")
    book.step(outer, "ask", 1, kind="agent", request=json.dumps({"run": inner.id}), output="x")
    asked(book, inner, "1.llm", 1)
    facts = run_cost(book.store, outer.id)
    assert [(line["step"], line["run"]) for line in facts["steps"]] == [("ask/1.llm", inner.id)]
    assert facts["paid"] == 0.15
    assert money_of(book.store.figures([outer.id])[outer.id].paid).total == 0.15


@pytest.mark.parametrize("usage", [None, '{"total_tokens":0}'])
def test_what_nobody_counted_has_no_price(book: Book, usage: str | None) -> None:
    """A model that did not say how many tokens it took."""
    run = book.add("a", status="completed")
    asked(book, run, "1.llm", 1, usage=usage)
    facts = run_cost(book.store, run.id)
    assert [line["cost"] for line in facts["steps"]] == ([] if usage is None else [None])
    assert (facts["paid"], facts["unknown"]) == (0.0, 0)


def test_a_scripted_model_costs_nothing(book: Book) -> None:
    """Its tokens are counted; a run without models says so."""
    facts = run_cost(book.store, book.run(weather_agent()))
    assert facts["tokens_in"] > 0
    assert facts["paid"] == 0.0
    assert facts["unknown"] == 0
    assert "No model was asked" in cost_note(run_cost(book.store, book.add("flow").id))
