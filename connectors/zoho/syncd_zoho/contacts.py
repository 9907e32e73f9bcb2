"""Contacts: the owner's address book, read as a whole (§6.1).

Public: Contacts.
"""

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime

import msgspec

from syncd.sdk import (
    SWEEP,
    Context,
    Item,
    Page,
    ProtocolError,
    Record,
    Reject,
    Scan,
    Stream,
    StreamInfo,
)

from .api import Api, Params
from .cursors import VERSION, read_cursor
from .slices import Sliced
from .wire import millis

__all__ = ["Contacts"]

WHAT = "contacts"
PAGE_SIZE = 100  # §6.1: the most is unpublished; this is what is used in the field
TOGETHER = 1_000  # records
INCLUDE = "emails,phones,ims,urls,address"  # §10.30: sub-lists come on request only
LATEST = 32_503_680_000_000  # ms: the year 3000


class Email(msgspec.Struct):
    email_id: str | None = None
    is_primary: bool | str | None = None


class Phone(msgspec.Struct):
    number: str | None = None


class Person(msgspec.Struct):
    """What is looked at; all else stays bytes. Name keys are left out when empty (§6.1)."""

    contact_id: str
    first_name: str | None = None
    middle_name: str | None = None
    last_name: str | None = None
    nick_name: str | None = None
    company: str | None = None
    emails: list[Email] | None = None
    phones: list[Phone] | None = None
    created_time: int | str | None = None
    updated_time: int | str | None = None


class Listing(msgspec.Struct):
    """A page. `has_more` alone tells whether it is the last (§6.1)."""

    contacts: list[msgspec.Raw]
    status_code: int | str = 200
    has_more: bool | None = None


class Summary(msgspec.Struct):
    """The common fields of a contact."""

    name: str | None
    emails: list[str]
    phones: list[str]
    organization: str | None


PAGES = Sliced(Listing, "contacts", Person, "contact_id")
encode = msgspec.json.Encoder().encode


class Contacts(Stream):
    """The owner's contacts, one partition, read as a whole each time: what is not listed any more is gone.

    The sync endpoint (§6.3) is not used: which `status` means "deleted" is not confirmed, and what it leaves out is not
    told. Pages count by position, so that a contact that goes during the walk makes another one slip through: two
    listings must miss a record before it counts as gone.
    """

    info = StreamInfo(
        "contacts",
        "Contacts",
        scans={Scan.FULL},
        deletes=SWEEP,
        stable_listing=False,
        options_schema={"type": "object", "additionalProperties": False, "properties": {}},
    )

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        api, previous = Api(ctx, "contacts", WHAT), set[str]()
        page = int(read_cursor(ctx.cursor).get("page", 1))
        kept: list[Item] = []
        while True:
            params: Params = {"page": page, "per_page": PAGE_SIZE, "include": INCLUDE}
            response = await api.get("/api/v1/accounts/self/contacts", WHAT, params)
            head, people = PAGES.read(response.content, WHAT)
            if str(head.status_code) != "200":
                raise ProtocolError(f"contacts: the answer says status_code {head.status_code}")
            items = _items(people, previous)
            kept += items
            if not (head.contacts if head.has_more is None else head.has_more):  # never by a short page (§6.1)
                yield Page(kept, last=True)
                return
            if not items:
                raise ProtocolError("contacts: a page has nothing new and says that more follow; they would never end")
            previous = {item.source_id for item in items if item.source_id is not None}
            page += 1
            if len(items) < PAGE_SIZE or len(kept) >= TOGETHER:  # full pages are many: a few are handed on together
                yield Page(kept, resume={"v": VERSION, "page": page})
                kept = []


def _items(people: Iterable[tuple[Person, bytes] | Reject], previous: set[str]) -> list[Item]:
    """The items of a page, less those that the page before had: a contact that is new shifts all that follow."""
    items: list[Item] = []
    add = items.append
    for entry in people:
        if type(entry) is not tuple:
            add(entry)  # type: ignore[arg-type]
            continue
        person, data = entry
        source_id = person.contact_id
        if not source_id:
            add(Reject("a contact without an id", None, data))
        elif source_id not in previous:
            add(Record(source_id, data, summary=encode(_summary(person)), modified_at=_modified(person)))
    return items


def _summary(person: Person) -> Summary:
    first, last = person.first_name, person.last_name
    if first and last and not person.middle_name:
        name: str | None = f"{first} {last}"
    else:
        name = " ".join(part for part in (first, person.middle_name, last) if part) or person.nick_name
    emails, phones = person.emails, person.phones
    return Summary(
        name or None,
        [one.email_id for one in emails if one.email_id] if emails else [],
        [one.number for one in phones if one.number] if phones else [],
        person.company or None,
    )


def _modified(person: Person) -> datetime | None:
    """`updated_time` is -1 until the first edit (§10.29)."""
    at = person.updated_time
    if type(at) is not int or at <= 0:
        at = person.created_time
    if type(at) is int and 0 < at < LATEST:
        return datetime.fromtimestamp(at / 1000, UTC)
    return millis(at)
