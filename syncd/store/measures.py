"""Numbers of everything at once, for metrics: a few statements however many syncs there are.

Public: measures, Measures, StreamMeasure, RunMeasure.
"""

from dataclasses import dataclass, field
from datetime import datetime

from .database import Row, Tx
from .values import moment

__all__ = ["Measures", "RunMeasure", "StreamMeasure", "measures"]

Stream = tuple[str, str]  # connection, stream


@dataclass(slots=True)
class StreamMeasure:
    """One stream of one connection. `oldest`: when its least fresh part was last read completely; None before the first
    time. `retries`: contents that are tried again."""

    partitions: int = 0
    records: int = 0
    oldest: datetime | None = None
    held: int = 0
    quarantined: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class RunMeasure:
    """A sync's last run that is over, and when the last completed one was."""

    status: str
    started_at: datetime
    finished_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Measures:
    """`size`: bytes of the database, the write-ahead log not counted."""

    streams: dict[Stream, StreamMeasure] = field(default_factory=dict)
    runs: dict[str, RunMeasure] = field(default_factory=dict)
    size: int = 0


TOTALS = (
    "SELECT c.name, s.name, t.partitions, t.records, t.newest, t.oldest FROM (SELECT p.stream_id, sum(p.gone_at IS NULL) AS partitions,"
    " sum(p.live + p.kept) AS records, max(p.last_completed_at) AS newest,"
    " min(CASE WHEN p.gone_at IS NULL AND NOT p.excluded AND a.gone_at IS NULL AND a.state = 'active'"
    "  AND (p.last_completed_at IS NOT NULL OR p.skipped_run IS NULL)"
    "  THEN COALESCE(p.last_completed_at, p.created_at) END) AS oldest"
    " FROM partition p JOIN account a ON a.id = p.account_id GROUP BY p.stream_id) t"
    " JOIN stream s ON s.id = t.stream_id JOIN connection c ON c.id = s.connection_id"
)  # freshness as `queries.numbers` has it, in one pass over all partitions
LATEST = (
    "WITH RECURSIVE name (sync) AS (SELECT min(sync) FROM run UNION ALL"
    " SELECT (SELECT min(r.sync) FROM run r WHERE r.sync > name.sync) FROM name WHERE name.sync IS NOT NULL)"
    " SELECT r.sync, r.status, r.started_at, r.finished_at,"
    " (SELECT d.finished_at FROM run d WHERE d.sync = r.sync AND d.status = 'completed' ORDER BY d.id DESC LIMIT 1)"
    " FROM name JOIN run r ON r.id = (SELECT o.id FROM run o WHERE o.sync = name.sync AND o.status <> 'running'"
    " ORDER BY o.id DESC LIMIT 1)"
)  # steps from name to name by the index: a table of many runs is not read through


def measures(tx: Tx) -> Measures:
    streams = _streams(tx)
    runs = {row[0]: _run(row) for row in tx.rows(LATEST)}
    return Measures(streams, runs, tx.value("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"))


def _streams(tx: Tx) -> dict[Stream, StreamMeasure]:
    found: dict[Stream, StreamMeasure] = {}
    for connection, stream, partitions, records, newest, oldest in tx.rows(TOTALS):
        fresh = None if newest is None else moment(oldest)
        found[connection, stream] = StreamMeasure(partitions, records or 0, fresh)
    for connection, stream, held in _counted(tx, "pending_deletion", "state = 'held'"):
        found.setdefault((connection, stream), StreamMeasure()).held = held
    for connection, stream, count in _counted(tx, "quarantine", "TRUE"):
        found.setdefault((connection, stream), StreamMeasure()).quarantined = count
    for connection, stream, count in _counted(tx, "content_retry", "TRUE"):
        found.setdefault((connection, stream), StreamMeasure()).retries = count
    return found


def _counted(tx: Tx, table: str, where: str) -> list[Row]:
    """(connection, stream, rows) of a table whose rows belong to partitions."""
    sql = (
        f"SELECT c.name, s.name, sum(t.n) FROM (SELECT partition_id, count(*) AS n FROM {table} WHERE {where}"  # noqa: S608
        " GROUP BY partition_id) t JOIN partition p ON p.id = t.partition_id JOIN stream s ON s.id = p.stream_id"
        " JOIN connection c ON c.id = s.connection_id GROUP BY c.name, s.name"
    )
    return list(tx.rows(sql))


def _run(row: Row) -> RunMeasure:
    started, finished = moment(row[2]), moment(row[3])
    assert started is not None
    assert finished is not None
    return RunMeasure(row[1], started, finished, moment(row[4]))
