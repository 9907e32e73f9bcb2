"""Files: a user's OneDrive, and on request the document libraries of SharePoint, by delta (wire reference §7).

Public: FilesStream.

A record has its parent's id and its own name; paths are the store's, so that a renamed folder renames its contents
(§18.20). The root is no record.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import msgspec
import orjson

from syncd.sdk import (
    PARTITION,
    Blob,
    Context,
    CursorExpired,
    Item,
    Page,
    Partition,
    Record,
    Reject,
    Scan,
    Stream,
    StreamInfo,
    SyncdError,
    Tombstone,
    parse_size,
)

from .api import Graph, quoted
from .batch import MOST, Batch, Part, TooMuch
from .content import ITEMS, DriveItem, blob_of, download, stripped
from .cursors import VERSION, read_cursor
from .drives import drives, vanished
from .errors import Fault, dead_cursor, no_drive, refusal
from .push import Push
from .sites import Libraries
from .wire import Chain, Links, instant, rfc3339

__all__ = ["FilesStream"]

WHAT = "files"
# Tombstones as such, also of what the app may not see, and what was shared anew: the third needs the first two (§1).
PREFER = ("deltashowremovedasdeleted", "deltatraversepermissiongaps", "deltashowsharingchanges")
DEEPEST = 100  # levels of folders
OPTIONS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "content": {"type": "boolean", "default": True, "description": "Whether contents are mirrored too."},
        "max_size": {
            "type": "string",
            "format": "syncd-size",
            "examples": ["100MB"],
            "description": "Contents above this size are left out. No limit unless given.",
        },
        "shared": {
            "type": "boolean",
            "default": False,
            "description": "Whether the document libraries of all SharePoint sites are mirrored, once each.",
        },
    },
}
TYPE = "#microsoft.graph.driveItem"
encode = msgspec.json.Encoder().encode


class FilesStream(Stream, Push):
    """Items of drives. Ids are unique within a drive.

    A folder's size and number of children move with what is in it: its ancestors come along with every change (§18.21).
    """

    info = StreamInfo(
        "files",
        "Files",
        identity=PARTITION,
        options_schema=OPTIONS,
        volatile=("folder.childCount", "parentReference.path"),
    )

    def __init__(self) -> None:
        self._libraries = Libraries()

    async def partitions(self, ctx: Context) -> Sequence[Partition]:
        return await drives(ctx, self._libraries)

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        drive = _Drive(ctx)
        where, chain = drive.start(), Chain(WHAT)
        while True:
            links, items = await drive.page(where)
            if links.delta:
                yield Page(items, last=True, bookmark={"v": VERSION, "link": links.delta})
                return
            where = chain.follow(links.next or "")
            yield Page(items, resume={"v": VERSION, "link": where})

    def fetch(self, ctx: Context, blob: Blob) -> AsyncIterator[bytes]:
        return download(ctx, blob)

    async def get(self, ctx: Context, ids: Sequence[str]) -> AsyncIterator[Record | Tombstone | Reject]:
        """Items looked at again. Gone is what Graph says is gone."""
        drive = _Drive(ctx)
        for start in range(0, len(ids), MOST):
            some = ids[start : start + MOST]
            parts = await drive.parts(some)
            for one in some:
                yield drive.answer(one, parts[one])


class _Drive:
    """One drive: its log of changes, and its items one by one."""

    def __init__(self, ctx: Context) -> None:
        assert ctx.partition is not None
        self._ctx = ctx
        self._id = ctx.partition.id
        self._path = f"/drives/{quoted(self._id)}"
        self._graph = Graph(ctx, WHAT)
        self._content = ctx.options.get("content", True) is not False
        size = ctx.options.get("max_size")
        self._largest = None if size is None else parse_size(str(size))
        self._recent: set[str] = set()  # living items of the page before, which may not be committed yet

    def start(self) -> str:
        """Where the round goes on, or begins: from nothing, never from the latest token (§18.27)."""
        cursor = read_cursor(self._ctx.cursor)
        if not cursor:
            if self._ctx.scan is Scan.DELTA:
                raise CursorExpired(f"{WHAT}: the cursor has no link")
            return f"{self._path}/root/delta"
        link = cursor.get("link")
        if not isinstance(link, str) or not self._graph.at_home(link):
            raise CursorExpired(f"{WHAT}: the cursor cannot be used any more")
        return link

    async def page(self, where: str) -> tuple[Links, list[Item]]:
        """A page. Of several words on one item the last one counts, which is what order does here (§18.4)."""
        try:
            response = await self._graph.get(where, WHAT, _meaning, prefer=PREFER)
        except _Missing as error:
            raise await vanished(self._graph, error.fault) from error
        links, entries = ITEMS.read(response.content, WHAT)
        self._graph.address(links.one(WHAT))
        return links, await self._items(entries)

    async def _items(self, entries: Iterable[tuple[DriveItem, bytes] | Reject]) -> list[Item]:
        items: list[Item] = []
        gone: dict[str, None] = {}
        living: set[str] = set()
        found = list(entries)
        held, asked = await self._sparse(found)
        for entry in found:
            if isinstance(entry, Reject):
                items.append(_clean(entry))
                continue
            item, data = entry
            if not item.id:
                items.append(_clean(Reject("an item without an id", None, data)))
            elif item.has("deleted"):
                gone[item.id] = None
                items.append(Tombstone(item.id))
            elif item.sparse and item.id in asked:
                living.add(item.id)
                items += asked[item.id]
            elif not item.has("root"):
                living.add(item.id)
                items.append(self._record(item, data, part=item.id in held and item.sparse))
        orphans = await self._orphans(gone, living) if gone and self._ctx.scan is Scan.DELTA else []
        self._recent = living
        return [*orphans, *items]

    async def _sparse(
        self, entries: Sequence[tuple[DriveItem, bytes] | Reject]
    ) -> tuple[set[str], dict[str, list[Item]]]:
        """Of the items that tell neither name nor place: which are held, so that the rest has not changed (§7), and what
        the others are, which are asked for. The root is one of these."""
        if self._ctx.scan is not Scan.DELTA:
            return set(), {}
        words = [one[0] for one in entries if not isinstance(one, Reject)]
        ids = list(dict.fromkeys(one.id for one in words if one.id and one.sparse and not one.has("deleted")))
        held = {*await self._ctx.known(ids), *self._recent.intersection(ids)} if ids else set()
        unknown = [one for one in ids if one not in held]
        parts = await self.parts(unknown) if unknown else {}
        return held, {one: self._whole(one, part) for one, part in parts.items()}

    def _whole(self, one: str, part: Part) -> list[Item]:
        """What an item that was asked for because it is not held comes to, as a page would show it."""
        if part.status >= 400:
            return [self.answer(one, part)]
        item = {"@odata.type": TYPE, **part.json(WHAT)}
        item.pop("@odata.context", None)
        read = ITEMS.one(orjson.dumps(item))
        if isinstance(read, Reject):
            return [_clean(Reject(read.reason, one, read.data))]
        read[0].id = one
        if read[0].has("deleted"):
            return [Tombstone(one)]
        return [] if read[0].has("root") else [self._record(*read)]

    async def _orphans(self, gone: dict[str, None], living: set[str]) -> list[Item]:
        """What is held in deleted folders is proposed for deletion too, unless this round says that it lives (§18.22).

        Usually the log names it as well; `get` decides about each.
        """
        found: dict[str, None] = {}
        level = list(gone)
        for _ in range(DEEPEST):
            children = await self._ctx.children(level)
            level = [one for some in children.values() for one in some if one not in found and one not in gone]
            level = [one for one in level if one not in living and one not in self._recent]
            if not level:
                break
            found |= dict.fromkeys(level)
        return [Tombstone(one) for one in found]

    def _record(self, item: DriveItem, data: bytes, *, part: bool = False, alone: bool = False) -> Record:
        """`part`: what it does not tell stays. `alone`: asked for by itself: other annotations, content left as it is."""
        summary = _summary(item)
        if part:
            summary = {key: value for key, value in summary.items() if value is not None and key != "kind"}
        return Record(
            item.id,
            stripped(data),
            summary=encode(summary),
            etag=item.eTag,
            modified_at=instant(item.lastModifiedDateTime),
            blob=blob_of(item, self._id, self._largest) if self._content and not alone else None,
            parent=item.parentReference.id if item.parentReference else None,
            name=item.name,
            partial=part or alone,
            volatile=() if item.file is not None else ("size",),  # a folder's is that of all that lies in it (§6)
        )

    async def parts(self, ids: Sequence[str]) -> dict[str, Part]:
        """The answers about items, by id."""
        paths = {one: f"{self._path}/items/{quoted(one)}" for one in ids}
        batch = Batch(self._graph, serial=False, patience=60.0)
        try:
            found = await batch.get(list(paths.values()))
        except TooMuch:
            found = {}
            for path in paths.values():
                found |= await batch.get([path])
        return {one: found[path] for one, path in paths.items()}

    def answer(self, one: str, part: Part) -> Record | Tombstone | Reject:
        fault = part.fault if part.status >= 400 else None
        if fault is None:
            read = ITEMS.one(orjson.dumps(part.json(WHAT)))
            if isinstance(read, Reject):
                return Reject(read.reason, one)
            item, data = read
            item.id = one
            return Tombstone(one) if item.has("deleted") else self._record(item, data, alone=True)
        if fault.http == 404 and not fault.says("mysite"):
            return Tombstone(one)
        if fault.http in (400, 403, 423):  # about this item: it stays
            return Reject(f"{WHAT}: {fault}", one)
        raise (no_drive(fault, WHAT) if fault.http == 404 else None) or refusal(fault, WHAT, WHAT)


class _Missing(SyncdError):
    """The drive answered 404."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def _meaning(fault: Fault) -> SyncdError | None:
    """§4: any 410, whatever it says to do with differences: read-only, all of them mean a full round and a sweep."""
    if fault.http == 404:
        return _Missing(fault)
    if fault.says("mysite", "spo license"):
        return no_drive(fault, WHAT)
    return dead_cursor(fault, WHAT)


def _clean(reject: Reject) -> Reject:
    """What goes into quarantine has no pre-authenticated address in it either."""
    if isinstance(reject.data, bytes):
        try:
            return Reject(reject.reason, reject.source_id, stripped(reject.data))
        except (orjson.JSONDecodeError, orjson.JSONEncodeError, RecursionError):
            return Reject(reject.reason, reject.source_id)
    return reject


def _summary(item: DriveItem) -> dict[str, Any]:
    """`path` is the store's. A folder's size is that of what is in it, which is told by its files."""
    kind = item.kind
    return {
        "name": item.name,
        "mime_type": item.file.mimeType if item.file and kind == "file" else None,
        "size": item.size if kind in ("file", "package") else None,
        "modified_at": rfc3339(item.lastModifiedDateTime),
        "kind": kind,
    }
