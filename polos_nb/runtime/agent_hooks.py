"""The points of an agent's run at which hooks look at it, and what their changes change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from pydantic import ValidationError

from polos_nb.agents import Agent, AgentRunConfig
from polos_nb.durable.steps import Steps
from polos_nb.errors import RunError
from polos_nb.hooks import AgentConfig
from polos_nb.messages import AgentResult, Message, Step
from polos_nb.runtime.hooking import Hooks, Look, turns_seen
from polos_nb.runtime.inside import Asker
from polos_nb.runtime.requests import MessageLog, parameters, plain_input, tool_definitions
from polos_nb.tools import Tool

_RESULT_FIELDS = frozenset(item.name for item in fields(AgentResult))


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What an agent asks its model with; a guardrail may change it for the calls that follow."""

    provider: str
    model: str
    prompt: str | None
    params: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, config: AgentRunConfig) -> Asking:
        """What an agent with its input asks with."""
        agent = config.agent
        return cls(
            provider=agent.provider, model=agent.model_name, prompt=agent.system_prompt, params=parameters(config)
        )

    def shown(self, agent: Agent) -> AgentConfig:
        """The same as hooks and guardrails see it."""
        params = dict(self.params)
        named = {
            "temperature": params.pop("temperature", None),
            "max_output_tokens": params.pop("max_tokens", None),
            "top_p": params.pop("top_p", None),
        }
        return AgentConfig.model_construct(
            name=agent.id,
            provider=self.provider,
            model=self.model,
            tools=tool_definitions(agent) or None,
            system_prompt=self.prompt,
            provider_base_url=agent.provider_base_url,
            provider_llm_api=agent.provider_llm_api,
            provider_kwargs=params or None,
            guardrail_max_retries=agent.guardrail_max_retries,
            **named,
        )

    def changed(self, wanted: AgentConfig) -> Asking:
        """What a guardrail has changed it to. What it leaves empty stays as it is."""
        params = dict(self.params) | dict(wanted.provider_kwargs or {})
        names = {"temperature": "temperature", "max_output_tokens": "max_tokens", "top_p": "top_p"}
        params |= {name: value for own, name in names.items() if (value := getattr(wanted, own)) is not None}
        return replace(
            self,
            provider=wanted.provider or self.provider,
            model=wanted.model or self.model,
            prompt=self.prompt if wanted.system_prompt is None else wanted.system_prompt,
            params=params,
        )


class AgentHooks:
    """The hooks of one run of an agent. Each point costs nothing where the agent has no hook for it."""

    def __init__(self, config: AgentRunConfig, steps: Steps, retry_delay: float) -> None:
        self._config = config
        self._agent = config.agent
        self._steps = steps
        asker = Asker(workflow_id=config.agent.id, conversation_id=config.conversation_id, user_id=config.user_id)
        self._hooks = Hooks(steps, asker, "agent", retry_delay)
        self._payload: Any = None

    async def start(self) -> AgentRunConfig:
        """The agent with its input, as the hooks at the start leave it."""
        agent, config = self._agent, self._config
        if not (agent.on_start or agent.on_end):
            return config
        self._payload = {"input": plain_input(config.input), "provider_kwargs": dict(config.kwargs)}
        look = await self._hooks.call("on_start", agent.on_start, Look(payload=self._payload))
        self._payload = look.payload
        if "input" in look.changed:
            config = replace(config, input=look.payload["input"])
        if "provider_kwargs" in look.changed:
            config = replace(config, kwargs=dict(look.payload["provider_kwargs"] or {}))
        return config

    async def end(self, result: AgentResult) -> AgentResult:
        """The result as the hooks at the end leave it: another one, some of its fields, or another answer."""
        if not self._agent.on_end:
            return result
        seen = {"output": [result.result, result.stop_reason, turns_seen(result.steps)]}
        look = Look(payload=self._payload, output=result, seen=seen, types=self._agent.types())
        output = (await self._hooks.call("on_end", self._agent.on_end, look)).output
        if isinstance(output, AgentResult):
            return output
        if isinstance(output, dict) and output and output.keys() <= _RESULT_FIELDS:
            return AgentResult.model_validate(result.model_dump() | output)
        return replace(result, result=output)

    async def step_start(
        self, number: int, log: MessageLog, said: Sequence[Message], turns: Sequence[Step], asking: Asking
    ) -> list[Message] | None:
        """The messages (without the system prompt) that the hooks before a call of the model leave; None for the same.

        `said` are those of `log` without the system prompt.
        """
        if not self._agent.on_agent_step_start:
            return None
        look = self._step(number, log, said, turns, asking)
        point = f"{number}.hook.on_agent_step_start"
        look = await self._hooks.call(point, self._agent.on_agent_step_start, look)
        if "messages" not in look.changed:
            return None
        try:
            return [Message.model_validate(message) for message in look.payload["messages"]]
        except (ValidationError, TypeError) as error:
            raise RunError(
                f"a hook at {point} changed the messages into ones that cannot be sent: {str(error).splitlines()[0]}",
                run_id=self._steps.book.run.id,
                step_key=point,
            ) from None

    async def step_end(
        self,
        number: int,
        log: MessageLog,
        said: Sequence[Message],
        turn: Step,
        turns: Sequence[Step],
        asking: Asking,
    ) -> Step:
        """The turn as the hooks after it leave it."""
        if not self._agent.on_agent_step_end:
            return turn
        look = self._step(number, log, said, [*turns, turn], asking)
        look.output, look.types = turn, self._agent.types()
        look.seen = {**look.seen, "output": turns_seen([turn])}
        point = f"{number}.hook.on_agent_step_end"
        output = (await self._hooks.call(point, self._agent.on_agent_step_end, look)).output
        if isinstance(output, Step):
            return output
        try:
            return Step.model_validate({**turn.__dict__, **output})
        except (ValidationError, TypeError) as error:
            raise RunError(
                f"a hook at {point} changed the turn into what is none: {str(error).splitlines()[0]}",
                run_id=self._steps.book.run.id,
                step_key=point,
            ) from None

    async def tool_start(
        self, number: int, place: int, tool: Tool, arguments: dict[str, Any], turns: Sequence[Step], asking: Asking
    ) -> dict[str, Any]:
        """The arguments of a tool's call as the hooks before it leave them."""
        if not self._agent.on_tool_start:
            return arguments
        look = Look(payload=arguments, tool=tool.id, config=asking.shown(self._agent), turns=turns)
        point = f"{number}.hook.on_tool_start.{place}"
        used: dict[str, Any] = (await self._hooks.call(point, self._agent.on_tool_start, look)).payload
        return used

    async def tool_end(
        self,
        number: int,
        place: int,
        tool: Tool,
        arguments: dict[str, Any],
        output: Any,
        turns: Sequence[Step],
        asking: Asking,
    ) -> Any:
        """What a tool gave, as the hooks after its call leave it."""
        if not self._agent.on_tool_end:
            return output
        look = Look(
            payload=arguments,
            output=output,
            tool=tool.id,
            config=asking.shown(self._agent),
            turns=turns,
            types=tool.types(),
        )
        return (await self._hooks.call(f"{number}.hook.on_tool_end.{place}", self._agent.on_tool_end, look)).output

    def _step(
        self, number: int, log: MessageLog, said: Sequence[Message], turns: Sequence[Step], asking: Asking
    ) -> Look:
        messages = [message.model_dump(exclude_none=True) for message in said]
        return Look(
            payload={"step": number, "messages": messages},
            config=asking.shown(self._agent),
            turns=turns,
            seen={"payload": [number, log.digests[len(log.digests) - len(said) :]]},  # without the ids of calls
        )
