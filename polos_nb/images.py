"""Images in plain data: the shapes in which models, tools and MCP servers write them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_DATA_URL = re.compile(r"data:(image/[a-z+]+);base64,", re.IGNORECASE)
_BEGINS = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
}
_MAX = 8_000_000  # characters of base64; larger ones are data like any other


@dataclass(frozen=True)
class Image:
    """An image: its media type, its bytes in base64, and what it shows."""

    media_type: str
    data: str
    alt: str = ""


def image_of(value: Any) -> Image | None:
    """The image that a value is; None for everything else, SVG and wrong bytes included.

    Knows data URLs, `{"type": "image_url", "image_url": {"url": ...}}` (OpenAI), `{"type": "image", "source":
    {"media_type": ..., "data": ...}}` (Anthropic) and `{"type": "image", "mimeType": ..., "data": ...}` (MCP).

    >>> image_of("data:image/gif;base64,R0lGODlhAQABAAAAACw=").media_type
    'image/gif'
    """
    if isinstance(value, str):
        return _from_url(value, "")
    if not isinstance(value, Mapping) or value.get("type") not in ("image", "image_url", "input_image"):
        return None
    alt = next((value[key] for key in ("alt", "title", "name") if isinstance(value.get(key), str)), "")
    address = value.get("image_url") or value.get("url")
    if isinstance(address, Mapping):
        address = address.get("url")
    if isinstance(address, str):
        return _from_url(address, alt)
    source = value.get("source")
    inner = source if isinstance(source, Mapping) else value
    media_type = inner.get("media_type") or inner.get("mimeType") or inner.get("mime_type")
    data = inner.get("data")
    if not isinstance(media_type, str) or not isinstance(data, str):
        return None
    return _checked(media_type, data, alt)


def _from_url(address: str, alt: str) -> Image | None:
    found = _DATA_URL.match(address)
    return _checked(found[1], address[found.end() :], alt) if found else None


def _checked(media_type: str, data: str, alt: str) -> Image | None:
    begins = _BEGINS.get(media_type.lower())
    if begins is None or len(data) > _MAX:
        return None
    try:
        head = base64.b64decode(data[:24] + "=" * (-len(data[:24]) % 4), validate=True)
        if len(data) % 4 or not re.fullmatch(r"[A-Za-z0-9+/]*={0,2}", data):
            return None
    except (binascii.Error, ValueError):
        return None
    return Image(media_type.lower(), data, alt) if head.startswith(begins) else None


def images_of(value: Any) -> list[Image]:
    """The images in a value: itself, or parts of it down to three levels, in order.

    >>> images_of([{"type": "text", "text": "Look:"}])
    []
    """
    found: list[Image] = []
    _collect(value, found, 3)
    return found


def without_images(value: Any) -> Any:
    """A value with each image replaced by a few words, for texts.

    >>> without_images(["Look:", "data:image/gif;base64,R0lGODlhAQABAAAAACw="])
    ['Look:', '[image/gif, 14 bytes]']
    """
    return _replaced(value, 3)


def _collect(value: Any, found: list[Image], depth: int) -> None:
    image = image_of(value)
    if image is not None:
        found.append(image)
    elif depth and isinstance(value, Mapping):
        for part in value.values():
            _collect(part, found, depth - 1)
    elif depth and isinstance(value, list):
        for part in value:
            _collect(part, found, depth - 1)


def _replaced(value: Any, depth: int) -> Any:
    image = image_of(value)
    if image is not None:
        size = len(image.data) * 3 // 4 - image.data[-2:].count("=")
        return f"[{image.media_type}, {size:,} bytes]"
    if depth and isinstance(value, Mapping):
        return {key: _replaced(part, depth - 1) for key, part in value.items()}
    if depth and isinstance(value, list):
        return [_replaced(part, depth - 1) for part in value]
    return value
