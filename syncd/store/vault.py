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
from pathlib import Path
from typing import Any

from syncd.sdk import Vault

from .cipher import CLEAR, CREDENTIAL, Cipher, of_row
from .errors import Damaged

__all__ = ["FileVault", "forget_vault", "reseal_vault", "vault_files", "vaults"]

PLAIN = re.compile(r"[A-Za-z0-9._-]+")


class FileVault:
    """One connection's file. `former`: where it lay under the connection's previous name."""

    def __init__(self, path: Path, former: Path | None = None, cipher: Cipher = CLEAR) -> None:
        self._path = path
        self._former = former
        self._cipher = cipher

    def load(self) -> dict[str, Any]:
        """What was saved last, also by another process; {} if nothing was, or nothing that can be read."""
        for path in (self._path, self._former):
            if path is None:
                continue
            with suppress(OSError, ValueError, Damaged):
                kept = json.loads(_opened(self._cipher, path))
                if isinstance(kept, dict):
                    return kept
        return {}

    def save(self, kept: dict[str, Any]) -> None:
        """Replace what is kept. Raises OSError if it cannot be written."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(self._path.parent):
            _replace(self._path, self._cipher.seal(json.dumps(kept).encode(), CREDENTIAL, _place(self._path)))


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
