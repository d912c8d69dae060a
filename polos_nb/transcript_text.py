"""A run as plain text, as Markdown and as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from polos_nb.codec import to_plain
from polos_nb.errors import CodecError
from polos_nb.forms import parse_form
from polos_nb.images import without_images
from polos_nb.messages import as_text
from polos_nb.safe_text import (
    Limits,
    brief,
    call_text,
    code_block,
    code_span,
    inert_markdown,
    inline_markdown,
    json_text,
    left_out,
    shorten,
    value_text,
    visible,
    without_addresses,
)
from polos_nb.transcript_items import AnswerItem, GroupItem, Item, RunItem, RunView, StepItem, ToolItem

AGAIN = "run the cell again to go on from here"


@dataclass(frozen=True)
class Table:
    """Structured data as rows of cells; `missing` rows were left out. Without a head, the first column names."""

    head: list[str]
    rows: list[list[str]]
    missing: int = 0


# -- what every rendering says ------------------------------------------------------------------------------------
def plain(value: Any) -> Any:
    """A value as plain JSON data; its text where it has no such form."""
    try:
        return to_plain(value)
    except CodecError:
        return as_text(value)


def answer_value(run: RunView) -> Any:
    """The answer: the result, else what the model has said so far; None for none."""
    value = plain(run.result)
    if value is None and run.kind == "agent":
        return run.partial_text or None
    return value


def table_of(value: Any, limits: Limits) -> Table | None:
    """A mapping as a table of fields, a list of mappings as a table of rows; None for other data.

    >>> table_of({"city": "Paris", "celsius": 21}, Limits())
    Table(head=[], rows=[['city', 'Paris'], ['celsius', '21']], missing=0)
    """

    def cell(entry: Any) -> str:
        return "" if entry is None else brief(value_text(entry), limits.value)

    if isinstance(value, Mapping) and value:
        rows = [[brief(str(key), 80), cell(entry)] for key, entry in list(value.items())[: limits.items]]
        return Table([], rows, max(0, len(value) - limits.items))
    if isinstance(value, list) and value and all(isinstance(row, Mapping) and row for row in value):
        shown = value[: limits.items]
        columns = list(dict.fromkeys(str(key) for row in shown for key in row))
        if len(columns) > 12:
            return None
        rows = [[cell(row.get(name)) for name in columns] for row in shown]
        return Table([brief(name, 80) for name in columns], rows, len(value) - len(shown))
    return None


def error_text(run: RunView, error: str | None, limit: int = 600) -> str:
    """An error as one sentence, without what differs between executions: the run's id, memory addresses."""
    text = without_addresses(error or "no reason was given")
    if run.run_id:
        words = [("the run" if word == run.run_id else word) for word in text.split(" ")]
        text = " ".join(words).replace("run the run", "the run")
    return brief(text, limit).rstrip(".")


def status_line(run: RunView) -> str:
    """What a reader must know of a run that did not end by itself, and what to do; "" when all is well."""
    if run.status == "failed":
        said = error_text(run, run.error)
        return f"Failed: {said}. What was finished is kept; {AGAIN}."
    if run.status == "cancelled":
        return f"Stopped; {AGAIN}."
    if run.status == "suspended":
        return f"Waiting for {waited_for(run)}."
    if run.status == "running":
        return f"Not finished; {AGAIN}."
    if run.stop_reason not in ("end", ""):
        return f"Ended by {run.stop_reason}."
    return ""


def waited_for(run: RunView) -> str:
    """What a run waits for, and how to answer it."""
    steps = [item for item in run.walk() if isinstance(item, StepItem) and item.state == "waiting"]
    asked = [item for item in steps if item.form is not None]
    if asked:
        what = "an answer" if len(asked) == 1 else f"{len(asked)} answers"
        title = f" ({brief(asked_for(asked[0]), 80)})" if len(asked) == 1 and asked_for(asked[0]) else ""
        step = "" if len(asked) == 1 else " STEP"
        answer = parse_form(asked[0].form).flags() if len(asked) == 1 else "--yes (or --no)"
        how = f": %polos approve {run.run_id}{step} {answer}" if run.run_id else ""
        return f"{what}{title}{how}, or {AGAIN}"
    kinds = {item.kind for item in steps}
    what = "an event" if "wait_for_event" in kinds else "its time" if "wait" in kinds else "an answer"
    return f"{what}; it goes on by itself, or {AGAIN}"


def summary(run: RunView) -> str:
    """The head of the trace: whose run, how many steps, which tools."""
    parts = [brief(run.target_id or run.kind, 80), count(run.steps, "step")]
    used = list(run.tools_used().items())
    if used:
        shown = ", ".join(_times(brief(name, 80), times) for name, times in used[:8])
        parts.append(f"used {shown}" + (f" and {len(used) - 8} more" if len(used) > 8 else ""))
    return " · ".join(parts)


def count(number: int, noun: str) -> str:
    """A number with its noun.

    >>> count(1, "step"), count(2, "step")
    ('1 step', '2 steps')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _times(name: str, times: int) -> str:
    return name if times == 1 else f"{name} × {times}"


def model_said(run: RunView, item: AnswerItem) -> str:
    """One line about a model's step."""
    if item.state == "failed":
        return f"model failed: {error_text(run, item.error, 300)}"
    if item.state == "retrying":
        return f"model failed, trying again: {error_text(run, item.error, 300)}"
    if item.state == "stopped":
        return "model was stopped"
    held = f", held back by {brief(', '.join(item.held), 120)}" if item.held else ""
    if item.state == "running":
        return f"model is answering{held}"
    if held:
        return f"model answered{held}"
    if not item.tool_calls:
        return "model answered"
    asked: dict[str, int] = {}
    for call in item.tool_calls:
        asked[call.name] = asked.get(call.name, 0) + 1
    shown = [_times(brief(name, 80), times) for name, times in list(asked.items())[:8]]
    return "model asked for " + ", ".join(shown) + (" and others" if len(asked) > 8 else "")


def said_before(run: RunView, item: AnswerItem) -> str:
    """What a model said in a step that is not the answer itself; "" when the answer shows it."""
    return "" if item.text == answer_value(run) else item.text


def outcome(run: RunView, item: Item, limits: Limits) -> str:
    """What a tool, a step or a nested run gave, on one line."""
    if isinstance(item, GroupItem):
        return group_outcome(item)
    if item.state == "failed":
        return f"failed: {error_text(run, item.error, limits.value)}"
    if item.state == "done" and isinstance(item, StepItem) and item.kind == "wait":
        return "done"
    if item.state == "done":
        return brief(value_text(without_images(plain(shown_value(item)))), limits.value)
    if item.state == "waiting" and isinstance(item, StepItem):
        return "waiting" + (f": {brief(title, limits.value)}" if (title := asked_for(item)) else "")
    states = {"retrying": "failed, trying again", "stopped": "stopped", "waiting": "waiting"}
    return states.get(item.state, "running")


def group_outcome(item: GroupItem) -> str:
    """How the items of a `map` or a batch stand."""
    failed = sum(child.state == "failed" for child in item.children)
    done = sum(child.state == "done" for child in item.children)
    said = [f"{done:,} done"] + ([f"{failed:,} failed"] if failed else [])
    left = max(item.total, len(item.children)) - done - failed
    return ", ".join(said + ([f"{left:,} to go"] if left else []))


def asked_for(item: StepItem) -> str:
    """What a waiting step asks: the title of its form; "" where there is none."""
    form = (item.form or {}).get("_form")
    return str(form.get("title") or "") if isinstance(form, Mapping) else ""


def shown_value(item: Item) -> Any:
    """What a reader wants to see of a step's value."""
    if isinstance(item, ToolItem):
        return item.result
    value = item.output if isinstance(item, StepItem | RunItem) else None
    if isinstance(item, RunItem) and item.kind == "agent" and isinstance(value, Mapping):
        return value.get("result")
    if isinstance(item, StepItem) and item.kind == "approval" and isinstance(value, Mapping):
        feedback = str(value.get("feedback") or "")
        return "approved" if value.get("approved") is True else "rejected" + (f": {feedback}" if feedback else "")
    if isinstance(item, StepItem) and item.kind in ("suspend", "wait_for_event") and isinstance(value, Mapping):
        return value.get("data")
    return value


def label(item: Item) -> str:
    """What a step other than a model's or a tool's is called in a trace."""
    name = brief(item.name or getattr(item, "kind", "step"), 80)
    if isinstance(item, RunItem) and item.target and item.target != item.name:
        return f"{name} ({item.kind} {brief(item.target, 80)})"
    if isinstance(item, GroupItem):
        return _times(name, max(item.total, len(item.children)))
    return f"approve {name}" if isinstance(item, StepItem) and item.kind == "approval" else name


def shown_items(run: RunView, limits: Limits) -> tuple[list[tuple[int, Item]], int]:
    """The items of the trace with their depth, and how many were left out.

    What happened inside a tool is shown only while it is open: a finished step answers from the store without
    executing its inside again, and a trace must not depend on that. The steps of nested runs are told either way.
    """
    entries = list(_open_walk(run.items, 0))
    return entries[: limits.items], max(0, len(entries) - limits.items)


def _open_walk(items: list[Item], depth: int) -> Iterator[tuple[int, Item]]:
    for item in items:
        yield depth, item
        if (item.open or isinstance(item, RunItem)) and depth < 4:
            yield from _open_walk(item.children, depth + 1)


# -- plain text -----------------------------------------------------------------------------------------------------
def plain_text(run: RunView, limits: Limits) -> str:
    """A run as plain text: the answer first, then one line per step."""
    blocks = [block for block in (status_line(run), plain_answer(answer_value(run), limits)) if block]
    if run.status == "completed":
        blocks.reverse()
    lines = [summary(run)] if run.items or run.target_id else []
    entries, missing = shown_items(run, limits)
    for number, (depth, item) in enumerate(entries, 1):
        lines.append(f"{'  ' * depth}{number}. {_plain_line(run, item, limits)}")
    if missing:
        lines.append(left_out(missing, "steps"))
    return "\n\n".join([*blocks, "\n".join(lines)]).strip("\n")


def plain_answer(value: Any, limits: Limits) -> str:
    """An answer as plain text: a text as it is, data as columns or JSON."""
    if value is None:
        return ""
    value = without_images(value)
    table = None if isinstance(value, str) else table_of(value, limits)
    if table is None:
        text = value if isinstance(value, str) else json_text(value, indent=2)
        return brief(text, limits.answer)
    rows = [table.head, *table.rows] if table.head else table.rows
    widths = [min(40, max(len(row[n]) for row in rows)) for n in range(len(rows[0]))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    if table.missing:
        lines.append(left_out(table.missing, "rows"))
    return brief("\n".join(lines), limits.answer)


def _plain_line(run: RunView, item: Item, limits: Limits) -> str:
    if isinstance(item, AnswerItem):
        said = said_before(run, item)
        return model_said(run, item) + (f': "{brief(_flat(said), limits.value)}"' if said else "")
    if isinstance(item, ToolItem):
        called = call_text(item.name, item.arguments, limits.value)
        return f"{_flat(called)} → {_flat(outcome(run, item, limits))}"
    return f"{label(item)} → {_flat(outcome(run, item, limits))}"


def _flat(text: str) -> str:
    return " ".join(text.split())


# -- Markdown -------------------------------------------------------------------------------------------------------
def markdown_text(run: RunView, limits: Limits) -> str:
    """A run as Markdown: the answer first, then the trace as a list. No raw HTML, whatever model and tools say."""
    status = status_line(run)
    blocks = [f"**{inline_markdown(status)}**"] if status else []
    answer = markdown_answer(answer_value(run), limits, is_markdown=run.kind == "agent")
    if answer:
        blocks.append(answer)
    if run.status == "completed":
        blocks.reverse()
    if run.items or run.target_id:
        blocks.append(f"**{inline_markdown(summary(run))}**")
    entries, missing = shown_items(run, limits)
    lines = [f"{'   ' * depth}1. {_markdown_line(run, item, limits)}" for depth, item in entries]
    blocks += ["\n".join(lines)] if lines else []
    blocks += [inline_markdown(left_out(missing, "steps"))] if missing else []
    return "\n\n".join(blocks)


def markdown_answer(value: Any, limits: Limits, *, is_markdown: bool = True) -> str:
    """An answer as Markdown: a model's text as it is but without raw HTML, data as a table or JSON."""
    if value is None:
        return ""
    value = without_images(value)
    table = None if isinstance(value, str) else table_of(value, limits)
    if table is not None:
        return _markdown_table(table)
    text = value if isinstance(value, str) else json_text(value, indent=2)
    kept, missing = shorten(text, limits.answer)
    is_markdown = is_markdown and isinstance(value, str)
    shown = inert_markdown(kept) if is_markdown else code_block(kept)
    return f"{shown}\n\n{inline_markdown(left_out(missing))}" if missing else shown


def _markdown_table(table: Table) -> str:
    width = len(table.rows[0])
    lines = [table.head or [""] * width, ["---"] * width, *table.rows]
    out = [
        "| " + " | ".join(cell if n == 1 else inline_markdown(cell) for cell in row) + " |"
        for n, row in enumerate(lines)
    ]
    note = f"\n\n{inline_markdown(left_out(table.missing, 'rows'))}" if table.missing else ""
    return "\n".join(out) + note


def _markdown_line(run: RunView, item: Item, limits: Limits) -> str:
    if isinstance(item, AnswerItem):
        said = said_before(run, item)
        line = inline_markdown(model_said(run, item))
        return line + (f": {code_span(brief(said, limits.value))}" if said else "")
    if isinstance(item, ToolItem):
        called = code_span(call_text(item.name, item.arguments, limits.value))
    else:
        called = code_span(label(item))
    said = outcome(run, item, limits)
    return f"{called} → {code_span(said) if item.state == 'done' else inline_markdown(said)}"


# -- a terminal -----------------------------------------------------------------------------------------------------
def live_text(run: RunView) -> str:
    """One line per step, with state and time, and at the end the line that says how the run stands."""
    limits = Limits(answer=4_000, value=100, items=1_000)
    lines = [f"{visible(run.target_id or run.kind)} · {run.status}"]
    depths = [(depth, item) for depth, item in _full_walk(run.items, 0)]
    for depth, item in depths[: limits.items]:
        took = "" if item.seconds is None or item.cached else f" {item.seconds:.1f} s"
        state = ("cached" if item.cached else "live") + took if item.state == "done" else item.state
        why = f" ({brief(item.why, 100)})" if item.why else ""
        lines.append(f"{'  ' * (depth + 1)}{_plain_line(run, item, limits)}  [{state}]{why}")
    return "\n".join(lines)


def _full_walk(items: list[Item], depth: int) -> Iterator[tuple[int, Item]]:
    for item in items:
        yield depth, item
        yield from _full_walk(item.children, min(depth + 1, 8))
