"""Mistakes in calls of `ctx.step`: one sentence each, and no step is executed."""

from __future__ import annotations

from typing import Any

import pytest

from polos_nb import RunError, Suspended, WorkflowContext, workflow
from tests.runtime.support import Process

REGION = {
    "_form": {
        "title": "Where?",
        "fields": [{"key": "region", "type": "select", "required": True, "options": ["eu", "us"]}],
    }
}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda step: step.run("w", print, effect="wrte"), "effect='wrte' is neither 'read' nor 'write'"),
        (lambda step: step.map("m", print, [1], effect="wrte"), "effect='wrte' is neither 'read' nor 'write'"),
        (lambda step: step.map("m", print, 5), "map 'm' needs a list of items, not int"),
        (lambda step: step.map("m", print, [1], concurrency=0), "concurrency is 0, and must be 1 or more"),
        (lambda step: step.suspend("s", timeout="1h"), "timeout='1h' is no number of seconds"),
        (lambda step: step.wait_for_event("e", "topic", timeout=True), "timeout=True is no number of seconds"),
        (lambda step: step.wait_until("u", "tomorrow"), "wait_until 'u' needs a datetime, not 'tomorrow'"),
        (lambda step: step.wait_for("f"), "wait_for 'f' needs a time above zero"),
        (lambda step: step.run(3, print), "step key 3 is not a printable text"),
        (lambda step: step.run("a\nb", print), "is not a printable text"),
        (lambda step: step.agent_invoke_and_wait("a", "text"), "an agent with its input is needed"),
    ],
)
def test_a_mistake_is_one_sentence(call: Any, said: str, process: Process) -> None:
    """It names the step and what is wrong with it."""

    @workflow(id="mistaken")
    async def flow(ctx: WorkflowContext) -> None:
        await call(ctx.step)

    with pytest.raises(RunError, match=said):
        process.cell(lambda client: flow.run(client))
    assert process.trace("mistaken") == []


def test_a_forgotten_await_is_said(process: Process) -> None:
    """A workflow that returns a coroutine has not run that step."""

    @workflow(id="forgetful")
    async def flow(ctx: WorkflowContext) -> Any:
        return ctx.step.run("never", print)

    with pytest.raises(RunError, match="forgetful returned a coroutine; write await before it"):
        process.cell(lambda client: flow.run(client))


def test_an_early_answer_that_does_not_fit_is_asked_for(process: Process) -> None:
    """The form of the question checks it; one that fits is taken."""

    @workflow(id="placing")
    async def flow(ctx: WorkflowContext) -> Any:
        await ctx.step.suspend("first")
        return (await ctx.step.suspend("where", REGION))["data"]

    def answer(step: str, data: Any) -> None:
        process.cell(lambda client: client.resume(None, "r1", step, data))

    with pytest.raises(Suspended, match="waits at first"):
        process.cell(lambda client: flow.run(client))
    answer("where", {"region": "mars"})
    answer("first", {})
    with pytest.raises(Suspended, match="waits at where"):
        process.cell(lambda client: flow.run(client))
    answer("where", {"region": "eu"})
    assert process.cell(lambda client: flow.run(client)) == {"region": "eu"}
