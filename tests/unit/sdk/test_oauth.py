"""BearerAuth: one token request at a time, one more on 401, and secrets that are gone."""

import asyncio
from collections.abc import Callable, Hashable

import pytest

from syncd.sdk import AuthFailed, BearerAuth, Secret, Token
from syncd.sdk.http import httpx
from syncd.testing import FakeClock

pytestmark = pytest.mark.anyio


class Auth(BearerAuth):
    def __init__(self, read: Callable[[], str], clock: FakeClock) -> None:
        super().__init__(clock)
        self.secret = Secret(read, "${env:SECRET}")

    def token_request(self, key: Hashable) -> httpx.Request:
        return httpx.Request("POST", "https://login.test/token", data={"secret": self.secret.reveal()})

    def parse(self, key: Hashable, response: httpx.Response) -> Token:
        return Token(response.json()["token"], 3600)


class Host:
    """Counts tokens; the API takes the newest only."""

    def __init__(self) -> None:
        self.tokens = 0
        self.valid = 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            self.tokens = self.valid = self.tokens + 1
            return httpx.Response(200, json={"token": f"access-token-{self.tokens}"})
        good = request.headers["Authorization"] == f"Bearer access-token-{self.valid}"
        return httpx.Response(200 if good else 401)


def client(auth: Auth, host: Host) -> httpx.AsyncClient:
    return httpx.AsyncClient(auth=auth, transport=httpx.MockTransport(host.answer), base_url="https://api.test")


async def test_many_requests_at_once_lead_to_one_token_request() -> None:
    host = Host()
    async with client(Auth(lambda: "hunter22", FakeClock()), host) as http:
        answers = await asyncio.gather(*(http.get("/x") for _ in range(20)))
    assert [one.status_code for one in answers] == [200] * 20
    assert host.tokens == 1


async def test_a_token_is_replaced_before_its_end() -> None:
    host, clock = Host(), FakeClock()
    async with client(Auth(lambda: "hunter22", clock), host) as http:
        await http.get("/x")
        clock.advance(3000)
        await http.get("/x")
        assert host.tokens == 1
        clock.advance(400)
        await http.get("/x")
    assert host.tokens == 2


async def test_a_401_leads_to_one_fresh_token_and_one_more_try() -> None:
    host = Host()
    async with client(Auth(lambda: "hunter22", FakeClock()), host) as http:
        await http.get("/x")
        host.valid = 99
        assert (await http.get("/x")).status_code == 200
        host.answer = lambda request: httpx.Response(401 if request.url.path == "/x" else 200, json={"token": "t"})  # type: ignore[method-assign]
    assert host.tokens == 2


def _unset() -> str:
    raise ValueError("the environment variable SECRET is not set")


def _gone() -> str:
    raise FileNotFoundError(2, "No such file or directory", "/etc/syncd/secret")


@pytest.mark.parametrize("read", [_unset, _gone])
async def test_a_secret_that_cannot_be_read_is_a_refused_credential(read: Callable[[], str]) -> None:
    async with client(Auth(read, FakeClock()), Host()) as http:
        with pytest.raises(AuthFailed, match="a secret cannot be used"):
            await http.get("/x")
