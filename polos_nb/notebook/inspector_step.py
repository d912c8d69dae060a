"""One step in the inspector: what was sent, what came back, the code at that version, and what a fork may edit."""

from __future__ import annotations

import contextlib
from typing import Any

from polos_nb.codec_untag import untag
from polos_nb.durable.code_sources import source_name
from polos_nb.errors import ConfigurationError
from polos_nb.messages import Message
from polos_nb.notebook.inspector_edits import editable
from polos_nb.notebook.inspector_pages import WHOLE, started_run, why_text
from polos_nb.notebook.rows import view_value
from polos_nb.reports.facts import data_of
from polos_nb.reports.runs import find_run
from polos_nb.reports.story import Place, find_place
from polos_nb.reports.why import why
from polos_nb.safe_text import json_text, shorten, visible
from polos_nb.stores.base import RunRecord, StepRecord, Store

_MESSAGE = 200_000  # characters of one message
_CODE = 100_000


def step_data(store: Store, run_id: str, path: str) -> dict[str, Any]:
    """All of one step of a run, or of a run inside it."""
    run = find_run(store, run_id)
    try:
        place = find_place(store, run, path)
    except ConfigurationError:
        around = _around(store, run, path)
        if around is None:
            raise
        return around
    step = place.step
    messages, note = messages_of(store, step)
    return {
        "step": path,
        "key": step.fingerprint[:8],
        "run": place.run.id,
        "kind": step.kind,
        "name": step.name,
        "status": step.status,
        "cached": place.cached,
        "messages": messages,
        "note": note,
        "request": view_value(untag(data_of(step.request)), WHOLE),
        "output": view_value(untag(data_of(step.output)), WHOLE) if step.output is not None else None,
        "error": visible(step.error) if step.error else None,
        "traceback": _cut(step.traceback or "", _CODE),
        "source": source_of(store, step),
        "why": _why(store, run.id, place),
        "attempts": step.attempts,
        "editable": editable(store.trace(place.run.id), place.row, step),
    }


def _around(store: Store, run: RunRecord, path: str) -> dict[str, Any] | None:
    """What is said of a row that is no step itself: a run that a tool has started, or all items of a map."""
    said: dict[str, Any] = {
        "step": path,
        "key": "",
        "run": run.id,
        "name": path.rpartition("/")[2],
        "messages": None,
        "request": None,
        "output": None,
        "error": None,
        "traceback": "",
        "source": "",
        "why": "",
        "attempts": 0,
        "editable": {},
    }
    started = started_run(store, run, path)
    if started is not None:
        return said | {
            "run": started.id,
            "kind": started.kind,
            "status": started.status,
            "cached": False,
            "note": f"this is run {started.id} of {started.target_id}, which the step around it has started",
            "request": view_value(untag(data_of(started.input)), WHOLE),
            "output": view_value(untag(data_of(started.result)), WHOLE) if started.result is not None else None,
            "error": visible(started.error) if started.error else None,
        }
    with contextlib.suppress(ConfigurationError):
        item = find_place(store, run, f"{path}[0]")
        note = f"these are all items of {said['name']}; each is a step of its own"
        source = source_of(store, item.step)
        return said | {"kind": "group", "status": "", "cached": item.cached, "note": note, "source": source}
    return None


def messages_of(store: Store, step: StepRecord) -> tuple[list[dict[str, Any]] | None, str]:
    """The messages that a model was sent in a step, and "" ; None and the reason where they cannot be shown.

    They are as they were compared: without the ids of calls, which providers make up anew each time.
    """
    if step.kind != "llm":
        return None, "no model was asked in this step"
    parts = data_of(step.parts)
    names = parts.get("messages") if isinstance(parts, dict) else None
    if not isinstance(names, list):
        return None, "the store does not say what was sent"
    out = []
    room = WHOLE
    for name in names:
        kept = data_of(store.get_blob(str(name)))
        if not isinstance(kept, dict):
            return None, "a message of this step is not kept any more"
        said = _message(kept, min(_MESSAGE, max(room, 0)))
        room -= len(said["text"])
        out.append(said)
    return out, ""


def _message(kept: dict[str, Any], limit: int) -> dict[str, Any]:
    content = kept.get("content")
    text = Message(role="user", content=content).text() if isinstance(content, str | list) else ""
    calls = kept.get("calls") or []
    said = {
        "role": str(kept.get("role") or ""),
        "text": _cut(text, limit),
        "calls": [
            {"name": visible(str(call.get("name"))), "arguments": _cut(json_text(call.get("arguments")), _MESSAGE)}
            for call in calls
        ],
    }
    return said | ({"reasoning": _cut(str(kept["reasoning"]), limit)} if kept.get("reasoning") else {})


def source_of(store: Store, step: StepRecord) -> str:
    """The code that a step ran, as it was then: its function first, then what that uses. "" where it is not kept."""
    parts = data_of(step.parts)
    code = parts.get("code") if isinstance(parts, dict) else None
    if not isinstance(code, dict):
        return ""
    request = data_of(step.request)
    own = str(request.get("function") or step.name) if isinstance(request, dict) else step.name
    names = sorted(code, key=lambda name: (not _is_own(name, own), name))
    pieces, values = [], []
    for name in names:
        shown = str(code[name])
        text = store.get_blob(source_name(shown)) if shown.endswith("…") else None
        if text is not None:
            pieces.append(text)
        elif shown.endswith("…"):
            values.append(f"# {name}: its source is not kept ({shown})")
        else:
            values.append(f"# {name} = {shown}")
    return _cut("\n\n\n".join([*pieces, "\n".join(values)] if values else pieces), _CODE) if pieces or values else ""


def _is_own(name: str, own: str) -> bool:
    """Whether a part of the code is the function of the step; in a part's name `<locals>` is left out."""
    bare = name.removesuffix("()")
    return bare in (own, own.replace("<locals>.", "")) or bare.rpartition(".")[2] == own.rpartition(".")[2]


def _why(store: Store, run_id: str, place: Place) -> str:
    if place.cached and not place.row.cached:
        return f"answered from the store together with the step of {run_id} that it is in"
    return why_text(why(store, place.run.id, place.step.step_key)[0])


def _cut(text: str, limit: int) -> str:
    kept, missing = shorten(text, limit)
    return visible(kept) + (f"\n… {missing:,} more characters" if missing else "")
