"""Chores: each by itself, by a clock that a test moves."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from syncd.engine.chores import TICK, Chores

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0
        self.wall = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.wall + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        for _ in range(5):
            await asyncio.sleep(0)


async def pass_time(clock: Clock, chores: Chores, seconds: float) -> None:
    task, end = asyncio.create_task(chores.run()), clock.seconds + seconds
    while clock.seconds < end:  # noqa: ASYNC110 - the clock is a fake
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_raising_chore_stops_neither_itself_nor_the_others() -> None:
    clock, done = Clock(), []

    async def bad() -> None:
        done.append("bad")
        raise RuntimeError("no")

    async def good() -> None:
        done.append("good")

    chores = Chores(clock)
    chores.every(timedelta(seconds=1), "bad", bad)
    chores.every(timedelta(seconds=1), "good", good)
    await pass_time(clock, chores, 3.1)
    assert done.count("bad") == 3
    assert done.count("good") == 3


async def test_a_wall_clock_set_back_delays_nothing() -> None:
    clock, done = Clock(), []

    async def chore() -> None:
        done.append(clock.seconds)
        clock.wall -= timedelta(hours=1)

    chores = Chores(clock)
    chores.every(timedelta(seconds=1), "chore", chore)
    await pass_time(clock, chores, 3.1)
    assert [int(moment) for moment in done] == [1, 2, 3]


async def test_a_long_sleep_gives_one_run_and_the_phase_stays() -> None:
    clock, done = Clock(), []

    async def chore() -> None:
        done.append(clock.seconds)
        if len(done) == 1:
            clock.seconds += 60

    chores = Chores(clock)
    chores.every(timedelta(seconds=1), "chore", chore)
    await pass_time(clock, chores, 63.1)
    assert [int(moment) for moment in done] == [1, 61, 62, 63]  # one catch-up, not sixty
    assert all(moment % 1 <= 2 * TICK for moment in done[2:])


async def test_a_chore_still_running_is_left_out() -> None:
    clock, begun = Clock(), []
    gate = asyncio.Event()

    async def slow() -> None:
        begun.append(1)
        await gate.wait()

    chores = Chores(clock)
    chores.every(timedelta(seconds=1), "slow", slow)
    await pass_time(clock, chores, 5.1)
    assert begun == [1]


async def test_a_rare_chore_may_have_an_early_first_time() -> None:
    clock, done = Clock(), []

    async def rare() -> None:
        done.append(clock.seconds)

    chores = Chores(clock)
    chores.every(timedelta(hours=6), "rare", rare, first=timedelta(minutes=5))
    await pass_time(clock, chores, 7 * 3600)
    assert [round(at) for at in done] == [300, 300 + 6 * 3600]
