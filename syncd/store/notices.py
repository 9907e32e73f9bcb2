"""Notices to operators: what is known to be wrong, and the messages that wait for each channel.

Public: NoticeRow, NoticePlan, MessageRow and the functions that SqlStore hands on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .database import Row, Tx
from .values import dumps, loads, micros, moment, storable

__all__ = [
    "MessageRow",
    "NoticePlan",
    "NoticeRow",
    "all_notices",
    "drop_messages",
    "forget_channels",
    "held_counts",
    "messages",
    "oldest_rounds",
    "settle",
    "waiting",
]

COLUMNS = "key, kind, title, body, open, told, since, changed_at, tellings"


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """One thing that was wrong or is. `open`: whether it is; `told`: what people were told of that last.

    `since`: when it began; `changed_at`: when `open` last changed; `tellings`: when people were told, of late.
    """

    key: str
    kind: str
    title: str
    text: str
    open: bool
    told: bool
    since: datetime
    changed_at: datetime
    tellings: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class NoticePlan:
    """What to write: rows as they are to be, keys to forget, and messages (channel, content)."""

    put: Sequence[NoticeRow] = ()
    drop: Sequence[str] = ()
    messages: Sequence[tuple[str, Mapping[str, Any]]] = ()

    def __bool__(self) -> bool:
        return bool(self.put or self.drop or self.messages)


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message that waits for a channel."""

    id: int
    at: datetime
    content: Mapping[str, Any]


def all_notices(tx: Tx) -> list[NoticeRow]:
    return [_notice(row) for row in tx.rows(f"SELECT {COLUMNS} FROM notice ORDER BY key")]  # noqa: S608


def settle(tx: Tx, decide: Callable[[Sequence[NoticeRow]], NoticePlan], now: datetime) -> NoticePlan:
    """Show `decide` what is known, and do what it says: what was told and the messages that tell it commit together."""
    plan = decide(all_notices(tx))
    names = COLUMNS.split(", ")
    renewed = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
    if plan.put:
        tx.insert(f"INSERT INTO notice ({COLUMNS})", [_row(one) for one in plan.put],
                  f"ON CONFLICT (key) DO UPDATE SET {renewed}")  # fmt: skip
    tx.run_within("DELETE FROM notice WHERE key IN ({})", (), plan.drop)
    if plan.messages:
        rows = [(channel, micros(now), dumps(content)) for channel, content in plan.messages]
        tx.insert("INSERT INTO notice_message (channel, at, content)", rows)
    return plan


def messages(tx: Tx, channel: str, limit: int) -> list[MessageRow]:
    """What waits for a channel, oldest first."""
    sql = "SELECT id, at, content FROM notice_message WHERE channel = ? ORDER BY id LIMIT ?"
    return [MessageRow(row[0], _at(row[1]), loads(row[2])) for row in tx.rows(sql, (channel, limit))]


def drop_messages(tx: Tx, ids: Sequence[int]) -> None:
    tx.run_within("DELETE FROM notice_message WHERE id IN ({})", (), ids)


def forget_channels(tx: Tx, kept: Sequence[str]) -> int:
    """Drop what waits for channels that are no longer configured."""
    found = [row[0] for row in tx.rows("SELECT DISTINCT channel FROM notice_message")]
    return tx.run_within("DELETE FROM notice_message WHERE channel IN ({})", (), set(found).difference(kept))


def waiting(tx: Tx) -> dict[str, int]:
    """How many messages wait, by channel."""
    return {row[0]: row[1] for row in tx.rows("SELECT channel, count(*) FROM notice_message GROUP BY channel")}


def held_counts(tx: Tx) -> dict[tuple[str, str], int]:
    """(connection, stream) → undecided held deletions, where there are any."""
    rows = tx.rows(
        "SELECT c.name, s.name, count(*) FROM pending_deletion d JOIN stream s ON s.id = d.stream_id"
        " JOIN connection c ON c.id = s.connection_id WHERE d.state = 'held' GROUP BY c.name, s.name"
    )
    return {(connection, stream): count for connection, stream, count in rows}


def oldest_rounds(tx: Tx) -> dict[tuple[str, str], datetime]:
    """(connection, stream) → when the least fresh partition of present, active accounts was last read completely.

    One that never was counts from when it became known, unless it is refused to us.
    """
    rows = tx.rows(
        "SELECT c.name, s.name, min(COALESCE(p.last_completed_at, p.created_at)) FROM partition p"
        " JOIN account a ON a.id = p.account_id JOIN stream s ON s.id = p.stream_id"
        " JOIN connection c ON c.id = s.connection_id"
        " WHERE p.gone_at IS NULL AND NOT p.excluded AND a.gone_at IS NULL AND a.state = 'active'"
        " AND (p.last_completed_at IS NOT NULL OR p.skipped_run IS NULL) GROUP BY c.name, s.name"
    )
    return {(connection, stream): _at(oldest) for connection, stream, oldest in rows}


def _row(one: NoticeRow) -> tuple[object, ...]:
    told = dumps([micros(at) for at in one.tellings])
    texts = (one.key, one.kind, storable(one.title), storable(one.text))
    return (*texts, one.open, one.told, micros(one.since), micros(one.changed_at), told)


def _notice(row: Row) -> NoticeRow:
    key, kind, title, text, is_open, told, since, changed, tellings = row
    moments = tuple(_at(at) for at in loads(tellings))
    return NoticeRow(key, kind, title, text, bool(is_open), bool(told), _at(since), _at(changed), moments)


def _at(value: int) -> datetime:
    found = moment(value)
    assert found is not None
    return found
