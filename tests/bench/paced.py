"""The loopback provider as a process that sends tokens at a steady pace and writes down when it sent each of them.

    python -m tests.bench.paced --port-file port.txt --log sent.jsonl

The user's message says how many tokens at how many a second: "5000 500". Every `EVERY`th token is a mark, "mark50.".
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from pathlib import Path
from types import ModuleType

from aiohttp import web

from tests.loopback.server import LoopbackProvider
from tests.loopback.turns import Request, Turn

EVERY = 50
WORDS = ("the", "tokens", "of", "models", "arrive", "one", "after", "another", "while", "people", "read")


def tokens_of(count: int) -> str:
    """A text of `count` tokens, 4 to 8 characters each with their space, in paragraphs.

    >>> tokens_of(3)
    'tokens of models'
    """
    words = []
    for number in range(1, count + 1):
        word = f"mark{number}." if number % EVERY == 0 else WORDS[number % len(WORDS)]
        words.append(f"\n\n{word}" if number % 120 == 1 and number > 1 else word)
    return " ".join(words)


def paced(request: Request) -> Turn:
    """What the user's message asks for."""
    count, rate = request.user.split()[:2]
    return Turn(text=tokens_of(int(count)), delay=1 / float(rate), usage=(10, int(count)))


class PacedProvider(LoopbackProvider):
    """Keeps to the pace whatever a single write takes; `log` gets one line of JSON for each answer."""

    def __init__(self, log: Path) -> None:
        super().__init__(paced)
        self._log = log

    async def _answer(self, http: web.Request, request: Request, turn: Turn, wire: ModuleType) -> web.StreamResponse:
        asked = time.time()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(http)
        loop = asyncio.get_running_loop()
        begin, sent = loop.time(), []
        for number, frame in enumerate(wire.stream(turn, request)):
            await asyncio.sleep(max(0.0, begin + number * turn.delay - loop.time()))
            sent.append(time.time())  # before the write: its end is no part of the way to the screen
            await response.write(frame)
        await response.write_eof()
        with self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"asked": asked, "user": request.user, "sent": sent}) + "\n")
        return response


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.paced")
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--log", type=Path, required=True)
    given = parser.parse_args()
    with PacedProvider(given.log) as server:
        part = given.port_file.with_suffix(".part")
        part.write_text(json.dumps(server.env()), encoding="utf-8")
        os.replace(part, given.port_file)
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
