"""The kernel's side of a view in a page: says what changed, hands requests on. Imports anywidget: import it late."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import Callable, Mapping
from typing import Any

import anywidget
import traitlets

from polos_nb.errors import PolosError
from polos_nb.notebook.feed import Feed, Message
from polos_nb.notebook.flusher import flusher
from polos_nb.notebook.static_files import bundle_hash, bundle_text, loader_text
from polos_nb.notebook.values import sendable
from polos_nb.runtime.portal import portal

Handler = Callable[[str, dict[str, Any]], Any]

_WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
_MAX_REQUEST = 40_000_000  # characters of a text in a request; attachments are the largest


class Library(anywidget.AnyWidget):
    """The front end's code, which all views of this kernel share: a page gets it once."""

    _esm = "export default {};"
    code = traitlets.Unicode().tag(sync=True)
    hash = traitlets.Unicode().tag(sync=True)

    def __repr__(self) -> str:
        return "Library()"  # the default has an address


class Widget(anywidget.AnyWidget):
    """A view in a page: "run", "chat" or "inspector".

    `handler(verb, arguments)` answers the page's requests with JSON data, on `loop` (the running one, else a
    background loop); it may be a coroutine function. A PolosError or ValueError becomes a sentence in the page.
    `pull`, if given, is called before each batch and puts what is new into `feed`; `hello`, when a page says its first
    word. `needed` says whether the view must stay open. From any thread: `poke()`.
    """

    kind = traitlets.Unicode().tag(sync=True)
    library = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        kind: str,
        handler: Handler,
        *,
        pull: Callable[[], None] = lambda: None,
        hello: Callable[[], None] = lambda: None,
        needed: Callable[[], bool] = lambda: False,
    ) -> None:
        self.feed = Feed()
        self.heard = False  # whether a page has said a word
        self.closed = False
        self.needed = needed
        self._handler = handler
        self._pull = pull
        self._hello = hello
        self._sending = threading.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = portal().loop
        super().__init__(kind=kind, library=_library().model_id)
        self.on_msg(self._received)

    _esm = loader_text()

    def __repr__(self) -> str:
        return f"Widget({self.kind!r})"  # the default has an address, and differs in each execution

    @property
    def view_data(self) -> dict[str, Any]:
        """The view as data of a mimebundle."""
        return {_WIDGET_VIEW: {"version_major": 2, "version_minor": 0, "model_id": self.model_id}}

    def poke(self) -> None:
        """There is something to say."""
        if not self.closed:
            flusher.poke(self)

    def flush(self) -> bool:
        """Say what is new, now. False when there was nothing."""
        with self._sending:
            if self.closed:
                return False
            self._pull()
            message = self.feed.batch()
            if message is not None:
                self._say(message)
            return message is not None

    def close(self) -> None:
        """The view is gone, in every page."""
        self.closed = True
        super().close()

    # -- what the page says --------------------------------------------------------------------------------------------
    def _received(self, _widget: Any, content: Any, _buffers: Any) -> None:
        """On any thread: only the loop may touch what the run touches."""
        if isinstance(content, Mapping) and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._take, dict(content))

    def _take(self, content: dict[str, Any]) -> None:
        if self.closed:
            return
        if not self.heard:
            self.heard = True
            self._hello()
        if content.get("t") == "hello":
            have = content.get("s")
            # Another thread is adding, or the store is busy: the next batch has it, and the page hears a word anyway.
            with self._sending, contextlib.suppress(Exception):
                self._pull()
            with self._sending:
                for message in self.feed.hello(have if isinstance(have, int) and not isinstance(have, bool) else 0):
                    self._say(message)
        elif content.get("t") == "req" and isinstance(content.get("id"), str):
            task = self._loop.create_task(self._answer(content))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, content: dict[str, Any]) -> None:
        number = content["id"][:100]
        verb = content.get("do")
        try:
            if not isinstance(verb, str):
                raise PolosError("a request says in `do` what is to be done")
            given = {key: value for key, value in content.items() if key not in ("t", "id", "do")}
            if any(isinstance(value, str) and len(value) > _MAX_REQUEST for value in given.values()):
                raise PolosError("that is too large")
            data = self._handler(verb, given)
            if inspect.isawaitable(data):
                data = await data
            reply: Message = {"t": "res", "id": number, "ok": True, "data": data}
        except Exception as error:  # whatever a page asks, it gets a sentence, and the kernel goes on
            said = " ".join(str(error).split()) or type(error).__name__
            told = said if isinstance(error, PolosError | ValueError) else f"{type(error).__name__}: {said}"
            reply = {"t": "res", "id": number, "ok": False, "error": told[:2_000]}
        if not self.closed:
            with self._sending:
                self._say(reply)

    def _say(self, message: Message) -> None:
        """Send it such that a page can read it: half of a surrogate pair in a tool's result is no reason to be mute."""
        self.send(sendable(message))


_libraries: list[Library] = []


def _library() -> Library:
    """The library of this kernel; a new one when it was closed, for example by `Widget.close_all()`."""
    if not _libraries or _libraries[0].comm is None or _libraries[0].hash != bundle_hash():
        _libraries[:] = [Library(code=bundle_text(), hash=bundle_hash())]
    return _libraries[0]
