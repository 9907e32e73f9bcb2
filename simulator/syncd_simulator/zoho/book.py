"""Address books as state (zoho.md §6), kept as bytes so that a hundred thousand contacts are cheap.

Public: Book, ContactStore, books.
"""

import bisect
from typing import TYPE_CHECKING

import orjson

from syncd_simulator.zoho.wire import JSON

if TYPE_CHECKING:
    from syncd_simulator.zoho.world import User, ZohoWorld

__all__ = ["Book", "ContactStore", "books"]


class Book:
    """One user's contacts in the order in which they were made; `deleted` has the time (ms) of each deletion."""

    def __init__(self) -> None:
        self._packed: dict[str, bytes] = {}
        self.updated: dict[str, int] = {}  # the greater of created_time and updated_time
        self.deleted: dict[str, int] = {}
        self._order: list[str] | None = None
        self._changes: dict[bool, list[tuple[int, str]]] = {}

    def __len__(self) -> int:
        return len(self._packed)

    def __contains__(self, key: str) -> bool:
        return key in self._packed

    def get(self, key: str) -> JSON:
        """The contact with all fields; KeyError when there is none."""
        found: JSON = orjson.loads(self._packed[key])
        return found

    def put(self, contact: JSON) -> None:
        """Store a contact under its `contact_id`."""
        key = contact["contact_id"]
        if key not in self._packed:
            self._order = None
        self._changes.clear()
        self._packed[key] = bytes(memoryview(orjson.dumps(contact)))  # a copy of its own size: orjson's has slack
        self.updated[key] = max(contact["created_time"], contact["updated_time"])

    def delete(self, key: str, now: int) -> None:
        """A contact goes."""
        del self._packed[key], self.updated[key]
        self.deleted[key] = now
        self._order = None
        self._changes.clear()

    def keys(self) -> list[str]:
        """All ids, the oldest first."""
        if self._order is None:
            self._order = list(self._packed)
        return self._order

    def changes(self, since: int, *, deleted: bool) -> list[str]:
        """The ids that changed at `since` or later, the oldest change first; with `deleted` those that went, too."""
        if deleted not in self._changes:
            moments = [*self.updated.items(), *(self.deleted.items() if deleted else ())]
            self._changes[deleted] = sorted((moment, key) for key, moment in moments)
        found = self._changes[deleted]
        return [key for _, key in found[bisect.bisect_left(found, (since, "")) :]]


class ContactStore:
    """All address books of a world."""

    def __init__(self, world: "ZohoWorld") -> None:
        self._world = world
        self._books: dict[str, Book] = {}

    def of(self, user: "User") -> Book:
        """The user's own book."""
        return self._books.setdefault(user.id, Book())

    def add(self, user: "User", values: JSON) -> JSON:
        """A new contact; `updated_time` is -1 until the first edit (§6.1)."""
        contact: JSON = {
            "contact_id": self._world.new_id(),
            **{name: value for name, value in values.items() if value not in ("", None)},
            "contact_type": "1",
            "zid": int(user.zuid) % 10**8,
            "contact_zuid": "-1",
            "photo_url": "https://contacts.zoho.example/file?t=user&fs=thumb",
            "is_writable": True,
            "status": -10,
            "created_time": self._world.millis(),
            "updated_time": -1,
        }
        self.of(user).put(contact)
        return contact

    def edit(self, user: "User", key: str, values: JSON) -> JSON:
        """Changed fields; a sub-list replaces the stored one, empty values take a field away (§6.2)."""
        book = self.of(user)
        contact = book.get(key) | values
        contact = {name: value for name, value in contact.items() if value not in ("", None)}
        contact["updated_time"] = max(self._world.millis(), contact["created_time"] + 1, contact["updated_time"] + 1)
        book.put(contact)
        return contact

    def delete(self, user: "User", key: str) -> None:
        """A contact goes."""
        self.of(user).delete(key, self._world.millis())


def books(world: "ZohoWorld") -> ContactStore:
    """The contacts of a world."""
    return world.part("contacts", ContactStore)
