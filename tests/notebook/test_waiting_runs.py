"""Runs that wait, in real kernels: the cell ends, the same output goes on, and whoever answers is heard."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from polos_nb.stores.sqlite import SqliteStore
from tests.kernels import CellResult, Kernel, kernel
from tests.notebook.test_kernel_versions import any_kernel as any_kernel

NOTEBOOKS = Path(__file__).parent.parent.parent / "notebooks"

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(180)]

SETUP = r"""
%load_ext polos_nb
import asyncio
from polos_nb import Agent, ScriptedModel, Turn, tool, workflow
done = []

def count(text):
    done.append(text)
    return len(text)

@workflow
async def review(ctx, input: dict):
    size = await ctx.step.run("size", count, input.topic)
    answer = await ctx.step.suspend("publish", {"_form": {
        "title": "Publish?", "fields": [{"key": "approved", "type": "boolean", "required": True}]}})
    return {"size": size, "published": answer["data"]["approved"]}

@workflow
async def both(ctx):
    async def ask(key):
        answer = await ctx.step.suspend(key, {"_form": {
            "title": key, "fields": [{"key": "approved", "type": "boolean", "required": True}]}})
        return answer["data"]["approved"]
    return await asyncio.gather(ask("left"), ask("right"))

@workflow
async def nap(ctx, seconds: float):
    await ctx.step.run("before", count, "abc")
    await ctx.step.wait_for("sleep", seconds=seconds)
    return "rested"

@workflow
async def long(ctx):
    await ctx.step.suspend("go")
    await ctx.step.run("slow", asyncio.sleep, 60, max_retries=0)

@tool(approval="always")
def refund(order: str) -> str:
    "Refund an order."
    done.append(order)
    return "refunded " + order

def script(request):
    said = [message.text() for message in request.messages if message.role == "tool"]
    return said[0] if said else Turn(calls=[("refund", {"order": "o1"})])
clerk = Agent(id="clerk", model=ScriptedModel(script), tools=[refund])
"""
REVIEW = "%%polos_run review --as out\ntopic: tea"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The store's file."""
    return tmp_path / "steps.db"


def _prepared(started: Kernel) -> Kernel:
    assert started.run(SETUP).status == "ok"
    return started


@pytest.fixture
def watched(tmp_path: Path, store: Path) -> Iterator[Kernel]:
    """A kernel that somebody watches."""
    with kernel(tmp_path, {"POLOS_NB_STORE": str(store)}) as started:
        yield _prepared(started)


@pytest.fixture
def unwatched(tmp_path: Path, store: Path) -> Iterator[Kernel]:
    """A kernel as nbclient uses it, with live calls allowed."""
    env = {"POLOS_NB_STORE": str(store), "POLOS_NB_ALLOW_LIVE": "1"}
    with kernel(tmp_path, env, watched=False) as started:
        yield _prepared(started)


def command(store: Path, *words: str) -> None:
    """Run a command in another process."""
    line = [sys.executable, "-m", "polos_nb", *words, "--store", str(store)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def approve(store: Path, *words: str) -> None:
    """Answer from another process."""
    command(store, "approve", *words)


def value(started: Kernel, code: str) -> str:
    """What an expression is, printed."""
    result = started.run(f"print({code})")
    return result.stdout.strip() or result.error


def until_value(started: Kernel, code: str, expected: str) -> None:
    """Wait until an expression has a value."""
    end = time.monotonic() + 30
    while (found := value(started, code)) != expected:
        assert time.monotonic() < end, f"{code} is {found}, not {expected}"
        time.sleep(0.05)


def updates_until(started: Kernel, found: Callable[[dict[str, Any]], bool], timeout: float = 30.0) -> dict[str, Any]:
    """The first update of an output that is such, whichever cell it belongs to."""
    end = time.monotonic() + timeout
    while True:
        try:
            message = started.client.get_iopub_msg(timeout=max(0.1, end - time.monotonic()))
        except queue.Empty:
            raise AssertionError("no such update came") from None
        if message["msg_type"] == "update_display_data" and found(message["content"]):
            content: dict[str, Any] = message["content"]
            return content


def text_of(shown: dict[str, Any]) -> str:
    """An output's plain text."""
    return str(shown["data"]["text/plain"])


def id_of(result: CellResult) -> str:
    """The display id of the run that a cell shows."""
    return str(result.outputs[0]["transient"]["display_id"])


def test_the_same_output_goes_on_when_another_process_answers(any_kernel: Kernel, store: Path) -> None:
    """On each ipykernel: the cell ends as waiting, an update of the very same output shows the end."""
    _prepared(any_kernel)
    result = any_kernel.run(REVIEW)
    assert result.status == "ok"
    assert "Waiting for an answer (Publish?): %polos approve r1" in text_of(result.updates[-1])
    approve(store, "r1", "--yes")
    update = updates_until(any_kernel, lambda shown: "published  true" in text_of(shown))
    assert update["transient"]["display_id"] == id_of(result)
    until_value(any_kernel, "out", "{'size': 3, 'published': True}")
    assert value(any_kernel, "done") == "['tea']"


def test_the_variable_is_pending_and_then_the_result(watched: Kernel) -> None:
    """Its attributes say what it waits for; answered in the notebook it goes on, and `await` gives the result."""
    watched.run(REVIEW)
    assert value(watched, "repr(out)") == "PendingRun('r1', waiting at publish)"
    assert "size is not there yet: run r1 waits at publish" in value(watched, "out.size")
    watched.run("held = out")
    assert "r1 · publish: approved" in watched.run("%polos approve r1 --yes").shown()[0]
    assert value(watched, "await held") == "{'size': 3, 'published': True}"
    until_value(watched, "out", "{'size': 3, 'published': True}")
    assert watched.run(REVIEW).status == "ok"
    assert value(watched, "done") == "['tea']"


def test_an_agent_whose_tool_asks(watched: Kernel, store: Path) -> None:
    """The approval of a tool is the same mechanism; a rejection reaches the model, and the tool does not run."""
    result = watched.run("%%polos_run clerk --as answer\nRefund it")
    assert "Approve tool: refund" in text_of(result.updates[-1])
    assert "result is not there yet" in value(watched, "answer.result")
    approve(store, "r1", "--no", "--feedback", "too much")
    until_value(
        watched, "getattr(answer, 'result', '')", 'Error: Tool "refund" was rejected by the user. Feedback: too much'
    )
    assert value(watched, "done") == "[]"


@pytest.mark.parametrize("first", ["left", "right"])
def test_two_questions_are_answered_in_any_order(first: str, watched: Kernel, store: Path) -> None:
    """Both are asked at once; one answer leaves the other, two end the run, and each is asked once."""
    second = "right" if first == "left" else "left"
    result = watched.run("%%polos_run both --as out")
    assert "Waiting for 2 answers" in text_of(result.updates[-1])
    assert "name the step: left (left); right (right)" in watched.run("%polos approve r1 --yes").stderr
    watched.run(f"%polos approve r1 {first} --yes")
    until_value(watched, "repr(out)", f"PendingRun('r1', waiting at {second})")
    approve(store, "r1", second, "--no")
    until_value(watched, "out", str([first == "left", first != "left"]))


def test_stop_ends_a_wait_at_once_and_running_again_goes_on(any_kernel: Kernel) -> None:
    """Interrupting a wait of 20 s ends the cell within a second; what was done before it is not done again."""
    watched = _prepared(any_kernel)
    request = watched.send("%polos_run nap 20")
    updates_until(watched, lambda shown: "sleep" in text_of(shown))
    begin = time.monotonic()
    watched.interrupt()
    result = watched.collect(request)
    assert time.monotonic() - begin < 1.0
    assert result.error == "RunError: stopped; run the cell again to go on from here"
    request = watched.send("%polos_run nap 20")
    updates_until(watched, lambda shown: "sleep" in text_of(shown))
    watched.interrupt()
    assert watched.collect(request).status == "error"
    assert value(watched, "done") == "['abc']"


def test_a_short_wait_is_waited_for_and_a_long_one_leaves_the_cell(watched: Kernel) -> None:
    """Half a second is waited for; an hour ends the cell, whose output says that it goes on by itself."""
    assert watched.run("%polos_run nap 0.5 --as short").status == "ok"
    assert value(watched, "short") == "rested"
    begin = time.monotonic()
    result = watched.run("%polos_run nap 3600 --as out")
    assert time.monotonic() - begin < 5
    assert result.status == "ok"
    assert "Waiting for its time" in text_of(result.updates[-1])
    assert value(watched, "repr(out)") == "PendingRun('r2', waiting at sleep)"


def test_cells_that_make_the_same_call_share_its_run(watched: Kernel, store: Path) -> None:
    """Two cells wait for one run: both outputs and both variables get its end; a third cell that ends it tells them."""
    first = watched.run(REVIEW)
    watched.run("held = out")
    second = watched.run(REVIEW.replace("out", "other"))
    assert id_of(first) != id_of(second)
    approve(store, "r1", "--yes")
    published = {"size": 3, "published": True}
    until_value(watched, "(held, out, other)", str((published, published, published)))
    watched.run("%%polos_run review --as late\ntopic: milk")
    watched.run("held = late")
    watched.run(
        "from polos_nb import PolosClient\nawait PolosClient().resume(None, 'r2', 'publish', {'approved': False})"
    )
    watched.run("%polos resume r2 --as resumed")
    declined = {"size": 4, "published": False}
    until_value(watched, "(await held, resumed)", str((declined, declined)))


def test_a_stopped_run_that_waits_says_so_everywhere(watched: Kernel) -> None:
    """`%polos stop`: the output and the variable tell it, `await` ends, the question is gone, nothing goes on."""
    result = watched.run(REVIEW)
    stopped = watched.run("%polos stop r1")
    assert "r1 is being stopped" in stopped.shown()[0]
    assert "Stopped; run the cell again" in text_of(stopped.updates[-1])
    assert stopped.updates[-1]["transient"]["display_id"] == id_of(result)
    assert value(watched, "repr(out)") == "PendingRun('r1', stopped)"
    assert "run r1 was stopped; run the cell again" in value(watched, "await out")
    assert "cancelled" in watched.run("%polos runs").shown()[0]
    assert "r1 is over already" in watched.run("%polos stop r1").shown()[0]
    watched.run(REVIEW)
    assert value(watched, "repr(out)") == "PendingRun('r1', waiting at publish)"


def test_a_run_that_another_process_stopped_is_not_waited_for(watched: Kernel, store: Path) -> None:
    """`polos-nb stop`: the variable and the output say so when they are looked at; an answer does not revive the run,
    and is there when the cell is executed again."""
    result = watched.run(REVIEW)
    command(store, "stop", "r1")
    seen = watched.run("print(repr(out))")
    assert seen.stdout.strip() == "PendingRun('r1', stopped)"
    assert seen.updates[-1]["transient"]["display_id"] == id_of(result)
    assert "run r1 was stopped" in value(watched, "await out")
    answered = watched.run("%polos approve r1 --yes").shown()
    assert answered == ["r1 · publish: approved; it was stopped, so run its cell again"]
    assert "cancelled" in watched.run("%polos runs").shown()[0]
    watched.run(REVIEW)
    assert value(watched, "out, done") == "{'size': 3, 'published': True} ['tea']"


def test_a_run_that_is_driven_in_the_background_is_stopped(watched: Kernel) -> None:
    """Answered, it goes on beside the notebook; the variable says that, and `%polos stop` ends it."""
    watched.run("%polos_run long --as out")
    watched.run("%polos approve r1 --set ok=1")
    until_value(watched, "repr(out)", "PendingRun('r1', running)")
    assert "x is not there yet: run r1 goes on" in value(watched, "out.x")
    watched.run("%polos stop r1")
    until_value(watched, "repr(out)", "PendingRun('r1', stopped)")
    assert "cancelled" in watched.run("%polos runs").shown()[0]


def test_resume_goes_on_by_id_in_a_new_kernel(watched: Kernel, tmp_path: Path, store: Path) -> None:
    """`%polos resume` drives a run of a kernel that is gone, once its declaration is there."""
    watched.run(REVIEW)
    watched.kill()
    approve(store, "r1", "--yes")
    with kernel(tmp_path, {"POLOS_NB_STORE": str(store)}) as started:
        started.run("%load_ext polos_nb")
        assert "review of run r1 is not declared here" in started.run("%polos resume r1").stderr
        _prepared(started)
        assert started.run("%polos resume r1 --as out").status == "ok"
        assert value(started, "out, done") == "{'size': 3, 'published': True} []"


def test_unwatched_the_cell_fails_with_one_sentence(unwatched: Kernel) -> None:
    """Nobody is there to answer: the cell fails, its one line names the remedy, and the run is shown once."""
    result = unwatched.run(REVIEW)
    assert result.status == "error"
    assert "%polos approve r1 --yes" in result.error
    assert result.updates == []
    assert "1. size → 3" in result.shown()[0]
    (error,) = [output for output in result.outputs if "traceback" in output]
    assert len(error["traceback"]) == 1
    unwatched.run("%polos approve r1 --yes")
    assert unwatched.run(REVIEW).status == "ok"
    assert value(unwatched, "out, done") == "{'size': 3, 'published': True} ['tea']"


def test_unwatched_a_long_wait_ends_the_cell(unwatched: Kernel) -> None:
    """Nobody watches: an hour is not waited for; the output says that the run waits for its time."""
    begin = time.monotonic()
    result = unwatched.run("%polos_run nap 3600")
    assert time.monotonic() - begin < 5
    assert result.error.startswith("Suspended: run r1 waits at sleep")
    assert "Waiting for its time" in result.shown()[0]


def test_inside_magics_that_cannot_await(watched: Kernel) -> None:
    """`%%time` and `%%capture` around a run that waits: it waits, goes on, and its variable gets the result."""
    timed = watched.run("%%time\n%polos_run review 'topic: tea' --as out")
    assert timed.status == "ok"
    assert "Wall time" in timed.stdout
    assert value(watched, "repr(out)") == "PendingRun('r1', waiting at publish)"
    watched.run("%%capture held\n%polos_run review 'topic: coffee' --as other")
    assert value(watched, "repr(other)") == "PendingRun('r2', waiting at publish)"
    assert "waiting: Publish?" in watched.run("held.show()").shown()[0]
    for run, name, size in (("r1", "out", 3), ("r2", "other", 6)):
        watched.run(f"%polos approve {run} --yes")
        until_value(watched, f"dict({name}) if isinstance({name}, dict) else 0", str({"size": size, "published": True}))


def test_a_value_is_shown_once(watched: Kernel) -> None:
    """A workflow's result is in the run's output; a line that nobody takes the value of does not show it again."""
    assert len(watched.run("%polos_run nap 0.01").outputs) == 1
    result = watched.run("got = %polos_run nap 0.01\ngot")
    assert result.shown()[-1] == "'rested'"
    assert watched.run("%polos_run nap 0.01 -q").shown() == ["'rested'"]


def test_without_the_extension(tmp_path: Path, store: Path) -> None:
    """`await workflow.run(...)` without `%load_ext` waits, is answered, and comes back to the same run."""
    with kernel(tmp_path, {"POLOS_NB_STORE": str(store)}) as started:
        assert started.run(SETUP.replace("%load_ext polos_nb", "")).status == "ok"
        cell = "out = await review.run({'topic': 'tea'})"
        first = started.run(cell)
        assert "Answer with %polos approve r1 --yes" in first.error
        approve(store, "r1", "--yes")
        assert started.run(cell).status == "ok"
        assert value(started, "out, done") == "{'size': 3, 'published': True} ['tea']"


def test_the_example_executed_again_executes_and_asks_nothing(tmp_path: Path, store: Path) -> None:
    """notebooks/order_workflow.ipynb, live, in two kernels: as many steps and answers after the second as before."""
    counts = []
    for _ in range(2):
        book = nbformat.read(NOTEBOOKS / "order_workflow.ipynb", as_version=4)
        env = {"POLOS_NB_STORE": str(store), "POLOS_NB_MODE": "live", "IPYTHONDIR": str(tmp_path / ".ipython")}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        folder = {"metadata": {"path": str(tmp_path)}}
        NotebookClient(book, timeout=60, kernel_name="python3", resources=folder).execute(env={**kept, **env})
        found = SqliteStore(store)
        steps = {step.id for run in found.list_runs(limit=99) for _, step in found.trace(run.id)}
        counts.append((steps, book.cells[-3].outputs[0]["data"]["text/plain"].count("cached")))
        found.close()
    assert counts[0][0] == counts[1][0]
    assert counts[1][1] == 6


def test_a_run_goes_on_whatever_is_configured_while_it_waits(watched: Kernel, store: Path) -> None:
    """Another mode and no cache begin another runtime; the one that the run waits in stays until it is over."""
    watched.run(REVIEW)
    assert watched.run("%config PolosMagics.cache = False").status == "ok"
    assert watched.run("%config PolosMagics.mode = 'live'").status == "ok"
    approve(store, "r1", "--yes")
    until_value(watched, "out", "{'size': 3, 'published': True}")


def test_what_waits_when_the_extension_is_loaded_again_says_how_to_come_back(watched: Kernel, store: Path) -> None:
    """Its view could be clicked no more, so its output is the static one; its cell comes back to the run."""
    shown = watched.run(REVIEW)
    held = watched.run("held = out\n%reload_ext polos_nb")
    update = next(message for message in held.updates if message["transient"]["display_id"] == id_of(shown))
    assert "application/vnd.jupyter.widget-view+json" not in update["data"]
    assert "Waiting for an answer (Publish?): %polos approve r1" in text_of(update)
    assert "run r1 was left when polos_nb was unloaded; run its cell again" in value(watched, "await held")
    approve(store, "r1", "--yes")
    watched.run(REVIEW)
    assert value(watched, "out") == "{'size': 3, 'published': True}"
    assert value(watched, "done") == "['tea']"
