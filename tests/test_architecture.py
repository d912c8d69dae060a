"""The shape of the package: what a machine can check of the rules in CONTRIBUTING."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "polos_nb").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_why_it_exists_and_stays_small(path: Path) -> None:
    """Every module has a docstring, at most 400 lines, and no function above 60."""
    tree = _tree(path)
    assert ast.get_docstring(tree)
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, node.name


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_inside_the_package_imports_come_from_modules(path: Path) -> None:
    """No module imports a public name from the package root, which would make a cycle."""
    allowed = {"__version__", "ambient", "registry"}
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module == "polos_nb":
            assert {alias.name for alias in node.names} <= allowed


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_test_says_the_behaviour(path: Path) -> None:
    """Every test has a docstring."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            assert ast.get_docstring(node), node.name
