"""One mailbox: folders of contacts and of mail, and the items in them (microsoft.md §5, §8).

Public: Mailbox, Folder, Contact, Mail, ROOT, WELL_KNOWN.

Every item has two ids: `key`, the immutable one, and `plain`, which changes whenever the item moves (§17.8). Folders
have one. An item's `seq` is the number of its latest change.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from syncd_simulator.microsoft.wire import JSON

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld

__all__ = ["WELL_KNOWN", "Contact", "Folder", "Mail", "Mailbox"]

WELL_KNOWN = {  # §8: well-known name: display name, of folders below the root
    "inbox": "Inbox", "drafts": "Drafts", "sentitems": "Sent Items", "deleteditems": "Deleted Items",
    "junkemail": "Junk Email", "archive": "Archive", "outbox": "Outbox",
    "conversationhistory": "Conversation History",
}  # fmt: skip
HIDDEN = {"syncissues": "Sync Issues"}
OUTSIDE = {"recoverableitemsdeletions": "Deletions", "searchfolders": "Finder"}  # beside the root, not below it


@dataclass(slots=True, eq=False)
class Folder:
    """A mail or contact folder. `search`: a search folder, whose messages live elsewhere."""

    id: str
    name: str
    parent: str
    seq: int
    hidden: bool = False
    search: bool = False
    items: dict[str, Any] = field(default_factory=dict)  # key: item
    edition: int = 0  # counts up with every change of what is in it
    cached: tuple[int, Mapping[str, Any]] = (-1, {})

    def state(self) -> Mapping[str, Any]:
        """{key: (seq, plain id, when it came back)} of what is in it: one object as long as nothing changes."""
        if self.cached[0] != self.edition:
            self.cached = (self.edition, {key: item.version for key, item in self.items.items()})
        return self.cached[1]


@dataclass(slots=True, eq=False)
class Contact:
    """A contact; `fields` are the writable properties, `tags` its single-value extended properties."""

    key: str
    plain: str
    folder: str
    fields: JSON
    seq: int
    created: float
    modified: float
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def version(self) -> tuple[int, str, int]:
        """What delta rounds compare."""
        return (self.seq, self.plain, 0)


@dataclass(slots=True, eq=False)
class Mail:
    """A message. `seqs` has the latest change of single properties, `left` and `returned` the journey of §8."""

    key: str
    plain: str
    folder: str
    raw: bytes
    subject: str
    sender: tuple[str, str]  # name, address
    to: list[tuple[str, str]]
    received: float
    sent: float
    message_id: str
    conversation: str
    text: str
    seq: int
    created: float
    modified: float
    is_read: bool = False
    is_draft: bool = False
    flag: str = "notFlagged"
    importance: str = "normal"
    categories: list[str] = field(default_factory=list)
    has_attachments: bool = False
    meeting: bool = False
    seqs: dict[str, int] = field(default_factory=dict)
    left: tuple[str, int] = ("", 0)
    returned: int = 0

    @property
    def version(self) -> tuple[int, str, int]:
        """What delta rounds compare."""
        return (self.seq, self.plain, self.returned)


class Mailbox:
    """The folders and items of one user."""

    def __init__(self) -> None:
        self.mail_folders: dict[str, Folder] = {}
        self.contact_folders: dict[str, Folder] = {}
        self.well_known: dict[str, str] = {}
        self.mails: dict[str, Mail] = {}
        self.contacts: dict[str, Contact] = {}
        self.by_plain: dict[str, Contact | Mail] = {}
        self.gone: dict[str, str] = {}  # items that were here: key → the plain id that each had last
        self.root = ""
        self.default_contacts = ""
        self.edition = 0  # counts up with every change of any mail: what search folders go by

    def open(self, world: "MicrosoftWorld") -> None:
        """The folders that every mailbox has."""
        self.root = world.new_id()
        self.mail_folders[self.root] = Folder(self.root, "Top of Information Store", "", 0)
        self.well_known["msgfolderroot"] = self.root
        for name, title in (WELL_KNOWN | HIDDEN).items():
            self.well_known[name] = self.add_folder(world, title, self.root, 0, hidden=name in HIDDEN).id
        outside = world.new_id()
        for name, title in OUTSIDE.items():
            self.well_known[name] = self.add_folder(world, title, outside, 0, hidden=True).id
        folder = Folder(world.new_id(), "Contacts", self.root, 0)
        self.default_contacts = folder.id
        self.contact_folders[folder.id] = folder

    # -- folders --------------------------------------------------------------------------------------------------

    def add_folder(
        self, world: "MicrosoftWorld", name: str, parent: str, seq: int, *, hidden: bool = False, search: bool = False,
    ) -> Folder:  # fmt: skip
        """A mail folder."""
        folder = Folder(world.new_id(), name, parent, seq, hidden, search)
        self.mail_folders[folder.id] = folder
        return folder

    def add_contact_folder(self, world: "MicrosoftWorld", name: str, parent: str, seq: int) -> Folder:
        """A contact folder; `parent` is the root or another contact folder."""
        folder = Folder(world.new_id(), name, parent, seq)
        self.contact_folders[folder.id] = folder
        return folder

    def mail_folder(self, key: str) -> Folder | None:
        """By id or well-known name (in any letter case)."""
        return self.mail_folders.get(key) or self.mail_folders.get(self.well_known.get(key.lower(), ""))

    def contact_folder(self, key: str) -> Folder | None:
        """By id, or `contacts` for the default one."""
        return self.contact_folders.get(self.default_contacts if key.lower() == "contacts" else key)

    def tree(self, top: str) -> list[Folder]:
        """The mail folders below `top`, at any depth."""
        found = [folder for folder in self.mail_folders.values() if folder.parent == top]
        return found + [below for folder in found for below in self.tree(folder.id)]

    def ordinary(self, *, hidden: bool = False) -> list[Folder]:
        """Mail folders below the root that hold messages of their own."""
        return [folder for folder in self.tree(self.root) if not folder.search and (hidden or not folder.hidden)]

    def children(self, folders: dict[str, Folder], parent: str) -> list[Folder]:
        """The folders right below `parent`."""
        return [folder for folder in folders.values() if folder.parent == parent]

    # -- items ----------------------------------------------------------------------------------------------------

    def put(self, item: Contact | Mail) -> None:
        """A new item, or one that changed in its place."""
        self._store(item)[item.key] = item
        self.by_plain[item.plain] = item
        folder = self._folders(item)[item.folder]
        folder.items[item.key] = item
        folder.edition += 1
        self.edition += 1

    def take(self, item: Contact | Mail) -> None:
        """Gone for good."""
        del self._store(item)[item.key]
        self.by_plain.pop(item.plain, None)
        self.gone[item.key] = item.plain
        folder = self._folders(item).get(item.folder)
        if folder is not None:
            folder.items.pop(item.key, None)
            folder.edition += 1
        self.edition += 1

    def move(self, world: "MicrosoftWorld", item: Contact | Mail, folder: Folder, seq: int) -> None:
        """Into another folder: a new plain id, the same key (§8)."""
        source = self._folders(item)[item.folder]
        del source.items[item.key]
        source.edition += 1
        del self.by_plain[item.plain]
        if isinstance(item, Mail):
            item.returned = item.left[1] if item.left[0] == folder.id else 0
            item.left = (item.folder, seq)
        item.folder, item.plain, item.seq, item.modified = folder.id, world.new_id(), seq, world.now()
        self.put(item)

    def mail(self, key: str) -> Mail | None:
        """By id of either form."""
        found = self.mails.get(key) or self.by_plain.get(key)
        return found if isinstance(found, Mail) else None

    def contact(self, key: str) -> Contact | None:
        """By id of either form."""
        found = self.contacts.get(key) or self.by_plain.get(key)
        return found if isinstance(found, Contact) else None

    def _store(self, item: Contact | Mail) -> Any:
        return self.mails if isinstance(item, Mail) else self.contacts

    def _folders(self, item: Contact | Mail) -> dict[str, Folder]:
        return self.mail_folders if isinstance(item, Mail) else self.contact_folders
