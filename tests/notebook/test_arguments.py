"""The grammar of the magics."""

from __future__ import annotations

import pytest

from polos_nb.errors import ConfigurationError
from polos_nb.notebook.arguments import AGENT, RUN, TOOL, HelpAsked, fresh_of, params_of, variable_name


def test_flags_and_prompt_may_come_in_any_order() -> None:
    """The prompt is found between flags, quoted or not."""
    given = RUN.parse_line('bot --as x "How are" -q you --timeout 3')
    assert (given.agent, given.prompt, given.bind, given.quiet, given.timeout) == (
        "bot", ["How are", "you"], "x", True, 3.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "fresh", "prompt"),
    [
        ("bot hello", False, ["hello"]),
        ('bot --fresh "hello"', True, ["hello"]),
        ("bot --fresh 2.llm hello", ["2.llm"], ["hello"]),
        ("bot --fresh=charge_card --fresh=1.llm", ["charge_card", "1.llm"], []),
        ("bot hello --fresh", True, ["hello"]),
    ],
)
def test_fresh_takes_a_step_but_never_the_prompt(line: str, fresh: object, prompt: list[str]) -> None:
    """`--fresh` alone means all; a step key behind it is taken, a prompt is not."""
    given = RUN.parse_line(line)
    assert (fresh_of(given.fresh), given.prompt) == (fresh, prompt)


def test_tools_may_be_listed_with_commas_or_spaces() -> None:
    """`-t a,b`, `-t a b` and `-t a -t b` are the same."""
    for line in ("bot -t a,b", "bot -t a b", "bot -t a -t b", "bot -t a, b"):
        assert ",".join(AGENT.parse_line(line).tools).replace(",,", ",").split(",") == ["a", "b"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("bot --frsh", ["--frsh", "--fresh"]),
        ('bot "hello', ["quote", "not closed"]),
        ("", ["AGENT is missing", "-h"]),
        ("bot --render big", ["big", "live"]),
        ("bot --timeout soon", ["--timeout", "soon"]),
        ("bot --as", ["--as"]),
    ],
)
def test_mistakes_are_one_line_with_a_remedy(line: str, words: list[str]) -> None:
    """Every mistake in a line names what is wrong and how to go on."""
    with pytest.raises(ConfigurationError) as caught:
        RUN.parse_line(line)
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize("parser", [RUN, AGENT, TOOL])
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_is_text_even_without_the_required_arguments(parser: object, flag: str) -> None:
    """`-h` gives usage and an example."""
    with pytest.raises(HelpAsked) as caught:
        parser.parse_line(flag)  # type: ignore[attr-defined]
    assert "usage:" in str(caught.value)
    assert "Example" in str(caught.value)


def test_parameters_are_json_or_text() -> None:
    """`-p KEY=JSON` parses JSON, keeps bare words, and refuses what looks like JSON and is not."""
    given = RUN.parse_line('bot hi -p \'thinking={"type": "enabled"}\' -p temperature=0.5 -p effort=high')
    assert params_of(given.params, "x") == {"thinking": {"type": "enabled"}, "temperature": 0.5, "effort": "high"}
    for bad in ("x", "1=2", "a={b: 1}"):
        with pytest.raises(ConfigurationError):
            params_of([bad], "x")


def test_names_to_bind_are_checked() -> None:
    """A keyword or a name with a dash is refused, with a name that would do."""
    assert variable_name("answer", "m") == "answer"
    with pytest.raises(ConfigurationError, match="write my_bot"):
        variable_name("my-bot", "m")
    with pytest.raises(ConfigurationError):
        variable_name("class", "m")
