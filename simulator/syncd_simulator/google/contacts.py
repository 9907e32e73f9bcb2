"""State of one address book: persons as ready-made JSON, with a change log (google.md §4).

A person is kept as bytes: a book of 100,000 stays small, and a page whose mask covers all fields is a memory copy.
"""

import base64
from dataclasses import dataclass, field
from typing import Any

import orjson

from syncd_simulator.clock import rfc3339
from syncd_simulator.google.changelog import ChangeLog
from syncd_simulator.google.wire import JSON

ALWAYS = ("resourceName", "etag")
WRITABLE = frozenset(
    [
        "addresses",
        "biographies",
        "birthdays",
        "calendarUrls",
        "clientData",
        "emailAddresses",
        "events",
        "externalIds",
        "genders",
        "imClients",
        "interests",
        "locales",
        "locations",
        "memberships",
        "miscKeywords",
        "names",
        "nicknames",
        "occupations",
        "organizations",
        "phoneNumbers",
        "relations",
        "sipAddresses",
        "urls",
        "userDefined",
    ]
)
PERSON_FIELDS = WRITABLE | {"ageRanges", "coverPhotos", "metadata", "photos", "skills"}
SINGLETONS = ("biographies", "birthdays", "genders", "names")


@dataclass(slots=True)
class Contact:
    """One person of a book. `blob` is the full person without `previousResourceNames`."""

    name: str
    version: int
    blob: bytes
    fields: frozenset[str]
    deleted: bool = False
    previous: list[str] = field(default_factory=list)

    def person(self) -> JSON:
        """The person as a fresh JSON object."""
        value: JSON = orjson.loads(self.blob)
        return value


class ContactBook:
    """Persons by resource name (`people/c…`, `otherContacts/c…`), one source type per book."""

    def __init__(self, source_type: str = "CONTACT") -> None:
        self.source_type = source_type
        self.contacts: dict[str, Contact] = {}
        self.log = ChangeLog()
        self.live = 0

    def put(self, name: str, values: JSON, now: float) -> Contact:
        """Create or replace the person `name` with these field values (no resourceName, etag or metadata)."""
        old = self.contacts.get(name)
        version = old.version + 1 if old else 1
        if old is None or old.deleted:
            self.live += 1
        person = self._dress(name, version, values, now)
        contact = Contact(name, version, packed(person), field_set(person))
        if old is not None:
            contact.previous = old.previous
        self.contacts[name] = contact
        self.log.touch(name, now)
        return contact

    def delete(self, name: str, now: float) -> None:
        """Leave a tombstone, which still tells former names: a window may hold both the rename and the end."""
        contact = self.contacts[name]
        source = self.source(name, contact.version + 1, now)
        person = {
            "resourceName": name,
            "etag": etag_of(name, contact.version + 1),
            "metadata": {"sources": [source], "deleted": True, "objectType": "PERSON"},
        }
        self.contacts[name] = Contact(
            name, contact.version + 1, packed(person), field_set(person), deleted=True, previous=contact.previous
        )
        self.live -= 1
        self.log.touch(name, now)

    def rename(self, old: str, new: str, now: float) -> Contact:
        """§4.3.6: the person goes on under another resource name; the old one leaves no tombstone."""
        gone = self.contacts.pop(old)
        self.log.forget(old)
        self.live -= 1
        values = {key: value for key, value in gone.person().items() if key in PERSON_FIELDS - {"metadata"}}
        contact = self.put(new, values, now)
        contact.previous = [*gone.previous, old]
        return contact

    def alive(self) -> dict[str, Contact]:
        """Persons that exist now."""
        return {name: contact for name, contact in self.contacts.items() if not contact.deleted}

    def source(self, name: str, version: int, now: float) -> JSON:
        """The entry of `metadata.sources` with the etag that updates must carry."""
        return {
            "type": self.source_type,
            "id": source_id(name),
            "etag": "#" + base64.b64encode(f"{source_id(name)}.{version}".encode()).decode(),
            "updateTime": rfc3339(now),
        }

    def _dress(self, name: str, version: int, values: JSON, now: float) -> JSON:
        """Add what the server owns: etags, sources, field metadata, display names."""
        source = {"type": self.source_type, "id": source_id(name)}
        person: JSON = {
            "resourceName": name,
            "etag": etag_of(name, version),
            "metadata": {"sources": [self.source(name, version, now)], "objectType": "PERSON"},
        }
        for key, items in values.items():
            if items:
                person[key] = [_with_metadata(key, item, first, source) for first, item in _flag_first(items)]
        return person


def _flag_first(items: list[JSON]) -> list[tuple[bool, JSON]]:
    return [(index == 0, item) for index, item in enumerate(items)]


def _with_metadata(key: str, item: JSON, first: bool, source: JSON) -> JSON:
    metadata: JSON = {"primary": True, "source": source} if first else {"source": source}
    result: dict[str, Any] = {"metadata": metadata, **{k: v for k, v in item.items() if k != "metadata"}}
    if key == "names":
        parts = [item.get("givenName"), item.get("familyName")]
        shown = " ".join(part for part in parts if part) or item.get("unstructuredName", "")
        result["displayName"] = shown
        result["displayNameLastFirst"] = ", ".join(part for part in reversed(parts) if part) or shown
        result.setdefault("unstructuredName", shown)
    return result


def source_id(name: str) -> str:
    """The contact source's id of a resource name: the number in hex."""
    digits = name.rpartition("/")[2].lstrip("c")
    return format(int(digits), "x") if digits.isdigit() else digits


def packed(person: JSON) -> bytes:
    """The person as bytes in a buffer of exactly their size (the serialiser's own are twice as large)."""
    return bytes(memoryview(orjson.dumps(person)))


_SETS: dict[frozenset[str], frozenset[str]] = {}


def field_set(person: JSON) -> frozenset[str]:
    """The person's field names; equal sets are one object, since a hundred thousand persons have a few kinds."""
    names = frozenset(person)
    return _SETS.setdefault(names, names)


def etag_of(name: str, version: int) -> str:
    """A person etag in the manner of `%EgUBAj0…`."""
    return "%Eg" + base64.b64encode(f"{source_id(name)}/{version}".encode()).decode()
