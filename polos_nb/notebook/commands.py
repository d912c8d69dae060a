"""The umbrella `%polos`: its verbs, and how a line finds one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from polos_nb.errors import ConfigurationError
from polos_nb.notebook import commands_cassette, commands_runs, commands_setup
from polos_nb.notebook.arguments import Namespace, Parser, did_you_mean, split_line
from polos_nb.notebook.session import NotebookSession
from polos_nb.notebook.tables import Shown


class Verb(NamedTuple):
    """One subcommand: what it does in a line, its grammar, its function, and the actions it knows."""

    says: str
    parser: Parser
    run: Callable[[NotebookSession, Namespace, Any], Any]
    actions: tuple[str, ...] = ()


VERBS: dict[str, Verb] = {
    "runs": Verb("what was run, newest first", commands_runs.RUNS, commands_runs.runs),
    "show": Verb("one run: its steps, and why each was executed", commands_runs.SHOW, commands_runs.show),
    "cache": Verb("what the store holds; clear it", commands_runs.CACHE, commands_runs.cache, ("stats", "clear")),
    "models": Verb("models to write behind -m", commands_setup.MODELS, commands_setup.models),
    "keys": Verb("which providers have a key", commands_setup.KEYS, commands_setup.keys),
    "config": Verb("the settings in effect, and where they come from", commands_setup.CONFIG, commands_setup.config),
    "cassette": Verb(
        "record the runs of this notebook for its tests",
        commands_cassette.CASSETTE,
        commands_cassette.cassette,
        ("status", "record", "verify"),
    ),
}

OVERVIEW = "Show and manage runs. Subcommands, each with -h:\n\n" + "\n".join(
    f"  %polos {name:<9} {verb.says}" for name, verb in VERBS.items()
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
        ('%polos_run AGENT "prompt"', "run an agent; %%polos_run takes the prompt as its body"),
        *((f"%polos {name}", verb.says) for name, verb in VERBS.items()),
    ]
    return Shown("polos_nb", (), rows, note="Each takes -h.")
