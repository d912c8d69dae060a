"""Ollama's chat as the server speaks it: what it refuses, and its lines of JSON on the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.loopback.turns import ApiError, Refused, Request, ToolResultSeen, Turn, pieces

KNOWN = frozenset(["model", "messages", "tools", "format", "options", "stream", "keep_alive", "think"])
MESSAGE_KEYS = frozenset(["role", "content", "thinking", "images", "tool_calls", "tool_name", "tool_call_id", "name"])
STOP = {"stop": "stop", "length": "length", "content_filter": "stop"}
CONTENT_TYPE = "application/x-ndjson"


def check_key(request: Request, key: str) -> None:
    """The server asks for no key."""


def check(request: Request) -> None:
    """Refuse what the real server refuses, with the sentence that it would say."""
    body = request.body
    for name in body:
        if name not in KNOWN:
            raise Refused(f"json: unknown field {name}")  # the real one ignores it, and a test is to notice
    if not body.get("model"):
        raise Refused("model is required")
    if request.model.startswith("no-such-"):
        raise Refused(f"model '{request.model}' not found", 404)
    for message in body.get("messages") or []:
        if unknown := set(message) - MESSAGE_KEYS:
            raise Refused(f"json: unknown field {sorted(unknown)[0]}")
        for call in message.get("tool_calls") or []:
            if not isinstance(call["function"].get("arguments"), dict):
                raise Refused("json: cannot unmarshal string into Go struct field .tool_calls.function.arguments")


def describe(request: Request) -> None:
    """Fill in what a script wants to know about a request."""
    body = request.body
    messages = body.get("messages") or []
    request.messages = messages
    request.model = str(body.get("model", ""))
    request.stream = bool(body.get("stream", True))
    request.tools = [dict(tool.get("function") or {}) for tool in body.get("tools") or []]
    request.schema = body["format"] if isinstance(body.get("format"), dict) else None
    request.system = "\n".join(str(m.get("content", "")) for m in messages if m.get("role") == "system")
    for message in messages:
        if message.get("role") == "user":
            request.user, request.tool_results = str(message.get("content", "")), []
        elif message.get("role") == "tool":
            name = message.get("tool_call_id") or message.get("tool_name")
            request.tool_results.append(ToolResultSeen(str(name), str(message.get("content"))))
        request.last_role = str(message.get("role"))


def _line(request: Request, message: dict[str, Any], **more: Any) -> dict[str, Any]:
    head = {"model": request.model, "created_at": "2026-11-21T00:00:00.000000Z"}
    return {**head, "message": {"role": "assistant", "content": "", **message}, "done": False, **more}


def _end(turn: Turn) -> dict[str, Any]:
    given, made = turn.usage or (0, 0)
    return {
        "done": True,
        "done_reason": STOP[turn.finish or "stop"],
        "prompt_eval_count": given,
        "eval_count": made,
    }


def _calls(turn: Turn) -> list[dict[str, Any]]:
    out = []
    for call in turn.calls:
        arguments = json.loads(call.arguments or "{}") if isinstance(call.arguments, str) else call.arguments
        out.append({"function": {"name": call.name, "arguments": arguments}})
    return out


def stream(turn: Turn, request: Request) -> Iterator[bytes]:
    """The lines of a streamed answer: text in parts, calls whole."""
    messages: list[dict[str, Any]] = []
    if turn.thinking and request.body.get("think"):
        messages += [{"thinking": piece} for piece in pieces(turn.thinking)]
    messages += [{"content": piece} for piece in pieces(turn.text)]
    if turn.calls:
        messages.append({"tool_calls": _calls(turn)})
    for message in messages:
        yield json.dumps(_line(request, message)).encode() + b"\n"
    if not turn.ends_early:
        yield json.dumps(_line(request, {}, **_end(turn))).encode() + b"\n"


def whole(turn: Turn, request: Request) -> dict[str, Any]:
    """The answer as one JSON object, for a request that does not stream."""
    message: dict[str, Any] = {"content": turn.text}
    if turn.calls:
        message["tool_calls"] = _calls(turn)
    return _line(request, message, **_end(turn))


def error_body(status: int, message: str, code: str | None = None) -> dict[str, Any]:
    """An error as this server writes it."""
    return {"error": message}


def error_event(error: ApiError) -> bytes:
    """An error in the middle of a stream."""
    return json.dumps(error_body(error.status, error.message)).encode() + b"\n"
