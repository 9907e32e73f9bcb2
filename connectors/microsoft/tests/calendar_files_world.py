"""A mirror of one account's calendars or files in the simulated Microsoft, with the engine's rules and no store."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
from microsoft_answers import MicrosoftConnector
from syncd_simulator.microsoft import MicrosoftWorld, microsoft_app

from syncd.sdk import (
    ACCOUNT,
    FULL,
    REPORTED,
    Account,
    Blob,
    Context,
    CursorExpired,
    Partition,
    PartitionGone,
    Record,
    Reject,
    Scan,
    Secret,
    Tombstone,
)
from syncd.testing.client import CapturingLog, EngineClient
from syncd.testing.jsontree import without

URL = "http://127.0.0.1:9000"


class WorldClock:
    """The simulated world's time; waiting makes it pass."""

    def __init__(self, world: MicrosoftWorld) -> None:
        self._world = world

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._world.now(), UTC)

    def monotonic(self) -> float:
        return self._world.now()

    async def sleep(self, seconds: float) -> None:
        self._world.clock.advance(seconds)


class Small:
    """What rounds of one stream add up to, for one account."""

    def __init__(self, world: MicrosoftWorld, user: Any, stream: str, **options: Any) -> None:
        settings = world.settings(URL)
        self.settings = {
            key: Secret(lambda value=value: value, f"${{env:{key}}}") if "secret" in key else value
            for key, value in settings.items()
        }
        self.world, self.user = world, user
        self.account = Account(id=user.id, address=user.address)
        self.connector = MicrosoftConnector()
        self.stream = next(one for one in self.connector.streams() if one.info.name == stream)
        self.options = options
        self.clock = WorldClock(world)
        self.log = CapturingLog()
        self.requests = 0
        self.auth = self.connector.auth(self.settings)
        self._transport = Counting(self, httpx.ASGITransport(app=microsoft_app(world)))
        self.live: dict[str, dict[str, dict[str, Any]]] = {}
        self.parents: dict[str, dict[str, str | None]] = {}
        self.when: dict[str, Any] = {}
        self.blobs: dict[str, Blob] = {}
        self.bookmarks: dict[str, Any] = {}
        self.listed: list[Partition] = []
        self.proposed: set[tuple[str, str]] = set()
        self.rejects: list[Reject] = []
        self.changes = 0

    def context(self, **more: Any) -> Context:
        client = EngineClient(
            self.connector,
            self.settings,
            self.auth,
            self._transport,
            self.clock,
            account=self.account,
            stream=self.stream.info.name,
        )
        return Context(
            client,
            self.clock,
            self.log,
            settings=self.settings,
            account=self.account,
            options=self.options,
            **more,
        )

    async def sync(self, scan: Scan | None = None, cut: int | None = None) -> None:
        """One run. `cut`: every round is broken off after so many pages, and goes on where it stood."""
        self.changes = 0
        self.listed = list(await self.stream.partitions(self.context(partitions=self.listed)))
        for partition in self.listed:
            if not partition.excluded:
                await self._round(partition, scan, cut)
        for gone in set(self.live) - {one.id for one in self.listed}:
            self.proposed |= {(gone, one) for one in self.live[gone]}
        await self._settle()

    async def _round(self, partition: Partition, scan: Scan | None, cut: int | None) -> None:
        bookmark = self.bookmarks.get(partition.id)
        for cursor in (bookmark, None):
            try:
                reading = FULL if cursor is None else scan or Scan.DELTA
                await self._read(partition, reading, None if reading is FULL else cursor, cut)
                return
            except CursorExpired:
                assert cursor is not None
            except PartitionGone:
                self.listed = [one for one in self.listed if one.id != partition.id]
                return

    async def _read(self, partition: Partition, scan: Scan, cursor: Any, cut: int | None) -> None:
        seen: set[str] = set()
        live = self.live.setdefault(partition.id, {})
        parents = self.parents.setdefault(partition.id, {})
        while True:
            done = 0
            ctx = self.context(partition=partition, scan=scan, cursor=cursor, **_hints(live, parents))
            async for page in self.stream.pages(ctx):
                for item in page.items:
                    self._apply(partition.id, item, seen)
                if page.last:
                    self.bookmarks[partition.id] = orjson.loads(orjson.dumps(page.bookmark))
                    if scan is FULL:
                        self._sweep(partition.id, live, seen, page.window)
                    return
                cursor = cursor if page.resume is None else orjson.loads(orjson.dumps(page.resume))
                done += 1
                if cut is not None and done >= cut and page.resume is not None:
                    break

    def _apply(self, partition: str, item: Any, seen: set[str]) -> None:
        live = self.live[partition]
        if isinstance(item, Reject):
            self.rejects.append(item)
        elif isinstance(item, Tombstone):
            if item.source_id in live:
                self.proposed.add((partition, item.source_id))
        else:
            self._store(partition, item, seen)

    def _store(self, partition: str, item: Record, seen: set[str]) -> None:
        live = self.live[partition]
        seen.add(item.source_id)
        self.proposed.discard((partition, item.source_id))
        if self.stream.info.identity is ACCOUNT:
            for name, items in self.live.items():
                if name != partition and item.source_id in items:
                    del items[item.source_id]
                    self.proposed.discard((name, item.source_id))
        data = orjson.loads(item.data)
        before = live.get(item.source_id)
        if item.partial:
            assert before is not None
            data = {**before, **data}
        volatile = self.stream.info.volatile
        if before is None or without(before, volatile) != without(data, volatile):
            self.changes += 1
            live[item.source_id] = data
        self.parents[partition][item.source_id] = item.parent
        self.when[item.source_id] = item.when
        if item.blob is not None:
            self.blobs[item.source_id] = item.blob

    def _sweep(self, partition: str, live: Mapping[str, Any], seen: set[str], window: Any) -> None:
        for one in set(live) - seen:
            when = self.when.get(one)
            outside = window and when and ((when[1] and when[1] < window[0]) or when[0] >= window[1])
            if not outside:
                self.proposed.add((partition, one))

    async def _settle(self) -> None:
        assert self.stream.info.deletes is REPORTED
        for partition in {name for name, _ in self.proposed}:
            ids = sorted(one for name, one in self.proposed if name == partition)
            ctx = self.context(partition=Partition(partition))
            async for item in self.stream.get(ctx, ids):
                if isinstance(item, Tombstone):
                    del self.live[partition][item.source_id]
                    self.changes += 1
        self.proposed.clear()


class Counting(httpx.AsyncBaseTransport):
    def __init__(self, small: Small, inner: httpx.AsyncBaseTransport) -> None:
        self._small = small
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if "/oauth2/" not in request.url.path:
            self._small.requests += 1
        return await self._inner.handle_async_request(request)


def _hints(live: Mapping[str, Any], parents: Mapping[str, str | None]) -> dict[str, Any]:
    async def lookup(ids: Any) -> dict[str, str | None]:
        return {one: None for one in ids if one in live}

    async def offspring(wanted: Any) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for one in live:
            parent = parents.get(one)
            if parent in wanted:
                found.setdefault(str(parent), []).append(one)
        return found

    return {"lookup": lookup, "offspring": offspring}
