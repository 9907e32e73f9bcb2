"""Pending deletions: proposing and dropping them, and keeping the ledger right while doing so.

Public: propose_reported, propose_where, drop_seen, drop_vanished, drop_out_of_scope, drop_rows.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from syncd.engine.ports import Counts, PendingOrigin

from . import ledger
from .database import Row, Tx
from .ledger import HELD, HELD_ABSENT, NOT_COUNTED, PENDING
from .records import LIVE, OUT
from .values import micros

__all__ = [
    "drop_out_of_scope",
    "drop_rows",
    "drop_seen",
    "drop_vanished",
    "propose_reported",
    "propose_where",
]

HEAD = (
    "INSERT INTO pending_deletion (record_id, stream_id, scope, partition_id, origin, state, mark, misses, run_id,"
    " empty_listing, proposed_at, ledger, ledger_run)"
)
ROW = "d.record_id, d.ledger, d.ledger_run, d.partition_id"
UNCOUNT = {
    PENDING: Counts(pending=-1, unchanged=1),
    HELD: Counts(held=-1, unchanged=1),
    HELD_ABSENT: Counts(held=-1, absent=-1),
}


def mark(tx: Tx) -> int:
    """The newest round's number: rounds with a greater one begin later."""
    return int(tx.value("SELECT value FROM counter WHERE name = 'round'"))


def propose_where(
    tx: Tx,
    origin: PendingOrigin,
    partition: int,
    run: int,
    now: datetime,
    where: str,
    parameters: Sequence[object],
    *,
    empty_listing: bool = False,
) -> int:
    """Propose the partition's live records that fulfil `where`. One that is proposed already was missed once more."""
    return tx.run(
        f"{HEAD} SELECT r.id, r.stream_id, r.scope, r.partition_id, ?, 'open', ?, 1, ?, ?, ?, {NOT_COUNTED}, 0"  # noqa: S608
        f" FROM record r WHERE r.partition_id = ? AND r.state = {LIVE} AND ({where})"
        " ON CONFLICT (record_id) DO UPDATE SET misses = pending_deletion.misses + 1, run_id = excluded.run_id,"
        " empty_listing = excluded.empty_listing",
        (origin.value, mark(tx), run, empty_listing, micros(now), partition, *parameters),
    )


def propose_reported(
    tx: Tx, records: Mapping[int, tuple[int, int]], partition: int, run: int, now: datetime, *, counted: bool = True
) -> int:
    """Propose records (id → stream, scope) because the provider says so. How many count as `pending` now.

    The others have been counted in this run before. `counted=False`: no item of a page stands for them.
    """
    sql = f"SELECT {ROW} FROM pending_deletion d WHERE d.record_id IN ({{}})"  # noqa: S608
    before = {row[0]: row for row in tx.within(sql, (), records)}
    repeated = [key for key, row in before.items() if row[1] != NOT_COUNTED and row[2] == run]
    again = [key for key in before if key not in repeated]
    how = PENDING if counted else NOT_COUNTED
    tx.run_within(
        "UPDATE pending_deletion SET origin = 'reported', run_id = ?, ledger = ?, ledger_run = ? WHERE record_id IN ({})",
        (run, how, run),
        again,
    )
    at, newest = micros(now), mark(tx)
    fresh = [
        (key, stream, scope, partition, "reported", "open", newest, 0, run, False, at, how, run)
        for key, (stream, scope) in records.items()
        if key not in before
    ]
    tx.insert(HEAD, fresh)
    return len(fresh) + len(again) if counted else 0


def drop_seen(tx: Tx, stream: int, scope: int, ids: Sequence[int], run: int) -> None:
    """Records that were seen again are no longer proposed."""
    if tx.row("SELECT 1 FROM pending_deletion WHERE stream_id = ? AND scope = ? LIMIT 1", (stream, scope)):
        sql = f"SELECT {ROW} FROM pending_deletion d WHERE d.record_id IN ({{}})"  # noqa: S608
        drop_rows(tx, list(tx.within(sql, (), ids)), run)


def drop_vanished(tx: Tx, partition: int, run: int) -> None:
    sql = f"SELECT {ROW} FROM pending_deletion d WHERE d.partition_id = ? AND d.origin = 'vanished'"  # noqa: S608
    drop_rows(tx, tx.rows(sql, (partition,)), run)


def drop_out_of_scope(tx: Tx, partition: int, run: int) -> None:
    sql = (
        f"SELECT {ROW} FROM pending_deletion d JOIN record r ON r.id = d.record_id"  # noqa: S608
        f" WHERE d.partition_id = ? AND r.state = {OUT}"
    )
    drop_rows(tx, tx.rows(sql, (partition,)), run)


def drop_rows(tx: Tx, rows: Sequence[Row], run: int) -> None:
    """Drop proposals, and take back what this run has counted them as."""
    if not rows:
        return
    tx.run_within("DELETE FROM pending_deletion WHERE record_id IN ({})", (), [row[0] for row in rows])
    back: dict[int, Counts] = {}
    for _, how, ledger_run, partition in rows:
        if ledger_run == run and how in UNCOUNT:
            back.setdefault(partition, Counts()).add(UNCOUNT[how])
    for partition, counts in back.items():
        account, stream = tx.rows("SELECT account_id, stream_id FROM partition WHERE id = ?", (partition,))[0]
        ledger.add(tx, run, account, stream, counts)
