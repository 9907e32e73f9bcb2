"""A Google made of canned answers: requests go to a handler, tokens are minted by the way."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from syncd_google import GoogleConnector

from syncd.sdk import Account, Clock, Context, Partition, Scan, Secret, Stream, SystemClock

TOKEN_HOST = "oauth2.googleapis.com"
ANA = Account(id="1001", address="ana@acme.example")
Handler = Callable[[httpx.Request], httpx.Response]


class Quiet:
    """A logger that says nothing."""

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None


class Stopwatch:
    """A clock whose sleeping takes no time; `slept` is how long it would have."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._real = SystemClock()

    def now(self):  # type: ignore[no-untyped-def]
        return self._real.now()

    def monotonic(self) -> float:
        return self._real.monotonic() + sum(self.slept)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def key_json() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return orjson.dumps(
        {
            "type": "service_account",
            "client_email": "syncd@acme.iam.gserviceaccount.com",
            "private_key_id": "k1",
            "private_key": pem,
            "token_uri": "https://oauth2.googleapis.com/token",
        }
    ).decode()


@pytest.fixture
def service(key_json: str) -> dict[str, Any]:
    return {"service_account": Secret(lambda: key_json, "${env:KEY}"), "admin": "admin@acme.example"}


class Google:
    """Requests seen, and answers by handler. Tokens cost nothing unless `token` says otherwise."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.requests: list[httpx.Request] = []
        self.token_requests: list[httpx.Request] = []
        self.answer: Handler = lambda request: httpx.Response(404)
        self.token: Handler = lambda request: httpx.Response(
            200, json={"access_token": f"ya29.{len(self.token_requests)}", "expires_in": 3599, "token_type": "Bearer"}
        )
        self.connector = GoogleConnector()
        self.clock: Clock = Stopwatch()
        self.client = httpx.AsyncClient(
            transport=httpx.MockTransport(self._handle), auth=self.connector.auth(settings), timeout=5
        )

    def _handle(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == TOKEN_HOST:
            self.token_requests.append(request)
            return self.token(request)
        self.requests.append(request)
        return self.answer(request)

    def stream(self, name: str) -> Stream:
        return next(stream for stream in self.connector.streams() if stream.info.name == name)

    def context(self, account: Account | None = ANA, **more: Any) -> Context:
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
async def google(service: dict[str, Any]) -> AsyncIterator[Google]:
    one = Google(service)
    yield one
    await one.client.aclose()


def query(request: httpx.Request) -> dict[str, str]:
    return dict(request.url.params.multi_items())
