"""What views of runs need of the notebook: where runs are kept, whether clicks are heard, whose widgets are open."""

from __future__ import annotations

import contextlib
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from polos_nb.notebook.kernel_compat import hears_clicks
from polos_nb.runtime.client import PolosClient
from polos_nb.runtime.portal import portal
from polos_nb.runtime.run import Run
from polos_nb.runtime.runtime import Runtime
from polos_nb.stores.base import Store

APPROVAL_MODES = ("auto", "inline", "suspend")
_OPEN = 60  # widgets that nobody needs any more, such as those of runs that are over


class Host:
    """The notebook as its widgets see it. `runtime_of`, `mode_of` and `stopped` are the session's."""

    def __init__(
        self,
        ip: Any,
        runtime_of: Callable[[], Runtime],
        mode_of: Callable[[], str],
        stopped: Callable[[Any], None],
    ) -> None:
        self.ip = ip
        self._runtime_of = runtime_of
        self._mode_of = mode_of
        self._stopped = stopped
        self.in_cell = False
        self.seen: weakref.WeakSet[Run] = weakref.WeakSet()  # runs that something shows already
        self._cell = ""
        self._widgets: OrderedDict[Any, str] = OrderedDict()

    @property
    def store(self) -> Store:
        """Where the runs are kept."""
        return self._runtime_of().store

    @property
    def inline(self) -> bool:
        """Whether a cell waits for an answer: as configured; else where clicks are heard while it waits."""
        mode = self._mode_of()
        return mode == "inline" or (mode != "suspend" and hears_clicks(self.ip))

    def begin_cell(self, cell: str | None) -> None:
        """A cell begins: what it showed before is closed."""
        self.in_cell = True
        self._cell = cell or ""
        for widget in [widget for widget, owner in self._widgets.items() if owner and owner == self._cell]:
            self._close(widget)

    def end_cell(self) -> None:
        """A cell has ended."""
        self.in_cell = False

    def keep(self, widget: Any) -> None:
        """Close this widget when its cell is executed again. Until then a page that is reloaded shows it again."""
        self._widgets[widget] = self._cell
        # A run that goes on or waits keeps its view, however many there are: its cell may wait for a click in it.
        idle = [one for one in self._widgets if one is not widget and not one.needed()]
        for one in idle[: max(0, len(idle) + 1 - _OPEN)]:
            self._close(one)

    def close(self) -> None:
        """Close all widgets."""
        for widget in list(self._widgets):
            self._close(widget)

    def stop_run(self, run: Run) -> None:
        """Stop a run, also one that was left waiting."""
        if not run.done():
            run.cancel()
            return
        record = self.store.get_run(run.id)
        if record is not None and portal().run(PolosClient(runtime=self._runtime_of()).cancel_execution(run.id)):
            self._stopped(record)

    def _close(self, widget: Any) -> None:
        self._widgets.pop(widget, None)
        with contextlib.suppress(Exception):  # its comm may be gone with its page
            widget.close()
