"""Imports of an organisation's accounts, and checks of a connection's credential.

Public: import_accounts, check_connection, import_if_due, account_json, ImportReport.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from syncd.config.model import Discovery
from syncd.engine.client import TooLong
from syncd.engine.connections import Connection
from syncd.engine.policy import Failure, as_error, decide
from syncd.engine.ports import AccountRow, ImportResult, OtherOrganization
from syncd.engine.work import Engine, client_of
from syncd.sdk import Account, AccountGone, Context, ProtocolError, RateLimited, SyncdError
from syncd.sdk.errors import Next

__all__ = ["ImportReport", "account_json", "check_connection", "import_accounts", "import_if_due"]

DAILY = timedelta(days=1)
THROTTLES = 20  # in a row that give no time
T = TypeVar("T")


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
    """One account as `import --json` and `accounts --json` show it."""
    account = row.account
    return {
        "account": row.label,
        "name": account.name,
        "role": account.role,
        "state": "gone" if row.gone_at is not None else account.state,
        "streams": {name: account.streams.get(name, "ready") for name in streams},
    }


async def import_accounts(engine: Engine, connection: Connection) -> ImportReport:
    """Read the whole organisation, then store it in one go: a listing that breaks off changes nothing.

    Raises what the connector raised (retried where that helps), SyncdError SYN-ACCOUNT-003 if the credential belongs to
    another organisation than the one first imported.
    """
    meter = _Meter()
    ctx = connection.context(meter)
    accounts = await _persist(engine, ctx, lambda: _list(connection, ctx))
    try:
        found: ImportResult = await engine.store.import_accounts(connection.name, accounts, engine.clock.now())
    except OtherOrganization as error:
        raise SyncdError(str(error), code="SYN-ACCOUNT-003") from error
    return ImportReport(
        connection.name, found.accounts, found.new, found.gone, list(connection.streams), meter.requests
    )


async def import_if_due(engine: Engine, connection: Connection) -> ImportReport | None:
    """With `discovery: automatic`, import before a run, at most daily. Raises as `import_accounts`."""
    if connection.config.discovery is not Discovery.AUTOMATIC:
        return None
    last = await engine.store.imported_at(connection.name)
    if last is not None and engine.clock.now() - last < DAILY:
        return None
    return await import_accounts(engine, connection)


async def check_connection(engine: Engine, connection: Connection) -> Mapping[str, str]:
    """Try the credential: per stream "ready" or what is missing. Raises AuthFailed and what else the connector raises."""
    ctx = connection.context(_Meter())
    return await _persist(engine, ctx, lambda: connection.connector.check(ctx))


async def _list(connection: Connection, ctx: Context) -> list[Account]:
    accounts: dict[str, Account] = {}
    async for account in connection.connector.accounts(ctx):
        if not isinstance(account, Account) or not account.id:
            raise ProtocolError(f"{connection.config.connector}: accounts() yielded {type(account).__name__}")
        accounts[account.id] = account
    return list(accounts.values())


async def _persist(engine: Engine, ctx: Context, attempt: Callable[[], Awaitable[T]]) -> T:
    """Try again as the table of errors says; what ends it is raised."""
    tries, began = 0, engine.clock.monotonic()
    while True:
        try:
            return await attempt()
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
