"""The grammar of the magics: one parser each, used for the arguments, for help and for completion."""

from __future__ import annotations

import argparse
import builtins
import difflib
import json
import keyword
import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from polos_nb.errors import ConfigurationError

RENDERERS = ("auto", "widget", "live", "static", "plain")

_STEP = re.compile(r"\d+\.[^\s\"']+$")
_ALL = "*"

Namespace = argparse.Namespace


class HelpAsked(Exception):
    """Somebody wrote `-h`; the text is the help."""


class Parser(argparse.ArgumentParser):
    """A parser that raises: ConfigurationError with the remedy, or HelpAsked."""

    def __init__(self, magic: str, **options: Any) -> None:
        self.magic = magic
        super().__init__(
            prog=magic,
            allow_abbrev=False,
            add_help=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **options,
        )
        self.add_argument("-h", "--help", action="store_true", help="show this help")

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one sentence."""
        raise ConfigurationError(f"{self.magic}: {_plainer(message)}{self._hint()}")

    def _hint(self) -> str:
        return f"; {self.magic} -h shows how to write it"

    def flags(self) -> list[str]:
        """All flags, long forms first."""
        known = [flag for action in self._actions for flag in action.option_strings]
        return sorted(known, key=lambda flag: (not flag.startswith("--"), flag))

    def takes_value(self, flag: str) -> bool:
        """Whether a value follows this flag."""
        action = self._option_string_actions.get(flag)
        return action is not None and action.nargs != 0

    def choices_of(self, flag: str) -> list[str]:
        """The values that a flag knows, if it is a fixed set."""
        action = self._option_string_actions.get(flag)
        return [str(choice) for choice in action.choices] if action is not None and action.choices else []

    def parse_line(self, line: str, *, body: bool = False) -> Namespace:
        """The arguments of a magic's line. Raises ConfigurationError, or HelpAsked with the help as its text.

        `body` says that the cell has one: the prompt is there, so that a word behind `--fresh` is a step.
        """
        return self.parse_tokens(split_line(line, self.magic), body=body)

    def parse_tokens(self, tokens: Sequence[str], *, body: bool = False) -> Namespace:
        """The same for tokens."""
        if "-h" in tokens or "--help" in tokens:
            raise HelpAsked(self.format_help())
        known, rest = self.parse_known_intermixed_args(_fresh_joined(tokens, self.takes_value, 1 if body else 2))
        if rest:
            self._refuse(rest[0])
        return known

    def _refuse(self, token: str) -> NoReturn:
        if not token.startswith("-"):
            self.error(f"unexpected {token!r}")
        flag = token.partition("=")[0]
        raise ConfigurationError(f"{self.magic}: there is no {flag}{did_you_mean(flag, self.flags()) or self._hint()}")


def split_line(line: str, magic: str) -> list[str]:
    """A line as a shell would split it. Raises ConfigurationError for an open quote."""
    try:
        return shlex.split(line)
    except ValueError:
        raise ConfigurationError(
            f'{magic}: a quote is not closed in: {line.strip()}; put text with an apostrophe into "double quotes"'
        ) from None


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """`; did you mean X?`, or what there is, or "".

    >>> did_you_mean("rnus", ["runs", "show"])
    '; did you mean runs?'
    """
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; there is {', '.join(known)}" if 0 < len(known) <= 8 else ""


def params_of(pairs: Sequence[str] | None, magic: str) -> dict[str, Any]:
    """`-p KEY=JSON` as a mapping; what is not JSON is a text.

    >>> params_of(["temperature=0.5", "reasoning_effort=high"], "%%polos_run")
    {'temperature': 0.5, 'reasoning_effort': 'high'}
    """
    out: dict[str, Any] = {}
    for pair in pairs or ():
        key, equals, text = pair.partition("=")
        if not equals or not key.isidentifier():
            raise ConfigurationError(f"{magic}: -p {pair} is not KEY=JSON; write for example -p temperature=0.5")
        try:
            out[key] = json.loads(text)
        except ValueError:
            if text[:1] in ("{", "[", '"'):
                raise ConfigurationError(
                    f"{magic}: -p {pair} is not JSON; put it into single quotes: -p '{key}={{\"a\": 1}}'"
                ) from None
            out[key] = text
    return out


def variable_name(name: str, magic: str, what: str = "NAME") -> str:
    """A name that can be bound. Raises ConfigurationError for any other."""
    if not name.isidentifier() or keyword.iskeyword(name):
        near = re.sub(r"\W", "_", name)
        hint = f"; write {near}" if near.isidentifier() and not keyword.iskeyword(near) else ""
        raise ConfigurationError(f"{magic}: {what} {name!r} is not a Python name{hint}")
    return name


def shadows(name: str) -> bool:
    """Whether a name hides a builtin."""
    return hasattr(builtins, name)


def _plainer(message: str) -> str:
    missing = message.removeprefix("the following arguments are required: ")
    if missing == message:
        return message
    names = [name for name in missing.split(", ") if name != "PROMPT"]  # it is asked for by itself, with an example
    return f"{', '.join(names) or missing} is missing"


def _fresh_joined(tokens: Sequence[str], takes_value: Callable[[str], bool], enough: int) -> list[str]:
    """`--fresh 2.llm` as `--fresh=2.llm`; a `--fresh` alone never takes the prompt behind it.

    After `enough` words (the agent, and the prompt unless it is the body) any word behind it is a step.
    """
    out: list[str] = []
    words, value = 0, False
    for token in tokens:
        if (
            out
            and out[-1] == f"--fresh={_ALL}"
            and (_STEP.match(token) or (words >= enough and not token.startswith("-")))
        ):
            out[-1] = f"--fresh={token}"
            continue
        out.append(f"--fresh={_ALL}" if token == "--fresh" else token)
        if not value and not token.startswith("-"):
            words += 1
        value = token.startswith("-") and token != "--fresh" and "=" not in token and takes_value(token)
    return out


def fresh_of(values: Sequence[str] | None) -> bool | list[str]:
    """What `--fresh` says, for `Agent.with_input`."""
    if not values:
        return False
    return True if _ALL in values else list(values)


def agent_parser() -> Parser:
    """The grammar of `%%polos_agent`."""
    parser = Parser(
        "%%polos_agent",
        description="Define an agent. The body is its system prompt, with {{ expr }} for values of the notebook;\n"
        "it may start with a YAML head between two lines of ---.",
        epilog="Example:\n  %%polos_agent bot -m openai/gpt-4o -t get_weather --max-steps 8\n  You are helpful.",
    )
    add = parser.add_argument
    add("name", metavar="NAME", help="the variable to bind; the id is the same with - for _")
    add("--id", help="another id")
    add("-m", "--model", metavar="PROVIDER/MODEL", help="for example openai/gpt-4o, or demo")
    add("-t", "--tools", metavar="TOOL", nargs="+", action="extend", help="tools by name: a,b or a b")
    add("-o", "--output", metavar="SCHEMA", help="the type of the answer, by its name in the notebook")
    add("--max-steps", type=int, metavar="N", help="stop after N calls of the model")
    add("--max-tokens", type=int, metavar="N", help="stop when all calls together reach N tokens")
    add("--max-output-tokens", type=int, metavar="N", help="limit of one answer, given to the provider")
    add("--temperature", type=float, metavar="T", help="given to the provider")
    add("--base-url", metavar="URL", help="where the provider is reached")
    _add_common(add)
    return parser


def tool_parser() -> Parser:
    """The grammar of `%%polos_tool`."""
    parser = Parser(
        "%%polos_tool",
        description="Define a tool. The body is Python with exactly one public function.",
        epilog='Example:\n  %%polos_tool --effect read\n  def get_weather(city: str) -> str:\n      "Weather."',
    )
    add = parser.add_argument
    add("name", metavar="NAME", nargs="?", help="the tool's id; the function's name without it")
    add("--id", help="the same as NAME")
    add("--effect", choices=["read", "write"], help="write: it changes the world (read; write with an approval)")
    add("--approval", choices=["always", "none"], default="none", help="always: a person is asked before each call")
    add("--retries", type=int, default=0, metavar="N", help="further attempts after a failure (0)")
    add("--timeout", type=float, metavar="S", help="seconds per attempt (none)")
    add("--version", metavar="N", help="a version in place of the hash of the code")
    add("--desc", metavar="TEXT", help="what the model is told; the docstring without it")
    return parser


def workflow_parser() -> Parser:
    """The grammar of `%%polos_workflow`."""
    parser = Parser(
        "%%polos_workflow",
        description="Define a durable workflow. The body is Python with exactly one public function (ctx, payload).",
        epilog="Example:\n  %%polos_workflow\n  async def review(ctx, input: dict):\n"
        '      draft = await ctx.step.agent_invoke_and_wait("draft", writer.with_input(input.topic))\n'
        '      return await ctx.step.suspend("publish", {"draft": draft.result})',
    )
    add = parser.add_argument
    add("name", metavar="NAME", nargs="?", help="the workflow's id; the function's name without it")
    add("--id", help="the same as NAME")
    add("--state", metavar="CLASS", help="the class of ctx.state, by its name in the notebook")
    add("--queue", metavar="NAME[:N]", help="the queue it runs in, and how many at once")
    add("--version", metavar="N", help="a version in place of the hash of the code")
    add("--desc", metavar="TEXT", help="what it does; the docstring without it")
    return parser


def run_parser() -> Parser:
    """The grammar of `%%polos_run` and `%polos_run`."""
    parser = Parser(
        "%polos_run",
        description="Run an agent or a workflow, show the run, and give its result. Running it again comes back to the"
        "\nsame run. An agent takes a prompt; a workflow takes its payload as YAML or JSON, or by --input.",
        epilog='Example:\n  %polos_run bot "What is the weather?"\n  %%polos_run bot --as answer\n  Compare {{ a }}.',
    )
    add = parser.add_argument
    add("agent", metavar="AGENT", help="an agent or a workflow, by its name or id")
    add("prompt", metavar="PROMPT", nargs="*", help="the message; in a cell magic it is the body")
    add("--as", dest="bind", metavar="VAR", help="bind the result to a variable")
    add("-s", "--session", "--conversation", metavar="ID", help="the conversation it belongs to; new starts one")
    add("--fresh", nargs="?", action="append", metavar="STEP", help="execute again: all, or --fresh=STEP")
    add("--timeout", type=float, metavar="S", help="seconds for the whole run")
    add("--budget", metavar="USD", help="what the run may cost; a call that may go over it is asked about first")
    add("--render", choices=RENDERERS, help="how the run is shown")
    add("--input", metavar="EXPR", help="the input or payload: a Python expression")
    add("--image", dest="images", metavar="EXPR", action="append", help="an image: a Python expression, such as fig")
    add("--attach", metavar="PATH", action="append", help="a text file or an image to send along")
    add("-n", "--dry-run", action="store_true", help="say what would be executed and what it would cost; run nothing")
    add("-q", "--quiet", action="store_true", help="show nothing")
    _add_common(add)
    return parser


def _add_common(add: Callable[..., Any]) -> None:
    add("-p", "--param", dest="params", metavar="KEY=JSON", action="append", help="a parameter for the provider")
    add("--no-interp", action="store_true", help="leave {{ }} alone")


AGENT, TOOL, WORKFLOW, RUN = agent_parser(), tool_parser(), workflow_parser(), run_parser()
