"""The newer protocols of the loopback provider are as strict as the real ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.loopback.routes import KEYS
from tests.loopback.server import LoopbackProvider, Turn
from tests.loopback.test_server import chat, post

TEXT = {"role": "user", "parts": [{"text": "Hi"}]}
CALL = {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]}
RESULT = {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"result": "ok"}}}]}
BENT = {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "bent"}]}
GEMINI = ("/gemini/v1beta/models/gemini-3-pro:generateContent", {"x-goog-api-key": KEYS["gemini"]})
GEMINI_2 = ("/gemini/v1beta/models/gemini-2.5-pro:generateContent", {"x-goog-api-key": KEYS["gemini"]})
RESPONSES = ("/v1/responses", {"Authorization": f"Bearer {KEYS['openai']}"})
GROQ = ("/groq/openai/v1/chat/completions", {"Authorization": f"Bearer {KEYS['groq']}"})
AZURE = ("/azure/openai/deployments/d/chat/completions", {"api-key": KEYS["azure"]})
OLLAMA = ("/ollama/api/chat", {})
SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
USER = {"role": "user", "content": "Hi"}
CALLED = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}

REFUSALS: dict[str, tuple[Any, dict[str, Any], int, str]] = {
    "gemini unknown": (GEMINI, {"contents": [TEXT], "foo": 1}, 400, "foo"),
    "gemini config": (GEMINI, {"contents": [TEXT], "generationConfig": {"foo": 1}}, 400, "foo"),
    "gemini empty": (GEMINI, {"contents": []}, 400, "contents"),
    "gemini unanswered": (GEMINI_2, {"contents": [TEXT, CALL]}, 400, "followed by their responses"),
    "gemini result too many": (GEMINI_2, {"contents": [TEXT, RESULT]}, 400, "number of function response parts"),
    "gemini unsigned": (GEMINI, {"contents": [TEXT, CALL, RESULT]}, 400, "thought_signature"),
    "gemini bent": (GEMINI, {"contents": [TEXT, BENT, RESULT]}, 400, "Corrupted"),
    "gemini key": ((GEMINI[0], {}), {"contents": [TEXT]}, 403, "API key"),
    "responses unknown": (RESPONSES, {"model": "m", "input": "Hi", "seed": 1}, 400, "seed"),
    "responses unanswered": (RESPONSES, {"model": "m", "input": [USER, CALLED]}, 400, "No tool output"),
    "responses bent": (
        RESPONSES,
        {"model": "m", "input": [USER, {"type": "reasoning", "summary": [], "encrypted_content": "bent"}]},
        400,
        "verified",
    ),
    "groq streams no schema": (GROQ, chat(stream=True, response_format=SCHEMA), 400, "streaming"),
    "groq unknown": (GROQ, chat(verbosity="low"), 400, "verbosity"),
    "azure without version": (AZURE, chat(), 404, "not found"),
    "azure key": ((AZURE[0] + "?api-version=1", {"Authorization": "Bearer x"}), chat(), 401, "key"),
    "ollama unknown": (OLLAMA, chat(tool_choice="auto"), 400, "tool_choice"),
    "ollama model": (OLLAMA, {"model": "no-such-x", "messages": [USER]}, 404, "not found"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(name: str) -> None:
    """What the real provider refuses is refused, with a sentence, and uses up no turn."""
    to, body, status, said = REFUSALS[name]
    with LoopbackProvider([Turn(text="Hello.")]) as server:
        answered, _, text = post(server, to, body)
    assert answered == status
    assert said in text


@pytest.mark.parametrize(
    ("to", "body"),
    [
        (GEMINI_2, {"contents": [TEXT, CALL, RESULT]}),
        (
            RESPONSES,
            {"model": "m", "input": [USER, CALLED, {"type": "function_call_output", "call_id": "c", "output": "ok"}]},
        ),
        (GROQ, chat()),
        ((AZURE[0] + "?api-version=2024-10-21", AZURE[1]), chat()),
        (OLLAMA, {"model": "m", "messages": [USER], "stream": False}),
    ],
    ids=["gemini", "responses", "groq", "azure", "ollama"],
)
def test_whole_answers(to: Any, body: dict[str, Any]) -> None:
    """A request that does not stream gets one JSON object with the answer in it."""
    with LoopbackProvider([Turn(text="Hello there.")]) as server:
        status, _, text = post(server, to, body)
    assert status == 200
    assert "Hello there." in json.dumps(json.loads(text))
