"""Chats: what is said is a run in the conversation, and the store is what every chat on it shows."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from polos_nb import Agent, ConfigurationError, ModelError, RunError, ScriptedModel, Turn, tool
from polos_nb.errors import Suspended
from polos_nb.models.base import ModelRequest
from polos_nb.stores.memory import MemoryStore
from tests.aio import in_a_loop, until
from tests.notebook.chats import Kernel, heard, parrot, refunder


@in_a_loop
async def test_each_message_is_a_turn_that_is_shown_what_was_said_before() -> None:
    """Messages follow each other in one conversation, and the model is told all of it."""
    kernel = Kernel(MemoryStore())
    chat = kernel.chat(parrot())
    assert (await chat.send("one")).result == "1 one"
    assert (await chat.send("two")).result == "3 two"
    assert [(turn.text, turn.answer, turn.status) for turn in chat.turns] == [
        ("one", "1 one", "completed"), ("two", "3 two", "completed"),
    ]  # fmt: skip
    assert [message.text() for message in chat.messages] == ["one", "1 one", "two", "3 two"]
    assert chat.last == "3 two"
    assert chat.conversation == "parrot-1"
    assert repr(chat) == "Chat('parrot', 'parrot-1', 2 turns)"


@in_a_loop
async def test_new_chats_get_names_that_nobody_has(tmp_path: Path) -> None:
    """A new conversation gets the next free number, also while nothing was said in the one before."""
    kernel = Kernel(str(tmp_path / "steps.db"))
    first, second = kernel.chat(parrot()), kernel.chat(parrot())
    assert (first.conversation, second.conversation) == ("parrot-1", "parrot-2")
    await first.send("hi")
    await second.send("hi")
    other = Kernel(str(tmp_path / "steps.db"))
    assert other.chat(parrot()).conversation == "parrot-3"
    kernel.runtime.close()
    other.runtime.close()


@in_a_loop
async def test_a_name_that_another_kernel_took_meanwhile_is_given_up() -> None:
    """Two kernels that begin at the same moment do not talk into one conversation."""
    store = MemoryStore()
    chat = Kernel(store).chat(parrot())
    other = Kernel(store).chat(parrot(), chat.conversation)
    await other.send("theirs")
    await chat.send("mine")
    assert chat.conversation != other.conversation
    assert [turn.text for turn in chat.turns] == ["mine"]


@in_a_loop
async def test_another_kernel_shows_the_same_conversation(tmp_path: Path) -> None:
    """After a restart everything is there, steps included, and the next message goes on."""
    path, ran = str(tmp_path / "steps.db"), list[str]()
    first = Kernel(path)
    chat = first.chat(refunder(ran))
    sending = await chat.begin("881")
    await until(lambda: first.runtime.store.decisions(status="waiting"))
    [decision] = first.runtime.store.decisions(status="waiting")
    first.runtime.store.decide(decision.id, status="answered", answer='{"approved": true}', decided_by="ada")
    assert (await sending.done).result == "Done: refunded 881"
    first.runtime.close()
    later = Kernel(path)
    again = later.chat(refunder(ran), chat.conversation)
    assert [(t.text, t.answer) for t in again.turns] == [("881", "Done: refunded 881")]
    assert [item.name for item in again.turns[0].transcript.items] == ["llm", "refund", "refund", "llm"]
    assert ran == ["881"]
    later.runtime.close()


@in_a_loop
async def test_messages_wait_for_the_one_before_them() -> None:
    """What is sent while an answer is written is queued, and is shown as queued."""
    release = asyncio.Event()
    seen: list[list[str]] = []

    class Slow(ScriptedModel):
        async def stream(self, request: ModelRequest):  # type: ignore[no-untyped-def]
            seen.append(heard(request))
            await release.wait()
            async for piece in super().stream(request):
                yield piece

    chat = Kernel(MemoryStore()).chat(Agent(id="slow", model=Slow(["first", "second"])))
    one, two = await chat.begin("one"), await chat.begin("two")
    await until(lambda: seen)
    assert [turn.status for turn in chat.turns] == ["running", "queued"]
    assert (chat.busy, chat.queued) == (True, 1)
    release.set()
    assert [(await one.done).result, (await two.done).result] == ["first", "second"]
    assert seen[1] == ["user: one", "assistant: first", "user: two"]
    assert [turn.row for turn in chat.turns] == [one.row, two.row]


@in_a_loop
async def test_whoever_waits_for_a_message_hears_that_it_was_stopped() -> None:
    """Stop raises a RunError where it is awaited; where the waiting is interrupted, the message is stopped."""
    chat = Kernel(MemoryStore()).chat(
        Agent(id="a", model=ScriptedModel(lambda r: Turn(text="word " * 999, delay=0.01)))
    )
    waiting = asyncio.ensure_future(chat.send("one"))
    await until(lambda: chat.turns and chat.turns[0].answer)
    chat.stop()
    with pytest.raises(RunError, match="stopped"):
        await waiting
    for _ in range(2):
        waiting = asyncio.ensure_future(chat.send("two"))
        queued = asyncio.ensure_future(chat.send("three"))
        await until(lambda: chat.queued and chat.turns[-2].answer)
        queued.cancel()
        waiting.cancel()
        await until(lambda: not chat.busy)
        assert chat.turns[-1].text == "two"
        assert chat.turns[-1].status == "cancelled"


@in_a_loop
async def test_a_queued_message_can_be_taken_back() -> None:
    """Stopping a message that has not begun removes it; the one before it goes on."""
    chat = Kernel(MemoryStore()).chat(parrot())
    one, two = await chat.begin("one"), await chat.begin("two")
    assert chat.stop(two.row)
    assert (await one.done).result == "1 one"
    assert [turn.text for turn in chat.turns] == ["one"]


@in_a_loop
async def test_an_edited_turn_is_a_new_branch_and_both_can_be_shown() -> None:
    """Editing keeps the old turns; switching shows them, and what is said then goes on there."""
    chat = Kernel(MemoryStore()).chat(parrot())
    for text in ("one", "two", "three"):
        await chat.send(text)
    await (await chat.edit(chat.turns[1].row, "zwei")).done
    assert [(t.text, t.answer, t.branch, t.branches) for t in chat.turns] == [
        ("one", "1 one", 1, 1), ("zwei", "3 zwei", 2, 2),
    ]  # fmt: skip
    chat.show_branch(chat.turns[1].row, 1)
    assert [(t.text, t.branch, t.branches) for t in chat.turns] == [("one", 1, 1), ("two", 1, 2), ("three", 1, 1)]
    assert (await chat.send("four")).result == "7 four"
    chat.show_branch(chat.turns[1].row, 2)
    assert (await chat.send("drei")).result == "5 drei"
    assert [t.text for t in chat.turns] == ["one", "zwei", "drei"]


@in_a_loop
async def test_another_answer_is_asked_for_beside_the_first() -> None:
    """Retrying a complete turn calls the model again, and both answers stay."""
    chat = Kernel(MemoryStore()).chat(Agent(id="a", model=ScriptedModel(["first", "second"])))
    await chat.send("hi")
    await (await chat.retry(chat.turns[0].row)).done
    assert [(t.text, t.answer, t.branch, t.branches) for t in chat.turns] == [("hi", "second", 2, 2)]
    chat.show_branch(chat.turns[0].row, 1)
    assert chat.last == "first"


@in_a_loop
async def test_the_same_words_said_again_are_said_anew() -> None:
    """A chat never answers from an earlier turn or another branch with the same words."""
    agent = Agent(id="a", model=ScriptedModel(["1", "2", "3", "4"]))
    chat = Kernel(MemoryStore()).chat(agent)
    assert [(await chat.send("yes")).result for _ in range(2)] == ["1", "2"]
    await (await chat.edit(chat.turns[0].row, "no")).done
    assert (await chat.send("yes")).result == "4"


@in_a_loop
async def test_a_failed_turn_is_retried_from_its_steps() -> None:
    """Retry goes on with a failed turn: the tool that ran does not run again, and there is no second branch."""
    ran: list[str] = []
    fails = [ModelError("no")]

    def script(request: ModelRequest) -> Turn | str:
        if request.messages[-1].role != "tool":
            return Turn(calls=[("look", {})])
        return Turn(error=fails.pop()) if fails else "seen"

    @tool
    def look() -> str:
        """Look."""
        ran.append("x")
        return "x"

    chat = Kernel(MemoryStore()).chat(Agent(id="a", model=ScriptedModel(script), tools=[look]))
    with pytest.raises(RunError):
        await chat.send("go")
    [turn] = chat.turns
    assert (turn.status, "no" in turn.error) == ("failed", True)
    await (await chat.retry(turn.row)).done
    [turn] = chat.turns
    assert (turn.status, turn.answer, turn.branches, ran) == ("completed", "seen", 1, ["x"])


@in_a_loop
async def test_a_stopped_answer_stays_and_is_part_of_the_conversation(tmp_path: Path) -> None:
    """What was said until Stop is shown, also by another kernel, and the model is told it with the next message."""
    path = str(tmp_path / "steps.db")
    model = ScriptedModel([Turn(text="one two three four five " * 50, delay=0.01), "ok"])
    kernel = Kernel(path)
    chat = kernel.chat(Agent(id="a", model=model))
    sending = await chat.begin("go")
    await until(lambda: "two" in str(chat.turns[-1].answer))
    assert chat.stop()
    with pytest.raises(asyncio.CancelledError):
        await sending.done
    await until(lambda: not chat.busy)
    [turn] = chat.turns
    assert turn.status == "cancelled"
    assert str(turn.answer).startswith("one two")
    said = str(turn.answer)
    await chat.send("and?")
    assert heard(model.requests[-1]) == ["user: go", f"assistant: {said}", "user: and?"]
    other = Kernel(path)
    again = other.chat(Agent(id="a", model=ScriptedModel([])), chat.conversation)
    assert [(t.status, t.answer) for t in again.turns] == [("cancelled", said), ("completed", "ok")]
    kernel.runtime.close()
    other.runtime.close()


@in_a_loop
async def test_a_turn_that_was_cut_off_is_shown_as_unfinished_and_goes_on(tmp_path: Path) -> None:
    """A run that nobody drives any more says so, and retry goes on from its steps."""
    path, ran = str(tmp_path / "steps.db"), list[str]()
    first = Kernel(path)
    agent = refunder(ran)
    chat = first.chat(agent)
    await chat.begin("881")
    await until(lambda: first.runtime.store.decisions(status="waiting"))
    await first.runtime.finish()  # the kernel ends
    await until(lambda: not chat.busy)
    run_id = chat.turns[0].run_id
    first.runtime.store.update_run(run_id, status="running", owner="gone/1/1/x", lease_until=0.0)  # it was killed
    first.runtime.close()
    later = Kernel(path)
    again = later.chat(agent, chat.conversation)
    [turn] = again.turns
    assert turn.status == "unfinished"
    sending = await again.retry(turn.row)
    [decision] = await until(lambda: later.runtime.store.decisions(status="waiting"))
    later.runtime.store.decide(decision.id, status="answered", answer='{"approved": true}', decided_by="ada")
    assert (await sending.done).result == "Done: refunded 881"
    assert [(t.run_id, t.status, t.branches) for t in again.turns] == [(run_id, "completed", 1)]
    assert ran == ["881"]
    assert len(agent.model.requests) == 2  # type: ignore[union-attr]
    later.runtime.close()


@in_a_loop
async def test_a_message_waits_for_an_answer_that_a_cell_asked_for() -> None:
    """Turns of a cell and of a chat in the same conversation follow each other."""
    store = MemoryStore()
    kernel = Kernel(store)
    release = asyncio.Event()

    class Slow(ScriptedModel):
        async def stream(self, request: ModelRequest):  # type: ignore[no-untyped-def]
            await release.wait()
            async for piece in super().stream(request):
                yield piece

    agent = Agent(id="a", model=Slow(["cell", "chat"]))
    chat = kernel.chat(agent, "c")
    run = kernel.runtime.start(agent.with_input("from the cell", conversation_id="c"))
    await run.known()
    sending = await chat.begin("from the chat")
    release.set()
    await run.result()
    assert (await sending.done).result == "chat"
    assert [turn.text for turn in chat.turns] == ["from the cell", "from the chat"]


@in_a_loop
async def test_a_cell_says_something_in_the_conversation_and_the_chat_shows_it() -> None:
    """`%polos_run AGENT -s ID` follows the branch that the chat shows, and the chat goes on behind it."""
    kernel = Kernel(MemoryStore())
    agent = parrot()
    chat = kernel.chat(agent)
    for text in ("one", "two"):
        await chat.send(text)
    await (await chat.edit(chat.turns[1].row, "zwei")).done
    chat.show_branch(chat.turns[1].row, 1)
    kernel.runtime.begin_cell("another cell")
    run = kernel.runtime.start(agent.with_input("three", conversation_id=chat.conversation))
    assert (await run.result()).result == "5 three"
    assert chat.refresh()
    assert [turn.text for turn in chat.turns] == ["one", "two", "three"]
    assert not chat.refresh()


@in_a_loop
async def test_exported_cells_come_back_to_the_answers_of_the_chat(tmp_path: Path) -> None:
    """The cells of a branch call nothing when they are executed in order, in this kernel and in another."""
    path = str(tmp_path / "steps.db")
    kernel = Kernel(path)
    kernel.runtime.begin_cell("the cell of the chat")
    agent = parrot()
    chat = kernel.chat(agent)
    for text in ("one", "yes", "yes"):
        await chat.send(text)
    cells = chat.export("cells").split("\n\n# %%\n")
    assert cells == [f"%%polos_run parrot -s parrot-1\n{text}" for text in ("one", "yes", "yes")]
    calls = len(agent.model.requests)  # type: ignore[union-attr]
    for process in (kernel, Kernel(path)):
        for number, cell in enumerate(cells):
            process.runtime.begin_cell(f"cell {number}")
            run = process.runtime.start(agent.with_input(cell.split("\n")[1], conversation_id="parrot-1"))
            assert (await run.result()).result == chat.turns[number].answer
        process.runtime.close()
    assert len(agent.model.requests) == calls  # type: ignore[union-attr]


@in_a_loop
async def test_a_conversation_of_another_agent_is_gone_on_with_and_said_so() -> None:
    """Any conversation can be opened; a note says whose the earlier turns are."""
    kernel = Kernel(MemoryStore())
    await kernel.chat(parrot(), "c").send("hi")
    other = kernel.chat(Agent(id="b", model=ScriptedModel(["yes"])), "c")
    assert "parrot" in other.note
    assert (await other.send("there?")).result == "yes"
    assert [turn.agent for turn in other.turns] == ["parrot", "b"]


@in_a_loop
async def test_conversations_are_listed_and_opened() -> None:
    """The list names each by its first message; opening one shows it, and not while a message is answered."""
    kernel = Kernel(MemoryStore())
    chat = kernel.chat(parrot())
    await chat.send("What should I pack?")
    await chat.send("And for Oslo?")
    chat.new()
    assert (chat.turns, chat.conversation) == ((), "parrot-2")
    await chat.send("Other")
    listed = [(one["id"], one["title"], one["turns"]) for one in chat.conversations()]
    assert listed == [("parrot-2", "Other", 1), ("parrot-1", "What should I pack?", 2)]
    chat.open("parrot-1")
    assert [turn.text for turn in chat.turns] == ["What should I pack?", "And for Oslo?"]
    sending = await chat.begin("more")
    with pytest.raises(ConfigurationError, match="stop it or wait"):
        chat.open("parrot-2")
    with pytest.raises(ConfigurationError, match="stop it or wait"):
        await chat.edit(chat.turns[0].row, "x")
    await sending.done


@in_a_loop
async def test_a_run_that_was_left_waiting_goes_on_in_the_chat() -> None:
    """An answer that is given elsewhere drives a waiting run on, and the chat follows it."""
    ran: list[str] = []
    kernel = Kernel(MemoryStore())
    chat = kernel.chat(refunder(ran))
    sending = await chat.begin("881")
    await until(lambda: kernel.runtime.store.decisions(status="waiting"))
    assert chat.current is not None
    chat.current.leave()
    await until(lambda: sending.done.done())
    assert chat.turns[0].status == "suspended"
    [decision] = kernel.runtime.store.decisions(status="waiting")
    kernel.runtime.store.decide(decision.id, status="answered", answer='{"approved": true}', decided_by="ada")
    await until(lambda: chat.turns[0].status == "completed")
    assert (chat.last, ran, len(chat.turns)) == ("Done: refunded 881", ["881"], 1)


@pytest.mark.parametrize("text", ["", "  \n", None, 7, "x" * 1_000_001])
def test_what_is_no_message_is_refused_with_a_sentence(text: object) -> None:
    """Nothing is sent for it."""

    @in_a_loop
    async def test() -> None:
        chat = Kernel(MemoryStore()).chat(parrot())
        with pytest.raises(ConfigurationError, match="message"):
            await chat.send(text)  # type: ignore[arg-type]
        assert chat.turns == ()

    test()


@in_a_loop
async def test_a_message_that_nobody_can_answer_a_question_of_does_not_wait_for_ever() -> None:
    """Where nobody is watching, as under nbclient, and where a cell hears no clicks: it is left, and says how."""
    kernel = Kernel(MemoryStore())
    chat = kernel.chat(refunder([]))
    kernel.runtime.watched = False
    async with asyncio.timeout(10):
        with pytest.raises(Suspended, match="%polos approve"):
            await chat.send("881")
    kernel.runtime.watched = True
    chat.attend(lambda: False)
    async with asyncio.timeout(10):
        with pytest.raises(Suspended, match="%polos approve"):
            await chat.send("882")
