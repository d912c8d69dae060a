"""The inspector of runs: what it shows of real runs, read from the store alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from polos_nb.errors import ConfigurationError
from polos_nb.stores.base import RunRecord
from tests.notebook.inspecting import PROGRAM, Page, fill

ASKING = """
helper = Agent(id="helper", model=ScriptedModel(["inner"]))

@tool
async def ask_helper(question: str) -> str:
    "Ask."
    return (await helper.run(None, question)).result

def asks(request):
    said = request.messages[-1]
    return said.text() if said.role == "tool" else Turn(calls=[("ask_helper", {"question": said.text()})])

boss = Agent(id="boss", model=ScriptedModel(asks), tools=[ask_helper])
"""

ODD = r"""
@workflow
async def odd(ctx, payload):
    await ctx.step.run("text", lambda: "half \ud800 \u202e\x00\x1b[31m")
    await ctx.step.run("number", lambda: [float("nan"), float("inf"), 2**80, {"a": -0.0}])
    def fail():
        raise ValueError("half \udfff \x1b[31m")
    await ctx.step.run("failure", fail, max_retries=0)
"""


@pytest.fixture
def page(make_shell: Callable[..., Any]) -> Page:
    """A page on a file with five runs."""
    shell = make_shell()
    shell.ok(PROGRAM)
    return fill(shell)


@pytest.fixture(params=["file", "memory"])
def either(request: pytest.FixtureRequest, make_shell: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Page:
    """A page on each kind of store."""
    if request.param == "memory":
        monkeypatch.setenv("POLOS_NB_STORE", ":memory:")
    shell = make_shell()
    shell.ok(PROGRAM)
    return fill(shell)


def test_the_list_says_what_each_run_was(either: Page) -> None:
    """Newest first, runs inside others left out; with the numbers, the flag that it waits, and the targets."""
    said = either("runs")
    assert [run["id"] for run in said["runs"]] == ["r5", "r4", "r2", "r1"]
    assert (said["total"], said["targets"]) == (4, ["broken", "failing", "review", "weather-bot"])
    by_id = {run["id"]: run for run in said["runs"]}
    assert [by_id[run]["waiting"] for run in ("r1", "r2", "r4")] == [False, True, False]
    first = by_id["r1"]
    assert (first["steps"], first["cached"], first["input"], first["kind"]) == (3, 0, "Paris", "agent")
    assert first["tokens"] > 0
    assert (first["cost"], first["model"], first["parent"]) == (0.0, "scripted/scripted", "")
    assert by_id["r2"]["tokens"] == first["tokens"], "what runs inside have used counts"
    assert by_id["r4"]["cost"] is None
    assert by_id["r5"]["error"]
    json.dumps(said)


def test_the_list_is_filtered_and_paged(either: Page) -> None:
    """By text, status, target, kind and days; runs inside others are found by who looks for something."""
    ids = lambda **given: [run["id"] for run in either("runs", **given)["runs"]]  # noqa: E731
    assert ids(status="failed") == ["r5", "r4"]
    assert ids(target="weather-bot") == ids(query="weather_bot") == ["r3", "r1"]
    assert ids(kind="workflow") == ["r4", "r2"]
    assert ids(since=1) == ["r5", "r4", "r2", "r1"]
    assert ids(limit=1, offset=1) == ["r4"]
    assert ids(query="no such thing") == []
    assert either("runs", target="weather-bot", limit=1)["total"] == 2
    assert either("runs", offset=99)["total"] == 4
    either.store.update_run("r1", created_at=100.0)
    assert ids(since=7) == ["r5", "r4", "r2"]


def test_a_long_input_is_brief(page: Page) -> None:
    """The first 200 characters of it."""
    run = page.store.new_run(RunRecord(lineage="x", target_id="x", input=json.dumps("ab " * 400)), expected=None)
    listed = page("runs", limit=1)["runs"][0]
    assert listed["id"] == run.id
    assert len(listed["input"].partition(" … ")[0]) <= 200


def test_a_run_has_rows_with_times_and_keys(either: Page) -> None:
    """Nested rows below the step they are in; each with when it began, how long it took, its key and its version."""
    said = either("run", run="r2")
    rows, order = said["state"]["rows"], said["state"]["order"]
    assert [rows[id]["step"] for id in order[""]] == ["draft", "sizes", "publish"]
    assert [rows[id]["kind"] for id in order[""]] == ["agent", "group", "suspend"]
    below = [rows[id] for id in order[order[""][0]]]
    assert [row["step"] for row in below] == ["draft/1.llm", "draft/1.get_weather[call_1]", "draft/2.llm"]
    assert [bool(row["version"]) for row in below] == [False, True, False]
    assert [row["run"] for row in below] == ["r3"] * 3
    began = said["head"]["began"]
    for row in rows.values():
        assert began <= row["at"] < began + 60
    assert all(row["seconds"] is not None for row in rows.values() if row["state"] == "done")
    group = rows[order[""][1]]
    assert (group["total"], group["done"]) == (3, 3)
    json.dumps(said)


def test_the_head_of_a_run(page: Page) -> None:
    """What it used is what it called for, in it and inside it; a waiting run can be stopped, a finished one cannot."""
    waits, done, failed = (page("run", run=run)["head"] for run in ("r2", "r1", "r4"))
    assert (waits["status"], waits["can_stop"], waits["seconds"]) == ("suspended", True, None)
    assert waits["tokens_in"] == done["tokens_in"] > 0
    assert (done["can_stop"], done["cost"], done["priced"], done["always"]) == (False, 0.0, True, [])
    assert done["seconds"] > 0
    assert "It is" in done["answer"]["s"]
    assert (failed["cost"], failed["error"] is not None) == (None, True)
    assert page("run", run="r3")["head"]["parent"] == "r2"
    assert not page("run", run="r3")["head"]["can_stop"]


def test_what_waits_has_a_card_that_can_be_answered(page: Page) -> None:
    """The waiting rows are named; a card has a word for its answer, and another page another one."""
    said = page("run", run="r2")
    (id,) = said["waiting"]
    ask = said["state"]["rows"][id]["ask"]
    assert (ask["run"], ask["step"], ask["title"]) == ("r2", "publish", "Publish?")
    assert ask["nonce"]
    other = Page(page.shell)
    assert other("run", run="r2")["state"]["rows"][id]["ask"]["nonce"] != ask["nonce"]


def test_the_messages_are_as_they_were_sent(either: Page) -> None:
    """System prompt, question, the call with its arguments, its result; other steps say that no model was asked."""
    said = either("step", run="r2", step="draft/2.llm")
    assert [message["role"] for message in said["messages"]] == ["system", "user", "assistant", "tool"]
    assert said["messages"][0]["text"] == "Be nice."
    assert said["messages"][2]["calls"][0]["name"] == "get_weather"
    assert json.loads(said["messages"][2]["calls"][0]["arguments"]) == {"city": "Paris"}
    assert "celsius" in said["messages"][3]["text"]
    assert said["note"] == ""
    other = either("step", run="r1", step="1.get_weather[call_1]")
    assert (other["messages"], other["note"]) == (None, "no model was asked in this step")


def test_a_step_shows_its_request_output_and_source(either: Page) -> None:
    """The function that it ran, as it was then, however it reads now."""
    either.shell.ok(PROGRAM.replace('"celsius": 20', '"celsius": 99'))
    said = either("step", run="r1", step="1.get_weather[call_1]")
    assert json.loads(said["request"]["s"]) == {"arguments": {"city": "Paris"}}
    assert json.loads(said["output"]["s"])["celsius"] == 20
    assert said["source"].startswith("def get_weather")
    assert "'celsius': 20" in said["source"]
    assert (said["attempts"], said["error"], said["traceback"]) == (1, None, "")
    assert "first execution" in said["why"]
    assert len(said["key"]) == 8
    group = either("step", run="r2", step="sizes")
    assert (group["kind"], group["editable"], "items of sizes" in group["note"]) == ("group", {}, True)
    mapped = either("step", run="r2", step="sizes[1]")
    assert mapped["source"].startswith("def size")
    json.dumps(said)


def test_a_failed_step_has_its_error_and_traceback(page: Page) -> None:
    """And nothing of it can be edited."""
    said = page("step", run="r4", step="second")
    assert "it exploded" in said["error"]
    assert "explode" in said["traceback"]
    assert (said["editable"], said["output"], said["status"]) == ({}, None, "failed")


def test_whatever_a_step_gave_can_be_sent(page: Page) -> None:
    """Half of a surrogate pair, numbers that are none, an integer of 80 bits, controls: the data is JSON in UTF-8."""
    page.shell.ok(ODD)
    page.shell.run("%polos_run odd '{a: 1}' -q")
    run = page.store.list_runs(limit=1)[0]
    assert run.status == "failed"
    asked: list[Any] = [page("runs"), page("run", run=run.id)]
    for _, step in page.store.trace(run.id):
        asked.append(page("step", run=run.id, step=step.step_key))
        asked += [page("more", row=f"{run.id}/{step.step_key}", field=field) for field in ("output", "error")]
    assert len(asked) == 11
    for said in asked:
        json.dumps(said, ensure_ascii=False, allow_nan=False).encode("utf-8")


def test_a_missing_message_is_said(page: Page) -> None:
    """Where the text behind a message is gone, none is shown and a reason is."""
    for _, step in page.store.trace("r1"):
        if step.kind == "llm":
            page.store.finish_step(step.id, parts=json.dumps({"messages": ["msg:gone"]}))
    said = page("step", run="r1", step="1.llm")
    assert (said["messages"], said["note"]) == (None, "a message of this step is not kept any more")


EDITABLE = [
    ("r1", "2.llm", {"text"}),
    ("r1", "1.llm", {"text", "tool_calls.0.function.arguments.city"}),
    (
        "r1",
        "1.get_weather[call_1]",
        {"arguments.city", "result", "result.city", "result.celsius", "result.tags.0", "result.tags.1"},
    ),
    ("r2", "draft", {"result"}),
    ("r2", "draft/2.llm", {"text"}),
    ("r2", "sizes[2]", {"result"}),
    ("r2", "publish", set()),
    ("r4", "first", {"result"}),
]


def test_what_can_be_edited(page: Page) -> None:
    """Paths that a fork takes, with the values that are there."""
    for run, step, expected in EDITABLE:
        said = page("step", run=run, step=step)["editable"]
        assert set(said) == expected, step
        assert said.get("result.celsius", 20) == 20
        assert said.get("arguments.city", "Paris") == "Paris"


def test_what_can_be_edited_stays_small(page: Page) -> None:
    """At most 20 entries of at most 2 KB each."""
    step = page.store.trace("r1")[1][1]
    page.store.finish_step(step.id, output=json.dumps({f"n{i}": i for i in range(90)} | {"big": "x" * 3000}))
    said = page("step", run="r1", step=step.step_key)["editable"]
    assert len(said) == 20
    assert all(len(json.dumps(value)) <= 2048 for value in said.values())


def test_large_values_are_cut_and_fetched(page: Page) -> None:
    """A row shows the beginning; `more` gives all, of rows inside others too."""
    step = page.store.trace("r3")[1][1]
    page.store.finish_step(step.id, output=json.dumps("word " * 2000))
    rows = page("run", run="r2")["state"]["rows"]
    row = next(row for row in rows.values() if row["step"] == "draft/1.get_weather[call_1]")
    assert row["result"]["more"] > 0
    whole = page("more", row=row["id"], field="result")
    assert (whole["more"], len(whole["s"])) == (0, 10_000)
    assert page("more", row=row["id"], field="args")["s"]
    assert page("more", run="r1", row="", field="input")["s"] == "Paris"
    assert "It is" in page("more", run="r1", row="head", field="answer")["s"]
    assert page("more", run="r4", row="", field="error")["s"]


def test_why_cost_and_diff(page: Page) -> None:
    """The reports, as data for the page."""
    lines = page("why", run="r1")["lines"]
    assert [line["step"] for line in lines] == ["1.llm", "1.get_weather[call_1]", "2.llm"]
    cost = page("cost", run="r2")
    assert [row[0] for row in cost["table"]["rows"]] == ["draft/1.llm", "draft/2.llm"]
    assert "tokens" in cost["note"]
    page.shell.ok(
        "bot = Agent(id='weather-bot', system_prompt='Be brief.', model=ScriptedModel(script), tools=[get_weather])"
    )
    page.shell.ok("%polos_run bot Paris -q")
    compared = page("diff", a="r1", b="r6")
    assert [row["step"] for row in compared["rows"]] == ["1.llm", "1.get_weather[call_1]", "2.llm"]
    assert [row["same"] for row in compared["rows"]] == [False, True, False]
    assert "Be nice" in compared["rows"][0]["asked"] or "nice" in compared["rows"][0]["asked"]
    assert {"name": "status", "a": "completed", "b": "completed"} in compared["summary"]
    cached = page("run", run="r6")["state"]["rows"]["r6/1.get_weather[call_1]"]
    assert cached["cached"]
    assert cached["at"] is not None
    json.dumps([lines, cost, compared])


def test_it_works_after_a_restart(page: Page, make_shell: Callable[..., Any]) -> None:
    """Another kernel on the same store, in which nothing is declared, shows the same."""
    before = page("run", run="r2")["state"]["order"]
    again = Page(make_shell())
    assert again("run", run="r2")["state"]["order"] == before
    assert again("step", run="r2", step="draft/1.get_weather[call_1]")["source"].startswith("def get_weather")
    assert [run["id"] for run in again("runs")["runs"]] == ["r5", "r4", "r2", "r1"]


WRONG = [
    ("fly", {}, "cannot 'fly'"),
    ("run", {}, "says no run"),
    ("run", {"run": 12}, "says no run"),
    ("run", {"run": ["r1"]}, "says no run"),
    ("run", {"run": "r99"}, "no run r99"),
    ("run", {"run": "x" * 9000}, "longer than"),
    ("step", {"run": "r1", "step": "nope"}, "no step nope"),
    ("step", {"run": "r1"}, "says no step"),
    ("step", {"run": "r1", "step": "1.llm/2.llm"}, "no step"),
    ("runs", {"status": "odd"}, "status 'odd' is unknown"),
    ("runs", {"kind": "'; DROP TABLE runs"}, "is unknown"),
    ("runs", {"limit": -1}, "limit is a number from 0"),
    ("runs", {"limit": True}, "limit is a number from 0"),
    ("runs", {"since": "yesterday"}, "since is a number of days"),
    ("runs", {"since": float("nan")}, "since is a number of days"),
    ("runs", {"query": {"a": 1}}, "query"),
    ("more", {"row": "r1/1.llm", "field": "__class__"}, "nothing that a step has"),
    ("more", {"row": "r1", "field": "owner"}, "nothing that a run has"),
    ("more", {"row": "r1/r4", "field": "input"}, "no step"),
    ("more", {"row": "", "field": "input"}, "says no run"),
    ("diff", {"a": "r1"}, "says no b"),
    ("fork", {"run": "r1", "step": "2.llm"}, "a fork needs changes"),
    ("fork", {"run": "r1", "step": "2.llm", "changes": {}}, "a fork needs changes"),
    ("fork", {"run": "r1", "step": "2.llm", "changes": {1: 2}}, "a fork needs changes"),
    ("fork", {"run": "r1", "step": "2.llm", "changes": {"text": "x" * 2_000_000}}, "at most"),
    ("fork", {"run": "r1", "step": "2.llm", "changes": {"text": "No."}, "name": "a b"}, "not a Python name"),
    ("answer", {"run": "r2", "step": "publish", "nonce": "guess", "values": {"approved": True}}, "this card is not"),
    ("revoke", {"run": "r2", "rule": "7"}, "no rule 7"),
    ("stop", {"run": "r3"}, "is inside run r2"),
]


def test_what_a_page_may_not_say(page: Page) -> None:
    """One sentence, and nothing is written."""
    before = page.store.list_runs()
    for verb, given, words in WRONG:
        with pytest.raises(ConfigurationError, match=re.escape(words)) as caught:
            page(verb, **given)
        assert "\n" not in str(caught.value)
        assert page.store.list_runs() == before


def test_a_run_that_a_tool_started_has_a_row(page: Page) -> None:
    """With its input and its answer; its steps are below it, and are tried again with the tool's step."""
    page.shell.ok(ASKING)
    page.shell.ok("%polos_run boss why -q")
    outer = next(run for run in page.store.list_runs() if run.target_id == "boss")
    rows = page("run", run=outer.id)["state"]["rows"]
    (row,) = [row for row in rows.values() if row["name"] == "helper"]
    said = page("step", run=outer.id, step=row["step"])
    assert (said["request"]["s"], said["output"]["s"]) == ("why", "inner")
    assert page("more", row=row["id"], field="output")["s"] == "inner"
    inner = f"{row['step']}/1.llm"
    assert page("step", run=outer.id, step=inner)["messages"][-1]["text"] == "why"
    with pytest.raises(ConfigurationError, match="started by the code of another step"):
        page("retry", run=outer.id, step=inner)


def test_a_run_of_thousands_is_shown(page: Page, tmp_path: Path) -> None:
    """A map of 3,000 items is one row with its counts."""
    run = page.store.new_run(RunRecord(lineage="x", target_id="x", kind="workflow", status="completed"), expected=None)
    step = replace(page.store.trace("r2")[1][1], run_id=run.id, lineage="x", state=None)
    for number in range(3000):
        made = page.store.start_step(replace(step, step_key=f"sizes[{number}]", fingerprint=str(number)), seq=number)
        page.store.finish_step(made.id, status="completed", output="1", finished_at=step.started_at + 1)
    said = page("run", run=run.id)
    assert len(said["state"]["rows"]) <= 21
    assert said["state"]["rows"][f"{run.id}/sizes"]["done"] == 3000
    assert page("step", run=run.id, step="sizes[2999]")["output"]["s"] == "1"
