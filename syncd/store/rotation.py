"""Rotation: everything that is not sealed under the newest data key is, in small transactions while syncs go on.

Public: STEPS, Step, Done, StaleBlob, stale_count, stale_blobs, reseal_blob, by_key. `rotate.py` goes through them.

A step looks only at what is not yet as it should be, so that a rotation that was killed goes on where it was when it is
asked for again. What does not open is counted as damaged and arranged to be read from the provider anew.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from .cipher import (
    BOOKMARK,
    CONTENT,
    CURSOR,
    DATA,
    HASH,
    MIME,
    NAME,
    REST,
    RESUME,
    TAG,
    TITLE,
    WANTED,
    WHY,
    Cipher,
    is_sealed,
    number_of,
    of_record,
    of_row,
)
from .contents import blob_row, sha256_of
from .database import Row, Tx
from .errors import Damaged
from .reseal import reseal_values

if TYPE_CHECKING:
    from .sealed import Sealed  # only who encrypts needs the library

__all__ = [
    "STEPS",
    "Done",
    "StaleBlob",
    "Step",
    "by_key",
    "cipher_of",
    "reseal_blob",
    "scrub_done",
    "scrub_due",
    "scrub_needed",
    "stale_blob_count",
    "stale_blobs",
    "stale_count",
]

BATCH = 200
SCRUB = "scrub"  # in `meta`


@dataclass(frozen=True, slots=True)
class Done:
    """What a batch did. `after`: where the next one begins; None when nothing is left."""

    sealed: int = 0
    damaged: int = 0
    after: tuple[Any, ...] | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One table. `column` tells, alone, under which key a row is."""

    name: str
    table: str
    column: str
    is_text: bool
    batch: Callable[[Tx, tuple[Any, ...]], Done]


def cipher_of(cipher: Cipher) -> "Sealed":
    assert cipher.sealing
    return cast("Sealed", cipher)


def _stale(tx: Tx, values: Sequence[str] = (), texts: Sequence[str] = ()) -> tuple[str, list[Any]]:
    """Rows of which one of these columns is not under the newest key."""
    key = cipher_of(tx.cipher).current
    parts = [f"({one} IS NOT NULL AND substr({one}, 1, 3) NOT IN (?, ?))" for one in values]
    parts += [f"({one} IS NOT NULL AND substr({one}, 1, 5) <> ?)" for one in texts]
    return f"({' OR '.join(parts)})", [*[key.plain, key.packed] * len(values), *[key.plain_text] * len(texts)]


# -- records


def _payloads(tx: Tx, after: tuple[Any, ...]) -> Done:
    where, values = _stale(tx, ("y.data", "y.summary", "y.blob"), ("r.tag", "r.name"))
    sql = (
        "SELECT y.data, y.summary, y.blob, r.tag, r.name, r.id, r.stream_id, r.scope, r.source_id, r.partition_id"  # noqa: S608
        f" FROM payload y JOIN record r ON r.id = y.record_id WHERE y.record_id > ? AND {where}"
        f" ORDER BY y.record_id LIMIT {BATCH}"
    )
    rows = tx.rows(sql, (*(after or (0,)), *values))
    damaged = sum(not _payload(tx, row) for row in rows)
    return Done(len(rows) - damaged, damaged, (rows[-1][5],) if rows else None)


def _payload(tx: Tx, row: Row) -> bool:
    """Whether it opens. If not, its digest is forgotten, so that the next full round takes the provider's."""
    cipher, place = tx.cipher, of_record(*row[6:9])
    try:
        raw = cipher.open(row[0], DATA, place)
        kept = reseal_values(cipher, row[:3], place, place)
        tag = cipher.seal_text(cipher.open_text(row[3], TAG, place), TAG, place)
        name = cipher.seal_text(cipher.open_text(row[4], NAME, place), NAME, place)
    except Damaged:
        tx.run("UPDATE record SET digest = ? WHERE id = ?", (b"", row[5]))
        tx.run("UPDATE partition SET full_due = TRUE WHERE id = ?", (row[9],))
        return False
    tx.run("UPDATE payload SET data = ?, summary = ?, blob = ? WHERE record_id = ?", (*kept, row[5]))
    tx.run("UPDATE record SET digest = ?, tag = ?, name = ? WHERE id = ?", (cipher.digest(raw), tag, name, row[5]))
    return True


def _versions(tx: Tx, after: tuple[Any, ...]) -> Done:
    where, values = _stale(tx, ("v.data", "v.summary", "v.blob"))
    sql = (
        "SELECT v.data, v.summary, v.blob, v.record_id, v.version, r.stream_id, r.scope, r.source_id"  # noqa: S608
        f" FROM record_version v JOIN record r ON r.id = v.record_id WHERE (v.record_id, v.version) > (?, ?) AND {where}"
        f" ORDER BY v.record_id, v.version LIMIT {BATCH}"
    )
    rows = tx.rows(sql, (*(after or (0, 0)), *values))
    damaged = sum(not _version(tx, row) for row in rows)
    return Done(len(rows) - damaged, damaged, tuple(rows[-1][3:5]) if rows else None)


def _version(tx: Tx, row: Row) -> bool:
    place = of_record(*row[5:8])
    try:
        kept = reseal_values(tx.cipher, row[:3], place, place)
    except Damaged:
        tx.run("DELETE FROM record_version WHERE record_id = ? AND version = ?", tuple(row[3:5]))
        return False
    sql = "UPDATE record_version SET data = ?, summary = ?, blob = ? WHERE record_id = ? AND version = ?"
    tx.run(sql, (*kept, *row[3:5]))
    return True


# -- small tables: a batch leaves nothing stale of what it looked at


@dataclass(frozen=True, slots=True)
class _Small:
    """`values` and `texts`: column → its name for the cipher. `mend`: what becomes of a row that does not open."""

    table: str
    keys: tuple[str, ...]
    values: dict[str, bytes]
    texts: dict[str, bytes]
    mend: str

    def batch(self, tx: Tx, after: tuple[Any, ...]) -> Done:
        where, parameters = _stale(tx, tuple(self.values), tuple(self.texts))
        columns = ", ".join((*self.keys, *self.values, *self.texts))
        rows = tx.rows(f"SELECT {columns} FROM {self.table} WHERE {where} LIMIT {BATCH}", parameters)  # noqa: S608
        damaged = sum(not self._again(tx, row) for row in rows)
        return Done(len(rows) - damaged, damaged, (True,) if rows else None)

    def _again(self, tx: Tx, row: Row) -> bool:
        keys, kept = tuple(row[: len(self.keys)]), row[len(self.keys) :]
        cipher, place = tx.cipher, of_row(self.table, *keys)
        where = " AND ".join(f"{one} = ?" for one in self.keys)
        raw, texts = kept[: len(self.values)], kept[len(self.values) :]
        try:
            sealed: list[Any] = [
                cipher.seal(cipher.open(one, column, place), column, place)
                for one, column in zip(raw, self.values.values(), strict=True)
            ]
            sealed += [
                cipher.seal_text(cipher.open_text(one, column, place), column, place)
                for one, column in zip(texts, self.texts.values(), strict=True)
            ]
        except Damaged:
            tx.run(f"{self.mend} WHERE {where}", keys)
            return False
        sets = ", ".join(f"{one} = ?" for one in (*self.values, *self.texts))
        tx.run(f"UPDATE {self.table} SET {sets} WHERE {where}", (*sealed, *keys))  # noqa: S608
        return True


_PARTITIONS = _Small(
    "partition",
    ("id",),
    {"cursor": CURSOR, "resume": RESUME},
    {"title": TITLE},
    "UPDATE partition SET cursor = NULL, resume = NULL, round_id = NULL, title = '', full_due = TRUE",
)
_CONNECTIONS = _Small(
    "connection", ("id",), {"import_bookmark": BOOKMARK}, {}, "UPDATE connection SET import_bookmark = NULL"
)
_QUARANTINE = _Small("quarantine", ("partition_id", "key"), {"data": REST}, {"reason": WHY}, "DELETE FROM quarantine")
_RETRIES = _Small("content_retry", ("partition_id", "source_id"), {"blob": WANTED}, {}, "DELETE FROM content_retry")
_JOURNAL = _Small(
    "content_journal", ("partition_id", "source_id"), {}, {"tag": TAG, "mime_type": MIME}, "DELETE FROM content_journal"
)

STEPS = (
    Step("records", "payload", "data", False, _payloads),
    Step("versions", "record_version", "data", False, _versions),
    Step("partitions", "partition", "title", True, _PARTITIONS.batch),
    Step("imports", "connection", "import_bookmark", False, _CONNECTIONS.batch),
    Step("unreadable items", "quarantine", "reason", True, _QUARANTINE.batch),
    Step("contents to try again", "content_retry", "blob", False, _RETRIES.batch),
    Step("downloads", "content_journal", "tag", True, _JOURNAL.batch),
)


# -- contents


@dataclass(frozen=True, slots=True)
class StaleBlob:
    """A content that is to get another alias. `sha256` None: its row is damaged. `large`: a file."""

    alias: str
    sha256: str | None
    size: int
    large: bool


def stale_blobs(tx: Tx, after: str) -> list[StaleBlob]:
    sql = (
        "SELECT sha256, digest, size, content IS NULL FROM blob WHERE sha256 > ? AND NOT doomed AND sha256 NOT LIKE ?"
        " ORDER BY sha256 LIMIT ?"
    )
    rows = tx.rows(sql, (after, f"%.{cipher_of(tx.cipher).current.number}", BATCH))
    return [StaleBlob(row[0], sha256_of(tx.cipher, row[0], row[1]), row[2], bool(row[3])) for row in rows]


def reseal_blob(tx: Tx, blob: StaleBlob, alias: str, *, lost: bool = False) -> bool:
    """Give a content its new alias, for all that refer to it. Whether it is whole; a large one's file is in place, or `lost`.

    The old row stays, doomed: its file goes as those of other contents that nothing refers to. What is lost is fetched
    again by the next full round.
    """
    row = tx.row("SELECT content FROM blob WHERE sha256 = ?", (blob.alias,))
    if row is None or blob.sha256 is None:
        return row is None
    small = row[0]
    try:
        if small is not None and is_sealed(blob.alias):
            small = tx.cipher.open(small, CONTENT, of_row("blob", blob.alias))
    except Damaged:
        small, lost = None, True
    if lost:
        sql = "UPDATE partition SET full_due = TRUE WHERE id IN (SELECT partition_id FROM record WHERE sha256 = ?)"
        tx.run(sql, (blob.alias,))
    tx.insert(
        "INSERT INTO blob (sha256, digest, size, content, doomed)",
        [blob_row(tx, blob.sha256, blob.size, small, alias)],
        "ON CONFLICT (sha256) DO UPDATE SET doomed = FALSE",
    )
    _hashes(tx, blob.alias)
    for table in ("record", "record_version", "blob_hash", "content_journal"):
        tx.run(f"UPDATE {table} SET sha256 = ? WHERE sha256 = ?", (alias, blob.alias))  # noqa: S608
    tx.run("UPDATE blob SET doomed = TRUE WHERE sha256 = ?", (blob.alias,))
    return not lost


def _hashes(tx: Tx, alias: str) -> None:
    """A provider's checksum in clear gets an alias; one under an older key cannot, and is forgotten."""
    for connection, kept in tx.rows("SELECT connection_id, hash FROM blob_hash WHERE sha256 = ?", (alias,)):
        tx.run("DELETE FROM blob_hash WHERE connection_id = ? AND hash = ?", (connection, kept))
        if not is_sealed(kept):
            insert = "INSERT INTO blob_hash (connection_id, hash, sha256) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
            tx.run(insert, (connection, tx.cipher.alias(HASH, kept), alias))


# -- what stays on free pages


def scrub_needed(tx: Tx) -> None:
    """Remember it in the database: a rotation that is killed at its end must not forget."""
    tx.run("INSERT INTO meta (name, value) VALUES (?, 'due') ON CONFLICT (name) DO NOTHING", (SCRUB,))


def scrub_due(tx: Tx) -> bool:
    return tx.row("SELECT 1 FROM meta WHERE name = ?", (SCRUB,)) is not None


def scrub_done(tx: Tx) -> None:
    tx.run("DELETE FROM meta WHERE name = ?", (SCRUB,))


# -- looking


def stale_count(tx: Tx, step: Step) -> int:
    values, texts = ((), (step.column,)) if step.is_text else ((step.column,), ())
    where, parameters = _stale(tx, values, texts)
    return int(tx.value(f"SELECT count(*) FROM {step.table} WHERE {where}", parameters))  # noqa: S608


def stale_blob_count(tx: Tx) -> int:
    sql = "SELECT count(*) FROM blob WHERE NOT doomed AND sha256 NOT LIKE ?"
    return int(tx.value(sql, (f"%.{cipher_of(tx.cipher).current.number}",)))


def by_key(tx: Tx) -> dict[str, dict[int, int]]:
    """How many rows of each kind lie under each data key; 0: in clear."""
    found = {step.name: _count(tx, step) for step in STEPS}
    rows = tx.rows("SELECT substr(sha256, 66), count(*) FROM blob GROUP BY 1")
    found["contents"] = {int(number or 0): count for number, count in rows}
    return found


def _count(tx: Tx, step: Step) -> dict[int, int]:
    start = 5 if step.is_text else 3
    sql = f"SELECT substr({step.column}, 1, {start}), count(*) FROM {step.table} WHERE {step.column} IS NOT NULL GROUP BY 1"  # noqa: S608
    found: dict[int, int] = {}
    for head, count in tx.rows(sql):
        number = number_of(head)
        found[number] = found.get(number, 0) + count
    return found
