"""A real JupyterLab in headless Chromium: start it, drive it, look at what it shows."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip
READY = (
    "() => window.jupyterapp && window.jupyterapp.shell.currentWidget && window.jupyterapp.shell.currentWidget.context"
)
IDLE = (
    "() => { const w = window.jupyterapp.shell.currentWidget; const s = w.context.sessionContext.session;"
    " return s && s.kernel && s.kernel.status === 'idle'; }"
)
OUTPUTS = (
    "() => window.jupyterapp.shell.currentWidget.content.widgets"
    ".filter(c => c.model.type === 'code').map(c => c.model.outputs.toJSON())"
)


def chromium() -> str | None:
    """The system's Chromium, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextlib.contextmanager
def jupyterlab(folder: Path, env: dict[str, str]) -> Iterator[str]:
    """A server whose root is `folder`; yields its address. Its own configuration, no token, loopback only."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    private = folder / ".jupyter"
    settings = {
        "JUPYTER_CONFIG_DIR": str(private / "config"),
        "JUPYTER_DATA_DIR": str(private / "data"),
        "JUPYTER_RUNTIME_DIR": str(private / "runtime"),
        "IPYTHONDIR": str(private / "ipython"),
        "HOME": str(private),
    }
    private.mkdir()
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.port={port}",
        "--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=", "--expose-app-in-browser",
        "--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        f"--ServerApp.root_dir={folder}",
    ]  # fmt: skip
    log = (folder / "server.log").open("w")
    server = subprocess.Popen(command, env={**os.environ, **settings, **env}, stdout=log, stderr=log, cwd=folder)
    try:
        address = f"http://127.0.0.1:{port}"
        until(lambda: _answers(f"{address}/api"), 60, "JupyterLab did not start")
        yield address
    finally:
        server.terminate()
        server.wait(20)
        log.close()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def until(condition: Callable[[], Any], seconds: float, message: str) -> Any:
    """Wait for a condition to hold, and return what it gave."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(message)


class Notebook:
    """A notebook that is open in a page."""

    def __init__(self, page: Any, address: str, name: str) -> None:
        self.page = page
        page.goto(f"{address}/lab/tree/{name}?reset")
        page.wait_for_function(READY, timeout=60_000)
        page.wait_for_function(IDLE, timeout=60_000)

    def command(self, name: str) -> None:
        """Execute a command of JupyterLab, without waiting for what it starts."""
        self.page.evaluate(f"() => {{ window.jupyterapp.commands.execute('{name}'); }}")

    def run_all(self) -> None:
        """Run all cells and wait until the kernel is idle again."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
        self.page.wait_for_function(IDLE, timeout=60_000)

    def restart(self) -> None:
        """A new kernel."""
        self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.restart()"
        )
        self.page.wait_for_function(IDLE, timeout=60_000)

    def outputs(self) -> list[list[dict[str, Any]]]:
        """The outputs of each code cell."""
        found: list[list[dict[str, Any]]] = self.page.evaluate(OUTPUTS)
        return found

    def save(self) -> None:
        """Save the file."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.save()")


@contextlib.contextmanager
def browser_page(folder: Path) -> Iterator[Any]:
    """A page of a new browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(folder / "profile"),
            executable_path=chromium(),
            args=CHROMIUM_FLAGS,
            viewport={"width": 1200, "height": 1500},
        )
        try:
            yield context.pages[0] if context.pages else context.new_page()
        finally:
            context.close()
