"""`%polos_run --image` and `--attach`: what the notebook has goes along with the prompt."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from IPython.core.error import UsageError

GIF = base64.b64decode("R0lGODlhAQABAAAAACw=")
VIEWER = """
from polos_nb import Agent, ScriptedModel
seer = ScriptedModel(lambda request: "seen")
viewer = Agent(id="viewer", model=seer)
"""


@pytest.fixture
def viewer(shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.gif").write_bytes(GIF)
    (tmp_path / "b.txt").write_text("1, 2")
    shell.ok(VIEWER)
    shell.ip.user_ns["gif"] = GIF
    return shell


def content(shell: Any) -> Any:
    return shell.ip.user_ns["seer"].requests[-1].messages[-1].content


def test_images_and_files_go_along(viewer: Any) -> None:
    """Bytes, a path, an address that is not fetched, and a text file; the same cell comes back to its run."""
    cell = (
        "%%polos_run viewer -q --image gif --image \"'a.gif'\" --image \"'https://example.org/c.png'\" --attach b.txt\n"
        "What is it?"
    )
    viewer.ok(cell)
    viewer.ok(cell)
    assert len(viewer.ip.user_ns["seer"].requests) == 1
    text, *images = content(viewer)
    assert text["text"].startswith("What is it?\n\nAttached file b.txt:\n```\n1, 2\n```")
    assert "Attached image gif." in text["text"]
    assert "Attached image a.gif." in text["text"]
    urls = [image["image_url"]["url"] for image in images]
    assert urls[0] == urls[1] == "data:image/gif;base64,R0lGODlhAQABAAAAACw="
    assert urls[2] == "https://example.org/c.png"


def test_a_plot_goes_along(viewer: Any) -> None:
    """A figure of the notebook, by its name."""
    pytest.importorskip("matplotlib")
    viewer.ok("from matplotlib.figure import Figure\nfig = Figure()\n_ = fig.subplots().plot([1, 2])")
    viewer.ok("%polos_run viewer 'What is it?' --image fig -q")
    assert content(viewer)[1]["image_url"]["url"].startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--image nothing", "nothing"),
        ("--image 3", "--image 3 is int, and no image"),
        ("--image \"'b.txt'\"", "b.txt is no image; --attach takes text files"),
        ("--attach none.txt", "the attachment none.txt cannot be read"),
    ],
)
def test_what_cannot_go_along_is_a_sentence(options: str, said: str, viewer: Any) -> None:
    """Nothing is asked."""
    error = viewer.run(f"%polos_run viewer hi {options}").error
    assert isinstance(error, UsageError)
    assert said in str(error)
