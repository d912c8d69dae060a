"""Names of processes, and whether they live."""

from __future__ import annotations

import os
import subprocess
import sys

from polos_nb.stores.owner import alive, owner_id


def test_this_process_lives() -> None:
    """The name is stable and alive."""
    assert owner_id() == owner_id()
    assert owner_id().split(":")[-2] == str(os.getpid())
    assert alive(owner_id()) is True


def test_a_killed_process_is_dead_before_it_is_reaped() -> None:
    """A process that ended is dead, also while its parent has not asked for its end yet."""
    code = "import sys; from polos_nb.stores.owner import owner_id; print(owner_id(), flush=True); sys.stdin.read()"
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root
    ) as process:
        assert process.stdout is not None
        owner = process.stdout.readline().strip()
        assert alive(owner) is True
        process.kill()
        process.stdout.read()
        if sys.platform == "linux":
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            assert alive(owner) is False
        process.wait()
        assert alive(owner) is False


def test_other_times_and_places() -> None:
    """A pid that was given again and an earlier boot are dead; another host, or no name at all, is unknown."""
    host, boot, pid, start = owner_id().rsplit(":", 3)
    if start != "-":
        assert alive(f"{host}:{boot}:{pid}:1") is False
    if boot != "-":
        assert alive(f"{host}:earlier:{pid}:{start}") is False
    assert alive(f"{host}:{boot}:{pid}:-") is True
    assert alive(f"elsewhere:{boot}:{pid}:{start}") is None
    assert alive("") is alive("nonsense") is alive(f"{host}:{boot}:x:{start}") is None
