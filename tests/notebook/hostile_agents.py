"""Agents whose models and tools say what is in the corpus: imported in a kernel or in a test.

`speaker` says every short string as text, reasoning, name of a tool, arguments, result and error, one turn each; then
it asks to approve a call whose arguments hold all of them; its answer is all of them again. `one` does the same with
one short string, which its prompt names, `heavy` with a large one, and pauses. `caller` calls with each of the raw
arguments. `parrot` repeats. `asker` is a workflow that asks with a form in which all texts are hostile.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from polos_nb import Agent, ScriptedModel, Turn, max_steps, tool, workflow
from polos_nb.models.base import ModelRequest
from tests.notebook import hostile

ran: list[Any] = []


@tool
def echo(value: Any) -> Any:
    """Gives back what it was given."""
    return value


@tool
def fail(value: str) -> str:
    """Fails with what it was given."""
    raise ValueError(value)


@tool(approval="always")
def ask(value: Any) -> str:
    """Needs an approval."""
    ran.append(value)
    return "it ran"


@tool
async def pause() -> str:
    """Where POLOS_HOSTILE_GO names a file, waits until it is there, and takes it away."""
    go = os.environ.get("POLOS_HOSTILE_GO")
    while go and not Path(go).exists():
        await asyncio.sleep(0.02)
    if go:
        Path(go).unlink()
    return "it goes on"


def _heard(request: ModelRequest) -> int:
    """How many answers the model has given since the user's message."""
    asked = max(n for n, message in enumerate(request.messages) if message.role == "user")
    return sum(message.role == "assistant" for message in request.messages[asked:])


def _calls(text: str, heard: int) -> list[tuple[str, Any]]:
    name = hostile.NAMES[heard % len(hostile.NAMES)]
    return [("echo", {"value": {text[:80]: text}}), ("fail", {"value": text}), (name, {text[:80]: text})]


def _speaks(request: ModelRequest) -> Turn:
    texts, heard = list(hostile.STRINGS.values()), _heard(request)
    if heard < len(texts):
        return Turn(text=texts[heard], reasoning=texts[heard], calls=_calls(texts[heard], heard))
    if heard == len(texts):
        return Turn(calls=[("ask", {"value": hostile.STRINGS})])
    return Turn(text=hostile.all_short())


def _says_one(request: ModelRequest) -> Turn:
    asked = [message.text() for message in request.messages if message.role == "user"][-1]
    text = hostile.STRINGS[asked]
    return Turn(text=text, reasoning=text, calls=[] if _heard(request) else _calls(text, len(asked)))


def _speaks_of_one(request: ModelRequest) -> Turn:
    text = hostile.HEAVY[request.messages[-1].text()] if not _heard(request) else ""
    if text:
        calls = [("echo", {"value": text}), ("fail", {"value": text}), ("pause", {})]
        return Turn(text=text, reasoning=text, calls=calls)
    asked = [message.text() for message in request.messages if message.role == "user"][-1]
    return Turn(text=hostile.HEAVY[asked])


def _calls_with(request: ModelRequest) -> Turn:
    texts, heard = list(hostile.ARGUMENTS.values()), _heard(request)
    return Turn(calls=[("echo", texts[heard])]) if heard < len(texts) else Turn(text="done")  # type: ignore[list-item]


def _repeats(request: ModelRequest) -> Turn:
    return Turn(text=request.messages[-1].text(), reasoning=request.messages[-1].text())


_MANY = [max_steps(limit=500)]
_ID = "speaker <img src=/polos-hurt-id onerror=window.polosHurt=1>"

speaker = Agent(id=_ID, model=ScriptedModel(_speaks), tools=[echo, fail, ask], stop_conditions=_MANY)
one = Agent(id="one", model=ScriptedModel(_says_one), tools=[echo, fail], stop_conditions=_MANY)
heavy = Agent(id="heavy", model=ScriptedModel(_speaks_of_one), tools=[echo, fail, pause], stop_conditions=_MANY)
caller = Agent(id="caller", model=ScriptedModel(_calls_with), tools=[echo], stop_conditions=_MANY)
parrot = Agent(id="parrot", model=ScriptedModel(_repeats))


@workflow
async def asker(ctx: Any, payload: Any) -> Any:
    """Asks once."""
    answer = await ctx.step.suspend("question <b>", hostile.form())
    return answer["data"].get("ok")
