"""OpenAI's chat completions, in each provider's dialect: what is refused, and the answers on the wire."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.loopback.dialects import Dialect, dialect_of
from tests.loopback.schemas import require_strict_schema
from tests.loopback.turns import ApiError, Call, Refused, Request, ToolResultSeen, Turn, pieces

MESSAGE_KEYS = {
    "system": {"role", "content", "name"},
    "developer": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "assistant": {"role", "content", "name", "tool_calls", "refusal", "audio", "function_call"},
    "tool": {"role", "content", "tool_call_id"},
}


def check_key(request: Request, key: str) -> None:
    """Refuse a request without the right key, echoing the key's ends as the real provider does."""
    header = dialect_of(request.provider).key_header
    given = request.headers.get(header, "").removeprefix("Bearer ").strip()
    if not given:
        raise Refused("You didn't provide an API key.", 401)
    if given != key:
        shown = f"{given[:8]}{'*' * 8}{given[-4:]}"
        raise Refused(
            f"Incorrect API key provided: {shown}. You can find your API key at your account page.",
            401,
            "invalid_api_key",
        )


def check(request: Request) -> None:
    """Refuse what the real provider refuses, with the sentence that it would say."""
    body, dialect = request.body, dialect_of(request.provider)
    if dialect.needs_version and not request.query.get("api-version"):
        raise Refused("Resource not found", 404)
    for name in body:
        if name not in dialect.parameters:
            raise Refused(f"Unrecognized request argument supplied: {name}", code="unknown_parameter")
    for name in ("model", "messages"):
        if not body.get(name):
            raise Refused(f"Missing required parameter: '{name}'.", code="missing_required_parameter")
    if str(body["model"]).startswith("no-such-"):
        raise Refused(
            f"The model `{body['model']}` does not exist or you do not have access to it.",
            404,
            "model_not_found",
        )
    if body.get("stream_options") is not None and not body.get("stream"):
        raise Refused("The 'stream_options' parameter is only allowed when 'stream' is enabled.")
    if "max_tokens" in body and "max_completion_tokens" in body:
        raise Refused("Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
    _check_ranges(body)
    _check_tools(body)
    _check_response_format(body, dialect)
    _check_messages(body["messages"], dialect)


def _check_ranges(body: dict[str, Any]) -> None:
    for name, low, high in (("temperature", 0, 2), ("top_p", 0, 1), ("max_tokens", 1, 1e9)):
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Refused(f"Invalid type for '{name}': expected a number.")
        if not low <= value <= high:
            raise Refused(f"Invalid '{name}': {value} is not between {low} and {high:g}.")
    effort = body.get("reasoning_effort")
    if effort is not None and str(body["model"]).startswith("gpt-4"):
        raise Refused("Unrecognized request argument supplied: reasoning_effort", code="unknown_parameter")


def _check_tools(body: dict[str, Any]) -> None:
    tools = body.get("tools")
    if tools is None:
        for name in ("tool_choice", "parallel_tool_calls"):
            if body.get(name) is not None:
                raise Refused(f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified.")
        return
    if not isinstance(tools, list) or not tools:
        raise Refused("Invalid 'tools': empty array. Expected an array with minimum length 1.")
    for at, tool in enumerate(tools):
        function = tool.get("function")
        if tool.get("type") != "function" or not isinstance(function, dict) or not function.get("name"):
            raise Refused(f"Missing required parameter: 'tools[{at}].function.name'.")
        if unknown := set(function) - {"name", "description", "parameters", "strict"}:
            raise Refused(f"Unknown parameter: 'tools[{at}].function.{sorted(unknown)[0]}'.")
        parameters = function.get("parameters", {"type": "object", "properties": {}})
        if not isinstance(parameters, dict) or parameters.get("type") != "object":
            raise Refused(f"Invalid schema for function '{function['name']}': schema must be of type 'object'.")
        if function.get("strict"):
            require_strict_schema(parameters, f"function '{function['name']}'")


def _check_response_format(body: dict[str, Any], dialect: Dialect) -> None:
    wanted = body.get("response_format")
    if wanted is not None and body.get("stream") and not dialect.streams_schemas:
        raise Refused("response_format with a schema does not work with streaming")
    if wanted is None or wanted.get("type") == "text":
        return
    if wanted.get("type") == "json_object":
        if "json" not in json.dumps(body["messages"]).lower():
            raise Refused("'messages' must contain the word 'json' to use 'response_format' of type 'json_object'.")
        return
    given = wanted.get("json_schema")
    if wanted.get("type") != "json_schema" or not isinstance(given, dict) or not given.get("name"):
        raise Refused("Missing required parameter: 'response_format.json_schema.name'.")
    if not str(given["name"]).replace("-", "_").isidentifier():
        raise Refused("Invalid 'response_format.json_schema.name': string does not match '^[a-zA-Z0-9_-]+$'.")
    if given.get("strict"):
        require_strict_schema(given.get("schema") or {}, f"response_format '{given['name']}'")


def _check_messages(messages: list[dict[str, Any]], dialect: Dialect) -> None:
    waiting: dict[str, None] = {}
    for at, message in enumerate(messages):
        role = message.get("role")
        known = MESSAGE_KEYS.get(str(role))
        if known is None:
            raise Refused(f"Invalid value: '{role}'. Supported values are: {', '.join(MESSAGE_KEYS)}.")
        if role == "assistant":
            known = known | dialect.assistant_keys
        if unknown := set(message) - known:
            raise Refused(f"Unknown parameter: 'messages[{at}].{sorted(unknown)[0]}'.")
        if role == "tool":
            call_id = message.get("tool_call_id")
            if call_id not in waiting:
                raise Refused(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceding message "
                    "with 'tool_calls'."
                )
            del waiting[call_id]
        elif waiting:
            _refuse_unanswered(waiting)
        if message.get("content") is None and not (role == "assistant" and message.get("tool_calls")):
            raise Refused(f"Invalid value for 'content' of messages[{at}]: expected a string, got null.")
        if role == "assistant":
            waiting = dict.fromkeys(_check_calls(message, at))
    if waiting:
        _refuse_unanswered(waiting)


def _check_calls(message: dict[str, Any], at: int) -> list[str]:
    calls = message.get("tool_calls")
    if calls is None:
        return []
    if not calls:
        raise Refused(f"Invalid 'messages[{at}].tool_calls': empty array.")
    for number, call in enumerate(calls):
        where = f"messages[{at}].tool_calls[{number}]"
        if unknown := set(call) - {"id", "type", "function"}:
            raise Refused(f"Unknown parameter: '{where}.{sorted(unknown)[0]}'.")
        function = call.get("function") or {}
        if not call.get("id") or call.get("type") != "function" or not function.get("name"):
            raise Refused(f"Missing required parameter: '{where}.function.name'.")
        if not isinstance(function.get("arguments"), str):
            raise Refused(f"Invalid type for '{where}.function.arguments': expected a string.")
    return [str(call["id"]) for call in calls]


def _refuse_unanswered(waiting: dict[str, None]) -> None:
    raise Refused(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
        f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(waiting)}"
    )


def content_text(content: Any) -> str:
    """The text of a message's content, which is a string, a list of parts or nothing."""
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content)
    return content or ""


def describe(request: Request) -> None:
    """Fill in what a script wants to know about a request."""
    body = request.body
    messages = body.get("messages") or []
    request.messages = messages
    request.model = str(body.get("model", ""))
    request.stream = bool(body.get("stream"))
    request.tools = [dict(tool.get("function") or {}) for tool in body.get("tools") or []]
    request.system = "\n".join(
        content_text(m.get("content")) for m in messages if m.get("role") in ("system", "developer")
    )
    users = [content_text(m.get("content")) for m in messages if m.get("role") == "user"]
    request.user = users[-1] if users else ""
    request.last_role = str(messages[-1].get("role")) if messages else ""
    last_user = max((at for at, m in enumerate(messages) if m.get("role") == "user"), default=-1)
    request.tool_results = [
        ToolResultSeen(str(m.get("tool_call_id")), content_text(m.get("content")))
        for m in messages[last_user + 1 :]
        if m.get("role") == "tool"
    ]
    wanted = body.get("response_format") or {}
    request.schema = (wanted.get("json_schema") or {}).get("schema")
    if forced := _forced(body):
        request.schema = next(tool["parameters"] for tool in request.tools if tool.get("name") == forced)


def _finish(turn: Turn) -> str:
    return turn.finish or ("tool_calls" if turn.calls else "stop")


def _arguments(arguments: dict[str, Any] | str) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _forced(body: dict[str, Any]) -> str:
    """The function that the model is made to call, if any."""
    choice = body.get("tool_choice")
    return str(choice["function"]["name"]) if isinstance(choice, dict) else ""


def _whole_call(call: Call) -> dict[str, Any]:
    function = {"name": call.name, "arguments": _arguments(call.arguments)}
    return {"id": call.id, "type": "function", "function": function}


def _usage(turn: Turn) -> dict[str, Any] | None:
    if turn.usage is None:
        return None
    given, made = turn.usage
    return {
        "prompt_tokens": given,
        "completion_tokens": made,
        "total_tokens": given + made,
        "prompt_tokens_details": {"cached_tokens": turn.cached},
        "completion_tokens_details": {"reasoning_tokens": turn.thought},
    }


def stream(turn: Turn, request: Request) -> Iterator[bytes]:
    """The frames of a streamed answer; usage comes on a chunk of its own, and only if it was asked for."""
    asked = bool((request.body.get("stream_options") or {}).get("include_usage"))
    base = {
        "id": "chatcmpl-loopback",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": request.model,
        "system_fingerprint": "fp_loopback",
    }

    def frame(delta: dict[str, Any], finish: str | None = None) -> bytes:
        chunk: dict[str, Any] = {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        if asked:
            chunk["usage"] = None
        return b"data: " + json.dumps(chunk).encode() + b"\n\n"

    dialect = dialect_of(request.provider)
    if dialect.opens_empty:
        yield b"data: " + json.dumps({**base, "choices": [], "prompt_filter_results": []}).encode() + b"\n\n"
    yield frame({"role": "assistant", "content": ""})
    if turn.thinking and dialect.reasoning:
        for piece in pieces(turn.thinking):
            yield frame({dialect.reasoning: piece})
    for piece in pieces(turn.text):
        yield frame({"content": piece})
    if dialect.whole_calls and turn.calls:
        yield frame({"tool_calls": [{"index": at, **_whole_call(call)} for at, call in enumerate(turn.calls)]})
    for index, call in enumerate(turn.calls if not dialect.whole_calls else ()):
        head = {
            "index": index,
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": ""},
        }
        yield frame({"tool_calls": [head]})
    for index, call in enumerate(turn.calls if not dialect.whole_calls else ()):
        for piece in pieces(_arguments(call.arguments), 4):
            yield frame({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    if turn.ends_early:
        return
    yield frame({}, _finish(turn))
    if asked and (usage := _usage(turn)) is not None:
        yield b"data: " + json.dumps({**base, "choices": [], "usage": usage}).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


def whole(turn: Turn, request: Request) -> dict[str, Any]:
    """The answer as one JSON object, for a request that does not stream."""
    forced = _forced(request.body)
    if forced and not turn.calls:
        turn = replace(turn, text="", calls=[Call(forced, turn.text)])
    message: dict[str, Any] = {"role": "assistant", "content": turn.text or None, "refusal": None}
    if turn.calls:
        message["tool_calls"] = [_whole_call(call) for call in turn.calls]
    return {
        "id": "chatcmpl-loopback",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": request.model,
        "choices": [{"index": 0, "message": message, "finish_reason": _finish(turn), "logprobs": None}],
        "usage": _usage(turn),
        **({"service_tier": "on_demand"} if request.provider == "groq" else {}),
    }


def error_body(status: int, message: str, code: str | None = None) -> dict[str, Any]:
    """An error as this provider writes it."""
    kind = {401: "authentication_error", 429: "rate_limit_error"}.get(
        status, "server_error" if status >= 500 else "invalid_request_error"
    )
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def error_event(error: ApiError) -> bytes:
    """An error in the middle of a stream."""
    return b"data: " + json.dumps(error_body(error.status, error.message, error.code)).encode() + b"\n\n"
