"""What contacts and mail share: one folder's delta feed as pages, items looked at again, folders of a mailbox.

Public: Feed, pages_of, looked_at, mailbox_fault, folder_fault, is_gone, ETAGS, PAGE_SIZES.

Rules from the wire reference §3, §4 and §8. A cursor is the link to follow next, byte for byte, and the id format that
it was made with; nothing is taken for the start of the next round before the round's last page (§18.3).
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import msgspec
import orjson

from syncd.sdk import (
    JSON,
    Context,
    CursorExpired,
    Item,
    Page,
    PartitionGone,
    ProtocolError,
    Record,
    Reject,
    Scan,
    SyncdError,
    Tombstone,
    Transient,
)

from .api import Graph, page_size
from .batch import Batch, Part
from .cursors import VERSION, read_cursor
from .errors import Fault, dead_cursor, no_mailbox, refusal
from .throttle import ANSWERED, CORRUPT
from .wire import Chain, Links, Sliced

__all__ = [
    "ETAGS",
    "PAGE_SIZES",
    "Entry",
    "Feed",
    "OverQuota",
    "folder_fault",
    "is_gone",
    "looked_at",
    "mailbox_fault",
    "pages_of",
]

IDS = "immutable"  # the format of all ids kept (§1)
PAGE_SIZES = (500, 50, 10)  # a large page can fail for good (§3): the same round is read on in smaller ones
ETAGS = (r"@odata\.etag", "changeKey")  # they may move alone, and say nothing then
GONE_CODES = ("erroritemnotfound", "itemnotfound", "errormessagenotfound")
NO_ID_CODES = ("errorinvalididmalformed",)  # no item can have such an id (§10)
FOLDER_CODES = ("errorfoldernotfound", "errorsyncfoldernotfound", *GONE_CODES)
OVER_QUOTA = "errorquotaexceeded"


class Entry(Protocol):
    """What every item of a feed has."""

    id: str
    removed: Any


E = TypeVar("E", bound=Entry)


@dataclass(frozen=True, slots=True)
class Feed(Generic[E]):
    """One folder's feed. `first`: its first request; `listing`: the plain list, for a mailbox without room for a feed.

    `record` makes a Record of an item and its bytes; its last argument says that the mirror holds the item and that the
    bytes lack properties, which did not change then (§3). `fields`: what an item must have to be whole.
    """

    what: str
    first: str
    listing: str
    items: Sliced[E]
    record: Callable[[E, bytes, bool], Record]
    fields: frozenset[str]


class OverQuota(ProtocolError):
    """The mailbox is full: it cannot even keep the state of a feed (§4). Where its plain list is refused too, a fault."""


async def pages_of(ctx: Context, graph: Graph, feed: Feed[E]) -> AsyncIterator[Page]:
    """A round: full from the feed's start, delta from the stored link, or on from where one was cut."""
    place = _Place.of(ctx, graph, feed)
    reader = _Reader(graph, feed)
    recent: set[str] = set()  # of the page before, which may not be committed yet
    while True:
        try:
            links, entries = await reader.read(place)
        except OverQuota as error:
            if place.plain:
                raise
            if ctx.scan is Scan.DELTA:
                raise CursorExpired(str(error)) from error
            place = _Place(feed.listing, plain=True)
            continue
        found = _last_words(entries, feed.items)
        held: set[str] = set()
        if ctx.scan is Scan.DELTA:
            held = set(await ctx.known([entry.id for entry, _ in found.live])) | recent
        items, recent = _items(found, feed, held)
        following = reader.follow(place, links)
        if following is None:
            yield Page(items, last=True, bookmark=place.bookmark(links))
            return
        place = _Place(following, plain=place.plain)
        yield Page(items, resume=place.resume())


async def looked_at(
    graph: Graph, what: str, paths: Mapping[str, str], record: Callable[[str, dict[str, Any]], Record]
) -> AsyncIterator[Record | Tombstone | Reject]:
    """Items asked for one by one (id → path), in chains of one mailbox. A Tombstone only where Exchange says so.

    What is refused of one item is a Reject: it stays. Where all are refused it is the mailbox, unless the item is at fault.
    """
    parts = await Batch(graph, serial=True, patience=60.0).get(list(paths.values()), until=_mailbox_gone)
    refused = next((part.fault for part in parts.values() if _mailbox_gone(part)), None)
    if refused is not None:
        raise no_mailbox(refused, what) or refusal(refused, what, graph.needs)
    answers = any(part.status < 400 or is_gone(part.fault) for part in parts.values())
    for one, path in paths.items():
        part = parts[path]
        if part.status < 400:
            yield _seen(one, part, what, record)
        elif is_gone(part.fault):
            yield Tombstone(one)
        elif part.status != 401 and (answers or part.status == 400 or part.fault.has(*CORRUPT)):
            yield Reject(f"{what}: {part.fault}", one)
        else:
            raise refusal(part.fault, what, graph.needs)


def is_gone(fault: Fault) -> bool:
    """Whether Exchange says that there is no such item, or that none can have this id: a garbled page made it up."""
    return (fault.http == 404 and fault.has(*GONE_CODES)) or (fault.http == 400 and fault.has(*NO_ID_CODES))


def _seen(one: str, part: Part, what: str, record: Callable[[str, dict[str, Any]], Record]) -> Record | Reject:
    """The item as it is now; it lives, even if it cannot be read."""
    item = part.body
    if not isinstance(item, dict) or item.get("id") != one:
        return Reject(f"{what}: the answer is another item", one)
    item.pop("@odata.context", None)
    try:
        return record(one, item)
    except (msgspec.MsgspecError, orjson.JSONEncodeError) as error:
        return Reject(f"unreadable item: {error}", one)


def mailbox_fault(what: str) -> Callable[[Fault], SyncdError | None]:
    """What a fault means to a request to a mailbox as a whole."""
    return lambda fault: no_mailbox(fault, what)


def folder_fault(what: str) -> Callable[[Fault], SyncdError | None]:
    """What a fault means to a folder's feed: dead cursor, dead folder, dead mailbox."""

    def means(fault: Fault) -> SyncdError | None:
        if fault.has(OVER_QUOTA):
            return OverQuota(f"{what}: {fault}", hint="the mailbox is full; its owner must make room")
        if fault.http == 404 and fault.has(*FOLDER_CODES):
            return PartitionGone(f"{what}: {fault}")
        return no_mailbox(fault, what) or dead_cursor(fault, what) or _bare(fault, what)

    return means


def _bare(fault: Fault, what: str) -> SyncdError | None:
    return PartitionGone(f"{what}: {fault}") if fault.http == 404 else None


def _mailbox_gone(part: Part) -> bool:
    return part.status >= 400 and no_mailbox(part.fault, "mailbox") is not None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a round stands. `plain`: it reads the plain list, which has no deltaLink."""

    where: str
    plain: bool = False

    @classmethod
    def of(cls, ctx: Context, graph: Graph, feed: Feed[Any]) -> "_Place":
        cursor = read_cursor(ctx.cursor)
        if not cursor:
            if ctx.scan is Scan.DELTA:
                raise CursorExpired(f"{feed.what}: the cursor has no link")
            return cls(feed.first)
        link, plain = cursor.get("link"), cursor.get("plain") is True
        if cursor.get("ids") != IDS or not isinstance(link, str) or (plain and ctx.scan is Scan.DELTA):
            raise CursorExpired(f"{feed.what}: the cursor cannot be used any more")
        if not graph.at_home(link):  # the connection's endpoints changed
            raise CursorExpired(f"{feed.what}: the cursor belongs to another Graph")
        return cls(link, plain)

    def resume(self) -> JSON:
        return {"v": VERSION, "ids": IDS, "link": self.where, **({"plain": True} if self.plain else {})}

    def bookmark(self, links: Links) -> JSON:
        """The next round's start. A plain list has none: what it leads to is a full round again."""
        return _Place(links.delta or "", plain=self.plain).resume()


class _Reader:
    """Reads one page after the other, in pages as large as the server bears."""

    def __init__(self, graph: Graph, feed: Feed[Any]) -> None:
        self._graph = graph
        self._feed = feed
        self._sizes = list(PAGE_SIZES)
        self._chain = Chain(feed.what)
        self._means = folder_fault(feed.what)

    async def read(self, place: _Place) -> tuple[Links, Iterable[tuple[Any, bytes] | Reject]]:
        while True:
            try:
                response = await self._graph.get(
                    place.where, self._feed.what, self._means, prefer=[page_size(self._sizes[0])]
                )
            except Transient as error:
                if len(self._sizes) == 1 or not error.message.startswith(f"{ANSWERED} 5"):
                    raise
                del self._sizes[0]
                continue
            return self._feed.items.read(response.content, self._feed.what)

    def follow(self, place: _Place, links: Links) -> str | None:
        """The next page; None after the last. ProtocolError for a link that repeats, or leads away."""
        link = links.next if place.plain else links.one(self._feed.what)
        if link and self._graph.address(link) and links.next:
            return self._chain.follow(link)
        return None


@dataclass(slots=True)
class _Found(Generic[E]):
    """A page's items: of several with one id the last counts (§18.4)."""

    live: list[tuple[E, bytes]]
    gone: list[str]
    rejects: list[Reject]


def _last_words(entries: Iterable[tuple[E, bytes] | Reject], items: Sliced[E]) -> _Found[E]:
    found = _Found[E]([], [], [])
    latest: dict[str, tuple[E, bytes]] = {}
    for one in entries:
        if isinstance(one, Reject):
            found.rejects.append(one)
            continue
        entry, data = one
        if not entry.id:
            found.rejects.append(Reject("an item without an id", None, data))
            continue
        before = latest.pop(entry.id, None)
        latest[entry.id] = one if before is None or before[0].removed or entry.removed else _both(before, one, items)
    for entry, data in latest.values():
        if entry.removed is not None:
            found.gone.append(entry.id)
        else:
            found.live.append((entry, data))
    return found


def _both(before: tuple[E, bytes], after: tuple[E, bytes], items: Sliced[E]) -> tuple[E, bytes]:
    """Two words on one item: the later may leave out what the earlier told."""
    merged = items.one(orjson.dumps({**orjson.loads(before[1]), **orjson.loads(after[1])}))
    return after if isinstance(merged, Reject) else merged


def _items(found: _Found[E], feed: Feed[E], held: set[str]) -> tuple[list[Item], set[str]]:
    """The page's items, and the ids that are held once it is committed."""
    items: list[Item] = [*found.rejects]
    for entry, data in found.live:
        partial = entry.id in held and not feed.fields <= orjson.loads(data).keys()
        try:
            items.append(feed.record(entry, data, partial))
        except ValueError as error:
            items.append(Reject(f"unreadable item: {error}", entry.id, data))
    items += map(Tombstone, found.gone)  # unknown ones, in a first round too, say nothing (§18.6)
    return items, {entry.id for entry, _ in found.live}
