"""Values as JSON text that comes back exactly equal, and as bytes for fingerprints.

What JSON can say is written as it is; everything else is an object of one key that starts with "$", for
example `{"$tuple": [1, 2]}`. Classes are written by name and revived only as classes that the caller gave or
that this process encoded or remembered: nothing is imported by a stored name and nothing is unpickled.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from polos_nb.codec_arrays import difference
from polos_nb.codec_decode import Decoder
from polos_nb.codec_encode import Encoder, is_plain
from polos_nb.codec_plain import to_plain, to_text
from polos_nb.codec_types import UnknownType, remember, types_of
from polos_nb.errors import CodecError, one_line

__all__ = [
    "UnknownType",
    "canonical",
    "decode",
    "digest",
    "encode",
    "remember",
    "to_plain",
    "to_text",
    "types_of",
]


def encode(value: Any, *, what: str = "value", types: Mapping[str, type] | None = None) -> str:
    """A value as JSON text that `decode` turns into an equal value of the same types.

    `what` names the value in errors ("result of step 'fetch'"). Values of classes are decoded once for a
    check, so what is stored is known to come back; `types` serves that check as it serves `decode`.
    Raises CodecError naming the place inside the value, its type, and what to return instead.

    >>> encode({"a": (1, 2)})
    '{"a":{"$tuple":[1,2]}}'
    """
    if is_plain(value):
        try:
            return orjson.dumps(value).decode()
        except TypeError:  # a lone surrogate in a text, or nested deeper than orjson goes
            pass
    encoder = Encoder(what)
    text = _dump(encoder.value(value, None), what).decode()
    known = {**(types or {}), **encoder.classes}
    for frame, tree, path in encoder.frames:
        try:
            why = difference(frame, Decoder(known).value(tree))
        except Exception as error:  # whatever pandas says of values that it cannot rebuild or compare
            why = one_line(error)
        if why is not None:
            raise encoder.refuse_array(frame, path, why)
    if encoder.classes:
        _check(text, what, known)
    return text


def decode(text: str | bytes, types: Mapping[str, type] | None = None) -> Any:
    """The value that `encode` wrote.

    `types` maps names to classes that stored values may be revived as; see `types_of`. Raises UnknownType
    where a class is not known or has changed so that the value no longer fits, CodecError for damaged text.
    """
    try:
        tree = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise CodecError(f"a stored value is not JSON ({error}); the record is damaged") from error
    if ('"$' if isinstance(text, str) else b'"$') not in text:  # type: ignore[operator]
        return tree
    return Decoder(types).value(tree)


def canonical(value: Any, *, what: str = "value") -> bytes:
    """Bytes that are equal for equal values, whatever the order of dicts and sets; for hashing only.

    Classes count by qualname, so a class may move to another module.
    """
    if is_plain(value):
        try:
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        except TypeError:
            pass
    return _dump(Encoder(what, canonical=True).value(value, None), what)


def digest(value: Any) -> str:
    """The first 32 hexadecimal characters of SHA-256 over `canonical(value)`."""
    return hashlib.sha256(canonical(value)).hexdigest()[:32]


def _dump(tree: Any, what: str) -> bytes:
    try:
        # Objects of user keys keep their order: only Encoder(canonical=True) sorts them, before this.
        return orjson.dumps(tree)
    except TypeError as error:
        raise CodecError(f"{what} cannot be kept: it is nested too deeply; return flatter data") from error


def _check(text: str, what: str, types: Mapping[str, type]) -> None:
    """Refuse now what would not come back later: validators that change or reject their own output."""
    try:
        back = Encoder(what).value(decode(text, types), None)
    except CodecError as error:
        raise CodecError(f"{what} cannot be kept, because it would not come back: {error}") from error
    if _dump(back, what).decode() != text:
        names = ", ".join(sorted(cls.__qualname__ for cls in types.values()))
        raise CodecError(
            f"{what} cannot be kept: reviving it gives a different value (a validator or __post_init__ of "
            f"{names} changes what it is given); make it leave finished values alone, or return plain data"
        )
