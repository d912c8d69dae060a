"""Asking a person before a tool is called."""

from __future__ import annotations

from typing import Any

import orjson

from polos_nb.codec import to_plain
from polos_nb.durable.asking import Question, decided
from polos_nb.durable.fingerprint import StepCall
from polos_nb.durable.steps import Attempt, Slot, StepFailure, Steps
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


async def approved(tool: Tool, arguments: dict[str, Any], steps: Steps, slot: Slot) -> None:
    """Return when a person has approved the call. Raises StepFailure, with their feedback, when they rejected it."""

    async def execute(attempt: Attempt) -> Any:
        question = Question(kind="approval", form=approval_form(tool, arguments))
        decision = await decided(steps.book, steps.place(slot, attempt.record), question)
        answer = orjson.loads(decision.answer or "null")
        return answer if isinstance(answer, dict) else {"approved": answer}

    answer = (await steps.perform(slot, execute, waits=True)).value
    if answer.get("approved") is not True:
        feedback = str(answer.get("feedback") or "").strip()
        text = f'Tool "{tool.id}" was rejected by the user.' + (f" Feedback: {feedback}" if feedback else "")
        raise StepFailure(RuntimeError(text), text=text)
