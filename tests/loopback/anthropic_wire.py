"""Anthropic's messages as the provider speaks them: what it refuses, and its events on the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.loopback.openai_wire import content_text
from tests.loopback.schemas import require_closed_schema
from tests.loopback.turns import ApiError, Call, Refused, Request, ToolResultSeen, Turn, pieces, signature_of

PARAMETERS = """
    container context_management inference_geo max_tokens mcp_servers messages metadata model output_config
    output_format service_tier stop_sequences stream system temperature thinking tool_choice tools top_k top_p
"""
KNOWN = frozenset(PARAMETERS.split())
BLOCKS = {
    "user": {"text", "image", "document", "tool_result"},
    "assistant": {"text", "tool_use", "thinking", "redacted_thinking"},
}
STATUS_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def check_key(request: Request, key: str) -> None:
    """Refuse a request without the right key or without a version."""
    headers = request.headers
    if headers.get("x-api-key", "") != key:
        raise Refused("invalid x-api-key", 401)
    if not headers.get("anthropic-version"):
        raise Refused("anthropic-version: header is required")


def check(request: Request) -> None:
    """Refuse what the real provider refuses, with the sentence that it would say."""
    body = request.body
    for name in body:
        if name not in KNOWN:
            raise Refused(f"{name}: Extra inputs are not permitted")
    for name in ("model", "messages", "max_tokens"):
        if not body.get(name):
            raise Refused(f"{name}: Field required")
    if str(body["model"]).startswith("no-such-"):
        raise Refused(f"model: {body['model']}", 404)
    temperature = body.get("temperature")
    if temperature is not None and not 0 <= temperature <= 1:
        raise Refused("temperature: range: 0..1")
    _check_thinking(body)
    _check_system(body.get("system"))
    _check_tools(body)
    if (schema := _schema(body)) is not None:
        require_closed_schema(schema, "output_format")
    _check_messages(body)
    if json.dumps(body).count('"cache_control"') > 4:
        raise Refused("A maximum of 4 blocks with cache_control may be provided.")


def thinks(body: dict[str, Any]) -> bool:
    """Whether the request turns thinking on."""
    return (body.get("thinking") or {}).get("type") in ("enabled", "adaptive")


def _check_thinking(body: dict[str, Any]) -> None:
    thinking = body.get("thinking")
    if thinking is None:
        return
    kind = thinking.get("type")
    if kind not in ("enabled", "disabled", "adaptive"):
        raise Refused(f"thinking.type: Input tag '{kind}' does not match any of the expected tags")
    if kind == "enabled":
        budget = thinking.get("budget_tokens")
        if not isinstance(budget, int):
            raise Refused("thinking.enabled.budget_tokens: Field required")
        if budget < 1024:
            raise Refused("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if budget >= body["max_tokens"]:
            raise Refused("`max_tokens` must be greater than `thinking.budget_tokens`.")
    if kind != "disabled":
        if body.get("temperature", 1) != 1:
            raise Refused("`temperature` may only be set to 1 when thinking is enabled.")
        if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
            raise Refused("Thinking may not be enabled when tool_choice forces tool use.")


def _check_system(system: Any) -> None:
    if isinstance(system, list):
        for at, block in enumerate(system):
            if block.get("type") != "text" or not str(block.get("text", "")).strip():
                raise Refused(f"system.{at}: text content blocks must be non-empty")


def _check_tools(body: dict[str, Any]) -> None:
    tools = body.get("tools")
    if tools is None:
        if body.get("tool_choice") is not None:
            raise Refused("tool_choice: may only be specified while providing tools")
        return
    names = set()
    for at, tool in enumerate(tools):
        if tool.get("type", "custom") != "custom":
            continue
        if unknown := set(tool) - {"type", "name", "description", "input_schema", "cache_control", "strict"}:
            raise Refused(f"tools.{at}.custom.{sorted(unknown)[0]}: Extra inputs are not permitted")
        schema = tool.get("input_schema")
        if not isinstance(schema, dict) or schema.get("type") != "object":
            raise Refused(f"tools.{at}.custom.input_schema.type: Field required")
        if tool.get("name") in names or not tool.get("name"):
            raise Refused("tools: Tool names must be unique.")
        names.add(tool["name"])


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or [])


def _check_messages(body: dict[str, Any]) -> None:
    messages = body["messages"]
    if messages[0].get("role") != "user":
        raise Refused('messages: first message must use the "user" role')
    waiting: set[str] = set()
    for at, message in enumerate(messages):
        if unknown := set(message) - {"role", "content"}:
            raise Refused(f"messages.{at}.{sorted(unknown)[0]}: Extra inputs are not permitted")
        role = message.get("role")
        if role not in BLOCKS:
            raise Refused(f"messages.{at}.role: Input should be 'user' or 'assistant'")
        if at and role == messages[at - 1].get("role"):
            raise Refused('messages: roles must alternate between "user" and "assistant"')
        blocks = _blocks(message)
        if not blocks:
            raise Refused(f"messages.{at}: all messages must have non-empty content")
        for number, block in enumerate(blocks):
            _check_block(block, str(role), f"messages.{at}.content.{number}")
        results = [b["tool_use_id"] for b in blocks if b["type"] == "tool_result"]
        if foreign := [name for name in results if name not in waiting]:
            raise Refused(
                f"messages.{at}.content: unexpected `tool_use_id` found in `tool_result` blocks: "
                f"{foreign[0]}. Each `tool_result` block must have a corresponding `tool_use` block in the "
                "previous message."
            )
        if waiting - set(results) or len(results) != len(set(results)):
            _refuse_unanswered(at - 1, waiting - set(results))
        waiting = {b["id"] for b in blocks if b["type"] == "tool_use"}
    if waiting:
        _refuse_unanswered(len(messages) - 1, waiting)
    _check_thinking_first(body)


def _refuse_unanswered(at: int, waiting: set[str]) -> None:
    raise Refused(
        f"messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: "
        f"{', '.join(sorted(waiting))}."
    )


def _check_block(block: dict[str, Any], role: str, where: str) -> None:
    kind = block.get("type")
    if kind not in BLOCKS[role]:
        raise Refused(f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags")
    if kind == "text" and not str(block.get("text", "")).strip():
        raise Refused(f"{where}: text content blocks must contain non-whitespace text")
    if kind == "tool_use" and not isinstance(block.get("input"), dict):
        raise Refused(f"{where}.tool_use.input: Input should be a valid dictionary")
    if kind == "thinking" and block.get("signature") != signature_of(str(block.get("thinking", ""))):
        raise Refused(f"{where}: Invalid `signature` in `thinking` block")


def _check_thinking_first(body: dict[str, Any]) -> None:
    if not thinks(body):
        return
    for at, message in enumerate(body["messages"]):
        if message["role"] != "assistant":
            continue
        kinds = [block["type"] for block in _blocks(message)]
        if "thinking" in kinds[1:] and kinds[0] not in ("thinking", "redacted_thinking"):
            raise Refused(f"messages.{at}.content.0.type: `thinking` must be the first block of the message")
        if "tool_use" in kinds and kinds[0] not in ("thinking", "redacted_thinking"):
            raise Refused(
                f"messages.{at}.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
                f"`{kinds[0]}`. When `thinking` is enabled, a final `assistant` message "
                "must start with a thinking block."
            )


def _schema(body: dict[str, Any]) -> dict[str, Any] | None:
    wanted = body.get("output_format") or (body.get("output_config") or {}).get("format")
    return wanted.get("schema") if isinstance(wanted, dict) else None


def _forced(body: dict[str, Any]) -> dict[str, Any] | None:
    choice = body.get("tool_choice") or {}
    tools = body.get("tools") or []
    if choice.get("type") == "tool":
        return next((tool for tool in tools if tool.get("name") == choice.get("name")), None)
    return None


def describe(request: Request) -> None:
    """Fill in what a script wants to know about a request."""
    body = request.body
    messages = body.get("messages") or []
    request.messages = messages
    request.model = str(body.get("model", ""))
    request.stream = bool(body.get("stream"))
    request.tools = list(body.get("tools") or [])
    request.system = content_text(body.get("system"))
    request.schema = _schema(body)
    if (forced := _forced(body)) is not None and forced.get("name") == "json_tool_call":
        request.schema = forced.get("input_schema")
    results: list[ToolResultSeen] = []
    for message in messages:
        blocks = _blocks(message)
        texts = [str(b.get("text", "")) for b in blocks if b.get("type") == "text"]
        given = [b for b in blocks if b.get("type") == "tool_result"]
        if message.get("role") == "user" and texts:
            request.user = "\n".join(texts)
            results = []
        results += [
            ToolResultSeen(str(b.get("tool_use_id")), content_text(b.get("content")), bool(b.get("is_error")))
            for b in given
        ]
        request.last_role = "tool" if given else str(message.get("role"))
    request.tool_results = results


def _content(turn: Turn, request: Request) -> list[dict[str, Any]]:
    text, calls = turn.text, list(turn.calls)
    forced = _forced(request.body)
    if forced is not None and not calls:
        calls, text = [Call(str(forced["name"]), json.loads(text))], ""
    blocks: list[dict[str, Any]] = []
    if turn.thinking and thinks(request.body):
        blocks.append({"type": "thinking", "thinking": turn.thinking, "signature": signature_of(turn.thinking)})
    if text:
        blocks.append({"type": "text", "text": text})
    blocks += [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments} for call in calls]
    return blocks


def _stop_reason(turn: Turn, blocks: list[dict[str, Any]]) -> str:
    if turn.finish is not None:
        return {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}[turn.finish]
    return "tool_use" if any(block["type"] == "tool_use" for block in blocks) else "end_turn"


def _head(request: Request, content: list[dict[str, Any]], usage: dict[str, int]) -> dict[str, Any]:
    return {
        "id": "msg_loopback",
        "type": "message",
        "role": "assistant",
        "model": request.model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }


def _given(turn: Turn) -> dict[str, int]:
    """The tokens of the request; here cached ones are counted beside the others, not among them."""
    given = (turn.usage or (0, 0))[0]
    usage = {"input_tokens": given - turn.cached - turn.cache_written}
    if turn.cached or turn.cache_written:
        usage |= {"cache_read_input_tokens": turn.cached, "cache_creation_input_tokens": turn.cache_written}
    return usage


def stream(turn: Turn, request: Request) -> Iterator[bytes]:
    """The events of a streamed answer, from message_start to message_stop."""

    def event(kind: str, **fields: Any) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()

    made = (turn.usage or (0, 0))[1]
    blocks = _content(turn, request)
    yield event("message_start", message=_head(request, [], {**_given(turn), "output_tokens": 1}))
    yield event("ping")
    for index, block in enumerate(blocks):
        empty, deltas = _deltas(block)
        yield event("content_block_start", index=index, content_block=empty)
        for delta in deltas:
            yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
    if turn.ends_early:
        return
    reason = {"stop_reason": _stop_reason(turn, blocks), "stop_sequence": None}
    yield event("message_delta", delta=reason, usage={"output_tokens": made})
    yield event("message_stop")


def _deltas(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if block["type"] == "text":
        return {"type": "text", "text": ""}, [{"type": "text_delta", "text": p} for p in pieces(block["text"])]
    if block["type"] == "thinking":
        deltas: list[dict[str, Any]] = [
            {"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])
        ]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
        return {"type": "thinking", "thinking": "", "signature": ""}, deltas
    text = block["input"] if isinstance(block["input"], str) else json.dumps(block["input"])
    parts = ["", *pieces(text, 4)]
    return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": part} for part in parts]


def whole(turn: Turn, request: Request) -> dict[str, Any]:
    """The answer as one JSON object, for a request that does not stream."""
    made = (turn.usage or (0, 0))[1]
    blocks = _content(turn, request)
    head = _head(request, blocks, {**_given(turn), "output_tokens": made})
    return {**head, "stop_reason": _stop_reason(turn, blocks)}


def error_body(status: int, message: str, code: str | None = None) -> dict[str, Any]:
    """An error as this provider writes it."""
    kind = code or STATUS_TYPES.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_loopback"}


def error_event(error: ApiError) -> bytes:
    """An error in the middle of a stream."""
    return b"event: error\ndata: " + json.dumps(error_body(error.status, error.message, error.code)).encode() + b"\n\n"
