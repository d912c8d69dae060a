"""Real kernels in tests: start one, execute cells in it, collect what it shows, click in its widgets, kill it."""

from __future__ import annotations

import contextlib
import os
import queue
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

IPYKERNELS = ("6.29.5", "6.31.0", "7.2.0", "installed")  # .ci/install-kernels installs all but the last
_FOLDER = Path(__file__).parent.parent / ".ci" / "kernels"


def kernel_env(version: str) -> dict[str, str]:
    """The environment in which kernels are of this ipykernel. Skips the test where it is missing; fails it in CI."""
    if version == "installed":
        return {}
    folder = _FOLDER / version
    if not folder.is_dir():
        text = f"ipykernel {version} is not here; .ci/install-kernels installs it"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(text)
    return {"PYTHONPATH": str(folder)}


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


@dataclass
class Comm:
    """One comm as the front end sees it. `state` is a widget's; `messages` are its custom messages in order."""

    kernel: Kernel
    comm_id: str
    target: str
    state: dict[str, Any]
    messages: list[Any] = field(default_factory=list)
    alive: bool = True

    def send(self, content: Any) -> str:
        """Send a custom message, also while a cell runs; returns the id of the message."""
        return self.send_data({"method": "custom", "content": content})

    def set(self, **state: Any) -> str:
        """Set traits of the widget, as a slider does."""
        self.state.update(state)
        return self.send_data({"method": "update", "state": state, "buffer_paths": []})

    def send_data(self, data: Any) -> str:
        """Send any comm message."""
        return self.kernel.post("comm_msg", {"comm_id": self.comm_id, "data": data})

    def close(self) -> str:
        """Close the comm from the side of the page."""
        self.alive = False
        return self.kernel.post("comm_close", {"comm_id": self.comm_id, "data": {}})


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
        self.comms: dict[str, Comm] = {}
        self._results: dict[str, CellResult] = {}
        self._ended: set[str] = set()

    def send(self, code: str) -> str:
        """Send a cell without waiting; returns the id of the request."""
        message: str = self.client.execute(code, allow_stdin=self.watched, store_history=self.watched)
        return message

    def collect(self, request: str, timeout: float = 60.0) -> CellResult:
        """Everything that the cell published, until it is idle."""
        try:
            self.until(lambda: request in self._ended, timeout)
        except TimeoutError:
            raise AssertionError(f"the cell did not end within {timeout} s: {self.so_far(request)}") from None
        return self._results.pop(request)

    def so_far(self, request: str) -> CellResult:
        """What was published for this cell or message until now, as far as it was read."""
        return self._results.setdefault(request, CellResult())

    def ended(self, request: str) -> bool:
        """Whether the kernel said that it is done with this cell or message, as far as it was read."""
        return request in self._ended

    def until(self, predicate: Callable[[], Any], timeout: float = 30.0) -> Any:
        """Read what the kernel publishes until the predicate gives something true, which is returned."""
        end = time.monotonic() + timeout
        while not (found := predicate()):
            try:
                if time.monotonic() > end:
                    raise queue.Empty
                message = self.client.get_iopub_msg(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"it did not come about within {timeout} s") from None
            self._read(message)
        return found

    def _read(self, message: dict[str, Any]) -> None:
        kind, content = message["msg_type"], message["content"]
        if kind == "comm_open":
            state = dict(content["data"].get("state", {}))
            self.comms[content["comm_id"]] = Comm(self, content["comm_id"], content["target_name"], state)
        elif kind in ("comm_msg", "comm_close"):
            _hear(self.comms.get(content["comm_id"]), kind, content["data"])
        parent = message["parent_header"].get("msg_id", "")
        if _take(message, self.so_far(parent)):
            self._ended.add(parent)

    def post(self, kind: str, content: dict[str, Any]) -> str:
        """Send a message on the shell channel that nothing answers; returns its id."""
        message = self.client.session.msg(kind, content)
        self.client.shell_channel.send(message)
        identifier: str = message["header"]["msg_id"]
        return identifier

    def open_comm(self, target: str, data: Any = None) -> Comm:
        """Open a comm from the side of the page."""
        comm = Comm(self, uuid.uuid4().hex, target, {})
        self.comms[comm.comm_id] = comm
        self.post("comm_open", {"comm_id": comm.comm_id, "target_name": target, "data": data or {}})
        return comm

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


def _hear(comm: Comm | None, kind: str, data: Any) -> None:
    """Note a message on a comm; one that was opened before we listened is nobody's."""
    if comm is None:
        return
    if kind == "comm_close":
        comm.alive = False
    elif data.get("method") == "update":
        comm.state.update(data["state"])
    else:
        comm.messages.append(data.get("content", data))


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
