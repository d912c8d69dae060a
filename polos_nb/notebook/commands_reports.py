"""`%polos why`, `diff`, `cost` and `export`: what changed between runs, what they cost, and runs as files."""

from __future__ import annotations

from typing import Any

from polos_nb.errors import ConfigurationError
from polos_nb.notebook.arguments import Namespace, Parser
from polos_nb.notebook.commands_runs import shown
from polos_nb.notebook.session import NotebookSession
from polos_nb.notebook.tables import Shown
from polos_nb.reports import pages
from polos_nb.reports.cost import cost_page, run_cost
from polos_nb.reports.cost_by import BY, cost_by, cost_by_page
from polos_nb.reports.diff import diff as diff_of
from polos_nb.reports.export import FORMATS, export_jsonl, export_markdown, write_file
from polos_nb.reports.why import why as why_of


def _why_parser() -> Parser:
    parser = Parser(
        "%polos why",
        description="Why each step of a run was executed: what differs from the record that would have answered.",
        epilog="Example:\n  %polos why r12 1.llm",
    )
    parser.add_argument("run", nargs="?", metavar="RUN", help="such as r12; the newest without it")
    parser.add_argument("step", nargs="?", metavar="STEP", help="one step only, by number or key")
    parser.add_argument("--json", action="store_true", help="as JSON")
    return parser


def _diff_parser() -> Parser:
    parser = Parser(
        "%polos diff",
        description="What differs from run A to run B: steps, answers, tokens, cost and time.",
        epilog="Example:\n  %polos diff r12 r13",
    )
    parser.add_argument("a", metavar="A", help="such as r12")
    parser.add_argument("b", metavar="B", help="such as r13")
    parser.add_argument("--json", action="store_true", help="as JSON")
    return parser


def _export_parser() -> Parser:
    parser = Parser(
        "%polos export",
        description="Runs as JSON lines (runs, steps, decisions; nested runs included) or as a report in Markdown.",
        epilog="Example:\n  %polos export r12 r13 --format markdown -o report.md",
    )
    parser.add_argument("run", nargs="+", metavar="RUN", help="such as r12")
    parser.add_argument("--format", choices=FORMATS, help="jsonl, or markdown for a FILE that ends with .md (jsonl)")
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write; shown here without it")
    return parser


def _cost_parser() -> Parser:
    parser = Parser(
        "%polos cost",
        description="What each model's answer of a run has cost, and what the store saved; or the sums over all runs.",
        epilog="Example:\n  %polos cost --by agent",
    )
    parser.add_argument("--by", choices=BY, help="the sums over all runs, by agent, outermost run, day or notebook")
    parser.add_argument("run", nargs="?", metavar="RUN", help="such as r12; the newest without it")
    parser.add_argument("--json", action="store_true", help="as JSON")
    return parser


WHY, DIFF, EXPORT, COST = _why_parser(), _diff_parser(), _export_parser(), _cost_parser()


def why(session: NotebookSession, given: Namespace, options: Any) -> Shown:
    """`%polos why`."""
    facts = why_of(session.runtime.store, given.run, given.step)
    return shown(pages.why_page(facts), facts, given)


def diff(session: NotebookSession, given: Namespace, options: Any) -> Shown:
    """`%polos diff`."""
    facts = diff_of(session.runtime.store, given.a, given.b)
    return shown(pages.diff_page(facts), facts, given)


def cost(session: NotebookSession, given: Namespace, options: Any) -> Shown:
    """`%polos cost`."""
    if given.by:
        if given.run:
            raise ConfigurationError("%polos cost: --by sums up all runs; leave the run out")
        sums = cost_by(session.runtime.store, given.by)
        return shown(cost_by_page(sums), sums, given)
    facts = run_cost(session.runtime.store, given.run)
    return shown(cost_page(facts), facts, given)


def export(session: NotebookSession, given: Namespace, options: Any) -> Shown:
    """`%polos export`."""
    store = session.runtime.store
    by_name = "markdown" if (given.output or "").endswith((".md", ".markdown")) else "jsonl"
    if (given.format or by_name) == "markdown":
        text = "\n---\n\n".join(export_markdown(store, run) for run in given.run)
    else:
        text = "".join(f"{line}\n" for line in export_jsonl(store, given.run))
    if given.output:
        write_file(given.output, text)
        return Shown(note=f"Written to {given.output}.")
    return Shown(blocks=[("", text)])
