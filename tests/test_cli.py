"""The polos-nb command, as a person at a terminal uses it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from polos_nb.cli import main
from polos_nb.reports.answers import login_name
from tests.reports.conftest import Book, weather_agent


def test_doctor_says_what_is_here_and_no_character_of_a_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Providers with keys are named by their variable, and the store's place is told; keys are never printed."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-proj-0123456789abcdefghij")
    monkeypatch.setenv("POLOS_NB_STORE", str(tmp_path / "steps.db"))
    done = CliRunner().invoke(main, ["doctor"])
    assert done.exit_code == 0
    assert "OPENAI_API_KEY is set" in done.output
    assert "set ANTHROPIC_API_KEY" in done.output
    assert str(tmp_path / "steps.db") in done.output
    assert "0123456789" not in done.output


def test_doctor_ends_with_an_error_when_the_store_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A store path that is a directory is a BAD line and exit status 1."""
    monkeypatch.setenv("POLOS_NB_STORE", str(tmp_path))
    done = CliRunner().invoke(main, ["doctor", "--json"])
    assert done.exit_code == 1
    bad = [finding for finding in json.loads(done.output) if finding["state"] == "bad"]
    assert [finding["name"] for finding in bad] == ["store"]
    assert "directory" in bad[0]["text"]


def test_help_lists_the_commands() -> None:
    """`polos-nb -h` and `python -m polos_nb --help` say the same."""
    done = CliRunner().invoke(main, ["-h"])
    assert "demo" in done.output
    assert "doctor" in done.output
    module = subprocess.run(
        [sys.executable, "-m", "polos_nb", "--help"], capture_output=True, text=True, timeout=60, check=True
    )
    assert "demo" in module.stdout


@pytest.mark.kernel
@pytest.mark.timeout(180)
def test_the_demo_runs_headless_and_the_second_execution_calls_nothing(tmp_path: Path) -> None:
    """`polos-nb demo --execute` streams, calls a tool, and says that the second execution resumed from the store."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "POLOS_"))}
    done = subprocess.run(
        [sys.executable, "-m", "polos_nb", "demo", "--execute", "--dir", str(tmp_path / "demo")],
        capture_output=True,
        text=True,
        timeout=170,
        env={**kept, "IPYTHONDIR": str(tmp_path / ".ipython")},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = done.stdout.split("Second execution")
    assert "get_weather" in first
    assert "steps executed" in first
    assert "resumed from the store" not in first
    assert "resumed from the store" in second
    assert "steps executed" not in second
    assert (tmp_path / "demo" / "quick_start.ipynb").exists()


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Book]:
    """A store that the commands find by the environment, with two runs of an agent and one that waits."""
    made = Book(tmp_path / "steps.db")
    monkeypatch.setenv("POLOS_NB_STORE", str(made.path))
    made.run(weather_agent("Be nice."), "Paris")
    made.run(weather_agent("Be brief."), "Paris")
    made.ask(made.add("flow", status="suspended"))
    yield made
    made.store.close()


def cli(*words: str, status: int = 0) -> Result:
    done = CliRunner().invoke(main, list(words))
    assert done.exit_code == status, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done


def data(*words: str) -> Any:
    return json.loads(cli(*words, "--json").stdout)


COMMANDS = ("runs", "show", "why", "diff", "gc", "export", "approve", "stop")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_for_runs_has_help_with_an_example(command: str) -> None:
    """`-h` shows how to write it, and `--store` is everywhere."""
    text = cli(command, "-h").output
    assert f"Example: polos-nb {command}" in text
    assert "--store PATH" in text
    assert command in cli("-h").output


@pytest.mark.parametrize(
    "words", [("runs",), ("show",), ("why",), ("diff", "r1", "r2"), ("gc", "--keep", "1"), ("export", "r1"),
              ("approve", "r1", "--yes")]
)  # fmt: skip
def test_a_store_that_is_not_there_is_not_made(words: tuple[str, ...], tmp_path: Path) -> None:
    """One sentence, exit status 1, and no file; a store in memory cannot be looked at."""
    where = tmp_path / "folder" / "steps.db"
    done = cli(*words, "--store", str(where), status=1)
    assert done.stderr == f"Error: there is no step store {where}; run a notebook there first, or say --store PATH\n"
    assert not where.parent.exists()
    assert "in memory" in cli(*words, "--store", ":memory:", status=1).stderr


def test_runs_are_listed(book: Book) -> None:
    """As a table and as data; filtered by words, by status and by what waits."""
    assert [line.split()[0] for line in cli("runs").output.splitlines()] == ["run", "r3", "r2", "r1"]
    assert [run["run"] for run in data("runs", "weather_agent", "--limit", "1")] == ["r2"]
    assert [run["run"] for run in data("runs", "--status", "suspended")] == ["r3"]
    (waiting,) = data("runs", "--waiting")
    assert (waiting["step"], waiting["title"]) == ("approve_refund[call_1]", "Refund order 7?")
    assert "Refund order 7?" in cli("runs", "--waiting").output
    assert cli("runs", "nobody").output == f"No runs like that in {book.path}.\n"
    assert cli("runs", "nobody", "--waiting").output == f"Nothing waits for an answer in {book.path}.\n"
    assert data("runs", "nobody") == []


def test_a_run_and_a_step_are_shown(book: Book) -> None:
    """By id with or without its letter; the newest without one."""
    assert 'get_weather(city="Paris")' in cli("show", "2").output
    assert [step["step"] for step in data("show", "r2")["steps"]] == ["1.llm", "1.get_weather[call_1]", "2.llm"]
    assert "Paris: sunny" in cli("show", "r1", "--step", "2").output
    assert data("show", "r1", "--step", "1.get")["output"] == "Paris: sunny"
    shown = cli("show").output
    assert "Refund order 7?" in shown
    assert "polos-nb approve r3 'approve_refund[call_1]' --yes" in shown
    assert "no run r99" in cli("show", "r99", status=1).stderr


def test_why_and_diff(book: Book) -> None:
    """What changed between two runs, as words, as texts and as data."""
    assert "-Be nice." in cli("why", "r2").output
    (facts,) = data("why", "r2", "1.llm")
    assert facts["reason"] == "changed"
    assert [step["change"] for step in data("diff", "r1", "r2")["steps"]] == ["changed", "same", "changed"]
    assert "r1 → r2 · weather-agent" in cli("diff", "r1", "r2").output
    assert "Missing argument" in cli("diff", "r1", status=2).stderr


def test_runs_are_exported(book: Book, tmp_path: Path) -> None:
    """JSON lines to standard output, Markdown to a file; a file that cannot be written is one sentence."""
    lines = cli("export", "r1", "r3").stdout.splitlines()
    assert [json.loads(line)["type"] for line in lines].count("step") == 4
    target = tmp_path / "report.md"
    assert cli("export", "r1", "--format", "markdown", "-o", str(target)).stdout == ""
    assert target.read_text().startswith("# weather-agent, run r1")
    assert "cannot be written" in cli("export", "r1", "-o", str(tmp_path / "no" / "x"), status=1).stderr


def test_old_runs_are_deleted(book: Book) -> None:
    """A dry run tells, the real one deletes; what waits stays; mistakes are exit status 2."""
    for run in ("r1", "r2", "r3"):
        book.store.update_run(run, created_at=1.0, finished_at=2.0)
    assert data("gc", "--older-than", "30d", "--dry-run")["runs"] == 2
    assert len(data("runs")) == 3
    assert "2 runs deleted" in cli("gc", "--older-than", "30d").output
    assert [run["run"] for run in data("runs")] == ["r3"]
    assert "write for example 30d" in cli("gc", "--older-than", "month", status=2).stderr
    assert "write for example 500MB" in cli("gc", "--max-size", "big", status=2).stderr
    assert "say what may go" in cli("gc", status=1).stderr


def test_a_decision_is_made(book: Book) -> None:
    """The line says what was decided; a second answer is told who was faster, with exit status 1."""
    done = cli("approve", "r3", "approve_refund", "--yes", "--set", "amount=3", "--feedback", "ok", "--by", "ada")
    assert done.output == "r3 · approve_refund[call_1]: approved (amount=3, feedback=ok)\n"
    (decision,) = book.store.decisions()
    assert json.loads(decision.answer or "") == {"approved": True, "amount": 3, "feedback": "ok"}
    again = cli("approve", "r3", "approve_refund", "--no", status=1)
    assert again.stdout == ""
    assert "was decided already by ada" in again.stderr
    early = data("approve", "r3", "2.later", "--no", "--by", "bob")
    assert (early["state"], early["answer"], early["decided_by"]) == ("early", {"approved": False}, "bob")
    assert cli("approve", "r3", "3.later", "--yes").exit_code == 0
    assert book.store.decisions()[-1].decided_by == login_name()


def test_an_answer_that_does_not_fit_decides_nothing(book: Book) -> None:
    """The sentence names the field and how to write it."""
    assert "amount must be a number" in cli("approve", "r3", "--yes", "--set", "amount=x", status=1).stderr
    assert "say --yes or --no" in cli("approve", "r3", status=1).stderr
    assert "is not KEY=VALUE" in cli("approve", "r3", "--set", "amount", status=2).stderr
    assert book.store.decisions()[0].status == "waiting"


def test_records_cannot_command_the_terminal(book: Book) -> None:
    """What models, tools and people said is made visible in every command."""
    run = book.add("evil", input=json.dumps("\x1b[2J\u202eevil"), target_id="evil\x1b[2J", status="suspended")
    book.step(run, "a\x1b[2J", 1, output="\x9b2J")
    book.ask(run, "ask\x1b[2J", form={"_form": {"title": "\x1b[2J"}})
    for words in (
        ("runs",), ("runs", "--waiting"), ("runs", "--json"), ("show", run.id), ("show", run.id, "--step", "1"),
        ("why", run.id), ("diff", "r1", run.id), ("export", run.id), ("export", run.id, "--format", "markdown"),
        ("show", run.id, "--json"),
    ):  # fmt: skip
        text = cli(*words).output
        assert not any(char in text for char in "\x1b\x9b\u202e"), words
    assert "\x1b" not in cli("approve", run.id, "nothing\x1b[2J", "--yes").output


def test_a_copy_that_is_there_is_somebodys_work_and_stays(tmp_path: Path) -> None:
    """The demo does not overwrite a notebook that exists."""
    from polos_nb.cli import _copy

    target = _copy(tmp_path)
    target.write_text("mine")
    assert _copy(tmp_path).read_text() == "mine"
