"""What is done now and then: resets, content that nothing refers to, history past its time.

Public: reset, doomed_blobs, unused_blobs, doom, drop_tombstones, drop_versions, drop_runs, return_pages, after_start.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from .contents import Blobs
from .database import Tx
from .feed import break_feed, raise_floor
from .records import DELETED
from .values import micros

__all__ = [
    "RESTORED",
    "after_start",
    "doom",
    "doomed_blobs",
    "drop_runs",
    "drop_tombstones",
    "drop_versions",
    "rebooted",
    "reset",
    "return_pages",
    "unused_blobs",
]

CHUNK = 1000  # rows removed per transaction: nobody waits long for the writer
RUNS, ROWS, PAGES = 20, 5000, 500  # runs, rows of theirs, and free pages, per transaction
INCREMENTAL = 2  # how PRAGMA auto_vacuum says it
SEQ_GAP = 1_000_000
RESTORED, RESTORED_GAP = "restored", 1_000_000_000
KNOWN_BOOT = "SELECT value FROM meta WHERE name = 'boot'"
USED = (
    "SELECT 1 FROM record WHERE sha256 = ? UNION ALL SELECT 1 FROM record_version WHERE sha256 = ?"
    " UNION ALL SELECT 1 FROM content_journal WHERE sha256 = ? LIMIT 1"
)


def reset(tx: Tx, connection: str, streams: Sequence[str] | None, accounts: Sequence[int] | None) -> int:
    """Forget cursors and resume points: the next round of each partition is full. How many partitions.

    A round under way loses its place: what it reads still lands, but neither its resume point nor its bookmark is kept
    (`round_id` no longer names it), so that it cannot undo the reset.
    """
    where = ""
    values: list[object] = []
    for column, wanted in (("s.name", streams), ("p.account_id", accounts)):
        if wanted is not None:
            where += f" AND {column} IN ({', '.join('?' * len(wanted)) or 'NULL'})"
            values += list(wanted)
    return tx.run(
        "UPDATE partition SET cursor = NULL, resume = NULL, round_id = NULL, full_due = TRUE, due_at = NULL"  # noqa: S608
        " WHERE id IN (SELECT p.id FROM partition p JOIN stream s ON s.id = p.stream_id"
        f" JOIN connection c ON c.id = s.connection_id WHERE c.name = ?{where})",
        (connection, *values),
    )


def after_start(tx: Tx) -> None:
    """After a restart of the machine, leave a gap in `seq`.

    A power cut may take the last commits, and with them numbers that a reader of the feed has seen. Given out again for
    other changes, that reader would miss those. A backup takes far more: after it was restored, all readers begin anew.
    """
    boot, known = _boot(), tx.value(KNOWN_BOOT)
    if known == RESTORED:
        tx.numbers("seq", RESTORED_GAP)
        for (stream,) in tx.rows("SELECT id FROM stream"):
            break_feed(tx, stream)
    elif known is not None and known != boot:
        tx.numbers("seq", SEQ_GAP)
    tx.run("INSERT INTO meta (name, value) VALUES ('boot', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
           (boot,))  # fmt: skip


def rebooted(tx: Tx) -> bool:
    """Whether `after_start` has something to do: opening a store need not wait for somebody else's write."""
    return bool(tx.value(KNOWN_BOOT) != _boot())


def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return "unknown"


def doomed_blobs(tx: Tx, blobs: Blobs) -> int:
    """Remove contents that were to go and that nothing refers to. Files go inside the one writer's transaction.

    How many were looked at; none while a backup is being made, which may still refer to them.
    """
    with blobs.collecting() as free:
        return _remove_doomed(tx, blobs) if free else 0


def _remove_doomed(tx: Tx, blobs: Blobs) -> int:
    names = [row[0] for row in tx.rows("SELECT sha256 FROM blob WHERE doomed LIMIT ?", (CHUNK,))]
    for name in names:
        if tx.row(USED, (name, name, name)):
            tx.run("UPDATE blob SET doomed = FALSE WHERE sha256 = ?", (name,))
            continue
        tx.run("DELETE FROM blob_hash WHERE sha256 = ?", (name,))
        tx.run("DELETE FROM blob WHERE sha256 = ?", (name,))
        blobs.path(name).unlink(missing_ok=True)
    return len(names)


def drop_tombstones(tx: Tx, before: datetime) -> int:
    """Remove old tombstones, and remember how far back the feed is complete."""
    rows = tx.rows(
        f"SELECT id, stream_id, seq FROM record WHERE state = {DELETED} AND state_at < ? ORDER BY state_at LIMIT ?",  # noqa: S608
        (micros(before), CHUNK),
    )
    ids = [row[0] for row in rows]
    floors: dict[int, int] = {}
    for _, stream, seq in rows:
        floors[stream] = max(seq, floors.get(stream, 0))
    for stream, seq in floors.items():
        raise_floor(tx, stream, seq)
    of = "UPDATE blob SET doomed = TRUE WHERE sha256 IN (SELECT sha256 FROM {} WHERE {} IN ({{}}))"
    tx.run_within(of.format("record", "id"), (), ids)
    tx.run_within(of.format("record_version", "record_id"), (), ids)
    for table, key in (("record_version", "record_id"), ("payload", "record_id"), ("record", "id")):
        tx.run_within(f"DELETE FROM {table} WHERE {key} IN ({{}})", (), ids)  # noqa: S608
    return len(ids)


def drop_versions(tx: Tx, before: datetime) -> int:
    rows = tx.rows(
        "SELECT record_id, version, sha256 FROM record_version WHERE superseded_at < ? LIMIT ?",
        (micros(before), CHUNK),
    )
    for record, version, sha256 in rows:
        tx.run("DELETE FROM record_version WHERE record_id = ? AND version = ?", (record, version))
        if sha256 is not None:
            tx.run("UPDATE blob SET doomed = TRUE WHERE sha256 = ?", (sha256,))
    return len(rows)


def drop_runs(tx: Tx, before: datetime) -> int:
    """Remove old runs, never a running one: first their errors and ledgers, a few thousand rows at a time. How many rows."""
    oldest = tx.rows("SELECT id, finished_at FROM run ORDER BY id LIMIT ?", (CHUNK,))
    ids = [key for key, finished in oldest if finished is not None and finished < (micros(before) or 0)][:RUNS]
    for table, key in (("run_error", "id"), ("run_scope", "run_id, account_id, stream_id")):
        some = f"SELECT {key} FROM {table} WHERE run_id IN ({{}}) LIMIT {ROWS}"  # noqa: S608
        if count := tx.run_within(f"DELETE FROM {table} WHERE ({key}) IN ({some})", (), ids):  # noqa: S608
            return count
    return tx.run_within("DELETE FROM run WHERE id IN ({})", (), ids)


def unused_blobs(tx: Tx, after: str) -> tuple[list[str], str]:
    """Contents that nothing refers to and nobody has doomed, of a thousand; the last one looked at, "" at the end."""
    names = [
        row[0] for row in tx.rows("SELECT sha256 FROM blob WHERE sha256 > ? ORDER BY sha256 LIMIT ?", (after, CHUNK))
    ]
    found = [name for name in names if not tx.row(USED, (name, name, name))]
    return found, names[-1] if names else ""


def doom(tx: Tx, names: Sequence[str]) -> int:
    """To be removed if nothing refers to them then."""
    return tx.run_within("UPDATE blob SET doomed = TRUE WHERE sha256 IN ({})", (), names)


def return_pages(tx: Tx) -> int:
    """Give some free pages back to the file system; a twentieth of all stays, for what is written next. How many."""
    free, pages = tx.value("PRAGMA freelist_count"), tx.value("PRAGMA page_count")
    if tx.value("PRAGMA auto_vacuum") != INCREMENTAL or free * 20 <= pages:
        return 0
    count = min(PAGES, free - pages // 20)
    for _ in range(count):  # the driver takes one step of a statement that gives no rows
        tx.run("PRAGMA incremental_vacuum(1)")
    return int(count)
