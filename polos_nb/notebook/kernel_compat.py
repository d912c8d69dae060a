"""The only place that looks at private attributes of kernels and front ends; each look is guarded."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

WATCHING = "POLOS_NB_WATCHING"


def in_kernel(ip: Any) -> bool:
    """Whether the shell belongs to a Jupyter kernel."""
    return getattr(ip, "kernel", None) is not None


def watching(ip: Any) -> bool:
    """Whether somebody is there to see output and to answer.

    In a kernel: the request that is being executed allows stdin (nbclient, nbval and papermill do not). In a terminal:
    stdin is a terminal. `POLOS_NB_WATCHING=1` or `0` decides otherwise.
    """
    said = os.environ.get(WATCHING, "").strip()
    if said in ("0", "1"):
        return said == "1"
    kernel = getattr(ip, "kernel", None)
    if kernel is not None:
        return bool(getattr(kernel, "_allow_stdin", False))
    if "PYTEST_CURRENT_TEST" in os.environ:
        return False
    try:
        return sys.stdin.isatty()
    except (AttributeError, ValueError):  # no stdin, or a closed one
        return False


def notebook_path(ip: Any) -> Path | None:
    """The notebook that this shell executes, as far as the front end says; None where it does not."""
    user_ns = getattr(ip, "user_ns", None) or {}
    for said in (os.environ.get("JPY_SESSION_NAME"), user_ns.get("__vsc_ipynb_file__")):
        if not isinstance(said, str) or not said.endswith(".ipynb"):
            continue
        path = Path(said)
        if path.is_file():
            return path.absolute()
        beside = Path.cwd() / path.name  # kernels start in the notebook's folder; servers may name it from their root
        if beside.is_file():
            return beside
    return None
