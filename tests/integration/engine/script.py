"""A small provider and its connector, made to do what a test says, and a bench to run syncs of it on a real store."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from syncd.config.model import Config, ConnectionConfig, ConnectionLimits, DaemonConfig, SyncConfig
from syncd.engine.executor import Executor, RunReport, RunRequest
from syncd.engine.ports import RunScope, StreamSpec
from syncd.engine.work import StreamWork
from syncd.sdk import (
    DELTA,
    FULL,
    Account,
    Blob,
    Connector,
    ConnectorInfo,
    Context,
    CursorExpired,
    Limits,
    Page,
    Partition,
    Record,
    Stream,
    StreamInfo,
    SyncdError,
    Tombstone,
)
from syncd.sdk.http import httpx
from syncd.store import SqlStore, open_store
from syncd.testing import FakeClock

Fault = Exception | Callable[[], Any]


@dataclass
class Place:
    """One partition at the provider. `faults`: number of the page asked for (from 0, over all rounds) → what goes wrong."""

    partition: Partition = field(default_factory=Partition)
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    blobs: dict[str, Blob] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    epoch: int = 0
    size: int = 3
    asked: int = 0
    rounds: list[tuple[str, Any]] = field(default_factory=list)
    faults: dict[int, Fault] = field(default_factory=dict)
    always: Fault | None = None
    hook: Callable[["Place", int], None] | None = None
    pages: Callable[[Context], AsyncIterator[Page]] | None = None

    def put(self, *ids: str, **data: Any) -> None:
        for key in ids:
            self.items[key] = {"id": key, **data}
            self.log.append(key)

    def drop(self, *ids: str) -> None:
        for key in ids:
            del self.items[key]
            self.log.append(key)

    def expire(self) -> None:
        self.epoch += 1


class FakeStream(Stream):
    def __init__(self, world: "World", info: StreamInfo) -> None:
        self.world = world
        self.info = info

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        assert ctx.account is not None
        assert ctx.partition is not None
        place = self.world.place(self.info.name, ctx.account.id, ctx.partition.id)
        place.rounds.append((str(ctx.scan), ctx.cursor))
        if place.pages is not None:
            async for page in place.pages(ctx):
                yield page
            return
        epoch, start, token = place.epoch, 0, len(place.log)
        if ctx.cursor is not None:
            epoch, start, token = ctx.cursor
            self._check(place, epoch)
        ids = sorted(place.items) if ctx.scan is FULL else sorted(set(place.log[start:]))
        if ctx.scan is DELTA:
            token, start = len(place.log), 0
        while True:
            await self._ask(ctx, place)
            self._check(place, epoch)
            chunk = ids[start : start + place.size]
            start += place.size
            last = start >= len(ids)
            bookmark = [place.epoch, token, token] if last and DELTA in self.info.scans else None
            resume = [place.epoch, start, token] if ctx.scan is FULL and not last else None
            yield Page([self._item(place, key) for key in chunk], resume=resume, last=last, bookmark=bookmark)
            if last:
                return

    @staticmethod
    def _check(place: Place, epoch: int) -> None:
        if epoch != place.epoch:
            raise CursorExpired("the place is forgotten")

    @staticmethod
    def _item(place: Place, key: str) -> Record | Tombstone:
        if key not in place.items:
            return Tombstone(key)
        return Record(key, dict(place.items[key]), blob=place.blobs.get(key))

    async def _ask(self, ctx: Context, place: Place) -> None:
        number = place.asked
        place.asked += 1
        if place.hook is not None:
            place.hook(place, number)
        fault = place.faults.pop(number, place.always)
        if self.world.http is not None:
            response = await ctx.http.get(f"https://api.test/{self.info.name}")
            if response.status_code >= 400:
                raise self.world.refusal(response)
        if isinstance(fault, Exception):
            raise fault
        if fault is not None:
            result = fault()
            if asyncio.iscoroutine(result):
                await result

    async def fetch(self, ctx: Context, blob: Blob) -> AsyncIterator[bytes]:
        self.world.fetched.append(blob.ref)
        answer = self.world.contents[blob.ref]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        yield answer


class PartedStream(FakeStream):
    async def partitions(self, ctx: Context) -> Sequence[Partition]:
        assert ctx.account is not None
        fault = self.world.listing_faults.get((self.info.name, ctx.account.id))
        if fault is not None:
            raise fault
        return self.world.listed(self.info.name, ctx.account.id)


class BatchStream(FakeStream):
    async def fetch_many(self, ctx: Context, blobs: Sequence[Blob]) -> AsyncIterator[tuple[Blob, bytes | SyncdError]]:
        self.world.batches.append(len(blobs))
        for blob in blobs:
            answer = self.world.contents[blob.ref]
            if answer is not None and not isinstance(answer, list):
                yield blob, answer


class World(Connector):
    """The provider and its connector in one: tests change it and look into it."""

    info = ConnectorInfo("fake", limits=Limits())

    def __init__(self, *streams: StreamInfo, kinds: dict[str, type[FakeStream]] | None = None) -> None:
        infos = streams or (StreamInfo("items"),)
        self.kinds = kinds or {}
        self._streams = [self.kinds.get(info.name, FakeStream)(self, info) for info in infos]
        self.people = [Account("u1", "ann@acme.example", organization="acme")]
        self.places: dict[tuple[str, str, str], Place] = {}
        self.shared: dict[tuple[str, str], Place] = {}
        self.sees: dict[str, set[str]] = {}
        self.contents: dict[str, Any] = {}
        self.fetched: list[str] = []
        self.batches: list[int] = []
        self.listing_faults: dict[tuple[str, str], Exception] = {}
        self.account_faults: list[Exception | None] = []
        self.http: Callable[[httpx.Request], httpx.Response] | None = None
        self.refusal: Callable[[httpx.Response], Exception] = lambda response: SyncdError(
            f"HTTP {response.status_code}"
        )
        self.signing: httpx.Auth | None = None
        self.ready: dict[str, str] | Exception = {}

    def add_people(self, count: int) -> None:
        self.people = [Account(f"u{n}", f"p{n}@acme.example", organization="acme") for n in range(1, count + 1)]

    def place(self, stream: str, account: str = "u1", partition: str = "") -> Place:
        if (stream, partition) in self.shared:
            return self.shared[(stream, partition)]
        key = (stream, account, partition)
        if key not in self.places:
            self.places[key] = Place(Partition(partition))
        return self.places[key]

    def share(self, stream: str, partition: str, *accounts: str) -> Place:
        self.shared[(stream, partition)] = Place(Partition(partition, shared=True))
        for account in accounts:
            self.sees.setdefault(account, set()).add(partition)
        return self.shared[(stream, partition)]

    def listed(self, stream: str, account: str) -> list[Partition]:
        own = [place.partition for (s, a, _), place in self.places.items() if (s, a) == (stream, account)]
        seen = self.sees.get(account, set())
        return own + [place.partition for (s, p), place in self.shared.items() if s == stream and p in seen]

    # -- the connector

    def streams(self) -> Sequence[Stream]:
        return self._streams

    def auth(self, settings: Any) -> httpx.Auth | None:
        return self.signing

    def origins(self, settings: Any) -> Sequence[str]:
        return ["https://api.test", "https://token.test"]

    async def accounts(self, ctx: Context) -> AsyncIterator[Account]:
        fault = self.account_faults.pop(0) if self.account_faults else None
        for person in self.people:
            yield person
            if fault is not None:
                raise fault

    async def check(self, ctx: Context) -> dict[str, str]:
        if isinstance(self.ready, Exception):
            raise self.ready
        return {**{stream.info.name: "ready" for stream in self._streams}, **self.ready}


async def until(condition: Callable[[], Any]) -> None:
    """Wait, in real time, for something that other tasks bring about."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - there is nothing to be told by
            await asyncio.sleep(0.005)


@dataclass
class Bench:
    """A store, an executor and one sync named "nightly"."""

    world: World
    store: SqlStore
    clock: FakeClock
    executor: Executor
    sync: SyncConfig

    async def run(self, **scope: Any) -> RunReport:
        handle = await self.executor.submit(RunRequest("nightly", scope=RunScope(**scope)))
        return await handle.report()

    async def import_all(self) -> None:
        await self.executor.import_accounts("acme")

    def later(self, **span: float) -> None:
        self.clock.advance(timedelta(**span).total_seconds())

    def configure(self, **changes: Any) -> None:
        self.sync = replace(self.sync, **changes)
        config = replace(self.executor.config, syncs={"nightly": self.sync})
        self.executor.configure(config)

    def records(self, stream: str = "items", account: str | None = None) -> dict[str, dict[str, Any]]:
        rows = self.store.records("acme", stream, account=account)
        return {row["source_id"]: row for row in rows}

    def spec(self, stream: str = "items") -> StreamSpec:
        connection = self.executor._connections["acme"]
        return StreamWork.of(connection, self.sync, stream).spec


def transport_of(world: World) -> Callable[[], httpx.AsyncBaseTransport]:
    def answer(request: httpx.Request) -> httpx.Response:
        assert world.http is not None, "no request was expected"
        return world.http(request)

    return lambda: httpx.MockTransport(answer)


@asynccontextmanager
async def bench(
    world: World,
    folder: Path,
    *,
    clock: FakeClock | None = None,
    limits: ConnectionLimits | None = None,
    concurrency: int = 16,
    imported: bool = True,
    wrap: Callable[[SqlStore], Any] = lambda store: store,
    discovery: str = "manual",
    **sync: Any,
) -> AsyncIterator[Bench]:
    clock = clock or FakeClock()
    streams = sync.pop("streams", None) or {stream.info.name: {} for stream in world.streams()}
    nightly = SyncConfig("nightly", "acme", streams, **sync)
    from syncd.config.model import Discovery

    connection = ConnectionConfig("acme", "fake", limits=limits or ConnectionLimits(), discovery=Discovery(discovery))
    config = Config(DaemonConfig(concurrency=concurrency), {"acme": connection}, {"nightly": nightly})
    store = open_store(folder, clock)
    try:
        async with Executor(
            wrap(store),
            config,
            {"fake": world},
            clock=clock,
            rng=random.Random(1),
            transport=transport_of(world),
        ) as executor:
            made = Bench(world, store, clock, executor, nightly)
            if imported:
                await made.import_all()
            yield made
    finally:
        store.close()
