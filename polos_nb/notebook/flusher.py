"""Sends what widgets have to say: one thread for the whole kernel, so that its messages stay few."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from typing import Any, Protocol

_log = logging.getLogger(__name__)
_PERIOD = 0.045  # seconds between two batches of one widget
_PER_SECOND = 400  # messages of all widgets; a Jupyter server drops those beyond 1,000


class Speaker(Protocol):
    """What has something to say."""

    def flush(self) -> bool:
        """Send what is new. False when there was nothing."""


class Flusher:
    """Calls `flush` of every speaker that was poked: at once when it is the first in a while, then in batches.

    A thread, because a cell may keep the kernel's own loop busy while a run on another loop streams.
    """

    def __init__(self) -> None:
        self._poked: weakref.WeakSet[Any] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def poke(self, speaker: Speaker) -> None:
        """This one has something to say. From any thread."""
        with self._lock:
            self._poked.add(speaker)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._serve, name="polos_nb-flusher", daemon=True)
                self._thread.start()
        self._wake.set()

    def _serve(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            with self._lock:
                speakers = list(self._poked)
                self._poked.clear()
            for speaker in speakers:
                try:
                    speaker.flush()
                except Exception:  # a closed comm, say: a page that lacks the batch asks for it
                    _log.debug("a widget could not say what is new", exc_info=True)
            count = len(speakers)
            del speakers
            time.sleep(max(_PERIOD, count / _PER_SECOND))


flusher = Flusher()
