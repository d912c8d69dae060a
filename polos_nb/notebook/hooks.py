"""Everything that is hung into a shell, and taken out again: transformers, events, formatters, the completer."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from typing import Any

from polos_nb.agents import Agent
from polos_nb.errors import Suspended
from polos_nb.messages import AgentResult
from polos_nb.notebook import kernel_pump
from polos_nb.notebook.cards import agent_card, tool_card
from polos_nb.notebook.completion import Completion
from polos_nb.notebook.display import Bundle, bundle, result_bundle
from polos_nb.notebook.kernel_compat import in_kernel
from polos_nb.notebook.run_widget import RunWidget
from polos_nb.notebook.session import NotebookSession
from polos_nb.notebook.transformer import Transformer
from polos_nb.runtime.run import StreamResult
from polos_nb.tools import Tool
from polos_nb.workflows import Workflow

_NESTED_LOOP = "asyncio.run() cannot be called from a running event loop"


class Hooks:
    """The hooks of one session. `install` and `remove` leave the shell as it was."""

    def __init__(self, ip: Any, session: NotebookSession, info: Callable[[Any], dict[str, Any]]) -> None:
        self._ip = ip
        self._session = session
        self._info = info
        self._transformer = Transformer(lambda: in_kernel(ip) and bool(ip.autoawait))
        self._matcher = Completion(ip).matcher
        self._cleanup = self._transformer.cleanup
        self._post = self._transformer.post
        self._followers: set[asyncio.Task[None]] = set()

    def install(self) -> None:
        """Hang everything in."""
        ip = self._ip
        ip.input_transformers_cleanup.append(self._cleanup)
        ip.input_transformers_post.append(self._post)
        ip.events.register("pre_run_cell", self._before_cell)
        ip.events.register("post_run_cell", self._after_cell)
        if ip.Completer is not None:
            ip.Completer.custom_matchers.append(self._matcher)
        formatter = ip.display_formatter
        formatter.mimebundle_formatter.for_type(Agent, self._agent)
        formatter.mimebundle_formatter.for_type(Tool, self._tool)
        formatter.mimebundle_formatter.for_type(Workflow, self._tool)
        formatter.mimebundle_formatter.for_type(AgentResult, result_bundle)
        formatter.mimebundle_formatter.for_type(StreamResult, self._stream)
        formatter.ipython_display_formatter.for_type(AgentResult, self._unless_shown)
        formatter.ipython_display_formatter.for_type(StreamResult, self._follow)

    def remove(self) -> None:
        """Take everything out."""
        ip = self._ip
        for place, item in (
            (ip.input_transformers_cleanup, self._cleanup),
            (ip.input_transformers_post, self._post),
            (getattr(ip.Completer, "custom_matchers", []), self._matcher),
        ):
            if item in place:
                place.remove(item)
        for event, function in (("pre_run_cell", self._before_cell), ("post_run_cell", self._after_cell)):
            with contextlib.suppress(ValueError):
                ip.events.unregister(event, function)
        formatter = ip.display_formatter
        for kind in (Agent, Tool, Workflow, AgentResult, StreamResult):
            formatter.mimebundle_formatter.pop(kind, None)
        for kind in (AgentResult, StreamResult):
            formatter.ipython_display_formatter.pop(kind, None)

    # -- formatters ------------------------------------------------------------------------------------------------
    def _agent(self, agent: Agent) -> Bundle:
        return agent_card(self._info(agent))

    def _tool(self, tool: Tool | Workflow) -> Bundle:
        return tool_card(self._info(tool))

    def _stream(self, stream: StreamResult) -> Bundle:
        return bundle(stream.transcript)

    def _unless_shown(self, result: AgentResult) -> None:
        if not self._session.was_shown(result):
            raise NotImplementedError  # IPython then asks the other formatters

    def _follow(self, stream: StreamResult) -> None:
        """Show a stream that is still running as it goes on; where nobody watches, as it is now."""
        if stream.done() or stream.task is None or not (self._session.watched and in_kernel(self._ip)):
            raise NotImplementedError
        self._session.host.seen.add(stream)
        painter = RunWidget(self._session.host, stream)
        painter.begin()
        painter.tick()

        async def follow() -> None:
            while not stream.done():
                await asyncio.sleep(0.04)
                painter.tick()
            failure = None if stream.task is None or stream.task.cancelled() else stream.task.exception()
            painter.end(failure)
            if isinstance(failure, Suspended):
                self._session.runner.left(stream, painter, failure)

        task = asyncio.get_running_loop().create_task(follow())
        self._followers.add(task)
        task.add_done_callback(self._followers.discard)

    # -- events ----------------------------------------------------------------------------------------------------
    def _before_cell(self, info: Any = None) -> None:
        kernel_pump.install(self._ip)  # again: where the extension was loaded at startup, the kernel did not listen yet
        self._session.begin_cell(info)

    def _after_cell(self, result: Any = None) -> None:
        self._session.end_cell()
        error = getattr(result, "error_in_exec", None)
        if isinstance(error, RuntimeError) and _NESTED_LOOP in str(error) and self._session.watched:
            print("In a notebook write `await main()` in place of `asyncio.run(main())`.", file=sys.stderr)  # noqa: T201
