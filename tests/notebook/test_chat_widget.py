"""The view of a chat: the rows that a page gets, its requests, and the output that is saved meanwhile."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from polos_nb import Agent, ConfigurationError, ScriptedModel, Turn, tool
from polos_nb.stores.memory import MemoryStore
from tests.aio import in_a_loop, until
from tests.notebook.chats import Kernel, heard, parrot, refunder

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def b64(data: bytes) -> str:
    """Bytes as a page sends them."""
    return base64.b64encode(data).decode()


@in_a_loop
async def test_a_page_gets_turns_with_their_steps() -> None:
    """A turn is a row under the top, the steps of its run are rows under it, and the answer is there once."""
    ran: list[str] = []
    kernel = Kernel(MemoryStore())
    page = kernel.page(kernel.chat(refunder(ran)))
    sent = await page.ask("send", text="881", attachments=[])
    assert sent == {"turn": "m1", "queued": 1}
    [turn] = page.turns
    assert (turn["kind"], turn["text"], turn["parent"], turn["n"]) == ("turn", "881", "", 1)
    await until(lambda: any(row.get("ask") for row in page.steps(page.turns[0])))
    assert (page.state["head"]["status"], page.state["head"]["busy"]) == ("waiting", True)
    [row] = [row for row in page.steps(page.turns[0]) if row.get("ask")]
    ask = row["ask"]
    done = await page.ask("answer", run=ask["run"], step=ask["step"], nonce=ask["nonce"], values={"approved": True})
    assert "approved" in done["sentence"]
    await until(lambda: page.turns[0]["status"] == "completed")
    [turn] = page.turns
    assert [row["kind"] for row in page.steps(turn)] == ["llm", "approval", "tool", "llm"]
    assert (turn["answer"], page.answer(turn)) == (None, "Done: refunded 881")
    head = page.state["head"]
    assert (head["status"], head["busy"], head["agent"], head["conversation"], head["title"]) == (
        "completed", False, "refunder", "refunder-1", "881",
    )  # fmt: skip
    assert (turn["run"], turn["tokens_in"] > 0, turn["cost"]) == ("r1", True, 0.0)
    assert ran == ["881"]
    json.dumps(page.state)


@in_a_loop
async def test_an_answer_without_the_word_of_its_card_decides_nothing() -> None:
    """The word of another card, or none, is refused, and the run goes on waiting."""
    kernel = Kernel(MemoryStore())
    page = kernel.page(kernel.chat(refunder([])))
    await page.ask("send", text="881")
    await until(lambda: any(row.get("ask") for row in page.steps(page.turns[0])))
    [row] = [row for row in page.steps(page.turns[0]) if row.get("ask")]
    for nonce in ("", "0" * 16, None, 7):
        with pytest.raises(ConfigurationError):
            await page.ask(
                "answer", run=row["ask"]["run"], step=row["ask"]["step"], nonce=nonce, values={"approved": True}
            )
    assert kernel.runtime.store.decisions(status="waiting")
    await page.ask("stop")
    await until(lambda: not page.view.chat.busy)


@in_a_loop
async def test_a_rule_holds_in_the_answer_it_was_made_for_and_can_be_taken_back() -> None:
    """ "Always" is listed while the message is answered; when it is taken back the tool is asked for again."""
    ran: list[str] = []

    @tool(approval="always")
    def refund(order: str) -> str:
        """Refund an order."""
        ran.append(order)
        return "ok"

    turns = [Turn(calls=[("refund", {"order": str(number)})]) for number in range(3)]
    slow = Turn(text="word " * 500, delay=0.01)
    kernel = Kernel(MemoryStore())
    agent = Agent(id="a", model=ScriptedModel([turns[0], turns[1], slow]), tools=[refund])
    page = kernel.page(kernel.chat(agent))
    await page.ask("send", text="go")
    await until(lambda: any(row.get("ask") for row in page.steps(page.turns[0])))
    ask = next(row["ask"] for row in page.steps(page.turns[0]) if row.get("ask"))
    given = {"run": ask["run"], "step": ask["step"], "nonce": ask["nonce"], "values": {"approved": True}}
    await page.ask("answer", **given, always="tool")
    await until(lambda: ran == ["0", "1"])
    [rule] = await until(lambda: page.state["head"]["always"])
    assert rule["tool"] == "refund"
    assert "refund" in (await page.ask("revoke", rule=rule["id"]))["sentence"]
    assert page.state["head"]["always"] == []
    await page.ask("stop")
    await until(lambda: not page.view.chat.busy)


@in_a_loop
async def test_a_card_of_an_earlier_kernel_is_answered_and_the_run_goes_on() -> None:
    """After a restart the same card is there; answering it drives the run on, and the tool runs once."""
    store, ran = MemoryStore(), list[str]()
    first = Kernel(store)
    chat = first.chat(refunder(ran))
    await chat.begin("881")
    await until(lambda: store.decisions(status="waiting"))
    await first.runtime.finish()
    await until(lambda: not chat.busy)
    store.update_run("r1", status="suspended", error=None)
    later = Kernel(store)
    page = later.page(later.chat(refunder(ran), chat.conversation))
    [turn] = page.turns
    assert turn["status"] == "suspended"
    [row] = [row for row in page.steps(turn) if row.get("ask")]
    ask = row["ask"]
    await page.ask("answer", run=ask["run"], step=ask["step"], nonce=ask["nonce"], values={"approved": True})
    await until(lambda: page.turns[0]["status"] == "completed")
    assert (page.answer(page.turns[0]), ran) == ("Done: refunded 881", ["881"])


@in_a_loop
async def test_text_grows_by_what_came_to_it() -> None:
    """While an answer streams a page gets additions, and at the end has the whole text."""
    kernel = Kernel(MemoryStore())
    agent = Agent(id="a", model=ScriptedModel([Turn(text="word " * 60, delay=0.005)]))
    page = kernel.page(kernel.chat(agent))
    feed = page.view.widget.feed
    await page.ask("send", text="go")
    grown = 0
    while page.view.chat.busy:
        page.view.pull()
        batch = feed.batch()
        grown += sum(op[0] == "t" for op in batch["ops"]) if batch else 0
        await asyncio.sleep(0.02)
    assert grown > 2
    assert page.answer(page.turns[0]) == "word " * 60


@in_a_loop
async def test_branches_switch_and_what_is_not_shown_goes_from_the_page() -> None:
    """Editing and switching show one branch at a time, with its place among the others."""
    kernel = Kernel(MemoryStore())
    page = kernel.page(kernel.chat(parrot()))
    for text in ("one", "two", "three"):
        await page.ask("send", text=text)
        await until(lambda: not page.view.chat.busy)
    await page.ask("edit", turn=page.turns[1]["id"], text="zwei")
    await until(lambda: not page.view.chat.busy)
    assert [(t["text"], t["branch"], t["branches"]) for t in page.turns] == [("one", 1, 1), ("zwei", 2, 2)]
    assert {row.get("parent") for row in page.state["rows"].values()} == {"", *(t["id"] for t in page.turns)}
    await page.ask("branch", turn=page.turns[1]["id"], branch=1)
    assert [(t["text"], t["n"], t["branch"]) for t in page.turns] == [("one", 1, 1), ("two", 2, 1), ("three", 3, 1)]
    await page.ask("retry", turn=page.turns[2]["id"])
    await until(lambda: not page.view.chat.busy)
    assert [(t["text"], t["branch"], t["branches"]) for t in page.turns][2] == ("three", 2, 2)


@in_a_loop
async def test_a_text_file_is_put_into_the_prompt_and_shown_as_an_attachment() -> None:
    """The model reads its name and its text; the page shows only what the user wrote, with the file beside it."""
    kernel = Kernel(MemoryStore())
    agent = parrot()
    page = kernel.page(kernel.chat(agent))
    notes = {"name": "notes.md", "type": "text/markdown", "data": b64(b"a\n```\nb\n```\n")}
    await page.ask("send", text="Sum it up.", attachments=[notes])
    await until(lambda: not page.view.chat.busy)
    asked = "user: Sum it up.\n\nAttached file notes.md:\n````\na\n```\nb\n```\n````"
    assert heard(agent.model.requests[0]) == [asked]  # type: ignore[union-attr]
    [turn] = page.turns
    assert (turn["text"], turn["attachments"]) == (
        "Sum it up.", [{"name": "notes.md", "type": "text/plain", "size": 11}],
    )  # fmt: skip
    await page.ask("edit", turn=turn["id"], text="Shorter.")
    await until(lambda: not page.view.chat.busy)
    assert heard(agent.model.requests[1]) == [asked.replace("Sum it up.", "Shorter.")]  # type: ignore[union-attr]


@in_a_loop
async def test_an_image_goes_to_a_model_that_sees_images_and_to_no_other() -> None:
    """It is a part of the message; where the model is not known to take one, a sentence says so and nothing is sent."""
    kernel = Kernel(MemoryStore())
    model = ScriptedModel(lambda request: "seen")
    page = kernel.page(kernel.chat(Agent(id="a", model=model)))
    image = {"name": "dot.png", "type": "image/png", "data": b64(PNG)}
    with pytest.raises(ConfigurationError, match="not known to take images"):
        await page.ask("send", text="What is it?", attachments=[image])
    assert (page.turns, page.state["head"]["takes_images"]) == ([], False)
    model.takes_images = True  # type: ignore[attr-defined]
    await page.ask("send", text="What is it?", attachments=[image])
    await until(lambda: not page.view.chat.busy)
    [message] = model.requests[0].messages
    assert message.content == [
        {"type": "text", "text": "What is it?\n\nAttached image dot.png."},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64(PNG)}"}},
    ]
    [turn] = page.turns
    assert (turn["text"], turn["attachments"]) == (
        "What is it?", [{"name": "dot.png", "type": "image/png", "size": len(PNG)}],
    )  # fmt: skip
    assert page.state["head"]["takes_images"] is True
    assert "cannot hold" in (await page.ask("export", **{"as": "cells"}))["text"]


@pytest.mark.parametrize(
    ("verb", "given"),
    [
        ("dance", {}),
        ("send", {}),
        ("send", {"text": 7}),
        ("send", {"text": " "}),
        ("send", {"text": "x", "attachments": "a"}),
        ("send", {"text": "x", "attachments": [7]}),
        ("send", {"text": "x", "attachments": [{"name": "a", "type": "text/plain"}]}),
        ("send", {"text": "x", "attachments": [{"name": "a", "type": "text/plain", "data": "%%%"}]}),
        ("send", {"text": "x", "attachments": [{"name": "a", "type": "text/plain", "data": b64(b"\0\1")}]}),
        ("send", {"text": "x", "attachments": [{"name": "a", "type": "image/png", "data": b64(b"GIF89a")}]}),
        ("send", {"text": "x", "attachments": [{"name": "a", "type": "image/svg+xml", "data": b64(b"\xff")}]}),
        ("send", {"text": "x", "attachments": [{"name": "a", "type": "text/plain", "data": "A" * 6_700_000}]}),
        ("send", {"text": "x", "attachments": [{"name": "a", "type": "text/plain", "data": ""}] * 11}),
        ("edit", {"turn": "nothing", "text": "x"}),
        ("edit", {"turn": ["m1"], "text": "x"}),
        ("edit", {"turn": "m1"}),
        ("retry", {}),
        ("branch", {"turn": "m1", "branch": 2}),
        ("branch", {"turn": "m1", "branch": True}),
        ("branch", {"turn": "m1", "branch": "1"}),
        ("open", {"conversation": ""}),
        ("open", {"conversation": "a\nb"}),
        ("open", {"conversation": {"a": 1}}),
        ("export", {"as": "pdf"}),
        ("stop", {}),
        ("stop", {"turn": "m9"}),
        ("answer", {}),
        ("answer", {"run": "r1", "step": "x", "nonce": "y", "values": {}}),
        ("revoke", {"rule": "1"}),
        ("more", {}),
        ("more", {"row": "m1", "field": "__class__"}),
        ("more", {"row": "m1/9.llm", "field": "text"}),
    ],
)
def test_whatever_a_page_asks_it_is_told_in_a_sentence(verb: str, given: dict[str, Any]) -> None:
    """Unknown verbs, wrong types and too much are refused, and the conversation stays as it was."""

    @in_a_loop
    async def test() -> None:
        kernel = Kernel(MemoryStore())
        page = kernel.page(kernel.chat(parrot()))
        await page.ask("send", text="one")
        await until(lambda: not page.view.chat.busy)
        with pytest.raises(ConfigurationError) as refused:
            await page.ask(verb, **given)
        assert "\n" not in str(refused.value)
        assert [turn["text"] for turn in page.turns] == ["one"]

    test()


@in_a_loop
async def test_a_long_answer_is_cut_and_the_rest_is_there_for_the_asking() -> None:
    """The page gets the beginning of a long answer of an old turn; `more` gives all of it."""
    kernel = Kernel(MemoryStore())
    agent = Agent(id="a", model=ScriptedModel(lambda request: "x" * 200_000), compaction=False)
    chat = kernel.chat(agent)
    for _ in range(42):
        await chat.send("go")
    page = kernel.page(chat)
    first = page.turns[0]
    assert (len(first["answer"]["s"]) < 70_000, first["answer"]["more"] > 100_000) == (True, True)
    assert page.steps(first) == []
    assert len(page.steps(page.turns[-1])) == 1
    assert (await page.ask("more", row=first["id"], field="answer"))["s"] == "x" * 200_000
    last = page.turns[-1]
    assert (await page.ask("more", row=f"{last['id']}/1.llm", field="text"))["s"] == "x" * 200_000


@in_a_loop
async def test_the_output_that_would_be_saved_is_what_is_to_be_seen() -> None:
    """After each turn the cell's output holds the conversation so far beside the view."""
    kernel = Kernel(MemoryStore())
    page = kernel.page(kernel.chat(parrot()))
    await page.ask("send", text="one")
    await until(lambda: not page.view.chat.busy)
    last = page.host.published[-1]
    assert last["update"] is True
    assert "1 one" in last["data"]["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in last["data"]


@in_a_loop
async def test_what_others_said_is_seen_at_the_next_look() -> None:
    """A message of another kernel appears without anything being done here."""
    store = MemoryStore()
    kernel, other = Kernel(store), Kernel(store)
    page = kernel.page(kernel.chat(parrot(), "c"))
    page.view._look_once()
    await other.chat(parrot(), "c").send("theirs")
    page.view._look_once()
    assert [turn["text"] for turn in page.turns] == ["theirs"]
    count = len(page.host.published)
    page.view._look_once()
    assert len(page.host.published) == count


@in_a_loop
async def test_a_structured_answer_is_a_value() -> None:
    """What is not a text reaches the page as data."""
    kernel = Kernel(MemoryStore())
    agent = Agent(id="a", model=ScriptedModel(['{"city": "Paris"}']), output_schema=dict[str, str])
    page = kernel.page(kernel.chat(agent))
    await page.ask("send", text="go")
    await until(lambda: not page.view.chat.busy)
    assert page.turns[0]["answer"]["t"] == "json"
    assert page.view.chat.last == {"city": "Paris"}
