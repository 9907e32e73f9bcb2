"""Imports of an organisation's accounts, and checks of a connection's credential.

Public: import_accounts, check_connection, import_if_due, account_json, ImportReport.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from syncd.config.model import Discovery
from syncd.engine.alive import lively
from syncd.engine.client import Meter, TooLong
from syncd.engine.connections import Connection
from syncd.engine.policy import Failure, as_error, decide
from syncd.engine.ports import AccountRow, ImportResult, OtherOrganization
from syncd.engine.work import Engine, client_of
from syncd.sdk import (
    DELTA,
    FULL,
    JSON,
    Account,
    AccountGone,
    Bookmark,
    Context,
    CursorExpired,
    Departed,
    ProtocolError,
    RateLimited,
    SyncdError,
)
from syncd.sdk.errors import Next

__all__ = ["ImportReport", "account_json", "check_connection", "import_accounts", "import_if_due"]

DAILY = timedelta(days=1)
LIST_EVERY = timedelta(days=7)  # accounts are listed completely at least this often
LARGEST_PLACE = 256 * 1024  # bytes of a bookmark
THROTTLES = 20  # in a row that give no time
CONTESTED = 3  # readings that another process's import may overtake
T = TypeVar("T")
_locks: WeakKeyDictionary[Engine, dict[str, asyncio.Lock]] = WeakKeyDictionary()


class _Meter:
    requests = 0


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import found. `streams`: those of the connector, for accounts that say nothing about one."""

    connection: str
    accounts: Sequence[AccountRow]
    new: Sequence[str]
    gone: Sequence[str]
    streams: Sequence[str]
    requests: int = 0

    def to_json(self) -> dict[str, Any]:
        """The object of `import --json`."""
        return {
            "connection": self.connection,
            "accounts": [account_json(row, self.streams) for row in self.accounts if row.gone_at is None],
            "new": list(self.new),
            "gone": list(self.gone),
        }


def account_json(row: AccountRow, streams: Sequence[str]) -> dict[str, Any]:
    """One account as `import --json` and `accounts --json` show it; `kind` only for what is not a person."""
    account = row.account
    kind = {} if account.kind == "person" else {"kind": account.kind}
    return {
        "account": row.label,
        "name": account.name,
        **kind,
        "role": account.role,
        "state": "gone" if row.gone_at is not None else account.state,
        "streams": {name: account.streams.get(name, "ready") for name in streams},
    }


async def import_accounts(engine: Engine, connection: Connection) -> ImportReport:
    """Read the organisation, then store it in one go: a listing that breaks off changes nothing.

    Where the last import left a bookmark, only what changed since is read, but for a complete listing every week.
    One import of a connection at a time: what an older listing lacks would count as gone.

    Raises what the connector raised (retried where that helps), SyncdError SYN-ACCOUNT-003 if the credential belongs to
    another organisation than the one first imported, SYN-RUN-003 if other processes import it all the time.
    """
    async with _alone(engine, connection):
        return await _import(engine, connection)


async def import_if_due(engine: Engine, connection: Connection) -> ImportReport | None:
    """With `discovery: automatic`, import before a run, at most daily. Raises as `import_accounts`."""
    if connection.config.discovery is not Discovery.AUTOMATIC:
        return None
    async with _alone(engine, connection):
        if _within(DAILY, await engine.store.imported_at(connection.name), engine.clock.now()):
            return None
        return await _import(engine, connection)


def _alone(engine: Engine, connection: Connection) -> asyncio.Lock:
    """By name: a reload makes another Connection of the same organisation."""
    return _locks.setdefault(engine, {}).setdefault(connection.name, asyncio.Lock())


def _within(span: timedelta, moment: datetime | None, now: datetime) -> bool:
    """Whether it was so long ago at most. A moment to come is none: the clock was wrong then."""
    return moment is not None and moment <= now < moment + span


async def _import(engine: Engine, connection: Connection) -> ImportReport:
    """What another process's import has overtaken may be the older listing of the two, and is read again."""
    meter = _Meter()
    for _ in range(CONTESTED):
        last = await engine.store.imported_at(connection.name)
        listing = await _listing(engine, connection, meter)
        if (found := await _store(engine, connection, listing, last)) is not None:
            streams = list(connection.streams)
            return ImportReport(connection.name, found.accounts, found.new, found.gone, streams, meter.requests)
    raise SyncdError(
        f"other processes import {connection.name} all the time: this import was read {CONTESTED} times, nothing of it"
        " is stored",
        code="SYN-RUN-003",
        hint=f"let one process import: look for what else calls `syncd import {connection.name}`, then try again",
    )


async def _listing(engine: Engine, connection: Connection, meter: Meter) -> "_Listing":
    place, listed_at = await engine.store.import_place(connection.name)
    if not _within(LIST_EVERY, listed_at, engine.clock.now()):
        place = None
    return await _read(engine, connection, meter, place)


async def _store(
    engine: Engine, connection: Connection, listing: "_Listing", last: datetime | None
) -> ImportResult | None:
    try:
        return await engine.store.import_accounts(
            connection.name,
            list(listing.accounts.values()),
            engine.clock.now(),
            departed=None if listing.complete else listing.departed,
            bookmark=listing.bookmark,
            last=last,
        )
    except OtherOrganization as error:
        raise SyncdError(str(error), code="SYN-ACCOUNT-003") from error


async def check_connection(engine: Engine, connection: Connection) -> Mapping[str, str]:
    """Try the credential: per stream "ready" or what is missing. Raises AuthFailed and what else the connector raises."""
    ctx = connection.context(_Meter())
    return await _persist(engine, ctx, lambda: connection.connector.check(ctx))


@dataclass(slots=True)
class _Listing:
    """What `accounts()` yielded; of several words on one account the last counts."""

    complete: bool
    accounts: dict[str, Account] = field(default_factory=dict)
    departed: list[str] = field(default_factory=list)
    bookmark: JSON = None


async def _read(engine: Engine, connection: Connection, meter: Meter, place: JSON) -> _Listing:
    """What changed since `place`, or all accounts if there is none or the provider no longer knows it."""
    if place is not None:
        ctx = connection.context(meter, scan=DELTA, cursor=place)
        try:
            return await _persist(engine, ctx, lambda: _list(connection, ctx))
        except CursorExpired:
            pass
    ctx = connection.context(meter, scan=FULL)
    return await _persist(engine, ctx, lambda: _list(connection, ctx))


async def _list(connection: Connection, ctx: Context) -> _Listing:
    found = _Listing(ctx.scan is FULL)
    async for item in connection.connector.accounts(ctx):
        if isinstance(item, Bookmark):
            found.bookmark = _checked(item.value)
        elif isinstance(item, Departed) and not found.complete:
            found.accounts.pop(item.id, None)
            found.departed.append(item.id)
        elif isinstance(item, Account) and item.id:
            found.accounts[item.id] = item
        else:
            raise ProtocolError(f"{connection.config.connector}: accounts() yielded {type(item).__name__}")
    return found


def _checked(place: JSON) -> JSON:
    """A place that is too large to keep is none: the next import lists all accounts."""
    return place if len(json.dumps(place)) <= LARGEST_PLACE else None


async def _persist(engine: Engine, ctx: Context, attempt: Callable[[], Awaitable[T]]) -> T:
    """Try again as the table of errors says; what ends it is raised."""
    tries, began = 0, engine.clock.monotonic()
    while True:
        try:
            return await lively(attempt(), client_of(ctx), "accounts or check", engine.inactivity, engine.patience)
        except Exception as error:
            if isinstance(error, RateLimited) and not isinstance(error, TooLong) and tries < THROTTLES:
                tries += 1
                await client_of(ctx).hold_back(error)
                continue
            elapsed = engine.clock.monotonic() - began if tries else 0.0
            decision = decide(error, Failure(tries, elapsed), engine.rng)
            if decision.next is not Next.RETRY:
                known = _named(error)
                if known is error:
                    raise
                raise known from error
            tries += 1
            await engine.clock.sleep(decision.wait or 0.0)


def _named(error: Exception) -> BaseException:
    known = as_error(error)
    if isinstance(known, SyncdError) and not isinstance(known, AccountGone):
        return known
    return SyncdError(f"{type(error).__name__}: {error}", code="SYN-PLUGIN-001")
