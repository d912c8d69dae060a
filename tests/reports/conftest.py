"""Stores with runs in them, as the reports read them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from polos_nb import Agent, ScriptedModel, tool
from polos_nb.stores.base import RunRecord, StepRecord, Store
from polos_nb.stores.sqlite import SqliteStore
from polos_nb.stores.waiting import DecisionRecord
from tests.runtime.support import Process, calls, once_called

APPROVAL = {
    "_form": {
        "title": "Refund order 7?",
        "fields": [
            {"key": "approved", "type": "boolean", "required": True, "default": False},
            {"key": "amount", "type": "number"},
            {"key": "feedback", "type": "textarea"},
        ],
    },
    "_source": "tool",
}
DOUBT = {
    "_form": {
        "title": "Was it done?",
        "fields": [
            {"key": "action", "type": "select", "required": True, "options": ["again", "done", "stop"]},
            {"key": "result", "type": "textarea"},
        ],
    }
}


@tool
def get_weather(city: str) -> str:
    """Weather of a city."""
    return f"{city}: sunny"


def weather_agent(prompt: str = "Be nice.", said: str = "done", city: str = "Paris") -> Agent:
    """An agent that asks for the weather once."""
    model = once_called(calls(("get_weather", {"city": city})), said)
    return Agent(id="weather-agent", system_prompt=prompt, model=model, tools=[get_weather])


def failing_agent() -> Agent:
    """An agent whose model says nothing."""
    return Agent(id="broken", model=ScriptedModel([]))


class Book:
    """A store in a file, a process that runs agents on it, and records made by hand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store: Store = SqliteStore(path)
        self.process = Process(self.store)

    def run(self, agent: Agent | None = None, input: Any = "hi") -> str:
        """Run an agent; the id of its newest run."""
        agent = agent or weather_agent()
        with suppress(IndexError, RuntimeError) if agent.id == "broken" else nullcontext():
            self.process.run(agent, input)
        return self.store.list_runs(target_id=agent.id, limit=1)[0].id

    def add(self, lineage: str, **fields: Any) -> RunRecord:
        """A run made by hand."""
        newest = self.store.newest_run(lineage)
        record = replace(RunRecord(lineage=lineage, target_id="flow", kind="workflow", created_at=100.0), **fields)
        run = self.store.new_run(record, expected=newest.id if newest else None)
        assert run is not None
        return run

    def step(self, run: RunRecord, key: str, seq: int = 0, **fields: Any) -> StepRecord:
        """A step made by hand; finished when it is given an output."""
        record = StepRecord(
            run_id=run.id,
            lineage=run.lineage,
            target_id=run.target_id,
            step_key=key,
            kind="step",
            name=key,
            fingerprint=f"{run.id}{key}",
            started_at=100.0,
        )
        made = self.store.start_step(replace(record, **{k: v for k, v in fields.items() if k != "output"}), seq=seq)
        if "output" in fields:
            self.store.finish_step(made.id, status="completed", output=json.dumps(fields["output"]), finished_at=101.0)
        return made

    def ask(self, run: RunRecord, key: str = "approve_refund[call_1]", form: Any = APPROVAL, **fields: Any) -> int:
        """A question made by hand; its id."""
        step = self.step(run, key, seq=100 + len(self.store.trace(run.id)))
        record = DecisionRecord(
            run_id=run.root or run.id, step_key=key, step_id=step.id, kind="approval", form=json.dumps(form)
        )
        return self.store.ask(replace(record, created_at=100.0, **fields)).id


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """An empty book."""
    made = Book(tmp_path / "steps.db")
    yield made
    made.store.close()
