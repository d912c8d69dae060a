"""Gemini's generateContent as the provider speaks it: what it refuses, and its chunks on the wire."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.loopback.turns import ApiError, Call, Refused, Request, ToolResultSeen, Turn, pieces, signature_of

KNOWN = frozenset(
    [
        "contents",
        "systemInstruction",
        "tools",
        "toolConfig",
        "safetySettings",
        "generationConfig",
        "cachedContent",
        "labels",
    ]
)
CONFIG = """
    audioTimestamp candidateCount enableEnhancedCivicAnswers frequencyPenalty imageConfig logprobs maxOutputTokens
    mediaResolution presencePenalty responseJsonSchema responseLogprobs responseMimeType responseModalities
    responseSchema routingConfig seed speechConfig stopSequences temperature thinkingConfig topK topP
"""
CONFIG_KNOWN = frozenset(CONFIG.split())
STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}


def camel(value: Any) -> Any:
    """The same with keys in camel case: the provider takes both spellings, as all protocols of its kind do."""
    if isinstance(value, dict):
        return {re.sub(r"_([a-z])", lambda m: m[1].upper(), name): inner for name, inner in value.items()}
    return value


def check_key(request: Request, key: str) -> None:
    """Refuse a request without the right key."""
    given = request.headers.get("x-goog-api-key") or request.query.get("key", "")
    if given != key:
        raise Refused("API key not valid. Please pass a valid API key.", 400 if given else 403)


def check(request: Request) -> None:
    """Refuse what the real provider refuses, with the sentence that it would say."""
    body = camel(request.body)
    for name in body:
        if name not in KNOWN:
            raise Refused(f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.')
    if not body.get("contents"):
        raise Refused("* GenerateContentRequest.contents: contents is not specified")
    if request.model.startswith("no-such-"):
        raise Refused(f"models/{request.model} is not found for API version v1beta", 404)
    config = camel(body.get("generationConfig") or {})
    for name in config:
        if name not in CONFIG_KNOWN:
            raise Refused(f"Invalid JSON payload received. Unknown name \"{name}\" at 'generation_config'.")
    temperature = config.get("temperature")
    if temperature is not None and not 0 <= temperature <= 2:
        raise Refused("* GenerateContentRequest.generation_config.temperature: temperature must be in the range [0, 2]")
    shaped = config.get("responseSchema") or config.get("responseJsonSchema")
    if shaped and config.get("responseMimeType") != "application/json":
        raise Refused("Response schema is only supported with response mime type application/json")
    if shaped and body.get("tools") and "gemini-2" in request.model:
        raise Refused("Function calling with a response mime type: 'application/json' is unsupported")
    _check_contents(request.model, body["contents"])


def _check_contents(model: str, contents: list[dict[str, Any]]) -> None:
    waiting = 0
    for at, content in enumerate(contents):
        if content.get("role") not in ("user", "model", "function", None):
            raise Refused("Please use a valid role: user, model.")
        parts = [camel(part) for part in content.get("parts") or []]
        if not parts:
            raise Refused(f"* GenerateContentRequest.contents[{at}].parts: contents.parts must not be empty.")
        results = [part for part in parts if "functionResponse" in part]
        if len(results) != waiting:
            raise Refused(
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        calls = [part for part in parts if "functionCall" in part]
        if calls and at == 0:
            raise Refused("Please ensure that function call turn comes immediately after a user turn.")
        _check_signatures(model, calls)
        waiting = len(calls)
    if waiting:
        raise Refused("Please ensure that function call turns are followed by their responses.")


def _check_signatures(model: str, calls: list[dict[str, Any]]) -> None:
    for number, part in enumerate(calls):
        call, signature = part["functionCall"], part.get("thoughtSignature")
        if signature is not None and signature != _signature(call["name"], call.get("args") or {}):
            raise Refused("Corrupted thought signature.")
        if signature is None and number == 0 and model.startswith("gemini-3"):
            raise Refused(f"Function call is missing a thought_signature in functionCall parts: {call['name']}")


def _signature(name: str, arguments: dict[str, Any]) -> str:
    return signature_of(f"{name} {json.dumps(arguments, sort_keys=True)}")


def _text(parts: list[dict[str, Any]]) -> str:
    return "\n".join(str(part["text"]) for part in parts if part.get("text"))


def describe(request: Request) -> None:
    """Fill in what a script wants to know about a request."""
    body = camel(request.body)
    name, _, method = request.path.rpartition("/")[2].partition(":")
    request.model, request.stream = name, method == "streamGenerateContent"
    contents = body.get("contents") or []
    request.messages = contents
    declared = [camel(tool).get("functionDeclarations") or [] for tool in body.get("tools") or []]
    request.tools = [dict(function) for functions in declared for function in functions]
    request.system = _text((body.get("systemInstruction") or {}).get("parts") or [])
    config = camel(body.get("generationConfig") or {})
    request.schema = config.get("responseJsonSchema") or config.get("responseSchema")
    for content in contents:
        parts = [camel(part) for part in content.get("parts") or []]
        given = [part["functionResponse"] for part in parts if "functionResponse" in part]
        if content.get("role") != "model" and _text(parts):
            request.user, request.tool_results = _text(parts), []
        request.tool_results += [ToolResultSeen(str(g.get("name")), _said(g.get("response") or {})) for g in given]
        request.last_role = "tool" if given else str(content.get("role"))


def _said(response: dict[str, Any]) -> str:
    """The text of a result: clients wrap a text into an object, since only objects are taken."""
    only = next(iter(response.values())) if len(response) == 1 else response
    return only if isinstance(only, str) else json.dumps(only)


def _thinks(request: Request) -> bool:
    config = camel(camel(request.body).get("generationConfig") or {})
    return bool(camel(config.get("thinkingConfig") or {}).get("includeThoughts"))


def _call_part(call: Call, request: Request, first: bool) -> dict[str, Any]:
    arguments = json.loads(call.arguments or "{}") if isinstance(call.arguments, str) else call.arguments
    part: dict[str, Any] = {"functionCall": {"name": call.name, "args": arguments}}
    if first and (request.model.startswith("gemini-3") or _thinks(request)):
        part["thoughtSignature"] = _signature(call.name, arguments)
    return part


def _usage(turn: Turn) -> dict[str, int]:
    given, made = turn.usage or (0, 0)
    usage = {
        "promptTokenCount": given,
        "candidatesTokenCount": made - turn.thought,
        "totalTokenCount": given + made,
    }
    if turn.cached:
        usage["cachedContentTokenCount"] = turn.cached
    return usage | {"thoughtsTokenCount": turn.thought} if turn.thought else usage


def stream(turn: Turn, request: Request) -> Iterator[bytes]:
    """The chunks of a streamed answer: text in parts, calls whole, usage on the last."""

    def chunk(parts: list[dict[str, Any]], finish: str | None = None) -> bytes:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
        if finish:
            candidate["finishReason"] = finish
        data: dict[str, Any] = {"candidates": [candidate], "modelVersion": request.model, "responseId": "r_loopback"}
        if finish and turn.usage is not None:
            data["usageMetadata"] = _usage(turn)
        return b"data: " + json.dumps(data).encode() + b"\r\n\r\n"

    parts: list[dict[str, Any]] = []
    if turn.thinking and _thinks(request):
        parts += [{"text": piece, "thought": True} for piece in pieces(turn.thinking)]
    parts += [{"text": piece} for piece in pieces(turn.text)]
    parts += [_call_part(call, request, number == 0) for number, call in enumerate(turn.calls)]
    for part in parts if turn.ends_early else parts[:-1]:
        yield chunk([part])
    if not turn.ends_early:
        yield chunk(parts[-1:], FINISH[turn.finish or "stop"])  # the end comes with the last part, not after it


def whole(turn: Turn, request: Request) -> dict[str, Any]:
    """The answer as one JSON object, for a request that does not stream."""
    parts: list[dict[str, Any]] = [{"text": turn.text}] if turn.text else []
    parts += [_call_part(call, request, number == 0) for number, call in enumerate(turn.calls)]
    candidate = {
        "content": {"role": "model", "parts": parts},
        "finishReason": FINISH[turn.finish or "stop"],
        "index": 0,
    }
    return {"candidates": [candidate], "usageMetadata": _usage(turn), "modelVersion": request.model}


def error_body(status: int, message: str, code: str | None = None) -> dict[str, Any]:
    """An error as this provider writes it."""
    return {"error": {"code": status, "message": message, "status": code or STATUS.get(status, "UNKNOWN")}}


def error_event(error: ApiError) -> bytes:
    """An error in the middle of a stream."""
    return b"data: " + json.dumps(error_body(error.status, error.message, error.code)).encode() + b"\r\n\r\n"


def refusal(error: ApiError) -> tuple[dict[str, Any], dict[str, str]]:
    """The body and headers of an error: this provider says how long to wait in the body."""
    body = error_body(error.status, error.message, error.code)
    headers = dict(error.headers)
    if seconds := headers.pop("retry-after", None):
        kind = "type.googleapis.com/google.rpc.RetryInfo"
        body["error"]["details"] = [{"@type": kind, "retryDelay": f"{seconds}s"}]
    return body, headers
