"""The umbrella `%polos`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from IPython.core.error import UsageError

BOOK = [
    "%load_ext polos_nb",
    "from polos_nb import Agent, tool\n@tool\ndef get_weather(city: str) -> str:\n"
    "    'Weather.'\n    return 'sunny in ' + city",
    "bot = Agent(id='bot', provider='demo', tools=[get_weather])",
    "%%polos_run bot\nWeather in Paris?",
]


def test_nothing_and_help_show_all_verbs(shell: Any) -> None:
    """`%polos` alone is the table of verbs."""
    for line in ("%polos", "%polos help"):
        text = shell.ok(line).out
        assert all(
            f"%polos {verb}" in text for verb in ("runs", "show", "cache", "models", "keys", "config", "cassette")
        )


@pytest.mark.parametrize("verb", ["runs", "show", "cache", "models", "keys", "config", "cassette"])
def test_every_verb_has_help(verb: str, shell: Any) -> None:
    """`-h` behind a verb prints its usage."""
    assert f"usage: %polos {verb}" in shell.ok(f"%polos {verb} -h").out


def test_runs_are_listed_filtered_and_given_as_data(shell: Any) -> None:
    """The list shows runs newest first; a query and a status filter it; --json is JSON and --df a frame."""
    shell.ok("%polos_run bot Paris -q")
    shell.ok("%polos_run bot Rome -q")
    shell.run("%polos_run broken Hi -q")
    text = shell.ok("%polos runs").out
    assert text.index("Rome") < text.index("Paris")
    assert "Rome" not in shell.ok("%polos runs paris").out
    assert "broken" in shell.ok("%polos runs --status failed").out
    assert "No runs like that" in shell.ok("%polos runs --status suspended").out
    assert {fact["status"] for fact in json.loads(repr(shell.ok("%polos runs --json").value).lstrip(":\n"))} == {
        "completed",
        "failed",
    }
    pytest.importorskip("pandas")
    assert len(shell.ok("%polos runs --df").value) == 3


def test_show_tells_the_steps_and_why(shell: Any) -> None:
    """A run's trace has its steps, whether each was executed and why; one step can be seen whole."""
    shell.ok("%polos_run bot Paris -q")
    text = shell.ok("%polos show").out
    assert 'get_weather(city="Paris")' in text
    assert "live" in text
    step = shell.ok("%polos show r1 --step 2").out
    assert "Paris: sunny" in step
    ran = shell.run("%polos show r99")
    assert isinstance(ran.error, UsageError)
    assert "r99" in str(ran.error)
    assert "1.llm" in str(shell.run("%polos show --step nope").error)


def test_show_tells_the_traceback_of_a_failed_step(shell: Any) -> None:
    """The traceback of a tool that failed is in the store and can be read."""
    shell.ok("@tool\ndef bad(x: int) -> int:\n    raise ValueError('no luck')")
    shell.ok("b = Agent(id='b', model=ScriptedModel([Turn(calls=[('bad', {'x': 1})]), 'sorry']), tools=[bad])")
    shell.ok("%polos_run b Hi -q")
    assert "no luck" in shell.ok("%polos show --step 2").out


def test_the_cache_is_cleared_as_asked(shell: Any) -> None:
    """Statistics count; `clear AGENT` deletes its steps only; `clear` alone asks what."""
    shell.ok("%polos_run bot Paris -q")
    assert "runs" in shell.ok("%polos cache").out
    assert isinstance(shell.run("%polos cache clear").error, UsageError)
    assert isinstance(shell.run("%polos cache clear nobody").error, UsageError)
    assert "3 steps deleted" in shell.ok("%polos cache clear bot").out
    shell.ok("%polos_run bot Paris -q")
    assert shell.ns["calls"] == ["Paris", "Paris"]
    assert "steps deleted" in shell.ok("%polos cache clear --all").out


def test_keys_show_no_character_of_a_key(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable of a key is named, its value never."""
    monkeypatch.setenv("OPENAI_API_KEY", "tulips-and-clogs")
    ran = shell.ok("%polos keys")
    assert "set (OPENAI_API_KEY)" in ran.out
    assert "tuli" not in ran.out + repr(ran.value) + ran.value._repr_html_() + ran.value._repr_markdown_()


def test_config_says_where_a_setting_comes_from(shell: Any) -> None:
    """Environment, %config and default are told apart."""
    shell.ok("%config PolosMagics.render = 'static'")
    lines = {line.split()[0]: line for line in shell.ok("%polos config").out.splitlines() if line.strip()}
    assert "POLOS_NB_MODE" in lines["mode"]
    assert "%config" in lines["render"]
    assert "default" in lines["model"]


def test_models_and_typos(shell: Any) -> None:
    """Models are listed by provider; a typo is answered with the nearest verb."""
    assert "anthropic/" in shell.ok("%polos models anthropic").out
    assert "did you mean openai?" in str(shell.run("%polos models opnai").error)
    assert "did you mean runs?" in str(shell.run("%polos rnus").error)


def test_output_is_escaped(shell: Any) -> None:
    """What came from a model or a user is text in every form."""
    shell.ok("%polos_run bot '<img src=x onerror=alert(1)> | a' -q")
    shown = shell.ok("%polos runs").value
    assert "<img" not in shown._repr_html_()
    assert re.search(r"(?<!\\)<img", shown._repr_markdown_()) is None


def test_recording_copies_the_runs_without_calls(shell: Any, tmp_path: Path) -> None:
    """`cassette record` writes what was run; the status then counts it; with nothing run it says so."""
    assert isinstance(shell.run("%polos cassette record --to c.jsonl").error, UsageError)
    assert isinstance(shell.run("%polos cassette record").error, UsageError)
    shell.ok("%polos_run bot Paris -q")
    calls = list(shell.ns["calls"])
    assert "1 runs, 3 steps" in shell.ok("%polos cassette record --to c.jsonl").out
    assert shell.ns["calls"] == calls
    assert (tmp_path / "c.jsonl").read_text().count("\n") >= 4
    assert "run in this session and recorded" in shell.ok("%polos cassette status --to c.jsonl").out


@pytest.mark.kernel
def test_verify_replays_the_notebook(shell: Any, tmp_path: Path) -> None:
    """A recorded notebook passes; with a tool's source changed, the cell that runs it fails."""
    path = tmp_path / "book.ipynb"
    shell.ok("get_weather = None")
    for source in BOOK[1:]:
        shell.ok(source)
    shell.ok("%polos cassette record --notebook book.ipynb")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in BOOK])
    nbformat.write(book, path)
    assert "All 4 cells pass" in shell.ok("%polos cassette verify --notebook book.ipynb").out
    book.cells[1].source = BOOK[1].replace("sunny", "rainy")
    nbformat.write(book, path)
    text = shell.ok("%polos cassette verify --notebook book.ipynb").out
    assert "1 of 4 cells fail" in text
    assert "ReplayMiss" in text
