"""Makes agents of cells: what `%%polos_agent` does."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from polos_nb.agents import Agent
from polos_nb.errors import ConfigurationError
from polos_nb.models.providers import get_provider
from polos_nb.notebook.arguments import AGENT, Namespace, did_you_mean, params_of, variable_name
from polos_nb.notebook.definitions_code import signature_of
from polos_nb.notebook.interpolate import Interpolated, interpolate, strip_markers
from polos_nb.notebook.lookup import find_tool, find_type
from polos_nb.stop_conditions import (
    StopCondition,
    StopConditionFactory,
    executed_tool,
    has_text,
    max_steps,
    max_tokens,
)
from polos_nb.tools import Tool

_BUILT_IN = {"max_steps": max_steps, "max_tokens": max_tokens, "executed_tool": executed_tool, "has_text": has_text}
# What every provider calls by these names; anything else goes into `params:`.
PARAMETERS = (
    "thinking", "reasoning", "reasoning_effort", "top_p", "top_k", "seed", "stop", "presence_penalty",
    "frequency_penalty", "tool_choice", "parallel_tool_calls", "service_tier", "extra_body", "extra_headers",
)  # fmt: skip
HEAD_KEYS = (
    "id", "provider", "model", "tools", "output_schema", "stop_conditions", "max_steps", "max_tokens", "description",
    "temperature", "max_output_tokens", "base_url", "params", *PARAMETERS,
)  # fmt: skip


def _head(body: str) -> tuple[dict[str, Any], str]:
    """The head and the prompt. YAML is loaded only for a body that has a head."""
    if not body.lstrip().startswith("---"):
        return {}, body
    split: tuple[dict[str, Any], str] = importlib.import_module("polos_nb.notebook.head").split_head(body, HEAD_KEYS)
    return split


class Defined(NamedTuple):
    """An agent, the variable to bind it to, and what was put into its prompt."""

    agent: Agent
    name: str
    echo: dict[str, str]


def define_agent(line: str, body: str, names: Mapping[str, Any], *, model: str = "", interp: bool = True) -> Defined:
    """The agent of a `%%polos_agent` cell, not yet bound. `model` is the notebook's default.

    Raises ConfigurationError or DefinitionError, with the remedy.
    """
    given = AGENT.parse_line(line)
    variable_name(given.name, AGENT.magic)
    head, prompt = _head(strip_markers(body))
    said = interpolate(prompt.strip(), names) if interp and not given.no_interp else Interpolated(prompt.strip(), {})
    provider, name = _model(given.model or head.get("model") or model, head.get("provider"))
    params = {key: head[key] for key in PARAMETERS if key in head}
    params |= _mapping(head.get("params"), "params") | params_of(given.params, AGENT.magic)
    schema = given.output or head.get("output_schema")
    temperature = params.pop("temperature", None)
    agent = Agent(
        id=given.id or head.get("id") or given.name.replace("_", "-"),
        provider=provider,
        model=name,
        description=head.get("description"),
        system_prompt=said.text or None,
        tools=[find_tool(tool, names) for tool in _tool_names(given.tools, head.get("tools"))],
        temperature=_first(given.temperature, temperature, head.get("temperature")),
        max_output_tokens=_first(given.max_output_tokens, head.get("max_output_tokens")),
        provider_base_url=given.base_url or head.get("base_url"),
        stop_conditions=_conditions(given, head, names),
        output_schema=find_type(str(schema), names) if schema else None,
        model_params=params,
    )
    return Defined(agent, given.name, said.echo)


def agent_info(agent: Agent, name: str = "", echo: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What an agent's card shows."""
    schema = agent.output_schema
    return {
        "id": agent.id,
        "name": name or agent.id,
        "provider": agent.provider,
        "model": agent.model_name,
        "tools": [
            {"name": tool.id, "signature": signature_of(tool), "effect": tool.effect}
            if isinstance(tool, Tool)
            else {"name": str(tool.get("type", "built-in")), "signature": str(tool.get("type", "built-in"))}
            for tool in agent.tools
        ],
        "system_prompt": agent.system_prompt,
        "interpolated": dict(echo or {}),
        "stop_conditions": [_condition_text(condition) for condition in agent.stop_conditions],
        "output_schema": getattr(schema, "__name__", str(schema)) if schema is not None else None,
        "definition": agent.__polos_version__()[:8],
        "note": "the offline demo model: no model is called" if agent.provider == "demo" else "",
    }


def _model(given: Any, provider: Any) -> tuple[str | None, str | None]:
    text = str(given) if given else ""
    if not text and str(provider) != "demo":
        raise ConfigurationError(
            "%%polos_agent: the agent has no model; write -m PROVIDER/MODEL, such as -m openai/gpt-4o, or -m demo"
        )
    if provider:
        return _known_provider(str(provider)), text or None
    if text == "demo":
        return "demo", "demo"
    if text and "/" not in text:
        raise ConfigurationError(f"model {text!r} has no provider; write for example -m openai/{text}")
    before, _, after = text.partition("/")
    return _known_provider(before), after or None


def _known_provider(name: str) -> str:
    if name != "demo":
        get_provider(name.lower())
    return name


def _tool_names(flags: Sequence[str] | None, head: Any) -> list[str]:
    listed = [head] if isinstance(head, str) else list(head or ())
    words = [word for item in [*listed, *(flags or ())] for word in re.split(r"[,\s]+", str(item)) if word]
    return list(dict.fromkeys(words))


def _conditions(given: Namespace, head: Mapping[str, Any], names: Mapping[str, Any]) -> list[StopCondition]:
    out: list[StopCondition] = []
    steps = _first(given.max_steps, head.get("max_steps"))
    tokens = _first(given.max_tokens, head.get("max_tokens"))
    out += [max_steps(limit=steps)] if steps is not None else []
    out += [max_tokens(limit=tokens)] if tokens is not None else []
    listed = head.get("stop_conditions") or []
    entries = list(listed.items()) if isinstance(listed, dict) else listed if isinstance(listed, list) else [listed]
    for entry in entries:
        pairs = entry.items() if isinstance(entry, dict) else [entry if isinstance(entry, tuple) else (entry, None)]
        out += [_condition(str(name), settings, names) for name, settings in pairs]
    return out


def _condition(name: str, settings: Any, names: Mapping[str, Any]) -> StopCondition:
    found = names.get(name, _BUILT_IN.get(name))
    if isinstance(found, StopConditionFactory):
        if settings is not None and not isinstance(settings, dict):
            fields = list(found.config_type.model_fields) if found.config_type else []
            settings = {fields[0]: settings} if len(fields) == 1 else settings
        return found.condition(settings)
    if isinstance(found, StopCondition):
        return found
    known = [*_BUILT_IN, *(n for n, v in names.items() if isinstance(v, StopConditionFactory))]
    raise ConfigurationError(f"there is no stop condition {name}{did_you_mean(name, known)}")


def _condition_text(condition: StopCondition) -> str:
    config = condition.config.model_dump() if condition.config else {}
    return f"{condition.name}({', '.join(f'{key}={value!r}' for key, value in config.items())})"


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigurationError(f"%%polos_agent: {what}: must be a mapping, such as {what}: {{top_p: 0.9}}")
    return dict(value)


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)
