"""One notebook's session: its runtime, the names in it, and how a run of a cell is started, shown and ended."""

from __future__ import annotations

import contextlib
import sys
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from polos_nb.agents import DEFAULT_TIMEOUT, Agent, as_fresh
from polos_nb.codec import digest
from polos_nb.errors import ConfigurationError
from polos_nb.messages import AgentResult
from polos_nb.notebook.arguments import RUN, HelpAsked, Namespace, fresh_of, params_of, shadows, variable_name
from polos_nb.notebook.asked import Asked
from polos_nb.notebook.attachments import Attachment, composed, from_python, from_value, with_addresses
from polos_nb.notebook.failures import mistakes
from polos_nb.notebook.host import Host
from polos_nb.notebook.interpolate import interpolate, strip_markers
from polos_nb.notebook.kernel_compat import in_kernel, notebook_path, watching
from polos_nb.notebook.lookup import agents_of, evaluated, find_runnable, tools_of, workflows_of, yaml_value
from polos_nb.notebook.painter import Painter, Quiet, painter_for
from polos_nb.notebook.plan_page import plan_page
from polos_nb.notebook.run_widget import RunWidget
from polos_nb.notebook.running import Prepared, Runner
from polos_nb.runtime.client import set_default_runtime
from polos_nb.runtime.invoking import planned
from polos_nb.runtime.planning import turns_limit
from polos_nb.runtime.portal import portal
from polos_nb.runtime.run import Run
from polos_nb.runtime.runtime import Runtime
from polos_nb.settings import Mode, Settings, as_budget
from polos_nb.stores.base import RunRecord
from polos_nb.stores.cassette import find_cassettes
from polos_nb.workflows import Workflow

SINGLETON = "_polos_nb"  # where a shell keeps its session
_PATIENCE = 30.0  # seconds that a cell waits for a time to come; for an answer it ends at once, since clicks come later


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `%config PolosMagics` says. `mode` "" means: decide by the environment and by who is watching."""

    model: str = ""
    mode: str = ""
    cache: bool = True
    render: str = "auto"
    interpolation: str = "double"
    approval_mode: str = "auto"
    budget: float | None = None


class NotebookSession:
    """What a shell keeps at `_polos_nb`. Raises ConfigurationError for an environment that cannot be used.

    `run_cell` and `run_line` are what rewritten cells await; `run_blocking` is for callers that cannot await.
    """

    def __init__(self, ip: Any, options: Options | None = None) -> None:
        self.ip = ip
        self.options = options or Options()
        self.settings = Settings.from_environment()
        self._cells = 0
        self.echoes: weakref.WeakKeyDictionary[Agent, tuple[str, dict[str, str]]] = weakref.WeakKeyDictionary()
        self.host = Host(ip, lambda: self.runtime, lambda: self.options.approval_mode, self.stopped)
        self.asked = Asked(self.host, lambda: self.watched)
        self.runner = Runner(ip, self._painter)
        self.runtime = self._make_runtime()
        set_default_runtime(self.runtime)

    # -- the runtime -----------------------------------------------------------------------------------------------
    def configure(self, options: Options) -> None:
        """Take what `%config` says now."""
        as_budget(options.budget, "%config PolosMagics.budget")
        changed = (options.mode, options.cache) != (self.options.mode, self.options.cache)
        self.options = options
        self.runtime.settings = replace(self.runtime.settings, budget=self._settings().budget)
        if changed:
            before = self.runtime
            self.runtime = self._make_runtime()
            self.runtime.lineages.update(before.lineages)
            set_default_runtime(self.runtime)
            if not self.active and not before.busy and not before.waiting.runs:  # else it drives on what waits in it
                before.close()

    def _settings(self) -> Settings:
        """The settings of the environment, with what `%config` says beside them."""
        budget = as_budget(self.options.budget, "%config PolosMagics.budget")
        settings = self.settings if self.options.cache else replace(self.settings, cache=False)
        return settings if budget is None else replace(settings, budget=budget)

    def _make_runtime(self) -> Runtime:
        settings = self._settings()
        mode = cast("Mode | None", self.options.mode or None)
        runtime = Runtime(
            mode=mode, settings=settings, watched=self.watched, cassettes=self._cassettes(), patience=_PATIENCE
        )
        self.runner.watch(runtime)
        runtime.on_run.append(self.asked.started)
        return runtime

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
        self.runner.begin_cell()
        self.host.begin_cell(getattr(info, "cell_id", None))
        self.runtime.watched = self.watched
        notebook = notebook_path(self.ip)
        self.runtime.notebook = None if notebook is None else notebook.name
        self._cells += 1
        # Where nobody is watching, each cell is executed once, so each is another one.
        named = getattr(info, "cell_id", None) if self.watched else f"cell {self._cells}"
        self.runtime.begin_cell(named)

    def end_cell(self, result: Any = None) -> None:
        """A cell has ended."""
        self.host.end_cell()

    def close(self) -> None:
        """Give up being the process's runtime, and release the store unless a run still uses it."""
        set_default_runtime(None)
        self.host.close()
        self.runner.close()
        if not self.active and not self.runtime.busy:
            self.runtime.close()

    # -- running ---------------------------------------------------------------------------------------------------
    async def run_cell(self, line: str, body: str) -> Any:
        """Run a `%%polos_run` cell; what the rewritten cell awaits."""
        __tracebackhide__ = True
        return await self._awaited(line, body)

    async def run_line(self, line: str, *, alone: bool = False) -> Any:
        """Run a `%polos_run` line. `alone`: its value is not used, so what is shown need not be shown again."""
        __tracebackhide__ = True
        return await self._awaited(line, None, alone=alone)

    async def _awaited(self, line: str, body: str | None, *, alone: bool = False) -> Any:
        __tracebackhide__ = True
        prepared = self._prepare(line, body)
        if prepared is None:
            return None
        if alone and not prepared.quiet:
            prepared = replace(prepared, cell=True)
        if prepared.plan is not None:
            return plan_page(await prepared.plan())
        return await self.runner.awaited(prepared, watched=self.watched)

    def run_blocking(self, line: str, body: str | None = None, names: Mapping[str, Any] | None = None) -> Any:
        """The same where nothing can be awaited: a background loop drives the run, this thread shows it.

        `names` are those of the function that the magic stands in, which win over the notebook's.
        """
        __tracebackhide__ = True
        prepared = self._prepare(line, body, names)
        if prepared is None:
            return None
        if prepared.plan is not None:
            return plan_page(portal().run(prepared.plan()))
        return self.runner.blocking(prepared, watched=self.watched)

    def resume_blocking(self, run_id: str, *, bind: str | None = None) -> Any:
        """Go on with a run by its id, shown in this cell."""
        __tracebackhide__ = True
        declared = self.declared()

        def start(run: Run) -> Run:
            return self.runtime.resume(run_id, declared=declared, into=run, timeout=DEFAULT_TIMEOUT)

        return self.runner.blocking(Prepared(run=Run(run_id), start=start, bind=bind), watched=self.watched)

    def fork_blocking(self, run_id: str, step: str, changes: Mapping[str, Any], *, bind: str | None = None) -> Any:
        """Drive a fork of a run, shown in this cell."""
        __tracebackhide__ = True
        declared = self.declared()

        def start(run: Run) -> Run:
            return self.runtime.fork(run_id, step, changes, declared=declared, into=run, timeout=DEFAULT_TIMEOUT)

        return self.runner.blocking(Prepared(run=Run(run_id), start=start, bind=bind), watched=self.watched)

    def answered(self, run_id: str) -> bool:
        """A run has its answer: where this kernel watches over it, it goes on in its own output; else in this one.

        False for one that was stopped, which goes on only when its cell is executed again.
        """
        record = self.runtime.store.get_run(run_id)
        if record is not None and record.status == "cancelled":
            return False
        if run_id in self.runtime.waiting.runs and in_kernel(self.ip):
            return True
        with contextlib.suppress(ConfigurationError):  # not declared here: the sentence of the answer is enough
            self.resume_blocking(run_id)
        return True

    def stopped(self, run: RunRecord) -> None:
        """A run was stopped: if it waits in this kernel, it waits no more."""
        self.runtime.waiting.forget(run.lineage)
        self.runner.stopped(run.id)

    def declared(self) -> dict[str, Any]:
        """What the notebook's names declare, by id."""
        names = self.ip.user_ns
        found: list[Any] = [*tools_of(names).values(), *agents_of(names).values(), *workflows_of(names).values()]
        return {item.id: item for item in found}

    def was_shown(self, result: AgentResult) -> bool:
        """Whether this cell has already shown the result; true once."""
        return self.runner.was_shown(result)

    @property
    def active(self) -> int:
        """How many cells are running something."""
        return self.runner.active

    def _painter(self, prepared: Prepared) -> Painter:
        self.host.seen.add(prepared.run)
        if prepared.quiet:
            return Quiet()
        with mistakes(self.watched):
            return painter_for(
                self.ip,
                prepared.run,
                asked=prepared.render,
                default=self.options.render,
                environment=self.settings.render,
                widget=lambda: RunWidget(self.host, prepared.run, turns=prepared.turns),
            )

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
        given = RUN.parse_line(bare.rstrip(";") if silent else bare, body=bool(body and body.strip()))
        _only_one_input(given, body)
        found = find_runnable(given.agent, names)
        if given.bind:
            variable_name(given.bind, RUN.magic, "--as")
            if shadows(given.bind) and self.watched:
                print(f"--as {given.bind} hides the builtin of that name", file=sys.stderr)  # noqa: T201
        _ = self.runtime.store  # a store that cannot be used is said before anything is shown
        if isinstance(found, Workflow):
            run, start, plan = self._workflow(found, given, body, names)
        else:
            run, start, plan = self._agent(found, given, body, names)
        return Prepared(
            run=run,
            start=start,
            plan=plan if given.dry_run else None,
            bind=given.bind,
            silent=silent,
            cell=body is not None,
            quiet=given.quiet,
            render=given.render,
            turns=turns_limit(found, self.settings.max_steps) if isinstance(found, Agent) else None,
        )

    def _agent(self, agent: Agent, given: Namespace, body: str | None, names: Mapping[str, Any]) -> Any:
        prompt = evaluated(given.input, names) if given.input else self._prompt(given, body, names)
        prompt = _with_files(prompt, given, names)
        conversation = given.session
        if conversation == "new":  # the same cell comes back to the same conversation
            conversation = f"{agent.id}-{digest([agent.id, prompt])[:8]}"
        config = agent.with_input(
            prompt,
            session_id=conversation,
            fresh=fresh_of(given.fresh),
            **{"budget": given.budget, **params_of(given.params, RUN.magic)},
        )
        return (
            Run(agent.id, conversation_id=config.conversation_id),
            lambda run: self.runtime.start(config, timeout=_timeout(given), into=run),
            lambda: planned(self.runtime, config),
        )

    def _workflow(self, workflow: Workflow, given: Namespace, body: str | None, names: Mapping[str, Any]) -> Any:
        if given.images or given.attach:
            raise ConfigurationError(
                f"--image and --attach are for agents; workflow {workflow.id} takes its payload only"
            )
        if given.params:
            raise ConfigurationError(f"-p is for an agent's provider; workflow {workflow.id} takes its payload only")
        payload = self._payload(workflow, given, body, names)
        workflow.payload.check(payload)
        options: dict[str, Any] = {"conversation_id": given.session, "fresh": as_fresh(fresh_of(given.fresh))}
        more = {"budget": as_budget(given.budget, "--budget"), **options}
        return (
            Run(workflow.id, conversation_id=given.session),
            lambda run: self.runtime.start_workflow(workflow, payload, timeout=_timeout(given), into=run, **more),
            lambda: planned(self.runtime, workflow, payload, **options),
        )

    def _payload(self, workflow: Workflow, given: Namespace, body: str | None, names: Mapping[str, Any]) -> Any:
        """A workflow's payload: the value of `--input`, else the body or the words as YAML, which JSON is part of."""
        if given.input:
            return evaluated(given.input, names)
        text = " ".join(given.prompt)
        if body is not None and body.strip():
            text = strip_markers(body).strip()
        if not text:
            return None
        if not given.no_interp and self.options.interpolation != "off":
            text = interpolate(text, names).text
        return yaml_value(text, workflow.id)

    def _prompt(self, given: Namespace, body: str | None, names: Mapping[str, Any]) -> str:
        text = " ".join(given.prompt)
        if body is not None and body.strip():
            text = strip_markers(body).strip()
        if not text.strip():
            raise ConfigurationError(f'%polos_run: the prompt is missing; write %polos_run {given.agent} "Hello"')
        if given.no_interp or self.options.interpolation == "off":
            return text
        return interpolate(text, names).text


def _with_files(prompt: Any, given: Namespace, names: Mapping[str, Any]) -> Any:
    """The question with what `--attach` and `--image` name."""
    if not given.images and not given.attach:
        return prompt
    if not isinstance(prompt, str):
        raise ConfigurationError("%polos_run: --image and --attach go with a text; put images into the --input list")
    images = [from_value(evaluated(expression, names), expression) for expression in given.images or ()]
    files = [*from_python(given.attach or ()), *(one for one in images if isinstance(one, Attachment))]
    return with_addresses(composed(prompt, files), [one for one in images if isinstance(one, str)])


def _only_one_input(given: Namespace, body: str | None) -> None:
    """Raise ConfigurationError for a call that says twice what it is about: one of them would be lost."""
    words = " ".join(given.prompt)
    if words and body is not None and body.strip():
        raise ConfigurationError(f"%%polos_run: unexpected {words!r}; the body of the cell is the prompt")
    if given.input and (words or (body is not None and body.strip())):
        where = f"{words!r}" if words else "the body of the cell"
        raise ConfigurationError(f"%polos_run: {where} and --input are both given; leave one of them out")


def _timeout(given: Namespace) -> float:
    return given.timeout if given.timeout is not None else DEFAULT_TIMEOUT


def attach(ip: Any) -> NotebookSession:
    """The session of a shell: the loaded extension's, else one that only counts cells.

    So `await agent.run(...)` comes back to its run when its cell is executed again, also without `%load_ext`.
    """
    session: NotebookSession | None = getattr(ip, SINGLETON, None)
    if session is None:
        session = NotebookSession(ip)
        setattr(ip, SINGLETON, session)
        ip.events.register("pre_run_cell", session.begin_cell)
        ip.events.register("post_run_cell", session.end_cell)
    return session


def detach(ip: Any) -> None:
    """Undo `attach`; nothing where the shell has no session."""
    session = getattr(ip, SINGLETON, None)
    if session is not None:
        delattr(ip, SINGLETON)
        for event, heard in (("pre_run_cell", session.begin_cell), ("post_run_cell", session.end_cell)):
            with contextlib.suppress(ValueError):
                ip.events.unregister(event, heard)
        session.close()
