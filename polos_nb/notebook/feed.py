"""What a page is told of a widget: numbered batches of changes, and the whole state for a page that missed some."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

Op = list[Any]
Message = dict[str, Any]

_KEPT = 64  # batches; a page that lacks more gets the whole state


class Feed:
    """The state of one widget, and the changes that its page has yet to hear of. Safe from any thread.

    A state is `{"head": {...}, "rows": {id: {...}}, "order": {parent: [ids]}}`. Changes are lists:
    `["h", fields]` of the head, `["r", id, fields]` of a row, `["t", id, field, text]` at the end of a row's text,
    `["o", parent, ids]` of an order, `["x", id]` a row less, `["reset", state]`.

    >>> feed = Feed()
    >>> feed.put([["r", "1", {"text": "a"}], ["t", "1", "text", "b"]])
    >>> feed.batch()
    {'t': 'ops', 's': 1, 'ops': [['r', '1', {'text': 'ab'}]]}
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state: dict[str, Any] = {"head": {}, "rows": {}, "order": {}}
        self._waiting: _Joined | None = None
        self._recent: deque[Message] = deque(maxlen=_KEPT)
        self._number = 0

    def put(self, ops: Sequence[Op]) -> None:
        """Add changes."""
        with self._lock:
            for op in ops:
                _fold(self._state, op)
                self._waiting = self._waiting or _Joined()
                self._waiting.add(op)

    @property
    def state(self) -> dict[str, Any]:
        """A copy of the state, down to the fields."""
        with self._lock:
            return _copied(self._state)

    def batch(self) -> Message | None:
        """The changes since the last batch as a message; None for none."""
        with self._lock:
            return self._batch()

    def hello(self, have: int) -> list[Message]:
        """What a page lacks that has all batches up to `have`: never nothing, since a page asks to hear a word."""
        with self._lock:
            self._batch()
            missing = [message for message in self._recent if message["s"] > have]
            if have == self._number and have:
                return [{"t": "ops", "s": have, "ops": []}]
            if 0 < have < self._number and len(missing) == self._number - have:
                return missing
            return [{"t": "snap", "s": self._number, "state": _copied(self._state)}]

    def _batch(self) -> Message | None:
        if self._waiting is None:
            return None
        self._number += 1
        message = {"t": "ops", "s": self._number, "ops": self._waiting.all()}
        self._waiting = None
        self._recent.append(message)
        return message


def _fold(state: dict[str, Any], op: Op) -> None:
    if op[0] == "h":
        state["head"].update(op[1])
    elif op[0] == "r":
        state["rows"].setdefault(op[1], {}).update(op[2])
    elif op[0] == "t":
        row = state["rows"].setdefault(op[1], {})
        row[op[2]] = row.get(op[2], "") + op[3]
    elif op[0] == "o":
        state["order"][op[1]] = list(op[2])
    elif op[0] == "x":
        state["rows"].pop(op[1], None)
        state["order"].pop(op[1], None)
    else:
        state.clear()
        state.update(_copied(op[1]))


class _Joined:
    """Changes with those of one row put together; what was said twice is said once."""

    def __init__(self) -> None:
        self._done: list[Op] = []
        self._head: dict[str, Any] = {}
        self._set: dict[str, dict[str, Any]] = {}
        self._added: dict[tuple[str, str], str] = {}
        self._order: dict[str, list[str]] = {}

    def add(self, op: Op) -> None:
        if op[0] == "h":
            self._head.update(op[1])
        elif op[0] == "r":
            self._set.setdefault(op[1], {}).update(op[2])
            for field in op[2]:  # what was added to a text that is set anew is void
                self._added.pop((op[1], field), None)
        elif op[0] == "t" and op[2] in self._set.get(op[1], {}):
            self._set[op[1]][op[2]] += op[3]
        elif op[0] == "t":
            self._added[op[1], op[2]] = self._added.get((op[1], op[2]), "") + op[3]
        elif op[0] == "o":
            self._order[op[1]] = list(op[2])
        else:  # a row that goes, or a new state: nothing may be moved over it
            self._done = [*self.all(), op]
            self._head, self._set, self._added, self._order = {}, {}, {}, {}

    def all(self) -> list[Op]:
        return [
            *self._done,
            *([["h", self._head]] if self._head else []),
            *(["r", row, fields] for row, fields in self._set.items()),
            *(["t", row, field, text] for (row, field), text in self._added.items()),
            *(["o", parent, ids] for parent, ids in self._order.items()),
        ]


def _copied(state: dict[str, Any]) -> dict[str, Any]:
    return {
        "head": dict(state.get("head", {})),
        "rows": {key: dict(row) for key, row in state.get("rows", {}).items()},
        "order": {key: list(ids) for key, ids in state.get("order", {}).items()},
    }
