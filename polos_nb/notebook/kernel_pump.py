"""Lets a cell that awaits hear clicks on ipykernel before 7.4; private attributes only here and in kernel_compat.py.

A kernel before 7.4 keeps every message of the shell channel back until the running cell has ended, also while that cell
awaits and the event loop is free. A click is such a message. The pump hands comm messages over at once while a cell
awaits. All other messages, and comm messages while no cell awaits, go the kernel's own way in their order.

Two kinds of kernels are known: 7.0 to 7.3 hold a lock around `dispatch_shell`, 6.x puts messages into a queue. Whatever
the pump needs of either is looked for before anything is changed; where something is missing nothing is changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import itertools
import sys
import threading
from collections.abc import Callable
from typing import Any

NATIVE = (7, 4)  # the first ipykernel that hands comm messages to an awaiting cell itself
COMM_TYPES = frozenset({"comm_open", "comm_msg", "comm_close"})

_MARK = "_polos_nb_pump"  # on the kernel: survives a reload of this module
_METHODS = ("dispatch_shell", "set_parent", "get_parent", "should_handle", "_publish_status")


def install(ip: Any) -> bool:
    """Make an awaiting cell of this shell hear clicks; whether it does. Nothing is changed where it cannot be done."""
    kernel = getattr(ip, "kernel", None)
    if kernel is None:
        return False
    if is_native(type(kernel)) or installed(ip):
        return True
    if missing(type(kernel)) or _missing_of(kernel):
        return False
    pump = (_LockPump if hasattr(kernel, "_main_asyncio_lock") else _QueuePump)(kernel)
    pump.attach()
    pump.count_running_cell(getattr(ip, "events", None))
    setattr(kernel, _MARK, pump)
    return True


def remove(ip: Any) -> None:
    """Give the kernel back as it was before `install`."""
    kernel = getattr(ip, "kernel", None)
    pump = vars(kernel).get(_MARK) if kernel is not None else None
    if pump is not None:
        pump.detach()
        delattr(kernel, _MARK)


def installed(ip: Any) -> bool:
    """Whether the pump works in this shell's kernel."""
    kernel = getattr(ip, "kernel", None)
    return kernel is not None and vars(kernel).get(_MARK) is not None


def version() -> tuple[int, ...] | None:
    """The version of the ipykernel that is imported, or could be; None without one."""
    try:
        import ipykernel  # noqa: PLC0415 - its package imports much, which a terminal never needs
    except ImportError:
        return None
    return tuple(part for part in ipykernel.version_info if isinstance(part, int))


def is_native(kernel_class: type) -> bool:
    """Whether kernels of this class are ipykernels that need no help."""
    return is_ipykernel(kernel_class) and (version() or (0,)) >= NATIVE


def is_ipykernel(kernel_class: type) -> bool:
    """Whether these kernels are ipykernel's, whatever else is installed."""
    return any(base.__module__ == "ipykernel.kernelbase" for base in kernel_class.__mro__)


def missing(kernel_class: type) -> list[str]:
    """The names that the pump needs and this class of kernels does not have."""
    out = [name for name in _METHODS if not callable(getattr(kernel_class, name, None))]
    main = getattr(kernel_class, "shell_main", None)
    if main is not None:  # 7.x: the lock must be taken, and dispatch_shell called, where it is expected
        used = getattr(getattr(main, "__code__", None), "co_names", ())
        out += [name for name in ("_main_asyncio_lock", "dispatch_shell") if name not in used]
    elif not callable(getattr(kernel_class, "schedule_dispatch", None)):
        out.append("schedule_dispatch")
    if inspect.iscoroutinefunction(getattr(kernel_class, "should_handle", None)):
        out.append("should_handle without await")
    return out


def _missing_of(kernel: Any) -> list[str]:
    """What this kernel itself lacks, although its class has all that is needed."""
    handlers = getattr(kernel, "shell_handlers", None)
    if not isinstance(handlers, dict):
        return ["shell_handlers"]
    out = sorted(({"execute_request"} | COMM_TYPES) - set(handlers))
    out += [name for name in ("session", "shell_stream") if getattr(kernel, name, None) is None]
    if out:
        return out
    try:
        kernel._parent_ident["shell"]
    except (AttributeError, KeyError, LookupError):
        out.append("_parent_ident")
    if hasattr(kernel, "shell_main"):
        if not isinstance(getattr(kernel, "_main_asyncio_lock", None), asyncio.Lock):
            out.append("_main_asyncio_lock")
    elif not callable(getattr(kernel.shell_stream, "_recv_callback", None)):
        out.append("shell_stream._recv_callback")  # also: the kernel has not begun to listen
    return out


class _Pump:
    """What both kinds share: which comm messages are kept back, and how one is handled while a cell awaits."""

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel
        self._thread = threading.get_ident()
        self._cells = 0  # cells that are being executed: when the event loop runs, such a cell awaits
        self._kept: dict[int, Any] = {}  # comm messages that wait for their turn, in order
        self._numbers = itertools.count()
        self._execute: Callable[..., Any] = kernel.shell_handlers["execute_request"]
        self._noting: Callable[..., Any] = self._note_cell

    def attach(self) -> None:
        """Put the pump into the kernel."""
        self.kernel.shell_handlers["execute_request"] = self._noting

    def detach(self) -> None:
        """Take it out. Messages that were kept take their turn in the kernel's queue as ever."""
        if self.kernel.shell_handlers.get("execute_request") is self._noting:
            self.kernel.shell_handlers["execute_request"] = self._execute

    def count_running_cell(self, events: Any) -> None:
        """The cell that loads the extension began before the pump was there: count it until it ends."""
        header = self.kernel.get_parent("shell").get("header") or {}
        if events is None or header.get("msg_type") != "execute_request":
            return
        self._cells += 1

        def ended() -> None:
            self._cells -= 1
            with contextlib.suppress(ValueError):
                events.unregister("post_execute", ended)

        events.register("post_execute", ended)

    async def _note_cell(self, stream: Any, ident: Any, parent: Any) -> None:
        """The kernel's handler of execute requests, with a note that a cell is being executed."""
        if threading.get_ident() != self._thread:  # a subshell has its own queue
            await self._execute(stream, ident, parent)
            return
        self._cells += 1
        if self._kept:  # as soon as this cell awaits they need not wait for its end
            asyncio.get_running_loop().call_soon(self._drain)
        try:
            await self._execute(stream, ident, parent)
        finally:
            self._cells -= 1

    def _keep(self, frames: Any) -> int:
        number = next(self._numbers)
        self._kept[number] = frames
        return number

    def _drain(self) -> None:
        """Handle what is kept, oldest first, while a cell awaits."""
        while self._cells and self._kept:
            frames = self._kept.pop(next(iter(self._kept)))
            # A copy: what is set for this message must not reach the cell, whose context this may be.
            contextvars.copy_context().run(self._handle, frames)

    def _handle(self, frames: Any) -> None:
        """What the kernel's dispatch_shell does, without its signal handlers, which belong to the cell now."""
        kernel = self.kernel
        try:
            idents, parts = kernel.session.feed_identities(frames, copy=False)
            message = kernel.session.deserialize(parts, content=True, copy=False)
        except Exception:
            kernel.log.error("Invalid Message", exc_info=True)
            return
        ident_of_cell, parent_of_cell = kernel._parent_ident["shell"], kernel.get_parent("shell")
        kernel.set_parent(idents, message, channel="shell")
        kernel._publish_status("busy", "shell")  # widgets in the page wait for busy and idle of what they sent
        try:
            if kernel.should_handle(kernel.shell_stream, message, idents):
                kernel.shell_handlers[message["header"]["msg_type"]](kernel.shell_stream, idents, message)
        except (Exception, KeyboardInterrupt):
            kernel.log.error("Exception in message handler:", exc_info=True)
        finally:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
            kernel._publish_status("idle", "shell")
            kernel.set_parent(ident_of_cell, parent_of_cell, channel="shell")
            kernel._publish_status("busy", "shell")  # the cell still runs

    def _is_comm(self, frames: Any) -> bool:
        """Whether the message belongs to a comm. Its signature is checked, not used up."""
        try:
            _, parts = self.kernel.session.feed_identities(frames, copy=False)
            header = self.kernel.session.deserialize(parts, content=False, copy=False)["header"]
        except Exception:  # the kernel says what is wrong with it
            return False
        return header.get("msg_type") in COMM_TYPES


class _QueuePump(_Pump):
    """ipykernel 6: the callback of the shell stream puts every message into a queue that one task works off."""

    def __init__(self, kernel: Any) -> None:
        super().__init__(kernel)
        self._before: Callable[..., Any] = kernel.shell_stream._recv_callback
        self._receiving: Callable[..., Any] = self._receive

    def attach(self) -> None:
        """Listen to the shell stream in the kernel's place."""
        super().attach()
        self.kernel.shell_stream.on_recv(self._receiving, copy=False)

    def detach(self) -> None:
        """Let the kernel listen again."""
        super().detach()
        if self.kernel.shell_stream._recv_callback is self._receiving:
            self.kernel.shell_stream.on_recv(self._before, copy=False)

    def _receive(self, frames: Any) -> Any:
        if not self._is_comm(frames):
            return self._before(frames)
        number = self._keep(frames)
        if self._cells:
            self._drain()
        else:
            self.kernel.schedule_dispatch(self._turn, number)
        return None

    async def _turn(self, number: int) -> None:
        """The turn of a comm message in the queue, unless an awaiting cell heard it before."""
        frames = self._kept.pop(number, None)
        if frames is not None:
            await self.kernel.dispatch_shell(frames)


class _LockPump(_Pump):
    """ipykernel 7.0 to 7.3: every message is a task, which takes a lock around `dispatch_shell`."""

    def __init__(self, kernel: Any) -> None:
        super().__init__(kernel)
        self._lock: asyncio.Lock = kernel._main_asyncio_lock
        self._gate = _Gate(self._lock)
        self._own = vars(kernel).get("dispatch_shell")  # somebody else's, if any
        self._before: Callable[..., Any] = kernel.dispatch_shell
        self._dispatching: Callable[..., Any] = self._dispatch
        # These versions send replies around the stream that reads the same socket. A request that arrives at that
        # moment is then never read, nor is any after it. From 7.4 on replies go through the stream; so they do here.
        manager = getattr(getattr(kernel, "shell_channel_thread", None), "manager", None)
        self._socket = getattr(manager, "_shell_socket", None)
        bypassed = self._socket is not None and self._socket is getattr(kernel.shell_stream, "socket", None)
        self._manager = manager if bypassed else None

    def attach(self) -> None:
        """Take the lock inside `dispatch_shell`, where the kind of message is known."""
        super().attach()
        if self._manager is not None:
            self._manager._shell_socket = self.kernel.shell_stream
        self.kernel._main_asyncio_lock = self._gate
        self.kernel.dispatch_shell = self._dispatching

    def detach(self) -> None:
        """Put the lock back to where the kernel takes it."""
        super().detach()
        if self._manager is not None and self._manager._shell_socket is self.kernel.shell_stream:
            self._manager._shell_socket = self._socket
        if self.kernel._main_asyncio_lock is self._gate:
            self.kernel._main_asyncio_lock = self._lock
        if vars(self.kernel).get("dispatch_shell") is not self._dispatching:
            return
        if self._own is None:
            del self.kernel.dispatch_shell
        else:
            self.kernel.dispatch_shell = self._own

    async def _dispatch(self, frames: Any, /, subshell_id: str | None = None) -> None:
        if asyncio.current_task() not in self._gate.inside:  # holds the lock already, or belongs to a subshell
            await self._before(frames, subshell_id=subshell_id)
        elif not self._is_comm(frames):
            async with self._lock:
                await self._before(frames, subshell_id=subshell_id)
        else:
            number = self._keep(frames)
            if self._cells:
                self._drain()
                return
            async with self._lock:
                if self._kept.pop(number, None) is not None:
                    await self._before(frames, subshell_id=subshell_id)


class _Gate:
    """Stands where the kernel takes its lock: lets everyone in and notes who came in without the lock."""

    def __init__(self, lock: asyncio.Lock) -> None:
        self._lock = lock
        self.inside: set[asyncio.Task[Any] | None] = set()

    def locked(self) -> bool:
        """Whether a message is being handled."""
        return self._lock.locked()

    async def __aenter__(self) -> None:
        self.inside.add(asyncio.current_task())

    async def __aexit__(self, *error: object) -> None:
        self.inside.discard(asyncio.current_task())
