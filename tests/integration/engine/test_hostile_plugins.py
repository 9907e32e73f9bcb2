"""A connector that hangs, blocks, floods or strays is stopped and named; everybody else's data lands."""

import asyncio
import gc
import itertools
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import Mock

import pytest

from syncd.engine import chain
from syncd.engine.alive import lively
from syncd.engine.executor import RunReport, RunRequest
from syncd.engine.holdings import Scales
from syncd.sdk import Blob, Context, Page, Partition, RateLimited, Record, Reject, StreamInfo, SyncdError
from syncd.sdk.errors import Explanation
from syncd.sdk.http import httpx
from tests.integration.engine.script import Bench, FakeStream, PartedStream, World, bench

pytestmark = pytest.mark.anyio
MIB = 1024 * 1024


class Plugin(World):
    """Its code is this file."""


def two(kind: type[FakeStream] = FakeStream) -> World:
    """Ann's data is behind what a test makes hostile; Bob's is as it should be."""
    world = Plugin(StreamInfo("items"), kinds={"items": kind})
    world.add_people(2)
    for account in ("u1", "u2"):
        world.place("items", account).put("a", "b")
    return world


def impatient(b: Bench) -> None:
    b.executor._engine.inactivity = 0.1
    b.executor._engine.patience = 0.05


def codes(report: RunReport) -> set[str]:
    return {error.code for error in report.errors}


def only_bobs_landed(b: Bench, report: RunReport) -> None:
    assert str(report.status) == "partial"
    assert b.records(account="p1@acme.example") == {}
    assert b.records(account="p2@acme.example").keys() == {"a", "b"}
    assert {error.account for error in report.errors} == {"p1@acme.example"}


async def forever(_: Context) -> AsyncIterator[Page]:
    await asyncio.Event().wait()
    yield Page([])


def stubborn(seen: list[str]) -> Callable[[Context], AsyncIterator[Page]]:
    async def pages(ctx: Context) -> AsyncIterator[Page]:
        while len(seen) < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                seen.append("cancelled")
        yield Page([])

    return pages


async def test_pages_that_never_come_fail_their_partition_alone(tmp_path: Path) -> None:
    world = two()
    world.place("items", "u1").pages = forever
    async with bench(world, tmp_path) as b:
        impatient(b)
        report = await b.run()
        assert codes(report) == {"SYN-PLUGIN-004"}
        only_bobs_landed(b, report)


async def test_a_stream_that_takes_no_cancellation_is_left_alone_and_named(tmp_path: Path) -> None:
    world, seen = two(), list[str]()
    world.place("items", "u1").pages = stubborn(seen)
    async with bench(world, tmp_path) as b:
        impatient(b)
        report = await b.run()
        assert codes(report) == {"SYN-PLUGIN-004"}
        assert any("does not end" in error.message for error in report.errors)
        only_bobs_landed(b, report)
    assert seen == ["cancelled", "cancelled"]
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("pages of")]


async def test_a_call_that_was_given_up_asks_nothing_any_more(tmp_path: Path) -> None:
    world, asked, tries = two(), list[str](), list[int]()

    async def pages(ctx: Context) -> AsyncIterator[Page]:
        while len(tries) < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                tries.append(1)
                if len(tries) == 2:
                    asyncio.get_running_loop().call_later(0.1, gate.set)
                    await gate.wait()
                    await ctx.http.get("https://api.test/late")
        yield Page([])

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200)

    gate = asyncio.Event()
    world.http = answer
    world.place("items", "u1").pages = pages
    async with bench(world, tmp_path) as b:
        impatient(b)
        report = await b.run()
        await asyncio.sleep(0.15)
        only_bobs_landed(b, report)
    assert gate.is_set()
    assert "/late" not in asked


class HangsListing(PartedStream):
    async def partitions(self, ctx: Context) -> Sequence[Partition]:
        assert ctx.account is not None
        if ctx.account.id == "u1":
            await asyncio.Event().wait()
        return [Partition()]


async def test_a_listing_of_partitions_that_hangs_fails_its_account_alone(tmp_path: Path) -> None:
    async with bench(two(HangsListing), tmp_path) as b:
        impatient(b)
        report = await b.run()
        assert codes(report) == {"SYN-PLUGIN-004"}
        only_bobs_landed(b, report)


class HangsFetching(FakeStream):
    async def fetch(self, ctx: Context, blob: Blob) -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""


async def test_a_content_that_hangs_fails_its_item_alone(tmp_path: Path) -> None:
    world = two(HangsFetching)
    world.place("items", "u1").blobs["a"] = Blob("x", "1")
    async with bench(world, tmp_path) as b:
        impatient(b)
        report = await b.run()
        assert str(report.status) == "partial"
        assert {(error.source_id, error.account) for error in report.errors} == {("a", "p1@acme.example")}
        assert b.records(account="p1@acme.example").keys() == {"a", "b"}


class HangsAccounts(World):
    async def accounts(self, ctx: Context) -> AsyncIterator[Any]:
        await asyncio.Event().wait()
        yield


async def test_an_import_that_hangs_ends_with_its_code(tmp_path: Path) -> None:
    async with bench(HangsAccounts(), tmp_path, imported=False) as b:
        impatient(b)
        with pytest.raises(SyncdError) as caught:
            await b.import_all()
        assert caught.value.code == "SYN-PLUGIN-004"


@pytest.mark.parametrize("size", [{"LARGEST_PAGE": 5}, {"HEAVIEST_PAGE": 1000}])
async def test_a_giant_page_fails_its_partition_at_once(
    size: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in size.items():
        monkeypatch.setattr(chain, name, value)
    world, asked = two(), list[int]()

    async def pages(ctx: Context) -> AsyncIterator[Page]:
        asked.append(1)
        yield Page([Record(f"r{n}", b'{"x": "' + b"y" * 300 + b'"}') for n in range(6)], last=True, bookmark=1)

    world.place("items", "u1").pages = pages
    async with bench(world, tmp_path) as b:
        report = await b.run()
        assert codes(report) == {"SYN-PLUGIN-005"}
        assert asked == [1]
        only_bobs_landed(b, report)


async def test_pages_without_end_or_progress_fail_their_partition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "EMPTY_PAGES", 50)
    world = two()

    async def pages(ctx: Context) -> AsyncIterator[Page]:
        while True:
            yield Page([])

    world.place("items", "u1").pages = pages
    async with bench(world, tmp_path) as b:
        report = await b.run()
        assert codes(report) == {"SYN-PROTO-001"}
        only_bobs_landed(b, report)


async def test_a_blocking_call_is_named_in_its_run_and_nothing_is_lost(tmp_path: Path) -> None:
    world = two()

    async def pages(ctx: Context) -> AsyncIterator[Page]:
        while b.executor._watch._caught is None:
            time.sleep(0.01)  # noqa: ASYNC251 - what is noticed
        yield Page([Record("a", {})], last=True, bookmark=1)
        await asyncio.sleep(0)

    world.place("items", "u1").pages = pages
    async with bench(world, tmp_path) as b:
        b.executor._watch._limit = 0.05
        report = await b.run()
        assert str(report.status) == "completed"
        await asyncio.gather(*b.executor._notes)
        (row,) = await b.store.runs("nightly", 1)
        (error,) = row.errors
        assert error.code == "SYN-PLUGIN-003"
        assert error.account == "p1@acme.example"
        assert error.stream == "items"
        assert "test_hostile_plugins.py:" in error.message
        assert " in pages" in error.message


class Keeps(FakeStream):
    """Reads for ever, and keeps a MiB of every page."""

    everywhere: ClassVar[list[bytes]] = []

    def __init__(self, world: World, info: StreamInfo) -> None:
        super().__init__(world, info)
        self.here: list[bytes] = []
        self.where = ""

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        assert ctx.account
        if ctx.account.id == "u2":
            yield Page([Record("a", {}), Record("b", {})], last=True, bookmark=1)
            return
        kept = list[bytes]()
        for number in range(200):
            match self.where:
                case "its generator":
                    kept.append(bytes(MIB))
                case "its stream":
                    self.here.append(bytes(MIB))
                case "its class":
                    Keeps.everywhere.append(bytes(MIB))
            yield Page([Record(f"r{number}", {"n": 1})], resume=number)


@pytest.mark.parametrize("where", ["its generator", "its stream", "its class"])
async def test_a_connector_that_keeps_what_it_reads_loses_its_partition(where: str, tmp_path: Path) -> None:
    world = two(Keeps)
    (stream,) = world.streams()
    assert isinstance(stream, Keeps)
    stream.where = where
    weights = itertools.count(100 * MIB, 2 * MIB)
    async with bench(world, tmp_path) as b:
        scales = b.executor._engine.scales
        scales.heaviest, scales.step = 8 * MIB, MIB
        scales._weight = lambda: next(weights)
        weigher = asyncio.create_task(often(scales))
        report = await b.run()
        weigher.cancel()
        assert codes(report) == {"SYN-PLUGIN-005"}
        assert any("the connector keeps" in error.message for error in report.errors)
        assert b.records(account="p2@acme.example").keys() == {"a", "b"}
        assert b.records(account="p1@acme.example")  # what was committed stays
    Keeps.everywhere.clear()


async def often(scales: Scales) -> None:
    while True:
        await scales.look()
        await asyncio.sleep(0.001)


async def test_an_address_that_is_not_declared_is_not_asked(tmp_path: Path) -> None:
    world, asked = two(), list[str]()

    async def pages(ctx: Context) -> AsyncIterator[Page]:
        await ctx.http.get("https://elsewhere.test/next")
        yield Page([], last=True, bookmark=1)

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(200)

    world.http = answer
    world.place("items", "u1").pages = pages
    async with bench(world, tmp_path) as b:
        report = await b.run()
        assert codes(report) == {"SYN-NET-002"}
        only_bobs_landed(b, report)
    assert set(asked) == {"api.test"}


# -- what would end more than a partition


class Ended(asyncio.CancelledError):
    """As of a task that the connector cancelled itself."""


ENDS = [lambda: SystemExit(3), lambda: KeyboardInterrupt(), lambda: asyncio.CancelledError("its own"), lambda: Ended()]


def raising(make: Callable[[], BaseException]) -> Callable[[Context], AsyncIterator[Page]]:
    async def pages(_: Context) -> AsyncIterator[Page]:
        raise make()
        yield Page([])

    return pages


@pytest.mark.parametrize("make", ENDS)
async def test_what_would_end_the_process_or_the_run_fails_its_partition_alone(
    tmp_path: Path, make: Callable[[], BaseException]
) -> None:
    world = two()
    world.place("items", "u1").pages = raising(make)
    async with bench(world, tmp_path) as b:
        report = await b.run()
        only_bobs_landed(b, report)
        assert codes(report) == {"SYN-PLUGIN-001"}
        assert type(make()).__name__ in report.errors[0].message


@pytest.mark.parametrize("make", ENDS)
async def test_so_does_it_where_partitions_are_asked_for(tmp_path: Path, make: Callable[[], BaseException]) -> None:
    world = two(PartedStream)
    world.listing_faults["items", "u1"] = make()  # type: ignore[assignment]
    async with bench(world, tmp_path) as b:
        report = await b.run()
        only_bobs_landed(b, report)
        assert codes(report) == {"SYN-PLUGIN-001"}


async def test_a_call_that_hangs_ends_with_its_run(tmp_path: Path) -> None:
    hanging = asyncio.Event()

    class Hanging(PartedStream):
        async def partitions(self, ctx: Context) -> Sequence[Partition]:
            hanging.set()
            await asyncio.Event().wait()
            return []

    async with bench(two(Hanging), tmp_path) as b:
        handle = await b.executor.submit(RunRequest("nightly"))
        await hanging.wait()
        handle.cancel()
        async with asyncio.timeout(10):
            report = await handle.report()
        assert (str(report.status), report.reason) == ("cancelled", "cancelled")


class Dumb(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "error",
    [Dumb(), RateLimited(5, "10"), RateLimited("later", float("inf")), SyncdError(b"bytes")],  # type: ignore[arg-type]
)
async def test_an_error_that_is_no_proper_one_is_the_partitions_own(tmp_path: Path, error: Exception) -> None:
    world = two()
    world.place("items", "u1").always = error
    async with bench(world, tmp_path) as b:
        report = await b.run()
        only_bobs_landed(b, report)
        assert codes(report) <= {"SYN-PLUGIN-001", "SYN-RATE-001"}


@pytest.mark.parametrize("items", [None, iter([]), [Reject(None)], [Reject("no", 5)]])  # type: ignore[arg-type]
async def test_a_page_of_something_else_is_named(tmp_path: Path, items: Any) -> None:
    async def pages(_: Context) -> AsyncIterator[Page]:
        page = Page([], bookmark=1, last=True)
        page.items = items
        yield page

    world = two()
    world.place("items", "u1").pages = pages
    async with bench(world, tmp_path) as b:
        report = await b.run()
        only_bobs_landed(b, report)
        assert codes(report) == {"SYN-PROTO-001"}


async def test_an_item_too_deep_to_be_stored_is_quarantined(tmp_path: Path) -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"x": deep}
    world = two()
    world.place("items", "u1").put("c", "d")
    world.place("items", "u1").items["c"] = deep
    async with bench(world, tmp_path) as b:
        report = await b.run()
        assert b.records(account="p1@acme.example").keys() == {"a", "b", "d"}
        assert [(error.code, error.source_id) for error in report.errors] == [("SYN-ITEM-001", "c")]


async def test_a_connectors_own_code_brings_its_hint(tmp_path: Path) -> None:
    world = two()
    world.info = replace(
        world.info, errors=(Explanation("SYN-OWN-001", "Own", "It is its own.", "Nothing.", "Do what it says."),)
    )
    world.place("items", "u1").always = SyncdError("no", code="SYN-OWN-001")
    async with bench(world, tmp_path) as b:
        for dry in (False, True):
            handle = await b.executor.submit(RunRequest("nightly", dry_run=dry))
            (error,) = (await handle.report()).errors
            assert (error.code, error.hint) == ("SYN-OWN-001", "Do what it says.")


async def test_an_error_at_the_moment_of_a_cancellation_is_seen() -> None:
    """asyncio tells of exceptions that nobody has looked at; anyio makes that a failure of the test."""
    caller = Mock(activity=0, waiting=0, given_up=False)
    raised = asyncio.Event()

    async def failing() -> None:
        raised.set()
        raise SyncdError("no")

    waiter = asyncio.create_task(lively(failing(), caller, "a call", 60.0))
    await raised.wait()
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)
    del waiter
    gc.collect()
