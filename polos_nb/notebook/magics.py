"""The magics: thin, because the session, the definitions and the commands do the work."""

from __future__ import annotations

import importlib
import threading
from pathlib import Path
from typing import Any

from IPython.core import magic
from IPython.core.magic import (
    Magics,
    cell_magic,
    line_cell_magic,
    line_magic,
    magics_class,
    needs_local_scope,
    no_var_expand,
)
from traitlets import Bool, Enum, Float, Unicode, observe

from polos_nb.agents import Agent
from polos_nb.models import litellm as litellm_model
from polos_nb.models.providers import PROVIDERS, key_for
from polos_nb.notebook import definitions, definitions_code, kernel_pump
from polos_nb.notebook.arguments import AGENT, RENDERERS, RUN, TOOL, WORKFLOW, HelpAsked
from polos_nb.notebook.commands import OVERVIEW, run_command
from polos_nb.notebook.commands_chat import CHAT, open_chat
from polos_nb.notebook.failures import mistakes
from polos_nb.notebook.hooks import Hooks
from polos_nb.notebook.host import APPROVAL_MODES
from polos_nb.notebook.kernel_compat import in_kernel, watching
from polos_nb.notebook.session import SINGLETON, NotebookSession, Options, detach
from polos_nb.tools import Tool
from polos_nb.workflows import Workflow

_MAGICS = {
    "line": ("polos", "polos_run", "polos_chat"),
    "cell": ("polos_agent", "polos_tool", "polos_workflow", "polos_run"),
}

# A trailing ; keeps a value from being shown. Not for magics whose body is prose: IPython would read that as Python to
# find the ; and from Python 3.12 on an apostrophe in it is then an error.
output_can_be_silenced = getattr(magic, "output_can_be_silenced", lambda function: function)


def _documented(text: str) -> Any:
    """Give a magic its help as docstring, so that `?` shows it."""

    def give(function: Any) -> Any:
        function.__doc__ = text
        return function

    return give


@magics_class
class PolosMagics(Magics):
    """The magics of polos_nb and their settings: `%config PolosMagics`."""

    model = Unicode("", help="the model of agents that name none, such as openai/gpt-4o").tag(config=True)
    mode = Enum(
        ["", "live", "record", "replay", "offline"], "", help="how runs are driven; empty: who is watching decides"
    ).tag(config=True)
    cache = Bool(True, help="finished steps answer from the store").tag(config=True)
    render = Enum(list(RENDERERS), "auto", help="how runs are shown").tag(config=True)
    approval_mode = Enum(
        list(APPROVAL_MODES), "auto", help="whether a cell waits for an answer (inline) or ends and goes on later"
    ).tag(config=True)
    budget = Float(
        None, allow_none=True, help="what a run may cost, in US dollars, where nothing else says so; None: any amount"
    ).tag(config=True)
    banner = Bool(True, help="one line when the extension is loaded in a terminal").tag(config=True)
    interpolation = Enum(["double", "off"], "double", help="{{ expr }} in prompts").tag(config=True)
    nest_asyncio = Bool(False, help="let loops nest (nest_asyncio2); loses clicks, so only for old code").tag(
        config=True
    )

    def __init__(self, shell: Any, **options: Any) -> None:
        super().__init__(shell=shell, **options)
        self.session: NotebookSession | None = None

    def options(self) -> Options:
        """The settings of now."""
        return Options(
            model=self.model,
            mode=self.mode or "",
            cache=self.cache,
            render=self.render,
            interpolation=self.interpolation,
            approval_mode=self.approval_mode,
            budget=self.budget,
        )

    @observe("model", "mode", "cache", "render", "interpolation", "approval_mode", "budget")
    def _changed(self, change: Any) -> None:
        if getattr(self, "session", None) is not None:
            self.session.configure(self.options())  # type: ignore[union-attr]

    @observe("nest_asyncio")
    def _nest(self, change: Any) -> None:
        if change["new"]:
            importlib.import_module("nest_asyncio2").apply()
            print("nest_asyncio2 is applied: queued cells and clicks in widgets may be lost until the kernel restarts.")  # noqa: T201

    def _session(self) -> NotebookSession:
        assert self.session is not None
        return self.session

    @line_magic
    @no_var_expand
    @output_can_be_silenced
    @_documented(OVERVIEW)
    def polos(self, line: str) -> Any:
        """The umbrella."""
        __tracebackhide__ = True
        try:
            with mistakes(watching(self.shell)):
                return run_command(self._session(), line.rstrip().rstrip(";"), self)
        except HelpAsked as help_text:
            print(help_text)  # noqa: T201
            return None

    @line_magic
    @no_var_expand
    @needs_local_scope
    @output_can_be_silenced
    @_documented(CHAT.format_help())
    def polos_chat(self, line: str, local_ns: dict[str, Any] | None = None) -> Any:
        """A chat in the output of the cell."""
        __tracebackhide__ = True
        try:
            with mistakes(watching(self.shell)):
                return open_chat(self._session(), line, local_ns)
        except HelpAsked as help_text:
            print(help_text)  # noqa: T201
            return None

    @line_cell_magic
    @no_var_expand
    @needs_local_scope
    @_documented(RUN.format_help())
    def polos_run(self, line: str, cell: str | None = None, local_ns: dict[str, Any] | None = None) -> Any:
        """Run an agent where the cell cannot await; other cells are rewritten and never come here."""
        __tracebackhide__ = True
        return self._session().run_blocking(line, cell, local_ns)

    @cell_magic
    @no_var_expand
    @_documented(AGENT.format_help())
    def polos_agent(self, line: str, cell: str) -> Any:
        """Define an agent."""
        __tracebackhide__ = True
        try:
            with mistakes(watching(self.shell)):
                return self._define_agent(line, cell)
        except HelpAsked as help_text:
            print(help_text)  # noqa: T201
            return None

    def _define_agent(self, line: str, cell: str) -> Agent:
        names = self.shell.user_ns
        interp = self.interpolation != "off"
        defined = definitions.define_agent(line, cell, names, model=self.model, interp=interp)
        self._session().echoes[defined.agent] = (defined.name, defined.echo)
        names[defined.name] = defined.agent
        return defined.agent

    @cell_magic
    @no_var_expand
    @output_can_be_silenced
    @_documented(TOOL.format_help())
    def polos_tool(self, line: str, cell: str) -> Tool | None:
        """Define a tool."""
        __tracebackhide__ = True
        try:
            with mistakes(watching(self.shell)):
                return definitions_code.define_tool(line, cell, self.shell)
        except HelpAsked as help_text:
            print(help_text)  # noqa: T201
            return None

    @cell_magic
    @no_var_expand
    @output_can_be_silenced
    @_documented(WORKFLOW.format_help())
    def polos_workflow(self, line: str, cell: str) -> Workflow | None:
        """Define a workflow."""
        __tracebackhide__ = True
        try:
            with mistakes(watching(self.shell)):
                return definitions_code.define_workflow(line, cell, self.shell)
        except HelpAsked as help_text:
            print(help_text)  # noqa: T201
            return None


class Extension:
    """What one load has put into a shell."""

    def __init__(self, ip: Any) -> None:
        self._ip = ip
        self.magics = PolosMagics(shell=ip, parent=ip)
        self.session = NotebookSession(ip, self.magics.options())
        self.magics.session = self.session
        self._hooks = Hooks(ip, self.session, self._info)
        self._before = {
            (kind, name): ip.magics_manager.magics[kind].get(name) for kind in _MAGICS for name in _MAGICS[kind]
        }
        ip.register_magics(self.magics)
        self._hooks.install()

    def _info(self, made: Any) -> dict[str, Any]:
        if isinstance(made, Tool):
            return definitions_code.tool_info(made)
        if isinstance(made, Workflow):
            return definitions_code.workflow_info(made)
        name, echo = self.session.echoes.get(made, ("", {}))
        return definitions.agent_info(made, name, echo)

    def remove(self) -> None:
        """Restore the shell."""
        ip = self._ip
        self._hooks.remove()
        for (kind, name), before in self._before.items():
            if before is None:
                ip.magics_manager.magics[kind].pop(name, None)
            else:
                ip.magics_manager.magics[kind][name] = before
        ip.magics_manager.registry.pop(PolosMagics.__name__, None)
        if self.magics in ip.configurables:
            ip.configurables.remove(self.magics)
        self.session.close()


_extensions: dict[int, Extension] = {}


def load(ip: Any) -> None:
    """Register everything with a shell. Loading again replaces what was there."""
    unload(ip)
    with mistakes(watching(ip)):
        extension = Extension(ip)
    _extensions[id(ip)] = extension
    setattr(ip, SINGLETON, extension.session)
    session = extension.session
    if in_kernel(ip):
        kernel_pump.install(ip)
    if not session.watched:
        return
    if in_kernel(ip):  # the first run's view should not wait for it
        threading.Thread(target=importlib.import_module, args=("polos_nb.notebook.widget",), daemon=True).start()
    if extension.magics.banner and not in_kernel(ip):  # in a notebook the line would be saved, and tests compare it
        print(f"polos_nb · {session.runtime.mode} · {session.settings.store_path()}")  # noqa: T201
    # Where there is a store already, its notebook may be answered by it as a whole, and need no litellm.
    new = not Path(session.settings.store_path()).exists()
    if new and session.runtime.mode == "live" and any(key_for(provider) for provider in PROVIDERS):
        litellm_model.warm()


def unload(ip: Any) -> None:
    """Restore a shell to what it was."""
    extension = _extensions.pop(id(ip), None)
    if extension is not None:
        extension.remove()
        kernel_pump.remove(ip)
    detach(ip)
