"""The place that looks at private attributes of kernels and front ends, with kernel_pump.py; each look is guarded."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from polos_nb.notebook import kernel_pump

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


def hears_clicks(ip: Any) -> bool:
    """Whether a cell of this shell hears clicks while it awaits: of itself, or with the help of kernel_pump."""
    kernel = getattr(ip, "kernel", None)
    return kernel is not None and (kernel_pump.is_native(type(kernel)) or kernel_pump.installed(ip))


def click_support(ip: Any = None) -> tuple[str, str]:
    """How questions are answered here, "inline" or "suspend", and why, in one sentence.

    With a shell: what holds in it now. Without one: what will hold in a kernel of the installed ipykernel.
    """
    if ip is not None and not in_kernel(ip):
        return "suspend", "This is not a Jupyter kernel, so nothing can be clicked."
    if ip is not None and not kernel_pump.is_ipykernel(type(ip.kernel)):
        return "suspend", "This kernel is not ipykernel, and whether a cell that waits hears clicks is not known."
    version = kernel_pump.version()
    if version is None:
        return "suspend", "ipykernel is not installed, so a cell that waits cannot hear clicks."
    name = f"ipykernel {'.'.join(map(str, version[:3]))}"
    if version >= kernel_pump.NATIVE:
        return "inline", f"{name} hands clicks to a cell that waits."
    if hears_clicks(ip):
        return "inline", f"{name} does not hand clicks to a cell that waits; polos_nb does it in this kernel."
    lacking = kernel_pump.missing(_kernel_class(ip))
    if lacking:
        return "suspend", f"{name} does not hand clicks to a cell that waits, nor has it what is needed: {lacking[0]}."
    if ip is None:
        return "inline", f"{name} does not hand clicks to a cell that waits; polos_nb does it once it is loaded."
    return "suspend", f"{name} does not hand clicks to a cell that waits, and polos_nb could not do it in this kernel."


def _kernel_class(ip: Any) -> type:
    if ip is not None:
        return type(ip.kernel)
    from ipykernel.ipkernel import IPythonKernel  # noqa: PLC0415 - heavy, and only asked without a kernel

    kernel_class: type = IPythonKernel
    return kernel_class
