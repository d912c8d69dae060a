"""Who runs an agent when the caller names no client: the one thing that lower rows must find without importing it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol


class Runner(Protocol):
    """What `Agent.run` needs of a client."""

    async def run_agent(self, config: Any, *, timeout: float | None = None) -> Any:
        """Drive a configured agent to its end and return its `AgentResult`."""

    def run_agent_blocking(self, config: Any, *, timeout: float | None = None) -> Any:
        """The same for callers that cannot await."""

    async def stream_agent(self, config: Any, *, timeout: float | None = None) -> Any:
        """Start a configured agent and return a `StreamResult` at once."""

    async def run_tool(self, tool: Any, payload: Any, *, options: dict[str, Any]) -> Any:
        """Drive a tool on its own to its end and return what it returned."""

    async def run_workflow(self, workflow: Any, payload: Any, *, timeout: float | None = None, **options: Any) -> Any:
        """Drive a workflow to its end and return what it returned."""

    def run_workflow_blocking(
        self, workflow: Any, payload: Any, *, timeout: float | None = None, **options: Any
    ) -> Any:
        """The same for callers that cannot await."""

    async def invoke(self, workflow_id: Any, payload: Any = None, **options: Any) -> Any:
        """Start a workflow and return its handle at once."""

    async def batch_invoke(self, workflows: Any, session_id: Any = None, user_id: str | None = None) -> Any:
        """Start many and return their handles."""


_current: ContextVar[Runner | None] = ContextVar("polos_nb_runner", default=None)
_factory: list[Callable[[], Runner]] = []
_host: list[Callable[[], Any]] = []


class Inside:
    """The call that runs are started in: equal ones are counted per call and attempt, not per process.

    `steps` is the branch that the call's own steps are in; `outer` is that branch and the record of its step, where
    the call is a step.
    """

    def __init__(self, call: str, steps: Any, outer: Any = None) -> None:
        self.call = call
        self.steps = steps
        self.outer = outer
        self.asked: Counter[str] = Counter()


inside: ContextVar[Inside | None] = ContextVar("polos_nb_inside", default=None)


def register_factory(factory: Callable[[], Runner]) -> None:
    """Say how the ambient runner is made; it is called on every use and returns the same one until it is closed."""
    _factory[:] = [factory]


def register_host(find: Callable[[], Any]) -> None:
    """Say how the surroundings (a notebook) give the process its runtime; `find` returns None where there are none."""
    _host[:] = [find]


def host_runtime() -> Any:
    """The runtime of the surroundings, or None."""
    return _host[0]() if _host else None


_loop: list[Callable[[], Any]] = []


def register_loop(find: Callable[[], Any]) -> None:
    """Say how the process's one background loop is found; see `background_loop`."""
    _loop[:] = [find]


def background_loop() -> Any:
    """The process's one background loop, where connections live: `submit(coroutine)` and `run(coroutine)`."""
    return _loop[0]()


def current_runner() -> Runner:
    """The runner of the enclosing `async with Polos()`, else the process's own."""
    runner = _current.get()
    return runner if runner is not None else _factory[0]()


def enter(runner: Runner) -> Any:
    """Make `runner` the ambient one in this context; give what it returns to `leave`."""
    return _current.set(runner)


def leave(token: Any) -> None:
    """Undo `enter`; a token of another context (an interrupted cell) is forgotten quietly."""
    try:
        _current.reset(token)
    except ValueError:
        _current.set(None)
