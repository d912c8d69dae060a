"""How an agent's call of its model is put: messages, parameters, and what of them counts in the fingerprint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from polos_nb.agents import Agent, AgentRunConfig
from polos_nb.codec import digest, to_plain
from polos_nb.errors import DefinitionError
from polos_nb.messages import AgentResult, Message, as_text
from polos_nb.models.base import ModelRequest
from polos_nb.schema import output_schema, schema_name
from polos_nb.tools import Tool

FINAL_ANSWER = "final_answer"


def user_messages(value: Any) -> list[Message]:
    """An input as messages: a text, a message or list of messages (dicts with role and content), or any data."""
    if isinstance(value, AgentResult):
        value = value.result
    if isinstance(value, str):
        return [Message(role="user", content=sayable(value))]
    if isinstance(value, Message):
        return [value]
    if isinstance(value, list) and value and all(isinstance(item, dict | Message) for item in value):
        if all(isinstance(item, Message) or "role" in item for item in value):
            return [item if isinstance(item, Message) else Message.model_validate(item) for item in value]
        if all("type" in item for item in value if isinstance(item, dict)):
            return [Message(role="user", content=list(value))]
    plain = to_plain(value)
    plain = sayable(plain) if isinstance(plain, str) else plain
    return [Message(role="user", content=as_text(plain) if isinstance(plain, str) else json.dumps(plain))]


def sayable(text: str) -> str:
    """A text that can be sent: half of a surrogate pair (from the name of a file) is replaced."""
    return text if text.isascii() else text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def plain_input(value: Any) -> Any:
    """An input as plain data, as it is kept and hashed."""
    if isinstance(value, AgentResult):
        value = value.result
    plain = to_plain(value)
    return sayable(plain) if isinstance(plain, str) else plain


def parameters(config: AgentRunConfig) -> dict[str, Any]:
    """What goes to the provider beside the messages; those of the call win over those of the agent."""
    agent = config.agent
    given: dict[str, Any] = {
        "temperature": agent.temperature,
        "max_tokens": agent.max_output_tokens,
        **agent.model_params,
        **config.kwargs,
    }
    if "max_output_tokens" in given:
        given["max_tokens"] = given.pop("max_output_tokens")
    return {name: value for name, value in given.items() if value is not None}


def tool_definitions(agent: Agent) -> list[dict[str, Any]]:
    """The agent's tools as a model is told of them, with `final_answer` where the answer must fit a schema."""
    out = [tool.to_llm_tool_definition() if isinstance(tool, Tool) else dict(tool) for tool in agent.tools]
    if agent.output_schema is not None and out:
        if agent.tool(FINAL_ANSWER) is not None:
            raise DefinitionError(
                f"agent {agent.id!r}: a tool called {FINAL_ANSWER} stands in the way of output_schema; rename it"
            )
        schema = output_schema(agent.output_schema)
        text = "Give the final answer. Call this once, at the end, instead of answering in text."
        function = {"name": FINAL_ANSWER, "description": text, "parameters": schema}
        out.append({"type": "function", "function": function})
    return out


def response_schema(agent: Agent) -> tuple[dict[str, Any] | None, str]:
    """The JSON schema for the provider's own mechanism, and its name; None where tools make it impossible."""
    if agent.output_schema is None or agent.tools:
        return None, "answer"
    return output_schema(agent.output_schema), schema_name(agent.output_schema)


class MessageLog:
    """The messages of a run, each with its digest, so that a turn costs only what it adds."""

    def __init__(self, start: list[Message]) -> None:
        self.messages: list[Message] = []
        self.digests: list[str] = []
        self.blobs: dict[str, str] = {}
        self._calls: dict[str, int] = {}
        for message in start:
            self.add(message)

    def add(self, message: Message) -> None:
        """Append a message."""
        text = json.dumps(self._normalised(message), ensure_ascii=False, sort_keys=True)
        name = f"msg:{digest(text)}"
        self.messages.append(message)
        self.digests.append(name)
        self.blobs[name] = text

    def extended(self, messages: list[Message]) -> MessageLog:
        """Another log, which begins with the messages of this one."""
        made = MessageLog([])
        made.messages, made.digests, made._calls = list(self.messages), list(self.digests), dict(self._calls)
        for message in messages:
            made.add(message)
        return made

    def take_blobs(self) -> dict[str, str]:
        """The texts behind the digests that were added since the last time."""
        taken, self.blobs = self.blobs, {}
        return taken

    def _normalised(self, message: Message) -> dict[str, Any]:
        """A message without what a provider makes up anew each time: ids of calls, signatures of thinking."""
        calls = []
        for call in message.tool_calls or []:
            self._calls[call.id] = len(self._calls)
            calls.append({"name": call.function.name, "arguments": _canonical_arguments(call.function.arguments)})
        out: dict[str, Any] = {"role": message.role, "content": message.content}
        if calls:
            out["calls"] = calls
        if message.name and message.role != "tool":
            out["name"] = message.name
        if message.tool_call_id is not None:
            out["call"] = self._calls.get(message.tool_call_id, message.tool_call_id)
        if message.reasoning:
            out["reasoning"] = message.reasoning
        return out


def llm_parts(request: ModelRequest, log: MessageLog) -> dict[str, Any]:
    """What the answer of an LLM step depends on."""
    parts: dict[str, Any] = {
        "provider": request.provider,
        "model": request.model,
        "messages": list(log.digests),
        "tools": _tool_digests(request.tools),
        "params": {name: to_plain(value) for name, value in sorted(request.params.items())},
    }
    return parts | {"output": digest(request.output_schema)} if request.output_schema is not None else parts


def _tool_digests(tools: list[dict[str, Any]]) -> dict[str, str]:
    out: dict[str, str] = {}
    for place, tool in enumerate(tools):
        name = _tool_name(tool, place)
        out[name if name not in out else f"{name} {place}"] = digest(tool)  # two built-in tools may be of one type
    return out


def _tool_name(tool: Mapping[str, Any], place: int) -> str:
    function = tool.get("function")
    named = function.get("name") if isinstance(function, Mapping) else tool.get("name") or tool.get("type")
    return str(named or f"built-in {place}")


def _canonical_arguments(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
