"""Forms: what a person is asked, and how their answers are read."""

from __future__ import annotations

from typing import Any

import pytest

from polos_nb.errors import ConfigurationError
from polos_nb.forms import Field, Form, parse_form

REFUND = {
    "_form": {
        "title": "Refund?",
        "description": "Order 7",
        "fields": [
            {"key": "approved", "type": "boolean", "label": "Approve", "required": True},
            {"name": "amount", "type": "number", "default": 5},
            {"key": "how", "type": "select", "options": [{"label": "Bank transfer", "value": "bank"}, "cash", 3]},
            {"key": "mail", "type": "email"},
            {"key": "page", "type": "url"},
            {"key": "note", "type": "textarea"},
            {"key": "odd", "type": "colour"},
        ],
        "context": {"order": 7},
    },
    "_source": "tool",
    "_tool": "refund",
    "order": 7,
}


def field(kind: str, **rest: Any) -> Form:
    return Form(fields=(Field(key="x", type=kind, **rest),))


def test_a_form_is_read_from_what_surrounds_it() -> None:
    """Title, context, who asks, and fields by key or name; an unknown type is a text."""
    form = parse_form(REFUND)
    assert (form.title, form.description, form.context) == ("Refund?", "Order 7", {"order": 7})
    assert (form.source, form.tool) == ("tool", "refund")
    assert [one.key for one in form.fields] == ["approved", "amount", "how", "mail", "page", "note", "odd"]
    assert form.field("odd") == Field(key="odd", type="text")
    assert [option.value for option in form.fields[2].options] == ["bank", "cash", 3]
    assert form.how().startswith("approved=yes|no amount=NUMBER how=bank|cash|3 mail=EMAIL")


@pytest.mark.parametrize("data", [None, 3, "text", [], {}, {"total": 3}, {"_form": None}, {"_form": {"fields": 3}}])
def test_without_a_form_any_answer_is_accepted(data: Any) -> None:
    """Data of any shape gives a form without fields."""
    assert parse_form(data).check({"a": [1], "b": None}) == {"a": [1], "b": None}


def test_broken_fields_are_left_out() -> None:
    """What is no field does not stand in the way of the others."""
    form = parse_form({"_form": {"fields": [3, {"type": "text"}, {"key": "a", "options": "x"}, {"key": "a"}]}})
    assert [one.key for one in form.fields] == ["a"]


def test_answers_get_their_types_and_defaults() -> None:
    """Texts of a command line become what the fields say; what is no field stays as it was given."""
    answers = {"approved": "YES", "how": "bank transfer", "mail": " a@b.example ", "page": "https://b.example/x"}
    assert parse_form(REFUND).check({**answers, "note": "ok", "other": {"a": 1}}) == {
        "other": {"a": 1},
        "approved": True,
        "amount": 5,
        "how": "bank",
        "mail": "a@b.example",
        "page": "https://b.example/x",
        "note": "ok",
    }


@pytest.mark.parametrize(
    ("form", "given", "expected"),
    [
        (field("boolean"), "no", False),
        (field("boolean"), "1", True),
        (field("boolean"), False, False),
        (field("number"), "3", 3),
        (field("number"), "2.5", 2.5),
        (field("number"), "-1e3", -1000.0),
        (field("number"), 0, 0),
        (field("text"), 5, "5"),
        (field("text"), "", ""),
        (parse_form(REFUND | {"_form": {"fields": [{"key": "x", "type": "select", "options": [1, 2]}]}}), "2", 2),
        (field("select"), "anything", "anything"),
    ],
)
def test_one_answer(form: Form, given: Any, expected: Any) -> None:
    """Each type reads what a person may write."""
    got = form.check({"x": given})["x"]
    assert got == expected
    assert type(got) is type(expected)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("boolean", "perhaps"),
        ("boolean", 2),
        ("boolean", 1.0),
        ("number", "three"),
        ("number", "nan"),
        ("number", "1_000"),
        ("number", True),
        ("email", "a@b"),
        ("email", "a b@c.example"),
        ("url", "javascript://x"),
        ("url", "example.com"),
        ("text", {"a": 1}),
    ],
)
def test_what_does_not_fit_is_refused(kind: str, given: Any) -> None:
    """The error names the field, what is allowed, and how to write it."""
    with pytest.raises(ConfigurationError, match=r"x must be .+, not .+ \(write x="):
        field(kind).check({"x": given})


def test_all_mistakes_are_named_at_once() -> None:
    """A person corrects an answer once, not field by field."""
    with pytest.raises(ConfigurationError) as caught:
        parse_form(REFUND).check({"amount": "much", "how": "gold"})
    text = str(caught.value)
    assert "approved is missing, which is yes or no (write approved=yes)" in text
    assert "amount must be a number, not 'much' (write amount=3)" in text
    assert "how must be one of bank, cash, 3, not 'gold' (write how=bank)" in text
    assert "\n" not in text


def test_empty_texts_are_missing_where_something_is_needed() -> None:
    """An empty line is no answer to a required field, and takes the default of one that is not a text."""
    with pytest.raises(ConfigurationError, match="x is missing"):
        field("text", required=True).check({"x": "  "})
    assert field("number", default=7).check({"x": ""}) == {"x": 7}
    assert field("number").check({"x": ""}) == field("text").check({"x": None}) == {}
