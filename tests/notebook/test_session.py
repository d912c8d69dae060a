"""Runs of a cell: started, shown once, kept, stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from IPython.core.error import UsageError

from polos_nb.errors import RunError
from polos_nb.messages import AgentResult
from tests.kernels import kernel
from tests.notebook.conftest import BOT


def test_a_cell_runs_the_agent_and_binds_the_result(shell: Any) -> None:
    """`%%polos_run --as` binds the result, which is also the cell's value and `_`."""
    shell.ok("city = 'Paris'")
    ran = shell.ok("%%polos_run bot --as answer\n{{ city }}\n")
    assert isinstance(ran.value, AgentResult)
    assert shell.ns["answer"] is ran.value
    assert shell.ns["_"] is ran.value
    assert ran.value.result == "It is Paris: sunny."


def test_running_again_calls_nothing(shell: Any) -> None:
    """The second execution of a cell answers from the store, with an equal output; `--fresh` executes again."""
    first = shell.ok("%%polos_run bot --render static\nParis")
    again = shell.ok("%%polos_run bot --render static\nParis")
    assert shell.ns["calls"] == ["Paris"]
    assert first.displays[0]["data"] == again.displays[0]["data"]
    assert again.value.cached
    shell.ok("%%polos_run bot --fresh\nParis")
    assert shell.ns["calls"] == ["Paris", "Paris"]


def test_the_result_is_shown_once_and_again_when_asked_for(shell: Any) -> None:
    """The run's own output is the display; the value is not shown a second time, but is in a later cell."""
    ran = shell.ok("%%polos_run bot --render static\nParis")
    assert len(ran.displays) == 1
    assert "Out" not in ran.out
    assert "It is Paris: sunny." in shell.ok("_").out


def test_unwatched_there_is_one_output_and_nothing_else(make_shell: Callable[..., Any]) -> None:
    """Where nobody watches: exactly one display, no update, nothing on the streams."""
    shell = make_shell(watched=False)
    shell.ok(BOT)
    ran = shell.ok("%%polos_run bot\nParis")
    assert [display["update"] for display in ran.displays] == [False]
    assert (ran.out, ran.err) == ("", "")
    assert "run_id" in ran.displays[0]["metadata"]["polos"]


def test_line_forms(shell: Any) -> None:
    """`x = %polos_run ...` is an expression; a `;` and `-q` keep it quiet."""
    shell.ok('x = %polos_run bot "Rome" -q')
    assert shell.ns["x"].result == "It is Rome: sunny."
    ran = shell.ok('%polos_run bot "Rome" -q;')
    assert (ran.out, ran.displays) == ("", [])


def test_inside_other_magics_and_loops(shell: Any) -> None:
    """`%%time`, `%%capture` and a loop of run_cell_magic run the agent where nothing can be awaited."""
    shell.ok("%%time\n%polos_run bot Oslo --as a -q")
    shell.ok("%%capture cap\n%polos_run bot Bonn --as b")
    shell.ok("for c in ['Rome', 'Rome']:\n    get_ipython().run_cell_magic('polos_run', f'bot --as r -q', c)")
    assert shell.ns["calls"] == ["Oslo", "Bonn", "Rome", "Rome"]
    assert shell.ns["a"].result == "It is Oslo: sunny."
    assert shell.ns["b"].result == "It is Bonn: sunny."


def test_equal_calls_in_one_cell_are_separate_and_come_back(shell: Any) -> None:
    """A loop that asks the same thing twice gets two runs; the cell executed again gets the same two."""
    cell = (
        "ids = []\nfor _n in range(2):\n"
        "    r = get_ipython().run_cell_magic('polos_run', 'bot -q', 'Rome')\n    ids.append(r.run_id)"
    )
    shell.ok(cell)
    first = list(shell.ns["ids"])
    assert len(set(first)) == 2
    shell.ok(cell)
    assert shell.ns["ids"] == first


def test_a_failing_run_fails_the_cell_in_one_line(shell: Any) -> None:
    """The cell shows the run and raises; the message names the run for `%polos show`."""
    ran = shell.run("%%polos_run broken --render static\nHi")
    assert isinstance(ran.error, RunError)
    lines = (ran.out + ran.err).strip().splitlines()
    assert len(lines) == 1
    assert "%polos show r" in lines[0]
    assert "Failed" in ran.displays[0]["data"]["text/plain"]


def test_agents_are_found_by_name_and_by_id(shell: Any) -> None:
    """`bot`, `weather-bot` and `weather_bot` are the same agent; a near miss is suggested."""
    for name in ("bot", "weather-bot", "weather_bot"):
        shell.ok(f"%polos_run {name} Rome -q")
    assert shell.ns["calls"] == ["Rome"]
    ran = shell.run("%polos_run weather-bto Rome")
    assert isinstance(ran.error, UsageError)
    assert "did you mean weather-bot?" in str(ran.error)


def test_a_new_session_is_the_same_for_the_same_cell(shell: Any) -> None:
    """`--session new` starts a conversation; executing the cell again comes back to it."""
    one = shell.ok("%%polos_run bot -s new -q\nParis").value
    two = shell.ok("%%polos_run bot -s new -q\nParis").value
    assert one.run_id == two.run_id


def test_in_plain_text_each_step_is_one_line(shell: Any) -> None:
    """`--render plain` prints a line for each step and then the answer, and displays nothing."""
    ran = shell.ok("%%polos_run bot --render plain\nParis")
    lines = ran.out.strip().splitlines()
    assert ran.displays == []
    assert len(lines) == 4
    assert lines[-1] == "It is Paris: sunny."


def test_a_secret_never_gets_into_a_prompt(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prompt that would hold a key is refused before any call."""
    monkeypatch.setenv("CITY_API_KEY", "tulips-and-clogs-1")
    shell.ok("import os")
    ran = shell.run("%%polos_run bot\n{{ os.environ['CITY_API_KEY'] }}")
    assert isinstance(ran.error, UsageError)
    assert "tulips" not in str(ran.error)
    assert shell.ns["calls"] == []


def test_the_awaited_form_gives_the_same(shell: Any) -> None:
    """What a rewritten cell awaits gives the same result as the blocking magic."""
    result = asyncio.run(shell.ip._polos_nb.run_cell("bot -q", "Paris"))
    assert result.result == "It is Paris: sunny."


def test_stopping_keeps_what_is_finished(shell: Any) -> None:
    """A cancelled run raises one line that says how to go on, and the run can be continued."""
    shell.ok("slow = Agent(id='slow', model=ScriptedModel(lambda r: Turn(text='a b c d e f', delay=5)))")
    session = shell.ip._polos_nb

    async def stop() -> None:
        task = asyncio.ensure_future(session.run_cell("slow --render static", "Hi"))
        while not session.active:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        task.cancel()
        await task

    with pytest.raises(RunError, match="run the cell again"):
        asyncio.run(stop())
    assert session.active == 0
    assert session.runtime.store.list_runs(limit=1)[0].status == "cancelled"


def test_stopping_twice_ends_the_cell_at_once(shell: Any) -> None:
    """A body that will not end is not waited for a second time; the cell still says how to go on."""
    shell.ok(
        "import asyncio\nfrom polos_nb import workflow\nasked = []\n@workflow\nasync def stubborn(ctx):\n"
        "    try:\n        await asyncio.sleep(60)\n"
        "    except asyncio.CancelledError:\n        asked.append(1)\n        await asyncio.sleep(60)"
    )
    session = shell.ip._polos_nb

    async def stop() -> float:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(20):
            task = asyncio.ensure_future(session.run_cell("stubborn --render static", ""))
            while not session.runtime.busy:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            task.cancel()
            while not shell.ns["asked"]:
                await asyncio.sleep(0.01)
            began = loop.time()
            task.cancel()
            with pytest.raises(RunError, match="run the cell again"):
                await task
        return loop.time() - began

    assert asyncio.run(stop()) < 4  # less than what one Stop waits


@pytest.mark.kernel
def test_in_a_kernel_the_output_is_live_and_then_static(tmp_path: Path) -> None:
    """Watched: one display at once and updates of it; pasted scripts run; unwatched: one display only."""
    with kernel(tmp_path, {"POLOS_NB_STORE": str(tmp_path / "steps.db")}) as started:
        assert started.run("%load_ext polos_nb").status == "ok"
        assert started.run(BOT).status == "ok"
        watched = started.run("%%polos_run bot\nParis")
        assert (watched.status, len(watched.outputs)) == ("ok", 1)
        assert "It is Paris: sunny." in watched.updates[-1]["data"]["text/plain"]
        pasted = started.run("import asyncio\nasync def main():\n    return await bot.run('Rome')\nasyncio.run(main())")
        assert "It is Rome: sunny." in pasted.shown()[0]
        timed = started.run("%%time\n%polos_run bot Paris --as t")
        assert timed.status == "ok"
        captured = started.run("%%capture cap\n%polos_run bot Paris")
        assert captured.outputs == []
        assert "Paris" in started.run("cap.outputs[0].data['text/plain']").shown()[0]
        hint = started.run("%%time\nasyncio.run(main())")
        assert "await main()" in hint.stderr
        started.watched = False
        again = started.run("%%polos_run bot\nParis")
        assert (again.status, len(again.outputs), again.updates) == ("ok", 1, [])
