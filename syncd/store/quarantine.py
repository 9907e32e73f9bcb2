"""Items that could not be read: counted, kept with their cause, never fatal.

A delta shows an item once. So that one which was unreadable only that time is not missing until the next full round is
due, a partition's next round is full until one has begun after its newest entry was first made.

Public: settle.
"""

from collections.abc import Iterable, Mapping

from syncd.engine.ports import RunError
from syncd.sdk import Reject, redact

from .cipher import REST, WHY, of_row
from .database import Row
from .records import DELETED
from .values import dumps, micros, storable
from .work import Work

__all__ = ["settle"]

LARGEST = 64 * 1024  # bytes kept of an unreadable item
HEAD = "INSERT INTO quarantine (partition_id, key, source_id, reason, data, run_id, round_id, at)"
TAIL = (
    "ON CONFLICT (partition_id, key) DO UPDATE SET reason = excluded.reason, data = excluded.data,"
    " run_id = excluded.run_id, round_id = excluded.round_id"  # `at` stays: since when it cannot be read
)


def settle(work: Work, records: Iterable[str], known: Mapping[str, Row]) -> None:
    """Keep this page's rejects; release what could be read at last. A reject with an id shows that the item exists."""
    refused = {one.source_id for one in work.rejects if one.source_id is not None}
    if work.tx.row("SELECT 1 FROM quarantine WHERE partition_id = ? LIMIT 1", (work.partition,)):
        readable = [key for key in records if key not in refused]
        work.tx.run_within("DELETE FROM quarantine WHERE partition_id = ? AND key IN ({})", (work.partition,), readable)
    if not work.rejects:
        return
    work.counts.failed += len(work.rejects)
    rows = {row[1]: row for row in (_row(work, reject) for reject in work.rejects)}
    work.tx.insert(HEAD, list(rows.values()), TAIL)
    present = [known[key][1] for key in refused if key in known and known[key][4] != DELETED]
    work.seen += present
    work.present += present
    if not work.refused:
        return
    label = work.tx.value("SELECT label FROM account WHERE id = ?", (work.account,))
    stream, partition = work.rnd.spec.info.name, work.rnd.partition.partition.id
    work.errors += [
        RunError("SYN-ITEM-001", redact(one.reason), stream, label, partition, one.source_id) for one in work.refused
    ]


def _row(work: Work, reject: Reject) -> tuple[object, ...]:
    data = reject.data if isinstance(reject.data, bytes) else _dumped(reject.data)
    cipher, reason = work.tx.cipher, redact(reject.reason)
    key = reject.source_id or "?" + cipher.digest(reject.reason.encode("utf-8", "replace") + (data or b"")).hex()
    place = of_row("quarantine", work.partition, key)
    kept = None if data is None else cipher.seal(data[:LARGEST], REST, place)
    where = (work.partition, key, reject.source_id, cipher.seal_text(storable(reason), WHY, place))
    return (*where, kept, work.rnd.run, work.rnd.id, micros(work.now))


def _dumped(data: object) -> bytes | None:
    try:
        return None if data is None else dumps(data)
    except (TypeError, ValueError, RecursionError):
        return repr(data).encode("utf-8", "replace")
