"""The live view of one run: a widget where a page answers, else an output that is updated; in the end what stays."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from polos_nb.errors import ConfigurationError, StoreError, Suspended
from polos_nb.messages import Usage
from polos_nb.models.prices import cost
from polos_nb.notebook.answering import Answering
from polos_nb.notebook.display import Bundle, bundle
from polos_nb.notebook.painter import Live, publish
from polos_nb.notebook.rows import RunRows, head_of, view_value
from polos_nb.run_events import Event
from polos_nb.runtime.always import revoke, rules
from polos_nb.runtime.run import Run
from polos_nb.stores.base import Store
from polos_nb.transcript import Transcript
from polos_nb.transcript_items import AnswerItem, Item, RunItem, StepItem, ToolItem
from polos_nb.transcript_text import answer_value

_DEAF = 2.0  # seconds without a word from a page, after which the output itself is updated
_HEARD = 0.2  # of the seconds between two ticks: in the rest something kept the kernel busy, and no word was heard
_CAUGHT_UP = 1.0  # seconds in which a run that goes on may be shorter than what is shown of it
_ALL = 1_000_000
_HEAD = 0.2  # seconds between two counts of the head
_SHARE = 10  # times as long as a count took, there is none: runs of many thousand steps would do nothing else
_FREE = ("demo", "scripted")  # providers whose answers cost nothing


Prices = dict[int, tuple[Usage, float | None]]


class RunHost(Protocol):
    """What the view of a run needs of the notebook."""

    ip: Any

    @property
    def store(self) -> Store:
        """Where the runs are kept."""

    @property
    def inline(self) -> bool:
        """Whether a cell waits for an answer, because clicks are heard meanwhile."""

    def stop_run(self, run: Run) -> None:
        """Stop a run, also one that was left waiting."""

    def keep(self, widget: Any) -> None:
        """Close this widget when its cell is executed again."""


class RunWidget:
    """A painter (see `painter.Painter`) with a widget in the page."""

    stays = True

    def __init__(self, host: RunHost, run: Run, *, turns: int | None = None) -> None:
        self._host = host
        self._turns = turns
        self.display_id = uuid.uuid4().hex
        self._widget: Any = None
        self._answering = Answering(host.store)
        self._rows = self._new_rows()
        self._head: dict[str, Any] = {}
        self._fallback: Live | None = None
        self._ticked = self._silent = 0.0
        self._shown = -1  # how many steps the page was shown of the run before
        self._take(run)

    def _take(self, run: Run) -> None:
        self._run = run
        self._at = time.time()
        self._events = 0
        self._rows_at: tuple[int, int] | None = None  # how much of the run the page was told, see `_pull`
        self._head_at: tuple[int, int] | None = None
        self._headed = self._rest = 0.0
        self._always: list[dict[str, Any]] = []
        self._decided = -1
        self._prices: Prices = {}
        run.subscribe(self._heard)

    @property
    def inline(self) -> bool:
        """Whether the cell should wait for answers: until no page has said a word for too long, or the view is gone."""
        return self._host.inline and not self._deaf

    @property
    def _deaf(self) -> bool:
        widget = self._widget
        return widget is not None and (widget.closed or (not widget.heard and self._silent > _DEAF))

    # -- the painter ---------------------------------------------------------------------------------------------------
    def again(self, run: Run) -> RunWidget:
        """The run goes on as another one, in the same output."""
        self._shown = len(list(self._run.transcript.walk()))
        self._take(run)
        return self

    def begin(self) -> None:
        """Nothing yet: a run that answers from the store at once needs no view."""

    def tick(self) -> None:
        """Open the view, and see to it that somebody sees something."""
        now = time.monotonic()
        self._silent += min(now - self._ticked, _HEARD)
        self._ticked = now
        if self._widget is None:
            self._open()
        elif self._deaf:
            if self._fallback is None:
                self._fallback = Live(self._host.ip, self._run.transcript, display_id=self.display_id, shown=True)
            self._fallback.tick()

    def _page(self) -> None:
        """A page is there after all: it gets its view back, unless what stays is there already."""
        over = self._run.transcript.status in ("completed", "failed", "cancelled")
        if self._fallback is not None and not over:
            self._fallback = None
            publish(self._host.ip, self._bundle(), display_id=self.display_id, update=True)

    def end(self, failure: BaseException | None = None) -> None:
        """Replace the view by what stays. A run that waits keeps its view, where a page has it."""
        if self._widget is not None:
            self._widget.poke()
            self._widget.flush()
            if isinstance(failure, Suspended) and not self._deaf:
                publish(self._host.ip, self._bundle(), display_id=self.display_id, update=True)
                return
        known = "" if self._widget is None else self.display_id
        final = Live(self._host.ip, self._run.transcript, display_id=self.display_id, shown=bool(known))
        final.end(failure)

    # -- the view ------------------------------------------------------------------------------------------------------
    def _open(self) -> None:
        from polos_nb.notebook.widget import Widget  # noqa: PLC0415 - anywidget takes a while to import

        try:
            data, metadata = bundle(self._run.transcript, live=True)
        except RuntimeError:  # another thread is adding to the run; the next tick opens the view
            return
        # Only the flusher and the page's word pull, under the widget's lock: two threads would tell a text twice.
        self._widget = Widget("run", self._request, pull=self._pull, hello=self._page, needed=self._needed)
        self._host.keep(self._widget)
        publish(self._host.ip, ({**data, **self._widget.view_data}, metadata), display_id=self.display_id)
        self._silent = 0.0
        self._widget.poke()

    def _needed(self) -> bool:
        return self._run.transcript.status in ("running", "suspended")

    def _bundle(self) -> Bundle:
        data, metadata = bundle(self._run.transcript, live=True)
        return {**data, **self._widget.view_data}, metadata

    def _new_rows(self) -> RunRows:
        return RunRows(nonce_of=self._answering.nonce, inline=lambda: self._run.attended)

    def _heard(self, event: Event) -> None:
        self._events += 1
        if self._widget is not None:
            self._widget.poke()

    def _pull(self) -> None:
        """Put what is new into the feed. On the thread of the flusher, mostly."""
        run = self._run.transcript
        # Noted before anything is read; `_events` counts what is folded: so what comes meanwhile is told the next time.
        there = (self._events, run.version)
        if there == self._head_at or self._widget is None:
            return
        if self._shown > 0 and not self._caught_up(run):
            self._widget.poke()
            return
        feed = self._widget.feed
        if there != self._rows_at:
            try:
                feed.put(self._rows.ops(run))
            except RuntimeError:  # another thread was adding to the run: what was told is not known, so all of it anew
                self._rows = self._new_rows()
                self._widget.poke()
                return
            self._rows_at = there
        now = time.monotonic()
        if run.status == self._head.get("status") and now - self._headed < max(_HEAD, self._rest):
            self._widget.poke()  # the head of a long run takes a while to count: it comes a moment later
            return
        head = head_of(run) | self._own_head(run)
        self._head_at, self._headed = there, time.monotonic()
        self._rest = (self._headed - now) * _SHARE
        changed = {key: value for key, value in head.items() if self._head.get(key, ...) != value}
        if changed:
            self._head.update(changed)
            feed.put([["h", changed]])

    def _caught_up(self, run: Transcript) -> bool:
        """Whether a run that goes on has told again what was shown already."""
        late = time.time() - self._at > _CAUGHT_UP
        if late or run.status != "running" or len(list(run.walk())) >= self._shown:
            self._shown = -1
        return self._shown < 0

    def _own_head(self, run: Transcript) -> dict[str, Any]:
        spent, priced = spent_on(run, self._prices)
        return {
            "began": self._at,
            "max_steps": self._turns,
            "cost": spent,
            "priced": priced,
            "mode": "inline" if self._host.inline else "suspend",
            "can_stop": run.status in ("running", "suspended"),
            "always": self._rules(run),
        }

    def _rules(self, run: Transcript) -> list[dict[str, Any]]:
        """The rules of this run; asked for again when an approval was decided."""
        decided = [i for i in run.walk() if isinstance(i, StepItem) and i.kind == "approval" and i.state == "done"]
        if len(decided) != self._decided:
            with contextlib.suppress(StoreError):  # a file that is busy now is asked again with the next head
                self._always = always_of(self._host.store, run.run_id) if decided else []
                self._decided = len(decided)
        return self._always

    # -- what the page asks for ----------------------------------------------------------------------------------------
    def _request(self, verb: str, given: Mapping[str, Any]) -> Any:
        verbs: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "answer": self._answering.answer,
            "stop": self._stop,
            "later": self._later,
            "revoke": self._revoke,
            "more": lambda given: more_of(self._run.transcript, given),
        }
        if verb not in verbs:
            raise ConfigurationError(f"a run cannot {verb[:80]!r}; it can {', '.join(verbs)}")
        return verbs[verb](given)

    def _stop(self, given: Mapping[str, Any]) -> dict[str, str]:
        if self._run.transcript.status in ("completed", "failed", "cancelled"):
            return {"sentence": "The run is over already."}
        self._host.stop_run(self._run)
        return {"sentence": "The run is being stopped; what is finished is kept."}

    def _later(self, given: Mapping[str, Any]) -> dict[str, str]:
        self._run.leave()
        self._rows_at = self._head_at = None
        self._widget.poke()
        return {"sentence": "The cell ends; the run waits, and goes on here when it is answered."}

    def _revoke(self, given: Mapping[str, Any]) -> dict[str, str]:
        rule = revoke(self._host.store, self._run.id, given.get("rule"))  # type: ignore[arg-type]
        self._decided, self._head_at = -1, None
        self._widget.poke()
        return {"sentence": f"No longer approved without asking: {rule.text}."}


def always_of(store: Store, run_id: str) -> list[dict[str, Any]]:
    """The rules "always approve" of a run, as a page lists them."""
    found = rules(store, run_id) if run_id else []
    return [{"id": rule.id, "tool": rule.tool, "text": f"always: {rule.text}"} for rule in found]


def spent_on(run: Transcript, known: Prices | None = None) -> tuple[float | None, bool]:
    """What a run's live model calls cost in US dollars, and whether all their prices are known.

    `known` keeps the prices of calls, by their usage, from one time to the next.
    """
    prices = {} if known is None else known
    spent, all_known, any_call = 0.0, True, False
    for item in run.walk():
        if not isinstance(item, AnswerItem) or item.usage is None or item.cached:
            continue
        if id(item.usage) not in prices:
            provider, _, model = item.model.partition("/")
            price = 0.0 if provider in _FREE else cost(provider, model, item.usage)
            prices[id(item.usage)] = (item.usage, price)  # kept with it: an id is only one's own as long as it lives
        price = prices[id(item.usage)][1]
        all_known, any_call = all_known and price is not None, True
        spent += price or 0.0
    return (spent if any_call and (all_known or spent) else None), all_known


def more_of(run: Transcript, given: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """All of a value that a row shows the beginning of. Raises ConfigurationError for a row or a field there is not."""
    row, field = given.get("row"), given.get("field")
    if row in ("", "head", None):
        whole = {"input": run.input, "error": run.error, "answer": answer_value(run)}
        if field not in whole:
            raise ConfigurationError(f"a run has no {str(field)[:80]!r}; it has {', '.join(whole)}")
        return view_value(whole[str(field)], _ALL)
    item = next((one for one in run.walk() if prefix + one.step_key == row), None)
    if item is None:
        raise ConfigurationError(f"there is no step {str(row)[:80]!r} in this run any more")
    return view_value(_field_of(item, str(field)), _ALL)


def _field_of(item: Item, field: str) -> Any:
    names: dict[str, str] = {"error": "error"}
    if isinstance(item, AnswerItem):
        names |= {"text": "text", "reasoning": "reasoning"}
    elif isinstance(item, ToolItem):
        names |= {"args": "arguments", "result": "result"}
    elif isinstance(item, StepItem | RunItem):
        names |= {"output": "output", "input": "input"}
    if field not in names:
        raise ConfigurationError(f"a {item.name or 'step'} has no {field[:80]!r}; it has {', '.join(names)}")
    return getattr(item, names[field], None)
