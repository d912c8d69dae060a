"""What is installed: the wheel holds the package and the quick start, and works from anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.timeout(180)
def test_the_wheel_holds_what_the_package_needs(tmp_path: Path) -> None:
    """Built from a checkout without node: package, type marker and quick start are in, tests and stores are not."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(unpacked)
    assert "polos_nb/py.typed" in names
    assert "polos_nb/examples/quick_start.ipynb" in names
    assert not [name for name in names if name.startswith("tests") or ".polos" in name or name.endswith(".db")]
    code = "import polos_nb, polos_nb.cli as cli; print(polos_nb.__file__); print(cli.examples_folder())"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        timeout=60,
        check=True,
    )
    assert ran.stdout.count(str(unpacked)) == 2
