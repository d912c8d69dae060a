"""`%%polos_workflow`, workflows in `%%polos_run`, and their mistakes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from IPython.core.error import UsageError

from polos_nb.errors import ArgumentsError, ConfigurationError, DefinitionError
from polos_nb.notebook.arguments import RUN, fresh_of
from polos_nb.tools import Tool
from polos_nb.workflows import Workflow
from tests.notebook.test_completion import NAMES, words

HEAD = """
from polos_nb import WorkflowState, workflow
from pydantic import BaseModel
counted = []
def count(text):
    counted.append(text)
    return len(text)
class Order(BaseModel):
    item: str
    price: float = 1.5
class Progress(WorkflowState):
    done: int = 0
"""
REVIEW = """async def review(ctx, input: dict):
    "Review a topic.

    More about it."
    draft = await ctx.step.agent_invoke_and_wait("draft", bot.with_input(input.topic))
    size = await ctx.step.run("size", count, draft.result)
    return {"draft": draft.result, "size": size}
""".replace('"Review', '"""Review').replace('it."', 'it."""')
ORDER = "async def buy(ctx, order: Order):\n    return [order.item, order.price]\n"
SHOWN = {"draft": "It is Paris: sunny.", "size": 19}


@pytest.fixture
def book(shell: Any) -> Any:
    """A watched shell with an agent, and the workflows `review` and `buy`."""
    shell.ok(HEAD)
    shell.ok("%%polos_workflow\n" + REVIEW)
    shell.ok("%%polos_workflow\n" + ORDER)
    return shell


# -- defining ---------------------------------------------------------------------------------------------------------


def test_a_workflow_cell_binds_a_workflow_and_shows_its_card(shell: Any) -> None:
    """The function's name is the workflow; the card has its signature, the first lines of the docstring, its state."""
    shell.ok(HEAD)
    ran = shell.ok("%%polos_workflow --state Progress\n" + REVIEW)
    made = shell.ns["review"]
    assert ran.value is made
    assert isinstance(made, Workflow)
    assert (made.id, made.description, made.state_schema) == ("review", "Review a topic.", shell.ns["Progress"])
    assert "review · workflow" in ran.out
    assert "review(input: dict)" in ran.out
    assert "Progress" in ran.out
    assert "More about it" not in ran.out


def test_the_line_of_a_workflow_cell_says_its_id_queue_and_description(shell: Any) -> None:
    """NAME and --id are the id; --queue NAME:N its queue; --desc wins over the docstring."""
    shell.ok(HEAD)
    shell.ok("%%polos_workflow check-it --queue slow:2 --desc 'What it does'\n" + REVIEW)
    made = shell.ns["review"]
    assert (made.id, made.description) == ("check-it", "What it does")
    assert made.queue == {"name": "slow", "concurrency_limit": 2}
    shell.ok("%%polos_workflow --id other --queue slow\n" + REVIEW)
    assert (shell.ns["review"].id, shell.ns["review"].queue) == ("other", "slow")
    assert shell.ok("%polos_run other 'topic: Paris' -q").value == SHOWN


def test_a_decorator_in_the_body_declares_and_the_line_adds_nothing(shell: Any) -> None:
    """`@workflow(...)` in the cell is taken as it is; a flag beside it would be lost, and is refused. So is @tool's."""
    shell.ok(HEAD)
    shell.ok("%%polos_workflow\n@workflow(id='mine', description='D')\n" + REVIEW)
    assert (shell.ns["review"].id, shell.ns["review"].description) == ("mine", "D")
    ran = shell.run("%%polos_workflow --id other\n@workflow(id='mine')\n" + REVIEW)
    assert "@workflow of its own, so --id says nothing" in str(ran.error)
    ran = shell.run("%%polos_tool --approval always\n@tool\ndef pay(n: int) -> int:\n    return n\n")
    assert "@tool of its own, so --approval says nothing" in str(ran.error)
    assert "pay" not in shell.ns


def test_a_tool_that_asks_is_one_that_writes(shell: Any) -> None:
    """`%%polos_tool --approval always` is a write unless the line says read; both are on its card."""
    ran = shell.ok("%%polos_tool --approval always\ndef pay(amount: int) -> str:\n    'Pay.'\n    return 'paid'\n")
    made = shell.ns["pay"]
    assert isinstance(made, Tool)
    assert (made.approval, made.effect) == ("always", "write")
    assert "approval    always" in ran.out
    shell.ok("%%polos_tool --approval always --effect read\ndef look(a: int) -> str:\n    'Look.'\n    return 'a'\n")
    assert shell.ns["look"].effect == "read"


MISTAKES = [
    ("--idd x", REVIEW, ConfigurationError, "did you mean --id?"),
    ("a b", REVIEW, ConfigurationError, "unexpected 'b'"),
    ("--queue slow:x", REVIEW, DefinitionError, "slow:2"),
    ("--queue :2", REVIEW, DefinitionError, "NAME:N"),
    ("--state Progres", REVIEW, ConfigurationError, "did you mean Progress?"),
    ("--state Order", REVIEW, None, ""),  # any model will do
    ("--state int", REVIEW, DefinitionError, "not a WorkflowState class"),
    ("", REVIEW + REVIEW.replace("review", "second"), DefinitionError, "found review, second"),
    ("", "x = 1\n", DefinitionError, "found none"),
    ("", "async def review(ctx,, x):\n    pass\n", DefinitionError, "line 1 of the body is not Python"),
    ("", "def review():\n    pass\n", DefinitionError, "takes no context"),
    ("", "def review(ctx, *more):\n    pass\n", DefinitionError, "name the arguments"),
    ("", "@tool\n" + REVIEW, DefinitionError, "review has @tool above it"),
]


@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize(("line", "body", "kind", "words"), MISTAKES)
def test_mistakes_in_a_workflow_cell_are_one_sentence(
    line: str, body: str, kind: type | None, words: str, watched: bool, make_shell: Callable[..., Any]
) -> None:
    """Watched, a UsageError; unwatched, an exception that fails a test; the name stays unbound."""
    shell = make_shell(watched=watched)
    shell.ok("from polos_nb import tool\nbot = None" + HEAD)
    ran = shell.run(f"%%polos_workflow {line}\n{body}")
    if kind is None:
        assert ran.error is None
        return
    assert type(ran.error) is (UsageError if watched else kind)
    assert words in str(ran.error)
    assert len((ran.out + ran.err).strip().splitlines()) == 1
    assert "review" not in shell.ns


def test_a_body_that_raises_raises_its_own_error(shell: Any) -> None:
    """What the cell's own code raises is the user's."""
    ran = shell.run("%%polos_workflow\n1 / 0\ndef f(ctx):\n    pass\n")
    assert isinstance(ran.error, ZeroDivisionError)


# -- running ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cell",
    [
        "%%polos_run review --as out\ntopic: Paris",
        '%%polos_run review --as out\n{"topic": "Paris"}',
        "%%polos_run review --as out\ntopic: {{ city }}",
        "%polos_run review 'topic: {{ city }}' --as out",
        "%polos_run review --input 'dict(topic=city)' --as out",
        "out = %polos_run review topic: Paris",
        "out = await review.run({'topic': city})",
        "%%time\n%polos_run review 'topic: Paris' --as out",
        "%%capture cap\n%polos_run review 'topic: Paris' --as out",
    ],
)
def test_all_forms_of_a_payload_are_the_same_run(cell: str, book: Any) -> None:
    """YAML, JSON, an expression, a line, in Python, inside other magics: the run that is there answers them all."""
    book.ok("city = 'Paris'")
    book.ok("%%polos_run review -q\ntopic: Paris")
    book.ok(cell)
    assert book.ns["out"] == SHOWN
    assert book.ns["calls"] == ["Paris"]
    assert len(book.ns["counted"]) == 1


def test_a_payload_that_is_a_model(book: Any) -> None:
    """YAML is read into the model of the signature, and a model's instance is taken as it is."""
    assert book.ok("%polos_run buy 'item: tea' -q").value == ["tea", 1.5]
    assert book.ok("%polos_run buy --input 'Order(item=\"tea\", price=2)' -q").value == ["tea", 2.0]


def test_a_step_can_be_made_fresh_by_its_name(book: Any) -> None:
    """`--fresh STEP` in a cell, and behind the payload of a line, executes that step and no other."""
    book.ok("%%polos_run review -q\ntopic: Paris")
    book.ok("%%polos_run review --fresh size -q\ntopic: Paris")
    assert (len(book.ns["calls"]), len(book.ns["counted"])) == (1, 2)
    book.ok("%polos_run review 'topic: Paris' --fresh size -q")
    assert (len(book.ns["calls"]), len(book.ns["counted"])) == (1, 3)
    book.ok("%%polos_run review --fresh draft/1.get_weather[call_1] -q\ntopic: Paris")
    assert (len(book.ns["calls"]), len(book.ns["counted"])) == (2, 3)
    book.ok("%%polos_run review --fresh -q\ntopic: Paris")
    assert (len(book.ns["calls"]), len(book.ns["counted"])) == (3, 4)
    assert "it has: draft, size" in str(book.run("%%polos_run review --fresh sise\ntopic: Paris").error)


@pytest.mark.parametrize(
    ("line", "body", "fresh", "prompt"),
    [
        ("bot --fresh size", True, ["size"], []),
        ("--fresh bot", True, True, []),
        ("bot --as x --fresh size -q", True, ["size"], []),
        ("bot hello --fresh size", False, ["size"], ["hello"]),
        ("bot --fresh hello", False, True, ["hello"]),
        ("bot --as x --fresh hello", False, True, ["hello"]),
        ("bot --fresh --as x hello", False, True, ["hello"]),
        ("bot hello --fresh -q", False, True, ["hello"]),
    ],
)
def test_a_word_behind_fresh_is_a_step_when_the_prompt_is_elsewhere(
    line: str, body: bool, fresh: Any, prompt: list[str]
) -> None:
    """With a body, or after the prompt, the word is a step's; else it is the prompt."""
    given = RUN.parse_line(line, body=body)
    assert (fresh_of(given.fresh), given.prompt) == (fresh, prompt)


def test_only_dry(book: Any) -> None:
    """`--dry-run` says what would be executed, executes nothing, and writes nothing."""
    ran = book.ok("%%polos_run review --dry-run\ntopic: Paris")
    assert "◇ will run  draft/1.llm" in ran.out
    assert book.ns["calls"] == []
    assert "No runs" in book.ok("%polos runs").out


RUN_MISTAKES = [
    ("%%polos_run review --frsh size\ntopic: Paris", ConfigurationError, "did you mean --fresh?"),
    ("%%polos_run reviw\ntopic: Paris", ConfigurationError, "did you mean review?"),
    ("%%polos_run review\ntopic: [", ConfigurationError, "neither YAML nor JSON"),
    ("%%polos_run review\njust words", ArgumentsError, "input must be a dict, not 'just words'"),
    ("%%polos_run review -p temperature=1\ntopic: Paris", ConfigurationError, "takes its payload only"),
    ("%%polos_run review more words\ntopic: Paris", ConfigurationError, "unexpected 'more words'"),
    ("%%polos_run review --input city\ntopic: Paris", ConfigurationError, "leave one of them out"),
    ("%%polos_run bot --input city\nParis", ConfigurationError, "leave one of them out"),
    ("%polos_run bot Paris --input city", ConfigurationError, "leave one of them out"),
    ("%polos_run review --input nothing", ConfigurationError, "name 'nothing' is not defined"),
    ("%polos_run review", ArgumentsError, "needs a payload: input"),
    ("%polos_run buy 'price: 3'", ArgumentsError, "order.item: Field required"),
    ("%polos_run buy 'item: tea, price: [3'", ArgumentsError, "order.item"),
    ("%polos_run buy '{item: tea, price: much}'", ArgumentsError, "order.price"),
    ("%polos_run review 'topic: Paris' --as 3x", ConfigurationError, "'3x' is not a Python name"),
    ("%polos plan reviw", ConfigurationError, "did you mean review?"),
    ("%polos plan buy 'price: 3'", ArgumentsError, "order.item: Field required"),
]


@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize(("cell", "kind", "words"), RUN_MISTAKES)
def test_mistakes_in_running_are_one_sentence(
    cell: str, kind: type, words: str, watched: bool, make_shell: Callable[..., Any]
) -> None:
    """Nothing is run, and one line says what is wrong and how to mend it."""
    shell = make_shell(watched=watched)
    shell.ok("from polos_nb import Agent\nbot = Agent(id='bot', provider='demo')\ncity = {'topic': 'Paris'}" + HEAD)
    for body in (REVIEW, ORDER):
        shell.ok("%%polos_workflow\n" + body)
    ran = shell.run(cell)
    if "[3'" in cell:
        kind = ConfigurationError
        words = "neither YAML nor JSON"
    assert type(ran.error) is (UsageError if watched else kind)
    assert words in str(ran.error)
    assert len((ran.out + ran.err).strip().splitlines()) == 1
    assert "No runs" in shell.ok("%polos runs").out


def test_a_workflow_that_fails_fails_the_cell_in_one_line(book: Any) -> None:
    """The line names the step's failure and the run; the step's traceback is in the store."""
    book.ok("def bad():\n    raise ValueError('no luck')")
    book.ok("%%polos_workflow\nasync def fails(ctx):\n    await ctx.step.run('try', bad, max_retries=0)\n")
    ran = book.run("%polos_run fails --render static")
    assert len((ran.out + ran.err).strip().splitlines()) == 1
    assert "no luck" in ran.err + ran.out
    assert "%polos show r1" in ran.err + ran.out
    assert "no luck" in book.ok("%polos show r1 --step try").out


# -- completion -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%%polos_workflow --st|", ["--state"]),
        ("%%polos_workflow --q|", ["--queue"]),
        ("%%polos_workflow --state P|", ["Person"]),
        ("%%polos_workflow\nimport o|", None),
        ("%%polos_tool --approval |", ["always", "none"]),
        ("%%polos_run or|", ["order_flow"]),
        ("%polos_run or|", ["order_flow"]),
        ("%polos plan or|", ["order_flow"]),
        ("%polos plan b|", ["bot"]),
        ("%polos plan bot --fr|", ["--fresh"]),
        ("%polos fo|", ["fork"]),
        ("%polos st|", ["stop"]),
        ("%polos re|", ["resume"]),
        ("%polos stop r1|", ["r12", "r1"]),
        ("%polos resume r2|", ["r2"]),
        ("%polos fork r2|", ["r2"]),
        ("%polos fork r2 --s|", ["--set"]),
        ("%polos approve r2 --f|", ["--feedback"]),
        ("%%polos_run order_flow --dr|", ["--dry-run"]),
    ],
)
def test_what_is_suggested(text: str, expected: list[str] | None) -> None:
    """Flags, workflows, state classes and runs, where they belong."""

    async def order_flow(ctx: Any, payload: dict[str, Any]) -> None:
        """A flow."""

    found = words(text, NAMES | {"order_flow": Workflow("order_flow", order_flow)})
    assert found == expected
