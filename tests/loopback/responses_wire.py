"""OpenAI's Responses as the provider speaks them: what it refuses, and its events on the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.loopback.openai_wire import error_body
from tests.loopback.schemas import require_strict_schema
from tests.loopback.turns import ApiError, Call, Refused, Request, ToolResultSeen, Turn, pieces, signature_of

PARAMETERS = """
    background conversation include input instructions max_output_tokens max_tool_calls metadata model
    parallel_tool_calls previous_response_id prompt prompt_cache_key prompt_cache_retention reasoning
    safety_identifier service_tier store stream stream_options temperature text tool_choice tools top_logprobs top_p
    truncation user
"""
KNOWN = frozenset(PARAMETERS.split())

__all__ = ["check", "check_key", "describe", "error_body", "error_event", "stream", "whole"]


def check_key(request: Request, key: str) -> None:
    """Refuse a request without the right key."""
    given = request.headers.get("api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
    if given != key:
        raise Refused("Incorrect API key provided.", 401, "invalid_api_key")


def check(request: Request) -> None:
    """Refuse what the real provider refuses, with the sentence that it would say."""
    body = request.body
    for name in body:
        if name not in KNOWN:
            raise Refused(f"Unknown parameter: '{name}'.", code="unknown_parameter")
    for at, tool in enumerate(body.get("tools") or []):
        if tool.get("type") == "function" and not tool.get("name"):
            raise Refused(f"Missing required parameter: 'tools[{at}].name'.")
    wanted = (body.get("text") or {}).get("format") or {}
    if wanted.get("type") == "json_schema" and wanted.get("strict"):
        require_strict_schema(wanted.get("schema") or {}, f"response_format '{wanted.get('name')}'")
    _check_input(_items(body))


def _items(body: dict[str, Any]) -> list[dict[str, Any]]:
    given = body.get("input") or []
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


def _check_input(items: list[dict[str, Any]]) -> None:
    waiting: set[str] = set()
    for at, item in enumerate(items):
        kind = item.get("type", "message")
        if kind == "function_call":
            waiting.add(item["call_id"])
        elif kind == "function_call_output":
            if item["call_id"] not in waiting:
                raise Refused(f"No tool call found for function call output with call_id {item['call_id']}.")
            waiting.discard(item["call_id"])
        elif kind == "reasoning":
            encrypted = item.get("encrypted_content")
            if encrypted is not None and encrypted != signature_of(_summary(item)):
                raise Refused("The encrypted content could not be verified.", code="invalid_encrypted_content")
        elif kind == "message" and item.get("role") not in ("user", "assistant", "system", "developer"):
            raise Refused(f"Invalid value: 'input[{at}].role'.")
    if waiting:
        raise Refused(f"No tool output found for function call {sorted(waiting)[0]}.")


def _summary(item: dict[str, Any]) -> str:
    return "".join(str(part.get("text", "")) for part in item.get("summary") or [])


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content)
    return content or ""


def describe(request: Request) -> None:
    """Fill in what a script wants to know about a request."""
    body = request.body
    request.messages = _items(body)
    request.model = str(body.get("model", ""))
    request.stream = bool(body.get("stream"))
    request.tools = [dict(tool) for tool in body.get("tools") or []]
    said = [body.get("instructions") or ""]
    said += [_text(i.get("content")) for i in request.messages if i.get("role") in ("system", "developer")]
    request.system = "\n".join(filter(None, said))
    wanted = (body.get("text") or {}).get("format") or {}
    request.schema = wanted.get("schema")
    for item in request.messages:
        if item.get("role") == "user":
            request.user, request.tool_results = _text(item.get("content")), []
        if item.get("type") == "function_call_output":
            request.tool_results.append(ToolResultSeen(str(item["call_id"]), _text(item.get("output"))))
        request.last_role = "tool" if item.get("type") == "function_call_output" else str(item.get("role", ""))


def _arguments(call: Call) -> str:
    return call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)


def _output(turn: Turn) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    if turn.thinking:
        summary = [{"type": "summary_text", "text": turn.thinking}]
        out.append(
            {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": signature_of(turn.thinking)}
        )
    if turn.text:
        content = [{"type": "output_text", "text": turn.text, "annotations": [], "logprobs": []}]
        out.append({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content})
    for number, call in enumerate(turn.calls):
        about = {"id": f"fc_{number}", "call_id": call.id, "name": call.name, "status": "completed"}
        out.append({"type": "function_call", **about, "arguments": _arguments(call)})
    return out


def _head(turn: Turn, request: Request, status: str) -> dict[str, Any]:
    given, made = turn.usage or (0, 0)
    done = status != "in_progress"
    usage = {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": turn.cached},
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": turn.thought},
        "total_tokens": given + made,
    }
    return {
        "id": "resp_loopback",
        "object": "response",
        "created_at": 1795219200,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": request.body.get("instructions"),
        "model": request.model,
        "output": _output(turn) if done else [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "temperature": 1.0,
        "top_p": 1.0,
        "metadata": {},
        "usage": usage if done and turn.usage is not None else None,
    }


def stream(turn: Turn, request: Request) -> Iterator[bytes]:
    """The events of a streamed answer, from response.created to response.completed."""
    number = -1

    def event(kind: str, **fields: Any) -> bytes:
        nonlocal number
        number += 1
        data = {"type": kind, "sequence_number": number, **fields}
        return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()

    yield event("response.created", response=_head(turn, request, "in_progress"))
    for at, item in enumerate(_output(turn)):
        where = {"item_id": item["id"], "output_index": at}
        yield event("response.output_item.added", output_index=at, item=_empty(item))
        for kind, fields in _deltas(item):
            yield event(kind, **where, **fields)
        yield event("response.output_item.done", output_index=at, item=item)
    if turn.ends_early:
        return
    status = "incomplete" if turn.finish == "length" else "completed"
    yield event(f"response.{status}", response=_head(turn, request, status))


def _empty(item: dict[str, Any]) -> dict[str, Any]:
    empty = {"reasoning": {"summary": []}, "message": {"content": [], "status": "in_progress"}}
    return {**item, **empty.get(item["type"], {"arguments": "", "status": "in_progress"})}


def _deltas(item: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    if item["type"] == "reasoning":
        part = {"type": "summary_text", "text": ""}
        yield "response.reasoning_summary_part.added", {"summary_index": 0, "part": part}
        for piece in pieces(_summary(item)):
            yield "response.reasoning_summary_text.delta", {"summary_index": 0, "delta": piece}
        yield "response.reasoning_summary_text.done", {"summary_index": 0, "text": _summary(item)}
    elif item["type"] == "message":
        text = _text(item["content"])
        part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        yield "response.content_part.added", {"content_index": 0, "part": part}
        for piece in pieces(text):
            yield "response.output_text.delta", {"content_index": 0, "delta": piece, "logprobs": []}
        yield "response.output_text.done", {"content_index": 0, "text": text, "logprobs": []}
        yield "response.content_part.done", {"content_index": 0, "part": {**part, "text": text}}
    else:
        for piece in pieces(item["arguments"], 4):
            yield "response.function_call_arguments.delta", {"delta": piece}
        yield "response.function_call_arguments.done", {"arguments": item["arguments"], "name": item["name"]}


def whole(turn: Turn, request: Request) -> dict[str, Any]:
    """The answer as one JSON object, for a request that does not stream."""
    return _head(turn, request, "completed")


def error_event(error: ApiError) -> bytes:
    """An error in the middle of a stream."""
    fields = {"type": "error", "code": error.code or "server_error", "message": error.message, "param": None}
    return f"event: error\ndata: {json.dumps({**fields, 'sequence_number': 99})}\n\n".encode()
