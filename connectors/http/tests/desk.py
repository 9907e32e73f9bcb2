"""A described API made of canned answers."""

from collections.abc import Callable, Mapping
from typing import Any

import httpx
from syncd_http import HttpConnector

from syncd.sdk import FULL, JSON, Account, Context, Page, Partition, Scan, Secret, Stream
from syncd.testing.client import CapturingLog, EngineClient
from syncd.testing.clock import FakeClock

ROOT = "https://api.example/v1"
Handler = Callable[[httpx.Request], httpx.Response]


def secret(value: str) -> Secret:
    return Secret(lambda: value, "${env:SOME}")


class Desk:
    """`answers`: by path, or a function. `asked`: the requests, those for tokens included."""

    def __init__(self, streams: Mapping[str, Any], answers: Mapping[str, Any] | Handler, **settings: Any) -> None:
        self.settings = {"base_url": ROOT, "streams": streams, **settings}
        self.answers = answers
        self.asked: list[httpx.Request] = []
        self.connector: Any = HttpConnector().configured(self.settings)
        self.auth = self.connector.auth(self.settings)
        self.clock = FakeClock()

    def stream(self, name: str = "things") -> Stream:
        return next(one for one in self.connector.streams() if one.info.name == name)

    def context(self, cursor: JSON = None, scan: Scan = FULL, partition: str = "") -> Context:
        client = EngineClient(
            self.connector, self.settings, self.auth, httpx.MockTransport(self._answer), self.clock, tries=1
        )
        return Context(
            client, self.clock, CapturingLog(), settings=self.settings, account=Account("a/1", "ana@acme.example"),
            partition=Partition(partition), scan=scan, cursor=cursor,
        )  # fmt: skip

    async def pages(self, name: str = "things", **more: Any) -> list[Page]:
        return [page async for page in self.stream(name).pages(self.context(**more))]

    async def items(self, name: str = "things", **more: Any) -> list[Any]:
        return [item for page in await self.pages(name, **more) for item in page.items]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if callable(self.answers):
            return self.answers(request)
        found = self.answers.get(request.url.raw_path.decode(), httpx.Response(404))
        if callable(found):
            return found(request)
        return found if isinstance(found, httpx.Response) else httpx.Response(200, json=found)
