"""Images and files on their way to a model: a plot, a picture or a path as parts of a message."""

from __future__ import annotations

import base64
import io
import mimetypes
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from polos_nb.errors import CodecError, ConfigurationError, one_line
from polos_nb.images import Image, image_of, images_of

_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".webp")
MAX_BYTES = 5_000_000
_DEPTH = 3
_BEGINS = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))
_TICKS = re.compile("`+")


def media_of(value: Any) -> tuple[str, bytes] | None:
    """The media type and the bytes of a picture, a plot or the bytes of an image file; None for everything else.

    >>> media_of(b"GIF89a...")
    ('image/gif', b'GIF89a...')
    """
    if isinstance(value, bytes | bytearray):
        kind = _kind_of(bytes(value[:16]))
        return (kind, bytes(value)) if kind else None
    library = type(value).__module__.partition(".")[0]
    if library == "PIL" and hasattr(value, "save"):
        return "image/png", _checked(_drawn(value))
    # The classes of a user's own plots are made from matplotlib's, wherever they are defined.
    if any(one.__module__.partition(".")[0] == "matplotlib" for one in type(value).__mro__):
        figure: Any = value if hasattr(value, "savefig") else getattr(value, "figure", None)
        if hasattr(figure, "savefig"):
            into = io.BytesIO()
            figure.savefig(into, format="png", bbox_inches="tight")
            return "image/png", _checked(into.getvalue())
    return None


def from_tool(value: Any) -> Any:
    """What a tool returned, with its pictures and plots as parts that views and models know as images.

    >>> from_tool({"plot": b"GIF89a...", "n": 3})
    {'plot': {'type': 'image', 'mimeType': 'image/gif', 'data': 'R0lGODlhLi4u'}, 'n': 3}
    """
    return _replaced(value, _DEPTH)


def content_of(text: str, value: Any) -> str | list[dict[str, Any]]:
    """What a model reads of a tool's result that is told as `text`: with the images in it as parts of their own."""
    images = images_of(value) if isinstance(value, Mapping | list) or image_of(value) else []
    return [{"type": "text", "text": text}, *map(_part, images)] if images else text


def prepared_input(value: Any) -> Any:
    """An agent's input with the images in it as parts of a message: alone, in a list, or in the content of messages.

    A list may mix texts, pictures, plots, bytes and `Path`s of images or text files, addresses of images (which the
    provider fetches), and parts as OpenAI's APIs write them. Everything else is left as it is.

    >>> prepared_input(["What is it?", "https://example.org/cat.png"])[1]
    {'type': 'image_url', 'image_url': {'url': 'https://example.org/cat.png'}}
    """
    if not isinstance(value, list | tuple):
        alone = value.suffix.lower() in _SUFFIXES if isinstance(value, Path) else media_of(value) is not None
        return [_as_part(value)] if alone else value
    if value and all(isinstance(item, Mapping) and "role" in item for item in value):
        return [{**item, "content": prepared_input(item.get("content"))} for item in value]
    known = [isinstance(item, str) or _is_media(item) or _is_part(item) for item in value]
    if all(known) and any(not isinstance(item, str) or _is_media(item) for item in value):
        return [_as_part(item) for item in value]
    return value


def file_text(name: str, content: str) -> str:
    """A text file as a part of a prompt."""
    fence = "`" * max(3, max((len(run) for run in _TICKS.findall(content)), default=0) + 1)
    end = "" if content.endswith("\n") else "\n"
    return f"Attached file {name}:\n{fence}\n{content}{end}{fence}"


def image_address(value: Any) -> str | None:
    """The address of an image on the web, or in a data URL; None for other texts."""
    if not isinstance(value, str) or any(char.isspace() for char in value.strip()):
        return None
    if image_of(value) is not None:
        return value
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return value if Path(parts.path).suffix.lower() in _SUFFIXES else None


def image_part(media_type: str, data: bytes) -> dict[str, Any]:
    """An image as a part of a message."""
    return {"type": "image_url", "image_url": {"url": f"data:{media_type};base64,{base64.b64encode(data).decode()}"}}


def _part(image: Image) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": f"data:{image.media_type};base64,{image.data}"}}


def _is_media(value: Any) -> bool:
    if isinstance(value, Path):
        return True
    if isinstance(value, str):
        return image_address(value) is not None
    return not isinstance(value, Mapping) and media_of(value) is not None


def _is_part(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("type"), str)


def _as_part(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return _chat_part(value)
    if isinstance(value, Path):
        return _file_part(value)
    if isinstance(value, str):
        address = image_address(value)
        return {"type": "image_url", "image_url": {"url": address}} if address else {"type": "text", "text": value}
    found = media_of(value)
    assert found is not None
    return image_part(*found)


def _chat_part(part: Mapping[str, Any]) -> dict[str, Any]:
    """A part as chat completions write it; OpenAI's other API has other names for the same."""
    if part["type"] in ("input_text", "output_text"):
        return {"type": "text", "text": part.get("text", "")}
    if part["type"] == "input_image" and isinstance(part.get("image_url"), str):
        more = {"detail": part["detail"]} if part.get("detail") else {}
        return {"type": "image_url", "image_url": {"url": part["image_url"], **more}}
    if part["type"] == "image" and (image := image_of(part)) is not None:
        return _part(image)
    return dict(part)


def _file_part(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"the file {path} cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise ConfigurationError(f"{path.name} has {len(data) / 1e6:.1f} MB, and a file may have at most 5 MB")
    kind = _kind_of(data[:16])
    if kind:
        return image_part(kind, data)
    named = mimetypes.guess_type(path.name)[0] or ""
    try:
        if b"\0" in data or named.startswith("image/"):
            raise ValueError
        return {"type": "text", "text": file_text(path.name, data.decode())}
    except ValueError:
        raise ConfigurationError(
            f"{path.name} cannot be sent: text files (UTF-8) and PNG, JPEG, GIF and WebP images can"
        ) from None


def _kind_of(head: bytes) -> str | None:
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for begin, kind in _BEGINS if head.startswith(begin)), None)


def _drawn(picture: Any) -> bytes:
    into = io.BytesIO()
    try:
        picture.save(into, format="PNG")
    except (OSError, ValueError, KeyError):  # a mode that PNG does not have
        into = io.BytesIO()
        try:
            picture.convert("RGB").save(into, format="PNG")
        except Exception as error:  # whatever its file is damaged with
            raise CodecError(f"the image cannot be written as PNG: {one_line(error)}") from None
    return into.getvalue()


def _checked(data: bytes) -> bytes:
    if len(data) > MAX_BYTES:
        raise CodecError(
            f"an image has {len(data) / 1e6:.1f} MB as PNG, and may have at most 5 MB; make it smaller, for example"
            " with picture.thumbnail((1600, 1600))"
        )
    return data


def _replaced(value: Any, depth: int) -> Any:
    found = None if isinstance(value, str | int | float | Mapping | list | tuple | None) else media_of(value)
    if found is not None:
        return {"type": "image", "mimeType": found[0], "data": base64.b64encode(found[1]).decode()}
    if depth and type(value) is dict:
        parts = {key: _replaced(part, depth - 1) for key, part in value.items()}
        return parts if any(parts[key] is not part for key, part in value.items()) else value
    if depth and type(value) in (list, tuple):
        items = [_replaced(part, depth - 1) for part in value]
        return type(value)(items) if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value
