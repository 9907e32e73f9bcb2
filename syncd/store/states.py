"""Runtime switches of syncs: what a person or a run of failures has set, when each is due, and which streams it has.

Public: SyncState, get, all_states, change, put_off, remember, set_dues.

State belongs to streams, a name only leads to it: so the streams that a sync had last are remembered (in `meta`), and a
sync that goes on under another name is given what stands under the former one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from .database import Row, Tx
from .values import dumps, loads, micros, moment

__all__ = ["SyncState", "all_states", "change", "get", "put_off", "remember", "set_dues"]

COLUMNS = "name, enabled, paused, code, reason, since, failures, next_due_at"
HAS = "sync:"  # and its name: the row of `meta` that remembers its streams
ALL_HAVE = "SELECT name, value FROM meta WHERE name LIKE 'sync:%' ORDER BY name"


@dataclass(frozen=True, slots=True)
class SyncState:
    """A sync's switches. `enabled`: None means as the configuration says.

    `paused`: "manual" or "auto"; `code`, `reason` and `since` belong to it. `failures`: failed runs in a row.
    `connection` and `streams`: what it had when a configuration was last taken over; none once others have them.
    """

    name: str
    enabled: bool | None = None
    paused: str | None = None
    code: str | None = None
    reason: str | None = None
    since: datetime | None = None
    failures: int = 0
    next_due_at: datetime | None = None
    connection: str | None = None
    streams: tuple[str, ...] = ()


NAMES = frozenset(field.name for field in fields(SyncState)) - {"name"}


def get(tx: Tx, name: str) -> SyncState:
    """The switches of any name: what was never set stands at its default."""
    row = tx.row(f"SELECT {COLUMNS} FROM sync_state WHERE name = ?", (name,))  # noqa: S608
    has = tx.value("SELECT value FROM meta WHERE name = ?", (HAS + name,))
    return _state(row or _unset(name), has)


def all_states(tx: Tx) -> dict[str, SyncState]:
    rows = {row[0]: row for row in tx.rows(f"SELECT {COLUMNS} FROM sync_state ORDER BY name")}  # noqa: S608
    have = {name.removeprefix(HAS): value for name, value in tx.rows(ALL_HAVE)}
    return {name: _state(rows.get(name) or _unset(name), have.get(name)) for name in sorted(rows.keys() | have.keys())}


def put_off(tx: Tx) -> dict[tuple[str, str], datetime]:
    """(connection, stream) → the earliest moment at which a provider lets a partition that it put off go on."""
    rows = tx.rows(
        "SELECT c.name, s.name, min(p.due_at) FROM partition p JOIN stream s ON s.id = p.stream_id"
        " JOIN connection c ON c.id = s.connection_id JOIN account a ON a.id = p.account_id"
        " WHERE p.due_at IS NOT NULL AND p.gone_at IS NULL AND a.gone_at IS NULL GROUP BY c.name, s.name"
    )
    return {(connection, stream): at for connection, stream, due in rows if (at := moment(due)) is not None}


def change(tx: Tx, name: str, changes: dict[str, Any]) -> SyncState:
    """Set some fields and leave the others, so that two who change different ones do not undo each other.

    `connection` and `streams` go together. `formerly`, a name that is configured no more: the sync had that one until
    now. First of all, everything that is kept of it moves here: switches, runs, open notices.
    """
    columns = dict(changes)
    if (before := columns.pop("formerly", None)) is not None:
        _move(tx, before, name)
    if unknown := columns.keys() - NAMES:
        raise TypeError(f"SyncState has no field {', '.join(sorted(unknown))}")
    if "streams" in columns:
        _remember(tx, name, columns.pop("connection"), columns.pop("streams"))
    if columns:
        _set(tx, name, columns)
    return get(tx, name)


def set_dues(tx: Tx, dues: Mapping[str, datetime]) -> None:
    for name, due in dues.items():
        _set(tx, name, {"next_due_at": due})


def _set(tx: Tx, name: str, columns: dict[str, Any]) -> None:
    tx.run("INSERT INTO sync_state (name, failures) VALUES (?, 0) ON CONFLICT DO NOTHING", (name,))
    values = [micros(value) if isinstance(value, datetime) else value for value in columns.values()]
    assignments = ", ".join(f"{column} = ?" for column in columns)
    tx.run(f"UPDATE sync_state SET {assignments} WHERE name = ?", (*values, name))  # noqa: S608


def remember(tx: Tx, has: Mapping[str, tuple[str | None, Sequence[str]]]) -> None:
    """The connection and streams of many syncs."""
    for name, (connection, streams) in has.items():
        _remember(tx, name, connection, streams)


def _remember(tx: Tx, name: str, connection: str | None, streams: Sequence[str]) -> None:
    """No streams: others have them now."""
    tx.run("DELETE FROM meta WHERE name = ?", (HAS + name,))
    if streams:
        has = dumps({"connection": connection, "streams": sorted(streams)}).decode()
        tx.run("INSERT INTO meta (name, value) VALUES (?, ?)", (HAS + name, has))


def _move(tx: Tx, before: str, name: str) -> None:
    """What stood under the new name gives way, but for runs: their numbers are known to people.

    Operators were told under the old name; the key of a notice about a sync is its kind and the sync's name.
    """
    tx.run("DELETE FROM sync_state WHERE name = ?", (name,))
    tx.run("UPDATE sync_state SET name = ? WHERE name = ?", (name, before))
    tx.run("DELETE FROM meta WHERE name = ?", (HAS + name,))
    tx.run("UPDATE meta SET name = ? WHERE name = ?", (HAS + name, HAS + before))
    tx.run("UPDATE run SET sync = ? WHERE sync = ?", (name, before))
    for (kind,) in tx.rows("SELECT kind FROM notice WHERE key = kind || ':' || ?", (before,)):
        tx.run("DELETE FROM notice WHERE key = ?", (f"{kind}:{name}",))
        tx.run("UPDATE notice SET key = ? WHERE key = ?", (f"{kind}:{name}", f"{kind}:{before}"))


def _unset(name: str) -> Row:
    return (name, None, None, None, None, None, 0, None)


def _state(row: Row, has: str | None) -> SyncState:
    name, enabled, paused, code, reason, since, failures, due = row
    switch = None if enabled is None else bool(enabled)
    owned = {} if has is None else loads(has)
    place = owned.get("connection"), tuple(owned.get("streams", ()))
    return SyncState(name, switch, paused, code, reason, moment(since), failures, moment(due), *place)
