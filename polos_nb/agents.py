"""Agents: a model, its instructions and its tools, declared once and run by a client."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from polos_nb import ambient, registry
from polos_nb.agent_tools import AgentTool
from polos_nb.codec import digest, types_of
from polos_nb.compaction import CompactionConfig, as_compaction
from polos_nb.durable.code_version import code_version
from polos_nb.errors import DefinitionError
from polos_nb.guardrails import as_guardrails, as_retries
from polos_nb.hooks import Hook, as_hooks
from polos_nb.media import prepared_input
from polos_nb.messages import AgentResult
from polos_nb.model_settings import as_fallbacks, as_model_retries, as_timeout
from polos_nb.models.base import Model
from polos_nb.redaction import remember
from polos_nb.schema import output_schema
from polos_nb.settings import as_budget
from polos_nb.stop_conditions import StopCondition, as_conditions
from polos_nb.stores.base import Effect
from polos_nb.tools import Tool, split_client

_LATER = {"queue"}
_POINTS = ("on_start", "on_end", "on_agent_step_start", "on_agent_step_end", "on_tool_start", "on_tool_end")
DEFAULT_TIMEOUT = 600.0


class Agent:
    """An LLM with instructions and tools. A declaration: it never changes, and any number of runs may use it.

    `provider` and `model` name the model ("openai", "gpt-4o"); `model` may also be an object that is a `Model`, such
    as a `ScriptedModel`. `provider="demo"` needs no key and calls no model. `tools` are what `@tool` makes, or dicts
    for a provider's built-in tools. `output_schema` makes the answer an instance of that type. `stop_conditions` end
    the run early; without a `max_steps` among them an agent stops after 10 calls of the model
    (`POLOS_AGENT_MAX_STEPS`). `temperature` and `max_output_tokens` go to the provider; `api_key` is never stored or
    shown. `timeout` is the longest silence of the provider in seconds, `max_retries` how often a failure that may pass
    is tried again, and `fallbacks` (such as `["anthropic/claude-sonnet-4-5"]`) are asked in turn when it is down; none
    of the three changes what an answer in the store belongs to.

    Hooks (`on_start`, `on_end`, `on_agent_step_start`, `on_agent_step_end`, `on_tool_start`, `on_tool_end`: a function
    or several, see `hook`) look at the run, change what goes on, or fail it. `guardrails` (functions, see `guardrail`,
    or texts that the model itself judges) must let an answer pass before anyone sees it or a tool is called; one that
    does not pass goes back to the model up to `guardrail_max_retries` times. `compaction` says when a long
    conversation is summarised (above 80,000 tokens; False for never). Nested runs always
    stream to the run around them, so `stream_to_workflow` changes nothing.

    `budget` is what a run may cost, in US dollars, the runs inside it included: a call of the model that may go over it
    is not made unless somebody who is watching says so.
    Raises DefinitionError, with the remedy, for a declaration that cannot work.

    >>> agent = Agent(id="greeter", provider="demo", model="demo", system_prompt="Be kind.")
    >>> result = await agent.run("Hello")  # doctest: +SKIP
    """

    __polos_declaration__ = True

    on_start: tuple[Hook, ...]
    on_end: tuple[Hook, ...]
    on_agent_step_start: tuple[Hook, ...]
    on_agent_step_end: tuple[Hook, ...]
    on_tool_start: tuple[Hook, ...]
    on_tool_end: tuple[Hook, ...]

    def __init__(
        self,
        id: str,
        provider: str | None = None,
        model: str | Model | None = None,
        description: str | None = None,
        system_prompt: str | None = None,
        tools: Sequence[Tool | dict[str, Any]] | None = None,
        temperature: float | None = None,
        max_output_tokens: int | None = None,
        provider_base_url: str | None = None,
        provider_llm_api: str | None = None,
        *,
        stop_conditions: Sequence[Any] | None = None,
        output_schema: Any = None,
        api_key: str | None = None,
        model_params: Mapping[str, Any] | None = None,
        budget: float | None = None,
        on_start: Any = None,
        on_end: Any = None,
        on_agent_step_start: Any = None,
        on_agent_step_end: Any = None,
        on_tool_start: Any = None,
        on_tool_end: Any = None,
        guardrails: Any = None,
        guardrail_max_retries: int = 2,
        compaction: CompactionConfig | Literal[False] | None = None,
        timeout: float | None = None,
        max_retries: int = 2,
        fallbacks: Sequence[str | Model] | str | Model | None = None,
        stream_to_workflow: bool = False,
        **unknown: Any,
    ) -> None:
        _check_id(id)
        _refuse_unknown(id, unknown)
        self.id = id
        self.provider, self.model = _provider_and_model(id, provider, model)
        self.description, self.system_prompt = description, system_prompt
        self.tools: tuple[Tool | dict[str, Any], ...] = _check_tools(id, tools)
        self.temperature, self.max_output_tokens = temperature, max_output_tokens
        self.provider_base_url = provider_base_url
        self.provider_llm_api = _check_api(id, provider_llm_api)
        self.stop_conditions: tuple[StopCondition, ...] = as_conditions(stop_conditions)
        self.output_schema = output_schema
        self.model_params = dict(model_params or {})
        who = f"agent {id!r}"
        hooks = (on_start, on_end, on_agent_step_start, on_agent_step_end, on_tool_start, on_tool_end)
        for point, given in zip(_POINTS, hooks, strict=True):
            setattr(self, point, as_hooks(who, point, given))
        self.guardrails = as_guardrails(who, guardrails)
        self.guardrail_max_retries = as_retries(who, guardrail_max_retries)
        self.compaction = as_compaction(who, compaction)
        self.stream_to_workflow = bool(stream_to_workflow)
        self.budget = as_budget(budget, f"agent {id!r}: budget=")
        self._api_key = api_key
        if api_key:
            remember(f"api_key of agent {id}", api_key)
        self.timeout, self.max_retries = as_timeout(who, timeout), as_model_retries(who, max_retries)
        self.fallbacks = as_fallbacks(who, fallbacks)
        registry.register("agent", self)

    @property
    def api_key(self) -> str | None:
        """The key given to this agent, if any."""
        return self._api_key

    @property
    def model_name(self) -> str:
        """The model's name as text, also where `model` is an object."""
        return self.model if isinstance(self.model, str) else str(getattr(self.model, "name", "custom"))

    def tool(self, name: str) -> Tool | None:
        """The agent's own tool of that name, or None."""
        return next((item for item in self.tools if isinstance(item, Tool) and item.id == name), None)

    def definition(self) -> dict[str, Any]:
        """What makes this agent what it is, each component as text or digest; for cards and for saying what changed."""
        return {
            "model": f"{self.provider}/{self.model_name}",
            "prompt": digest(self.system_prompt),
            "tools": {
                tool.id if isinstance(tool, Tool) else f"built-in {index}": digest(
                    [tool.to_llm_tool_definition(), tool.version().digest] if isinstance(tool, Tool) else tool
                )
                for index, tool in enumerate(self.tools)
            },
            "output": digest(None if self.output_schema is None else output_schema(self.output_schema)),
            "settings": digest(
                [self.temperature, self.max_output_tokens, self.model_params, [_said(c) for c in self.stop_conditions]]
            ),
            **self._watchers(),
        }

    def _watchers(self) -> dict[str, Any]:
        """The versions of hooks and guardrails, and how conversations are compacted; {} for an agent without."""
        hooks = {point: [code_version(hook).digest for hook in getattr(self, point)] for point in _POINTS}
        out: dict[str, Any] = {point: digest(versions) for point, versions in hooks.items() if versions}
        if self.guardrails:
            checks = [item if isinstance(item, str) else code_version(item).digest for item in self.guardrails]
            out["guardrails"] = digest([checks, self.guardrail_max_retries])
        if self.compaction != CompactionConfig():
            out["compaction"] = digest(self.compaction.model_dump())
        return out

    def __polos_version__(self) -> str:
        return digest(self.definition())

    def types(self) -> dict[str, type]:
        """The classes that the agent's `AgentResult` may be made of."""
        found = types_of(AgentResult)
        for item in self.tools:
            found |= item.types() if isinstance(item, Tool) else {}
        return found | (types_of(self.output_schema) if self.output_schema is not None else {})

    def with_input(
        self,
        input: Any,
        initial_state: Any = None,
        session_id: Any = None,
        user_id: str | None = None,
        streaming: bool = False,
        run_timeout_seconds: float | None = None,
        **kwargs: Any,
    ) -> AgentRunConfig:
        """The agent with an input, ready for a client: text, a list of messages, an `AgentResult`, a model, a dict.

        Further keyword arguments go to the provider (`temperature=0.7`, `reasoning_effort="high"`), but for
        `conversation_id` (the same as `session_id`), `fresh` (True, or the key of one step) and `budget` (US dollars).
        """
        if initial_state is not None:
            raise DefinitionError(f"agent {self.id!r}: initial_state is for workflows, which have a state_schema")
        return AgentRunConfig(
            agent=self,
            input=prepared_input(input),
            conversation_id=as_conversation(kwargs.pop("conversation_id", None), session_id),
            user_id=user_id,
            streaming=streaming,
            run_timeout_seconds=run_timeout_seconds,
            fresh=as_fresh(kwargs.pop("fresh", False)),
            budget=as_budget(kwargs.pop("budget", None), f"agent {self.id!r}: budget="),
            kwargs=kwargs,
        )

    def as_tool(
        self,
        name: str | None = None,
        description: str | None = None,
        *,
        approval: Literal["always", "none"] | None = None,
        effect: Effect | None = None,
        timeout: float | None = None,
    ) -> AgentTool:
        """The agent as a tool of another agent: the model gives it a text, and reads its answer.

        Each call is a nested run with steps of its own, outside the conversation of the agent that asks. `name`
        defaults to the agent's id and `description` to the agent's; the other arguments are those of `@tool`.

        >>> writer = Agent(id="writer", provider="demo", description="Writes a paragraph on a subject")
        >>> editor = Agent(id="editor", provider="demo", tools=[writer.as_tool()])
        """
        return AgentTool(self, name, description, approval=approval, effect=effect, timeout=timeout)

    async def run(self, *args: Any, timeout: float | None = DEFAULT_TIMEOUT, **options: Any) -> AgentResult:
        """Run to the end: `await agent.run("...")`, or `await agent.run(client, "...")`.

        Running it again with the same input comes back to the same run: what is finished answers from the store.
        `timeout` is in seconds. Options are those of `with_input`. Raises RunError when the run failed (what it
        finished is kept), WorkflowTimeoutError when the time was up.
        """
        client, config = self._configured(args, options)
        result: AgentResult = await (client or ambient.current_runner()).run_agent(config, timeout=timeout)
        return result

    def run_sync(self, *args: Any, timeout: float | None = DEFAULT_TIMEOUT, **options: Any) -> AgentResult:
        """The same as `run` where awaiting is impossible; a background loop does the work while this waits."""
        client, config = self._configured(args, options)
        result: AgentResult = (client or ambient.current_runner()).run_agent_blocking(config, timeout=timeout)
        return result

    async def stream(self, *args: Any, run_timeout_seconds: float | None = None, **options: Any) -> Any:
        """Start and return a `StreamResult` at once; takes the same arguments as `run`.

        >>> stream = await agent.stream("What's the weather in Tokyo?")  # doctest: +SKIP
        >>> async for chunk in stream.text_chunks:  # doctest: +SKIP
        ...     print(chunk, end="")
        """
        timeout = options.pop("timeout", run_timeout_seconds)
        client, config = self._configured(args, options | {"streaming": True})
        return await (client or ambient.current_runner()).stream_agent(config, timeout=timeout)

    def _configured(self, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, AgentRunConfig]:
        client, given = split_client(args, options, "input")
        if given is None:
            raise TypeError(f"agent {self.id!r} needs an input: await agent.run('...')")
        return client, self.with_input(given, **options)

    def __repr__(self) -> str:
        return f"Agent({self.id!r}, {self.provider!r}, {self.model_name!r})"


@dataclass(frozen=True, kw_only=True)
class AgentRunConfig:
    """An agent with its input: what a client is asked to run. Made by `Agent.with_input`."""

    agent: Agent
    input: Any
    conversation_id: str | None = None
    user_id: str | None = None
    streaming: bool = False
    initial_state: Any = None
    run_timeout_seconds: float | None = None
    fresh: bool | frozenset[str] = False
    budget: float | None = None
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    alone: bool = False

    @property
    def session_id(self) -> str | None:
        """The same as `conversation_id`."""
        return self.conversation_id

    def inheriting(self, conversation_id: str | None, user_id: str | None) -> AgentRunConfig:
        """The same, with the conversation and the user of the run around it where it names none."""
        inherited = None if self.alone else conversation_id
        return replace(
            self,
            conversation_id=self.conversation_id if self.conversation_id is not None else inherited,
            user_id=self.user_id if self.user_id is not None else user_id,
        )

    def by_itself(self) -> AgentRunConfig:
        """The same, outside the conversation of the run around it."""
        return replace(self, alone=True)


def _check_id(id: Any) -> None:
    if not isinstance(id, str) or not id.strip() or not id.isprintable():
        raise DefinitionError(f"agent id {id!r} is not a name; write for example Agent(id='weather-agent', ...)")


def _refuse_unknown(id: str, unknown: Mapping[str, Any]) -> None:
    for name, value in unknown.items():
        if name in _LATER:
            if value is None or value is False:
                continue
            raise DefinitionError(f"agent {id!r}: {name}= is not in this version of polos_nb; leave it out")
        known = ["description", "system_prompt", "tools", "temperature", "max_output_tokens", "stop_conditions",
                 "output_schema", "provider_base_url", "api_key", "model_params", "budget", "timeout",
                 "max_retries", "fallbacks", "on_start", "on_end",
                 "on_agent_step_start", "on_agent_step_end", "on_tool_start", "on_tool_end", "guardrails",
                 "guardrail_max_retries", "compaction", "stream_to_workflow"]  # fmt: skip
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}=?" if near else "provider parameters go to run(...) or model_params={...}"
        raise DefinitionError(f"agent {id!r}: unknown argument {name}=; {hint}")


def _check_api(id: str, given: str | None) -> str | None:
    if given not in (None, "chat_completions"):
        raise DefinitionError(f"agent {id!r}: provider_llm_api={given!r} is not in this version; leave it out")
    return given


def _provider_and_model(id: str, provider: str | None, model: Any) -> tuple[str, str | Model]:
    if isinstance(model, Model):
        return provider or "scripted", model
    if isinstance(model, str) and not provider and "/" in model:
        provider, _, model = model.partition("/")
    if provider and provider.lower() == "demo" and not model:
        model = "demo"
    if not provider or not isinstance(provider, str):
        raise DefinitionError(f"agent {id!r} has no provider; write provider='openai', or 'demo' to try it offline")
    if not model or not isinstance(model, str):
        raise DefinitionError(f"agent {id!r} has no model; write for example model='gpt-4o'")
    return provider.lower(), model


def _check_tools(id: str, tools: Sequence[Any] | None) -> tuple[Tool | dict[str, Any], ...]:
    if isinstance(tools, Tool | dict):
        tools = [tools]
    seen: set[str] = set()
    for item in tools or ():
        if isinstance(item, dict):
            continue
        if not isinstance(item, Tool):
            name = getattr(item, "__name__", repr(item))
            raise DefinitionError(f"agent {id!r}: {name} is not a tool; write @tool above its definition")
        if item.id in seen:
            raise DefinitionError(f"agent {id!r} has two tools with the id {item.id!r}; give one another id")
        seen.add(item.id)
    return tuple(tools or ())


def as_conversation(conversation_id: Any, session_id: Any) -> str | None:
    """The conversation that a caller names by either name. Raises DefinitionError when the two differ."""
    if conversation_id is not None and session_id is not None and str(conversation_id) != str(session_id):
        raise DefinitionError("conversation_id and session_id are the same thing, and differ here; give one")
    given = conversation_id if conversation_id is not None else session_id
    return None if given is None else str(given)


def as_fresh(value: Any) -> bool | frozenset[str]:
    """What a caller says of freshness: True for a whole run, or the keys of steps."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return frozenset({value})
    return frozenset(str(item) for item in value or ())


def _said(condition: StopCondition) -> list[str]:
    settings = condition.config.model_dump_json() if condition.config else ""
    return [condition.name, settings, code_version(condition.function).digest]
