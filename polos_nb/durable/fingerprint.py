"""What a step's answer depends on: the call, its fingerprint, and in words how two of them differ."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from polos_nb.codec import digest
from polos_nb.durable.code_version import explain
from polos_nb.stores.base import Effect

_UNHASHED = {"code"}  # explains `version`, which is hashed


@dataclass(frozen=True, kw_only=True)
class StepCall:
    """One durable call, before it is known whether the store can answer it.

    `key` names the step in its branch ("3.llm", "3.get_weather[call_2]", "charge_card"). `parts` is a flat mapping of
    everything the answer depends on; `request` is what a person wants to see; `blobs` are texts that `parts` speaks
    of by digest. `types` are the classes its answer may be made of.
    """

    key: str
    kind: str
    name: str
    parts: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    blobs: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, type] = field(default_factory=dict)
    effect: Effect = "read"


def fingerprint(call: StepCall, branch: str) -> str:
    """The hash of what the call's answer depends on, 32 hexadecimal characters.

    `branch` tells equal calls of parallel branches apart. Neither the key's number nor any position takes part.
    """
    parts = {name: value for name, value in call.parts.items() if name not in _UNHASHED}
    return digest([branch, call.kind, call.name, parts])


def differences(
    old: Mapping[str, Any], new: Mapping[str, Any], text_of: Callable[[str], str | None] = lambda name: None
) -> list[str]:
    """How two calls differ, in words, most telling first. `text_of` finds the text behind a digest.

    >>> differences({"model": "gpt-4o"}, {"model": "gpt-4o-mini"})
    ["model: 'gpt-4o' → 'gpt-4o-mini'"]
    """
    said: list[str] = []
    if old.get("version") != new.get("version"):
        said += explain(old.get("code") or {}, new.get("code") or {}) or ["its version changed"]
    for name in [*new, *(n for n in old if n not in new)]:
        before, after = old.get(name), new.get(name)
        if name in ("version", "code") or before == after:
            continue
        if name == "messages":
            said += _message_difference(before or [], after or [], text_of)
        elif name == "writes":
            said.append("a write before it changed")
        elif isinstance(before, Mapping) and isinstance(after, Mapping):
            said += _entries(name, before, after)
        else:
            said.append(f"{name}: {_short(before)} → {_short(after)}")
    return said


def readable(parts: Mapping[str, Any], request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Parts for `differences`, with the arguments of a function call as they are shown instead of their digests."""
    digests, shown = parts.get("arguments"), request.get("arguments")
    if not isinstance(digests, Mapping) or not isinstance(shown, Mapping) or set(digests) != set(shown):
        return parts
    if not all(_is_digest(value) for value in digests.values()):
        return parts
    return {**parts, "arguments": {name: Argument(shown[name], digests[name]) for name in digests}}


@dataclass(frozen=True)
class Argument:
    """An argument: equal when its digest is, and shown as its text."""

    shown: Any = field(compare=False)
    digest: str

    def __repr__(self) -> str:
        return str(self.shown)


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 32 and all(letter in "0123456789abcdef" for letter in value)


def _entries(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    singular = {"arguments": "argument", "params": "parameter", "tools": "tool"}.get(name, name)
    out = []
    for key in [*new, *(k for k in old if k not in new)]:
        if key not in new:
            out.append(f"{singular} {key} is gone")
        elif key not in old:
            out.append(f"{singular} {key} is new")
        elif old[key] != new[key]:
            same = name == "tools" or repr(old[key]) == repr(new[key])
            what = "changed" if same else f"{_short(old[key])} → {_short(new[key])}"
            out.append(f"{singular} {key}: {what}" if name != "tools" else f"{singular} {key} {what}")
    return out


def _message_difference(old: list[str], new: list[str], text_of: Callable[[str], str | None]) -> list[str]:
    for place, (before, after) in enumerate(zip(old, new, strict=False)):
        if before != after:
            role, was = _said(text_of(before))
            now_role, now = _said(text_of(after))
            who = role if role == now_role else f"{role} → {now_role}"
            return [f"messages[{place}] changed ({who}): {_text_change(was, now)}"]
    if len(old) != len(new):
        return [f"{len(new)} messages instead of {len(old)}"]
    return []


def _said(kept: str | None) -> tuple[str, str | None]:
    """Who says a kept message, and what."""
    if kept is None:
        return "unknown", None
    message = orjson.loads(kept)
    content = message.get("content")
    text = content if isinstance(content, str) else orjson.dumps(content).decode() if content else ""
    if message.get("calls"):
        text += orjson.dumps(message["calls"]).decode()
    return str(message.get("role")), text


def _text_change(old: str | None, new: str | None) -> str:
    """The place where two texts part, with a few words around it."""
    if old is None or new is None:
        return "its text is not kept"
    matcher = difflib.SequenceMatcher(a=old[:4000], b=new[:4000], autojunk=False)
    for tag, a0, a1, b0, b1 in matcher.get_opcodes():
        if tag != "equal":
            return f"{_around(old, a0, a1)} → {_around(new, b0, b1)}"
    return "after 4,000 characters"


def _around(text: str, start: int, end: int, margin: int = 24) -> str:
    left, right = max(0, start - margin), min(len(text), end + margin)
    cut = text[left:right]
    if len(cut) > 120:
        cut = cut[:117] + "..."
    return f"{'…' if left else ''}{cut!r}{'…' if right < len(text) else ''}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
