"""How long importing takes, against what it is compared with, measured in one run. Prints a table."""

from __future__ import annotations

import statistics
import subprocess
import sys

import pytest

ROUNDS = 5
CASES = {
    "python (nothing)": "pass",
    "import polos_nb": "import polos_nb",
    "polos_nb with Agent, tool, PolosClient": "from polos_nb import Agent, PolosClient, tool",
    "import ipywidgets": "import ipywidgets",
    "import litellm": "import os; os.environ['LITELLM_LOCAL_MODEL_COST_MAP'] = 'True'; import litellm",
}
LOAD_EXT = (
    "import time\n"
    "from IPython.core.interactiveshell import InteractiveShell\n"
    "shell = InteractiveShell.instance()\n"
    "begin = time.perf_counter()\n"
    "shell.run_line_magic('load_ext', 'polos_nb')\n"
    "print(time.perf_counter() - begin)\n"
)


def _import_ms(code: str) -> float:
    timed = f"import time; begin = time.perf_counter()\n{code}\nprint(time.perf_counter() - begin)"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", timed], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1]) * 1000


@pytest.mark.bench
@pytest.mark.timeout(300)
def test_import_time() -> None:
    """Importing polos_nb and loading the extension costs a small part of importing litellm."""
    times = {name: [_import_ms(code) for _ in range(ROUNDS)] for name, code in CASES.items()}
    loads = []
    for _ in range(ROUNDS):
        done = subprocess.run([sys.executable, "-c", LOAD_EXT], capture_output=True, text=True, check=True)
        loads.append(float(done.stdout.split()[-1]) * 1000)
    times["%load_ext polos_nb (in a running shell)"] = loads
    middle = {name: statistics.median(values) for name, values in times.items()}
    print(f"\n{'what':45} {'median ms':>10} {'of litellm':>10}")
    for name, value in middle.items():
        print(f"{name:45} {value:10.0f} {value / middle['import litellm']:10.1%}")
    assert middle["import polos_nb"] < middle["import litellm"] / 5
    assert middle["%load_ext polos_nb (in a running shell)"] < middle["import litellm"] / 5
