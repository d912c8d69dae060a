"""Hooks: functions that look at a run at given points, change what goes on, or fail it; declared with `@hook`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from polos_nb.codec import digest
from polos_nb.durable.code_version import CodeVersion, code_version
from polos_nb.errors import DefinitionError
from polos_nb.messages import Step

Hook = Callable[..., Any]


class HookAction(StrEnum):
    """What a hook or guardrail decides; equal to its text."""

    CONTINUE = "continue"
    FAIL = "fail"


class AgentConfig(BaseModel):
    """What an agent asks its model with, as hooks and guardrails see it."""

    name: str
    provider: str
    model: str
    tools: list[dict[str, Any]] | None = None
    system_prompt: str | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    provider_base_url: str | None = None
    provider_llm_api: str | None = None
    provider_kwargs: dict[str, Any] | None = None
    output_schema: dict[str, Any] | None = None
    output_schema_name: str | None = None
    guardrail_max_retries: int = 2


class HookContext(BaseModel):
    """What a hook looks at. It is a copy: only what the hook returns changes anything.

    `current_payload` is what goes in: the input of a run (`{"input": ...}` for an agent, the payload of a workflow),
    `{"step": 1, "messages": [...]}` for a step of an agent, the arguments of a tool. `current_output` is what came
    out, at the points that are called `on_..._end`. `steps` are the agent's turns so far.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    workflow_id: str
    session_id: str | None = None
    user_id: str | None = None
    agent_config: AgentConfig | None = None
    steps: list[Step] = Field(default_factory=list)
    current_tool: str | None = None
    current_payload: Any = None
    current_output: Any = None

    def to_dict(self) -> dict[str, Any]:
        """The fields as a dict."""
        return self.model_dump()


class HookResult(BaseModel):
    """What a hook decides: `HookResult.continue_with(...)` or `HookResult.fail("why")`."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    action: HookAction = HookAction.CONTINUE
    modified_payload: dict[str, Any] | None = None
    modified_output: Any = None
    error_message: str | None = None

    @classmethod
    def continue_with(cls, **modifications: Any) -> Self:
        """Go on. `modified_payload` is merged into the payload, `modified_output` takes the place of the output."""
        return cls(action=HookAction.CONTINUE, **modifications)

    @classmethod
    def fail(cls, message: str) -> Self:
        """Fail, for this reason."""
        return cls(action=HookAction.FAIL, error_message=message)

    def to_dict(self) -> dict[str, Any]:
        """The fields as a dict."""
        return self.model_dump()


def hook(func: Hook | None = None) -> Any:
    """Declare a hook: a function `(ctx, hook_context)`, sync or async, that returns a `HookResult`, or None to go on.

    Give it to an agent (`on_start`, `on_end`, `on_agent_step_start`, `on_agent_step_end`, `on_tool_start`,
    `on_tool_end`), or to a workflow or tool (`on_start`, `on_end`). Each call is a step: a replay does not repeat it.
    Raises DefinitionError for a function with other parameters.

    >>> @hook
    ... def not_empty(ctx, hook_context: HookContext) -> HookResult:
    ...     if not hook_context.current_payload["input"]:
    ...         return HookResult.fail("the input is empty")
    ...     return HookResult.continue_with()
    """

    def declare(function: Hook) -> Hook:
        check_function(function, "hook", "hook_context")
        return function

    return declare if func is None else declare(func)


def as_hooks(owner: str, point: str, given: Any) -> tuple[Hook, ...]:
    """Hooks as a declaration keeps them, from one or a list. Raises DefinitionError for what cannot be called so."""
    out = given if isinstance(given, list | tuple) else [] if given is None else [given]
    for function in out:
        if not callable(function):
            raise DefinitionError(f"{owner}: {point}={function!r} is not a function; write @hook above one")
        check_function(function, f"{owner}: {point}", "hook_context")
    return tuple(out)


def with_hooks(code: CodeVersion, hooks: Sequence[Hook]) -> CodeVersion:
    """The version of a function together with its hooks; the function's own where it has none."""
    if not hooks:
        return code
    versions = [code_version(one) for one in hooks]
    merged: dict[str, dict[str, Any]] = {"parts": {}, "types": {}, "sources": {}}
    for one in (*versions, code):  # the function's own parts win where a name is used by both
        merged["parts"] |= one.parts
        merged["types"] |= one.types
        merged["sources"] |= dict(one.sources)
    return CodeVersion(digest([code.digest, [one.digest for one in versions]]), **merged)


def check_function(function: Callable[..., Any], what: str, second: str) -> None:
    """Raise DefinitionError unless a function can be called with a context and what it looks at."""
    name = function_name(function)
    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        found = len(inspect.signature(function).parameters)
        raise DefinitionError(f"{what} {name} must take (ctx, {second}), not {found} parameters") from None
    except ValueError:  # a builtin without a signature
        return


def function_name(function: Callable[..., Any]) -> str:
    """What a hook or guardrail is called in steps and errors."""
    name = getattr(function, "__name__", type(function).__name__)
    return "function" if name == "<lambda>" else str(name)
