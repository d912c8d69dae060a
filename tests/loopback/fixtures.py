"""The loopback provider as a pytest fixture; load it with `pytest_plugins = ["tests.loopback.fixtures"]`.

Do not import from here: pytest warns about a plugin that was imported before it was loaded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.loopback.server import LoopbackProvider, StartProvider
from tests.loopback.turns import Script


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[StartProvider]:
    """A function that starts a loopback provider and points the environment at it until the test ends."""
    with contextlib.ExitStack() as stack:

        def start(script: Script) -> LoopbackProvider:
            server = stack.enter_context(LoopbackProvider(script))
            for name, value in server.env().items():
                monkeypatch.setenv(name, value)
            return server

        yield start
