"""Starting syncs when they are due: restarts, reloads, pauses, clocks that jump."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from syncd.config.model import Config, CronSchedule, EverySchedule, Schedule, SyncConfig
from syncd.engine.ports import Trigger
from syncd.engine.scheduler import DueState, Scheduler

pytestmark = pytest.mark.anyio
START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = EverySchedule(timedelta(seconds=60))
NIGHTLY = CronSchedule("0 2 * * *")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def config(**schedules: Schedule) -> Config:
    return Config(syncs={name: SyncConfig(name, "acme", {"contacts": {}}, schedule=s) for name, s in schedules.items()})


@dataclass
class Bench:
    """The clock, the store and the runs of one test."""

    wall: datetime = START
    seconds: float = 0.0
    states: dict[str, DueState] = field(default_factory=dict)
    begun: list[tuple[str, Trigger, datetime]] = field(default_factory=list)
    running: set[str] = field(default_factory=set)

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.forward(seconds)

    def forward(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.seconds += seconds

    async def due_states(self, config: Config) -> Mapping[str, DueState]:
        return {name: self.states.get(name, DueState()) for name in config.syncs}

    async def set_next_due(self, sync: str, due: datetime) -> None:
        self.states[sync] = replace(self.states.get(sync, DueState()), next_due_at=due)

    async def set_next_dues(self, dues: Mapping[str, datetime]) -> None:
        for sync, due in dues.items():
            await self.set_next_due(sync, due)

    async def start(self, sync: str, trigger: Trigger) -> bool:
        if sync in self.running:
            return False
        self.begun.append((sync, trigger, self.wall))
        return True

    def scheduler(self) -> Scheduler:
        return Scheduler(self, self, self.start, seed="none")

    async def live(self, scheduler: Scheduler, seconds: int) -> None:
        for _ in range(seconds):
            self.forward(1)
            await scheduler.check()


async def test_an_interval_runs_with_a_steady_phase() -> None:
    bench = Bench()
    scheduler = bench.scheduler()
    await scheduler.adopt(config(a=MINUTE))
    await bench.live(scheduler, 200)
    times = [moment for _, _, moment in bench.begun]
    assert [b - a for a, b in pairwise(times)] == [timedelta(seconds=60)] * (len(times) - 1)
    assert len(times) == 3
    assert {trigger for _, trigger, _ in bench.begun} == {Trigger.SCHEDULED}


async def test_after_downtime_there_is_one_run_with_trigger_startup() -> None:
    bench = Bench(states={"a": DueState(START - timedelta(days=3)), "b": DueState(START + timedelta(hours=1))})
    scheduler = bench.scheduler()
    await scheduler.adopt(config(a=NIGHTLY, b=NIGHTLY))
    await bench.live(scheduler, 5)
    assert [(name, trigger) for name, trigger, _ in bench.begun] == [("a", Trigger.STARTUP)]
    assert bench.states["a"].next_due_at == START + timedelta(hours=2)


async def test_a_new_sync_waits_for_its_time() -> None:
    bench = Bench()
    scheduler = bench.scheduler()
    await scheduler.adopt(config(a=NIGHTLY))
    await bench.live(scheduler, 10)
    assert bench.begun == []
    assert bench.states["a"].next_due_at == START + timedelta(hours=2)


async def test_a_due_time_while_running_is_dropped() -> None:
    bench = Bench(states={"a": DueState(START + timedelta(seconds=5))}, running={"a"})
    scheduler = bench.scheduler()
    await scheduler.adopt(config(a=MINUTE))
    await bench.live(scheduler, 10)
    bench.running.clear()
    await bench.live(scheduler, 50)
    assert bench.begun == []
    await bench.live(scheduler, 10)
    assert [moment for _, _, moment in bench.begun] == [START + timedelta(seconds=65)]


async def test_paused_syncs_let_their_times_pass() -> None:
    bench = Bench(states={"a": DueState(START + timedelta(seconds=5), active=False)})
    scheduler = bench.scheduler()
    await scheduler.adopt(config(a=MINUTE))
    await bench.live(scheduler, 100)
    assert bench.begun == []
    bench.states["a"] = replace(bench.states["a"], active=True)
    await bench.live(scheduler, 30)
    assert [moment for _, _, moment in bench.begun] == [START + timedelta(seconds=125)]  # its phase, no catch-up


async def test_a_reload_changes_only_what_has_another_schedule() -> None:
    bench = Bench()
    scheduler = bench.scheduler()
    await scheduler.adopt(config(a=NIGHTLY, b=NIGHTLY))
    await scheduler.check()
    kept = bench.states["a"].next_due_at
    bench.forward(60)
    await scheduler.adopt(config(a=NIGHTLY, b=CronSchedule("0 4 * * *"), c=MINUTE))
    assert bench.states["a"].next_due_at == kept
    assert bench.states["b"].next_due_at == START + timedelta(hours=4)
    assert bench.states["c"].next_due_at is not None


async def test_a_sync_that_returns_by_reload_does_not_catch_up() -> None:
    bench = Bench(states={"a": DueState(START - timedelta(days=9))})
    scheduler = bench.scheduler()
    await scheduler.adopt(config())
    await scheduler.check()
    await scheduler.adopt(config(a=NIGHTLY))
    await bench.live(scheduler, 5)
    assert bench.begun == []


async def test_a_schedule_that_changes_before_the_first_look_counts_at_once() -> None:
    bench = Bench()
    scheduler = bench.scheduler()
    await scheduler.adopt(config(a=NIGHTLY))
    await scheduler.adopt(config(a=EverySchedule(timedelta(hours=12))))
    assert bench.states["a"].next_due_at != START + timedelta(hours=2)


async def test_a_sync_with_another_name_keeps_its_due_time() -> None:
    bench = Bench()
    scheduler = bench.scheduler()
    await scheduler.adopt(config(a=MINUTE, b=NIGHTLY))
    await bench.live(scheduler, 70)
    kept = bench.states["a"].next_due_at
    bench.begun.clear()
    bench.states = {
        "c": DueState(kept, formerly="a"),
        "d": DueState(bench.wall, formerly="b"),  # due while the name changes
    }
    await scheduler.adopt(config(c=MINUTE, d=NIGHTLY))
    assert bench.states["c"].next_due_at == kept
    await bench.live(scheduler, 1)
    assert [name for name, _, _ in bench.begun] == ["d"]
    bench.states["e"] = DueState(bench.wall, formerly="d")
    await scheduler.adopt(config(e=MINUTE))
    assert bench.states["e"].next_due_at != bench.wall  # another schedule too


async def test_what_was_tried_when_a_provider_said_is_not_tried_again_under_another_name() -> None:
    again = START + timedelta(seconds=5)
    bench = Bench(states={"a": DueState(START + timedelta(hours=2), again_at=again)})
    scheduler = bench.scheduler()
    await scheduler.adopt(config(a=NIGHTLY))
    await bench.live(scheduler, 10)
    bench.states = {"b": replace(bench.states["a"], formerly="a")}
    await scheduler.adopt(config(b=NIGHTLY))
    await bench.live(scheduler, 10)
    assert [name for name, _, _ in bench.begun] == ["a"]


async def test_a_clock_set_back_an_hour_makes_no_hole() -> None:
    bench = Bench()
    scheduler = bench.scheduler()
    await scheduler.adopt(config(a=MINUTE))
    await bench.live(scheduler, 10)
    bench.wall -= timedelta(hours=1)
    await bench.live(scheduler, 70)
    assert len(bench.begun) == 1


async def test_a_jump_forward_gives_one_run() -> None:
    bench = Bench()
    scheduler = bench.scheduler()
    await scheduler.adopt(config(a=MINUTE))
    await bench.live(scheduler, 1)
    bench.wall += timedelta(hours=2)
    await bench.live(scheduler, 3)
    assert len(bench.begun) == 1


async def test_one_that_cannot_start_does_not_keep_the_others() -> None:
    bench = Bench(states={name: DueState(START + timedelta(seconds=2)) for name in "ab"})

    async def start(sync: str, trigger: Trigger) -> bool:
        if sync == "a":
            raise RuntimeError("no")
        return await bench.start(sync, trigger)

    scheduler = Scheduler(bench, bench, start)
    await scheduler.adopt(config(a=MINUTE, b=MINUTE))
    await bench.live(scheduler, 5)
    assert [name for name, _, _ in bench.begun] == ["b"]


async def test_what_a_provider_put_off_is_tried_once_when_it_said() -> None:
    again = START + timedelta(seconds=30)
    bench = Bench(states={"a": DueState(START + timedelta(hours=2), again_at=again)})
    scheduler = bench.scheduler()
    await scheduler.adopt(config(a=NIGHTLY))
    await bench.live(scheduler, 60)
    assert [moment for _, _, moment in bench.begun] == [again]


async def test_a_reload_waits_for_the_look_in_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    scheduler = bench.scheduler()
    await scheduler.adopt(config(a=MINUTE))
    reading, goes_on = asyncio.Event(), asyncio.Event()
    real = bench.due_states

    async def slow(of: Config) -> Mapping[str, DueState]:
        found = await real(of)
        reading.set()
        await goes_on.wait()
        return found

    monkeypatch.setattr(bench, "due_states", slow)
    look = asyncio.create_task(scheduler.check())
    await reading.wait()
    reload = asyncio.create_task(scheduler.adopt(config(b=NIGHTLY)))
    await asyncio.sleep(0)
    goes_on.set()
    await asyncio.gather(look, reload)
    await bench.live(scheduler, 1)
    assert bench.states["b"].next_due_at == START + timedelta(hours=2)
