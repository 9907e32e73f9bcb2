"""The database: its file, its connections, and the thin object that modules speak SQL through.

Public: Database (connections for the writer and for readers), Tx (statements inside a transaction).

Statements go to the driver as they are (`exec_driver_sql`): compiling one SQLAlchemy expression costs more than writing
a small page. SQLAlchemy gives the pool, the events and the dialects; SQLModel declares the tables.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from .cipher import CLEAR, Cipher
from .dialect import Dialect, SQLite
from .errors import StoreFailed, StoreUnusable

__all__ = ["BUSY_WAIT", "Database", "Row", "Tx"]

T = TypeVar("T")
Row = Sequence[Any]
BUSY_WAIT = 5.0  # seconds that one statement waits for another process's write
ROWS = 200  # of one statement: more is no faster, and a statement's text is cached whole
IDS = 250
READER_KIB, WRITER_KIB = 1_000, 6_000  # of the database in memory, per connection; the system caches files besides


class Tx:
    """A transaction: statements with `?` in, tuples out. Never used by two threads at once.

    `cipher`: what payloads and the like go through, on their way in and out.
    """

    __slots__ = ("_connection", "cipher", "dialect")

    def __init__(self, connection: Connection, dialect: Dialect, cipher: Cipher = CLEAR) -> None:
        self._connection = connection
        self.dialect = dialect
        self.cipher = cipher

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """How many rows it touched."""
        return self._connection.exec_driver_sql(self.dialect.sql(sql), tuple(parameters)).rowcount

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> Sequence[Row]:
        return self._connection.exec_driver_sql(self.dialect.sql(sql), tuple(parameters)).fetchall()

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        found = self.rows(sql, parameters)
        return found[0] if found else None

    def value(self, sql: str, parameters: Sequence[Any] = (), default: Any = None) -> Any:
        found = self.rows(sql, parameters)
        return found[0][0] if found else default

    def insert(self, head: str, rows: Sequence[Row], tail: str = "") -> None:
        """`INSERT INTO … (…) VALUES` rows, a few hundred per statement: one call into the database for all of them.

        (A driver's executemany gives the interpreter lock away for every row, beside a busy thread at 5 ms each.)
        """
        for start in range(0, len(rows), ROWS):
            part = rows[start : start + ROWS]
            self.run(_values(head, len(part[0]), len(part), tail), tuple(chain.from_iterable(part)))

    def within(self, sql: str, parameters: Sequence[Any], ids: Iterable[Any]) -> Iterator[Row]:
        """Rows of `sql`, whose `IN ({})` stands last, over any number of ids."""
        for part in _parts(ids):
            yield from self.rows(_in(sql, len(part)), (*parameters, *part))

    def run_within(self, sql: str, parameters: Sequence[Any], ids: Iterable[Any]) -> int:
        return sum(self.run(_in(sql, len(part)), (*parameters, *part)) for part in _parts(ids))

    def numbers(self, name: str, count: int) -> int:
        """The first of `count` new numbers. The counter's row stays locked until COMMIT: numbers appear in order."""
        sql = "UPDATE counter SET value = value + ? WHERE name = ? RETURNING value"
        return int(self.value(sql, (count, name))) - count + 1


def _parts(ids: Iterable[Any]) -> Iterator[list[Any]]:
    every = list(ids)
    for start in range(0, len(every), IDS):
        yield every[start : start + IDS]


@lru_cache(maxsize=1024)
def _in(sql: str, count: int) -> str:
    return sql.replace("{}", ",".join("?" * count))


@lru_cache(maxsize=1024)
def _values(head: str, width: int, count: int, tail: str) -> str:
    row = "(" + ",".join("?" * width) + ")"
    return f"{head} VALUES {','.join([row] * count)} {tail}"


class Database:
    """Connections to one database. `state_dir` must exist; the file is made with mode 0600."""

    def __init__(self, state_dir: Path, url: str, *, read_only: bool = False) -> None:
        if url != "sqlite":
            raise StoreUnusable(f"store {url.split(':', 1)[0]!r} is not known: only sqlite is", hint="store: sqlite")
        self.path = state_dir / "syncd.db"
        self.read_only = read_only
        self.dialect: Dialect = SQLite()
        self.cipher: Cipher = CLEAR
        self.engine = self._sqlite_engine()

    def _sqlite_engine(self) -> Engine:
        self._make_file()
        engine = create_engine(
            f"sqlite:///{self.path}",
            isolation_level="AUTOCOMMIT",  # BEGIN and COMMIT are ours
            connect_args={"check_same_thread": False, "timeout": BUSY_WAIT, "cached_statements": 256},
            hide_parameters=True,  # payloads have no place in an error's text
            pool_size=8,
            max_overflow=-1,
            pool_use_lifo=True,  # the few that are enough have warm caches, the others none
        )
        pragmas = ["foreign_keys=ON", "synchronous=NORMAL", f"cache_size=-{READER_KIB}", "journal_size_limit=67108864"]
        pragmas += ["query_only=ON"] if self.read_only else ["journal_mode=WAL", "wal_autocheckpoint=4000"]

        @event.listens_for(engine, "connect")
        def _prepare(connection: sqlite3.Connection, _: object) -> None:
            if not connection.execute("PRAGMA page_count").fetchone()[0]:  # new; later it would be a write each time
                connection.execute("PRAGMA auto_vacuum=INCREMENTAL").close()  # so that free pages can be given back
            for pragma in pragmas:
                connection.execute(f"PRAGMA {pragma}").close()

        return engine

    def _make_file(self) -> None:
        """SQLite gives its -wal and -shm files the mode of the database file."""
        if self.read_only:
            if not self.path.exists():
                raise StoreUnusable(f"there is no database {self.path} yet")
            return
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise StoreUnusable(f"cannot write {self.path}: {error.strerror}") from error

    def connect(self, *, writer: bool = False) -> Connection:
        try:
            connection = self.engine.connect()
            if writer:
                connection.exec_driver_sql(f"PRAGMA cache_size=-{WRITER_KIB}").close()
            return connection
        except (DBAPIError, sqlite3.Error) as error:
            raise StoreUnusable(f"cannot open {self.path}: {getattr(error, 'orig', error)}") from error

    @contextmanager
    def reading(self) -> Iterator[Tx]:
        """A transaction that sees one state of the database, whatever is written meanwhile."""
        with self.connect() as connection:
            tx = Tx(connection, self.dialect, self.cipher)
            try:
                tx.run(self.dialect.begin_read)
                yield tx
            except DBAPIError as error:
                raise StoreFailed(f"cannot read {self.path}: {error.orig}") from error
            finally:
                if not connection.invalidated:
                    tx.run("ROLLBACK")

    def read(self, job: Callable[[Tx], T]) -> T:
        with self.reading() as tx:
            return job(tx)

    def rest(self) -> None:
        """Close connections that nobody uses, and let go of what they kept in memory."""
        self.engine.dispose()

    def close(self) -> None:
        self.engine.dispose()
