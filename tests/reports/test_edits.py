"""Answers to approvals that change the call or allow it always: what is kept of them, and how lists tell it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import pytest

from polos_nb import Agent, Suspended, tool
from polos_nb.errors import ConfigurationError
from polos_nb.reports import pages
from polos_nb.reports.answers import answer, revoked, said_of
from polos_nb.reports.edits import checked
from polos_nb.reports.runs import list_rules, list_waiting, one_run, one_step
from tests.reports.conftest import Book
from tests.runtime.support import calls, once_called

FORM = {
    "_form": {"context": {"tool": "pay", "input": {"amount": "3", "to": {"name": "ada"}}}},
    "_arguments_schema": {
        "type": "object",
        "properties": {
            "amount": {"type": "integer"},
            "to": {"$ref": "#/$defs/To"},
        },
        "required": ["amount"],
        "additionalProperties": False,
        "$defs": {"To": {"type": "object", "properties": {"name": {"type": "string"}}}},
    },
}


def paying(book: Book, *amounts: int) -> str:
    """A run that waits for the approval of these payments; its id."""

    @tool(id="pay", description="Pay", version=1, approval="always")
    async def pay(amount: int) -> int:
        return amount

    turn = calls(*(("pay", {"amount": amount}) for amount in amounts))
    with pytest.raises(Suspended):
        book.process.run(Agent(id="clerk", model=once_called(turn), tools=[pay]), "go")
    return book.process.newest("clerk")


def texts(page: pages.Page) -> str:
    """All that a page says."""
    return "\n".join([page.note, *(str(row) for row in page.rows), *(f"{a}: {b}" for a, b in page.blocks)])


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"approved": True}, {"approved": True}),
        ({"approved": True, "allow_always": None, "arguments": None}, {"approved": True}),
        ({"approved": True, "allow_always": True}, {"approved": True, "allow_always": "tool"}),
        ({"approved": True, "allow_always": "Same"}, {"approved": True, "allow_always": "same"}),
        ({"approved": False, "allow_always": False}, {"approved": False}),
        ({"approved": True, "arguments": '{"amount": 4}'}, {"approved": True, "arguments": {"amount": 4}}),
        ({"approved": True, "arguments": {"amount": "3", "to": {"name": "ada"}}}, {"approved": True}),
        # What the model wrote and the tool's own, laxer check took is no mistake of the person.
        (
            {"approved": True, "arguments": {"amount": "3", "to": {"name": "bob"}}},
            {"approved": True, "arguments": {"amount": "3", "to": {"name": "bob"}}},
        ),
    ],
)
def test_what_is_kept_of_an_answer(given: Any, kept: Any) -> None:
    """One spelling of "always"; arguments as an object, and none where they are those that were asked for."""
    assert checked(given, FORM) == kept


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"amount": "4"}, "argument amount: '4' is not of type 'integer'; allowed arguments: amount, to"),
        ({"amount": 4, "to": {"name": 5}}, r"argument to\.name: 5 is not of type 'string'"),
        ({"to": {"name": "bob"}}, "'amount' is a required property"),
        ({"amount": 4, "cc": 1}, "'cc' was unexpected"),
        ("amount=4", "the arguments are not JSON .*for example '{\"amount\": 3}'"),
        ("[]", "the arguments must be an object, not "),
    ],
)
def test_arguments_that_do_not_fit(arguments: Any, said: str) -> None:
    """A sentence names the argument, what is wrong, and what there is."""
    with pytest.raises(ConfigurationError, match=said):
        checked({"approved": True, "arguments": arguments}, FORM)


def test_a_schema_never_leads_into_the_network() -> None:
    """A reference to somewhere else is not followed; the tool itself checks when it is called."""

    class Asked(BaseHTTPRequestHandler):
        """Notes who asks for a schema."""

        seen: ClassVar[list[str]] = []

        def do_GET(self) -> None:
            self.seen.append(self.path)
            self.send_error(404)

    with HTTPServer(("127.0.0.1", 0), Asked) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        form = {"_arguments_schema": {"$ref": f"http://127.0.0.1:{server.server_port}/schema.json"}}
        given = {"approved": True, "arguments": {"amount": 1}}
        assert checked(given, form) == given
        server.shutdown()
        thread.join()
    assert Asked.seen == []


def test_other_questions_may_use_these_words_for_themselves(book: Book) -> None:
    """An answer to a workflow's own form is kept as it is."""
    one = book.ask(book.add("a", status="suspended"), form={"total": 3}, kind="suspend")
    answer(book.store, "r1", values={"arguments": [1], "allow_always": "sometimes"})
    decision = book.store.get_decision(one)
    assert decision is not None
    assert json.loads(decision.answer or "") == {"arguments": [1], "allow_always": "sometimes"}


def test_an_approval_of_an_older_version_has_no_schema_and_makes_no_rule(book: Book) -> None:
    """Nothing is known of its call: edits are taken, "always" is kept and covers nothing."""
    book.ask(book.add("a", status="suspended"))
    done = answer(book.store, "r1", values={"approved": True, "arguments": {"x": 1}, "allow_always": "tool"})
    assert done.sentence().endswith("approved (arguments edited), and always for this tool")
    assert list_rules(book.store, "r1") == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"approved": True, "arguments": {"a": 1}}, "approved (arguments edited)"),
        ({"approved": True, "arguments": {"a": 1}, "note": "ok"}, "approved (arguments edited, note=ok)"),
        ({"approved": True, "allow_always": "tool"}, "approved, and always for pay"),
        ({"approved": True, "allow_always": "same", "feedback": None}, "approved, and always with these arguments"),
        ({"approved": False, "allow_always": "tool"}, "rejected"),
        ({"arguments": [1]}, "answered: arguments=[1]"),
    ],
)
def test_an_answer_in_words(given: Any, said: str) -> None:
    """Edits and rules are told, not repeated."""
    assert said_of(given, "pay") == said


def test_rules_and_edits_are_told_where_a_run_is_shown(book: Book) -> None:
    """In the list of what waits, the run, the step, and a list of their own."""
    run = paying(book, 3, 4)
    assert list_waiting(book.store)[0]["always"] == []
    step = "1.approve_pay[call_1]"
    answer(
        book.store, run, step, values={"approved": True, "arguments": {"amount": 2}, "allow_always": "same"}, by="ada"
    )
    (facts,) = list_waiting(book.store)
    assert [rule["text"] for rule in facts["always"]] == ['calls of pay with exactly {"amount": 2} in this run']
    assert "r1 has 1 rule: polos-nb approve r1 --rules." in texts(pages.waiting_page([facts], "here", "polos-nb"))
    shown = texts(pages.run_page(one_run(book.store, run), "%polos"))
    (rule,) = list_rules(book.store, run)
    assert f"%polos approve r1 --revoke {rule['id']}" in shown
    assert "answered by ada: approved (arguments edited), and always with these arguments" in texts(
        pages.step_page(one_step(book.store, run, step))
    )
    listed = pages.rules_page(list_rules(book.store, run), run, "%polos")
    assert listed.rows[0][:4] == (rule["id"], rule["text"], step, "ada")
    said = revoked(book.store, run, rule["id"])
    assert said == 'r1: no longer approved without asking: calls of pay with exactly {"amount": 2} in this run'
    assert "r1 has no rule" in pages.rules_page(list_rules(book.store, run), run, "%polos").note
    assert "--revoke" not in texts(pages.run_page(one_run(book.store, run), "%polos"))


def test_one_answer_is_enough_for_calls_side_by_side(book: Book) -> None:
    """The sentence says how many others it answered, and they say by which rule."""
    run = paying(book, 3, 4, 5)
    done = answer(book.store, run, "1.approve_pay[call_2]", values={"approved": True, "allow_always": "tool"}, by="ada")
    assert done.sentence().endswith("always for pay; 2 other calls that waited were approved too")
    facts = one_step(book.store, run, "1.approve_pay[call_1]")
    assert facts["decisions"][0]["decided_by"] == "always (ada, 1.approve_pay[call_2])"
    assert list_waiting(book.store) == []
