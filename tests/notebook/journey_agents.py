"""What the journeys share: the agents in their kernels, and how a cell is run while its page is clicked in."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.kernels import CellResult, Comm, Kernel, kernel_env
from tests.notebook.page import Page, views

VIEW = "application/vnd.jupyter.widget-view+json"
INLINE = "%config PolosMagics.approval_mode = 'auto'"
SUSPEND = "%config PolosMagics.approval_mode = 'suspend'"
APPROVED = {"approved": True}

# `clerk` is told orders: "all a b" refunds them in one turn, "each a b" one after the other; "?" is a confirmation.
SETUP = """
%load_ext polos_nb
import asyncio, time
from polos_nb import Agent, ScriptedModel, Turn, tool, workflow

@tool(approval="always")
def refund(order: str, amount: int = 10) -> str:
    "Refund an order."
    with open("ran.txt", "a") as file:
        file.write(f"{order} {amount}\\n")
    return f"refunded {order} {amount}"

@tool(approval="always")
def confirm(what: str) -> str:
    "Confirm something."
    return "confirmed"

def call(order):
    return ("confirm", {"what": "all"}) if order == "?" else ("refund", {"order": order, "amount": 10})

def clerk_says(request):
    texts = [(message.role, message.text()) for message in request.messages]
    asked = max(n for n, (role, _) in enumerate(texts) if role == "user")
    heard = [text for role, text in texts[asked:] if role == "tool"]
    how, *orders = texts[asked][1].split()
    if how not in ("all", "each"):
        return f"{len(texts)} {texts[asked][1]}"
    if len(heard) < len(orders):
        text = "Let me see." if not heard else ""
        return Turn(text=text, calls=[call(order) for order in (orders if how == "all" else orders[len(heard):][:1])])
    return "Done: " + "; ".join(heard)

def writer_says(request):
    count, delay = request.messages[-1].text().split()[:2]
    return Turn(text="".join(f"word{n} " for n in range(int(count))), delay=float(delay))

clerk = Agent(id="clerk", model=ScriptedModel(clerk_says), tools=[refund, confirm])
writer = Agent(id="writer", model=ScriptedModel(writer_says))

@workflow
async def audit(ctx, payload):
    answers = await ctx.step.map("orders", clerk, [f"all {order}" for order in payload["orders"]])
    return [answer.result for answer in answers]
"""


class Screen(Kernel):
    """A kernel that notes what each output shows as it changes, and when what was sent on comms came."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.shown: dict[str, list[dict[str, Any]]] = {}
        self.said: list[float] = []
        super().__init__(folder, env)

    def _read(self, message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] in ("display_data", "update_display_data"):
            self.shown.setdefault(content["transient"].get("display_id", ""), []).append(content["data"])
        if message["msg_type"] == "comm_msg":
            self.said.append(message["header"]["date"].timestamp())
        super()._read(message)


class Journey:
    """A watched kernel with the agents in it, on a store of its own; `ran` is what the tool did, call by call."""

    def __init__(self, started: Screen, folder: Path, env: dict[str, str]) -> None:
        self.kernel = started
        self.folder = folder
        self.env = env
        self._known: set[str] = set()
        self._sent: list[str] = []

    def start(self, code: str, kind: str = "run", **metadata: Any) -> tuple[str, Page]:
        """Send a cell; its request, and the page of the view that it opens, which has said hello."""
        self.settle()
        request = self.send(code, **metadata)
        page = Page(self.kernel, self.view(kind))
        page.hello()
        return request, page

    def view(self, kind: str = "run") -> Comm:
        """The next view that the kernel opens."""
        found: Comm = self.kernel.until(lambda: self.new_views(kind))[-1]
        return found

    def settle(self) -> None:
        """From now on views are new."""
        self._known = set(self.kernel.comms)

    def new_views(self, kind: str | None = None) -> list[Comm]:
        """The open views since the last cell, as far as messages were read."""
        return [comm for comm in views(self.kernel, kind) if comm.comm_id not in self._known]

    def send(self, code: str, **metadata: Any) -> str:
        """Send a cell with metadata, such as the `cellId` that front ends send."""
        client = self.kernel.client
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": self.kernel.watched,
            "stop_on_error": True,
        }
        message = client.session.msg("execute_request", content, metadata=metadata)
        client.shell_channel.send(message)
        request: str = message["header"]["msg_id"]
        self._sent.append(request)
        return request

    def ready(self, *settings: str) -> Journey:
        """The kernel for the next test: nothing of one that failed is left running, and with these settings."""
        open_cells = [request for request in self._sent if not self.kernel.ended(request)]
        for request in open_cells:
            with contextlib.suppress(AssertionError):
                self.kernel.collect(request, 1.0)
            if not self.kernel.ended(request):
                self.kernel.interrupt()
                self.kernel.collect(request, 20.0)
        self._sent.clear()
        for setting in (INLINE, *settings):
            self.run(setting)
        return self

    def ok(self, request: str, timeout: float = 30.0) -> CellResult:
        """The result of a cell that must end well."""
        result = self.kernel.collect(request, timeout)
        assert result.status == "ok", result
        return result

    def run(self, code: str) -> CellResult:
        """Execute a cell that must end well."""
        return self.ok(self.send(code))

    def value(self, expression: str) -> str:
        """What an expression is in the kernel, as text."""
        return self.run(f"print({expression})").stdout.strip()

    def shows(self, request: str) -> list[dict[str, Any]]:
        """All that the output of a cell with one output has shown, in order."""
        self.kernel.until(lambda: self.kernel.so_far(request).outputs)
        return self.kernel.shown[self.kernel.so_far(request).outputs[0]["transient"]["display_id"]]

    def shows_of(self, result: CellResult) -> list[dict[str, Any]]:
        """The same for a cell that has ended."""
        return self.kernel.shown[result.outputs[0]["transient"]["display_id"]]

    @property
    def ran(self) -> list[str]:
        """What the tool did."""
        file = self.folder / "ran.txt"
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    def times(self, order: str) -> list[str]:
        """The calls of the tool for an order."""
        return [line for line in self.ran if line.split()[0] == order]

    def cli(self, *words: str) -> str:
        """Another process: `polos-nb` on the same store."""
        done = subprocess.run(
            [sys.executable, "-m", "polos_nb", *words],
            cwd=self.folder,
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def poll(holds: Callable[[], Any], timeout: float = 30.0) -> None:
    """Ask until it holds, for what is not told but must be asked for."""
    end = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < end, f"it did not come about within {timeout} s"
        time.sleep(0.05)


@contextlib.contextmanager
def journey(version: str, folder: Path, **extra: str) -> Iterator[Journey]:
    """A kernel of an ipykernel version for the length of a block."""
    env = {"POLOS_NB_STORE": str(folder / "steps.db"), **kernel_env(version), **extra}
    started = Screen(folder, env)
    try:
        made = Journey(started, folder, env)
        made.run(SETUP)
        yield made
    finally:
        started.close()
