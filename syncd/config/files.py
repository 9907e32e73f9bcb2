"""Which files of the folder are read, and how.

Public: find, read, ignored, is_config, LARGEST.

Every `*.yaml` and `*.yml` in any folder below, sorted by path, except hidden ones. A mounted ConfigMap is a folder whose
files are links into `..data`: the hidden side is skipped, the links are followed, and nothing is read twice.
"""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

__all__ = ["LARGEST", "Unreadable", "find", "ignored", "is_config", "read"]

LARGEST = 1_000_000  # bytes, of a configuration file and of a file that a value refers to
_DROPPING = re.compile(r"\.|#.*#$|4913$|.*(~|\.sw[a-p]x?|\.tmp|\.bak|\.orig|\.part)$", re.IGNORECASE)


class Unreadable(ValueError):
    """A file that cannot be used; the message says why, without its name."""


def ignored(name: str) -> bool:
    """Whether a file or folder of this name is hidden or an editor's dropping."""
    return _DROPPING.match(name) is not None


def is_config(name: str) -> bool:
    """Whether a file of this name is configuration."""
    return name.lower().endswith((".yaml", ".yml")) and not ignored(name)


def find(folder: Path) -> list[Path]:
    """The configuration files, as paths below `folder` as it was given. Raises OSError if a folder can't be listed."""
    found = sorted(_walk(folder, set()))
    seen: dict[str, Path] = {}
    for path in found:
        seen.setdefault(os.path.realpath(path), path)
    return sorted(seen.values())


def _walk(folder: Path, parents: set[str]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in parents:  # a link back up
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if ignored(entry.name):
                continue
            path = folder / entry.name
            if entry.is_dir():
                yield from _walk(path, parents | {real})
            elif is_config(entry.name):
                yield path


def read(path: Path) -> bytes:
    """A regular file of at most LARGEST bytes. Raises Unreadable."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would block, a device would never end
            raise Unreadable("is not a regular file" if not path.is_dir() else "is a folder, not a file")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise Unreadable("is a link to nothing" if path.is_symlink() else "does not exist") from None
    except OSError as error:
        raise Unreadable(f"cannot be read: {(error.strerror or str(error)).lower()}") from None
    except Unreadable:
        raise
    except ValueError:  # a NUL in a name
        raise Unreadable("is not a usable file name") from None
    if len(content) > LARGEST:
        raise Unreadable("is larger than 1 MB")
    return content
