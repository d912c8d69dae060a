"""The loopback provider as a process, for kernels that live in other processes.

    python -m tests.loopback --script weather --port-file port.txt
    python -m tests.loopback turns.json --port 8123 --log requests.jsonl

`turns.json` is a list of turns, or {"mode": "weather"}, or {"turns": [...]}.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from tests.loopback.server import LoopbackProvider, run_forever
from tests.loopback.turns import Script, turn_from_json
from tests.loopback.weather import SCRIPTS


def read_script(name: str) -> Script:
    """A script from a built-in name, a file, or JSON text."""
    if name in SCRIPTS:
        return SCRIPTS[name]
    data = json.loads(name if name.lstrip().startswith(("[", "{")) else Path(name).read_text(encoding="utf-8"))
    if isinstance(data, dict) and "mode" in data:
        return SCRIPTS[data["mode"]]
    turns = data["turns"] if isinstance(data, dict) else data
    return [turn_from_json(turn) for turn in turns]


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m tests.loopback", description="A provider of scripted answers.")
    parser.add_argument("script", nargs="?", help="a JSON file of turns, or JSON text")
    parser.add_argument("--script", dest="named", help="the name of a built-in script: " + ", ".join(SCRIPTS))
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--port-file", help="file that gets the port number once the server listens")
    parser.add_argument("--log", help="file that gets each answered request as one line of JSON")
    given = parser.parse_args(arguments)
    name = given.named or given.script
    if not name:
        parser.error("give a script: a JSON file of turns, or --script weather")

    def ready(server: LoopbackProvider) -> None:
        if given.port_file:
            # Written whole under another name first, so that a reader never sees half a number.
            part = Path(given.port_file + ".part")
            part.write_text(str(server.port), encoding="utf-8")
            os.replace(part, given.port_file)
        for key, value in server.env().items():
            print(f"export {key}={value}")
        sys.stdout.flush()

    def leave(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, leave)
    with contextlib.suppress(KeyboardInterrupt):
        run_forever(read_script(name), port=given.port, ready=ready, log=given.log)


if __name__ == "__main__":
    main()
