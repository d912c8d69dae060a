"""The view of a chat: its turns as rows of a page, what the page asks for, and the output that is saved meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from polos_nb.errors import ConfigurationError, StoreError
from polos_nb.models.vision import takes_images
from polos_nb.notebook.answering import Answering
from polos_nb.notebook.attachments import from_page
from polos_nb.notebook.chat import Chat
from polos_nb.notebook.chat_list import title_of
from polos_nb.notebook.chat_turns import ChatTurn
from polos_nb.notebook.feed import Op
from polos_nb.notebook.markup import Bundle
from polos_nb.notebook.painter import publish
from polos_nb.notebook.rows import RunRows, view_value
from polos_nb.notebook.run_widget import always_of, more_of, spent_on
from polos_nb.runtime.always import revoke
from polos_nb.runtime.run import Run
from polos_nb.safe_text import brief
from polos_nb.stores.base import Store
from polos_nb.transcript import Transcript
from polos_nb.transcript_items import AnswerItem, StepItem

_LOOK = 1.0  # seconds between two looks at what others have done
_STEPS_OF = 40  # newest turns whose steps are in the page
_ALL = 1_000_000
_ANSWER = 60_000
_TEXT = 20_000


class ChatHost(Protocol):
    """What the view of a chat needs of the notebook."""

    ip: Any

    @property
    def store(self) -> Store:
        """Where the runs are kept."""

    def keep(self, widget: Any) -> None:
        """Close this widget when its cell is executed again."""


class ChatRows:
    """What a page was told of a chat."""

    def __init__(self, chat: Chat, store: Store, answering: Answering) -> None:
        self._chat = chat
        self._store = store
        self._answering = answering
        self._told: dict[str, _Told] = {}
        self._steps: dict[str, RunRows] = {}
        self._order: list[str] = []
        self._head: dict[str, Any] = {}
        self._always: tuple[Any, list[dict[str, Any]]] = (None, [])

    def ops(self) -> list[Op]:
        """The changes that bring the page from what it was told to what the chat is now."""
        out: list[Op] = []
        turns = self._chat.turns
        for number, turn in enumerate(turns, 1):
            self._turn(turn, number, number > len(turns) - _STEPS_OF, out)
        order = [turn.row for turn in turns]
        for gone in self._told.keys() - set(order):
            self._forget(gone, out)
        if order != self._order:
            self._order = order
            out.append(["o", "", order])
        head = self._head_now(turns)
        changed = {key: value for key, value in head.items() if self._head.get(key, ...) != value}
        if changed:
            self._head.update(changed)
            out.append(["h", changed])
        return out

    def _turn(self, turn: ChatTurn, number: int, with_steps: bool, out: list[Op]) -> None:
        mark = (
            id(turn.transcript),
            turn.transcript.version,
            turn.status,
            turn.branches,
            number,
            with_steps,
            turn.run_id,
        )
        before = self._told.get(turn.row)
        if before is not None and before.mark == mark:  # most turns are over, and prices take a while to look up
            return
        fields = turn_fields(turn, number, with_steps)
        known = {} if before is None else before.fields
        changed = {key: value for key, value in fields.items() if known.get(key, ...) != value}
        if changed:
            out.append(["r", turn.row, changed])
        if with_steps:
            rows = self._steps.get(turn.row) or RunRows(f"{turn.row}/", turn.row, nonce_of=self._answering.nonce)
            self._steps[turn.row] = rows
            out += rows.ops(turn.transcript)
        self._told[turn.row] = _Told(mark, fields, turn.transcript, spent_on(turn.transcript))

    def _forget(self, row: str, out: list[Op]) -> None:
        del self._told[row]
        rows = self._steps.pop(row, None)
        if rows is not None:
            out += [op for op in rows.ops(Transcript()) if op[0] == "x"]
        out.append(["x", row])

    def _head_now(self, turns: tuple[ChatTurn, ...]) -> dict[str, Any]:
        chat, run = self._chat, self._chat.current
        told = [self._told[turn.row] for turn in turns]
        known = [one.spent[0] for one in told if one.spent[0] is not None]
        steps = [] if run is None else [item for item in run.transcript.walk() if isinstance(item, StepItem)]
        asked = any(item.state == "waiting" and item.form for item in steps)
        return {
            "kind": "chat",
            "agent": chat.agent.id,
            "target": chat.agent.id,
            "model": f"{chat.agent.provider}/{chat.agent.model_name}",
            "conversation": chat.conversation,
            "title": title_of(turns),
            "note": chat.note,
            "busy": chat.busy,
            "queued": chat.queued,
            "can_stop": chat.busy,
            "status": "waiting" if asked else "running" if chat.busy else "completed" if turns else "",
            "takes_images": takes_images(chat.agent.provider, chat.agent.model),
            "always": self._rules(run, sum(item.kind == "approval" and item.state == "done" for item in steps)),
            "tokens_in": sum(one.fields["tokens_in"] for one in told),
            "tokens_out": sum(one.fields["tokens_out"] for one in told),
            "cost": sum(known) if known else None,
            "priced": all(one.spent[1] for one in told),
        }

    def _rules(self, run: Run | None, decided: int) -> list[dict[str, Any]]:
        """The rules of the run that answers now; asked for again when an approval was decided."""
        mark = (run.id if run is not None else "", decided)
        if self._always[0] != mark:
            self._always = (mark, always_of(self._store, mark[0]) if decided else [])
        return self._always[1]

    def forget_rules(self) -> None:
        """A rule was taken back."""
        self._always = (None, [])


class _Told(NamedTuple):
    """What a page was told of one turn. The transcript is held so that its id stays its own."""

    mark: Any
    fields: dict[str, Any]
    transcript: Transcript
    spent: tuple[float | None, bool]


def turn_fields(turn: ChatTurn, number: int, with_steps: bool) -> dict[str, Any]:
    """What a page is told of one turn. Its answer is left out where the row of the model's last step shows it."""
    transcript, usage = turn.transcript, turn.usage
    over = turn.status not in ("running", "queued")
    last = next((i for i in reversed(transcript.items) if isinstance(i, AnswerItem) and i.text), None)
    answer = turn.answer if over else None
    shown = with_steps and last is not None and isinstance(answer, str) and last.text == answer
    return {
        "id": turn.row,
        "parent": "",
        "n": number,
        "kind": "turn",
        "role": "user",
        "text": turn.text[:_TEXT],
        "attachments": list(turn.attachments),
        "run": turn.run_id,
        "status": turn.status,
        "state": _STATES.get(turn.status, "done"),
        "error": brief(turn.error, 2_000) if turn.error else None,
        "answer": None if answer is None or shown else view_value(answer, _ANSWER),
        "tokens_in": usage.input_tokens,
        "tokens_out": usage.output_tokens,
        "cost": spent_on(transcript)[0] if usage.total_tokens else None,
        "branch": turn.branch,
        "branches": turn.branches,
        "seconds": transcript.seconds,
    }


_STATES = {
    "queued": "waiting", "running": "running", "suspended": "waiting", "failed": "failed", "cancelled": "stopped",
    "unfinished": "stopped",
}  # fmt: skip


class ChatView:
    """One output with a chat in it: a widget in the page, and beneath it what a saved notebook shows.

    `show` puts it into the cell that is being executed. While a page listens it looks once a second whether a cell,
    another kernel or a person elsewhere has done something in the conversation.
    """

    def __init__(self, host: ChatHost, chat: Chat) -> None:
        self.chat = chat
        self.widget: Any = None
        self._host = host
        self._display_id = uuid.uuid4().hex
        self._answering = Answering(host.store)
        self._rows = ChatRows(chat, host.store, self._answering)
        self._task: asyncio.Task[None] | None = None
        self._seen: int | None = None

    def show(self) -> None:
        """Open the widget; on the loop that will drive the chat's runs."""
        from polos_nb.notebook.widget import Widget  # noqa: PLC0415 - anywidget takes a while to import

        self.widget = Widget("chat", self.request, pull=self.pull, needed=lambda: True)
        self._host.keep(self.widget)
        self.chat.listeners.append(self._changed)
        self.chat.on_change.append(self._saved)
        self.chat.refresh()
        self.pull()
        publish(self._host.ip, self.bundle(), display_id=self._display_id)
        self.widget.poke()
        self._task = asyncio.get_running_loop().create_task(self._look())

    def bundle(self) -> Bundle:
        """The chat as its output holds it: the view, and what stays of it."""
        data, metadata = self.chat.bundle()
        return {**data, **self.widget.view_data}, metadata

    def close(self) -> None:
        """The output is gone. The chat and its runs go on."""
        with contextlib.suppress(ValueError):
            self.chat.listeners.remove(self._changed)
        with contextlib.suppress(ValueError):
            self.chat.on_change.remove(self._saved)
        if self._task is not None and not self._task.get_loop().is_closed():
            self._task.cancel()

    def pull(self) -> None:
        """Put what is new into the feed. On the thread of the flusher, mostly."""
        try:
            self.widget.feed.put(self._rows.ops())
        except RuntimeError:  # another thread was adding to the run: what was told meanwhile is not known, so all anew
            self._rows = ChatRows(self.chat, self._host.store, self._answering)
            self.widget.poke()

    def _changed(self) -> None:
        self.widget.poke()

    def _saved(self, chat: Chat) -> None:
        """What would be saved now is what is to be seen."""
        if not self.widget.closed:
            publish(self._host.ip, self.bundle(), display_id=self._display_id, update=True)

    async def _look(self) -> None:
        try:
            while not self.widget.closed:
                await asyncio.sleep(_LOOK)
                if self.widget.heard:
                    with contextlib.suppress(StoreError):  # a locked or deleted file: the next message says it
                        self._look_once()
        finally:
            self.close()

    def _look_once(self) -> None:
        version = self._host.store.version()
        if version != self._seen and not self.chat.busy:
            self._seen = version
            self.chat.refresh()

    # -- what the page asks for ----------------------------------------------------------------------------------------
    async def request(self, verb: str, given: Mapping[str, Any]) -> Any:
        """Do what a page asks for, and return JSON data. Raises ConfigurationError with a sentence for the page."""
        verbs: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "send": self._send,
            "edit": self._edit,
            "retry": self._retry,
            "branch": self._branch,
            "open": self._open,
            "new": self._new,
            "conversations": lambda given: self.chat.conversations(),
            "export": lambda given: {"text": self.chat.export(given.get("as"))},  # type: ignore[arg-type]
            "stop": self._stop,
            "answer": self._answer,
            "revoke": self._revoke,
            "more": self._more,
        }
        if verb not in verbs:
            raise ConfigurationError(f"a chat cannot {verb[:80]!r}; it can {', '.join(verbs)}")
        done = verbs[verb](given)
        return await done if asyncio.iscoroutine(done) else done

    async def _send(self, given: Mapping[str, Any]) -> dict[str, Any]:
        sending = await self.chat.begin(given.get("text"), from_page(given.get("attachments")))  # type: ignore[arg-type]
        return {"turn": sending.row, "queued": self.chat.queued}

    async def _edit(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"turn": (await self.chat.edit(_row(given), given.get("text"))).row}  # type: ignore[arg-type]

    async def _retry(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"turn": (await self.chat.retry(_row(given))).row}

    def _branch(self, given: Mapping[str, Any]) -> dict[str, Any]:
        self.chat.show_branch(_row(given), given.get("branch"))  # type: ignore[arg-type]
        return {"conversation": self.chat.conversation}

    def _open(self, given: Mapping[str, Any]) -> dict[str, Any]:
        self.chat.open(given.get("conversation"))  # type: ignore[arg-type]
        return {"conversation": self.chat.conversation}

    def _new(self, given: Mapping[str, Any]) -> dict[str, Any]:
        self.chat.new()
        return {"conversation": self.chat.conversation}

    def _stop(self, given: Mapping[str, Any]) -> dict[str, str]:
        row = _row(given) if given.get("turn") is not None else ""
        if not self.chat.stop(row):
            raise ConfigurationError("nothing is being answered now")
        return {"sentence": "The answer is being stopped; what is finished is kept."}

    async def _answer(self, given: Mapping[str, Any]) -> dict[str, str]:
        done = self._answering.answer(given)
        await self.chat.goes_on(str(given["run"]))
        return done

    def _run_asked(self, given: Mapping[str, Any]) -> str:
        run = self.chat.current
        if run is None or not run.id:
            raise ConfigurationError("no message is being answered now; a rule ends with the answer it was made for")
        return run.id

    def _revoke(self, given: Mapping[str, Any]) -> dict[str, str]:
        rule = revoke(self._host.store, self._run_asked(given), given.get("rule"))  # type: ignore[arg-type]
        self._rows.forget_rules()
        self._changed()
        return {"sentence": f"No longer approved without asking: {rule.text}."}

    def _more(self, given: Mapping[str, Any]) -> dict[str, Any]:
        row = given.get("row")
        if not isinstance(row, str):
            raise ConfigurationError("more needs the id of a row")
        turn = self.chat.turn(row.partition("/")[0])
        if "/" in row:
            return more_of(turn.transcript, given, prefix=f"{turn.row}/")
        fields = {"answer": turn.answer, "text": turn.text, "input": turn.text, "error": turn.error}
        if given.get("field") not in fields:
            raise ConfigurationError(f"a turn has {', '.join(fields)}")
        return view_value(fields[str(given["field"])], _ALL)


def _row(given: Mapping[str, Any]) -> str:
    row = given.get("turn")
    if not isinstance(row, str) or not row:
        raise ConfigurationError("this needs the id of a turn")
    return row
