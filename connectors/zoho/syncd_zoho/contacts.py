"""Contacts: the owner's address book, read as a whole (§6.1), or by the sync endpoint if that is chosen (§6.3).

Public: Contacts.
"""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from syncd.sdk import (
    SWEEP,
    Context,
    CursorExpired,
    Item,
    Page,
    ProtocolError,
    Record,
    Reject,
    Scan,
    Stream,
    StreamInfo,
)
from syncd.sdk.http import httpx

from .api import Api
from .cursors import VERSION, read_cursor
from .slices import Sliced
from .wire import ident, millis

__all__ = ["Contacts"]

WHAT = "contacts"
PAGE_SIZE = 100  # §6.1: the most is unpublished; this is what is used in the field
INCLUDE = "emails,phones,ims,urls,address"  # §10.30: sub-lists come on request only
LISTS = (b'"emails"', b'"phones"', b'"ims"', b'"urls"', b'"address"')
LIVE = -10  # §6.3: the `status` of a living row in samples; any other negative one means deleted
OVERLAP = timedelta(minutes=2)
OPTIONS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "source": {
            "enum": ["full", "sync"],
            "default": "full",
            "description": "full: all contacts are read each time, which is sure; sync: changes only, and all of them weekly.",
        },
    },
}


class Email(msgspec.Struct):
    email_id: str | None = None
    is_primary: bool | str | None = None


class Phone(msgspec.Struct):
    number: str | None = None


class Person(msgspec.Struct):
    """What is looked at; all else stays bytes. Name keys are left out when empty (§6.1)."""

    contact_id: str | int
    first_name: str | None = None
    middle_name: str | None = None
    last_name: str | None = None
    nick_name: str | None = None
    company: str | None = None
    emails: list[Email] | None = None
    phones: list[Phone] | None = None
    status: int | str | None = None
    created_time: int | str | None = None
    updated_time: int | str | None = None


class Contact(msgspec.Struct):
    """A page. `has_more` alone tells whether it is the last (§6.1)."""

    contacts: list[msgspec.Raw]
    status_code: int | str = 200
    has_more: bool | None = None


PAGES = Sliced(Contact, "contacts", Person, "contact_id")
encode = msgspec.json.Encoder().encode


class Contacts(Stream):
    """The owner's contacts, one partition.

    Pages count by position, so that a contact that goes during the walk makes another one slip through: two listings
    must miss a record before it counts as gone. With `source: full` (the default) a delta round leads to a full one; with
    `source: sync` it does when a contact that is held was deleted.
    """

    info = StreamInfo(
        "contacts",
        "Contacts",
        deletes=SWEEP,
        options_schema=OPTIONS,
        full_every=timedelta(days=7),
        stable_listing=False,
    )

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        if ctx.scan is Scan.DELTA and ctx.options.get("source") != "sync":
            raise CursorExpired("contacts are read as a whole (`source: full`)")
        cursor = read_cursor(ctx.cursor)
        walk = _Walk(ctx, since=_since(cursor) if ctx.scan is Scan.DELTA else None)
        page, start = int(cursor.get("page", 1)), cursor.get("start")
        while True:
            response = await walk.fetch(page)
            start = start or _server_time(response, ctx) - int(OVERLAP.total_seconds() * 1000)
            items, more = await walk.read(response.content)
            if not more:
                yield Page(items, last=True, bookmark={"v": VERSION, "since": start})
                return
            page += 1
            resume = {"v": VERSION, "page": page, "start": start, "since": walk.since}
            yield Page(items, resume=resume)


class _Walk:
    """One walk over pages. `since`: changes after it, in ms; None: all contacts."""

    def __init__(self, ctx: Context, since: int | None) -> None:
        self.ctx = ctx
        self.since = since
        self.api = Api(ctx, "contacts", "contacts")
        self.previous: set[str] = set()

    async def fetch(self, page: int) -> httpx.Response:
        if self.since is None:
            path, more = "/api/v1/accounts/self/contacts", {"include": INCLUDE}
        else:  # both parameters are needed for a right answer (§6.3)
            path = "/api/v1/sync/self/contacts"
            more = {"filter_updated_time": str(self.since), "include": f"show_deleted,{INCLUDE}"}
        return await self.api.get(path, WHAT, {"page": page, "per_page": PAGE_SIZE, **more})

    async def read(self, body: bytes) -> tuple[list[Item], bool]:
        """The items of a page, less those that the page before had, and whether more follow."""
        head, people = PAGES.read(body, WHAT)
        if str(head.status_code) != "200":
            raise ProtocolError(f"contacts: the answer says status_code {head.status_code}")
        if self.since is None:
            items = _records(people, self.previous)
        else:
            items = await self._changes(people, whole=any(key in body for key in LISTS))
        ids = {item.source_id for item in items if item.source_id is not None}
        more = bool(head.contacts) if head.has_more is None else head.has_more
        if more and not (items if self.since is None else head.contacts):
            raise ProtocolError("contacts: a page has nothing new and says that more follow; they would never end")
        self.previous = ids
        return items, more

    async def _changes(self, people: Iterable[tuple[Person, bytes] | Reject], whole: bool) -> list[Item]:
        """Rows of the sync endpoint. Where it leaves the sub-lists out, those stored are kept (§10.30).

        Which `status` means deleted is not confirmed (§6.3): a full round proves it, if the contact is held at all.
        """
        gone: list[str] = []
        found = _records(people, self.previous, gone)
        if gone and await self.ctx.known(gone):
            raise CursorExpired("contacts were deleted: they are read as a whole")
        known = {} if whole else await self.ctx.known([one.source_id for one in found if isinstance(one, Record)])
        for item in found:
            if isinstance(item, Record) and item.source_id in known:
                item.partial, item.summary = True, None
        return found


def _records(
    people: Iterable[tuple[Person, bytes] | Reject], previous: set[str], gone: list[str] | None = None
) -> list[Item]:
    """`gone`, where given, takes the ids of deleted rows."""
    items: list[Item] = []
    add = items.append
    for entry in people:
        if isinstance(entry, Reject):
            add(entry)
            continue
        person, data = entry
        source_id = person.contact_id if type(person.contact_id) is str else ident(person.contact_id)
        if not source_id:
            add(Reject("a contact without an id", None, data))
        elif source_id in previous:
            continue
        elif gone is not None and _is_deleted(person):
            gone.append(source_id)
        else:
            add(Record(source_id, data, summary=encode(_summary(person)), modified_at=_modified(person)))
    return items


def _is_deleted(person: Person) -> bool:
    try:
        status = int(person.status or 0)
    except ValueError:
        return False
    return status < 0 and status != LIVE


def _summary(person: Person) -> dict[str, Any]:
    names = [name for name in (person.first_name, person.middle_name, person.last_name) if name]
    return {
        "name": " ".join(names) or person.nick_name or None,
        "emails": [one.email_id for one in person.emails or () if one.email_id],
        "phones": [one.number for one in person.phones or () if one.number],
        "organization": person.company or None,
    }


def _modified(person: Person) -> datetime | None:
    """`updated_time` is -1 until the first edit (§10.29)."""
    return millis(person.updated_time) or millis(person.created_time)


def _since(cursor: dict[str, Any]) -> int:
    since = cursor.get("since")
    if not isinstance(since, int):
        raise CursorExpired("the cursor has no time")
    return since


def _server_time(response: httpx.Response, ctx: Context) -> int:
    """The server's clock in ms, since it is its times that are compared; this machine's if it does not tell."""
    try:
        moment = parsedate_to_datetime(response.headers["date"])
    except (KeyError, TypeError, ValueError):
        moment = ctx.clock.now()
    return int(moment.timestamp() * 1000)
