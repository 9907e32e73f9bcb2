"""Settling: an account's stream is shown to a pure function, and what it decides is done, in one transaction.

Public: settle, held, held_sets, approve, reject, Agreed.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from syncd.engine.ports import (
    Absence,
    Counts,
    Pending,
    PendingOrigin,
    PendingState,
    SettleOutcome,
    SettlePlan,
    SettleView,
    StreamSpec,
)
from syncd.sdk import Partition

from . import ledger
from .accounts import stream_id
from .cipher import SUMMARY, TITLE, of_record, of_row
from .database import Row, Tx
from .ledger import HELD, HELD_ABSENT, NOT_COUNTED, PENDING
from .records import delete

__all__ = ["Agreed", "approve", "held", "held_sets", "reject", "settle"]

PROPOSED = (
    "SELECT d.record_id, r.source_id, d.partition_id, d.origin, d.state, d.mark, d.misses, d.run_id, d.empty_listing,"
    " d.ledger, d.ledger_run, p.source_id, p.shared FROM pending_deletion d JOIN record r ON r.id = d.record_id"
    " JOIN partition p ON p.id = d.partition_id WHERE p.account_id = ? AND p.stream_id = ? ORDER BY d.record_id"
)
PARTITIONS = (
    "SELECT id, last_round, skipped_run, live, gone_at IS NULL AND NOT excluded AND NOT missed FROM partition"
    " WHERE account_id = ? AND stream_id = ? ORDER BY id"
)
HOLD = "UPDATE pending_deletion SET state = 'held', ledger = ?, ledger_run = ? WHERE record_id IN ({})"
NAMED = (
    "SELECT d.record_id, r.source_id, d.partition_id, d.origin FROM pending_deletion d JOIN record r ON r.id = d.record_id"
    " WHERE d.record_id IN ({})"
)
Agreed = Callable[[Sequence[Mapping[str, Any]]], bool]  # whether held sets, as they are now, are those to decide on
CHUNK = 1000
EXAMPLES = 5


def settle(
    tx: Tx,
    run: int,
    spec: StreamSpec,
    account_id: int,
    now: datetime,
    decide: Callable[[SettleView], SettlePlan],
) -> SettleOutcome:
    stream = stream_id(tx, spec.connection, spec.info.name, spec.info.kind)
    rows = tx.rows(PROPOSED, (account_id, stream))
    if not rows:
        return SettleOutcome(Counts(), {})
    counted = {row[0]: row[9] if row[10] == run else NOT_COUNTED for row in rows}
    still = {row[0] for row in rows if row[4] == PendingState.HELD.value}
    plan = decide(_view(tx, run, spec, account_id, stream, [_pending(row) for row in rows]))
    counts = Counts()
    doomed = [key for key in plan.delete if key in counted]
    # A tombstone for what is held already was counted as `pending`: it is held again, whether the plan says so or not.
    again = {key for key in still if counted[key] == PENDING}
    holding = [key for key in dict.fromkeys([*plan.hold, *again]) if key in counted and key not in set(doomed)]
    alive = [key for key in plan.withdraw if key in counted and key not in still]
    _count_deleted(counts, [counted[key] for key in doomed])
    _count_withdrawn(counts, [counted[key] for key in alive])
    tx.run_within("DELETE FROM pending_deletion WHERE record_id IN ({})", (), alive)
    _hold(tx, run, counts, {key: counted[key] for key in holding})
    delete(tx, doomed, spec.deletions, now)
    ledger.add(tx, run, account_id, stream, counts)
    return SettleOutcome(counts, dict(plan.look_again))


def _pending(row: Row) -> Pending:
    record, source_id, partition, origin, state, mark, misses, run, empty, _, _, place, shared = row
    origin, state = PendingOrigin(origin), PendingState(state)
    where = Partition(place, shared=bool(shared))
    return Pending(record, source_id, partition, origin, state, mark, misses, run, bool(empty), where)


def _view(tx: Tx, run: int, spec: StreamSpec, account_id: int, stream: int, proposed: Sequence[Pending]) -> SettleView:
    rows = tx.rows(PARTITIONS, (account_id, stream))
    places = [Absence(row[0], row[1], row[2] == run) for row in rows if row[4]]
    live = sum(row[3] for row in rows)
    return SettleView(spec.info.identity, spec.info.stable_listing, live, proposed, places, run)


def _count_deleted(counts: Counts, how: Sequence[int]) -> None:
    for one in how:
        counts.deleted += 1
        if one == PENDING:
            counts.pending -= 1
        elif one == NOT_COUNTED:
            counts.absent += 1
        else:
            counts.held -= 1


def _count_withdrawn(counts: Counts, how: Sequence[int]) -> None:
    """A tombstone of this run for what the provider still has changed nothing; an absence was never counted."""
    mistaken = sum(1 for one in how if one == PENDING)
    counts.pending -= mistaken
    counts.unchanged += mistaken


def _hold(tx: Tx, run: int, counts: Counts, counted: dict[int, int]) -> None:
    """A proposal counts as held once per run, however often it is settled."""
    items = [key for key, how in counted.items() if how == PENDING]
    absences = [key for key, how in counted.items() if how == NOT_COUNTED]
    counts.pending -= len(items)
    counts.held += len(items) + len(absences)
    counts.absent += len(absences)
    tx.run_within(HOLD, (HELD, run), items)
    tx.run_within(HOLD, (HELD_ABSENT, run), absences)


HELD_OF = (
    "FROM pending_deletion d JOIN partition p ON p.id = d.partition_id JOIN stream s ON s.id = d.stream_id"
    " JOIN connection c ON c.id = s.connection_id JOIN account a ON a.id = p.account_id"
    " WHERE d.state = 'held' AND c.name = ?"
)


def _scope(streams: Sequence[str] | None, accounts: Sequence[int] | None) -> tuple[str, list[object]]:
    """Conditions for HELD_OF; None means all."""
    where = ""
    values: list[object] = []
    for column, wanted in (("s.name", streams), ("p.account_id", accounts)):
        if wanted is not None:
            where += f" AND {column} IN ({', '.join('?' * len(wanted)) or 'NULL'})"
            values += list(wanted)
    return where, values


def held(tx: Tx, connection: str, streams: Sequence[str]) -> int:
    where, values = _scope(streams, None)
    return int(tx.value(f"SELECT count(*) {HELD_OF}{where}", (connection, *values)))


def held_sets(
    tx: Tx, connection: str, streams: Sequence[str] | None, accounts: Sequence[int] | None
) -> list[dict[str, Any]]:
    """Held deletions, grouped as a person decides on them, with a few examples each.

    `digest` stands for exactly the set's records, however many they are: two sets of one size are not the same.
    """
    where, values = _scope(streams, accounts)
    digests = _digests(tx, connection, streams, accounts)
    sql = (
        "SELECT s.name, a.label, p.source_id, p.title, d.origin, count(*), p.id, p.account_id, p.stream_id"
        f" {HELD_OF}{where} GROUP BY s.name, a.label, p.source_id, p.title, d.origin, p.id, p.account_id, p.stream_id"
        " ORDER BY s.name, a.label, p.source_id, d.origin"
    )
    live = "SELECT sum(live) FROM partition WHERE account_id = ? AND stream_id = ?"
    return [
        {
            "stream": stream,
            "account": label,
            "partition": source_id,
            "title": tx.cipher.open_text(title, TITLE, of_row("partition", partition)),
            "origin": origin,
            "count": count,
            "digest": digests[partition, origin],
            "live": tx.value(live, (account, number)),
            "examples": _examples(tx, partition, origin),
        }
        for stream, label, source_id, title, origin, count, partition, account, number in tx.rows(
            sql, (connection, *values)
        )
    ]


def _examples(tx: Tx, partition: int, origin: str) -> list[dict[str, object]]:
    from .queries import title_of

    rows = tx.rows(
        "SELECT r.source_id, y.summary, r.stream_id, r.scope FROM pending_deletion d JOIN record r ON r.id = d.record_id"
        " LEFT JOIN payload y ON y.record_id = r.id"
        " WHERE d.partition_id = ? AND d.origin = ? AND d.state = 'held' ORDER BY r.id LIMIT ?",
        (partition, origin, EXAMPLES),
    )
    opened = tx.cipher.open
    return [
        {"source_id": source_id, "title": title_of(opened(summary, SUMMARY, of_record(stream, scope, source_id)))}
        for source_id, summary, stream, scope in rows
    ]


def _digests(
    tx: Tx, connection: str, streams: Sequence[str] | None, accounts: Sequence[int] | None
) -> dict[tuple[int, str], str]:
    """(partition, origin) → what stands for the records held there. By number and provider's id: a purge frees numbers."""
    found: dict[tuple[int, str], Any] = defaultdict(hashlib.sha256)
    for ids in _held_ids(tx, connection, streams, accounts):
        for key, source_id, partition, origin in sorted(tx.within(NAMED, (), ids), key=lambda row: row[0]):
            found[partition, origin].update(f"{key} {len(source_id)} {source_id} ".encode())
    return {key: digest.hexdigest() for key, digest in found.items()}


def _held_ids(
    tx: Tx, connection: str, streams: Sequence[str] | None, accounts: Sequence[int] | None
) -> Iterator[list[int]]:
    """Chunks of held record ids, ascending; the consumer may remove what it got."""
    where, values = _scope(streams, accounts)
    sql = f"SELECT d.record_id {HELD_OF}{where} AND d.record_id > ? ORDER BY d.record_id LIMIT {CHUNK}"
    last = 0
    while ids := [row[0] for row in tx.rows(sql, (connection, *values, last))]:
        yield ids
        last = ids[-1]


def approve(
    tx: Tx,
    connection: str,
    streams: Sequence[str] | None,
    accounts: Sequence[int] | None,
    mode: str,
    now: datetime,
    agreed: Agreed | None = None,
) -> Counts | None:
    """Delete what is held, all of it in one transaction, a thousand at a time in memory; None if that is not `agreed`."""
    if agreed is not None and not agreed(held_sets(tx, connection, streams, accounts)):
        return None
    counts = Counts()
    for ids in _held_ids(tx, connection, streams, accounts):
        delete(tx, ids, mode, now)
        counts.deleted += len(ids)
        counts.absent += len(ids)
    return counts


def reject(
    tx: Tx,
    connection: str,
    streams: Sequence[str] | None,
    accounts: Sequence[int] | None,
    agreed: Agreed | None = None,
) -> int | None:
    """Drop what is held: those records stay live until a later full round misses them again; None as `approve`."""
    if agreed is not None and not agreed(held_sets(tx, connection, streams, accounts)):
        return None
    total = 0
    for ids in _held_ids(tx, connection, streams, accounts):
        total += tx.run_within("DELETE FROM pending_deletion WHERE record_id IN ({})", (), ids)
    return total
