"""Facts as pages to be shown, the same on a terminal and in a notebook: a title, a table, blocks of text, a note."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from polos_nb.reports.answers import said_of
from polos_nb.reports.facts import Facts
from polos_nb.safe_text import brief, json_text, value_text
from polos_nb.transcript_text import count

_BLOCK = 4_000  # characters of a text in an overview
_WHOLE = 20_000
_COMPARED = 20  # steps whose texts a comparison shows
_DEEPER = "· "  # an indent that no rendering strips


@dataclass(frozen=True)
class Page:
    """What is shown. `rows` hold plain values; `blocks` are pairs of a label and a text.

    The columns called `whole` are cut last where there is too little room: what a reader has to type or to compare.
    """

    title: str = ""
    head: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    blocks: Sequence[tuple[str, str]] = field(default_factory=list)
    note: str = ""
    whole: Sequence[str] = ()


def runs_page(facts: Sequence[Facts], location: str, *, filtered: bool) -> Page:
    """A list of runs."""
    if not facts:
        return Page(note=f"No runs{' like that' if filtered else ''} in {location}.")
    head = ("run", "of", "status", "input", "result", "tokens", "started")
    rows = [
        (f["run"], f["target"], f["status"], _cut(f["input"]), _cut(f["result"]), f["tokens"], f["started"])
        for f in facts
    ]
    return Page("", head, rows, whole=("run", "of", "status", "tokens", "started"))


def waiting_page(facts: Sequence[Facts], location: str, command: str) -> Page:
    """A list of what waits for a person."""
    if not facts:
        return Page(note=f"Nothing waits for an answer in {location}.")
    head = ("run", "of", "step", "asks", "since", "expires")
    rows = [(f["run"], f["target"], f["step"], _cut(f["title"] or f["shows"]), f["since"], f["expires"]) for f in facts]
    note = f"{command} approve RUN [STEP] --yes answers; {command} show RUN says how."
    held = {f["run"]: len(f["always"]) for f in facts if f["always"]}
    note += "".join(f" {run} has {count(n, 'rule')}: {command} approve {run} --rules." for run, n in held.items())
    return Page("", head, rows, note=note, whole=("run", "step", "since", "expires"))


def run_page(facts: Facts, command: str) -> Page:
    """One run with its steps, and indented the runs that they started."""
    about = [facts["run"], facts["target"], facts["model"], facts["status"]]
    about += [f"{facts['tokens']} tokens"] if facts["tokens"] else []
    about += [dollars(facts["cost"])] if facts["cost"] is not None else []
    blocks = [("input", facts["input"]), ("result", facts["result"]), ("error", facts["error"] or "")]
    blocks += [("state", json_text(facts["state"], indent=2))] if facts["state"] else []
    for decision in facts["waiting"]:
        expires = f", until {decision['expires']}" if decision["expires"] else ""
        lines = [decision["title"], decision["shows"], _how_to_answer(decision, command)]
        blocks.append(
            (f"waits: {decision['step']}, since {decision['since']}{expires}", "\n".join(filter(None, lines)))
        )
    if facts["always"]:
        texts = [f"{rule['text']}: {command} approve {facts['run']} --revoke {rule['id']}" for rule in facts["always"]]
        blocks.append(("always approved, and how to take that back", "\n".join(texts)))
    return Page(
        " · ".join(str(part) for part in about if part),
        ("", "step", "call", "state", "seconds", "why, or its error"),
        list(_step_rows(facts, 0)),
        blocks=[(label, brief(text, _BLOCK)) for label, text in blocks if text],
        note=f"{command} show {facts['run']} --step N shows all of a step." if facts["steps"] else "",
        whole=("", "step", "state", "seconds"),
    )


def _how_to_answer(decision: Facts, command: str) -> str:
    """The command that answers. A form that does not ask for approval is not answered by yes."""
    line = f"{command} approve {decision['run']} {shlex.quote(decision['step'])}"
    how = decision["how"]
    if not how or "approved=" in how:
        return f"{line} --yes"
    return f"{line} --set KEY=VALUE, of: {how}"


def _step_rows(facts: Facts, depth: int) -> Iterator[tuple[Any, ...]]:
    indent = _DEEPER * depth
    for number, step in enumerate(facts["steps"], 1):
        seconds = "" if step["seconds"] is None else f"{step['seconds']:.2f}"
        said = step["why"] or step["error"]
        yield ("" if depth else number, indent + step["step"], step["call"], step["state"], seconds, said)
        for inner in step["runs"]:
            seconds = "" if inner["seconds"] is None else f"{inner['seconds']:.2f}"
            name = f"{indent}{_DEEPER}{inner['run']}"
            yield ("", name, f"run of {inner['target']}", inner["status"], seconds, inner["error"])
            yield from _step_rows(inner, depth + 1)


def step_page(facts: Facts) -> Page:
    """All of one step."""
    about = [facts["run"], facts["step"], facts["kind"], facts["state"], count(facts["attempts"], "attempt")]
    about += [f"{facts['tokens']} tokens"] if facts["tokens"] else []
    output = facts["output"]
    blocks = [
        ("why", facts["why"]),
        ("request", json_text(facts["request"], indent=2)),
        ("output", json_text(output, indent=2) if facts["status"] == "completed" or output is not None else ""),
        ("state changes", json_text(facts["state_changes"], indent=2) if facts["state_changes"] else ""),
        ("error", facts["error"] or ""),
        ("traceback", facts["traceback"] or ""),
        ("runs", "\n".join(f"{run['run']} {run['target']}: {run['status']}" for run in facts["runs"])),
    ]
    for decision in facts["decisions"]:
        who = f" by {decision['decided_by']}" if decision["decided_by"] else ""
        blocks.append((f"{decision['status']}{who}", _said(decision)))
    return Page(" · ".join(about), blocks=[(label, brief(text, _WHOLE)) for label, text in blocks if text])


def _said(decision: Facts) -> str:
    """What was answered: an approval in words, and with which arguments; anything else as it is."""
    answer = decision["answer"]
    if decision["kind"] != "approval" or not isinstance(answer, dict):
        return json_text(answer) if answer is not None else str(decision["title"])
    edited = answer.get("arguments")
    said = said_of(answer, decision["tool"])
    return f"{said}\n{json_text(edited, indent=2)}" if edited is not None else said


def rules_page(facts: Sequence[Facts], run_id: str, command: str) -> Page:
    """The rules "always approve this" of a run."""
    if not facts:
        return Page(note=f"{run_id} has no rule: every call that needs an approval is asked for.")
    rows = [(f["id"], f["text"], f["step"], f["by"], f["since"]) for f in facts]
    note = f"{command} approve {run_id} --revoke ID takes one back; the next call asks again."
    return Page("", ("id", "approves", "given at", "by", "since"), rows, note=note, whole=("id", "since"))


def why_page(facts: Sequence[Facts]) -> Page:
    """Why steps were executed; with texts that differ when it is about one step or few."""
    if not facts:
        return Page(note="The run has no steps.")
    rows = [(f["number"], f["step"], f["reason"], f["says"]) for f in facts]
    blocks = []
    for f in facts:
        against = f" against {f['against_run']} {f['against']}" if f["against"] else ""
        for one in f["diffs"]:
            blocks.append((f"{f['step']}: {one['what']}{against}", brief(one["diff"], _WHOLE)))
    return Page(facts[0]["run"], ("", "step", "reason", "why"), rows, blocks=blocks, whole=("", "step", "reason"))


def diff_page(facts: Facts) -> Page:
    """Two runs side by side."""
    a, b = facts["a"], facts["b"]
    rows = [(_MARKS[step["change"]], step["step"], step["call"], *_figures(step)) for step in facts["steps"]]
    blocks = [("input", facts["input"]), ("result", facts["result"])]
    differing = [step for step in facts["steps"] if step["change"] != "same"]
    for step in differing[:_COMPARED]:
        blocks += [(f"{step['step']}: asked", "\n".join(step["asked"])), (f"{step['step']}: output", step["text"])]
        errors = [error for error in step["error"] if error]
        blocks += [(f"{step['step']}: error", "\n".join(errors))] if step["error"][0] != step["error"][1] else []
    return Page(
        f"{a['run']} → {b['run']} · {a['target']}" + (f" → {b['target']}" if a["target"] != b["target"] else ""),
        ("", "step", "call", "state", "tokens", "cost", "seconds"),
        [*rows, ("", "run", "", *_figures({**facts, "state": facts["status"]}))],
        blocks=[(label, brief(text, _BLOCK)) for label, text in blocks if text],
        note=_differ_note(len(differing)),
        whole=("", "step", "tokens", "cost", "seconds"),
    )


def _differ_note(differing: int) -> str:
    if not differing:
        return "No step differs."
    more = differing - _COMPARED
    return f"{more} more steps differ in their texts; --json has all of them." if more > 0 else ""


def _figures(facts: Facts) -> tuple[str, ...]:
    return (
        _pair(facts["state"]),
        _pair(facts["tokens"]),
        _pair(facts["cost"], dollars),
        _pair(facts["seconds"]),
    )


_MARKS = {"same": "", "changed": "~", "added": "+", "removed": "-"}


def collect_page(facts: Facts) -> Page:
    """What was deleted, or would be."""
    rows = [(f["target"], f["status"], f["runs"], f["newest"], size_text(f["size"])) for f in facts["deleted"]]
    verb = "would be deleted" if facts["dry_run"] else "deleted"
    about = "about " if facts["dry_run"] else ""
    note = f"{count(facts['runs'], 'run')} {verb}, {about}{size_text(facts['freed'])} freed."
    if facts["busy"]:
        note += " What is running or waits for an answer stays."
    return Page("", ("of", "status", "runs", "newest", "size"), rows, note=note)


def dollars(value: float | None) -> str:
    """A price.

    >>> dollars(0.0123)
    '$0.0123'
    """
    return "" if value is None else f"${value:.4f}"


def size_text(size: int) -> str:
    """A number of bytes, as people say it.

    >>> size_text(1234567)
    '1.2 MB'
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"


def _pair(values: Sequence[Any], shown: Any = None) -> str:
    old, new = ("" if value is None else shown(value) if shown else value_text(value) for value in values)
    if values[0] is None or values[1] is None:
        return f"{old}{new}"
    return old if old == new else f"{old} → {new}"
