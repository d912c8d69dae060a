"""What must hold on every ipykernel: queued cells all run, awaiting ones too, and a run can be stopped."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.kernels import IPYKERNELS, Kernel, kernel, kernel_env

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

SETUP = """
%load_ext polos_nb
from polos_nb import Agent, ScriptedModel, Turn
slow = Agent(id="slow", model=ScriptedModel(lambda request: Turn(text="one two three four", delay=0.05)))
endless = Agent(id="endless", model=ScriptedModel(lambda request: Turn(text="word " * 10000, delay=0.05)))
"""


@pytest.fixture(params=IPYKERNELS)
def any_kernel(request: Any, tmp_path: Path) -> Any:
    """A watched kernel of each version."""
    env = {"POLOS_NB_STORE": str(tmp_path / "steps.db"), **kernel_env(request.param)}
    with kernel(tmp_path, env) as started:
        version = started.run("import ipykernel; ipykernel.__version__").shown()[0].strip("'")
        assert request.param in ("installed", version)
        assert started.run(SETUP).status == "ok"
        yield started


def test_three_queued_cells_all_run(any_kernel: Kernel) -> None:
    """Run All sends three cells at once; the first awaits, and the others run after it, in order."""
    requests = [
        any_kernel.send("%%polos_run slow --as first\nHello"),
        any_kernel.send("second = first.result.upper()"),
        any_kernel.send("print(second, (await slow.run('Again')).result)"),
    ]
    results = [any_kernel.collect(request) for request in requests]
    assert [result.status for result in results] == ["ok", "ok", "ok"]
    assert results[2].stdout.strip() == "ONE TWO THREE FOUR one two three four"


def test_stop_ends_a_run_soon_and_the_next_cell_works(any_kernel: Kernel) -> None:
    """Interrupting a streaming run ends its cell with an error that says how to go on; the kernel stays usable."""
    request = any_kernel.send("%%polos_run endless\nGo on")
    any_kernel.until(lambda: any_kernel.so_far(request).outputs)
    begin = time.monotonic()
    any_kernel.interrupt()
    result = any_kernel.collect(request, timeout=30)
    assert result.status == "error"
    assert time.monotonic() - begin < 20, "the run did not notice Stop"
    assert "run the cell again" in (result.error + str(result.outputs) + str(result.updates))
    assert any_kernel.run("print(1 + 1)").stdout == "2\n"
