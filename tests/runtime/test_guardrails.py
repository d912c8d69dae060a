"""Guardrails: what does not pass is seen by nobody, what they change is changed, and each check is a step."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from polos_nb import (
    Agent,
    DefinitionError,
    GuardrailContext,
    GuardrailResult,
    HookAction,
    RunError,
    ScriptedModel,
    Turn,
    guardrail,
    tool,
)
from polos_nb.messages import ToolCall, ToolCallFunction, Usage, total_usage
from polos_nb.models.base import ModelRequest
from tests.runtime.support import Process, calls, results

SECRET = "call 555-0100"
PASSED = '{"passed": true, "reason": ""}'


@tool(description="Echo")
def echo(text: str) -> str:
    return text


@guardrail
def no_number(ctx: Any, guardrail_context: GuardrailContext) -> GuardrailResult:
    if "555" in (guardrail_context.content or ""):
        return GuardrailResult.fail("it holds a phone number")
    return GuardrailResult.continue_with()


@guardrail()
def redact(ctx: Any, guardrail_context: GuardrailContext) -> GuardrailResult:
    content = guardrail_context.content
    return GuardrailResult.continue_with(modified_content=content.replace("555-0100", "[number]") if content else None)


def judging(answers: list[str], verdicts: list[str]) -> tuple[ScriptedModel, list[str]]:
    """A model that answers, and that judges when it is asked to; with the texts that it judged."""
    judged: list[str] = []

    def script(request: ModelRequest) -> str:
        text = request.messages[-1].text()
        if "evaluate the following" in text:
            judged.append(text)
            return verdicts[len(judged) - 1]
        return answers.pop(0)

    return ScriptedModel(script), judged


# -- FAIL -----------------------------------------------------------------------------------------------------------
def test_an_answer_that_does_not_pass_goes_back_with_the_reason_and_is_given_again(process: Process) -> None:
    """The model reads its refused answer and why it was refused; the next one passes and is the result."""
    model = ScriptedModel([SECRET, "write to us"])
    result = process.run(Agent(id="a", model=model, guardrails=[no_number]), "How do I reach you?")
    assert result.result == "write to us"
    assert [message.text() for message in model.requests[1].messages] == [
        "How do I reach you?",
        SECRET,
        "Previous attempt failed guardrail validation: it holds a phone number."
        " Please revise your response accordingly.",
    ]
    assert [step.step_key for _, step in process.trace("a")] == [
        "1.llm",
        "1.guardrail.no_number.0",
        "1.llm.retry_1",
        "1.guardrail.no_number.0.retry_1",
    ]
    assert result.total_steps == 1


def test_a_run_fails_when_no_answer_passes(process: Process) -> None:
    """After `guardrail_max_retries` further answers the run fails, naming the guardrail, the reason and the remedy."""
    model = ScriptedModel(lambda request: SECRET)
    agent = Agent(id="a", model=model, guardrails=no_number, guardrail_max_retries=1)
    with pytest.raises(RunError, match=r"no_number of a let none of 2 answers pass.*phone number.*--fresh 1\.llm"):
        process.run(agent, "hi")
    assert len(model.requests) == 2
    assert process.runtime.store.list_runs(target_id="a")[0].status == "failed"


def test_a_failed_run_is_not_paid_for_again(process: Process) -> None:
    """Executing the cell again fails again without a call; asking for a fresh answer makes calls."""
    model = ScriptedModel(lambda request: SECRET if len(model.requests) < 3 else "fine")
    agent = Agent(id="a", model=model, guardrails=no_number, guardrail_max_retries=1)
    for _ in range(2):
        with pytest.raises(RunError, match="let none of 2"):
            process.run(agent, "hi")
    assert len(model.requests) == 2
    assert process.run(agent, "hi", fresh="1.llm").result == "fine"


def test_a_guardrail_that_raises_fails_the_run(process: Process) -> None:
    """An error in a guardrail lets nothing pass."""

    @guardrail
    def broken(ctx: Any, guardrail_context: GuardrailContext) -> GuardrailResult:
        raise LookupError("no list of words")

    with pytest.raises(RunError, match=r"1\.guardrail\.broken\.0: LookupError: no list of words"):
        process.run(Agent(id="a", model=ScriptedModel(["hi"]), guardrails=[broken]), "hi")


def test_a_guardrail_that_returns_something_else_fails_the_run(process: Process) -> None:
    """A guardrail that says True has not said that the answer passes."""
    agent = Agent(id="a", model=ScriptedModel(["hi"]), guardrails=[lambda ctx, context: True])
    with pytest.raises(RunError, match="returned bool, not a GuardrailResult"):
        process.run(agent, "hi")


# -- changes --------------------------------------------------------------------------------------------------------
def test_what_a_guardrail_changes_is_what_everybody_gets(process: Process) -> None:
    """The changed text is the result, the turn, and what the conversation remembers; the next guardrail sees it."""
    model = ScriptedModel([SECRET, "again"])
    agent = Agent(id="a", model=model, guardrails=[redact, no_number])
    result = process.run(agent, "hi", conversation_id="c")
    assert (result.result, result.steps[0].content) == ("call [number]", "call [number]")
    process.run(agent, "more", conversation_id="c")
    assert [message.text() for message in model.requests[1].messages] == ["hi", "call [number]", "more"]


def test_guardrails_see_tool_calls_and_may_take_them_away(process: Process) -> None:
    """A guardrail that returns no tool calls leaves none to be made: the text is the answer."""

    @guardrail
    def never(ctx: Any, guardrail_context: GuardrailContext) -> GuardrailResult:
        named = [call.function.name for call in guardrail_context.tool_calls or []]
        assert named in (["echo"], [])
        return GuardrailResult.continue_with(modified_tool_calls=[])

    model = ScriptedModel([Turn(text="I would echo", calls=[("echo", {"text": "x"})])])
    result = process.run(Agent(id="a", model=model, tools=[echo], guardrails=[never]), "hi")
    assert (result.result, result.tool_results) == ("I would echo", [])


def test_guardrails_work_with_tools_and_change_their_arguments(process: Process) -> None:
    """Tool calls that a guardrail changes are made as changed, and the model reads what they gave."""

    @guardrail
    def louder(ctx: Any, guardrail_context: GuardrailContext) -> GuardrailResult:
        made = [
            ToolCall(id=call.id, function=ToolCallFunction(name="echo", arguments='{"text": "LOUD"}'))
            for call in guardrail_context.tool_calls or []
        ]
        return GuardrailResult.continue_with(modified_tool_calls=made)

    def script(request: ModelRequest) -> Turn | str:
        return f"said {results(request)}" if results(request) else calls(("echo", {"text": "quiet"}))

    agent = Agent(id="a", model=ScriptedModel(script), tools=[echo], guardrails=[louder])
    result = process.run(agent, "hi")
    assert [item.result for item in result.tool_results] == ["LOUD"]
    assert "LOUD" in result.result


def test_a_refused_answer_with_tool_calls_leaves_no_call_unanswered(process: Process) -> None:
    """Each call of a refused answer is answered as not called, and none was made."""
    made: list[str] = []

    @tool(description="Delete")
    def delete(path: str) -> str:
        made.append(path)
        return "gone"

    @guardrail
    def careful(ctx: Any, guardrail_context: GuardrailContext) -> GuardrailResult:
        return GuardrailResult.fail("it deletes") if guardrail_context.tool_calls else GuardrailResult.continue_with()

    model = ScriptedModel([calls(("delete", {"path": "a"}), ("delete", {"path": "b"})), "I leave it."])
    assert process.run(Agent(id="a", model=model, tools=[delete], guardrails=[careful]), "hi").result == "I leave it."
    said = model.requests[1].messages
    assert [message.role for message in said] == ["user", "assistant", "tool", "tool"]
    assert [call.id for call in said[1].tool_calls or []] == [message.tool_call_id for message in said[2:]]
    assert made == []


def test_a_changed_configuration_holds_for_the_calls_that_follow(process: Process) -> None:
    """A guardrail may change prompt and temperature: the retry and all later calls are made with them."""

    @guardrail
    def colder(ctx: Any, guardrail_context: GuardrailContext) -> GuardrailResult:
        if guardrail_context.llm_config.temperature == 0.0:
            return GuardrailResult.continue_with()
        config = guardrail_context.llm_config.model_copy(update={"temperature": 0.0, "system_prompt": "Be brief."})
        return GuardrailResult(action="fail", error_message="too long", modified_llm_config=config)

    model = ScriptedModel(["long", calls(("echo", {"text": "x"})), "short"])
    agent = Agent(id="a", model=model, system_prompt="Be long.", temperature=0.9, tools=[echo], guardrails=[colder])
    assert process.run(agent, "hi").result == "short"
    assert [request.params.get("temperature") for request in model.requests] == [0.9, 0.0, 0.0]
    assert [request.messages[0].text() for request in model.requests] == ["Be long.", "Be brief.", "Be brief."]


def test_a_structured_answer_is_guarded_with_tools_and_without(process: Process) -> None:
    """What a guardrail sees is the JSON text, also where the model gives it by calling final_answer."""

    class Price(BaseModel):
        euros: int

    seen: list[str] = []

    @guardrail
    def cheap(ctx: Any, guardrail_context: GuardrailContext) -> GuardrailResult:
        seen.append(guardrail_context.content)
        return GuardrailResult.continue_with(modified_content='{"euros": 5}')

    plain = Agent(id="a", model=ScriptedModel(['{"euros": 500}']), output_schema=Price, guardrails=[cheap])
    model = ScriptedModel([calls(("final_answer", {"euros": 600}))])
    tooled = Agent(id="b", model=model, output_schema=Price, tools=[echo], guardrails=[cheap])
    assert process.run(plain, "hi").result == Price(euros=5)
    assert process.run(tooled, "hi").result == Price(euros=5)
    assert seen == ['{"euros": 500}', '{"euros": 600}']


# -- texts ----------------------------------------------------------------------------------------------------------
def test_every_text_is_judged_by_the_model_with_the_schema_of_a_verdict(process: Process) -> None:
    """Two criteria are two verdicts; the second one refuses, and the next answer passes both."""
    model, judged = judging(
        ["rude", "polite"],
        [PASSED, '{"passed": false, "reason": "it is rude"}', PASSED, PASSED],
    )
    agent = Agent(id="a", model=model, guardrails=["The answer is short.", "The answer is polite."])
    result = process.run(agent, "hi")
    assert result.result == "polite"
    assert ["short" in text for text in judged] == [True, False, True, False]
    schemas = [request.output_schema for request in model.requests if request.output_schema]
    assert [set(schema["properties"]) for schema in schemas] == [{"passed", "reason"}] * 4
    assert sum(turn.usage.total_tokens for turn in result.steps if turn.usage) == result.usage.total_tokens


def test_the_tokens_of_verdicts_and_refused_answers_count(process: Process) -> None:
    """What was asked for and not shown was paid for all the same."""
    model, _ = judging(["a", "b"], ['{"passed": false, "reason": "x"}', PASSED])
    result = process.run(Agent(id="a", model=model, guardrails=["Be b."]), "hi")
    paid = [step for _, step in process.trace("a") if step.kind == "llm"]
    assert len(paid) == 4
    spent = total_usage(Usage.model_validate_json(step.usage) for step in paid if step.usage)
    assert result.usage.total_tokens == spent.total_tokens


def test_a_verdict_that_is_none_is_asked_for_again_and_then_lets_nothing_pass(process: Process) -> None:
    """A judge that does not judge lets nothing pass, and is asked again when the cell is."""
    model, judged = judging(["a"], ["fine", "fine", "fine", PASSED])
    agent = Agent(id="a", model=model, guardrails=["Be b."])
    with pytest.raises(RunError, match="gave no verdict"):
        process.run(agent, "hi")
    assert len(judged) == 3
    assert process.run(agent, "hi").result == "a"


# -- declarations --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Agent(id="a", provider="demo", guardrails=[3]), "guardrail 3 is neither a text nor a function"),
        (lambda: Agent(id="a", provider="demo", guardrails=" "), "is an empty text"),
        (lambda: Agent(id="a", provider="demo", guardrail_max_retries=-1), "guardrail_max_retries=-1"),
        (lambda: guardrail(lambda ctx: None), r"must take \(ctx, guardrail_context\), not 1 parameters"),
    ],
)
def test_a_wrong_declaration_is_refused(make: Any, match: str) -> None:
    """What cannot work is said when the agent is made."""
    with pytest.raises(DefinitionError, match=match):
        make()


def test_actions_compare_as_text_and_as_members() -> None:
    """`HookAction.FAIL` and "fail" are the same to a caller, as FAIL must be noticed however it is written."""
    assert GuardrailResult.fail("x").action == "fail"
    assert GuardrailResult.fail("x").action == HookAction.FAIL
    assert GuardrailResult.continue_with().action == HookAction.CONTINUE
