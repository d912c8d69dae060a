"""Shows a run while it is driven and when it has ended, in the way that whoever looks can see."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from typing import Any, Protocol

from IPython.core.displaypub import CapturingDisplayPublisher

from polos_nb.errors import ConfigurationError
from polos_nb.notebook.arguments import RENDERERS, did_you_mean
from polos_nb.notebook.cards import error_card
from polos_nb.notebook.display import Bundle, bundle
from polos_nb.notebook.kernel_compat import in_kernel, watching
from polos_nb.runtime.run import Run
from polos_nb.safe_text import Limits
from polos_nb.transcript import Transcript
from polos_nb.transcript_text import answer_value, plain_answer, status_line

_LINGER = 4.0  # seconds that "resumed from the store" is to be seen
_UPDATE = 0.5  # seconds between updates: an update sends the whole output again
_SHARE = 5  # times as long as an update took, there is none: that of a run of many thousand steps blocks the loop


class Painter(Protocol):
    """Shows one run: `begin` once, `tick` as often as wanted, `end` once.

    `stays`: what it shows can be changed after the cell. `inline`: the cell may wait for answers, since they can be
    given in what it shows.
    """

    @property
    def stays(self) -> bool:
        """Whether it can show a run that goes on after its cell."""

    @property
    def inline(self) -> bool:
        """Whether answers can be given while the cell waits."""

    def again(self, run: Run) -> Painter:
        """The painter of a run that goes on as another one, in the same output."""

    def begin(self) -> None:
        """The run has been started."""

    def tick(self) -> None:
        """Time has passed."""

    def end(self, failure: BaseException | None = None) -> None:
        """The run has ended, well or not. `failure` is shown where the run never began."""


class Quiet:
    """Shows nothing."""

    stays = False
    inline = False

    def again(self, run: Run) -> Painter:
        """Itself."""
        return self

    def begin(self) -> None:
        """Nothing."""

    def tick(self) -> None:
        """Nothing."""

    def end(self, failure: BaseException | None = None) -> None:
        """Nothing."""


class Static(Quiet):
    """One output at the end, and nothing else: what tests compare."""

    def __init__(self, ip: Any, transcript: Transcript) -> None:
        self._ip = ip
        self._transcript = transcript

    def end(self, failure: BaseException | None = None) -> None:
        """Show the run."""
        publish(self._ip, _final(self._transcript, failure))


class Live:
    """An output that is there at once, follows the run, and is the static one at the end.

    `shown`: the output is there already.
    """

    stays = True
    inline = False

    def __init__(self, ip: Any, transcript: Transcript, *, display_id: str = "", shown: bool = False) -> None:
        self._ip = ip
        self._shown = shown
        self._transcript = transcript
        self._display_id = display_id or uuid.uuid4().hex
        self._painted = self._rest = 0.0
        self._version = -1

    def again(self, run: Run) -> Live:
        """Another run in the same output."""
        return Live(self._ip, run.transcript, display_id=self._display_id, shown=self._shown)

    def begin(self) -> None:
        """Show the empty run."""
        self._version = self._transcript.version
        self._publish(bundle(self._transcript, live=True))
        self._painted = time.monotonic()

    def tick(self) -> None:
        """Show what is new, at most twice a second."""
        began = time.monotonic()
        if self._transcript.version == self._version or began - self._painted < max(_UPDATE, self._rest):
            return
        version = self._transcript.version
        try:
            shown = bundle(self._transcript, live=True)
        except RuntimeError:  # another thread is adding to the run; the next tick sees all of it
            return
        self._version = version
        self._publish(shown)
        self._painted = time.monotonic()
        self._rest = (self._painted - began) * _SHARE

    def _publish(self, shown: Bundle) -> None:
        publish(self._ip, shown, display_id=self._display_id, update=self._shown)
        self._shown = True

    def end(self, failure: BaseException | None = None) -> None:
        """Replace it by what stays; a run that was answered by the store says so for a moment first."""
        final = _final(self._transcript, failure)
        loop = _running_loop()
        if failure is not None or loop is None or not self._transcript.from_store:
            self._publish(final)
            return
        self._publish(bundle(self._transcript, live=True))
        # What stays must be the same in every execution, so the line about this one goes again.
        loop.call_later(_LINGER, lambda: self._publish(final))


class Plain(Quiet):
    """Lines of text on stdout: one for each step when it has ended, then the answer."""

    def __init__(self, ip: Any, transcript: Transcript) -> None:
        self._ip = ip
        self._transcript = transcript
        self._printed: set[str] = set()

    def tick(self) -> None:
        """Print the steps that have ended since."""
        try:
            lines = self._transcript.live_text().splitlines()[1:]
            items = list(self._transcript.walk())
        except RuntimeError:
            return
        for item, line in zip(items, lines, strict=False):
            if not item.open and item.step_key not in self._printed:
                self._printed.add(item.step_key)
                print(line, flush=True)  # noqa: T201 - in a terminal this is the output

    def end(self, failure: BaseException | None = None) -> None:
        """Print the rest, and the answer."""
        self.tick()
        if not self._transcript.version:
            return
        value = answer_value(self._transcript)
        text = "" if value is None else plain_answer(value, Limits())
        for part in (text, status_line(self._transcript)):
            if part:
                print(part, flush=True)  # noqa: T201


def painter_for(
    ip: Any,
    run: Run,
    *,
    asked: str | None,
    default: str,
    environment: str | None,
    widget: Callable[[], Painter],
) -> Painter:
    """The painter for a shell: the environment wins over what the cell asks for, that over the default.

    "auto": static when nobody is watching, plain in a terminal, else a widget, which `widget` makes.
    """
    chosen = environment or asked or default or "auto"
    if chosen not in RENDERERS:
        raise ConfigurationError(f"render {chosen!r} is unknown{did_you_mean(chosen, RENDERERS)}")
    if chosen == "auto":
        captured = isinstance(ip.display_pub, CapturingDisplayPublisher)  # %%capture does not take updates
        chosen = "static" if captured or not watching(ip) else "widget" if in_kernel(ip) else "plain"
    if chosen == "widget":
        return widget() if in_kernel(ip) else Live(ip, run.transcript)
    if chosen == "live":
        return Live(ip, run.transcript)
    return Plain(ip, run.transcript) if chosen == "plain" else Static(ip, run.transcript)


def _final(transcript: Transcript, failure: BaseException | None) -> Bundle:
    if failure is not None and not transcript.version:
        return error_card("The run did not begin", " ".join(str(failure).split()) or type(failure).__name__, "")
    return bundle(transcript)


def publish(ip: Any, shown: Bundle, *, display_id: str = "", update: bool = False) -> None:
    """Send a bundle as an output of the running cell, or in place of the one with the same id."""
    data, metadata = shown
    transient = {"display_id": display_id} if display_id else {}
    ip.display_pub.publish(data=data, metadata=metadata, transient=transient, update=update)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
