"""Content: blobs by their SHA-256, small ones in the database, larger ones as files.

Public: Blobs (the files), plan, read, Download, small, place, known_tags, children; blob_row, held_as, sha256_of: contents by
the aliases that the database knows them by.

A download streams to `blobs/tmp`, is checked against the provider's size and hash, flushed to the disk, and takes its
place `blobs/ab/cdef…` inside the transaction that journals it: the one writer, so that nothing removes it in between.
"""

import base64
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from syncd.engine.ports import Content, ContentPlan, ContentState, OpenRound
from syncd.sdk import Blob, ContentUnavailable, ProtocolError

from .cipher import (
    BLOB,
    CHECKSUM,
    CLEAR,
    CONTENT,
    DESCRIPTOR,
    HASH,
    MIME,
    TAG,
    Cipher,
    FileSealer,
    is_sealed,
    of_record,
    of_row,
)
from .database import Row, Tx
from .errors import Damaged, StoreFailed
from .quickxor import QuickXor
from .values import loads
from .work import scope_of

__all__ = [
    "Blobs",
    "Download",
    "blob_row",
    "children",
    "held_as",
    "known_tags",
    "place",
    "plan",
    "read",
    "sha256_of",
    "small",
]

INLINE = 16 * 1024  # bytes: up to here a row is cheaper than a file
CHUNK = 256 * 1024
PASSING = ("too_large", "forbidden")  # reasons that limits and permissions may have lifted when the item is met anew
ALGORITHMS = ("md5", "sha1", "sha256")
QUICKXOR = "quickxor"


class Blobs:
    """The folder of contents. Files are 0600 and never change once they have their name."""

    def __init__(self, state_dir: Path, cipher: Cipher = CLEAR) -> None:
        self.cipher = cipher
        self.folder = state_dir / "blobs"
        self.temporary = self.folder / "tmp"  # of files named after the process that writes them

    def prepare(self) -> None:
        self.temporary.mkdir(mode=0o700, parents=True, exist_ok=True)

    def clean(self, alive: Callable[[str], bool]) -> int:
        """Remove what downloads of dead processes left. How many files."""
        gone = 0
        for path in self.temporary.glob("*"):
            if alive(path.name.partition("-")[0]):
                continue
            with suppress(OSError):
                path.unlink()
                gone += 1
        return gone

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Meanwhile no process removes a content that the database knew at the first commit after this began."""
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_SH)
            yield
        finally:
            os.close(folder)

    @contextmanager
    def collecting(self) -> Iterator[bool]:
        """Whether contents may be removed now: not while somebody has them kept. Take it inside a write."""
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with suppress(BlockingIOError):
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield True
                return
            yield False
        finally:
            os.close(folder)

    def path(self, alias: str) -> Path:
        return self.folder / alias[:2] / alias[2:]

    def read(self, alias: str, sha256: str) -> Iterator[bytes]:
        return self.cipher.read_file(self.path(alias), alias, sha256, CHUNK)


class Download:
    """Content on its way. `feed` chunks, `finish`, then `place` it in a transaction; `discard` whatever happens."""

    def __init__(self, blobs: Blobs, owner: str, blob: Blob, max_size: int | None) -> None:
        self._blobs = blobs
        self._owner = owner
        self._blob = blob
        self._max_size = max_size
        self._sha256 = hashlib.sha256()
        self._other = self._promised_hash()
        self._start = bytearray()
        self._file = -1
        self._sealer: FileSealer | None = None
        self.path: Path | None = None
        self.size = 0

    def _promised_hash(self) -> "hashlib._Hash | QuickXor | None":
        name = (self._blob.hash or "").partition(":")[0]
        if name == QUICKXOR:
            return QuickXor()
        return hashlib.new(name, usedforsecurity=False) if name in ALGORITHMS else None

    @property
    def large(self) -> bool:
        return self.path is not None

    def feed(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self._max_size is not None and self.size > self._max_size:
            raise ContentUnavailable("too_large", f"the content is larger than {self._max_size} bytes")
        self._sha256.update(chunk)
        if self._other is not None:
            self._other.update(chunk)
        if self._file < 0 and len(self._start) + len(chunk) <= INLINE:
            self._start += chunk
            return
        self._write(chunk)

    def _write(self, chunk: bytes) -> None:
        try:
            if self._file < 0:
                self._file, name = tempfile.mkstemp(prefix=f"{self._owner}-", dir=self._blobs.temporary)  # mode 0600
                self.path = Path(name)
                self._sealer = self._blobs.cipher.file_sealer()
                if self._sealer is not None:
                    _write_all(self._file, self._sealer.head())
                chunk = bytes(self._start) + chunk
                self._start.clear()
            _write_all(self._file, chunk if self._sealer is None else self._sealer.feed(chunk))
        except OSError as error:
            raise StoreFailed(f"cannot write content: {error.strerror}") from error

    def finish(self) -> Content:
        """Check it, and flush it to the disk. Raises ProtocolError if it is not what the provider promised."""
        promised = self._blob.hash
        if self._blob.size is not None and self._blob.size != self.size:
            raise self._mismatch(f"size {self.size}, promised {self._blob.size}")
        if self._other is not None and promised is not None:
            given = _written(self._other)
            if given != (promised if isinstance(self._other, QuickXor) else promised.lower()):
                raise self._mismatch(f"{given}, promised {promised}")
        if self._file >= 0:
            self._close()
        return Content(ContentState.STORED, self._sha256.hexdigest(), self.size, self._blob.mime_type)

    def _close(self) -> None:
        """Write what a sealed file ends and begins with, and flush it."""
        try:
            if self._sealer is not None:
                end, head = self._sealer.finish(self._sha256.hexdigest(), self.size)
                _write_all(self._file, end)
                os.pwrite(self._file, head, 0)
            os.fsync(self._file)
        except OSError as error:
            raise StoreFailed(f"cannot write content: {error.strerror}") from error

    def alias(self) -> str:
        """What the database will know it by."""
        namer = self._blobs.cipher if self._sealer is None else self._sealer
        return namer.alias(BLOB, self._sha256.hexdigest())

    @staticmethod
    def _mismatch(what: str) -> ProtocolError:
        return ProtocolError(f"the content does not match: {what}", code="SYN-CONTENT-003")

    @property
    def small(self) -> bytes:
        return bytes(self._start)

    def discard(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        if self.path is not None:
            with suppress(FileNotFoundError):
                self.path.unlink()


def _written(hasher: "hashlib._Hash | QuickXor") -> str:
    """A checksum as `Blob.hash` writes it."""
    if isinstance(hasher, QuickXor):
        return f"{QUICKXOR}:{base64.b64encode(hasher.digest()).decode()}"
    return f"{hasher.name}:{hasher.hexdigest()}"


def _fingerprint(blob: Blob) -> str | None:
    """A checksum that names one content only. QuickXorHash does not: contents with blocks of 160 bytes swapped share it."""
    name, _, value = (blob.hash or "").partition(":")
    return f"{name}:{value.lower()}" if name in ALGORITHMS else None


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def small(blobs: Blobs, owner: str, blob: Blob, raw: bytes) -> Content | None:
    """Content at hand, if a row takes it. Raises ProtocolError if it is not what the provider promised."""
    if len(raw) > INLINE:
        return None
    download = Download(blobs, owner, blob, None)
    download.feed(raw)
    return replace(download.finish(), small=raw)


def place(
    tx: Tx, blobs: Blobs, rnd: OpenRound, source_id: str, blob: Blob, content: Content, download: Download
) -> str:
    """Give content its place and journal it, in the writer's transaction. What it is known by now."""
    assert content.sha256 is not None
    alias = download.alias()
    target = blobs.path(alias)
    if download.path is not None and not target.exists():
        target.parent.mkdir(mode=0o700, exist_ok=True)
        download.path.rename(target)
    inline = None if download.large else download.small
    tx.run(
        "INSERT INTO blob (sha256, digest, size, content, doomed) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (sha256) DO UPDATE SET doomed = FALSE",
        blob_row(tx, content.sha256, content.size or 0, inline, alias),
    )
    if (fingerprint := _fingerprint(blob)) is not None:
        tx.run(
            "INSERT INTO blob_hash (connection_id, hash, sha256) SELECT s.connection_id, ?, ? FROM partition p"
            " JOIN stream s ON s.id = p.stream_id WHERE p.id = ? ON CONFLICT DO NOTHING",
            (tx.cipher.alias(HASH, fingerprint), alias, rnd.partition.id),
        )
    tx.run(
        "INSERT INTO content_journal (partition_id, source_id, tag, sha256, size, mime_type) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (partition_id, source_id) DO UPDATE SET tag = excluded.tag, sha256 = excluded.sha256,"
        " size = excluded.size, mime_type = excluded.mime_type",
        _journal_row(tx, rnd.partition.id, source_id, blob, content, alias),
    )
    return alias


def _journal_row(
    tx: Tx, partition: int, source_id: str, blob: Blob, content: Content, alias: str
) -> tuple[object, ...]:
    place = of_row("content_journal", partition, source_id)
    tag, mime_type = tx.cipher.seal_text(blob.tag, TAG, place), tx.cipher.seal_text(content.mime_type, MIME, place)
    return partition, source_id, tag, alias, content.size, mime_type


def blob_row(tx: Tx, sha256: str, size: int, content: bytes | None, alias: str | None = None) -> tuple[object, ...]:
    """sha256, digest, size, content, doomed: a row of `blob` for what is stored under the newest key."""
    cipher = tx.cipher
    alias = alias or cipher.alias(BLOB, sha256)
    place = of_row("blob", alias)
    digest = cipher.seal(bytes.fromhex(sha256), CHECKSUM, place) if cipher.sealing else None
    sealed = cipher.seal(content, CONTENT, place) if cipher.sealing else content
    return alias, digest, size, sealed, False


def held_as(tx: Tx, wanted: Iterable[str]) -> dict[str, tuple[str, bool]]:
    """Which of these contents there are: SHA-256 → (alias, doomed); of several aliases the newest key's."""
    names = {alias: sha256 for sha256 in wanted for alias in reversed(tx.cipher.aliases(BLOB, sha256))}
    rows = {row[0]: row for row in tx.within("SELECT sha256, doomed FROM blob WHERE sha256 IN ({})", (), names)}
    return {sha256: (alias, bool(rows[alias][1])) for alias, sha256 in names.items() if alias in rows}


def sha256_of(cipher: Cipher, alias: str, digest: bytes | None) -> str | None:
    """A content's SHA-256 by its row; None if that cannot be told (any more): then it is fetched again."""
    if not is_sealed(alias):
        return alias
    try:
        return None if digest is None else cipher.open(digest, CHECKSUM, of_row("blob", alias)).hex()
    except Damaged:
        return None


def read(tx: Tx, blobs: Blobs, sha256: str) -> Iterator[bytes] | None:
    """A content in chunks; None if it is not held (any more)."""
    alias, _ = held_as(tx, [sha256]).get(sha256, ("", False))
    row = tx.row("SELECT content FROM blob WHERE sha256 = ?", (alias,))
    if row is None:
        return None
    if row[0] is not None:
        return iter([tx.cipher.open(row[0], CONTENT, of_row("blob", alias)) if is_sealed(alias) else row[0]])
    return blobs.read(alias, sha256) if blobs.path(alias).exists() else None


def flush_folder(blobs: Blobs, alias: str) -> None:
    """Make a new file's name reach the disk."""
    for folder in (blobs.path(alias).parent, blobs.folder):
        file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def plan(tx: Tx, blobs: Blobs, rnd: OpenRound, wanted: Sequence[tuple[str, Blob]]) -> ContentPlan:
    settled: dict[str, Content] = {}
    ids = [source_id for source_id, _ in wanted]
    stored = _stored(tx, rnd, ids)
    journal = _journal(tx, rnd, ids)
    hashes = _hashes(tx, rnd, [one for _, blob in wanted if (one := _fingerprint(blob))])
    fetch = []
    for source_id, blob in wanted:
        found = (
            _skipped(blob)
            or _same_tag(stored.get(source_id), blob)
            or _journalled(tx.cipher, journal.get(source_id), blob)
            or _same_hash(tx.cipher, hashes.get(_fingerprint(blob) or ""), blob)
        )
        if found is not None and _held(tx, blobs, found):
            settled[source_id] = found
        else:
            fetch.append((source_id, blob))
    return ContentPlan(fetch, settled)


def _stored(tx: Tx, rnd: OpenRound, ids: Sequence[str]) -> Mapping[str, Row]:
    """Source id → (source id, tag, descriptor), opened; without what cannot be read any more."""
    sql = (
        "SELECT r.source_id, r.tag, y.blob FROM record r JOIN payload y ON y.record_id = r.id"
        " WHERE r.stream_id = ? AND r.scope = ? AND r.tag IS NOT NULL AND r.source_id IN ({})"
    )
    place = "SELECT stream_id, account_id, shared FROM partition WHERE id = ?"
    row = tx.row(place, (rnd.partition.id,))
    if row is None:  # a dry run's partition
        return {}
    stream, account, shared = row
    scope = scope_of(rnd.spec.info.identity, rnd.partition.id, account, shared)
    found = {}
    for source_id, tag, blob in tx.within(sql, (stream, scope), ids):
        here = of_record(stream, scope, source_id)
        with suppress(Damaged):
            opened = (tx.cipher.open_text(tag, TAG, here), tx.cipher.open(blob, DESCRIPTOR, here))
            found[source_id] = (source_id, *opened)
    return found


def _journal(tx: Tx, rnd: OpenRound, ids: Sequence[str]) -> Mapping[str, Row]:
    """Source id → (tag, alias, size, mime type, digest)."""
    sql = (
        "SELECT j.source_id, j.tag, j.sha256, j.size, j.mime_type, b.digest FROM content_journal j"
        " JOIN blob b ON b.sha256 = j.sha256 WHERE j.partition_id = ? AND j.source_id IN ({})"
    )
    found = {}
    opened = tx.cipher.open_text
    for source_id, tag, alias, size, mime_type, digest in tx.within(sql, (rnd.partition.id,), ids):
        with suppress(Damaged):
            place = of_row("content_journal", rnd.partition.id, source_id)
            found[source_id] = (opened(tag, TAG, place), alias, size, opened(mime_type, MIME, place), digest)
    return found


def _hashes(tx: Tx, rnd: OpenRound, hashes: Sequence[str]) -> Mapping[str, Row]:
    """Contents of this connection by the provider's hash: nothing is given from one organisation to another."""
    sql = (
        "SELECT h.hash, b.sha256, b.size, b.digest FROM blob_hash h JOIN blob b ON b.sha256 = h.sha256 WHERE h.connection_id ="
        " (SELECT s.connection_id FROM partition p JOIN stream s ON s.id = p.stream_id WHERE p.id = ?)"
        " AND h.hash IN ({})"
    )
    names = {alias: one for one in hashes for alias in tx.cipher.aliases(HASH, one)}
    return {names[row[0]]: row for row in tx.within(sql, (rnd.partition.id,), names)}


def _skipped(blob: Blob) -> Content | None:
    return Content(ContentState.SKIPPED, reason=blob.skip) if blob.skip else None


def _same_tag(row: Row | None, blob: Blob) -> Content | None:
    if row is None or row[1] != blob.tag or row[2] is None:
        return None
    held = loads(row[2])
    if held.get("skipped") in PASSING:
        return None
    if "skipped" in held:
        return Content(ContentState.SKIPPED, reason=held["skipped"])
    return Content(ContentState.STORED, held["sha256"], held["size"], held["mime_type"])


def _journalled(cipher: Cipher, row: Row | None, blob: Blob) -> Content | None:
    if row is None or row[0] != blob.tag or (sha256 := sha256_of(cipher, row[1], row[4])) is None:
        return None
    return Content(ContentState.STORED, sha256, row[2], row[3])


def _same_hash(cipher: Cipher, row: Row | None, blob: Blob) -> Content | None:
    if row is None or (blob.size is not None and blob.size != row[2]):
        return None
    sha256 = sha256_of(cipher, row[1], row[3])
    return None if sha256 is None else Content(ContentState.STORED, sha256, row[2], blob.mime_type)


def _held(tx: Tx, blobs: Blobs, content: Content) -> bool:
    """A file may be missing after a power cut, or because somebody removed it: then it is fetched again."""
    if content.state is not ContentState.STORED or content.sha256 is None:
        return True
    alias, _ = held_as(tx, [content.sha256]).get(content.sha256, (None, False))
    if alias is None:
        return False
    return (
        bool(tx.value("SELECT content IS NOT NULL FROM blob WHERE sha256 = ?", (alias,))) or blobs.path(alias).exists()
    )


def children(tx: Tx, partition_id: int, parents: Sequence[str]) -> dict[str, list[str]]:
    sql = "SELECT parent, source_id FROM record WHERE partition_id = ? AND state < 3 AND parent IN ({}) ORDER BY id"
    found: dict[str, list[str]] = {}
    for parent, source_id in tx.within(sql, (partition_id,), parents):
        found.setdefault(parent, []).append(source_id)
    return found


def known_tags(tx: Tx, partition_id: int, ids: Sequence[str]) -> dict[str, str | None]:
    sql = (
        "SELECT source_id, tag, stream_id, scope FROM record WHERE partition_id = ? AND state < 3 AND source_id IN ({})"
    )
    found: dict[str, str | None] = {}
    for source_id, tag, stream, scope in tx.within(sql, (partition_id,), ids):
        found[source_id] = None
        with suppress(Damaged):
            found[source_id] = tx.cipher.open_text(tag, TAG, of_record(stream, scope, source_id))
    return found
