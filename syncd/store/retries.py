"""Content that could not be had when its record landed, tried again later.

Public: waiting, settle.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from syncd.engine.ports import RETRIES, Content, ContentState, Counts, PartitionRow, Retry, StreamSpec
from syncd.sdk import Blob, Partition

from . import ledger
from .accounts import stream_id
from .attachments import checked
from .cipher import DESCRIPTOR, TAG, TITLE, WANTED, of_record, of_row
from .database import Row, Tx
from .records import DELETED, keep_versions
from .values import dumps, loads, micros, storable

__all__ = ["settle", "waiting"]

FIND = (
    "SELECT r.id, y.blob, r.stream_id, r.scope FROM record r JOIN payload y ON y.record_id = r.id"
    " WHERE r.partition_id = ? AND r.source_id = ? AND r.state <> ?"
)


def waiting(tx: Tx, spec: StreamSpec, account_id: int) -> list[Retry]:
    """Those tried least often first, so that a few hopeless ones do not keep the others waiting."""
    stream = stream_id(tx, spec.connection, spec.info.name, spec.info.kind)
    rows = tx.rows(
        "SELECT p.id, p.account_id, p.source_id, p.title, p.shared, t.source_id, t.blob, t.attempts"
        " FROM content_retry t JOIN partition p ON p.id = t.partition_id"
        " WHERE p.account_id = ? AND p.stream_id = ? AND p.gone_at IS NULL AND NOT p.excluded"
        " ORDER BY t.attempts, p.id, t.source_id LIMIT ?",
        (account_id, stream, RETRIES),
    )
    return [_retry(tx, row) for row in rows]


def _retry(tx: Tx, row: Row) -> Retry:
    key, account, partition, title, shared, source_id, blob, attempts = row
    held = _wanted(tx, key, source_id, blob)
    title = tx.cipher.open_text(title, TITLE, of_row("partition", key))
    again = Blob(held["ref"], held["tag"], held["size"], held["hash"], mime_type=held["mime_type"])
    return Retry(PartitionRow(key, account, Partition(partition, title, bool(shared))), source_id, again, attempts)


def _wanted(tx: Tx, partition: int, source_id: str, kept: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = loads(tx.cipher.open(kept, WANTED, of_row("content_retry", partition, source_id)))
    return fields


def settle(tx: Tx, run: int, retry: Retry, spec: StreamSpec, content: Content, now: datetime) -> Counts:
    """One item listed, `updated` or `failed`; nothing if the record or the wish for this content is gone."""
    place = (retry.partition.id, retry.source_id)
    wanted = tx.row("SELECT blob FROM content_retry WHERE partition_id = ? AND source_id = ?", place)
    record = tx.row(FIND, (*place, DELETED))
    contents, held = checked(tx, {retry.source_id: content})
    content = contents[retry.source_id]
    if wanted is None or _wanted(tx, *place, wanted[0])["tag"] != retry.blob.tag:
        return Counts()
    if record is None:
        tx.run("DELETE FROM content_retry WHERE partition_id = ? AND source_id = ?", place)
        return Counts()
    if content.state is ContentState.FAILED:
        sql = "UPDATE content_retry SET attempts = attempts + 1, code = ?, reason = ?"
        tx.run(f"{sql} WHERE partition_id = ? AND source_id = ?", (content.code, content.reason, *place))
        counts = Counts(failed=1, listed=1)
    else:
        counts = _attach(tx, record, retry, content, held, now)
        for table in ("content_retry", "content_journal"):
            tx.run(f"DELETE FROM {table} WHERE partition_id = ? AND source_id = ?", place)  # noqa: S608
    account, stream = tx.rows("SELECT account_id, stream_id FROM partition WHERE id = ?", place[:1])[0]
    ledger.add(tx, run, account, stream, counts)
    return counts


def _attach(tx: Tx, record: Row, retry: Retry, content: Content, aliases: Mapping[str, str], now: datetime) -> Counts:
    blob: dict[str, object] = {"skipped": content.reason}
    if content.state is ContentState.STORED:
        mime_type = content.mime_type or retry.blob.mime_type
        blob = {"sha256": content.sha256, "size": content.size, "mime_type": mime_type}
    key, held, stream, scope = record
    place, cipher = of_record(stream, scope, retry.source_id), tx.cipher
    tag = cipher.seal_text(storable(retry.blob.tag), TAG, place)
    if cipher.open(held, DESCRIPTOR, place) == dumps(blob):
        tx.run("UPDATE record SET tag = ? WHERE id = ?", (tag, key))
        return Counts(unchanged=1, listed=1)
    keep_versions(tx, [key], now)
    sql = (
        "UPDATE record SET seq = ?, version = version + 1, change = 'updated', tag = ?, sha256 = ?,"
        " last_changed_at = ? WHERE id = ?"
    )
    alias = aliases.get(content.sha256 or "") if content.state is ContentState.STORED else None
    tx.run(sql, (tx.numbers("seq", 1), tag, alias, micros(now), key))
    tx.run("UPDATE payload SET blob = ? WHERE record_id = ?", (cipher.seal(dumps(blob), DESCRIPTOR, place), key))
    return Counts(updated=1, listed=1)
