"""Versions of functions that are defined in the cells of a real IPython shell."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from ipykernel.compiler import XCachingCompiler
from IPython.core.interactiveshell import InteractiveShell

from polos_nb.durable.code_version import CodeVersion, code_version, explain

HELPER = "RATE = 2\ndef helper(x):\n    return x * RATE"
MODEL = """from pydantic import BaseModel
class Weather(BaseModel):
    city: str = 'Paris'
    days: int = 1"""
TOOL = "def tool(weather: Weather) -> int:\n    return helper(weather.days)"


class Kernel:
    """A shell whose user namespace is `__main__`, as in a kernel; `compiler` decides how cells are named."""

    def __init__(self, compiler: type | None) -> None:
        InteractiveShell.clear_instance()
        module = ModuleType("__main__")
        self.shell = InteractiveShell(user_module=module)
        self.shell.history_manager.enabled = False
        if compiler is not None:
            self.shell.compile = compiler()
        self.before, sys.modules["__main__"] = sys.modules["__main__"], module

    def cell(self, *texts: str) -> None:
        for text in texts:
            self.shell.run_cell(text, store_history=True).raise_error()

    def version(self) -> CodeVersion:
        return code_version(self.shell.user_ns["tool"])

    def close(self) -> None:
        sys.modules["__main__"] = self.before
        self.shell.history_manager.end_session()
        InteractiveShell.clear_instance()


@pytest.fixture(params=[None, XCachingCompiler], ids=["ipython", "ipykernel"])
def kernel(request: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    kept = dict(linecache.cache)
    kernel = Kernel(request.param)
    yield kernel
    kernel.close()
    linecache.cache.clear()
    linecache.cache.update(kept)


def test_all_cells_are_followed(kernel: Kernel) -> None:
    """A tool, its helper, a constant and a model without methods, in cells of their own, are followed."""
    kernel.cell(MODEL, HELPER, TOOL)
    before = kernel.version()
    assert sorted(before.parts) == ["RATE", "class Weather", "helper()", "pydantic", "tool()"]
    assert [cls.__name__ for cls in before.types.values()] == ["Weather"]


def test_cells_run_again(kernel: Kernel) -> None:
    """S20, S11, S15: moved, re-run cells change nothing; a changed helper or constant does, until undone."""
    kernel.cell(MODEL, HELPER, TOOL)
    before = kernel.version()
    kernel.cell("# a new cell", TOOL, HELPER, MODEL, TOOL, HELPER)
    assert kernel.version().digest == before.digest
    kernel.cell(HELPER.replace("x * RATE", "x + RATE"))
    assert explain(before.parts, kernel.version().parts) == ["helper() changed"]
    kernel.cell(HELPER.replace("2", "3"))
    assert explain(before.parts, kernel.version().parts) == ["RATE: 2 → 3"]
    kernel.cell(HELPER)
    assert kernel.version().digest == before.digest


@pytest.mark.parametrize("other", [MODEL.replace("'Paris'", "'Rome'"), MODEL + "\n    unit: str = 'C'"])
def test_model_changed_and_changed_back(kernel: Kernel, other: str) -> None:
    """S19: the class in use counts, not the newest text: a model edited back has its old version."""
    kernel.cell(MODEL, HELPER, TOOL)
    before = kernel.version()
    kernel.cell(other)
    assert kernel.version().digest == before.digest  # the tool still has the old class
    kernel.cell(TOOL)
    assert explain(before.parts, kernel.version().parts) == ["class Weather changed"]
    kernel.cell(MODEL, TOOL)
    assert kernel.version().digest == before.digest


@pytest.mark.parametrize("kernel", [XCachingCompiler], ids=["ipykernel"], indirect=True)
def test_one_file_name_for_all_cells(monkeypatch: pytest.MonkeyPatch, kernel: Kernel) -> None:
    """Where all cells share a file name, code whose text is gone counts by its byte code."""
    monkeypatch.setenv("IPYKERNEL_CELL_NAME", "<cell>")
    kernel.cell(MODEL, HELPER, TOOL)
    before = kernel.version()
    kernel.cell(HELPER.replace("x * RATE", "x + RATE"))
    assert "helper() changed" in explain(before.parts, kernel.version().parts)
