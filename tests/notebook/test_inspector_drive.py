"""What the inspector makes runs do: fork, retry, answer, stop; in the background of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from polos_nb import registry
from polos_nb.errors import ConfigurationError
from tests.notebook.inspecting import PROGRAM, Page, fill, until_async


@pytest.fixture
def page(make_shell: Callable[..., Any]) -> Page:
    """A page on a store with five runs, whose agents and workflows are declared."""
    shell = make_shell()
    shell.ok(PROGRAM)
    made = fill(shell)
    shell.ns["calls"].clear()
    shell.ns["sized"].clear()
    return made


def result(page: Page, run: str) -> str:
    found = page.store.get_run(run)
    assert found is not None
    assert found.status == "completed", found.error
    return str(found.result)


def card(page: Page, run: str) -> dict[str, Any]:
    said = page("run", run=run)
    ask: dict[str, Any] = said["state"]["rows"][said["waiting"][0]]["ask"]
    return ask


FORKS = [
    ("2.llm", {"text": "Fine."}, '"Fine."', []),
    ("1.llm", {"tool_calls.0.function.arguments.city": "Bonn"}, "Bonn", ["Bonn"]),
    ("1.get_weather[call_1]", {"arguments.city": "Rome"}, "Rome", ["Rome"]),
    ("1.get_weather[call_1]", {"result.celsius": 31}, "31", []),
]


def test_a_run_is_forked_and_its_result_bound(page: Page) -> None:
    """The answer comes when the new run is known; every path that the page is offered works, and nothing else runs."""
    for number, (step, changes, words, called) in enumerate(FORKS):
        offered = page("step", run="r1", step=step)["editable"]
        assert set(changes) <= set(offered)
        said = page("fork", run="r1", step=step, changes=changes, name=f"other{number}")
        assert said["run"] not in ("r1", "")
        assert f"{said['run']} goes on from r1" in said["sentence"]
        assert f"Its result becomes other{number}." in said["sentence"]
        assert words in result(page, said["run"])
        assert page.shell.ns["calls"] == called
        assert page.shell.ns[f"other{number}"].run_id == said["run"]
        assert page("runs")["runs"][0]["forked_from"] == "r1"
        page.shell.ns["calls"].clear()


def test_the_same_fork_is_the_same_run(page: Page) -> None:
    """And it says so."""
    first = page("fork", run="r1", step="2.llm", changes={"text": "Fine."})
    again = page("fork", run="r1", step="2.llm", changes={"text": "Fine."})
    assert first["run"] == again["run"]
    assert "made before" in again["sentence"]
    assert "made before" not in first["sentence"]


def test_a_run_inside_another_is_forked_by_itself(page: Page) -> None:
    """The step is named by its path in the outer run."""
    said = page("fork", run="r2", step="draft/2.llm", changes={"text": "Fine."})
    assert "r3 is the run inside r2 at draft" in said["sentence"]
    assert result(page, said["run"]) == '"Fine."'


def test_a_call_that_failed_is_made_with_other_arguments(page: Page) -> None:
    """It has no answer to edit, but what the model asked for can be."""
    page.shell.ok("%polos_run bot Atlantis -q")
    run = page.store.list_runs(limit=1)[0].id
    step = page.store.trace(run)[1][1]
    assert step.status == "failed"
    assert page("step", run=run, step=step.step_key)["editable"] == {"arguments.city": "Atlantis"}
    page.shell.ns["calls"].clear()
    said = page("fork", run=run, step=step.step_key, changes={"arguments.city": "Oslo"})
    assert page.shell.ns["calls"] == ["Oslo"]
    assert "Oslo" in result(page, said["run"])


MISTAKES = [
    ("fork", {"run": "r1", "step": "2.llm", "changes": {"a.b": 1}}, "there is no 'a.b'"),
    ("fork", {"run": "r4", "step": "second", "changes": {"result": 1}}, "has no answer to edit"),
    ("fork", {"run": "r1", "step": "nope", "changes": {"text": "x"}}, "no step nope"),
    ("retry", {"run": "r1", "step": "nope"}, "no step nope"),
    ("retry", {"run": "r99", "step": "x"}, "no run r99"),
]


def test_mistakes_are_one_sentence(page: Page) -> None:
    """A wrong step or path: no run is made."""
    before = page.store.list_runs()
    for verb, given, words in MISTAKES:
        with pytest.raises(ConfigurationError, match=words):
            page(verb, **given)
    assert page.store.list_runs() == before


def test_a_finished_step_is_tried_again(page: Page) -> None:
    """A new run of the same call: that step is executed, what comes out the same after it is not."""
    said = page("retry", run="r1", step="1.get_weather[call_1]")
    assert said["run"] == "r6"
    assert "1.get_weather[call_1] is tried again in r6" in said["sentence"]
    assert page.shell.ns["calls"] == ["Paris"]
    assert [row.cached for row, _ in page.store.trace("r6")] == [True, False, True]
    assert page.status("r1") == "completed"


def test_a_failed_step_is_tried_again_in_its_run(page: Page) -> None:
    """With what was wrong put right, the same run goes on to its end; what was finished stays."""
    page.shell.ok("fixed = True")
    page.shell.ok("def explode():\n    return 7")
    said = page("retry", run="r4", step="second")
    assert said["run"] == "r4"
    assert result(page, "r4") == "3"
    assert page.shell.ns["sized"] == []


def test_a_step_inside_is_tried_again_from_the_outermost_run(page: Page) -> None:
    """By its path, or as a step of the run that it is in."""
    said = page("retry", run="r2", step="draft/1.get_weather[call_1]")
    assert said["run"] == "r2"
    assert page.shell.ns["calls"] == ["Paris"]
    assert page.status("r2") == "suspended"
    said = page("retry", run="r3", step="1.get_weather[call_1]")
    assert "draft/1.get_weather[call_1] is tried again in r2" in said["sentence"]
    assert page.shell.ns["calls"] == ["Paris", "Paris"]


def test_what_is_not_declared_here_is_named(
    page: Page, make_shell: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restart, before its cell was executed: the sentence has the id."""
    monkeypatch.setattr(registry, "_declared", {})
    again = Page(make_shell())
    for verb, given in (("retry", {"step": "1.llm"}), ("fork", {"step": "2.llm", "changes": {"text": "x"}})):
        with pytest.raises(ConfigurationError, match="agent weather-bot of run r1 is not declared here"):
            again(verb, run="r1", **given)
    ask = card(again, "r2")
    given = {"run": "r2", "step": "publish", "nonce": ask["nonce"], "values": {"approved": True}}
    assert "goes on where review is declared" in again("answer", **given)["sentence"]


def test_what_waits_is_answered_and_goes_on(page: Page) -> None:
    """The card's answer is kept and the run ends, nothing is done twice; a second click is told of the first."""
    ask = card(page, "r2")
    given = {"run": "r2", "step": "publish", "nonce": ask["nonce"], "values": {"approved": True}}
    first, second = page.all(("answer", given), ("answer", given))
    assert first["sentence"].startswith("r2 · publish: approved")
    assert "decided already" in second["sentence"]
    page("runs")
    assert page.status("r2") == "completed"
    assert page.shell.ns["calls"] == []
    assert page.shell.ns["sized"] == []


def test_a_run_is_stopped(page: Page) -> None:
    """One that waits is stopped; one that is over says so."""
    assert "is being stopped" in page("stop", run="r2")["sentence"]
    assert page.status("r2") == "cancelled"
    assert page("stop", run="r1") == {"sentence": "r1 is over already: completed."}


def test_the_loop_goes_on_while_a_fork_is_driven(page: Page) -> None:
    """The request is answered while the run is still at it, a second retry is refused, and Stop ends it."""
    page.shell.ok(
        "import asyncio\n"
        "@tool(id='get_weather')\n"
        "async def get_weather(city: str) -> str:\n"
        "    'Weather of a city.'\n"
        "    calls.append(city)\n"
        "    await asyncio.sleep(60)\n"
        "bot = Agent(id='weather-bot', system_prompt='Be nice.', model=ScriptedModel(script), tools=[get_weather])"
    )

    async def main() -> str:
        said = await page.inspector("retry", {"run": "r1", "step": "1.get_weather[call_1]"})
        await until_async(lambda: page.shell.ns["calls"])
        assert page.status(said["run"]) == "running"
        shown = await page.inspector("run", {"run": said["run"]})
        assert shown["head"]["can_stop"]
        with pytest.raises(ConfigurationError, match="is being driven"):
            await page.inspector("retry", {"run": "r1", "step": "1.get_weather[call_1]"})
        await page.inspector("stop", {"run": said["run"]})
        await until_async(lambda: not page.session.active)
        return str(said["run"])

    run = asyncio.run(main())
    assert page.status(run) == "cancelled"


def test_nothing_is_driven_in_replay(page: Page, make_shell: Callable[..., Any]) -> None:
    """Where steps are not executed, one sentence says so."""
    shell = make_shell(mode="offline")
    shell.ok(PROGRAM)
    other = Page(shell)
    with pytest.raises(ConfigurationError, match="which mode offline does not"):
        other("retry", run="r1", step="1.get_weather[call_1]")
    with pytest.raises(ConfigurationError, match="which mode offline does not"):
        other("fork", run="r1", step="2.llm", changes={"text": "x"})
