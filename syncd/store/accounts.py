"""Connections and their accounts.

Public: bind_connection, connection_id, stream_id, import_accounts, all_accounts, imported_at, import_place, set_stream_state,
matching_accounts.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from sys import intern
from types import EllipsisType

from syncd.engine.ports import AccountRow, ImportResult, OtherOrganization
from syncd.sdk import JSON, Account

from .cipher import BOOKMARK, of_row
from .database import Row, Tx
from .errors import Damaged
from .values import dumps, loads, micros, moment

__all__ = [
    "all_accounts",
    "bind_connection",
    "connection_id",
    "import_accounts",
    "import_place",
    "imported_at",
    "matching_accounts",
    "set_stream_state",
    "stream_id",
]

COLUMNS = "id, source_id, address, label, name, kind, role, state, streams, learned, imported_at, gone_at"

ACCOUNT = (
    "INSERT INTO account"
    " (connection_id, source_id, address, label, name, kind, role, state, streams, learned, imported_at)"
)
OVERWRITE = (
    "ON CONFLICT (connection_id, source_id) DO UPDATE SET address = excluded.address, name = excluded.name,"
    " kind = excluded.kind, role = excluded.role, state = excluded.state, streams = excluded.streams,"
    " learned = excluded.learned, imported_at = excluded.imported_at, gone_at = NULL"
)


def bind_connection(tx: Tx, name: str, connector: str, previous_name: str | None) -> None:
    """A known name wins over `previous_name`, so that leaving the old name in the YAML for good does no harm."""
    if tx.run("UPDATE connection SET connector = ? WHERE name = ?", (connector, name)):
        return
    if previous_name and tx.run("UPDATE connection SET name = ? WHERE name = ?", (name, previous_name)):
        tx.run("UPDATE connection SET connector = ? WHERE name = ?", (connector, name))
        tx.run("UPDATE run SET connection = ? WHERE connection = ?", (name, previous_name))
        return
    tx.run("INSERT INTO connection (name, connector) VALUES (?, ?)", (name, connector))


def connection_id(tx: Tx, name: str) -> int | None:
    found = tx.value("SELECT id FROM connection WHERE name = ?", (name,))
    return None if found is None else int(found)


def stream_id(tx: Tx, connection: str, name: str, kind: str | None) -> int:
    """The stream's number; made at its first use. The connection must be bound."""
    sql = "SELECT s.id FROM stream s JOIN connection c ON c.id = s.connection_id WHERE c.name = ? AND s.name = ?"
    found = tx.value(sql, (connection, name))
    if found is None:
        owner = connection_id(tx, connection)
        if owner is None:
            raise LookupError(f"connection {connection!r} is not bound")
        insert = "INSERT INTO stream (connection_id, name, kind, feed_floor) VALUES (?, ?, ?, 0) RETURNING id"
        found = tx.value(insert, (owner, name, kind))
    return int(found)


def import_accounts(
    tx: Tx,
    connection: str,
    accounts: Sequence[Account],
    now: datetime,
    departed: Sequence[str] | None,
    bookmark: JSON,
    last: datetime | EllipsisType | None = ...,
) -> ImportResult | None:
    if last is not ... and imported_at(tx, connection) != last:
        return None
    owner = connection_id(tx, connection)
    if owner is None:
        raise LookupError(f"connection {connection!r} is not bound")
    _bind_organization(tx, owner, accounts)
    before = {row[0]: row[1] for row in _known(tx, owner)}
    latest = {account.id: account for account in accounts}
    if latest:
        tx.insert(ACCOUNT, [_row(owner, account, now) for account in latest.values()], OVERWRITE)
    left = before.keys() if departed is None else before.keys() & set(departed)
    gone = [key for key in sorted(left) if before[key] is None and key not in latest]
    tx.run_within(
        "UPDATE account SET gone_at = ? WHERE connection_id = ? AND source_id IN ({})", (micros(now), owner), gone
    )
    place = tx.cipher.seal(None if bookmark is None else dumps(bookmark), BOOKMARK, of_row("connection", owner))
    tx.run("UPDATE connection SET imported_at = ?, import_bookmark = ? WHERE id = ?", (micros(now), place, owner))
    if departed is None:
        tx.run("UPDATE connection SET listed_at = ? WHERE id = ?", (micros(now), owner))
    _label(tx, owner)
    every = all_accounts(tx, connection)
    label = {row.account.id: row.label for row in every}
    return ImportResult(every, [label[key] for key in latest if key not in before], [label[key] for key in gone])


def _known(tx: Tx, owner: int) -> Sequence[Row]:
    return tx.rows("SELECT source_id, gone_at FROM account WHERE connection_id = ?", (owner,))


def _bind_organization(tx: Tx, owner: int, accounts: Sequence[Account]) -> None:
    bound = tx.value("SELECT organization FROM connection WHERE id = ?", (owner,))
    for given in {account.organization for account in accounts if account.organization}:
        if bound is None:
            tx.run("UPDATE connection SET organization = ? WHERE id = ?", (given, owner))
            bound = given
        elif given != bound:
            raise OtherOrganization(bound, given)


def _row(owner: int, account: Account, now: datetime) -> tuple[object, ...]:
    texts = (account.address, account.address, account.name, account.kind, account.role, account.state)
    return (owner, account.id, *texts, dumps(dict(account.streams)), b"{}", micros(now))


def _label(tx: Tx, owner: int) -> None:
    """An address shows whom it belongs to now; whoever had it before is shown as `<address>#<id>`."""
    sql = "SELECT id, source_id, address, label, gone_at FROM account WHERE connection_id = ?"
    holders: dict[str, list[Row]] = defaultdict(list)
    for row in tx.rows(sql, (owner,)):
        holders[row[2].casefold()].append(row)
    for rows in holders.values():
        rows.sort(key=lambda row: (row[4] is not None, -(row[4] or 0), -row[0]))  # present first, then gone last
        for place, (key, source_id, address, label, _) in enumerate(rows):
            wanted = address if place == 0 else f"{address}#{source_id}"
            if label != wanted:
                tx.run("UPDATE account SET label = ? WHERE id = ?", (wanted, key))


def all_accounts(tx: Tx, connection: str) -> list[AccountRow]:
    sql = "SELECT id, organization FROM connection WHERE name = ?"
    found = tx.row(sql, (connection,))
    if found is None:
        return []
    rows = tx.rows(f"SELECT {COLUMNS} FROM account WHERE connection_id = ? ORDER BY label", (found[0],))  # noqa: S608
    shared: dict[tuple[str, str], tuple[dict[str, str], frozenset[str]]] = {}
    return [_account_row(row, found[1], shared) for row in rows]


def _account_row(
    row: Row, organization: str | None, shared: dict[tuple[str, str], tuple[dict[str, str], frozenset[str]]]
) -> AccountRow:
    """`shared`: the states of streams, which are the same for nearly all accounts: a run keeps them once."""
    key, source_id, address, label, name, kind, role, state, streams, learned, at, gone_at = row
    if (streams, learned) not in shared:
        shown = loads(streams)
        unavailable = frozenset(stream for stream, state in shown.items() if state != "ready")
        shared[streams, learned] = ({**shown, **loads(learned)}, unavailable)
    states, unavailable = shared[streams, learned]
    imported = moment(at)
    assert imported is not None
    account = Account(source_id, address, name, intern(role), intern(state), states, organization, intern(kind))
    return AccountRow(key, account, address if label == address else label, imported, moment(gone_at), unavailable)


def imported_at(tx: Tx, connection: str) -> datetime | None:
    return moment(tx.value("SELECT imported_at FROM connection WHERE name = ?", (connection,)))


def import_place(tx: Tx, connection: str) -> tuple[JSON, datetime | None]:
    row = tx.row("SELECT import_bookmark, listed_at, id FROM connection WHERE name = ?", (connection,))
    if row is None or row[0] is None:
        return None, None if row is None else moment(row[1])
    try:
        return loads(tx.cipher.open(row[0], BOOKMARK, of_row("connection", row[2]))), moment(row[1])
    except Damaged:  # the next import lists all accounts
        return None, moment(row[1])


def set_stream_state(tx: Tx, account_id: int, stream: str, state: str) -> None:
    """Kept apart from what was imported, and forgotten by the next import, which looks again."""
    row = tx.row("SELECT learned FROM account WHERE id = ?", (account_id,))
    if row is None:
        return
    learned = loads(row[0])
    if learned.get(stream) != state:
        learned[stream] = state
        tx.run("UPDATE account SET learned = ? WHERE id = ?", (dumps(learned), account_id))


def matching_accounts(tx: Tx, connection: str, names: Sequence[str]) -> list[int]:
    """Account ids by label or address, whatever the case. A label goes before another account's old address."""
    wanted = {name.casefold() for name in names}
    sql = "SELECT a.id, a.label, a.address FROM account a JOIN connection c ON c.id = a.connection_id WHERE c.name = ?"
    rows = tx.rows(sql, (connection,))
    labels = {row[1].casefold() for row in rows}
    return [row[0] for row in rows if row[1].casefold() in wanted or row[2].casefold() in wanted - labels]
