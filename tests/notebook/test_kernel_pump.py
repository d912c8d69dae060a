"""On every ipykernel: comm messages reach a cell that awaits, and nothing else changes its order or its place."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernels import IPYKERNELS, CellResult, Comm, Kernel, kernel, kernel_env

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

SETUP = """
import asyncio, sys, time
import comm as comm_package
import ipykernel
from polos_nb.notebook import kernel_pump
from polos_nb.notebook.kernel_compat import click_support, hears_clicks

ip = get_ipython()
kernel = ip.kernel

def untouched():
    "What the pump may change."
    stream = kernel.shell_stream
    return (
        {name: id(value) for name, value in vars(kernel).items() if "pump" in name or name == "dispatch_shell"},
        id(getattr(kernel, "_main_asyncio_lock", None)), id(getattr(stream, "_recv_callback", None)),
        getattr(stream, "_recv_copy", None), dict(kernel.shell_handlers),
        id(getattr(getattr(getattr(kernel, "shell_channel_thread", None), "manager", None), "_shell_socket", None)),
    )

def listen(handler):
    "A comm whose custom messages go to the handler."
    made = comm_package.create_comm(target_name="test")
    made.on_msg(lambda message: handler(message["content"]["data"]["content"]))

async def until(predicate, seconds=20):
    end = time.monotonic() + seconds
    while not predicate():
        if time.monotonic() > end:
            raise TimeoutError("it did not come about")
        await asyncio.sleep(0.01)

before = untouched()
native = ipykernel.version_info[:2] >= (7, 4)
print(kernel_pump.install(ip))
"""


@pytest.fixture(params=IPYKERNELS, scope="module")
def shared(request: Any, tmp_path_factory: Any) -> Iterator[Kernel]:
    """One kernel of each version for the tests of this module, with the pump in it."""
    with kernel(tmp_path_factory.mktemp("pump"), kernel_env(request.param)) as started:
        assert started.run(SETUP).stdout == "True\n"
        yield started


@pytest.fixture
def pumped(shared: Kernel) -> Kernel:
    """The kernel, with the pump, whatever the test before did."""
    shared.comms.clear()
    result = shared.run("print(kernel_pump.install(ip), hears_clicks(ip), click_support(ip)[0]); log = []")
    assert result.stdout == "True True inline\n"
    return shared


def start(pumped: Kernel, code: str) -> tuple[str, Comm]:
    """Send a cell that makes one comm, and wait until it has printed "waiting"."""
    request = pumped.send(code)
    pumped.until(lambda: "waiting" in pumped.so_far(request).stdout)
    return request, next(iter(pumped.comms.values()))


def ok(result: CellResult) -> str:
    """What a cell printed that ended well."""
    assert result.status == "ok", result
    return result.stdout


def test_an_awaiting_cell_hears_a_message_before_it_ends(pumped: Kernel) -> None:
    """The cell prints what it heard while it waited."""
    request, comm = start(pumped, "listen(log.append)\nprint('waiting')\nawait until(lambda: log)\nprint(log)")
    comm.send({"yes": True})
    assert ok(pumped.collect(request)) == "waiting\n[{'yes': True}]\n"


def test_the_cell_that_installs_the_pump_hears_messages_too(pumped: Kernel) -> None:
    """Loading and awaiting in one cell is how many notebooks begin."""
    ok(pumped.run("kernel_pump.remove(ip)"))
    code = "kernel_pump.install(ip)\nlisten(log.append)\nprint('waiting')\nawait until(lambda: log)\nprint(log)"
    request, comm = start(pumped, code)
    comm.send(1)
    assert ok(pumped.collect(request)) == "waiting\n[1]\n"


def test_two_hundred_messages_arrive_once_each_and_in_order(pumped: Kernel) -> None:
    """Nothing is lost, doubled or overtaken while the cell awaits."""
    code = "listen(log.append)\nprint('waiting')\nawait until(lambda: len(log) >= 200)\nprint(log == list(range(200)))"
    request, comm = start(pumped, code)
    for number in range(200):
        comm.send(number)
    assert ok(pumped.collect(request)) == "waiting\nTrue\n"
    assert ok(pumped.run("print(len(log))")) == "200\n"


def test_queued_cells_wait_for_the_awaiting_one_and_keep_their_order(pumped: Kernel) -> None:
    """Run All: only the click overtakes the cells that were sent before it; replies come in the cells' order."""
    first, comm = start(
        pumped,
        "listen(log.append)\nprint('waiting')\nawait until(lambda: log)\nawait asyncio.sleep(0.2)\nlog.append('a')",
    )
    rest = [pumped.send("log.append('b'); In[-1]"), pumped.send("await asyncio.sleep(0.05)\nlog.append('c')")]
    last = pumped.send("print(log, [cell[-4:-1] for cell in In[-4:-1]])")
    comm.send("click")
    results = [pumped.collect(request) for request in (first, *rest, last)]
    assert ok(results[-1]).startswith("['click', 'a', 'b', 'c']")
    assert [result.status for result in results] == ["ok"] * 4
    replied: list[str] = []
    while last not in replied:
        reply = pumped.client.get_shell_msg(timeout=10)
        assert reply["content"]["status"] == "ok"
        replied.append(reply["parent_header"]["msg_id"])
    assert replied[-4:] == [first, *rest, last]


def test_messages_sent_during_a_blocking_cell_are_handled_after_it_and_before_the_next(pumped: Kernel) -> None:
    """Where nothing awaits the order of all messages is the order in which they were sent."""
    request, comm = start(
        pumped, "listen(log.append)\nprint('waiting', flush=True)\ntime.sleep(0.7)\nlog.append('end')"
    )
    for number in range(20):
        comm.send(number)
    following = pumped.send("log.append('next')")
    comm.send("last")
    ok(pumped.collect(request))
    ok(pumped.collect(following))
    assert ok(pumped.run("print(log == ['end', *range(20), 'next', 'last'])")) == "True\n"


def test_a_message_behind_a_queued_cell_is_heard_when_that_cell_awaits(pumped: Kernel) -> None:
    """Blocking cell, awaiting cell, click: the click must not wait for the end of the second."""
    first, comm = start(pumped, "listen(log.append)\nprint('waiting', flush=True)\ntime.sleep(0.5)")
    second = pumped.send("await until(lambda: log)\nprint(log)")
    comm.send("click")
    ok(pumped.collect(first))
    assert ok(pumped.collect(second)) == "['click']\n"


@pytest.mark.parametrize("shared", [version for version in IPYKERNELS if version != "installed"], indirect=True)
def test_messages_are_heard_while_awaiting_cells_follow_each_other(pumped: Kernel) -> None:
    """Many cells that await end and begin while messages come: each is heard in its order, none stays behind.

    ipykernel 7.4 itself does not keep this: a message that comes between two cells may put the output of the second
    under the first. That is why the kernels with the pump alone are asked.
    """
    ok(pumped.run("listen(log.append)"))
    comm = pumped.until(lambda: next(iter(pumped.comms.values()), None))
    requests = [pumped.send("await asyncio.sleep(0.002)") for _ in range(40)]
    for number in range(60):
        comm.send(number)
        requests.append(pumped.send("await asyncio.sleep(0.001)"))
    last = pumped.send("await until(lambda: len(log) >= 60)\nprint(log == list(range(60)))")
    assert ok(pumped.collect(last)) == "True\n"
    assert {pumped.collect(request).status for request in requests} == {"ok"}


def test_an_interrupt_ends_an_awaiting_cell_and_later_a_blocking_one(pumped: Kernel) -> None:
    """Stop works as before, also after messages were handled while the cell awaited."""
    request, comm = start(pumped, "listen(print)\nprint('waiting')\nawait until(lambda: False)")
    message = comm.send("heard")
    pumped.until(lambda: "heard" in pumped.so_far(message).stdout)
    pumped.interrupt()
    result = pumped.collect(request, timeout=15)
    assert result.status == "error"
    assert "CancelledError" in result.error
    blocking = pumped.send("print('waiting', flush=True)\ntime.sleep(30)")
    pumped.until(lambda: "waiting" in pumped.so_far(blocking).stdout)
    pumped.interrupt()
    assert "KeyboardInterrupt" in pumped.collect(blocking, timeout=15).error
    assert ok(pumped.run("print(1 + 1)")) == "2\n"


def test_a_handler_that_runs_while_the_kernel_is_idle_can_be_interrupted(pumped: Kernel) -> None:
    """Where no cell awaits the kernel handles messages itself, with its own handling of Stop."""
    ok(pumped.run("listen(lambda content: (print('begun', flush=True), time.sleep(60)))"))
    comm = pumped.until(lambda: next(iter(pumped.comms.values()), None))
    message = comm.send(1)
    pumped.until(lambda: "begun" in pumped.so_far(message).stdout)
    begin = time.monotonic()
    pumped.interrupt()
    assert ok(pumped.run("print('alive')")) == "alive\n"
    assert time.monotonic() - begin < 30


def test_output_of_a_handler_stays_out_of_the_cell_and_the_cells_own_stays_in(pumped: Kernel) -> None:
    """What the handler prints and displays belongs to its message; the cell goes on in its own output."""
    request, comm = start(
        pumped,
        "from IPython.display import display\n"
        "listen(lambda content: (print('handler'), display('shown by handler'), log.append(content)))\n"
        "print('waiting')\nawait until(lambda: log)\nprint('cell')\ndisplay('shown by cell')",
    )
    message = comm.send(1)
    result = pumped.collect(request)
    assert ok(result) == "waiting\ncell\n"
    assert result.shown() == ["'shown by cell'"]
    assert pumped.so_far(message).stdout == "handler\n"
    assert pumped.so_far(message).shown() == ["'shown by handler'"]


def test_input_is_asked_in_the_cell_after_a_message_was_handled(pumped: Kernel) -> None:
    """The question goes to the front end that sent the cell, under the cell."""
    request, comm = start(
        pumped, "listen(log.append)\nprint('waiting')\nawait until(lambda: log)\nprint(input('Name? '))"
    )
    comm.send(1)
    question = pumped.client.get_stdin_msg(timeout=20)
    assert question["parent_header"]["msg_id"] == request
    pumped.client.input("Ada")
    assert ok(pumped.collect(request)) == "waiting\nAda\n"


def test_an_error_in_a_handler_leaves_cell_and_later_messages_alone(pumped: Kernel) -> None:
    """The next message is handled, and the cell ends as it should."""
    code = "listen(lambda content: log.append(1 / content))\nprint('waiting')\nawait until(lambda: log)\nprint(log)"
    request, comm = start(pumped, code)
    comm.send(0)
    comm.send(1)
    assert ok(pumped.collect(request)) == "waiting\n[1.0]\n"


def test_the_page_can_open_and_close_comms_while_a_cell_awaits(pumped: Kernel) -> None:
    """comm_open and comm_close go the way of comm_msg."""
    request, _ = start(
        pumped,
        "listen(log.append)\n"
        "def opened(new, message):\n"
        "    log.append(message['content']['data'])\n"
        "    new.on_close(lambda message: log.append('closed'))\n"
        "comm_package.get_comm_manager().register_target('from_page', opened)\n"
        "print('waiting')\nawait until(lambda: len(log) == 2)\nprint(log)",
    )
    pumped.open_comm("from_page", {"hello": 1}).close()
    assert ok(pumped.collect(request)) == "waiting\n[{'hello': 1}, 'closed']\n"


def test_a_slider_moves_while_a_cell_awaits(pumped: Kernel) -> None:
    """Widgets of ipywidgets work too. Their page sends the next value when the kernel is done with the one before."""
    request = pumped.send(
        "import ipywidgets\nslider = ipywidgets.IntSlider()\nprint('waiting')\n"
        "await until(lambda: slider.value == 7)\nprint(slider.value, native)"
    )
    pumped.until(lambda: "waiting" in pumped.so_far(request).stdout)
    slider = next(comm for comm in pumped.comms.values() if comm.state.get("_model_name") == "IntSliderModel")
    messages = [slider.set(value=3), slider.set(value=7)]
    printed = ok(pumped.collect(request))
    assert printed in ("waiting\n7 True\n", "waiting\n7 False\n")
    if printed == "waiting\n7 False\n":  # ipykernel 7.4 itself says nothing about messages that it handles meanwhile
        assert all(pumped.ended(message) for message in messages)


def test_reloading_three_times_leaves_one_pump_and_removing_leaves_none(pumped: Kernel) -> None:
    """install and remove in one cell and over cells; in the end the kernel is as it was before the first."""
    for _ in range(3):
        ok(pumped.run("kernel_pump.remove(ip); kernel_pump.install(ip); kernel_pump.install(ip)"))
    code = "listen(log.append)\nprint('waiting')\nawait until(lambda: log)\nawait asyncio.sleep(.2)\nprint(log)"
    request, comm = start(pumped, code)
    comm.send(1)
    assert ok(pumped.collect(request)) == "waiting\n[1]\n"
    assert ok(pumped.run("print(native or untouched() != before)")) == "True\n"
    assert ok(pumped.run("kernel_pump.remove(ip); kernel_pump.remove(ip); print(untouched() == before)")) == "True\n"
    assert ok(pumped.run("print(untouched() == before, hears_clicks(ip) == native)")) == "True True\n"


def test_without_the_pump_a_message_waits_for_the_end_of_the_cell(pumped: Kernel) -> None:
    """After removal the kernel behaves as without polos_nb: only 7.4 hears the message earlier."""
    ok(pumped.run("kernel_pump.remove(ip)"))
    code = "listen(log.append)\nprint('waiting')\nawait asyncio.sleep(0.5)\nprint(log == ([1] if native else []))"
    request, comm = start(pumped, code)
    comm.send(1)
    assert ok(pumped.collect(request)) == "waiting\nTrue\n"
    assert ok(pumped.run("print(log)")) == "[1]\n"


def test_removing_the_pump_while_cells_and_messages_are_queued_loses_nothing(pumped: Kernel) -> None:
    """A cell that awaits takes the pump out and puts it back while others wait behind it."""
    request, comm = start(
        pumped,
        "listen(log.append)\nprint('waiting')\nawait until(lambda: log)\nkernel_pump.remove(ip)\n"
        "await asyncio.sleep(0.2)\nkernel_pump.install(ip)\nawait asyncio.sleep(0.2)",
    )
    following = [pumped.send("log.append('b')"), pumped.send("await asyncio.sleep(0.01)\nlog.append('c')")]
    for number in range(50):
        comm.send(number)
        time.sleep(0.01)  # spread over the time in which the pump goes and comes
    for each in (request, *following):
        ok(pumped.collect(each))
    code = "print({*log} == {*range(50), 'b', 'c'}, len(log), log.index('b') < log.index('c'))"
    assert ok(pumped.run(code)) == "True 52 True\n"


def test_native_kernels_are_not_touched(tmp_path: Path) -> None:
    """From ipykernel 7.4 on install changes nothing and still says that clicks are heard."""
    with kernel(tmp_path) as started:
        ok(started.run(SETUP))
        assert ok(started.run("print(not native or untouched() == before, hears_clicks(ip))")) == "True True\n"


def test_messages_for_subshells_still_go_to_subshells(tmp_path: Path) -> None:
    """JupyterLab sends clicks to a subshell on 7.0 to 7.3; they are heard even while a cell blocks."""
    with kernel(tmp_path, kernel_env("7.2.0")) as started:
        ok(started.run(SETUP))
        started.client.control_channel.send(started.client.session.msg("create_subshell_request", {}))
        subshell = started.client.get_control_msg(timeout=20)["content"]["subshell_id"]
        ok(started.run("log = []"))
        code = "listen(log.append)\nprint('waiting', flush=True)\nwhile not log: time.sleep(0.01)\nprint(log)"
        request, comm = start(started, code)
        message = started.client.session.msg("comm_msg", {"comm_id": comm.comm_id, "data": {"content": 1}})
        message["header"]["subshell_id"] = subshell
        started.client.shell_channel.send(message)
        assert ok(started.collect(request, timeout=20)) == "waiting\n[1]\n"
