"""Why steps were executed, and two runs side by side."""

from __future__ import annotations

from dataclasses import replace

from polos_nb import Agent, tool
from polos_nb.reports.diff import diff
from polos_nb.reports.pages import diff_page, why_page
from polos_nb.reports.why import why
from tests.reports.conftest import Book, weather_agent
from tests.runtime.support import Process, calls, once_called


def reasons(book: Book, run: str) -> dict[str, str]:
    return {facts["step"]: facts["reason"] for facts in why(book.store, run)}


def test_a_first_run_and_a_changed_prompt(book: Book) -> None:
    """The first run had nothing before it; a changed prompt is shown as a diff, a step that is the same is cached."""
    first = book.run(weather_agent("You are nice.\nAnswer shortly."))
    assert reasons(book, first) == {"1.llm": "first", "1.get_weather[call_1]": "first", "2.llm": "first"}
    second = book.run(weather_agent("You are rude.\nAnswer shortly."))
    assert reasons(book, second) == {"1.llm": "changed", "1.get_weather[call_1]": "cached", "2.llm": "changed"}
    (facts,) = why(book.store, second, "1.llm")
    assert (facts["against"], facts["against_run"], facts["number"]) == ("1.llm", first, 1)
    assert "messages[0] changed (system)" in facts["says"]
    (one,) = facts["diffs"]
    assert one["what"] == "messages"
    assert {"-You are nice.", "+You are rude.", " Answer shortly."} < set(one["diff"].splitlines())
    page = why_page([facts])
    assert page.blocks[0][0] == f"1.llm: messages against {first} 1.llm"


def test_a_changed_tool(book: Book) -> None:
    """A constant that a tool uses is named with both values."""

    def agent(rate: float) -> Agent:
        @tool
        def convert(amount: int) -> float:
            """Convert."""
            return amount * rate

        return Agent(id="bank", model=once_called(calls(("convert", {"amount": 2}))), tools=[convert])

    book.run(agent(0.5))
    run = book.run(agent(0.75))
    (facts,) = why(book.store, run, "1.convert")
    assert facts["reason"] == "changed"
    assert "0.5 → 0.75" in facts["says"]
    (one,) = facts["diffs"]
    assert one["what"] == "the code it uses"
    assert any(line.startswith("+") and "0.75" in line for line in one["diff"].splitlines())


def test_fresh_and_failed(book: Book) -> None:
    """A step that was asked to be fresh, and one whose last attempt failed, say so."""
    attempts: list[int] = []

    @tool
    def flaky() -> str:
        """Fails first."""
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError("no luck")
        return "ok"

    agent = Agent(id="flaky", model=once_called(calls(("flaky", {}))), tools=[flaky])
    book.run(agent)
    run = book.run(agent)
    told = {facts["step"]: facts for facts in why(book.store, run)}
    assert told["1.flaky[call_1]"]["reason"] == "failed"
    assert "no luck" in told["1.flaky[call_1]"]["says"]
    Process(book.store).run(weather_agent(), "x")
    Process(book.store).run(weather_agent(), "x", fresh=True)
    newest = book.store.list_runs(limit=1)[0].id
    assert set(reasons(book, newest).values()) == {"fresh"}


def test_a_new_step(book: Book) -> None:
    """A step that no earlier run had is new; the same name under another key is compared with."""
    run = book.add("l", status="completed")
    book.step(run, "a", 1, output=1)
    later = book.add("l", status="completed")
    book.step(later, "b", 1, output=1)
    book.step(later, "a2", 2, output=1, name="a", parts='{"arguments":{"x":1}}')
    told = {facts["step"]: facts for facts in why(book.store, later.id)}
    assert told["b"]["reason"] == "new"
    assert (told["a2"]["reason"], told["a2"]["against"]) == ("changed", "a")
    assert told["a2"]["diffs"][0]["diff"].splitlines()[-1] == "+x = 1"


def test_steps_of_the_same_run_are_not_compared(book: Book) -> None:
    """A run that goes on after a failure has steps of its own name before it; they are not what changed."""
    run = book.add("l", status="completed")
    book.step(run, "1.llm", 1, output=1, name="llm", parts='{"messages":["a"]}')
    later = book.step(run, "2.llm", 2, output=1, name="llm", parts='{"messages":["a","b"]}')
    row, _ = book.store.trace(run.id)[1]
    book.store.set_trace(run.id, [book.store.trace(run.id)[0][0], replace(row, why="2 messages instead of 1")])
    assert later.id == row.step_id
    assert reasons(book, run.id) == {"1.llm": "first", "2.llm": "new"}


def test_two_runs_are_aligned(book: Book) -> None:
    """A step that was put in first is added, the others stay the same; answers that differ are shown as text."""
    one, two = book.add("l", status="completed", result='"a"'), book.add("l", status="failed", result='"b"')
    for place, (key, output) in enumerate([("load", 1), ("old", "x"), ("save", "line\nsame")]):
        book.step(one, key, place, output=output)
    for place, (key, output) in enumerate([("check", 0), ("load", 1), ("save", "other\nsame")]):
        book.step(two, key, place, output=output)
    facts = diff(book.store, "r1", "2")
    changes = [(step["change"], step["step"]) for step in facts["steps"]]
    assert changes == [("added", "check"), ("same", "load"), ("removed", "old"), ("changed", "save")]
    assert facts["steps"][3]["text"] == "@@ -1,2 +1,2 @@\n-line\n+other\n same"
    assert facts["steps"][3]["asked"] == []
    assert (facts["status"], facts["result"]) == (["completed", "failed"], "@@ -1 +1 @@\n-a\n+b")
    rows = diff_page(facts).rows
    assert [row[0] for row in rows] == ["+", "", "-", "~", ""]
    assert rows[-1][3] == "completed → failed"


def test_tokens_cost_and_time_are_compared(book: Book) -> None:
    """Pairs for each step and for the whole; equal values are shown once."""
    llm = {"kind": "llm", "name": "llm", "parts": '{"provider":"openai","model":"gpt-4o"}'}
    for tokens in (1_000_000, 2_000_000):
        usage = f'{{"input_tokens":{tokens},"output_tokens":0,"total_tokens":{tokens}}}'
        run = book.add("l", status="completed", usage=usage, finished_at=100.0 + tokens / 1e6)
        step = book.step(run, "1.llm", 1, **llm)
        book.store.finish_step(step.id, status="completed", output='"same"', usage=usage, finished_at=101.0)
    facts = diff(book.store, "r1", "r2")
    assert (facts["tokens"], facts["cost"], facts["seconds"]) == ([1_000_000, 2_000_000], [2.5, 5.0], [1.0, 2.0])
    (step_facts,) = facts["steps"]
    assert (step_facts["cost"], step_facts["change"]) == ([2.5, 5.0], "same")
    page = diff_page(facts)
    assert page.rows[0] == ("", "1.llm", "llm", "live", "1000000 → 2000000", "$2.5000 → $5.0000", "1.0")
    assert page.note == "No step differs."


def test_what_was_asked_is_compared(book: Book) -> None:
    """Other words to the model with the same answer are a change too."""
    book.run(weather_agent("Be nice."))
    book.run(weather_agent("Be brief."))
    steps = diff(book.store, "r1", "r2")["steps"]
    assert [step["change"] for step in steps] == ["changed", "same", "changed"]
    assert "messages[0] changed (system)" in steps[0]["asked"][0]
    assert steps[1]["state"] == ["live", "cached"]


def test_a_run_equals_itself(book: Book) -> None:
    """No step differs, and nothing is shown as text."""
    book.run()
    facts = diff(book.store, "r1", "r1")
    assert {step["change"] for step in facts["steps"]} == {"same"}
    assert diff_page(facts).blocks == []
