"""Runs as files: JSON lines for programs, Markdown for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from polos_nb.errors import ConfigurationError
from polos_nb.reports.facts import Facts, as_json, data_of, pretty
from polos_nb.reports.runs import find_run, nested_runs, one_run
from polos_nb.runtime.records import transcript_from_records
from polos_nb.safe_text import Limits, code_block, inline_markdown, shorten
from polos_nb.stores.base import RunRecord, Store

FORMATS = ("jsonl", "markdown")
_JSON_TEXTS = {"input", "options", "result", "usage", "state", "parts", "request", "output", "form", "answer"}
_LIMITS = Limits(answer=1_000_000, value=4_000, items=10_000)


def export_jsonl(store: Store, run_ids: Iterable[str]) -> Iterator[str]:
    """One JSON object for each run, step and decision, nested runs included; the lines have no line breaks.

    `type` is "run", "step" or "decision". A step has the `run` in whose trace it is, its place `seq`, whether it was
    `cached`, and `why` it was executed. Values are as the store keeps them, with the tags of types JSON has not.
    """
    done: set[str] = set()
    for run_id in run_ids:
        outer = find_run(store, run_id)
        for run in (outer, *nested_runs(store, outer)):
            if run.id in done:
                continue
            done.add(run.id)
            yield from (as_json(line, indent=None) for line in _run_lines(store, run))


def _run_lines(store: Store, run: RunRecord) -> Iterator[Facts]:
    yield {"type": "run", **_unpacked(vars(run))}
    for row, step in store.trace(run.id):
        about = {"type": "step", "run": run.id, "seq": row.seq, "cached": row.cached, "why": row.why}
        yield about | _unpacked(vars(step))
    for decision in store.decisions(run_id=run.id):
        yield {"type": "decision", **_unpacked(vars(decision))}


def _unpacked(record: dict[str, Any]) -> Facts:
    return {name: data_of(value) if name in _JSON_TEXTS else value for name, value in record.items()}


def export_markdown(store: Store, run_id: str | None = None) -> str:
    """A report of one run: what was asked, the transcript, and a table of all steps with those of nested runs."""
    run = find_run(store, run_id)
    facts = one_run(store, run.id)
    transcript = transcript_from_records(run, store.trace(run.id), store)
    blocks = [
        f"# {inline_markdown(run.target_id)}, run {run.id}",
        _about(facts),
        f"## Input\n\n{code_block(pretty(run.input))}" if run.input != "null" else "",
        "## Transcript",
        transcript.to_markdown(_LIMITS),
        "## Steps",
        _steps_table(facts),
    ]
    for decision in store.decisions(run_id=run.id):
        said = f"**{inline_markdown(decision.step_key)}** {decision.status}"
        who = f" by {inline_markdown(decision.decided_by)}" if decision.decided_by else ""
        blocks += ["## Decisions"] if "## Decisions" not in blocks else []
        blocks.append(said + who + (f"\n\n{code_block(pretty(decision.answer))}" if decision.answer else ""))
    return "\n\n".join(block for block in blocks if block) + "\n"


def write_file(path: str, text: str) -> None:
    """Write an export. Raises ConfigurationError with one sentence where that cannot be done."""
    try:
        Path(path).expanduser().write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written ({error.strerror or error}); name another file") from error


def _about(facts: Facts) -> str:
    cost = facts["cost"]
    rows = [
        ("status", facts["status"]),
        ("model", facts["model"]),
        ("started", facts["started"]),
        ("seconds", facts["seconds"]),
        ("tokens", facts["tokens"] or ""),
        ("cost", "" if cost is None else f"{cost:.4f} USD"),
        ("conversation", facts["conversation"]),
        ("error", facts["error"]),
    ]
    return _table(["", ""], [[name, value] for name, value in rows if value not in (None, "")])


def _steps_table(facts: Facts) -> str:
    head = ["run", "step", "call", "state", "seconds", "tokens", "why it was executed, or its error"]
    return _table(head, list(_rows(facts)))


def _rows(facts: Facts) -> Iterator[list[Any]]:
    for step in facts["steps"]:
        said = step["why"] or step["error"]
        yield [facts["run"], *(step[name] for name in ("step", "call", "state", "seconds")), step["tokens"] or "", said]
        for inner in step["runs"]:
            yield from _rows(inner)


def _table(head: list[str], rows: list[list[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows] if rows else []
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def _cell(value: Any) -> str:
    text = " ".join(str("" if value is None else value).split())
    return text if text == "---" else inline_markdown(shorten(text, 300)[0])
