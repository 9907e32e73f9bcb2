"""State of WorkDrive: one team, private spaces, team folders, and what lies in them (zoho.md §7).

Public: WorkDriveStore, Entry, TeamFolder, PrivateSpace. Ids never change by renaming or moving; a copy gets a new one.
"""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncd_simulator.zoho.world import User, ZohoWorld

__all__ = [
    "ACTIVE",
    "DELETED",
    "FOLDER",
    "NATIVE",
    "TRASHED",
    "Cursor",
    "Entry",
    "PrivateSpace",
    "TeamFolder",
    "WorkDriveStore",
    "export",
    "type_of",
]

FOLDER = "folder"
NATIVE = {"writer": "zwriter", "sheet": "zsheet", "show": "zslides"}  # the editor → extension shown
ACTIVE, TRASHED, DELETED = 1, 51, 61  # §7.3 `status`
TYPES = {
    "pdf": "pdf", "png": "image", "jpg": "image", "jpeg": "image", "gif": "image", "mp4": "video", "mp3": "audio",
    "zip": "zip", "txt": "txt", "csv": "spreadsheet", "xlsx": "spreadsheet", "docx": "document", "pptx": "presentation",
}  # fmt: skip
ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
ID_LENGTH = 37


@dataclass
class Entry:
    """A folder, an uploaded file (`content`) or a native document (`content` is its text). Times are instants."""

    id: str
    name: str
    type: str
    library: str  # id of the private space or team folder it lies in
    parent: str | None  # None: the root of its library
    created: float
    modified: float
    creator: str  # user ids
    modifier: str
    content: bytes | None = None
    status: int = ACTIVE
    status_changed: float = 0.0
    opened: float = 0.0
    revision: int = 1
    refused: bool = False  # knob: may be listed, not downloaded (an owner's setting)

    @property
    def is_folder(self) -> bool:
        """A folder, also a library's root."""
        return self.type == FOLDER

    @property
    def is_native(self) -> bool:
        """A Zoho document: exported, has no byte size (§7.4)."""
        return self.type in NATIVE

    @property
    def extension(self) -> str:
        """The ending of the name; the editor's own for native documents."""
        if self.is_folder:
            return ""
        return NATIVE.get(self.type) or (self.name.rpartition(".")[2].lower() if "." in self.name else "")


@dataclass
class PrivateSpace:
    """ "My Folders" of one person; its id works as a folder id."""

    id: str
    owner: str
    team_user: str  # §7.1: the id of the person in the team, not that of /users/me


@dataclass
class TeamFolder:
    """A workspace shared by members; its id works as a folder id."""

    id: str
    name: str
    created: float
    members: dict[str, str] = field(default_factory=dict)  # user id -> role


def type_of(name: str) -> str:
    """The `type` of an uploaded file."""
    return TYPES.get(name.rpartition(".")[2].lower(), "unknown") if "." in name else "unknown"


@dataclass(frozen=True)
class Cursor:
    """Where a listing goes on: after this (sort key, id) of this folder, for this person."""

    user: str
    folder: str
    after: tuple[str, str]


class WorkDriveStore:
    """Everything of the organisation's WorkDrive; `of(world)` finds it.

    Knobs: `personal` (user ids with a single-user account: no team), `no_access` (user ids whose every call is R008).
    """

    def __init__(self, world: "ZohoWorld") -> None:
        self._rng = random.Random(f"workdrive {world.seed}")
        self.team = self.new_id()
        self.entries: dict[str, Entry] = {}
        self.children: dict[str, set[str]] = {}
        self.spaces: dict[str, PrivateSpace] = {}  # by user id
        self.folders: dict[str, TeamFolder] = {}
        self.personal: set[str] = set()
        self.no_access: set[str] = set()
        self.cursors: dict[str, Cursor] = {}
        world.on_expire["files"] = self._forget_cursors

    @classmethod
    def of(cls, world: "ZohoWorld") -> "WorkDriveStore":
        """The WorkDrive of a world."""
        return world.part("workdrive", cls)

    # -- making -------------------------------------------------------------------------------------------------

    def new_id(self) -> str:
        """An id as WorkDrive makes them: lower-case letters and digits."""
        return "".join(self._rng.choice(ALPHABET) for _ in range(ID_LENGTH))

    def space(self, user_id: str, now: float) -> PrivateSpace:
        """The private space of a person, opened at the first look."""
        found = self.spaces.get(user_id)
        if found is None:
            found = self.spaces[user_id] = PrivateSpace(self.new_id(), user_id, self.new_id())
            self._root(found.id, "My Folders", user_id, now)
        return found

    def open_folder(self, name: str, members: dict[str, str], now: float) -> TeamFolder:
        """A new team folder; `members` are user ids with their roles (admin, organizer, editor, viewer)."""
        folder = TeamFolder(self.new_id(), name, now, dict(members))
        self.folders[folder.id] = folder
        self._root(folder.id, name, next(iter(members), ""), now)
        return folder

    def _root(self, key: str, name: str, user_id: str, now: float) -> None:
        self.entries[key] = Entry(key, name, FOLDER, key, None, now, now, user_id, user_id)

    def add(
        self, user_id: str, name: str, parent: str, now: float, *, kind: str | None = None, content: bytes | None = None
    ) -> Entry:
        """A new file, document (`kind` of NATIVE) or folder (`kind` FOLDER) in a folder."""
        folder = self.entries[parent]
        entry = Entry(
            self.new_id(), name, kind or type_of(name), folder.library, parent, now, now, user_id, user_id,
            content=content if content is not None or kind == FOLDER else b"",
        )  # fmt: skip
        self._insert(entry)
        return entry

    def _insert(self, entry: Entry) -> None:
        assert entry.parent is not None
        self.entries[entry.id] = entry
        self.children.setdefault(entry.parent, set()).add(entry.id)

    def cursor(self, cursor: Cursor) -> str:
        """An opaque text for a place in a listing."""
        text = "".join(self._rng.choice(ALPHABET) for _ in range(48))
        self.cursors[text] = cursor
        return text

    def _forget_cursors(self, user: "User") -> None:
        self.cursors = {text: cursor for text, cursor in self.cursors.items() if cursor.user != user.id}

    # -- looking ------------------------------------------------------------------------------------------------

    def chain(self, entry: Entry) -> Iterator[Entry]:
        """The entry, its folder, and so on up to the root."""
        while True:
            yield entry
            if entry.parent is None:
                return
            entry = self.entries[entry.parent]

    def may(self, user_id: str, library: str) -> bool:
        """Whether a person sees this private space or team folder."""
        folder = self.folders.get(library)
        if folder is not None:
            return user_id in folder.members and user_id not in self.personal
        return user_id in self.spaces and self.spaces[user_id].id == library

    def visible(self, user_id: str, key: str) -> Entry | None:
        """The entry when it exists, the person may see it, and neither it nor a folder above is in the trash."""
        entry = self.entries.get(key)
        if entry is None or not self.may(user_id, entry.library):
            return None
        return entry if all(link.status == ACTIVE for link in self.chain(entry)) else None

    def listed(self, folder: str) -> list[Entry]:
        """What a folder shows: nothing that is in the trash (§7.2)."""
        found = (self.entries[key] for key in self.children.get(folder, ()))
        return [entry for entry in found if entry.status == ACTIVE]

    def below(self, root: str) -> Iterator[Entry]:
        """Everything that a walk from a root finds, the root left out."""
        queue = [root]
        while queue:
            for entry in sorted(self.listed(queue.pop()), key=lambda entry: entry.id):
                yield entry
                if entry.is_folder:
                    queue.append(entry.id)

    def roots_of(self, user_id: str, now: float) -> list[tuple[str, str]]:
        """(partition, root folder): "" for the private space, the id for team folders."""
        own = [("", self.space(user_id, now).id)]
        if user_id in self.personal:
            return own
        return own + [(key, key) for key, folder in self.folders.items() if user_id in folder.members]

    # -- changing -----------------------------------------------------------------------------------------------

    def touch(self, entry: Entry, user_id: str, now: float) -> None:
        """An edit moves the time of modification of the entry alone: folders above keep theirs (§7.3)."""
        entry.modified, entry.modifier = now, user_id
        entry.revision += 1

    def write(self, entry: Entry, content: bytes, user_id: str, now: float) -> None:
        """New content."""
        entry.content = content
        self.touch(entry, user_id, now)

    def rename(self, entry: Entry, name: str, user_id: str, now: float) -> None:
        """Another name; two entries of one folder may share a name."""
        entry.name = name
        self.touch(entry, user_id, now)

    def move(self, entry: Entry, parent: str, user_id: str, now: float) -> None:
        """Into another folder, maybe of another library. ValueError when it would lie inside itself."""
        if any(link is entry for link in self.chain(self.entries[parent])):
            raise ValueError(parent)
        assert entry.parent is not None
        self.children[entry.parent].discard(entry.id)
        entry.parent = parent
        self._insert(entry)
        for item in self.subtree(entry):
            item.library = self.entries[parent].library
        self.touch(entry, user_id, now)

    def copy(self, entry: Entry, parent: str, user_id: str, now: float) -> Entry:
        """A copy with everything below, under new ids and the same names."""
        twin = self.add(user_id, entry.name, parent, now, kind=entry.type, content=entry.content)
        for child in self.listed(entry.id):
            if child is not twin:
                self.copy(child, twin.id, user_id, now)
        return twin

    def set_status(self, entry: Entry, status: int, now: float) -> None:
        """Trash (51) or restore (1); DELETED (61) removes for good with everything below."""
        if status == DELETED:
            self.delete(entry)
            return
        entry.status, entry.status_changed = status, now

    def delete(self, entry: Entry) -> None:
        """For good."""
        for item in self.subtree(entry):
            self.children.pop(item.id, None)
            del self.entries[item.id]
        if entry.parent is not None:
            self.children.get(entry.parent, set()).discard(entry.id)

    def subtree(self, entry: Entry) -> list[Entry]:
        """The entry and all below it, trashed ones too."""
        found, queue = [], [entry.id]
        while queue:
            key = queue.pop()
            found.append(self.entries[key])
            queue.extend(sorted(self.children.get(key, ())))
        return found


def export(entry: Entry, form: str) -> bytes:
    """What an editor exports of a native document: the same bytes for the same text and format."""
    text = entry.content or b""
    stamp = hashlib.sha256(text + form.encode()).hexdigest()
    return b"".join((f"{form} export {stamp}\n".encode(), text))
