"""Workflows: durable functions over steps, declared with `@workflow`."""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any, overload

from pydantic import BaseModel

from polos_nb import ambient, registry
from polos_nb.agents import DEFAULT_TIMEOUT, as_conversation, as_fresh
from polos_nb.codec import types_of
from polos_nb.cron import Cron
from polos_nb.durable.calling import call_function
from polos_nb.durable.code_version import CodeVersion, code_version
from polos_nb.durable.context import WorkflowContext
from polos_nb.errors import DefinitionError, StepExecutionError
from polos_nb.hooks import as_hooks, with_hooks
from polos_nb.tools import split_client
from polos_nb.workflow_payload import PayloadSchema, payload_schema

_OPTIONS = ("queue", "concurrency_key", "session_id", "conversation_id", "user_id", "initial_state", "fresh")


class Workflow:
    """A durable function: what it does through `ctx.step` is done once, kept, and answers from the store ever after.

    Made by `@workflow`; never changes. Calling it calls the plain function, without a run.
    """

    __polos_declaration__ = True

    def __init__(
        self,
        id: str,
        func: Callable[..., Any],
        description: str | None = None,
        *,
        state_schema: type[BaseModel] | None = None,
        queue: Any = None,
        trigger_on_event: str | None = None,
        batch_size: int = 1,
        batch_timeout_seconds: float | None = None,
        schedule: Any = None,
        version: str | int | None = None,
        on_start: Any = None,
        on_end: Any = None,
        localns: Mapping[str, Any] | None = None,
        **unknown: Any,
    ) -> None:
        if not isinstance(id, str) or not id.strip() or not id.isprintable():
            raise DefinitionError(f"workflow id {id!r} is not a name; write for example @workflow(id='review')")
        _refuse_unknown(id, unknown)
        if state_schema is not None and not (isinstance(state_schema, type) and issubclass(state_schema, BaseModel)):
            raise DefinitionError(f"workflow {id!r}: state_schema={state_schema!r} is not a WorkflowState class")
        if schedule and trigger_on_event:
            raise DefinitionError(f"workflow {id!r} has both schedule= and trigger_on_event=; give it one of them")
        if schedule and queue:
            raise DefinitionError(f"workflow {id!r} has both schedule= and queue=; give it one of them")
        if batch_size < 1:
            raise DefinitionError(f"workflow {id!r}: batch_size={batch_size} must be 1 or more")
        Cron.declared(id, schedule)  # a wrong line is said here, not when it would be due
        self.id = id
        self.func = func
        self.payload: PayloadSchema = payload_schema(func, id, localns)
        self.description = description or (func.__doc__ or "").strip().partition("\n\n")[0] or None
        self.state_schema = state_schema
        self.queue = queue
        self.trigger_on_event = trigger_on_event
        self.batch_size = batch_size
        self.batch_timeout_seconds = batch_timeout_seconds
        self.schedule = schedule
        self.on_start = as_hooks(f"workflow {id!r}", "on_start", on_start)
        self.on_end = as_hooks(f"workflow {id!r}", "on_end", on_end)
        self.declared_version = version
        if version is not None:  # else whatever uses this workflow depends on its code
            self.__polos_version__ = f"declared:{version}"
        self.__name__ = getattr(func, "__name__", id)
        self.__doc__ = func.__doc__
        registry.register("workflow", self)

    @property
    def function(self) -> Callable[..., Any]:
        """The plain function."""
        return self.func

    def version(self) -> CodeVersion:
        """The version of the workflow's code and of all it uses of your own, as of now; its hooks are part of it."""
        code = code_version(self.func, declared=self.declared_version)
        return with_hooks(code, (*self.on_start, *self.on_end))

    def types(self) -> dict[str, type]:
        """The classes that the workflow's result may be made of."""
        return types_of(self.payload.return_type)

    async def call(self, ctx: WorkflowContext, payload: Any) -> Any:
        """Call the function with a payload that has been checked."""
        args, kwargs = self.payload.bind(ctx, payload)
        result = await call_function(self.func, args, kwargs)
        if inspect.iscoroutine(result):  # a step that was not awaited has not been executed
            result.close()
            raise StepExecutionError(f"workflow {self.id} returned a coroutine; write await before it")
        return result

    async def run(self, *args: Any, timeout: float | None = DEFAULT_TIMEOUT, **options: Any) -> Any:
        """Run to the end and return the result: `await workflow.run(payload)`, or with a client before the payload.

        Running it again with the same payload comes back to the same run: finished steps answer from the store, and a
        run that waits goes on waiting. Options: `initial_state`, `session_id` (or `conversation_id`), `user_id`,
        `queue`, `concurrency_key`, `fresh`; `timeout` is in seconds (600), None for none. Raises RunError when the
        run failed, WorkflowTimeoutError when the time was up (what is finished is kept, what waits goes on waiting).
        """
        client, payload, options = self._configured(args, options)
        runner = client if client is not None else ambient.current_runner()
        return await runner.run_workflow(self, payload, timeout=timeout, **options)

    def run_sync(self, *args: Any, timeout: float | None = DEFAULT_TIMEOUT, **options: Any) -> Any:
        """The same as `run` where awaiting is impossible; a background loop does the work while this waits."""
        client, payload, options = self._configured(args, options)
        runner = client if client is not None else ambient.current_runner()
        return runner.run_workflow_blocking(self, payload, timeout=timeout, **options)

    async def invoke(self, *args: Any, run_timeout_seconds: float | None = None, **options: Any) -> Any:
        """Start and return an `ExecutionHandle` at once; takes the same arguments as `run`."""
        client, payload, options = self._configured(args, options)
        runner = client if client is not None else ambient.current_runner()
        return await runner.invoke(self, payload, run_timeout_seconds=run_timeout_seconds, **options)

    def _configured(self, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
        client, payload = split_client(args, options, "payload")
        for name in options:
            if name not in _OPTIONS:
                near = difflib.get_close_matches(name, _OPTIONS, n=1)
                hint = f"did you mean {near[0]}=?" if near else f"the options are: timeout, {', '.join(_OPTIONS)}"
                raise DefinitionError(f"workflow {self.id!r}: unknown option {name}=; {hint}")
        conversation = as_conversation(options.pop("conversation_id", None), options.pop("session_id", None))
        fresh = as_fresh(options.pop("fresh", False))
        return client, payload, {**options, "conversation_id": conversation, "fresh": fresh}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the plain function, without a run."""
        return self.func(*args, **kwargs)

    def __repr__(self) -> str:
        return f"Workflow({self.id!r})"


def _refuse_unknown(id: str, unknown: Mapping[str, Any]) -> None:
    for name in unknown:
        known = ["description", "state_schema", "queue", "trigger_on_event", "batch_size", "batch_timeout_seconds",
                 "schedule", "version", "on_start", "on_end"]  # fmt: skip
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}=?" if near else f"; the arguments are: id, {', '.join(known)}"
        raise DefinitionError(f"workflow {id!r}: unknown argument {name}={hint}")


@overload
def workflow(id: Callable[..., Any], /) -> Workflow: ...
@overload
def workflow(
    id: str | None = None,
    description: str | None = None,
    queue: Any = None,
    trigger_on_event: str | None = None,
    batch_size: int = 1,
    batch_timeout_seconds: float | None = None,
    schedule: Any = None,
    on_start: Any = None,
    on_end: Any = None,
    *,
    state_schema: type[BaseModel] | None = None,
    version: str | int | None = None,
    **unknown: Any,
) -> Callable[[Callable[..., Any]], Workflow]: ...
def workflow(
    id: Any = None,
    description: str | None = None,
    queue: Any = None,
    trigger_on_event: str | None = None,
    batch_size: int = 1,
    batch_timeout_seconds: float | None = None,
    schedule: Any = None,
    on_start: Any = None,
    on_end: Any = None,
    *,
    state_schema: type[BaseModel] | None = None,
    version: str | int | None = None,
    **unknown: Any,
) -> Any:
    """Declare a function `(ctx)` or `(ctx, payload)` as a workflow; `@workflow` alone, or with arguments.

    What the function does through `ctx.step` is durable; what it does beside that is done again in every pass, so
    effects, clocks and random numbers belong into steps. A payload annotated with a pydantic model is checked; a dict
    also answers attribute access. `id` defaults to the function's name.

    `state_schema` is a `WorkflowState` class: `ctx.state` is an instance, made of `initial_state`. `queue` is a name or
    what `queue()` returns, and limits how many run at once. `trigger_on_event` starts the workflow for events on a
    topic, `batch_size` of them at a time or what came within `batch_timeout_seconds`. `schedule` is a cron line, or a
    dict with `cron`, `timezone` and `key`; True for schedules made later. `on_start` and `on_end` are hooks (see
    `hook`): they see and may change payload and result, or fail the run. `version` replaces the hash of the code.
    Raises DefinitionError, with the remedy, for a declaration that cannot work.

    >>> @workflow
    ... async def greet(ctx, input: dict):
    ...     return await ctx.step.run("greeting", lambda name: f"Hello {name}", input.name)
    >>> greet.id
    'greet'
    """
    localns = dict(sys._getframe(1).f_locals)

    def declare(func: Callable[..., Any]) -> Workflow:
        return Workflow(
            id if isinstance(id, str) else getattr(func, "__name__", ""),
            func,
            description,
            queue=queue,
            trigger_on_event=trigger_on_event,
            batch_size=batch_size,
            batch_timeout_seconds=batch_timeout_seconds,
            schedule=schedule,
            on_start=on_start,
            on_end=on_end,
            state_schema=state_schema,
            version=version,
            localns=localns,
            **unknown,
        )

    return declare(id) if callable(id) else declare


def get_workflow(workflow_id: str) -> Any:
    """The workflow, agent or tool with this id, or None."""
    return registry.find(workflow_id)


def get_all_workflows() -> dict[str, Any]:
    """All workflows, agents and tools that were declared, by id."""
    return registry.declared()
