"""Marks for Anthropic's prompt cache, and what cached tokens cost."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from polos_nb.messages import Message, Usage
from polos_nb.models import litellm as transport
from polos_nb.models.prices import cost
from tests.loopback.server import Call, StartProvider, Turn
from tests.models.contract import CASES, WEATHER, ask, run

pytest_plugins = ["tests.loopback.fixtures"]

CLAUDE = next(case for case in CASES if case.id == "anthropic")
SYSTEM = Message(role="system", content="Be brief.")
MARK = {"type": "ephemeral"}


@pytest.fixture(scope="session", autouse=True)
def loaded() -> None:
    """Pay for the import once, outside any test's own time."""
    transport.load()


def marked(body: dict[str, Any]) -> list[Any]:
    """The blocks that carry a mark: of the instructions, the tools, the messages."""
    blocks = [*body.get("system", []), *body.get("tools", [])]
    blocks += [block for message in body["messages"] for block in message["content"]]
    return [block for block in blocks if "cache_control" in block]


def test_instructions_tools_and_the_last_message(provider: StartProvider) -> None:
    """An agent with tools has its instructions, its tools and the end of the conversation marked, on each turn."""
    with provider([Turn(calls=[Call("get_weather", {"city": "Rome"})]), Turn(text="Sunny.")]) as server:
        _, first = run(ask(CLAUDE, server, SYSTEM, "Rome?", tools=[WEATHER]))
        result = Message(role="tool", content="sunny", tool_call_id=first.tool_calls[0].id)
        run(ask(CLAUDE, server, SYSTEM, "Rome?", first.message(), result, tools=[WEATHER]))
    asked, answered = (request.body for request in server.requests)
    assert [block.get("text") or block.get("name") for block in marked(asked)] == ["Be brief.", "get_weather", "Rome?"]
    last = marked(answered)[-1]
    assert last["type"] == "tool_result"
    assert len(marked(answered)) == 3
    assert all(block["cache_control"] == MARK for block in marked(answered))


def test_a_single_question_is_not_worth_it(provider: StartProvider) -> None:
    """A message that nothing may follow is not written into the cache."""
    with provider([Turn(text="Hello.")]) as server:
        run(ask(CLAUDE, server, SYSTEM, "Hi"))
    assert [block["text"] for block in marked(server.requests[0].body)] == ["Be brief."]


def test_marks_of_the_caller_stay_alone(provider: StartProvider) -> None:
    """Who marks parts himself has only those marked."""
    content = [{"type": "text", "text": "A long text.", "cache_control": MARK}, {"type": "text", "text": "Hm?"}]
    with provider([Turn(text="Hello.")]) as server:
        run(ask(CLAUDE, server, SYSTEM, Message(role="user", content=content), tools=[WEATHER]))
    assert [block["text"] for block in marked(server.requests[0].body)] == ["A long text."]


@pytest.mark.parametrize("case", [case for case in CASES if case.provider != "anthropic"], ids=lambda case: case.id)
def test_others_get_no_marks(provider: StartProvider, case: Any) -> None:
    """Providers that cache by themselves are not sent marks that they do not know."""
    with provider([Turn(text="Hello.")]) as server:
        run(ask(case, server, SYSTEM, "Hi", tools=[WEATHER]))
    assert "cache_control" not in json.dumps(server.requests[0].body)


def test_a_request_is_not_changed(provider: StartProvider) -> None:
    """The messages and tools of the caller stay as they were."""
    with provider([Turn(text="Hello.")]) as server:
        request = ask(CLAUDE, server, SYSTEM, "Hi", tools=[json.loads(json.dumps(WEATHER))])
        run(request)
    assert request.tools == [WEATHER]
    assert request.messages[0] == SYSTEM


def test_cached_tokens_are_counted_and_priced(provider: StartProvider) -> None:
    """Tokens read from the cache cost a tenth, tokens written into it a quarter more; both are part of the input."""
    with provider([Turn(text="Hi.", usage=(1_000_000, 0), cached=600_000, cache_written=300_000)]) as server:
        _, response = run(ask(CLAUDE, server, "Hi"))
    usage = response.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (
        1_000_000,
        600_000,
        300_000,
    )
    expected = 0.1 * 3.0 + 0.6 * 0.3 + 0.3 * 3.75
    assert cost("anthropic", "claude-sonnet-4-5", usage) == pytest.approx(
        expected, rel=1e-4
    )  # and one token of an answer
    assert cost("anthropic", "claude-sonnet-4-5", Usage(input_tokens=1_000_000)) == pytest.approx(3.0)


def test_cached_tokens_of_openai_are_priced() -> None:
    """OpenAI's cached tokens cost half, without marks."""
    usage = Usage(input_tokens=1_000_000, cache_read_input_tokens=400_000)
    assert cost("openai", "gpt-4o", usage) == pytest.approx(0.6 * 2.5 + 0.4 * 1.25)


def test_the_price_without_litellm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook that answers from the store knows the price of cached tokens without loading litellm."""
    usage = Usage(input_tokens=1_000_000, cache_read_input_tokens=600_000, cache_creation_input_tokens=300_000)
    with_litellm = cost("anthropic", "claude-sonnet-4-5", usage)
    monkeypatch.delitem(sys.modules, "litellm")
    assert cost("anthropic", "claude-sonnet-4-5", usage) == pytest.approx(with_litellm)
