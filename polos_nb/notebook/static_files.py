"""The front end's files as texts: the bundle built from `widgets/`, the loader, and what the bundle was built from."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path

_STATIC = Path(__file__).parent / "static"
_FIRST_LINE = re.compile(r"/\* built from widgets/src ([0-9a-f]{16}) - do not edit \*/\n")

BUNDLE = _STATIC / "widgets.js"
LOADER = _STATIC / "loader.js"


@cache
def bundle_text() -> str:
    """The front end: one ES module, which the library model carries into the page."""
    return BUNDLE.read_text(encoding="utf-8")


@cache
def loader_text() -> str:
    """The small module that every view carries; it fetches the bundle from the library model."""
    return LOADER.read_text(encoding="utf-8")


@cache
def bundle_hash() -> str:
    """What tells one bundle from another in a page."""
    return hashlib.sha256(bundle_text().encode()).hexdigest()[:16]


def built_from(bundle: str) -> str:
    """The hash of the sources that a bundle's first line names; "" when it names none."""
    found = _FIRST_LINE.match(bundle)
    return found[1] if found else ""


def sources_hash(sources: Path) -> str:
    """The hash of a folder of sources, as `widgets/build.mjs` computes it: sorted paths, contents with LF endings."""
    digest = hashlib.sha256()
    files = {path.relative_to(sources).as_posix(): path for path in sources.rglob("*") if path.is_file()}
    for name in sorted(files, key=lambda text: text.encode()):
        content = files[name].read_bytes().replace(b"\r\n", b"\n")
        digest.update(name.encode() + b"\0" + str(len(content)).encode() + b"\0" + content)
    return digest.hexdigest()[:16]
