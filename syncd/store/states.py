"""Runtime switches of syncs: what a person or a run of failures has set, and when each is due.

Public: SyncState, get, all_states, change, put_off.
"""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from .database import Row, Tx
from .values import micros, moment

__all__ = ["SyncState", "all_states", "change", "get", "put_off"]

COLUMNS = "name, enabled, paused, code, reason, since, failures, next_due_at"


@dataclass(frozen=True, slots=True)
class SyncState:
    """A sync's switches. `enabled`: None means as the configuration says.

    `paused`: "manual" or "auto"; `code`, `reason` and `since` belong to it. `failures`: failed runs in a row.
    """

    name: str
    enabled: bool | None = None
    paused: str | None = None
    code: str | None = None
    reason: str | None = None
    since: datetime | None = None
    failures: int = 0
    next_due_at: datetime | None = None


NAMES = frozenset(field.name for field in fields(SyncState)) - {"name"}


def get(tx: Tx, name: str) -> SyncState:
    """The switches of any name: what was never set stands at its default."""
    row = tx.row(f"SELECT {COLUMNS} FROM sync_state WHERE name = ?", (name,))  # noqa: S608
    return SyncState(name) if row is None else _state(row)


def all_states(tx: Tx) -> dict[str, SyncState]:
    rows = tx.rows(f"SELECT {COLUMNS} FROM sync_state ORDER BY name")  # noqa: S608
    return {row[0]: _state(row) for row in rows}


def put_off(tx: Tx) -> dict[tuple[str, str], datetime]:
    """(connection, stream) → the earliest moment at which a provider lets a partition that it put off go on."""
    rows = tx.rows(
        "SELECT c.name, s.name, min(p.due_at) FROM partition p JOIN stream s ON s.id = p.stream_id"
        " JOIN connection c ON c.id = s.connection_id JOIN account a ON a.id = p.account_id"
        " WHERE p.due_at IS NOT NULL AND p.gone_at IS NULL AND a.gone_at IS NULL GROUP BY c.name, s.name"
    )
    return {(connection, stream): at for connection, stream, due in rows if (at := moment(due)) is not None}


def change(tx: Tx, name: str, changes: dict[str, Any]) -> SyncState:
    """Set some fields and leave the others, so that two who change different ones do not undo each other."""
    if unknown := changes.keys() - NAMES:
        raise TypeError(f"SyncState has no field {', '.join(sorted(unknown))}")
    tx.run("INSERT INTO sync_state (name, failures) VALUES (?, 0) ON CONFLICT DO NOTHING", (name,))
    values = [micros(value) if isinstance(value, datetime) else value for value in changes.values()]
    if changes:
        assignments = ", ".join(f"{field} = ?" for field in changes)
        tx.run(f"UPDATE sync_state SET {assignments} WHERE name = ?", (*values, name))  # noqa: S608
    return get(tx, name)


def _state(row: Row) -> SyncState:
    name, enabled, paused, code, reason, since, failures, due = row
    switch = None if enabled is None else bool(enabled)
    return SyncState(name, switch, paused, code, reason, moment(since), failures, moment(due))
