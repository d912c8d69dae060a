"""Bad input: one line with the remedy when somebody is watching, a failing exception when nobody is."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

SETUP = """
%load_ext polos_nb
from polos_nb import Agent, tool
"""

# What is typed, and what the line must say: what is wrong, and how to mend it.
MISTAKES = {
    "unknown flag": ("%%polos_agent bot -m demo/demo --tool x\nHi", ["--tool", "--tools"]),
    "unbalanced quote": ('%polos_run bot "hello', ["quot"]),
    "unknown agent": ("%%polos_run bott\nHello", ["bott", "bot"]),
    "undefined name": ("%%polos_run bot\nHello {{ nobody }}", ["nobody"]),
    "tool without annotations": ("%%polos_tool\ndef look(place):\n    return place", ["place", "annotation", "str"]),
    "agent without a model": ("%%polos_agent other\nHi", ["model", "-m"]),
    "unknown subcommand": ("%polos rnus", ["rnus", "runs"]),
    "unknown provider": ("%%polos_agent other -m opnai/gpt-4o\nHi\n", ["opnai", "openai"]),
    "not a name": ("%%polos_run bot --as 2x\nHi", ["2x"]),
    "missing agent": ("%%polos_run\nHi", ["AGENT"]),
    "two functions in a tool": (
        "%%polos_tool\ndef a() -> int:\n    return 1\ndef b() -> int:\n    return 2",
        ["one public function"],
    ),
    "duplicate tool id": ("%%polos_tool --id look_up\ndef second(x: int) -> int:\n    return x", ["look_up", "--id"]),
    "unknown tool": ("%%polos_agent other -m demo/demo -t loook_up\nHi", ["loook_up", "look_up"]),
}


@pytest.fixture(params=["watched", "unwatched"])
def shell(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A shell with an agent and a tool."""
    monkeypatch.setenv("POLOS_NB_WATCHING", "1" if request.param == "watched" else "0")
    monkeypatch.setenv("POLOS_NB_MODE", "live")
    monkeypatch.setenv("POLOS_NB_STORE", str(tmp_path / "steps.db"))
    made = InteractiveShell()
    made.watched = request.param == "watched"
    made.run_cell(SETUP).raise_error()
    made.run_cell("%%polos_agent bot -m demo/demo\nBe kind.").raise_error()
    made.run_cell("%%polos_tool --id look_up\ndef look_up(place: str) -> str:\n    return place").raise_error()
    yield made
    made.run_line_magic("unload_ext", "polos_nb")


def _error(shell: Any, code: str) -> BaseException:
    result = shell.run_cell(code)
    error = result.error_in_exec or result.error_before_exec
    assert error is not None, "nothing failed"
    return error  # type: ignore[no-any-return]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_with_the_remedy(mistake: str, shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Watched: a UsageError without a traceback. Unwatched: an exception that fails a test, with the same words."""
    code, words = MISTAKES[mistake]
    capsys.readouterr()
    error = _error(shell, code)
    shown = capsys.readouterr()
    assert isinstance(error, UsageError) == shell.watched, type(error)
    text = str(error)
    assert "\n" not in text.strip()
    for word in words:
        assert word in text, text
    if shell.watched:
        assert "Traceback" not in shown.out + shown.err
        assert text in shown.out + shown.err


@pytest.mark.parametrize("kind", ["directory", "corrupt", "under a file"])
def test_a_store_that_cannot_be_used_is_one_line(
    kind: str, shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A store path that is a directory, is no database, or lies under a file: the line names the path."""
    target = tmp_path / "bad"
    if kind == "directory":
        target.mkdir()
    else:
        target.write_bytes(b"this is not a database, but some other file" * 100)
    path = target / "steps.db" if kind == "under a file" else target
    monkeypatch.setenv("POLOS_NB_STORE", str(path))
    shell.run_line_magic("reload_ext", "polos_nb")
    capsys.readouterr()
    error = _error(shell, "%%polos_run bot\nHello")
    shown = capsys.readouterr()
    assert isinstance(error, UsageError) == shell.watched
    assert str(target) in str(error)
    assert "\n" not in str(error).strip()
    if shell.watched:
        assert "Traceback" not in shown.out + shown.err
    if kind != "directory":
        assert target.read_bytes().startswith(b"this is not a database"), "the file was changed"


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="this system has no users to change to")
def test_a_store_in_a_folder_that_may_not_be_written_is_one_line(
    shell: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A read-only folder: the line names it, also for who would otherwise be allowed everything."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        monkeypatch.setenv("POLOS_NB_STORE", f"{folder}/steps.db")
        shell.run_line_magic("reload_ext", "polos_nb")
        capsys.readouterr()
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            error = _error(shell, "%%polos_run bot\nHello")
        finally:
            os.seteuid(user)
            os.chmod(folder, 0o755)
        shown = capsys.readouterr()
    assert isinstance(error, UsageError) == shell.watched
    assert folder in str(error)
    assert "\n" not in str(error).strip()
    if shell.watched:
        assert "Traceback" not in shown.out + shown.err
