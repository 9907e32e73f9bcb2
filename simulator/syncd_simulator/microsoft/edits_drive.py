"""What people do to their files while a mirror looks on.

Public: DriveEdits, DRIVE_EDITS. A part of the Editor, which runs every method under the world's lock: each picks by
itself what it is not given, and returns what it touched (None when there was nothing to do).
"""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from syncd_simulator.google import words
from syncd_simulator.microsoft.drive_store import FILE, FOLDER, PACKAGE, ROOT, SHORTCUT, Drive, DriveStore, Item, Site

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld, User

DRIVE_EDITS = (
    "add_file", "add_folder", "add_package", "edit_file", "rename_file", "move_file", "delete_file", "rename_folder",
    "add_shortcut",
)  # fmt: skip
ONENOTE = "application/msonenote"


class DriveEdits:
    """Mixin of Editor; `DRIVE_EDITS` are the names that random edits draw from."""

    DRIVE_EDITS = DRIVE_EDITS
    world: "MicrosoftWorld"
    rng: random.Random
    person: Callable[[], "User"]
    pick: Callable[[Any], Any]
    number: Callable[[], int]

    # -- adding -----------------------------------------------------------------------------------------------------

    def add_file(
        self, user: "User | None" = None, parent: Item | None = None, name: str | None = None,
        content: bytes | None = None, drive: Drive | None = None, **values: Any,
    ) -> Item:  # fmt: skip
        """A file; `values` are fields of Item: mime, hashes, malware, unavailable, …"""
        user = user or self.person()
        drive = drive or self._drive_of(user)
        extension, mime = self.rng.choice(words.BLOBS)
        values = {"mime": mime, "hashes": self.rng.choice(("quick", "quick", "quick", "none"))} | values
        parent = parent or self._some_folder(drive)
        name = name or f"{self._item_name()}.{extension}"
        content = self._item_bytes() if content is None else content
        return self._drive_store.add(drive, name, FILE, parent.id, user.id, content=content, **values)

    def add_folder(
        self, user: "User | None" = None, parent: Item | None = None, name: str | None = None,
        drive: Drive | None = None,
    ) -> Item:  # fmt: skip
        """A folder."""
        user = user or self.person()
        drive = drive or self._drive_of(user)
        parent = parent or self._some_folder(drive)
        return self._drive_store.add(drive, name or self._item_name(), FOLDER, parent.id, user.id)

    def add_package(self, user: "User | None" = None, name: str | None = None, kind: str = "oneNote") -> Item:
        """A notebook with its parts, one of which never gives its content (§7)."""
        user = user or self.person()
        drive, store = self._drive_of(user), self._drive_store
        parent = self._some_folder(drive).id
        book = store.add(drive, name or self._item_name(), PACKAGE, parent, user.id, package=kind)
        store.add(drive, "OneNote_RecycleBin", FOLDER, book.id, user.id)
        for part, broken in (("Open Notebook.onetoc2", False), ("Section.one", True)):
            store.add(
                drive, part, FILE, book.id, user.id,
                content=self._item_bytes(), mime=ONENOTE, hashes="none", unavailable=broken,
            )  # fmt: skip
        return book

    def add_shortcut(self, user: "User | None" = None, target: tuple[Drive, Item] | None = None) -> Item | None:
        """A shortcut to a folder or file in somebody else's drive."""
        user = user or self.person()
        if target is None:
            others = [each for each in self._drive_store.drives.values() if each.user is not user]
            theirs = self.pick(others)
            item = self.pick(i for i in theirs.items.values() if i.kind in (FILE, FOLDER)) if theirs else None
            if item is None:
                return None
            target = theirs, item
        drive = self._drive_of(user)
        name = f"{target[1].name} {self.rng.randrange(10**6)} {self.number()}"
        return self._drive_store.add(drive, name, SHORTCUT, drive.root, user.id, target=(target[0].id, target[1].id))

    # -- changing ---------------------------------------------------------------------------------------------------

    def edit_file(
        self, user: "User | None" = None, item: Item | None = None, content: bytes | None = None
    ) -> Item | None:
        """New content."""
        found = self._some_item(user, item, FILE)
        if found is None:
            return None
        drive, item = found
        item.write(self._item_bytes() if content is None else content)
        drive.touch(item)
        return item

    def rename_file(self, user: "User | None" = None, item: Item | None = None, name: str | None = None) -> Item | None:
        """Another name for a file, package or shortcut."""
        return self._rename_item(user, item, name, FILE, PACKAGE, SHORTCUT)

    def rename_folder(
        self, user: "User | None" = None, item: Item | None = None, name: str | None = None
    ) -> Item | None:
        """Another name for a folder: what is below does not change (§7)."""
        return self._rename_item(user, item, name, FOLDER)

    def _rename_item(self, user: "User | None", item: Item | None, name: str | None, *kinds: str) -> Item | None:
        found = self._some_item(user, item, *kinds)
        if found is None:
            return None
        drive, item = found
        drive.place(item, item.parent, name or f"{self._item_name()} {item.name[-8:]}")
        drive.touch(item)
        return item

    def move_file(
        self, user: "User | None" = None, item: Item | None = None, parent: Item | None = None
    ) -> Item | None:
        """A file, folder or package goes into another folder of its drive."""
        found = self._some_item(user, item, FILE, FOLDER, PACKAGE)
        if found is None:
            return None
        drive, item = found
        below = {each.id for each in drive.subtree(item)}
        target = parent or self.pick(f for f in self._folders_of(drive) if f.id not in below and f.id != item.parent)
        if target is None:
            return None
        drive.move(item, target.id)
        return item

    def delete_file(self, user: "User | None" = None, item: Item | None = None) -> Item | None:
        """Anything but the root goes, with everything below."""
        found = self._some_item(user, item, FILE, FOLDER, PACKAGE, SHORTCUT)
        if found is not None:
            found[0].remove(found[1])
        return found[1] if found else None

    def replace_file(self, user: "User | None" = None, item: Item | None = None) -> Item | None:
        """Deleted and uploaded anew: the same name under another id (§7). Returns the new one."""
        found = self._some_item(user, item, FILE)
        if found is None:
            return None
        drive, item = found
        drive.remove(item)
        return self._drive_store.add(
            drive, item.name, FILE, item.parent, item.by, content=self._item_bytes(), mime=item.mime
        )

    def share_file(self, user: "User | None" = None, item: Item | None = None) -> Item | None:
        """Sharing changes surface items with nothing else changed (§7)."""
        found = self._some_item(user, item, FILE, FOLDER)
        if found is not None:
            found[0].mark(found[1])
        return found[1] if found else None

    # -- drives and sites -------------------------------------------------------------------------------------------

    def recreate_drive(self, user: "User | None" = None) -> Drive:
        """The user's drive is made anew: empty, with another id. Returns the old one."""
        return self._drive_store.recreate(user or self.person())

    def add_site(self, name: str | None = None, user: "User | None" = None, group: str | None = None) -> Site:
        """A SharePoint site with one library and a few files; with `group` the site of that group."""
        user = user or self.person()
        site = self._drive_store.open_site(name or self._item_name(), user, group)
        drive = self._drive_store.drives[site.drives[0]]
        for _ in range(3):
            self.add_file(user, drive=drive)
        return site

    # -- choosing ---------------------------------------------------------------------------------------------------

    @property
    def _drive_store(self) -> DriveStore:
        store: DriveStore = self.world.sites
        return store

    def _drive_of(self, user: "User") -> Drive:
        drive: Drive = user.drive
        return drive

    def _folders_of(self, drive: Drive) -> list[Item]:
        """Folders that people put things into: not those of a notebook."""
        return [
            item for item in drive.items.values()
            if item.kind in (ROOT, FOLDER) and not any(above.kind == PACKAGE for above in drive.ancestors(item))
        ]  # fmt: skip

    def _some_folder(self, drive: Drive) -> Item:
        return self.rng.choice(self._folders_of(drive))

    def _some_item(self, user: "User | None", item: Item | None, *kinds: str) -> tuple[Drive, Item] | None:
        if item is not None:
            drive = next(drive for drive in self._drive_store.drives.values() if item.id in drive.items)
            return drive, item
        drive = self._drive_of(user or self.person())
        found = self.pick(item for item in drive.items.values() if item.kind in kinds)
        return (drive, found) if found else None

    def _item_name(self) -> str:
        return f"{self.rng.choice(words.TOPICS).capitalize()} {self.rng.randrange(10**6)} {self.number()}"

    def _item_bytes(self) -> bytes:
        return self.rng.randbytes(self.rng.randint(0, 6000))
