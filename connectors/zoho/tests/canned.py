"""A Zoho made of canned answers for streams: routes give answers, requests are kept. No token is needed.

Public: Canned, ANA, EU, query.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson

from syncd.sdk import Account, Context, Partition, Scan, Stream

ANA = Account(id="10008", address="ana@acme.example")
EU = {"data_center": "eu"}
Answer = httpx.Response | Callable[[httpx.Request], httpx.Response]
DATE = "Sat, 21 Nov 2026 10:00:00 GMT"


class Quiet:
    """A logger that says nothing."""

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None


class Noon:
    """A clock that stands still."""

    moment = datetime(2026, 11, 21, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        pass


class Canned:
    """Answers by "METHOD path": one for all requests there, or a list of them, one after the other."""

    def __init__(self, **settings: Any) -> None:
        self.settings = {**EU, **settings}
        self.routes: dict[str, Answer | list[Answer]] = {}
        self.requests: list[httpx.Request] = []
        self.clock = Noon()
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(self._handle))

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        route = f"{request.method} {request.url.path}"
        answer = self.routes.get(route)
        if isinstance(answer, list):
            answer = answer.pop(0) if answer else None
        if answer is None:
            raise AssertionError(f"unexpected request: {route} {dict(request.url.params)}")
        response = answer(request) if callable(answer) else answer
        return httpx.Response(
            response.status_code,
            content=response.content,
            headers={"date": DATE, **response.headers},
            extensions=response.extensions,
        )

    def context(self, partition: Partition | None = None, **more: Any) -> Context:
        return Context(
            self.client,
            self.clock,
            Quiet(),
            settings=self.settings,
            account=ANA,
            partition=partition or Partition(),
            **{"scan": Scan.FULL, **more},
        )

    async def pages(self, stream: Stream, **more: Any) -> list[Any]:
        return [page async for page in stream.pages(self.context(**more))]

    def asked(self, route: str) -> list[httpx.Request]:
        """The requests to "METHOD path"."""
        return [one for one in self.requests if f"{one.method} {one.url.path}" == route]


def query(request: httpx.Request) -> dict[str, str]:
    return dict(request.url.params.multi_items())


def body(request: httpx.Request) -> Any:
    return orjson.loads(request.content)


def answer(status: int, value: Any = None, headers: Mapping[str, str] | None = None) -> httpx.Response:
    if value is None:
        return httpx.Response(status, headers=headers)
    return httpx.Response(status, json=value, headers=headers)


def ids(pages: Sequence[Any]) -> list[str | None]:
    return [item.source_id for page in pages for item in page.items]
