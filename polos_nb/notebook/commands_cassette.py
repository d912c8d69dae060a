"""`%polos cassette`: records the runs of a notebook, and replays the notebook the way its tests will."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from polos_nb.errors import ConfigurationError
from polos_nb.notebook.arguments import Namespace, Parser
from polos_nb.notebook.kernel_compat import notebook_path
from polos_nb.notebook.session import NotebookSession
from polos_nb.notebook.tables import Shown
from polos_nb.runtime.cassettes import record_lineages
from polos_nb.stores.cassette import Cassette


def _parser() -> Parser:
    parser = Parser(
        "%polos cassette",
        description="Record the runs of this notebook beside it, so that its tests need no calls.\n"
        "record copies what was run in this session and makes no call; verify replays the notebook.",
    )
    parser.add_argument("action", nargs="?", choices=["status", "record", "verify"], default="status", help="(status)")
    parser.add_argument("--to", metavar="PATH", help="the cassette; cassettes/NOTEBOOK.jsonl without it")
    parser.add_argument("--notebook", metavar="PATH", help="the notebook to verify; this one without it")
    parser.add_argument("--replace", action="store_true", help="record: forget what was recorded before")
    return parser


CASSETTE = _parser()


def cassette(session: NotebookSession, given: Namespace, options: Any) -> Shown:
    """`%polos cassette`."""
    path = _path(session, given)
    if given.action == "record":
        return _record(session, path, replace=given.replace)
    return _verify(session, given, path) if given.action == "verify" else _status(session, path)


def _path(session: NotebookSession, given: Namespace) -> Path:
    if given.to:
        return Path(given.to).expanduser().absolute()
    if given.notebook:
        notebook = Path(given.notebook).expanduser().absolute()
        return notebook.parent / "cassettes" / f"{notebook.stem}.jsonl"
    path = session.cassette_path()
    if path is None:
        raise ConfigurationError(
            f"the front end does not say which notebook this is; write %polos cassette {given.action} "
            + ("--notebook NOTEBOOK.ipynb" if given.action == "verify" else "--to cassettes/NOTEBOOK.jsonl")
        )
    return path


def _record(session: NotebookSession, path: Path, *, replace: bool) -> Shown:
    runtime = session.runtime
    if runtime.mode == "replay":
        raise ConfigurationError("this session replays, so there is nothing new to record; restart without replay")
    if not runtime.lineages:
        raise ConfigurationError("no run was completed in this session; run the notebook's cells, then record")
    done = record_lineages(runtime.store, runtime.lineages, path, replace=replace)
    return Shown(note=f"{done.runs} runs, {done.steps} steps recorded in {path.name}; no calls were made.")


def _status(session: NotebookSession, path: Path) -> Shown:
    if not path.exists():
        return Shown(note=f"{path.name} does not exist; %polos cassette record writes it.")
    recorded = set(Cassette.load(path).lineages())
    done = set(session.runtime.lineages)
    rows = [
        ("recorded runs", len(recorded)),
        ("run in this session and recorded", len(done & recorded)),
        ("run in this session, not recorded", len(done - recorded)),
        ("recorded, not run in this session", len(recorded - done)),
    ]
    return Shown(path.name, (), rows)


def _verify(session: NotebookSession, given: Namespace, path: Path) -> Shown:
    notebook = Path(given.notebook).absolute() if given.notebook else notebook_path(session.ip)
    if notebook is None or not notebook.is_file():
        raise ConfigurationError("there is no such notebook; write %polos cassette verify --notebook NAME.ipynb")
    env = {name: value for name, value in os.environ.items() if name not in ("POLOS_NB_ALLOW_LIVE", "JPY_SESSION_NAME")}
    env |= {"POLOS_NB_MODE": "replay", "POLOS_NB_CASSETTE": str(path), "POLOS_NB_RENDER": "static"}
    done = subprocess.run(
        [sys.executable, "-m", "polos_nb.notebook.verify", str(notebook)],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        cells = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        raise ConfigurationError(f"the notebook could not be executed: {done.stderr.strip()[-300:]}") from None
    failed = sum(not cell["passed"] for cell in cells)
    rows = [(cell["cell"], "pass" if cell["passed"] else "FAIL", cell["source"], cell["why"]) for cell in cells]
    note = f"{failed} of {len(cells)} cells fail." if failed else f"All {len(cells)} cells pass."
    return Shown(notebook.name, ("cell", "", "source", "why"), rows, note=note)
