"""The inspector of runs: what its page asks for, checked word by word, and how it is opened.

Nothing but the store and the names that are declared here is needed: it works after a restart, and in any notebook.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Literal

from IPython.core.displaypub import CapturingDisplayPublisher

from polos_nb.errors import ConfigurationError
from polos_nb.notebook.answering import Answering
from polos_nb.notebook.arguments import variable_name
from polos_nb.notebook.inspector_drive import Driving
from polos_nb.notebook.inspector_pages import cost_data, diff_data, more_data, run_data, runs_data, why_data
from polos_nb.notebook.inspector_step import step_data
from polos_nb.notebook.kernel_compat import in_kernel
from polos_nb.notebook.session import NotebookSession
from polos_nb.notebook.tables import Shown
from polos_nb.notebook.values import sendable
from polos_nb.reports.runs import STATUSES
from polos_nb.runtime.always import revoke
from polos_nb.stores.base import Store

View = Literal["runs", "run"]
Given = Mapping[str, Any]

_KINDS = ("agent", "workflow", "tool")
_LONGEST = 2_000  # characters of a word from a page
_RUNS = 200  # of one page
_CHANGES = 50
_EDIT = 1_000_000  # characters of the values of a fork


class Inspector:
    """Answers the requests of one inspector page: `await inspector("run", {"run": "r12"})` gives JSON data.

    What a page says is checked: a ConfigurationError has one sentence for it.
    """

    def __init__(self, session: NotebookSession) -> None:
        self._session = session
        self._driving = Driving(session)
        self._answering: Answering | None = None
        self._verbs: dict[str, Callable[[Given], Coroutine[Any, Any, Any]]] = {
            "runs": self._runs,
            "run": self._run,
            "step": self._step,
            "why": self._why,
            "cost": self._cost,
            "diff": self._diff,
            "more": self._more,
            "fork": self._fork,
            "retry": self._retry,
            "answer": self._answer,
            "stop": self._stop,
            "revoke": self._revoke,
        }

    async def __call__(self, verb: str, given: Given) -> Any:
        """Do what a page asks for."""
        if verb not in self._verbs:
            raise ConfigurationError(f"the inspector cannot {verb[:80]!r}; it can {', '.join(self._verbs)}")
        return await self._verbs[verb](given)

    def first(self, view: View, given: Given) -> dict[str, Any]:
        """The answer of the first request, which the view is opened with; waits for nothing."""
        if view == "run":
            return sendable(run_data(self._store, _word(given, "run"), self._cards.nonce))  # type: ignore[no-any-return]
        return sendable(runs_data(self._store, **_filters(given)))  # type: ignore[no-any-return]

    @property
    def _store(self) -> Store:
        return self._session.runtime.store

    @property
    def _cards(self) -> Answering:
        if self._answering is None:
            self._answering = Answering(self._store)
        return self._answering

    # -- what is read, in a thread: the loop has runs to drive ---------------------------------------------------------
    async def _runs(self, given: Given) -> Any:
        return await _read(partial(runs_data, **_filters(given)), self._store)

    async def _run(self, given: Given) -> Any:
        return await _read(run_data, self._store, _word(given, "run"), self._cards.nonce)

    async def _step(self, given: Given) -> Any:
        return await _read(step_data, self._store, _word(given, "run"), _word(given, "step"))

    async def _why(self, given: Given) -> Any:
        return await _read(why_data, self._store, _word(given, "run"))

    async def _cost(self, given: Given) -> Any:
        return await _read(cost_data, self._store, _word(given, "run"))

    async def _diff(self, given: Given) -> Any:
        return await _read(diff_data, self._store, _word(given, "a"), _word(given, "b"))

    async def _more(self, given: Given) -> Any:
        row = _word(given, "row", needed=False)
        if not row or row == "head":  # the run itself
            row = _word(given, "run")
        return await _read(more_data, self._store, row, _word(given, "field"))

    # -- what is done --------------------------------------------------------------------------------------------------
    async def _fork(self, given: Given) -> Any:
        name = _word(given, "name", needed=False) or None
        if name is not None:
            variable_name(name, "fork", "name")
        return await self._driving.fork(_word(given, "run"), _word(given, "step"), _changes(given), name)

    async def _retry(self, given: Given) -> Any:
        return await self._driving.retry(_word(given, "run"), _word(given, "step"))

    async def _answer(self, given: Given) -> Any:
        run = _word(given, "run")
        said = self._cards.answer(given)["sentence"]
        return {"sentence": said + await self._driving.go_on(run)}

    async def _stop(self, given: Given) -> Any:
        return await self._driving.stop(_word(given, "run"))

    async def _revoke(self, given: Given) -> Any:
        rule = revoke(self._store, _word(given, "run"), _word(given, "rule"))
        return {"sentence": f"No longer approved without asking: {rule.text}."}


def open_inspector(session: NotebookSession, view: View, given: Given) -> Any:
    """A widget that shows the list of runs, or one run. `given` is the first request: filters, or the run."""
    from polos_nb.notebook.widget import Widget  # noqa: PLC0415 - anywidget takes a while to import

    inspector = Inspector(session)
    first = inspector.first(view, given)
    widget = Widget("inspector", inspector)
    run = first["head"]["id"] if view == "run" else ""
    widget.feed.put([["h", {"view": view, "first": first, "run": run}]])
    return widget


class Inspected:
    """An inspector at the end of a cell; where it cannot be shown, what front ends show is the `table`."""

    def __init__(self, widget: Any, table: Shown) -> None:
        self.widget = widget
        self._table = table

    def __repr__(self) -> str:
        return repr(self._table)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        table = self._table
        texts = {"text/html": table._repr_html_(), "text/markdown": table._repr_markdown_(), "text/plain": repr(table)}
        return texts | dict(self.widget.view_data)


def inspector_view(session: NotebookSession, view: View, given: Given, table: Shown) -> Any:
    """The inspector where a page can show it, else `table`: in a terminal, and where nobody is watching."""
    if not _shows_widgets(session):
        return table
    widget = open_inspector(session, view, given)
    session.host.keep(widget)
    return Inspected(widget, table)


def _shows_widgets(session: NotebookSession) -> bool:
    chosen = session.settings.render or session.options.render or "auto"
    if not in_kernel(session.ip) or isinstance(session.ip.display_pub, CapturingDisplayPublisher):
        return False
    return session.watched if chosen == "auto" else chosen == "widget"


async def _read(reader: Callable[..., Any], *args: Any) -> Any:
    """What a reader says, as data that can be sent."""
    return await asyncio.to_thread(lambda: sendable(reader(*args)))


def _word(given: Given, name: str, *, needed: bool = True) -> str:
    """A text of a request."""
    value = given.get(name)
    if value in (None, "") and not needed:
        return ""
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"the request says no {name}; it is a text")
    if len(value) > _LONGEST:
        raise ConfigurationError(f"{name} is longer than {_LONGEST:,} characters")
    return value


def _number(given: Given, name: str, default: int, most: int) -> int:
    value = given.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ConfigurationError(f"{name} is a number from 0")
    return min(value, most)


def _one_of(given: Given, name: str, known: tuple[str, ...]) -> str | None:
    value = _word(given, name, needed=False)
    if value and value not in known:
        raise ConfigurationError(f"{name} {value[:80]!r} is unknown; it is one of {', '.join(known)}")
    return value or None


def _filters(given: Given) -> dict[str, Any]:
    """What a list of runs is asked for."""
    since = given.get("since")
    if since is not None and (isinstance(since, bool) or not isinstance(since, int | float) or not 0 <= since < 1e6):
        raise ConfigurationError("since is a number of days")
    return {
        "query": _word(given, "query", needed=False),
        "status": _one_of(given, "status", STATUSES),
        "target": _word(given, "target", needed=False) or None,
        "kind": _one_of(given, "kind", _KINDS),
        "since": since,
        "offset": _number(given, "offset", 0, 2**53),
        "limit": _number(given, "limit", 25, _RUNS),
    }


def _changes(given: Given) -> dict[str, Any]:
    """The edits of a fork: values by path."""
    changes = given.get("changes")
    if not isinstance(changes, Mapping) or not changes or not all(isinstance(path, str) for path in changes):
        raise ConfigurationError("a fork needs changes: values by path, such as {'text': 'No.'}")
    size = sum(len(path) + len(repr(value)) for path, value in changes.items())
    if len(changes) > _CHANGES or size > _EDIT:
        raise ConfigurationError(f"a fork takes at most {_CHANGES} changes of {_EDIT:,} characters in all")
    return dict(changes)
