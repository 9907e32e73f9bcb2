"""Files of contents that no row knows: what is left where a process or the machine died between the two.

Public: remove_strays, Hands.
"""

import os
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from .contents import Blobs
from .database import Tx

__all__ = ["Hands", "remove_strays"]


class Hands(Protocol):
    """What it takes: the store's writer, a reader, a thread."""

    async def _write(self, job: Callable[[Tx], Any], *, durable: bool = False) -> Any: ...

    async def _read(self, job: Callable[[Tx], Any]) -> Any: ...

    async def _in_thread(self, call: Callable[..., Any], *arguments: Any) -> Any: ...


async def remove_strays(hands: Hands, blobs: Blobs) -> AsyncIterator[int]:
    """How many were removed, of one folder at a time."""
    for folder in await hands._in_thread(_folders, blobs.folder):
        names = await hands._in_thread(_names, folder)
        if found := await hands._read(partial(_unknown, names=names)):
            yield await hands._write(partial(_remove, blobs=blobs, names=found))


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("??") if path.is_dir())


def _names(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return [folder.name + entry.name for entry in entries]


def _unknown(tx: Tx, names: Sequence[str]) -> list[str]:
    known = {row[0] for row in tx.within("SELECT sha256 FROM blob WHERE sha256 IN ({})", (), names)}
    return [name for name in names if name not in known]


def _remove(tx: Tx, blobs: Blobs, names: Sequence[str]) -> int:
    """Inside the one writer's transaction, in which files get their place too: none of them is on its way."""
    strays = _unknown(tx, names)
    for name in strays:
        blobs.path(name).unlink(missing_ok=True)
    return len(strays)
