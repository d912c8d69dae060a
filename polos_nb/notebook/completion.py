"""Completes flags, names and `{{ }}` inside the magics, and keeps Python's suggestions out of prose."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from polos_nb.models.prices import known_models
from polos_nb.models.providers import PROVIDERS
from polos_nb.notebook.arguments import AGENT, RUN, TOOL, WORKFLOW, Parser
from polos_nb.notebook.commands import VERBS
from polos_nb.notebook.commands_chat import CHAT
from polos_nb.notebook.lookup import agents_of, tools_of, workflows_of
from polos_nb.notebook.session import SINGLETON

_PARSERS = {"polos_agent": AGENT, "polos_run": RUN, "polos_tool": TOOL, "polos_workflow": WORKFLOW}
_CELL = re.compile(r"^%%(polos_agent|polos_run|polos_tool|polos_workflow)(?=\s|$)(.*)$")
_LINE = re.compile(r"^[^#'\"]*?%(polos_run|polos_chat|polos)[ \t]+(.*)$")
_OPEN = re.compile(r"(?<!\\)\{\{[ \t]*([^{}]*)$")


class Suggestions(NamedTuple):
    """What to offer in place of `fragment`; nothing else is offered."""

    words: list[str]
    fragment: str
    kind: str = "magic"


class Completion:
    """The matcher of one shell; `matcher` goes into `ip.Completer.custom_matchers`."""

    def __init__(self, ip: Any) -> None:
        @context_matcher(identifier="polos_nb")
        def matcher(context: CompletionContext) -> dict[str, Any]:
            try:
                place = context.cursor_line, context.cursor_position
                found = suggest(context.full_text, *place, ip.user_ns, lambda: _newest_runs(ip))
            except Exception:  # a completer that raises would take all suggestions away
                found = None
            if found is None:
                return {"completions": [], "suppress": False}
            return {
                "completions": [SimpleCompletion(text=word, type=found.kind) for word in found.words],
                "suppress": True,
                "matched_fragment": found.fragment,
            }

        self.matcher = matcher


def suggest(
    text: str, line: int, column: int, names: Mapping[str, Any], runs: Callable[[], Sequence[str]] = tuple
) -> Suggestions | None:
    """What fits at a place of a cell; None where Python's own suggestions fit better. `runs` gives ids of runs.

    >>> suggest("%%polos_run --q", 0, 15, {}).words
    ['--quiet']
    """
    lines = text.split("\n")
    before = lines[line][:column]
    first = next((n for n, content in enumerate(lines) if content.strip()), 0)
    head = _CELL.match(lines[first].rstrip())
    if head is None:
        match = _LINE.match(before)
        if match is None:
            return None
        if match[1] == "polos":
            return _verb(match[2], names, runs)
        return _arguments(CHAT if match[1] == "polos_chat" else RUN, match[2], names)
    if line == first:
        match = _CELL.match(before)
        return _arguments(_PARSERS[match[1]], match[2], names) if match is not None else None
    if head[1] in ("polos_tool", "polos_workflow"):
        return None
    return _in_prose(before, names)


def _in_prose(before: str, names: Mapping[str, Any]) -> Suggestions | None:
    match = _OPEN.search(before)
    if match is None:
        return Suggestions([], "")
    fragment = re.split(r"[^\w.]", match[1])[-1]
    if "." in fragment:
        return None  # attributes: Python knows them
    words = [name for name in names if name.startswith(fragment) and not name.startswith("_") and name.isidentifier()]
    return Suggestions(
        sorted(word for word in words if word not in ("In", "Out", "exit", "quit")), fragment, "instance"
    )


def _arguments(parser: Parser, text: str, names: Mapping[str, Any]) -> Suggestions:
    tokens = text.split(" ")
    fragment = tokens[-1]
    past = [token for token in tokens[:-1] if token]
    flag = past[-1] if past and past[-1].startswith("-") else ""
    if fragment.startswith("-") and not (flag and parser.takes_value(flag) and flag != "--fresh"):
        return _starting(parser.flags(), fragment)
    if flag and parser.takes_value(flag):
        return _value(parser, flag, fragment, names)
    if parser is AGENT and _listing_tools(past):
        return _value(parser, "-t", fragment, names)
    if parser in (RUN, CHAT) and not [token for token in past if not token.startswith("-")]:
        return _runnable(fragment, names) if parser is RUN else _starting(sorted(agents_of(names)), fragment)
    return Suggestions([], fragment)


def _runnable(fragment: str, names: Mapping[str, Any]) -> Suggestions:
    return _starting(sorted({*agents_of(names), *workflows_of(names)}), fragment)


def _value(parser: Parser, flag: str, fragment: str, names: Mapping[str, Any]) -> Suggestions:
    if parser.choices_of(flag):
        return _starting(parser.choices_of(flag), fragment)
    if flag in ("-m", "--model"):
        return _starting(["demo", *(model for models in known_models().values() for model in models)], fragment)
    if flag in ("-t", "--tools"):
        return _starting(sorted(tools_of(names)), fragment.rpartition(",")[2])
    if flag in ("-o", "--output", "--state"):
        classes = [n for n, v in names.items() if isinstance(v, type) and not n.startswith("_")]
        return _starting(sorted(classes), fragment)
    return Suggestions([], fragment)


def _listing_tools(past: Sequence[str]) -> bool:
    flags = [token for token in past if token.startswith("-")]
    return bool(flags) and flags[-1] in ("-t", "--tools")


def _verb(text: str, names: Mapping[str, Any], runs: Callable[[], Sequence[str]]) -> Suggestions:
    tokens = text.split(" ")
    if len(tokens) == 1:
        return _starting(list(VERBS), tokens[0])
    verb = VERBS.get(tokens[0])
    fragment = tokens[-1]
    if verb is None:
        return Suggestions([], fragment)
    if fragment.startswith("-"):
        return _starting(verb.parser.flags(), fragment)
    if verb.parser.takes_value(tokens[-2]):
        return _starting(verb.parser.choices_of(tokens[-2]), fragment)
    if tokens[0] == "models":
        return _starting([*PROVIDERS, "demo"], fragment)
    if tokens[0] == "cache" and "clear" in tokens[1:-1]:
        return _starting(sorted(agents_of(names)), fragment)
    if tokens[0] == "plan" and len(tokens) == 2:
        return _runnable(fragment, names)
    if not any(token.startswith("-") for token in tokens) and len(tokens) - 1 <= verb.runs:
        return _starting(runs(), fragment)
    return _starting(list(verb.actions) if len(tokens) == 2 else [], fragment)


def _newest_runs(ip: Any) -> list[str]:
    """The ids of the newest runs of the session's store."""
    session = getattr(ip, SINGLETON, None)
    return [] if session is None else [run.id for run in session.runtime.store.list_runs(limit=30)]


def _starting(words: Sequence[str], fragment: str) -> Suggestions:
    return Suggestions([word for word in words if word.startswith(fragment)], fragment)
