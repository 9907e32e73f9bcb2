"""A transport that misbehaves on request and remembers what was asked.

Public: FaultTransport, Asked, Fault and the faults in __all__. `MALFORMED` lives in `syncd.testing.malformed`.

    wire = FaultTransport(httpx.ASGITransport(app))
    wire.add(answer(429, retry_after=7), at=3)          # the third request from now on
    wire.add(reset(), when=lambda asked: "/files/" in asked.path, times=None)
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from syncd.sdk import Clock
from syncd.sdk.http import httpx

from .failures import Runaway

__all__ = [
    "Asked",
    "Fault",
    "FaultTransport",
    "Planned",
    "answer",
    "block",
    "html",
    "reset",
    "rewrite",
    "slow",
    "timeout",
    "truncated",
]

Forward: TypeAlias = Callable[[], Awaitable[httpx.Response]]
Fault: TypeAlias = Callable[[httpx.Request, Forward], Awaitable[httpx.Response]]
HTML = b"<!DOCTYPE html><html><title>502</title><p>The proxy is having a bad day.</p></html>"
_VERSION = re.compile(r"v\d+(\.\d+)?(beta\d*|alpha\d*)?")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z_:.\-]{0,23}")


@dataclass(slots=True)
class Asked:
    """One request. `phase` is what the test said that it was doing (`wire.phase`)."""

    number: int
    phase: str
    request: httpx.Request
    body: bytes
    status: int | None = None
    answer: bytes | None = None

    @property
    def path(self) -> str:
        return self.request.url.path

    @property
    def origin(self) -> str:
        url = self.request.url
        return f"{url.scheme}://{url.netloc.decode()}"

    @property
    def kind(self) -> str:
        """Requests of the same kind differ in ids and tokens only."""
        parts = [part if _VERSION.fullmatch(part) or _PLAIN.fullmatch(part) else "*" for part in self.path.split("/")]
        keys = sorted(set(self.request.url.params.keys()))
        return f"{self.phase}: {self.request.method} {'/'.join(parts[1:])}?{'&'.join(keys)}"


@dataclass(slots=True)
class Planned:
    """A fault that waits for its request; `played` counts."""

    fault: Fault
    at: int | None
    when: Callable[[Asked], bool] | None
    times: int | None
    played: int = 0

    def matches(self, asked: Asked) -> bool:
        if self.times == 0 or (self.at is not None and asked.number < self.at):
            return False
        return self.when is None or self.when(asked)


class _Watched(httpx.AsyncByteStream):
    """A body that counts whether it was closed."""

    def __init__(self, wire: "FaultTransport", response: httpx.Response, cut: int | None = None) -> None:
        self._wire = wire
        self._response = response
        self._open = True
        wire.open_answers += 1

    async def __aiter__(self) -> AsyncIterator[bytes]:
        assert isinstance(self._response.stream, httpx.AsyncByteStream)
        async for chunk in self._response.stream:
            yield chunk

    async def aclose(self) -> None:
        if self._open:
            self._open = False
            self._wire.open_answers -= 1
            await self._response.aclose()


@dataclass(slots=True)
class FaultTransport(httpx.AsyncBaseTransport):
    """Wraps the way to a source: keeps a log, plays faults, refuses to be asked for ever.

    `budget`: how many more requests are answered; beyond, `Runaway` is raised. `keep`: whether answers are kept in the
    log. `open_answers`: bodies handed out and not closed yet. `foreign`: answers requests to other origins than the
    first one seen, instead of the network.
    """

    inner: httpx.AsyncBaseTransport
    budget: int = 20_000
    keep: bool = False
    phase: str = ""
    foreign: Callable[[httpx.Request], httpx.Response | None] | None = None
    log: list[Asked] = field(default_factory=list)
    open_answers: int = 0
    runaway: bool = False
    _rules: list[Planned] = field(default_factory=list)
    _count: int = 0

    def add(
        self, fault: Fault, *, at: int | None = None, when: Callable[[Asked], bool] | None = None, times: int | None = 1
    ) -> "Planned":
        """Play `fault` on the `at`-th request from now on (1 is the next), or where `when` holds; `times` None: for ever."""
        self._rules.append(Planned(fault, None if at is None else self._count + at, when, times))
        return self._rules[-1]

    def calm(self) -> None:
        """Forget all faults."""
        self._rules.clear()

    @property
    def asked(self) -> int:
        """How many requests there have been."""
        return self._count

    def forget(self) -> None:
        """Empty the log (the count goes on)."""
        self.log.clear()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._count += 1
        asked = Asked(self._count, self.phase, request, await request.aread())
        self.log.append(asked)
        self.budget -= 1
        if self.budget < 0:
            self.runaway = True
            raise Runaway(f"request {self._count} ({asked.kind}) is beyond the budget of this test")
        await asyncio.sleep(0)  # a real network lets others run, so a source in memory must too
        response = await self._answer(request, asked)
        asked.status = response.status_code
        if self.keep:
            asked.answer = await response.aread()
            response = _with_body(response, asked.answer)
        return httpx.Response(
            response.status_code, headers=response.headers, stream=_Watched(self, response), request=request
        )

    async def _answer(self, request: httpx.Request, asked: Asked) -> httpx.Response:
        async def forward() -> httpx.Response:
            if self.foreign is not None and (response := self.foreign(request)) is not None:
                return response
            return await self.inner.handle_async_request(request)

        for rule in self._rules:
            if rule.matches(asked):
                rule.played += 1
                if rule.times is not None:
                    rule.times -= 1
                return await rule.fault(request, forward)
        return await forward()

    async def aclose(self) -> None:
        await self.inner.aclose()


def _with_body(response: httpx.Response, body: bytes) -> httpx.Response:
    """The same answer with another body, no longer compressed."""
    dropped = {"content-length", "content-encoding", "transfer-encoding"}
    headers = [(name, value) for name, value in response.headers.multi_items() if name not in dropped]
    return httpx.Response(response.status_code, headers=headers, content=body, request=response._request)


def answer(status: int, body: bytes = b"{}", *, retry_after: float | str | None = None, mime: str = "") -> Fault:
    """Answer this instead of asking the source."""
    headers = {"Content-Type": mime or "application/json"}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)

    async def fault(request: httpx.Request, forward: Forward) -> httpx.Response:
        return httpx.Response(status, headers=headers, content=body, request=request)

    return fault


def html(status: int = 200) -> Fault:
    """A proxy's error page."""
    return answer(status, HTML, mime="text/html; charset=utf-8")


def reset(*, done: bool = False) -> Fault:
    """The connection breaks before an answer; `done`: after the source has acted."""

    async def fault(request: httpx.Request, forward: Forward) -> httpx.Response:
        if done:
            await (await forward()).aclose()
        raise httpx.ReadError("connection reset by peer", request=request)

    return fault


def timeout() -> Fault:
    """No answer in time."""

    async def fault(request: httpx.Request, forward: Forward) -> httpx.Response:
        raise httpx.ReadTimeout("timed out", request=request)

    return fault


def slow(clock: Clock, seconds: float) -> Fault:
    """The answer comes late, by this clock."""

    async def fault(request: httpx.Request, forward: Forward) -> httpx.Response:
        await clock.sleep(seconds)
        return await forward()

    return fault


def block(reached: asyncio.Event) -> Fault:
    """Never answer; `reached` is set when the request is made. For tests of cancelling."""

    async def fault(request: httpx.Request, forward: Forward) -> httpx.Response:
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    return fault


class _Cut(httpx.AsyncByteStream):
    def __init__(self, body: bytes, request: httpx.Request) -> None:
        self._body = body
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")


def truncated(keep: float = 0.5) -> Fault:
    """The connection breaks in the middle of the body."""

    async def fault(request: httpx.Request, forward: Forward) -> httpx.Response:
        response = await forward()
        body = await response.aread()
        plain = _with_body(response, b"")
        headers = [item for item in plain.headers.multi_items() if item[0] != "content-length"]
        stream = _Cut(body[: int(len(body) * keep)], request)
        return httpx.Response(response.status_code, headers=headers, stream=stream, request=request)

    return fault


def rewrite(change: Callable[[bytes], bytes | None]) -> Fault:
    """Change the body of a successful answer; None leaves it as it is."""

    async def fault(request: httpx.Request, forward: Forward) -> httpx.Response:
        response = await forward()
        body = await response.aread()
        changed = change(body) if response.status_code < 300 else None
        return _with_body(response, body if changed is None else changed)

    return fault
