"""Real litellm against the loopback provider: what arrives, and what is said when it goes wrong."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest

from polos_nb.errors import ConfigurationError, ModelError, ModelUnavailable
from polos_nb.messages import Message, ToolCall, ToolCallFunction, Usage
from polos_nb.models import litellm as transport
from polos_nb.models.base import Model, ModelRequest, ModelResponse, ReasoningPiece, TextPiece, ToolCallPiece
from polos_nb.models.litellm import LiteLLMModel
from tests.loopback.client_loop import client_loop
from tests.loopback.server import (
    ANTHROPIC_KEY,
    OPENAI_KEY,
    ApiError,
    Call,
    LoopbackProvider,
    StartProvider,
    Turn,
)
from tests.loopback.turns import signature_of
from tests.loopback.weather import weather_script

pytest_plugins = ["tests.loopback.fixtures"]

ROOT = Path(__file__).parents[2]
MODELS = [("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4-5")]
both = pytest.mark.parametrize(("name", "model"), MODELS, ids=["openai", "anthropic"])
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
PERSON = {
    "title": "PersonInfo",
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "email": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "location": {"type": "string", "default": ""},
    },
    "required": ["name", "age"],
}


@pytest.fixture(scope="session", autouse=True)
def loaded() -> None:
    """Pay for the import once, outside any test's own time."""
    transport.load()


def ask(name: str, model: str, *messages: Message | str, **fields: Any) -> ModelRequest:
    given = [Message(role="user", content=m) if isinstance(m, str) else m for m in messages or ("Hello",)]
    return ModelRequest(provider=name, model=model, messages=given, **fields)


async def collect(request: ModelRequest) -> list[Any]:
    return [piece async for piece in LiteLLMModel().stream(request)]


def run(request: ModelRequest) -> tuple[list[Any], ModelResponse]:
    *pieces, response = client_loop().run(collect(request))
    assert isinstance(response, ModelResponse)
    return pieces, response


def fail(request: ModelRequest) -> ModelError:
    """The error of a call, after looking for keys in every way that an error can be shown."""
    with pytest.raises(ModelError) as caught:
        client_loop().run(collect(request))
    error = caught.value
    # The chain as a caller on the same loop has it: what concurrent.futures adds is not ours.
    shown = [str(error), repr(error), *traceback.format_exception(error)]
    link: BaseException | None = error
    while link is not None:
        shown.append(repr(link))
        link = link.__cause__ or link.__context__
    keys = [request.api_key, OPENAI_KEY, ANTHROPIC_KEY]
    assert not [key for key in keys if key and any(key in text for text in shown)]
    assert "\n" not in str(error)
    assert error.provider == request.provider
    return error


def test_it_is_a_model() -> None:
    """The transport fulfils the protocol, and asks for a loop of its own."""
    assert isinstance(LiteLLMModel(), Model)
    assert LiteLLMModel().own_loop is True


@both
def test_text_arrives_in_pieces(provider: StartProvider, name: str, model: str) -> None:
    """Text is yielded as it comes, and the response repeats it with the usage of the last chunk."""
    with provider([Turn(text="Hello there, world.", usage=(21, 7))]) as server:
        pieces, response = run(ask(name, model))
    assert [piece for piece in pieces if not isinstance(piece, TextPiece)] == []
    assert len(pieces) > 2
    assert "".join(piece.text for piece in pieces) == response.text == "Hello there, world."
    assert response.finish_reason == "stop"
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (
        21,
        7,
        28,
    )
    assert response.extra is None
    assert server.requests[0].stream
    assert len(server.requests) == 1


def test_usage_is_always_asked_for(provider: StartProvider) -> None:
    """The request asks OpenAI for usage, so that litellm never counts tokens by itself."""
    with provider([Turn(text="Hello.")]) as server:
        run(ask("openai", "gpt-4o"))
    assert server.requests[0].body["stream_options"] == {"include_usage": True}


@both
def test_parallel_calls_go_round(provider: StartProvider, name: str, model: str) -> None:
    """Two calls arrive in parts, and calls and results sent back are accepted by a strict provider."""
    turns = [
        Turn(
            text="Let me look.",
            calls=[Call("get_weather", {"city": "Paris"}), Call("get_weather", {"city": "Rome"})],
        ),
        Turn(text="Sunny in both."),
    ]
    with provider(turns) as server:
        pieces, first = run(ask(name, model, "Weather in Paris and Rome?", tools=[WEATHER]))
        parts = [piece for piece in pieces if isinstance(piece, ToolCallPiece)]
        question = Message(role="user", content="Weather in Paris and Rome?")
        results = [
            Message(role="tool", content=f"sunny {at}", tool_call_id=call.id, name="get_weather")
            for at, call in enumerate(first.tool_calls)
        ]
        _, second = run(ask(name, model, question, first.message(), *results, tools=[WEATHER]))
    assert first.finish_reason == "tool_calls"
    assert first.text == "Let me look."
    assert [json.loads(call.function.arguments)["city"] for call in first.tool_calls] == ["Paris", "Rome"]
    assert [part.name for part in parts if part.name] == ["get_weather", "get_weather"]
    for at, call in enumerate(first.tool_calls):
        arguments = [part.arguments for part in parts if part.index == at and part.arguments]
        assert len(arguments) > 1
        assert "".join(arguments) == call.function.arguments
    assert second.text == "Sunny in both."
    assert [seen.content for seen in server.requests[1].tool_results] == ["sunny 0", "sunny 1"]
    assert [seen.call_id for seen in server.requests[1].tool_results] == [call.id for call in first.tool_calls]


@both
def test_a_call_without_arguments_is_an_empty_object(provider: StartProvider, name: str, model: str) -> None:
    """A call whose arguments never arrive has the arguments {}."""
    with provider([Turn(calls=[Call("get_weather", "")])]):
        _, response = run(ask(name, model, tools=[WEATHER]))
    assert response.tool_calls[0].function.arguments == "{}"


def test_a_compatible_server_by_base_url(provider: StartProvider) -> None:
    """Provider "openai" with a base URL reaches any compatible server, whose thinking is shown."""
    turns = [
        Turn(thinking="They mean Oslo.", calls=[Call("get_weather", {"city": "Oslo"})]),
        Turn(text="Snow."),
    ]
    with provider(turns) as server:
        fields: dict[str, Any] = {"tools": [WEATHER], "base_url": server.compat_url, "api_key": OPENAI_KEY}
        pieces, first = run(ask("openai", "my-model", "Oslo?", **fields))
        result = Message(role="tool", content="snow", tool_call_id=first.tool_calls[0].id)
        question = Message(role="user", content="Oslo?")
        _, second = run(ask("openai", "my-model", question, first.message(), result, **fields))
    assert {request.path for request in server.requests} == {"/compat/v1/chat/completions"}
    assert "".join(piece.text for piece in pieces if isinstance(piece, ReasoningPiece)) == "They mean Oslo."
    assert first.reasoning == "They mean Oslo."
    assert second.text == "Snow."


def test_a_base_url_from_the_environment(provider: StartProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """OPENAI_BASE_URL leads to a compatible server."""
    with provider([Turn(text="Hello.")]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.compat_url)
        run(ask("openai", "my-model"))
    assert server.requests[0].provider == "compat"


def test_signed_thinking_goes_back_unchanged(provider: StartProvider) -> None:
    """Thinking is shown as it comes, and its signed block survives JSON and is accepted on the next turn."""
    thought = "The user wants the weather, so I look it up."
    turns = [
        Turn(thinking=thought, text="One moment.", calls=[Call("get_weather", {"city": "Rome"})]),
        Turn(thinking="Done.", text="Sunny."),
    ]
    fields: dict[str, Any] = {
        "tools": [WEATHER],
        "params": {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 4000},
    }
    with provider(turns) as server:
        pieces, first = run(ask("anthropic", "claude-sonnet-4-5", "Rome?", **fields))
        kept = Message.model_validate_json(first.message().model_dump_json())
        result = Message(role="tool", content="sunny", tool_call_id=first.tool_calls[0].id)
        question = Message(role="user", content="Rome?")
        _, second = run(ask("anthropic", "claude-sonnet-4-5", question, kept, result, **fields))
    assert "".join(piece.text for piece in pieces if isinstance(piece, ReasoningPiece)) == thought
    assert first.reasoning == thought
    block = {"type": "thinking", "thinking": thought, "signature": signature_of(thought)}
    assert first.extra is not None
    assert first.extra["thinking_blocks"] == [block]
    assert server.requests[1].messages[1]["content"][0] == block
    assert second.text == "Sunny."


def test_blocks_of_another_provider_stay_behind(provider: StartProvider) -> None:
    """A conversation that began on Anthropic goes on at OpenAI without Anthropic's blocks."""
    answer = Message(
        role="assistant",
        content="Hello.",
        reasoning="hm",
        extra={
            "provider": "anthropic",
            "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}],
        },
    )
    with provider([Turn(text="Yes.")]) as server:
        run(ask("openai", "gpt-4o", "Hi", answer, "Again?"))
    assert server.requests[0].messages[1] == {"role": "assistant", "content": "Hello."}


@pytest.mark.parametrize(
    ("name", "model"),
    [*MODELS, ("anthropic", "claude-3-5-sonnet-20241022")],
    ids=["openai", "anthropic", "older claude"],
)
def test_structured_output(provider: StartProvider, name: str, model: str) -> None:
    """A schema reaches the provider in a form that it accepts, and the answer is JSON of that shape."""
    text = "Hi, I'm Alice, 28 years old, living in SF. Email: alice@example.com"
    with provider(weather_script) as server:
        _, response = run(ask(name, model, text, output_schema=PERSON, output_name="PersonInfo"))
    expected = {"name": "Alice", "age": 28, "email": "alice@example.com", "location": "SF"}
    assert json.loads(response.text) == expected
    assert response.tool_calls == []
    assert response.finish_reason == "stop"
    assert server.requests[0].refused is None


def test_structured_output_of_a_compatible_server(provider: StartProvider) -> None:
    """A server whose models litellm does not know is asked for the schema too."""
    with provider(weather_script) as server:
        request = ask("openai", "my-model", "I'm Bob, 40", output_schema=PERSON, base_url=server.compat_url)
        _, response = run(request)
    assert json.loads(response.text)["name"] == "Bob"


def test_many_streams_at_once(provider: StartProvider) -> None:
    """Streams that run at the same time do not get in each other's way."""

    async def all_of_them() -> list[list[Any]]:
        requests = [ask(*MODELS[number % 2], f"number {number}") for number in range(20)]
        return await asyncio.gather(*(collect(request) for request in requests))

    with provider(lambda request: Turn(text=f"You said {request.user}", delay=0.005)):
        answers = client_loop().run(all_of_them())
    assert [answer[-1].text for answer in answers] == [f"You said number {number}" for number in range(20)]


def test_effort_becomes_thinking(provider: StartProvider) -> None:
    """reasoning={"effort": ...} turns thinking on at Anthropic, and the thinking comes back."""
    with provider([Turn(thinking="hm hm", text="Yes.")]) as server:
        _, response = run(ask("anthropic", "claude-sonnet-4-5", params={"reasoning": {"effort": "low"}}))
    assert server.requests[0].body["thinking"]["type"] == "enabled"
    assert response.reasoning == "hm hm"


def test_parameters_are_translated(provider: StartProvider) -> None:
    """reasoning and max_output_tokens are spelled as the provider spells them; None is not sent."""
    with provider([Turn(text="Yes."), Turn(text="Yes.")]) as server:
        params = {"reasoning": {"effort": "low"}, "max_output_tokens": 500, "stop": None}
        run(ask("openai", "o3-mini", params=params))
        run(ask("openai", "gpt-4o", params={"temperature": 0.2, "top_p": 0.9, "max_tokens": 9}))
    first, second = (request.body for request in server.requests)
    assert first["reasoning_effort"] == "low"
    assert first.get("max_completion_tokens", first.get("max_tokens")) == 500
    assert "stop" not in first
    assert (second["temperature"], second["top_p"], second["max_tokens"]) == (0.2, 0.9, 9)


@pytest.mark.parametrize(
    ("params", "said"),
    [({"reasoning": "low"}, 'reasoning={"effort": "low"}'), ({"stream": False}, "stream cannot be passed")],
)
def test_parameters_that_cannot_be_passed(provider: StartProvider, params: dict[str, Any], said: str) -> None:
    """A parameter that the transport cannot pass on is refused before anything is sent."""
    with provider([]) as server:
        assert said in str(fail(ask("openai", "gpt-4o", params=params)))
    assert server.requests == []


def test_a_parameter_that_the_model_does_not_take(provider: StartProvider) -> None:
    """A parameter that litellm knows the model refuses is an error with its name, never dropped."""
    with provider([]):
        error = fail(ask("openai", "gpt-5", params={"temperature": 0.2}))
    assert "gpt-5 on OpenAI" in str(error)
    assert "temperature" in str(error)
    assert "drop_params" not in str(error)
    assert not isinstance(error, ModelUnavailable)


FAILURES = [
    (
        ApiError(400, "tools.0: not like this"),
        False,
        ["refused the request", "(400)", "tools.0: not like this"],
    ),
    (ApiError(403, "not for you"), False, ["does not allow this key", "403", "not for you"]),
    (ApiError(429, "slow down", {"retry-after": "7"}), True, ["limits the rate", "429", "slow down"]),
    (ApiError(500, "boom"), True, ["failed on the call", "500", "boom"]),
    (ApiError(503, "down"), True, ["503", "down"]),
    (ApiError(529, "Overloaded", code="overloaded_error"), True, ["overloaded", "529", "try again"]),
    (ApiError(400, "prompt is too long: 210000 tokens > 200000 maximum"), False, ["too long", "shorten it"]),
    (
        ApiError(429, "You exceeded your current quota", code="insufficient_quota"),
        False,
        ["no quota left", "billing"],
    ),
]


@both
@pytest.mark.parametrize(
    ("error", "passes", "words"), FAILURES, ids=[f"{e.status} {e.message[:9]}" for e, *_ in FAILURES]
)
def test_refusals(
    provider: StartProvider, name: str, model: str, error: ApiError, passes: bool, words: list[str]
) -> None:
    """A refusal is one sentence with provider, status, its own words and the remedy; it is not repeated."""
    with provider([Turn(error=error), Turn(text="late")]) as server:
        failure = fail(ask(name, model))
    text = str(failure)
    assert [word for word in [*words, {"openai": "OpenAI", "anthropic": "Anthropic"}[name]] if word not in text] == []
    assert "litellm" not in text
    assert "b'" not in text
    assert "{" not in text
    assert isinstance(failure, ModelUnavailable) is passes
    assert failure.status == error.status
    if isinstance(failure, ModelUnavailable):
        assert failure.retry_after == (7.0 if error.status == 429 else None)
    assert len(server.requests) == 1


BROKEN = [
    (Turn(text="a b c d e f", drop_after=3), "broke in the middle"),
    (Turn(text="a b c d e f", drop_after=0), "broke"),
    (Turn(text="a b c d e f", malformed=True), ""),
    (Turn(text="a b c", ends_early=True), "before it was finished"),
    (
        Turn(text="a b c", error=ApiError(529, "Overloaded", code="overloaded_error"), error_after=2),
        "Overloaded",
    ),
]


@both
@pytest.mark.parametrize(("turn", "said"), BROKEN, ids=["cut", "cut at once", "malformed", "ends early", "error event"])
def test_broken_streams(provider: StartProvider, name: str, model: str, turn: Turn, said: str) -> None:
    """A stream that does not come to its end is a failure that may pass, never half an answer."""
    with provider([turn]):
        failure = fail(ask(name, model))
    assert isinstance(failure, ModelUnavailable)
    assert said in str(failure)
    assert failure.status in (None, 500, 529)
    assert {"openai": "OpenAI", "anthropic": "Anthropic"}[name] in str(failure)
    assert "litellm" not in str(failure)


@both
def test_a_wrong_key(provider: StartProvider, name: str, model: str) -> None:
    """A refused key is named by its variable and never shown, not even as the provider echoes it."""
    with provider([]):
        given = fail(ask(name, model, api_key="sk-wrong-0123456789abcdefWXYZ"))
    assert "refused the API key (401)" in str(given)
    assert "sk-" not in str(given)
    assert "WXYZ" not in str(given)
    assert given.status == 401


@both
def test_a_wrong_key_in_the_environment(
    provider: StartProvider, monkeypatch: pytest.MonkeyPatch, name: str, model: str
) -> None:
    """A refused key from the environment says which variable to set."""
    variable = f"{name.upper()}_API_KEY"
    with provider([]):
        monkeypatch.setenv(variable, "sk-wrong-0123456789abcdefWXYZ")
        error = fail(ask(name, model))
    assert f"set {variable}" in str(error)
    assert "WXYZ" not in str(error)


def test_an_echoed_key_is_redacted(provider: StartProvider) -> None:
    """A key that a provider repeats in its message does not get into the error."""
    with provider([Turn(error=ApiError(400, f"bad header: Bearer {OPENAI_KEY} and sk-proj-****wxyz"))]):
        error = fail(ask("openai", "gpt-4o"))
    assert "[redacted]" in str(error)
    assert "wxyz" not in str(error)


@both
def test_no_key(provider: StartProvider, monkeypatch: pytest.MonkeyPatch, name: str, model: str) -> None:
    """A missing key is said at once, with the variable to set, and nothing is sent."""
    with provider([]) as server:
        monkeypatch.delenv(f"{name.upper()}_API_KEY")
        error = fail(ask(name, model))
    assert f"{name.upper()}_API_KEY" in str(error)
    assert server.requests == []


@both
def test_an_unknown_model(provider: StartProvider, name: str, model: str) -> None:
    """An unknown model is named, with an example of one that exists."""
    with provider([]):
        error = fail(ask(name, f"no-such-{model}"))
    assert f'no model "no-such-{model}"' in str(error)
    assert "404" in str(error)
    assert "for example" in str(error)


def test_an_unknown_provider() -> None:
    """A misspelt provider is a configuration error with the right spelling."""
    with pytest.raises(ConfigurationError, match='did you mean "anthropic"'):
        client_loop().run(collect(ask("antropic", "claude-sonnet-4-5")))


@both
def test_nobody_listens(provider: StartProvider, name: str, model: str) -> None:
    """A server that is not there is named, so that a wrong base URL is seen."""
    with provider([]) as server:
        pass
    error = fail(ask(name, model))
    assert isinstance(error, ModelUnavailable)
    assert f"http://127.0.0.1:{server.port}) cannot be reached" in str(error)


@both
def test_a_password_in_the_base_url(provider: StartProvider, name: str, model: str) -> None:
    """The password in a base URL is not shown, whatever goes wrong."""
    with provider([]) as server:
        error = fail(ask(name, model, base_url=f"http://me:hunter2hunter2@127.0.0.1:{server.port}/v1?token=hunter2"))
    assert "hunter2" not in str(error)


@both
@pytest.mark.parametrize("turn", [Turn(text="a", start_delay=60), Turn(text="a b c", delay=60)], ids=["start", "gap"])
def test_a_timeout(provider: StartProvider, name: str, model: str, turn: Turn) -> None:
    """A provider that says nothing for longer than the timeout is given up."""
    with provider([turn]):
        error = fail(ask(name, model, timeout=0.5))
    assert isinstance(error, ModelUnavailable)
    assert "in the time allowed" in str(error)


@both
@pytest.mark.parametrize("how", ["close", "cancel", "cancel early"])
def test_stopping_hangs_up(provider: StartProvider, name: str, model: str, how: str) -> None:
    """Closing the iterator or cancelling its task closes the connection, which the provider sees."""

    async def close_after_first() -> None:
        stream = LiteLLMModel().stream(ask(name, model))
        async for _ in stream:
            break
        await stream.aclose()  # type: ignore[attr-defined]

    slow = Turn(text="word " * 1000, delay=0.02) if how != "cancel early" else Turn(text="a", start_delay=60)
    with provider([slow]) as server:
        if how == "close":
            client_loop().run(close_after_first())
        else:
            future = client_loop().start(collect(ask(name, model)))
            seen = 3 if how == "cancel" else 0
            server.wait_for(lambda s: bool(s.requests) and s.requests[0].chunks_sent >= seen)
            future.cancel()
        server.wait_for(lambda s: bool(s.requests) and s.requests[0].finished)
        assert server.requests[0].hung_up
        assert server.requests[0].chunks_sent < 500


def test_system_and_roles(provider: StartProvider) -> None:
    """The system prompt reaches both providers where they expect it."""
    with provider([Turn(text="a"), Turn(text="b")]) as server:
        for name, model in MODELS:
            run(ask(name, model, Message(role="system", content="Be brief."), "Hi"))
    assert [request.system for request in server.requests] == ["Be brief.", "Be brief."]
    assert [request.user for request in server.requests] == ["Hi", "Hi"]


@both
def test_a_call_without_a_result_is_the_providers_sentence(provider: StartProvider, name: str, model: str) -> None:
    """What the provider says about broken messages reaches the user."""
    call = ToolCall(id="call_1", function=ToolCallFunction(name="get_weather", arguments='{"city": "Rome"}'))
    with provider([]):
        error = fail(ask(name, model, "Hi", Message(role="assistant", tool_calls=[call]), tools=[WEATHER]))
    assert "call_1" in str(error)
    assert error.status == 400


def test_cached_tokens_are_part_of_the_usage(provider: StartProvider) -> None:
    """Details of the usage that a provider gives are kept."""
    with provider([Turn(text="Yes.", usage=(30, 4))]):
        _, response = run(ask("openai", "gpt-4o"))
    assert response.usage == Usage(
        input_tokens=30,
        output_tokens=4,
        total_tokens=34,
        cache_read_input_tokens=0,
        reasoning_output_tokens=0,
    )


def test_litellm_is_silent() -> None:
    """litellm's loggers have no way to standard error."""
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logger = logging.getLogger(name)
        assert not logger.propagate
        assert not logger.isEnabledFor(logging.CRITICAL)


SCRIPT = """
import asyncio, sys
from polos_nb.errors import ModelError
from polos_nb.messages import Message
from polos_nb.models import litellm as transport
from polos_nb.models.base import ModelRequest
assert "litellm" not in sys.modules
thread = transport.warm()
assert (thread.name, thread.daemon) == ("polos_nb-warm", True)

async def main():
    for model in ("gpt-4o", "no-such-model", "gpt-4o"):
        request = ModelRequest(provider="openai", model=model, messages=[Message(role="user", content="Hi")])
        try:
            async for piece in transport.LiteLLMModel().stream(request):
                pass
        except ModelError:
            pass

asyncio.run(main())
assert "litellm" in sys.modules
"""


def test_nothing_is_printed() -> None:
    """A process that warms litellm, calls it and fails prints nothing at all, up to its end."""
    with LoopbackProvider([Turn(text="Hello."), Turn(error=ApiError(500, "boom"))]) as server:
        env = {**os.environ, **server.env()}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=env,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_missing_key_does_not_load_litellm() -> None:
    """A missing key is reported without importing litellm."""
    script = (
        SCRIPT.replace("thread = transport.warm()", "")
        .replace('assert (thread.name, thread.daemon) == ("polos_nb-warm", True)', "")
        .replace('assert "litellm" in sys.modules', 'assert "litellm" not in sys.modules')
    )
    env = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
