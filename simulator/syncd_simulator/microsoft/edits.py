"""The edit driver: what people do to their data while a mirror looks on. Seeded, one edit at a time.

Public: Editor. Every method changes the world under its lock and returns what it touched; with nothing given it picks
by itself, and gives None when it found nothing to do.
"""

import functools
import inspect
import random
from collections.abc import Callable
from typing import Any, TypeVar

from syncd_simulator.google import words
from syncd_simulator.microsoft import contacts
from syncd_simulator.microsoft.edits_calendar import CalendarEdits
from syncd_simulator.microsoft.edits_drive import DriveEdits
from syncd_simulator.microsoft.edits_mail import MailEdits, ascii_name
from syncd_simulator.microsoft.mailbox import Contact, Folder
from syncd_simulator.microsoft.wire import JSON
from syncd_simulator.microsoft.world import MicrosoftWorld, User

__all__ = ["Editor"]

Class = TypeVar("Class", bound=type)
CONTACT_EDITS = ("add_contact", "edit_contact", "delete_contact", "move_contact", "add_contact_folder")
DIRECTORY_EDITS = ("add_user", "rename_user", "suspend_user", "delete_user", "restore_user")


def locked(cls: Class) -> Class:
    """Run every public method under the world's lock, so that requests never see half an edit."""
    for name, function in inspect.getmembers(cls, inspect.isfunction):
        if not name.startswith("_"):
            setattr(cls, name, _under_lock(function))
    return cls


def _under_lock(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(self: "Editor", *args: Any, **kwargs: Any) -> Any:
        with self.world.lock:
            return function(self, *args, **kwargs)

    return wrapper


class Base:
    """Choosing, for all kinds of edits."""

    world: MicrosoftWorld
    rng: random.Random
    _made: int

    def person(self) -> User:
        """Somebody who has a mailbox and a drive and works here."""
        return self.rng.choice([
            user for user in self.world.users.values()
            if not (user.suspended or user.guest or user.mailbox_trouble or user.drive_trouble)
        ])  # fmt: skip

    def pick(self, items: Any) -> Any:
        """One of `items` (a mapping gives a key), None when there are none."""
        items = list(items)
        return self.rng.choice(items) if items else None

    def number(self) -> int:
        """Counts up: makes names unique."""
        self._made += 1
        return self._made

    def topic(self) -> str:
        """Words for a title."""
        return f"{self.rng.choice(words.TOPICS).capitalize()} {self.number()}"


class ContactEdits(Base):
    """Address books."""

    def contact_values(self) -> JSON:
        """Fields of an invented person."""
        rng = self.rng
        given, family, company = rng.choice(words.GIVEN), rng.choice(words.FAMILY), rng.choice(words.COMPANIES)
        address = f"{ascii_name(given)}.{ascii_name(family)}@{ascii_name(company)}.example"
        values: JSON = {
            "givenName": given, "surname": family,
            "emailAddresses": [{"name": f"{given} {family}", "address": address}],
        }  # fmt: skip
        if rng.random() < 0.6:
            values["mobilePhone"] = f"+34 6{rng.randrange(10**8):08d}"
        if rng.random() < 0.5:
            values |= {"companyName": company, "jobTitle": rng.choice(words.TITLES)}
        if rng.random() < 0.2:
            values["birthday"] = (
                f"{rng.choice((1971, 1984, 1990))}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}T11:59:00Z"
            )
        if rng.random() < 0.15:
            values["personalNotes"] = rng.choice(words.SENTENCES)
        return values

    def add_contact(self, user: User | None = None, folder: Folder | None = None, **values: Any) -> Contact:
        """A new contact, in any folder unless one is given."""
        user = user or self.person()
        folder = folder or self.pick(user.mailbox.contact_folders.values())
        return contacts.new_contact(self.world, user, folder, values or self.contact_values())

    def edit_contact(self, user: User | None = None, contact: Contact | None = None, **values: Any) -> Contact | None:
        """Some fields change (by default the phone number)."""
        user, contact = self._contact(user, contact)
        if contact is None:
            return None
        fresh = values or {"businessPhones": [f"+34 9{self.rng.randrange(10**8):08d}"]}
        return contacts.update(self.world, user, contact, fresh)

    def delete_contact(self, user: User | None = None, contact: Contact | None = None) -> Contact | None:
        """A contact goes."""
        user, contact = self._contact(user, contact)
        if contact is not None:
            user.mailbox.take(contact)
            self.world.touch(user, "contacts", contact.key, "deleted")
        return contact

    def move_contact(
        self, user: User | None = None, contact: Contact | None = None, folder: Folder | None = None
    ) -> Contact | None:
        """Into another folder: the immutable id stays."""
        user, contact = self._contact(user, contact)
        if contact is None:
            return None
        found = contact
        target = folder or self.pick(f for f in user.mailbox.contact_folders.values() if f.id != found.folder)
        if target is None:
            return None
        user.mailbox.move(self.world, contact, target, self.world.touch(user, "contacts", contact.key))
        return contact

    def add_contact_folder(
        self, user: User | None = None, name: str | None = None, parent: Folder | None = None
    ) -> Folder:
        """A folder below the root, or below another one."""
        user = user or self.person()
        box = user.mailbox
        above = parent.id if parent else self.rng.choice([box.root, *box.contact_folders])
        number = self.world.touch(user, "contacts", box.root, "created")
        return box.add_contact_folder(self.world, name or self.topic(), above, number)

    def delete_contact_folder(self, user: User | None = None, folder: Folder | None = None) -> Folder | None:
        """A folder goes with everything in it."""
        user = user or self.person()
        box = user.mailbox
        folder = folder or self.pick(f for f in box.contact_folders.values() if f.id != box.default_contacts)
        if folder is None:
            return None
        for below in box.children(box.contact_folders, folder.id):
            self.delete_contact_folder(user, below)
        for contact in list(folder.items.values()):
            self.delete_contact(user, contact)
        del box.contact_folders[folder.id]
        self.world.touch(user, "contacts", folder.id, "deleted")
        return folder

    def _contact(self, user: User | None, contact: Contact | None) -> tuple[User, Contact | None]:
        if user is None and contact is not None:
            user = next(u for u in self.world.users.values() if contact.key in u.mailbox.contacts)
        user = user or self.person()
        return user, contact or self.pick(user.mailbox.contacts.values())


class DirectoryEdits(Base):
    """People who come, go and change their names."""

    def add_user(self, user: Any = None) -> User:
        """Somebody new (`user` is not used)."""
        rng = self.rng
        given, family = rng.choice(words.GIVEN), rng.choice(words.FAMILY)
        address = f"{ascii_name(given)}.{ascii_name(family)}{self.number()}@{self.world.domain}"
        return self.world.add_user(given, family, address)

    def rename_user(self, user: User | None = None, address: str | None = None) -> User:
        """Another address."""
        user = user or self.person()
        self.world.rename_user(user, address or f"renamed{self.number()}.{user.address}")
        return user

    def suspend_user(self, user: User | None = None) -> User | None:
        """Sign-in blocked; administrators are spared when picked."""
        user = user or self._ordinary()
        if user is not None:
            self.world.suspend_user(user)
        return user

    def delete_user(self, user: User | None = None, *, purge: bool = False) -> User | None:
        """To the recycle bin."""
        user = user or self._ordinary()
        if user is not None:
            self.world.delete_user(user, purge=purge)
        return user

    def restore_user(self, user: User | None = None) -> User | None:
        """Back from the recycle bin; only somebody who is in it."""
        if user is None or user.id not in self.world.deleted_users:
            user = self.pick(self.world.deleted_users.values())
        if user is not None:
            self.world.restore_user(user)
        return user

    def _ordinary(self) -> User | None:
        found: User | None = self.pick(
            user for user in self.world.users.values()
            if not (user.is_admin or user.suspended or user.guest or user.mailbox_trouble or user.drive_trouble)
        )  # fmt: skip
        return found


@locked
class Editor(ContactEdits, MailEdits, CalendarEdits, DriveEdits, DirectoryEdits):
    """Edits of one world from one seed. `random_edit()` picks among all kinds but directory."""

    def __init__(self, world: MicrosoftWorld, seed: int = 0) -> None:
        self.world = world
        self.rng = random.Random(f"editor {seed}")
        self._made = 0

    def edits_of(self, kind: str) -> list[Callable[..., Any]]:
        """What random edits of a kind draw from."""
        names = {
            "contacts": CONTACT_EDITS, "mail": self.MAIL_EDITS, "calendar": self.CALENDAR_EDITS,
            "files": self.DRIVE_EDITS, "directory": DIRECTORY_EDITS,
        }[kind]  # fmt: skip
        return [getattr(self, name) for name in names]

    def random_edit(self, kind: str | None = None, user: User | None = None) -> str:
        """One edit by `user` (anybody without); returns its name. Without a `kind` any but directory."""
        kind = kind or self.rng.choice(("contacts", "calendar", "files", "mail"))
        edit = self.rng.choice(self.edits_of(kind))
        edit(user)
        return edit.__name__
