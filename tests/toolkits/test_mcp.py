"""Tools of real MCP servers: their schemas, calls as steps, approvals, a server that dies, one over HTTP, the end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp")

from polos_nb import Agent, StepInDoubt, Suspended, mcp_tools
from polos_nb.errors import ConfigurationError
from polos_nb.images import images_of
from polos_nb.reports.answers import answer
from polos_nb.toolkits import mcp_server
from tests.runtime.support import Process, calls, once_called

EXAMPLE = str(Path(__file__).with_name("mcp_example.py"))
COMMAND = [sys.executable, EXAMPLE]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.txt"


@pytest.fixture
def tools(journal: Path) -> Iterator[Callable[..., Any]]:
    """Tools of a server of this test's own, which ends with it."""
    made: list[Any] = []

    def make(address: Any = None, **options: Any) -> Any:
        if address is None:
            address, options["env"] = COMMAND, {"JOURNAL": str(journal), **options.get("env", {})}
        found = mcp_tools(address, **options)
        made.append(found)
        return found

    yield make
    for one in made:
        one.close()
        mcp_server._servers.pop(one.server.address, None)


def lines(journal: Path) -> list[str]:
    return journal.read_text().splitlines() if journal.exists() else []


def using(tools: Any, *named: tuple[str, dict[str, Any]]) -> Agent:
    return Agent(id="user", model=once_called(calls(*named)), tools=tools)


def result_of(path: str, tools: Any, name: str, **arguments: Any) -> Any:
    process = Process(path)
    try:
        return process.run(using(tools, (name, arguments)), "go").tool_results[0]
    finally:
        process.runtime.close()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def test_the_model_gets_the_schemas_of_the_server_and_calls_are_steps(
    path: str, journal: Path, tools: Callable[..., Any]
) -> None:
    """Names and schemas go through; twenty calls side by side; a replay in another process calls nothing."""
    found = tools(prefix="ex_")
    by_id = {tool.id: tool for tool in found}
    assert set(by_id) >= {"ex_get_weather", "ex_books_pay"}
    weather = by_id["ex_get_weather"]
    assert weather.description == "Weather of a city."
    assert weather.parameters["properties"]["days"] == {"default": 1, "title": "Days", "type": "integer"}
    assert (weather.effect, by_id["ex_books_pay"].effect) == ("read", "write")
    agent = using(found, *(("ex_get_weather", {"city": f"c{number}"}) for number in range(20)))
    for cached in (False, True):
        process = Process(path)
        result = process.run(agent, "go")
        assert result.cached is cached
        assert [one.result for one in result.tool_results] == [{"city": f"c{n}", "days": 1} for n in range(20)]
        process.runtime.close()
    assert len(lines(journal)) == 20


def test_the_same_tools_declared_anew_answer_from_the_store(
    path: str, journal: Path, tools: Callable[..., Any]
) -> None:
    """A cell that is executed again has one server, started anew, and its calls stay cached."""
    for _ in range(2):
        assert result_of(path, tools(), "get_weather", city="Rome").status == "completed"
    assert len(lines(journal)) == 1
    assert len([one for one in mcp_server._servers if one.env == (("JOURNAL", str(journal)),)]) == 1


def test_arguments_that_do_not_fit_and_failures_are_told_to_the_model(
    path: str, journal: Path, tools: Callable[..., Any]
) -> None:
    """Bad ones never reach the server; its own errors are read by the model."""
    found = tools()
    wrong = result_of(path, found, "get_weather", days="many")
    assert wrong.status == "failed"
    assert "'city' is a required property" in wrong.error
    assert "argument 'days': 'many' is not of type 'integer'" in wrong.error
    assert lines(journal) == []
    process = Process(path)
    failed = process.run(using(found, ("broken", {})), "another").tool_results[0]
    assert "the archive is closed on Mondays" in (failed.error or "")


def test_a_person_approves_the_tools_that_are_named(path: str, journal: Path, tools: Callable[..., Any]) -> None:
    """The others are called at once; the approved call is made once."""
    found = tools(approval=["books.pay"], only=["books.pay", "get_weather"])
    assert [tool.id for tool in found] == ["get_weather", "books_pay"]
    agent = using(found, ("books_pay", {"amount": 3}), ("get_weather", {"city": "Rome"}))
    process = Process(path)
    with pytest.raises(Suspended):
        process.run(agent, "go")
    process.runtime.close()
    assert [line.split()[0] for line in lines(journal)] == ["weather"]
    store = Process(path).runtime.store
    answer(store, "r1", None, values={"approved": True}, by="ada")
    store.close()
    for _ in range(2):
        process = Process(path)
        assert process.run(agent, "go").tool_results[0].result in ("paid 3", {"result": "paid 3"})
        process.runtime.close()
    assert lines(journal).count("pay 3") == 1


def test_a_server_that_was_killed_is_started_again(path: str, journal: Path, tools: Callable[..., Any]) -> None:
    """Killed while idle: the next call works, also that of a write, which happens once."""
    found = tools()
    result_of(path, found, "get_weather", city="a")
    pid = int(lines(journal)[0].split()[2])
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: gone(pid))
    process = Process(path)
    assert process.run(using(found, ("books_pay", {"amount": 1})), "pay").tool_results[0].status == "completed"
    result = process.run(using(found, ("get_weather", {"city": "b"})), "again").tool_results[0]
    assert result.status == "completed"
    assert int(lines(journal)[-1].split()[2]) != pid
    assert lines(journal).count("pay 1") == 1


def test_a_read_that_the_server_died_of_is_done_again_once(path: str, journal: Path, tools: Callable[..., Any]) -> None:
    """One death is not noticed; a server that always dies is a sentence."""
    found = tools()
    assert result_of(path, found, "shaky", times=1).status == "completed"
    journal.unlink()
    process = Process(path)
    failed = process.run(using(found, ("shaky", {"times": 99})), "again").tool_results[0]
    assert "was started again, and ended again" in (failed.error or "")
    assert len(lines(journal)) == 2


def test_a_write_that_the_server_died_of_is_in_doubt(path: str, journal: Path, tools: Callable[..., Any]) -> None:
    """It is not called a second time: the next run asks what happened, and goes on with the answer."""
    agent = using(tools(), ("fatal", {}))
    process = Process(path)
    with pytest.raises(StepInDoubt, match=r"ended during the call.*--fresh"):
        process.run(agent, "go")
    process.runtime.close()
    process = Process(path)
    with pytest.raises(Suspended):
        process.run(agent, "go")
    process.runtime.close()
    store = Process(path).runtime.store
    answer(store, "r1", None, values={"action": "done", "result": "all well"}, by="ada")
    store.close()
    assert Process(path).run(agent, "go").result == "done: all well"
    assert lines(journal) == ["fatal"]


def test_an_image_comes_back_as_one(path: str, tools: Callable[..., Any]) -> None:
    """In the shape that views and models know."""
    value = result_of(path, tools(), "picture").result
    assert [image.media_type for image in images_of(value)] == ["image/gif"]
    assert value[0] == {"type": "text", "text": "Look:"}


def test_secrets_reach_the_server_and_nothing_else(path: str, tools: Callable[..., Any]) -> None:
    """The environment of a command is in no text and not in the store."""
    found = tools(env={"EXAMPLE_TOKEN": "tok-8d41c0ffee-loopback"})
    assert "tok-" in str(result_of(path, found, "secret").result)
    assert "8d41c0ffee" not in repr(found.server.address)
    kept = b"".join(file.read_bytes() for file in Path(path).parent.glob("steps.db*"))
    assert b"8d41c0ffee" not in kept


def test_a_listing_makes_a_replay_need_no_server(
    path: str, tmp_path: Path, journal: Path, tools: Callable[..., Any]
) -> None:
    """Written by the first declaration; later ones start nothing until a call is made."""
    listing = tmp_path / "tools.json"
    first = tools(listing=listing)
    done = result_of(path, first, "get_weather", city="Rome")
    first.close()
    second = tools(listing=listing)
    assert not second.server.open
    assert result_of(path, second, "get_weather", city="Rome").result == done.result
    assert not second.server.open
    listing.write_text("[1]")
    with pytest.raises(ConfigurationError, match="delete it to write it anew"):
        tools(listing=listing)


def test_closing_ends_the_server_and_a_later_call_starts_it(
    path: str, journal: Path, tools: Callable[..., Any]
) -> None:
    """`with` closes; the tools stay usable."""
    with tools() as found:
        result_of(path, found, "get_weather", city="a")
    pid = int(lines(journal)[0].split()[2])
    wait_until(lambda: gone(pid))
    result = Process(path).run(using(found, ("get_weather", {"city": "b"})), "again").tool_results[0]
    assert result.status == "completed"


def test_a_process_that_ends_leaves_no_server(tmp_path: Path, journal: Path) -> None:
    """Also where nobody has closed it, and without a word on standard error."""
    code = (
        "import sys\nfrom polos_nb import mcp_tools\n"
        f"tools = mcp_tools([sys.executable, {EXAMPLE!r}], env={{'JOURNAL': {str(journal)!r}}})\n"
        "from polos_nb.toolkits.mcp_server import on_loop\n"
        "on_loop(tools.server.call('get_weather', {'city': 'x'}, again=True)).result()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    pid = int(lines(journal)[0].split()[2])
    wait_until(lambda: gone(pid))


@pytest.mark.parametrize(
    ("address", "options", "said"),
    [
        (["no-such-command-9f"], {}, "cannot be used: FileNotFoundError"),
        ([sys.executable, "-c", "import sys; sys.exit('no config file')"], {}, "it said: no config file"),
        ([], {}, "needs the command"),
        ("http://127.0.0.1:9/mcp", {"env": {"A": "b"}}, "not for a URL"),
        (COMMAND, {"headers": {"A": "b"}}, "for servers at a URL"),
        (None, {"only": ["nothing"]}, "the server has no tool 'nothing'; it has: books.pay"),
        (None, {"approval": {"nothing": "always"}}, "approval: the server has no tool 'nothing'"),
    ],
)
def test_what_cannot_work_is_a_sentence(address: Any, options: Any, said: str, tools: Callable[..., Any]) -> None:
    """Where, and how to fix it."""
    with pytest.raises(ConfigurationError, match=said):
        tools(address, **options)


def test_without_the_package_a_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tools: Callable[..., Any]
) -> None:
    """The extra is named."""
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(ConfigurationError, match=r'pip install "polos-nb\[mcp\]"'):
        tools()


class HttpServer:
    """The example over HTTP on a port of its own, which can be stopped and started again."""

    def __init__(self, journal: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self._journal = journal
        self.start()

    def start(self) -> None:
        environment = os.environ | {"JOURNAL": str(self._journal)}
        self._process = subprocess.Popen([sys.executable, EXAMPLE, str(self.port)], env=environment)
        wait_until(self._listens)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


def test_a_server_over_http(path: str, journal: Path, tools: Callable[..., Any]) -> None:
    """Its tools are called; one that was restarted in between is found again; one that is gone is a sentence."""
    service = HttpServer(journal)
    try:
        found = tools(service.url, headers={"Authorization": "Bearer tok-5a1c-loopback"})
        assert result_of(path, found, "get_weather", city="a").result == {"city": "a", "days": 1}
        service.stop()
        service.start()
        process = Process(path)
        again = process.run(using(found, ("get_weather", {"city": "b"})), "again").tool_results[0]
        assert again.status == "completed"
        service.stop()
        lost = process.run(using(found, ("get_weather", {"city": "c"})), "once more").tool_results[0]
        assert f"the MCP server {service.url}" in (lost.error or "")
        with pytest.raises(ConfigurationError, match="cannot be used"):
            tools(service.url)
    finally:
        service.stop()
