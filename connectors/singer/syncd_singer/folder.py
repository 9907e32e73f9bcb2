"""The private folder in which a tap finds its configuration.

Public: private_folder.

It is the user's alone (0700), its files too (0600). Whoever uses it holds a lock on it: the kernel drops that when the
last holder has died, however, so that a folder without one is left over from a crash and is removed by the next round.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["PrivateFolder", "private_folder"]

PREFIX = "syncd-singer-"


@dataclass(frozen=True, slots=True)
class PrivateFolder:
    """`lock` is a descriptor that a process may inherit: the folder counts as used while it is open anywhere."""

    path: Path
    lock: int

    def write(self, name: str, value: Any) -> str:
        """A JSON file that nobody else can read; gives its path."""
        path = self.path / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(value))
        return str(path)


@contextmanager
def private_folder() -> Iterator[PrivateFolder]:
    """A new folder, removed at the end. Those that a crash left behind are removed first."""
    base = Path(tempfile.gettempdir())
    _remove_left_over(base)
    folder = _made(base)
    try:
        yield folder
    finally:
        shutil.rmtree(folder.path, ignore_errors=True)
        os.close(folder.lock)


def _made(base: Path) -> PrivateFolder:
    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        lock = _locked(path)
        if lock is not None and path.exists():
            return PrivateFolder(path, lock)
        if lock is not None:  # another process took it for left over before the lock was on
            os.close(lock)


def _locked(path: Path) -> int | None:
    """A descriptor of the folder with a lock, or None if it is locked or gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_left_over(base: Path) -> None:
    for path in base.glob(f"{PREFIX}*"):
        try:
            mine = path.lstat().st_uid == os.getuid()
        except FileNotFoundError:  # another process has just removed its own
            continue
        lock = _locked(path) if mine else None
        if lock is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)
