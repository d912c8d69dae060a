"""The bundle that is saved in a notebook."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from pydantic import BaseModel

from polos_nb.messages import AgentResult, ToolResult
from polos_nb.notebook.display import (
    MAX_BYTES,
    agent_card,
    bundle,
    error_card,
    result_bundle,
    tool_card,
)
from polos_nb.run_events import RunFinished, RunStarted, StepFailed, StepFinished, StepStarted, TextDelta
from polos_nb.transcript import Transcript
from tests.notebook.html_check import checked

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</details><script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "\u202etxt.exe\x00\ud800",
    "line\n</pre></li><svg onload=alert(1)>",
    "`` ` </code> ````",
]


def seen(html: str) -> str:
    return checked(html).text


def size(pair: tuple[Any, Any]) -> int:
    return len(json.dumps(pair, ensure_ascii=False).encode())


def run(
    answer: Any = "It is **21** degrees.",
    result: Any = "sunny",
    *,
    run_id: str = "r1",
    cached: bool = False,
    seconds: float = 1.5,
    tools: int = 1,
    kind: str = "agent",
    name: str = "get_weather",
) -> Transcript:
    head: dict[str, Any] = {"run_id": run_id, "target_id": "weather_agent", "kind": kind, "at": seconds}
    calls = [
        {"id": f"{run_id}_{n}", "function": {"name": name, "arguments": json.dumps({"n": n})}} for n in range(tools)
    ]
    first = {"text": "", "tool_calls": calls, "reasoning": "let me <think>"}
    transcript = Transcript()
    more: dict[str, Any] = {"cached": cached, "seconds": None if cached else seconds}
    transcript.add(RunStarted(**head, replayed=cached))
    if not cached:
        transcript.add(StepStarted(**head, step_key="1.llm", step_type="llm", why="new step"))
    transcript.add(StepFinished(**head, step_key="1.llm", step_type="llm", output=first, **more))
    for n in range(tools):
        transcript.add(
            StepFinished(
                **head, step_key=f"1.{n}", step_type="tool", name=name,
                request={"arguments": {"n": n}}, output=result, **more,
            )
        )  # fmt: skip
    last = {"text": answer if isinstance(answer, str) else "", "tool_calls": [], "reasoning": None}
    transcript.add(StepFinished(**head, step_key="2.llm", step_type="llm", output=last, **more))
    transcript.add(RunFinished(**head, result=answer, steps=tools + 2, seconds=seconds))
    return transcript


def test_the_data_is_the_same_in_every_execution() -> None:
    """Another run id, other times and a full cache change the metadata only."""
    one, meta_one = bundle(run())
    two, meta_two = bundle(run(run_id="r977", cached=True, seconds=0.03))
    assert one == two
    assert meta_one != meta_two
    assert set(one) == {"text/html", "text/markdown", "text/plain"}
    assert meta_two["polos"]["run_id"] == "r977"
    assert "r977" not in json.dumps(two)


def test_the_answer_comes_first_without_styles() -> None:
    """With styles stripped, as GitHub does, the answer leads and the trace stays a list."""
    html = re.sub(r' style="[^"]*"', "", bundle(run("Use <thinking> and <doc>."))[0]["text/html"])
    text = seen(html).strip()
    assert text.startswith("Use <thinking> and <doc>.")
    assert html.index("Use ") < html.index("<details>") < html.index("<ol>")
    assert "get_weather(n=0) → sunny" in text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_data_everywhere(text: str) -> None:
    """In answers, results, names, errors and cards, nothing becomes markup."""
    failed = run(text, text, name=text[:60])
    failed.add(StepFailed(step_key="9", step_type="tool", name=text, error=text))
    failed.status, failed.error = "failed", text
    failed.add(TextDelta(step_key="3.llm", step_type="llm", text=text))
    info = {"id": text, "name": text, "system_prompt": text, "interpolated": {text: text}, "note": text}
    info |= {"signature": text, "description": text, "definition": "a1f3c9"}
    info |= {"tools": [{"name": text, "signature": text, "effect": text}]}
    tables = run({text: text, "list": [text]}), run([{text: text}])
    pairs = [bundle(t, live=live) for t in (failed, *tables) for live in (False, True)]
    pairs += [agent_card(info), tool_card(info), error_card(text, text, text)]
    pairs += [result_bundle(AgentResult(agent_run_id="r1", result=text, stop_reason=text))]
    for data, _ in pairs:
        seen(data["text/html"])
        for shown in data.values():
            shown.encode("utf-8")
            assert "\u202e" not in shown
            assert "\x00" not in shown
        assert "<svg" not in data["text/html"]
        assert "<script" not in data["text/html"]


@pytest.mark.parametrize(
    "transcript",
    [
        run(result="x" * 1_000_000),
        run("word " * 200_000),
        run(tools=500, result={"rows": ["&<>\"'" * 50] * 20}),
        run("#\n" * 500_000, result="\n" * 100_000),
        run([{"a": "é" * 5000, "b": n} for n in range(3000)]),
        run({f"k{n}": "<" * 3000 for n in range(3000)}, tools=100, result="é" * 2000),
        run(name="n" * 100_000, tools=20),
        run("> " * 300_000),
    ],
    ids=range(8),
)
def test_a_bundle_is_at_most_64_kb(transcript: Transcript) -> None:
    """Long answers, results and traces are shortened, well-formed, and the note names the way to the rest."""
    transcript.add(RunFinished(result=transcript.result, usage=transcript.usage, seconds=1.0))
    pair = bundle(transcript)
    assert size(pair) <= MAX_BYTES
    text = seen(pair[0]["text/html"])
    assert "%polos show" in text
    assert pair == bundle(transcript)


def test_short_runs_are_complete() -> None:
    """Nothing is left out of a run of ordinary size."""
    data, _ = bundle(run("word " * 2000, "x" * 1000))
    assert all("%polos show" not in text for text in data.values())


def test_a_live_bundle_has_a_status_line() -> None:
    """While it runs, phase, step and counts are told, and the trace is open."""
    transcript = run()
    transcript.status = "running"
    html = bundle(transcript, live=True)[0]["text/html"]
    assert "weather_agent · running · step 3 · 0 cached · 3 live" in seen(html)
    assert "<details open>" in html
    assert "Not finished" not in html


def test_an_agent_card_shows_its_definition() -> None:
    """A changed prompt is a difference of one line: the hash; what changed is metadata."""
    info = {
        "id": "weather_agent", "provider": "openai", "model": "gpt-4o", "system_prompt": "In English",
        "tools": [{"name": "get_weather", "signature": "get_weather(city: str) -> Weather", "effect": "read"}],
        "interpolated": {"language": "'English'"}, "stop_conditions": ["max_steps(8)"], "definition": "a1f3c9",
    }  # fmt: skip
    old, _ = agent_card(info | {"changed": "new"})
    same, meta = agent_card(info | {"changed": "unchanged"})
    assert old == same
    assert meta["polos"]["changed"] == "unchanged"
    new, _ = agent_card(info | {"definition": "44b0de"})
    lines = zip(old["text/plain"].splitlines(), new["text/plain"].splitlines(), strict=True)
    assert sum(a != b for a, b in lines) == 1
    assert old["text/plain"].startswith("weather_agent · openai/gpt-4o · 1 tool\n")
    assert "{{ language }} = 'English'" in old["text/plain"]


def test_tool_and_error_cards() -> None:
    """A tool card has signature, effect and version; an error card its sentence and hint."""
    data, _ = tool_card({"id": "refund", "signature": "refund(n: int)", "effect": "write", "version": "b2"})
    assert "refund(n: int)" in data["text/plain"]
    assert "definition  b2" in data["text/plain"]
    data, _ = error_card("No key", "OPENAI_API_KEY is not set.", "Set it.")
    assert data["text/plain"] == "No key\nOPENAI_API_KEY is not set.\nSet it."


class City(BaseModel):
    name: str
    celsius: float


def test_a_result_is_its_answer_and_one_line() -> None:
    """A model instance is a table of fields, a list of them a table of rows; steps and tools are one line."""
    used = [ToolResult(tool_name="get_weather"), ToolResult(tool_name="get_weather")]
    result = AgentResult(agent_run_id="r7", result=City(name="Rome", celsius=21), tool_results=used, total_steps=2)
    data, meta = result_bundle(result)
    assert "Rome" in seen(data["text/html"])
    assert data["text/plain"].endswith("2 steps, used get_weather")
    assert "| name | Rome |" in data["text/markdown"]
    assert meta["polos"]["run_id"] == "r7"
    assert "r7" not in json.dumps(data)
    rows = AgentResult(agent_run_id="r8", result=[City(name="Rome", celsius=21)])
    assert "| name | celsius |" in result_bundle(rows)[0]["text/markdown"]


def test_nothing_in_the_html_needs_a_style_sheet_or_a_script() -> None:
    """What JupyterLab strips from untrusted notebooks is not there to begin with."""
    html = bundle(run())[0]["text/html"]
    assert not re.search(r"<(style|script|svg|iframe|img)|\son\w+=|class=", html)
