"""Images and files as parts of a message: pictures, plots, bytes, paths, addresses, and what other APIs call them."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest

from polos_nb.errors import CodecError, ConfigurationError
from polos_nb.images import image_of
from polos_nb.media import content_of, from_tool, media_of, prepared_input

GIF = base64.b64decode("R0lGODlhAQABAAAAACw=")
URL = "data:image/gif;base64,R0lGODlhAQABAAAAACw="


def picture(mode: str = "RGB", size: tuple[int, int] = (3, 2)) -> Any:
    return pytest.importorskip("PIL.Image").new(mode, size)


def figure() -> Any:
    matplotlib = pytest.importorskip("matplotlib.figure")
    made = matplotlib.Figure(figsize=(1, 1))
    made.subplots().plot([1, 2])
    return made


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK", "F"])
def test_a_picture_of_any_mode_becomes_a_png(mode: str) -> None:
    """Equal pictures are equal bytes, so a run is found again."""
    first, second = media_of(picture(mode)), media_of(picture(mode))
    assert first == second
    assert first is not None
    assert first[0] == "image/png"
    assert pytest.importorskip("PIL.Image").open(io.BytesIO(first[1])).size == (3, 2)


def test_plots_are_images_whether_figure_or_axes() -> None:
    """What `df.plot()` returns is one too; drawn twice it is the same."""
    made = figure()
    assert media_of(made) == media_of(made) == media_of(made.axes[0])
    assert media_of(made)[1].startswith(b"\x89PNG")  # type: ignore[index]


@pytest.mark.parametrize("value", [b"text", "text", None, 3, object(), {"a": 1}, b""])
def test_everything_else_is_no_image(value: Any) -> None:
    """Nor is it changed on its way."""
    assert media_of(value) is None
    assert from_tool(value) is value
    assert prepared_input(value) is value


def test_an_image_that_is_too_large_says_how_to_make_it_smaller() -> None:
    """Noise does not compress."""
    numpy = pytest.importorskip("numpy")
    noise = numpy.random.default_rng(0).integers(0, 256, (1500, 1500, 3), dtype="uint8")
    with pytest.raises(CodecError, match="thumbnail"):
        from_tool([pytest.importorskip("PIL.Image").fromarray(noise)])


def test_the_result_of_a_tool_keeps_its_shape() -> None:
    """Images at any of three levels are replaced, the rest is as it was."""
    told = from_tool({"plots": (picture(), "legend"), "raw": GIF, "n": 1})
    assert image_of(told["plots"][0]).media_type == "image/png"  # type: ignore[union-attr]
    assert (told["plots"][1], told["n"]) == ("legend", 1)
    assert told["raw"] == {"type": "image", "mimeType": "image/gif", "data": "R0lGODlhAQABAAAAACw="}
    assert content_of("words", told["raw"]) == [
        {"type": "text", "text": "words"},
        {"type": "image_url", "image_url": {"url": URL}},
    ]
    assert content_of("words", {"n": 1}) == "words"


def test_a_list_mixes_what_a_notebook_has(tmp_path: Path) -> None:
    """Texts, pictures, bytes, files, addresses and parts, in order."""
    (tmp_path / "a.gif").write_bytes(GIF)
    (tmp_path / "b.csv").write_text("x,y\n1,2\n")
    found = prepared_input(
        ["Compare:", picture(), GIF, tmp_path / "a.gif", tmp_path / "b.csv", "https://example.org/c.png?size=2",
         {"type": "input_image", "image_url": URL, "detail": "low"}, {"type": "input_text", "text": "Well?"}]
    )  # fmt: skip
    image = {"type": "image_url", "image_url": {"url": URL}}
    assert found[0] == {"type": "text", "text": "Compare:"}
    assert found[1]["image_url"]["url"].startswith("data:image/png;base64,")
    assert found[2] == found[3] == image
    assert found[4] == {"type": "text", "text": "Attached file b.csv:\n```\nx,y\n1,2\n```"}
    assert found[5] == {"type": "image_url", "image_url": {"url": "https://example.org/c.png?size=2"}}
    assert found[6] == {"type": "image_url", "image_url": {"url": URL, "detail": "low"}}
    assert found[7] == {"type": "text", "text": "Well?"}


@pytest.mark.parametrize("value", ["https://example.org/c.png", ["a", "b"], [1, GIF], [{"a": 1}], ["a", {"a": 1}], []])
def test_other_inputs_stay_what_they_are(value: Any) -> None:
    """A text alone is a text, and a list of data is data."""
    assert prepared_input(value) == value


def test_messages_may_have_images_in_their_content() -> None:
    """Roles stay."""
    (message,) = prepared_input([{"role": "user", "content": ["Look:", GIF]}])
    assert message["role"] == "user"
    assert [part["type"] for part in message["content"]] == ["text", "image_url"]


def test_files_that_cannot_be_sent_are_named(tmp_path: Path) -> None:
    """What is missing, what is binary, and what only calls itself an image."""
    (tmp_path / "a.bin").write_bytes(b"\0\1")
    (tmp_path / "b.png").write_text("no image")
    for name, said in (("none.txt", "cannot be read"), ("a.bin", "cannot be sent"), ("b.png", "cannot be sent")):
        with pytest.raises(ConfigurationError, match=f"{name} {said}"):
            prepared_input(["Look:", tmp_path / name])
