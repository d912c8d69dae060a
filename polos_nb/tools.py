"""Tools: functions that a model may call, declared with `@tool`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Literal, overload

from polos_nb import ambient, registry
from polos_nb.codec import to_plain, types_of
from polos_nb.durable.calling import call_function
from polos_nb.durable.code_version import CodeVersion, code_version
from polos_nb.durable.context import WorkflowContext
from polos_nb.errors import ArgumentsError, CodecError, DefinitionError
from polos_nb.hooks import as_hooks, with_hooks
from polos_nb.schema import FunctionSchema, describe, first_paragraph
from polos_nb.stores.base import Effect

_ID_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


class Tool:
    """A function that a model may call, with the schema it is told about. Made by `@tool`; never changes.

    Calling it calls the plain function, without a run: `get_weather.function("Paris")` and `get_weather("Paris")` are
    the same.
    """

    __polos_declaration__ = True

    def __init__(
        self,
        id: str,
        description: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        func: Callable[..., Any] | None = None,
        *,
        approval: Literal["always", "none"] | None = None,
        effect: Effect | None = None,
        version: str | int | None = None,
        max_retries: int = 0,
        timeout: float | None = None,
        on_start: Any = None,
        on_end: Any = None,
        localns: Mapping[str, Any] | None = None,
    ) -> None:
        if func is None:
            raise DefinitionError(f"tool {id!r} has no function; write @tool above one")
        if not id or len(id) > 64 or not set(id) <= _ID_LETTERS:
            raise DefinitionError(f"tool id {id!r} cannot be told to a model; use up to 64 letters, digits, _ and -")
        if approval not in (None, "none", "always"):
            raise DefinitionError(f"tool {id!r}: approval={approval!r} is neither 'always' nor 'none'")
        if effect not in (None, "read", "write"):
            raise DefinitionError(f"tool {id!r}: effect={effect!r} is neither 'read' nor 'write'")
        self.id = id
        self.func = func
        self.schema: FunctionSchema = describe(func, name=id, localns=dict(localns) if localns else None)
        self.description = description or first_paragraph(func.__doc__ or "")
        self.parameters: dict[str, Any] = dict(parameters) if parameters else self.schema.parameters
        self.approval: Literal["always", "none"] = approval or "none"
        self.effect: Effect = effect or ("write" if approval == "always" else "read")
        self.declared_version = version
        self.max_retries = max_retries
        self.timeout = timeout
        self.on_start = as_hooks(f"tool {id!r}", "on_start", on_start)
        self.on_end = as_hooks(f"tool {id!r}", "on_end", on_end)
        self.__name__ = getattr(func, "__name__", id)
        self.__doc__ = func.__doc__
        registry.register("tool", self)

    @property
    def function(self) -> Callable[..., Any]:
        """The plain function."""
        return self.func

    def version(self) -> CodeVersion:
        """The version of the tool's code and of all it uses of your own, as of now; its hooks are part of it."""
        code = code_version(self.func, declared=self.declared_version)
        return with_hooks(code, (*self.on_start, *self.on_end))

    def types(self) -> dict[str, type]:
        """The classes that the tool's result may be made of."""
        return types_of(self.schema.return_type)

    def to_llm_tool_definition(self) -> dict[str, Any]:
        """The definition in the shape of OpenAI's chat completions."""
        return {
            "type": "function",
            "function": {"name": self.id, "description": self.description, "parameters": self.parameters},
        }

    async def call(self, arguments: Mapping[str, Any], ctx: WorkflowContext) -> Any:
        """Call the function with arguments from outside. Raises ArgumentsError when they do not fit."""
        args, kwargs = self.schema.bind(dict(arguments), ctx)
        return await call_function(self.func, tuple(args), dict(kwargs))

    async def run(self, *args: Any, **options: Any) -> Any:
        """Run the tool by itself, durably: `await tool.run(payload)` or `await tool.run(client, payload)`.

        `payload` is a mapping of arguments, or the input model. Options: `session_id` or `conversation_id`, `user_id`,
        `timeout` in seconds (600), `fresh`. Returns what the function returned; raises RunError when it failed.
        """
        client, payload = split_client(args, options, "payload")
        runner = client if client is not None else ambient.current_runner()
        return await runner.run_tool(self, payload_arguments(self, payload), options=options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the plain function, without a run."""
        return self.func(*args, **kwargs)

    def __repr__(self) -> str:
        return f"Tool({self.id!r})"


def payload_arguments(tool: Tool, payload: Any) -> dict[str, Any]:
    """A payload as the mapping of arguments that a model would have sent."""
    if payload is None:
        return {}
    try:
        plain = to_plain(payload)
    except CodecError as error:
        raise ArgumentsError(f"tool {tool.id}: {error}") from None
    if not isinstance(plain, dict):
        raise ArgumentsError(f"tool {tool.id}: the payload is {type(payload).__name__}, not a mapping of arguments")
    return plain


def split_client(args: tuple[Any, ...], options: dict[str, Any], name: str) -> tuple[Any, Any]:
    """Take `client` and the argument called `name` from a call that may leave the client out."""
    rest = list(args)
    client = options.pop("client", None)
    if rest and hasattr(rest[0], "run_agent") and hasattr(rest[0], "run_tool"):
        client = rest.pop(0)
    elif rest and rest[0] is None and len(rest) > 1:
        rest.pop(0)
    if len(rest) > 1:
        raise TypeError(f"expected a client and {name}, got {len(args)} positional arguments; name the others")
    if rest and name in options:
        raise TypeError(f"{name} is given twice")
    return client, rest[0] if rest else options.pop(name, None)


@overload
def tool(id: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    id: str | None = None,
    description: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    *,
    approval: Literal["always", "none"] | None = None,
    effect: Effect | None = None,
    version: str | int | None = None,
    max_retries: int = 0,
    timeout: float | None = None,
    on_start: Any = None,
    on_end: Any = None,
) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(
    id: Any = None,
    description: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    *,
    approval: Literal["always", "none"] | None = None,
    effect: Effect | None = None,
    version: str | int | None = None,
    max_retries: int = 0,
    timeout: float | None = None,
    on_start: Any = None,
    on_end: Any = None,
) -> Any:
    """Declare a function as a tool; `@tool` alone, or with arguments.

    The function may be sync or async, and take `(ctx, input: Model)` or plain annotated parameters, with or without
    `ctx`; its signature becomes the schema. It may return anything JSON-able, a pydantic model, a dataclass and more.

    `id` defaults to the function's name and `description` to its docstring's first paragraph. `effect="write"` says
    that it changes the world: an interrupted call is then not repeated silently. With `approval="always"` a person is
    asked before each call, `effect` is "write" unless it is given, and the model reads why a call was rejected.
    `version` replaces the hash of the code. `max_retries` counts further attempts after a failure (0), `timeout` is in
    seconds per attempt (none). `on_start` and `on_end` are hooks of each call (see `hook`): they see and may change
    its arguments and its result; one that fails makes the call fail, and the model reads why.
    Raises DefinitionError, with the remedy, when no schema can be made of the signature.

    >>> @tool(description="Current weather of a city")
    ... def get_weather(city: str, days: int = 1) -> dict:
    ...     return {"city": city, "forecast": ["sunny"] * days}
    >>> get_weather.parameters["required"]
    ['city']
    """
    localns = dict(sys._getframe(1).f_locals)

    def declare(func: Callable[..., Any]) -> Tool:
        return Tool(
            (None if callable(id) else id) or func.__name__,
            description,
            parameters,
            func,
            approval=approval,
            effect=effect,
            version=version,
            max_retries=max_retries,
            timeout=timeout,
            on_start=on_start,
            on_end=on_end,
            localns=localns,
        )

    return declare(id) if callable(id) else declare
