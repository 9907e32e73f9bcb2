"""Runs: begun under an owner, closed by it, or by whoever finds that it died.

Public: start_run, abandoned, close_dead_runs, close_run, add_errors, finish_run, get_run, list_runs, latest_runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from syncd.engine.ports import Busy, Counts, Purging, RunError, RunRow, RunScope, RunStatus, Trigger
from syncd.sdk import redact

from . import ledger
from .database import Row, Tx
from .owners import Owners
from .values import dumps, loads, micros, moment

__all__ = [
    "abandoned",
    "add_errors",
    "close_dead_runs",
    "close_run",
    "finish_run",
    "get_run",
    "latest_runs",
    "list_runs",
    "start_run",
]

MANY = 500  # names in one statement
MOST_ERRORS = 1000  # kept per run; the rest is counted
RUN = (
    "id, sync, connection, trigger, status, scope, started_at, finished_at, counts, requests, streams, reason,"
    " error_count"
)
ERROR = "code, message, stream, account, partition, source_id, hint, detail"
BRIEF = "code, message, stream, account, partition, source_id, hint, NULL"
INTERRUPTED = RunError(
    "SYN-RUN-002", "the process that held the run ended before the run did", hint="nothing: the next run goes on"
)


def start_run(
    tx: Tx, owners: Owners, sync: str, connection: str, trigger: Trigger, scope: RunScope, now: datetime
) -> int:
    owner = owners.register(tx, now)
    purged = "SELECT 1 FROM meta m JOIN connection c ON m.name = 'purge:' || c.id WHERE c.name = ?"
    if tx.row(purged, (connection,)):
        raise Purging(connection)
    sql = "SELECT id, owner FROM run WHERE status = 'running' AND sync = ? ORDER BY id"
    for run, holder in tx.rows(sql, (sync,)):
        if owners.alive(tx, holder, now):
            raise Busy(holder, run)
        _close_dead(tx, run, now)
    values = (sync, connection, trigger.value, dumps(asdict(scope)), micros(now), owner)
    return int(
        tx.value(
            "INSERT INTO run (sync, connection, trigger, status, scope, started_at, requests, error_count, owner)"
            " VALUES (?, ?, ?, 'running', ?, ?, 0, 0, ?) RETURNING id",
            values,
        )
    )


def close_dead_runs(tx: Tx, owners: Owners, now: datetime) -> int:
    """Close what dead processes left running, and forget dead owners. How many runs there were."""
    closed = 0
    for run, holder in tx.rows("SELECT id, owner FROM run WHERE status = 'running'"):
        if not owners.alive(tx, holder, now):
            _close_dead(tx, run, now)
            closed += 1
    for (owner,) in tx.rows(
        "SELECT id FROM owner WHERE id NOT IN (SELECT lease_owner FROM partition WHERE lease_owner IS NOT NULL)"
    ):
        if not owners.alive(tx, owner, now):
            tx.run("DELETE FROM owner WHERE id = ?", (owner,))
    return closed


def abandoned(tx: Tx, owners: Owners, now: datetime) -> bool:
    """Whether a run stands as under way whose process is gone."""
    holders = tx.rows("SELECT DISTINCT owner FROM run WHERE status = 'running'")
    return any(not owners.alive(tx, holder, now) for (holder,) in holders)


def close_run(tx: Tx, run: int, error: RunError, now: datetime) -> bool:
    if tx.value("SELECT status FROM run WHERE id = ?", (run,)) != RunStatus.RUNNING.value:
        return False
    _close_dead(tx, run, now, error)
    return True


def _close_dead(tx: Tx, run: int, now: datetime, error: RunError = INTERRUPTED) -> None:
    add_errors(tx, run, [error])
    finish_run(
        tx, run, RunStatus.CANCELLED, now, counts=ledger.total(tx, run), requests=0, streams=(), reason="interrupted"
    )


def add_errors(tx: Tx, run: int, errors: Sequence[RunError]) -> None:
    """The first thousand are kept, all are counted. Secrets are blotted out."""
    if not errors:
        return
    sql = "UPDATE run SET error_count = error_count + ? WHERE id = ? RETURNING error_count"
    already = int(tx.value(sql, (len(errors), run), default=0)) - len(errors)
    rows = [_error_row(run, error) for error in errors[: max(0, MOST_ERRORS - already)]]
    tx.insert(f"INSERT INTO run_error (run_id, {ERROR})", rows)


def _error_row(run: int, error: RunError) -> tuple[object, ...]:
    partition, source_id = (text and _clean(text) for text in (error.partition, error.source_id))
    where = (error.stream, error.account, partition, source_id)
    detail = None if error.detail is None else _clean(error.detail)
    return (run, error.code, _clean(error.message), *where, error.hint and _clean(error.hint), detail)


def _clean(text: str) -> str:
    """Fit for any database: no secrets, no NUL, no half characters."""
    return redact(text).replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def finish_run(
    tx: Tx,
    run: int,
    status: RunStatus,
    now: datetime,
    *,
    counts: Counts,
    requests: int,
    streams: Sequence[Mapping[str, Any]],
    reason: str | None = None,
) -> None:
    """Only a running run is finished: one that was closed as dead stays cancelled."""
    values = (status.value, micros(now), dumps(asdict(counts)), requests, dumps(list(streams)), reason, run)
    tx.run(
        "UPDATE run SET status = ?, finished_at = ?, counts = ?, requests = ?, streams = ?, reason = ?"
        " WHERE id = ? AND status = 'running'",
        values,
    )


def get_run(tx: Tx, run: int) -> RunRow | None:
    row = tx.row(f"SELECT {RUN} FROM run WHERE id = ?", (run,))  # noqa: S608
    if row is None:
        return None
    errors = tx.rows(f"SELECT {ERROR} FROM run_error WHERE run_id = ? ORDER BY id", (run,))  # noqa: S608
    return _run_row(tx, row, errors)


def list_runs(tx: Tx, sync: str | None, limit: int, before: int | None) -> list[RunRow]:
    """Newest first, of one sync or, with None, of all."""
    where, values = ("", ()) if sync is None else (" AND sync = ?", (sync,))
    sql = f"SELECT {RUN} FROM run WHERE id < ?{where} ORDER BY id DESC LIMIT ?"  # noqa: S608
    rows = tx.rows(sql, (2**62 if before is None else before, *values, limit))
    brief = f"SELECT {BRIEF} FROM run_error WHERE run_id = ? ORDER BY id"  # noqa: S608
    return [_run_row(tx, row, tx.rows(brief, (row[0],))) for row in rows]


def latest_runs(tx: Tx, syncs: Sequence[str]) -> tuple[dict[str, int], dict[str, RunRow]]:
    """Of each of these syncs: the run that is under way, and the last one that is over, without its errors."""
    running = {row[1]: row[0] for row in tx.rows("SELECT id, sync FROM run WHERE status = 'running' ORDER BY id")}
    over: dict[str, RunRow] = {}
    for start in range(0, len(syncs), MANY):
        part = syncs[start : start + MANY]
        names = ", ".join(["(?)"] * len(part))
        sql = (
            f"WITH wanted (sync) AS (VALUES {names}) SELECT {RUN} FROM run WHERE id IN (SELECT"  # noqa: S608
            " (SELECT r.id FROM run r WHERE r.sync = w.sync AND r.status <> 'running' ORDER BY r.id DESC LIMIT 1) FROM wanted w)"
        )
        over |= {row[1]: _run_row(tx, row, ()) for row in tx.rows(sql, part)}
    return running, over


def _run_row(tx: Tx, row: Row, errors: Sequence[Row]) -> RunRow:
    run, sync, connection, trigger, status, scope, started, finished, counts, requests, streams, reason, count = row
    begun = moment(started)
    assert begun is not None
    return RunRow(
        id=run,
        sync=sync,
        connection=connection,
        trigger=Trigger(trigger),
        status=RunStatus(status),
        scope=_scope(loads(scope)),
        started_at=begun,
        finished_at=moment(finished),
        counts=Counts(**loads(counts)) if counts else ledger.total(tx, run),
        requests=requests,
        streams=loads(streams) if streams else [],
        errors=[RunError(*error) for error in errors],
        reason=reason,
        error_count=count,
    )


def _scope(value: dict[str, Any]) -> RunScope:
    def names(given: list[str] | None) -> tuple[str, ...] | None:
        return None if given is None else tuple(given)

    return RunScope(names(value["streams"]), names(value["accounts"]), value["full"])
