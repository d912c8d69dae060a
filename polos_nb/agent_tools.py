"""An agent as a tool of another agent: each call is a nested run, with a trace of its own."""

from __future__ import annotations

import re
from typing import Any, Literal

from polos_nb.codec import digest
from polos_nb.durable.code_version import CodeVersion
from polos_nb.durable.context import WorkflowContext
from polos_nb.errors import DefinitionError
from polos_nb.stores.base import Effect
from polos_nb.tools import Tool

STEP = "run"  # the key of the nested run inside the call


class AgentTool(Tool):
    """What `Agent.as_tool` makes. Its version is that of the agent: its model, prompt, tools and settings."""

    def __init__(
        self,
        agent: Any,
        name: str | None = None,
        description: str | None = None,
        *,
        approval: Literal["always", "none"] | None = None,
        effect: Effect | None = None,
        timeout: float | None = None,
    ) -> None:
        self.agent = agent
        own = re.sub(r"[^a-zA-Z0-9_-]+", "_", agent.id).strip("_")[:64]
        said = description or agent.description
        if not said:
            raise DefinitionError(
                f"agent {agent.id!r} has no description, so no model would know what it is for; write"
                f" Agent(..., description='...') or as_tool(description='...')"
            )

        async def ask(ctx: WorkflowContext, input: str) -> Any:
            result = await ctx.step.agent_invoke_and_wait(STEP, agent.with_input(input).by_itself())
            return result.result

        super().__init__(name or own, said, None, ask, approval=approval, effect=effect, timeout=timeout)
        self.__name__, self.__doc__ = self.id, said

    def version(self) -> CodeVersion:
        """The version of the agent, as of now."""
        definition = self.agent.definition()
        parts = {
            name: f"{digest(value)[:8]}…" if not isinstance(value, str) or name != "model" else value
            for name, value in definition.items()
        }
        return CodeVersion(self.agent.__polos_version__(), parts, self.types())

    def types(self) -> dict[str, type]:
        """The classes that the agent's answer may be made of."""
        types: dict[str, type] = self.agent.types()
        return types
