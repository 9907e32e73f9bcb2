"""A mini engine: reads one account's stream into a `Mirror`, with the engine's rules and no store.

Public: Driver, Trip, Incomplete.

    driver = Driver(bench, account)
    await driver.sync()             # full rounds
    source.change(rng)
    await driver.sync()             # delta rounds
    assert not list(differences(driver.mirror, source.truth(account)))
"""

import copy
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from syncd.sdk import (
    ACCOUNT,
    DELTA,
    FULL,
    JSON,
    NEVER,
    Account,
    AccountGone,
    CursorExpired,
    Forbidden,
    Item,
    Page,
    Partition,
    PartitionGone,
    ProtocolError,
    RateLimited,
    Record,
    Reject,
    Scan,
    SyncdError,
    Transient,
)

from .bench import Bench
from .failures import Failed, Runaway
from .mirror import Key, Mirror
from .validate import missing_bookmark, page_problem, place_problem

__all__ = ["Driver", "Incomplete", "Trip", "closing"]

TRIES = 5  # of a partition, before it has failed for this run
EXPIRIES = 3  # of a partition in one run
PAGES = 5_000  # of one round


@asynccontextmanager
async def closing(pages: AsyncIterator[Any]) -> AsyncIterator[None]:
    """Close it at the end if it can be closed, as the engine does."""
    try:
        yield
    finally:
        if (close := getattr(pages, "aclose", None)) is not None:
            await close()


class Incomplete(ProtocolError):
    """The page chain did not end as the contract says. The engine treats it like an answer that makes no sense."""


@dataclass(slots=True)
class Place:
    """Where a partition stands: between rounds `bookmark`, inside a cut one `resume` as well."""

    bookmark: JSON = None
    resume: JSON = None
    scan: Scan | None = None  # of the round under way
    seen: set[Key] = field(default_factory=set)
    provable: bool = True

    def begin(self, scan: Scan) -> None:
        self.scan, self.resume, self.seen, self.provable = scan, None, set(), True

    def copy(self) -> "Place":
        return Place(copy.deepcopy(self.bookmark), copy.deepcopy(self.resume), self.scan, set(self.seen), self.provable)


@dataclass(slots=True)
class Trip:
    """What one attempt at a round brought. `completed` is False if it was cut on purpose."""

    scan: Scan
    pages: int = 0
    completed: bool = False
    items: list[Item] = field(default_factory=list)


@dataclass(slots=True)
class Driver:
    """Keeps one account's stream of a bench in a mirror.

    `on_page` is awaited after each page that is committed. `skipped`: why partitions were skipped. `vanished`: those that
    said in this run that they are gone. `touched`: the partitions that this driver (not the one it was copied from) has
    read.
    """

    bench: Bench
    account: Account
    mirror: Mirror = field(init=False)
    places: dict[str, Place] = field(default_factory=dict)
    on_page: Callable[[Partition, Page], Awaitable[None]] | None = None
    skipped: list[SyncdError] = field(default_factory=list)
    vanished: dict[str, PartitionGone] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)
    expiries: int = 0

    def __post_init__(self) -> None:
        self.mirror = Mirror(self.bench.stream.info)

    def copy(self, bench: Bench | None = None) -> "Driver":
        """Another driver that stands at the same place."""
        other = Driver(bench or self.bench, self.account)
        other.mirror = self.mirror.copy()
        other.places = {name: place.copy() for name, place in self.places.items()}
        return other

    # -- a whole run ----------------------------------------------------------------------------------------------

    async def sync(self, scan: Scan | None = None) -> list[Trip]:
        """Every partition to the end of a round, retrying as the engine does; then deletions are settled."""
        partitions, trips = await self._all(scan)
        listed = {partition.id for partition in partitions}
        for key, kept in self.mirror.live.items():
            if kept.partition not in listed:
                self.mirror.pending[key] = kept.partition
        if self.mirror.pending and self.mirror.info.identity is ACCOUNT and len(partitions) > 1:
            for partition in partitions:  # the second look: a move shows as gone here before it shows there
                trips += await self.complete(partition, scan)
        self.mirror.settle()
        for gone in self.places.keys() - listed:
            del self.places[gone]
        return trips

    async def _all(self, scan: Scan | None) -> tuple[Sequence[Partition], list[Trip]]:
        """All partitions. If some are gone by then, it is asked once more which there are: those that are listed still,
        and those that are new, are read; what is gone again is skipped."""
        self.vanished.clear()
        partitions = await self._listed()
        trips = [trip for partition in partitions for trip in await self.complete(partition, scan)]
        if not self.vanished:
            return partitions, trips
        through = {partition.id for partition in partitions} - self.vanished.keys()
        self.vanished.clear()
        partitions = await self._listed()
        for partition in partitions:
            if partition.id not in through:
                trips += await self.complete(partition, scan)
        self.skipped += self.vanished.values()
        return partitions, trips

    async def _listed(self) -> Sequence[Partition]:
        found: Sequence[Partition] = await self.patiently(lambda: self.bench.partitions(self.account))
        return found

    async def sync_once(self) -> None:
        """Like `sync`, but the first error comes out; `sync` goes on from there."""
        for partition in await self.bench.partitions(self.account):
            await self.round(partition)
        if not self.mirror.pending:
            return
        await self.sync()

    async def complete(self, partition: Partition, scan: Scan | None = None) -> list[Trip]:
        """One partition to the end of a round: waits, retries, starts over when the cursor has expired."""
        trips: list[Trip] = []
        expiries = 0

        async def attempt() -> None:
            nonlocal expiries
            while True:
                place = self.places.get(partition.id)
                try:
                    trips.append(await self.round(partition, scan=scan))
                except CursorExpired:
                    expiries += 1
                    if expiries > EXPIRIES or place is None or (place.scan is FULL and place.resume is None):
                        raise
                    self.expired(partition)
                    continue
                return

        try:
            await self.patiently(attempt)
        except (Forbidden, AccountGone) as error:  # skipped: the engine goes on with the others
            self.skipped.append(error)
        except PartitionGone as error:
            self.vanished[partition.id] = error
        return trips

    def expired(self, partition: Partition) -> None:
        """The cursor is gone: the next round is a full one."""
        self.places[partition.id] = Place()
        self.expiries += 1

    async def patiently(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Await it, again after RateLimited, Transient and ProtocolError, a few times."""
        for attempt in range(1, TRIES + 1):
            try:
                return await call()
            except RateLimited as error:
                pause = 2.0**attempt if error.retry_after is None else error.retry_after
                if attempt == TRIES:
                    raise
            except (Transient, ProtocolError):
                pause = 0.5 * 2**attempt
                if attempt == TRIES:
                    raise
            await self.bench.clock.sleep(pause)
        raise AssertionError("unreachable")

    # -- one round --------------------------------------------------------------------------------------------------

    def open(self, partition: Partition, scan: Scan | None = None) -> AsyncIterator[Page]:
        """The pages from where the partition stands, in a fresh context."""
        place = self.places.setdefault(partition.id, Place())
        self.touched.add(partition.id)
        if place.scan is None or place.resume is None or (scan is FULL and place.scan is DELTA):
            can = self.mirror.info.scans
            place.begin(scan or (DELTA if place.bookmark is not None and DELTA in can else FULL))
        assert place.scan is not None
        cursor = place.resume if place.resume is not None else place.bookmark if place.scan is DELTA else None
        self.bench.wire.phase = place.scan.value
        context = self.bench.context(self.account, partition, scan=place.scan, cursor=cursor)
        context.lookup = self._lookup
        context.offspring = partial(self._offspring, partition.id)
        return self.bench.stream.pages(context)

    async def round(self, partition: Partition, *, scan: Scan | None = None, stop_after: int | None = None) -> Trip:
        """Read on from where the partition stands. One page is fetched ahead, as the engine does.

        `stop_after`: cut the round after that many committed pages; its place stays. Errors come out after the pages
        before them are committed.
        """
        pages = self.open(partition, scan)
        place = self.places[partition.id]
        trip = Trip(place.scan or FULL)
        ahead: Page | None = None
        async with closing(pages):
            try:
                async for page in pages:
                    if ahead is not None:
                        await self._commit(partition, ahead, trip)
                    if ahead is not None and ahead.last:
                        raise Failed("pages() went on after the last page")
                    ahead = None
                    if stop_after is not None and trip.pages >= stop_after:
                        return trip
                    ahead = self._checked(page, trip)
            except (SyncdError, GeneratorExit):
                if ahead is not None:
                    await self._commit(partition, ahead, trip)
                raise
        if ahead is not None:
            await self._commit(partition, ahead, trip)
        if not trip.completed:
            raise Incomplete("pages() ended without a last page")
        return trip

    def _checked(self, page: Page, trip: Trip) -> Page:
        if self.bench.wire.runaway or trip.pages > PAGES:
            raise Runaway(f"{trip.pages} pages and no end")
        if problem := page_problem(page, self.mirror.info):
            raise Failed(f"page {trip.pages + 1} of a {trip.scan.value} round: {problem}")
        if missing_bookmark(page, self.mirror.info):
            raise Incomplete("the last page of a stream with DELTA has no bookmark")
        if problem := place_problem(page):
            raise Incomplete(problem)
        return page

    async def _commit(self, partition: Partition, page: Page, trip: Trip) -> None:
        place = self.places[partition.id]
        for item in page.items:
            self.mirror.apply(partition.id, item)
            if isinstance(item, Record):
                place.seen.add(self.mirror.key(partition.id, item.source_id))
            elif isinstance(item, Reject):
                self._rejected(partition, item, place)
        trip.pages += 1
        trip.items += page.items
        if page.resume is not None:
            place.resume = page.resume
        if page.last:
            self._end(partition, page, place)
            trip.completed = True
        if self.on_page is not None:
            await self.on_page(partition, page)

    def _rejected(self, partition: Partition, item: Reject, place: Place) -> None:
        if item.source_id is None:
            place.provable = False
        else:
            place.seen.add(self.mirror.key(partition.id, item.source_id))

    def _end(self, partition: Partition, page: Page, place: Place) -> None:
        if place.scan is FULL and place.provable and self.mirror.info.deletes is not NEVER:
            self.mirror.sweep(partition.id, place.seen)
        place.bookmark, place.resume, place.scan = page.bookmark, None, None

    async def _lookup(self, source_ids: Any) -> dict[str, str | None]:
        live = {key[1]: kept.tag for key, kept in self.mirror.live.items()}
        return {source_id: live[source_id] for source_id in source_ids if source_id in live}

    async def _offspring(self, partition: str, parents: Any) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for (_, source_id), kept in self.mirror.live.items():
            if kept.parent in parents and kept.partition == partition:
                found.setdefault(str(kept.parent), []).append(source_id)
        return found
