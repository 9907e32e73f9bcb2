"""Finding records by words: an index beside the store, fed from the change feed, never by the page transaction.

Public: SearchIndex, Scope, words_of, text_of.

The index is a file of its own, `search.db`: derived from the store, so that it may be thrown away at any time, and is
built anew when it is missing or of another version. `catch_up` follows each stream by `seq` in small batches; writing a
page costs nothing more because of it. A stream of a database with encryption keys must not be indexed: its words would
lie in clear.

Each record is one row: its words, and two tokens that no text can hold, for its stream and for its partition.
"""

import os
import sqlite3
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .database import Tx
from .records import DELETED
from .values import loads

__all__ = ["Scope", "SearchIndex", "text_of", "words_of"]

VERSION = 1
BATCH = 2000  # records of one transaction
LONGEST = 2000  # characters of one record
MARK = "\ue000"  # private use: `unicode61` makes tokens of it, and `text_of` leaves no such character in a text
SCHEMA = (
    "CREATE VIRTUAL TABLE words USING fts5"
    "(content, detail=none, columnsize=0, prefix='1 2 3', tokenize='unicode61 remove_diacritics 2')",
    "CREATE TABLE place (stream INTEGER PRIMARY KEY, seq INTEGER NOT NULL)",
    "CREATE TABLE progress (at INTEGER NOT NULL)",
    "INSERT INTO progress VALUES (0)",
)
CHANGED = "SELECT s.id FROM stream s WHERE EXISTS (SELECT 1 FROM record r WHERE r.stream_id = s.id AND r.seq > ?) ORDER BY s.id"
FEED = (
    "SELECT r.id, r.seq, r.state, r.partition_id, y.summary FROM record r LEFT JOIN payload y ON y.record_id = r.id"
    " WHERE r.stream_id = ? AND r.seq > ? ORDER BY r.seq LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class Scope:
    """The streams and the partitions that a question is about; None: all of them."""

    streams: Sequence[int] | None
    partitions: Sequence[int] | None

    @property
    def empty(self) -> bool:
        return self.streams == () or self.partitions == ()

    def tokens(self) -> Iterator[list[str]]:
        """A partition is of one stream: it needs no other token."""
        if self.partitions is not None:
            yield [f"{MARK}p{one}" for one in self.partitions]
        elif self.streams is not None:
            yield [f"{MARK}s{one}" for one in self.streams]


class SearchIndex:
    """`search.db` in the state directory. One thread writes at a time; readers have connections of their own."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / "search.db"
        self._lock = threading.Lock()

    def catch_up(self, tx: Tx) -> bool:
        """Take over some of what has changed since. False when there is nothing left. A damaged file begins anew."""
        try:
            return self._catch_up(tx)
        except sqlite3.OperationalError:  # locked by another process, no room: the next time may do
            raise
        except sqlite3.DatabaseError:
            self.drop()
            return True

    def _catch_up(self, tx: Tx) -> bool:
        with self._lock, self._writing() as index:
            newest = int(tx.value("SELECT value FROM counter WHERE name = 'seq'", default=0))  # not older than a drop
            at = index.execute("SELECT at FROM progress").fetchone()[0]
            if at == newest:
                return False
            if at > newest:  # the database is an older one, from a backup
                _build(index)
                at = 0
            places, left = dict(index.execute("SELECT stream, seq FROM place")), BATCH
            for (stream,) in tx.rows(CHANGED, (at,)):
                while left > 0 and (rows := tx.rows(FEED, (stream, places.get(stream, at), left))):
                    _take(index, stream, rows)
                    places[stream] = rows[-1][1]
                    left -= len(rows)
            if left > 0:  # all streams are through: one number stands for all places
                index.execute("DELETE FROM place")
                index.execute("UPDATE progress SET at = ?", (newest,))
            return True

    def behind(self, tx: Tx) -> bool:
        """Whether the store knows more than the index."""
        newest = int(tx.value("SELECT value FROM counter WHERE name = 'seq'", default=0))
        return self._asked("SELECT at FROM progress", ()) != [newest]

    def find(self, words: Sequence[str], scope: Scope, before: int, limit: int) -> list[int]:
        """Ids of records with all these words, or words that begin so, newest first."""
        query = " AND ".join(
            [
                *(f"({' OR '.join(_quoted(tokens))})" for tokens in scope.tokens()),
                *(f"{one}*" for one in _quoted(words)),
            ]
        )
        sql = "SELECT rowid FROM words WHERE words MATCH ? AND rowid < ? ORDER BY rowid DESC LIMIT ?"
        return self._asked(sql, (query, before, limit))

    def drop(self) -> None:
        """Remove the file: after a purge, so that no word of what was purged stays. It is built again by itself."""
        with self._lock:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        with closing(sqlite3.connect(self.path, timeout=5.0, isolation_level=None)) as index:
            index.execute("PRAGMA journal_mode=WAL")
            index.execute("PRAGMA synchronous=NORMAL")
            with index:  # commits, or rolls back
                index.execute("BEGIN IMMEDIATE")
                _prepare(index)
                yield index

    def _asked(self, sql: str, values: Sequence[Any]) -> list[int]:
        """Numbers that the index gives; none while there is no usable one."""
        if not self.path.exists():
            return []
        try:
            with closing(sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)) as index:
                if index.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                    return []
                return [row[0] for row in index.execute(sql, values)]
        except sqlite3.DatabaseError:  # damaged, or just being dropped: `catch_up` makes another one
            return []


def _prepare(index: sqlite3.Connection) -> None:
    """Make the tables, anew if another version made them."""
    if index.execute("PRAGMA user_version").fetchone()[0] != VERSION:
        _build(index)


def _build(index: sqlite3.Connection) -> None:
    """Empty tables, whatever there was."""
    for table in ("words", "place", "progress"):
        index.execute(f"DROP TABLE IF EXISTS {table}")
    for statement in SCHEMA:
        index.execute(statement)
    index.execute(f"PRAGMA user_version = {VERSION}")


def _take(index: sqlite3.Connection, stream: int, rows: Sequence[Any]) -> None:
    """A new record's row is new; a changed one replaces what was there."""
    known = [(row[0],) for row in rows if row[0] != row[1]]  # a record's id is its first seq
    index.executemany("DELETE FROM words WHERE rowid = ?", known)
    live = [
        (row[0], f"{MARK}s{stream} {MARK}p{row[3]} {text_of(loads(row[4]))}")
        for row in rows
        if row[2] != DELETED and row[4] is not None
    ]
    index.executemany("INSERT INTO words (rowid, content) VALUES (?, ?)", live)
    place = "INSERT INTO place VALUES (?, ?) ON CONFLICT (stream) DO UPDATE SET seq = excluded.seq"
    index.execute(place, (stream, rows[-1][1]))


def _quoted(words: Iterable[str]) -> list[str]:
    return ['"{}"'.format(word.replace('"', '""')) for word in words]


def text_of(summary: Mapping[str, Any]) -> str:
    """All texts of a summary, one after the other."""
    return " ".join(_texts(summary))[:LONGEST].replace(MARK, " ").replace("\0", " ")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def words_of(text: str) -> list[str]:
    """What a person typed, cut where the index cuts: at all that is neither letter nor digit."""
    return "".join(char if char.isalnum() else " " for char in unicodedata.normalize("NFC", text[:200])).split()[:12]
