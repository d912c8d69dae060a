"""Settings of the model on an agent: time-out, retries, fallbacks, and a key that is nowhere to be seen."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Any

import pytest

from polos_nb import Agent, PolosClient
from polos_nb.errors import DefinitionError, RunError
from polos_nb.messages import AgentResult
from polos_nb.models.base import Alternative
from polos_nb.models.scripted import ScriptedModel
from polos_nb.redaction import redactor
from tests.loopback.server import ApiError, StartProvider, Turn

pytest_plugins = ["tests.loopback.fixtures"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLOS_NB_RETRY_DELAY", "0")


def run(agent: Agent, folder: Path) -> AgentResult:
    """Run an agent live, on a store of its own."""

    async def once() -> AgentResult:
        client = PolosClient(store=str(folder / "steps.db"), mode="live")
        try:
            return await agent.run(client, "Hi")
        finally:
            client.runtime.close()

    return asyncio.run(once())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"timeout": 0}, "timeout=30"),
        ({"timeout": "soon"}, "timeout=30"),
        ({"max_retries": -1}, "0, 1, 2"),
        ({"max_retries": True}, "0, 1, 2"),
        ({"fallbacks": ["gpt-4o"]}, "openai/gpt-4o"),
        ({"fallbacks": ["opnai/gpt-4o"]}, 'did you mean "openai"'),
        ({"fallbacks": [7]}, "does not name a model"),
    ],
)
def test_settings_that_cannot_work(given: dict[str, Any], said: str) -> None:
    """A setting that cannot work is refused at the declaration, with the remedy."""
    with pytest.raises(DefinitionError) as caught:
        Agent(id="a", provider="openai", model="gpt-4o", **given)
    assert said in str(caught.value)


def test_fallbacks_are_names_or_models() -> None:
    """One or several, as text or as a model's object."""
    model = ScriptedModel(["x"])
    agent = Agent(id="a", provider="openai", model="gpt-4o", fallbacks=["Groq/llama", model, "demo"])
    assert agent.fallbacks == (
        Alternative("groq", "llama"),
        Alternative("scripted", model),
        Alternative("demo", "demo"),
    )


def test_another_provider_answers(provider: StartProvider, tmp_path: Path) -> None:
    """When the provider is down the fallback answers over its own protocol, and the answer is kept as that step's."""

    def answer(request: Any) -> Turn:
        return Turn(error=ApiError(503, "down")) if request.provider == "openai" else Turn(text="Hello from the other.")

    agent = Agent(id="a", provider="openai", model="gpt-4o", fallbacks=["anthropic/claude-sonnet-4-5"])
    with provider(answer) as server:
        results = [run(agent, tmp_path), run(agent, tmp_path)]
    assert [result.result for result in results] == ["Hello from the other."] * 2
    assert [result.cached for result in results] == [False, True]
    assert [request.provider for request in server.requests] == ["openai", "anthropic"]


@pytest.mark.parametrize(("retries", "calls"), [(0, 1), (1, 2)])
def test_retries_are_counted(provider: StartProvider, tmp_path: Path, retries: int, calls: int) -> None:
    """max_retries is how often a passing failure is tried again."""
    agent = Agent(id="a", provider="openai", model="gpt-4o", max_retries=retries)

    with provider(lambda request: Turn(error=ApiError(503, "down"))) as server, pytest.raises(RunError):
        run(agent, tmp_path)
    assert len(server.requests) == calls


def test_a_timeout_of_silence(provider: StartProvider, tmp_path: Path) -> None:
    """A provider that is silent for longer than timeout= is given up."""
    agent = Agent(id="a", provider="openai", model="gpt-4o", timeout=0.3, max_retries=0)

    with provider([Turn(text="late", start_delay=30)]), pytest.raises(RunError, match="in the time allowed"):
        run(agent, tmp_path)


def test_a_key_is_nowhere(provider: StartProvider, tmp_path: Path) -> None:
    """api_key= reaches the provider and nothing else: not the store, not a repr, not an answer that repeats it."""
    from tests.loopback.routes import OPENAI_KEY

    agent = Agent(id="a", provider="openai", model="gpt-4o", api_key=OPENAI_KEY)

    with provider([Turn(text=f"your key is {OPENAI_KEY}")]):
        run(agent, tmp_path)
    gc.collect()
    assert not [path for path in tmp_path.iterdir() if OPENAI_KEY.encode() in path.read_bytes()]
    assert OPENAI_KEY not in repr(agent) + str(agent.definition())
    assert redactor().redact(f"= {OPENAI_KEY}") == "= [redacted]"


def test_a_key_of_no_known_shape_is_redacted_too() -> None:
    """A key that looks like nothing is kept out of everything from the declaration on."""
    key = "maple-syrup-at-dawn"
    Agent(id="a", provider="openai", model="gpt-4o", api_key=key)
    assert redactor().redact(f"I heard {key}.") == "I heard [redacted]."
