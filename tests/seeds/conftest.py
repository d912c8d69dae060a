"""Shells against a provider on loopback, for the snippets of the seed documents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from tests.loopback.server import LoopbackProvider
from tests.loopback.turns import Request, Turn
from tests.loopback.weather import weather_script
from tests.seeds.support import SERVICES, Notebook


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes notebooks against a script; everything is closed at the end."""
    opened: list[Notebook] = []

    def make(script: Callable[[Request], Turn] = weather_script) -> Notebook:
        provider = LoopbackProvider(script).__enter__()
        for name, value in provider.env().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("POLOS_NB_MODE", "live")
        monkeypatch.setenv("POLOS_NB_STORE", str(tmp_path / "steps.db"))
        shell = InteractiveShell()
        shell.run_line_magic("load_ext", "polos_nb")
        opened.append(Notebook(shell, provider))
        opened[-1].run(SERVICES)
        return opened[-1]

    yield make
    for one in opened:
        one.shell.run_line_magic("unload_ext", "polos_nb")
        one.provider.stop()
