"""When to try a failed step again, and how long to wait before it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from polos_nb.errors import ModelError, ModelUnavailable


def any_failure(error: BaseException) -> bool:
    """Try again after every failure except those that a provider called final."""
    return not isinstance(error, ModelError) or isinstance(error, ModelUnavailable)


def passing_failure(error: BaseException) -> bool:
    """Try again only after failures of a provider that may pass: rate limits, overload, lost connections."""
    return isinstance(error, ModelUnavailable)


@dataclass(frozen=True, kw_only=True)
class Retry:
    """`max_retries` further attempts; waits grow from `base_delay` to `max_delay` seconds, with jitter.

    The wait before attempt n+1 is `min(base_delay * 2**(n-1), max_delay)`, of which a random half is taken off (equal
    jitter), but at least the `Retry-After` that a provider asked for, which is honoured up to `max_retry_after`.
    There is no wait after the last attempt.
    """

    max_retries: int = 0
    base_delay: float = 1.0
    max_delay: float = 10.0
    max_retry_after: float = 60.0
    should_retry: Callable[[BaseException], bool] = any_failure

    def delay(self, attempt: int, error: BaseException) -> float | None:
        """Seconds to wait after failed attempt number `attempt` (from 1), or None to give up."""
        if attempt > self.max_retries or not self.should_retry(error):
            return None
        wait = min(self.base_delay * 2.0 ** (attempt - 1), self.max_delay)
        wait = wait / 2 + random.random() * wait / 2
        asked = getattr(error, "retry_after", None)
        if asked is not None:
            if asked > self.max_retry_after:
                return None  # a person decides sooner than that
            wait = max(wait, float(asked))
        return wait
