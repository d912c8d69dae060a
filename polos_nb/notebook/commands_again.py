"""`%polos plan`, `resume`, `stop` and `fork`: what makes runs go on, or not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from polos_nb.errors import ConfigurationError
from polos_nb.notebook.arguments import Namespace, Parser, run_parser, variable_name
from polos_nb.notebook.session import NotebookSession
from polos_nb.notebook.tables import Shown
from polos_nb.runtime.client import PolosClient
from polos_nb.runtime.portal import portal


def _resume_parser() -> Parser:
    parser = Parser("%polos resume", description="Go on with a run by its id: what is finished answers from the store.")
    parser.add_argument("run", metavar="RUN", help="such as r12")
    parser.add_argument("--as", dest="bind", metavar="VAR", help="bind the result to a variable")
    return parser


def _stop_parser() -> Parser:
    parser = Parser("%polos stop", description="Stop a run, whichever process drives it. What is finished is kept.")
    parser.add_argument("run", metavar="RUN", help="such as r12")
    return parser


def _fork_parser() -> Parser:
    parser = Parser(
        "%polos fork",
        description="A new run that shares the steps of a run, has one answer edited, and goes on from there.",
        epilog="Example:\n  %polos fork r12 2.get_weather[call_1] --set result.celsius=30 --as warm\n"
        '  %polos fork r12 1.llm --set text="No."\n'
        "  %polos fork r12 1.get_weather[call_1] --set arguments.city=Rome",
    )
    add = parser.add_argument
    add("run", metavar="RUN", help="such as r12")
    add("step", metavar="STEP", help="the key of the step, or its number in %%polos show")
    add("--set", dest="pairs", action="append", metavar="PATH=VALUE", help="what to edit in its answer; JSON or text")
    add("--as", dest="bind", metavar="VAR", help="bind the result to a variable")
    return parser


def _plan_parser() -> Parser:
    parser = run_parser()
    parser.magic = parser.prog = "%polos plan"
    parser.description = "What a run would do: which steps answer from the store, what would be called, what it costs."
    parser.epilog = 'Example:\n  %polos plan bot "What is the weather?"'
    return parser


PLAN, RESUME, STOP, FORK = _plan_parser(), _resume_parser(), _stop_parser(), _fork_parser()


def plan(session: NotebookSession, given: Namespace, options: Any) -> Any:
    """`%polos plan`: the same as `%polos_run --dry-run`."""
    words = [given.agent, *given.prompt]
    line = " ".join(_quoted(word) for word in words) + " --dry-run"
    for flag, value in (("--input", given.input), ("-s", given.session)):
        line += f" {flag} {_quoted(value)}" if value else ""
    for pair in given.params or ():
        line += f" -p {_quoted(pair)}"
    for step in given.fresh or ():
        line += f" --fresh={_quoted(step)}"
    line += " --no-interp" if given.no_interp else ""
    return session.run_blocking(line)


def resume(session: NotebookSession, given: Namespace, options: Any) -> Any:
    """`%polos resume`."""
    __tracebackhide__ = True
    if given.bind:
        variable_name(given.bind, RESUME.magic, "--as")
    return session.resume_blocking(given.run, bind=given.bind)


def stop(session: NotebookSession, given: Namespace, options: Any) -> Shown:
    """`%polos stop`."""
    run = session.runtime.store.get_run(given.run)
    if run is not None and run.root is not None:
        raise ConfigurationError(f"run {run.id} is inside run {run.root}; stop that one")
    stopped = portal().run(PolosClient(runtime=session.runtime).cancel_execution(given.run))
    if run is not None and stopped:
        session.stopped(run)
    over = f"is over already: {run.status}" if run is not None else "is over already"
    said = "is being stopped; what is finished is kept" if stopped else over
    return Shown(note=f"{given.run} {said}.")


def fork(session: NotebookSession, given: Namespace, options: Any) -> Any:
    """`%polos fork`."""
    __tracebackhide__ = True
    if given.bind:
        variable_name(given.bind, FORK.magic, "--as")
    return session.fork_blocking(given.run, given.step, changes_of(given.pairs), bind=given.bind)


def changes_of(pairs: Sequence[str] | None) -> dict[str, Any]:
    """`PATH=VALUE` pairs as a mapping; a value that is not JSON is a text.

    >>> changes_of(["result.celsius=30", "text=No."])
    {'result.celsius': 30, 'text': 'No.'}
    """
    out: dict[str, Any] = {}
    for pair in pairs or ():
        path, equals, text = pair.partition("=")
        if not equals or not path:
            raise ConfigurationError(f"--set {pair} is not PATH=VALUE; write for example --set text=No")
        try:
            out[path] = json.loads(text)
        except ValueError:
            out[path] = text
    return out


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\"'\"'") + "'"
