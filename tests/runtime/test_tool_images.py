"""Tools that return images, and inputs with images in them: told as images, replayed equal, drawn once."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from polos_nb import Agent, ScriptedModel, Turn, tool
from polos_nb.images import images_of
from polos_nb.messages import Message, ToolCall, ToolCallFunction
from polos_nb.models.base import ModelRequest
from polos_nb.models.providers import PROVIDERS
from polos_nb.models.translate import arguments_of
from tests.runtime.support import Process

GIF = base64.b64decode("R0lGODlhAQABAAAAACw=")
drawn: list[str] = []


@tool(version=1)
def draw(title: str) -> dict[str, Any]:
    drawn.append(title)
    return {"title": title, "picture": pytest.importorskip("PIL.Image").new("RGB", (2, 2))}


def artist() -> tuple[Agent, ScriptedModel]:
    def script(request: ModelRequest) -> Turn | str:
        return "Fine." if request.messages[-1].role == "tool" else Turn(calls=[("draw", {"title": "cat"})])

    model = ScriptedModel(script)
    return Agent(id="artist", model=model, tools=[draw]), model


def test_a_picture_of_a_tool_is_an_image_for_the_model_and_the_caller(path: str) -> None:
    """Short words and the image, not its base64 as text; the replay gives the same and draws nothing."""
    drawn.clear()
    results = []
    for _ in range(2):
        process, (agent, model) = Process(path), artist()
        results.append(process.run(agent, "go"))
        process.runtime.close()
        if model.requests:
            said = model.requests[-1].messages[-1]
    assert drawn == ["cat"]
    assert results[0].tool_results[0].result == results[1].tool_results[0].result
    assert results[1].cached
    assert [image.media_type for image in images_of(results[0].tool_results[0].result)] == ["image/png"]
    assert isinstance(said.content, list)
    assert [part["type"] for part in said.content] == ["text", "image_url"]
    assert json.loads(said.content[0]["text"])["picture"].startswith("[image/png, ")


def test_images_of_the_input_reach_the_model_and_the_run_is_found_again(path: str, tmp_path: Path) -> None:
    """An equal picture is an equal call; another one is another."""
    (tmp_path / "a.gif").write_bytes(GIF)
    image = pytest.importorskip("PIL.Image")
    model = ScriptedModel(lambda request: "seen")
    agent = Agent(id="viewer", model=model)
    for size in (2, 2, 3):
        process = Process(path)
        process.run(agent, ["What is it?", image.new("RGB", (size, 2)), tmp_path / "a.gif"])
        process.runtime.close()
    assert len(model.requests) == 2
    content = model.requests[0].messages[-1].content
    assert isinstance(content, list)
    assert [part["type"] for part in content] == ["text", "image_url", "image_url"]


def sent(provider: str, model: str) -> list[dict[str, Any]]:
    parts = [
        {"type": "text", "text": "[image]"},
        {"type": "image_url", "image_url": {"url": "data:image/gif;base64,R0lGODlhAQABAAAAACw="}},
    ]
    asked = [ToolCall(id=name, function=ToolCallFunction(name=name)) for name in ("a", "b")]
    messages = [
        Message(role="user", content="go"),
        Message(role="assistant", tool_calls=asked),
        Message(role="tool", content=parts, tool_call_id="a", name="a"),
        Message(role="tool", content="plain", tool_call_id="b", name="b"),
        Message(role="assistant", content="well"),
    ]
    request = ModelRequest(provider=provider, model=model, messages=messages)
    said: list[dict[str, Any]] = arguments_of(request, PROVIDERS[provider])["messages"]
    return said


def test_providers_get_the_images_behind_the_results() -> None:
    """After all results of the turn, so that none is without its call; a model that sees nothing gets the words."""
    said = sent("openai", "gpt-4o")
    assert [message["role"] for message in said] == ["user", "assistant", "tool", "tool", "user", "assistant"]
    assert said[2]["content"] == "[image]"
    assert [part["type"] for part in said[4]["content"]] == ["text", "image_url"]
    assert said[4]["content"][0]["text"] == "Images that a returned:"
    blind = sent("groq", "llama-3.3-70b-versatile")
    assert [message["role"] for message in blind] == ["user", "assistant", "tool", "tool", "assistant"]
