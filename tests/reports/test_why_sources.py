"""`why` shows what changed in the source of a tool, a helper, a workflow or a prompt, as a diff."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from polos_nb.cli import main
from polos_nb.reports.why import why
from polos_nb.stores.sqlite import SqliteStore
from tests.runtime.support import Process

PROGRAM = '''
from polos_nb import Agent, ScriptedModel, Turn, tool, workflow

def helper(place):
    """Not shown."""
    return place.title()  # nor this

@tool(description="Look")
def look(place: str) -> str:
    return f"seen {helper(place)}"

def script(request):
    said = [m.text() for m in request.messages if m.role == "tool"]
    return said[0] if said else Turn(calls=[("look", {"place": "rome"})])

agent = Agent(id="looker", model=ScriptedModel(script), tools=[look], system_prompt="Look well.")

@workflow(id="touring")
async def tour(ctx):
    return (await ctx.step.agent_invoke_and_wait("visit", agent.with_input("go"))).result
'''


def executed(store: str, folder: Path, program: str, name: str) -> str:
    """Run the program's workflow or agent on a store; the id of its newest run."""
    import linecache

    file = folder / f"{abs(hash(program))}.py"
    file.write_text(program)
    linecache.checkcache()
    names: dict[str, Any] = {"__name__": "__main__", "__file__": str(file)}
    exec(compile(program, str(file), "exec"), names)
    process = Process(store)
    if name == "tour":
        process.cell(lambda client: names["tour"].run(client))
    else:
        process.run(names["agent"], "go")
    run_id = process.newest("touring" if name == "tour" else "looker")
    process.runtime.close()
    return run_id


@pytest.mark.parametrize(
    ("old", "new", "name", "shown"),
    [
        ("place.title()", "place.upper()", "agent", ["return place.title()", "return place.upper()"]),
        ('f"seen {', 'f"saw {', "agent", ["return f'seen {helper(place)}'", "return f'saw {helper(place)}'"]),
        ("Look well.", "Look twice.", "tour", ["Look well.", "Look twice."]),
    ],
)
def test_a_changed_source_is_shown_as_a_diff(old: str, new: str, name: str, shown: list[str], tmp_path: Path) -> None:
    """Comments and docstrings are not part of it; the command prints it."""
    store = str(tmp_path / "steps.db")
    executed(store, tmp_path, PROGRAM, name)
    run_id = executed(store, tmp_path, PROGRAM.replace(old, new), name)
    opened = SqliteStore(store)
    changed = [facts for facts in why(opened, run_id) if facts["reason"] == "changed"]
    diffs = "\n".join(diff["diff"] for facts in changed for diff in facts["diffs"])
    for sign, text in zip("-+", shown, strict=True):
        assert any(line.startswith(sign) and text in line for line in diffs.splitlines()), diffs
    assert "nor this" not in diffs
    assert "Not shown" not in diffs
    opened.close()
    printed = CliRunner().invoke(main, ["why", run_id, "--store", store]).output
    assert shown[1] in printed


def test_sources_are_deleted_with_the_last_step_that_speaks_of_them(tmp_path: Path) -> None:
    """gc and clear leave those that are still needed."""
    store = str(tmp_path / "steps.db")
    executed(store, tmp_path, PROGRAM, "agent")
    executed(store, tmp_path, PROGRAM.replace('id="looker"', 'id="other"'), "tour")
    opened = SqliteStore(store)
    assert _sources(store) >= 2
    opened.clear(target_id="looker")
    assert _sources(store) >= 2
    opened.clear(target_id="touring")
    opened.clear()
    assert _sources(store) == 0
    opened.close()


def _sources(path: str) -> int:
    import sqlite3

    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("SELECT count(*) FROM blobs WHERE name GLOB 'src:*'").fetchone()[0])
    finally:
        connection.close()
