"""The definition of right: after an edit the result is that of v2 from scratch, and nothing runs that need not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.edit_matrix.cases import CASES, PRELUDE, Case

RUNNER = Path(__file__).parent / "run_program.py"


class Lab:
    """A folder with one store, in which programs run in processes of their own."""

    def __init__(self, folder: Path, form: str) -> None:
        folder.mkdir()
        self.folder = folder
        self.form = form

    def run(self, program: str, env: dict[str, str], *, fails: bool = False) -> tuple[object, list[str]]:
        """The program's result (None when it made none) and the steps that executed."""
        journal, result = self.folder / "journal", self.folder / "result"
        for path in (journal, result):
            path.unlink(missing_ok=True)
        source = self.folder / "program.txt"
        source.write_text(PRELUDE + program)
        done = subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", str(RUNNER), self.form, str(source)],
            cwd=self.folder,
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith(("POLOS_NB", "PYTEST"))},
                "POLOS_NB_STORE": str(self.folder / "steps.db"),
                "POLOS_NB_MODE": "live",
                "SERVICE_API_KEY": "first-key-000000",
                "JOURNAL": str(journal),
                "RESULT": str(result),
                **env,
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        value = json.loads(result.read_text()) if result.exists() else None
        return value, journal.read_text().split() if journal.exists() else []


@pytest.mark.parametrize("form", ["script", "cells"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_edited_program_gives_what_it_would_from_scratch_and_runs_no_step_too_many(
    case: Case, form: str, tmp_path: Path
) -> None:
    """v1 runs, is edited to v2, runs again in a new process: the result is v2's own, with the fewest steps."""
    kept = Lab(tmp_path / "kept", form)
    first, _ = kept.run(case.v1, case.env1, fails=case.v1_fails)
    result, again = kept.run(case.v2, case.env2)
    if case.compare == "first":
        assert result == first
    else:
        scratch, _ = Lab(tmp_path / "scratch", form).run(case.v2, case.env2)
        assert result == scratch
    assert sorted(again) == sorted(case.again)


def test_the_matrix_is_whole() -> None:
    """All cases of the definition are there: S0 to S20."""
    assert [case.name for case in CASES] == [f"S{number}" for number in range(21)]
