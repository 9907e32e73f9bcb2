"""The files of a folder put together: who defines what, and what is defined twice.

Public: merge, Merged, Entry.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .model import Place
from .problem import Problem, shown
from .tree import Path, Tree

__all__ = ["Entry", "Merged", "merge"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One block (the daemon, a connection, a sync) with the file that it stands in."""

    tree: Tree
    path: Path
    data: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.path[-1])

    @property
    def place(self) -> Place:
        """Where its name stands."""
        return Place(self.tree.file, *self.tree.key_mark(self.path))

    def problem(self, path: Path, message: str, hint: str = "", *, key: bool = False) -> Problem:
        """A problem at `path` below this block."""
        return self.tree.problem((*self.path, *path), message, hint, key=key)


@dataclass(slots=True)
class Merged:
    """All blocks of the folder by name. `complete` is false where a file could not be read."""

    daemon: Entry | None = None
    connections: dict[str, Entry] = field(default_factory=dict)
    syncs: dict[str, Entry] = field(default_factory=dict)
    complete: bool = True
    problems: list[Problem] = field(default_factory=list)


def merge(trees: Iterable[Tree]) -> Merged:
    """Blocks that are not mappings are left out: the schema check reports them."""
    merged = Merged()
    for tree in trees:
        merged.complete = merged.complete and tree.whole
        if not isinstance(tree.data, dict):
            continue
        if isinstance(tree.data.get("daemon"), dict):
            _daemon(merged, Entry(tree, ("daemon",), tree.data["daemon"]))
        for section, known in (("connections", merged.connections), ("syncs", merged.syncs)):
            blocks = tree.data.get(section)
            for name, data in blocks.items() if isinstance(blocks, dict) else ():
                entry = Entry(tree, (section, name), data if isinstance(data, dict) else {})
                _add(merged, known, entry, section[:-1])
    return merged


def _daemon(merged: Merged, entry: Entry) -> None:
    if merged.daemon is None:
        merged.daemon = entry
    else:
        message = f"'daemon' stands in two files: first in {_at(merged.daemon)}"
        merged.problems.append(entry.problem((), message, "keep one of them", key=True))


def _add(merged: Merged, known: dict[str, Entry], entry: Entry, kind: str) -> None:
    first = known.setdefault(entry.name, entry)
    if first is not entry:
        message = f"{kind} {shown(entry.name)} is defined twice: first in {_at(first)}"
        merged.problems.append(entry.problem((), message, "rename or remove one of them", key=True))


def _at(entry: Entry) -> str:
    return f"{entry.place.file}:{entry.place.line}"
