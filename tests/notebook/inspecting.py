"""What the tests of the inspector share: a shell on a store with runs of every kind, and requests of a page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from polos_nb.notebook.inspector import Inspector

PROGRAM = """
from polos_nb import Agent, ScriptedModel, Turn, tool, workflow
calls = []
sized = []

@tool
def get_weather(city: str) -> dict:
    "Weather of a city."
    calls.append(city)
    if city == "Atlantis":
        raise ValueError("no such city")
    return {"city": city, "celsius": 20, "tags": ["dry", "warm"]}

def script(request):
    asked = request.messages[-1]
    if asked.role == "tool":
        return f"It is {asked.text()}."
    return Turn(text="Let me look.", calls=[("get_weather", {"city": asked.text()})])

bot = Agent(id="weather-bot", system_prompt="Be nice.", model=ScriptedModel(script), tools=[get_weather])
broken = Agent(id="broken", model=ScriptedModel([]))

def size(text):
    sized.append(text)
    return len(text)

@workflow
async def review(ctx, payload):
    draft = await ctx.step.agent_invoke_and_wait("draft", bot.with_input("Paris"))
    sizes = await ctx.step.map("sizes", size, ["a", "bb", "ccc"])
    answer = await ctx.step.suspend("publish", {"_form": {
        "title": "Publish?", "fields": [{"key": "approved", "type": "boolean", "required": True}]}})
    return [draft.result, sum(sizes), answer["data"]["approved"]]

@workflow
async def failing(ctx, payload):
    first = await ctx.step.run("first", size, "abc")
    if "fixed" not in globals():
        await ctx.step.run("second", explode, max_retries=0)
    return first

def explode():
    raise RuntimeError("it exploded")
"""


class Page:
    """A page of the inspector of a shell: `page("run", run="r1")` asks, and waits until nothing is driven any more."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.session = shell.ip._polos_nb
        self.store = self.session.runtime.store
        self.inspector = Inspector(self.session)

    def __call__(self, verb: str, /, **given: Any) -> Any:
        return self.all((verb, given))[0]

    def all(self, *asked: tuple[str, dict[str, Any]]) -> list[Any]:
        """Several requests, one after the other, in one loop."""

        async def main() -> list[Any]:
            out = [await self.inspector(verb, given) for verb, given in asked]
            await until_async(lambda: not self.session.active and not self.inspector._driving._tasks)
            return out

        return asyncio.run(main())

    def status(self, run: str) -> str:
        found = self.store.get_run(run)
        assert found is not None
        return found.status


async def until_async(holds: Callable[[], Any], seconds: float = 20.0) -> None:
    """Wait for a condition, letting the loop go on."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it took too long"
        await asyncio.sleep(0.005)


def fill(shell: Any) -> Page:
    """r1 weather-bot, r2 review waiting with r3 inside, r4 failing, r5 broken."""
    shell.ok("%polos_run bot Paris -q")
    shell.run("%polos_run review '{a: 1}' -q")
    shell.run("%polos_run failing '{a: 1}' -q")
    shell.run('%polos_run broken "hi" -q')
    page = Page(shell)
    found = {run.id: (run.target_id, run.status) for run in page.store.list_runs()}
    expected = {
        "r1": ("weather-bot", "completed"),
        "r2": ("review", "suspended"),
        "r3": ("weather-bot", "completed"),
        "r4": ("failing", "failed"),
        "r5": ("broken", "failed"),
    }
    assert found == expected, found
    return page
