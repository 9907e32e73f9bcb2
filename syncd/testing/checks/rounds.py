"""Rounds end with what the source holds, whatever happens on the way.

Public: the checks, by registration.
"""

import asyncio
import itertools

from syncd.sdk import DELTA, FULL, CursorExpired, Page, Partition, SyncdError
from syncd.testing.bench import Bench, Case
from syncd.testing.driver import Driver, closing
from syncd.testing.failures import Failed, Skipped

from .common import busiest, change, drivers, expect_equal, expect_truth, need_pages
from .registry import check

CHANGES = 6  # random changes between two rounds


@check(many=True)
async def full_round_equals_truth(case: Case, seed: int) -> None:
    """A full round ends with a last page (and a bookmark for DELTA), and its items are those of the source."""
    async with case.open(seed) as bench:
        for driver in await drivers(bench):
            ids = [part.id for part in await bench.stream.partitions(bench.context(driver.account))]
            if len(ids) != len(set(ids)):
                raise Failed(f"partitions() names one twice: {ids}")
            for trip in await driver.sync():
                if trip.scan is not FULL:
                    raise Failed("the first round of a partition must be a full one")
            expect_truth(driver, "after a full round")
            if driver.mirror.rejected or driver.mirror.anonymous:
                raise Failed(f"good items were rejected: {sorted(driver.mirror.rejected)[:5]}")


@check(many=True)
async def two_full_rounds_are_equal(case: Case, seed: int) -> None:
    """Nothing changed: a second full round gives the same data (less volatile paths), summaries and blob tags."""
    async with case.open(seed) as bench:
        for driver in await drivers(bench):
            await driver.sync()
            again = Driver(bench, driver.account)
            await bench.clock.sleep(86_400)
            await again.sync()
            expect_equal(driver, again, "two full rounds differ though nothing changed")


@check()
async def idle_delta_costs_next_to_nothing(case: Case, seed: int) -> None:
    """Nothing changed: a delta round yields no items and makes at most one request per partition."""
    async with case.open(seed) as bench:
        _need_delta(bench)
        for driver in await drivers(bench):
            await driver.sync()
            for partition in await bench.partitions(driver.account):
                before = bench.wire.asked
                trip = await driver.round(partition)
                if trip.scan is not DELTA:
                    raise Failed(f"partition {partition.id!r}: no delta round although there is a bookmark")
                if trip.items:
                    raise Failed(
                        f"partition {partition.id!r}: nothing changed, and a delta round yields {trip.items[:3]}"
                    )
                if (cost := bench.wire.asked - before) > case.idle_requests:
                    raise Failed(f"partition {partition.id!r}: a delta round without changes costs {cost} requests")


@check(many=True)
async def delta_equals_truth(case: Case, seed: int) -> None:
    """After random changes a delta round brings the mirror to the source's state, exactly as a full round would."""
    async with case.open(seed) as bench:
        every = await drivers(bench)
        for driver in every:
            await driver.sync()
        for step in range(3):
            change(bench, seed, CHANGES * (step + 1), f"delta {step}")
            for driver in every:
                await driver.sync()
                if not bench.stream.info.stable_listing:
                    await driver.sync(FULL)
                expect_truth(driver, f"after {CHANGES * (step + 1)} changes and a delta round")
        for driver in every:
            fresh = Driver(bench, driver.account)
            await fresh.sync()
            expect_equal(driver, fresh, "delta rounds and a fresh full round differ")


@check(many=True)
async def changes_during_a_round_are_not_lost(case: Case, seed: int) -> None:
    """The source changes between the pages of a round: the next delta round (or full one) makes it right."""
    async with case.open(seed) as bench:
        steps = iter(range(10_000))

        async def meddle(partition: Partition, page: Page) -> None:
            if (step := next(steps)) < 12:
                change(bench, seed, 1, f"during {step}")

        every = await drivers(bench)
        for driver in every:
            driver.on_page = meddle
            await driver.sync()
            await driver.sync()
        for driver in every:
            driver.on_page = None
            for _ in range(1 if DELTA in bench.stream.info.scans else 2):
                await driver.sync()
            expect_truth(driver, "after a round during which the source changed, and one more")


@check()
async def a_round_can_be_cut_at_every_page(case: Case, seed: int) -> None:
    """Cut after any page, a round goes on from that page's resume in a fresh context and loses nothing."""
    async with case.open(seed) as bench:
        account = await busiest(bench)
        totals = [await _cut_everywhere(bench, Driver(bench, account), "full")]
        if DELTA in bench.stream.info.scans:
            begun = Driver(bench, account)
            await begun.sync()
            change(bench, seed, 30, "cut")
            totals.append(await _cut_everywhere(bench, begun, "delta"))
        need_pages(totals, 2, "the longest round")


async def _cut_everywhere(bench: Bench, start: Driver, scan: str) -> int:
    """Cut each partition's round after each of its pages; how many pages the longest round has."""
    longest = 0
    for partition in await bench.partitions(start.account):
        pages = (await start.copy().complete(partition))[-1].pages
        longest = max(longest, pages)
        for cut in range(pages):
            driver = start.copy()
            await _cut(driver, partition, cut)
            await driver.sync()
            expect_truth(driver, f"a {scan} round of {partition.id!r}, cut after page {cut} of {pages} and resumed")
    return longest


async def _cut(driver: Driver, partition: Partition, pages: int) -> None:
    """A round that ends after so many pages; the changes themselves may have ended the cursor."""
    try:
        await driver.round(partition, stop_after=pages)
    except CursorExpired:
        driver.expired(partition)
        await driver.round(partition, stop_after=pages)


@check(many=True)
async def a_cut_round_sees_what_changed_meanwhile(case: Case, seed: int) -> None:
    """A round that was cut, and resumed after the source changed, is right after the next round at the latest."""
    async with case.open(seed) as bench:
        driver = Driver(bench, await busiest(bench))
        for stop in (1, 2):
            for partition in await bench.partitions(driver.account):
                await _cut(driver, partition, stop)
            change(bench, seed, CHANGES, f"meanwhile {stop}")
            await driver.sync()
            await driver.sync()
            if DELTA not in bench.stream.info.scans:
                await driver.sync()
            expect_truth(driver, "after a cut, changes, the rest of the round and one more")


@check()
async def an_expired_cursor_is_a_non_event(case: Case, seed: int) -> None:
    """Cursors expire before any page: CursorExpired and nothing else (or no harm), then a full round is right."""
    async with case.open(seed) as bench:
        bench.ability("expire")
        account = await busiest(bench)
        await _expire_everywhere(bench, Driver(bench, account), seed, "full")
        if DELTA in bench.stream.info.scans:
            driver = Driver(bench, account)
            await driver.sync()
            await _expire_everywhere(bench, driver, seed, "delta")


async def _expire_everywhere(bench: Bench, start: Driver, seed: int, scan: str) -> None:
    for partition in (await bench.partitions(start.account))[:3]:
        change(bench, seed, CHANGES, f"expire {scan} {partition.id}")
        for page, live in itertools.product(range(5), (True, False)):
            if partition.id not in bench.truth(start.account):
                break  # a change took it away
            driver = start.copy()
            if not await _expire_at(bench, driver, partition, page, live):
                break
            await driver.sync()
            where = "inside the round" if live else "while it was cut"
            expect_truth(driver, f"after cursors expired {where} behind page {page} of a {scan} round")
            if scan == "delta":
                start = driver
            change(bench, seed, CHANGES, f"expired {scan} {partition.id} {page} {live}")
        if scan == "delta":
            await start.sync()


async def _expire_at(bench: Bench, driver: Driver, partition: Partition, page: int, live: bool) -> bool:
    """Read so many pages, let all cursors expire, read on. False if the round is over before."""
    expire = bench.ability("expire")
    if not live:
        trip = await driver.round(partition, stop_after=page)
        expire()
        await _expect_only_expiry(driver, partition)
        return not trip.completed
    try:
        over = await _expires_behind(bench, driver, partition, page)
    except CursorExpired:
        over = False
    except SyncdError as error:
        raise Failed(f"expired cursors must be CursorExpired, not {error!r}") from error
    if page or over:
        driver.expired(partition)
    else:
        await _expect_only_expiry(driver, partition)
    return not over


async def _expires_behind(bench: Bench, driver: Driver, partition: Partition, page: int) -> bool:
    """Let all cursors expire behind so many pages of one reading. True if there were no more."""
    pages = driver.open(partition)
    async with closing(pages):
        for _ in range(page):
            if (got := await anext(pages, None)) is None or got.last:
                bench.ability("expire")()
                return True
        bench.ability("expire")()
        async for _ in pages:
            pass
    return False


async def _expect_only_expiry(driver: Driver, partition: Partition) -> None:
    try:
        await driver.round(partition)
    except CursorExpired:
        driver.expired(partition)
    except SyncdError as error:
        raise Failed(f"expired cursors must be CursorExpired, not {error!r}") from error


@check()
async def accounts_do_not_mix(case: Case, seed: int) -> None:
    """Rounds of all accounts and partitions at the same time give each account its own items."""
    async with case.open(seed) as bench:
        every = await drivers(bench)
        if len(every) < 2 and all(len(bench.truth(driver.account)) < 2 for driver in every):
            raise Skipped("the source has one account with one partition only")
        for name in ("full", "next"):
            await asyncio.gather(*(_all_at_once(driver) for driver in every))
            for driver in every:
                driver.mirror.settle()
                expect_truth(driver, f"after {name} rounds at the same time")
            change(bench, seed, CHANGES, "mix")
            for driver in every:
                await driver.sync()


async def _all_at_once(driver: Driver) -> None:
    partitions = await driver.bench.partitions(driver.account)
    await asyncio.gather(*(driver.complete(partition) for partition in partitions))


def _need_delta(bench: Bench) -> None:
    if DELTA not in bench.stream.info.scans:
        raise Skipped("the stream has no delta rounds")
