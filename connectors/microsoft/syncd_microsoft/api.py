"""One account's door to Microsoft Graph.

Public: Graph, Meaning, IMMUTABLE, page_size, quoted.

Paths are given below the version root, with their query, as they shall go out; links come out of answers and go back
byte for byte (§3, §18.1). Nothing here adds a parameter to a link.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import quote, urlsplit

import orjson

from syncd.sdk import Context, ProtocolError, SyncdError
from syncd.sdk.http import httpx

from .errors import Fault, fault_of, refusal
from .settings import graph, version_root
from .throttle import lane_of, later

__all__ = ["IMMUTABLE", "Graph", "Meaning", "page_size", "quoted"]

IMMUTABLE = 'IdType="ImmutableId"'  # on every Outlook request, links and batch items included (§1, §18.19)
USER_AGENT = "NONISV|syncd|syncd-microsoft/0.1"  # decorated traffic is served first by SharePoint (§1)

Meaning: TypeAlias = Callable[[Fault], SyncdError | None]
"""What a fault means to one request in particular; None: nothing special."""


def page_size(size: int) -> str:
    """The Prefer that asks for pages of this size; a hint, to be sent again with every link (§3, §18.18)."""
    return f"odata.maxpagesize={size}"


def quoted(value: str) -> str:
    """An id as a segment of a path: ids end in `=` and are case-sensitive (§1)."""
    return quote(value, safe="")


class Graph:
    """Requests in the name of one account, for one stream. `prefer`: what every request prefers.

    Answers below 400 come back; all others are raised: as RateLimited or Transient if they mean "later", else as what
    the request's `means` says, else as what `refusal` says. `needs` names the permission in refusals (default: the
    stream's), and says whose budget it costs.
    """

    def __init__(
        self, ctx: Context, stream: str | None, prefer: Sequence[str] = (), *, needs: str | None = None
    ) -> None:
        self.ctx = ctx
        self.root = version_root(ctx.settings)
        self.stream = stream
        self.needs = needs or stream
        self.prefer = tuple(prefer)
        self.extensions: dict[str, Any] = {"syncd.account": ctx.account, "syncd.stream": stream}
        if lane := lane_of(self.needs):
            self.extensions["syncd.lane"] = lane
        self._origin = _origin(graph(ctx.settings))

    @property
    def user(self) -> str:
        """The path of the account: by its immutable id, since names change."""
        assert self.ctx.account is not None
        return f"/users/{quoted(self.ctx.account.id)}"

    async def get(
        self,
        where: str,
        what: str,
        means: Meaning | None = None,
        *,
        prefer: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """GET a path below the version root ("/users/…"), or a link. `what` names the request in errors."""
        response = await self.ctx.http.get(
            self.address(where), headers=self.headers(prefer, headers), extensions=dict(self.extensions)
        )
        if response.status_code >= 400:
            raise self.problem(response, what, means)
        return response

    async def post(self, where: str, body: Any, what: str, means: Meaning | None = None) -> httpx.Response:
        """POST something that has no effect (a batch of GETs): it may be repeated."""
        response = await self.ctx.http.post(
            self.address(where),
            content=orjson.dumps(body),
            headers={**self.headers((), None), "Content-Type": "application/json"},
            extensions={**self.extensions, "syncd.safe": True},
        )
        if response.status_code >= 400:
            raise self.problem(response, what, means)
        return response

    def headers(self, prefer: Sequence[str], more: Mapping[str, str] | None) -> dict[str, str]:
        """The headers of a request; several preferences travel in one header (§1)."""
        found = {"User-Agent": USER_AGENT, "Accept": "application/json"}
        if self.prefer or prefer:
            found["Prefer"] = ", ".join((*self.prefer, *prefer))
        return {**found, **(more or {})}

    def address(self, where: str) -> str:
        """The URL of a path, or a link as it is. ProtocolError for a link that leads away from this Graph."""
        if where.startswith("/"):
            return self.root + where
        if _origin(where) != self._origin:
            raise ProtocolError(f"a link leads to {urlsplit(where).hostname or 'nowhere'}, not back to Graph")
        return where

    def at_home(self, link: str) -> bool:
        """Whether a link leads to this Graph; a stored one may not, after the connection's endpoints changed."""
        try:
            return _origin(link) == self._origin
        except ProtocolError:
            return False

    def relative(self, where: str) -> str:
        """A link or path as a batch wants it: below the version root (§12)."""
        address = self.address(where)
        return address.removeprefix(self.root)

    def problem(self, response: httpx.Response, what: str, means: Meaning | None = None) -> SyncdError:
        """The error for an answer of 400 or above (body read)."""
        fault = fault_of(response)
        waiting = later(response)
        if waiting is not None:
            return waiting
        return self.meaning(fault, what, means)

    def meaning(self, fault: Fault, what: str, means: Meaning | None = None) -> SyncdError:
        """The error for a fault that does not mean "later"."""
        special = means(fault) if means else None
        return special or refusal(fault, what, self.needs)


def _origin(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError as error:
        raise ProtocolError("a link is no URL") from error
    return parts.scheme.lower(), (parts.hostname or "").lower(), port
