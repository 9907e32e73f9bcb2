"""Partitions: what is listed, who reads the shared ones, and rounds under a lease.

Public: list_partitions, listed, claim_shared, open_round, end_round.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from syncd.engine.ports import (
    Busy,
    NotListed,
    OpenRound,
    PartitionRow,
    PartitionState,
    Peek,
    PendingOrigin,
    RoundEnd,
    RoundPlan,
    StreamSpec,
)
from syncd.sdk import Partition, Scan

from . import pending
from .accounts import stream_id
from .cipher import CURSOR, RESUME, TITLE, of_row
from .database import Row, Tx
from .errors import Damaged
from .owners import Owners
from .records import LIVE, OUT
from .values import loads, micros, moment

__all__ = ["claim_shared", "end_round", "known_or_new", "list_partitions", "listed", "open_round", "peek"]

KNOWN = "SELECT id, account_id, source_id, title, excluded, gone_at, missed FROM partition WHERE stream_id = ? AND holder = ?"
FORGET_PLACE = "cursor = NULL, resume = NULL, round_id = NULL"
STATE = (
    "SELECT p.cursor, p.options_digest, p.full_due OR EXISTS (SELECT 1 FROM pending_deletion d"
    " WHERE d.partition_id = p.id AND d.state = 'held' AND d.origin = 'sweep')"
    " OR EXISTS (SELECT 1 FROM quarantine q WHERE q.partition_id = p.id AND q.at >= p.full_at),"
    " p.full_at, p.resume, p.round_scan,"
    " p.round_began_at, p.round_options_digest, p.live, p.due_at, p.round_id, p.lease_owner, p.lease_run, p.fence,"
    " p.gone_at, c.name, s.name, p.holder, p.source_id FROM partition p JOIN stream s ON s.id = p.stream_id"
    " JOIN connection c ON c.id = s.connection_id WHERE p.id = ?"
)


def list_partitions(
    tx: Tx, spec: StreamSpec, account_id: int, listed: Sequence[Partition], run: int, now: datetime
) -> list[PartitionRow]:
    stream = stream_id(tx, spec.connection, spec.info.name, spec.info.kind)
    known = {row[2]: row for row in tx.rows(KNOWN, (stream, account_id))}
    own = {part.id: part for part in listed if not part.shared}
    found = [_keep(tx, stream, account_id, account_id, known.get(key), part, run, now) for key, part in own.items()]
    for key, row in known.items():
        if key not in own:
            _vanish(tx, row, run, now)
    return [row for row in found if not row.partition.excluded]


def listed(tx: Tx, spec: StreamSpec, account_id: int) -> list[PartitionRow]:
    sql = (
        "SELECT p.source_id, p.title, p.excluded, p.id FROM partition p JOIN stream s ON s.id = p.stream_id"
        " JOIN connection c ON c.id = s.connection_id WHERE c.name = ? AND s.name = ? AND p.holder = ?"
        " AND p.gone_at IS NULL AND NOT p.missed ORDER BY p.id"
    )
    rows = tx.rows(sql, (spec.connection, spec.info.name, account_id))
    return [
        PartitionRow(key, account_id, Partition(source_id, _title(tx, title, key), excluded=bool(excluded)))
        for source_id, title, excluded, key in rows
    ]


def _title(tx: Tx, kept: str, key: int) -> str:
    try:
        return tx.cipher.open_text(kept, TITLE, of_row("partition", key))
    except Damaged:
        return ""  # the next listing brings it again


def claim_shared(
    tx: Tx, spec: StreamSpec, offers: Mapping[Partition, Sequence[int]], complete: bool, run: int, now: datetime
) -> list[PartitionRow]:
    stream = stream_id(tx, spec.connection, spec.info.name, spec.info.kind)
    known = {row[2]: row for row in tx.rows(KNOWN, (stream, 0))}
    offered = _by_id(offers)
    found = []
    for key, (part, accounts) in offered.items():
        row = known.get(key)
        claimant = row[1] if row is not None and row[1] in accounts else accounts[0]
        found.append(_keep(tx, stream, 0, claimant, row, part, run, now))
    for key, row in known.items():
        if complete and key not in offered:
            _vanish(tx, row, run, now)
    return [row for row in found if not row.partition.excluded]


def _by_id(offers: Mapping[Partition, Sequence[int]]) -> dict[str, tuple[Partition, list[int]]]:
    """Members may see different titles of the same drive, and one may exclude what another includes."""
    found: dict[str, tuple[Partition, list[int]]] = {}
    for part, accounts in sorted(offers.items(), key=lambda offer: offer[0].excluded):
        if not accounts:
            continue
        if part.id not in found:
            found[part.id] = (part, list(accounts))
        elif found[part.id][0].excluded == part.excluded:
            found[part.id][1].extend(accounts)
    return found


def _keep(
    tx: Tx, stream: int, holder: int, account_id: int, row: Row | None, part: Partition, run: int, now: datetime
) -> PartitionRow:
    """Store one listed partition as it is now."""
    if row is None:
        return PartitionRow(_insert(tx, stream, holder, account_id, part, now), account_id, part)
    key, before, _, title, excluded, gone_at, missed = row
    place = of_row("partition", key)
    title = _title(tx, title, key)
    if missed:
        tx.run("UPDATE partition SET missed = FALSE WHERE id = ?", (key,))
    if gone_at is not None:
        pending.drop_vanished(tx, key, run)
        # its records may have been deleted meanwhile, which its cursor knows nothing of
        tx.run(f"UPDATE partition SET gone_at = NULL, full_due = TRUE, {FORGET_PLACE} WHERE id = ?", (key,))  # noqa: S608
    if account_id != before:
        sql = f"UPDATE partition SET account_id = ?, full_due = TRUE, fence = fence + 1, {FORGET_PLACE} WHERE id = ?"  # noqa: S608
        tx.run(sql, (account_id, key))
    if part.excluded and not excluded:
        _exclude(tx, key, run, now)
    if title != part.title or bool(excluded) != part.excluded:
        kept = tx.cipher.seal_text(part.title, TITLE, place)
        tx.run("UPDATE partition SET title = ?, excluded = ? WHERE id = ?", (kept, part.excluded, key))
    return PartitionRow(key, account_id, part)


def _insert(tx: Tx, stream: int, holder: int, account_id: int, part: Partition, now: datetime) -> int:
    key = int(
        tx.value(
            "INSERT INTO partition (stream_id, account_id, holder, source_id, title, shared, excluded, created_at,"
            " missed, fence, full_due, last_round, round_listed, round_unproven, live, kept)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, FALSE, 0, FALSE, 0, 0, FALSE, 0, 0) RETURNING id",
            (stream, account_id, holder, part.id, "", part.shared, part.excluded, micros(now)),
        )
    )
    title = tx.cipher.seal_text(part.title, TITLE, of_row("partition", key))
    tx.run("UPDATE partition SET title = ? WHERE id = ?", (title, key))
    return key


def _exclude(tx: Tx, key: int, run: int, now: datetime) -> None:
    """Its records leave scope, which is no deletion; its cursor is forgotten, so that coming back reads all of it."""
    sql = f"UPDATE partition SET full_due = TRUE, fence = fence + 1, {FORGET_PLACE} WHERE id = ?"  # noqa: S608
    tx.run(sql, (key,))
    leave_scope(tx, key, run, now)


def leave_scope(
    tx: Tx, key: int, run: int, now: datetime, where: str = "TRUE", parameters: Sequence[object] = ()
) -> int:
    """Live records of the partition that fulfil `where` leave scope. How many."""
    sql = f"UPDATE record AS r SET state = {OUT}, state_at = ? WHERE r.partition_id = ? AND r.state = {LIVE} AND ({where})"  # noqa: S608
    count = tx.run(sql, (micros(now), key, *parameters))
    if count:
        tx.run("UPDATE partition SET live = live - ?, kept = kept + ? WHERE id = ?", (count, count, key))
        pending.drop_out_of_scope(tx, key, run)
    return count


def _vanish(tx: Tx, row: Row, run: int, now: datetime) -> None:
    """Propose the deletion of its records, once: what a person rejects stays rejected while it is not listed."""
    key, _, _, _, excluded, gone_at, _ = row
    if gone_at is not None:
        return
    tx.run("UPDATE partition SET gone_at = ?, fence = fence + 1 WHERE id = ?", (micros(now), key))
    if not excluded:
        pending.propose_where(tx, PendingOrigin.VANISHED, key, run, now, "TRUE", ())


def open_round(
    tx: Tx,
    owners: Owners,
    run: int,
    partition: PartitionRow,
    spec: StreamSpec,
    now: datetime,
    decide: Callable[[PartitionState], RoundPlan],
) -> OpenRound:
    row = tx.row(STATE, (partition.id,))
    holder = 0 if partition.partition.shared else partition.account_id
    if row is None or tuple(row[15:]) != (spec.connection, spec.info.name, holder, partition.partition.id):
        raise NotListed(f"partition {partition.id} of {spec.connection}/{spec.info.name} is not stored any more")
    _check_lease(tx, owners, run, row, now)
    state = _state(tx, partition.id, row)
    plan = decide(state)
    owner = owners.register(tx, now)
    if plan.resume and state.resume_began_at is not None:
        number, began = int(row[10]), state.resume_began_at
    else:
        number, began = _begin(tx, partition.id, spec, plan, now), now
    sql = (
        "UPDATE partition SET lease_owner = ?, lease_run = ?, fence = fence + 1, due_at = NULL,"
        " skipped_run = NULL WHERE id = ? RETURNING fence"
    )
    fence = int(tx.value(sql, (owner, run, partition.id)))
    return OpenRound(number, run, partition, spec, fence, plan, began, state.full_at)


def peek(tx: Tx, spec: StreamSpec, account_id: int, listed: Sequence[Partition]) -> list[Peek]:
    """What is known of these partitions, for a dry run: nothing is taken, nothing written."""
    sql = (
        "SELECT p.id, p.account_id, p.live FROM partition p JOIN stream s ON s.id = p.stream_id"
        " JOIN connection c ON c.id = s.connection_id"
        " WHERE c.name = ? AND s.name = ? AND p.holder = ? AND p.source_id = ?"
    )
    found = []
    for part in listed:
        if part.excluded:
            continue
        holder = 0 if part.shared else account_id
        known = tx.row(sql, (spec.connection, spec.info.name, holder, part.id))
        if known is None:
            found.append(Peek(PartitionRow(0, account_id, part), PartitionState()))
        else:
            state = _state(tx, known[0], tx.rows(STATE, (known[0],))[0])
            found.append(Peek(PartitionRow(known[0], known[1], part), state, known[2]))
    return found


def known_or_new(tx: Tx, partition: PartitionRow, spec: StreamSpec, now: datetime) -> PartitionRow:
    """A partition that was never stored, stored: a dry run does so in a transaction that it rolls back."""
    if partition.id:
        return partition
    stream = stream_id(tx, spec.connection, spec.info.name, spec.info.kind)
    holder = 0 if partition.partition.shared else partition.account_id
    return replace(partition, id=_insert(tx, stream, holder, partition.account_id, partition.partition, now))


def _check_lease(tx: Tx, owners: Owners, run: int, row: Row, now: datetime) -> None:
    """Free, dead, of a run that is over, or this very run's (a round that was dropped): it may be taken."""
    holder, holding_run = row[11], row[12]
    if holder is None or holding_run == run or not owners.alive(tx, holder, now):
        return
    if tx.value("SELECT status FROM run WHERE id = ?", (holding_run,)) == "running":
        raise Busy(holder, holding_run)


def _state(tx: Tx, key: int, row: Row) -> PartitionState:
    cursor, options, full_due, full_at, resume, scan, began, digest, live, due_at, round_id = row[:11]
    place = of_row("partition", key)
    try:
        cursor, resume = tx.cipher.open(cursor, CURSOR, place), tx.cipher.open(resume, RESUME, place)
    except Damaged:  # as a cursor that the provider has forgotten: one full round
        cursor, resume, full_due = None, None, True
    cut = resume is not None and round_id is not None
    return PartitionState(
        cursor=None if cursor is None else loads(cursor),
        options_digest=options,
        full_due=bool(full_due),
        full_at=moment(full_at),
        resume=loads(resume) if cut else None,
        resume_scan=Scan(scan) if cut else None,
        resume_began_at=moment(began) if cut else None,
        resume_options_digest=digest if cut else None,
        live_records=live > 0,
        due_at=moment(due_at),
    )


def _begin(tx: Tx, key: int, spec: StreamSpec, plan: RoundPlan, now: datetime) -> int:
    tx.run("DELETE FROM seen WHERE partition_id = ?", (key,))
    number = tx.numbers("round", 1)
    tx.run(
        "UPDATE partition SET round_id = ?, round_scan = ?, round_began_at = ?, round_options_digest = ?,"
        " round_listed = 0, round_unproven = FALSE, round_window = NULL, resume = NULL WHERE id = ?",
        (number, plan.scan.value, micros(now), spec.options_digest, key),
    )
    return number


def end_round(tx: Tx, rnd: OpenRound, end: RoundEnd, now: datetime, until: datetime | None) -> None:
    row = tx.row("SELECT fence, round_id, lease_owner FROM partition WHERE id = ?", (rnd.partition.id,))
    if row is None or row[0] != rnd.fence or row[2] is None:
        return
    changes: list[tuple[str, object]] = [("lease_owner", None), ("lease_run", None)]
    if end is RoundEnd.DEFERRED:
        changes.append(("due_at", micros(until)))
    if end is RoundEnd.SKIPPED:
        changes.append(("skipped_run", rnd.run))
    if end is RoundEnd.GONE:
        changes.append(("missed", True))
    if end is RoundEnd.EXPIRED:
        changes += [("cursor", None), ("resume", None), ("round_id", None), ("full_due", True)]
    assignments = ", ".join(f"{name} = ?" for name, _ in changes)
    values = [value for _, value in changes]
    tx.run(f"UPDATE partition SET {assignments} WHERE id = ?", (*values, rnd.partition.id))  # noqa: S608
