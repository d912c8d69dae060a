"""`%polos runs`, `show` and `cache`: what the store knows."""

from __future__ import annotations

from typing import Any

from polos_nb.errors import ConfigurationError
from polos_nb.notebook.arguments import Namespace, Parser
from polos_nb.notebook.inspector import inspector_view
from polos_nb.notebook.lookup import agents_of, tools_of
from polos_nb.notebook.session import NotebookSession
from polos_nb.notebook.tables import Shown
from polos_nb.reports import pages
from polos_nb.reports.collect import collect, parse_age, parse_size
from polos_nb.reports.facts import Facts, as_json, when
from polos_nb.reports.runs import STATUSES, list_runs, list_waiting, one_run, one_step
from polos_nb.reports.story import step_lines, story

_GC_FLAGS = ("older_than", "max_size", "status", "keep", "dry_run")


def _runs_parser() -> Parser:
    parser = Parser("%polos runs", description="What was run, newest first.")
    parser.add_argument("query", nargs="*", metavar="QUERY", help="a part of the id, agent, input, status or error")
    parser.add_argument("--status", choices=STATUSES, help="only runs of this status")
    parser.add_argument("--waiting", action="store_true", help="what waits for an answer, oldest first")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="at most N runs (20)")
    _forms(parser)
    return parser


def _forms(parser: Parser) -> None:
    """The forms in which a list or a run can be had, beside the one that the front end shows best."""
    parser.add_argument("--table", action="store_true", help="as a table, also where the inspector can be shown")
    parser.add_argument("--df", action="store_true", help="as a pandas DataFrame")
    parser.add_argument("--json", action="store_true", help="as JSON")


def _show_parser() -> Parser:
    parser = Parser("%polos show", description="One run: its steps, why each was executed, and the runs they started.")
    parser.add_argument("run", nargs="?", metavar="RUN", help="such as r12; the newest without it")
    parser.add_argument("--step", metavar="N|KEY", help="everything about one step, by number or key")
    _forms(parser)
    return parser


def _cache_parser() -> Parser:
    parser = Parser(
        "%polos cache",
        description="What the store holds; clear it; or gc: delete old runs and make the file smaller.",
        epilog="Example:\n  %polos cache clear weather_agent\n  %polos cache gc --older-than 30d --keep 10 --dry-run",
    )
    add = parser.add_argument
    add("action", nargs="?", choices=["stats", "clear", "gc"], default="stats", help="(stats)")
    add("target", nargs="?", metavar="AGENT|RUN", help="what to clear")
    add("--all", action="store_true", help="clear everything")
    add("--older-than", metavar="AGE", help="gc: nothing happened for 30d, 12h or 2w")
    add("--max-size", metavar="SIZE", help="gc: the oldest, until the store is 500MB or 2GB")
    add("--status", choices=STATUSES, help="gc: only those whose newest run has this status")
    add("--keep", type=int, default=0, metavar="N", help="gc: but not the newest N of each agent (0)")
    add("--dry-run", action="store_true", help="gc: only tell what would be deleted")
    add("--json", action="store_true", help="as JSON")
    return parser


RUNS, SHOW, CACHE = _runs_parser(), _show_parser(), _cache_parser()


def runs(session: NotebookSession, given: Namespace, options: Any) -> Any:
    """`%polos runs`."""
    store = session.runtime.store
    query = " ".join(given.query)
    if given.waiting:
        facts = list_waiting(store, query=query, status=given.status, limit=given.limit)
        page = pages.waiting_page(facts, store.location, "%polos")
    else:
        facts = list_runs(store, query=query, status=given.status, limit=given.limit)
        page = pages.runs_page(facts, store.location, filtered=bool(query or given.status))
    if given.df:
        return _frame(facts)
    table = shown(page, facts, given)
    if given.waiting or given.json or given.table:
        return table
    return inspector_view(session, "runs", {"query": query, "status": given.status, "limit": given.limit}, table)


def show(session: NotebookSession, given: Namespace, options: Any) -> Any:
    """`%polos show`."""
    store = session.runtime.store
    if given.step is not None:
        if given.df:
            raise ConfigurationError("--df is for all steps of a run; leave out --step, or use --json")
        facts = one_step(store, given.run, given.step)
        return shown(pages.step_page(facts), facts, given)
    if given.df:
        return _frame(step_lines(story(store, given.run)))
    facts = one_run(store, given.run)
    table = shown(pages.run_page(facts, "%polos"), facts, given)
    return table if given.json or given.table else inspector_view(session, "run", {"run": facts["run"]}, table)


def shown(page: pages.Page, facts: Any, given: Namespace) -> Shown:
    """A page as `%polos` shows it; its facts as JSON for who asks."""
    if given.json:
        return Shown(blocks=[("", as_json(facts))])
    return Shown(page.title, page.head, page.rows, blocks=page.blocks, note=page.note)


def cache(session: NotebookSession, given: Namespace, options: Any) -> Shown:
    """`%polos cache`."""
    if given.action == "gc":
        return _collect(session, given)
    for name in _GC_FLAGS:
        if getattr(given, name):
            raise ConfigurationError(f"--{name.replace('_', '-')} belongs to %polos cache gc")
    if given.action == "clear":
        return _clear(session, given)
    if given.target or given.all:
        raise ConfigurationError("%polos cache stats takes no target; did you mean %polos cache clear?")
    stats = session.runtime.store.stats()
    facts = {
        **vars(stats),
        "oldest": when(stats.oldest),
        "newest": when(stats.newest),
        "by_target": {**stats.by_target},
    }
    rows = [
        ("store", stats.location),
        ("runs", stats.runs),
        ("steps", stats.steps),
        ("conversations", stats.conversations),
        ("size", f"{stats.size / 1e6:.2f} MB"),
        ("oldest", facts["oldest"]),
        ("newest", facts["newest"]),
        *((f"steps of {target}", number) for target, number in stats.by_target.items()),
    ]
    return shown(pages.Page("", (), rows), facts, given)


def _collect(session: NotebookSession, given: Namespace) -> Shown:
    if given.target or given.all:
        raise ConfigurationError("%polos cache gc takes no target; %polos cache clear AGENT deletes all of one")
    facts = collect(
        session.runtime.store,
        older_than=parse_age(given.older_than) if given.older_than else None,
        max_bytes=parse_size(given.max_size) if given.max_size else None,
        status=given.status,
        keep=given.keep,
        dry_run=given.dry_run,
    )
    return shown(pages.collect_page(facts), facts, given)


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


def _frame(facts: list[Facts]) -> Any:
    try:
        import pandas  # noqa: PLC0415 - heavy, and only for who asks for a frame
    except ImportError:
        raise ConfigurationError("--df needs pandas: pip install pandas; --json needs nothing") from None
    return pandas.DataFrame(facts)
