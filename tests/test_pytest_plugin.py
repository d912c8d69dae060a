"""nbval replays notebooks from their cassettes: offline, strict about tools, whatever the hash seed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from polos_nb.pytest_plugin import cassette_of, environment_for

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(240)]

# Makes every connection that leaves the machine an error, in pytest and in the kernels that it starts.
NO_NETWORK = """
import socket

def refuse(original):
    def connect(self, address, *rest):
        host = str(address[0]) if isinstance(address, tuple) else "localhost"
        if not host.startswith("127.") and host not in ("localhost", "::1"):
            raise OSError(f"the network is blocked: {address}")
        return original(self, address, *rest)
    return connect

socket.socket.connect = refuse(socket.socket.connect)
socket.socket.connect_ex = refuse(socket.socket.connect_ex)
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The example notebooks with their cassettes, in a folder of their own."""
    folder = tmp_path / "notebooks"
    shutil.copytree(NOTEBOOKS, folder, ignore=shutil.ignore_patterns(".polos", ".ipynb_checkpoints"))
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "sitecustomize.py").write_text(NO_NETWORK)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return folder


def _nbval(folder: Path, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "POLOS_")) and "API_KEY" not in k}
    blocked = folder.parent / "blocked"
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "--nbval",
            "--nbval-current-env",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            *options,
            str(folder),
        ],
        cwd=folder.parent,
        env={**kept, "PYTHONPATH": str(blocked), "IPYTHONDIR": str(folder.parent / ".ipython"), **env},
        capture_output=True,
        text=True,
        timeout=200,
    )


def test_the_examples_replay_with_sockets_blocked_whatever_the_hash_seed(copy: Path) -> None:
    """`pytest --nbval notebooks/` passes without a key and without a network, under any PYTHONHASHSEED."""
    for seed in ("0", "4711"):
        done = _nbval(copy, PYTHONHASHSEED=seed)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        assert " passed" in done.stdout
    assert not (copy / ".polos").exists(), "replay must not open a store"


def test_a_changed_tool_fails_and_the_failure_names_it(copy: Path) -> None:
    """After a tool's source changed, the test fails with the step, the nearest recording and the difference."""
    notebook = copy / "weather_agent.ipynb"
    text = notebook.read_text()
    assert text.count("CLIMATE[city]") == 1
    notebook.write_text(text.replace("CLIMATE[city]", "CLIMATE[city.strip()]"))
    done = _nbval(notebook.parent, "-k", "weather_agent")
    assert done.returncode == 1
    assert "ReplayMiss" in done.stdout
    assert "get_weather" in done.stdout
    assert "changed" in done.stdout


def test_without_a_cassette_the_failure_says_how_to_record(copy: Path) -> None:
    """A notebook whose cassette is gone fails with the way to record one."""
    shutil.rmtree(copy / "cassettes")
    done = _nbval(copy, "-k", "quick_start")
    assert done.returncode == 1
    assert "cassette record" in done.stdout


def test_the_kernel_gets_the_notebooks_own_cassette() -> None:
    """The environment names the cassette beside the notebook, and a mode that the user has set stays."""
    path = Path("some/where/book.ipynb")
    assert cassette_of(path) == Path("some/where/cassettes/book.jsonl")
    assert "POLOS_NB_MODE" not in environment_for(path, record=False, environ={})
    recorded = NOTEBOOKS / "quick_start.ipynb"
    assert environment_for(recorded, record=False, environ={})["POLOS_NB_MODE"] == "replay"
    assert environment_for(path, record=True, environ={})["POLOS_NB_MODE"] == "record"
    assert environment_for(path, record=False, environ={"POLOS_NB_MODE": "live"})["POLOS_NB_MODE"] == "live"
