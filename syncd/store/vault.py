"""What a connection's sign-in must remember, in a file of its own beside the store.

Public: FileVault, vaults.

A rotated refresh token is the one secret that syncd has to keep: `<state>/credentials/<connection>.json`, 0600 in a 0700
folder. A file replaces the one before it in one step, flushed to the disk, so that a token is never half there.
"""

import json
import os
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from syncd.sdk import Vault

__all__ = ["FileVault", "vaults"]

PLAIN = re.compile(r"[A-Za-z0-9._-]+")


class FileVault:
    """One connection's file. `former`: where it lay under the connection's previous name."""

    def __init__(self, path: Path, former: Path | None = None) -> None:
        self._path = path
        self._former = former

    def load(self) -> dict[str, Any]:
        """What was saved last, also by another process; {} if nothing was, or nothing that can be read."""
        for path in (self._path, self._former):
            if path is None:
                continue
            with suppress(OSError, ValueError):
                kept = json.loads(path.read_text("utf-8"))
                if isinstance(kept, dict):
                    return kept
        return {}

    def save(self, kept: dict[str, Any]) -> None:
        """Replace what is kept. Raises OSError if it cannot be written."""
        folder = self._path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file, name = tempfile.mkstemp(prefix=".", dir=folder)  # mode 0600
        try:
            with os.fdopen(file, "w", encoding="utf-8") as out:
                json.dump(kept, out)
                out.flush()
                os.fsync(out.fileno())
            Path(name).replace(self._path)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(name).unlink()
            raise
        _flush(folder)


def vaults(state: Path) -> Callable[[str, str | None], Vault]:
    """The vault of a connection, by its name and the name it had before."""
    folder = state / "credentials"

    def vault(name: str, previous: str | None) -> Vault:
        former = folder / _file(previous) if previous else None
        return FileVault(folder / _file(name), former)

    return vault


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
