"""State of drives: files, folders, packages, shortcuts, and what changed when (microsoft.md §7).

Public: open_drive, open_sites, DriveStore, Site, Drive, Item, NameTaken. Hold `world.lock`.
"""

import base64
import hashlib
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from syncd_simulator.microsoft.drive_hash import quick_xor_hash

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld, User

JSON = dict[str, Any]
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
ROOT, FOLDER, FILE, PACKAGE, SHORTCUT = "root", "folder", "file", "package", "shortcut"
CONTAINERS = (ROOT, FOLDER, PACKAGE)


class NameTaken(ValueError):
    """Names are unique in a folder, whatever their case."""


@dataclass(eq=False)
class Item:
    """One driveItem. `version` counts any change (eTag), `content_version` changes of content (cTag)."""

    id: str
    guid: str
    name: str
    kind: str
    parent: str | None
    created: float
    modified: float
    by: str  # user id
    mime: str = ""
    content: bytes = b""
    package: str = "oneNote"
    target: tuple[str, str] | None = None  # (drive id, item id) of a shortcut
    malware: str | None = None  # what the scanner called it: content is refused
    refused_at: str = "content"  # with malware: by /content, or by the "download" host
    unavailable: bool = False  # content answers 503 for ever, as some OneNote parts do
    hashes: str = "quick"  # quick, sha1 (both), none, stale (of the bytes before a rewrite of Office's, §7)
    version: int = 1
    content_version: int = 1
    seq: int = 0
    _hashed: JSON | None = None

    @property
    def size(self) -> int:
        """Bytes of a file; folders are summed up by the drive."""
        return len(self.content)

    @property
    def etag(self) -> str:
        """§7: `"{GUID},3"`, quotes included."""
        return f'"{{{self.guid}}},{self.version}"'

    @property
    def ctag(self) -> str:
        """Changes with the content only."""
        return f'"c:{{{self.guid}}},{self.content_version}"'

    def digest(self) -> JSON:
        """The `hashes` facet; {} when the service has none."""
        if self.hashes == "none":
            return {}
        if self._hashed is None:
            told = self.content + b"rewritten" if self.hashes == "stale" else self.content
            self._hashed = {"quickXorHash": quick_xor_hash(told)}
        if self.hashes == "sha1":
            return self._hashed | {"sha1Hash": hashlib.sha1(self.content, usedforsecurity=False).hexdigest().upper()}
        return dict(self._hashed)

    def write(self, content: bytes) -> None:
        """New content."""
        self.content, self._hashed = content, None
        self.content_version += 1


@dataclass(eq=False)
class Drive:
    """A drive: of a user, or a document library of a site."""

    world: "MicrosoftWorld"
    id: str
    name: str
    kind: str  # business, documentLibrary
    user: "User | None"
    site: str | None
    created: float
    root: str = ""
    items: dict[str, Item] = field(default_factory=dict)
    children: dict[str, dict[str, str]] = field(default_factory=dict)  # folder -> lower-case name -> item
    tombs: dict[str, Item] = field(default_factory=dict)
    history: list[tuple[float, int]] = field(default_factory=list)  # (time, sequence number) of every change

    @property
    def seq(self) -> int:
        """The number of the last change."""
        return self.history[-1][1]

    def touch(self, item: Item) -> None:
        """A change of metadata or content."""
        item.modified = self.world.now()
        item.version += 1
        self.mark(item)

    def mark(self, item: Item, what: str = "updated") -> None:
        """Put an item on the feed without changing it, as a change of its sharing does."""
        item.seq = self.world.touch(self.user, "files", item.id, what)
        self.history.append((self.world.now(), item.seq))

    def move(self, item: Item, folder: str) -> None:
        """Into another folder. The old one changed too: it has one item less."""
        left = self.items[item.parent] if item.parent else None
        self.place(item, folder)
        if left is not None:
            self.mark(left)
        self.touch(item)

    def place(self, item: Item, parent: str | None, name: str | None = None) -> None:
        """Put the item into a folder under a name, out of where it is. NameTaken when another one has it there."""
        name = item.name if name is None else name
        if parent is not None and self.children.get(parent, {}).get(name.lower(), item.id) != item.id:
            raise NameTaken(name)
        self._take_out(item)
        item.parent, item.name = parent, name
        if parent is not None:
            self.children.setdefault(parent, {})[name.lower()] = item.id

    def _take_out(self, item: Item) -> None:
        if item.parent is not None and self.children.get(item.parent, {}).get(item.name.lower()) == item.id:
            del self.children[item.parent][item.name.lower()]

    def below(self, folder: str) -> list[Item]:
        """What is directly in a folder."""
        return [self.items[key] for key in self.children.get(folder, {}).values()]

    def subtree(self, item: Item) -> Iterator[Item]:
        """The item and everything below, parents first."""
        yield item
        for child in self.below(item.id):
            yield from self.subtree(child)

    def ancestors(self, item: Item) -> list[Item]:
        """Folders above the item, nearest first, the root last."""
        found = []
        while item.parent is not None:
            item = self.items[item.parent]
            found.append(item)
        return found

    def remove(self, item: Item) -> None:
        """Delete with everything below: one tombstone each (§7)."""
        for each in reversed(list(self.subtree(item))):
            self.mark(each, "deleted")
            self.tombs[each.id] = each
            del self.items[each.id]
            self.children.pop(each.id, None)
        self._take_out(item)

    def total(self, item: Item) -> int:
        """Size as the API shows it: recursive for containers."""
        return sum(each.size for each in self.subtree(item)) if item.kind in CONTAINERS else item.size

    def path(self, item: Item) -> str:
        """The `parentReference.path` of an item: where its folder is."""
        names = [folder.name for folder in reversed(self.ancestors(item)) if folder.kind != ROOT]
        return f"/drives/{self.id}/root:" + "".join(f"/{name}" for name in names)

    def position(self, moment: float) -> int:
        """The number of the last change before `moment`."""
        index = bisect_left(self.history, (moment, 0))
        return self.history[index - 1][1] if index else 0


@dataclass(eq=False)
class Site:
    """A SharePoint site with its libraries. `locked`: an administrator locked it; which outer code says so."""

    id: str
    name: str
    created: float
    drives: list[str] = field(default_factory=list)
    group: str | None = None  # id of the group that it belongs to
    locked: str | None = None  # notAllowed, accessDenied


class DriveStore:
    """Every drive and site of the organisation."""

    def __init__(self, world: "MicrosoftWorld") -> None:
        self._world = world
        self.drives: dict[str, Drive] = {}
        self.sites: dict[str, Site] = {}
        self.key = world.rng.randbytes(16)  # signs download URLs
        self.ranges = True  # knob: False answers a Range with everything (§7)

    def open_user(self, user: "User") -> Drive:
        """A OneDrive for a user."""
        return self._open("OneDrive", "business", user, None, user.id)

    def recreate(self, user: "User") -> Drive:
        """The user's drive is made anew, empty, under another id (§7). Returns the old one."""
        old: Drive = user.drive
        del self.drives[old.id]
        user.drive = self.open_user(user)
        return old

    def open_site(self, name: str, by: "User", group: str | None = None) -> Site:
        """A site with one library; with `group` the site of that group."""
        world = self._world
        key = f"contoso.sharepoint.com,{world.guid()},{world.guid()}"
        site = self.sites[key] = Site(key, name, world.now(), group=group)
        self.open_library(site, "Documents", by)
        return site

    def open_library(self, site: Site, name: str, by: "User") -> Drive:
        """A document library of a site."""
        drive = self._open(name, "documentLibrary", None, site.id, by.id)
        site.drives.append(drive.id)
        return drive

    def _open(self, name: str, kind: str, user: "User | None", site: str | None, by: str) -> Drive:
        world = self._world
        key = "b!" + base64.urlsafe_b64encode(world.rng.randbytes(48)).decode()
        drive = self.drives[key] = Drive(world, key, name, kind, user, site, world.now())
        drive.root = self.add(drive, "root", ROOT, None, by).id
        return drive

    def add(
        self, drive: Drive, name: str, kind: str, parent: str | None, by: str,
        *, content: bytes = b"", mime: str = "", **values: Any,
    ) -> Item:  # fmt: skip
        """A new item; `values` are further fields of Item. NameTaken when the folder has one of that name."""
        world = self._world
        key, now = "01" + "".join(world.rng.choices(BASE32, k=32)), world.now()
        item = Item(key, world.guid(), name, kind, None, now, now, by, mime, content, **values)
        drive.place(item, parent)
        drive.items[key] = item
        drive.mark(item, "created")
        return item


def open_sites(world: "MicrosoftWorld") -> DriveStore:
    """A store without sites."""
    return DriveStore(world)


def open_drive(world: "MicrosoftWorld", user: "User") -> Drive:
    """The drive of a new user."""
    store: DriveStore = world.sites
    return store.open_user(user)
