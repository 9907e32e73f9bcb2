"""The HTTP client that connectors get as `ctx.http`: signs in, paces, retries, and keeps credentials at home.

Public: PacedClient (one view per call of a connector: an account, a stream, a budget of waiting), Hub (what the views of
a connection share), Meter (how many requests were made), TooLong.

Order of things for one request: where may it go (guard), is anybody told to wait (blocks), may it go now (gates, rates),
sign in, send, read, and only then the connector's word on what an answer of 400 or above means.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

from syncd.engine.guard import Guard, Verdict
from syncd.engine.log import debugging
from syncd.engine.metrics import SILENT, Metrics, outcome_of
from syncd.engine.pacing import Budget, Pacing, backoff
from syncd.engine.policy import TRIES, TRY_FOR
from syncd.engine.wirelog import tell
from syncd.sdk import Account, Clock, ProtocolError, RateLimited, SyncdError, Transient
from syncd.sdk.http import httpx

__all__ = ["LARGEST", "Hub", "Meter", "PacedClient", "TooLong"]

SHORTEST_WAIT = 1.0  # seconds: "later" without a time, or with one that is no wait, is backed off from
LARGEST = 64 * 1024 * 1024  # bytes of a body that is not streamed
REDIRECTS = 10
TIMEOUT = httpx.Timeout(30.0, connect=10.0, pool=None)
UNSAFE = frozenset({"POST", "PATCH"})  # may have an effect twice, unless extensions["syncd.safe"] says otherwise
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
BROKEN = (httpx.TransportError, httpx.DecodingError)
HINTS_OF_SECRETS = ("authorization", "cookie", "token", "api-key", "apikey", "secret")


class TooLong(RateLimited):
    """The provider asks for more waiting than one partition may do in one run; `retry_after` is from now."""


class Place(Protocol):
    """What a caller need not hold while it waits (`syncd.engine.work.Place`)."""

    def leave(self) -> None: ...
    async def come_back(self) -> None: ...


class Meter(Protocol):
    """Where requests are counted, those to token endpoints included."""

    requests: int


@dataclass(slots=True)
class Hub:
    """What all views of one connection share."""

    transport: httpx.AsyncBaseTransport
    auth: httpx.Auth | None
    pacing: Pacing
    guard: Guard
    retryable: Callable[[httpx.Response], RateLimited | Transient | None]
    pace: Callable[[httpx.Response], RateLimited | None]
    clock: Clock
    rng: random.Random
    user_agent: str
    connector: str = ""
    connection: str = ""
    metrics: Metrics = SILENT
    request_header: str | None = None  # in which the provider takes a request's id


class _Slot:
    """The places that a request holds in its budgets' gates, until its body is read or closed."""

    __slots__ = ("_gates", "open", "view")

    def __init__(self, view: "PacedClient | None", gates: tuple[asyncio.Semaphore, ...]) -> None:
        self.view = view
        self._gates = gates
        self.open = True

    def release(self) -> None:
        if self.open:
            self.open = False
            for gate in self._gates:
                gate.release()


# The streamed answer that the present task is reading: what it asks meanwhile must not wait for a place that it holds.
_reading: ContextVar[_Slot | None] = ContextVar("syncd_reading", default=None)


def _too_long(seconds: float) -> TooLong:
    text = f"the provider asks to wait {seconds:.0f} s, more than limits.max_wait allows in one run"
    return TooLong(text, seconds)


class _TokensBlocked(Exception):
    """The token endpoint has said "later": nothing was sent. Whoever signs in holds a lock, so nobody waits there."""


class _NoCookies(httpx.Cookies):
    """Takes none: they would travel from one account's requests to another's."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Nor does it look for them, which costs as much as a small answer's JSON."""


class PacedClient(httpx.AsyncClient):
    """One caller's view of a connection.

    `max_wait`: seconds of waiting that the provider may ask of this view in all; beyond, TooLong is raised.
    `activity` changes whenever something happens; `waiting` is above zero while the view waits on purpose. The `place`
    is left while the provider makes it wait.
    """

    def __init__(
        self,
        hub: Hub,
        account: Account | None,
        stream: str | None,
        meter: Meter,
        max_wait: float,
        place: Place | None = None,
    ) -> None:
        super().__init__(
            auth=hub.auth,
            transport=_Door(self, hub.transport),
            headers={"User-Agent": hub.user_agent},
            timeout=TIMEOUT,
            trust_env=False,
        )
        self._cookies = _NoCookies()
        self.hub = hub
        self.meter = meter
        self.max_wait = max_wait
        self.place = place
        self.waited = 0.0
        self.waiting = 0
        self.activity = 0
        self.given_up = False  # the call does not end, and is to ask nothing any more
        self.signed_in_at = 0.0  # when the last token request went out
        self.signing_in = False  # nothing has come of it yet
        self._account = account
        self._stream = stream
        self._charged_until = 0.0

    async def send(
        self,
        request: httpx.Request,
        *,
        stream: bool = False,
        auth: Any = httpx.USE_CLIENT_DEFAULT,
        follow_redirects: Any = httpx.USE_CLIENT_DEFAULT,
    ) -> httpx.Response:
        """As httpx's. Redirects are followed only if asked for, and judged anew each: never with a credential abroad.

        Raises RateLimited (TooLong), Transient (`exhausted` once retrying was of no use), ProtocolError, or what the
        sign-in raises. Answers of 400 and above that do not mean "later" are given back.
        """
        follow = follow_redirects is True
        if self.given_up:
            await asyncio.get_running_loop().create_future()  # an error might be met by one more try, and so for ever
        for _ in range(REDIRECTS):
            response = await self._judged(request, stream, auth)
            if not follow or response.next_request is None:
                return response
            await response.aclose()
            request = response.next_request
        raise ProtocolError(f"more than {REDIRECTS} redirects from {request.url.host}")

    async def hold_back(
        self, error: RateLimited, sent_at: float | None = None, request: httpx.Request | None = None
    ) -> None:
        """Block the budget that is empty, for all, and wait until it is open again. Raises TooLong beyond `max_wait`."""
        budget = self._empty(error, request)
        self._block(budget, error, sent_at)
        await self._open(budget)

    def _empty(self, error: RateLimited, request: httpx.Request | None) -> Budget:
        """The budget that the provider says is used up."""
        if error.scope == "lane" and request is not None and (lane := self._lane(request)) is not None:
            return lane
        account = self._budget()
        return self.hub.pacing.connection if error.scope == "connection" or account is None else account

    # -- one request

    async def _judged(self, request: httpx.Request, stream: bool, auth: Any) -> httpx.Response:
        verdict = await self.hub.guard.judge(request.url)
        request.extensions["syncd.account"] = self._account
        request.extensions["syncd.stream"] = self._stream
        request.extensions["syncd.trusted"] = verdict.trusted
        if verdict.trusted:
            return await self._persist(request, stream, auth)
        url = request.url
        _make_anonymous(request, verdict)
        try:
            return await self._persist(request, stream, None)
        finally:
            request.url = url

    async def _persist(self, request: httpx.Request, stream: bool, auth: Any) -> httpx.Response:
        """Send until there is an answer that does not mean "later"."""
        tries, began = 0, self.hub.clock.monotonic()
        while True:
            error: SyncdError
            try:
                response = await self._once(request, stream, auth)
                if self.signing_in:
                    self._signed_in()
                later = self.hub.retryable(response) if response.status_code >= 400 else None
                if later is None:
                    self._went_well(request, response)
                    return response
                repeat = _is_safe(request) or isinstance(later, RateLimited)
                error = later
            except TooLong:
                raise
            except _TokensBlocked:
                await self._open_tokens()
                continue
            except (RateLimited, Transient) as caught:  # out of the sign-in: the request itself was not sent
                asked_at, self.signing_in = self.signed_in_at if self.signing_in else None, False
                if isinstance(caught, RateLimited):
                    self._block(self.hub.pacing.tokens, caught, asked_at)
                    await self._open_tokens()
                    continue
                repeat, error = True, caught
            except BROKEN as caught:
                repeat, error = _may_repeat(request, caught), _broken(request, caught)
            if isinstance(error, RateLimited):
                await self.hold_back(error, request.extensions["syncd.sent_at"], request)
                continue
            if not repeat:
                raise error
            tries += 1
            await self._retry_later(error, tries, began)

    async def _retry_later(self, error: SyncdError, tries: int, began: float) -> None:
        wait = backoff(tries - 1, self.hub.rng)
        if tries >= TRIES or self.hub.clock.monotonic() - began + wait > TRY_FOR:
            raise Transient(error.message, exhausted=True, code=error.code, hint=error.hint) from error
        await self._sleep(wait)

    async def _once(self, request: httpx.Request, stream: bool, auth: Any) -> httpx.Response:
        slot = await self._enter(self._lane(request))
        request.extensions["syncd.sent_at"] = self.hub.clock.monotonic()  # after all waiting: what it meets is news
        try:
            response = await super().send(request, stream=True, auth=auth, follow_redirects=False)
        except BaseException:
            slot.release()
            raise
        if stream and response.status_code < 400:
            if response.is_closed:  # there is nothing left to read
                slot.release()
                return response
            assert isinstance(response.stream, httpx.AsyncByteStream)
            response.stream = _Body(response.stream, slot, request)
            _reading.set(slot)
            return response
        try:
            await _read(response)
        finally:
            await response.aclose()
            slot.release()
            self.activity += 1
        return response

    # -- pacing

    def _budget(self) -> Budget | None:
        key = None if self._account is None else self._account.id
        return self.hub.pacing.account(key, self.hub.clock.monotonic())

    def _lane(self, request: httpx.Request) -> Budget | None:
        """The lane that the connector named for a request, if the connection has such lanes."""
        named = request.extensions.get("syncd.lane")
        if named is None:
            return None
        name, key = (named, None) if isinstance(named, str) else named
        account = None if self._account is None else self._account.id
        return self.hub.pacing.lane(name, key, account, self.hub.clock.monotonic())

    async def _enter(self, lane: Budget | None) -> _Slot:
        """Wait until nobody is blocked, both gates have room and both rates allow one more."""
        outer = _reading.get()
        if outer is not None and outer.open and outer.view is self:
            return _Slot(None, ())
        account = self._budget()
        budgets = tuple(one for one in (lane, account, self.hub.pacing.connection) if one is not None)
        while True:
            for budget in budgets:
                await self._open(budget)
            slot = await self._gates(budgets)
            now = self.hub.clock.monotonic()
            if all(budget.blocked_until <= now for budget in budgets):
                return slot
            slot.release()

    async def _gates(self, budgets: tuple[Budget, ...]) -> _Slot:
        held: list[asyncio.Semaphore] = []
        try:
            for budget in budgets:
                self.waiting += 1
                try:
                    await budget.gate.acquire()
                finally:
                    self.waiting -= 1
                held.append(budget.gate)
                now = self.hub.clock.monotonic()
                at = budget.reserve(now)
                if at > now:
                    await self._sleep(at - now)
        except BaseException:
            for gate in held:
                gate.release()
            raise
        return _Slot(self, tuple(held))

    def _block(self, budget: Budget, error: RateLimited, sent_at: float | None) -> None:
        """A wave of answers to what was sent before the first of them counts once."""
        self.hub.metrics.throttled(self.hub.connector, self.hub.connection)
        now = self.hub.clock.monotonic()
        if error.retry_after is not None and error.retry_after >= SHORTEST_WAIT:
            budget.block(now + error.retry_after)
        elif sent_at is None or sent_at > budget.wave_at:
            budget.block(now + backoff(budget.throttled, self.hub.rng))
            budget.throttled += 1
        else:
            return
        budget.wave_at = now

    async def _open(self, budget: Budget) -> None:
        """Wait until the budget is not blocked, as far as `max_wait` reaches."""
        while (until := budget.blocked_until) > (now := self.hub.clock.monotonic()):
            more = until - max(now, self._charged_until)
            if self.waited + more > self.max_wait:
                raise _too_long(until - now)
            if more > 0:
                self.waited += more
                self._charged_until = until
            if self.place is not None:
                self.place.leave()
            await self._sleep(until - now)
            waited = self.hub.clock.monotonic() - now
            self.hub.metrics.waited(self.hub.connector, self.hub.connection, waited)
            if self.place is not None:
                self.waiting += 1
                try:
                    await self.place.come_back()
                finally:
                    self.waiting -= 1

    async def _open_tokens(self) -> None:
        """Wait until tokens may be asked for. All who need one wait at the same time, and `max_wait` goes for all together:
        an endpoint that puts everybody off again and again would hold each of thousands of partitions for so long.
        """
        tokens, now = self.hub.pacing.tokens, self.hub.clock.monotonic()
        if tokens.troubled_since is None:
            tokens.troubled_since = now
        if tokens.blocked_until - tokens.troubled_since > self.max_wait:
            raise _too_long(tokens.blocked_until - now)
        await self._open(tokens)

    def _signed_in(self) -> None:
        self.signing_in = False
        self.hub.pacing.tokens.throttled, self.hub.pacing.tokens.troubled_since = 0, None

    async def _sleep(self, seconds: float) -> None:
        self.waiting += 1
        try:
            await self.hub.clock.sleep(seconds)
        finally:
            self.waiting -= 1
            self.activity += 1

    def _went_well(self, request: httpx.Request, response: httpx.Response) -> None:
        if response.status_code >= 400:
            return
        for budget in (self.hub.pacing.connection, self._budget(), self._lane(request)):
            if budget is not None:
                budget.throttled = 0
        slower = self.hub.pace(response)
        if slower is not None and slower.retry_after is not None:
            until = self.hub.clock.monotonic() + max(0.0, slower.retry_after)
            self._empty(slower, request).block(until)


class _Door(httpx.AsyncBaseTransport):
    """The last step before the wire: counts, and sends no token request while the token endpoint is blocked."""

    def __init__(self, view: PacedClient, wire: httpx.AsyncBaseTransport) -> None:
        self._view = view
        self._wire = wire

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if "syncd.account" not in request.extensions:
            return await self._sign_in(request)
        return await self._ask(request)

    async def _sign_in(self, request: httpx.Request) -> httpx.Response:
        view = self._view
        view.hub.guard.admit(request.url)
        tokens, now = view.hub.pacing.tokens, view.hub.clock.monotonic()
        if tokens.blocked_until > now:
            raise _TokensBlocked
        if now - tokens.blocked_until > view.max_wait:
            tokens.troubled_since = None  # that was another time
        view.signed_in_at = now
        view.signing_in = True
        return await self._ask(request)

    async def _ask(self, request: httpx.Request) -> httpx.Response:
        self._view.meter.requests += 1
        self._view.activity += 1
        hub, status = self._view.hub, None
        number = str(uuid4()) if hub.request_header or debugging() else ""
        if hub.request_header and request.extensions.get("syncd.trusted"):
            request.headers[hub.request_header] = number
        began = hub.clock.monotonic()
        try:
            response = await self._wire.handle_async_request(request)
            status = response.status_code
            return response
        finally:
            seconds = hub.clock.monotonic() - began
            hub.metrics.requested(hub.connector, outcome_of(status), seconds)
            if debugging():
                tell(request, hub.connection, number, status, seconds)

    async def aclose(self) -> None:
        """The wire belongs to the connection."""


class _Body(httpx.AsyncByteStream):
    """A streamed body: tells faults in the SDK's words, and gives the slot back when it is closed (or forgotten)."""

    def __init__(self, body: httpx.AsyncByteStream, slot: _Slot, request: httpx.Request) -> None:
        self._body = body
        self._slot = slot
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._body:
                if self._slot.view is not None:
                    self._slot.view.activity += 1
                yield chunk
        except BROKEN as error:
            raise _broken(self._request, error) from error

    async def aclose(self) -> None:
        self._slot.release()
        await self._body.aclose()

    def __del__(self) -> None:
        self._slot.release()


async def _read(response: httpx.Response) -> None:
    """Read the body, up to LARGEST bytes after decompression."""
    parts, size = [], 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > LARGEST:
            raise ProtocolError(f"an answer of {response.request.url.host} is larger than {LARGEST >> 20} MiB")
        parts.append(part)
    response._content = b"".join(parts)  # what `aread` does, with a limit
    response.stream = httpx.ByteStream(b"")  # httpx's points back at the response, which then waits for the collector


def _make_anonymous(request: httpx.Request, verdict: Verdict) -> None:
    """Take every credential out, and nail the connection to the address that was checked."""
    for name in list(request.headers):
        if any(hint in name.lower() for hint in HINTS_OF_SECRETS):
            del request.headers[name]
    if verdict.address is not None:
        address = f"[{verdict.address}]" if ":" in verdict.address else verdict.address
        request.extensions["sni_hostname"] = request.url.host
        request.url = request.url.copy_with(host=address)


def _is_safe(request: httpx.Request) -> bool:
    return request.method not in UNSAFE or bool(request.extensions.get("syncd.safe"))


def _may_repeat(request: httpx.Request, error: Exception) -> bool:
    """Whether sending again cannot have an effect twice, and the body is still there."""
    if not isinstance(request.stream, httpx.ByteStream):
        return False
    if _is_safe(request) or isinstance(error, NOT_SENT):
        return True
    with contextlib.suppress(RuntimeError):  # raised where the error knows no request
        return isinstance(error, httpx.RequestError) and error.request is not request  # the token's, not this one
    return False


def _broken(request: httpx.Request, error: Exception) -> Transient:
    kind = type(error).__name__
    return Transient(f"{request.method} to {request.url.host} failed: {kind}")
