"""A run of the store as its readers saw it: one transcript, with the runs inside it, and the record behind each row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from polos_nb.codec_untag import untag
from polos_nb.errors import ConfigurationError
from polos_nb.reports.facts import Facts, data_of, step_facts, when
from polos_nb.reports.runs import find_run
from polos_nb.run_events import Event, StepEvent, StepFailed, StepFinished, StepStarted
from polos_nb.runtime.records import NESTED, lifted, nested_run, run_finished, run_started, trace_events
from polos_nb.stores.base import RunRecord, StepRecord, Store, TraceRow
from polos_nb.transcript import Transcript

_DEEPEST = 12  # levels of runs in runs


@dataclass(frozen=True, kw_only=True)
class Place:
    """One step of a story: the run whose trace has it, its line there, its record, and its number in that trace.

    `path` names it from the run that the story is of: "draft/1.llm" is step 1.llm of the run inside step draft. `at`
    is when it began, in seconds since 1970; what an earlier run had executed stands where this one came to it.
    `cached` is also true of what is inside a step that answered from the store. `paid`: it was executed for the run
    that the story is of, if in an earlier pass, rather than taken from another run or shared by a fork.
    """

    path: str
    run: RunRecord
    row: TraceRow
    step: StepRecord
    number: int
    at: float
    cached: bool
    paid: bool


@dataclass
class Story:
    """A run with everything inside it. `places` are by path, which is also the key of the transcript's items."""

    run: RunRecord
    transcript: Transcript
    places: dict[str, Place] = field(default_factory=dict)


def story(store: Store, run_id: str | None = None) -> Story:
    """The run of that id, or the newest one, folded. Raises ConfigurationError where there is none."""
    run = find_run(store, run_id)
    told = Story(run, Transcript())
    trace = store.trace(run.id)
    told.transcript.add(run_started(run))
    teller = _Teller(store, told.places)
    for event in teller.events(run, trace, _Level()):
        told.transcript.add(event)
    if run.status != "running":
        told.transcript.add(run_finished(run, trace))
    return told


def find_place(store: Store, run: RunRecord, path: str) -> Place:
    """The step at a path, without reading the rest of the story. Raises ConfigurationError where there is none."""
    current, own, cached, paid = run, path, False, True
    for _ in range(_DEEPEST):
        trace = list(enumerate(store.trace(current.id), 1))
        for number, (row, step) in trace:
            if step.step_key == own:
                here = paid and executed_in(current, step)
                return Place(
                    path=path,
                    run=current,
                    row=row,
                    step=step,
                    number=number,
                    at=step.started_at,
                    cached=cached or row.cached,
                    paid=here,
                )
        around = [line for line in trace if own.startswith(f"{line[1][1].step_key}/")]
        for _, (row, step) in sorted(around, key=lambda line: -len(line[1][1].step_key)):
            inner, rest = _entered(store, step, own.removeprefix(f"{step.step_key}/"))
            if inner is not None:
                cached, paid = cached or row.cached, paid and executed_in(current, step)
                own, current = rest, inner
                break
        else:
            break
    raise ConfigurationError(f"run {run.id} has no step {path}")


def step_lines(told: Story) -> list[Facts]:
    """One line for each step of a story, for tables: its facts, the path as `step`, the `run` it is in, and `began`."""
    return [
        {"run": place.run.id, **step_facts(replace(place.row, cached=place.cached), place.step)}
        | {"step": place.path, "began": when(place.at)}
        for place in told.places.values()
    ]


def _entered(store: Store, step: StepRecord, rest: str) -> tuple[RunRecord | None, str]:
    """The run inside a step that the rest of a path leads into, and what is left of the path."""
    if step.kind in NESTED:
        return nested_run(step, store), rest
    name, _, left = rest.partition("/")
    started = [run for run in store.child_runs(step.run_id) if run.parent_step == step.step_key and run.id == name]
    return (started[0], left) if started and left else (None, rest)


def executed_in(run: RunRecord, step: StepRecord) -> bool:
    """Whether a step was executed for this very run. A fork has copies of the steps that it shares, which were not."""
    return step.run_id == run.id and step.started_at >= run.created_at


@dataclass(frozen=True, kw_only=True)
class _Level:
    """Where a run is in a story: what its paths begin with, the runs around it, and how its steps are to be shown.

    Of a run inside a step that answered from the store all is `cached`. Where another run had executed that step,
    nothing inside was `paid`, and its times are moved by `shift` seconds to where the story came to it.
    """

    prefix: str = ""
    above: tuple[str, ...] = ()
    cached: bool = False
    paid: bool = True
    shift: float = 0.0


class _Teller:
    """Turns traces into events, and notes the places on its way."""

    def __init__(self, store: Store, places: dict[str, Place]) -> None:
        self._store = store
        self._places = places
        self._started: dict[str, dict[str, list[RunRecord]]] = {}  # runs by the run and the step that started them

    def events(self, run: RunRecord, trace: list[tuple[TraceRow, StepRecord]], level: _Level) -> Iterator[Event]:
        """The events of a run's steps, with those of the runs inside them below them."""
        level = replace(level, above=(*level.above, run.id))
        now = run.created_at + level.shift
        for number, (row, step) in enumerate(trace, 1):
            shown = TraceRow(row.seq, row.step_id, cached=True) if level.cached else row
            here = executed_in(run, step)
            place = Place(
                path=level.prefix + step.step_key,
                run=run,
                row=row,
                step=step,
                number=number,
                at=step.started_at + level.shift if here else now,
                cached=shown.cached,
                paid=level.paid and here,
            )
            self._places[place.path] = place
            # The runs inside are told below, where those are too that the code of a tool has started.
            own = [
                replace(event, step_type=step.kind) if isinstance(event, StepEvent) else event
                for event in trace_events(run, shown, replace(step, kind="run"), self._store)
            ]
            yield own[0]
            if len(level.above) < _DEEPEST:
                yield from self._inside(place, level)
            yield from own[1:]
            if here and step.finished_at:
                now = max(now, step.finished_at + level.shift)

    def _inside(self, place: Place, level: _Level) -> Iterator[Event]:
        """The events of the runs inside a step."""
        run, step = place.run, place.step
        if step.kind in NESTED:
            child = nested_run(step, self._store)
            if child is not None and child.id not in level.above:
                yield from self._below(place, level, child, step.step_key)
            return
        for child in self._runs_of(step):
            if child.id not in level.above:
                key = f"{step.step_key}/{child.id}"
                about = {"step_key": key, "step_type": child.kind, "name": child.target_id, "parent": step.step_key}
                yield _begun(run, child, about)
                yield from self._below(place, level, child, key)
                yield from _ended(run, child, about, place.cached)

    def _below(self, place: Place, level: _Level, child: RunRecord, key: str) -> Iterator[Event]:
        """The events of one of them, as those of steps below `key`."""
        here = executed_in(place.run, place.step)
        inner = _Level(
            prefix=f"{level.prefix}{key}/",
            above=level.above,
            cached=place.cached,
            paid=place.paid,
            shift=level.shift if here else place.at - child.created_at,
        )
        for event in self.events(child, self._store.trace(child.id), inner):
            if isinstance(event, StepEvent):
                yield lifted(event, key, place.run)

    def _runs_of(self, step: StepRecord) -> list[RunRecord]:
        """The runs that the code of a step has started; of several executions of the same call the newest."""
        if step.run_id not in self._started:
            found: dict[str, list[RunRecord]] = {}
            for child in self._store.child_runs(step.run_id):
                found.setdefault(child.parent_step or "", []).append(child)
            self._started[step.run_id] = found
        newest = {child.lineage: child for child in self._started[step.run_id].get(step.step_key, [])}
        return list(newest.values())


def _begun(run: RunRecord, child: RunRecord, about: dict[str, Any]) -> StepStarted:
    """The event that a run began which the code of a step has started."""
    started = run_started(child)
    model = "/".join(part for part in (started.provider, started.model) if part)
    request = {child.kind: child.target_id, "input": started.input, "arguments": started.input, "model": model}
    return StepStarted(run_id=run.id, target_id=run.target_id, kind=run.kind, request=request, **about)


def _ended(run: RunRecord, child: RunRecord, about: dict[str, Any], cached: bool) -> Iterator[Event]:
    """The event that it ended with, if it has ended."""
    seconds = child.finished_at - child.created_at if child.finished_at else None
    common = about | {"run_id": run.id, "target_id": run.target_id, "kind": run.kind, "seconds": seconds}
    if child.status == "completed":
        yield StepFinished(output=untag(data_of(child.result)), cached=cached, **common)
    elif child.status in ("failed", "cancelled"):
        yield StepFailed(error=child.error or child.status, **common)
