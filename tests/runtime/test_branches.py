"""The branches of a conversation, read from the store."""

from __future__ import annotations

from dataclasses import replace

from polos_nb import Agent, ScriptedModel
from polos_nb.runtime.branches import Branches, free_name, place_behind
from polos_nb.runtime.conversation import Conversations, Place
from polos_nb.stores.base import RunRecord
from polos_nb.stores.memory import MemoryStore
from tests.runtime.support import Process


def talk(store: MemoryStore, previous: str | None, turn: int, **fields: str) -> str:
    """Add a turn and return its run."""
    number = len(store.list_runs(limit=1_000))
    about = {"status": "completed", "conversation_id": "c", "target_id": "a", "input": f'"{number}"'} | fields
    made = store.new_run(
        RunRecord(lineage=f"l{number}", previous=previous, turn=turn, **about),  # type: ignore[arg-type]
        expected=None,
    )
    assert made is not None
    return made.id


def tree() -> tuple[MemoryStore, list[str]]:
    """A conversation 0-1-2 with a branch 0-3-4 and another beginning 5."""
    store = MemoryStore()
    ids: list[str] = []
    for previous, turn in ((None, 0), (0, 1), (1, 2), (0, 1), (3, 2), (None, 0)):
        ids.append(talk(store, None if previous is None else ids[previous], turn))
    return store, ids


def test_a_branch_is_read_from_its_last_turn() -> None:
    """Each turn says which of the runs at its place it is."""
    store, ids = tree()
    path = Branches(store, "c").to(ids[4])
    assert [(turn.run.id, turn.branch, len(turn.beside)) for turn in path] == [
        (ids[0], 1, 2), (ids[3], 2, 2), (ids[4], 1, 1),
    ]  # fmt: skip
    assert place_behind(path) == Place(3, (ids[0], ids[3], ids[4]))


def test_the_branch_through_a_turn_is_the_one_that_was_gone_on_with_last() -> None:
    """Without a turn it is the newest of all; an unknown turn is like none."""
    store, ids = tree()
    branches = Branches(store, "c")
    assert [turn.run.id for turn in branches.through(ids[1])] == ids[:3]
    assert [turn.run.id for turn in branches.through(ids[0])] == [ids[0], ids[3], ids[4]]
    assert [turn.run.id for turn in branches.through(None)] == [ids[5]]
    assert [turn.run.id for turn in branches.through("r99")] == [ids[5]]
    assert Branches(store, "nobody").through(None) == []


def test_a_turn_whose_predecessor_was_deleted_begins_a_branch() -> None:
    """What is left of a conversation is still read, and records that go in a circle end."""
    store, ids = tree()
    store.update_run(ids[1], previous="r77")
    assert [turn.run.id for turn in Branches(store, "c").to(ids[2])] == [ids[1], ids[2]]
    store.update_run(ids[1], previous=ids[2])
    assert len(Branches(store, "c").to(ids[2])) == 2


def test_agents_that_help_inside_a_turn_are_not_turns() -> None:
    """A nested run inherits the conversation, and is part of the turn around it; inside a workflow it is a turn."""
    store, ids = tree()
    talk(store, None, 0, root=ids[5])
    flow = talk(store, None, 0, kind="workflow", conversation_id="c")
    inside = talk(store, ids[4], 3, root=flow)
    branches = Branches(store, "c")
    assert branches.beside("") == (ids[0], ids[5], flow)
    assert [turn.run.id for turn in branches.through(None)][-1] == inside


def test_a_run_whose_owner_is_gone_is_not_driven() -> None:
    """Only a living process answers; a killed one leaves "running" behind."""
    store, _ = tree()
    cut = talk(store, None, 0, status="running", owner="gone/1/1/x")
    branches = Branches(store, "c")
    assert branches.driven() is None
    run = branches.run(cut)
    assert run is not None
    assert not branches.is_driven(replace(run, lease_until=0.0))
    assert branches.is_driven(replace(run, lease_until=9e12))


def test_a_new_name_is_one_that_nobody_has() -> None:
    """Names that were given away count as taken."""
    store = MemoryStore()
    talk(store, None, 0, conversation_id="bot-1")
    talk(store, None, 0, conversation_id="bot-3")
    assert free_name(store, "bot") == "bot-2"
    assert free_name(store, "bot", ["bot-2"]) == "bot-4"


def test_a_process_can_be_told_where_it_stands() -> None:
    """What is said next follows the runs that were named, not what was said last."""
    process = Process(":memory:")
    agent = Agent(id="a", model=ScriptedModel(lambda request: f"{len(request.messages)}"))
    for text in ("one", "two", "three"):
        process.run(agent, text, conversation_id="c")
    process.runtime.conversations.stand("c", ["r1"])
    assert process.run(agent, "other", conversation_id="c").result == "3"


def test_a_conversation_goes_on_behind_a_turn_that_was_stopped() -> None:
    """A process that has said nothing yet follows the newest complete turn, through stopped ones before it."""
    store = MemoryStore()
    first = talk(store, None, 0)
    stopped = talk(store, first, 1, status="cancelled")
    last = talk(store, stopped, 2)
    assert Conversations(store).place("c", "a", '"new"') == Place(3, (first, stopped, last))


def test_what_was_said_at_a_chosen_place_belongs_to_no_cell() -> None:
    """Any cell that says the same comes back to it; what a cell said is come back to from that cell only."""
    store = MemoryStore()
    first = talk(store, None, 0)
    known = Conversations(store)
    known.begin_cell("chat")
    known.said("c", Place(0, (), chosen=True), first)
    known.begin_cell("other")
    assert known.place("c", "a", '"0"') == Place(0, ())
    known.said("c", Place(0, ()), first)
    known.begin_cell("third")
    assert known.place("c", "a", '"0"') == Place(1, (first,))
