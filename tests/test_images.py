"""Images in plain data: known by their shape and their bytes, and nothing else is one."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from polos_nb.images import image_of, images_of, without_images

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"0" * 16).decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + b"0" * 8).decode()
GIF = "R0lGODlhAQABAAAAACw="
SVG = base64.b64encode(b"<svg onload=alert(1)>").decode()


@pytest.mark.parametrize(
    ("value", "media_type", "alt"),
    [
        (f"data:image/png;base64,{PNG}", "image/png", ""),
        (f"DATA:IMAGE/PNG;BASE64,{PNG}", "image/png", ""),
        ({"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{JPEG}"}}, "image/jpeg", ""),
        ({"type": "input_image", "image_url": f"data:image/gif;base64,{GIF}"}, "image/gif", ""),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}, "alt": "a plot"},
            "image/png",
            "a plot",
        ),
        ({"type": "image", "mimeType": "image/gif", "data": GIF, "title": "dot"}, "image/gif", "dot"),
        ({"type": "image", "mime_type": "image/gif", "data": GIF, "alt": 5}, "image/gif", ""),
    ],
)
def test_the_shapes_of_models_tools_and_servers(value: Any, media_type: str, alt: str) -> None:
    """OpenAI, Anthropic, MCP, and a plain data URL."""
    image = image_of(value)
    assert image is not None
    assert (image.media_type, image.alt) == (media_type, alt)


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        "",
        "a text",
        f"see data:image/png;base64,{PNG}",
        f"data:image/svg+xml;base64,{SVG}",
        f"data:text/html;base64,{SVG}",
        f"data:image/png;base64,{SVG}",
        f"data:image/png;base64,{GIF}",
        f"data:image/png;base64,{PNG[:-1]}",
        f'data:image/png;base64,{PNG}" onerror="alert(1)',
        f"data:image/png;base64,{PNG}\n",
        f"data:image/png;base64,{PNG[:8]} {PNG[9:]}",
        "data:image/png;base64,",
        f"data:image/gif;base64,{GIF}" + "A" * 8_000_000,
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "image_url", "image_url": ["x"]},
        {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
        {"type": "image", "mimeType": ["image/gif"], "data": GIF},
        {"type": "image", "mimeType": "image/gif", "data": b"GIF89a"},
        {"type": "text", "data": GIF, "mimeType": "image/gif"},
        {"data": GIF, "mimeType": "image/gif"},
    ],
)
def test_everything_else_is_data(value: Any) -> None:
    """Other bytes than the type says, SVG, addresses that a page would have to fetch, and what is too large."""
    assert image_of(value) is None
    assert images_of(value) == []


def test_images_are_found_inside_values_and_replaced_in_texts() -> None:
    """In order, down to three levels; what is not an image stays as it is."""
    image = {"type": "image", "mimeType": "image/gif", "data": GIF}
    value = {"text": "Look:", "parts": [image, {"deeper": f"data:image/png;base64,{PNG}"}], "n": 3}
    assert [found.media_type for found in images_of(value)] == ["image/gif", "image/png"]
    assert without_images(value) == {
        "text": "Look:",
        "parts": ["[image/gif, 14 bytes]", {"deeper": "[image/png, 24 bytes]"}],
        "n": 3,
    }
    assert images_of([[[[image]]]]) == []
    assert without_images([[[[image]]]]) == [[[[image]]]]
