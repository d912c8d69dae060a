"""What all tests share."""

from __future__ import annotations

import os
import re

import pytest


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings or the keys of whoever runs it."""
    for name in list(os.environ):
        if name.startswith("POLOS_") or re.search("KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", name):
            monkeypatch.delenv(name)
    monkeypatch.setattr("polos_nb.redaction._known", {})  # a key that another test has typed
