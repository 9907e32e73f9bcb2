"""The read side: records as documents, numbers for `status`, accounts.

Public: Filter, documents, by_id, feed_check, StreamNumbers, numbers, title_of.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from syncd.engine.ports import Leftovers

from .accounts import matching_accounts
from .cipher import DATA, DESCRIPTOR, NAME, SUMMARY, Cipher, of_record
from .database import Row, Tx
from .errors import FeedTooOld
from .records import DELETED, GONE, OUT
from .values import loads, moment, rfc3339

__all__ = ["StreamNumbers", "by_id", "documents", "leftovers", "numbers", "title_of"]

CHUNK = 500
DOCUMENT = (
    "SELECT r.seq, r.scope, a.label, p.source_id, r.source_id, r.version, r.change, r.first_seen_at,"
    " r.last_changed_at, r.state, r.state_at, r.parent, r.name, r.partition_id, y.summary, y.data, y.blob"
    " FROM record r JOIN partition p ON p.id = r.partition_id JOIN account a ON a.id = p.account_id"
    " LEFT JOIN payload y ON y.record_id = r.id WHERE r.stream_id = ? AND r.seq > ?"
)
TITLES = ("title", "name", "subject")


def title_of(summary: bytes | None) -> str | None:
    """What a person knows a record by. `summary`: opened."""
    fields = loads(summary) if summary else {}
    return next((fields[name] for name in TITLES if fields.get(name)), None)


def documents(
    tx: Tx,
    connection: str,
    stream: str,
    *,
    account: str | None = None,
    since: int | None = None,
    deleted: bool = False,
    limit: int | None = None,
    after: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Records by `seq`, a few hundred at a time: live ones; with `deleted` tombstones; with `since` every change.

    `after`: go on behind this `seq`, without asking for more than live records or tombstones.
    """
    found = tx.row(
        "SELECT s.id, s.kind, s.feed_floor FROM stream s JOIN connection c ON c.id = s.connection_id"
        " WHERE c.name = ? AND s.name = ?",
        (connection, stream),
    )
    if found is None:
        return
    number, kind, floor = found
    if since and since < floor:  # 0 is the beginning: whoever knows nothing misses no deletion
        raise FeedTooOld(since, floor)
    where, values = _conditions(tx, connection, account, since, deleted)
    paths = Paths(tx, number) if kind == "file" else None
    last, left = max(since or 0, after or 0), limit
    while left is None or left > 0:
        size = CHUNK if left is None else min(CHUNK, left)
        rows = tx.rows(f"{DOCUMENT}{where} ORDER BY r.seq LIMIT {size}", (number, last, *values))
        for row in rows:
            yield _document(tx.cipher, number, connection, stream, row, paths)
        if len(rows) < size:
            return
        last, left = rows[-1][0], None if left is None else left - size


BY_ID = (
    " AND r.source_id = ? AND r.scope IN (SELECT 0 UNION SELECT id * 2 + 1 FROM partition WHERE stream_id = ?"
    " UNION SELECT account_id * 2 FROM partition WHERE stream_id = ?) ORDER BY r.seq"
)  # the scopes there can be (see `work.scope_of`), so that the index on identity serves


def by_id(tx: Tx, connection: str, stream: str, source_id: str) -> Iterator[dict[str, Any]]:
    """The documents of a source id, tombstones too; several where accounts or partitions have the same id."""
    sql = (
        "SELECT s.id, s.kind FROM stream s JOIN connection c ON c.id = s.connection_id WHERE c.name = ? AND s.name = ?"
    )
    found = tx.row(sql, (connection, stream))
    if found is None:
        return
    paths = Paths(tx, found[0]) if found[1] == "file" else None
    for row in tx.rows(DOCUMENT + BY_ID, (found[0], 0, source_id, found[0], found[0])):
        yield _document(tx.cipher, found[0], connection, stream, row, paths)


def _conditions(
    tx: Tx, connection: str, account: str | None, since: int | None, deleted: bool
) -> tuple[str, list[object]]:
    where = ""
    values: list[object] = []
    if account is not None:
        ids = matching_accounts(tx, connection, [account])
        where += f" AND p.account_id IN ({', '.join('?' * len(ids)) or 'NULL'})"
        values += ids
    if deleted:
        where += f" AND r.state = {DELETED}"
    elif since is None:
        where += f" AND r.state < {DELETED}"
    return where, values


def _document(
    cipher: Cipher, number: int, connection: str, stream: str, row: Row, paths: "Paths | None"
) -> dict[str, Any]:
    (seq, scope, label, partition, source_id, version, change, first, changed, state, at, parent, name, home, summary,
     data, blob) = row  # fmt: skip
    place = of_record(number, scope, source_id)
    fields = loads(cipher.open(summary, SUMMARY, place)) if summary else {}
    if blob:
        fields["blob"] = loads(cipher.open(blob, DESCRIPTOR, place))
    if paths is not None and name is not None:
        fields["path"] = paths.of(scope, home, source_id, parent, cipher.open_text(name, NAME, place))
    document = {
        "connection": connection,
        "account": label,
        "stream": stream,
        "partition": partition,
        "source_id": source_id,
        "seq": seq,
        "version": version,
        "change": change,
        "first_seen_at": rfc3339(first),
        "last_changed_at": rfc3339(changed),
        "deleted_at": rfc3339(at) if state == DELETED else None,
        "summary": fields,
        "data": loads(cipher.open(data, DATA, place)) if data else None,
    }
    if state == GONE:
        document["source_gone_at"] = rfc3339(at)
    if state == OUT:
        document["out_of_scope"] = True
    return document


class Paths:
    """Paths of files from their parents, with a bounded memory of folders. A loop of parents ends the path."""

    REMEMBERED = 10_000
    DEEPEST = 200
    PARENT = "SELECT parent, name FROM record WHERE stream_id = ? AND scope = ? AND source_id = ? AND partition_id = ?"

    def __init__(self, tx: Tx, stream: int) -> None:
        self._tx = tx
        self._stream = stream
        self._folders: OrderedDict[tuple[int, int, str], tuple[str | None, str] | None] = OrderedDict()

    def of(self, scope: int, partition: int, source_id: str, parent: str | None, name: str) -> str:
        """`name`: as it is opened."""
        names, met = [name], {source_id}
        while parent is not None and parent not in met and len(names) < self.DEEPEST:
            folder = self._folder(scope, partition, parent)
            if folder is None:
                break  # the drive's root, or a folder that is not visible to the account
            met.add(parent)
            parent, above = folder
            names.append(above)
        return "/".join(reversed(names))

    def _folder(self, scope: int, partition: int, source_id: str) -> tuple[str | None, str] | None:
        key = (scope, partition, source_id)
        if key in self._folders:
            self._folders.move_to_end(key)
            return self._folders[key]
        row = self._tx.row(self.PARENT, (self._stream, scope, source_id, partition))
        found = None
        if row is not None and row[1] is not None:
            place = of_record(self._stream, scope, source_id)
            found = (row[0], self._tx.cipher.open_text(row[1], NAME, place))
        self._folders[key] = found
        if len(self._folders) > self.REMEMBERED:
            self._folders.popitem(last=False)
        return found


def leftovers(tx: Tx, connection: str) -> Leftovers:
    def of(table: str, where: str) -> frozenset[tuple[int, str]]:
        sql = (
            f"SELECT DISTINCT p.account_id, s.name FROM {table} t JOIN partition p ON p.id = t.partition_id"  # noqa: S608
            " JOIN stream s ON s.id = p.stream_id JOIN connection c ON c.id = s.connection_id"
            f" WHERE c.name = ? AND {where}"
        )
        return frozenset((row[0], row[1]) for row in tx.rows(sql, (connection,)))

    return Leftovers(of("pending_deletion", "t.state = 'open'"), of("content_retry", "TRUE"))


@dataclass(frozen=True, slots=True)
class StreamNumbers:
    """One stream of one connection. `oldest`: when the least fresh of its partitions was last complete."""

    connection: str
    stream: str
    accounts: int
    records: int
    held: int
    oldest: datetime | None

    def freshness(self, now: datetime) -> float | None:
        """Seconds; None before the first complete round."""
        return None if self.oldest is None else max(0.0, (now - self.oldest).total_seconds())


NUMBERS = (
    "WITH wanted (connection, stream) AS (VALUES {}) SELECT w.connection, w.stream,"
    " count(DISTINCT p.account_id), sum(p.live + p.kept),"
    " min(CASE WHEN p.gone_at IS NULL AND NOT p.excluded AND a.gone_at IS NULL AND a.state = 'active'"
    "  AND (p.last_completed_at IS NOT NULL OR p.skipped_run IS NULL)"
    "  THEN COALESCE(p.last_completed_at, p.created_at) END),"
    " max(p.last_completed_at),"
    " (SELECT count(*) FROM pending_deletion d WHERE d.stream_id = s.id AND d.state = 'held')"
    " FROM wanted w JOIN connection c ON c.name = w.connection"
    " JOIN stream s ON s.connection_id = c.id AND s.name = w.stream"
    " LEFT JOIN partition p ON p.stream_id = s.id LEFT JOIN account a ON a.id = p.account_id"
    " GROUP BY w.connection, w.stream, s.id"
)


def numbers(tx: Tx, streams: Sequence[tuple[str, str]]) -> list[StreamNumbers]:
    """In the order asked for. Freshness counts the partitions that are listed, of present and active accounts: others
    are not refreshed.

    A partition that was never complete is as old as our knowledge of it, unless it is refused to us.
    """
    found: dict[tuple[str, str], StreamNumbers] = {}
    every = list(dict.fromkeys(streams))
    for start in range(0, len(every), CHUNK):
        part = every[start : start + CHUNK]
        sql = NUMBERS.format(", ".join(["(?, ?)"] * len(part)))
        for connection, stream, accounts, records, oldest, newest, held in tx.rows(
            sql, list(chain.from_iterable(part))
        ):
            fresh = None if newest is None else moment(oldest)
            found[connection, stream] = StreamNumbers(connection, stream, accounts, records or 0, held, fresh)
    return [found.get(key) or StreamNumbers(*key, 0, 0, 0, None) for key in streams]
