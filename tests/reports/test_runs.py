"""Lists of runs, what waits, one run, one step."""

from __future__ import annotations

import json

import pytest

from polos_nb.errors import ConfigurationError
from polos_nb.reports.facts import as_json
from polos_nb.reports.pages import run_page, step_page
from polos_nb.reports.runs import find_key, list_runs, list_waiting, one_run, one_step, path_to
from tests.reports.conftest import Book, failing_agent


def test_runs_are_listed_with_their_facts(book: Book) -> None:
    """Newest first; a query and a status filter; a Python name finds the agent's id."""
    book.run(input="Paris")
    book.run(failing_agent(), "Rome")
    assert [run["run"] for run in list_runs(book.store)] == ["r2", "r1"]
    assert [run["target"] for run in list_runs(book.store, status="failed")] == ["broken"]
    (one,) = list_runs(book.store, query="weather_agent")
    assert (one["input"], one["status"], one["kind"]) == ("Paris", "completed", "agent")
    assert one["tokens"] > 0
    assert len(list_runs(book.store, limit=1)) == 1


def test_what_waits_is_listed_oldest_first(book: Book) -> None:
    """Run, target, step, title, since when and until when; answered ones are not listed."""
    one, two = book.add("one", status="suspended"), book.add("two", status="suspended", target_id="other")
    done = book.ask(one, "first")
    book.ask(one)
    book.ask(two, "stop", form={"total": 3}, expires_at=4e9)
    book.store.decide(done, answer="{}")
    first, second = list_waiting(book.store)
    assert (first["run"], first["target"], first["step"]) == ("r1", "flow", "approve_refund[call_1]")
    assert (first["title"], first["expires"]) == ("Refund order 7?", "")
    assert (second["step"], second["title"]) == ("stop", "")
    assert second["since"]
    assert second["expires"].startswith("2096")
    assert [one["run"] for one in list_waiting(book.store, query="other")] == ["r2"]
    assert [one["run"] for one in list_waiting(book.store, query="REFUND")] == ["r1"]
    assert list_waiting(book.store, status="running") == []
    assert len(list_waiting(book.store, limit=1)) == 1


def nested(book: Book) -> None:
    """A run r1 whose step `1.ask` started r2, whose step `look` started r3; r4 goes on from r1 and uses its step."""
    top = book.add("top", status="suspended")
    ask = book.step(top, "1.ask", 1, output="asked")
    llm = {"kind": "llm", "name": "llm", "parts": '{"provider":"openai","model":"gpt-4o"}'}
    usage = '{"input_tokens":1000000,"output_tokens":0,"total_tokens":1000000}'
    inner = book.add("inner", target_id="inner", parent=top.id, parent_step="1.ask", root=top.id, status="completed")
    book.store.finish_step(book.step(inner, "1.llm", 1, **llm).id, status="completed", output="1", usage=usage)
    book.step(inner, "look", 2, output={"a": 1})
    deep = book.add("deep", target_id="deep", parent=inner.id, parent_step="look", root=top.id, status="failed")
    book.step(deep, "try", 1, output=None)
    again = book.add("top", status="running")
    book.store.set_trace(again.id, [type(book.store.trace(top.id)[0][0])(1, ask.id, True)])
    book.step(again, "2.end", 2, output="end")


def test_a_run_has_the_runs_that_its_steps_started(book: Book) -> None:
    """Nested runs are with the step that started them, also when an earlier run of the lineage executed it."""
    nested(book)
    for run_id in ("r1", "r4"):
        run = one_run(book.store, run_id)
        (inner,) = run["steps"][0]["runs"]
        assert (inner["run"], inner["target"]) == ("r2", "inner")
        assert [step["step"] for step in inner["steps"]] == ["1.llm", "look"]
        assert inner["steps"][1]["runs"][0]["run"] == "r3"
        assert run["cost"] == inner["cost"] == 2.5
        assert run["saved"] == (2.5 if run_id == "r4" else 0.0)
    text = [row[1] for row in run_page(one_run(book.store, "4"), "%polos").rows]
    assert text == ["1.ask", "· r2", "· 1.llm", "· look", "· · r3", "· · try", "2.end"]


def test_a_step_may_name_the_run_inside_it(book: Book) -> None:
    """A run that another run had started is shown where it is used."""
    top, inner = book.add("top"), book.add("inner", parent="r99", parent_step="x")
    book.step(top, "1.ask", 1, output=1, request=f'{{"run":"{inner.id}"}}')
    assert [run["run"] for run in one_run(book.store, top.id)["steps"][0]["runs"]] == [inner.id]


def test_a_run_that_is_its_own_ancestor_ends(book: Book) -> None:
    """A damaged store does not make a report go on forever."""
    run = book.add("loop", parent="r1", parent_step="a")
    book.step(run, "a", 1, output=1)
    assert one_run(book.store, "r1")["steps"][0]["runs"] == []
    assert path_to(book.store, run) == "a/"


def test_what_a_run_waits_for_is_shown_with_it(book: Book) -> None:
    """Also in a nested run, whose questions are kept with the outermost one."""
    top = book.add("top", status="suspended")
    inner = book.add("inner", parent=top.id, parent_step="1.ask", root=top.id, status="suspended")
    book.ask(inner, "1.ask/approve")
    book.ask(top, "other")
    assert [one["step"] for one in one_run(book.store, top.id)["waiting"]] == ["1.ask/approve", "other"]
    facts = one_run(book.store, inner.id)
    assert [one["step"] for one in facts["waiting"]] == ["1.ask/approve"]
    assert "polos-nb approve r1 1.ask/approve --yes" in run_page(facts, "polos-nb").blocks[-1][1]


def test_one_step_is_found_by_number_key_or_beginning(book: Book) -> None:
    """Everything about it; what is not clear or not there is an error that names the keys."""
    run = book.run(input="Oslo")
    for wanted in ("2", "1.get_weather[call_1]", "1.g"):
        step = one_step(book.store, run, wanted)
        assert (step["number"], step["call"], step["output"]) == (2, 'get_weather(city="Paris")', "Paris: sunny")
        assert step["request"] == {"arguments": {"city": "Paris"}}
    assert "Paris: sunny" in dict(step_page(step).blocks)["output"]
    with pytest.raises(ConfigurationError, match=r"r1 has no step 9; it has 1.llm, 1.get"):
        one_step(book.store, run, "9")
    with pytest.raises(ConfigurationError, match=r"may be 1\.llm or 1\.get"):
        one_step(book.store, run, "1.")
    with pytest.raises(ConfigurationError, match="no run r77"):
        one_step(book.store, "r77", "1")


def test_the_newest_run_is_meant_where_none_is_named(book: Book) -> None:
    """An empty store says so."""
    with pytest.raises(ConfigurationError, match="no run yet"):
        one_run(book.store)
    book.run()
    assert one_run(book.store)["run"] == "r1"


def test_a_key_is_found_by_its_last_part() -> None:
    """The whole key wins over a part, and a part over a beginning."""
    keys = ["a/approve", "approve", "b/approve_all", "b/x"]
    assert find_key(keys, "approve") == "approve"
    assert find_key(keys, "x") == "b/x"
    assert find_key(keys, "approve_") == "b/approve_all"
    numbered = ["1.llm", "1.refund[call_1]", "2/2.refund_all", "2.llm"]
    assert find_key(numbered, "refund[") == "1.refund[call_1]"
    assert find_key(numbered, "refund_all") == "2/2.refund_all"
    for unclear in ("llm", "refund"):
        with pytest.raises(ConfigurationError, match="may be"):
            find_key(numbered, unclear)
    assert find_key(keys, "nothing") is find_key(keys, "") is None


def test_json_is_exact_and_safe_for_a_terminal() -> None:
    """Controls, overrides and halves of surrogate pairs are escaped, and come back as they were."""
    given = {"a": "\x1b[31m \u202e \x9b é 漢 \ud800 \u2028"}
    text = as_json(given)
    assert json.loads(text) == given
    assert "é 漢" in text
    assert all(char not in text for char in "\x1b\u202e\x9b\ud800\u2028")
