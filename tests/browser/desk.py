"""What the browser tests share: the agents that live in their kernels, and a desk with a server and a page."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.browser.lab import Notebook, browser_page, chromium, jupyterlab, notebook7, write_notebook

SHOTS = Path(__file__).parent / "shots"  # what CI keeps
VIEW = "application/vnd.jupyter.widget-view+json"

SETUP = "%load_ext polos_nb\n" + Path(__file__).with_name("shop.py").read_text(encoding="utf-8")


class Desk:
    """A server with a folder, and a page of a browser that looks at it."""

    def __init__(self, folder: Path, address: str, page: Any, face: str) -> None:
        self.folder = folder
        self.address = address
        self.page = page
        self.face = face
        self.logs: list[str] = []
        page.on("console", lambda message: self.logs.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.logs.append(f"uncaught: {error}"))

    def open(self, name: str, cells: Sequence[str] = (SETUP,), *, kernel: bool = True, run: bool = True) -> Notebook:
        """A new notebook with these cells, open in the page, its first cells executed."""
        if cells:
            write_notebook(self.folder / name, cells)
        book = Notebook(self.page, self.address, name, kernel=kernel, face=self.face)
        if run and cells:
            book.run_all()
            errors = [output for output in book.outputs()[0] if output["output_type"] == "error"]
            assert not errors, errors
        return book

    def saved(self, book: Notebook) -> dict[str, Any]:
        """The file of a notebook, after it was saved."""
        book.save()
        found: dict[str, Any] = json.loads((self.folder / book.name).read_text(encoding="utf-8"))
        return found

    @property
    def ran(self) -> list[str]:
        """What the tool that refunds has done, call by call."""
        file = self.folder / "ran.txt"
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    def times(self, order: str) -> list[str]:
        """The calls of the tool for an order."""
        return [line for line in self.ran if line.split()[0] == order]


def need_chromium() -> None:
    """Skip a test where there is no browser; in CI there must be one."""
    if chromium() is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is missing in CI; .ci/install-chromium installs it")
        pytest.skip("no Chromium here; install the system's package to run this")


@contextlib.contextmanager
def desk_of(face: str, folder: Path, *, disabled: Sequence[str] = (), **env: str) -> Iterator[Desk]:
    """A desk with a front end, "lab" or "notebook7"."""
    need_chromium()
    serve = jupyterlab if face == "lab" else notebook7
    store = {"POLOS_NB_STORE": str(folder / "steps.db")}
    with serve(folder, {**store, **env}, disabled=disabled) as address, browser_page(folder) as page:
        yield Desk(folder, address, page, face)
