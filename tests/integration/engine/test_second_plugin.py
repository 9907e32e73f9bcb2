"""What a second kind of provider needs of the engine: delta imports, partitions that vanish, families, parts of records."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from syncd.sdk import (
    DELTA,
    FULL,
    Account,
    AccountGone,
    Bookmark,
    Context,
    CursorExpired,
    Departed,
    Page,
    Partition,
    PartitionGone,
    Record,
    StreamInfo,
    Tombstone,
)

from .script import FakeStream, PartedStream, World, bench

pytestmark = pytest.mark.anyio


class DeltaWorld(World):
    """`news` is what the next delta import yields; `places` collects what imports were asked with."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_with: list[tuple[str, Any]] = []
        self.news: list[Account | Departed] | Exception = []

    async def accounts(self, ctx: Context) -> AsyncIterator[Any]:  # type: ignore[override]
        self.asked_with.append((str(ctx.scan), ctx.cursor))
        if ctx.scan is FULL:
            for person in self.people:
                yield person
        elif isinstance(self.news, Exception):
            raise self.news
        else:
            for item in self.news:
                yield item
        yield Bookmark({"n": len(self.asked_with)})


async def test_a_later_import_reads_only_what_changed(tmp_path: Path) -> None:
    world = DeltaWorld()
    world.add_people(3)
    async with bench(world, tmp_path) as b:
        world.news = [Account("u4", "new@acme.example"), Departed("u2"), Account("u1", "renamed@acme.example")]
        report = await b.executor.import_accounts("acme")
        assert world.asked_with == [("full", None), ("delta", {"n": 1})]
        assert (report.new, report.gone) == (["new@acme.example"], ["p2@acme.example"])
        states = {row.account.id: (row.label, row.gone_at is None) for row in report.accounts}
        assert states["u1"] == ("renamed@acme.example", True)
        assert states["u3"] == ("p3@acme.example", True)
        assert not states["u2"][1]


async def test_a_lost_place_of_imports_leads_to_a_complete_listing(tmp_path: Path) -> None:
    world = DeltaWorld()
    world.add_people(2)
    async with bench(world, tmp_path) as b:
        world.news = CursorExpired("too old")
        world.people.pop()
        report = await b.executor.import_accounts("acme")
        assert [scan for scan, _ in world.asked_with] == ["full", "delta", "full"]
        assert report.gone == ["p2@acme.example"]


async def test_accounts_are_listed_completely_once_a_week(tmp_path: Path) -> None:
    world = DeltaWorld()
    async with bench(world, tmp_path) as b:
        b.later(days=6)
        await b.executor.import_accounts("acme")
        b.later(days=2)
        await b.executor.import_accounts("acme")
        assert [scan for scan, _ in world.asked_with] == ["full", "delta", "full"]


async def test_a_stream_that_the_import_found_missing_is_not_asked_for_a_day(tmp_path: Path) -> None:
    world = World(kinds={"items": PartedStream})
    world.people = [Account("u1", "ann@acme.example", streams={"items": "no mailbox"})]
    place = world.place("items")
    place.put("1")
    async with bench(world, tmp_path) as b:
        report = await b.run()
        assert (report.status, place.asked) == ("completed", 0)
        b.later(hours=25)
        assert (await b.run()).status == "completed"
        assert place.asked == 1
        assert b.records().keys() == {"1"}


class Knowing(PartedStream):
    """Gives back what is known without asking, as long as there is something."""

    async def partitions(self, ctx: Context) -> Sequence[Partition]:
        self.world.sees.setdefault("asked", set()).add(",".join(part.id for part in ctx.partitions))
        return list(ctx.partitions) or await super().partitions(ctx)


async def test_partitions_that_are_known_can_be_given_back_also_after_a_restart(tmp_path: Path) -> None:
    world = World(kinds={"items": Knowing})
    world.place("items", partition="drive-1").put("1")
    async with bench(world, tmp_path) as b:
        await b.run()
    assert world.sees.pop("asked") == {""}
    async with bench(world, tmp_path, imported=False) as b:
        await b.run()
        await b.run()
    assert world.sees.pop("asked") == {"drive-1"}


async def test_a_partition_found_gone_is_listed_anew_in_the_same_run(tmp_path: Path) -> None:
    world = World(kinds={"items": Knowing})
    old = world.place("items", partition="drive-1")
    old.put("1")
    async with bench(world, tmp_path) as b:
        await b.run()
        world.places.clear()
        world.place("items", partition="drive-1").always = PartitionGone("no such drive")
        gone = world.places.pop(("items", "u1", "drive-1"))
        world.place("items", partition="drive-2").put("2")
        world.shared[("items", "drive-1")] = gone  # still answers, is not listed any more
        report = await b.run()
        assert report.status == "completed", report.errors
        assert {key for key, row in b.records().items()} == {"2"}
        assert {row["source_id"] for row in b.store.records("acme", "items", deleted=True)} == {"1"}


async def test_a_partition_that_is_listed_and_gone_at_once_makes_the_run_partial(tmp_path: Path) -> None:
    world = World(kinds={"items": PartedStream})
    world.place("items", partition="a").put("1")
    other = world.place("items", partition="b")
    other.put("2")
    async with bench(world, tmp_path) as b:
        await b.run()
        other.always = PartitionGone("no such folder")
        report = await b.run()
        assert report.status == "partial"
        assert report.errors[0].code == "SYN-PARTITION-001"
        assert b.records().keys() == {"1", "2"}


class Family(FakeStream):
    """Yields what the test wrote down, and notes the children that it is told of."""

    seen: dict[str, list[str]]

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        world: Any = self.world
        self.seen = await ctx.children(["m", "n"])
        yield Page(world.script.pop(0), last=True, bookmark=1)


async def test_a_stream_is_told_of_the_children_that_were_committed(tmp_path: Path) -> None:
    world: Any = World(kinds={"items": Family})
    world.script = [
        [Record("m", {"a": 1}), Record("x", {"a": 1}, parent="m"), Record("y", {"a": 1}, parent="m")],
        [Tombstone("y")],
        [],
        [],
    ]
    async with bench(world, tmp_path) as b:
        stream: Any = world.streams()[0]
        await b.run()
        assert stream.seen == {}
        await b.run()
        assert stream.seen == {"m": ["x", "y"]}
        await b.run()
        assert stream.seen == {"m": ["x"]}


async def test_a_part_of_a_record_changes_only_that_part(tmp_path: Path) -> None:
    world: Any = World(StreamInfo("items", kind="message"), kinds={"items": Family})
    whole = Record(
        "1",
        {"subject": "a", "isRead": False, "tags": ["x"]},
        summary={"subject": "a", "from": "ann@acme.example"},
        parent="p",
        name="n",
        etag="e1",
    )
    part = Record("1", {"isRead": True, "tags": None}, summary={"subject": "b"}, partial=True)
    same = Record("1", {"isRead": True}, partial=True)
    world.script = [[whole], [part], [same]]
    async with bench(world, tmp_path) as b:
        await b.run()
        report = await b.run()
        assert report.counts.updated == 1
        (row,) = b.records().values()
        assert row["data"] == {"subject": "a", "isRead": True}
        assert row["summary"] == {"subject": "b", "from": "ann@acme.example"}
        assert (await b.run()).counts.unchanged == 1
        assert b.records()["1"]["version"] == 2


class Mailbox(PartedStream):
    """Its `get` says where an item lives now."""

    async def get(self, ctx: Context, ids: Sequence[str]) -> AsyncIterator[Any]:
        for key in ids:
            where = next((place for place in self.world.places.values() if key in place.items), None)
            if where is None:
                yield Tombstone(key)
            else:
                yield Record(key, dict(where.items[key]), partition=where.partition.id)


async def test_a_move_whose_target_does_not_tell_is_found_by_asking(tmp_path: Path) -> None:
    world = World(kinds={"items": Mailbox})
    inbox, archive = world.place("items", partition="inbox"), world.place("items", partition="archive")
    inbox.put("1", "2")
    archive.put("3")
    async with bench(world, tmp_path) as b:
        await b.run()
        inbox.drop("1")
        archive.items["1"] = {"id": "1"}  # its log says nothing of it
        report = await b.run()
        assert report.status == "completed", report.errors
        row = b.records()["1"]
        assert (row["partition"], row["change"], row["deleted_at"]) == ("archive", "updated", None)
        assert archive.rounds[-1][0] == str(FULL)
        assert inbox.rounds[-1][0] == str(DELTA)


async def test_an_account_without_the_service_is_no_failure(tmp_path: Path) -> None:
    world = World(kinds={"items": PartedStream})
    world.listing_faults[("items", "u1")] = AccountGone("no mailbox", state="not_provisioned")
    async with bench(world, tmp_path) as b:
        report = await b.run()
        assert report.status == "completed"
        (account,) = await b.store.accounts("acme")
        assert account.account.streams == {"items": "not_provisioned"}
