"""`%polos runs`, `show` and `cache`: what the store knows."""

from __future__ import annotations

import time
from typing import Any

import orjson

from polos_nb.codec_untag import untag
from polos_nb.errors import ConfigurationError
from polos_nb.messages import Usage
from polos_nb.notebook.arguments import Namespace, Parser
from polos_nb.notebook.lookup import agents_of, tools_of
from polos_nb.notebook.session import NotebookSession
from polos_nb.notebook.tables import Shown
from polos_nb.safe_text import brief, call_text, json_text, value_text
from polos_nb.stores.base import RunRecord, StepRecord, TraceRow
from polos_nb.transcript_text import count

_STATUS = ("running", "completed", "failed", "cancelled", "suspended")


def _runs_parser() -> Parser:
    parser = Parser("%polos runs", description="What was run, newest first.")
    parser.add_argument("query", nargs="*", metavar="QUERY", help="a part of the id, agent, input, status or error")
    parser.add_argument("--status", choices=_STATUS, help="only runs of this status")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="at most N runs (20)")
    parser.add_argument("--df", action="store_true", help="as a pandas DataFrame")
    parser.add_argument("--json", action="store_true", help="as JSON")
    return parser


def _show_parser() -> Parser:
    parser = Parser("%polos show", description="One run: its steps, and why each was executed.")
    parser.add_argument("run", nargs="?", metavar="RUN", help="such as r12; the newest without it")
    parser.add_argument("--step", metavar="N|KEY", help="everything about one step, by number or key")
    return parser


def _cache_parser() -> Parser:
    parser = Parser("%polos cache", description="What the store holds; clear it.")
    parser.add_argument("action", nargs="?", choices=["stats", "clear"], default="stats", help="(stats)")
    parser.add_argument("target", nargs="?", metavar="AGENT|RUN", help="what to clear")
    parser.add_argument("--all", action="store_true", help="clear everything")
    return parser


RUNS, SHOW, CACHE = _runs_parser(), _show_parser(), _cache_parser()


def runs(session: NotebookSession, given: Namespace, options: Any) -> Any:
    """`%polos runs`."""
    store = session.runtime.store
    query = " ".join(given.query)
    found = store.list_runs(query=query, status=given.status, limit=given.limit)
    if not found:  # an agent's id has - where its name in the notebook has _
        found = store.list_runs(query=query.replace("_", "-"), status=given.status, limit=given.limit)
    facts = [_facts(run) for run in found]
    if given.df:
        return _frame(facts)
    if given.json:
        return Shown(blocks=[("", orjson.dumps(facts, option=orjson.OPT_INDENT_2).decode())])
    rows = [
        (f["run"], f["target"], f["status"], _cut(f["input"]), _cut(f["result"]), f["tokens"], f["started"])
        for f in facts
    ]
    if not rows:
        return Shown(note=f"No runs{' like that' if given.query or given.status else ''} in {store.location}.")
    return Shown("", ("run", "of", "status", "input", "result", "tokens", "started"), rows)


def show(session: NotebookSession, given: Namespace, options: Any) -> Shown:
    """`%polos show`."""
    store = session.runtime.store
    run = store.get_run(given.run) if given.run else next(iter(store.list_runs(limit=1)), None)
    if run is None:
        said = f"there is no run {given.run}" if given.run else "there is no run yet"
        raise ConfigurationError(f"{said} in {store.location}; %polos runs lists them")
    trace = store.trace(run.id)
    if given.step is not None:
        return _one_step(run, trace, given.step)
    rows = [
        (n, step.step_key, _what(step), _state(row, step), _seconds(step), row.why or step.error)
        for n, (row, step) in enumerate(trace, 1)
    ]
    facts = _facts(run)
    head = [run.id, run.target_id, facts["model"], run.status, facts["tokens"] and f"{facts['tokens']} tokens"]
    blocks = [("input", facts["input"]), ("result", facts["result"]), ("error", run.error or "")]
    return Shown(
        " · ".join(str(part) for part in head if part),
        ("", "step", "call", "state", "seconds", "why it was executed, or its error"),
        rows,
        blocks=[(label, brief(text, 4_000)) for label, text in blocks],
        note=f"%polos show {run.id} --step N shows all of a step." if rows else "",
    )


def cache(session: NotebookSession, given: Namespace, options: Any) -> Shown:
    """`%polos cache`."""
    store = session.runtime.store
    if given.action == "clear":
        return _clear(session, given)
    if given.target or given.all:
        raise ConfigurationError("%polos cache stats takes no target; did you mean %polos cache clear?")
    stats = store.stats()
    rows = [
        ("store", stats.location),
        ("runs", stats.runs),
        ("steps", stats.steps),
        ("conversations", stats.conversations),
        ("size", f"{stats.size / 1e6:.2f} MB"),
        ("oldest", _when(stats.oldest)),
        ("newest", _when(stats.newest)),
        *((f"steps of {target}", number) for target, number in stats.by_target.items()),
    ]
    return Shown("", (), rows)


def _clear(session: NotebookSession, given: Namespace) -> Shown:
    store = session.runtime.store
    if given.all == bool(given.target):
        raise ConfigurationError("say what to clear: %polos cache clear AGENT, a run such as r12, or --all")
    if given.all:
        return Shown(note=f"{store.clear()} steps deleted.")
    if store.get_run(given.target) is not None:
        return Shown(note=f"{store.clear(run_id=store.get_run(given.target).id)} steps deleted.")  # type: ignore[union-attr]
    names: dict[str, Any] = {**tools_of(session.ip.user_ns), **agents_of(session.ip.user_ns)}
    target = names[given.target].id if given.target in names else given.target
    known = store.stats().by_target
    if target not in known and given.target not in names:
        there = f"; there is {', '.join(known)}" if known else ""
        raise ConfigurationError(f"nothing of {given.target} is in the store{there}")
    return Shown(note=f"{store.clear(target_id=target)} steps deleted.")


def _facts(run: RunRecord) -> dict[str, Any]:
    options = orjson.loads(run.options or "{}")
    usage = Usage.model_validate_json(run.usage) if run.usage else None
    model = "/".join(str(options[key]) for key in ("provider", "model") if options.get(key))
    return {
        "run": run.id,
        "target": run.target_id,
        "kind": run.kind,
        "status": run.status,
        "input": _text(run.input),
        "result": _text(run.result),
        "error": run.error,
        "model": model,
        "tokens": usage.total_tokens if usage else 0,
        "conversation": run.conversation_id,
        "started": _when(run.created_at),
        "seconds": round(run.finished_at - run.created_at, 3) if run.finished_at else None,
    }


def _text(kept: str | None) -> str:
    value = untag(orjson.loads(kept)) if kept else ""
    return value if isinstance(value, str) else value_text(value)


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"


def _frame(facts: list[dict[str, Any]]) -> Any:
    try:
        import pandas  # noqa: PLC0415 - heavy, and only for who asks for a frame
    except ImportError:
        raise ConfigurationError("--df needs pandas: pip install pandas; --json needs nothing") from None
    return pandas.DataFrame(facts)


def _what(step: StepRecord) -> str:
    request = orjson.loads(step.request or "{}")
    if step.kind == "tool":
        return call_text(step.name, request.get("arguments"), 80)
    return str(request.get("model") or step.name) if step.kind == "llm" else step.name


def _state(row: TraceRow, step: StepRecord) -> str:
    if step.status == "completed":
        return "cached" if row.cached else "live"
    return step.status


def _seconds(step: StepRecord) -> str:
    return f"{step.finished_at - step.started_at:.2f}" if step.finished_at else ""


def _when(at: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)) if at else ""


def _one_step(run: RunRecord, trace: list[tuple[TraceRow, StepRecord]], wanted: str) -> Shown:
    for number, (row, step) in enumerate(trace, 1):
        if wanted in (str(number), step.step_key):
            blocks = [
                ("why", row.why),
                ("request", json_text(untag(orjson.loads(step.request or "{}")), indent=2)),
                ("output", json_text(untag(orjson.loads(step.output)), indent=2) if step.output else ""),
                ("error", step.error or ""),
                ("traceback", step.traceback or ""),
            ]
            facts = [run.id, step.step_key, step.kind, _state(row, step), count(step.attempts, "attempt")]
            return Shown(" · ".join(facts), blocks=[(label, brief(text, 20_000)) for label, text in blocks if text])
    keys = ", ".join(step.step_key for _, step in trace)
    raise ConfigurationError(f"run {run.id} has no step {wanted}; it has {keys or 'none'}")
