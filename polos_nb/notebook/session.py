"""One notebook's session: its runtime, the names in it, and how a run of a cell is started, shown and ended."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import sys
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from polos_nb.agents import DEFAULT_TIMEOUT, Agent, AgentRunConfig
from polos_nb.codec import digest
from polos_nb.errors import ConfigurationError
from polos_nb.messages import AgentResult
from polos_nb.notebook.arguments import RUN, HelpAsked, Namespace, fresh_of, params_of, shadows, variable_name
from polos_nb.notebook.failures import mistakes, one_line_only, stopped
from polos_nb.notebook.interpolate import interpolate, strip_markers
from polos_nb.notebook.kernel_compat import notebook_path, watching
from polos_nb.notebook.lookup import find_agent
from polos_nb.notebook.painter import Painter, Quiet, painter_for
from polos_nb.runtime.client import set_default_runtime
from polos_nb.runtime.portal import portal
from polos_nb.runtime.run import Run
from polos_nb.runtime.runtime import Runtime
from polos_nb.settings import Mode, Settings
from polos_nb.stores.cassette import find_cassettes

SINGLETON = "_polos_nb"  # where a shell keeps its session
_TICK = 0.04  # seconds; an awaiting kernel notices Stop only when its loop wakes up
_STOP = 5.0  # seconds that a stopped run has to close its streams


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `%config PolosMagics` says. `mode` "" means: decide by the environment and by who is watching."""

    model: str = ""
    mode: str = ""
    cache: bool = True
    render: str = "auto"
    interpolation: str = "double"


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A run that only has to be started."""

    agent: Agent
    config: AgentRunConfig
    given: Namespace
    silent: bool = False


class NotebookSession:
    """What a shell keeps at `_polos_nb`. Raises ConfigurationError for an environment that cannot be used.

    `run_cell` and `run_line` are what rewritten cells await; `run_blocking` is for callers that cannot await.
    """

    def __init__(self, ip: Any, options: Options | None = None) -> None:
        self.ip = ip
        self.options = options or Options()
        self.settings = Settings.from_environment()
        self.active = 0
        self._cells = 0
        self.echoes: weakref.WeakKeyDictionary[Agent, tuple[str, dict[str, str]]] = weakref.WeakKeyDictionary()
        self._shown: set[int] = set()
        self.runtime = self._make_runtime()
        set_default_runtime(self.runtime)

    # -- the runtime -----------------------------------------------------------------------------------------------
    def configure(self, options: Options) -> None:
        """Take what `%config` says now."""
        changed = (options.mode, options.cache) != (self.options.mode, self.options.cache)
        self.options = options
        if changed:
            before = self.runtime
            self.runtime = self._make_runtime()
            self.runtime.lineages.update(before.lineages)
            set_default_runtime(self.runtime)
            if not self.active and not before.busy:
                before.close()

    def _make_runtime(self) -> Runtime:
        settings = self.settings if self.options.cache else replace(self.settings, cache=False)
        mode = cast("Mode | None", self.options.mode or None)
        return Runtime(mode=mode, settings=settings, watched=self.watched, cassettes=self._cassettes())

    def _cassettes(self) -> list[Path]:
        if self.settings.cassette:
            return []  # the runtime takes it from the settings
        own = self.cassette_path()
        if own is not None:
            return [own] if own.exists() else []
        return find_cassettes(Path.cwd())

    def cassette_path(self) -> Path | None:
        """Where this notebook's recording belongs; None when no front end says which notebook it is."""
        if self.settings.cassette:
            return Path(self.settings.cassette)
        notebook = notebook_path(self.ip)
        return None if notebook is None else notebook.parent / "cassettes" / f"{notebook.stem}.jsonl"

    @property
    def watched(self) -> bool:
        """Whether somebody is watching now."""
        return watching(self.ip)

    def begin_cell(self, info: Any = None) -> None:
        """A cell begins: equal calls are counted anew."""
        self._shown.clear()
        self.runtime.watched = self.watched
        self._cells += 1
        # Where nobody is watching, each cell is executed once, so each is another one.
        named = getattr(info, "cell_id", None) if self.watched else f"cell {self._cells}"
        self.runtime.begin_cell(named)

    def close(self) -> None:
        """Give up being the process's runtime, and release the store unless a run still uses it."""
        set_default_runtime(None)
        if not self.active and not self.runtime.busy:
            self.runtime.close()

    # -- running ---------------------------------------------------------------------------------------------------
    async def run_cell(self, line: str, body: str) -> AgentResult | None:
        """Run a `%%polos_run` cell; what the rewritten cell awaits."""
        __tracebackhide__ = True
        return await self._awaited(line, body)

    async def run_line(self, line: str) -> AgentResult | None:
        """Run a `%polos_run` line."""
        __tracebackhide__ = True
        return await self._awaited(line, None)

    async def _awaited(self, line: str, body: str | None) -> AgentResult | None:
        __tracebackhide__ = True
        prepared = self._prepare(line, body)
        if prepared is None:
            return None
        run = self._new_run(prepared)
        painter = self._painter(prepared, run)
        self.active += 1
        try:
            self.runtime.start(prepared.config, timeout=_timeout(prepared), into=run)
            painter.begin()
            assert run.task is not None
            while not run.task.done():
                await asyncio.wait({run.task}, timeout=_TICK)
                painter.tick()
        except asyncio.CancelledError:
            run.cancel()
            if run.task is not None:
                await asyncio.wait({run.task}, timeout=_STOP)
            painter.end()
            raise stopped(run.id) from None
        finally:
            self.active -= 1
        return self._finish(prepared, run, painter)

    def run_blocking(
        self, line: str, body: str | None = None, names: Mapping[str, Any] | None = None
    ) -> AgentResult | None:
        """The same where nothing can be awaited: a background loop drives the run, this thread shows it.

        `names` are those of the function that the magic stands in, which win over the notebook's.
        """
        __tracebackhide__ = True
        prepared = self._prepare(line, body, names)
        if prepared is None:
            return None
        run = self._new_run(prepared)
        painter = self._painter(prepared, run)

        async def drive() -> None:
            self.runtime.start(prepared.config, timeout=_timeout(prepared), into=run)
            assert run.task is not None
            await asyncio.wait({run.task})

        self.active += 1
        try:
            future = portal().submit(drive())
            painter.begin()
            while not concurrent.futures.wait([future], timeout=_TICK).done:
                painter.tick()
            future.result()
        except KeyboardInterrupt:
            run.cancel()
            concurrent.futures.wait([future], timeout=_STOP)
            painter.end()
            raise stopped(run.id) from None
        finally:
            self.active -= 1
        return self._finish(prepared, run, painter)

    def _new_run(self, prepared: Prepared) -> Run:
        return Run(prepared.agent.id, conversation_id=prepared.config.conversation_id)

    def _painter(self, prepared: Prepared, run: Run) -> Painter:
        if prepared.given.quiet:
            return Quiet()
        with mistakes(self.watched):
            return painter_for(
                self.ip,
                run.transcript,
                asked=prepared.given.render,
                default=self.options.render,
                environment=self.settings.render,
            )

    def _finish(self, prepared: Prepared, run: Run, painter: Painter) -> AgentResult | None:
        __tracebackhide__ = True
        assert run.task is not None
        if run.task.cancelled():
            painter.end()
            raise stopped(run.id)
        failure = run.task.exception()
        painter.end(failure)
        if failure is not None:
            raise one_line_only(failure).with_traceback(None) from None
        result: AgentResult = run.task.result()
        if prepared.given.bind:
            self.ip.user_ns[prepared.given.bind] = result
        if prepared.silent:
            return None
        self._shown.add(id(result))  # the run's own output is the display; the value is only kept
        return result

    def was_shown(self, result: AgentResult) -> bool:
        """Whether this cell has already shown the result; true once."""
        known = id(result) in self._shown
        self._shown.discard(id(result))
        return known

    # -- preparing -------------------------------------------------------------------------------------------------
    def _prepare(self, line: str, body: str | None, names: Mapping[str, Any] | None = None) -> Prepared | None:
        """The run that a line and a body ask for; None when they asked for help."""
        __tracebackhide__ = True
        try:
            with mistakes(self.watched):
                return self._prepared(line, body, {**self.ip.user_ns, **(names or {})})
        except HelpAsked as help_text:
            print(help_text)  # noqa: T201 - help is the output
            return None

    def _prepared(self, line: str, body: str | None, names: Mapping[str, Any]) -> Prepared:
        bare = line.rstrip()
        silent = body is None and bare.endswith(";")
        given = RUN.parse_line(bare.rstrip(";") if silent else bare)
        agent = find_agent(given.agent, names)
        if given.bind:
            variable_name(given.bind, RUN.magic, "--as")
            if shadows(given.bind) and self.watched:
                print(f"--as {given.bind} hides the builtin of that name", file=sys.stderr)  # noqa: T201
        prompt = self._prompt(given, body, names)
        conversation = given.session
        if conversation == "new":  # the same cell comes back to the same conversation
            conversation = f"{agent.id}-{digest([agent.id, prompt])[:8]}"
        config = agent.with_input(
            prompt, session_id=conversation, fresh=fresh_of(given.fresh), **params_of(given.params, RUN.magic)
        )
        _ = self.runtime.store  # a store that cannot be used is said before anything is shown
        return Prepared(agent=agent, config=config, given=given, silent=silent)

    def _prompt(self, given: Namespace, body: str | None, names: Mapping[str, Any]) -> str:
        text = " ".join(given.prompt)
        if body is not None and body.strip():
            if text:
                raise ConfigurationError(f"%%polos_run: unexpected {text!r}; the body of the cell is the prompt")
            text = strip_markers(body).strip()
        if not text.strip():
            raise ConfigurationError(f'%polos_run: the prompt is missing; write %polos_run {given.agent} "Hello"')
        if given.no_interp or self.options.interpolation == "off":
            return text
        return interpolate(text, names).text


def _timeout(prepared: Prepared) -> float:
    return prepared.given.timeout if prepared.given.timeout is not None else DEFAULT_TIMEOUT


def attach(ip: Any) -> NotebookSession:
    """The session of a shell: the loaded extension's, else one that only counts cells.

    So `await agent.run(...)` comes back to its run when its cell is executed again, also without `%load_ext`.
    """
    session: NotebookSession | None = getattr(ip, SINGLETON, None)
    if session is None:
        session = NotebookSession(ip)
        setattr(ip, SINGLETON, session)
        ip.events.register("pre_run_cell", session.begin_cell)
    return session


def detach(ip: Any) -> None:
    """Undo `attach`; nothing where the shell has no session."""
    session = getattr(ip, SINGLETON, None)
    if session is not None:
        delattr(ip, SINGLETON)
        with contextlib.suppress(ValueError):
            ip.events.unregister("pre_run_cell", session.begin_cell)
        session.close()
