"""JupyterLab or Notebook 7 in headless Chromium: start one, open notebooks in it, run cells, look at what they show."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FACES = ("lab", "notebook7")
CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip
READY = (
    "() => window.jupyterapp && window.jupyterapp.shell.currentWidget && window.jupyterapp.shell.currentWidget.context"
    " && window.jupyterapp.shell.currentWidget.context.isReady"
)
IDLE = (
    "() => { const w = window.jupyterapp.shell.currentWidget; const s = w.context.sessionContext.session;"
    " return s && s.kernel && s.kernel.connectionStatus === 'connected' && s.kernel.status === 'idle'; }"
)
OUTPUTS = (
    "() => window.jupyterapp.shell.currentWidget.content.widgets"
    ".filter(c => c.model.type === 'code').map(c => c.model.outputs.toJSON())"
)
# A cell at the end with this source, marked with a number, executed; `polosDone` says when it has ended.
APPEND = """async ([source, tag, run]) => {
    const { commands, shell } = window.jupyterapp;
    const book = shell.currentWidget.content;
    book.activeCellIndex = book.widgets.length - 1;
    await commands.execute("notebook:insert-cell-below");
    const cell = book.activeCell;
    cell.model.sharedModel.setSource(source);
    cell.node.dataset.polosCell = tag;
    (window.polosDone ??= {})[tag] = false;
    if (run) commands.execute("notebook:run-cell").finally(() => { window.polosDone[tag] = true; });
}"""
AGAIN = """([tag]) => {
    const { commands, shell } = window.jupyterapp;
    const book = shell.currentWidget.content;
    book.activeCellIndex = book.widgets.findIndex(cell => cell.node.dataset.polosCell === tag);
    (window.polosDone ??= {})[tag] = false;
    commands.execute("notebook:run-cell").finally(() => { window.polosDone[tag] = true; });
}"""
SLOW = 40_000  # milliseconds that something may take on a busy machine


def chromium() -> str | None:
    """The system's Chromium, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextlib.contextmanager
def jupyterlab(folder: Path, env: dict[str, str], *, disabled: Sequence[str] = ()) -> Iterator[str]:
    """A server of JupyterLab whose root is `folder`; yields its address. `disabled` names extensions."""
    with _server("jupyterlab", folder, env, disabled) as address:
        yield address


@contextlib.contextmanager
def notebook7(folder: Path, env: dict[str, str], *, disabled: Sequence[str] = ()) -> Iterator[str]:
    """A server of Notebook 7 whose root is `folder`; yields its address. `disabled` names extensions."""
    with _server("notebook", folder, env, disabled) as address:
        yield address


@contextlib.contextmanager
def _server(module: str, folder: Path, env: dict[str, str], disabled: Sequence[str]) -> Iterator[str]:
    """A server with its own configuration, no token, loopback only, and nothing that pops up."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    private = folder / ".jupyter"
    settings = {
        "JUPYTER_CONFIG_DIR": str(private / "config"),
        "JUPYTER_DATA_DIR": str(private / "data"),
        "JUPYTER_RUNTIME_DIR": str(private / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(private / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(private / "workspaces"),
        "IPYTHONDIR": str(private / "ipython"),
        "HOME": str(private),
    }
    _write(private / "config/labconfig/page_config.json", {"disabledExtensions": dict.fromkeys(disabled, True)})
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    _write(private / "settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings", quiet)
    command = [
        sys.executable, "-m", module, "--no-browser", "--allow-root", f"--ServerApp.port={port}",
        "--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=", "--expose-app-in-browser",
        "--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LanguageServerManager.autodetect=False", f"--ServerApp.root_dir={folder}",
    ]  # fmt: skip
    own = {
        name: value
        for name, value in os.environ.items()
        if not (name.startswith("POLOS_") or re.search("KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", name))
    }
    log = (folder / "server.log").open("w")
    server = subprocess.Popen(command, env={**own, **settings, **env}, stdout=log, stderr=log, cwd=folder)
    try:
        address = f"http://127.0.0.1:{port}"
        until(lambda: _answers(f"{address}/api"), 60, f"{module} did not start")
        yield address
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(20)
        log.close()


def _write(path: Path, data: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data), encoding="utf-8")


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


def write_notebook(path: Path, cells: Sequence[str], *, kernel: str = "python3") -> Path:
    """A notebook with these cells. It names its kernel, for without that a dialog asks for one."""
    import nbformat

    hidden = {"jupyter": {"source_hidden": True}}  # the first cell declares what the others use
    made = [nbformat.v4.new_code_cell(source, metadata={} if at else hidden) for at, source in enumerate(cells)]
    book = nbformat.v4.new_notebook(cells=made)
    book.metadata.kernelspec = {"name": kernel, "display_name": kernel, "language": "python"}
    nbformat.write(book, str(path))
    return path


@dataclass
class Cell:
    """A code cell of an open notebook."""

    notebook: Notebook
    tag: str

    @property
    def node(self) -> Any:
        """The whole cell."""
        return self.notebook.page.locator(f'[data-polos-cell="{self.tag}"]')

    @property
    def output(self) -> Any:
        """Its output area."""
        return self.node.locator(".jp-Cell-outputArea")

    @property
    def view(self) -> Any:
        """The widget in its output."""
        return self.output.locator(".polos-root")

    @property
    def card(self) -> Any:
        """The first card that asks for something."""
        return self.output.locator(".polos-card").first

    @property
    def done(self) -> bool:
        """Whether its execution has ended."""
        return bool(self.notebook.page.evaluate("tag => window.polosDone[tag]", self.tag))

    def ended(self) -> Cell:
        """Wait until its execution has ended."""
        self.notebook.page.wait_for_function("tag => window.polosDone[tag]", arg=self.tag, timeout=SLOW)
        return self

    def again(self) -> Cell:
        """Execute it again."""
        self.notebook.page.evaluate(AGAIN, [self.tag])
        return self

    def data(self) -> list[dict[str, Any]]:
        """Its outputs, as the file would have them."""
        found: list[dict[str, Any]] = self.notebook.page.evaluate(
            "tag => window.jupyterapp.shell.currentWidget.content.widgets"
            ".find(cell => cell.node.dataset.polosCell === tag).model.outputs.toJSON()",
            self.tag,
        )
        return found

    def shows(self, text: str, *, timeout: float = SLOW) -> Any:
        """Wait until a text is to be seen in the output."""
        found = self.output.get_by_text(text).first
        found.wait_for(state="visible", timeout=timeout)
        return found

    def press(self, name: str, *, within: Any = None) -> None:
        """A real click on a button, once nothing moves any more: a card takes no click that comes too early."""
        button = (within or self.output).get_by_role("button", name=name, exact=True).first
        button.wait_for(state="visible", timeout=SLOW)
        button.scroll_into_view_if_needed()
        self.notebook.calm(button)
        button.click()


class Notebook:
    """A notebook that is open in a page."""

    def __init__(self, page: Any, address: str, name: str, *, kernel: bool = True, face: str = "lab") -> None:
        self.page = page
        self.name = name
        self.face = face
        self.url = f"{address}/lab/tree/{name}?reset" if face == "lab" else f"{address}/notebooks/{name}"
        self._cells = 0
        page.goto(self.url, timeout=SLOW)
        self.ready(kernel=kernel)

    def ready(self, *, kernel: bool = True) -> None:
        """Wait until the notebook is there, and its kernel idle."""
        self.page.wait_for_function(READY, timeout=SLOW)
        if kernel:
            self.page.wait_for_function(IDLE, timeout=SLOW)

    def run(self, source: str, *, start: bool = True) -> Cell:
        """A new cell at the end, executed; returns at once. With `start` false it is only there."""
        self._cells += 1
        cell = Cell(self, str(self._cells))
        self.page.evaluate(APPEND, [source, cell.tag, start])
        cell.node.scroll_into_view_if_needed()
        return cell

    def reload(self) -> None:
        """Load the page again. Cells keep their marks."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.save()")
        self.page.reload(timeout=SLOW)
        self.ready(kernel=False)
        self.page.wait_for_function(
            "() => window.jupyterapp.shell.currentWidget.context.sessionContext.session?.kernel", timeout=SLOW
        )
        self.mark()

    def mark(self) -> None:
        """Mark the cells after the first as those that were run, in their order."""
        self.page.evaluate(
            "() => { window.polosDone ??= {}; window.jupyterapp.shell.currentWidget.content.widgets"
            ".forEach((cell, at) => { if (at) cell.node.dataset.polosCell = String(at); }); }"
        )

    def cell(self, tag: str | int) -> Cell:
        """A cell by its mark."""
        return Cell(self, str(tag))

    def command(self, name: str) -> None:
        """Execute a command of the front end, without waiting for what it starts."""
        self.page.evaluate(f"() => {{ window.jupyterapp.commands.execute('{name}'); }}")

    def run_all(self) -> None:
        """Run all cells and wait until the kernel is idle again."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
        self.page.wait_for_function(IDLE, timeout=SLOW)

    def restart(self) -> None:
        """A new kernel."""
        self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.restart()"
        )
        self.page.wait_for_function(IDLE, timeout=SLOW)

    def idle(self) -> None:
        """Leave nothing running: what a test that failed has left is interrupted."""
        # The kernel's own word is not enough: it is "idle" after each click that it has heard in the middle of a cell.
        ended = "() => Object.values(window.polosDone ?? {}).every(Boolean)"
        for _ in range(3):
            if self.page.evaluate(ended):
                return
            self.command("notebook:interrupt-kernel")
            with contextlib.suppress(Exception):
                self.page.wait_for_function(ended, timeout=5_000)

    def calm(self, element: Any) -> None:
        """Wait until an element has not moved for a while."""
        places: list[Any] = []

        def still() -> bool:
            places.append(element.bounding_box())
            time.sleep(0.1)
            return len(places) > 8 and all(place == places[-1] for place in places[-8:])

        until(still, 20, "the page never comes to rest")

    def theme(self, name: str) -> None:
        """ "light" or "dark"."""
        theme = f"JupyterLab {name.title()}"
        self.page.evaluate("theme => { window.jupyterapp.commands.execute('apputils:change-theme', {theme}); }", theme)
        self.page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=theme, timeout=SLOW)

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
