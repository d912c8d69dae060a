"""Comms whose other end is the test, for the tests of widgets without a kernel."""

from __future__ import annotations

from typing import Any

import comm
import pytest
from comm.base_comm import BaseComm

from polos_nb.notebook import widget as widget_module


class PageComm(BaseComm):
    """A comm whose other end is the test: `sent` is what the kernel sent."""

    sent: list[tuple[str, Any]]

    def publish_msg(
        self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **keys: Any
    ) -> None:
        """As a kernel's comm."""
        self.__dict__.setdefault("sent", []).append((msg_type, data))

    def say(self, content: Any) -> None:
        """A custom message of the page."""
        self.handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})

    @property
    def heard(self) -> list[dict[str, Any]]:
        """The custom messages that the page got."""
        return [data["content"] for kind, data in self.sent if kind == "comm_msg" and data.get("method") == "custom"]


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[PageComm]:
    """From now on every comm is one of these: those that were opened, in order. No library is known yet."""
    opened: list[PageComm] = []

    def create(**options: Any) -> PageComm:
        opened.append(PageComm(**options))
        return opened[-1]

    monkeypatch.setattr(comm, "create_comm", create)
    monkeypatch.setattr(widget_module, "_libraries", [])
    return opened
