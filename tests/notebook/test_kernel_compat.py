"""What is said about clicks, with and without a kernel, and that an unknown kernel is left alone."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from polos_nb.notebook import kernel_pump
from polos_nb.notebook.kernel_compat import click_support, hears_clicks


class OldKernel:
    """Looks like a kernel of ipykernel 7.0 to 7.3, and nothing more."""

    __module__ = "ipykernel.kernelbase"

    def __init__(self) -> None:
        self.session = self.shell_stream = SimpleNamespace()
        self.shell_handlers: dict[str, Any] = dict.fromkeys(["execute_request", *kernel_pump.COMM_TYPES], print)
        self._main_asyncio_lock = asyncio.Lock()
        self._parent_ident = {"shell": b""}

    async def dispatch_shell(self, msg: Any, subshell_id: Any = None) -> None:
        """Handle a message."""

    async def shell_main(self, subshell_id: Any, msg: Any) -> None:
        """Take the lock and handle it."""
        async with self._main_asyncio_lock:
            await self.dispatch_shell(msg, subshell_id=subshell_id)

    def get_parent(self, channel: str) -> dict[str, Any]:
        """No message has come."""
        return {}

    def set_parent(self, ident: Any, parent: Any, channel: str) -> None:
        """Note the message."""

    def should_handle(self, stream: Any, msg: Any, idents: Any) -> bool:
        """Every message."""
        return True

    def _publish_status(self, status: str, channel: str) -> None:
        """Say it."""


def shell(kernel: Any) -> Any:
    """A shell with this kernel."""
    return SimpleNamespace(kernel=kernel)


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> None:
    """ipykernel 7.2.0 is installed."""
    monkeypatch.setattr(kernel_pump, "version", lambda: (7, 2, 0))


def test_the_installed_ipykernel_is_inline_with_its_version() -> None:
    """Without a kernel the doctor gets the mode and one sentence."""
    mode, reason = click_support()
    assert mode == "inline"
    assert reason.startswith("ipykernel ")
    assert reason.endswith(".")


def test_a_terminal_and_a_foreign_kernel_hear_nothing() -> None:
    """Neither is changed, and the mode is suspend."""
    assert click_support(shell(None))[0] == "suspend"
    assert not hears_clicks(shell(None))
    assert not kernel_pump.install(shell(None))
    foreign = SimpleNamespace()
    assert click_support(shell(foreign))[0] == "suspend"
    assert not kernel_pump.install(shell(foreign))
    assert not vars(foreign)


@pytest.mark.usefixtures("old")
def test_an_old_kernel_is_inline_once_the_pump_is_in() -> None:
    """The sentence says who hands clicks on."""
    kernel = OldKernel()
    before = dict(vars(kernel))
    handlers = dict(kernel.shell_handlers)
    assert click_support(shell(kernel))[0] == "suspend"
    assert kernel_pump.install(shell(kernel))
    assert hears_clicks(shell(kernel))
    assert click_support(shell(kernel)) == (
        "inline",
        "ipykernel 7.2.0 does not hand clicks to a cell that waits; polos_nb does it in this kernel.",
    )
    kernel_pump.remove(shell(kernel))
    assert vars(kernel) == before
    assert kernel.shell_handlers == handlers


@pytest.mark.usefixtures("old")
@pytest.mark.parametrize("name", ["session", "shell_stream", "shell_handlers", "_main_asyncio_lock", "_parent_ident"])
def test_a_kernel_that_lacks_an_attribute_is_left_alone(name: str) -> None:
    """Every attribute is looked for before anything is changed."""
    kernel = OldKernel()
    delattr(kernel, name)
    before = dict(vars(kernel))
    assert not kernel_pump.install(shell(kernel))
    assert vars(kernel) == before
    assert not hears_clicks(shell(kernel))


@pytest.mark.usefixtures("old")
def test_a_class_that_takes_no_lock_is_named_in_the_reason() -> None:
    """A future 7.x that works differently gets suspend mode, and the reason says what was missed."""

    class Changed(OldKernel):
        """Handles messages without the lock."""

        async def shell_main(self, subshell_id: Any, msg: Any) -> None:
            """No lock."""
            await self.dispatch_shell(msg)

    assert not kernel_pump.install(shell(Changed()))
    mode, reason = click_support(shell(Changed()))
    assert mode == "suspend"
    assert "_main_asyncio_lock" in reason
