"""`%polos conversations`: which there are, what was said in one, and where it goes on."""

from __future__ import annotations

from typing import Any

from polos_nb.errors import ConfigurationError
from polos_nb.notebook.arguments import Namespace, Parser
from polos_nb.notebook.commands_runs import shown
from polos_nb.notebook.session import NotebookSession
from polos_nb.notebook.tables import Shown
from polos_nb.reports.conversations import (
    conversation_page,
    conversations_page,
    list_conversations,
    one_conversation,
    turns_through,
)


def _parser() -> Parser:
    parser = Parser(
        "%polos conversations",
        description="The conversations in the store; with ID, the turns of one.",
        epilog="Example:\n  %polos conversations\n  %polos conversations weather-bot-1\n"
        "  %polos conversations weather-bot-1 --from r12",
    )
    add = parser.add_argument
    add("conversation", nargs="?", metavar="ID", help="the conversation to show")
    add("--run", metavar="RUN", help="the branch that goes through this turn")
    add("--from", dest="after", metavar="RUN", help="the next message of this notebook follows this turn")
    add("--find", metavar="TEXT", help="only those with this in their id, agent or first message")
    add("--limit", type=int, default=20, metavar="N", help="at most N conversations (20)")
    add("--json", action="store_true", help="as JSON")
    return parser


CONVERSATIONS = _parser()


def conversations(session: NotebookSession, given: Namespace, options: Any) -> Shown:
    """`%polos conversations`."""
    store = session.runtime.store
    if given.conversation is None:
        if given.run or given.after:
            raise ConfigurationError("--run and --from are for one conversation: %polos conversations ID --from RUN")
        facts = list_conversations(store, query=given.find or "", limit=given.limit)
        return shown(conversations_page(facts, store.location, filtered=bool(given.find)), facts, given)
    if given.after:
        return _go_on(session, given)
    one = one_conversation(store, given.conversation, given.run)
    return shown(conversation_page(one), one, given)


def _go_on(session: NotebookSession, given: Namespace) -> Shown:
    """The next message follows a turn; what was said after it stays, as a branch of its own."""
    store = session.runtime.store
    one_conversation(store, given.conversation)
    turns = turns_through(store, given.conversation, given.after)
    ids = [turn.run.id for turn in turns]
    run = store.get_run(given.after)
    path = ids[: ids.index(run.id) + 1] if run is not None else ids
    if run is not None and run.status != "completed":
        raise ConfigurationError(f"turn {run.id} is {run.status}, so nothing can follow it; run it again first")
    session.runtime.conversations.stand(given.conversation, path)
    after = len(ids) - len(path)
    rest = f" The {after} after it stay as a branch." if after else ""
    return Shown(note=f"The next message of {given.conversation} follows {path[-1]}, turn {len(path)}.{rest}")
