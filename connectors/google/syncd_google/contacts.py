"""Contacts: People API connections, with sync tokens (wire reference §4).

Public: Contacts.
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec

from syncd.sdk import (
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
    SyncdError,
    Tombstone,
)

from .api import Api
from .cursors import VERSION, read_cursor
from .errors import Fault
from .wire import Chain, Sliced, instant

__all__ = ["Contacts"]

WHAT = "contacts"
PAGE_SIZE = 1000  # §4.1: the most
FIELDS = (  # §4.1: every valid field; `metadata` carries deletions and renames
    "addresses,ageRanges,biographies,birthdays,calendarUrls,clientData,coverPhotos,emailAddresses,events,externalIds,"
    "genders,imClients,interests,locales,locations,memberships,metadata,miscKeywords,names,nicknames,occupations,"
    "organizations,phoneNumbers,photos,relations,sipAddresses,skills,urls,userDefined"
)


class Source(msgspec.Struct):
    updateTime: str | None = None  # noqa: N815 - the provider's spelling


class Metadata(msgspec.Struct):
    objectType: str | None = None  # noqa: N815
    deleted: bool = False
    previousResourceNames: list[str] | None = None  # noqa: N815
    sources: list[Source] | None = None

    @property
    def empty(self) -> bool:
        """Whether it says nothing at all: not even that the person lives."""
        return not (self.deleted or self.objectType or self.sources or self.previousResourceNames)


class FieldMetadata(msgspec.Struct):
    primary: bool = False


class Name(msgspec.Struct):
    displayName: str | None = None  # noqa: N815
    metadata: FieldMetadata | None = None


class Value(msgspec.Struct):
    value: str | None = None


class Organization(msgspec.Struct):
    name: str | None = None


class Person(msgspec.Struct):
    """What is looked at in a Person; all else stays bytes."""

    resourceName: str  # noqa: N815
    etag: str | None = None
    metadata: Metadata | msgspec.UnsetType = msgspec.UNSET
    names: list[Name] | None = None
    emailAddresses: list[Value] | None = None  # noqa: N815
    phoneNumbers: list[Value] | None = None  # noqa: N815
    organizations: list[Organization] | None = None


class Connections(msgspec.Struct):
    """A page. `connections` is left out when empty (§1.3)."""

    connections: list[msgspec.Raw] = []
    nextPageToken: str | None = None  # noqa: N815
    nextSyncToken: str | None = None  # noqa: N815


PAGES = Sliced(Connections, "connections", Person, "resourceName")
encode = msgspec.json.Encoder().encode


class Contacts(Stream):
    """A user's own contacts. One partition, one sync token.

    A token lives 7 days from the full listing, however often it is used (§4.3.3): hence a full round every 6.
    """

    info = StreamInfo(
        "contacts",
        "Contacts",
        full_every=timedelta(days=6),
        # previous names come with sync calls only (§4.3.6): a full listing has none
        volatile=("etag", "metadata.sources.*.etag", "metadata.previousResourceNames"),
        options_schema={"type": "object", "additionalProperties": False, "properties": {}},
    )

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        cursor = read_cursor(ctx.cursor)
        token = cursor.get("sync") if ctx.scan is Scan.DELTA else None
        if ctx.scan is Scan.DELTA and not token:
            raise CursorExpired("the cursor has no sync token")
        page_token: str | None = cursor.get("page")
        api, chain = Api(ctx, "people", WHAT), Chain(WHAT)
        while True:
            head, items = await _page(api, token, page_token)
            if head.nextPageToken is None:
                yield Page(items, last=True, bookmark={"v": VERSION, "sync": _new_token(head)})
                return
            page_token = chain.follow(head.nextPageToken)
            yield Page(items, resume={"v": VERSION, "sync": token, "page": page_token})


async def _page(api: Api, token: str | None, page_token: str | None) -> tuple[Connections, list[Item]]:
    """One page. All parameters but the tokens are the same in every call of a token's life (§4.3.2)."""
    response = await api.get(
        "/v1/people/me/connections",
        WHAT,
        {
            "personFields": FIELDS,
            "pageSize": PAGE_SIZE,
            "requestSyncToken": "true",
            "syncToken": token,
            "pageToken": page_token,
        },
        lambda fault: _expired(fault, used=bool(token or page_token)),
    )
    head, people = PAGES.read(response.content, WHAT)
    return head, list(_items(people))


def _expired(fault: Fault, *, used: bool) -> SyncdError | None:
    """§4.3.4, §13.1: an expired token is a 400, a corrupt one is another 400, and neither is a 410."""
    stale = "sync token" in fault.message.lower() or fault.is_("EXPIRED_SYNC_TOKEN")
    if fault.http in (400, 410) and (stale or used):
        return CursorExpired(f"{WHAT}: {fault}")
    return None


def _new_token(head: Connections) -> str:
    if not head.nextSyncToken:
        raise ProtocolError("contacts: the last page has no sync token")
    return head.nextSyncToken


def _items(people: Iterable[tuple[Person, bytes] | Reject]) -> Iterator[Item]:
    for entry in people:
        if isinstance(entry, Reject):
            yield entry
            continue
        person, data = entry
        metadata = person.metadata or None
        if not person.resourceName:
            yield Reject("a person without a resource name", None, data)
        elif metadata and metadata.empty:
            yield Reject("a person whose metadata is empty", person.resourceName, data)
        elif metadata and metadata.deleted:
            yield from map(Tombstone, (person.resourceName, *(metadata.previousResourceNames or ())))
        else:
            yield _record(person, data)


def _record(person: Person, data: bytes) -> Record:
    metadata = person.metadata or None
    return Record(
        person.resourceName,
        data,
        summary=encode(_summary(person)),
        etag=person.etag,
        modified_at=_modified(metadata) if metadata else None,
        previous_ids=(metadata.previousResourceNames or ()) if metadata else (),
    )


def _summary(person: Person) -> dict[str, Any]:
    names, organizations = person.names or [], person.organizations or []
    best = next((name for name in names if name.metadata and name.metadata.primary), names[0] if names else None)
    return {
        "name": best.displayName if best else None,
        "emails": [one.value for one in person.emailAddresses or () if one.value],
        "phones": [one.value for one in person.phoneNumbers or () if one.value],
        "organization": next((one.name for one in organizations if one.name), None),
    }


def _modified(metadata: Metadata) -> datetime | None:
    """When the person changed: RFC 3339 times of one source kind sort as text."""
    return instant(max((one.updateTime for one in metadata.sources or () if one.updateTime), default=None))
