"""How a run is shown: which way is chosen, how often an output is updated, and what terminals print."""

from __future__ import annotations

import time
from typing import Any

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher

from polos_nb.errors import ConfigurationError
from polos_nb.notebook import painter as painter_module
from polos_nb.notebook.painter import Live, Plain, Quiet, Static, painter_for
from polos_nb.run_events import RunFinished, RunStarted, StepFinished, StepStarted
from polos_nb.runtime.run import Run
from polos_nb.transcript import Transcript
from tests.aio import in_a_loop, until

HEAD: dict[str, Any] = {"run_id": "r1", "target_id": "bot"}


class Shell:
    """A shell whose displays are `shown`."""

    def __init__(self, *, kernel: bool = True) -> None:
        self.kernel = object() if kernel else None
        self.display_pub: Any = self
        self.shown: list[tuple[str, bool]] = []

    def publish(self, data: Any, metadata: Any = None, transient: Any = None, update: bool = False) -> None:
        """As a display publisher."""
        self.shown.append((data["text/plain"], update))


@pytest.mark.parametrize(
    ("environment", "asked", "default", "kernel", "watching", "captured", "expected"),
    [
        (None, None, "auto", True, "1", False, "widget"),
        (None, None, "", True, "0", False, Static),
        (None, None, "auto", False, "1", False, Plain),
        (None, None, "auto", True, "1", True, Static),
        (None, None, "widget", False, "1", False, Live),
        (None, "live", "static", True, "0", False, Live),
        ("static", "live", "plain", True, "1", False, Static),
        (None, None, "plain", True, "1", False, Plain),
    ],
)
def test_the_way_is_chosen_by_environment_cell_and_configuration(
    monkeypatch: pytest.MonkeyPatch,
    environment: str | None,
    asked: str | None,
    default: str,
    kernel: bool,
    watching: str,
    captured: bool,
    expected: Any,
) -> None:
    """In this order; else by who is looking, and in what."""
    monkeypatch.setenv("POLOS_NB_WATCHING", watching)
    shell = Shell(kernel=kernel)
    if captured:
        shell.display_pub = CapturingDisplayPublisher()
    widget = Quiet()
    found = painter_for(shell, Run("bot"), asked=asked, default=default, environment=environment, widget=lambda: widget)
    assert found is widget if expected == "widget" else type(found) is expected


def test_an_unknown_way_is_said() -> None:
    """With what was meant, perhaps."""
    with pytest.raises(ConfigurationError, match=r"render 'wigdet' is unknown.*widget"):
        painter_for(Shell(), Run("bot"), asked="wigdet", default="", environment=None, widget=Quiet)


def step(event: Any, key: str, **more: Any) -> Any:
    return event(**HEAD, step_key=key, step_type="tool", name="get", request={"arguments": {"n": key}}, **more)


def test_an_output_is_updated_at_most_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is looked at, and not at all where nothing is new; what stays comes at once."""
    monkeypatch.setattr(painter_module, "_UPDATE", 0.1)
    shell, run = Shell(), Transcript()
    painter = Live(shell, run)
    painter.begin()
    begin = time.monotonic()
    number = 0
    while time.monotonic() - begin < 0.45:
        number += 1
        run.add(step(StepStarted, f"1.get[{number}]"))
        painter.tick()
    assert 2 <= len(shell.shown) <= 2 + (time.monotonic() - begin) / 0.1
    time.sleep(0.11)
    painter.tick()
    count = len(shell.shown)
    time.sleep(0.11)
    painter.tick()
    assert len(shell.shown) == count
    painter.end()
    assert [update for _, update in shell.shown] == [False, *[True] * count]


def finished(cached: bool) -> Transcript:
    run = Transcript()
    run.add(RunStarted(**HEAD))
    run.add(step(StepFinished, "1.get[1]", output="sunny", cached=cached))
    run.add(RunFinished(**HEAD, result="done", cached_steps=int(cached)))
    return run


@in_a_loop
async def test_what_the_store_answered_says_so_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the line goes, so that what is saved is the same in each execution."""
    monkeypatch.setattr(painter_module, "_LINGER", 0.02)
    shell = Shell()
    Live(shell, finished(cached=True)).end()
    await until(lambda: len(shell.shown) == 2)
    live = Shell()
    Live(live, finished(cached=False)).end()
    assert len(live.shown) == 1


def test_where_nothing_awaits_what_stays_comes_at_once() -> None:
    """No loop is there to take a line away later."""
    shell = Shell()
    Live(shell, finished(cached=True)).end()
    assert len(shell.shown) == 1


def test_a_run_that_never_began_is_a_card_with_its_reason() -> None:
    """For outputs that stay and for those that are updated."""
    for painter in (Static, Live):
        shell = Shell()
        painter(shell, Transcript()).end(ConfigurationError("no key\nis set"))
        [(text, _)] = shell.shown
        assert "The run did not begin" in text
        assert "no key is set" in text


def test_a_terminal_gets_each_step_once_and_then_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """A line when a step has ended, however often it is looked at."""
    run = Transcript()
    painter = Plain(Shell(kernel=False), run)
    run.add(RunStarted(**HEAD))
    run.add(step(StepStarted, "1.get[1]"))
    painter.tick()
    assert capsys.readouterr().out == ""
    run.add(step(StepFinished, "1.get[1]", output="sunny"))
    painter.tick()
    painter.tick()
    assert capsys.readouterr().out.count("sunny") == 1
    run.add(RunFinished(**HEAD, result="It is sunny."))
    painter.end()
    assert capsys.readouterr().out.startswith("It is sunny.\n")
