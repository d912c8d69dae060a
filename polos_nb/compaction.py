"""Compaction: which messages of a long conversation are told by a summary, and which stay as they are."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from polos_nb.errors import DefinitionError
from polos_nb.messages import Message

SUMMARY_PREFIX = "[Prior conversation summary]\n"
SUMMARY_ACK = "Understood, I have context from our earlier conversation."
_MARK = "polos_nb_kept"  # in `extra` of a kept summary: how many messages before it stay as they are


class CompactionConfig(BaseModel):
    """When a conversation is summarised: above `max_conversation_tokens`, the last `min_recent_messages` stay.

    Tokens are estimated, four characters each. A summary longer than `max_summary_tokens` is shortened once. The
    user's last message always stays, and so does a tool's result with the call that it answers.
    """

    model_config = ConfigDict(extra="forbid")

    max_conversation_tokens: int = Field(default=80_000, ge=1)
    max_summary_tokens: int = Field(default=20_000, ge=1)
    min_recent_messages: int = Field(default=2, ge=1)
    enabled: bool = True


def as_compaction(owner: str, given: Any) -> CompactionConfig:
    """The settings as an agent keeps them: by default for None, off for False. Raises DefinitionError for others."""
    if given is None or given is False:
        return CompactionConfig(enabled=given is None)
    if not isinstance(given, CompactionConfig):
        raise DefinitionError(f"{owner}: compaction={given!r} is not a CompactionConfig(max_conversation_tokens=...)")
    return given


@dataclass(frozen=True)
class Split:
    """A conversation taken apart: `before` is the summary so far, `folded` goes into the next, `recent` stays."""

    before: str
    folded: tuple[Message, ...]
    recent: tuple[Message, ...]


def estimate_tokens(messages: Sequence[Message]) -> int:
    """About how many tokens messages are: four characters each."""
    return sum(math.ceil(_size(message) / 4) for message in messages)


def split(messages: Sequence[Message], config: CompactionConfig) -> Split | None:
    """How messages (without the system prompt) are to be compacted; None where they are few enough, or all recent."""
    if not config.enabled or estimate_tokens(messages) <= config.max_conversation_tokens:
        return None
    start, before = _summary_of(messages)
    cut = max(start, len(messages) - config.min_recent_messages)
    while cut > start and messages[cut].role == "tool":  # a result stays with its call
        cut -= 1
    asked = max((place for place, message in enumerate(messages) if message.role == "user"), default=cut)
    folded = [message for place, message in enumerate(messages[:cut]) if place >= start and place != asked]
    if not folded:
        return None
    recent = messages[cut:] if asked >= cut or asked < start else [messages[asked], *messages[cut:]]
    return Split(before, tuple(folded), tuple(recent))


def compacted(summary: str, recent: Sequence[Message]) -> list[Message]:
    """The messages after compaction: the summary, then the recent ones; user and assistant take turns."""
    told = [Message(role="user", content=SUMMARY_PREFIX + summary)]
    if not recent or recent[0].role == "user":
        told.append(Message(role="assistant", content=SUMMARY_ACK))
    return [*told, *recent]


def marked(summary: str, kept: int) -> Message:
    """A summary as it is kept in a conversation: it stands for all before it but the last `kept` messages."""
    return Message(role="user", content=SUMMARY_PREFIX + summary, extra={_MARK: kept})


def remembered(history: Sequence[Message]) -> list[Message]:
    """A kept conversation as a model is told it: from the last summary on, which is told once."""
    place = next((n for n in range(len(history) - 1, -1, -1) if _MARK in (history[n].extra or {})), None)
    if place is None:
        return list(history)
    mark = history[place]
    before = [message for message in history[:place] if _MARK not in (message.extra or {})]
    kept = int((mark.extra or {})[_MARK])
    recent = before[len(before) - kept :] if kept else []
    return compacted(mark.text().removeprefix(SUMMARY_PREFIX), [*recent, *history[place + 1 :]])


def _summary_of(messages: Sequence[Message]) -> tuple[int, str]:
    """How many messages at the beginning tell a summary, and the summary."""
    if not messages or messages[0].role != "user" or not messages[0].text().startswith(SUMMARY_PREFIX):
        return 0, ""
    acknowledged = len(messages) > 1 and messages[1].role == "assistant" and messages[1].text() == SUMMARY_ACK
    return 2 if acknowledged else 1, messages[0].text().removeprefix(SUMMARY_PREFIX)


def _size(message: Message) -> int:
    content = message.content
    size = len(content) if isinstance(content, str) else len(json.dumps(content)) if content else 0
    calls = message.tool_calls or []
    return size + sum(len(call.function.name) + len(call.function.arguments) for call in calls)
