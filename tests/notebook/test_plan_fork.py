"""`%polos plan`, `fork`, `resume` and `stop` in a shell: what would run, what is edited, and every mistake."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from IPython.core.error import UsageError

from polos_nb.errors import ConfigurationError, StoreError

FLOW = """
from polos_nb import workflow
sized = []
def measure(text):
    sized.append(text)
    return {"size": len(text), "text": text}

@workflow
async def review(ctx, input: dict):
    draft = await ctx.step.agent_invoke_and_wait("draft", bot.with_input(input.topic))
    size = await ctx.step.run("size", measure, draft.result)
    answer = await ctx.step.suspend("publish", {"_form": {
        "title": "Publish?", "fields": [{"key": "approved", "type": "boolean", "required": True}]}})
    count = await ctx.step.run("count", len, [size["size"], answer["data"]["approved"]])
    return [draft.result, size["size"], answer["data"]["approved"], count]
"""
RUN = "%polos_run review 'topic: Paris' -q"
SAID = "It is Paris: sunny."


@pytest.fixture
def book(shell: Any) -> Any:
    """A shell with an agent, and a workflow over it that asks."""
    shell.ok(FLOW)
    return shell


@pytest.fixture
def finished(book: Any) -> Any:
    """The same, where r1 is a finished run of the workflow (r2 its agent), and r3 one of the agent."""
    book.run(RUN)
    book.ok("%polos approve r1 --yes")
    assert book.ok(RUN).value == [SAID, 19, True, 2]
    book.ok("%polos_run bot Rome -q")
    book.ns["calls"].clear()
    book.ns["sized"].clear()
    return book


# -- plan -------------------------------------------------------------------------------------------------------------


def planned(shell: Any, line: str) -> tuple[list[str], list[str], str]:
    """The steps that are cached, those that will run, and the note."""
    lines = [line.rstrip() for line in shell.ok(f"%polos plan {line}").out.splitlines() if line.strip()]
    cached = [line.split()[2] for line in lines if line.startswith("◆ cached")]
    running = [line.split()[3] for line in lines if line.startswith("◇ will run")]
    return cached, running, lines[-1]


def test_before_the_first_run(book: Any) -> None:
    """Nothing is cached; the first call of the model is named with its tokens; nothing is written or called."""
    cached, running, note = planned(book, "review 'topic: Paris'")
    assert (cached, running) == ([], ["draft/1.llm"])
    assert "0 steps cached; it would go on from draft/1.llm" in note
    assert "tokens" in note
    assert book.ns["calls"] == []
    assert "No runs" in book.ok("%polos runs").out


def test_half_way_and_when_all_is_cached(book: Any) -> None:
    """While it waits, the plan goes on from the question; when it is finished, nothing would be executed."""
    book.run(RUN)
    cached, running, note = planned(book, "review 'topic: Paris'")
    assert cached == ["draft", "draft/1.llm", "draft/1.get_weather[call_1]", "draft/2.llm", "size"]
    assert running == ["publish"]
    assert "it would go on from publish" in note
    book.ok("%polos approve r1 --yes")
    book.ok(RUN)
    cached, running, note = planned(book, "review topic: Paris")
    assert (cached[-3:], running) == (["size", "publish", "count"], [])
    assert note == "Nothing would be executed: everything answers from the store."
    assert book.ns["calls"] == ["Paris"]


def test_after_an_edit_and_with_fresh(finished: Any) -> None:
    """An edited function is planned with the reason; `--fresh STEP` too; another payload from the start."""
    assert planned(finished, "review 'topic: Paris' --fresh count")[:2] == (
        ["draft", "draft/1.llm", "draft/1.get_weather[call_1]", "draft/2.llm", "size", "publish"], ["count"],
    )  # fmt: skip
    finished.ok("def measure(text):\n    sized.append(text)\n    return {'size': len(text) + 1, 'text': text}")
    text = finished.ok("%polos plan review 'topic: Paris'").out
    assert planned(finished, "review 'topic: Paris'")[1] == ["size"]
    assert "measure" in text
    assert planned(finished, "review 'topic: Oslo'")[1] == ["draft/1.llm"]
    assert planned(finished, "bot Rome")[1] == []
    assert planned(finished, "bot Oslo")[:2] == ([], ["1.llm"])
    assert "may be called 9 more times" in planned(finished, "bot Oslo")[2]
    assert finished.ns["sized"] == []


def test_a_plan_is_the_same_as_a_dry_run(book: Any) -> None:
    """`%polos plan`, `--dry-run` in a line and in a cell say the same, and bind nothing."""
    said = book.ok("%polos plan review 'topic: Paris'").out
    assert book.ok("%polos_run review 'topic: Paris' --dry-run").out == said
    assert book.ok("%%polos_run review -n --as out\ntopic: Paris").out == said
    assert "out" not in book.ns


# -- fork -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "change", "expected", "sized"),
    [
        ("publish", "approved=false", [SAID, 19, False, 2], 0),
        ("size", "result.size=7", [SAID, 7, True, 2], 0),
        ("2", "size=7", [SAID, 7, True, 2], 0),
        ("draft", "result='Rain.'", ["Rain.", 5, True, 2], 1),
        ("count", "result=9", [SAID, 19, True, 9], 0),
    ],
)
def test_a_workflow_is_forked(step: str, change: str, expected: list[Any], sized: int, finished: Any) -> None:
    """A decision, a function's result, an agent's answer: what depends on it runs again, and nothing else."""
    ran = finished.ok(f"%polos fork r1 {step} --set {change} --as other")
    assert finished.ns["other"] == expected
    assert ran.value is None  # it is bound, and shown
    assert len(finished.ns["sized"]) == sized
    assert finished.ns["calls"] == []
    assert finished.ok(RUN).value == [SAID, 19, True, 2]
    forks = len(finished.ok("%polos runs --df").value)
    finished.ok(f"%polos fork r1 {step} --set {change} --as again")
    assert finished.ns["again"] == expected
    assert len(finished.ok("%polos runs --df").value) == forks, "the same fork is the same run"


@pytest.mark.parametrize(
    ("step", "change", "expected", "calls"),
    [
        ("2.llm", "text='Fine.'", "Fine.", []),
        ("1.llm", "tool_calls.0.function.arguments.city=Bonn", "It is Bonn: sunny.", ["Bonn"]),
        ("1.get_weather[call_1]", "arguments.city=Bonn", "It is Bonn: sunny.", ["Bonn"]),
        ("1.get_weather[call_1]", "result='Rome: rain'", "It is Rome: rain.", []),
    ],
)
def test_an_agent_is_forked(step: str, change: str, expected: str, calls: list[str], finished: Any) -> None:
    """What the model said, what it asked for, and what a tool gave can be edited."""
    finished.ok(f"%polos fork r3 {step} --set {change} --as other")
    assert finished.ns["other"].result == expected
    assert finished.ns["calls"] == calls
    assert "r3 → " in finished.ok(f"%polos diff r3 {finished.ns['other'].agent_run_id}").out


FORK_MISTAKES = [
    ("r1 conut --set result=1", ConfigurationError, "no step conut; it has draft, size, publish, count"),
    ("r1 9 --set result=1", ConfigurationError, "no step 9"),
    ("r1 count", ConfigurationError, "a fork needs a change"),
    ("r1 count --set 7", ConfigurationError, "--set 7 is not PATH=VALUE"),
    ("r1 count --set a.b=7", ConfigurationError, "there is no 'a.b'"),
    ("r3 1.llm --set tool_calls.5.function.name=x", ConfigurationError, "write a number from 0"),
    ("r3 1.get_weather[call_1] --set arguments.city=B --set result=x", ConfigurationError, "not both"),
    ("r1 size --set arguments.text=x", ConfigurationError, "there is no 'arguments.text'"),
    ("r99 count --set result=1", StoreError, "there is no run r99"),
    ("r1", ConfigurationError, "STEP is missing"),
    ("", ConfigurationError, "RUN, STEP is missing"),
    ("r1 count --set result=1 --as 3x", ConfigurationError, "'3x' is not a Python name"),
    ("r1 count --set result=1 --ass x", ConfigurationError, "did you mean --as?"),
]


@pytest.mark.parametrize(("line", "kind", "words"), FORK_MISTAKES)
def test_mistakes_in_a_fork_are_one_sentence(line: str, kind: type, words: str, finished: Any) -> None:
    """A wrong run, step, path or option: one line, and no run is made."""
    before = len(finished.ok("%polos runs --df").value)
    ran = finished.run(f"%polos fork {line}")
    assert isinstance(ran.error, UsageError)
    assert words in str(ran.error)
    assert len((ran.out + ran.err).strip().splitlines()) == 1
    assert len(finished.ok("%polos runs --df").value) == before


def test_unwatched_mistakes_are_real_exceptions(make_shell: Callable[..., Any]) -> None:
    """Where nobody watches, they fail a test."""
    shell = make_shell(watched=False)
    for line, kind in (
        ("fork r1 x --set a=1", StoreError),
        ("fork", ConfigurationError),
        ("resume r1", StoreError),
        ("stop r1", StoreError),
        ("plan x", ConfigurationError),
    ):
        ran = shell.run(f"%polos {line}")
        assert type(ran.error) is kind
        assert len((ran.out + ran.err).strip().splitlines()) == 1


# -- resume and stop --------------------------------------------------------------------------------------------------


def test_resume_replays_what_is_finished_and_refuses_what_it_cannot(finished: Any) -> None:
    """A finished run is shown again and calls nothing; a nested one and an unknown one are refused."""
    finished.ok("%polos resume r1 --as out")
    assert finished.ns["out"] == [SAID, 19, True, 2]
    assert finished.ns["calls"] == []
    assert "r2 is inside run r1; resume that one" in str(finished.run("%polos resume r2").error)
    assert "no run r99" in str(finished.run("%polos resume r99").error)
    assert "RUN is missing" in str(finished.run("%polos resume").error)


def test_stop_says_what_became_of_it(book: Any) -> None:
    """A run that waits is stopped, with nested runs by the outermost; a finished one is over; then it can go on."""
    book.run(RUN)
    assert "r2 is inside run r1; stop that one" in str(book.run("%polos stop r2").error)
    assert "r1 is being stopped" in book.ok("%polos stop r1").out
    assert "cancelled" in book.ok("%polos runs review").out
    assert "r1 is over already" in book.ok("%polos stop r1").out
    assert "no run r99" in str(book.run("%polos stop r99").error)
    book.run(RUN)
    assert "Publish?" in book.ok("%polos runs --waiting").out
    book.ok("%polos approve r1 --no")
    assert book.ok(RUN).value == [SAID, 19, False, 2]
    assert book.ns["calls"] == ["Paris"]
