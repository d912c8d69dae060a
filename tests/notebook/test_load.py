"""Loading and unloading."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

from polos_nb.notebook.magics import PolosMagics

HEAVY = ("litellm", "openai", "docker", "pandas", "nest_asyncio2", "ipywidgets", "anywidget", "yaml", "nbclient")


def _state(ip: Any) -> dict[str, Any]:
    return {
        "configurables": list(ip.configurables),
        "cleanup": list(ip.input_transformers_cleanup),
        "post": list(ip.input_transformers_post),
        "events": {name: list(found) for name, found in ip.events.callbacks.items()},
        "matchers": list(ip.Completer.custom_matchers),
        "line": set(ip.magics_manager.magics["line"]),
        "cell": set(ip.magics_manager.magics["cell"]),
        "registry": set(ip.magics_manager.registry),
        "mime": set(ip.display_formatter.mimebundle_formatter.type_printers),
        "display": set(ip.display_formatter.ipython_display_formatter.type_printers),
        "attribute": hasattr(ip, "_polos_nb"),
    }


def test_reloading_leaves_one_of_each(make_shell: Callable[..., Any]) -> None:
    """After three reloads there is one configurable, one transformer of each kind, one matcher, one hook."""
    shell = make_shell()
    first = _state(shell.ip)
    for _ in range(3):
        shell.ok("%reload_ext polos_nb")
    again = _state(shell.ip)
    assert sum(isinstance(item, PolosMagics) for item in again["configurables"]) == 1
    assert {key: len(value) for key, value in first.items() if key not in ("attribute", "events")} == {
        key: len(value) for key, value in again.items() if key not in ("attribute", "events")
    }
    assert {k: len(v) for k, v in first["events"].items()} == {k: len(v) for k, v in again["events"].items()}


def test_unloading_restores_the_shell(make_shell: Callable[..., Any]) -> None:
    """What a shell was before loading it is after unloading."""
    shell = make_shell()
    shell.ok("%unload_ext polos_nb")
    before = _state(shell.ip)
    shell.ok("%load_ext polos_nb")
    assert _state(shell.ip) != before
    shell.ok("%unload_ext polos_nb")
    assert _state(shell.ip) == before
    assert not before["attribute"]


def test_loading_prints_nothing_unwatched_and_one_line_in_a_terminal(make_shell: Callable[..., Any]) -> None:
    """The banner is for people at a terminal."""
    for watched, lines in ((False, 0), (True, 1)):
        shell = make_shell(watched=watched)
        shell.ok("%unload_ext polos_nb")
        ran = shell.ok("%load_ext polos_nb")
        assert len(ran.out.splitlines()) == lines
        assert ran.err == ""


def test_loading_imports_nothing_heavy() -> None:
    """`%load_ext polos_nb` loads no provider library, widget library, data library or YAML."""
    code = (
        "import sys; from IPython.core.interactiveshell import InteractiveShell; ip = InteractiveShell();"
        "before = set(sys.modules); ip.run_line_magic('load_ext', 'polos_nb');"
        f"print([name for name in {HEAVY!r} if name in sys.modules and name not in before])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
