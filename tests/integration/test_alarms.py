"""Freshness from what is proven, on a real store: when a sync is said to be behind, and when that is over."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from syncd.config.model import EverySchedule
from syncd.control.alarms import Alarms
from syncd.control.parts import Parts
from syncd.control.pauses import Pauses
from syncd.plugins import Plugins
from syncd.sdk import SyncdError
from tests.integration.engine.script import Bench, World, bench

pytestmark = pytest.mark.anyio
MINUTE = EverySchedule(timedelta(minutes=1))
STALE = "nightly is not fresh"


class Watched:
    """A daemon's alarms around a bench, whose clock the test moves."""

    def __init__(self, b: Bench, folder: Path) -> None:
        self.b = b
        facts: dict[str, object] = {"running": True}
        self.parts = Parts(folder, b.store, b.executor, Plugins(), b.clock, b.executor.config, daemon=facts)
        self.pauses = Pauses(self.parts)
        self.alarms = Alarms(self.parts, self.pauses)

    async def run(self) -> None:
        await self.b.run()

    async def later(self, minutes: float) -> list[str]:
        """What is told some time on, after looks every ten seconds."""
        for _ in range(int(minutes * 6)):
            self.b.clock.advance(10)
            await self.alarms.check()
        return [row.title for row in await self.parts.notices.open()]

    async def pause(self, code: str | None) -> None:
        await self.b.store.set_sync_state("nightly", paused="auto" if code else None, code=code, reason="because")


@asynccontextmanager
async def watched(folder: Path, world: World) -> AsyncIterator[Watched]:
    async with bench(world, folder, schedule=MINUTE) as b:
        made = Watched(b, folder)
        await made.run()
        yield made


async def test_a_sync_that_nobody_refreshes_is_told_after_twice_its_interval(tmp_path: Path) -> None:
    async with watched(tmp_path, World()) as daemon:
        assert await daemon.later(2) == []
        assert await daemon.later(0.5) == [STALE]
        await daemon.run()
        assert await daemon.later(0.5) == []


async def test_runs_that_read_only_a_part_do_not_count(tmp_path: Path) -> None:
    world = World()
    world.add_people(2)
    async with watched(tmp_path, world) as daemon:
        world.place("items", "u2").always = SyncdError("it is broken")
        for _ in range(3):
            await daemon.later(1)
            await daemon.run()
        assert await daemon.later(0.2) == [STALE]
        world.place("items", "u2").always = None
        await daemon.run()
        assert await daemon.later(0.2) == []


async def test_a_paused_sync_is_told_as_paused_only(tmp_path: Path) -> None:
    async with watched(tmp_path, World()) as daemon:
        await daemon.later(1)
        await daemon.pause("SYN-RUN-001")
        assert await daemon.later(60) == ["nightly is paused"]
        await daemon.pause(None)
        assert await daemon.later(0.5) == []  # it has the time of an interval to catch up
        assert await daemon.later(1) == [STALE]
        await daemon.pause("SYN-AUTH-001")
        assert await daemon.later(60) == ["the credential of acme is refused", STALE]


async def test_a_sync_that_is_switched_off_is_not_told_and_ends_what_was(tmp_path: Path) -> None:
    async with watched(tmp_path, World()) as daemon:
        assert await daemon.later(5) == [STALE]
        await daemon.pauses.switch(daemon.parts.sync("nightly"), False)
        assert await daemon.later(60) == []


async def test_a_shorter_schedule_gets_its_own_time(tmp_path: Path) -> None:
    async with watched(tmp_path, World()) as daemon:
        slow = replace(daemon.parts.sync("nightly"), schedule=EverySchedule(timedelta(days=1)))
        daemon.parts.config = replace(daemon.parts.config, syncs={"nightly": slow})
        assert await daemon.later(60) == []
        quick = replace(slow, schedule=MINUTE)
        daemon.parts.config = replace(daemon.parts.config, syncs={"nightly": quick})
        assert await daemon.later(1) == []
        assert await daemon.later(10) == [STALE]


async def test_freshness_is_that_of_status(tmp_path: Path) -> None:
    async with watched(tmp_path, World()) as daemon:
        daemon.b.clock.advance(77)
        (numbers,) = await daemon.b.store.numbers([("acme", "items")])
        assert await daemon.b.store.oldest_rounds() == {("acme", "items"): numbers.oldest}
