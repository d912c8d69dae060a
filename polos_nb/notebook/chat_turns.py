"""What is seen of one message of a chat and its answer, whether it is kept already, on its way or still waiting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from polos_nb.codec_untag import untag
from polos_nb.messages import Message, Usage, total_usage
from polos_nb.notebook.attachments import taken_apart
from polos_nb.redaction import redactor
from polos_nb.runtime.branches import Turn
from polos_nb.runtime.records import transcript_from_records
from polos_nb.runtime.requests import sayable, user_messages
from polos_nb.runtime.run import Run
from polos_nb.stores.base import RunRecord, Store
from polos_nb.transcript import Transcript
from polos_nb.transcript_items import AnswerItem
from polos_nb.transcript_text import answer_value

CUT_OFF = "Not finished: it was cut off. Retry goes on from its last finished step."


@dataclass(frozen=True, kw_only=True)
class ChatTurn:
    """One message with its answer.

    `row` names it as long as the chat is open. `status` is that of its run, or "queued", or "unfinished" for a run that
    nobody drives. `input` is what the model was asked; `text` is what the user wrote of it. `branch` counts from 1.
    """

    row: str
    input: Any
    text: str
    attachments: tuple[dict[str, Any], ...] = ()
    run_id: str = ""
    agent: str = ""
    status: str = "queued"
    error: str = ""
    branch: int = 1
    branches: int = 1
    beside: tuple[str, ...] = ()
    transcript: Transcript

    @property
    def answer(self) -> Any:
        """The answer as plain data, or what there is of it so far; None for nothing."""
        return answer_value(self.transcript)

    @property
    def usage(self) -> Usage:
        """Tokens of all its calls of models."""
        return total_usage(item.usage for item in _answers(self.transcript))


def queued_turn(row: str, input: Any, *, run: Any = None, **more: Any) -> ChatTurn:
    """The turn of a message that is not in the store yet."""
    text, files = taken_apart(input)
    transcript = run.transcript if run is not None else Transcript()
    text = redactor().redact(text)  # as the store will have it
    return ChatTurn(row=row, input=input, text=text, attachments=tuple(files), transcript=transcript, **more)


class StoredTurns:
    """Turns as the store has them; what is over is read once."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Any, ChatTurn]] = {}

    def turn(
        self, store: Store, found: Turn, row: str, *, driven: bool, transcript: Transcript | None = None
    ) -> ChatTurn:
        """One turn. `driven` says that a process is answering it now; `transcript` is its own, where it is this one."""
        run = found.run
        over = run.status in ("completed", "failed", "cancelled")
        # The version stands for the steps of a run that goes on elsewhere, or waits for an answer.
        mark = (row, run.status, run.finished_at, found.beside, driven, None if over else store.version())
        known = self._known.get(run.id)
        if known is not None and known[0] == mark and transcript is None:
            return known[1]
        turn = _made(store, found, row, driven=driven, transcript=transcript)
        if transcript is None:
            self._known[run.id] = (mark, turn)
        return turn


def _made(store: Store, found: Turn, row: str, *, driven: bool, transcript: Transcript | None) -> ChatTurn:
    run = found.run
    given = untag(orjson.loads(run.input))
    text, files = taken_apart(given)
    status = run.status if run.status != "running" or driven else "unfinished"
    error = CUT_OFF if status == "unfinished" else (run.error or "") if status == "failed" else ""
    return ChatTurn(
        row=row,
        input=given,
        text=text,
        attachments=tuple(files),
        run_id=run.id,
        agent=run.target_id,
        status=status,
        error=error,
        branch=found.branch,
        branches=len(found.beside),
        beside=found.beside,
        transcript=transcript or _read(store, run, status),
    )


def _read(store: Store, run: RunRecord, status: str) -> Transcript:
    transcript = transcript_from_records(run, store.trace(run.id), store)
    if status == "unfinished":
        for item in transcript.walk():
            item.state = "stopped" if item.state in ("running", "retrying") else item.state
    elif status == "cancelled" and transcript.result is None:
        _say_partly(store, run, transcript)
    return transcript


def _say_partly(store: Store, run: RunRecord, transcript: Transcript) -> None:
    """Show what a stopped turn had said: its last step has no answer in the store, but the conversation keeps it."""
    said = [orjson.loads(text) for text in store.get_messages(run.id)]
    text = next((str(one.get("content") or "") for one in reversed(said) if one.get("role") == "assistant"), "")
    last = next((item for item in reversed(transcript.items) if isinstance(item, AnswerItem)), None)
    if text and last is not None and not last.text:
        last.text = text


def keep_part(store: Store, conversation: str, run: Run, input: Any) -> None:
    """What a stopped turn has said is part of the conversation, as it is in the page; nothing where it said nothing."""
    record, text = store.get_run(run.id), run.transcript.partial_text
    if record is None or record.turn is None or record.status == "completed" or not text:
        return
    said = [*user_messages(input), Message(role="assistant", content=sayable(text))]
    texts = [redactor().redact(message.model_dump_json(exclude_none=True)) for message in said]
    store.put_messages(conversation, run.id, record.turn, texts)


def _answers(transcript: Transcript) -> list[AnswerItem]:
    return [item for item in transcript.walk() if isinstance(item, AnswerItem)]
