"""What is installed: the wheel holds the package and the quick start, and works from anywhere."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STATIC = ("polos_nb/notebook/static/widgets.js", "polos_nb/notebook/static/loader.js")


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
    assert set(STATIC) <= set(names)
    assert not [name for name in names if "widgets/" in name]
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


def _without_node() -> dict[str, str]:
    """An environment in whose PATH there is neither node nor npm."""
    folders = os.environ.get("PATH", "").split(os.pathsep)
    kept = [folder for folder in folders if not any(shutil.which(name, path=folder) for name in ("node", "npm"))]
    return {**os.environ, "PATH": os.pathsep.join(kept)}


def _checkout(folder: Path) -> Path:
    """What building reads, copied: the builds of these tests must not meet in one folder."""
    for name in ("polos_nb", "notebooks", "widgets"):
        ignored = shutil.ignore_patterns("node_modules", "__pycache__", ".polos", "*.db")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", ".gitignore"):
        shutil.copy(ROOT / name, folder / name)
    return folder


_PRINT = "from polos_nb.notebook import static_files as s; print(s.BUNDLE, s.bundle_hash(), len(s.loader_text()) > 500)"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", ["pip install .", "pip install -e .", "sdist"])
def test_the_front_end_is_installed_without_node(tmp_path: Path, way: str) -> None:
    """However the package gets there, bundle and loader are what the checkout has."""
    if way == "pip install -e .":
        pytest.importorskip("editables", reason="hatchling needs it for editable installs without build isolation")
    checkout = _checkout(tmp_path / "checkout")
    env = _without_node()
    source = checkout
    if way == "sdist":
        build = [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", str(tmp_path), str(checkout)]
        subprocess.run(build, capture_output=True, check=True, timeout=120, env=env)
        (source,) = tmp_path.glob("*.tar.gz")
        with tarfile.open(source) as archive:
            inside = {name.split("/", 1)[-1] for name in archive.getnames()}
        assert {*STATIC, "widgets/src/index.js", "widgets/build.mjs"} <= inside
    site = tmp_path / "site"
    options = ["-e"] if way == "pip install -e ." else []
    pip = [sys.executable, "-m", "pip", "install"]
    if importlib.util.find_spec("pip") is None:  # environments made by uv have none
        pip = [shutil.which("uv") or "uv", "pip", "install", "--python", sys.executable]
    done = subprocess.run(
        [*pip, "--no-deps", "--no-build-isolation", "--target", str(site), *options, str(source)],
        capture_output=True,
        text=True,
        timeout=200,
        env=env,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    start = "import site, sys; site.addsitedir(sys.argv[1]); sys.path.insert(0, sys.path.pop()); "
    ran = subprocess.run(
        [sys.executable, "-c", start + _PRINT, str(site)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=env,
        timeout=60,
        check=True,
    )
    where, found, loader = ran.stdout.split()
    assert Path(where).is_relative_to(checkout if options else site)
    assert found == hashlib.sha256((ROOT / STATIC[0]).read_bytes()).hexdigest()[:16]
    assert loader == "True"
