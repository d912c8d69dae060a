"""The kernel's side of a view: who is heard, what is said, and what the page's mistakes lead to."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from polos_nb.errors import ConfigurationError
from polos_nb.notebook.widget import Widget
from tests.aio import in_a_loop, until
from tests.notebook.comms import PageComm, recorded


@pytest.fixture(autouse=True)
def comms(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[PageComm]]:
    """Every comm that is opened, in order."""
    yield recorded(monkeypatch)
    Widget.close_all()


async def asked(page: PageComm, verb: Any, **given: Any) -> dict[str, Any]:
    """Send a request and wait for its answer."""
    count = sum(message["t"] == "res" for message in page.heard)
    page.say({**given, "t": "req", "id": "q1", "do": verb})
    await until(lambda: sum(message["t"] == "res" for message in page.heard) > count)
    return page.heard[-1]


def handler(verb: str, given: dict[str, Any]) -> Any:
    """Says what it was asked; knows some ways to fail."""
    if verb == "refuse":
        raise ConfigurationError("that cannot be")
    if verb == "fail":
        raise KeyError("lost\nand found")
    if verb == "later":
        return asyncio.sleep(0.01, result="later")
    return {"verb": verb, "given": given}


@in_a_loop
async def test_requests_are_answered_with_data_or_a_sentence() -> None:
    """Functions and coroutines; an error is one line, and names its kind where it is a programmer's."""
    page = Widget("run", handler).comm
    assert await asked(page, "echo", x=1) == {
        "t": "res", "id": "q1", "ok": True, "data": {"verb": "echo", "given": {"x": 1}},
    }  # fmt: skip
    assert (await asked(page, "later"))["data"] == "later"
    assert (await asked(page, "refuse"))["error"] == "that cannot be"
    assert (await asked(page, "fail"))["error"] == "KeyError: 'lost\\nand found'"
    assert (await asked(page, None))["error"] == "a request says in `do` what is to be done"
    assert (await asked(page, "echo", text="x" * 40_000_001))["error"] == "that is too large"


@in_a_loop
async def test_garbage_is_not_heard() -> None:
    """Messages that are no requests get no answer, and the next request does."""
    page = Widget("run", handler).comm
    garbage: list[Any] = [None, 7, "hello", [], {}, {"t": "req"}, {"t": "req", "id": 3}, {"t": 5}]
    for content in garbage:
        page.say(content)
    assert (await asked(page, "echo"))["ok"]
    assert len(page.heard) == 1


@in_a_loop
async def test_a_page_that_says_hello_gets_what_it_lacks() -> None:
    """A new one the whole state, one with a gap the missing batches; the first word is noted once."""
    hellos: list[str] = []
    widget = Widget("run", handler, hello=lambda: hellos.append("hello"))
    page = widget.comm
    for number in range(3):
        widget.feed.put([["h", {"step": number}]])
        assert widget.flush()
    assert not widget.flush()
    assert not widget.heard
    for have in (0, 2, True, "all", -1, 99):
        page.say({"t": "hello", "s": have})
    await until(lambda: len(page.heard) == 3 + 6)
    assert [message["t"] for message in page.heard[3:]] == ["snap", "ops", "snap", "snap", "snap", "snap"]
    assert page.heard[3]["state"]["head"] == {"step": 2}
    assert page.heard[4]["s"] == 3
    assert (widget.heard, hellos) == (True, ["hello"])


@in_a_loop
async def test_what_is_new_is_pulled_before_each_batch_and_sent_soon() -> None:
    """A poke from any thread is enough."""
    steps = iter(range(100))
    widget = Widget("run", handler, pull=lambda: widget.feed.put([["h", {"step": next(steps)}]]))
    page = widget.comm
    thread = threading.Thread(target=widget.poke)
    thread.start()
    thread.join()
    await until(lambda: page.heard)
    assert page.heard == [{"t": "ops", "s": 1, "ops": [["h", {"step": 0}]]}]


@in_a_loop
async def test_a_closed_view_says_nothing_any_more() -> None:
    """Requests that are under way find it closed, and nothing is raised."""
    widget = Widget("run", handler)
    page = widget.comm
    page.say({"t": "req", "id": "q1", "do": "later"})
    await asyncio.sleep(0)
    widget.close()
    widget.feed.put([["h", {"step": 1}]])
    widget.poke()
    assert not widget.flush()
    await until(lambda: not widget._tasks)
    assert page.heard == []
    assert page.sent[-1][0] == "comm_close"


@in_a_loop
async def test_views_share_one_library(comms: list[PageComm]) -> None:
    """The bundle is sent once; where all widgets were closed, the next view brings a new one."""
    first, second = Widget("run", handler), Widget("chat", handler)
    assert first.library == second.library
    with_code = [data for page in comms for kind, data in page.sent if "code" in data.get("state", {})]
    assert len(with_code) == 1
    assert first.view_data["application/vnd.jupyter.widget-view+json"]["model_id"] == first.model_id
    Widget.close_all()
    assert Widget("run", handler).library != first.library


def test_the_loop_of_a_view_is_the_running_one_else_the_portal() -> None:
    """A view that is made where no loop runs answers all the same."""
    widget = Widget("run", handler)
    widget.comm.say({"t": "req", "id": "q1", "do": "echo"})
    in_a_loop(until)(lambda: widget.comm.heard)
    assert widget.comm.heard[0]["ok"]


@in_a_loop
async def test_nothing_grows_in_the_traits() -> None:
    """Saved notebooks and reloaded pages get a small state, however much was said."""
    widget = Widget("run", handler)
    widget.feed.put([["r", "1.llm", {"text": "x" * 100_000}]])
    widget.flush()
    state = widget.get_state()
    assert sum(len(str(value)) for key, value in state.items() if key != "_esm") < 1_000


@in_a_loop
async def test_what_no_page_could_read_is_sent_as_it_can_be_said() -> None:
    """Half a surrogate pair, as in the name of a file, would end every message that a kernel sends to this page."""
    widget = Widget("run", handler)
    page = widget.comm
    widget.feed.put([["t", "1", "text", "caf\udce9 \ud83d"], ["h", {"seconds": float("nan"), "id": 2**70}]])
    widget.flush()
    widget.feed.put([["t", "1", "text", "\ude00"]])
    page.say({"t": "hello", "s": 0})
    await until(lambda: len(page.heard) == 2)
    assert page.heard[0]["ops"][1] == ["t", "1", "text", "caf\ufffd \ufffd"]
    assert page.heard[1]["state"]["rows"]["1"]["text"] == "caf\ufffd \U0001f600"
    assert page.heard[1]["state"]["head"] == {"seconds": None, "id": str(2**70)}
    assert (await asked(page, "echo", x="\udce9"))["data"]["given"] == {"x": "\ufffd"}
    json.dumps(page.heard, allow_nan=False, ensure_ascii=False).encode()
