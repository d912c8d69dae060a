"""The commands of `polos-nb` that read the store and answer what waits: no notebook, no kernel, no key."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from polos_nb.errors import ConfigurationError, PolosError, StoreError
from polos_nb.reports import answers, pages
from polos_nb.reports.answers import approval_values, login_name, pairs_of, revoked
from polos_nb.reports.collect import collect, parse_age, parse_size
from polos_nb.reports.diff import diff
from polos_nb.reports.export import FORMATS, export_jsonl, export_markdown, write_file
from polos_nb.reports.facts import as_json
from polos_nb.reports.runs import STATUSES, find_run, list_rules, list_runs, list_waiting, one_run, one_step
from polos_nb.reports.why import why
from polos_nb.runtime.always import SCOPES
from polos_nb.safe_text import visible
from polos_nb.settings import MEMORY, Settings
from polos_nb.stores.base import Store
from polos_nb.stores.sqlite import SqliteStore
from polos_nb.terminal import show

F = TypeVar("F", bound=Callable[..., Any])
_ME = "polos-nb"

store_option = click.option("--store", "path", metavar="PATH", help="The store. Default: POLOS_NB_STORE, or .polos/.")
json_option = click.option("--json", "as_data", is_flag=True, help="Print JSON.")


def plainly(command: F) -> F:
    """A command whose failures are one sentence and exit status 1."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except PolosError as error:
            raise click.ClickException(visible(str(error))) from error

    return wrapped  # type: ignore[return-value]


@contextmanager
def opened(path: str | None) -> Iterator[Store]:
    """The store that is meant, which must be there: looking at runs makes no file."""
    where = path or Settings.from_environment().store_path()
    if where == MEMORY:
        raise StoreError("a store in memory ends with its process; give --store the path of a file")
    file = Path(where).expanduser().absolute()
    if not file.exists():
        raise StoreError(f"there is no step store {file}; run a notebook there first, or say --store PATH")
    store = SqliteStore(file)
    try:
        yield store
    finally:
        store.close()


def _parsed(parse: Callable[[str], Any]) -> Callable[[Any, Any, str | None], Any]:
    def callback(context: Any, parameter: Any, value: Any) -> Any:
        try:
            return None if value is None else parse(value)
        except ConfigurationError as error:
            raise click.BadParameter(str(error)) from error

    return callback


@click.command()
@click.argument("query", nargs=-1)
@click.option("--status", type=click.Choice(STATUSES), help="Only runs of this status.")
@click.option("--waiting", is_flag=True, help="What waits for an answer, oldest first.")
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, help="At most so many.")
@json_option
@store_option
@plainly
def runs(
    query: tuple[str, ...], status: str | None, waiting: bool, limit: int, as_data: bool, path: str | None
) -> None:
    """What was run, newest first. QUERY is a part of the id, agent, input, status or error.

    Example: polos-nb runs weather --status failed
    """
    with opened(path) as store:
        words = " ".join(query)
        if waiting:
            facts = list_waiting(store, query=words, status=status, limit=limit)
            page = pages.waiting_page(facts, store.location, _ME)
        else:
            facts = list_runs(store, query=words, status=status, limit=limit)
            page = pages.runs_page(facts, store.location, filtered=bool(words or status))
    _print(facts, page, as_data)


@click.command(name="show")
@click.argument("run", required=False)
@click.option("--step", metavar="N|KEY", help="Everything about one step, by number or key.")
@json_option
@store_option
@plainly
def show_run(run: str | None, step: str | None, as_data: bool, path: str | None) -> None:
    """One run with its steps, and the runs that they started. RUN is such as r12; the newest without it.

    Example: polos-nb show r12 --step 3
    """
    with opened(path) as store:
        if step is not None:
            facts = one_step(store, run, step)
            page = pages.step_page(facts)
        else:
            facts = one_run(store, run)
            page = pages.run_page(facts, _ME)
    _print(facts, page, as_data)


@click.command(name="why")
@click.argument("run", required=False)
@click.argument("step", required=False)
@json_option
@store_option
@plainly
def why_run(run: str | None, step: str | None, as_data: bool, path: str | None) -> None:
    """Why each step of a run was executed: what differs from the record that would have answered.

    Example: polos-nb why r12 1.llm
    """
    with opened(path) as store:
        facts = why(store, run, step)
    _print(facts, pages.why_page(facts), as_data)


@click.command(name="diff")
@click.argument("a")
@click.argument("b")
@json_option
@store_option
@plainly
def diff_runs(a: str, b: str, as_data: bool, path: str | None) -> None:
    """What differs from run A to run B: steps, answers, tokens, cost and time.

    Example: polos-nb diff r12 r13
    """
    with opened(path) as store:
        facts = diff(store, a, b)
    _print(facts, pages.diff_page(facts), as_data)


@click.command()
@click.option("--older-than", callback=_parsed(parse_age), metavar="AGE", help="Nothing happened for 30d, 12h or 2w.")
@click.option("--max-size", callback=_parsed(parse_size), metavar="SIZE", help="The oldest, until it is 500MB or 2GB.")
@click.option("--status", type=click.Choice(STATUSES), help="Only those whose newest run has this status.")
@click.option("--keep", type=click.IntRange(min=0), default=0, metavar="N", help="But not the newest N of each agent.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be deleted.")
@json_option
@store_option
@plainly
def gc(
    older_than: float | None,
    max_size: int | None,
    status: str | None,
    keep: int,
    dry_run: bool,
    as_data: bool,
    path: str | None,
) -> None:
    """Delete old runs, and make the file smaller.

    A call's runs go together, with the runs they started and the other turns of their conversation. What is running
    or waits for an answer stays.

    Example: polos-nb gc --older-than 30d --keep 10 --dry-run
    """
    with opened(path) as store:
        facts = collect(store, older_than=older_than, max_bytes=max_size, status=status, keep=keep, dry_run=dry_run)
    _print(facts, pages.collect_page(facts), as_data)


@click.command()
@click.argument("run", nargs=-1, required=True)
@click.option("--format", "kind", type=click.Choice(FORMATS), default="jsonl", show_default=True, help="The format.")
@click.option("-o", "--output", metavar="FILE", help="Where to write. Default: standard output.")
@store_option
@plainly
def export(run: tuple[str, ...], kind: str, output: str | None, path: str | None) -> None:
    """Runs as JSON lines (runs, steps, decisions; nested runs included) or as a report in Markdown.

    Example: polos-nb export r12 r13 --format markdown -o report.md
    """
    with opened(path) as store:
        text = (
            "".join(f"{line}\n" for line in export_jsonl(store, run))
            if kind == "jsonl"
            else "\n---\n\n".join(export_markdown(store, one) for one in run)
        )
    if output and output != "-":
        write_file(output, text)
        click.echo(f"Written to {output}.", err=True)
    else:
        click.echo(text, nl=False)


@click.command()
@click.argument("run")
@click.argument("step", required=False)
@click.option("--yes/--no", "yes", default=None, help="Approve, or reject.")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Fill in a field of the form.")
@click.option("--feedback", metavar="TEXT", help="What to tell the run beside yes or no.")
@click.option("--args", "arguments", metavar="JSON", help="With --yes: call the tool with these arguments instead.")
@click.option(
    "--always",
    type=click.Choice(SCOPES),
    help="With --yes: in this run approve every call of the tool, or those with the same arguments, without asking.",
)
@click.option("--rules", "listed", is_flag=True, help="List what is always approved in the run.")
@click.option("--revoke", metavar="ID", help="Take such a rule back.")
@click.option("--by", metavar="NAME", help="Who decides. Default: your login name.")
@json_option
@store_option
@plainly
def approve(
    run: str,
    step: str | None,
    yes: bool | None,
    pairs: tuple[str, ...],
    feedback: str | None,
    arguments: str | None,
    always: str | None,
    listed: bool,
    revoke: str | None,
    by: str | None,
    as_data: bool,
    path: str | None,
) -> None:
    """Answer what a run waits for. STEP may be left out when it waits for one answer only.

    STEP is the key of the step, its last part, or a beginning that fits only one. The run goes on where its kernel
    is alive; else when its cell is executed again.

    Example: polos-nb approve r12 approve_refund --no --feedback "too much"

    \b
    polos-nb approve r12 --yes --args '{"order": 7, "amount": 3}'
    polos-nb approve r12 --yes --always tool
    polos-nb approve r12 --rules
    """
    if listed or revoke is not None:
        if step is not None or pairs or any(given is not None for given in (yes, feedback, arguments, always)):
            raise click.UsageError("--rules and --revoke stand alone: polos-nb approve RUN --revoke ID")
        with opened(path) as store:
            _rules(store, run, revoke, as_data)
        return
    try:
        values = approval_values(pairs_of(pairs), arguments, always)
    except ConfigurationError as error:
        raise click.BadParameter(str(error), param_hint="--set") from error
    with opened(path) as store:
        done = answers.answer(
            store, run, step, yes=yes, values=values, feedback=feedback, by=login_name() if by is None else by
        )
    if as_data:
        click.echo(as_json(vars(done)))
    else:
        click.echo(done.sentence(), err=done.state == "already")
    if done.state == "already":
        sys.exit(1)


def _rules(store: Store, run: str, revoke: str | None, as_data: bool) -> None:
    """Take a rule of a run back, or list them."""
    if revoke is not None:
        click.echo(revoked(store, run, revoke))
        return
    facts = list_rules(store, run)
    _print(facts, pages.rules_page(facts, find_run(store, run).id, _ME), as_data)


@click.command()
@click.argument("run")
@store_option
@plainly
def stop(run: str, path: str | None) -> None:
    """Stop a run, whichever process drives it, within a second. What it finished is kept.

    Example: polos-nb stop r12
    """
    with opened(path) as store:
        found = find_run(store, run)
        if found.root is not None:
            raise ConfigurationError(
                f"{found.id} is inside run {found.root}; stop that one: polos-nb stop {found.root}"
            )
        if found.status not in ("running", "suspended"):
            raise ConfigurationError(f"{found.id} is over already: {found.status}")
        store.update_run(found.id, status="cancelled", error="stopped")
    click.echo(f"{found.id} is being stopped; running its call again goes on from there.")


def _print(facts: Any, page: pages.Page, as_data: bool) -> None:
    if as_data:
        click.echo(as_json(facts))
    else:
        show(page)


COMMANDS = (runs, show_run, why_run, diff_runs, gc, export, approve, stop)
