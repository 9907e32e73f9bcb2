"""What the engine promises (DESIGN §7), each with a way to fail, on the real store."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from syncd.config.model import AccountFilter, ConnectionLimits, Deletions, MaxDelete
from syncd.engine.executor import Busy, RunRequest, UnknownName
from syncd.engine.ports import Counts, RunScope
from syncd.sdk import (
    DELTA,
    FULL,
    PARTITION,
    Account,
    AccountGone,
    AuthFailed,
    Blob,
    Context,
    CursorExpired,
    Forbidden,
    Page,
    Partition,
    ProtocolError,
    RateLimited,
    Record,
    Reject,
    StreamInfo,
    Tombstone,
    Transient,
)
from syncd.store import SqlStore, StoreFailed
from syncd.testing import FakeClock
from tests.integration.engine.script import Bench, PartedStream, Place, World, bench, until

pytestmark = pytest.mark.anyio

BOXES = StreamInfo("boxes")
CALENDARS = StreamInfo("calendars", identity=PARTITION)


def boxes(info: StreamInfo = BOXES) -> World:
    return World(info, kinds={info.name: PartedStream})


def letters(count: int) -> list[str]:
    return [f"i{n:03}" for n in range(count)]


# -- 1, 3: places


async def test_a_lost_cursor_is_a_non_event(tmp_path: Path) -> None:
    world = World()
    place = world.place("items")
    place.put(*letters(20))
    async with bench(world, tmp_path) as b:
        await b.run()
        before = b.records()
        place.expire()
        place.drop("i003")
        place.put("new")
        report = await b.run()
        assert (str(report.status), report.exit_code) == ("completed", 0)
        assert list(report.errors) == []
        assert (report.counts.new, report.counts.updated, report.counts.deleted) == (1, 0, 1)
        after = b.records()
    assert "i003" not in after
    assert all(after[key]["version"] == 1 for key in before if key != "i003")
    assert [scan for scan, _ in place.rounds] == ["full", "delta", "full"]


async def test_a_place_lost_in_the_middle_of_a_full_round_starts_over(tmp_path: Path) -> None:
    world = World()
    place = world.place("items")
    place.put(*letters(12))
    place.faults = {2: place.expire}
    async with bench(world, tmp_path) as b:
        report = await b.run()
        assert str(report.status) == "completed"
        assert (report.counts.new, report.counts.unchanged) == (12, 6)
        assert len(b.records()) == 12


async def test_a_cursor_that_keeps_expiring_ends(tmp_path: Path) -> None:
    world = World()
    place = world.place("items")
    place.put("a")
    place.always = CursorExpired("never")
    async with bench(world, tmp_path) as b:
        report = await b.run()
        assert [error.code for error in report.errors] == ["SYN-CURSOR-002"]
        assert str(report.status) == "failed"
        assert len(place.rounds) == 4


async def test_a_round_that_was_cut_goes_on_where_it_stood_also_in_another_process(tmp_path: Path) -> None:
    world = World()
    place = world.place("items")
    place.put(*letters(12))
    place.faults = {n: Transient("down", exhausted=True) for n in (2,)}
    async with bench(world, tmp_path) as b:
        first = await b.run()
        assert (str(first.status), first.counts.new) == ("partial", 6)
    async with bench(world, tmp_path, imported=False) as b:
        second = await b.run()
        assert (str(second.status), second.counts.new, second.counts.unchanged) == ("completed", 6, 0)
    assert [cursor and cursor[1] for _, cursor in place.rounds] == [None, 6]


async def test_killed_between_pages_nothing_is_lost_or_twice(tmp_path: Path) -> None:
    world = World()
    place = world.place("items")
    place.put(*letters(12))
    stuck = asyncio.Event()
    place.faults = {2: stuck.wait}
    async with bench(world, tmp_path) as b:
        handle = await b.executor.submit(RunRequest("nightly"))
        await until(lambda: place.asked >= 3)
        await asyncio.sleep(0.1)
        handle.abandon()
        report = await handle.report()
        assert (str(report.status), report.reason) == ("cancelled", "shutdown")
        assert report.counts.new == 6
    async with bench(world, tmp_path, imported=False) as b:
        report = await b.run()
        assert (report.counts.new, report.counts.unchanged) == (6, 0)
        assert {row["version"] for row in b.records().values()} == {1}


@pytest.mark.parametrize("step", ["run_counts", "finish_run"])
async def test_a_run_that_is_abandoned_while_its_books_are_closed_closes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    world = World()
    world.place("items").put(*letters(3))
    async with bench(world, tmp_path) as b:
        closing, goes_on = asyncio.Event(), asyncio.Event()
        real = getattr(b.store, step)

        async def slow(*arguments: Any, **named: Any) -> Any:
            closing.set()
            await goes_on.wait()
            return await real(*arguments, **named)

        monkeypatch.setattr(b.store, step, slow)
        handle = await b.executor.submit(RunRequest("nightly"))
        await closing.wait()
        ending = asyncio.create_task(b.executor.drain(0))
        for _ in range(3):  # an impatient operator
            handle.abandon()
            await asyncio.sleep(0.01)
        assert not ending.done()
        goes_on.set()
        await ending
        row = await b.store.get_run(handle.run or 0)
        assert row is not None
        assert (str(row.status), row.counts.new) == ("completed", 3)


async def test_a_run_whose_end_could_not_be_stored_does_not_stand_in_the_way_of_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    world.place("items").put(*letters(3))
    async with bench(world, tmp_path) as b:
        with monkeypatch.context() as full:

            async def refused(*arguments: Any, **named: Any) -> None:
                raise StoreFailed("database or disk is full")

            full.setattr(b.store, "finish_run", refused)
            handle = await b.executor.submit(RunRequest("nightly"))
            with pytest.raises(StoreFailed):
                await handle.report()
            full.setattr(b.store, "close_run", refused)
            with pytest.raises(StoreFailed):
                await b.run()
        report = await b.run()
        assert (str(report.status), report.counts.listed) == ("completed", 0)
        lost = await b.store.get_run(handle.run or 0)
        assert lost is not None
        assert (str(lost.status), lost.reason, lost.counts.new) == ("cancelled", "interrupted", 3)
        assert [error.code for error in lost.errors] == ["SYN-STATE-002"]


async def test_full_rounds_come_back_when_due_and_when_asked_for(tmp_path: Path) -> None:
    world = World()
    place = world.place("items")
    place.put("a")
    async with bench(world, tmp_path) as b:
        await b.run()
        b.later(days=29)
        await b.run()
        b.later(days=2)
        await b.run()
        await b.run(full=True)
    assert [scan for scan, _ in place.rounds] == ["full", "delta", "full", "full"]


async def test_changed_options_read_everything_and_unseen_records_leave_scope(tmp_path: Path) -> None:
    world = World()
    place = world.place("items")
    place.put("a", "b")
    async with bench(world, tmp_path) as b:
        await b.run()
        place.drop("b")
        b.configure(streams={"items": {"past": "10d"}})
        report = await b.run()
        assert (str(report.status), report.counts.deleted) == ("completed", 0)
        assert [scan for scan, _ in place.rounds] == ["full", "full"]


# -- 2: the ledger


async def test_rejects_are_counted_named_and_make_the_run_partial(tmp_path: Path) -> None:
    world = World()

    async def pages(ctx: Context) -> AsyncIterator[Page]:
        yield Page([Record("a", {}), Reject("no id"), Reject("odd", "b")], skipped=2, last=True, bookmark=1)

    world.place("items").pages = pages
    async with bench(world, tmp_path) as b:
        report = await b.run()
    assert (str(report.status), report.exit_code) == ("partial", 3)
    assert (report.counts.new, report.counts.failed, report.counts.skipped, report.counts.listed) == (1, 2, 2, 5)
    assert [(error.code, error.source_id) for error in report.errors] == [("SYN-ITEM-001", None), ("SYN-ITEM-001", "b")]
    assert all(error.hint for error in report.errors)


class Forgetful:
    """A store whose ledger loses an item."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def run_counts(self, run: int) -> dict[tuple[int, str], Counts]:
        found = dict(await self._store.run_counts(run))
        for counts in found.values():
            counts.new -= 1
            counts.listed -= 1
        return found


async def test_a_ledger_that_lost_an_item_fails_the_run(tmp_path: Path) -> None:
    world = World()
    world.place("items").put("a", "b")
    async with bench(world, tmp_path, wrap=Forgetful) as b:
        report = await b.run()
    assert (str(report.status), [error.code for error in report.errors]) == ("failed", ["SYN-RUN-004"])


@pytest.mark.parametrize(
    ("yielded", "text"),
    [
        ([Page([], resume=1)], "without a last"),
        ([], "without a last"),
        ([Page([], last=True)], "without a bookmark"),
        ([Page([], last=True, bookmark=1), Page([], last=True, bookmark=1)], "after the last"),
        ([Page([], resume=1), Page([], resume=1)], "same resume"),
        ([Page([Record("a", {})], resume=n) for n in (1, 2, 1, 2, 1, 2)], "already left"),
        (["page"], "str instead of a Page"),
        ([Page(["item"], last=True, bookmark=1)], "str among the items"),  # type: ignore[list-item]
        ([Page([Record(7, {})], last=True, bookmark=1)], "source id is 7"),  # type: ignore[arg-type]
        ([Page([Record("", {})], last=True, bookmark=1)], "source id is ''"),
        ([Page([Record("a", "x")], last=True, bookmark=1)], "data is str"),  # type: ignore[arg-type]
        ([Page([], last=True, bookmark="x" * 300_000)], "more than 262144"),
        ([Page([], resume={1, 2})], "not JSON"),
    ],
)
async def test_chains_that_make_no_sense_fail_their_partition(tmp_path: Path, yielded: list[Any], text: str) -> None:
    world = World(StreamInfo("items"))
    world.add_people(2)

    async def pages(ctx: Context) -> AsyncIterator[Page]:
        for page in yielded:
            yield page

    world.place("items", "u1").pages = pages
    world.place("items", "u2").put("b")
    async with bench(world, tmp_path) as b:
        report = await b.run()
        assert "b" in b.records()
    assert str(report.status) == "partial"
    [error] = report.errors
    assert (error.code, error.account) == ("SYN-PROTO-001", "p1@acme.example")
    assert text in error.message
    assert len(world.place("items", "u1").rounds) == 5  # tries


async def test_a_stream_that_is_no_generator_is_named(tmp_path: Path) -> None:
    world = World()

    async def pages(ctx: Context) -> list[Page]:
        return []

    world.streams()[0].pages = pages  # type: ignore[method-assign]
    async with bench(world, tmp_path) as b:
        report = await b.run()
    assert "asynchronous iterator" in report.errors[0].message


async def test_a_hanging_stream_fails_its_partition(tmp_path: Path) -> None:
    world = World()
    world.add_people(2)
    world.place("items", "u1").faults = {0: asyncio.Event().wait}
    world.place("items", "u2").put("b")
    async with bench(world, tmp_path) as b:
        b.executor._engine.inactivity = 0.1
        report = await b.run()
    assert (str(report.status), report.counts.new) == ("partial", 1)
    assert "nothing came" in report.errors[0].message


# -- 4: deletions


async def test_a_move_between_partitions_is_one_update_and_no_deletion(tmp_path: Path) -> None:
    world = boxes()
    for name in ("in", "out"):
        world.place("boxes", "u1", name).put(f"{name}1", f"{name}2")
    async with bench(world, tmp_path) as b:
        await b.run()
        item = world.place("boxes", "u1", "in").items["in1"]
        world.place("boxes", "u1", "in").drop("in1")
        world.place("boxes", "u1", "out").items["in1"] = item
        world.place("boxes", "u1", "out").log.append("in1")
        report = await b.run()
        assert (str(report.status), report.counts.updated, report.counts.deleted) == ("completed", 1, 0)
        assert report.counts.pending == 0
        assert b.records("boxes")["in1"]["partition"] == "out"


async def test_a_deletion_shows_in_the_run_that_met_it(tmp_path: Path) -> None:
    world = boxes()
    for name in ("in", "out", "junk"):
        world.place("boxes", "u1", name).put(f"{name}1", f"{name}2")
    async with bench(world, tmp_path) as b:
        await b.run()
        world.place("boxes", "u1", "in").drop("in1")
        report = await b.run()
        assert (str(report.status), report.counts.deleted, report.counts.pending) == ("completed", 1, 0)
        assert "in1" not in b.records("boxes")


class AskedStream(PartedStream):
    """Answers for single items; `tombstones` are told by the delta although the items are still there."""

    async def get(self, ctx: Context, ids: Sequence[str]) -> AsyncIterator[Record | Tombstone | Reject]:
        assert ctx.account is not None
        self.world.fetched += ids
        places = [place for (_, account, _), place in self.world.places.items() if account == ctx.account.id]
        for key in ids:
            found = next((place.items[key] for place in places if key in place.items), None)
            yield Tombstone(key) if found is None else Record(key, dict(found))


async def test_a_deletion_is_confirmed_by_get_where_the_stream_has_it(tmp_path: Path) -> None:
    world = World(BOXES, kinds={"boxes": AskedStream})
    inbox, archive = world.place("boxes", partition="inbox"), world.place("boxes", partition="archive")
    inbox.put(*letters(8))
    archive.put("a", "b")
    async with bench(world, tmp_path) as b:
        await b.run()
        inbox.drop("i000", "i001")
        archive.items["i001"] = {"id": "i001"}  # moved, and the archive's feed does not tell yet
        report = await b.run()
        assert sorted(world.fetched) == ["i000", "i001"]
        assert (report.counts.deleted, report.counts.unchanged, report.counts.pending) == (1, 1, 0)
        assert report.counts.balanced
        assert len(archive.rounds) == 2, "no second look where the provider can be asked"
        assert set(b.records("boxes")) == {*letters(8)[1:], "a", "b"}


async def test_a_deletion_that_cannot_be_asked_about_stays_open(tmp_path: Path) -> None:
    class Silent(AskedStream):
        async def get(self, ctx: Context, ids: Sequence[str]) -> AsyncIterator[Record | Tombstone | Reject]:
            raise Transient("no answer", exhausted=True)
            yield Tombstone("")

    world = World(BOXES, kinds={"boxes": Silent})
    inbox = world.place("boxes", partition="inbox")
    inbox.put(*letters(8))
    async with bench(world, tmp_path) as b:
        await b.run()
        inbox.drop("i000")
        report = await b.run()
        assert (str(report.status), report.counts.pending, report.counts.deleted) == ("partial", 1, 0)
        assert len(b.records("boxes")) == 8


async def test_a_listing_by_position_is_read_twice_before_anything_is_deleted(tmp_path: Path) -> None:
    world = World(StreamInfo("items", scans={FULL}, stable_listing=False))
    place = world.place("items")
    place.put("a", "b", "c", "d", "e")
    async with bench(world, tmp_path) as b:
        await b.run()
        assert len(place.rounds) == 1
        place.drop("b")
        report = await b.run()
        assert (report.counts.deleted, len(place.rounds)) == (1, 3)


async def test_too_many_deletions_are_held(tmp_path: Path) -> None:
    world = World()
    place = world.place("items")
    place.put(*letters(30))
    async with bench(world, tmp_path) as b:
        await b.run()
        place.drop(*letters(12))
        report = await b.run()
        assert (str(report.status), report.exit_code, report.counts.held) == ("held", 4, 12)
        assert [error.code for error in report.errors] == ["SYN-HOLD-001"]
        assert len(b.records()) == 30
        again = await b.run()
        assert str(again.status) == "held"


async def test_an_empty_answer_is_an_accident_until_a_person_says_otherwise(tmp_path: Path) -> None:
    world = World(StreamInfo("items", scans={FULL}))
    place = world.place("items")
    place.put("a", "b")
    async with bench(world, tmp_path, max_delete=MaxDelete(1.0)) as b:
        await b.run()
        place.items.clear()
        report = await b.run()
        assert (str(report.status), report.counts.held) == ("held", 2)
        place.put("a", "b")
        healed = await b.run()
        assert (str(healed.status), healed.counts.held) == ("completed", 0)
        assert len(b.records()) == 2


async def test_a_vanished_partition_takes_its_records_along(tmp_path: Path) -> None:
    world = boxes(CALENDARS)
    world.place("calendars", "u1", "one").put("a", "b")
    world.place("calendars", "u1", "two").put("a")
    async with bench(world, tmp_path) as b:
        await b.run()
        del world.places[("calendars", "u1", "two")]
        report = await b.run()
        assert (str(report.status), report.counts.deleted) == ("completed", 1)


async def test_kept_deletions_stay_live(tmp_path: Path) -> None:
    world = World()
    world.place("items").put("a", "b")
    async with bench(world, tmp_path, deletions=Deletions.KEEP) as b:
        await b.run()
        world.place("items").drop("a")
        await b.run()
        assert set(b.records()) == {"a", "b"}


# -- 5: isolation


class Odd(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (Odd("what"), "SYN-PLUGIN-001", "partial"),
        (Forbidden("no"), "SYN-AUTH-002", "partial"),
        (Transient("down", exhausted=True), "SYN-NET-001", "partial"),
        (Transient("down"), "SYN-NET-001", "partial"),
        (ProtocolError("what"), "SYN-PROTO-001", "partial"),
        (RateLimited(retry_after=4000), "SYN-RATE-001", "partial"),
        (AccountGone("no mailbox", state="unavailable: no mailbox"), None, "completed"),
    ],
)
async def test_one_bad_partition_does_not_stop_the_others(
    tmp_path: Path, error: Exception, code: str | None, status: str
) -> None:
    world = World()
    world.add_people(3)
    for n in (1, 2, 3):
        world.place("items", f"u{n}").put(f"a{n}")
    world.place("items", "u2").always = error
    async with bench(world, tmp_path) as b:
        report = await b.run()
        assert (str(report.status), report.counts.new) == (status, 2)
        assert [(e.code, e.account, e.stream) for e in report.errors] == (
            [(code, "p2@acme.example", "items")] if code else []
        )
        if code == "SYN-PLUGIN-001":
            assert "Odd: what" in (report.errors[0].detail or "")
        if code is None:
            rows = {row.account.id: row for row in await b.store.accounts("acme")}
            assert rows["u2"].account.streams["items"] == "unavailable: no mailbox"
            world.place("items", "u2").always = None
            await b.run()
            rows = {row.account.id: row for row in await b.store.accounts("acme")}
            assert rows["u2"].account.streams["items"] == "ready"


@pytest.mark.parametrize(
    ("error", "status", "codes"),
    [
        (Forbidden("no"), "partial", ["SYN-AUTH-002"]),
        (AccountGone("none"), "completed", []),
        (Odd("x"), "partial", ["SYN-PLUGIN-001"]),
        (Transient("x"), "partial", ["SYN-NET-001"]),
        (RateLimited(retry_after=4000), "partial", ["SYN-RATE-001"]),
        (CursorExpired("x"), "partial", ["SYN-CURSOR-001"]),
    ],
)
async def test_an_account_whose_partitions_cannot_be_listed(
    tmp_path: Path, error: Exception, status: str, codes: list[str]
) -> None:
    world = boxes()
    world.add_people(2)
    world.place("boxes", "u1", "in").put("a")
    world.place("boxes", "u2", "in").put("b")
    async with bench(world, tmp_path) as b:
        await b.run()
        world.listing_faults[("boxes", "u1")] = error
        world.place("boxes", "u2", "in").put("c")
        report = await b.run()
        assert (str(report.status), report.counts.new, [e.code for e in report.errors]) == (status, 1, codes)
        assert set(b.records("boxes")) == {"a", "b", "c"}  # nothing is concluded from a listing that failed


async def test_faults_that_pass_are_not_seen(tmp_path: Path) -> None:
    world = World()
    place = world.place("items")
    place.put(*letters(9))
    place.faults = {0: Transient("x"), 2: ProtocolError("x"), 3: Transient("x"), 5: RateLimited(retry_after=20)}
    async with bench(world, tmp_path) as b:
        report = await b.run()
    assert (str(report.status), report.counts.new, list(report.errors)) == ("completed", 9, [])


async def test_progress_resets_the_patience(tmp_path: Path) -> None:
    world = World()
    place = world.place("items")
    place.put(*letters(9))
    place.faults = {n: Transient("x") for n in (0, 1, 2, 3, 5, 6, 7, 8)}
    async with bench(world, tmp_path) as b:
        assert str((await b.run()).status) == "completed"


# -- 6: credentials


async def test_a_refused_credential_ends_the_run(tmp_path: Path) -> None:
    world = World()
    world.add_people(40)
    for n in range(1, 41):
        world.place("items", f"u{n}").put("a")
    world.place("items", "u1").always = AuthFailed("invalid_grant")
    async with bench(world, tmp_path, concurrency=2) as b:
        report = await b.run()
    assert (str(report.status), report.auth_failed, report.exit_code) == ("failed", True, 77)
    assert sum(place.asked for place in world.places.values()) < 20
    assert report.errors[0].code == "SYN-AUTH-001"


# -- 7: throttling


async def test_a_wait_is_not_a_failure(tmp_path: Path) -> None:
    world = World()
    place = world.place("items")
    place.put(*letters(9))
    place.faults = {1: RateLimited(retry_after=100), 3: RateLimited(retry_after=100)}
    async with bench(world, tmp_path) as b:
        start = b.clock.monotonic()
        report = await b.run()
        assert (str(report.status), report.counts.new) == ("completed", 9)
        assert b.clock.monotonic() - start == 200


async def test_waits_beyond_max_wait_defer_until_the_provider_allows(tmp_path: Path) -> None:
    world = World()
    place = world.place("items")
    place.put(*letters(9))
    place.faults = {1: RateLimited(retry_after=1000)}
    async with bench(world, tmp_path) as b:
        report = await b.run()
        assert (str(report.status), report.exit_code, report.counts.new) == ("partial", 3, 3)
        too_early = await b.run()
        assert (str(too_early.status), too_early.exit_code) == ("partial", 75)
        assert place.asked == 2
        b.later(seconds=1001)
        report = await b.run()
        assert (str(report.status), report.counts.new) == ("completed", 6)


async def test_everybody_deferred_means_try_later(tmp_path: Path) -> None:
    world = World()
    world.add_people(3)
    for n in (1, 2, 3):
        world.place("items", f"u{n}").always = RateLimited(retry_after=400)
    async with bench(world, tmp_path, limits=ConnectionLimits()) as b:
        report = await b.run()
    assert (str(report.status), report.exit_code, report.auth_failed) == ("partial", 75, False)


async def test_max_wait_is_the_operators(tmp_path: Path) -> None:
    from datetime import timedelta

    world = World()
    place = world.place("items")
    place.put("a")
    place.faults = {0: RateLimited(retry_after=1000)}
    async with bench(world, tmp_path, limits=ConnectionLimits(max_wait=timedelta(hours=1))) as b:
        assert str((await b.run()).status) == "completed"


async def test_accounts_that_must_wait_do_not_hold_up_the_others(tmp_path: Path) -> None:
    world = World()
    world.add_people(6)
    for n in range(1, 7):
        world.place("items", f"u{n}").put(f"a{n}")
    for n in (1, 2, 3):
        world.place("items", f"u{n}").faults = {0: RateLimited(retry_after=100)}
    clock = FakeClock(auto=False)
    async with bench(world, tmp_path, clock=clock, concurrency=2) as b:
        handle = await b.executor.submit(RunRequest("nightly"))
        await until(lambda: handle.progress.streams.get("items", Counts()).new == 3)
        await until(lambda: clock.sleeping == 3)
        assert not handle.done
        clock.advance(100)
        report = await handle.report()
        assert (str(report.status), report.counts.new) == ("completed", 6)
        assert b.executor._engine.slots._value == 2  # every place was given back, once


# -- 8: one page ahead, and no more


async def test_one_page_is_fetched_ahead_never_more(tmp_path: Path) -> None:
    world = World()
    place = world.place("items")
    place.put(*letters(30))
    seen: list[int] = []

    class Slow:
        def __init__(self, store: SqlStore) -> None:
            self._store = store

        def __getattr__(self, name: str) -> Any:
            return getattr(self._store, name)

        async def apply_page(self, *arguments: Any, **more: Any) -> Any:
            await asyncio.sleep(0.02)
            seen.append(place.asked)
            return await self._store.apply_page(*arguments, **more)

    async with bench(world, tmp_path, wrap=Slow) as b:
        await b.run()
    assert seen == [2, 3, 4, 5, 6, 7, 8, 9, 10, 10]


# -- 9: no overlap


async def test_a_second_request_joins_if_covered_and_is_refused_otherwise(tmp_path: Path) -> None:
    world = World()
    go = asyncio.Event()
    world.place("items").put("a")
    world.place("items").faults = {0: go.wait}
    async with bench(world, tmp_path) as b:
        first = await b.executor.submit(RunRequest("nightly"))
        second = await b.executor.submit(RunRequest("nightly", scope=RunScope(streams=("items",))))
        assert (second.run, second.joined) == (first.run, True)
        with pytest.raises(Busy) as caught:
            await b.executor.submit(RunRequest("nightly", scope=RunScope(full=True)))
        assert caught.value.run == first.run
        with pytest.raises(UnknownName):
            await b.executor.submit(RunRequest("weekly"))
        go.set()
        assert (await second.report()).run == (await first.report()).run
        assert b.executor.running() == []


async def test_another_process_is_left_alone(tmp_path: Path) -> None:
    world = World()
    go = asyncio.Event()
    world.place("items").put("a")
    world.place("items").faults = {0: go.wait}
    async with bench(world, tmp_path) as b, bench(World(), tmp_path, imported=False) as other:
        first = await b.executor.submit(RunRequest("nightly"))
        with pytest.raises(Busy):
            await other.executor.submit(RunRequest("nightly"))
        go.set()
        await first.report()


# -- stopping


async def stopped(b: Bench, place: Place, act: Any) -> Any:
    gate = asyncio.Event()
    place.faults = {1: gate.wait}
    handle = await b.executor.submit(RunRequest("nightly"))
    await until(lambda: place.asked >= 2)
    await act(handle)
    return await handle.report()


async def test_cancel_stops_without_waiting_for_the_provider(tmp_path: Path) -> None:
    world = World()
    world.place("items").put(*letters(9))

    async def cancel(handle: Any) -> None:
        assert b.executor.cancel(handle.run)

    async with bench(world, tmp_path) as b:
        report = await stopped(b, world.place("items"), cancel)
        assert (str(report.status), report.reason, report.counts.new) == ("cancelled", "cancelled", 3)
        assert not b.executor.cancel(report.run)
        report = await b.run()
        assert (str(report.status), report.counts.new) == ("completed", 6)


async def test_reload_says_so(tmp_path: Path) -> None:
    world = World()
    world.place("items").put(*letters(9))

    async def reload(handle: Any) -> None:
        await b.executor.cancel_sync("nightly")

    async with bench(world, tmp_path) as b:
        report = await stopped(b, world.place("items"), reload)
        assert (str(report.status), report.reason) == ("cancelled", "reload")
        assert await b.executor.cancel_sync("nightly") is None


async def test_drain_takes_no_more_and_ends_what_runs(tmp_path: Path) -> None:
    world = World()
    world.place("items").put(*letters(9))

    async def drain(handle: Any) -> None:
        await b.executor.drain(5)

    async with bench(world, tmp_path) as b:
        report = await stopped(b, world.place("items"), drain)
        assert (str(report.status), report.reason, report.counts.new) == ("cancelled", "shutdown", 3)
        with pytest.raises(Busy):
            await b.executor.submit(RunRequest("nightly"))


async def test_a_wait_for_the_provider_does_not_hold_up_a_stop(tmp_path: Path) -> None:
    world = World()
    place = world.place("items")
    place.put("a")
    place.faults = {0: RateLimited(retry_after=100)}
    clock = FakeClock(auto=False)
    async with bench(world, tmp_path, clock=clock) as b:
        handle = await b.executor.submit(RunRequest("nightly"))
        await until(lambda: clock.sleeping)
        handle.cancel()
        async with asyncio.timeout(5):
            assert str((await handle.report()).status) == "cancelled"


# -- whom a run covers


async def test_only_imported_active_matching_accounts_are_covered(tmp_path: Path) -> None:
    world = World()
    world.people = [
        Account("u1", "ann@acme.example"),
        Account("u2", "bob@acme.example", state="suspended"),
        Account("u3", "ceo@acme.example"),
        Account("u4", "Dan@acme.example"),
    ]
    for n in range(1, 5):
        world.place("items", f"u{n}").put(f"a{n}")
    async with bench(world, tmp_path, accounts=AccountFilter(exclude=("ceo@*",))) as b:
        await b.run()
        assert set(b.records()) == {"a1", "a4"}
        report = await b.run(accounts=("DAN@acme.example",))
        assert report.streams[0]["accounts"] == 1
        nobody = await b.run(accounts=("ceo@acme.example",))
        assert (str(nobody.status), nobody.errors[0].code, nobody.exit_code) == ("failed", "SYN-ACCOUNT-002", 1)


async def test_nothing_imported_is_a_failure(tmp_path: Path) -> None:
    async with bench(World(), tmp_path, imported=False) as b:
        report = await b.run()
    assert (str(report.status), report.errors[0].code) == ("failed", "SYN-ACCOUNT-002")


async def test_automatic_discovery_imports_daily(tmp_path: Path) -> None:
    world = World()
    world.place("items").put("a")
    async with bench(world, tmp_path, imported=False, discovery="automatic") as b:
        assert str((await b.run()).status) == "completed"
        world.add_people(2)
        assert (await b.run()).streams[0]["accounts"] == 1
        b.later(days=1)
        assert (await b.run()).streams[0]["accounts"] == 2


async def test_two_streams_are_told_apart(tmp_path: Path) -> None:
    world = World(StreamInfo("items"), StreamInfo("things", scans={FULL, DELTA}))
    world.place("items").put("a")
    world.place("things").put("x", "y")
    world.place("things").always = Forbidden("scope")
    async with bench(world, tmp_path) as b:
        report = await b.run()
        assert {s["stream"]: (s["status"], s["counts"]["new"]) for s in report.streams} == {
            "items": ("completed", 1),
            "things": ("failed", 0),
        }
        assert str(report.status) == "partial"
        only = await b.run(streams=("items",))
        assert [s["stream"] for s in only.streams] == ["items"]
        unknown = await b.run(streams=("nope",))
        assert (str(unknown.status), unknown.errors[0].code) == ("failed", "SYN-CONF-002")


# -- shared partitions


async def test_a_shared_partition_is_read_once_and_stays_with_its_claimant(tmp_path: Path) -> None:
    world = boxes()
    world.add_people(3)
    team = world.share("boxes", "team", "u2", "u3")
    team.put("t1", "t2")
    for n in (1, 2, 3):
        world.place("boxes", f"u{n}", "own").put(f"a{n}")
    async with bench(world, tmp_path) as b:
        report = await b.run()
        assert (str(report.status), report.counts.new) == ("completed", 5)
        assert len(team.rounds) == 1
        assert b.records("boxes")["t1"]["account"] == "p2@acme.example"
        world.sees["u1"] = {"team"}
        await b.run()
        assert b.records("boxes")["t1"]["account"] == "p2@acme.example"


async def test_a_hand_over_changes_the_account_and_nothing_else(tmp_path: Path) -> None:
    world = boxes()
    world.add_people(2)
    team = world.share("boxes", "team", "u1", "u2")
    team.put("t1", "t2")
    async with bench(world, tmp_path) as b:
        await b.run()
        world.sees["u1"] = set()
        report = await b.run()
        assert (str(report.status), report.counts.deleted, report.counts.new) == ("completed", 0, 0)
        row = b.records("boxes")["t1"]
        assert (row["account"], row["version"]) == ("p2@acme.example", 1)
        assert [scan for scan, _ in team.rounds] == ["full", "full"]


async def test_a_shared_partition_that_nobody_sees_any_more_is_gone_only_if_everybody_was_heard(tmp_path: Path) -> None:
    world = boxes()
    world.add_people(2)
    world.share("boxes", "team", "u1").put("t1", "t2")
    world.place("boxes", "u1", "own").put("a1")
    world.place("boxes", "u2", "own").put("a2")
    async with bench(world, tmp_path) as b:
        await b.run()
        world.sees["u1"] = set()
        world.listing_faults[("boxes", "u2")] = Forbidden("no")
        await b.run()
        assert "t1" in b.records("boxes")
        world.listing_faults.clear()
        report = await b.run()
        assert report.counts.deleted == 2
        assert "t1" not in b.records("boxes")


async def test_excluded_partitions_are_not_read_and_not_deleted(tmp_path: Path) -> None:
    world = boxes()
    world.place("boxes", "u1", "in").put("a")
    world.place("boxes", "u1", "junk").put("b")
    async with bench(world, tmp_path) as b:
        await b.run()
        place = world.place("boxes", "u1", "junk")
        place.partition = Partition("junk", excluded=True)
        report = await b.run()
        assert (str(report.status), report.counts.deleted) == ("completed", 0)
        assert len(place.rounds) == 1


# -- what a purge leaves behind in memory


@pytest.mark.parametrize("purged", [["ann@acme.example"], []], ids=["account", "connection"])
@pytest.mark.parametrize("told", [False, True])
async def test_rows_that_a_purge_numbers_anew_are_not_taken_for_others(
    tmp_path: Path, purged: list[str], told: bool
) -> None:
    """SQLite gives the numbers of removed rows to new ones. `told`: this process has done the purge itself."""
    world = World(StreamInfo("items"), StreamInfo("notes"))
    world.people.append(Account("u2", "bob@acme.example", organization="acme"))
    for stream in ("items", "notes"):
        for person in ("u1", "u2"):
            world.place(stream, person).put(f"{person} {stream}")
    async with bench(world, tmp_path) as b:
        await b.run()
        erasure = b.store.erasure()
        target = await b.store.purge_target("acme", purged, [])
        await erasure.begin(target)
        async for _ in erasure.finish(target):
            pass
        if told:
            b.executor.purged("acme")
        world.people.reverse()
        await b.import_all()
        for scope in ({"streams": ("notes",), "accounts": ("bob@acme.example",)}, {"streams": ("notes",)}, {}):
            report = await b.run(**scope)
            assert (str(report.status), list(report.errors)) == ("completed", [])
        for stream in ("items", "notes"):
            found = {row["account"]: key for key, row in b.records(stream).items()}
            assert found == {"ann@acme.example": f"u1 {stream}", "bob@acme.example": f"u2 {stream}"}


# -- what is not deleted, and what is not kept


@pytest.mark.parametrize("shared", [False, True])
async def test_a_partition_that_comes_back_is_read_whole(tmp_path: Path, shared: bool) -> None:
    world = boxes()
    world.place("boxes", partition="own").put("x", "y")
    other = world.share("boxes", "S", "u1") if shared else world.place("boxes", partition="other")
    other.put("a", "b", "c")
    places, sees = dict(world.places), {"u1": set(world.sees.get("u1", ()))}
    async with bench(world, tmp_path) as b:
        await b.run()
        world.sees["u1"].clear() if shared else world.places.pop(("boxes", "u1", "other"))
        assert (await b.run()).counts.deleted == 3
        world.places.update(places)
        world.sees.update(sees)
        report = await b.run()
        assert (str(report.status), report.counts.new) == ("completed", 3)
        assert set(b.records("boxes")) == {"a", "b", "c", "x", "y"}


async def test_a_reset_in_a_full_round_takes_its_sweep_away(tmp_path: Path) -> None:
    world = World()
    place = world.place("items")
    place.put("a", "b", "c", "d")
    async with bench(world, tmp_path) as b:
        await b.run()

        async def pages(ctx: Context) -> AsyncIterator[Page]:
            yield Page([Record("a", {"id": "a"})], resume=1)
            await b.store.reset("acme", ["items"], None)
            yield Page([Record("b", {"id": "b"}), Reject("garbled")], resume=2)  # it may have been c
            yield Page([Record("d", {"id": "d"})], last=True, bookmark=[0, 0, 0])

        place.pages = pages
        await b.run(full=True)
        assert set(b.records()) == {"a", "b", "c", "d"}
        place.pages = None
        await b.run()
        assert place.rounds[-1][0] == "full"


async def test_the_brake_sees_all_deletions_of_a_run(tmp_path: Path) -> None:
    class Asked(PartedStream):
        async def get(self, ctx: Context, ids: Sequence[str]) -> AsyncIterator[Record | Tombstone | Reject]:
            for key in ids:
                yield Tombstone(key)

    world = World(BOXES, kinds={"boxes": Asked})
    own, drive = world.place("boxes", partition="own"), world.share("boxes", "S", "u1")
    own.put(*letters(100))
    drive.put(*[f"s{n}" for n in range(22)])
    async with bench(world, tmp_path) as b:
        await b.run()
        own.drop(*letters(30))  # 24.6 %
        world.sees["u1"].clear()  # and 18 % more
        report = await b.run()
        assert (str(report.status), report.counts.deleted, report.counts.held) == ("held", 30, 22)


@pytest.mark.parametrize("fault", [Transient("reset by peer"), RateLimited(retry_after=5)])
async def test_what_only_the_first_try_of_a_listing_saw_is_not_kept_for_good(tmp_path: Path, fault: Exception) -> None:
    world = World()
    place = world.place("items")
    place.put("a", "b", "x")
    tries: list[int] = []

    async def pages(ctx: Context) -> AsyncIterator[Page]:
        tries.append(1)
        if len(tries) == 1:
            yield Page([Record("x", {"id": "x"})])
            raise fault
        yield Page([Record("a", {"id": "a"}), Record("b", {"id": "b"})], last=True, bookmark=[0, 0, 0])

    async with bench(world, tmp_path) as b:
        await b.run()
        place.pages = pages
        report = await b.run(full=True)
        assert (str(report.status), len(tries)) == ("completed", 2)
        assert set(b.records()) == {"a", "b"}


# -- contents that wait


async def waiting(world: World, count: int) -> None:
    place = world.place("items")
    place.size = count
    for key in letters(count):
        place.put(key)
        place.blobs[key] = Blob(key, "t")
        world.contents[key] = ProtocolError("no")


async def test_a_run_that_leaves_contents_for_the_next_one_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncd.store.retries.RETRIES", 5)
    monkeypatch.setattr("syncd.engine.run.RETRIES", 5)
    world = World()
    await waiting(world, 8)
    async with bench(world, tmp_path) as b:
        await b.run()
        world.contents.update(dict.fromkeys(letters(8), b"c"))
        ends = []
        for _ in range(2):
            b.later(hours=1)
            report = await b.run()
            ends.append((str(report.status), report.counts.updated, [error.code for error in report.errors]))
        assert ends == [("partial", 5, ["SYN-CONTENT-002"]), ("completed", 3, [])]


async def test_contents_that_wait_do_not_keep_a_run_from_ending(tmp_path: Path) -> None:
    world = World()
    await waiting(world, 20)
    async with bench(world, tmp_path) as b:
        await b.run()
        world.contents.update(dict.fromkeys(letters(20), b"c"))
        b.later(hours=1)
        world.fetched.clear()
        handle = await b.executor.submit(RunRequest("nightly"))
        await until(lambda: world.fetched)
        handle.cancel()
        report = await handle.report()
        assert str(report.status) == "cancelled"
        assert len(world.fetched) < 20


# -- a clock that was wrong for a while


async def test_moments_that_lie_ahead_do_not_hold_back_full_rounds_and_waits(tmp_path: Path) -> None:
    world = World()
    place = world.place("items")
    place.put("a")
    async with bench(world, tmp_path) as b:
        b.later(days=365)
        await b.run()
        place.always = RateLimited(retry_after=3600)
        await b.run()
        place.always = None
        b.clock.advance(-timedelta(days=365).total_seconds())
        report = await b.run()
        assert str(report.status) == "completed"
        assert [scan for scan, _ in place.rounds] == ["full", "delta", "full"]
