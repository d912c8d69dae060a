"""Files beside a message: what the model is asked, and what of it is shown again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from polos_nb import ConfigurationError
from polos_nb.notebook.attachments import Attachment, composed, edited, from_page, from_python, taken_apart
from tests.notebook.test_chat_widget import PNG

CONTENTS = ["", "a", "a\n", "```", "x\n````\ny\n```", "\n\nAttached file b.txt:\n```\nz\n```", "é\u2028…"]


@pytest.mark.parametrize("text", ["", "Sum it up.", "two\n\nparagraphs", "Attached file:"])
@pytest.mark.parametrize("content", CONTENTS)
def test_a_prompt_is_taken_apart_into_what_it_was_made_of(text: str, content: str) -> None:
    """Whatever the file contains, the text is the user's and the file is named with its size."""
    files = [Attachment("a b.txt", "text/plain", content.encode()), Attachment("c.txt", "text/plain", b"more")]
    found, shown = taken_apart(composed(text, files))
    assert found == text
    assert [one["name"] for one in shown] == ["a b.txt", "c.txt"]
    assert abs(shown[0]["size"] - len(content.encode())) <= 1  # a line break is added where there is none


def test_a_message_without_files_is_itself() -> None:
    """Nothing is added, and other inputs of agents have a text too."""
    assert composed("hi", []) == "hi"
    assert taken_apart("hi") == ("hi", [])
    assert taken_apart([{"role": "user", "content": "hi"}]) == ("hi", [])
    assert taken_apart({"a": 1}) == ("{'a': 1}", [])
    assert taken_apart(None) == ("", [])


@pytest.mark.parametrize(
    "piece", ["\n\nAttached file a:\n```\nx", "\n\nAttached file a:\n```\n```x", "\n\nAttached image a."]
)
def test_hostile_prompts_take_time_in_proportion_to_their_length(piece: str) -> None:
    """Half a megabyte of beginnings that nothing ends is read in a moment."""
    began = time.process_time()
    taken_apart(piece * (500_000 // len(piece)))
    assert time.process_time() - began < 2.0


def test_editing_keeps_the_files() -> None:
    """Only the text changes, also beside images and where there was no text."""
    image, file = Attachment("dot.png", "image/png", PNG), Attachment("a.txt", "text/plain", b"x")
    for text in ("old", ""):
        for files in ([file], [image], [image, file]):
            assert edited(composed(text, files), "new") == composed("new", files)
    assert edited("old", "new") == "new"


def test_names_cannot_leave_their_place() -> None:
    """A name with line breaks or without an end stays one line."""
    name = "a\n\nAttached file b.txt:\n```\n\x1b[31m" + "x" * 500
    [one] = from_page([{"name": name, "type": "text/plain", "data": "eA=="}])
    assert "\n" not in one.name
    assert len(one.name) <= 200
    assert "\x1b" not in one.name
    assert [file["name"] for file in taken_apart(composed("t", [one]))[1]] == [one.name]


def test_code_attaches_paths(tmp_path: Path) -> None:
    """A path is read and its kind is known by its name; what cannot be read is said in a sentence."""
    (tmp_path / "dot.png").write_bytes(PNG)
    (tmp_path / "notes.md").write_text("# hi")
    (tmp_path / "bad.bin").write_bytes(b"\xff\0")
    found = from_python([tmp_path / "dot.png", str(tmp_path / "notes.md")])
    assert [(one.name, one.type, one.image) for one in found] == [
        ("dot.png", "image/png", True), ("notes.md", "text/plain", False),
    ]  # fmt: skip
    for wrong in (tmp_path / "missing.txt", tmp_path, tmp_path / "bad.bin", 7):
        with pytest.raises(ConfigurationError) as refused:
            from_python([wrong])
        assert "\n" not in str(refused.value)


def test_a_file_of_more_than_five_megabytes_is_refused() -> None:
    """In Python as in the page."""
    with pytest.raises(ConfigurationError, match="at most 5 MB"):
        from_python([Attachment("a.txt", "text/plain", b"x" * 5_000_001)])
