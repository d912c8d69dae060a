"""A notebook executed live, and again in a new kernel: nothing is called, and the outputs are equal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.loopback.server import LoopbackProvider
from tests.loopback.weather import weather_script

NOTEBOOKS = Path(__file__).parent.parent.parent / "notebooks"
PROBE = "import sys; print('litellm' in sys.modules)"

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(180)]


def _execute(name: str, folder: Path, env: dict[str, str]) -> tuple[list[Any], bool]:
    """The data of all outputs, and whether litellm was imported."""
    book = nbformat.read(NOTEBOOKS / name, as_version=4)
    book.cells.append(nbformat.v4.new_code_cell(PROBE))
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    client = NotebookClient(book, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute(env={**kept, "IPYTHONDIR": str(folder / ".ipython"), **env})
    outputs = [[_data(output) for output in cell.get("outputs", ())] for cell in book.cells]
    return outputs[:-1], outputs[-1] == ["True\n"]


def _data(output: Any) -> Any:
    return dict(output["data"]) if "data" in output else output.get("text")


@pytest.mark.parametrize("name", ["weather_agent.ipynb", "structured_extraction.ipynb"])
def test_a_second_execution_calls_nothing_and_shows_the_same(name: str, tmp_path: Path) -> None:
    """Zero requests reach the provider the second time, litellm is not even imported, and the outputs are equal."""
    with LoopbackProvider(weather_script) as provider:
        env = {**provider.env(), "POLOS_NB_ALLOW_LIVE": "1", "POLOS_NB_STORE": str(tmp_path / "steps.db")}
        first, imported = _execute(name, tmp_path, env)
        asked = len(provider.requests)
        assert asked > 0
        assert imported
        second, imported = _execute(name, tmp_path, env)
        assert len(provider.requests) == asked
        assert not imported
    assert [_joined(cell) for cell in second] == [_joined(cell) for cell in first]


def _joined(cell: list[Any]) -> list[Any]:
    """Printed pieces as one text: how a stream is cut does not matter."""
    printed = "".join(item for item in cell if isinstance(item, str))
    return [item for item in cell if not isinstance(item, str)] + ([printed] if printed else [])
