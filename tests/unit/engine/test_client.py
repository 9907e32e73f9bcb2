"""The paced client against hand-made replies, no network, a fake clock."""

import asyncio
import gc
import itertools
import random
import weakref
from collections.abc import AsyncGenerator, Callable
from typing import Any

import httpx
import pytest

from syncd.config.model import ConnectionLimits
from syncd.engine import client as client_module
from syncd.engine.client import Hub, PacedClient, TooLong
from syncd.engine.guard import Guard
from syncd.engine.pacing import Pacing, effective_limits
from syncd.sdk import Account, AuthFailed, Limits, ProtocolError, RateLimited, Transient, retryable
from syncd.testing import FakeClock

pytestmark = pytest.mark.anyio

ANN = Account("u1", "ann@acme.example")
BOB = Account("u2", "bob@acme.example")
Reply = httpx.Response | Exception


class Meter:
    requests = 0


class Wire(httpx.AsyncBaseTransport):
    """Answers in their order (the last one again and again), and remembers what was asked and when."""

    def __init__(self, clock: FakeClock, *replies: Reply | Callable[[httpx.Request], Reply]) -> None:
        self.clock = clock
        self.replies = list(replies)
        self.asked: list[httpx.Request] = []
        self.times: list[float] = []
        self.flying = 0
        self.most = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        self.times.append(self.clock.monotonic() - 1000.0)
        self.flying += 1
        self.most = max(self.most, self.flying)
        await asyncio.sleep(0.001)
        self.flying -= 1
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if not isinstance(reply, httpx.Response | Exception):
            reply = reply(request)
        if isinstance(reply, Exception):
            raise reply
        return reply


def answer(status: int = 200, **headers: str) -> Callable[[httpx.Request], httpx.Response]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: httpx.Response(status, headers=named, json={"ok": status})


class Desk:
    """A hub over a wire, and views of it."""

    def __init__(
        self,
        *replies: Any,
        limits: Limits | None = None,
        auth: httpx.Auth | None = None,
        origins: tuple[str, ...] = ("https://api.test", "https://token.test"),
        downloads: tuple[str, ...] = ("files.test", "*.files.test"),
        resolver: Any = None,
        auto: bool = True,
        pace: Any = None,
    ) -> None:
        self.clock = FakeClock(auto=auto)
        self.wire = Wire(self.clock, *replies)
        self.meter = Meter()
        self.hub = Hub(
            self.wire,
            auth,
            Pacing(limits or Limits()),
            Guard(lambda: origins, downloads, resolver),
            retryable,
            pace or (lambda response: None),
            self.clock,
            random.Random(7),
            "syncd/test (gzip)",
        )

    def view(self, account: Account | None = ANN, max_wait: float = 300.0) -> PacedClient:
        return PacedClient(self.hub, account, "items", self.meter, max_wait)


async def test_account_and_stream_travel_with_the_request() -> None:
    desk = Desk(answer())
    await desk.view().get("https://api.test/x")
    assert desk.wire.asked[0].extensions["syncd.account"] is ANN
    assert desk.wire.asked[0].extensions["syncd.stream"] == "items"
    assert desk.wire.asked[0].headers["user-agent"] == "syncd/test (gzip)"
    assert desk.meter.requests == 1


async def test_retry_after_is_law() -> None:
    desk = Desk(answer(429, retry_after="7"), answer())
    assert (await desk.view().get("https://api.test/x")).status_code == 200
    assert desk.wire.times == [0.0, 7.0]


async def test_without_a_time_waits_double_with_jitter() -> None:
    desk = Desk(*[answer(429)] * 4, answer())
    await desk.view().get("https://api.test/x")
    gaps = [b - a for a, b in zip(desk.wire.times, desk.wire.times[1:], strict=False)]
    assert len(gaps) == 4
    assert all(2**n <= gap <= 2 ** (n + 1) for n, gap in enumerate(gaps))
    assert len({round(gap / 2**n, 6) for n, gap in enumerate(gaps)}) == 4


@pytest.mark.parametrize("header", ["0", "-5", "Thu, 01 Jan 1970 00:00:00 GMT"])
async def test_a_time_that_is_no_wait_is_backed_off_from(header: str) -> None:
    desk = Desk(answer(429, retry_after=header, date="Fri, 01 Jan 2027 00:00:00 GMT"))
    with pytest.raises(TooLong):
        await desk.view().get("https://api.test/x")
    assert 5 <= len(desk.wire.times) <= 12


async def test_waits_beyond_max_wait_are_given_up() -> None:
    desk = Desk(answer(429, retry_after="200"))
    with pytest.raises(TooLong) as caught:
        await desk.view(max_wait=300).get("https://api.test/x")
    assert desk.wire.times == [0.0, 200.0]
    assert caught.value.retry_after == 200.0


async def test_one_accounts_throttle_blocks_its_other_requests_but_not_other_accounts() -> None:
    desk = Desk(answer(429, retry_after="30"), answer())
    ann, ann_again, bob = desk.view(), desk.view(), desk.view(BOB)
    first = asyncio.create_task(ann.get("https://api.test/1"))
    await asyncio.sleep(0.01)
    await first
    desk = Desk(answer(429, retry_after="30"), answer(), auto=False)
    ann, ann_again, bob = desk.view(), desk.view(), desk.view(BOB)
    first = asyncio.create_task(ann.get("https://api.test/1"))
    await asyncio.sleep(0.02)
    second = asyncio.create_task(ann_again.get("https://api.test/2"))
    other = asyncio.create_task(bob.get("https://api.test/3"))
    await asyncio.sleep(0.02)
    assert other.done()
    assert not second.done()
    assert ann_again.waiting == 1
    desk.clock.advance(30)
    await asyncio.gather(first, second)
    assert [request.url.path for request in desk.wire.asked][:2] == ["/1", "/3"]
    assert desk.wire.times[2:] == [30.0, 30.0]


async def test_waits_of_one_view_at_the_same_time_count_once() -> None:
    desk = Desk(answer(429, retry_after="200"), answer(429, retry_after="200"), answer(), auto=False)
    view = desk.view(max_wait=300)
    tasks = [asyncio.create_task(view.get(f"https://api.test/{n}")) for n in range(2)]
    await asyncio.sleep(0.02)
    desk.clock.advance(200)
    answers = await asyncio.gather(*tasks)
    assert [one.status_code for one in answers] == [200, 200]
    assert view.waited == 200


async def test_a_wave_of_throttles_doubles_once() -> None:
    desk = Desk(*[answer(429)] * 4, answer(), limits=Limits(account_concurrency=4), auto=False)
    view = desk.view()
    tasks = [asyncio.create_task(view.get(f"https://api.test/{n}")) for n in range(4)]
    await asyncio.sleep(0.03)
    desk.clock.advance(2.0)  # 2^0 and its jitter are over
    await asyncio.gather(*tasks)
    assert len(desk.wire.asked) == 8


async def test_server_errors_are_tried_five_times_over_at_most_a_minute() -> None:
    desk = Desk(answer(502))
    with pytest.raises(Transient) as caught:
        await desk.view().get("https://api.test/x")
    assert caught.value.exhausted
    assert len(desk.wire.asked) == 5
    assert desk.wire.times[-1] <= 60


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("no"),
        httpx.ReadTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("peer closed connection without sending complete message body"),
    ],
)
async def test_broken_connections_are_tried_again(error: Exception) -> None:
    desk = Desk(error, answer())
    assert (await desk.view().get("https://api.test/x")).status_code == 200
    assert len(desk.wire.asked) == 2


async def test_time_outs_end_after_a_minute_even_before_five_tries() -> None:
    desk = Desk()

    def slow(_: httpx.Request) -> Exception:
        desk.clock.advance(30)
        return httpx.ReadTimeout("slow")

    desk.wire.replies = [slow]
    with pytest.raises(Transient):
        await desk.view().get("https://api.test/x")
    assert len(desk.wire.asked) == 2


class Broken(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        yield b"half"
        raise httpx.RemoteProtocolError("incomplete")


async def test_a_truncated_body_is_asked_for_again() -> None:
    desk = Desk(httpx.Response(200, stream=Broken()), answer())
    assert (await desk.view().get("https://api.test/x")).json() == {"ok": 200}


async def test_a_truncated_stream_is_told_as_transient_and_gives_its_place_back() -> None:
    desk = Desk(httpx.Response(200, stream=Broken()), answer(), limits=Limits(account_concurrency=1))
    view = desk.view()
    with pytest.raises(Transient):
        async with view.stream("GET", "https://api.test/x") as response:
            await response.aread()
    assert (await view.get("https://api.test/y")).status_code == 200


async def test_post_is_not_sent_twice_once_it_may_have_had_an_effect() -> None:
    for reply in (answer(500), httpx.ReadTimeout("slow")):
        desk = Desk(reply, answer())
        with pytest.raises(Transient) as caught:
            await desk.view().post("https://api.test/x", json={})
        assert not caught.value.exhausted
        assert len(desk.wire.asked) == 1


async def test_post_is_sent_again_when_throttled_when_never_sent_or_when_declared_safe() -> None:
    for reply in (answer(429, retry_after="1"), httpx.ConnectError("no")):
        desk = Desk(reply, answer())
        assert (await desk.view().post("https://api.test/x", json={})).status_code == 200
    desk = Desk(answer(500), answer())
    response = await desk.view().post("https://api.test/x", json={}, extensions={"syncd.safe": True})
    assert response.status_code == 200


async def test_bodies_have_a_limit_after_decompression(monkeypatch: pytest.MonkeyPatch) -> None:
    import gzip

    monkeypatch.setattr(client_module, "LARGEST", 1000)
    bomb = httpx.Response(200, headers={"content-encoding": "gzip"}, content=gzip.compress(b"0" * 100_000))
    desk = Desk(bomb)
    with pytest.raises(ProtocolError, match="larger"):
        await desk.view().get("https://api.test/x")


async def test_an_answer_that_was_used_is_gone_at_once_not_when_the_collector_comes() -> None:
    desk = Desk(answer())
    collects = gc.isenabled()
    gc.disable()
    try:
        used = weakref.ref(await desk.view().get("https://api.test/x"))
        assert used() is None
    finally:
        if collects:
            gc.enable()


async def test_streamed_bodies_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "LARGEST", 10)
    desk = Desk(httpx.Response(200, content=b"0" * 1000))
    async with desk.view().stream("GET", "https://api.test/x") as response:
        assert len(await response.aread()) == 1000


async def test_other_4xx_are_the_connectors_business() -> None:
    desk = Desk(answer(404))
    assert (await desk.view().get("https://api.test/x")).status_code == 404
    assert len(desk.wire.asked) == 1


async def test_rate_per_connection_spaces_requests() -> None:
    desk = Desk(answer(), limits=Limits(requests_per_second=10))
    view, other = desk.view(), desk.view(BOB)
    for n in range(4):
        await (view, other)[n % 2].get("https://api.test/x")
    assert [round(one, 3) for one in desk.wire.times] == [0.0, 0.1, 0.2, 0.3]


async def test_concurrency_is_bounded_per_account_and_per_connection() -> None:
    desk = Desk(answer(), limits=Limits(concurrency=3, account_concurrency=2))
    views = [desk.view(), desk.view(BOB)]
    await asyncio.gather(*[views[0].get("https://api.test/x") for _ in range(8)])
    assert desk.wire.most == 2
    await asyncio.gather(*[views[n % 2].get("https://api.test/x") for n in range(12)])
    assert desk.wire.most == 3


class Whole(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        yield b"whole"


async def test_an_open_stream_holds_its_place_but_never_against_itself() -> None:
    desk = Desk(httpx.Response(200, stream=Whole()), answer(), limits=Limits(concurrency=1, account_concurrency=1))
    view, other = desk.view(), desk.view(BOB)
    async with view.stream("GET", "https://api.test/file") as response:
        assert (await view.get("https://api.test/meta")).status_code == 200
        blocked = asyncio.create_task(other.get("https://api.test/x"))
        await asyncio.sleep(0.01)
        assert not blocked.done()
        await response.aread()
    assert (await blocked).status_code == 200


def test_limits_of_the_operator_replace_the_connectors_upwards_too() -> None:
    built_in = Limits(5, 16, 2, 4)
    assert effective_limits(built_in, ConnectionLimits()) == built_in
    assert effective_limits(built_in, ConnectionLimits(50, 32)) == Limits(50, 32, None, 32)


# -- signing in


class TokenAuth(httpx.Auth):
    def __init__(self, error: list[Exception | None]) -> None:
        self.error = error
        self.token = ""

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        if not self.token:
            answer = yield httpx.Request("POST", "https://token.test/")
            await answer.aread()
            error = self.error.pop(0) if self.error else None
            if error is not None:
                raise error
            self.token = "t"
        request.headers["Authorization"] = f"Bearer {self.token}"
        yield request


async def test_token_requests_are_counted() -> None:
    desk = Desk(answer(), auth=TokenAuth([]))
    await desk.view().get("https://api.test/x")
    assert desk.meter.requests == 2


async def test_a_throttled_token_endpoint_is_waited_out() -> None:
    desk = Desk(answer(), auth=TokenAuth([RateLimited(retry_after=40)]))
    assert (await desk.view().get("https://api.test/x")).status_code == 200
    assert desk.wire.times == [0.0, 40.0, 40.0]


async def test_a_token_endpoint_that_throttles_without_a_time_is_asked_less_and_less() -> None:
    desk = Desk(answer(), auth=TokenAuth([RateLimited()] * 100))
    with pytest.raises(TooLong):
        await desk.view().get("https://api.test/x")
    gaps = [later - sooner for sooner, later in itertools.pairwise(desk.wire.times)]
    assert all(2.0**tries <= gap <= 2.0 ** (tries + 1) or gap == 64 for tries, gap in enumerate(gaps)), gaps
    assert 5 <= len(desk.wire.times) <= 12


async def test_a_token_endpoint_that_throttles_too_long_defers() -> None:
    desk = Desk(answer(), auth=TokenAuth([RateLimited(retry_after=4000)]))
    with pytest.raises(TooLong):
        await desk.view().get("https://api.test/x")
    assert len(desk.wire.asked) == 1
    with pytest.raises(TooLong):  # and nobody hammers it meanwhile
        await desk.view(BOB).get("https://api.test/x")
    assert len(desk.wire.asked) == 1


class OneAtATime(TokenAuth):
    """As `TokenSignIn` does it: whoever asks for a token keeps the others from asking."""

    def __init__(self, error: list[Exception | None]) -> None:
        super().__init__(error)
        self.lock = asyncio.Lock()

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        async with self.lock:
            if not self.token:
                answer = yield httpx.Request("POST", "https://token.test/")
                await answer.aread()
                if self.error:
                    raise self.error.pop(0) or AssertionError
                self.token = "t"
        yield request


async def test_all_who_need_a_token_wait_at_the_same_time() -> None:
    desk = Desk(answer(), auth=OneAtATime([RateLimited(retry_after=40)]))
    views = [desk.view(Account(f"u{n}", f"p{n}@acme.example")) for n in range(12)]
    assert {one.status_code for one in await asyncio.gather(*[one.get("https://api.test/x") for one in views])} == {200}
    assert desk.clock.monotonic() - 1000.0 == 40.0
    assert sum(one.url.host == "token.test" for one in desk.wire.asked) == 2


async def test_a_token_endpoint_that_puts_off_again_and_again_is_waited_for_once_by_all_together() -> None:
    desk = Desk(answer(), auth=OneAtATime([RateLimited(retry_after=8)] * 1000))
    for wave in range(3):
        views = [desk.view(Account(f"u{n}", f"p{n}@acme.example"), max_wait=20.0) for n in range(12)]
        ends = await asyncio.gather(*[one.get("https://api.test/x") for one in views], return_exceptions=True)
        assert {type(end) for end in ends} == {TooLong}, wave
    assert desk.clock.monotonic() - 1000.0 <= 24.0
    assert len(desk.wire.asked) <= 4
    desk.clock.advance(600)
    desk.hub.auth.error[:] = [RateLimited(retry_after=8)]  # type: ignore[union-attr]
    assert (await desk.view(max_wait=20.0).get("https://api.test/x")).status_code == 200  # another time


class Sparing(httpx.Auth):
    """Refuses by itself, before any request, until `open_at`: a provider grants so many tokens in so many minutes."""

    def __init__(self, desk: Desk, open_at: float, *, tells: bool) -> None:
        self.clock, self.open_at, self.tells, self.asked = desk.clock, desk.clock.monotonic() + open_at, tells, 0

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        self.asked += 1
        assert self.asked < 100, "asked again and again"
        left = self.open_at - self.clock.monotonic()
        if left > 0:
            raise RateLimited("no more tokens now", left if self.tells else None)
        yield request


@pytest.mark.parametrize(("tells", "times"), [(True, 2), (False, 8)])
async def test_a_sign_in_that_refuses_by_itself_is_waited_out(tells: bool, times: int) -> None:
    desk = Desk(answer())
    desk.hub.auth = auth = Sparing(desk, 100.0, tells=tells)
    assert (await desk.view().get("https://api.test/")).status_code == 200
    assert auth.asked <= times
    assert desk.wire.times[0] >= 100.0


async def test_a_sign_in_that_refuses_by_itself_for_too_long_defers() -> None:
    desk = Desk(answer())
    desk.hub.auth = auth = Sparing(desk, 600.0, tells=True)
    with pytest.raises(TooLong):
        await desk.view().get("https://api.test/")
    assert (auth.asked, desk.wire.asked) == (1, [])


async def test_a_failing_token_endpoint_is_tried_again_also_for_a_post() -> None:
    desk = Desk(answer(), auth=TokenAuth([Transient("down"), None]))
    assert (await desk.view().post("https://api.test/x")).status_code == 200
    desk = Desk(httpx.ReadTimeout("slow"), answer(), auth=TokenAuth([]))
    assert (await desk.view().post("https://api.test/x")).status_code == 200


async def test_a_refused_credential_travels_on_at_once() -> None:
    desk = Desk(answer(), auth=TokenAuth([AuthFailed("no")]))
    with pytest.raises(AuthFailed):
        await desk.view().get("https://api.test/x")


# -- where credentials may go


async def test_credentials_stay_with_the_declared_origins() -> None:
    desk = Desk(answer(), auth=TokenAuth([]))
    view = desk.view()
    await view.get("https://files.test/x", headers={"Authorization": "Bearer own", "X-Api-Token": "t", "Accept": "a"})
    request = desk.wire.asked[0]
    assert "authorization" not in request.headers
    assert "x-api-token" not in request.headers
    assert request.headers["accept"] == "a"
    await view.get("https://api.test/x")
    assert desk.wire.asked[-1].headers["authorization"] == "Bearer t"


@pytest.mark.parametrize(
    "url",
    [
        "http://files.test/x",
        "https://10.0.0.1/x",
        "https://127.0.0.1/x",
        "https://169.254.169.254/latest",
        "https://[::1]/x",
        "https://[::ffff:10.0.0.1]/x",
        "https://internal.test/x",
        "ftp://files.test/x",
        "https://localhost/x",
    ],
)
async def test_addresses_that_are_not_public_are_refused(url: str) -> None:
    async def resolver(host: str) -> list[str]:
        return ["93.184.216.34", "192.168.1.1"] if host == "internal.test" else ["127.0.0.1"]

    desk = Desk(answer(), resolver=resolver, downloads=("*",))
    with pytest.raises(ProtocolError, match="refused") as caught:
        await desk.view().get(url)
    assert caught.value.code == "SYN-NET-002"
    assert desk.wire.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.test/x",
        "https://files.test.evil.test/x",
        "https://evilfiles.test/x",
        "https://api.test:8443/x",
        "http://api.test/x",
        "https://sub.api.test/x",
    ],
)
async def test_addresses_that_the_connector_does_not_declare_are_not_asked(url: str) -> None:
    desk = Desk(answer())
    with pytest.raises(ProtocolError, match="does not declare") as caught:
        await desk.view().get(url)
    assert caught.value.code == "SYN-NET-002"
    assert desk.wire.asked == []


async def test_a_redirect_to_an_address_that_is_not_declared_is_not_followed() -> None:
    desk = Desk(lambda _: httpx.Response(302, headers={"location": "https://evil.test/y"}))
    with pytest.raises(ProtocolError, match="does not declare"):
        await desk.view().get("https://api.test/x", follow_redirects=True)
    assert [request.url.host for request in desk.wire.asked] == ["api.test"]


async def test_declared_hosts_may_be_named_with_all_below_them() -> None:
    desk = Desk(answer(), auth=TokenAuth([]))
    for host in ("files.test", "FILES.test", "eu.files.test", "a.b.files.test."):
        await desk.view().get(f"https://{host}/x")
        assert "authorization" not in desk.wire.asked[-1].headers


async def test_a_sign_in_goes_to_declared_addresses_only() -> None:
    desk = Desk(answer(), auth=TokenAuth([]), origins=("https://api.test",), downloads=("*",))
    with pytest.raises(ProtocolError, match="sign-in"):
        await desk.view().get("https://api.test/x")
    assert desk.wire.asked == []


async def test_a_sign_in_address_that_a_replaced_credential_names_is_admitted() -> None:
    origins = ["https://api.test"]
    desk = Desk(answer(), auth=TokenAuth([]))
    desk.hub.guard = Guard(lambda: origins)
    origins.append("https://token.test")
    await desk.view().get("https://api.test/x")
    assert [request.url.host for request in desk.wire.asked] == ["token.test", "api.test"]


async def test_a_checked_name_cannot_change_its_mind() -> None:
    async def resolver(host: str) -> list[str]:
        return ["93.184.216.34"]

    desk = Desk(answer(), resolver=resolver)
    response = await desk.view().get("https://files.test/x")
    request = desk.wire.asked[0]
    assert request.headers["host"] == "files.test"
    assert request.extensions["sni_hostname"] == "files.test"
    assert str(response.request.url) == "https://files.test/x"


async def test_loopback_is_fine_where_the_operators_endpoints_are_on_loopback() -> None:
    desk = Desk(answer(), origins=("http://127.0.0.1:9000",), auth=TokenAuth([]))
    await desk.view().get("http://127.0.0.1:9001/x")
    assert "authorization" not in desk.wire.asked[0].headers
    with pytest.raises(ProtocolError):
        await desk.view().get("http://10.0.0.1/x")


async def test_loopback_is_refused_to_a_connector_that_declares_no_downloads() -> None:
    desk = Desk(answer(), origins=("http://127.0.0.1:9000",), downloads=())
    await desk.view().get("http://127.0.0.1:9000/x")
    with pytest.raises(ProtocolError, match="does not declare"):
        await desk.view().get("http://127.0.0.1:9001/x")
    assert [request.url.port for request in desk.wire.asked] == [9000]


async def test_redirects_are_given_back_unless_asked_for_and_never_take_the_credential_abroad() -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        if request.url.host == "api.test":
            return httpx.Response(302, headers={"location": "https://files.test/y"})
        return httpx.Response(200)

    desk = Desk(reply, auth=TokenAuth([]))
    desk.hub.auth.token = "t"  # type: ignore[union-attr]
    assert (await desk.view().get("https://api.test/x")).status_code == 302
    response = await desk.view().get("https://api.test/x", follow_redirects=True)
    assert response.status_code == 200
    assert "authorization" in desk.wire.asked[1].headers
    assert "authorization" not in desk.wire.asked[2].headers


async def test_endless_redirects_end() -> None:
    desk = Desk(lambda _: httpx.Response(302, headers={"location": "https://api.test/x"}))
    with pytest.raises(ProtocolError, match="redirects"):
        await desk.view().get("https://api.test/x", follow_redirects=True)


async def test_cookies_of_one_request_do_not_travel_with_the_next() -> None:
    desk = Desk(answer(set_cookie="session=ann"), answer())
    view = desk.view()
    await view.get("https://api.test/x")
    await view.get("https://api.test/x")
    assert "cookie" not in desk.wire.asked[1].headers
