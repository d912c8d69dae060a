"""What all tests share: a notebook's cells stay together, and a missing component fails in CI."""

from __future__ import annotations

import os

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the cells of one notebook on one worker, in their order."""
    for item in items:
        if type(item).__name__ == "IPyNbCell":
            item.add_marker(pytest.mark.xdist_group(f"notebook:{item.path.name}"))


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings or the keys of whoever runs it."""
    for name in list(os.environ):
        if name.startswith("POLOS_") or name.endswith("_API_KEY"):
            monkeypatch.delenv(name)
