"""A Zoho made of canned answers: requests go to a handler, tokens are minted by the way."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from syncd_zoho import ZohoConnector
from syncd_zoho.auth import ZohoAuth

from syncd.sdk import Account, Context, Partition, Scan, Secret, Stream

Handler = Callable[[httpx.Request], httpx.Response]
OWNER = Account(id="60012345678", address="rebecca@zylker.eu", organization="20012345678")
SETTINGS: dict[str, Any] = {
    "data_center": "eu",
    "client_id": "1000.CLIENT",
    "client_secret": Secret(lambda: "secret-of-the-client", "${env:SECRET}"),
    "refresh_token": Secret(lambda: "1000.refresh.token", "${env:REFRESH}"),
}


class Quiet:
    """A logger that says nothing."""

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None


class Stopwatch:
    """A clock that a test moves by hand; sleeping moves it too."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.pass_(seconds)

    def pass_(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Zoho:
    """Requests seen, and answers by handler. Tokens cost nothing unless `token` says otherwise."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.requests: list[httpx.Request] = []
        self.token_requests: list[httpx.Request] = []
        self.answer: Handler = lambda request: httpx.Response(404)
        self.token: Handler = self.mint
        self.connector = ZohoConnector()
        self.clock = Stopwatch()
        self.auth = ZohoAuth(settings, self.clock)
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(self._handle), auth=self.auth, timeout=5)

    def mint(self, request: httpx.Request) -> httpx.Response:
        """§3.2, refresh."""
        return httpx.Response(
            200,
            json={
                "access_token": f"1000.access.{len(self.token_requests)}",
                "api_domain": "https://www.zohoapis.eu",
                "token_type": "Bearer",
                "expires_in": 3600,
            },
        )

    def _handle(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth/v2/token":
            self.token_requests.append(request)
            return self.token(request)
        self.requests.append(request)
        return self.answer(request)

    def stream(self, name: str) -> Stream:
        return next(stream for stream in self.connector.streams() if stream.info.name == name)

    def context(self, account: Account | None = OWNER, **more: Any) -> Context:
        more.setdefault("partition", Partition())
        more.setdefault("scan", Scan.FULL)
        return Context(self.client, self.clock, Quiet(), settings=self.settings, account=account, **more)

    async def pages(self, name: str, **more: Any) -> list[Any]:
        return [page async for page in self.stream(name).pages(self.context(**more))]

    def replies(self, *answers: httpx.Response) -> None:
        """Give these answers, one after the other."""
        waiting = list(answers)
        self.answer = lambda request: waiting.pop(0)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def settings() -> dict[str, Any]:
    return dict(SETTINGS)


@pytest.fixture
async def zoho(settings: dict[str, Any]) -> AsyncIterator[Zoho]:
    one = Zoho(settings)
    yield one
    await one.client.aclose()


def query(request: httpx.Request) -> dict[str, str]:
    return dict(request.url.params.multi_items())
