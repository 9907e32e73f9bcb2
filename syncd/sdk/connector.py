"""The interface that a connector implements.

Public: Connector, Stream, and the optional abilities Writable and Pushable.

A stream implements `info` and `pages`; everything else has a default. Optional abilities (`get`, `fetch_many`) are
declared by being defined: the engine asks `can_get` and `can_fetch_many`, it never tries and sees.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from .context import Context
from .errors import RateLimited, SyncdError, Transient
from .http import httpx
from .origins import origins_of
from .types import (
    JSON,
    Account,
    Blob,
    Bookmark,
    ConnectorInfo,
    Departed,
    Page,
    Partition,
    Record,
    Reject,
    StreamInfo,
    Tombstone,
)

__all__ = ["Connector", "Pushable", "Stream", "Writable"]


class Stream(ABC):
    """One kind of data of a connector."""

    info: StreamInfo

    def info_with(self, options: Mapping[str, JSON]) -> StreamInfo:
        """What the stream does with these options, where that differs from `info`: other scans, other deletions."""
        return self.info

    async def partitions(self, ctx: Context) -> Sequence[Partition]:
        """All parts of the account's stream that the provider lists now. Raise rather than give an incomplete list.

        The default is one part with id "" and costs no request. Forbidden skips the account's stream.
        """
        return [Partition()]

    @abstractmethod
    def pages(self, ctx: Context) -> AsyncIterator[Page]:
        """Read one partition from `ctx.cursor` on, page by page, until a page with `last=True`.

        A stream that can do DELTA gives a `bookmark` with the last page of every round. The engine fetches one page
        ahead and commits in order, so a generator must not depend on a page being committed.
        """

    def fetch(self, ctx: Context, blob: Blob) -> AsyncIterator[bytes]:
        """The content of a blob in chunks. ContentUnavailable or Forbidden: it can never be had."""
        raise NotImplementedError(f"{type(self).__name__} yields blobs without content and has no fetch()")

    def get(self, ctx: Context, ids: Sequence[str]) -> AsyncIterator[Record | Tombstone | Reject]:
        """Optional: look at single items again, one answer per id; a Tombstone only for what is provably gone."""
        raise NotImplementedError

    def fetch_many(self, ctx: Context, blobs: Sequence[Blob]) -> AsyncIterator[tuple[Blob, bytes | SyncdError]]:
        """Optional: small contents (at most 1 MiB each) in as few requests as possible, one answer per blob."""
        raise NotImplementedError

    @property
    def can_get(self) -> bool:
        return type(self).get is not Stream.get

    @property
    def can_fetch_many(self) -> bool:
        return type(self).fetch_many is not Stream.fetch_many


class Connector(ABC):
    """A plugin for one provider. Built without arguments, once per process; it keeps no state of its own.

    What a connection must remember (tokens) lives in the `httpx.Auth` that `auth` gives, made once per connection.
    """

    info: ClassVar[ConnectorInfo]

    @abstractmethod
    def streams(self) -> Sequence[Stream]:
        """The kinds of data, in the order in which they are shown."""

    def configured(self, settings: Mapping[str, Any]) -> "Connector":
        """The connector of one connection, where its settings say which streams there are or what answers mean.

        What this gives is asked for everything that concerns the connection. It reads no secret and makes no request.
        A connector that defines it may have no `streams` of its own. Raises ValueError if the settings are of no use.
        """
        return self

    @property
    def can_be_configured(self) -> bool:
        return type(self).configured is not Connector.configured

    def problems(self, settings: Mapping[str, Any]) -> Iterable[tuple[Sequence[str | int], str]]:
        """What a schema cannot say of settings that keep to it: each problem with its place (keys and positions).

        A sentence goes on from the place's name ("names a stream that is not there"). It is asked when a configuration
        is validated: no request; where a reference stands, that text stands for a value that is not known yet.
        """
        return ()

    def auth(self, settings: Mapping[str, Any]) -> httpx.Auth | None:
        """How requests of a connection sign in; `syncd.sdk.BearerAuth` does OAuth2. None: they need not.

        The account that a request is for stands in `request.extensions["syncd.account"]` (Account or None), the
        stream's name in `request.extensions["syncd.stream"]` (str or None).
        """
        return None

    def origins(self, settings: Mapping[str, Any]) -> Sequence[str]:
        """The connection's own origins (`https://host[:port]`): requests go there, and the credential with them.

        The default is every URL in the settings, wherever it stands. Any other address is refused (SYN-NET-002), a
        token endpoint's too, except those that `downloads` names.
        """
        return origins_of(settings)

    def downloads(self, settings: Mapping[str, Any]) -> Sequence[str]:
        """Further hosts, to which links in answers and redirects may lead: `files.example.com`, or `*.example.com`
        for all names below it; `*` for any, where the provider names none.

        They are asked without the credential, by https, at public addresses only; and where one of `origins` is on
        loopback (a simulator), all of loopback is as good as named. The default is none.
        """
        return ()

    def retryable(self, response: httpx.Response) -> RateLimited | Transient | None:
        """Whether an answer with status 400 or above (body read) means "later". None: the connector deals with it.

        The default knows 429, 503 with Retry-After, and 5xx. Providers that throttle in other words override it.
        """
        from .throttle import retryable  # late: a leaf module that only the default needs

        return retryable(response)

    def pace(self, response: httpx.Response) -> RateLimited | None:
        """Whether an answer below 400 asks to slow down: its budget is then held back; the answer itself is used."""
        return None

    async def check(self, ctx: Context) -> Mapping[str, str]:
        """Try the credential. Per stream "ready" or what is missing (a scope, an API to switch on).

        What was found may follow: "ready: 25 entries on the first page".
        Raises AuthFailed if the credential as a whole is refused.
        """
        return {stream.info.name: "ready" for stream in self.streams()}

    @abstractmethod
    def accounts(self, ctx: Context) -> AsyncIterator[Account | Departed | Bookmark]:
        """All accounts of the organisation, suspended ones included. Raise rather than give an incomplete list.

        A connector that ends with a Bookmark gets it back as `ctx.cursor`, with `ctx.scan` DELTA, and then yields what
        changed: an Account (new or changed) or Departed; accounts not mentioned stay as they are. CursorExpired leads
        quietly to a full listing.
        """


class Writable(ABC):
    """Optional ability of a stream, for links: change items at the provider.

    `idempotency_key`: the same call with the same key twice has the effect of one. VersionConflict if `etag` is stale.
    """

    @abstractmethod
    async def create(self, ctx: Context, data: Mapping[str, JSON], *, idempotency_key: str) -> Record: ...

    @abstractmethod
    async def update(
        self,
        ctx: Context,
        source_id: str,
        data: Mapping[str, JSON],
        *,
        etag: str | None,
        idempotency_key: str,
    ) -> Record: ...

    @abstractmethod
    async def delete(self, ctx: Context, source_id: str, *, etag: str | None, idempotency_key: str) -> None: ...


class Pushable(ABC):
    """Optional ability of a stream, for real time: the provider says when to look.

    `subscribe` and `renew` give what `verify` and `unsubscribe` need later (JSON, kept by the store), with `expires_at`
    and `renew_at` (RFC 3339) where the provider ends subscriptions. A notification leads to a delta round and is never
    believed in itself; whoever subscribes, at first or anew, looks once right after, since a gap lies before it.
    """

    @abstractmethod
    async def subscribe(self, ctx: Context, url: str, secret: str) -> JSON: ...

    @abstractmethod
    async def renew(self, ctx: Context, subscription: JSON) -> JSON:
        """Prolong it. None if the provider has ended it meanwhile: subscribe anew, and look."""

    @abstractmethod
    async def unsubscribe(self, ctx: Context, subscription: JSON) -> None: ...

    @abstractmethod
    def verify(self, headers: Mapping[str, str], body: bytes, subscription: JSON, secret: str) -> bool:
        """Whether a call to the address is about this subscription and from the provider. True: look."""

    def handshake(self, query: str) -> str | None:
        """For a call that only tries the address: the text to answer at once, as `text/plain` with 200.

        `query`: the address's query, still encoded. It may come while `subscribe` is under way. None: a notification.
        """
        return None

    def upkeep(
        self, headers: Mapping[str, str], body: bytes, subscription: JSON, secret: str
    ) -> Literal["renew", "subscribe"] | None:
        """What a call that `verify` accepts asks for beside a look: to renew, or to subscribe anew."""
        return None
