"""Contacts: every contact folder with a delta feed of its own (wire reference §5).

Public: ContactsStream.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from syncd.sdk import (
    JSON,
    Context,
    Page,
    Partition,
    ProtocolError,
    Record,
    Reject,
    Stream,
    StreamInfo,
    Tombstone,
    Writable,
)

from . import contact_write
from .api import IMMUTABLE, Graph, page_size, quoted
from .batch import Batch, Part
from .errors import no_mailbox, refusal
from .outlook import ETAGS, Feed, looked_at, mailbox_fault, pages_of
from .push import Push
from .wire import LONGEST_LIST, Chain, Sliced, decode, instant, list_of, text_of

__all__ = ["ContactsStream"]

WHAT = "contacts"
FOLDERS = "contact folders"
PAGE = page_size(100)
DEEPEST = 50  # levels of folders
TYPE = "#microsoft.graph.contact"
FIELDS = frozenset(  # §5; an item that has them all is whole
    [
        "displayName",
        "givenName",
        "middleName",
        "surname",
        "nickName",
        "initials",
        "title",
        "generation",
        "jobTitle",
        "companyName",
        "department",
        "officeLocation",
        "profession",
        "manager",
        "assistantName",
        "spouseName",
        "children",
        "birthday",
        "fileAs",
        "personalNotes",
        "emailAddresses",
        "businessPhones",
        "homePhones",
        "mobilePhone",
        "imAddresses",
        "businessAddress",
        "homeAddress",
        "otherAddress",
        "businessHomePage",
        "categories",
        "parentFolderId",
        "changeKey",
        "createdDateTime",
        "lastModifiedDateTime",
    ]
)

Maybe = msgspec.UNSET


class Address(msgspec.Struct):
    address: str | None = None


class Contact(msgspec.Struct):
    """What is looked at in a contact; all else stays bytes."""

    id: str
    removed: dict[str, Any] | None = msgspec.field(default=None, name="@removed")
    etag: str | None = msgspec.field(default=None, name="@odata.etag")
    lastModifiedDateTime: str | None = None  # noqa: N815 - the provider's spelling
    displayName: str | msgspec.UnsetType | None = Maybe  # noqa: N815
    emailAddresses: list[Address] | msgspec.UnsetType | None = Maybe  # noqa: N815
    companyName: str | msgspec.UnsetType | None = Maybe  # noqa: N815
    businessPhones: list[str] | msgspec.UnsetType | None = Maybe  # noqa: N815
    homePhones: list[str] | msgspec.UnsetType | None = Maybe  # noqa: N815
    mobilePhone: str | msgspec.UnsetType | None = Maybe  # noqa: N815


ITEMS = Sliced(Contact)
encode = msgspec.json.Encoder().encode


class ContactsStream(Stream, Writable, Push):
    """A mailbox's contacts. One partition per folder, the default one and nested ones included."""

    info = StreamInfo(
        "contacts",
        "Contacts",
        volatile=ETAGS,
        options_schema={"type": "object", "additionalProperties": False, "properties": {}},
    )

    async def partitions(self, ctx: Context) -> Sequence[Partition]:
        return await _Folders(ctx).all()

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        assert ctx.partition is not None
        graph = Graph(ctx, WHAT, (IMMUTABLE,))
        folder = f"{graph.user}/contactFolders/{quoted(ctx.partition.id)}/contacts"
        feed = Feed(WHAT, f"{folder}/delta", folder, ITEMS, _record, FIELDS)
        async for page in pages_of(ctx, graph, feed):
            yield page

    async def get(self, ctx: Context, ids: Sequence[str]) -> AsyncIterator[Record | Tombstone | Reject]:
        graph = Graph(ctx, WHAT, (IMMUTABLE,))
        paths = {one: f"{graph.user}/contacts/{quoted(one)}" for one in ids}
        async for item in looked_at(graph, WHAT, paths, _alone):
            yield item

    async def create(self, ctx: Context, data: Mapping[str, JSON], *, idempotency_key: str) -> Record:
        return _written(await contact_write.create(ctx, data, idempotency_key))

    async def update(
        self, ctx: Context, source_id: str, data: Mapping[str, JSON], *, etag: str | None, idempotency_key: str
    ) -> Record:
        return _written(await contact_write.update(ctx, source_id, data, etag))

    async def delete(self, ctx: Context, source_id: str, *, etag: str | None, idempotency_key: str) -> None:
        await contact_write.delete(ctx, source_id, etag)


class _Folders:
    """The contact folders of a mailbox. The listing leaves out the default one (§5, §18.14) and is shallow."""

    def __init__(self, ctx: Context) -> None:
        self.graph = Graph(ctx, WHAT, (IMMUTABLE,))
        self.found: dict[str, str] = {}

    async def all(self) -> list[Partition]:
        """Usually one request: a chain of the listing, the default folder by a contact in it and by its name.

        Whether that name is known is not certain (§5, §19), so whatever is said to it is no word on the mailbox.
        """
        user = self.graph.user
        listing, default = f"{user}/contactFolders", f"{user}/contactFolders/contacts"
        children, anybody = f"{default}/childFolders", f"{user}/contacts?$top=1&$select=parentFolderId"
        parts = await self._ask([listing, anybody, default, children], {default, children})
        level = await self._take(parts[listing])
        if parts[default].status == 200:
            self._add(parts[default].json(FOLDERS))
        else:
            level += self._default_of(parts[anybody])
        if children in parts and parts[children].status == 200:
            level += await self._take(parts[children])
        for _ in range(DEEPEST):
            if not level:
                break
            paths = [f"{user}/contactFolders/{quoted(one)}/childFolders" for one in dict.fromkeys(level)]
            answers = await self._ask(paths)
            level = [one for part in answers.values() if part.status == 200 for one in await self._take(part)]
        return [Partition(one, title) for one, title in self.found.items()]

    async def _ask(self, paths: list[str], unsure: Collection[str] = ()) -> dict[str, Part]:
        """The answers; 404 for a folder is one, and so is 400 for an `unsure` name, which may end the answers.

        Everything else above 400 is raised.
        """
        parts = await Batch(self.graph, serial=True).get(paths, [PAGE], until=_hopeless)
        for path, part in parts.items():
            if part.status in (400, 404) and path in unsure:
                continue
            if _hopeless(part) or part.status == 400:
                raise no_mailbox(part.fault, FOLDERS) or refusal(part.fault, FOLDERS, WHAT)
        return parts

    async def _take(self, part: Part) -> list[str]:
        """Note a list of folders, to its end; gives those that are new."""
        if part.status == 404:
            raise refusal(part.fault, FOLDERS, WHAT)
        page, new = part.json(FOLDERS), []
        chain = Chain(FOLDERS, LONGEST_LIST)
        while True:
            new += [one for folder in list_of(page, FOLDERS) if (one := self._add(folder))]
            link = page.get("@odata.nextLink")
            if not isinstance(link, str) or not link:
                return new
            response = await self.graph.get(chain.follow(link), FOLDERS, mailbox_fault(FOLDERS), prefer=[PAGE])
            page = decode(response.content, FOLDERS)

    def _add(self, folder: dict[str, Any]) -> str | None:
        one = text_of(folder, "id", FOLDERS)
        if one in self.found:
            return None
        self.found[one] = str(folder.get("displayName") or "")
        return one

    def _default_of(self, part: Part) -> list[str]:
        """The default folder by a contact in it; where there is none, there is nothing to mirror either."""
        listed = list_of(part.json(FOLDERS), FOLDERS) if part.status == 200 else []
        parents = [one for contact in listed if isinstance(one := contact.get("parentFolderId"), str) and one]
        return [one for parent in parents if (one := self._add({"id": parent, "displayName": "Contacts"}))]


def _hopeless(part: Part) -> bool:
    """Whether the mailbox as a whole refuses."""
    return part.status >= 400 and (part.status not in (400, 404) or no_mailbox(part.fault, FOLDERS) is not None)


def _record(contact: Contact, data: bytes, partial: bool) -> Record:
    return Record(
        contact.id,
        data,
        summary=encode(_summary(contact, partial)),
        etag=contact.etag,
        modified_at=instant(contact.lastModifiedDateTime),
        partial=partial,
    )


def _alone(one: str, item: dict[str, Any]) -> Record:
    """A contact that was asked for: merged into the one held, since annotations differ from those in a feed."""
    folder = item.get("parentFolderId")
    contact = msgspec.convert(item, Contact)
    found = _record(contact, orjson.dumps(item), True)
    return Record(
        one,
        found.data,
        summary=found.summary,
        etag=found.etag,
        modified_at=found.modified_at,
        partial=True,
        partition=folder if isinstance(folder, str) else None,
    )


def _written(item: dict[str, Any]) -> Record:
    """A contact that was written, as a feed will show it: the same etag says that this is no news (§18.43)."""
    data = orjson.dumps({"@odata.type": TYPE, **{key: one for key, one in item.items() if key != "@odata.context"}})
    read = ITEMS.one(data)
    if isinstance(read, Reject):
        raise ProtocolError(f"{WHAT}: the contact that was written cannot be read: {read.reason}")
    return _record(*read, False)


def _summary(contact: Contact, partial: bool) -> dict[str, Any]:
    """The common fields; of a partial item those that it tells."""
    found: dict[str, Any] = {}
    if not partial or contact.displayName is not Maybe:
        found["name"] = contact.displayName or None
    if not partial or contact.emailAddresses is not Maybe:
        found["emails"] = [one.address for one in contact.emailAddresses or () if one.address]
    phones = (contact.businessPhones, contact.homePhones, contact.mobilePhone)
    if not partial or Maybe not in phones:
        mobile = [contact.mobilePhone] if contact.mobilePhone else []
        found["phones"] = [*(contact.businessPhones or ()), *(contact.homePhones or ()), *mobile]
    if not partial or contact.companyName is not Maybe:
        found["organization"] = contact.companyName or None
    return found
