"""The conversations of an agent, as a chat offers them, and what each is called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from polos_nb.codec_untag import untag
from polos_nb.notebook.attachments import taken_apart
from polos_nb.notebook.chat_turns import ChatTurn
from polos_nb.safe_text import brief
from polos_nb.stores.base import Store

_RUNS = 2_000  # that the list is made of
_LISTED = 100
_TITLE = 60


def conversations_of(store: Store, agent_id: str) -> list[dict[str, Any]]:
    """Newest first: id, title (the beginning of its first message), turns, and when it was gone on with last."""
    out: dict[str, dict[str, Any]] = {}
    for run in store.list_runs(target_id=agent_id, limit=_RUNS):
        if run.conversation_id is None or run.root is not None:
            continue
        entry = out.setdefault(run.conversation_id, {"id": run.conversation_id, "turns": 0, "at": run.created_at})
        entry["turns"] = max(entry["turns"], (run.turn or 0) + 1)
        if not run.turn:
            entry["title"] = _short(taken_apart(untag(orjson.loads(run.input)))[0])
    return [{"title": "", **entry} for entry in list(out.values())[:_LISTED]]


def title_of(turns: Sequence[ChatTurn]) -> str:
    """What a conversation with these turns is called; "" for none."""
    return _short(turns[0].text) if turns else ""


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return brief(flat, 1_000) if len(flat) <= _TITLE else f"{brief(flat[:_TITLE], 1_000)} …"
