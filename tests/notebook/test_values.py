"""Values as a page gets them: the shape that fits, and how much was left out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from polos_nb.notebook.values import view_value

GIF = "R0lGODlhAQABAAAAACw="


class Weather(BaseModel):
    """A structured result."""

    city: str
    celsius: int


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("text", "text"),
        ("", "text"),
        (None, "json"),
        (3.5, "json"),
        ({"a": 1}, "json"),
        ([1, 2], "json"),
        ([], "json"),
        ([{"a": 1}, {"a": 2}], "table"),
        ([{"a": [1]}], "json"),
        ([{}], "json"),
        (Weather(city="Oslo", celsius=3), "json"),
        ([Weather(city="Oslo", celsius=3)], "table"),
        (f"data:image/gif;base64,{GIF}", "image"),
        ({"type": "image", "mimeType": "image/gif", "data": GIF}, "image"),
        ([{"type": "text", "text": "Look:"}, {"type": "image", "mimeType": "image/gif", "data": GIF}], "many"),
        ("data:image/svg+xml;base64,PHN2Zz4=", "text"),
    ],
)
def test_each_value_has_the_shape_that_fits(value: Any, kind: str) -> None:
    """And can be sent as JSON."""
    shown = view_value(value)
    assert shown["t"] == kind
    json.dumps(shown)


def test_long_texts_say_how_much_was_left_out() -> None:
    """A few characters too many are not worth a button; all of it can be asked for, up to a million."""
    assert view_value("x" * 105, 100) == {"t": "text", "s": "x" * 105, "more": 0}
    assert view_value("x" * 500, 100) == {"t": "text", "s": "x" * 100, "more": 400}
    assert view_value("x" * 3_000_000, 5_000_000)["more"] == 2_000_000


def test_long_tables_say_how_many_rows_were_left_out() -> None:
    """The first fifty are shown, all on demand."""
    rows = [{"n": n} for n in range(120)]
    assert (len(view_value(rows)["rows"]), view_value(rows)["more"]) == (50, 70)
    assert (len(view_value(rows, 1_000_000)["rows"]), view_value(rows, 1_000_000)["more"]) == (120, 0)


def test_parts_of_a_message_are_shown_one_by_one() -> None:
    """The text of a part is text, without the wrapping that its protocol needs."""
    image = {"type": "image_url", "image_url": {"url": f"data:image/gif;base64,{GIF}"}}
    items = view_value([{"type": "text", "text": "Look:"}, image])["items"]
    assert items == [
        {"t": "text", "s": "Look:", "more": 0},
        {"t": "image", "type": "image/gif", "data": GIF, "alt": ""},
    ]
