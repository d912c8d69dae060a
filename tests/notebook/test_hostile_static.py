"""The corpus of hostile strings in the outputs that stay: nothing of it becomes markup, a script or a link."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.notebook import hostile
from tests.notebook.conftest import Shell
from tests.notebook.html_check import checked

LOAD = "from tests.notebook.hostile_agents import *"
UNSEEN = "\x00\x1b\x07\u202e\u2066\u2069\u202a\x85\ud800\udfff"


@pytest.fixture
def hurt(make_shell: Callable[..., Shell]) -> Shell:
    """A shell with the hostile agents, in which nobody waits for approvals."""
    shell = make_shell(watched=False)
    shell.ok("%config PolosMagics.approval_mode = 'suspend'")
    shell.ok(LOAD)
    return shell


def _shown(shell: Shell, code: str) -> list[dict[str, Any]]:
    """The data that a cell shows; what fails in it is shown too."""
    return [display["data"] for display in shell.run(code).displays]


def _harmless(data: dict[str, Any]) -> None:
    assert set(data) <= {"text/html", "text/markdown", "text/plain"}
    checked(data["text/html"])
    for mime, text in data.items():
        assert not [char for char in UNSEEN if char in text], mime
        text.encode()  # can be saved
    assert len(data["text/html"]) < 4_000_000


def test_every_short_string_is_harmless_in_a_run(hurt: Shell) -> None:
    """Text, reasoning, names, arguments, results and errors: allowed tags only, and what was said is to be read."""
    said = ""
    for name in hostile.STRINGS:
        shown = _shown(hurt, f"%%polos_run one\n{name}")
        assert shown, name
        for data in shown:
            _harmless(data)
        said += checked(shown[-1]["text/html"]).text
    for part in (
        "<img src=/polos-hurt-1 onerror=",
        "<svg onload=",
        "admin[U+202E]txt.exe",
        "$5 and $6",
        "a\ufffdb\ufffdc",
    ):
        assert part in said, part


def test_all_short_strings_in_one_run_that_asked(hurt: Shell) -> None:
    """A long run that waited for an approval is cut, and as harmless."""
    shown = _shown(hurt, "%%polos_run speaker\ngo")
    hurt.ok("%polos approve r1 --yes")
    for data in shown + _shown(hurt, "%%polos_run speaker\ngo"):
        _harmless(data)


def test_raw_arguments_are_harmless(hurt: Shell) -> None:
    """Deep, huge, broken and polluting arguments end in an answer, and in an output that can be saved."""
    ran = hurt.run("%%polos_run caller\ngo")
    assert ran.error is None
    for display in ran.displays:
        _harmless(display["data"])


@pytest.mark.parametrize("name", list(hostile.HEAVY))
def test_a_heavy_string_is_shown_soon(hurt: Shell, name: str) -> None:
    """A large string is rendered within seconds, and what stays of it is small enough to be saved."""
    begin = time.perf_counter()
    shown = _shown(hurt, f"%%polos_run heavy\n{name}")
    assert time.perf_counter() - begin < 10
    assert shown
    for data in shown:
        _harmless(data)


def test_a_form_of_hostile_texts_is_harmless(hurt: Shell) -> None:
    """A run that waits with such a form says so in an output that is harmless, and can be answered."""
    ran = hurt.run("%%polos_run asker --as said\n{}")
    for display in ran.displays:
        _harmless(display["data"])


def test_definitions_with_hostile_names_are_harmless(hurt: Shell) -> None:
    """Cards of agents and errors about names are harmless."""
    for name in hostile.STRINGS.values():
        if "\n" in name or "\r" in name:
            continue
        hurt.ns["S"] = name
        for data in _shown(hurt, f"%%polos_agent {{S}}\n---\nmodel: scripted/x\n---\n{hostile.sendable(name)}"):
            if "text/html" in data:
                _harmless(data)
