"""Backups: one state of the store, whole, in a folder that anybody can check with `sha256sum -c SHA256SUMS`.

Public: make_backup, Progress, Made, MANIFEST, SUMS, FORMAT, DATABASE.

    manifest.json   what it is: format, schema, moment, ids of the keys that are needed
    SHA256SUMS      every file with its checksum
    syncd.db        the database as it was at one commit
    blobs/          the contents that it refers to; hard links where the file system allows
    credentials/    what sign-ins remember

It is written under another name beside its place and renamed when all of it is on the disk, so that no half backup looks
whole. Syncs go on meanwhile; contents that they drop are kept until the backup has them (`Blobs.kept`). What is encrypted stays so.
"""

import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from .contents import Blobs
from .database import Database, Tx
from .errors import BackupUnderWay, StoreFailed, StoreUnusable
from .migrate import known_version
from .values import micros, rfc3339
from .vault import vault_files

__all__ = ["CHUNK", "DATABASE", "FORMAT", "MANIFEST", "SUMS", "Made", "Progress", "flush", "hashed", "make_backup"]

FORMAT = 1
MANIFEST, SUMS, DATABASE = "manifest.json", "SHA256SUMS", "syncd.db"
CHUNK = 1 << 20
OFTEN = 16 << 20  # bytes between two reports of progress
PATIENCE = 60.0  # seconds for another process to end its write


@dataclass(frozen=True, slots=True)
class Progress:
    """Bytes of `what` that are done."""

    what: str
    done: int
    total: int


@dataclass(slots=True)
class Made:
    """`missing`: contents whose file is gone or not what it was; they are fetched again when their items are met."""

    files: int = 0
    bytes: int = 0
    missing: int = 0


def make_backup(state: Path, place: Path, now: datetime, version: str) -> Iterator[Progress | Made]:
    """Write a backup of the state directory to `place`, which must not be there yet, or empty. The last element is Made.

    Raises StoreUnusable where that cannot be, BackupUnderWay while a purge is.
    """
    if not (state / DATABASE).exists():
        raise StoreUnusable(f"there is no database in {state}: nothing to back up")
    _check_place(state, place)
    with _folder_beside(place) as folder:
        try:
            made = Made()
            yield from _fill(state, folder, now, version, made)
            _flush_tree(folder)
            folder.rename(place)
            flush(place.parent)
        except OSError as error:
            raise StoreFailed(f"cannot write the backup: {error.strerror} ({error.filename})") from error
        yield made


def _check_place(state: Path, place: Path) -> None:
    if place.resolve().is_relative_to(state.resolve()):
        raise StoreUnusable(f"{place} lies in the state directory", hint="name a folder outside of it")
    if place.is_symlink() or (place.exists() and not place.is_dir()) or (place.is_dir() and any(place.iterdir())):
        raise StoreUnusable(f"{place} is there already", hint="name a folder that is not there: nothing is overwritten")
    if not place.parent.is_dir():
        raise StoreUnusable(f"there is no folder {place.parent}")


@contextmanager
def _folder_beside(place: Path) -> Iterator[Path]:
    """A folder that becomes `place`, or goes. What killed backups have left there goes, too: nobody holds its lock."""
    beside = f".{place.name}.partial-"
    for path in place.parent.glob(f"{beside}*"):
        with suppress(OSError), _locked(path):
            shutil.rmtree(path)
    folder = place.parent / f"{beside}{uuid.uuid4().hex}"
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise StoreUnusable(f"cannot write to {place.parent}: {error.strerror}") from error
    try:
        with _locked(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Raises OSError if somebody else holds it."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(lock)


def _fill(state: Path, folder: Path, now: datetime, version: str, made: Made) -> Iterator[Progress]:
    blobs = Blobs(state)
    blobs.prepare()
    with blobs.kept(), (folder / SUMS).open("w") as sums:
        yield from _copy_database(state, folder / DATABASE)
        facts = _facts(folder / DATABASE)
        _note(sums, made, DATABASE, *hashed(folder / DATABASE))
        yield from _copy_contents(blobs, folder, sums, made)
        (folder / "credentials").mkdir(mode=0o700)
        for path in vault_files(state):
            with suppress(FileNotFoundError):
                name = f"credentials/{path.name}"
                _note(sums, made, name, *_copied(path, folder / name))
    digest, _ = hashed(folder / SUMS)
    manifest = {
        "format": FORMAT, "syncd": version, "created_at": rfc3339(micros(now)), **facts, "files": made.files,
        "bytes": made.bytes, "missing": made.missing, "sums": digest,
    }  # fmt: skip
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")


# -- the database


def _copy_database(state: Path, target: Path) -> Iterator[Progress]:
    """One commit's state, without its free pages. Contents of that state are kept, since no write is open before it."""
    database = Database(state, "sqlite")
    try:
        with database.connect() as connection:
            tx = Tx(connection, database.dialect)
            known_version(connection)
            _wait_for_writers(tx)
            size = int(tx.value("PRAGMA page_count")) * int(tx.value("PRAGMA page_size"))
            yield Progress("database", 0, size)
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            tx.run("VACUUM INTO ?", (str(target),))
        yield Progress("database", size, size)
    finally:
        database.close()


def _wait_for_writers(tx: Tx) -> None:
    """Writes that began before contents were kept are committed then, and purges that began before are seen."""
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            tx.run(tx.dialect.begin_write)
            break
        except Exception as error:
            if not tx.dialect.is_busy(error) or time.monotonic() > give_up:
                raise StoreFailed(
                    f"the database does not let anybody write: {getattr(error, 'orig', error)}"
                ) from error
    purged = tx.value("SELECT count(*) FROM meta WHERE name LIKE 'purge:%'")
    tx.run("ROLLBACK")
    if purged:
        raise BackupUnderWay("a purge is under way: a backup now would hold half of what is purged")


def _facts(database: Path) -> dict[str, Any]:
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as copy:
        keys = [row[0] for row in copy.execute("SELECT DISTINCT key_id FROM data_key ORDER BY 1")]
        (schema,) = copy.execute("SELECT version_num FROM alembic_version").fetchone()
        (seq,) = copy.execute("SELECT value FROM counter WHERE name = 'seq'").fetchone()
    return {"schema": schema, "seq": seq, "encrypted": bool(keys), "keys": keys}


# -- files


def _copy_contents(blobs: Blobs, folder: Path, sums: TextIO, made: Made) -> Iterator[Progress]:
    wanted = "FROM blob WHERE content IS NULL"
    with closing(sqlite3.connect(f"{(folder / DATABASE).resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as copy:
        (total,) = copy.execute(f"SELECT COALESCE(sum(size), 0) {wanted}").fetchone()
        done = told = 0
        for alias, size in copy.execute(f"SELECT sha256, size {wanted} ORDER BY sha256"):
            name = f"blobs/{alias[:2]}/{alias[2:]}"
            found = _content(blobs.path(alias), folder / name, alias)
            if found is None:
                made.missing += 1
            else:
                _note(sums, made, name, *found)
            done += size
            if done - told >= OFTEN:
                told = done
                yield Progress("contents", done, total)
    yield Progress("contents", total, total)


def _content(source: Path, target: Path, alias: str) -> tuple[str, int] | None:
    """None if it is gone, or its name says that it is another content."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        found = _copied(source, target, link=True)
    except FileNotFoundError:
        return None
    if "." not in alias and found[0] != alias:
        target.unlink()
        return None
    return found


def _copied(source: Path, target: Path, *, link: bool = False) -> tuple[str, int]:
    """Checksum and size. `link`: a hard link does, since the file never changes."""
    if link:
        with suppress(PermissionError, OSError):
            os.link(source, target)
            return hashed(target)
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as file, open(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest(), size


def hashed(path: Path) -> tuple[str, int]:
    """Checksum and size of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size


def _note(sums: TextIO, made: Made, name: str, digest: str, size: int) -> None:
    sums.write(f"{digest}  {name}\n")
    made.files += 1
    made.bytes += size


def _flush_tree(folder: Path) -> None:
    """Put what is not yet on the disk there: the files of its own, and all names."""
    for name in (SUMS, MANIFEST, DATABASE):
        flush(folder / name)
    for path in folder.glob("**/"):
        flush(path)


def flush(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
