"""`%polos why`, `diff`, `export`, `approve`, `cache gc`, and the lists that come with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.error import UsageError

from polos_nb.stores.base import RunRecord, StepRecord
from polos_nb.stores.waiting import DecisionRecord

FORM = {"_form": {"title": "Refund?", "fields": [{"key": "approved", "type": "boolean", "required": True}]}}


def store_of(shell: Any) -> Any:
    return shell.ip._polos_nb.runtime.store


def data(shell: Any, line: str) -> Any:
    return json.loads(repr(shell.ok(line).value).lstrip(":\n"))


def ask(shell: Any, key: str = "approve_refund[call_1]") -> str:
    """A suspended run with a question, made by hand; its id."""
    store = store_of(shell)
    newest = store.newest_run("refund")
    record = RunRecord(lineage="refund", target_id="refund", status="suspended", created_at=100.0)
    run = newest or store.new_run(record, expected=None)
    step = StepRecord(
        run_id=run.id, lineage="refund", target_id="refund", step_key=key, kind="step", name=key, fingerprint=key
    )
    step = store.start_step(step, seq=len(store.trace(run.id)) + 1)
    store.ask(DecisionRecord(run_id=run.id, step_key=key, step_id=step.id, form=json.dumps(FORM), created_at=100.0))
    return str(run.id)


@pytest.mark.parametrize("verb", ["why", "diff", "approve", "export", "cache"])
def test_the_overview_knows_them_and_each_has_help(verb: str, shell: Any) -> None:
    """`-h` behind a verb prints its usage."""
    assert f"%polos {verb}" in shell.ok("%polos").out
    assert f"usage: %polos {verb}" in shell.ok(f"%polos {verb} -h").out


def test_why_says_what_changed(shell: Any) -> None:
    """The newest run without a name; one step with its difference; as data."""
    shell.ok("%polos_run bot Paris -q")
    shell.ok(
        "bot = Agent(id='weather-bot', system_prompt='Be brief.', model=ScriptedModel(script), tools=[get_weather])"
    )
    shell.ok("%polos_run bot Paris -q")
    assert "+Be brief." in shell.ok("%polos why").out
    reasons = {facts["step"]: facts["reason"] for facts in data(shell, "%polos why r2 --json")}
    assert reasons == {"1.llm": "changed", "1.get_weather[call_1]": "cached", "2.llm": "changed"}
    assert len(data(shell, "%polos why r2 1.g --json")) == 1
    assert isinstance(shell.run("%polos why r9").error, UsageError)


def test_diff_aligns_two_runs(shell: Any) -> None:
    """Answers that differ are shown as text."""
    shell.ok("%polos_run bot Paris -q")
    shell.ok("%polos_run bot Rome -q")
    text = shell.ok("%polos diff r1 r2").out
    assert "-It is Paris: sunny." in text
    assert "+It is Rome: sunny." in text
    assert [step["change"] for step in data(shell, "%polos diff 1 2 --json")["steps"]] == ["changed"] * 3
    assert "B is missing" in str(shell.run("%polos diff r1").error)


def test_show_as_data_and_the_store_as_data(shell: Any) -> None:
    """Every list takes --json."""
    shell.ok("%polos_run bot Paris -q")
    assert data(shell, "%polos show --json")["steps"][0]["step"] == "1.llm"
    assert data(shell, "%polos show r1 --step 2 --json")["output"] == "Paris: sunny"
    assert data(shell, "%polos cache --json")["steps"] == 3
    assert data(shell, "%polos runs --waiting --json") == []


def test_export_shows_or_writes(shell: Any, tmp_path: Path) -> None:
    """JSON lines here; a file that ends with .md is a report."""
    shell.ok("%polos_run bot Paris -q")
    lines = repr(shell.ok("%polos export r1").value).split()
    assert '"type":' in lines
    shell.ok("%polos export r1 -o report.md")
    assert (tmp_path / "report.md").read_text().startswith("# weather-bot, run r1")
    shell.ok("%polos export r1 -o run.jsonl")
    assert json.loads((tmp_path / "run.jsonl").read_text().splitlines()[0])["type"] == "run"
    assert isinstance(shell.run("%polos export r1 -o no/such/folder/x").error, UsageError)


def test_what_waits_is_listed_and_approved(shell: Any) -> None:
    """One line says what was decided; the session is told, so that the run goes on."""
    run = ask(shell)
    session = shell.ip._polos_nb
    told: list[str] = []
    session.answered = told.append
    assert "Refund?" in shell.ok("%polos runs --waiting").out
    assert f"%polos approve {run}" in shell.ok("%polos show").out
    assert "say --yes or --no" in str(shell.run(f"%polos approve {run}").error)
    assert told == []
    done = shell.ok(f"%polos approve {run} --yes --by ada")
    assert repr(done.value) == f"{run} · approve_refund[call_1]: approved"
    assert told == [run]
    assert "Nothing waits" in shell.ok("%polos runs --waiting").out
    assert "already by ada" in repr(shell.ok(f"%polos approve {run} approve_refund --no").value)
    early = shell.ok(f"%polos approve {run} 2.later --no --feedback 'too much'")
    assert "rejected (feedback=too much); kept for when the run asks" in repr(early.value)
    assert told == [run]


def test_a_session_without_background_runs_can_approve(shell: Any) -> None:
    """The answer is kept; the run takes it when its cell is executed again."""
    run = ask(shell)
    if hasattr(shell.ip._polos_nb, "answered"):
        shell.ip._polos_nb.answered = None
    assert "rejected" in repr(shell.ok(f"%polos approve {run} --no").value)


def test_old_runs_are_deleted(shell: Any) -> None:
    """`cache gc` tells with --dry-run, deletes without, and spares what waits; its flags belong to it."""
    shell.ok("%polos_run bot Paris -q")
    run = ask(shell)
    store_of(shell).update_run("r1", created_at=1.0, finished_at=2.0)
    assert "1 run would be deleted" in shell.ok("%polos cache gc --older-than 30d --dry-run").out
    assert "1 run deleted" in shell.ok("%polos cache gc --older-than 30d").out
    assert [one.id for one in store_of(shell).list_runs()] == [run]
    assert data(shell, "%polos cache gc --max-size 1GB --json")["runs"] == 0
    for line, said in (
        ("gc", "say what may go"),
        ("gc --older-than month", "30d"),
        ("gc bot --keep 1", "takes no target"),
        ("clear bot --keep 1", "--keep belongs to %polos cache gc"),
        ("--dry-run", "--dry-run belongs to %polos cache gc"),
    ):
        assert said in str(shell.run(f"%polos cache {line}").error)


def test_run_ids_are_completed(shell: Any) -> None:
    """Where a run is expected, the newest runs of the store are offered."""
    shell.ok("%polos_run bot Paris -q")
    ask(shell)
    with provisionalcompleter():
        found = {one.text for one in shell.ip.Completer.completions("%polos show r", 13)}
    assert found == {"r1", "r2"}


def test_nested_runs_are_indented(shell: Any) -> None:
    """A run that a step started is shown below that step, in every form of the output."""
    shell.ok("%polos_run bot Paris -q")
    store = store_of(shell)
    record = RunRecord(lineage="n", target_id="inner", parent="r1", parent_step="1.get_weather[call_1]", root="r1")
    inner = store.new_run(record, expected=None)
    step = StepRecord(
        run_id=inner.id, lineage="n", target_id="inner", step_key="look", kind="step", name="look", fingerprint="f"
    )
    store.start_step(step, seq=1)
    shown = shell.ok("%polos show r1").value
    for text in (repr(shown), shown._repr_html_(), shown._repr_markdown_()):
        assert text.index("get_weather") < text.index("· r2") < text.index("· look") < text.index("2.llm")
