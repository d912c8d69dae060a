"""Real processes that run a program in a folder: started quickly, killed, and answered from outside."""

from __future__ import annotations

import json
import multiprocessing
import random
import sys
import time
import traceback
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from polos_nb.durable.step_wait import answer_step
from polos_nb.stores.sqlite import SqliteStore
from tests.crash.programs import answer_to, finished, lines_of, main

_context = multiprocessing.get_context("forkserver")  # a process is there in 20 ms, and owes nothing to this one
_context.set_forkserver_preload(["tests.crash.programs", "polos_nb.stores.sqlite", "polos_nb.runtime.runtime"])


def started(target: Callable[..., Any], folder: str, *args: Any) -> BaseProcess:
    """A process that calls `target(folder, *args)`; what it says goes to a file in the folder."""
    process = _context.Process(target=_said_to_a_file, args=(target, folder, *args), daemon=True)
    process.start()
    return process


def _said_to_a_file(target: Callable[..., Any], folder: str, *args: Any) -> None:
    with open(f"{folder}/said", "a") as said:
        sys.stderr = sys.stdout = said
        try:
            target(folder, *args)
        except BaseException:
            traceback.print_exc()
            raise


def until(condition: Callable[[], Any], seconds: float = 30.0, what: str = "it") -> Any:
    """What `condition()` gives, once that is something."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"{what} did not happen in {seconds:g} s"
        time.sleep(0.002)
    return found


class Lane:
    """One folder in which a workflow is run by one process after the other until it has its result."""

    def __init__(self, folder: Path, chance: random.Random, pause: float) -> None:
        folder.mkdir()
        self.folder = folder
        self.places: list[str] = []  # what was going on at each kill
        self.answered_while_dead = 0
        self.answered_early = 0
        self._chance = chance
        self._pause = pause
        self._store: SqliteStore | None = None

    @property
    def store(self) -> SqliteStore:
        """The file, opened by this process: the person who answers."""
        if self._store is None:
            self._store = SqliteStore(str(self.folder / "steps.db"))
        return self._store

    def close(self) -> None:
        """Release the file."""
        if self._store is not None:
            self._store.close()

    def result(self) -> dict[str, Any] | None:
        """What the workflow gave, once it did."""
        path = self.folder / "result"
        return json.loads(path.read_text()) if path.exists() else None

    def life(self, longest: float | None) -> list[str]:
        """Run one process, and kill it up to `longest` seconds after it began to work. What ran twice in it."""
        done = finished(self.store)
        seen = len(lines_of(self.folder))
        process = started(main, str(self.folder), self._pause)
        moment = None if longest is None else self._moment(process, seen, longest)
        try:
            while process.is_alive() and (moment is None or time.monotonic() < moment):
                self._answer()
                time.sleep(0.002)
            killed = process.is_alive()
            process.kill()
            process.join(20)
            if self.result() is None:  # threads that start processes spoil each other's exit codes
                assert killed, (self.folder / "said").read_text()
                self.places.append((lines_of(self.folder) or ["nothing"])[-1])
                self._answer_the_dead()
        finally:
            process.kill()
            process.join()
        new = [line.removeprefix("start ") for line in lines_of(self.folder)[seen:] if line.startswith("start ")]
        return [name for name in new if name in done or new.count(name) > 1]

    def _moment(self, process: BaseProcess, seen: int, longest: float) -> float:
        """When to kill: some time after the first sign of life; sometimes before it."""
        if self._chance.random() < 0.1:
            return time.monotonic() + self._chance.uniform(0, longest)
        end = time.monotonic() + 3
        while len(lines_of(self.folder)) == seen and process.is_alive() and time.monotonic() < end:
            if self.store.decisions(status="waiting"):
                break
            time.sleep(0.001)
        return time.monotonic() + self._chance.uniform(0, longest)

    def _answer(self) -> None:
        for decision in self.store.decisions(status="waiting"):
            if self._chance.random() < 0.2:  # a person takes their time
                answer = json.dumps(answer_to(decision, lines_of(self.folder)))
                assert self.store.decide(decision.id, answer=answer)

    def _answer_the_dead(self) -> None:
        if self._chance.random() < 0.5:
            for decision in self.store.decisions(status="waiting"):
                answer = json.dumps(answer_to(decision, lines_of(self.folder)))
                self.answered_while_dead += self.store.decide(decision.id, answer=answer)
        runs = self.store.list_runs(target_id="order")
        asked = self.store.decisions(run_id=runs[0].id) if runs else []
        if runs and self._chance.random() < 0.1 and not any(d.step_key == "review" for d in asked):
            self.answered_early += answer_step(self.store, runs[0].id, "review", {"approved": True})
