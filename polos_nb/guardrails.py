"""Guardrails: what a model's answer must pass before anyone sees it or a tool is called; declared with `@guardrail`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from polos_nb.errors import DefinitionError
from polos_nb.hooks import AgentConfig, HookResult, check_function, function_name
from polos_nb.messages import Step, ToolCall

Guardrail = Callable[..., Any] | str


class GuardrailContext(BaseModel):
    """What a guardrail looks at: the model's text and the tool calls that it asks for, before any is made.

    `content` is the JSON text where the answer must fit a schema. `steps` are the agent's turns before. It is a copy:
    only what the guardrail returns changes anything.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    content: Any = None
    tool_calls: list[ToolCall] | None = None
    agent_workflow_id: str | None = ""
    agent_run_id: str | None = ""
    session_id: str | None = None
    user_id: str | None = None
    llm_config: AgentConfig = Field(default_factory=lambda: AgentConfig(name="", provider="", model=""))
    steps: list[Step] = Field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The fields as a dict."""
        return self.model_dump()


class GuardrailResult(HookResult):
    """What a guardrail decides: `continue_with(...)` lets the answer pass, `fail("why")` sends it back to the model.

    `modified_content` and `modified_tool_calls` take the place of what the model said ([] for no calls);
    `modified_llm_config` holds for the calls of the model that follow in this run.
    """

    modified_content: Any = None
    modified_tool_calls: list[ToolCall] | None = None
    modified_llm_config: AgentConfig | None = None


class Verdict(BaseModel):
    """What a model answers that is asked whether a text meets a criterion."""

    passed: bool
    reason: str = ""


def guardrail(func: Callable[..., Any] | None = None) -> Any:
    """Declare a guardrail: a function `(ctx, guardrail_context)`, sync or async, that returns a `GuardrailResult`.

    Give it to an agent: `Agent(..., guardrails=[no_phone_numbers, "The answer is polite."])`. A text is a criterion
    that the agent's own model judges. An answer that does not pass goes back to the model with the reason, up to
    `guardrail_max_retries` times; then the run fails. Each check is a step: a replay does not repeat it.
    Raises DefinitionError for a function with other parameters.

    >>> @guardrail
    ... def short(ctx, guardrail_context: GuardrailContext) -> GuardrailResult:
    ...     if len(guardrail_context.content or "") > 500:
    ...         return GuardrailResult.fail("it is longer than 500 characters")
    ...     return GuardrailResult.continue_with()
    """

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        check_function(function, "guardrail", "guardrail_context")
        return function

    return declare if func is None else declare(func)


def as_guardrails(owner: str, given: Any) -> tuple[Guardrail, ...]:
    """Guardrails as an agent keeps them, from one or a list. Raises DefinitionError for what is none."""
    out = given if isinstance(given, list | tuple) else [] if given is None else [given]
    for item in out:
        if isinstance(item, str):
            if not item.strip():
                raise DefinitionError(f"{owner}: a guardrail is an empty text; write what an answer must be like")
        elif callable(item):
            check_function(item, f"{owner}: guardrail", "guardrail_context")
        else:
            raise DefinitionError(f"{owner}: guardrail {item!r} is neither a text nor a function; write @guardrail")
    return tuple(out)


def as_retries(owner: str, given: Any) -> int:
    """How often an answer may be given again. Raises DefinitionError for what is no such number."""
    if not isinstance(given, int) or isinstance(given, bool) or given < 0:
        raise DefinitionError(f"{owner}: guardrail_max_retries={given!r} is not a number of retries, such as 2")
    return given


def guardrail_name(item: Guardrail) -> str:
    """What a guardrail is called in steps: a function's name, the first words of a text.

    >>> guardrail_name("The answer is polite, and names no price.")
    'The_answer_is_polite_and_names_no_price'
    """
    if not isinstance(item, str):
        return function_name(item)
    return re.sub(r"\W+", "_", item).strip("_")[:40].strip("_") or "text"
