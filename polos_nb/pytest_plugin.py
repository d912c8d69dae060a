"""`pytest --nbval notebooks/` replays: the kernels that nbval starts get the notebook's cassette and make no calls."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_ITEM = "IPyNbCell"  # nbval's items, known by name so that nbval need not be installed
RESUMED = r'<p role="status"[^>]*>↺[^<]*</p>\n?'  # shown for a moment; a save in that moment must not fail a test
_OURS = ("POLOS_NB_MODE", "POLOS_NB_CASSETTE", "POLOS_NB_RENDER", "LITELLM_LOCAL_MODEL_COST_MAP", "COLUMNS")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--polos-record`."""
    group = parser.getgroup("polos_nb", "polos_nb: notebooks of agents, replayed")
    group.addoption(
        "--polos-record",
        action="store_true",
        default=False,
        help="run the notebooks for real and write their cassettes (needs keys; costs what the calls cost)",
    )


def cassette_of(notebook: Path) -> Path:
    """Where the recording of a notebook is: `cassettes/<stem>.jsonl` beside it.

    >>> cassette_of(Path("notebooks/weather.ipynb")).as_posix()
    'notebooks/cassettes/weather.jsonl'
    """
    return notebook.parent / "cassettes" / f"{notebook.stem}.jsonl"


def environment_for(notebook: Path, *, record: bool, environ: dict[str, str]) -> dict[str, str]:
    """The variables for the kernel of a notebook. A mode that the user has set stays."""
    mode = "record" if record else environ.get("POLOS_NB_MODE")
    if not mode and cassette_of(notebook).exists():
        mode = "replay"
    return {
        **({"POLOS_NB_MODE": mode} if mode else {}),  # else nobody is watching: only the store answers
        "POLOS_NB_CASSETTE": str(cassette_of(notebook).absolute()),
        "POLOS_NB_RENDER": "static",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "COLUMNS": "100",
    }


class _Environments:
    """Sets the variables before nbval starts a kernel, and puts back what was there after the last one."""

    def __init__(self, record: bool) -> None:
        self._record = record
        self._before = {name: os.environ.get(name) for name in _OURS}
        self._notebook: Path | None = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        if type(item).__name__ == _ITEM and item.path != self._notebook:
            self._restore()
            self._notebook = item.path
            variables = environment_for(item.path, record=self._record, environ=dict(os.environ))
            os.environ.update(variables)
        yield
        patterns = getattr(item.parent, "sanitize_patterns", None)
        if patterns is not None and type(item).__name__ == _ITEM:
            patterns.setdefault(RESUMED, "")

    def pytest_sessionfinish(self) -> None:
        self._restore()

    def _restore(self) -> None:
        if self._notebook is None:
            return
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._notebook = None


def pytest_configure(config: pytest.Config) -> None:
    """Take part when notebooks are tested by nbval."""
    if _option(config, "nbval") or _option(config, "nbval_lax"):
        plugin = _Environments(bool(config.getoption("--polos-record")))
        config.pluginmanager.register(plugin, "polos_nb_environments")


def _option(config: Any, name: str) -> bool:
    return bool(getattr(config.option, name, False))
