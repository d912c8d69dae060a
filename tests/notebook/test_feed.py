"""Batches of changes: whatever a page misses, it ends with the state of the kernel."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from polos_nb.notebook.feed import Feed, Op

ROWS = st.sampled_from(["a", "b"])
TEXTS = st.sampled_from(["text", "reasoning"])
OPS = st.one_of(
    st.tuples(st.just("h"), st.dictionaries(st.sampled_from(["id", "status"]), st.integers(0, 3))),
    st.tuples(st.just("r"), ROWS, st.dictionaries(TEXTS, st.text(max_size=3), max_size=2)),
    st.tuples(st.just("t"), ROWS, TEXTS, st.text(max_size=3)),
    st.tuples(st.just("o"), st.just(""), st.lists(ROWS, unique=True)),
    st.tuples(st.just("x"), ROWS),
).map(list)


class Page:
    """The other end: applies batches in order, and asks for what it lacks."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.state: dict[str, Any] = {"head": {}, "rows": {}, "order": {}}
        self.have = 0

    def take(self, message: dict[str, Any] | None) -> None:
        if message is None:
            return
        message = json.loads(json.dumps(message))  # as it travels
        if message["t"] == "snap":
            self.state, self.have = message["state"], message["s"]
        elif message["s"] == self.have + 1:
            for op in message["ops"]:
                _apply(self.state, op)
            self.have += 1
        elif message["s"] > self.have:
            self.hello()

    def hello(self) -> None:
        for message in self.feed.hello(self.have):
            self.take(message)


def _apply(state: dict[str, Any], op: Op) -> None:
    kind = op[0]
    if kind == "h":
        state["head"].update(op[1])
    elif kind == "r":
        state["rows"].setdefault(op[1], {}).update(op[2])
    elif kind == "t":
        row = state["rows"].setdefault(op[1], {})
        row[op[2]] = row.get(op[2], "") + op[3]
    elif kind == "o":
        state["order"][op[1]] = op[2]
    elif kind == "x":
        state["rows"].pop(op[1], None)
        state["order"].pop(op[1], None)


@given(st.lists(st.tuples(st.lists(OPS, max_size=6), st.booleans()), max_size=12))
def test_a_page_that_misses_batches_ends_with_the_same_state(steps: list[tuple[list[Op], bool]]) -> None:
    """Joined, numbered and partly lost batches lead to the state that all changes one by one lead to."""
    feed = Feed()
    page = Page(feed)
    expected: dict[str, Any] = {"head": {}, "rows": {}, "order": {}}
    for ops, lost in steps:
        feed.put(copy.deepcopy(ops))
        for op in ops:
            _apply(expected, copy.deepcopy(op))
        message = feed.batch()
        if not lost:
            page.take(message)
    page.hello()
    assert feed.state == expected
    assert page.state == expected


def test_deltas_of_one_text_travel_as_one() -> None:
    """A batch holds what came to a text as one change, and a field that was set twice once."""
    feed = Feed()
    feed.put([["t", "a", "text", "x"]] * 5)
    feed.put([["h", {"status": "running"}], ["h", {"status": "completed"}]])
    assert feed.batch() == {"t": "ops", "s": 1, "ops": [["h", {"status": "completed"}], ["t", "a", "text", "xxxxx"]]}
    assert feed.batch() is None


def test_a_page_always_hears_a_word() -> None:
    """A page that has everything, and one of another time, get an answer: silence means that the kernel is gone."""
    feed = Feed()
    assert feed.hello(0) == [{"t": "snap", "s": 0, "state": {"head": {}, "rows": {}, "order": {}}}]
    feed.put([["h", {"id": "r1"}]])
    feed.batch()
    assert feed.hello(1) == [{"t": "ops", "s": 1, "ops": []}]
    assert feed.hello(99)[0]["t"] == "snap"


def test_a_page_that_lacks_few_batches_gets_just_these() -> None:
    """A gap is filled with the batches themselves; one that is too long with the whole state."""
    feed = Feed()
    for number in range(80):
        feed.put([["h", {"step": number}]])
        feed.batch()
    assert [message["s"] for message in feed.hello(78)] == [79, 80]
    assert [message["t"] for message in feed.hello(1)] == ["snap"]
