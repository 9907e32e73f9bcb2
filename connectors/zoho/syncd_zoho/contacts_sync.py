"""What changed in the address book, as the sync endpoint tells it (§6.3), and what of that is believed.

Public: Trail, changes.

Zoho's own text says little: the two parameters, and that a negative `status` marks what was deleted, while living contacts
show -10. Which value means "deleted", what such a row holds, how the pages are sorted and whether a contact that was never
edited is told, it does not say. So:

- a row with another negative status that holds nothing of a contact is a deletion;
- one that still holds something, or a living one without any sub-list, is in doubt: the book is read as a whole;
- if pages may have shifted (something changed while they were read), the next round asks from the same time again;
- a deletion during a full walk may have let another contact slip through it: the book is read as a whole again;
- the whole book is read weekly whatever was told.
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from hashlib import blake2b
from typing import Any, Self

import msgspec

from syncd.sdk import JSON, Context, CursorExpired, Item, Page, Reject, SyncdError, Tombstone

from .api import Params
from .cursors import VERSION, read_cursor
from .errors import Fault
from .leaves import WHAT, Entry, Leaf, Listing, leaves
from .people import Person, changed_at, record_of
from .slices import Sliced

__all__ = ["Trail", "changes"]

LIVING = "-10"  # §6.3: what samples of living contacts show
OVERLAP = 5_000  # ms
SECOND = 1_000  # ms: as fine as `Date` is
MOST_MARKS = 500


class Row(Person, gc=False):
    """A contact of the sync endpoint."""

    status: int | str | None = None
    ims: Any = None
    urls: Any = None
    address: Any = None


ROWS = Sliced(Listing, "contacts", Row, "contact_id")


class Trail(msgspec.Struct, omit_defaults=True):
    """Where a round stands, and what the next delta must know. Times are Zoho's own, in ms.

    `since`: changes from then on are asked for. `marks`: those known from there on, by time and digest. `began`: when
    this round was begun; `newest`: the newest change that it saw. `walked`: from when to when the full round before
    this one read. `slipped`: a contact went in that time.
    """

    v: int
    page: int = 1
    since: int = 0
    marks: dict[str, tuple[int, str]] = {}
    began: int | None = None
    newest: int = 0
    walked: tuple[int, int] | None = None
    slipped: bool = False

    @classmethod
    def read(cls, cursor: JSON) -> Self:
        try:
            return msgspec.convert(read_cursor(cursor) or {"v": VERSION}, cls)
        except msgspec.ValidationError as error:
            raise CursorExpired(f"the cursor cannot be read: {error}") from error

    def cursor(self) -> JSON:
        return msgspec.json.decode(msgspec.json.encode(self))

    def pass_by(self, leaf: Leaf) -> None:
        """Note what a page shows."""
        if self.began is None:
            self.began = leaf.at
        for entry in leaf.entries:
            if type(entry) is tuple:
                person, data = entry
                at = changed_at(person)
                self.newest = max(self.newest, at)
                if at >= (self.since or self.newest - OVERLAP):
                    self.marks[person.contact_id] = (at, _digest(data))
        if len(self.marks) > MOST_MARKS:
            self.marks = self._latest(self.since or self.newest - OVERLAP)

    def knows(self, person: Person, data: bytes) -> bool:
        return self.marks.get(person.contact_id, (0, ""))[1] == _digest(data)

    def read_at(self, moment: int) -> bool:
        """Whether the full round before this one was under way then."""
        return self.walked is not None and self.walked[0] <= moment <= self.walked[1]

    def after_walk(self, leaf: Leaf) -> JSON:
        """The bookmark of a full round, whose last page this is."""
        began = leaf.at if self.began is None else self.began
        since = self._up_to(began)
        return Trail(VERSION, since=since, marks=self._latest(since), walked=(began, leaf.at + SECOND)).cursor()

    def after_changes(self, leaf: Leaf) -> JSON:
        """The bookmark of a delta round. What shifted while pages were read is asked for again."""
        began = leaf.at if self.began is None else self.began
        steady = leaf.page == 1 or self.newest < began
        since = max(self.since, self._up_to(began)) if steady else self.since
        return Trail(VERSION, since=since, marks=self._latest(since)).cursor()

    def _up_to(self, began: int) -> int:
        """All changes before are known. Two clocks are asked, since that of the contacts need not be that of `Date`."""
        return max(0, min(began, self.newest) - OVERLAP)

    def _latest(self, since: int) -> dict[str, tuple[int, str]]:
        found = sorted(((key, mark) for key, mark in self.marks.items() if mark[0] >= since), key=lambda one: one[1][0])
        return dict(found[-MOST_MARKS:])


async def changes(ctx: Context) -> AsyncIterator[Page]:
    """What changed since the bookmark. CursorExpired where only the whole book can tell."""
    if ctx.cursor is None:
        raise CursorExpired("the cursor is empty")
    trail = Trail.read(ctx.cursor)
    since: Params = {"filter_updated_time": trail.since}
    path, also = "/api/v1/sync/self/contacts", "show_deleted,"
    async for leaf in leaves(ctx, path, trail.page, rows=ROWS, also=also, params=since, means=_refused):
        items = list(_told(leaf.entries, trail))
        trail.pass_by(leaf)
        if not leaf.last:
            trail.page = leaf.page + 1
            yield Page(items, resume=trail.cursor())
        elif trail.slipped:
            yield Page(items, resume=trail.cursor())
            raise CursorExpired("a contact was deleted while the book was read, and another may have slipped through")
        else:
            yield Page(items, last=True, bookmark=trail.after_changes(leaf))


def _told(entries: Iterable[Entry], trail: Trail) -> Iterator[Item]:
    """What the rows say that was not known yet."""
    for entry in entries:
        if isinstance(entry, Reject):
            yield entry
            continue
        row, data = entry
        if trail.knows(row, data):
            continue
        if _deleted(row):
            trail.slipped |= trail.read_at(changed_at(row))
            yield Tombstone(row.contact_id)
        else:
            yield record_of(row, data)


def _deleted(row: Person) -> bool:
    """Whether it tells a deletion; CursorExpired if that, or what has become of the contact, is not plain."""
    assert isinstance(row, Row)
    lists = any(one is not None for one in (row.emails, row.phones, row.ims, row.urls, row.address))
    if not _negative(row.status):
        if not lists:
            raise CursorExpired(f"contact {row.contact_id} is told without any sub-list: the book is read as a whole")
        return False
    if lists or row.first_name or row.middle_name or row.last_name or row.nick_name or row.company:
        raise CursorExpired(f"contact {row.contact_id} has the status {row.status}: the book is read as a whole")
    return True


def _negative(status: int | str | None) -> bool:
    """Below zero, and not what living contacts have."""
    text = str(status)
    return text.startswith("-") and text != LIVING


def _refused(fault: Fault) -> SyncdError | None:
    """A sync endpoint that is not there, or does not take the time, leaves the whole book."""
    return CursorExpired(f"{WHAT}: {fault}") if fault.http in (400, 404, 410) else None


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=8).hexdigest()
