"""How far a `map` or a batch is, told while it goes on."""

from __future__ import annotations

from collections.abc import Awaitable

from polos_nb.durable.steps import Answer, Steps
from polos_nb.run_events import StepProgress


class Progress:
    """Counts the steps of one `map` or batch as they end, and tells the listeners after each."""

    def __init__(self, steps: Steps, key: str, total: int) -> None:
        self._steps = steps
        self._key = key
        self._total = total
        self._done = self._cached = self._failed = 0

    async def counted(self, step: Awaitable[Answer]) -> Answer:
        """The answer of one of the steps. Raises what it raised."""
        try:
            answer = await step
        except Exception:
            self._failed += 1
            self._tell()
            raise
        self._cached += answer.cached
        self._tell()
        return answer

    def _tell(self) -> None:
        self._done += 1
        path = f"{self._steps.path}/{self._key}" if self._steps.path else self._key
        self._steps.book.emit(
            StepProgress,
            step_key=path,
            step_type="map",
            name=self._key,
            parent=self._steps.path,
            done=self._done,
            total=self._total,
            cached=self._cached,
            failed=self._failed,
        )
