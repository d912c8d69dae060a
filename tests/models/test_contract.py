"""One contract for all providers: the same calls through real litellm, each over the provider's own protocol."""

from __future__ import annotations

import json

import pytest

from polos_nb.errors import ModelError, ModelUnavailable
from polos_nb.messages import Message
from polos_nb.models import litellm as transport
from polos_nb.models.base import ReasoningPiece, TextPiece, ToolCallPiece
from polos_nb.models.providers import PROVIDERS
from tests.loopback.routes import KEYS
from tests.loopback.server import ApiError, Call, StartProvider, Turn
from tests.loopback.weather import weather_script
from tests.models.contract import CASES, PERSON, WEATHER, Case, ask, assert_arrived, run

pytest_plugins = ["tests.loopback.fixtures"]

everyone = pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
who_thinks = pytest.mark.parametrize(
    "case", [case for case in CASES if case.thinking is not None], ids=[c.id for c in CASES if c.thinking is not None]
)


@pytest.fixture(scope="session", autouse=True)
def loaded() -> None:
    """Pay for the import once, outside any test's own time."""
    transport.load()


def test_every_provider_is_here() -> None:
    """No provider of the public API is left out of the contract."""
    assert {case.provider for case in CASES} == set(PROVIDERS)


@everyone
def test_text_streams_with_its_system_prompt_and_usage(provider: StartProvider, case: Case) -> None:
    """Text arrives in pieces, the system prompt where the provider looks for it, and all tokens are counted."""
    with provider([Turn(text="Hello there, world.", usage=(100, 40), cached=64)]) as server:
        pieces, response = run(ask(case, server, Message(role="system", content="Be brief."), "Hi"))
    (request,) = server.requests
    assert_arrived(case, request)
    assert request.stream
    assert (request.system, request.user) == ("Be brief.", "Hi")
    assert len([piece for piece in pieces if isinstance(piece, TextPiece)]) > 2
    assert "".join(piece.text for piece in pieces) == response.text == "Hello there, world."
    assert response.finish_reason == "stop"
    usage = response.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (100, 40, 140)
    assert usage.cache_read_input_tokens == (64 if case.cached else None)


@everyone
def test_parallel_calls_go_round(provider: StartProvider, case: Case) -> None:
    """Two calls of one tool arrive with their arguments, and their results go back to the right one."""
    calls = [Call("get_weather", {"city": "Paris"}), Call("get_weather", {"city": "São Paulo"})]
    with provider([Turn(text="Let me look.", calls=calls), Turn(text="Sunny in both.")]) as server:
        pieces, first = run(ask(case, server, "Paris and São Paulo?", tools=[WEATHER]))
        kept = Message.model_validate_json(first.message().model_dump_json())
        results = [
            Message(role="tool", content=f"sunny {at}", tool_call_id=call.id, name="get_weather")
            for at, call in enumerate(first.tool_calls)
        ]
        _, second = run(ask(case, server, "Paris and São Paulo?", kept, *results, tools=[WEATHER]))
    assert [request.refused for request in server.requests] == [None, None]
    assert server.requests[0].tool_names == ["get_weather"]
    assert first.text == "Let me look."
    assert first.finish_reason == "tool_calls"
    assert [json.loads(call.function.arguments)["city"] for call in first.tool_calls] == ["Paris", "São Paulo"]
    assert len({call.id for call in first.tool_calls}) == 2
    parts = [piece for piece in pieces if isinstance(piece, ToolCallPiece)]
    assert [piece.name for piece in parts if piece.name] == ["get_weather", "get_weather"]
    for at, call in enumerate(first.tool_calls):
        arguments = [piece.arguments for piece in parts if piece.index == at and piece.arguments]
        assert "".join(arguments) == call.function.arguments
        assert (len(arguments) > 1) is case.parts
    assert [seen.content for seen in server.requests[1].tool_results] == ["sunny 0", "sunny 1"]
    assert second.text == "Sunny in both."


@everyone
def test_a_call_without_arguments(provider: StartProvider, case: Case) -> None:
    """A call whose arguments are empty is a call with the arguments {}, not a lost one."""
    with provider([Turn(calls=[Call("get_weather", {})])]) as server:
        _, response = run(ask(case, server, tools=[WEATHER]))
    assert [call.function.arguments for call in response.tool_calls] == ["{}"]


@everyone
def test_structured_output_by_the_providers_own_mechanism(provider: StartProvider, case: Case) -> None:
    """A schema is asked for where the provider has a place for it, and the answer is JSON of that shape."""
    with provider(weather_script) as server:
        _, response = run(ask(case, server, "I'm Bob, 40", output_schema=PERSON, output_name="PersonInfo"))
    (request,) = server.requests
    assert_arrived(case, request)
    assert '"age"' in json.dumps(request.body[case.schema])
    assert json.loads(response.text) == {"name": "Bob", "age": 40}
    assert (response.tool_calls, response.finish_reason) == ([], "stop")


@who_thinks
def test_thinking_streams_and_goes_back(provider: StartProvider, case: Case) -> None:
    """Thinking arrives as pieces of its own with its tokens, and a strict provider takes back what it signed."""
    thought = "They ask about Rome, so I look."
    first_turn = Turn(thinking=thought, calls=[Call("get_weather", {"city": "Rome"})], usage=(50, 30), thought=20)
    with provider([first_turn, Turn(text="Sunny.")]) as server:
        fields = {"tools": [WEATHER], "params": case.thinking}
        pieces, first = run(ask(case, server, "Rome?", **fields))
        kept = Message.model_validate_json(first.message().model_dump_json())
        result = Message(role="tool", content="sunny", tool_call_id=first.tool_calls[0].id, name="get_weather")
        _, second = run(ask(case, server, "Rome?", kept, result, **fields))
    assert [request.refused for request in server.requests] == [None, None]
    shown = [piece.text for piece in pieces if isinstance(piece, ReasoningPiece)]
    assert "".join(shown) == first.reasoning == thought
    assert len(shown) > 1
    assert first.text == ""
    if case.cached and case.provider != "anthropic":  # these two do not count it
        assert first.usage.reasoning_output_tokens == 20
    assert first.usage.output_tokens == 30
    assert second.text == "Sunny."


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.id in ("openai by responses", "gemini 3", "anthropic")], ids=lambda case: case.id
)
def test_what_was_signed_is_in_the_next_request(provider: StartProvider, case: Case) -> None:
    """The signature comes back byte for byte in the body of the next turn."""
    with provider([Turn(thinking="hm hm", calls=[Call("get_weather", {"city": "Rome"})]), Turn(text="a")]) as server:
        fields = {"tools": [WEATHER], "params": case.thinking}
        _, first = run(ask(case, server, "Rome?", **fields))
        result = Message(role="tool", content="sunny", tool_call_id=first.tool_calls[0].id, name="get_weather")
        run(ask(case, server, "Rome?", first.message(), result, **fields))
    sent = json.dumps(server.requests[1].body)
    extras = json.dumps([first.extra, *(call.extra for call in first.tool_calls)])
    signatures = {piece.strip('"') for piece in extras.split() if len(piece.strip('",[]{}')) > 40}
    assert signatures
    assert all(signature.strip('",[]{}') in sent for signature in signatures)


@everyone
@pytest.mark.parametrize("status", [429, 503])
def test_an_error_with_retry_after(provider: StartProvider, case: Case, status: int) -> None:
    """A passing failure carries the provider's words, its status and how long it asks to wait, and is not repeated."""
    with provider([Turn(error=ApiError(status, "slow down", {"retry-after": "7"})), Turn(text="late")]) as server:
        with pytest.raises(ModelUnavailable) as caught:
            run(ask(case, server))
    error = caught.value
    assert "slow down" in str(error)
    assert PROVIDERS[case.provider].title in str(error)
    assert case.model in str(error)
    assert not [word for word in ("litellm", "Exception", "{", "\n", "Traceback") if word in str(error)]
    assert (error.status, error.retry_after, error.provider) == (status, 7.0, case.provider)
    assert len(server.requests) == 1


@everyone
def test_a_refused_request(provider: StartProvider, case: Case) -> None:
    """What the provider does not take is its own sentence, and no failure that may pass."""
    with provider([Turn(error=ApiError(400, "the third word is misspelt"))]) as server:
        with pytest.raises(ModelError, match="the third word is misspelt") as caught:
            run(ask(case, server))
    assert not isinstance(caught.value, ModelUnavailable)
    assert caught.value.status == 400


@everyone
def test_a_broken_stream_is_no_answer(provider: StartProvider, case: Case) -> None:
    """A stream that breaks is a failure that may pass."""
    with provider([Turn(text="a b c d e f", drop_after=3)]) as server, pytest.raises(ModelUnavailable):
        run(ask(case, server))


@pytest.mark.parametrize("case", [case for case in CASES if case.provider != "gemini"], ids=lambda case: case.id)
def test_a_stream_without_an_end_is_no_answer(provider: StartProvider, case: Case) -> None:
    """A stream that ends without saying that it is finished is a failure that may pass (litellm hides Gemini's)."""
    with provider([Turn(text="a b c", ends_early=True)]) as server, pytest.raises(ModelUnavailable):
        run(ask(case, server))


@everyone
def test_a_wrong_key(provider: StartProvider, case: Case) -> None:
    """A refused key is said to be refused, without a character of it."""
    if case.provider == "ollama":
        return  # has no key
    key = "WRONGKEY" + KEYS[case.provider][::-1]
    with provider([]) as server, pytest.raises(ModelError) as caught:
        run(ask(case, server, api_key=key))
    assert key[:8] not in str(caught.value)
    assert key[-4:] not in str(caught.value)
    assert "key" in str(caught.value).lower()


@everyone
def test_the_length_of_an_answer_is_limited(provider: StartProvider, case: Case) -> None:
    """max_output_tokens arrives under the provider's own name, and an answer that was cut says so."""
    with provider([Turn(text="one two", finish="length")]) as server:
        _, response = run(ask(case, server, params={"max_output_tokens": 777}))
    assert "777" in json.dumps(server.requests[0].body)
    assert response.finish_reason == "length"
