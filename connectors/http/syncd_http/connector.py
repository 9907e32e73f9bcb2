"""The connector whose streams stand in the YAML.

Public: HttpConnector.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from syncd.sdk import (
    Account,
    AuthFailed,
    Connector,
    ConnectorInfo,
    Context,
    Limits,
    ProtocolError,
    RateLimited,
    Stream,
    SyncdError,
    Transient,
)
from syncd.sdk.http import httpx

from .api import Api
from .auth import auth_of
from .conditions import Condition
from .listing import Reader
from .paths import Path
from .plan import Accounts, Plan, read
from .problems import problems_of
from .records import Ids
from .schema import SCHEMA
from .stream import HttpStream, stream_of

__all__ = ["HttpConnector"]


class HttpConnector(Connector):
    """What is installed: it knows no API. `configured` makes the connector of a connection."""

    info = ConnectorInfo(
        "http", "Any JSON API", settings_schema=SCHEMA, limits=Limits(concurrency=8, account_concurrency=4)
    )

    def configured(self, settings: Mapping[str, Any]) -> Connector:
        return ApiConnector(read(settings))

    def problems(self, settings: Mapping[str, Any]) -> Iterable[tuple[Sequence[str | int], str]]:
        return problems_of(settings)

    def streams(self) -> Sequence[Stream]:
        return []

    def accounts(self, ctx: Context) -> AsyncIterator[Account]:
        raise NotImplementedError("a connection's own connector is asked for accounts")


class ApiConnector(HttpConnector):
    """The connector of one connection."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._api = Api(plan)
        self._streams = [stream_of(self._api, plan, name) for name in plan.streams]

    def configured(self, settings: Mapping[str, Any]) -> Connector:
        return self

    def streams(self) -> Sequence[Stream]:
        return self._streams

    def auth(self, settings: Mapping[str, Any]) -> httpx.Auth | None:
        return auth_of(self._plan, self._api.meanings)

    def origins(self, settings: Mapping[str, Any]) -> Sequence[str]:
        urls = [self._plan.base_url]
        if self._plan.auth.oauth2 is not None:
            urls.append(self._plan.auth.oauth2.token_url)
        return [f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, urls)]

    def downloads(self, settings: Mapping[str, Any]) -> Sequence[str]:
        contents = [stream.content for stream in self._plan.streams.values() if stream.content is not None]
        return [host for content in contents for host in content.hosts]

    def retryable(self, response: httpx.Response) -> RateLimited | Transient | None:
        return self._api.meanings.later(response)

    def pace(self, response: httpx.Response) -> RateLimited | None:
        return self._api.meanings.slower(response)

    async def accounts(self, ctx: Context) -> AsyncGenerator[Account, None]:
        """The people that the API lists, or the one account of the settings."""
        listed = self._plan.accounts
        if listed is None:
            one = self._plan.account
            yield Account(one.id, one.address or str(urlsplit(self._plan.base_url).hostname), one.name)
            return
        shape = _People(listed)
        async for page in Reader(self._api, listed).slices(ctx, {}):
            for entry in page.entries:
                yield shape.account(entry)

    async def check(self, ctx: Context) -> Mapping[str, str]:
        """One request per stream (and what its parts need): does it answer, and are the ids where the settings say?"""
        account = await self._somebody(ctx)
        return {stream.info.name: await _tried(stream, ctx, account) for stream in self._streams}

    async def _somebody(self, ctx: Context) -> Account | None:
        """An account to try with: the first active one."""
        async with aclosing(self.accounts(ctx)) as accounts:
            async for account in accounts:
                if account.state == "active":
                    return account
        return None


class _People:
    """How an entry becomes an account."""

    def __init__(self, plan: Accounts) -> None:
        self._ids = Ids(plan)
        self._address = Path(plan.address) if plan.address else None
        self._name = Path(plan.name) if plan.name else None
        self._active = Condition(plan.active) if plan.active else None

    def account(self, entry: Any) -> Account:
        """Raises ProtocolError: a list with somebody missing is worse than none."""
        account_id = self._ids.of(entry)
        if account_id is None:
            raise ProtocolError("an account without an id")
        address = account_id if self._address is None else self._address.first(entry)
        if not isinstance(address, str) or not address:
            raise ProtocolError("an account without an address")
        name = self._name.first(entry) if self._name else ""
        active = self._active is None or self._active.holds(entry)
        return Account(
            account_id, address, name if isinstance(name, str) else "", state="active" if active else "inactive"
        )


async def _tried(stream: HttpStream, ctx: Context, account: Account | None) -> str:
    """What a stream lacks, or "ready" and what was found."""
    if account is None:
        return "the API lists no active account"
    try:
        mine = replace(ctx, account=account)
        part = await stream.first_part(mine)
        if part is None:
            return "ready: there is nothing that it could be asked for"
        return await stream.sample(replace(mine, partition=part))
    except (AuthFailed, RateLimited, Transient):
        raise
    except SyncdError as error:
        return error.message
