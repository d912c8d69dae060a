"""The virtual environment of the systems that we compare with: apart from the development one, made once and kept."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".ci" / "peers"
VARIABLE = "POLOS_BENCH_PEERS"
NAMED = os.environ.get(VARIABLE)  # read now: no test sees the variables that begin with POLOS_


def requirements() -> list[str]:
    """What the environment holds: the `bench` extra of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found: list[str] = project["optional-dependencies"]["bench"]
    return found


def peers_python() -> Path | None:
    """The interpreter that has the peers; None where there is none and none can be made.

    `POLOS_BENCH_PEERS` names an environment that exists; otherwise it is `.ci/peers`, which is made when it is missing
    or was made for other requirements.
    """
    if NAMED:
        return _interpreter(Path(NAMED))
    wanted = "\n".join(requirements())
    note = FOLDER / "requirements.txt"
    if _interpreter(FOLDER) is None or not note.exists() or note.read_text() != wanted:
        shutil.rmtree(FOLDER, ignore_errors=True)
        try:
            _make()
        except (OSError, subprocess.SubprocessError):
            shutil.rmtree(FOLDER, ignore_errors=True)
            return None
        (FOLDER / ".gitignore").write_text("*\n")
        note.write_text(wanted)
    return _interpreter(FOLDER)


def _interpreter(folder: Path) -> Path | None:
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    return python if python.exists() else None


def _make() -> None:
    pip = [str(FOLDER / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True, timeout=120, capture_output=True)
    subprocess.run([*pip, *requirements()], check=True, timeout=600, capture_output=True)
