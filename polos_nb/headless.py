"""Executes a notebook without a front end, and tells what its runs did."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


@dataclass(frozen=True)
class Execution:
    """What an execution gave: the volatile facts of each run shown, the first error, and how long it took."""

    runs: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None
    seconds: float = 0.0


class _Echo(NotebookClient):  # type: ignore[misc]
    """A client that passes on what cells print, as they print it, each output from the start of a line."""

    def __init__(self, nb: Any, echo: Callable[[str], None], **options: Any) -> None:
        super().__init__(nb, **options)
        self._pass_on = echo
        self._at_start = True

    def _echo(self, text: str) -> None:
        if text:
            self._pass_on(text)
            self._at_start = text.endswith("\n")

    def end_line(self) -> None:
        """Go to the start of a line."""
        if not self._at_start:
            self._echo("\n")

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        content = msg["content"]
        if msg["msg_type"] == "stream" and content.get("name") == "stdout":
            self._echo(content["text"])
        elif msg["msg_type"] == "display_data" and "polos" in content.get("metadata", {}):
            self.end_line()
            self._echo(_indented(content["data"].get("text/plain", "")))
        return super().process_message(msg, cell, cell_index)


def execute(notebook: Path, *, env: Mapping[str, str], echo: Callable[[str], None]) -> Execution:
    """Execute a notebook in a new kernel, in its own folder, and write its outputs into it.

    `echo` gets what cells print while they run, and each run's transcript when it has ended.
    """
    book = nbformat.read(notebook, as_version=4)
    began = time.monotonic()
    error = None
    client = _Echo(
        book,
        echo,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(notebook.parent)}},
        extra_arguments=["--IPKernelApp.log_level=40"],  # new kernels warn that loopback is not encrypted
    )
    try:
        client.execute(env={**os.environ, **env})
    except CellExecutionError as failure:
        error = f"a cell failed: {failure.ename}: {failure.evalue}"
    client.end_line()
    nbformat.write(book, notebook)
    return Execution(_runs(book), error, time.monotonic() - began)


def _runs(book: Any) -> list[dict[str, Any]]:
    return [
        dict(output.metadata["polos"])
        for cell in book.cells
        for output in cell.get("outputs", ())
        if output.output_type in ("display_data", "execute_result") and "run_id" in output.metadata.get("polos", {})
    ]


def _indented(text: str) -> str:
    return "".join(f"   {line}\n" for line in text.splitlines())
