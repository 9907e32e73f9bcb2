"""Mail as state: mailboxes with folders and messages, each message its raw bytes and a parsed head (zoho.md §4).

Public: Folder, Mail, Mailbox, MailStore, boxes.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses, parseaddr, parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncd_simulator.zoho.world import User, ZohoWorld

__all__ = ["Folder", "Mail", "MailStore", "Mailbox", "boxes"]

SYSTEM = ("Inbox", "Drafts", "Templates", "Snoozed", "Sent", "Spam", "Trash", "Outbox")


@dataclass(slots=True)
class Folder:
    """`kind` is `folderType`: identifies a system folder only together with a top-level `path`."""

    id: str
    name: str
    path: str
    kind: str
    previous: str
    system: bool = False


@dataclass(slots=True)
class Mail:
    """One message; `received` and `sent` in milliseconds. `to` and `cc` as (name, address) pairs."""

    id: str
    folder: str
    raw: bytes
    received: int
    sent: int
    subject: str
    sender: tuple[str, str]
    to: list[tuple[str, str]]
    cc: list[tuple[str, str]]
    attached: bool
    inline: bool
    read: bool = False
    flag: int = 0
    thread: str = ""
    labels: list[str] = field(default_factory=list)
    serial: int = 0
    summary: str | None = None  # what listings show, kept once it was asked for

    @property
    def text(self) -> str:
        """The message as Zoho gives it: one JSON string; raw 8-bit bodies are decoded on the way (§4.6)."""
        return self.raw.decode("utf-8", "replace")

    def parts(self) -> list[Message]:
        """The leaves of the message."""
        return [part for part in message_from_bytes(self.raw).walk() if not part.is_multipart()]


class Mailbox:
    """One account's mail. Lists are kept in order per folder and sorted anew only after a change."""

    def __init__(self, world: "ZohoWorld", user: "User") -> None:
        self._world = world
        self.user = user
        self.folders: dict[str, Folder] = {}
        self.mails: dict[str, Mail] = {}
        self._sorted: dict[str, list[Mail]] = {}
        self._count = itertools.count(1)
        for name in SYSTEM:
            self._open(name, f"/{name}", name, system=True)

    def _open(self, name: str, path: str, kind: str, *, system: bool = False) -> Folder:
        previous = next(reversed(self.folders), "0")
        folder = Folder(self._world.new_id(), name, path, kind, previous, system)
        self.folders[folder.id] = folder
        return folder

    def add_folder(self, name: str, parent: Folder | None = None) -> Folder:
        """A folder of the user's own; it reports its parent's type (§4.3)."""
        return self._open(name, f"{parent.path if parent else ''}/{name}", parent.kind if parent else "Inbox")

    def system(self, kind: str) -> Folder:
        """The system folder of that type."""
        return next(folder for folder in self.folders.values() if folder.system and folder.kind == kind)

    def add(self, raw: bytes, folder: Folder, received: int, *, read: bool = False, thread: str = "") -> Mail:
        """A message arrives in a folder."""
        head = _head(raw)
        serial = next(self._count)
        mail = Mail(
            self._new_id(received, serial), folder.id, raw, received, _sent(head, received), _plain(head["Subject"]),
            _address(head["From"]), _addresses(head.get_all("To", [])), _addresses(head.get_all("Cc", [])),
            b"attachment" in raw and _has(raw, "attachment"), b"inline" in raw and _has(raw, "inline"),
            read=read, thread=thread, serial=serial,
        )  # fmt: skip
        self.mails[mail.id] = mail
        self._sorted.clear()
        return mail

    def _new_id(self, received: int, serial: int) -> str:
        """19 digits that begin with the time, odd, unique here."""
        low = received * 10**6 + (100_001 + 2 * serial) % 10**6
        if received < 10**12:
            low += 10**18  # §9.9: enough digits for old mail too
        while str(low) in self.mails:
            low += 2
        return str(low)

    def move(self, mail: Mail, folder: Folder) -> None:
        """The id stays (§4.6)."""
        mail.folder = folder.id
        self._sorted.clear()

    def purge(self, mail: Mail) -> None:
        """For good."""
        del self.mails[mail.id]
        self._sorted.clear()

    def remove_folder(self, folder: Folder) -> None:
        """The folder goes; its messages go to the trash."""
        trash = self.system("Trash").id
        for mail in self.mails.values():
            if mail.folder == folder.id:
                mail.folder = trash
        del self.folders[folder.id]
        self._sorted.clear()

    def newest_first(self, folder_ids: Iterable[str]) -> list[Mail]:
        """The messages of these folders by `receivedTime`, the newest first."""
        wanted = sorted(set(folder_ids))
        key = ",".join(wanted)
        found = self._sorted.get(key)
        if found is None:
            found = [mail for mail in self.mails.values() if mail.folder in wanted]
            found.sort(key=lambda mail: (mail.received, mail.serial), reverse=True)
            self._sorted[key] = found
        return found


class MailStore:
    """All mailboxes; `external` are accounts of other providers that a user added (§4.2)."""

    def __init__(self, world: "ZohoWorld") -> None:
        self._world = world
        self._boxes: dict[str, Mailbox] = {}
        self.external: dict[str, list[str]] = {}

    def of(self, user: "User") -> Mailbox:
        """The user's mailbox."""
        if user.id not in self._boxes:
            self._boxes[user.id] = Mailbox(self._world, user)
        return self._boxes[user.id]

    def add_external(self, user: "User") -> str:
        """An IMAP account that also appears in `GET /accounts`; returns its account id."""
        account = self._world.new_id()
        self.external.setdefault(user.id, []).append(account)
        return account


def boxes(world: "ZohoWorld") -> MailStore:
    """The mail of a world."""
    return world.part("mail", MailStore)


# -- reading a message's head ---------------------------------------------------------------------------------------


def _head(raw: bytes) -> Message:
    return message_from_bytes(raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")


def _plain(value: str | None) -> str:
    text = value or ""
    return str(make_header(decode_header(text))) if "=?" in text else text


def _sent(head: Message, received: int) -> int:
    try:
        return int(parsedate_to_datetime(head["Date"]).timestamp() * 1000)
    except (TypeError, ValueError):
        return received


def _address(value: str | None) -> tuple[str, str]:
    name, address = parseaddr(value or "")
    return _plain(name), address


def _addresses(values: list[str]) -> list[tuple[str, str]]:
    return [(_plain(name), address) for name, address in getaddresses(values)]


def _has(raw: bytes, disposition: str) -> bool:
    return any(part.get_content_disposition() == disposition for part in message_from_bytes(raw).walk())
