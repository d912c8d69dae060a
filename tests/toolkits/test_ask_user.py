"""The tool that asks the user: the form, the answer, restarts, replay, and what the model is told of a bad form."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from polos_nb import Agent, Suspended, create_ask_user_tool
from polos_nb.reports.answers import answer
from tests.runtime.support import Process, calls, once_called


def asking(*questions: dict[str, Any]) -> Agent:
    turn = calls(*(("ask_user", question) for question in questions))
    return Agent(id="planner", model=once_called(turn), tools=[create_ask_user_tool()])


def suspended(path: str, agent: Agent) -> tuple[str, ...]:
    process = Process(path)
    with pytest.raises(Suspended) as caught:
        process.run(agent, "go")
    process.runtime.close()
    return caught.value.waiting


def forms(path: str) -> list[dict[str, Any]]:
    store = Process(path).runtime.store
    try:
        return [orjson.loads(decision.form) for decision in store.decisions()]
    finally:
        store.close()


def reply(path: str, step: str, **values: Any) -> None:
    store = Process(path).runtime.store
    try:
        answer(store, "r1", step, values=values, by="ada")
    finally:
        store.close()


def test_a_question_waits_through_restarts_and_is_asked_once(path: str) -> None:
    """The run suspends, also in the next process; the answer reaches the model, and a replay asks nobody."""
    agent = asking({"question": "Which city?"})
    (step,) = suspended(path, agent)
    assert suspended(path, agent) == (step,)
    assert step.rpartition("/")[2].startswith("ask_user_")
    (form,) = forms(path)
    assert form == {
        "_form": {
            "title": "Agent Question",
            "description": "Which city?",
            "fields": [{"key": "response", "type": "textarea", "label": "Which city?", "required": True}],
        },
        "_source": "ask_user",
        "_tool": "ask_user",
    }
    reply(path, step, response="Rome")
    for cached in (False, True):
        process = Process(path)
        result = process.run(agent, "go")
        assert (result.result, result.cached) == ('done: {"response": "Rome"}', cached)
        process.runtime.close()
    assert len(forms(path)) == 1


def test_a_form_comes_back_with_its_types(path: str) -> None:
    """Fields are shown as the model wrote them, and a number comes back as a number."""
    fields = [
        {"key": "days", "type": "number", "label": "Days", "required": True},
        {"key": "pace", "type": "select", "label": "Pace", "options": [{"label": "Slow", "value": "s"}]},
    ]
    agent = asking({"question": "How?", "title": "Your trip", "fields": fields})
    (step,) = suspended(path, agent)
    assert forms(path)[0]["_form"] == {"title": "Your trip", "description": "How?", "fields": fields}
    reply(path, step, days="3", pace="Slow")
    assert Process(path).run(agent, "go").tool_results[0].result == {"days": 3, "pace": "s"}


def test_two_questions_of_one_turn_keep_their_own_answers(path: str) -> None:
    """Also equal ones, answered in either order."""
    agent = asking({"question": "Name?"}, {"question": "Name?"})
    steps = {step.partition("[")[2][:6]: step for step in suspended(path, agent)}
    reply(path, steps["call_2"], response="second")
    reply(path, steps["call_1"], response="first")
    results = Process(path).run(agent, "go").tool_results
    assert [result.result["response"] for result in results] == ["first", "second"]


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ([{"key": "a", "type": "select", "label": "A"}], "a select field needs options"),
        ([{"key": "a", "type": "text", "label": "A"}] * 2, "two fields have the key 'a'"),
        ([{"key": "a", "type": "colour", "label": "A"}], "'fields.0.type'"),
    ],
)
def test_a_form_that_cannot_be_shown_is_told_to_the_model(path: str, field: Any, said: str) -> None:
    """Nobody is asked; the model reads what is wrong and can ask again."""
    result = Process(path).run(asking({"question": "?", "fields": field}), "go")
    assert said in result.result
    assert forms(path) == []
