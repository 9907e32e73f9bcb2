"""Who holds what: a process proves that it lives by an exclusive lock on a file of its own.

Public: Owners.

The lock goes with the process, however it ends, so that on this machine a dead holder's runs and leases are taken over
at once. A process on another machine is believed dead when its heartbeat is older than `PATIENCE`.
"""

import fcntl
import os
import socket
import threading
import uuid
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from .database import Tx
from .errors import StoreUnusable
from .values import micros

__all__ = ["Owners"]

PATIENCE = timedelta(seconds=60)


class Owners:
    """This process as an owner, and what it can find out about others. `id` takes the lock at its first use."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "owners"
        self._place = f"{socket.gethostname()}:{state_dir.resolve()}"
        self._lock = threading.Lock()
        self._id: str | None = None
        self._file = -1

    @property
    def id(self) -> str:
        with self._lock:
            if self._id is None:
                self._id = self._take()
            return self._id

    def _take(self) -> str:
        name = uuid.uuid4().hex
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._file = os.open(self._folder / f"{name}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreUnusable(f"cannot lock {self._folder}: {error.strerror}") from error
        return name

    def register(self, tx: Tx, now: datetime) -> str:
        """Make this process known in the database, before it holds anything there.

        Each time: a transaction that is rolled back takes the row along, and others would take this process for dead.
        """
        owner = self.id
        values = (owner, self._place, os.getpid(), micros(now), micros(now))
        tx.run(
            "INSERT INTO owner (id, place, pid, started_at, heartbeat_at) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO NOTHING",
            values,
        )
        return owner

    def heartbeat(self, tx: Tx, now: datetime) -> None:
        tx.run("UPDATE owner SET heartbeat_at = ? WHERE id = ?", (micros(now), self.register(tx, now)))

    def alive(self, tx: Tx, owner: str | None, now: datetime) -> bool:
        """Whether the process that is known by this id still runs."""
        if owner is None:
            return False
        if owner == self._id:
            return True
        known = tx.row("SELECT place, heartbeat_at FROM owner WHERE id = ?", (owner,))
        if known is None:
            return False
        place, heartbeat = known
        if place == self._place:
            return self.locked(owner)
        return bool(heartbeat >= (micros(now - PATIENCE) or 0))

    def locked(self, owner: str) -> bool:
        """Whether a living process of this state directory holds the lock.

        Asked with a shared lock, so that two who ask at once do not take each other for the owner.
        """
        path = self._folder / f"{owner}.lock"
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        with suppress(OSError):
            path.unlink()  # nobody will ever hold it again: ids are used once
        return False

    def close(self) -> None:
        with self._lock:
            if self._id is None:
                return
            with suppress(OSError):
                (self._folder / f"{self._id}.lock").unlink()
            os.close(self._file)
            self._id = None
