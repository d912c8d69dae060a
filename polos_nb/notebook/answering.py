"""Answers that come from a page: taken only from the card that was drawn for the question."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from typing import Any

from polos_nb.errors import ConfigurationError
from polos_nb.reports.answers import answer_question, login_name
from polos_nb.stores.base import Store

_KEYS = ("run", "step", "nonce", "values", "always")


class Answering:
    """The cards of one widget. Each question has a word that its answer must carry, which only its card knows."""

    def __init__(self, store: Store, by: str = "") -> None:
        self._store = store
        self._by = by or login_name() or "notebook"
        self._nonces: dict[int, str] = {}

    def nonce(self, decision: int) -> str:
        """The word of a decision's card."""
        return self._nonces.setdefault(decision, secrets.token_hex(8))

    def answer(self, args: Mapping[str, Any]) -> dict[str, str]:
        """Take an answer and return `{"sentence": ...}`, which says what was decided, perhaps by another.

        Raises ConfigurationError for an answer that is not from a card of this widget or does not fit its form.
        """
        run, step, nonce = (args.get(key) for key in ("run", "step", "nonce"))
        values = args.get("values")
        if not isinstance(run, str) or not isinstance(step, str) or not isinstance(values, Mapping):
            raise ConfigurationError("an answer needs the run, the step and the values of its card")
        decision = self._meant(run, step, nonce)
        given = dict(values)
        always = args.get("always")
        if always is not None:
            given["allow_always"] = always
        done = answer_question(self._store, decision, given, by=self._by)
        return {"sentence": done.sentence()}

    def _meant(self, run: str, step: str, nonce: Any) -> int:
        """The decision whose card this is. Its step may have asked something else since."""
        given = nonce.encode("utf-8", "replace") if isinstance(nonce, str) else b""
        for number, known in self._nonces.items():
            if hmac.compare_digest(known.encode(), given):
                decision = self._store.get_decision(number)
                if decision is not None and (decision.run_id, decision.step_key) == (run, step):
                    return number
        raise ConfigurationError(
            f"this card is not the one that asks for {step} of {run}; look at %polos runs --waiting for what waits"
        )
