"""The chain of writes that a step depends on: what was written before it in the program's order, not in time.

Code that goes on side by side (`asyncio.gather`) is told apart by its tasks. A task sees the writes that were asked
for before it was started, its own, and those of the tasks it has started; never those of a task beside it, which may
come sooner in one pass and later in another.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from polos_nb.codec import digest


class Branch:
    """The writes of one task, on top of those before it (`base`)."""

    def __init__(self, base: str, task: asyncio.Task[Any] | None = None) -> None:
        self.task: weakref.ref[asyncio.Task[Any]] | None = None if task is None else weakref.ref(task)
        self.over = False
        self._children: list[Branch] = []
        self._base = self._own = base
        self._marks: dict[int, tuple[str, str]] = {}

    @property
    def wrote(self) -> bool:
        """Whether there is a write in it, or in a task that it has started."""
        return bool(self._marks) or any(child.wrote for child in self._children)

    @property
    def chain(self) -> str:
        """What the next step depends on; "" where nothing was written. The order of tasks beside each other is none."""
        return self._with(self._children)

    def start(self, task: asyncio.Task[Any]) -> Branch:
        """The branch of a task that this one has started, at its first step: tasks that are over came before it."""
        made = Branch(self._with([child for child in self._children if child.over]), task)
        self._children.append(made)
        # Not task.done(): a task beside this one that only answers from the store is done before this one begins, but
        # nobody has heard of it yet.
        task.add_done_callback(lambda done: setattr(made, "over", True))
        return made

    def _with(self, children: list[Branch]) -> str:
        joined = sorted(child.chain for child in children if child.wrote)
        return digest([self._own, joined]) if joined else self._own

    def note(self, place: int, before: str, mark: str) -> None:
        """A write was asked for at a place in the trace, where the chain was `before`; it may be noted late."""
        late = bool(self._marks) and place < max(self._marks)
        self._marks[place] = (before, mark)
        if not late:
            self._own = digest([self._own, before, mark])
            return
        self._own = self._base
        for earlier in sorted(self._marks):
            self._own = digest([self._own, *self._marks[earlier]])


class Writes:
    """The branches of one body: the task that it is in, and the tasks that it starts."""

    def __init__(self, base: str) -> None:
        self._root = Branch(base)

    def adopt(self) -> None:
        """The current task is the one that the body is in."""
        task = _task()
        self._root.task = None if task is None else weakref.ref(task)
        _here.set({**_here.get(), self: self._root})

    def here(self) -> Branch:
        """The branch of the current task."""
        branch = _here.get().get(self, self._root)
        task = _task()
        owner = None if branch.task is None else branch.task()
        if task is None or owner is task:
            return branch
        if branch is self._root and branch.task is None:
            self.adopt()
            return branch
        made = branch.start(task)
        _here.set({**_here.get(), self: made})
        return made


def _task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


_here: ContextVar[Mapping[Writes, Branch]] = ContextVar("polos_nb_writes", default={})  # noqa: B039 - never changed
