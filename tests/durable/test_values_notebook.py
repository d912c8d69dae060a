"""Models that were defined in a cell: after a restart of the kernel their values are of the class as it is now."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from tests.kernels import kernel

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(180)]

MODEL = """
from pydantic import BaseModel
class Weather(BaseModel):
    city: str
    degrees: int
"""
GROWN = MODEL + "    wind: int = 3\n"
CHANGED = MODEL.replace("int", "list[int]")
STEP = """
import os, pathlib
from polos_nb import PolosClient, WorkflowContext, tool
journal = pathlib.Path(os.environ["FOLDER"]) / "journal"
SEEN = []

def measure():
    with journal.open("a") as lines:
        lines.write("measured\\n")
    return {"rome": Weather(city="Rome", degrees=DEGREES), "all": (Weather(city="Oslo", degrees=DEGREES),)}

@tool(description="Look at the weather", version=1)
async def look(ctx: WorkflowContext) -> None:
    SEEN.append(await ctx.step.run("measure", measure, version=VERSION))
    raise RuntimeError("so that the next pass comes back to the step")

client = PolosClient(store=os.environ["STEPS"], mode="live")
"""
LOOK = """
try:
    await look.run(client, {})
except Exception as error:
    caught = error
value, store = SEEN[-1], client.runtime.store
whys = [row.why for row, step in store.trace(store.list_runs(limit=1)[0].id) if step.name == "measure"]
{
    "measured": len(journal.read_text().split()),
    "new class": type(value["rome"]) is Weather and type(value["all"][0]) is Weather,
    "rome": value["rome"].model_dump(),
    "why": whys[-1],
}
"""


def _execute(folder: Path, model: str, *, degrees: str = "20", version: str = "None", times: int = 1) -> dict[str, Any]:
    """What a new kernel says that executes the notebook; its model cell `times` times."""
    env = {"FOLDER": str(folder), "STEPS": str(folder / "steps.db")}
    with kernel(folder, env) as started:
        for _ in range(times):
            assert started.run(model).status == "ok"
        setup = STEP.replace("DEGREES", degrees).replace("VERSION", version)
        assert started.run(setup).status == "ok"
        result = started.run(LOOK)
        assert result.status == "ok", result.error
        said: dict[str, Any] = ast.literal_eval(result.shown()[0])
        return said


def test_a_model_defined_again_after_a_restart_revives_as_the_new_class(tmp_path: Path) -> None:
    """The same cell in a new kernel, even run twice there: the step answers, with instances of the newest class."""
    rome = {"city": "Rome", "degrees": 20}
    first = _execute(tmp_path, MODEL)
    assert first == {"measured": 1, "new class": True, "rome": rome, "why": ""}
    assert _execute(tmp_path, MODEL, times=2) == first


def test_a_model_that_has_grown_takes_the_old_value_where_the_version_is_declared(tmp_path: Path) -> None:
    """With a declared version a new field with a default does not call again; without one the class counts as code."""
    for version, measured, why in (("1", 1, ""), ("None", 2, "class Weather changed")):
        folder = tmp_path / f"version {version}"
        folder.mkdir()
        _execute(folder, MODEL, version=version)
        grown = _execute(folder, GROWN, version=version)
        assert grown["rome"] == {"city": "Rome", "degrees": 20, "wind": 3}
        assert grown["new class"]
        assert grown["measured"] == measured
        assert why in grown["why"]


def test_a_value_that_does_not_fit_the_model_any_more_is_made_again_and_says_why(tmp_path: Path) -> None:
    """A kept value that the class as it is now refuses is never revived half: the step runs and names the field."""
    _execute(tmp_path, MODEL, version="1")
    changed = _execute(tmp_path, CHANGED, degrees="[20]", version="1")
    assert changed["measured"] == 2
    assert changed["rome"] == {"city": "Rome", "degrees": [20]}
    assert "its kept value cannot be used" in changed["why"]
    assert "Weather does not fit the class as it is now: degrees" in changed["why"]
