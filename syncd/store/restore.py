"""Reading a backup back into an empty state directory.

Public: restore_backup, read_manifest, MARKER.

Each file is checked on its way; the database takes its name last. Until then a marker file says that the directory is not whole:
nobody opens it, and a restore that was killed begins anew. Nothing that was there is ever replaced.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from .backup import CHUNK, DATABASE, FORMAT, MANIFEST, OFTEN, SUMS, Made, Progress, flush, hashed
from .errors import NewerSchema, StoreFailed, StoreUnusable
from .migrate import KNOWN
from .upkeep import RESTORED

__all__ = ["MARKER", "read_manifest", "restore_backup"]

MARKER = "restoring"
LOCK = "daemon.lock"
LINE = re.compile(r"([0-9a-f]{64})  (.+)")
NAME = re.compile(r"syncd\.db|blobs/[0-9a-f]{2}/[0-9a-f]{62}(\.[0-9]{1,5})?|credentials/[A-Za-z0-9._=-]+\.json")
FOLDERS = ("blobs", "credentials")
FORGOTTEN = ("DELETE FROM owner", "DELETE FROM notice_message", "DELETE FROM meta WHERE name = 'boot'")


def read_manifest(source: Path) -> dict[str, Any]:
    """What a backup says about itself. Raises StoreUnusable if it is none, NewerSchema if a newer syncd has written it."""
    try:
        manifest = json.loads((source / MANIFEST).read_bytes())
        kind, schema, sums = manifest["format"], manifest["schema"], manifest["sums"]
        [manifest[name] for name in ("created_at", "syncd", "files", "bytes", "keys", "encrypted", "missing")]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreUnusable(
            f"{source} is not a whole backup: {MANIFEST} is missing or broken", hint="name the folder of `syncd backup`"
        ) from error
    if kind != FORMAT or schema not in KNOWN:
        raise NewerSchema(
            f"the backup was written by syncd {manifest['syncd']}, with format {kind} and schema {schema}",
            hint="restore it with that version, or a newer one",
        )
    with suppress(OSError):
        if hashed(source / SUMS)[0] == sums:
            return dict(manifest)
    raise _damaged(source, SUMS)


def restore_backup(source: Path, state: Path) -> Iterator[Progress | Made]:
    """Restore into a state directory that holds no store. The last element is Made.

    Raises StoreUnusable if the backup is damaged or the directory not empty, and leaves the directory as it was.
    """
    manifest = read_manifest(source)
    try:
        state.mkdir(mode=0o750, parents=True, exist_ok=True)
        with _alone(state):
            _check_empty(state)
            (state / MARKER).touch(mode=0o600)
            flush(state)
            made = Made()
            try:
                yield from _fill(source, state, int(manifest["bytes"]), made)
                if made.files != manifest["files"]:
                    raise _damaged(source, SUMS)
            except BaseException:
                _clear(state)
                (state / MARKER).unlink()
                raise
            _finish(state)
    except OSError as error:
        raise StoreFailed(f"cannot restore: {error.strerror} ({error.filename})") from error
    yield made


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """No daemon runs on the directory, nor starts."""
    lock = os.open(state / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreUnusable(f"a daemon runs on {state}", hint="stop it first") from error
        yield
    finally:
        os.close(lock)


def _check_empty(state: Path) -> None:
    if (state / MARKER).exists():
        _clear(state)
    there = [
        *state.glob("*.db*"),
        *(path for name in FOLDERS for path in (state / name).glob("**/*") if path.is_file()),
    ]
    if there:
        raise StoreUnusable(
            f"{state} holds a store already: nothing was restored",
            hint="name an empty directory with --state, or move the old one away first",
        )


def _clear(state: Path) -> None:
    """What a restore that was cut has put there."""
    for name in FOLDERS:
        shutil.rmtree(state / name, ignore_errors=True)
    for path in state.glob(f"{DATABASE}*"):
        path.unlink()


def _fill(source: Path, state: Path, total: int, made: Made) -> Iterator[Progress]:
    for name in FOLDERS:
        (state / name).mkdir(mode=0o700, exist_ok=True)
    told = 0
    with (source / SUMS).open() as sums:
        for line in sums:
            found = LINE.fullmatch(line.rstrip("\n"))
            if found is None or not NAME.fullmatch(found[2]):
                raise _damaged(source, SUMS)
            made.bytes += _restored(source, state, found[2], found[1])
            made.files += 1
            if made.bytes - told >= OFTEN:
                told = made.bytes
                yield Progress("files", made.bytes, total)
    yield Progress("files", made.bytes, total)


def _restored(source: Path, state: Path, name: str, promised: str) -> int:
    """Its size. The database gets another name first."""
    target = state / (f"{name}.part" if name == DATABASE else name)
    target.parent.mkdir(mode=0o700, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    try:
        file = os.open(source / name, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise _damaged(source, name) from error
    with open(file, "rb") as given, open(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
        while chunk := given.read(CHUNK):
            digest.update(chunk)
            size += out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    if digest.hexdigest() != promised:
        raise _damaged(source, name)
    return size


def _damaged(source: Path, name: str) -> StoreUnusable:
    return StoreUnusable(
        f"the backup {source} is damaged: {name} is missing or not what was written",
        hint="`sha256sum -c SHA256SUMS` in it tells all that is; take another backup",
    )


def _finish(state: Path) -> None:
    """Let the store know at its next start that it is an old one again (upkeep.after_start), and give it its name."""
    part = state / f"{DATABASE}.part"
    with closing(sqlite3.connect(part)) as database, database:
        database.execute("PRAGMA journal_mode=DELETE")
        for statement in FORGOTTEN:
            database.execute(statement)
        database.execute("INSERT INTO meta (name, value) VALUES ('boot', ?)", (RESTORED,))
    _own(state)
    flush(part)
    for path in (state / "blobs").glob("**/"):
        flush(path)
    flush(state / "credentials")
    part.rename(state / DATABASE)
    flush(state)
    (state / MARKER).unlink()
    flush(state)


def _own(state: Path) -> None:
    """Restored by root, the files belong to whom the directory belongs to."""
    if os.geteuid() != 0:
        return
    owner = state.stat()
    for name in (*FOLDERS, f"{DATABASE}.part", LOCK):
        for path in (state / name, *(state / name).glob("**/*")):
            os.chown(path, owner.st_uid, owner.st_gid)
