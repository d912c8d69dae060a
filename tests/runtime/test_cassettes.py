"""Recording runs that are paid for, and replaying them without a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from polos_nb import Agent, ReplayMiss, ScriptedModel, Tool, Turn, tool
from polos_nb.models.base import ModelRequest
from polos_nb.runtime.cassettes import record_lineages
from tests.runtime.support import Process, calls, once_called, results


class Weather(BaseModel):
    city: str
    celsius: int


def weather_tool(*, version: int = 1) -> Tool:
    @tool(description="Weather", version=version)
    def get_weather(city: str) -> Weather:
        return Weather(city=city, celsius=21)

    return get_weather


def silent() -> ScriptedModel:
    """A model that must not be asked."""
    return ScriptedModel([])


def record(process: Process, path: Path) -> Any:
    return record_lineages(process.runtime.store, process.runtime.lineages, path)


@pytest.fixture
def cassette(tmp_path: Path) -> Path:
    return tmp_path / "cassettes" / "demo.jsonl"


def test_recorded_runs_replay_without_a_model(cassette: Path) -> None:
    """Structured results, tool result objects and failures come back equal; recording runs nothing."""

    @tool(description="Break", version=1)
    def broken() -> str:
        raise OSError("no network")

    live = Process()
    model = once_called(calls(("get_weather", {"city": "Bonn"}), ("broken", {})))
    first = live.run(Agent(id="a", model=model, tools=[weather_tool(), broken]), "go")
    recorded = record(live, cassette)
    assert (recorded.runs, recorded.steps, len(model.requests)) == (1, 4, 2)
    replay = Process(None, mode="replay", cassettes=[cassette])
    agent = Agent(id="a", model=silent(), tools=[weather_tool(), broken])
    for _ in range(2):
        again = replay.run(agent, "go")
        assert again == first
        assert again.cached
        assert again.tool_results[0].result == Weather(city="Bonn", celsius=21)
    assert len(replay.runtime.store.list_runs()) == 1


def test_recording_again_changes_nothing(cassette: Path) -> None:
    """The file is the same for the same runs, whatever store and order they come from."""
    for attempt in range(2):
        live = Process()
        agent = Agent(id="a", model=ScriptedModel(lambda request: request.messages[-1].text()))
        for text in ("x", "y") if attempt else ("y", "x"):
            live.run(agent, text)
        record(live, cassette)
        if not attempt:
            kept = cassette.read_bytes()
    assert cassette.read_bytes() == kept


def test_a_conversation_replays(cassette: Path) -> None:
    """Each turn comes back at its place, also when the cells run twice."""
    model = ScriptedModel(lambda request: f"{len(request.messages)} heard")
    live = Process()
    said = [live.run(Agent(id="a", model=model), text, conversation_id="c") for text in ("one", "two", "one")]
    record(live, cassette)
    replay = Process(None, mode="replay", cassettes=[cassette])
    agent = Agent(id="a", model=silent())
    results_ = [replay.run(agent, text, conversation_id="c").result for text in ("one", "two")]
    assert results_ == ["1 heard", "3 heard"]
    assert [item.result for item in said[:2]] == results_
    assert [replay.run(agent, text, conversation_id="c").result for text in ("one", "two")] == results_


def test_an_edited_tool_is_a_miss_that_names_it(cassette: Path) -> None:
    """ReplayMiss names the file, the step, the nearest recording, the difference and the remedy."""
    live = Process()
    model = once_called(calls(("get_weather", {"city": "Bonn"})))
    live.run(Agent(id="a", model=model, tools=[weather_tool()]), "go")
    record(live, cassette)
    replay = Process(None, mode="replay", cassettes=[cassette])
    with pytest.raises(ReplayMiss) as raised:
        replay.run(Agent(id="a", model=silent(), tools=[weather_tool(version=2)]), "go")
    said = str(raised.value)
    assert said.startswith(
        "step 1.get_weather[call_1] of a is not in demo.jsonl; the nearest is 1.get_weather[call_1]: "
    )
    assert "version" in raised.value.difference
    assert "%polos cassette record" in said


def test_an_edited_prompt_is_a_miss_that_shows_both_texts(cassette: Path) -> None:
    """The difference of the messages is shown in words."""
    live = Process()
    live.run(Agent(id="a", model=ScriptedModel(["x"]), system_prompt="Be kind."), "go")
    record(live, cassette)
    replay = Process(None, mode="replay", cassettes=[cassette])
    with pytest.raises(ReplayMiss, match=r"messages\[0\] changed \(system\): .*kind.* → .*brief"):
        replay.run(Agent(id="a", model=silent(), system_prompt="Be brief."), "go")


def test_record_mode_runs_anew_and_writes_the_cassette(cassette: Path) -> None:
    """Mode "record" calls the model, even where the store has an answer, and keeps what it gave."""
    model = ScriptedModel(["old", "new"])
    agent = Agent(id="a", model=model)
    live = Process()
    live.run(agent, "x")
    recording = Process(live.runtime.store, mode="record", cassette=str(cassette))
    assert recording.run(agent, "x").result == "new"
    replay = Process(None, mode="replay", cassettes=[cassette])
    assert replay.run(Agent(id="a", model=silent()), "x").result == "new"


def test_a_failed_run_fails_the_same_way_when_it_is_replayed(cassette: Path) -> None:
    """The recording of a cell that failed gives its failure again, without a call."""
    live = Process()
    with pytest.raises(Exception, match="script") as first:
        live.run(Agent(id="a", model=silent()), "go")
    assert record_lineages(live.runtime.store, live.runtime.lineages, cassette).runs == 1
    replay = Process(None, mode="replay", cassettes=[cassette])
    with pytest.raises(Exception, match="script") as second:
        replay.run(Agent(id="a", model=silent()), "go")
    assert str(second.value) == str(first.value)


def test_a_lineage_that_was_driven_in_two_forms_replays_in_both(cassette: Path) -> None:
    """A notebook that runs an agent, edits its prompt and runs it again asks for the steps of both."""

    def both(process: Process) -> list[Any]:
        forms = [Agent(id="a", system_prompt=p, model=ScriptedModel([f"as {p}"])) for p in ("x", "y")]
        return [process.run(agent, "go").result for agent in forms]

    live = Process()
    told = both(live)
    record_lineages(live.runtime.store, live.runtime.lineages, cassette)
    assert both(Process(None, mode="replay", cassettes=[cassette])) == told == ["as x", "as y"]


def test_an_edit_between_recordings_replaces_the_recording(cassette: Path) -> None:
    """After a second recording the newest run replays, with what it shares with the older one."""

    def script(request: ModelRequest) -> Turn | str:
        return f"end {len(results(request))}" if results(request) else calls(("get_weather", {"city": "Bonn"}))

    live = Process()
    live.run(Agent(id="a", model=ScriptedModel(script), tools=[weather_tool()]), "go")
    record(live, cassette)
    live.run(Agent(id="a", model=ScriptedModel(script), tools=[weather_tool(version=2)]), "go")
    record(live, cassette)
    replay = Process(None, mode="replay", cassettes=[cassette])
    assert replay.run(Agent(id="a", model=silent(), tools=[weather_tool(version=2)]), "go").result == "end 1"
    with pytest.raises(ReplayMiss):
        replay.run(Agent(id="a", model=silent(), tools=[weather_tool(version=3)]), "go")
