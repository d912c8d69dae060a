"""A process on a store of its own, as most tests of the runtime want it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.runtime.support import Process


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "steps.db")


@pytest.fixture
def process(path: str) -> Any:
    process = Process(path)
    yield process
    process.runtime.close()
