"""The umbrella `%polos`: its verbs, and how a line finds one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from polos_nb.errors import ConfigurationError
from polos_nb.notebook import (
    commands_again,
    commands_approve,
    commands_cassette,
    commands_reports,
    commands_runs,
    commands_setup,
    commands_talks,
)
from polos_nb.notebook.arguments import Namespace, Parser, did_you_mean, split_line
from polos_nb.notebook.session import NotebookSession
from polos_nb.notebook.tables import Shown


class Verb(NamedTuple):
    """One subcommand: what it does in a line, its grammar, its function, its actions, and how many runs it takes."""

    says: str
    parser: Parser
    run: Callable[[NotebookSession, Namespace, Any], Any]
    actions: tuple[str, ...] = ()
    runs: int = 0


VERBS: dict[str, Verb] = {
    "runs": Verb("what was run, newest first", commands_runs.RUNS, commands_runs.runs),
    "show": Verb("one run: its steps, and the runs they started", commands_runs.SHOW, commands_runs.show, runs=1),
    "cost": Verb("what a run has cost, answer by answer", commands_reports.COST, commands_reports.cost, runs=1),
    "why": Verb("why each step was executed: what changed", commands_reports.WHY, commands_reports.why, runs=1),
    "diff": Verb("two runs side by side", commands_reports.DIFF, commands_reports.diff, runs=2),
    "conversations": Verb(
        "what was said in which conversation, and where it goes on",
        commands_talks.CONVERSATIONS,
        commands_talks.conversations,
    ),
    "plan": Verb("what a run would execute and cost, before it runs", commands_again.PLAN, commands_again.plan),
    "fork": Verb("a new run with one answer edited", commands_again.FORK, commands_again.fork, runs=1),
    "resume": Verb("go on with a run", commands_again.RESUME, commands_again.resume, runs=1),
    "stop": Verb("stop a run", commands_again.STOP, commands_again.stop, runs=1),
    "approve": Verb("answer what a run waits for", commands_approve.APPROVE, commands_approve.approve, runs=1),
    "export": Verb("runs as a file", commands_reports.EXPORT, commands_reports.export, runs=9),
    "cache": Verb("what the store holds; clear it", commands_runs.CACHE, commands_runs.cache, ("stats", "clear", "gc")),
    "models": Verb("models to write behind -m", commands_setup.MODELS, commands_setup.models),
    "keys": Verb("which providers have a key, and take it", commands_setup.KEYS, commands_setup.keys, ("check", "set")),
    "config": Verb("the settings in effect, and where they come from", commands_setup.CONFIG, commands_setup.config),
    "cassette": Verb(
        "record the runs of this notebook for its tests",
        commands_cassette.CASSETTE,
        commands_cassette.cassette,
        ("status", "record", "verify"),
    ),
}

OVERVIEW = "Show and manage runs. Subcommands, each with -h:\n\n" + "\n".join(
    f"  %polos {name:<13} {verb.says}" for name, verb in VERBS.items()
)


def run_command(session: NotebookSession, line: str, options: Any) -> Any:
    """Do what a `%polos` line says; `options` are the magics' settings. Raises ConfigurationError for a typo."""
    tokens = split_line(line, "%polos")
    if not tokens or tokens[0] in ("help", "-h", "--help"):
        if len(tokens) > 1 and tokens[1] in VERBS:
            return VERBS[tokens[1]].parser.parse_tokens(["-h"])
        return overview()
    verb = VERBS.get(tokens[0])
    if verb is None:
        raise ConfigurationError(f"there is no %polos {tokens[0]}{did_you_mean(tokens[0], [*VERBS, 'help'])}")
    return verb.run(session, verb.parser.parse_tokens(tokens[1:]), options)


def overview() -> Shown:
    """The table of verbs and magics."""
    rows = [
        ("%%polos_agent NAME", "define an agent; the body is its system prompt"),
        ("%%polos_tool", "define a tool; the body is one Python function"),
        ("%%polos_workflow", "define a durable workflow; the body is one Python function"),
        ('%polos_run AGENT "prompt"', "run an agent or a workflow; %%polos_run takes the prompt as its body"),
        ("%polos_chat AGENT", "chat with an agent in the output of a cell"),
        *((f"%polos {name}", verb.says) for name, verb in VERBS.items()),
    ]
    return Shown("polos_nb", (), rows, note="Each takes -h.")
