"""Records as rows: their states, how they change state, and the numbers that partitions keep of them.

Public: LIVE, GONE, OUT, DELETED, delete, Tally, keep_versions.

    LIVE     at the source, in scope
    GONE     gone at the source, kept live by `deletions: keep`
    OUT      live, out of scope: no longer refreshed
    DELETED  a tombstone, with its last payload unless purged
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from .database import Tx
from .values import micros

__all__ = ["DELETED", "GONE", "LIVE", "OUT", "Tally", "delete", "keep_versions"]

LIVE, GONE, OUT, DELETED = 0, 1, 2, 3
CHUNK = 500  # records deleted per round of statements: bounded memory however many there are


class Tally:
    """What changes in `partition.live` and `partition.kept`, collected and written once."""

    def __init__(self) -> None:
        self._change: dict[int, list[int]] = defaultdict(lambda: [0, 0])

    def leave(self, partition: int, state: int, count: int = 1) -> None:
        self._add(partition, state, -count)

    def enter(self, partition: int, state: int, count: int = 1) -> None:
        self._add(partition, state, count)

    def _add(self, partition: int, state: int, count: int) -> None:
        if state != DELETED:
            self._change[partition][0 if state == LIVE else 1] += count

    def write(self, tx: Tx) -> None:
        for partition, (live, kept) in sorted(self._change.items()):
            if live or kept:
                sql = "UPDATE partition SET live = live + ?, kept = kept + ? WHERE id = ?"
                tx.run(sql, (live, kept, partition))
        self._change.clear()


def keep_versions(tx: Tx, ids: Iterable[int], now: datetime) -> None:
    """Copy what these records hold to `record_version`, before it is superseded."""
    tx.run_within(
        "INSERT INTO record_version"
        " (record_id, version, seq, changed_at, superseded_at, sha256, data, summary, blob)"
        " SELECT r.id, r.version, r.seq, r.last_changed_at, ?, r.sha256, d.data, d.summary, d.blob"
        " FROM record r JOIN payload d ON d.record_id = r.id WHERE r.id IN ({})",
        (micros(now),),
        ids,
    )


def delete(tx: Tx, ids: Sequence[int], mode: str, now: datetime) -> None:
    """Apply settled deletions as `deletions:` says, and drop their proposals. Ids must be live records."""
    tally = Tally()
    for start in range(0, len(ids), CHUNK):
        part = ids[start : start + CHUNK]
        for partition, state, count in tx.within(
            "SELECT partition_id, state, count(*) FROM record WHERE id IN ({}) GROUP BY partition_id, state", (), part
        ):
            tally.leave(partition, state, count)
            tally.enter(partition, GONE if mode == "keep" else DELETED, count)
        if mode == "keep":
            keep_versions(tx, part, now)
        _mark(tx, part, mode, now)
        if mode == "purge":
            _purge(tx, part)
        tx.run_within("DELETE FROM pending_deletion WHERE record_id IN ({})", (), part)
    tally.write(tx)


def _mark(tx: Tx, ids: Sequence[int], mode: str, now: datetime) -> None:
    """Each gets the next seq, in the order of ids. A tombstone keeps its version: no payload is superseded."""
    first = tx.numbers("seq", len(ids))
    state, change, step = (GONE, "updated", 1) if mode == "keep" else (DELETED, "deleted", 0)
    sql = (
        "UPDATE record SET seq = n.n + ?, state = ?, change = ?, version = version + ?, state_at = ?,"
        " last_changed_at = ? FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM record WHERE id IN ({})) AS n"
        " WHERE record.id = n.id"
    )
    at = micros(now)
    for start in range(0, len(ids), 250):
        part = ids[start : start + 250]
        tx.run_within(sql, (first + start - 1, state, change, step, at, at), part)


def _purge(tx: Tx, ids: Sequence[int]) -> None:
    """Drop payload, versions, and content that nothing else refers to (its file goes after COMMIT)."""
    tx.run_within("UPDATE blob SET doomed = TRUE WHERE sha256 IN (SELECT sha256 FROM record WHERE id IN ({}))", (), ids)
    tx.run_within(
        "UPDATE blob SET doomed = TRUE WHERE sha256 IN (SELECT sha256 FROM record_version WHERE record_id IN ({}))",
        (),
        ids,
    )
    tx.run_within("DELETE FROM record_version WHERE record_id IN ({})", (), ids)
    tx.run_within("DELETE FROM payload WHERE record_id IN ({})", (), ids)
    for table in ("content_retry", "content_journal", "quarantine"):
        tx.run_within(
            f"DELETE FROM {table} WHERE EXISTS (SELECT 1 FROM record r WHERE r.partition_id = {table}.partition_id"  # noqa: S608
            f" AND r.source_id = {table}.source_id AND r.id IN ({{}}))",
            (),
            ids,
        )
    tx.run_within(
        "UPDATE record SET sha256 = NULL, tag = NULL, parent = NULL, name = NULL, when_start = NULL, when_end = NULL,"
        " digest = ? WHERE id IN ({})",
        (b"",),
        ids,
    )
