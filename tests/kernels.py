"""Real kernels in tests: start one, execute cells in it, collect what it shows, kill it."""

from __future__ import annotations

import contextlib
import os
import queue
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.manager import KernelManager


@dataclass
class CellResult:
    """What one execution gave. `outputs` are display data, results and errors in order; `stdout` and `stderr` texts."""

    status: str = ""
    outputs: list[dict[str, Any]] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)
    stdout: str = ""
    stderr: str = ""
    error: str = ""

    def shown(self, mime: str = "text/plain") -> list[str]:
        """The data of this type that was displayed."""
        return [output["data"][mime] for output in self.outputs if mime in output.get("data", {})]


class Kernel:
    """A kernel in a process of its own. `watched` says whether a person could answer, as a front end would."""

    def __init__(self, folder: Path, env: dict[str, str], *, watched: bool = True) -> None:
        self.manager = KernelManager(kernel_name="python3")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        self.manager.start_kernel(cwd=str(folder), env={**kept, "IPYTHONDIR": str(folder / ".ipython"), **env})
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.watched = watched

    def send(self, code: str) -> str:
        """Send a cell without waiting; returns the id of the request."""
        message: str = self.client.execute(code, allow_stdin=self.watched, store_history=self.watched)
        return message

    def collect(self, request: str, timeout: float = 60.0) -> CellResult:
        """Everything that the cell published, until it is idle."""
        result = CellResult()
        end = time.monotonic() + timeout
        while True:
            try:
                message = self.client.get_iopub_msg(timeout=max(0.1, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"the cell did not end within {timeout} s: {result}") from None
            if message["parent_header"].get("msg_id") != request:
                continue
            if _take(message, result):
                return result

    def run(self, code: str, timeout: float = 60.0) -> CellResult:
        """Execute a cell and wait for its end."""
        return self.collect(self.send(code), timeout)

    def kill(self) -> None:
        """End the process with SIGKILL, as a crash would."""
        self.manager.signal_kernel(9)
        self.close()

    def interrupt(self) -> None:
        """What the Stop button does."""
        self.manager.interrupt_kernel()

    def close(self) -> None:
        """Shut the kernel down."""
        with contextlib.suppress(Exception):
            self.client.stop_channels()
        with contextlib.suppress(Exception):
            self.manager.shutdown_kernel(now=True)


def _take(message: dict[str, Any], result: CellResult) -> bool:
    """Note one message; True when it says that the cell has ended."""
    kind, content = message["msg_type"], message["content"]
    if kind == "stream":
        setattr(result, content["name"], getattr(result, content["name"]) + content["text"])
    elif kind == "update_display_data":
        result.updates.append(content)
    elif kind in ("display_data", "execute_result"):
        result.outputs.append(content)
    elif kind == "error":
        result.error = f"{content['ename']}: {content['evalue']}"
        result.outputs.append(content)
        result.status = "error"
    elif kind == "status" and content["execution_state"] == "idle":
        result.status = result.status or "ok"
        return True
    return False


@contextlib.contextmanager
def kernel(folder: Path, env: dict[str, str] | None = None, *, watched: bool = True) -> Iterator[Kernel]:
    """A kernel for the length of a block."""
    started = Kernel(folder, env or {}, watched=watched)
    try:
        yield started
    finally:
        started.close()
