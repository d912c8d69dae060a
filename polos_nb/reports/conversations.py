"""Which conversations there are, and the turns of one, in the branch that was gone on with last or another one."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from polos_nb.errors import ConfigurationError
from polos_nb.reports.facts import Facts, run_facts, when
from polos_nb.reports.pages import Page
from polos_nb.runtime.branches import Branches, Turn
from polos_nb.safe_text import brief
from polos_nb.stores.base import Store

_RUNS = 10_000  # the newest runs that a list is made of
_CUT = 60


def list_conversations(store: Store, *, query: str = "", limit: int = 20) -> list[Facts]:
    """Conversations, those that were gone on with last first.

    `turns` are those of the branch that was gone on with last, `branches` how many ends there are, `title` the first
    thing that was said. `query` is a part of the id, the title or an agent's id.
    """
    out: list[Facts] = []
    for name in dict.fromkeys(run.conversation_id for run in store.list_runs(limit=_RUNS)):
        if name is None:
            continue
        facts = _facts(store, name)
        words = (name, facts["title"], *facts["agents"]) if facts else ()
        if facts and (not query or any(query.casefold() in word.casefold() for word in words)):
            out.append(facts)
        if len(out) >= limit:
            break
    return out


def one_conversation(store: Store, conversation_id: str, run_id: str | None = None) -> Facts:
    """A conversation with its turns: of the branch through a run, or the one that was gone on with last.

    Raises ConfigurationError where there is no such conversation, or no such turn in it.
    """
    facts = _facts(store, conversation_id)
    if facts is None:
        known = [item["conversation"] for item in list_conversations(store, limit=1_000)]
        near = difflib.get_close_matches(conversation_id, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else "; %polos conversations lists what there is"
        raise ConfigurationError(f"there is no conversation {conversation_id!r} in {store.location}{hint}")
    turns = turns_through(store, conversation_id, run_id)
    return {**facts, "turns_said": [_turn(number, turn) for number, turn in enumerate(turns, 1)]}


def turns_through(store: Store, conversation_id: str, run_id: str | None = None) -> list[Turn]:
    """The turns of the branch through a run. Raises ConfigurationError where it is no turn of the conversation."""
    branches = Branches(store, conversation_id)
    found = store.get_run(run_id) if run_id else None
    if run_id is not None and (found is None or found.id not in branches):
        turns = ", ".join(turn.run.id for turn in branches.through(None))
        raise ConfigurationError(f"run {run_id} is no turn of {conversation_id}; its turns are {turns}")
    return branches.through(None if found is None else found.id)


def conversations_page(facts: Sequence[Facts], location: str, *, filtered: bool) -> Page:
    """The list."""
    if not facts:
        return Page(note=f"No conversations{' like that' if filtered else ''} in {location}.")
    head = ("conversation", "with", "turns", "branches", "begins with", "last")
    rows = [
        (f["conversation"], ", ".join(f["agents"]), f["turns"], f["branches"], brief(f["title"], _CUT), f["last"])
        for f in facts
    ]
    note = "%polos conversations ID shows one."
    return Page("", head, rows, note=note, whole=("conversation", "turns", "branches", "last"))


def conversation_page(facts: Facts) -> Page:
    """One conversation."""
    head = ("turn", "run", "with", "said", "answer", "state", "branch")
    rows = [
        (t["turn"], t["run"], t["target"], brief(t["input"], _CUT), brief(t["result"], _CUT), t["status"], t["branch"])
        for t in facts["turns_said"]
    ]
    name = facts["conversation"]
    note = f"%polos conversations {name} --from RUN makes the next message follow that turn: a branch."
    if facts["branches"] > 1:
        note += f" There are {facts['branches']} branches; --run RUN shows the one through a turn."
    return Page(name, head, rows, note=note, whole=("turn", "run", "state", "branch"))


def _facts(store: Store, name: str) -> Facts | None:
    branches = Branches(store, name)
    path = branches.through(None)
    if not path:
        return None
    newest = path[-1].run
    return {
        "conversation": name,
        "agents": list(dict.fromkeys(turn.run.target_id for turn in path)),
        "turns": len(path),
        "branches": branches.ends,
        "title": run_facts(path[0].run)["input"],
        "tokens": sum(run_facts(turn.run)["tokens"] for turn in path),
        "last": when(newest.finished_at or newest.created_at),
        "last_run": newest.id,
    }


def _turn(number: int, turn: Turn) -> Facts:
    beside = f"{turn.branch} of {len(turn.beside)}" if len(turn.beside) > 1 else ""
    return {"turn": number, **run_facts(turn.run), "branch": beside, "beside": list(turn.beside)}
