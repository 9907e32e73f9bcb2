"""Imports beside each other, and under a clock that was wrong for a while."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from syncd.control.control import Control
from syncd.control.errors import ControlError
from syncd.control.parts import Parts
from syncd.engine.imports import import_if_due
from syncd.plugins import Plugins
from syncd.sdk import Account, Bookmark, Context, StreamInfo, SyncdError
from syncd.store import open_store
from tests.integration.engine.script import Bench, PartedStream, World, bench

pytestmark = pytest.mark.anyio

YEAR = timedelta(days=365).total_seconds()
NEWCOMER = Account("u2", "new@acme.example", organization="acme")


class Slow(World):
    """What it lists is what there was when it was asked; `meanwhile` happens before it answers."""

    def __init__(self, *infos: StreamInfo) -> None:
        super().__init__(*infos)
        self.asked = 0
        self.scans: list[str] = []
        self.meanwhile: list[Callable[[], Awaitable[object]]] = []

    async def accounts(self, ctx: Context) -> AsyncIterator[Account | Bookmark]:  # type: ignore[override]
        self.asked += 1
        self.scans.append(str(ctx.scan))
        listed = list(self.people)
        if self.meanwhile:
            await self.meanwhile.pop(0)()
        for person in listed:
            yield person
        yield Bookmark({"n": 1})


async def test_one_import_of_a_connection_at_a_time(tmp_path: Path) -> None:
    world = Slow()
    async with bench(world, tmp_path) as b:
        gate, inside = asyncio.Event(), asyncio.Event()

        async def wait() -> None:
            inside.set()
            await gate.wait()

        world.meanwhile = [wait]
        slow = asyncio.create_task(b.executor.import_accounts("acme"))
        await inside.wait()
        world.people.append(NEWCOMER)
        fast = asyncio.create_task(b.executor.import_accounts("acme"))
        for _ in range(20):
            await asyncio.sleep(0)
        assert world.asked == 2  # the first import of all, and the slow one
        gate.set()
        assert (await slow).gone == []
        assert (await fast).new == ["new@acme.example"]
        assert [row.gone_at for row in await b.store.accounts("acme")] == [None, None]


async def test_a_run_that_waits_for_an_import_needs_none_of_its_own(tmp_path: Path) -> None:
    world = Slow()
    async with bench(world, tmp_path, discovery="automatic") as b:
        b.later(days=2)
        gate, inside = asyncio.Event(), asyncio.Event()

        async def wait() -> None:
            inside.set()
            await gate.wait()

        world.meanwhile = [wait]
        importing = asyncio.create_task(b.executor.import_accounts("acme"))
        await inside.wait()
        due = asyncio.create_task(import_if_due(b.executor._engine, b.executor._connections["acme"]))
        for _ in range(20):
            await asyncio.sleep(0)
        gate.set()
        await importing
        assert await due is None
        assert world.asked == 2


async def elsewhere(b: Bench, world: World, newcomer: Account) -> None:
    """Another process imports the organisation, newcomer included."""
    world.people.append(newcomer)
    b.later(seconds=1)
    other = open_store(b.store.path.parent, b.clock)
    try:
        await other.import_accounts("acme", list(world.people), b.clock.now())
    finally:
        other.close()


async def test_a_listing_that_another_process_overtook_is_read_again(tmp_path: Path) -> None:
    world = Slow()
    async with bench(world, tmp_path) as b:
        b.later(days=8)
        world.meanwhile = [lambda: elsewhere(b, world, NEWCOMER)]
        report = await b.executor.import_accounts("acme")
        assert world.asked == 3
        assert (report.new, report.gone) == ([], [])
        assert [row.gone_at for row in report.accounts] == [None, None]


async def test_an_import_that_is_overtaken_time_and_again_stores_nothing(tmp_path: Path) -> None:
    world = Slow()
    async with bench(world, tmp_path) as b:
        newcomers = [Account(f"n{n}", f"n{n}@acme.example") for n in range(3)]
        world.meanwhile = [lambda one=one: elsewhere(b, world, one) for one in newcomers]  # type: ignore[misc]
        with pytest.raises(SyncdError, match="other processes import acme all the time") as caught:
            await b.executor.import_accounts("acme")
        assert caught.value.code == "SYN-RUN-003"
        assert len(await b.store.accounts("acme")) == 4
        world.meanwhile = [lambda one=one: elsewhere(b, world, one) for one in newcomers]  # type: ignore[misc]
        control = Control(Parts(tmp_path, b.store, b.executor, Plugins({"fake": world}), b.clock, b.executor.config))
        with pytest.raises(ControlError) as refused:
            await control.import_accounts("acme")
        assert refused.value.exit_code == 75


async def test_an_import_in_the_future_does_not_put_the_next_one_off(tmp_path: Path) -> None:
    world = Slow()
    world.place("items").put("a")
    async with bench(world, tmp_path, imported=False, discovery="automatic") as b:
        b.later(seconds=YEAR)
        await b.run()
        b.clock.advance(-YEAR)
        world.people.append(NEWCOMER)
        assert (await b.run()).streams[0]["accounts"] == 2
        assert world.scans == ["full", "full"]
        b.later(hours=1)
        await b.run()
        assert world.asked == 2


async def test_what_an_import_in_the_future_found_missing_is_asked_for(tmp_path: Path) -> None:
    world = World(kinds={"items": PartedStream})
    world.people = [Account("u1", "ann@acme.example", streams={"items": "no mailbox"})]
    world.place("items").put("a")
    async with bench(world, tmp_path, imported=False) as b:
        b.later(seconds=YEAR)
        await b.import_all()
        b.clock.advance(-YEAR)
        await b.run()
        assert set(b.records()) == {"a"}
