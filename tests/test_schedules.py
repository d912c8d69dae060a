"""Schedules: made, listed and deleted; each time once; a time that was missed is made up for once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from polos_nb import DefinitionError, Polos, registry, schedules, workflow
from polos_nb.cron import Cron
from polos_nb.runtime.background import Background
from polos_nb.schedules import SchedulePayload
from tests.aio import in_a_loop, until
from tests.runtime.support import Process

DAY = 86_400.0


@pytest.fixture(autouse=True)
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test declares ends with it."""
    monkeypatch.setattr(registry, "_declared", {})


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "steps.db")


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now.timestamp()

    def __call__(self) -> float:
        return self.now


class Machine:
    """A process that serves schedules, with a clock of its own making."""

    def __init__(self, path: str, clock: Clock) -> None:
        self.process = Process(path)
        self.served = Background(self.process.runtime, clock=clock)
        self.clock = clock

    async def at(self, now: datetime) -> None:
        """Serve at this time, until what it started is over."""
        self.clock.now = now.timestamp()
        self.served.tick()
        await until(lambda: not self.served.outbox.going)

    def close(self) -> None:
        self.process.runtime.close()


def at(day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def reporter(**options: Any) -> list[SchedulePayload]:
    """A scheduled workflow, and what it is started with."""
    got: list[SchedulePayload] = []

    @workflow(id="report", **options)
    async def report(ctx: Any, payload: SchedulePayload) -> None:
        got.append(payload)

    return got


@in_a_loop
async def test_a_declared_schedule_is_fired_at_each_of_its_times(path: str) -> None:
    """The payload says when it was due, when before, and when next; looking twice starts once."""
    got = reporter(schedule="0 8 * * *")
    machine = Machine(path, Clock(at(1)))
    await machine.at(at(1))
    await machine.at(at(1, 7, 59))
    assert got == []
    await machine.at(at(1, 8, 0))
    await machine.at(at(1, 8, 0))
    await machine.at(at(1, 20, 0))
    await machine.at(at(2, 8, 1))
    assert [payload.timestamp for payload in got] == [at(1, 8), at(2, 8)]
    assert [payload.last_timestamp for payload in got] == [None, at(1, 8)]
    assert got[1].upcoming == at(3, 8)
    assert (got[1].timezone, got[1].schedule_id, got[1].key) == ("UTC", "s1", "global")
    machine.close()


@in_a_loop
async def test_the_time_zone_counts_with_its_summer_time(path: str) -> None:
    """Eight o'clock in Berlin is at seven in winter and at six in summer."""
    got = reporter(schedule={"cron": "0 8 * * *", "timezone": "Europe/Berlin", "key": "de"})
    machine = Machine(path, Clock(at(27)))
    for day in (27, 28, 29, 30):
        for hour in (6, 7):
            await machine.at(at(day, hour))
    assert [payload.timestamp for payload in got] == [at(27, 7), at(28, 7), at(29, 6), at(30, 6)]
    assert {payload.key for payload in got} == {"de"}
    machine.close()


@in_a_loop
async def test_what_was_missed_is_made_up_for_once(path: str) -> None:
    """After days without a process the last time that was missed is fired, not every one."""
    got = reporter(schedule="0 8 * * *")
    first = Machine(path, Clock(at(1)))
    await first.at(at(1))
    await first.at(at(1, 8))
    first.close()
    second = Machine(path, Clock(at(5, 12)))
    await second.at(at(5, 12))
    await second.at(at(5, 13))
    assert [payload.timestamp for payload in got] == [at(1, 8), at(5, 8)]
    assert got[1].last_timestamp == at(1, 8)
    await second.at(at(6, 8))
    assert got[2].last_timestamp == at(5, 8)
    second.close()


@in_a_loop
async def test_two_processes_fire_once(path: str) -> None:
    """Whoever is faster starts the run."""
    got = reporter(schedule="*/5 * * * *")
    clock = Clock(at(1))
    one, two = Machine(path, clock), Machine(path, clock)
    for minute in range(0, 31):
        await asyncio.gather(one.at(at(1, 0, minute)), two.at(at(1, 0, minute)))
    assert [payload.timestamp.minute for payload in got] == [5, 10, 15, 20, 25, 30]
    assert len(one.process.runtime.store.list_runs(target_id="report")) == 6
    one.close()
    two.close()


@in_a_loop
async def test_what_was_due_and_not_started_is_started_by_another(path: str) -> None:
    """A process that ends between taking a time and starting its run loses nothing."""
    got = reporter(schedule="0 8 * * *")
    clock = Clock(at(1))
    dying = Machine(path, clock)
    await dying.at(at(1))
    clock.now = at(1, 8).timestamp()
    dying.served.schedules.fire()  # and here it ends
    assert got == []
    other = Machine(path, clock)
    await other.at(at(1, 8, 1))
    assert [payload.timestamp for payload in got] == [at(1, 8)]
    dying.close()
    other.close()


@in_a_loop
async def test_schedules_are_made_changed_listed_and_deleted(path: str) -> None:
    """A workflow and a key have one schedule; making it again changes it and keeps its id."""
    reporter(schedule=True)
    async with Polos(store=path, mode="live") as polos:
        one = await schedules.create(polos, "report", "0 8 * * *", timezone="Europe/Berlin", key="ann")
        two = await schedules.create(polos, registry.find("report"), "0 9 * * *", key="bob")
        again = await schedules.create(None, "report", "30 8 * * *", timezone="Europe/Berlin", key="ann")
        assert one == again != two
        listed = schedules.list(polos)
        assert [(s.id, s.key, s.cron, s.timezone) for s in listed] == [
            (one, "ann", "30 8 * * *", "Europe/Berlin"),
            (two, "bob", "0 9 * * *", "UTC"),
        ]
        assert listed[1].next_at > datetime.now(UTC)
        assert schedules.list(polos, "other") == []
        assert await schedules.delete(polos, one)
        assert not await schedules.delete(polos, one)
        assert not await schedules.delete(polos, "nonsense")
        assert [s.id for s in schedules.list(None, "report")] == [two]


@in_a_loop
async def test_a_changed_declaration_changes_its_schedule(path: str) -> None:
    """A cell that is executed again with another line, key or none replaces what it had declared; other keys stay."""
    machine = Machine(path, Clock(at(1)))
    client = machine.process.client

    def kept() -> list[tuple[str, str]]:
        return [(schedule.key, schedule.cron) for schedule in schedules.list(client)]

    reporter(schedule="0 8 * * *")
    await machine.at(at(1))
    await schedules.create(client, "report", "0 12 * * *", key="ann")
    assert kept() == [("global", "0 8 * * *"), ("ann", "0 12 * * *")]
    reporter(schedule="0 9 * * *")
    await machine.at(at(1, 1))
    assert kept() == [("global", "0 9 * * *"), ("ann", "0 12 * * *")]
    reporter(schedule={"cron": "0 9 * * *", "key": "team"})
    await machine.at(at(1, 2))
    assert sorted(kept()) == [("ann", "0 12 * * *"), ("team", "0 9 * * *")]
    reporter(schedule=True)
    await machine.at(at(1, 3))
    assert kept() == [("ann", "0 12 * * *")]
    machine.close()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("* * * *", "is not a cron line; write five fields"),
        ("0 0 8 * * *", "is not a cron line; write five fields"),
        ("61 * * * *", "bad minute; write five fields"),
        ("0 8 31 2 *", "bad day-of-month; write five fields"),
        ("@daily", "is not a cron line"),
    ],
)
def test_a_wrong_line_is_said_in_one_sentence(line: str, said: str) -> None:
    """The sentence names the line and shows a right one."""
    with pytest.raises(DefinitionError) as error:
        Cron(line)
    assert said in str(error.value)
    assert repr(line) in str(error.value)
    assert "\n" not in str(error.value)


@in_a_loop
async def test_a_wrong_schedule_is_refused_where_it_is_made(path: str) -> None:
    """A time zone that is not there, a workflow that is not there, one that is not to be scheduled."""
    reporter()
    async with Polos(store=path, mode="live") as polos:
        with pytest.raises(DefinitionError, match=r"'report' has no schedule; declare it with .*schedule=True"):
            await schedules.create(polos, "report", "0 8 * * *")
        with pytest.raises(DefinitionError, match="there is no workflow 'nothing' to schedule"):
            await schedules.create(polos, "nothing", "0 8 * * *")
        reporter(schedule=True)
        with pytest.raises(DefinitionError, match=r"timezone='Europe/Atlantis' is not a time zone"):
            await schedules.create(polos, "report", "0 8 * * *", timezone="Europe/Atlantis")


@pytest.mark.parametrize("declared", ["nonsense", {"timezone": "UTC"}, {"cron": "* * * * *", "zone": "UTC"}, 7])
def test_a_wrong_declaration_is_named(declared: Any) -> None:
    """The sentence names the workflow."""
    with pytest.raises(DefinitionError, match="workflow 'report': "):
        Cron.declared("report", declared)


def test_times_are_in_whole_minutes() -> None:
    """The last time until now is now, where it is one; the next is after it."""
    cron = Cron("*/5 * * * *")
    assert (cron.until(600.0), cron.until(600.7), cron.until(899.9)) == (600.0, 600.0, 600.0)
    assert (cron.after(600.0), cron.after(599.9)) == (900.0, 600.0)
