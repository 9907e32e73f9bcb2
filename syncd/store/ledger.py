"""The ledger: what a run counted, per account and stream, as committed.

Public: add, run_counts, total, NOT_COUNTED, PENDING, HELD, HELD_ABSENT.

A proposed deletion remembers in `pending_deletion.ledger` how the run `ledger_run` has counted it, so that the count
can move on: from `pending` (an item of a page) to `deleted`, `held` or `unchanged`; a found absence (`absent`) from
`held` to `deleted`.
"""

from collections.abc import Mapping
from dataclasses import astuple, fields

from syncd.engine.ports import Counts

from .database import Tx

__all__ = ["HELD", "HELD_ABSENT", "NOT_COUNTED", "PENDING", "add", "run_counts", "total"]

NOT_COUNTED, PENDING, HELD, HELD_ABSENT = 0, 1, 2, 3

NAMES = [f"n_{field.name}" for field in fields(Counts)]
COLUMNS = ", ".join(NAMES)
ADD = (
    f"INSERT INTO run_scope (run_id, account_id, stream_id, {COLUMNS}) VALUES (?, ?, ?, {', '.join('?' * len(NAMES))})"  # noqa: S608
    " ON CONFLICT (run_id, account_id, stream_id) DO UPDATE SET "
    + ", ".join(f"{name} = run_scope.{name} + excluded.{name}" for name in NAMES)
)
SUMS = ", ".join(f"sum({name})" for name in NAMES)
NOTHING = Counts()


def add(tx: Tx, run: int, account_id: int, stream_id: int, counts: Counts) -> None:
    if counts != NOTHING:
        tx.run(ADD, (run, account_id, stream_id, *astuple(counts)))


def run_counts(tx: Tx, run: int) -> Mapping[tuple[int, str], Counts]:
    sql = f"SELECT account_id, s.name, {COLUMNS} FROM run_scope r JOIN stream s ON s.id = r.stream_id WHERE run_id = ?"  # noqa: S608
    return {(row[0], row[1]): Counts(*row[2:]) for row in tx.rows(sql, (run,))}


def total(tx: Tx, run: int) -> Counts:
    row = tx.row(f"SELECT {SUMS} FROM run_scope WHERE run_id = ?", (run,))  # noqa: S608
    return Counts(*(value or 0 for value in row or ()))
