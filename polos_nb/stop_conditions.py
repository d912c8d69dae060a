"""When an agent stops although the model would go on: the built-in conditions, and `@stop_condition` for one's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_type_hints

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from polos_nb.errors import DefinitionError
from polos_nb.messages import Step, total_usage


class StopConditionContext(BaseModel):
    """What a stop condition looks at: the turns so far, each with its text, calls, results and usage."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    steps: list[Step] = []
    agent_id: str | None = None
    agent_run_id: str | None = None


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class MaxStepsConfig(_Config):
    """Stop after `limit` calls of the model. `count` is the same thing; 20 when neither is given."""

    limit: int = Field(default=20, ge=1, validation_alias=AliasChoices("limit", "count"))

    @property
    def count(self) -> int:
        """The same as `limit`."""
        return self.limit


class MaxTokensConfig(_Config):
    """Stop when input and output tokens of all calls together reach `limit`."""

    limit: int = Field(ge=1)


class ExecutedToolConfig(_Config):
    """Stop when every tool in `tool_names` has been called."""

    tool_names: list[str] = Field(min_length=1)


class HasTextConfig(_Config):
    """Stop when every text in `texts` occurs in what the model has said."""

    texts: list[str] = Field(min_length=1)


@dataclass(frozen=True)
class StopCondition:
    """A condition with its settings, ready to be asked. `name` becomes the result's `stop_reason`."""

    name: str
    function: Callable[..., Any]
    config: BaseModel | None = None

    def __call__(self, context: StopConditionContext) -> Any:
        """Whether to stop; may be awaitable."""
        return self.function(context) if self.config is None else self.function(context, self.config)

    async def holds(self, context: StopConditionContext) -> bool:
        """Whether to stop, awaited where the condition is async."""
        answer = self(context)
        return bool(await answer if inspect.isawaitable(answer) else answer)


@dataclass(frozen=True)
class StopConditionFactory:
    """What `@stop_condition` makes: call it with settings to get a condition."""

    name: str
    function: Callable[..., Any]
    config_type: type[BaseModel] | None = None

    def __call__(self, config: Any = None, /, **settings: Any) -> Any:
        """A `StopCondition`. Settings come as a config object, a dict, or by name."""
        if isinstance(config, StopConditionContext):  # a condition without settings, used without calling it first
            return self.condition()(config)
        return self.condition(config, **settings)

    def condition(self, config: Any = None, **settings: Any) -> StopCondition:
        """A `StopCondition` with these settings. Raises DefinitionError for settings that do not fit."""
        if self.config_type is None:
            if config is not None or settings:
                raise DefinitionError(f"stop condition {self.name} takes no settings; write {self.name}()")
            return StopCondition(self.name, self.function)
        name = self.config_type.__name__
        if isinstance(config, self.config_type) and not settings:
            return StopCondition(self.name, self.function, config)
        if config is not None and not isinstance(config, dict):
            raise DefinitionError(
                f"stop condition {self.name}: {config!r} is not its settings; write {self.name}({name}(...))"
            )
        try:
            made = self.config_type.model_validate({**(config or {}), **settings})
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise DefinitionError(f"stop condition {self.name}: {where}: {first['msg']}") from None
        return StopCondition(self.name, self.function, made)


def stop_condition(function: Callable[..., Any]) -> StopConditionFactory:
    """Declare a stop condition: a function of a `StopConditionContext`, and of a pydantic model when it has settings.

    It may be async. Conditions are asked after each turn that called tools; the first that holds stops the agent.

    >>> @stop_condition
    ... def said_done(context: StopConditionContext) -> bool:
    ...     return any("DONE" in (step.content or "") for step in context.steps)
    >>> said_done().name
    'said_done'
    """
    parameters = list(inspect.signature(function).parameters.values())
    name = getattr(function, "__name__", "stop_condition")
    if len(parameters) not in (1, 2):
        raise DefinitionError(
            f"stop condition {name} must take (context) or (context, config), not {len(parameters)} parameters"
        )
    config_type = None
    if len(parameters) == 2:
        try:
            config_type = get_type_hints(function).get(parameters[1].name)
        except NameError as error:
            raise DefinitionError(f"stop condition {name}: {error}; define its config before it") from None
        if not (isinstance(config_type, type) and issubclass(config_type, BaseModel)):
            raise DefinitionError(
                f"stop condition {name}: annotate {parameters[1].name} with a pydantic model for its settings"
            )
    return StopConditionFactory(name, function, config_type)


@stop_condition
def max_steps(context: StopConditionContext, config: MaxStepsConfig) -> bool:
    """Stop after `limit` calls of the model: `max_steps(MaxStepsConfig(limit=15))`, `max_steps(count=15)`."""
    return len(context.steps) >= config.limit


@stop_condition
def max_tokens(context: StopConditionContext, config: MaxTokensConfig) -> bool:
    """Stop when input and output tokens together reach `limit`: `max_tokens(MaxTokensConfig(limit=50000))`."""
    return total_usage(step.usage for step in context.steps).total_tokens >= config.limit


@stop_condition
def executed_tool(context: StopConditionContext, config: ExecutedToolConfig) -> bool:
    """Stop when all the named tools have been called: `executed_tool(tool_names=["send_email"])`."""
    called = {call.function.name for step in context.steps for call in step.tool_calls}
    return set(config.tool_names) <= called


@stop_condition
def has_text(context: StopConditionContext, config: HasTextConfig) -> bool:
    """Stop when the model has said all the texts: `has_text(texts=["DONE"])`."""
    said = "\n".join(step.content or "" for step in context.steps)
    return all(text in said for text in config.texts)


def as_conditions(given: Any) -> tuple[StopCondition, ...]:
    """Conditions as an agent keeps them: factories are called, plain functions wrapped. Raises DefinitionError."""
    out: list[StopCondition] = []
    for item in [] if given is None else given if isinstance(given, list | tuple) else [given]:
        if isinstance(item, StopCondition):
            out.append(item)
        elif isinstance(item, StopConditionFactory):
            out.append(item.condition())
        elif callable(item):
            out.append(StopCondition(getattr(item, "__name__", "stop_condition"), item))
        else:
            raise DefinitionError(f"stop condition {item!r} is not callable; write for example max_steps(count=15)")
    return tuple(out)
