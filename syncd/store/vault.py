"""What a connection's sign-in must remember, in a file of its own beside the store.

Public: FileVault, vaults, vault_files, reseal_vault, forget_vault.

A rotated refresh token is the one secret that syncd has to keep: `<state>/credentials/<connection>.json`, 0600 in a 0700
folder, sealed where the store has keys. A file replaces the one before it in one step, flushed to the disk, so that a
token is never half there.
"""

import fcntl
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syncd.sdk import Vault

from .cipher import CLEAR, CREDENTIAL, Cipher, of_row
from .errors import Damaged

__all__ = ["FileVault", "forget_vault", "reseal_vault", "vault_files", "vaults"]

SAVED = "syncd.saved"  # the key of the number, beside those of the sign-in
PLAIN = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class _Kept:
    """`number`: how often it was saved, whatever the connection was called then: of two files the higher one is right."""

    values: dict[str, Any]
    number: int = 0


class FileVault:
    """One connection's file. `former`: where it lay under the connection's previous name, until it is taken over.

    A file is taken over in two steps, each durable: the new one is written, then the former is removed, so that neither
    a later renaming back nor another connection of that name finds it. What is cut between the two leaves both.
    """

    def __init__(self, path: Path, former: Path | None = None, cipher: Cipher = CLEAR) -> None:
        self._path = path
        self._former = former
        self._cipher = cipher
        self._number = 0  # the highest seen: a run that goes on under the previous name may save what is newer still

    def load(self) -> dict[str, Any]:
        """What was saved last, also by another process; {} if nothing was, or nothing that can be read."""
        with suppress(OSError):  # it is read from where it lies
            self._take_over()
        kept = self._latest()
        self._number = max(self._number, kept.number)
        return kept.values

    def save(self, kept: dict[str, Any]) -> None:
        """Replace what is kept. Raises OSError if it cannot be written."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(self._path.parent):
            number = 1 + max(self._number, self._latest().number)
            self._write(_Kept(kept, number))
            self._number = number

    def _take_over(self) -> None:
        """What cannot be read is left where it is, and nothing is written over it."""
        if self._former is None or not self._former.exists():
            return
        with _alone(self._path.parent):
            if all(self._read(path) for path in (self._path, self._former) if path.exists()):
                self._write(self._latest())

    def _write(self, kept: _Kept) -> None:
        content = json.dumps({**kept.values, SAVED: kept.number}).encode()
        _replace(self._path, self._cipher.seal(content, CREDENTIAL, _place(self._path)))
        if self._former is not None and self._former.exists():
            with suppress(OSError):  # it has the lower number
                self._former.unlink()
                _flush(self._path.parent)

    def _latest(self) -> _Kept:
        found = [kept for path in (self._path, self._former) if path is not None and (kept := self._read(path))]
        return max(found, key=lambda kept: kept.number, default=_Kept({}))

    def _read(self, path: Path) -> _Kept | None:
        with suppress(OSError, ValueError, Damaged):
            found = json.loads(_opened(self._cipher, path))
            if isinstance(found, dict):
                number = found.pop(SAVED, 0)  # a file of before there were numbers has none
                return _Kept(found, number if isinstance(number, int) else 0)
        return None


def vaults(state: Path, cipher: Cipher = CLEAR) -> Callable[[str, str | None], Vault]:
    """The vault of a connection, by its name and the name it had before."""
    folder = state / "credentials"

    def vault(name: str, previous: str | None) -> Vault:
        former = folder / _file(previous) if previous else None
        return FileVault(folder / _file(name), former, cipher)

    return vault


def vault_files(state: Path) -> list[Path]:
    return sorted((state / "credentials").glob("*.json"))


def reseal_vault(path: Path, cipher: Cipher) -> None:
    """Seal a file under the newest key. Raises Damaged, and FileNotFoundError if it is gone."""
    with _alone(path.parent):
        _replace(path, cipher.seal(_opened(cipher, path), CREDENTIAL, _place(path)))


def forget_vault(state: Path, connections: Sequence[str]) -> None:
    """Remove what their sign-ins remember."""
    folder = state / "credentials"
    if not connections or not folder.is_dir():
        return
    with _alone(folder):
        for name in connections:
            (folder / _file(name)).unlink(missing_ok=True)
        _flush(folder)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """The only one that writes there, of all processes: sealing a file anew must not undo a sign-in beside it."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _opened(cipher: Cipher, path: Path) -> bytes:
    return cipher.open(path.read_bytes(), CREDENTIAL, _place(path))


def _place(path: Path) -> bytes:
    return of_row("credentials", path.name)


def _replace(path: Path, content: bytes) -> None:
    """In one step, flushed to the disk."""
    file, name = tempfile.mkstemp(prefix=".", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(file, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    _flush(path.parent)


def _file(connection: str) -> str:
    """A file name that is this connection's alone, whatever it is called."""
    plain = PLAIN.fullmatch(connection) and not connection.startswith(".")
    return f"{connection if plain else '=' + connection.encode().hex()}.json"


def _flush(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
