"""A run folded from its events, and its plain renderings."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from polos_nb.messages import Usage
from polos_nb.run_events import (
    Event,
    ReasoningDelta,
    RunFinished,
    RunStarted,
    StepEvent,
    StepFailed,
    StepFinished,
    StepResumed,
    StepStarted,
    StepSuspended,
    StreamStarted,
    TextDelta,
    ToolCallRequested,
)
from polos_nb.safe_text import code_span, inert_markdown, shorten, visible
from polos_nb.transcript import AnswerItem, GroupItem, StepItem, ToolItem, Transcript

ANSWER = "Warmer in **New York**."
CITIES = ("New York", "London")


def said(text: str = "", *calls: tuple[str, str, str]) -> dict[str, Any]:
    return {
        "text": text,
        "tool_calls": [{"id": i, "function": {"name": n, "arguments": a}} for i, n, a in calls],
        "reasoning": None,
        "finish_reason": "stop",
        "usage": {},
    }


def head(run: str, replayed: bool = False) -> dict[str, Any]:
    return {"run_id": run, "target_id": "weather_agent", "kind": "agent"}


ASKED = said("", *((f"call_{n}", "get_weather", f'{{"city": "{c}"}}') for n, c in enumerate(CITIES)))


def tool(event: Any, run: str, n: int, **more: Any) -> Any:
    key = f"1.get_weather[{n}]"
    request = {"arguments": {"city": CITIES[n]}}
    return event(**head(run), step_key=key, step_type="tool", name="get_weather", request=request, at=n * 1.5, **more)


def llm(event: Any, run: str, n: int, **more: Any) -> Any:
    return event(**head(run), step_key=f"{n}.llm", step_type="llm", name="gpt", **more)


def live_events(run: str = "r1", order: tuple[int, ...] = (1, 0)) -> list[Event]:
    return [
        RunStarted(**head(run), input="compare", provider="demo", model="gpt"),
        llm(StepStarted, run, 1, request={"model": "gpt", "messages": 2}, why="new step"),
        llm(StreamStarted, run, 1),
        ToolCallRequested(**head(run), step_key="1.llm", step_type="llm", name="get_weather", call_id="call_0"),
        llm(StepFinished, run, 1, output=ASKED, seconds=1.25, usage=Usage(input_tokens=3, total_tokens=3)),
        *(tool(StepStarted, run, n) for n in order),
        tool(StepStarted, run, 0),
        StepFinished(
            **head(run), step_key="1.get_weather[0]/fetch", step_type="run", name="fetch",
            parent="1.get_weather[0]", output=7,
        ),
        *(tool(StepFinished, run, n, output={"celsius": 20 - n}, seconds=0.5) for n in order),
        llm(StepStarted, run, 2, request={"model": "gpt", "messages": 5}),
        llm(StreamStarted, run, 2),
        llm(TextDelta, run, 2, text="Warmer in "),
        llm(StepFinished, run, 2, output=said(ANSWER), seconds=2.0),
        RunFinished(**head(run), result=ANSWER, steps=4, seconds=4.5),
    ]  # fmt: skip


def cached_events(run: str = "r2") -> list[Event]:
    return [
        RunStarted(**head(run), input="compare", provider="demo", model="gpt", replayed=True),
        llm(StepFinished, run, 1, output=ASKED, cached=True, request={"model": "gpt"}),
        *(tool(StepFinished, run, n, output={"celsius": 20 - n}, cached=True) for n in (0, 1)),
        llm(StepFinished, run, 2, output=said(ANSWER), cached=True, request={"model": "gpt"}),
        RunFinished(**head(run), result=ANSWER, steps=4, cached_steps=4, seconds=0.01),
    ]


def folded(events: list[Event]) -> Transcript:
    transcript = Transcript()
    for event in events:
        transcript.add(event)
    return transcript


def test_live_and_cached_events_read_the_same() -> None:
    """A replay reads exactly as the run did, although steps come without a start and without their inside."""
    live, cached = folded(live_events()), folded(cached_events())
    assert live.to_markdown() == cached.to_markdown()
    assert live.to_text() == cached.to_text()
    assert [item.step_key for item in live.items] == [item.step_key for item in cached.items]
    assert (live.cached, live.live, cached.cached, cached.live) == (0, 5, 4, 0)


@pytest.mark.parametrize("order", list(itertools.permutations((0, 1))))
def test_parallel_tools_stand_in_the_order_of_the_calls(order: tuple[int, ...]) -> None:
    """Whichever parallel tool is faster, the trace has them as the model asked for them."""
    items = folded(live_events(order=order)).items
    assert [i.arguments["city"] for i in items if isinstance(i, ToolItem)] == list(CITIES)


def test_text_has_the_answer_first() -> None:
    """The plain rendering begins with the answer and names each call with its result, without ids or times."""
    text = folded(live_events("r4711")).to_text()
    assert text.startswith(ANSWER)
    assert 'get_weather(city="London") → {"celsius": 19}' in text
    assert "4 steps · used get_weather × 2" in text
    for word in ("r4711", "1.25", "4.5", "cached", "new step"):
        assert word not in text


def test_stream_restart_voids_what_was_streamed() -> None:
    """A stream that starts again replaces its text, thinking and calls."""
    transcript = folded(live_events()[:1])
    for text in ("wrong", "right"):
        transcript.add(llm(StreamStarted, "r1", 1))
        transcript.add(llm(ReasoningDelta, "r1", 1, text="hm"))
        transcript.add(llm(TextDelta, "r1", 1, text=text))
    (item,) = transcript.items
    assert isinstance(item, AnswerItem)
    assert (item.text, item.reasoning, item.state) == ("right", "hm", "running")


def test_late_delta_does_not_change_a_finished_answer() -> None:
    """The kept answer is the whole answer."""
    transcript = folded(live_events())
    before = transcript.to_text()
    transcript.add(llm(TextDelta, "r1", 2, text="again"))
    assert transcript.to_text() == before


def test_retry_then_success_leaves_no_trace_of_the_failure() -> None:
    """While a step is tried again it says so; when it succeeds, the error is gone."""
    transcript = folded(live_events()[:5])
    transcript.add(tool(StepStarted, "r1", 0))
    transcript.add(tool(StepFailed, "r1", 0, error="503", retry_in=0.1))
    item = transcript.items[-1]
    assert (item.state, item.error) == ("retrying", "503")
    assert "trying again" in transcript.to_text()
    transcript.add(tool(StepFinished, "r1", 0, output=1, attempts=2))
    assert (item.state, item.error) == ("done", None)


def test_nested_steps_hang_under_their_tool() -> None:
    """A step inside a tool is its child, even when it is told before the tool."""
    nested = folded(live_events()).items[1].children
    assert [(type(child), child.name) for child in nested] == [(StepItem, "fetch")]
    transcript = Transcript()
    transcript.add(StepFinished(step_key="t/now", step_type="now", name="now", parent="t", output=1))
    transcript.add(StepStarted(step_key="t", step_type="tool", name="t"))
    assert [item.step_key for item in transcript.items] == ["t"]
    assert [child.step_key for child in transcript.items[0].children] == ["t/now"]


def test_same_events_twice_are_one_run() -> None:
    """Folding a run's events a second time changes nothing but the version."""
    once, twice = folded(live_events()), folded(live_events() * 2)
    assert once.to_text() == twice.to_text()
    assert twice.version == 2 * once.version
    assert twice.steps == 4


def test_a_failed_run_says_what_to_do_without_ids() -> None:
    """The line of a failed run names the error and the way on, free of the run's id and of addresses."""
    events = live_events("r12")[:-1]
    error = "run r12 broke at <obj 0x7f3a22bc10>"
    transcript = folded([*events, RunFinished(**head("r12"), status="failed", error=error)])
    first = transcript.to_text().splitlines()[0]
    assert first.startswith("Failed: the run broke at <obj 0x…>.")
    assert "run the cell again" in first
    assert ANSWER in transcript.to_text()


def test_an_interrupted_run_keeps_the_partial_text() -> None:
    """What streamed before an interrupt is shown below the line that says so; open steps are stopped."""
    events = [*live_events()[:-2], RunFinished(**head("r1"), status="cancelled")]
    text = folded(events).to_text()
    assert text.startswith("Stopped; run the cell again to go on from here.\n\nWarmer in ")
    assert "model was stopped" in text


def test_structured_answers_are_tables() -> None:
    """A mapping is a table of fields, a list of mappings a table of rows, other data JSON."""
    run = folded([RunStarted(**head("r")), RunFinished(**head("r"), result={"city": "a|b", "n": 0})])
    assert "| city | a\\|b |" in run.to_markdown()
    run.result = [{"x": 1}, {"x": 2, "y": None}]
    assert "| x | y |\n| --- | --- |\n| 1 |  |" in run.to_markdown()
    run.result = [1, 2]
    assert run.to_markdown().startswith("```\n[\n  1,")


def test_volatile_has_what_the_renderings_leave_out() -> None:
    """Ids, times, cache state, reasons and cost are in `volatile`."""
    facts = folded(live_events("r9")).volatile(cost=0.5)
    assert facts["run_id"] == "r9"
    assert facts["cost"] == 0.5
    assert facts["steps"][0] == {"key": "1.llm", "cached": False, "seconds": 1.25, "why": "new step"}


def test_live_text_has_a_line_per_step() -> None:
    """A terminal sees each step, nested ones indented, with its state."""
    lines = folded(live_events()).live_text().splitlines()
    assert len(lines) == 6
    assert lines[3].startswith("    fetch → 7")
    assert lines[1].endswith("[live 1.2 s] (new step)")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<b>x</b>", "&lt;b>x&lt;/b>"),
        ("`<b>`", "`<b>`"),
        ("a ` b\nc ` <script> ` d", "a ` b\nc ` &lt;script> ` d"),
        ("```\n<b>\n```\n<i>", "```\n<b>\n```\n&lt;i>"),
        ("- a\n  ```\n<script>", "- a\n  ```\n&lt;script>"),
        ("```\nopen", "```\nopen\n```"),
        ("| ` | <i> | ` |", "| ` | &lt;i> | ` |"),
        ("1 < 2", "1 < 2"),
    ],
)
def test_markdown_without_html(text: str, shown: str) -> None:
    """Tags in a model's Markdown are text, except where they certainly are code."""
    assert inert_markdown(text) == shown


def test_text_helpers() -> None:
    """Invisible characters are made visible, code spans hold any text, cuts count what is missing."""
    assert visible("\x1b[31mred\x1b[0m\x00\u202e\ud800") == "red\ufffd[U+202E]\ufffd"
    assert code_span("a`b``c") == "```a`b``c```"
    kept, missing = shorten("x" * 1000, 100)
    assert (len(kept), missing) == (100, 900)


def test_the_state_of_a_group_follows_from_all_its_items() -> None:
    """Whatever comes in whatever order, a group says the same as its items counted anew, after an end and a resume."""
    random = Random(3)
    transcript = Transcript()
    transcript.add(RunStarted(run_id="r1", kind="workflow"))
    rank = ("waiting", "retrying", "running", "stopped", "failed")
    for number in range(600):
        about: dict[str, Any] = {"run_id": "r1", "step_key": f"m[{random.randrange(12)}]", "name": "m"}
        transcript.add(
            random.choice(
                [
                    StepStarted(**about),
                    StepFinished(**about, cached=bool(number % 3)),
                    StepFailed(**about, retry_in=random.choice([None, 1.0])),
                ]
            )
        )
        if number % 97 == 96:
            transcript.add(RunFinished(run_id="r1", status="cancelled"))
            continue
        group = transcript.items[0]
        states = {item.state for item in group.children}
        assert group.state == next((state for state in rank if state in states), "done")
        assert group.cached == all(item.cached for item in group.children)


def test_a_long_run_is_folded_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each event of a map of thousands looks at its own item, not at all of them."""
    looks = 0
    plain = GroupItem.settle

    def counted(self: GroupItem, changed: Any) -> None:
        nonlocal looks
        size = len(self.children) if len(self._seen) < len(self.children) - 1 else 1
        looks += size
        plain(self, changed)

    monkeypatch.setattr(GroupItem, "settle", counted)
    transcript = Transcript()
    transcript.add(RunStarted(run_id="r1", kind="workflow"))
    for number in range(2000):
        transcript.add(StepFinished(run_id="r1", step_key=f"m[{number}]", name="m", cached=True))
    assert looks == 2000


def test_items_know_when_they_began_and_how_often_they_were_tried() -> None:
    """Of a start, else of an end that says how long it took; nothing of what answered from the store."""
    begun = folded([tool(StepStarted, "r1", 1)]).items[0]
    assert (begun.at, begun.attempts, begun.retry_in) == (1.5, 1, None)
    ended = folded([tool(StepFinished, "r1", 1, output=1, seconds=0.5, attempts=3)]).items[0]
    assert (ended.at, ended.attempts) == (1.0, 3)
    cached = folded([tool(StepFinished, "r1", 1, output=1, seconds=0.5, cached=True)]).items[0]
    assert cached.at is None
    failing = folded([tool(StepStarted, "r1", 1), tool(StepFailed, "r1", 1, error="503", attempt=2, retry_in=4.0)])
    assert (failing.items[0].at, failing.items[0].attempts, failing.items[0].retry_in) == (1.5, 2, 4.0)
    failing.add(tool(StepFinished, "r1", 1, output=1, attempts=3))
    assert (failing.items[0].attempts, failing.items[0].retry_in) == (3, None)


def test_who_answered_is_known_and_never_in_a_rendering() -> None:
    """Answer, name and time are on the item; the texts are those of a replay, which has none of them."""
    about = {**head("r1"), "step_key": "1.approve_pay", "step_type": "approval", "name": "pay"}
    given = {"approved": True, "arguments": {"amount": 2}}
    live = folded(
        [
            StepStarted(**about, at=1.0),
            StepSuspended(**about, at=1.0, form={"_form": {"title": "Pay?"}}, decision=7, path="1.approve_pay"),
            StepResumed(**about, at=99.0, answer=given, decided_by="ada"),
            StepFinished(**about, at=99.0, output=given, seconds=98.0),
        ]
    )
    (item,) = live.items
    assert isinstance(item, StepItem)
    assert (item.answer, item.decided_by, item.decided_at, item.at) == (given, "ada", 99.0, 1.0)
    replay = folded([StepFinished(**about, at=500.0, output=given, cached=True)])
    (again,) = replay.items
    assert isinstance(again, StepItem)
    assert (again.answer, again.decided_by, again.decided_at) == (given, "", None)
    assert live.to_text() == replay.to_text()
    assert live.to_markdown() == replay.to_markdown()


def test_calls_that_a_person_changed_stay_in_the_order_of_the_calls() -> None:
    """They are told apart by what the model asked for, not by what was used."""
    events = live_events(order=(0, 1))
    turned = [
        replace(event, request={"arguments": {"city": CITIES[1 - n]}, "asked": {"city": CITIES[n]}})
        if isinstance(event, StepStarted | StepFinished) and event.step_key == f"1.get_weather[{n}]"
        else event
        for event in events
        for n in [int(event.step_key[14]) if isinstance(event, StepEvent) and "get_weather" in event.step_key else 0]
    ]
    tools = [item for item in folded(turned).items if isinstance(item, ToolItem)]
    assert [item.step_key for item in tools] == ["1.get_weather[0]", "1.get_weather[1]"]
    assert [item.arguments["city"] for item in tools] == [CITIES[1], CITIES[0]]


def test_the_tokens_of_many_answers_are_added_up_as_they_come() -> None:
    """A step that is told again counts once; a map of thousands of agents takes time in proportion to their number."""
    run = Transcript()
    about: dict[str, Any] = {"run_id": "r1", "target_id": "flow"}
    run.add(RunStarted(**about, kind="workflow"))

    def answer(number: int, tokens: int) -> None:
        step: dict[str, Any] = {**about, "step_key": f"{number}.llm", "step_type": "llm"}
        run.add(StepFinished(**step, output=said("ok"), usage=Usage(input_tokens=tokens, total_tokens=tokens)))

    begin = time.monotonic()
    for number in range(3_000):
        answer(number, 2)
    assert time.monotonic() - begin < 15  # adding all of them up each time takes a minute
    answer(7, 5)
    assert (run.usage.input_tokens, run.usage.total_tokens) == (6_003, 6_003)
