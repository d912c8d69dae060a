"""Replays a notebook in a kernel of its own and says for each cell whether it passes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient


def verify(notebook: Path) -> list[dict[str, Any]]:
    """One entry for each code cell: its number, first line, whether it passed, and why not.

    A cell passes when it raises nothing and shows the same runs as the saved notebook.
    """
    saved = nbformat.read(notebook, as_version=4)
    book = nbformat.read(notebook, as_version=4)
    client = NotebookClient(
        book,
        timeout=600,
        kernel_name="python3",
        allow_errors=True,
        resources={"metadata": {"path": str(notebook.parent)}},
    )
    client.execute()
    out = []
    for number, (before, after) in enumerate(zip(saved.cells, book.cells, strict=True), 1):
        if after.cell_type != "code" or not after.source.strip():
            continue
        why = _failure(before, after)
        out.append({"cell": number, "source": after.source.strip().splitlines()[0][:80], "passed": not why, "why": why})
    return out


def _failure(before: Any, after: Any) -> str:
    error = next((output for output in after.outputs if output.output_type == "error"), None)
    if error is not None:
        tags = after.metadata.get("tags", [])
        return "" if "raises-exception" in tags else f"{error.ename}: {error.evalue}"[:300]
    shown, again = _runs(before), _runs(after)
    return "" if not shown or shown == again else "the run's output differs from the saved one"


def _runs(cell: Any) -> list[str]:
    """The text of the outputs that show runs."""
    return [
        output.data.get("text/plain", "")
        for output in cell.outputs
        if output.output_type in ("display_data", "execute_result") and "run_id" in output.metadata.get("polos", {})
    ]


if __name__ == "__main__":
    print(json.dumps(verify(Path(sys.argv[1]))))  # noqa: T201 - the caller reads it
