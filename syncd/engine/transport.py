"""Connections to providers, each with a pool of its own in place of one large pool.

Public: SmallPools, direct.

httpx looks at every connection of its pool at each request, and asks the system twice about each that is idle (3.2 ms of CPU with
64 of them, docs: PERFORMANCE). So each gets a pool to itself, and a request takes the first that is free: few stay open, all warm.
"""

import ssl
from collections.abc import AsyncIterator
from urllib.request import getproxies, proxy_bypass

from syncd.sdk.http import httpx

__all__ = ["SmallPools", "direct"]

IDLE = 30.0  # seconds that an unused connection stays open
OVERLOADED = (
    503  # the next request goes over a new connection, which may lead to another server (Graph, throttling guide)
)
ORIGINS = 32  # from which origins in no use are forgotten (download hosts come and go)


def direct() -> httpx.AsyncBaseTransport:
    """The real network, through the proxies of the environment where it names some."""
    return SmallPools()


class _Pool:
    """A connection, made when it is first used and again when the other side has closed it.

    `spoilt`: a request was cut off in it; httpcore may then count its only connection as taken for ever.
    """

    __slots__ = ("busy", "spoilt", "transport")

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self.transport = transport
        self.busy = False
        self.spoilt = False


class SmallPools(httpx.AsyncBaseTransport):
    """Per origin, as many connections as are needed at once."""

    def __init__(self) -> None:
        self._pools: dict[tuple[str, str, int | None], list[_Pool]] = {}
        self._context: ssl.SSLContext | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if len(self._pools) > ORIGINS:
            await self._forget_idle()
        for spoilt in self._take_out(request.url):
            await spoilt.transport.aclose()
        pool = self._pool(request)
        pool.busy = True
        try:
            response = await pool.transport.handle_async_request(request)
        except BaseException:
            pool.busy, pool.spoilt = False, True
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Counted(response.stream, pool, hang_up=response.status_code == OVERLOADED)
        return response

    async def aclose(self) -> None:
        for pools in self._pools.values():
            for pool in pools:
                await pool.transport.aclose()
        self._pools.clear()

    async def _forget_idle(self) -> None:
        for origin in [
            key for key, pools in self._pools.items() if not any(pool.busy and not pool.spoilt for pool in pools)
        ]:
            for pool in self._pools.pop(origin):
                await pool.transport.aclose()

    def _take_out(self, url: httpx.URL) -> list[_Pool]:
        """The spoilt ones, which nobody gets any more."""
        pools = self._pools.get((url.scheme, url.host, url.port), [])
        spoilt = [pool for pool in pools if pool.spoilt]
        if spoilt:
            pools[:] = [pool for pool in pools if not pool.spoilt]
        return spoilt

    def _pool(self, request: httpx.Request) -> _Pool:
        url = request.url
        pools = self._pools.setdefault((url.scheme, url.host, url.port), [])
        for pool in pools:
            if not pool.busy and not pool.spoilt:
                return pool
        pools.append(_Pool(self._open(url)))
        return pools[-1]

    def _open(self, url: httpx.URL) -> httpx.AsyncBaseTransport:
        if self._context is None:
            self._context = httpx.create_ssl_context()
        proxy = None if proxy_bypass(url.host) else getproxies().get(url.scheme)
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE)
        return httpx.AsyncHTTPTransport(verify=self._context, limits=limits, proxy=proxy)


class _Counted(httpx.AsyncByteStream):
    """A body whose end gives its place in the pool back."""

    def __init__(self, body: httpx.AsyncByteStream, pool: _Pool, *, hang_up: bool) -> None:
        self._body = body
        self._hang_up = hang_up
        self._pool: _Pool | None = pool

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._body:
            yield chunk

    async def aclose(self) -> None:
        pool, self._pool = self._pool, None
        try:
            await self._body.aclose()
            if pool is not None and self._hang_up:
                await pool.transport.aclose()  # it opens another connection when it is used again
        except BaseException:
            if pool is not None:
                pool.busy, pool.spoilt = False, True
            raise
        if pool is not None:
            pool.busy = False
