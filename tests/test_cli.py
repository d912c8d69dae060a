"""The polos-nb command, as a person at a terminal uses it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from polos_nb.cli import main


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


def test_a_copy_that_is_there_is_somebodys_work_and_stays(tmp_path: Path) -> None:
    """The demo does not overwrite a notebook that exists."""
    from polos_nb.cli import _copy

    target = _copy(tmp_path)
    target.write_text("mine")
    assert _copy(tmp_path).read_text() == "mine"
