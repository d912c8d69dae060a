"""`%polos approve`: answers what a run waits for."""

from __future__ import annotations

from typing import Any

from polos_nb.notebook.arguments import Namespace, Parser
from polos_nb.notebook.session import NotebookSession
from polos_nb.notebook.tables import Shown
from polos_nb.reports.answers import answer, login_name, pairs_of


def _parser() -> Parser:
    parser = Parser(
        "%polos approve",
        description="Answer what a run waits for; %polos runs --waiting lists that.\n"
        "STEP is the key of the step, its last part, or a beginning that fits only one.",
        epilog='Example:\n  %polos approve r12 --yes\n  %polos approve r12 approve_refund --no --feedback "too much"',
    )
    add = parser.add_argument
    add("run", metavar="RUN", help="such as r12")
    add("step", nargs="?", metavar="STEP", help="may be left out when the run waits for one answer only")
    add("--yes", action="store_const", const=True, default=None, help="approve")
    add("--no", dest="yes", action="store_const", const=False, help="reject")
    add("--set", dest="pairs", action="append", metavar="KEY=VALUE", help="fill in a field of the form")
    add("--feedback", metavar="TEXT", help="what to tell the run beside yes or no")
    add("--by", metavar="NAME", help="who decides; your login name without it")
    return parser


APPROVE = _parser()


def approve(session: NotebookSession, given: Namespace, options: Any) -> Shown:
    """`%polos approve`."""
    done = answer(
        session.runtime.store,
        given.run,
        given.step,
        yes=given.yes,
        values=pairs_of(given.pairs or ()),
        feedback=given.feedback,
        by=login_name() if given.by is None else given.by,
    )
    answered = getattr(session, "answered", None)
    goes_on = answered(done.run_id) if callable(answered) and done.state == "answered" else True
    return Shown(note=done.sentence() + ("; it was stopped, so run its cell again" if goes_on is False else ""))
