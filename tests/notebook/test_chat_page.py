"""A chat as an output that stays, as Markdown and as cells."""

from __future__ import annotations

import json
from typing import Any

import pytest
from markdown_it import MarkdownIt

from polos_nb import Agent, ModelError, RunError, ScriptedModel, Turn, tool
from polos_nb.models.base import ModelRequest
from polos_nb.notebook.attachments import Attachment
from polos_nb.notebook.chat import Chat
from polos_nb.stores.memory import MemoryStore
from tests.aio import in_a_loop
from tests.notebook.chats import Kernel, parrot
from tests.notebook.html_check import checked
from tests.notebook.test_display import HOSTILE


def forecaster(answer: str = "It is **sunny**.", gave: str = "21 °C") -> Agent:
    """An agent that looks at the weather first."""

    @tool
    def get_weather(city: str) -> str:
        """Weather of a city."""
        return gave

    def script(request: ModelRequest) -> Turn | str:
        last = request.messages[-1]
        return answer if last.role == "tool" else Turn(calls=[("get_weather", {"city": last.text()})])

    return Agent(id="weather-bot", model=ScriptedModel(script), tools=[get_weather])


async def talked(agent: Agent, *texts: str, conversation: str | None = None) -> Chat:
    chat = Kernel(MemoryStore()).chat(agent, conversation)
    for text in texts:
        await chat.send(text)
    return chat


@in_a_loop
async def test_roles_are_bold_and_tool_calls_have_a_line_each() -> None:
    """The same in HTML, Markdown and text; answers are rendered as Markdown."""
    chat = await talked(forecaster(), "Paris")
    data, metadata = chat.bundle()
    assert data["text/plain"] == (
        'weather-bot · chat · 1 turn\n\nyou: Paris\n\nweather-bot: get_weather(city="Paris") → 21 °C\nIt is **sunny**.'
    )
    assert data["text/markdown"] == (
        "*weather-bot · chat · 1 turn*\n\n**you**\n\nParis\n\n**weather-bot**\n\n"
        '- `get_weather(city="Paris")` → `21 °C`\n\nIt is **sunny**.'
    )
    assert "<strong>you</strong>" in data["text/html"]
    assert "It is <strong>sunny</strong>." in data["text/html"]
    checked(data["text/html"])
    assert metadata["polos"]["chat"]["conversation"] == "weather-bot-1"
    assert chat.export("markdown") == data["text/markdown"] + "\n"
    assert chat._repr_mimebundle_() == (data, metadata)


@in_a_loop
async def test_two_executions_give_the_same_output() -> None:
    """Names of runs and conversations, times and tokens are not in the data."""
    first = await talked(forecaster(), "Paris", "Rome")
    other = await talked(forecaster(), "x", conversation="other")
    other.new()
    for text in ("Paris", "Rome"):
        await other.send(text)
    assert first.bundle()[0] == other.bundle()[0]


@in_a_loop
async def test_how_a_turn_ended_is_said() -> None:
    """A failed turn says why; its run is not named."""
    agent = Agent(id="a", model=ScriptedModel([Turn(error=ModelError("the key is wrong"))]))
    chat = Kernel(MemoryStore()).chat(agent)
    with pytest.raises(RunError):
        await chat.send("hi")
    for kind in ("text/plain", "text/markdown", "text/html"):
        assert "Failed: " in chat.bundle()[0][kind]
        assert "the key is wrong" in chat.bundle()[0][kind]
    assert "r1" not in chat.bundle()[0]["text/plain"]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_was_said_becomes_markup(text: str) -> None:
    """Hostile texts as message, answer, argument, result, file name and agent are shown as text."""

    @in_a_loop
    async def test() -> None:
        chat = Kernel(MemoryStore()).chat(forecaster(text.replace("\ud800", ""), text))
        await chat.send(text, [Attachment(text, "text/plain", b"x")])
        data, _ = chat.bundle()
        checked(data["text/html"])
        tokens = MarkdownIt("commonmark").parse(data["text/markdown"])
        kinds = {inner.type for token in tokens for inner in [token, *(token.children or [])]}
        assert not kinds & {"html_block", "html_inline"}
        json.dumps(data, ensure_ascii=False).encode()

    test()


@in_a_loop
async def test_an_output_has_at_most_64_kb() -> None:
    """Long messages are shortened, and of many the earliest are left out and counted; an export has all."""
    chat = await talked(Agent(id="a", model=ScriptedModel(lambda r: "é" * 30_000)), *["x" * 10_000] * 4)
    data, metadata = chat.bundle()
    assert len(json.dumps([data, metadata], ensure_ascii=False).encode()) <= 64 * 1024
    many = await talked(Agent(id="a", model=ScriptedModel(lambda r: "word " * 600)), *["hello " * 300] * 40)
    data, metadata = many.bundle()
    assert len(json.dumps([data, metadata], ensure_ascii=False).encode()) <= 64 * 1024
    left = metadata["polos"]["chat"]["left_out"]
    assert left > 0
    assert f"{left} earlier turns" in data["text/plain"]
    assert many.export("markdown").count("**you**") == 40


@in_a_loop
async def test_a_structured_answer_is_shown_as_data() -> None:
    """As JSON or as a table, in each form."""
    agent = Agent(id="a", model=ScriptedModel(['{"city": "Paris"}']), output_schema=dict[str, str])
    data, _ = (await talked(agent, "go")).bundle()
    assert "Paris" in checked(data["text/html"]).text
    assert "Paris" in data["text/plain"]
    assert "Paris" in data["text/markdown"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("hi", "%%polos_run parrot -s parrot-1"),
        ("what is {{ x }}?", "%%polos_run parrot -s parrot-1 --no-interp"),
    ],
)
def test_cells_say_the_very_words(text: str, line: str) -> None:
    """Braces of a message are not taken for Python, and files are part of the prompt."""

    @in_a_loop
    async def test() -> None:
        chat = Kernel(MemoryStore()).chat(parrot())
        await chat.send(text, [Attachment("a.txt", "text/plain", b"1")])
        assert chat.export("cells") == f"{line}\n{text}\n\nAttached file a.txt:\n```\n1\n```"

    test()


@in_a_loop
async def test_names_with_spaces_are_quoted_in_cells() -> None:
    """A conversation may have any name on one line."""
    chat = await talked(parrot(), "hi", conversation='trip to "Oslo"')
    assert chat.export("cells") == '%%polos_run parrot -s "trip to \\"Oslo\\""\nhi'


@in_a_loop
async def test_what_waits_is_not_in_the_output() -> None:
    """A queued message is no part of the conversation yet."""
    chat = Kernel(MemoryStore()).chat(parrot())
    sent: list[Any] = [await chat.begin("one"), await chat.begin("two")]
    assert "two" not in chat.bundle()[0]["text/plain"]
    for one in sent:
        await one.done
