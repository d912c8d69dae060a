"""The loopback provider is as strict as the real ones, and does what its script says."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.loopback.server import ANTHROPIC_KEY, OPENAI_KEY, ApiError, Call, LoopbackProvider, Turn
from tests.loopback.turns import signature_of, turn_from_json
from tests.loopback.weather import cities_in, person_in, weather_script

ROOT = Path(__file__).parents[2]
OPENAI = ("/v1/chat/completions", {"Authorization": f"Bearer {OPENAI_KEY}"})
ANTHROPIC = ("/anthropic/v1/messages", {"x-api-key": ANTHROPIC_KEY, "anthropic-version": "2023-06-01"})
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
USE = {"type": "tool_use", "id": "c1", "name": "get_weather", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "c1", "content": "sunny"}
USER = {"role": "user", "content": "Hi"}
ANSWERED = {"role": "user", "content": [RESULT]}
OPEN = {"type": "object", "properties": {}}
CLAUDE_TOOL = {"name": "f", "input_schema": OPEN}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def post(
    server: LoopbackProvider | int, to: tuple[str, dict[str, str]], body: dict[str, Any] | bytes
) -> tuple[int, dict[str, str], str]:
    port = server if isinstance(server, int) else server.port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        raw = body if isinstance(body, bytes) else json.dumps(body)
        connection.request("POST", to[0], raw, {"Content-Type": "application/json", **to[1]})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode()
    finally:
        connection.close()


def chat(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": list(messages or (USER,)), **fields}


def claude(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "claude-sonnet-4-5", "max_tokens": 4000, "messages": list(messages or (USER,)), **fields}


@pytest.fixture
def echo() -> Iterator[LoopbackProvider]:
    with LoopbackProvider(lambda request: Turn(text=f"You said {request.user}")) as server:
        yield server


def frames(text: str) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def test_openai_whole(echo: LoopbackProvider) -> None:
    """A request that does not stream gets one JSON object."""
    status, _, text = post(echo, OPENAI, chat())
    assert status == 200
    assert json.loads(text)["choices"][0]["message"]["content"] == "You said Hi"
    assert json.loads(text)["usage"]["total_tokens"] == 15


def test_openai_stream() -> None:
    """A stream gives text and arguments in parts, a finish reason, and usage only if it was asked for."""
    turn = Turn(text="Let me look.", calls=[Call("get_weather", {"city": "Rome"}, "a"), Call("get_weather", {}, "b")])
    with LoopbackProvider([turn, turn]) as server:
        _, headers, without = post(server, OPENAI, chat(stream=True, tools=[TOOL]))
        _, _, asked = post(server, OPENAI, chat(stream=True, tools=[TOOL], stream_options={"include_usage": True}))
    assert headers["content-type"].startswith("text/event-stream")
    assert without.endswith("data: [DONE]\n\n")
    deltas = [frame["choices"][0]["delta"] for frame in frames(without)]
    assert "".join(delta.get("content") or "" for delta in deltas) == "Let me look."
    parts = [part for delta in deltas for part in delta.get("tool_calls", ())]
    assert [part["id"] for part in parts if "id" in part] == ["a", "b"]
    first = [part["function"]["arguments"] for part in parts if part["index"] == 0]
    assert len(first) > 2
    assert json.loads("".join(first)) == {"city": "Rome"}
    assert frames(without)[-1]["choices"][0]["finish_reason"] == "tool_calls"
    assert not [frame for frame in frames(without) if "usage" in frame]
    assert frames(asked)[-1]["usage"]["prompt_tokens"] == 10
    assert frames(asked)[-1]["choices"] == []


def test_anthropic_stream() -> None:
    """Anthropic's events come in their order, with thinking and its signature first."""
    turn = Turn(thinking="hm hm", text="Hello there.", calls=[Call("f", {"x": 1}, "a")], usage=(7, 3))
    thinking = {"type": "enabled", "budget_tokens": 1024}
    with LoopbackProvider([turn]) as server:
        status, _, text = post(server, ANTHROPIC, claude(stream=True, thinking=thinking))
    assert status == 200
    events = frames(text)
    kinds = [event["type"] for event in events]
    assert kinds[:3] == ["message_start", "ping", "content_block_start"]
    assert kinds[-2:] == ["message_delta", "message_stop"]
    starts = [event["content_block"]["type"] for event in events if event["type"] == "content_block_start"]
    assert starts == ["thinking", "text", "tool_use"]
    signatures = [e["delta"]["signature"] for e in events if e.get("delta", {}).get("type") == "signature_delta"]
    assert signatures == [signature_of("hm hm")]
    assert events[-2]["delta"]["stop_reason"] == "tool_use"
    assert events[-2]["usage"] == {"output_tokens": 3}
    assert events[0]["message"]["usage"]["input_tokens"] == 7


OPENAI_REFUSALS = {
    "unknown parameter": (chat(foo=1), "foo"),
    "no messages": ({"model": "gpt-4o"}, "messages"),
    "stream options": (chat(stream_options={"include_usage": True}), "stream_options"),
    "tools shape": (chat(tools=[{"name": "f"}]), "tools[0].function.name"),
    "tools empty": (chat(tools=[]), "empty array"),
    "parameters": (
        chat(tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "string"}}}]),
        "object",
    ),
    "tool choice alone": (chat(tool_choice="auto"), "tool_choice"),
    "unanswered call": (chat(USER, {"role": "assistant", "tool_calls": [CALL]}), "c1"),
    "call then user": (chat(USER, {"role": "assistant", "tool_calls": [CALL]}, USER), "did not have response"),
    "result without call": (chat(USER, {"role": "tool", "tool_call_id": "x", "content": "y"}), "preceding message"),
    "empty calls": (chat(USER, {"role": "assistant", "content": "a", "tool_calls": []}), "empty array"),
    "null content": (chat({"role": "user", "content": None}), "null"),
    "message field": (chat({**USER, "thinking_blocks": []}), "thinking_blocks"),
    "call field": (chat(USER, {"role": "assistant", "tool_calls": [{**CALL, "x": 1}]}), "tool_calls[0].x"),
    "role": (chat({"role": "robot", "content": "x"}), "robot"),
    "temperature": (chat(temperature=3), "temperature"),
    "open schema": (
        chat(response_format={"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": OPEN}}),
        "additionalProperties",
    ),
}


@pytest.mark.parametrize("name", OPENAI_REFUSALS)
def test_openai_refuses(echo: LoopbackProvider, name: str) -> None:
    """What OpenAI refuses is refused with 400 and a sentence, and recorded."""
    body, said = OPENAI_REFUSALS[name]
    status, _, text = post(echo, OPENAI, body)
    assert status == 400
    assert said in json.loads(text)["error"]["message"]
    assert echo.requests[0].refused == json.loads(text)["error"]["message"]


THINKING = {"type": "enabled", "budget_tokens": 1024}
SIGNED = {"type": "thinking", "thinking": "hm", "signature": signature_of("hm")}
ANTHROPIC_REFUSALS = {
    "unknown parameter": (claude(foo=1), "foo: Extra inputs"),
    "max_tokens": ({"model": "m", "messages": [USER]}, "max_tokens"),
    "small budget": (claude(thinking={"type": "enabled", "budget_tokens": 100}), "1024"),
    "large budget": (claude(thinking={"type": "enabled", "budget_tokens": 5000}), "max_tokens"),
    "thinking and temperature": (claude(thinking=THINKING, temperature=0.2), "temperature"),
    "thinking and force": (
        claude(thinking=THINKING, tools=[CLAUDE_TOOL], tool_choice={"type": "any"}),
        "forces tool use",
    ),
    "empty text": (claude({"role": "user", "content": [{"type": "text", "text": " "}]}), "non-whitespace"),
    "two users": (claude(USER, USER), "alternate"),
    "assistant first": (claude({"role": "assistant", "content": "x"}), "first message"),
    "unanswered call": (claude(USER, assistant(USE)), "c1"),
    "call then text": (claude(USER, assistant(USE), USER), "tool_result"),
    "result without call": (claude(ANSWERED), "unexpected `tool_use_id`"),
    "changed thinking": (claude(USER, assistant({**SIGNED, "thinking": "hmhm"}, USE), ANSWERED), "Invalid `signature`"),
    "no signature": (claude(USER, assistant({"type": "thinking", "thinking": "hm"}, USE), ANSWERED), "signature"),
    "thinking missing": (claude(USER, assistant(USE), ANSWERED, thinking=THINKING), "must start with a thinking"),
    "message field": (claude({**USER, "name": "x"}), "name: Extra inputs"),
    "tool without schema": (claude(tools=[{"name": "f"}]), "input_schema"),
    "open schema": (claude(output_format={"type": "json_schema", "schema": OPEN}), "additionalProperties"),
}


@pytest.mark.parametrize("name", ANTHROPIC_REFUSALS)
def test_anthropic_refuses(echo: LoopbackProvider, name: str) -> None:
    """What Anthropic refuses is refused with 400 and a sentence."""
    body, said = ANTHROPIC_REFUSALS[name]
    status, _, text = post(echo, ANTHROPIC, body)
    assert status == 400
    assert said in json.loads(text)["error"]["message"]


def test_good_conversations_pass(echo: LoopbackProvider) -> None:
    """Calls with their results, and signed thinking sent back, are taken, and the results recorded."""
    results = {"role": "tool", "tool_call_id": "c1", "content": "sunny"}
    assert post(echo, OPENAI, chat(USER, {"role": "assistant", "tool_calls": [CALL]}, results))[0] == 200
    thought = assistant(SIGNED, USE)
    assert post(echo, ANTHROPIC, claude(USER, thought, ANSWERED, thinking=THINKING))[0] == 200
    for request in echo.requests:
        assert [(seen.call_id, seen.content) for seen in request.tool_results] == [("c1", "sunny")]
        assert request.user == "Hi"
        assert request.last_role == "tool"


@pytest.mark.parametrize(
    ("to", "status"),
    [
        ((OPENAI[0], {}), 401),
        ((OPENAI[0], {"Authorization": "Bearer sk-wrong-12345678"}), 401),
        ((ANTHROPIC[0], {"anthropic-version": "2023-06-01"}), 401),
        ((ANTHROPIC[0], {"x-api-key": ANTHROPIC_KEY}), 400),
    ],
)
def test_keys_and_versions(echo: LoopbackProvider, to: tuple[str, dict[str, str]], status: int) -> None:
    """Without the right key there is a 401, and without Anthropic's version header a 400."""
    assert post(echo, to, claude())[0] == status


def test_bad_json(echo: LoopbackProvider) -> None:
    """A body that is not JSON is a 400."""
    assert post(echo, OPENAI, b"{")[0] == 400


def test_errors_of_the_script() -> None:
    """An error of the script has its status and headers; a refusal uses up no turn; a spent script is a 500."""
    with LoopbackProvider([Turn(error=ApiError(429, "slow", {"retry-after": "2"}))]) as server:
        assert post(server, OPENAI, chat(foo=1))[0] == 400
        status, headers, text = post(server, OPENAI, chat())
        assert (status, headers["retry-after"]) == (429, "2")
        assert json.loads(text)["error"]["message"] == "slow"
        status, _, text = post(server, OPENAI, chat())
        assert status == 500
        assert "only 1 turns" in text


def test_a_cut_stream() -> None:
    """A stream that is to be cut breaks off without an end."""
    with LoopbackProvider([Turn(text="a b c d e f", drop_after=3)]) as server:
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            post(server, OPENAI, chat(stream=True))


def test_a_hang_up_is_recorded() -> None:
    """A client that leaves in the middle of an answer is noticed, and one that stays is not accused."""
    with LoopbackProvider([Turn(text="word " * 1000, delay=0.01), Turn(text="Hello.")]) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("POST", OPENAI[0], json.dumps(chat(stream=True)), OPENAI[1])
        connection.getresponse().read1(10)
        connection.close()
        server.wait_for(lambda s: bool(s.requests) and s.requests[0].finished)
        post(server, OPENAI, chat(stream=True))
        server.wait_for(lambda s: s.requests[1].finished)
        assert [request.hung_up for request in server.requests] == [True, False]


def test_a_forced_tool_is_called() -> None:
    """A model that is forced to use a tool puts its JSON answer into a call of it."""
    tool = {"name": "json_tool_call", "input_schema": {"type": "object", "properties": {"name": {"type": "string"}}}}
    choice = {"type": "tool", "name": "json_tool_call"}
    body = claude({"role": "user", "content": "I'm Alice"}, tools=[tool], tool_choice=choice)
    with LoopbackProvider(weather_script) as server:
        _, _, text = post(server, ANTHROPIC, body)
    block = json.loads(text)["content"][0]
    assert (block["type"], block["name"], block["input"]) == ("tool_use", "json_tool_call", {"name": "Alice"})


@pytest.mark.parametrize(
    ("text", "cities"),
    [
        ("What's the weather in New York and Tokyo?", ["New York", "Tokyo"]),
        ("Compare Paris, London and São Paulo. Then Paris again.", ["Paris", "London", "São Paulo"]),
        ("Weather in San Francisco", ["San Francisco"]),
        ("What is it like?", []),
    ],
)
def test_cities(text: str, cities: list[str]) -> None:
    """Names of cities are found, of several words and once each, and beginnings of sentences are not."""
    assert cities_in(text) == cities


def test_persons() -> None:
    """A person is read out of a text in several ways to say it."""
    assert person_in("My name is Bob Lee and I live in Oslo. I am 40. bob@x.org") == {
        "name": "Bob Lee",
        "age": 40,
        "email": "bob@x.org",
        "location": "Oslo",
    }
    assert person_in("hello") == {"name": None, "age": None, "email": None, "location": None}


def test_turns_from_json() -> None:
    """A turn has a JSON form."""
    data = {
        "text": "a",
        "calls": [{"name": "f", "arguments": {}, "id": "x"}],
        "usage": [1, 2],
        "error": {"status": 500},
    }
    turn = turn_from_json(data)
    assert turn == Turn(text="a", calls=[Call("f", {}, "x")], usage=(1, 2), error=ApiError(500))


@pytest.mark.parametrize("script", [["--script", "weather"], ["SCRIPT"]])
def test_as_a_process(tmp_path: Path, script: list[str]) -> None:
    """As a process it says its port in a file, prints the environment, logs requests and ends on SIGTERM."""
    (tmp_path / "turns.json").write_text('{"mode": "weather"}')
    given = [str(tmp_path / "turns.json") if word == "SCRIPT" else word for word in script]
    port_file, log = tmp_path / "port", tmp_path / "log.jsonl"
    command = [sys.executable, "-m", "tests.loopback", *given, "--port-file", str(port_file), "--log", str(log)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    try:
        assert process.stdout is not None
        printed = [process.stdout.readline() for _ in range(6)]
        port = int(port_file.read_text())
        status, _, text = post(port, OPENAI, chat({"role": "user", "content": "Rome and New York?"}, tools=[TOOL]))
        assert status == 200
        calls = json.loads(text)["choices"][0]["message"]["tool_calls"]
        assert [json.loads(call["function"]["arguments"]) for call in calls] == [{"city": "Rome"}, {"city": "New York"}]
        assert f"export OPENAI_BASE_URL=http://127.0.0.1:{port}/v1\n" in printed
        assert json.loads(log.read_text())["tools"] == ["get_weather"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
    assert process.returncode == 0
