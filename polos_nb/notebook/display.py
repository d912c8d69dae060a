"""The output that stays in a saved notebook: one bundle of HTML, Markdown and text, the same in every execution."""

from __future__ import annotations

import json
from typing import Any

from polos_nb.images import images_of, without_images
from polos_nb.messages import AgentResult, Step
from polos_nb.notebook.cards import agent_card, error_card, tool_card
from polos_nb.notebook.markup import CELL, ERROR, MUTED, Bundle, code, pre, render, root, text_html
from polos_nb.safe_text import Limits, brief, call_text, inline_markdown, json_text, left_out, shorten
from polos_nb.transcript import AnswerItem, Call, GroupItem, Item, ToolItem, Transcript
from polos_nb.transcript_text import (
    answer_value,
    count,
    label,
    markdown_answer,
    model_said,
    outcome,
    plain,
    plain_answer,
    said_before,
    shown_items,
    shown_value,
    status_line,
    summary,
    table_of,
)

__all__ = ["Bundle", "agent_card", "bundle", "error_card", "result_bundle", "tool_card"]

MAX_BYTES = 64 * 1024
_ROOM = 60 * 1024  # the rest is the metadata
_IMAGES = 256 * 1024  # characters of images, which come on top

_IMAGES_HERE = "<!--images-->"  # models and tools cannot write it: theirs is text

# From generous to tight: the first that fits is taken, so what is left out depends on the run alone.
_LEVELS = (
    Limits(),
    Limits(answer=8_000, value=600, items=50),
    Limits(answer=5_000, value=250, items=40),
    Limits(answer=2_000, value=100, items=25),
    Limits(answer=300, value=40, items=8),
)


def bundle(transcript: Transcript, *, live: bool = False) -> Bundle:
    """A run as `(data, metadata)` of a mimebundle: answer first, then the trace, at most 64 KB in all.

    The data is the same in every execution that gives the same answers: what varies is in `metadata["polos"]`.
    With `live=True` a status line with the counts of the moment comes first, for outputs that will be replaced.
    """
    data = {}
    for limits in _LEVELS:
        data = {
            "text/html": _run_html(transcript, limits, live=live),
            "text/markdown": transcript.to_markdown(limits),
            "text/plain": transcript.to_text(limits),
        }
        if _size(data) <= _ROOM:
            break
    following = live and transcript.status == "running"  # sent again and again
    images = "" if following else _images_html(transcript)
    data["text/html"] = data["text/html"].replace(f"\n{_IMAGES_HERE}", images and f"\n{images}")
    volatile = transcript.volatile()
    while _size(volatile) > MAX_BYTES - _ROOM:
        volatile["steps"] = volatile["steps"][: len(volatile["steps"]) // 2]
        if not volatile["steps"]:
            break
    return data, {"polos": volatile}


def result_bundle(result: AgentResult) -> Bundle:
    """An `AgentResult` as `(data, metadata)`: the answer, then one line with the number of steps and the tools."""
    value = plain(result.result)
    used = list(dict.fromkeys(entry.tool_name for entry in _tool_results(result.steps) or result.tool_results))
    line = count(result.total_steps, "step")
    if used:
        line += ", used " + ", ".join(brief(name, 80) for name in used[:8]) + (" and others" if used[8:] else "")
    if result.stop_reason not in ("end", ""):
        line += f", ended by {brief(result.stop_reason, 80)}"
    data = {}
    for limits in _LEVELS:
        answer = _answer_html(value, limits, is_markdown=True)
        data = {
            "text/html": root(answer + f'<p style="color: {MUTED}">{text_html(line)}</p>'),
            "text/markdown": f"{markdown_answer(value, limits)}\n\n*{inline_markdown(line)}*".strip(),
            "text/plain": f"{plain_answer(value, limits)}\n\n{line}".strip(),
        }
        if _size(data) <= _ROOM:
            break
    return data, {"polos": {"run_id": result.run_id, "cached": result.cached}}


def _tool_results(steps: list[Step]) -> list[Any]:
    return [entry for step in steps for entry in step.tool_results]


def _size(data: Any) -> int:
    return len(json.dumps(data, ensure_ascii=False).encode("utf-8", "replace"))


# -- a run as HTML ----------------------------------------------------------------------------------------------------
def _run_html(run: Transcript, limits: Limits, *, live: bool) -> str:
    running = live and run.status == "running"
    status = "" if running else status_line(run)
    colour = ERROR if run.status == "failed" else MUTED
    status_html = f'<p style="color: {colour}"><strong>{text_html(status)}</strong></p>' if status else ""
    answer = _answer_html(answer_value(run), limits, is_markdown=run.kind == "agent")
    blocks = [answer, status_html] if run.status == "completed" else [status_html, answer]
    blocks.append(_IMAGES_HERE)
    if live:
        blocks.insert(0, _live_line(run))
    blocks.append(_trace_html(run, limits, opened=running or run.status == "failed"))
    return root("\n".join(block for block in blocks if block))


def _images_html(run: Transcript) -> str:
    """The images that tools gave, and those of the answer, as long as there is room."""
    found = [image for item in run.walk() if isinstance(item, ToolItem) for image in images_of(plain(item.result))]
    found += images_of(answer_value(run))
    out: list[str] = []
    room = _IMAGES
    for image in dict.fromkeys(found):
        room -= len(image.data)
        if room < 0:
            out.append(f'<p style="color: {MUTED}">{text_html(left_out(len(found) - len(out), "images"))}</p>')
            break
        alt = text_html(brief(image.alt or "image from a tool", 200))
        style = "max-width: 100%; width: auto; max-height: 480px"
        out.append(f'<p><img src="data:{image.media_type};base64,{image.data}" alt="{alt}" style="{style}"></p>')
    return "\n".join(out)


def _live_line(run: Transcript) -> str:
    if run.from_store:
        # `pytest_plugin.RESUMED` takes this line out of saved outputs, where it differs from one execution to the next.
        text = f"↺ resumed from the store: {run.cached} of {run.cached} steps, no calls"
        return f'<p role="status" style="color: {MUTED}">{text}</p>'
    phase = next((item.state for item in reversed(list(run.walk())) if item.open), run.status)
    parts = [run.target_id or run.kind, phase, f"step {run.steps}", f"{run.cached} cached", f"{run.live} live"]
    parts += [f"{run.failed} failed"] if run.failed else []
    text = text_html(brief(" · ".join(parts), 300))
    return f'<p role="status" style="color: {MUTED}">{text}</p>'


def _answer_html(value: Any, limits: Limits, *, is_markdown: bool) -> str:
    if value is None:
        return ""
    value = without_images(value)
    table = None if isinstance(value, str) else table_of(value, limits)
    if table is not None:
        rows = "\n".join(
            "<tr>" + "".join(_cell(c, head=not table.head and n == 0) for n, c in enumerate(row)) + "</tr>"
            for row in table.rows
        )
        head = "<tr>" + "".join(_cell(c, head=True) for c in table.head) + "</tr>\n" if table.head else ""
        note = f"<p>{text_html(left_out(table.missing, 'rows'))}</p>" if table.missing else ""
        return f'<table style="border-collapse: collapse">\n{head}{rows}\n</table>{note}'
    text = value if isinstance(value, str) else json_text(value, indent=2)
    kept, missing = shorten(text, limits.answer)
    shown = render(kept) if is_markdown and isinstance(value, str) else pre(kept)
    return shown + (f"<p>{text_html(left_out(missing))}</p>" if missing else "")


def _cell(text: str, *, head: bool) -> str:
    tag = "th" if head else "td"
    return f'<{tag} style="{CELL}">{text_html(text)}</{tag}>'


def _trace_html(run: Transcript, limits: Limits, *, opened: bool) -> str:
    entries, missing = shown_items(run, limits)
    if not entries:
        return f'<p style="color: {MUTED}">{text_html(summary(run))}</p>' if run.target_id else ""
    lines = [f"<li>{'↳ ' * depth}{_item_html(run, item, limits)}</li>" for depth, item in entries]
    note = f"<p>{text_html(left_out(missing, 'steps'))}</p>" if missing else ""
    body = "\n".join(lines)
    head = f'<summary style="color: {MUTED}; cursor: pointer">{text_html(summary(run))}</summary>'
    return f"<details{' open' if opened else ''}>{head}\n<ol>\n{body}\n</ol>{note}</details>"


def _item_html(run: Transcript, item: Item, limits: Limits) -> str:
    if isinstance(item, AnswerItem):
        said = said_before(run, item)
        html = text_html(model_said(run, item))
        html += pre(brief(said, limits.value)) if said else ""
        if item.reasoning:
            html += f"<details><summary>thinking</summary>{pre(brief(item.reasoning, limits.value))}</details>"
        return html + _unanswered_html(item, limits)
    if isinstance(item, ToolItem):
        called = code(call_text(item.name, item.arguments, limits.value))
    else:
        called = code(label(item))
    if item.state == "done" and not isinstance(item, GroupItem):
        value = without_images(plain(shown_value(item)))
        if isinstance(value, str) and "\n" in value:
            return f"{called} → {pre(brief(value, limits.value))}"
        said = outcome(run, item, limits)
        return f"{called} → {code(said) if len(said) <= 200 else pre(said)}"
    colour = ERROR if item.state == "failed" else MUTED
    return f'{called} → <span style="color: {colour}">{text_html(outcome(run, item, limits))}</span>'


def _unanswered_html(item: AnswerItem, limits: Limits) -> str:
    """The calls of an answer that is still being written: no step shows them yet."""
    if item.state != "running" or not item.tool_calls:
        return ""
    calls: list[Call] = item.tool_calls[:8]
    return " " + ", ".join(code(call_text(call.name, call.value, limits.value)) for call in calls)
