"""Says whose code an object is (the user's, a package's, the standard library's), and what is secret."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import os
import re
import site
import sys
import sysconfig
from collections.abc import Mapping
from types import CodeType, ModuleType
from typing import Any

_OWN_FOLDER = os.path.dirname(os.path.dirname(os.path.realpath(__file__))) + os.sep
_HIDDEN_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)
_HIDDEN_VALUE = re.compile(r"\bsk-|\bghp_|\bxox[abp]-|\bAKIA|\bBearer\b| at 0x")
_KEY_NAME = re.compile(
    r"(^|_)(api_?key|secret|secret_?key|access_?key|private_?key|password|passwd|credentials?)s?$",
    re.IGNORECASE,
)
_TOKEN_NAME = re.compile(r"(^|_)token$", re.IGNORECASE)


@functools.cache
def _library_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    found = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib") if name in paths]
    with contextlib.suppress(AttributeError):  # some virtual environments have no such functions
        found += [*site.getsitepackages(), site.getusersitepackages()]
    return tuple({os.path.realpath(path) + os.sep for path in found})


@functools.cache
def is_user_file(filename: str) -> bool:
    """Whether a file holds the user's own code: not the standard library, not a package, not polos_nb."""
    if filename.startswith("<frozen"):
        return False
    if filename.startswith("<"):
        return True
    path = os.path.realpath(filename)
    if f"{os.sep}site-packages{os.sep}" in path or f"{os.sep}dist-packages{os.sep}" in path:
        return False
    return not path.startswith((*_library_folders(), _OWN_FOLDER))


def is_user_module(name: str) -> bool:
    """Whether a module of this name holds the user's own code; modules without a file are the user's."""
    top = name.partition(".")[0]
    if name == "__main__":
        return True
    if top in ("polos_nb", "builtins"):
        return False
    module = sys.modules.get(name)
    filename = getattr(module, "__file__", None)
    if isinstance(filename, str):
        return is_user_file(filename)
    paths = list(getattr(module, "__path__", ()))
    if paths:  # a namespace package
        return is_user_file(os.path.join(paths[0], "x.py"))
    return top not in sys.stdlib_module_names


def is_user_code(code: CodeType, module: str) -> bool:
    """Whether a function with this code, whose globals say `module`, is the user's own."""
    if code.co_filename.startswith("<"):
        return is_user_file(code.co_filename) and is_user_module(module or "__main__")
    return is_user_file(code.co_filename)


def is_own(module: str) -> bool:
    """Whether a module belongs to polos_nb, whose code counts by nothing at all."""
    return module.partition(".")[0] == "polos_nb"


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


@functools.cache
def package_version(top: str) -> str:
    """The version of the package that a top-level module comes from; "stdlib" for the standard library."""
    if top in sys.stdlib_module_names:
        return "stdlib"
    known = vars(sys.modules[top]).get("__version__") if top in sys.modules else None
    if isinstance(known, str):
        return known
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(top)
    names = _distributions().get(top, [])
    return ",".join(sorted(importlib.metadata.version(name) for name in set(names))) or "unknown"


def number_text(value: Any) -> str:
    """The text of a number, a range or a slice; hexadecimal where Python refuses to write so many decimal digits."""
    try:
        return repr(value)
    except ValueError:  # more than 4,300 digits
        if isinstance(value, int):
            return hex(value)
        names = ("numerator", "denominator") if hasattr(value, "numerator") else ("start", "stop", "step")
        return f"{type(value).__name__}({', '.join(number_text(getattr(value, name)) for name in names)})"


def is_secret(name: str, value: object) -> bool:
    """Whether a value must not count, because it is a key that may be rotated without changing any answer.

    `MAX_TOKENS = 100` and `STOP_TOKEN = "<eos>"` are no keys: names that end in "token" are believed for long
    texts only.
    """
    if type(value).__name__ in ("SecretStr", "SecretBytes"):
        return True
    if value is not None and not isinstance(value, (str, bytes)):
        return False
    if _KEY_NAME.search(name):
        return True
    if not _TOKEN_NAME.search(name):
        return False
    if value is None:
        return True
    spaces = (" ", "\n") if isinstance(value, str) else (b" ", b"\n")
    return len(value) >= 16 and not any(space in value for space in spaces)  # type: ignore[operator]


def may_show(name: str, text: str) -> bool:
    """Whether a value may be shown: short, no address, and neither it nor its name looks like a secret."""
    return len(text) <= 40 and not _HIDDEN_NAME.search(name) and not _HIDDEN_VALUE.search(text)


def mark_of(value: Any, name: str) -> Any:
    """A marker on the object or its type; never asks a lazy proxy or a fake that answers to every name."""
    if isinstance(value, ModuleType):
        return None
    try:
        own = vars(value)
    except TypeError:
        own = {}
    found = own.get(name) if isinstance(own, Mapping) else None
    if found is not None:
        return found
    return None if isinstance(value, type) else getattr(type(value), name, None)
