"""Guardrails with streaming, replays, edits and stopped runs: answers are held back, checks are steps."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from polos_nb import (
    Agent,
    GuardrailContext,
    GuardrailResult,
    ScriptedModel,
    guardrail,
)
from polos_nb.run_events import AnswerPassed, TextDelta
from polos_nb.runtime.records import transcript_from_records
from polos_nb.transcript_items import AnswerItem
from tests.runtime.support import Process

SECRET = "call 555-0100"


@guardrail
def no_number(ctx: Any, guardrail_context: GuardrailContext) -> GuardrailResult:
    if "555" in (guardrail_context.content or ""):
        return GuardrailResult.fail("it holds a phone number")
    return GuardrailResult.continue_with()


@guardrail()
def redact(ctx: Any, guardrail_context: GuardrailContext) -> GuardrailResult:
    content = guardrail_context.content
    return GuardrailResult.continue_with(modified_content=content.replace("555-0100", "[number]") if content else None)


def told(process: Process, agent: Agent, input: str = "hi") -> tuple[list[str], list[Any], Any]:
    """The chunks, the events and the transcript of a streamed run."""

    async def body(client: Any) -> Any:
        stream = await agent.stream(client, input)
        chunks = [chunk async for chunk in stream.text_chunks]
        events: list[Any] = [event async for event in stream.read()]
        return chunks, events, stream.transcript

    found: tuple[list[str], list[Any], Any] = process.cell(body)
    return found


# -- streaming ------------------------------------------------------------------------------------------------------
def test_no_event_holds_what_has_not_passed(process: Process) -> None:
    """Of a refused answer no event, no chunk and no line of the transcript says a word; what passed comes whole."""
    agent = Agent(id="a", model=ScriptedModel([f"please {SECRET}", "write to us"]), guardrails=[no_number])
    chunks, events, transcript = told(process, agent)
    assert chunks == ["write to us"]
    assert not [event for event in events if isinstance(event, TextDelta)]
    assert [event.text for event in events if isinstance(event, AnswerPassed)] == ["write to us"]
    assert "555-0" not in repr(events)
    assert "555-0" not in transcript.to_text() + transcript.to_markdown() + repr(transcript)


def test_the_transcript_says_that_an_answer_is_held_back(process: Process) -> None:
    """While it is checked, an answer is held by its guardrails; the one that passed is not, the refused one is."""
    held: list[tuple[str, ...]] = []

    @guardrail
    def looking(ctx: Any, guardrail_context: GuardrailContext) -> GuardrailResult:
        held.append(next(item.held for item in run.transcript.items if isinstance(item, AnswerItem)))
        return GuardrailResult.continue_with()

    agent = Agent(id="a", model=ScriptedModel([SECRET, "fine"]), guardrails=[looking, no_number])

    async def body(client: Any) -> Any:
        nonlocal run
        run = await agent.stream(client, "hi")
        await run.result()
        return run.transcript

    run: Any = None
    transcript = process.cell(body)
    assert held[0] == ("looking", "no_number")
    answers = [item for item in transcript.items if isinstance(item, AnswerItem)]
    assert [item.held for item in answers] == [("looking", "no_number"), ()]
    assert [item.text for item in answers] == ["", "fine"]
    assert "model answered, held back by looking, no_number" in transcript.to_text()


def test_live_events_a_replay_and_the_records_tell_the_same(process: Process) -> None:
    """The transcript of the run, of its replay, and of its records say the same words."""
    agent = Agent(id="a", model=ScriptedModel([f"{SECRET} 555", SECRET]), guardrails=[redact, no_number])
    live = told(process, agent)
    again = told(process, agent)
    run = process.runtime.store.list_runs(target_id="a")[0]
    kept = transcript_from_records(run, process.runtime.store.trace(run.id), process.runtime.store)
    assert live[0] == again[0] == ["call [number]"]
    assert live[2].to_text() == again[2].to_text() == kept.to_text()
    assert "555-0" not in kept.to_text()


# -- steps ----------------------------------------------------------------------------------------------------------
def test_a_replay_calls_neither_the_model_nor_a_guardrail(path: str) -> None:
    """A process that executes the cell again gets the checked answer from the store."""
    seen: list[str] = []

    def agent(model: ScriptedModel) -> Agent:
        return Agent(id="a", model=model, guardrails=[counting])

    @guardrail
    def counting(ctx: Any, guardrail_context: GuardrailContext) -> GuardrailResult:
        seen.append(guardrail_context.content)
        return GuardrailResult.continue_with(modified_content="checked")

    first, second = Process(path), Process(path)
    assert first.run(agent(ScriptedModel(["raw"])), "hi").result == "checked"
    replayed = second.run(agent(ScriptedModel([])), "hi")
    assert (replayed.result, replayed.cached, seen) == ("checked", True, ["raw"])
    first.runtime.close()
    second.runtime.close()


def test_an_edited_guardrail_runs_again_on_the_kept_answer(process: Process) -> None:
    """Another criterion costs its check, and no answer of the model."""
    model = ScriptedModel(["one two"])

    def made(limit: int) -> Any:
        def brief(ctx: Any, guardrail_context: GuardrailContext) -> GuardrailResult:
            return GuardrailResult.continue_with(modified_content=" ".join(guardrail_context.content.split()[:limit]))

        return brief

    assert process.run(Agent(id="a", model=model, guardrails=[made(5)]), "hi").result == "one two"
    assert process.run(Agent(id="a", model=model, guardrails=[made(1)]), "hi").result == "one"
    assert len(model.requests) == 1
    assert list(process.why("a")) == ["1.guardrail.brief.0"]


def test_a_run_that_was_stopped_between_answer_and_check_does_not_ask_again(process: Process) -> None:
    """The answer was kept before it was checked: only the check is made."""

    model = ScriptedModel(["raw"])
    tried: list[int] = []

    async def stopping(client: Any) -> Any:
        stream = await agent.stream(client, "hi")
        async for event in stream.read():
            if getattr(event, "step_type", "") == "guardrail":
                stream.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stream.result()

    @guardrail
    async def slow(ctx: Any, guardrail_context: GuardrailContext) -> GuardrailResult:
        tried.append(1)
        if len(tried) == 1:
            await asyncio.sleep(30)
        return GuardrailResult.continue_with()

    agent = Agent(id="a", model=model, guardrails=[slow])
    process.cell(stopping)
    assert process.run(agent, "hi").result == "raw"
    assert (len(model.requests), len(tried)) == (1, 2)
