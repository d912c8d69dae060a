"""A transcript as the rows of a page, and what changed in them since the page was told last."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from polos_nb.forms import parse_form
from polos_nb.notebook.feed import Op
from polos_nb.notebook.values import view_value
from polos_nb.reports.answers import said_of
from polos_nb.safe_text import brief, call_text, json_text
from polos_nb.transcript import Transcript
from polos_nb.transcript_items import AnswerItem, GroupItem, Item, RunItem, StepItem, ToolItem
from polos_nb.transcript_text import answer_value, label, model_said, plain

__all__ = ["RunRows", "head_of", "view_value"]

NonceOf = Callable[[int], str]

_LISTED = 20  # items of a map that have a row of their own: the first that wait, fail or run
_TEXT = 1_000_000  # characters of a model's text
_BRIEF = 2_000
_EDITABLE = 50_000  # characters of arguments that can be edited in a card


class RunRows:
    """What a page was told of a run's steps.

    Row ids are `prefix` and the path of the step; rows at the top have the parent `parent`. `nonce_of` gives the word
    that an answer to a decision must carry: without it, cards can be read but not answered. `run_id` is the outermost
    run where the transcript is of one inside it. `inline` says whether a cell waits for the answers at this moment.
    """

    def __init__(
        self,
        prefix: str = "",
        parent: str = "",
        *,
        nonce_of: NonceOf = lambda decision: "",
        run_id: str = "",
        inline: Callable[[], bool] = lambda: False,
    ) -> None:
        self._prefix = prefix
        self._parent = parent
        self._nonce_of = nonce_of
        self._run_id = run_id
        self._inline = inline
        self._marks: dict[str, Any] = {}
        self._texts: dict[tuple[str, str], str] = {}
        self._orders: dict[str, list[str]] = {}
        self._asks: dict[str, tuple[Any, dict[str, Any]]] = {}

    def ops(self, run: Transcript) -> list[Op]:
        """The changes that bring the page from what it was told to what the run is now."""
        out: list[Op] = []
        seen: set[str] = set()
        self._level(run, run.items, self._parent, out, seen)
        for gone in [row for row in self._marks if row not in seen]:
            del self._marks[gone]
            self._asks.pop(gone, None)
            for text in ("text", "reasoning"):
                self._texts.pop((gone, text), None)
            self._orders.pop(gone, None)
            out.append(["x", gone])
        return out

    def _level(self, run: Transcript, items: list[Item], parent: str, out: list[Op], seen: set[str]) -> None:
        """The rows under one parent, and those under them."""
        ids = []
        for number, item in enumerate(list(items), 1):
            row = self._prefix + item.step_key
            ids.append(row)
            seen.add(row)
            self._row(run, item, row, parent, number, out)
            children = listed(item) if isinstance(item, GroupItem) else item.children
            if children or row in self._orders:
                self._level(run, children, row, out, seen)
        if ids != self._orders.get(parent, []):
            self._orders[parent] = ids
            out.append(["o", parent, ids])

    def _row(self, run: Transcript, item: Item, row: str, parent: str, number: int, out: list[Op]) -> None:
        waits = isinstance(item, StepItem) and item.state == "waiting" and item.form is not None
        mark = _mark(item, number, (run.run_id, waits and self._inline()))
        if self._marks.get(row) != mark:
            self._marks[row] = mark
            fields = {"id": row, "parent": parent, "n": number, **_fields(run, item)}
            if isinstance(item, StepItem):
                fields["ask"] = self._ask(run, item, row) if waits else None
            out.append(["r", row, fields])
        if isinstance(item, AnswerItem):
            self._grow(row, "text", item.text[:_TEXT], out)
            self._grow(row, "reasoning", item.reasoning[:_TEXT], out)

    def _grow(self, row: str, field: str, text: str, out: list[Op]) -> None:
        """A text that grew is told by what came to it."""
        before = self._texts.get((row, field), "")
        if text == before:
            return
        self._texts[row, field] = text
        if before and text.startswith(before):
            out.append(["t", row, field, text[len(before) :]])
        else:
            out.append(["r", row, {field: text}])

    def _ask(self, run: Transcript, item: StepItem, row: str) -> dict[str, Any]:
        """The card of a step that waits. The same decision keeps its card, whatever else changes."""
        known = self._asks.get(row)
        if known is None or known[0] != (item.decision, run.run_id):
            nonce = self._nonce_of(item.decision)
            known = ((item.decision, run.run_id), ask_of(item, self._run_id or run.run_id, nonce))
            self._asks[row] = known
        inline = self._inline()
        return {**known[1], "inline": inline, "command": _command(known[1], inline=inline)}


def _command(ask: Mapping[str, Any], *, inline: bool) -> str:
    """How it is answered on a line: in a terminal while a cell waits, since other cells are not executed then."""
    if not ask["run"]:
        return ""
    flags = ask["flags"].replace(" (or --no)", "")
    program = "polos-nb" if inline else "%polos"
    return f"{program} approve {ask['run']} {shlex.quote(ask['step'])} {flags}"


def listed(group: GroupItem) -> list[Item]:
    """The items of a map that have a row of their own: all of a small one, else those that need to be seen."""
    if len(group.children) <= _LISTED:
        return list(group.children)
    needed = [child for child in group.children if child.state in ("failed", "retrying") or _waits(child)]
    return needed[:_LISTED]


def _waits(item: Item) -> bool:
    """Whether an item waits, or something inside it: a run is running as long as its cell waits with it."""
    return item.state == "waiting" or (item.state == "running" and any(_waits(child) for child in item.children))


def head_of(run: Transcript) -> dict[str, Any]:
    """What a transcript says of a run as a whole, as fields of a page's head."""
    items = list(run.walk())
    over = run.status in ("completed", "failed", "cancelled")
    model = "/".join(part for part in (run.provider, run.model) if part)
    return {
        "id": run.run_id,
        "target": run.target_id,
        "kind": run.kind,
        "model": model,
        "status": run.status,
        "error": brief(run.error, _BRIEF) if run.error else None,
        "input": brief(_input_text(run.input), _BRIEF),
        "seconds": run.seconds if over else None,
        "step": sum(isinstance(item, AnswerItem) for item in run.items) if run.kind == "agent" else len(run.items),
        "cached": sum(item.cached for item in items if not isinstance(item, GroupItem)),
        "live": sum(item.state == "done" and not item.cached for item in items if not isinstance(item, GroupItem)),
        "failed": sum(item.state == "failed" for item in items),
        "waiting": sum(item.state == "waiting" for item in items if isinstance(item, StepItem)),
        "tokens_in": run.usage.input_tokens,
        "tokens_out": run.usage.output_tokens,
        "cost": run.cost,
        "phase": _phase(run, items),
        "resumed": run.resumed,
        "from_store": run.from_store,
        "answer": _answer(run) if over else None,
        "conversation": run.conversation_id or "",
    }


def ask_of(item: StepItem, run_id: str, nonce: str) -> dict[str, Any]:
    """What a card shows of a question, and what its answer must carry."""
    form = parse_form(item.form)
    context = dict(form.context)
    arguments = context.pop("input", None) if item.kind == "approval" else None
    if item.kind == "approval":
        context.pop("tool", None)
    beside = {key: value for key, value in (item.form or {}).items() if not key.startswith("_")}
    shown = {**beside, **context}
    args = None if arguments is None else json_text(arguments, indent=2)
    can_edit = args is not None and isinstance(arguments, dict) and len(args) <= _EDITABLE
    return {
        "decision": item.decision,
        "run": run_id,
        "step": item.path,
        "nonce": nonce,
        "kind": item.kind if item.kind in ("approval", "doubt") else "suspend",
        "title": form.title,
        "description": form.description,
        "tool": form.tool,
        "args": args if args is None or len(args) <= _EDITABLE else args[:_EDITABLE] + " …",
        "context": view_value(shown, 4_000) if shown else None,
        "fields": [
            {
                "key": field.key,
                "type": field.type,
                "label": field.label,
                "description": field.description,
                "required": field.required,
                "default": plain(field.default),
                "options": [{"label": one.label, "value": plain(one.value)} for one in field.options],
            }
            for field in form.fields
        ],
        "asked_at": item.at,
        "until": item.until,
        "flags": form.flags(),
        "can_edit": can_edit,
        "can_always": item.kind == "approval",
        "always_label": f"every call of {form.tool} in this run" if form.tool else "",
        "same_label": "calls with exactly these arguments",
    }


def _mark(item: Item, number: int, around: Any) -> Any:
    """Differs when anything of a row but its growing texts has changed. Cheap: it is made for each row, often."""
    mark: tuple[Any, ...] = (
        (number, item.state, item.cached, item.error, item.seconds, item.name, item.why),
        (item.at, item.attempts, item.retry_in),
    )
    if isinstance(item, AnswerItem):
        return (*mark, len(item.tool_calls), id(item.usage), item.model, item.held)
    if isinstance(item, ToolItem):
        return (*mark, id(item.arguments), id(item.asked), id(item.result))
    if isinstance(item, GroupItem):
        return (*mark, item.total, len(item.children), _waiting(item), tuple(sorted(item.counts().items())))
    if isinstance(item, RunItem):
        return (*mark, id(item.input), id(item.output), item.target, item.model)
    assert isinstance(item, StepItem)
    return (*mark, id(item.output), item.decision, item.until, item.decided_by, around)


def _fields(run: Transcript, item: Item) -> dict[str, Any]:
    out: dict[str, Any] = {
        "kind": "step",
        "name": brief(item.name, 120),
        "label": brief(_label(run, item), 300),
        "state": item.state,
        "cached": item.cached,
        "why": brief(item.why, _BRIEF),
        "at": item.at,
        "seconds": item.seconds,
        "error": brief(item.error, _BRIEF) if item.error else None,
        "attempts": item.attempts,
        "retry_in": item.retry_in,
    }
    return out | dict(_own(item))


def _label(run: Transcript, item: Item) -> str:
    """What a row is called: what the model did, how a tool was called."""
    if isinstance(item, AnswerItem):
        return model_said(run, item)
    if isinstance(item, ToolItem):
        return " ".join(call_text(item.name, item.arguments, 160).split())
    return label(item)


def _own(item: Item) -> Iterator[tuple[str, Any]]:
    """The fields that only this kind of row has."""
    if isinstance(item, AnswerItem):
        yield from {"kind": "llm", "name": ""}.items()  # the kind says it all; the label, what the model did
        yield "model", item.model
        yield "calls", [{"name": call.name, "arguments": call.arguments[:_BRIEF]} for call in item.tool_calls[:50]]
        yield "tokens_in", item.usage.input_tokens if item.usage else 0
        yield "tokens_out", item.usage.output_tokens if item.usage else 0
    elif isinstance(item, ToolItem):
        yield "kind", "tool"
        yield "args", None if item.arguments is None else view_value(item.arguments)
        yield "result", view_value(item.result) if item.state == "done" else None
    elif isinstance(item, GroupItem):
        yield "kind", "group"
        yield from _counts(item)
    elif isinstance(item, RunItem):
        yield from {"kind": item.kind, "target": item.target, "model": item.model}.items()
        yield "input", brief(_input_text(item.input), _BRIEF)
        yield "output", view_value(item.output) if item.state == "done" else None
    elif isinstance(item, StepItem):
        yield "kind", item.kind
        yield "output", view_value(item.output) if item.state == "done" else None
        yield "until", item.until if item.state == "waiting" else None
        yield "decided", _decided(item)


def _counts(group: GroupItem) -> Iterator[tuple[str, Any]]:
    counts = group.counts()
    done = counts.get("done", 0) + counts.get("failed", 0)
    yield "total", max(group.total, len(group.children))
    yield "done", done
    yield "cached_n", counts.get("cached", 0)
    yield "live_n", counts.get("done", 0) - counts.get("cached", 0)
    yield "failed_n", counts.get("failed", 0)
    yield "waiting_n", _waiting(group)
    yield "hidden", len(group.children) - len(listed(group))


def _waiting(group: GroupItem) -> int:
    """How many items of a map wait."""
    return sum(_waits(child) for child in group.children)


def _decided(item: StepItem) -> str:
    """Who decided what and when, once somebody has."""
    if item.state == "waiting" or not isinstance(item.answer, dict):
        return ""
    by = f" by {brief(item.decided_by, 80)}" if item.decided_by else ""
    at = f" at {datetime.fromtimestamp(item.decided_at):%H:%M}" if item.decided_at else ""
    return brief(f"{said_of(item.answer, item.name)}{by}{at}", 400)


def _phase(run: Transcript, items: list[Item]) -> str:
    """In a few words, what goes on."""
    if run.status != "running":
        return {"suspended": "waiting for an answer", "cancelled": "stopped"}.get(run.status, run.status)
    moving = [item for item in items if item.state in ("running", "retrying")]
    if any(item.state == "waiting" and isinstance(item, StepItem) and item.form for item in items):
        return "waiting for an answer"
    if any(item.state == "waiting" for item in items) and all(item.children for item in moving):
        return "waiting"
    last = next((item for item in reversed(moving)), None)
    if last is None:
        return "starting" if not items else "working"
    if last.state == "retrying":
        return "failed, trying again"
    if isinstance(last, AnswerItem):
        writing = "thinking" if last.reasoning and not last.text else "writing"
        return writing if last.text or last.reasoning or last.tool_calls else "waiting for the first token"
    if isinstance(last, ToolItem):
        return f"calling {brief(last.name, 80)}"
    return f"running {brief(last.name or label(last), 80)}"


def _answer(run: Transcript) -> dict[str, Any] | None:
    """The answer; None where the row of the model's last step shows it already."""
    value = answer_value(run)
    last = next((item for item in reversed(run.items) if isinstance(item, AnswerItem)), None)
    if value is None or (last is not None and isinstance(value, str) and last.text[:_TEXT] == value):
        return None
    return view_value(value, _TEXT if isinstance(value, str) else 20_000)


def _input_text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json_text(plain(value))
