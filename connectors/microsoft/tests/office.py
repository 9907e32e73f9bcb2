"""A person's streams against the simulated Microsoft, to be written to and to be told of changes by."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
from microsoft_answers import MicrosoftConnector
from syncd_simulator.clock import SimClock
from syncd_simulator.line import ConnectionDropped
from syncd_simulator.microsoft import Editor, MicrosoftWorld, User, microsoft_app, tiny_microsoft
from syncd_simulator.microsoft.notices import deliver

from syncd.sdk import FULL, Account, Context, Partition, Record, Scan, Secret
from syncd.testing.client import CapturingLog, EngineClient

URL = "http://127.0.0.1:9000"
HOOK = "https://syncd.example/hook"
SECRET = "between-us"
START = 1795262400.0  # 2026-11-21T12:00:00Z
NINE, TEN = "2026-11-24T09:00:00", "2026-11-24T10:00:00"
ANA = {"givenName": "Ana", "surname": "Paz", "emailAddresses": [{"name": "Ana", "address": "ana@x.example"}]}


def when(text: str, zone: str = "UTC") -> dict[str, str]:
    """A moment as Graph writes it."""
    return {"dateTime": text, "timeZone": zone}


def meeting(**more: Any) -> dict[str, Any]:
    """An event to be written."""
    return {"subject": "Plan", "start": when(NINE), "end": when(TEN), **more}


class Clock:
    """The simulated world's time; waiting makes it pass."""

    def __init__(self, world: MicrosoftWorld) -> None:
        self._world = world

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._world.now(), UTC)

    def monotonic(self) -> float:
        return self._world.now()

    async def sleep(self, seconds: float) -> None:
        self._world.clock.advance(seconds)


class Line(httpx.AsyncBaseTransport):
    """A connection that the simulator drops is a broken one."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._inner.handle_async_request(request)
        except ConnectionDropped as error:
            raise httpx.ReadError("dropped") from error


class Office:
    """`told` is what came to the address; it greets handshakes by what the streams say."""

    def __init__(self, seed: int = 11) -> None:
        self.world = tiny_microsoft(seed, clock=SimClock.manual(START))
        self.world.subscriptions.transport = httpx.MockTransport(self._hear)
        self.editor = Editor(self.world, seed)
        self.user: User = next(iter(self.world.users.values()))
        self.account = Account(id=self.user.id, address=self.user.address)
        self.connector = MicrosoftConnector()
        given = self.world.settings(URL)
        secret = given.pop("client_secret")
        self.settings = {**given, "client_secret": Secret(lambda: secret, "${env:M365}")}
        self.auth = self.connector.auth(self.settings)
        self.clock, self.log = Clock(self.world), CapturingLog()
        self.transport = Line(httpx.ASGITransport(microsoft_app(self.world)))
        self.told: list[bytes] = []

    def _hear(self, request: httpx.Request) -> httpx.Response:
        token = self.stream("contacts").handshake(urlsplit(str(request.url)).query)
        if token is None:
            self.told.append(request.content)
            return httpx.Response(202)
        return httpx.Response(200, text=token, headers={"Content-Type": "text/plain"})

    def stream(self, name: str) -> Any:
        return next(one for one in self.connector.streams() if one.info.name == name)

    def context(self, stream: str, tries: int = 1, **more: Any) -> Context:
        client = EngineClient(
            self.connector,
            self.settings,
            self.auth,
            self.transport,
            self.clock,
            account=self.account,
            stream=stream,
            tries=tries,
        )
        return Context(client, self.clock, self.log, settings=self.settings, account=self.account, **more)

    async def create(self, stream: str, data: Any, key: str = "k1", **more: Any) -> Record:
        made: Record = await self.stream(stream).create(self.context(stream, **more), data, idempotency_key=key)
        return made

    async def update(self, stream: str, one: str, data: Any, etag: str | None = None) -> Record:
        made: Record = await self.stream(stream).update(
            self.context(stream), one, data, etag=etag, idempotency_key="u1"
        )
        return made

    async def delete(self, stream: str, one: str, etag: str | None = None) -> None:
        await self.stream(stream).delete(self.context(stream), one, etag=etag, idempotency_key="d1")

    async def get(self, stream: str, *ids: str, partition: str = "") -> list[Any]:
        ctx = self.context(stream, partition=Partition(partition))
        return [item async for item in self.stream(stream).get(ctx, ids)]

    async def listed(self, stream: str, partition: str, bookmark: Any = None) -> tuple[dict[str, Record], Any]:
        """What a round brings, by id, and the next one's start."""
        scan = FULL if bookmark is None else Scan.DELTA
        ctx = self.context(stream, partition=Partition(partition), scan=scan, cursor=bookmark)
        pages = [page async for page in self.stream(stream).pages(ctx)]
        found = {item.source_id: item for page in pages for item in page.items if isinstance(item, Record)}
        return found, pages[-1].bookmark

    async def deliver(self, **more: Any) -> list[bytes]:
        """What one delivery brings to the address."""
        self.told.clear()
        await deliver(self.world, **more)
        return list(self.told)

    def asked(self, start: str) -> list[Any]:
        """Requests whose method and template begin like this."""
        return [one for one in self.world.requests.latest if one.method.startswith(start)]


def data(record: Record) -> Any:
    assert isinstance(record.data, bytes)
    return orjson.loads(record.data)
