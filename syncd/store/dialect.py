"""All that differs between databases. The rest of the package writes SQL that SQLite and PostgreSQL both take.

Public: Dialect, SQLite. PostgreSQL joins here.

Statements are written with `?` as placeholder; `sql` renders them. `json_text` and `time_text` are for the views.
"""

from typing import Protocol

__all__ = ["Dialect", "SQLite", "dialect_named"]


class Dialect(Protocol):
    """One database's ways. `most_parameters`: of one statement."""

    name: str
    most_parameters: int
    begin_write: str
    begin_read: str

    def sql(self, text: str) -> str: ...

    def durability(self, durable: bool) -> str | None:
        """The statement, before BEGIN, that makes the next commit reach the disk (or not wait for it)."""

    def is_busy(self, error: BaseException) -> bool:
        """Whether somebody else writes, so that trying again helps."""

    def json_text(self, column: str, field: str) -> str: ...

    def time_text(self, column: str) -> str: ...


class SQLite:
    """BEGIN IMMEDIATE for writes: a transaction that reads first and writes later fails with "locked" otherwise."""

    name = "sqlite"
    most_parameters = 30_000  # 32,766 since 3.32
    begin_write = "BEGIN IMMEDIATE"
    begin_read = "BEGIN"

    def sql(self, text: str) -> str:
        return text

    def durability(self, durable: bool) -> str | None:
        return f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}"

    def is_busy(self, error: BaseException) -> bool:
        return "locked" in str(error) or "busy" in str(error)

    def json_text(self, column: str, field: str) -> str:
        return f"json_extract(CAST({column} AS TEXT), '$.{field}')"

    def time_text(self, column: str) -> str:
        return f"strftime('%Y-%m-%dT%H:%M:%fZ', {column} / 1000000.0, 'unixepoch')"


def dialect_named(name: str) -> Dialect:
    if name == SQLite.name:
        return SQLite()
    raise LookupError(f"no dialect named {name}")
