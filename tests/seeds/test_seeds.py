"""The snippets of the two seed documents run as they are written, with only the import line changed."""

from __future__ import annotations

import json
import random
import uuid
from typing import Any

import pytest

from tests.loopback.turns import Call, Request, Turn
from tests.loopback.weather import weather_script
from tests.seeds.support import AGENTS


def test_the_first_example_of_the_page(notebook: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """An agent with a tool, run by asyncio.run(main()) in a cell, prints the answer."""
    book = notebook()
    book.snippet("page_first")
    assert "sunny" in capsys.readouterr().out
    assert len(book.provider.requests) == 2
    assert book.provider.requests[1].tool_results


def test_run_with_reasoning(notebook: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """`reasoning={"effort": ...}` reaches the provider as it spells it, and two cities are asked in parallel."""
    book = notebook()
    book.run(AGENTS)
    book.run("weather_agent = openai_agent")
    book.snippet("page_run")
    assert "London" in capsys.readouterr().out
    assert book.provider.requests[0].body["reasoning_effort"] == "medium"
    assert len(book.provider.requests[1].tool_results) == 2


@pytest.mark.parametrize("name", ["page_stream", "guide_stream_parameters"])
def test_streams(name: str, notebook: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Streaming yields the text in pieces."""
    book = notebook()
    book.run(AGENTS)
    book.snippet(name)
    if name == "page_stream":
        assert "Tokyo" in capsys.readouterr().out
    else:
        book.run("text = await stream.text()")
        assert book["text"]
        assert book.provider.requests[0].body["max_tokens"] == 2000
        assert book.provider.requests[0].body["temperature"] == 0.8


def test_stream_in_main(notebook: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The guide's streaming example, with `if __name__ == "__main__"`, prints while it streams."""
    book = notebook()
    book.run(AGENTS)
    book.snippet("guide_stream")
    assert "Tokyo" in capsys.readouterr().out


def test_the_guide_defines_and_runs(notebook: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Definition and execution of the guide's agent: two cities, three steps of the loop."""
    book = notebook()
    book.run("weather_api = GuideWeatherService()")
    book.snippet("guide_define")
    book.snippet("guide_run")
    out = capsys.readouterr().out
    assert "New York" in out
    assert "London" in out
    assert len(book.provider.requests) == 2
    assert {result["city"] for result in _json(book.provider.requests[1].tool_results)} == {"New York", "London"}


def test_provider_parameters(notebook: Any) -> None:
    """thinking, reasoning_effort, temperature, max_tokens and top_p reach the provider's body."""

    def script(request: Request) -> Turn:
        turn = weather_script(request)
        if "thinking" in request.body:
            turn.thinking = "Let me look."  # it goes back signed, which the provider checks
        return turn

    book = notebook(script)
    book.run(AGENTS)
    book.snippet("guide_provider_parameters")
    bodies = [request.body for request in book.provider.requests]
    thinking = next(body for body in bodies if "thinking" in body)
    assert thinking["thinking"] == {"type": "enabled", "budget_tokens": 4000}
    assert any(body.get("reasoning_effort") == "high" for body in bodies)
    sampled = next(body for body in bodies if "top_p" in body)
    assert (sampled["temperature"], sampled["max_tokens"], sampled["top_p"]) == (0.7, 1000, 0.9)


def test_responses(notebook: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A run without a client; result, tool results and usage are printed."""
    book = notebook()
    book.run(AGENTS)
    book.snippet("guide_responses")
    out = capsys.readouterr().out
    assert "Tool: get_weather" in out
    assert "Total tokens:" in out


def test_recovery(notebook: Any) -> None:
    """The run of the recovery scenario; the recovery itself is in tests/crash."""
    book = notebook()
    book.run(AGENTS)
    book.snippet("guide_recovery")
    assert book["response"].result


def test_tools_of_the_page(notebook: Any) -> None:
    """The research agent of the page calls its two tools over Anthropic's protocol."""

    def script(request: Request) -> Turn:
        if not request.tool_results:
            return Turn(calls=[Call("search_web", {"query": "polos"})])
        if len(request.tool_results) == 1:
            return Turn(calls=[Call("send_email", {"to": "a@b.c", "subject": "s", "body": "b"})])
        return Turn(text="Done.")

    book = notebook(script)
    book.snippet("page_tools")
    book.run("response = await research_agent.run('Find it and mail it')")
    assert book["response"].result == "Done."
    assert book["email_service"].sent == [("a@b.c", "s", "b")]
    assert len(book["response"].tool_results[0].result.results) == 5


def test_structured_output(notebook: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The answer is a PersonInfo."""
    book = notebook()
    book.snippet("page_structured")
    assert capsys.readouterr().out.split("\n")[:3] == ["Alice", "28", "SF"]


def test_stop_conditions_of_the_page(notebook: Any) -> None:
    """`limit=15` stops after fifteen calls of a model that never would."""

    def script(request: Request) -> Turn:
        return Turn(calls=[Call("search_web", {"query": str(random.random())})])

    book = notebook(script)
    book.snippet("page_tools")
    book.run("read_article = tool(id='read_article')(lambda: 'text')")
    book.snippet("page_stop_conditions")
    book.run("response = await research_agent.run('Search')")
    assert book["response"].stop_reason == "max_steps"
    assert len(book.provider.requests) == 15


def test_conversation_of_the_page(notebook: Any) -> None:
    """A uuid is a conversation: the second call sees the first one's messages."""
    book = notebook()
    book.run(AGENTS)
    book.snippet("page_conversation")
    assert isinstance(book["conversation_id"], uuid.UUID)
    roles = [message["role"] for message in book.provider.requests[-1].messages]
    assert roles.count("user") == 2
    assert "NYC" in str(book.provider.requests[-1].messages)


def _json(results: list[Any]) -> list[Any]:
    return [json.loads(result.content) for result in results]
