"""A write that was started and never ended: what a person is asked, and what becomes of the step."""

from __future__ import annotations

from typing import Any

import orjson

from polos_nb.durable.asking import Place, Question, decided
from polos_nb.durable.book import Book
from polos_nb.errors import StepInDoubt

ACTIONS = (
    ("again", "It did not happen: run it again"),
    ("done", "It was done: go on with the result below"),
    ("stop", "Stop here"),
)


def question(path: str, request: dict[str, Any]) -> Question:
    """What is asked of a step in doubt."""
    fields = [
        {
            "key": "action",
            "type": "select",
            "label": "What happened?",
            "required": True,
            "options": [{"label": label, "value": value} for value, label in ACTIONS],
        },
        {
            "key": "result",
            "type": "textarea",
            "label": "Its result, if it was done",
            "description": "JSON, or text",
            "required": False,
        },
    ]
    form = {
        "title": f"Did {path} happen?",
        "description": (
            "The process ended before this step was known to finish. It has outside effects, so it is not repeated"
            " silently."
        ),
        "fields": fields,
        "context": request,
    }
    return Question(kind="doubt", form={"_form": form, "_source": "in_doubt"})


async def settled(book: Book, place: Place, request: dict[str, Any]) -> str | None:
    """The kept result of a step that a person says was done, as JSON text; None when it is to run again.

    Raises StepInDoubt when the answer is to stop.
    """
    decision = await decided(book, place, question(place.path, request))
    answer = orjson.loads(decision.answer or "null")
    answer = answer if isinstance(answer, dict) else {"action": answer}
    action = answer.get("action")
    if action == "again":
        return None
    if action == "done":
        return orjson.dumps(_as_data(answer.get("result"))).decode()
    by = f" by {decision.decided_by}" if decision.decided_by else ""
    raise StepInDoubt(
        f"step {place.path} was started and is not known to have finished; it was stopped here{by}. To run it after"
        f" all, run the cell again with --fresh {place.path} (fresh={place.path!r} in Python)",
        step_key=place.path,
        run_id=book.run.id,
    )


def _as_data(result: Any) -> Any:
    if not isinstance(result, str):
        return result
    try:
        return orjson.loads(result)
    except orjson.JSONDecodeError:
        return result
