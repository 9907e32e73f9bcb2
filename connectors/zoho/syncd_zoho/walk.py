"""A walk through a tree of folders, breadth first, each folder once (wire reference §7.2, §7.6).

Public: Walk.
"""

import zlib
from base64 import b85decode, b85encode
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, TypeAlias

import orjson

from syncd.sdk import (
    JSON,
    Context,
    CursorExpired,
    Item,
    Page,
    PartitionGone,
    ProtocolError,
    Reject,
)

from .cursors import VERSION, read_cursor
from .workdrive import Drive, Entry, Listing, Missing, no_workdrive

__all__ = ["Walk"]

FULL_PAGE = 1000  # items: listings of small folders share a page up to this
RESUME_LIMIT = 250 * 1024  # bytes of JSON (the engine takes 256 KiB)
PACKABLE = 20_000  # folders in the queue; more do not fit, packed or not
SELDOM = 500  # folders in the queue for one more page without a resume point: writing it costs as much as it is long

Reader: TypeAlias = Callable[[Entry, bytes, str], tuple[Item | None, bool]]


class Walk:
    """One full round of a partition. `read` makes an item of an entry and says whether it is a folder.

    The queue holds folders by the folder that listed them, so that a resume point is short. `parents` knows every folder
    of this walk: none is read twice, and what became of one that is not shown any more can be told.
    """

    def __init__(self, ctx: Context, read: Reader) -> None:
        self.ctx = ctx
        self.drive = Drive(ctx)
        self.read = read
        self.partition = ctx.partition.id if ctx.partition else ""
        self.queue: deque[tuple[str, str]] = deque()  # (parent, folder); the parent of a root is ""
        self.parents: dict[str, str] = {}
        self.resumed = ctx.cursor is not None
        self.fresh: dict[str, set[str] | None] = {}  # folders that were listed anew in this wave, and their ids
        self.absent: set[str] = set()  # folders to be read that their parent, listed anew, had no more
        self.gone: set[str] = set()  # folders that went while the tree was read
        self.moved: set[str] = set()  # folders that two folders listed, one after the other
        self.dropped: set[str] = set()  # folders that were not read, since they hung below one that went
        self.unmarked = 0  # pages since the last resume point

    async def pages(self) -> AsyncIterator[Page]:
        """All pages from the cursor on."""
        await self._begin()
        while self.queue:
            items: list[Item] = []
            skipped = 0
            for parent, folder, listing in await self._wave():
                if listing is None:
                    items += await self._missing(parent, folder)
                    continue
                async for entries in self._rest(folder, listing):
                    skipped += self._take(folder, entries, items)
                    if len(items) >= FULL_PAGE:
                        yield Page(items, skipped=skipped)
                        items, skipped = [], 0
            if not self.queue:
                yield Page(items, last=True, skipped=skipped)
            elif (place := self._resume()) is not None or items or skipped:
                yield Page(items, resume=place, skipped=skipped)

    async def _begin(self) -> None:
        for parent, folders in _read_resume(self.ctx.cursor):
            self._enqueue(parent, folders)
        if not self.resumed:
            self._enqueue("", [self.partition] if self.partition else await self.drive.private_roots())
        if not self.queue:
            raise CursorExpired("the resume point names no folder")

    def _enqueue(self, parent: str, folders: Iterable[str]) -> None:
        for folder in folders:
            if folder not in self.parents or folder in self.dropped:
                self.dropped.discard(folder)
                self.parents[folder] = parent
                self.queue.append((parent, folder))
            elif self.parents[folder] != parent:
                self.moved.add(folder)

    # -- reading

    async def _wave(self) -> list[tuple[str, str, Listing | None]]:
        """The first pages of the next few folders; None for one that WorkDrive does not show."""
        self.fresh.clear()
        wave: list[tuple[str, str]] = []
        while self.queue and len(wave) < max(1, self.ctx.limit):
            parent, folder = self.queue.popleft()
            if self._fell(folder):
                self.dropped.add(folder)
            else:
                wave.append((parent, folder))
        return await self.ctx.gather([self._first(parent, folder) for parent, folder in wave])

    async def _first(self, parent: str, folder: str) -> tuple[str, str, Listing | None]:
        try:
            return parent, folder, await self.drive.page(folder)
        except Missing:
            return parent, folder, None

    async def _rest(self, folder: str, listing: Listing) -> AsyncIterator[Listing]:
        """The first page, and all that follow."""
        seen: set[str] = set()
        while True:
            yield listing
            token = listing.following
            if token is None:
                return
            if token in seen:
                raise ProtocolError(f"folder {folder}: WorkDrive repeats a cursor; the pages would never end")
            seen.add(token)
            try:
                listing = await self.drive.page(folder, token)
            except Missing as error:  # it went while it was listed: what is not known is not proved
                raise ProtocolError(f"folder {folder} vanished while it was listed: {error}") from error

    def _take(self, folder: str, listing: Listing, items: list[Item]) -> int:
        """Add a listing's items, queue its folders; gives how many are not stored.

        An id is an item's identity (§7.2): of two different entries with one id in a page, none can be believed.
        """
        skipped, met = 0, dict[str, tuple[int, bytes]]()
        for entry in listing.entries:
            if isinstance(entry, Reject):  # it may be a folder, whose content is not read then: no absence is proved
                items.append(Reject(entry.reason, None, entry.data))
                continue
            key = entry[0].id
            if key in met:
                skipped += 1
                if entry[1] != met[key][1]:
                    items[met[key][0]] = Reject("two entries of a listing have one id", key, entry[1])
                continue
            item, is_folder = self.read(*entry, folder)
            if item is None:
                skipped += 1
                continue
            if key:
                met[key] = len(items), entry[1]
            items.append(item)
            if is_folder:
                self._enqueue(folder, [key])
        return skipped

    # -- what is not shown any more (§7.6)

    async def _missing(self, parent: str, folder: str) -> list[Item]:
        """A folder that answers R008: gone only if the fresh listing of its parent holds it no longer.

        Then its subtree is left to the sweep. If it is listed and cannot be read, or nothing can be told, an item without
        id says so: such a round proves no absences.
        """
        if not parent:
            raise self._root_missing(folder)
        if self._fell(folder) or await self._still_listed(parent, folder) is False:
            self.ctx.log.debug("a folder went while the tree was read", folder=folder)
            return []
        return [Reject(f"folder {folder} cannot be read (R008), and its parent does not say that it is gone")]

    def _fell(self, folder: str) -> bool:
        """Whether a folder hung below one that went, and no other folder has listed it: it went with it, unasked.

        Each vanished folder that is asked for, and each look at its parent, counts against a narrow limit (§7.6).
        """
        at: str | None = folder if self.gone else None
        while at and at not in self.moved:
            if at in self.gone:
                return True
            at = self.parents.get(at)
        return False

    async def _still_listed(self, parent: str, folder: str) -> bool | None:
        """Whether its parent lists it now; a parent that is not shown itself is looked up in its own. None: unknown."""
        while folder not in self.absent:
            ids = await self._listed_anew(parent)
            if ids is not None:
                if folder in ids:
                    return True
                break
            above = self.parents.get(parent)
            if above is None:
                return None
            if not above:
                raise self._root_missing(parent)
            parent, folder = above, parent
        self.gone.add(folder)
        return False

    async def _listed_anew(self, folder: str) -> set[str] | None:
        """The ids that a folder has now, asked for once in a wave; None if it is not shown. What it has no more, stays so."""
        if folder not in self.fresh:
            try:
                ids = self.fresh[folder] = await self.drive.ids(folder)
            except Missing:
                self.fresh[folder] = None
            else:
                self.absent.update(one for parent, one in self.queue if parent == folder and one not in ids)
        return self.fresh[folder]

    def _root_missing(self, root: str) -> Exception:
        if self.partition:
            return PartitionGone(f"team folder {root}: WorkDrive does not show it any more (R008)")
        if self.resumed:
            return CursorExpired(f"the private space {root} is not shown any more (R008)")
        return no_workdrive(f"the private space {root} is not shown (R008)")

    # -- resume points

    def _resume(self) -> JSON:
        """The queue, if it is short enough; not after every page where it is long."""
        self.unmarked += 1
        if self.unmarked <= len(self.queue) // SELDOM:
            return None
        groups: list[list[str]] = []
        for parent, folder in self.queue:
            if groups and groups[-1][0] == parent:
                groups[-1].append(folder)
            else:
                groups.append([parent, folder])
        text = orjson.dumps(groups)
        if len(text) <= RESUME_LIMIT:
            self.unmarked = 0
            return {"v": VERSION, "queue": groups}
        packed = b85encode(zlib.compress(text, 6)) if len(self.queue) <= PACKABLE else text
        if len(packed) > RESUME_LIMIT:
            return None  # the last one stays: some folders will be read twice
        self.unmarked = 0
        return {"v": VERSION, "packed": packed.decode("ascii")}


def _read_resume(cursor: JSON) -> list[tuple[str, list[str]]]:
    """The queue of a resume point: folders by the folder that listed them."""
    fields: dict[str, Any] = read_cursor(cursor)
    try:
        groups = fields.get("queue", [])
        if "packed" in fields:
            groups = orjson.loads(zlib.decompress(b85decode(fields["packed"])))
        return [(str(parent), [str(folder) for folder in folders]) for parent, *folders in groups]
    except (ValueError, TypeError, zlib.error) as error:
        raise CursorExpired("the resume point cannot be read") from error
