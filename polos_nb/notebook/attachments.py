"""Files beside a message: checked, put into what the model is asked, and found again in it."""

from __future__ import annotations

import base64
import binascii
import mimetypes
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polos_nb.errors import ConfigurationError
from polos_nb.images import image_of
from polos_nb.media import file_text, image_address, media_of
from polos_nb.safe_text import visible

MAX_BYTES = 5_000_000
MAX_COUNT = 10
MAX_TEXT = 1_000_000  # characters of one message
IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")

_FILE = re.compile(r"(?:\A|\n\n)Attached file ([^\n]{1,200}):\n(`{3,})\n")
_IMAGE = re.compile(r"(?:\A|\n\n)Attached image ([^\n]{1,200})\.(?=\n\n|\Z)")


@dataclass(frozen=True)
class Attachment:
    """One file: its name, its media type and its bytes. Images have one of the types in `IMAGES`, others are text."""

    name: str
    type: str
    data: bytes

    @property
    def image(self) -> bool:
        """Whether it is an image."""
        return self.type in IMAGES


def from_page(given: Any) -> list[Attachment]:
    """What a page says of its attachments, checked. Raises ConfigurationError."""
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
        raise ConfigurationError("attachments are a list of objects with name, type and data")
    if len(given) > MAX_COUNT:
        raise ConfigurationError(f"a message takes at most {MAX_COUNT} attachments, and these are {len(given)}")
    return [_checked(one.get("name"), one.get("type"), _bytes_of(one)) for one in given]


def from_python(given: Sequence[Any]) -> list[Attachment]:
    """Attachments as code names them: paths, or `Attachment`s. Raises ConfigurationError."""
    out = []
    for one in given:
        if isinstance(one, Attachment):
            out.append(_checked(one.name, one.type, one.data))
            continue
        if not isinstance(one, str | os.PathLike):
            raise ConfigurationError(f"an attachment is the path of a file, not {type(one).__name__}")
        try:
            data = Path(one).read_bytes()
        except OSError as error:
            raise ConfigurationError(f"the attachment {one} cannot be read: {error.strerror}") from None
        out.append(_checked(Path(one).name, mimetypes.guess_type(str(one))[0] or "text/plain", data))
    return out


def from_value(value: Any, name: str) -> Attachment | str:
    """An image as the notebook has it: a picture, a plot, bytes, the path of a file, or an address of the web, which
    is returned as it is. Raises ConfigurationError for everything else; `name` says what was asked for.
    """
    if isinstance(value, str | os.PathLike) and image_address(value) is None:
        (found,) = from_python([value])
        if not found.image:
            raise ConfigurationError(f"--image {name}: {found.name} is no image; --attach takes text files")
        return found
    if isinstance(value, str) and value.startswith("http"):
        return value
    image = image_of(value)
    if image is not None:
        return _checked(name, image.media_type, base64.b64decode(image.data))
    media = media_of(value)
    if media is None:
        raise ConfigurationError(
            f"--image {name} is {type(value).__name__}, and no image: a PIL image, a matplotlib figure, bytes, a path"
            " or an address is one"
        )
    return _checked(name, *media)


def with_addresses(question: str | list[dict[str, Any]], addresses: Sequence[str]) -> str | list[dict[str, Any]]:
    """A question with images behind it that the provider fetches."""
    if not addresses:
        return question
    parts = [{"type": "text", "text": question}] if isinstance(question, str) else question
    return [*parts, *({"type": "image_url", "image_url": {"url": address}} for address in addresses)]


def composed(text: str, attachments: Sequence[Attachment]) -> str | list[dict[str, Any]]:
    """What a model is asked: the text with the text files behind it, and the images as parts of their own.

    >>> composed("Sum it up.", [Attachment("a.txt", "text/plain", b"1, 2")])
    'Sum it up.\\n\\nAttached file a.txt:\\n```\\n1, 2\\n```'
    """
    said = [text] if text else []
    for one in attachments:
        if one.image:
            said.append(f"Attached image {one.name}.")
            continue
        said.append(file_text(one.name, one.data.decode()))
    prompt = "\n\n".join(said)
    images = [one for one in attachments if one.image]
    if not images:
        return prompt
    parts = [{"type": "image_url", "image_url": {"url": _url(one)}} for one in images]
    return [{"type": "text", "text": prompt}, *parts]


def taken_apart(value: Any) -> tuple[str, list[dict[str, Any]]]:
    """The text of what a model was asked, and its attachments as `{name, type, size}`; None where it is neither.

    >>> taken_apart("Sum it up.\\n\\nAttached file a.txt:\\n```\\n1, 2\\n```")
    ('Sum it up.', [{'name': 'a.txt', 'type': 'text/plain', 'size': 4}])
    """
    text = prompt_of(value)
    images = [image for image in map(image_of, value if isinstance(value, list) else []) if image is not None]
    text, found = _without_files(text)
    files = [
        {"name": name, "type": "text/plain", "size": len(content.encode("utf-8", "replace"))} for name, content in found
    ]
    names = _IMAGE.findall(text) if images else []
    text = _IMAGE.sub("", text) if images else text
    for number, image in enumerate(images):
        name = names[number] if number < len(names) else "image"
        files.append(
            {"name": name, "type": image.media_type, "size": len(image.data) * 3 // 4 - image.data[-2:].count("=")}
        )
    return text.strip(), files


def _without_files(text: str) -> tuple[str, list[tuple[str, str]]]:
    """A prompt without the files in it, and these with their contents. Takes time in proportion to its length."""
    files: list[tuple[str, str]] = []
    kept: list[str] = []
    endless: set[int] = set()  # fences that nothing closes from here on
    at = place = 0
    while (begin := _FILE.search(text, place)) is not None:
        place, ticks = begin.end(), len(begin[2])
        end = None
        if ticks not in endless:
            end = re.compile(rf"\n?`{{{ticks}}}(?=\n\n|\Z)").search(text, place - 1)
        if end is None:
            endless.add(ticks)
            place = begin.end() - 1
            continue
        files.append((begin[1], text[place : end.start()]))
        kept.append(text[at : begin.start()])
        at = place = end.end()
    return "".join([*kept, text[at:]]), files


def edited(value: Any, text: str) -> Any:
    """The same question with another text, and with the same attachments."""
    before, files = taken_apart(value)
    if not files:
        return text
    prompt = prompt_of(value)
    behind = prompt[len(before) :] if prompt.startswith(before) else f"\n\n{prompt}"
    prompt = f"{text}{behind}".strip() if before else f"{text}\n\n{prompt}".strip()
    if not isinstance(value, list):
        return prompt
    return [{"type": "text", "text": prompt}, *(part for part in value if image_of(part) is not None)]


def prompt_of(value: Any) -> str:
    """The text of what a model was asked: the text itself, or the text parts of a message."""
    if isinstance(value, str):
        return value
    parts = value if isinstance(value, list) else []
    texts = [_text_of(part) for part in parts]
    return "\n\n".join(text for text in texts if text) if any(texts) else "" if parts else str(value or "")


def has_images(value: Any) -> bool:
    """Whether a question has images in it."""
    return isinstance(value, list) and any(image_of(part) is not None for part in value)


def message_of(text: Any, *, empty: bool = False) -> str:
    """A message, checked. Raises ConfigurationError, also for one without words unless it may be `empty`."""
    if not isinstance(text, str):
        raise ConfigurationError("a message is a text")
    said: str = text.strip()
    if len(said) > MAX_TEXT:
        raise ConfigurationError(f"a message may have at most {MAX_TEXT:,} characters; attach the rest as a file")
    if not said and not empty:
        raise ConfigurationError("the message is empty")
    return said


def _text_of(part: Any) -> str:
    if not isinstance(part, Mapping):
        return ""
    text = part.get("text", part.get("content"))
    return text if isinstance(text, str) else ""


def _bytes_of(one: Mapping[str, Any]) -> bytes:
    data = one.get("data")
    if not isinstance(data, str):
        raise ConfigurationError("an attachment has its bytes in data, as base64")
    if len(data) > MAX_BYTES * 4 // 3 + 4:
        raise ConfigurationError(f"{_name(one.get('name'))} is too large: an attachment may have at most 5 MB")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise ConfigurationError(f"{_name(one.get('name'))} did not arrive whole; attach it again") from None


def _checked(name: Any, media_type: Any, data: bytes) -> Attachment:
    name = _name(name)
    if len(data) > MAX_BYTES:
        raise ConfigurationError(f"{name} has {len(data) / 1e6:.1f} MB, and an attachment may have at most 5 MB")
    if media_type in IMAGES:
        found = Attachment(name, media_type, data)
        if image_of(_url(found)) is None:
            raise ConfigurationError(f"{name} is not a {media_type.partition('/')[2].upper()} image")
        return found
    try:
        if b"\0" in data:
            raise UnicodeDecodeError("utf-8", b"", 0, 1, "NUL")
        data.decode()
    except UnicodeDecodeError:
        raise ConfigurationError(
            f"{name} cannot be attached: text files (UTF-8) and PNG, JPEG, GIF and WebP images can"
        ) from None
    return Attachment(name, "text/plain", data)


def _name(name: Any) -> str:
    """A name on one line, without what would end its place in the prompt."""
    text = " ".join(visible(name).split()) if isinstance(name, str) else ""
    return text[:200].strip() or "file"


def _url(one: Attachment) -> str:
    return f"data:{one.type};base64,{base64.b64encode(one.data).decode()}"
