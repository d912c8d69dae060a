"""Turns a request into the words of litellm, which are those of OpenAI's chat completions."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from polos_nb.images import image_of
from polos_nb.messages import Message, ToolCall
from polos_nb.models.base import ModelRequest
from polos_nb.models.caching import mark
from polos_nb.models.parameters import parameters
from polos_nb.models.providers import Provider
from polos_nb.models.vision import takes_images

# Where thinking goes back as plain text; elsewhere the provider refuses the field or does not know it.
_TAKES_REASONING_TEXT = frozenset(("together", "fireworks"))
_TAKES_SPECIFIC_FIELDS = frozenset(("anthropic", "gemini"))


def arguments_of(request: ModelRequest, provider: Provider) -> dict[str, Any]:
    """The keyword arguments of `litellm.acompletion`, without key, base URL and timeout.

    Raises ModelError for a parameter that cannot be passed on.
    """
    arguments: dict[str, Any] = {
        "model": f"{provider.prefix}/{request.model}",
        "messages": _messages(request),
        "stream": True,
        "stream_options": {"include_usage": True},
        "num_retries": 0,
        "max_retries": 0,
        **parameters(request, provider),
    }
    if request.tools:
        arguments["tools"] = request.tools
    if request.output_schema is not None:
        arguments["response_format"] = response_format(request.output_schema, request.output_name)
        if provider.name == "groq":
            # Groq does not stream such answers; litellm asks for the whole and would leave this in, which is refused.
            del arguments["stream_options"]
    # A copy, because litellm writes into what it is given: its own notes into a `metadata` of the caller's.
    arguments = deepcopy(arguments)
    if provider.name == "anthropic":
        mark(arguments)
    return arguments


def _messages(request: ModelRequest) -> list[dict[str, Any]]:
    """The messages, with the images that tools returned in a message behind the results: few providers take them there.

    A model that takes no images reads only the words about them.
    """
    sees = takes_images(request.provider, request.model)
    out: list[dict[str, Any]] = []
    seen: list[dict[str, Any]] = []
    for message in request.messages:
        if message.role != "tool" and seen:
            out.append({"role": "user", "content": seen})
            seen = []
        said = message_dict(message, request.provider)
        if message.role == "tool" and isinstance(message.content, list):
            images = [part for part in message.content if image_of(part) is not None]
            texts = [str(part.get("text", "")) for part in message.content if part not in images]
            said["content"] = "\n".join(texts)
            if sees and images:
                seen += [{"type": "text", "text": f"Images that {message.name or 'the tool'} returned:"}, *images]
        out.append(said)
    return [*out, {"role": "user", "content": seen}] if seen else out


def message_dict(message: Message, provider: str) -> dict[str, Any]:
    """A message as litellm takes it; blocks that belong to another provider stay behind."""
    result: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.name is not None and message.role != "tool":
        result["name"] = message.name
    if message.role == "tool":
        result["tool_call_id"] = message.tool_call_id
        result["content"] = message.content if message.content is not None else ""
    if message.tool_calls:
        result["tool_calls"] = [_call_dict(call, provider) for call in message.tool_calls]
    elif message.content is None:
        result["content"] = ""
    extra = _own(message.extra, provider)
    if provider == "anthropic" and extra.get("thinking_blocks"):
        result["thinking_blocks"] = extra["thinking_blocks"]
    if extra.get("reasoning_items"):
        result["reasoning_items"] = extra["reasoning_items"]
    fields = extra.get("provider_specific_fields")
    if fields and (provider in _TAKES_SPECIFIC_FIELDS or "openai_responses_replay" in fields):
        result["provider_specific_fields"] = fields
    if message.role == "assistant" and message.reasoning and provider in _TAKES_REASONING_TEXT:
        result["reasoning_content"] = message.reasoning
    return result


def _call_dict(call: ToolCall, provider: str) -> dict[str, Any]:
    function = {"name": call.function.name, "arguments": call.function.arguments or "{}"}
    result: dict[str, Any] = {"id": call.id, "type": "function", "function": function}
    fields = _own(call.extra, provider).get("provider_specific_fields")
    if fields and provider in _TAKES_SPECIFIC_FIELDS:
        result["provider_specific_fields"] = fields
    return result


def _own(extra: dict[str, Any] | None, provider: str) -> dict[str, Any]:
    return extra if extra and extra.get("provider", provider) == provider else {}


def response_format(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """The request for an answer of a JSON schema: strict if the schema can be, else as it is."""
    strict = strict_schema(schema)
    given: dict[str, Any] = {
        "name": name,
        "schema": schema if strict is None else strict,
        "strict": strict is not None,
    }
    return {"type": "json_schema", "json_schema": given}


def strict_schema(schema: dict[str, Any]) -> dict[str, Any] | None:
    """The schema as strict mode wants it, or None if it says something that strict mode cannot.

    Objects are closed and all their properties required; defaults go, since the model always has to say a
    value. Open objects (`dict[str, int]`) and tuples have no strict form.

    >>> strict = strict_schema({"type": "object", "properties": {"a": {"type": "integer", "default": 1}}})
    >>> strict["properties"], strict["required"], strict["additionalProperties"]
    ({'a': {'type': 'integer'}}, ['a'], False)
    """
    if "$ref" in schema:
        # A recursive model is a reference to its own definition, and the root has to be an object.
        name = str(schema["$ref"]).removeprefix("#/$defs/")
        schema = {**schema.get("$defs", {}).get(name, {}), "$defs": schema.get("$defs", {})}
    try:
        return _strict(schema) if schema.get("type") == "object" else None
    except _NoStrictForm:
        return None


class _NoStrictForm(Exception):
    pass


def _strict(schema: Any) -> dict[str, Any]:
    if not isinstance(schema, dict) or any(word in schema for word in ("prefixItems", "patternProperties", "not")):
        raise _NoStrictForm
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}
    result = {name: value for name, value in schema.items() if name not in ("default", "discriminator", "examples")}
    if "allOf" in result:
        parts = result.pop("allOf")
        if len(parts) != 1:
            raise _NoStrictForm
        return _strict({**parts[0]} if "$ref" in parts[0] else {**result, **parts[0]})
    if "oneOf" in result:
        result["anyOf"] = result.pop("oneOf")
    if "anyOf" in result:
        result["anyOf"] = [_strict(inner) for inner in result["anyOf"]]
    if "items" in result:
        result["items"] = _strict(result["items"])
    for group in ("properties", "$defs"):
        if group in result:
            result[group] = {name: _strict(inner) for name, inner in result[group].items()}
    if result.get("type") == "object":
        if result.get("additionalProperties", False) is not False or "properties" not in result:
            raise _NoStrictForm
        result["additionalProperties"] = False
        result["required"] = list(result["properties"])
    elif not result.keys() & {"type", "anyOf", "enum", "const"}:
        raise _NoStrictForm
    return result
