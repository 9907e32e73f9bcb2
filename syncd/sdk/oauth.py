"""OAuth2 for httpx: one token request at a time per key, early refresh, one refresh on 401.

Public: BearerAuth, Token, Vault.
"""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, Generator, Hashable
from dataclasses import dataclass
from typing import Any, Protocol

from .clock import Clock, SystemClock
from .errors import AuthFailed
from .http import httpx
from .secrets import conceal, redact
from .types import Account

__all__ = ["BearerAuth", "Token", "Vault"]

EARLY = 225.0  # seconds before its end at which a token is replaced; a run's longest request fits in


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and its lifetime in seconds from the moment it was given."""

    value: str
    expires_in: float


class Vault(Protocol):
    """What a connection's sign-in must remember over a restart: a rotated refresh token, the times of token requests.

    syncd keeps it readable by itself alone. `save` has taken effect when it returns.
    """

    def load(self) -> dict[str, Any]: ...

    def save(self, kept: dict[str, Any]) -> None: ...


class _InMemory:
    """The vault until syncd puts one that lasts."""

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}

    def load(self) -> dict[str, Any]:
        return dict(self._kept)

    def save(self, kept: dict[str, Any]) -> None:
        self._kept = dict(kept)


class BearerAuth(httpx.Auth):
    """Sign requests with an access token that is fetched when needed.

    A subclass says which token a request needs (`key`), how to ask for it (`token_request`) and how to read the answer
    (`parse`, which raises AuthFailed, Forbidden, AccountGone, RateLimited or Transient). Many requests at once lead to
    one token request per key. An answer that `refused` the token leads to one fresh token and one more try. Access
    tokens live in memory only; what must outlive the process goes into `vault`.
    """

    requires_response_body = False
    scheme = "Bearer"

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self.vault: Vault = _InMemory()
        self._tokens: dict[Hashable, tuple[str, float]] = {}
        self._locks: dict[Hashable, asyncio.Lock] = {}

    def key(self, account: Account | None, stream: str | None) -> Hashable:
        """Which token a request needs; the default is one for all."""
        return None

    def refused(self, response: httpx.Response) -> bool:
        """Whether an answer with status 401 (body read) means that the token is no good; not every provider's does."""
        return True

    @abstractmethod
    def token_request(self, key: Hashable) -> httpx.Request:
        """The request to the token endpoint. Secrets are revealed here, each time."""

    @abstractmethod
    def parse(self, key: Hashable, response: httpx.Response) -> Token:
        """Read the token endpoint's answer (body read), whatever its status."""

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        raise RuntimeError("syncd signs in asynchronously: use httpx.AsyncClient")

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        key = self.key(request.extensions.get("syncd.account"), request.extensions.get("syncd.stream"))
        token = self._fresh(key)
        if token is None:
            async with self._lock(key):
                token = self._fresh(key)
                if token is None:
                    answer = yield self._request(key)
                    await answer.aread()
                    token = self._keep(key, self.parse(key, answer))
        request.headers["Authorization"] = f"{self.scheme} {token}"
        response = yield request
        if response.status_code != 401:
            return
        await response.aread()
        if not self.refused(response):
            return
        async with self._lock(key):
            if self._fresh(key) == token:
                answer = yield self._request(key)
                await answer.aread()
                self._keep(key, self.parse(key, answer))
        request.headers["Authorization"] = f"{self.scheme} {self._tokens[key][0]}"
        yield request

    def _request(self, key: Hashable) -> httpx.Request:
        """`token_request`; a secret that cannot be read, or is none, is a credential that is refused."""
        try:
            return self.token_request(key)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise AuthFailed(
                f"a secret cannot be used: {redact(reason or type(error).__name__)}",
                hint="the value behind a `${…}` reference of the connection is gone or damaged: mend it, then `syncd check`",
            ) from error

    def forget(self) -> None:
        """Drop all tokens, after a secret changed."""
        self._tokens.clear()

    def _fresh(self, key: Hashable) -> str | None:
        token, until = self._tokens.get(key, ("", 0.0))
        return token if token and self.clock.monotonic() < until else None

    def _keep(self, key: Hashable, token: Token) -> str:
        self._tokens[key] = (
            conceal(token.value),
            self.clock.monotonic() + max(30.0, token.expires_in - EARLY),
        )
        return token.value

    def _lock(self, key: Hashable) -> asyncio.Lock:
        return self._locks.setdefault(key, asyncio.Lock())
