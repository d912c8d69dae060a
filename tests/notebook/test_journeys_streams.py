"""Streams on every ipykernel: how much is said and when, what stays, what stops them, and pages that lose batches."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kernels import IPYKERNELS
from tests.loopback.server import LoopbackProvider, Turn
from tests.notebook.journey_agents import APPROVED, VIEW, Journey, journey
from tests.notebook.page import Page

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

LOOPBACK = "provided = Agent(id='provided', provider='openai', model='gpt-4o')"


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackProvider]:
    """A provider that says as many words as it is asked for, slowly."""
    with LoopbackProvider(lambda request: Turn(text=words(int(request.user.split()[0])), delay=0.01)) as started:
        yield started


@pytest.fixture(params=IPYKERNELS, scope="module")
def shared(request: Any, tmp_path_factory: Any, server: LoopbackProvider) -> Iterator[Journey]:
    """One kernel of each version for the tests of this module."""
    env = {**server.env(), "POLOS_NB_ALLOW_LIVE": "1"}
    with journey(request.param, tmp_path_factory.mktemp("streams"), **env) as made:
        yield made


@pytest.fixture
def here(shared: Journey) -> Journey:
    """The kernel, whose cells wait for answers."""
    return shared.ready()


def text_of(page: Page) -> str:
    """What the model has said, as the page shows it."""
    return "".join(row.get("text") or "" for row in page.children() if row["kind"] == "llm")


def words(count: int) -> str:
    """What `writer` says."""
    return "".join(f"word{number} " for number in range(count))


def test_a_stream_comes_in_few_batches_and_leaves_a_static_output(here: Journey) -> None:
    """Words arrive while they are written, in at most some 25 batches a second; in the end no view is left."""
    request, page = here.start("%%polos_run writer --as out\n300 0.005")
    page.until(text_of)
    assert not here.kernel.ended(request)
    begin, batches = time.monotonic(), page.batches
    shows = here.shows(request)
    assert VIEW in shows[0]
    result = here.ok(request)
    page.status("completed")
    seconds = time.monotonic() - begin
    assert 5 <= page.batches - batches <= 25 * seconds + 4
    assert text_of(page) == words(300)
    here.kernel.until(lambda: VIEW not in shows[-1])
    assert len(result.outputs) == 1
    assert len(shows) == 2
    assert words(300).strip() in shows[-1]["text/markdown"]
    assert sum(len(str(message)) for message in page.comm.messages) < 30_000


def test_stop_in_the_page_closes_the_connection_at_once(here: Journey, server: LoopbackProvider) -> None:
    """The provider sees it within half a second; the cell ends with one line, and what was said is kept."""
    here.run(LOOPBACK)
    here.run("%polos_run provided '3 words' -q")  # the first call imports a lot, which keeps the kernel busy
    count = len(server.requests)
    request, page = here.start(f"%%polos_run provided --as out\n5000 words {count}")
    page.until(lambda page: len(text_of(page)) > 50 and page.head["phase"] == "writing")
    asked = page.ask("stop")
    begin = time.monotonic()
    server.wait_for(lambda server: server.requests[count].hung_up, 5)
    assert time.monotonic() - begin < 0.5
    assert page.result(asked)["sentence"]
    result = here.kernel.collect(request, 10)
    assert result.status == "error"
    assert "stopped" in result.error
    assert "\n" not in result.error
    assert page.status("cancelled")
    shown = here.shows_of(result)[-1]
    assert VIEW not in shown
    assert "word0 word1 word2" in shown["text/plain"]
    assert here.value("1 + 1") == "2"


def test_an_interrupt_ends_a_streaming_cell(here: Journey) -> None:
    """The Stop button of the front end does the same; running the cell again works."""
    request, page = here.start("%%polos_run writer\n20000 0.01")
    page.until(text_of)
    here.kernel.interrupt()
    result = here.kernel.collect(request, 15)
    assert result.status == "error"
    assert "run the cell again" in result.error
    assert page.status("cancelled")
    assert here.run("%%polos_run writer --as out\n3 0").status == "ok"
    assert here.value("repr(out.result)") == repr(words(3))


def test_an_interrupt_ends_a_cell_that_waits_for_an_answer(here: Journey) -> None:
    """The same cell comes back to the same question, and the tool runs once."""
    cell = "%%polos_run clerk --as out\nall interrupted"
    request, page = here.start(cell)
    before = page.card()["ask"]
    here.kernel.interrupt()
    assert here.kernel.collect(request, 15).status == "error"
    assert here.value("1 + 1") == "2"
    request, page = here.start(cell)
    row = page.card()
    assert row["ask"]["step"] == before["step"]
    page.answer(row, APPROVED)
    here.ok(request)
    assert here.times("interrupted") == ["interrupted 10"]


def test_a_page_that_loses_batches_ends_with_the_same_state(here: Journey) -> None:
    """Lost and late batches are healed while the stream goes on, and a page that is reloaded shows all of it."""
    request, page = here.start("%%polos_run writer --as out\n400 0.004")
    page.spoil(drop=(3, 6, 7), late=(10, 15))
    page.until(lambda page: page.have >= 8)
    again = page.reload()
    again.until(text_of)
    page.comm.send({"t": "hello", "s": 2})  # asks twice for what it has: batches that come doubled change nothing
    here.ok(request)
    for each in (page, again):
        each.status("completed")
        each.until(lambda page: text_of(page) == words(400))
    page.hello()
    last = page.reload()
    last.status("completed")
    assert last.state == page.state == again.state


def test_where_no_page_answers_the_output_itself_is_updated(here: Journey) -> None:
    """Within three seconds, at most twice a second; a page that comes late gets its view back."""
    here.settle()
    request = here.send("%%polos_run writer --as out\n500 0.012")
    shows = here.shows(request)
    begin = time.monotonic()
    here.kernel.until(lambda: len(shows) > 1, 5)
    assert 1.5 < time.monotonic() - begin < 3.5
    assert VIEW not in shows[1]
    assert "word3 " in shows[1]["text/plain"]
    count, begin = len(shows), time.monotonic()
    here.kernel.until(lambda: len(shows) >= count + 3, 10)
    assert time.monotonic() - begin > 1.0
    page = Page(here.kernel, here.view())
    page.hello()
    here.kernel.until(lambda: VIEW in shows[-1], 5)
    here.ok(request)
    page.status("completed")
    assert VIEW not in shows[-1]
    assert words(500).strip() in shows[-1]["text/markdown"]


def test_where_no_page_answers_a_run_is_left_waiting(here: Journey) -> None:
    """The cell does not wait for a click that cannot come: its output says which line answers."""
    request = here.send("%%polos_run clerk --as out\nall nobody")
    shows = here.shows(request)
    begin = time.monotonic()
    here.kernel.until(lambda: here.kernel.ended(request), 10)
    assert time.monotonic() - begin < 4
    assert here.ok(request).outputs
    run = here.value("out.run_id")
    assert VIEW not in shows[-1]
    assert f"%polos approve {run} --yes" in shows[-1]["text/plain"]
    here.run(f"%polos approve {run} --yes")
    here.kernel.until(lambda: "refunded nobody" in shows[-1]["text/markdown"])
    assert here.times("nobody") == ["nobody 10"]


def test_a_run_that_blocks_its_cell_is_told_once(here: Journey) -> None:
    """Several threads look at it while it is driven; the page still has each word once."""
    line = "get_ipython().run_line_magic('polos_run', \"writer '800 0.001' --as out\")"
    request, page = here.start(line)
    here.ok(request)
    page.status("completed")
    assert text_of(page) == words(800)


def test_parallel_runs_share_what_may_be_said(here: Journey) -> None:
    """Five streams in one cell: all arrive whole, with some 22 batches a second each."""
    here.settle()
    code = (
        "from IPython.display import display\n"
        "streams = [await writer.stream(f'250 0.006 {n}') for n in range(5)]\n"
        "display(*streams)\nawait asyncio.gather(*(stream.result() for stream in streams))\nprint('done')"
    )
    request = here.send(code)
    found = here.kernel.until(lambda: here.new_views() if len(here.new_views()) == 5 else None)
    pages = [Page(here.kernel, comm) for comm in found]
    before = len(here.kernel.said)
    for page in pages:
        page.hello()
    for page in pages:
        page.status("completed")
        page.until(lambda page: text_of(page) == words(250))
    assert here.ok(request).stdout == "done\n"
    said = here.kernel.said[before:]
    busiest = max(sum(at <= other < at + 1 for other in said) for at in said)
    assert busiest <= 5 * 25


def test_where_nobody_watches_there_is_one_output_and_no_view(here: Journey) -> None:
    """nbclient and papermill get the same bytes each time: no comm, one display, no update."""
    here.settle()
    here.kernel.watched = False
    try:
        opened = set(here.kernel.comms)
        result = here.ok(here.send("%%polos_run writer --as out\n5 0.05"))
    finally:
        here.kernel.watched = True
    here.run("print('the end')")
    assert set(here.kernel.comms) == opened
    [output] = result.outputs
    assert VIEW not in output["data"]
    assert result.updates == []
    assert words(5).strip() in output["data"]["text/markdown"]


def test_a_cell_that_is_executed_again_closes_its_old_view(here: Journey) -> None:
    """What the cell showed before is gone; views of other cells stay."""
    first, page = here.start("%%polos_run writer\n2 0 a", cellId="a")
    here.ok(first)
    other, kept = here.start("%%polos_run writer\n2 0 b", cellId="b")
    here.ok(other)
    assert page.comm.alive
    again, newer = here.start("%%polos_run writer --fresh\n2 0 a", cellId="a")
    here.ok(again)
    here.kernel.until(lambda: not page.comm.alive)
    assert kept.comm.alive
    assert newer.comm.alive
