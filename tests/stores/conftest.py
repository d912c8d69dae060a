"""One store of each kind, for the tests of the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from polos_nb.stores.base import Store
from polos_nb.stores.memory import MemoryStore
from polos_nb.stores.sqlite import SqliteStore


@pytest.fixture(params=["sqlite", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = SqliteStore(tmp_path / "steps.db") if request.param == "sqlite" else MemoryStore()
    yield made
    made.close()
