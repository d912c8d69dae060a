"""`%polos approve`: answers what a run waits for, and lists and takes back what is always approved."""

from __future__ import annotations

from typing import Any

from polos_nb.errors import ConfigurationError
from polos_nb.notebook.arguments import Namespace, Parser
from polos_nb.notebook.session import NotebookSession
from polos_nb.notebook.tables import Shown
from polos_nb.reports import pages
from polos_nb.reports.answers import answer, approval_values, login_name, pairs_of, revoked
from polos_nb.reports.runs import find_run, list_rules
from polos_nb.runtime.always import SCOPES
from polos_nb.stores.base import Store


def _parser() -> Parser:
    parser = Parser(
        "%polos approve",
        description="Answer what a run waits for; %polos runs --waiting lists that.\n"
        "STEP is the key of the step, its last part, or a beginning that fits only one.",
        epilog='Example:\n  %polos approve r12 --yes\n  %polos approve r12 approve_refund --no --feedback "too much"\n'
        '  %polos approve r12 --yes --args \'{"order": 7, "amount": 3}\'\n  %polos approve r12 --yes --always tool\n'
        "  %polos approve r12 --rules",
    )
    add = parser.add_argument
    add("run", metavar="RUN", help="such as r12")
    add("step", nargs="?", metavar="STEP", help="may be left out when the run waits for one answer only")
    add("--yes", action="store_const", const=True, default=None, help="approve")
    add("--no", dest="yes", action="store_const", const=False, help="reject")
    add("--set", dest="pairs", action="append", metavar="KEY=VALUE", help="fill in a field of the form")
    add("--feedback", metavar="TEXT", help="what to tell the run beside yes or no")
    add("--args", dest="arguments", metavar="JSON", help="with --yes: call the tool with these arguments instead")
    add("--always", choices=SCOPES, help="with --yes: approve all such calls of this run without asking")
    add("--rules", action="store_true", help="list what is always approved in the run")
    add("--revoke", metavar="ID", help="take such a rule back")
    add("--by", metavar="NAME", help="who decides; your login name without it")
    return parser


APPROVE = _parser()


def approve(session: NotebookSession, given: Namespace, options: Any) -> Shown:
    """`%polos approve`."""
    if given.rules or given.revoke is not None:
        return _rules(session.runtime.store, given)
    done = answer(
        session.runtime.store,
        given.run,
        given.step,
        yes=given.yes,
        values=approval_values(pairs_of(given.pairs or ()), given.arguments, given.always),
        feedback=given.feedback,
        by=login_name() if given.by is None else given.by,
    )
    answered = getattr(session, "answered", None)
    goes_on = answered(done.run_id) if callable(answered) and done.state == "answered" else True
    return Shown(note=done.sentence() + ("; it was stopped, so run its cell again" if goes_on is False else ""))


def _rules(store: Store, given: Namespace) -> Shown:
    """Take a rule of a run back, or list them."""
    others = (given.step, given.yes, given.pairs, given.feedback, given.arguments, given.always)
    if any(other is not None for other in others):
        raise ConfigurationError("--rules and --revoke stand alone: %polos approve RUN --revoke ID")
    if given.revoke is not None:
        return Shown(note=revoked(store, given.run, given.revoke))
    page = pages.rules_page(list_rules(store, given.run), find_run(store, given.run).id, "%polos")
    return Shown(page.title, page.head, page.rows, note=page.note)
