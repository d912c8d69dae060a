"""The thread that sends what widgets have to say: soon, in batches, not too much, and whatever fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from polos_nb.notebook.flusher import Flusher


class Speaker:
    """Notes when it was asked to speak; `fails` makes it raise."""

    def __init__(self, *, fails: bool = False) -> None:
        self.at: list[float] = []
        self.fails = fails

    def flush(self) -> bool:
        self.at.append(time.monotonic())
        if self.fails:
            raise RuntimeError("its comm is closed")
        return True


def until(holds: Callable[[], Any], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.001)


def test_the_first_word_is_sent_at_once_and_the_next_ones_in_batches() -> None:
    """Hundreds of pokes become some 22 calls a second."""
    flusher, speaker = Flusher(), Speaker()
    flusher.poke(speaker)
    until(lambda: speaker.at)
    begin = speaker.at[0]
    while time.monotonic() - begin < 0.5:
        flusher.poke(speaker)
        time.sleep(0.001)
    until(lambda: time.monotonic() - begin > 0.6)
    assert 2 <= len(speaker.at) <= 13
    assert min(b - a for a, b in zip(speaker.at, speaker.at[1:], strict=False)) >= 0.044


def test_many_widgets_together_stay_below_what_a_server_drops() -> None:
    """Each of a hundred widgets speaks more seldom."""
    flusher, speakers = Flusher(), [Speaker() for _ in range(100)]
    begin = time.monotonic()
    while time.monotonic() - begin < 1.0:
        for speaker in speakers:
            flusher.poke(speaker)
        time.sleep(0.002)
    said = [at for speaker in speakers for at in speaker.at]
    assert all(speaker.at for speaker in speakers)
    assert len(said) <= 200 + 400 * (time.monotonic() - begin)


def test_a_speaker_that_fails_does_not_silence_the_others() -> None:
    """Its error is nobody's: its next word says what is new."""
    flusher, bad, good = Flusher(), Speaker(fails=True), Speaker()
    flusher.poke(bad)
    flusher.poke(good)
    until(lambda: bad.at and good.at)
    flusher.poke(bad)
    until(lambda: len(bad.at) == 2)


def test_a_speaker_that_is_gone_is_forgotten_and_one_thread_serves_all() -> None:
    """Pokes from many threads start one thread; it keeps nothing alive."""
    before = {thread for thread in threading.enumerate() if thread.name == "polos_nb-flusher"}
    flusher, speaker = Flusher(), Speaker()
    threads = [threading.Thread(target=flusher.poke, args=(speaker,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: speaker.at)
    mine = {thread for thread in threading.enumerate() if thread.name == "polos_nb-flusher"} - before
    assert len(mine) == 1
    assert all(thread.daemon for thread in mine)
    until(lambda: not flusher._poked)
