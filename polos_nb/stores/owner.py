"""A name for the process that drives a run, and whether the process behind such a name still lives."""

from __future__ import annotations

import os
import socket
import sys
from functools import lru_cache
from pathlib import Path

_UNKNOWN = "-"  # this system does not say


def owner_id() -> str:
    """This process as "host:boot_id:pid:process_start", unlike that of any other process of any time.

    Parts that the system does not say are "-".
    """
    return _owner_of(os.getpid())


@lru_cache(maxsize=2)
def _owner_of(pid: int) -> str:
    return f"{_host()}:{_boot_id()}:{pid}:{_process_start(pid) or _UNKNOWN}"


def alive(owner: str) -> bool | None:
    """Does the process behind `owner` still live? None when it runs on another host, or nobody can say."""
    parts = owner.rsplit(":", 3)
    if len(parts) != 4 or not (parts[2].isascii() and parts[2].isdecimal()):
        return None
    host, boot, pid, start = parts[0], parts[1], int(parts[2]), parts[3]
    if host != _host():
        return None
    if _UNKNOWN not in (boot, _boot_id()) and boot != _boot_id():
        return False
    if start != _UNKNOWN and Path("/proc/self/stat").exists():
        return _process_start(pid) == start
    return _signalled(pid)


def _host() -> str:
    return socket.gethostname().replace(":", "_") or _UNKNOWN


@lru_cache(maxsize=1)
def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip() or _UNKNOWN
    except OSError:
        return _UNKNOWN


def _process_start(pid: int) -> str | None:
    """Clock ticks from boot to the start of a process; None when it is gone, or only waits to be reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat[stat.rfind(")") + 2 :].split()  # the name of a program may hold spaces and brackets
    return None if fields[0] in "ZX" else fields[19]


def _signalled(pid: int) -> bool | None:
    if sys.platform == "win32":
        return None  # os.kill(pid, 0) would send Ctrl-C there; the lease has to lapse
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError) as error:
        return isinstance(error, PermissionError)
    return True
