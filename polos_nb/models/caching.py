"""Marks a request to Anthropic, so that the part of it that comes again is read from the provider's cache."""

from __future__ import annotations

from typing import Any

_MARK = {"type": "ephemeral"}


def mark(arguments: dict[str, Any]) -> None:
    """Put marks on the instructions, the tools and, where another turn is likely, the last message.

    The cache holds everything up to a mark. Writing into it costs a quarter more than reading the tokens afresh, and
    reading from it a tenth, so a message that nothing may follow is not marked. A request with marks of the caller's
    own stays as it is. `arguments` are those of litellm, and are changed in place.
    """
    messages, tools = arguments["messages"], arguments.get("tools") or []
    if "cache_control" in arguments or any(map(_is_marked, [*messages, *tools])):
        return
    for message in messages:
        if message["role"] == "system":
            _mark_message(message)
            break
    if tools and tools[-1].get("type") == "function":
        tools[-1]["cache_control"] = dict(_MARK)
    last = messages[-1] if messages else None
    if last is not None and last["role"] in ("user", "tool") and (tools or _is_continued(messages)):
        _mark_message(last)


def _mark_message(message: dict[str, Any]) -> None:
    content = message["content"]
    if message["role"] == "tool":
        message["cache_control"] = dict(_MARK)
    elif isinstance(content, str) and content.strip():
        message["content"] = [{"type": "text", "text": content, "cache_control": dict(_MARK)}]
    elif isinstance(content, list) and content:
        content[-1]["cache_control"] = dict(_MARK)


def _is_continued(messages: list[dict[str, Any]]) -> bool:
    return any(message["role"] == "assistant" for message in messages)


def _is_marked(part: dict[str, Any]) -> bool:
    content = part.get("content")
    inside = content if isinstance(content, list) else []
    return any("cache_control" in place for place in (part, part.get("function") or {}, *inside))
