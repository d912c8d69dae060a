"""Asking a person before a tool is called, and calling it with the arguments that they chose."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from polos_nb.codec import digest, to_plain
from polos_nb.durable.asking import Question, decided
from polos_nb.durable.fingerprint import StepCall, fingerprint
from polos_nb.durable.steps import Attempt, Slot, StepFailure, Steps
from polos_nb.errors import ArgumentsError, ConfigurationError
from polos_nb.redaction import redactor
from polos_nb.runtime.always import alike, call_facts, settled, spread
from polos_nb.stores.waiting import DecisionRecord
from polos_nb.tools import Tool


def reserve_approval(tool: Tool, arguments: dict[str, Any], steps: Steps, call: StepCall) -> Slot | None:
    """The step in which a call of this tool is approved; None for a tool that needs no approval.

    The decision is known by what is shown: another version of the tool is not asked for again.
    """
    if tool.approval != "always":
        return None
    number, dot, rest = call.key.rpartition(".")
    return steps.reserve(
        StepCall(
            key=f"{number}{dot}approve_{rest}",
            kind="approval",
            name=tool.id,
            parts={"tool": tool.id, "arguments": arguments},
            request={"form": approval_form(tool, arguments)},
        )
    )


def approval_form(tool: Tool, arguments: dict[str, Any]) -> dict[str, Any]:
    """What is asked before a call, in Polos' shape."""
    fields = [
        {
            "key": "approved",
            "type": "boolean",
            "label": "Approve this call?",
            "required": True,
            "default": False,
        },
        {
            "key": "feedback",
            "type": "textarea",
            "label": "Feedback",
            "description": "What the model should know, if you reject it",
            "required": False,
        },
    ]
    form = {
        "title": f"Approve tool: {tool.id}",
        "description": tool.description,
        "fields": fields,
        "context": {"tool": tool.id, "input": to_plain(arguments)},
    }
    return {"_form": form, "_source": "tool_approval", "_tool": tool.id}


async def approved(tool: Tool, arguments: dict[str, Any], steps: Steps, slot: Slot) -> dict[str, Any]:
    """The arguments of a call that a person has approved: these very ones, or those that they changed them to.

    Raises StepFailure, with their feedback, when they rejected it, and when the tool takes no such arguments.
    """

    async def execute(attempt: Attempt) -> Any:
        store = steps.book.store
        decision = await decided(steps.book, steps.place(slot, attempt.record), _question(tool, arguments, steps))
        answer = orjson.loads(decision.answer or "null")
        answer = answer if isinstance(answer, dict) else {"approved": answer}
        if answer.get("allow_always"):
            spread(store, decision.run_id)
        return answer

    answer = (await steps.perform(slot, execute, waits=True)).value
    if answer.get("approved") is not True:
        feedback = str(answer.get("feedback") or "").strip()
        text = f'Tool "{tool.id}" was rejected by the user.' + (f" Feedback: {feedback}" if feedback else "")
        raise StepFailure(RuntimeError(text), text=text)
    try:
        return _chosen(tool, arguments, answer)
    except ConfigurationError as error:
        raise StepFailure(error, text=str(error)) from None


def changed(slot: Slot, arguments: dict[str, Any], steps: Steps) -> Slot:
    """The same place in the run for a call whose arguments a person has changed.

    It is known by both, what was asked for and what is used: of two calls that are changed into the same one each
    keeps its own answer, whichever is approved first.
    """
    asked = slot.call.parts["arguments"]
    call = replace(
        slot.call,
        parts={**slot.call.parts, "arguments": arguments, "asked": digest(asked)},
        request=changed_request(arguments, asked),
    )
    return replace(slot, call=call, fingerprint=fingerprint(call, steps.branch))


def changed_request(arguments: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """What is shown of a call whose arguments a person has changed from those `asked` for."""
    return {"arguments": arguments, "asked": asked}


def shown_arguments(arguments: dict[str, Any]) -> Any:
    """Arguments as a person is shown them: plain data without secrets."""
    return orjson.loads(redactor().redact(orjson.dumps(to_plain(arguments)).decode()))


def _question(tool: Tool, arguments: dict[str, Any], steps: Steps) -> Question:
    """What is asked. Beside the form it keeps what checks an answer and what a rule knows the call by."""
    beside = {
        "_arguments_schema": tool.parameters,
        "_call": call_facts(tool.id, tool.version().digest, to_plain(arguments)),
    }

    def check(answer: dict[str, Any]) -> None:
        _chosen(tool, arguments, answer)

    def settle(decision: DecisionRecord) -> DecisionRecord:
        return settled(steps.book.store, decision)

    return Question(kind="approval", form=approval_form(tool, arguments) | beside, check=check, settle=settle)


def _chosen(tool: Tool, arguments: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """The arguments that an answer asks for. Raises ConfigurationError when the tool does not take them."""
    given = answer.get("arguments")
    if given is None or answer.get("approved") is not True:
        return arguments
    if not isinstance(given, dict):
        raise ConfigurationError(f'Tool "{tool.id}" was approved with {given!r}, which is no object of arguments')
    shown = shown_arguments(arguments)
    if alike(given, shown):
        return arguments
    used: dict[str, Any] = _with_secrets(given, shown, arguments)
    try:
        tool.schema.bind(used, None)
    except ArgumentsError as error:
        raise ConfigurationError(
            f'Tool "{tool.id}" was approved with arguments that it does not take: {error}'
        ) from None
    return used


def _with_secrets(given: Any, shown: Any, asked: Any) -> Any:
    """What was given, and `asked` where that was left as it was `shown`, without the secrets in it."""
    if alike(given, shown):
        return asked
    if isinstance(given, dict) and isinstance(shown, dict) and isinstance(asked, dict):
        return {
            name: _with_secrets(value, shown[name], asked[name]) if name in shown and name in asked else value
            for name, value in given.items()
        }
    lists = isinstance(given, list) and isinstance(shown, list) and isinstance(asked, list)
    if lists and len(given) == len(shown) == len(asked):
        return [_with_secrets(*each) for each in zip(given, shown, asked, strict=True)]
    return given
