"""Says what is here and what is missing: versions, providers with keys, Docker, kernel features, the store."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from polos_nb import __version__
from polos_nb.errors import PolosError
from polos_nb.models.keys import find_key
from polos_nb.models.providers import PROVIDERS
from polos_nb.notebook.kernel_compat import click_support
from polos_nb.settings import MEMORY, Settings
from polos_nb.stores.sqlite import SqliteStore

_DOCKER_SOCKET = "unix:///var/run/docker.sock"


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    name: str
    state: Literal["ok", "info", "bad"]
    text: str


def examine(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """Everything, in the order of the report. Nothing is written, and nothing but Docker is asked."""
    return [
        Finding("polos_nb", "ok", f"{__version__} on Python {platform.python_version()}"),
        *_packages(),
        _clicks(),
        *_providers(),
        _docker(),
        _store(settings),
        Finding("mode", "info", settings.mode or "live when somebody is watching, else replay or offline"),
    ]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _packages() -> list[Finding]:
    out = []
    for package, needed in (
        ("ipykernel", True),
        ("ipython", True),
        ("jupyterlab", False),
        ("ipywidgets", False),
        ("anywidget", False),
        ("litellm", True),
        ("nbval", False),
    ):
        found = _version(package)
        if found:
            out.append(Finding(package, "ok", found))
        else:
            out.append(Finding(package, "bad" if needed else "info", f"not installed; pip install {package}"))
    return out


def _clicks() -> Finding:
    mode, why = click_support()
    how = {
        "inline": "approvals: a cell waits for the click (inline).",
        "suspend": "approvals: the cell ends, and its run goes on after the click (suspend).",
    }
    return Finding("kernel", "ok" if mode == "inline" else "info", f"{how[mode]} {why}")


def _providers() -> list[Finding]:
    out = []
    for provider in PROVIDERS.values():
        found = find_key(provider)
        if found is not None:
            where = "" if found.source == "environment" else f" ({found.source})"
            out.append(Finding(provider.name, "ok", f"{found.env} is set{where}"))
        elif provider.key_envs:
            out.append(Finding(provider.name, "info", f"no key; set {provider.key_envs[0]}"))
        else:
            out.append(Finding(provider.name, "info", "needs no key"))
    return [*out, Finding("demo", "ok", "offline, needs nothing")]


def _docker() -> Finding:
    import docker  # heavy, and only needed here

    where = os.environ.get("DOCKER_HOST", _DOCKER_SOCKET)
    if where.startswith("unix://") and not Path(where.removeprefix("unix://")).exists():
        return Finding("docker", "info", f"no engine: {where} is not there; sandboxes with env='docker' need one")
    try:
        with contextlib.closing(docker.DockerClient.from_env(timeout=3, version="1.41")) as client:
            version = client.version()["Version"]
    except Exception as error:  # the SDK lets errors of three other libraries through
        text = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        return Finding("docker", "info", f"no engine answers ({text}); sandboxes with env='docker' need one")
    return Finding("docker", "ok", f"engine {version} answers")


def _store(settings: Settings) -> Finding:
    where = settings.store_path()
    if where == MEMORY:
        return Finding("store", "info", "in memory: nothing is kept when the process ends")
    if not Path(where).exists():
        return Finding("store", "ok", f"{where} (will be made when the first run needs it)")
    try:
        store = SqliteStore(where)
        stats = store.stats()
        store.close()
    except PolosError as error:
        return Finding("store", "bad", str(error))
    return Finding("store", "ok", f"{where} · {stats.runs} runs, {stats.steps} steps, {stats.size / 1e6:.1f} MB")
