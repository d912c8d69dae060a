"""What the page does for one widget, without a browser: folds what the kernel sends, asks, answers, loses messages.

The state and the operations are those of `widgets/src/state.js`; gaps are healed as `link.js` heals them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from tests.kernels import Comm, Kernel

State = dict[str, dict[str, Any]]


class RefusedError(AssertionError):
    """The kernel answered a request with an error; the text is its sentence."""


def views(kernel: Kernel, kind: str | None = None) -> list[Comm]:
    """The view models that the kernel has opened and not closed, oldest first, of one kind or of all."""
    alive = [comm for comm in kernel.comms.values() if comm.alive and "kind" in comm.state]
    return [comm for comm in alive if kind in (None, comm.state["kind"])]


def open_page(kernel: Kernel, kind: str | None = None, *, after: int = 0, timeout: float = 30.0) -> Page:
    """The page of the newest view of this kind, once there are more than `after` of them; it has said hello."""
    kernel.until(lambda: len(views(kernel, kind)) > after, timeout)
    page = Page(kernel, views(kernel, kind)[-1])
    page.hello()
    return page


def apply_ops(state: State, ops: list[list[Any]]) -> None:
    """Fold operations into the state, as the page does."""
    for name, *rest in ops:
        if name == "h":
            state["head"].update(rest[0])
        elif name == "r":
            state["rows"].setdefault(rest[0], {"id": rest[0]}).update(rest[1])
        elif name == "t":
            row = state["rows"].setdefault(rest[0], {"id": rest[0]})
            row[rest[1]] = row.get(rest[1], "") + rest[2]
        elif name == "o":
            state["order"][rest[0]] = list(rest[1])
        elif name == "x":
            state["rows"].pop(rest[0], None)
            state["order"].pop(rest[0], None)
        elif name == "reset":
            state.update(_copy(rest[0]))
        else:
            raise AssertionError(f"the kernel sent an operation that no page knows: {name!r}")


class Page:
    """One model's page. `have` is the last batch that is folded in; `sizes` says what the batches cost."""

    def __init__(self, kernel: Kernel, comm: Comm) -> None:
        self.kernel = kernel
        self.comm = comm
        self.state: State = _copy({})
        self.have = 0
        self.batches = 0
        self.snapshots = 0
        self.results: dict[str, dict[str, Any]] = {}
        self.hellos: list[str] = []
        self._read = len(comm.messages)  # what came before the page was there is lost, as in a browser
        self._aside: dict[int, list[Any]] = {}
        self._drop: set[int] = set()
        self._late: set[int] = set()
        self._held: list[dict[str, Any]] = []
        self._ids = itertools.count(1)

    @property
    def head(self) -> dict[str, Any]:
        """The head, with everything that has arrived."""
        return self._fold().state["head"]

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """The rows by id, with everything that has arrived."""
        return self._fold().state["rows"]

    def children(self, parent: str = "") -> list[dict[str, Any]]:
        """The rows below a parent in their order."""
        rows = self.rows
        return [rows[row] for row in self.state["order"].get(parent, [])]

    def spoil(self, *, drop: tuple[int, ...] = (), late: tuple[int, ...] = ()) -> None:
        """Lose these batches when they come first, and let these come after their successor."""
        self._drop.update(drop)
        self._late.update(late)

    def hello(self) -> None:
        """Say what the page has; the kernel answers with what is missing."""
        self.hellos.append(self.comm.send({"t": "hello", "s": self.have}))

    def reload(self) -> Page:
        """The page after a reload in the browser: it knows nothing and says hello."""
        page = Page(self.kernel, self.comm)
        page.hello()
        return page

    def until(self, predicate: Callable[[Page], Any], timeout: float = 30.0) -> Any:
        """Wait until the predicate gives something true for this page, which is returned."""
        try:
            return self.kernel.until(lambda: predicate(self._fold()), timeout)
        except TimeoutError as error:
            raise AssertionError(f"{error}; the page shows {self.state}") from None

    def status(self, *wanted: str, timeout: float = 30.0) -> str:
        """Wait until the head has one of these statuses."""
        found: str = self.until(lambda page: page.head.get("status") in wanted and page.head["status"], timeout)
        return found

    def ask(self, do: str, **args: Any) -> str:
        """Send a request without waiting; returns its id."""
        request = f"{self.comm.comm_id}-{id(self)}-{next(self._ids)}"
        self.comm.send({"t": "req", "id": request, "do": do, **args})
        return request

    def result(self, request: str, timeout: float = 30.0) -> Any:
        """The data that the kernel answered; RefusedError with its sentence where it refused."""
        answer = self.until(lambda page: page.results.get(request), timeout)
        if not answer["ok"]:
            raise RefusedError(answer["error"])
        return answer["data"]

    def request(self, do: str, *, timeout: float = 30.0, **args: Any) -> Any:
        """Send a request and wait for its data."""
        return self.result(self.ask(do, **args), timeout)

    def refusal(self, do: str, **args: Any) -> str:
        """Send a request that the kernel must refuse; its sentence."""
        try:
            data = self.request(do, **args)
        except RefusedError as error:
            return str(error)
        raise AssertionError(f"the kernel did {do!r} and said {data}")

    def cards(self) -> list[dict[str, Any]]:
        """The rows that wait with a form that can be answered."""
        return [row for row in self.rows.values() if row.get("state") == "waiting" and row.get("ask")]

    def card(self, timeout: float = 30.0, **wanted: Any) -> dict[str, Any]:
        """Wait for a card whose ask has these fields, for example tool="refund_order"."""
        found: dict[str, Any] = self.until(lambda page: next(_matching(page.cards(), wanted), None), timeout)
        return deepcopy(found)

    def answer(self, row: dict[str, Any], values: dict[str, Any], **args: Any) -> Any:
        """Answer a card as its form does: bound to its run, step and nonce."""
        ask = row["ask"]
        return self.request(
            "answer",
            **{"run": ask["run"], "step": ask["step"], "nonce": ask["nonce"], "values": values, "always": None, **args},
        )

    def _fold(self) -> Page:
        """Take in what has arrived since the last look."""
        while self._read < len(self.comm.messages):
            message = self.comm.messages[self._read]
            self._read += 1
            self._receive(message)
        return self

    def _receive(self, message: dict[str, Any]) -> None:
        kind = message.get("t")
        if kind == "res":
            self.results[message["id"]] = message
        elif kind == "snap":
            self.snapshots += 1
            self._snap(message)
        elif kind == "ops" and message["s"] in self._drop:
            self._drop.discard(message["s"])
        elif kind == "ops" and message["s"] in self._late:
            self._late.discard(message["s"])
            self._held.append(message)
        elif kind == "ops":
            self._ops(message)
            held, self._held = self._held, []
            for late in held:
                self._ops(late)

    def _snap(self, message: dict[str, Any]) -> None:
        if message["s"] < self.have:  # older than what is folded in
            return
        self.state, self.have = _copy(message["state"]), message["s"]
        self._go_on()

    def _ops(self, message: dict[str, Any]) -> None:
        self.batches += 1
        number = message["s"]
        if number <= self.have:
            return
        new_gap = number > self.have + 1 and not self._aside
        self._aside[number] = message["ops"]
        if new_gap:
            self.hello()
        self._go_on()

    def _go_on(self) -> None:
        """Fold in what was kept aside, as far as nothing is missing."""
        while (ops := self._aside.pop(self.have + 1, None)) is not None:
            apply_ops(self.state, ops)
            self.have += 1
        self._aside = {number: ops for number, ops in self._aside.items() if number > self.have}


def _matching(rows: list[dict[str, Any]], wanted: dict[str, Any]) -> Any:
    return (row for row in rows if all(row["ask"].get(name) == value for name, value in wanted.items()))


def _copy(state: Any) -> State:
    """A state of its own, with all three parts."""
    return {name: deepcopy(dict(state.get(name, {}))) for name in ("head", "rows", "order")}
