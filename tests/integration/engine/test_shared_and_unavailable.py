"""Shared partitions in an organisation where some have no such service, and partitions that the provider says are gone."""

from dataclasses import replace
from pathlib import Path

import pytest

from syncd.sdk import AccountGone, Forbidden, PartitionGone, StreamInfo
from tests.integration.engine.script import PartedStream, World, bench

pytestmark = pytest.mark.anyio

NONE = "unavailable: no drive"


def drives(people: int) -> World:
    world = World(StreamInfo("boxes"), kinds={"boxes": PartedStream})
    world.add_people(people)
    world.share("boxes", "team", "u1").put("t1", "t2")
    world.place("boxes", "u1", "own").put("a1")
    return world


@pytest.mark.parametrize("hours", [0, 48])
async def test_an_account_that_has_no_such_service_keeps_no_shared_partition_alive(tmp_path: Path, hours: int) -> None:
    """Two days after the import it is asked all the same, and says so again."""
    world = drives(2)
    world.people[1] = replace(world.people[1], streams={"boxes": NONE})
    world.listing_faults["boxes", "u2"] = AccountGone("none", state=NONE)
    async with bench(world, tmp_path) as b:
        await b.run()
        world.sees["u1"] = set()
        b.later(hours=hours)
        report = await b.run()
        assert (str(report.status), report.counts.deleted) == ("completed", 2)
        assert set(b.records("boxes")) == {"a1"}


async def test_an_account_that_has_lost_its_service_since_the_import_proves_nothing(tmp_path: Path) -> None:
    world = drives(2)
    async with bench(world, tmp_path) as b:
        await b.run()
        world.sees["u1"] = set()
        world.listing_faults["boxes", "u2"] = AccountGone("none", state=NONE)
        report = await b.run()
        assert (str(report.status), report.counts.deleted) == ("completed", 0)
        assert "t1" in b.records("boxes")


async def test_what_somebody_has_claimed_who_lost_the_service_is_read_by_another_member(tmp_path: Path) -> None:
    world = drives(3)
    world.sees["u2"] = {"team"}
    async with bench(world, tmp_path) as b:
        await b.run()
        world.listing_faults["boxes", "u1"] = AccountGone("none", state=NONE)
        world.shared["boxes", "team"].put("t3")
        report = await b.run()
        assert (str(report.status), report.counts.deleted) == ("completed", 0)
        assert set(b.records("boxes")) == {"a1", "t1", "t2", "t3"}
        world.listing_faults["boxes", "u1"] = Forbidden(
            "not today"
        )  # he may have it still: no hand-over back and forth
        world.shared["boxes", "team"].put("t4")
        await b.run()
        assert "t4" in b.records("boxes")


async def test_a_partition_that_is_gone_and_cannot_be_heard_of_holds_back_no_deletion(tmp_path: Path) -> None:
    world = drives(2)
    lost = world.share("boxes", "lost", "u1")
    lost.always = PartitionGone("not there")
    world.listing_faults["boxes", "u2"] = Forbidden("no")
    async with bench(world, tmp_path) as b:
        await b.run()
        world.sees["u1"] = {"team"}
        world.shared["boxes", "team"].drop("t1")
        await b.run()
        assert set(b.records("boxes")) == {"a1", "t2"}
