"""Where a round stands after a page, and what the end of a full one proves.

Public: move_on, remember.
"""

from collections import defaultdict
from collections.abc import Iterable

from syncd.engine.ports import PendingOrigin
from syncd.sdk import Deletes, Page, Record, Reject

from . import pending
from .cipher import CURSOR, RESUME, of_row
from .database import Tx
from .partitions import leave_scope
from .values import dumps, loads, micros
from .work import Work

__all__ = ["move_on", "remember"]

UNSEEN = (
    "r.seen_round <> ? AND NOT EXISTS (SELECT 1 FROM seen s WHERE s.partition_id = ? AND s.block = (r.id >> 5)"
    " AND ((s.bits >> CAST(r.id & 31 AS INTEGER)) & 1) = 1)"
)
MOVE_ON = (
    "UPDATE partition SET resume = COALESCE(?, resume), round_listed = round_listed + ?, round_unproven = round_unproven OR ?,"
    " round_window = COALESCE(?, round_window) WHERE id = ?"
)
COMPLETE = (
    "UPDATE partition SET lease_owner = NULL, lease_run = NULL, last_round = ?, last_completed_at = ?,"
    " skipped_run = NULL"
)
SETTLE_PLACE = ", cursor = ?, options_digest = ?, resume = NULL, round_id = NULL"
FULL_DONE = ", full_at = ?, full_due = FALSE"


def remember(tx: Tx, partition: int, ids: Iterable[int]) -> None:
    """Note unchanged records as seen by a full round."""
    blocks: dict[int, int] = defaultdict(int)
    for key in ids:
        blocks[key >> 5] |= 1 << (key & 31)
    rows = [(partition, block, bits) for block, bits in blocks.items()]
    tail = "ON CONFLICT (partition_id, block) DO UPDATE SET bits = seen.bits | excluded.bits"
    tx.insert("INSERT INTO seen (partition_id, block, bits)", rows, tail)


def move_on(work: Work, page: Page, resume: bytes | None, bookmark: bytes | None) -> bool:
    """Keep the resume point, or complete the round. Whether a full round listed nothing although records exist."""
    if work.repeat:
        return False
    listed = (
        page.skipped + sum(isinstance(item, Record | Reject) for item in page.items) if page.items else page.skipped
    )
    unproven = any(not reject.source_id for reject in work.rejects)
    window = None if page.window is None else dumps([micros(page.window[0]), micros(page.window[1])])
    if not page.last:
        _advance(work, resume, listed, unproven, window)
        return False
    empty = False
    if work.full and work.place[4] == work.rnd.id:  # after a reset it is not known what the round has seen
        all_listed, all_unproven = work.place[7] + listed, bool(work.place[8]) or unproven
        empty = _sweep(work, all_listed, all_unproven, window or work.place[9])
    _complete(work, bookmark)
    return empty


def _advance(work: Work, resume: bytes | None, listed: int, unproven: bool, window: bytes | None) -> None:
    """A reset in the midst of a round takes its place away: what it reads still lands, where it stands is not kept."""
    if work.place[4] == work.rnd.id and (resume or listed or unproven or window):
        kept = work.tx.cipher.seal(resume, RESUME, of_row("partition", work.partition))
        work.tx.run(MOVE_ON, (kept, listed, unproven, window, work.partition))


def _complete(work: Work, bookmark: bytes | None) -> None:
    sql = COMPLETE
    values: list[object] = [work.rnd.id, micros(work.now)]
    if work.place[4] == work.rnd.id:  # not reset meanwhile
        kept = work.tx.cipher.seal(bookmark, CURSOR, of_row("partition", work.partition))
        sql, values = sql + SETTLE_PLACE, [*values, kept, work.rnd.spec.options_digest]
        if work.full:
            sql, values = sql + FULL_DONE, [*values, micros(work.rnd.began_at)]
    work.tx.run(f"{sql} WHERE id = ?", (*values, work.partition))
    if work.full:
        work.tx.run("DELETE FROM seen WHERE partition_id = ?", (work.partition,))
        quarantined = "DELETE FROM quarantine WHERE partition_id = ? AND round_id <> ?"
        work.tx.run(quarantined, (work.partition, work.rnd.id))


def _sweep(work: Work, listed: int, unproven: bool, window: bytes | None) -> bool:
    """Propose, or put out of scope, what a complete full round did not see."""
    if unproven or work.rnd.spec.info.deletes is Deletes.NEVER:
        return False
    tx, rnd, now = work.tx, work.rnd, work.now
    unseen = (rnd.id, work.partition)
    if rnd.plan.scope_changed:
        leave_scope(tx, work.partition, rnd.run, now, UNSEEN, unseen)
        return False
    if window is not None:
        outside, values = _outside(*loads(window))
        leave_scope(tx, work.partition, rnd.run, now, f"{UNSEEN} AND {outside}", (*unseen, *values))
    nothing = listed == 0
    proposed = pending.propose_where(
        tx, PendingOrigin.SWEEP, work.partition, rnd.run, now, UNSEEN, unseen, empty_listing=nothing
    )
    return nothing and proposed > 0


def _outside(start: int | None, end: int | None) -> tuple[str, list[int]]:
    """Records whose time lies wholly outside of the window; those without a time are inside."""
    sides, values = [], []
    if start is not None:
        sides.append("r.when_end < ?")
        values.append(start)
    if end is not None:
        sides.append("r.when_start >= ?")
        values.append(end)
    return f"({' OR '.join(sides) or 'FALSE'})", values
