"""The `ctx.http` of a test: what the engine's client does, in small.

Public: EngineClient, CapturingLog.

It signs in (only towards the connector's origins; of other hosts only declared downloads are asked), says which account and stream a request is for, turns answers that
mean "later" into RateLimited or Transient as `Connector.retryable` reads them, turns broken connections into Transient,
and tries again on the clock it is given.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Self

from syncd.sdk import Account, Clock, Connector, ProtocolError, RateLimited, SyncdError, Transient
from syncd.sdk.http import httpx
from syncd.sdk.origins import within

__all__ = ["CapturingLog", "EngineClient"]

WAIT_LIMIT = 300.0  # seconds in all that a request waits because the provider asks for it
UNSAFE = frozenset({"POST", "PATCH"})


class EngineClient(httpx.AsyncClient):
    """An AsyncClient with the engine's manners. `tries` 1: every fault reaches the connector at once."""

    def __init__(
        self,
        connector: Connector,
        settings: Any,
        auth: httpx.Auth | None,
        transport: httpx.AsyncBaseTransport,
        clock: Clock,
        *,
        account: Account | None = None,
        stream: str | None = None,
        tries: int = 5,
    ) -> None:
        super().__init__(transport=transport, trust_env=False, timeout=30.0)
        self._connector = connector
        self._sign_in = auth
        self._clock = clock
        self._tries = tries
        self._about = {"syncd.account": account, "syncd.stream": stream}
        origins = connector.origins(settings)
        self._origins = None if origins is None else {_origin(httpx.URL(origin)) for origin in origins}
        self._downloads = connector.downloads(settings)

    def build_request(self, *args: Any, **more: Any) -> httpx.Request:
        try:
            return super().build_request(*args, **more)
        except (httpx.InvalidURL, UnicodeError) as error:  # made of what the provider sent: a token, a link
            raise ProtocolError(f"no request can be made of that: {error}") from error

    async def send(self, request: httpx.Request, *, stream: bool = False, **more: Any) -> httpx.Response:
        request.extensions = {**request.extensions, **self._about}
        at_home = self._origins is None or _origin(request.url) in self._origins
        if not at_home:
            if not _declared(request.url.host, self._downloads):
                raise ProtocolError(f"{request.url.host} is not declared: name it in origins() or downloads()")
            more["auth"] = None
        elif more.get("auth", httpx.USE_CLIENT_DEFAULT) is httpx.USE_CLIENT_DEFAULT:
            more["auth"] = self._sign_in
        waited = 0.0
        for attempt in range(1, self._tries + 1):
            try:
                return await self._once(request, stream, more)
            except RateLimited as error:
                pause = 2.0**attempt if error.retry_after is None else error.retry_after
                waited += pause
                if attempt == self._tries or waited > WAIT_LIMIT:
                    raise
            except Transient as error:
                pause = 0.5 * 2**attempt
                if attempt == self._tries or not _repeatable(request):
                    raise Transient(error.message, exhausted=self._tries > 1, code=error.code) from error
            await self._clock.sleep(pause)
        raise AssertionError("unreachable")

    async def _once(self, request: httpx.Request, stream: bool, more: dict[str, Any]) -> httpx.Response:
        try:
            response = await super().send(request, stream=stream, **more)
            if response.status_code >= 400:
                await response.aread()
        except httpx.RequestError as error:
            raise Transient(f"{type(error).__name__}: {error}") from error
        if response.status_code >= 400 and (later := self._connector.retryable(response)) is not None:
            raise later
        if stream and response.status_code < 400:
            response.stream = _Translated(response.stream)
        return response

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to close: the transport is shared."""


def _repeatable(request: httpx.Request) -> bool:
    """Whether doing it twice has the effect of once; a connector says so of a POST that only reads."""
    return request.method not in UNSAFE or bool(request.extensions.get("syncd.safe"))


class _Translated(httpx.AsyncByteStream):
    """A body whose breaking is Transient."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._stream:
                yield chunk
        except httpx.RequestError as error:
            raise Transient(f"{type(error).__name__}: {error}") from error

    async def aclose(self) -> None:
        await self._stream.aclose()


def _declared(host: str, downloads: Sequence[str]) -> bool:
    """As the engine's guard: a simulator's downloads may be anywhere on loopback."""
    on_loopback = host == "localhost" or host.startswith("127.")
    return within(host, downloads) or (on_loopback and bool(downloads))


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    default = {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme, url.host, url.port or default


class CapturingLog:
    """structlog's interface; everything said ends up in `lines`."""

    def __init__(self, lines: list[str] | None = None, bound: dict[str, Any] | None = None) -> None:
        self.lines: list[str] = [] if lines is None else lines
        self._bound = bound or {}

    def bind(self, **values: Any) -> "CapturingLog":
        return CapturingLog(self.lines, {**self._bound, **values})

    new = bind

    def unbind(self, *keys: str) -> "CapturingLog":
        return CapturingLog(self.lines, {key: value for key, value in self._bound.items() if key not in keys})

    def _say(self, event: Any, *args: Any, **values: Any) -> None:
        self.lines.append(" ".join([str(event), *map(str, args), repr({**self._bound, **values})]))

    debug = info = warning = warn = error = critical = exception = msg = log = _say


def described(error: BaseException) -> str:
    """All texts of an error, its causes included."""
    parts: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(parts) < 20:
        parts.append(f"{seen!r} {seen}")
        if isinstance(seen, SyncdError):
            parts.append(f"{seen.message} {seen.hint}")
        seen = seen.__cause__ or seen.__context__
    return "\n".join(parts)
