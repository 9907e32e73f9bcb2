"""FakeClock: time moves when a test says so."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from syncd.testing import FakeClock


def test_sleeping_moves_an_automatic_clock_and_takes_no_time() -> None:
    clock = FakeClock(datetime(2026, 5, 1, tzinfo=UTC))
    asyncio.run(clock.sleep(3600))
    assert clock.now() == datetime(2026, 5, 1, 1, tzinfo=UTC)
    assert clock.slept == [3600]


def test_sleepers_wait_for_advance_in_the_order_of_their_times() -> None:
    async def play() -> list[tuple[str, float]]:
        clock, woken = FakeClock(auto=False), []
        start = clock.monotonic()

        async def sleeper(name: str, seconds: float) -> None:
            await clock.sleep(seconds)
            woken.append((name, clock.monotonic() - start))

        tasks = [
            asyncio.ensure_future(sleeper(name, wait)) for name, wait in (("late", 20), ("early", 5), ("never", 99))
        ]
        await clock.run(19)
        assert woken == [("early", 5.0)]
        assert clock.sleeping == 2
        await clock.run(1)
        tasks[2].cancel()
        await asyncio.wait(tasks)
        return woken

    assert asyncio.run(play()) == [("early", 5.0), ("late", 20.0)]


def test_run_lets_whoever_wakes_sleep_again_on_the_way() -> None:
    async def play() -> int:
        clock, ticks = FakeClock(auto=False), 0

        async def ticker() -> None:
            nonlocal ticks
            while True:
                await clock.sleep(10)
                ticks += 1

        task = asyncio.ensure_future(ticker())
        await clock.run(timedelta(minutes=1).total_seconds())
        task.cancel()
        await asyncio.wait({task})
        return ticks

    assert asyncio.run(play()) == 6


def test_a_naive_start_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        FakeClock(datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused
