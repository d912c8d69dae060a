"""A provider that fails in the middle of a run: one clear sentence, finished steps kept, no key anywhere."""

from __future__ import annotations

import asyncio
import traceback
from pathlib import Path
from typing import Any

import pytest

from polos_nb import Agent, PolosClient, RunError, tool
from tests.loopback.server import ANTHROPIC_KEY, OPENAI_KEY, StartProvider
from tests.loopback.turns import ApiError, Call, Request, Turn

pytest_plugins = ["tests.loopback.fixtures"]
pytestmark = [pytest.mark.timeout(120)]

FAILURES = {
    "bad request": (Turn(error=ApiError(400, "your request is odd")), "your request is odd"),
    "refused key": (Turn(error=ApiError(401, f"Incorrect API key provided: {OPENAI_KEY}")), "API_KEY"),
    "rate limit": (Turn(error=ApiError(429, "slow down", headers={"retry-after": "0"})), "429"),
    "server error": (Turn(error=ApiError(500, "it broke")), "500"),
    "overloaded": (Turn(error=ApiError(529, "overloaded")), "overload"),
    "cut stream": (Turn(text="half of a long answer that never ends", drop_after=2), ""),
    "malformed frame": (Turn(text="an answer", malformed=True), ""),
}
PASSING = {"rate limit", "server error", "overloaded", "cut stream", "malformed frame"}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_a_failing_provider_gives_one_sentence_and_keeps_what_is_finished(
    name: str, failure: str, provider: StartProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second call of the model fails; executing again asks only for what is missing, and no key is written."""
    monkeypatch.setenv("POLOS_NB_RETRY_DELAY", "0")
    turn, said = FAILURES[failure]
    broken = {"on": True}
    measured: list[str] = []

    def script(request: Request) -> Turn:
        if not request.tool_results:
            return Turn(calls=[Call("measure", {"place": "here"})])
        return turn if broken["on"] else Turn(text="It is 7.")

    @tool(description="Measure")
    def measure(place: str) -> int:
        measured.append(place)
        return 7

    server = provider(script)
    model = {"openai": "gpt-4o", "anthropic": "claude-sonnet-4-5"}[name]
    agent = Agent(id="surveyor", provider=name, model=model, tools=[measure])
    store = tmp_path / "steps.db"

    async def run() -> Any:
        client = PolosClient(store=str(store), mode="live")
        try:
            return await agent.run(client, "Measure")
        finally:
            client.runtime.close()

    with pytest.raises(RunError) as caught:
        asyncio.run(run())
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 400
    assert said.lower() in text.lower()
    assert caught.value.step_key == "2.llm"
    assert len(server.requests) == (4 if failure in PASSING else 2)
    broken["on"] = False
    before = len(server.requests)
    result = asyncio.run(run())
    assert result.result == "It is 7."
    assert len(server.requests) == before + 1
    assert measured == ["here"]
    everything = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    for key in (OPENAI_KEY, ANTHROPIC_KEY):
        assert key.encode() not in everything
        assert key not in shown
