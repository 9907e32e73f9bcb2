"""Calendars: one partition each, read by changes where Zoho filters by time, else by windows (§5).

Public: Calendar.

A full round walks windows of at most 30 days over `past` and `future`, and tries whether `lastmodified` filters (§5.4):
the page that documents it is gone. The verdict lives in the cursor. A delta round looks at the calendar's `ctag` first:
- it is the same: nothing happened, one request;
- it differs: a full round follows at once, since Zoho tells of changes at best and of deletions never;
- there is none: what changed is asked for if the filter works, and deletions are left to the daily full round; without
  the filter, a full round follows.
"""

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import orjson

from syncd.sdk import (
    JSON,
    PARTITION,
    SWEEP,
    Context,
    CursorExpired,
    Page,
    Partition,
    PartitionGone,
    ProtocolError,
    Record,
    Reject,
    Scan,
    Stream,
    StreamInfo,
    SyncdError,
    Tombstone,
    Writable,
    parse_duration,
)

from .api import Api, Params
from .cursors import VERSION, read_cursor
from .errors import Fault
from .event_write import Writer
from .events import LARGE, STAMP, item_of, modified_of, readings_of, source_id_of
from .settings import CALENDARS, EVENTS
from .wire import ident, listed, mark, text

__all__ = ["Calendar"]

WHAT = "calendar"
STEP = timedelta(days=30)  # §5.2: 31 are refused or not, depending on the hour
OVERLAP = timedelta(seconds=5)  # §5.4: times have seconds, changes do not
EPOCH = datetime(1970, 1, 2, tzinfo=UTC)
MOST_MARKS = 500
FAR = datetime(2099, 1, 1, tzinfo=UTC)
PROBE_AGAIN = timedelta(days=7)
TRUST_CTAG = timedelta(days=1)  # a full round at least this often, whatever the ctag says
WRITERS = ("owner", "edit", "delegate")  # §5.1: who may write; `view` may not
WORD = re.compile(r"[A-Za-z_ -]+")
OPTIONS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "calendars": {
            "enum": ["owned", "all"],
            "default": "owned",
            "description": "owned: those that the account owns or can write; all: every one in its list, hidden ones too.",
        },
        "past": {
            "type": "string",
            "format": "syncd-duration",
            "default": "365d",
            "description": "How far back events are read.",
        },
        "future": {
            "type": "string",
            "format": "syncd-duration",
            "default": "730d",
            "description": "How far ahead events are read.",
        },
    },
}


class Calendar(Stream, Writable):
    """Events of the calendars that the credential's owner sees. Ids are unique within a calendar: an event may be in two."""

    info = StreamInfo(
        "calendar",
        "Calendar",
        deletes=SWEEP,
        identity=PARTITION,
        options_schema=OPTIONS,
        full_every=TRUST_CTAG,
    )

    async def partitions(self, ctx: Context) -> Sequence[Partition]:
        """All calendars listed; those that can only be looked at are left out unless chosen (§5.1)."""
        params = {"showhiddencal": "true"}
        response = await Api(ctx, "calendar", WHAT, CALENDARS).get("/api/v1/calendars", "calendars", params)
        every = ctx.options.get("calendars") == "all"
        return [_partition(row, every) for row in listed(response, "calendars", "calendars")]

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        book = _Book(ctx)
        if ctx.scan is Scan.FULL:
            async for page in book.walk(read_cursor(ctx.cursor)):
                yield page
        else:
            yield await book.changes(read_cursor(ctx.cursor))

    async def get(self, ctx: Context, ids: Sequence[str]) -> AsyncIterator[Record | Tombstone | Reject]:
        """§5.4: a deletion is believed when the event itself is asked for and is not there."""
        book = _Book(ctx)
        for one in ids:
            yield await book.one(one)

    async def create(self, ctx: Context, data: Mapping[str, JSON], *, idempotency_key: str) -> Record:
        return await Writer(ctx, _calendar(ctx)).create(data)

    async def update(
        self, ctx: Context, source_id: str, data: Mapping[str, JSON], *, etag: str | None, idempotency_key: str
    ) -> Record:
        return await Writer(ctx, _calendar(ctx)).update(source_id, data, etag)

    async def delete(self, ctx: Context, source_id: str, *, etag: str | None, idempotency_key: str) -> None:
        await Writer(ctx, _calendar(ctx)).delete(source_id, etag)


class Latest:
    """The newest change seen, by Zoho's own clock, and the marks of those so near that they will be listed again.

    A mark is (`uid`, `recurrenceid`, `etag`): times have seconds, changes do not (§5.3).
    """

    def __init__(self, kept: dict[str, Any] | None) -> None:
        self.id: str | None = (kept or {}).get("id")
        self._at = _parsed(kept["at"]) if kept and self.id is not None else EPOCH
        self._marks: dict[str, str] = dict((kept or {}).get("marks", {}))

    @property
    def since(self) -> datetime:
        """Where to ask from."""
        return self._at - OVERLAP

    @property
    def kept(self) -> dict[str, Any] | None:
        """For the cursor."""
        return None if self.id is None else {"id": self.id, "at": self._at.isoformat(), "marks": self._marks}

    def note(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Take rows in; those that are changes not seen before."""
        fresh = []
        for row in rows:
            one, modified = source_id_of(row), modified_of(row)
            if one is None or modified is None:
                fresh.append(row)
                continue
            if modified > self._at:
                self.id, self._at = one, modified
            change = f"{one} {row.get('etag')}"
            if change not in self._marks:
                fresh.append(row)
            if modified >= self.since:
                self._marks[change] = modified.isoformat()
        near = [(change, at) for change, at in self._marks.items() if _parsed(at) >= self.since]
        self._marks = dict(near[-MOST_MARKS:])
        return fresh


class _Book:
    """One calendar of one account."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.api = Api(ctx, "calendar", WHAT, EVENTS)
        self.path = f"/api/v1/calendars/{quote(_calendar(ctx), safe='')}"

    async def walk(self, cursor: dict[str, Any]) -> AsyncIterator[Page]:
        """All windows. The ctag is read before, so that what happens meanwhile shows the next time."""
        ctag = cursor["ctag"] if "ctag" in cursor else await self.ctag()
        began = _time(cursor.get("began")) or self.ctx.clock.now()
        begin, end = self._window(began)
        at, latest = _time(cursor.get("at")) or begin, Latest(cursor.get("latest"))
        before: set[str] = set()
        while True:
            until = min(at + STEP, end)
            rows = await self._listing({"range": _range(at, until)})
            latest.note(rows)
            items = [item for item in _items(rows) if item.source_id is None or item.source_id not in before]
            before = {one for row in rows if (one := source_id_of(row)) is not None}
            if until >= end:
                break
            at = until
            place = {"v": VERSION, "at": at.isoformat(), "began": began.isoformat(), "ctag": ctag}
            yield Page(items, resume={**place, "latest": latest.kept}, window=(begin, end))
        works = await self._filters(latest)
        place = {"v": VERSION, "ctag": ctag, "filter": works, "probed": began.isoformat()}
        yield Page(items, last=True, bookmark={**place, "latest": latest.kept}, window=(begin, end))

    async def changes(self, place: dict[str, Any]) -> Page:
        """What changed since the bookmark. CursorExpired where only a full round can tell."""
        if not place:
            raise CursorExpired("the cursor is empty")
        ctag, now = await self.ctag(), self.ctx.clock.now()
        latest = Latest(place.get("latest"))
        probed, works = _parsed(place["probed"]), place["filter"]
        if now - probed >= PROBE_AGAIN:
            probed, works = now, await self._filters(latest)
        book = {**place, "probed": probed.isoformat(), "filter": works, "ctag": ctag}
        if ctag is not None and ctag == place.get("ctag"):
            return Page([], last=True, bookmark=book)
        if ctag is not None or not works:
            raise CursorExpired("the calendar changed, and Zoho does not tell all of it: it is read as a whole")
        return await self._since(book, latest)

    async def _since(self, place: dict[str, Any], latest: Latest) -> Page:
        """What was modified since then, less what was seen already."""
        since = latest.since
        rows = await self._listing({"lastmodified": since.strftime(STAMP)}, changed=True)
        if any((modified := modified_of(row)) is not None and modified < since for row in rows):
            raise CursorExpired("the calendar's `lastmodified` does not filter: it is read as a whole")
        if any(row.get("estatus") == "deleted" for row in rows):
            raise CursorExpired("an event was deleted: the calendar is read as a whole")
        fresh = latest.note(rows)
        return Page(list(_items(fresh)), last=True, bookmark={**place, "latest": latest.kept})

    async def one(self, source_id: str) -> Record | Tombstone | Reject:
        for uid, occurrence in readings_of(source_id):
            rows = await self._event(uid, occurrence)
            row = next((row for row in rows if source_id_of(row) == source_id), None)
            if row is not None:
                item = item_of(row)
                assert item is not None
                return item
            if rows and not occurrence:
                return Reject("the answer is another event", source_id)
        return Tombstone(source_id)  # where the series is there, its occurrence is like all others again

    async def _event(self, uid: str, occurrence: str | None) -> list[dict[str, Any]]:
        """An event as it is asked for by its ids; [] if it is not there."""
        path = f"{self.path}/events/{quote(uid, safe='')}"
        try:
            response = await self.api.get(path, "event", {"recurrenceid": occurrence}, _event_gone, headers=LARGE)
        except _Gone:
            return []
        return [row for row in listed(response, "events", "event") if row.get("uid") is not None]

    async def ctag(self) -> str | None:
        """§5.1: it changes when anything in the calendar does. None where there is none."""
        response = await self.api.get(self.path, WHAT, None, _calendar_gone, scope=CALENDARS)
        rows = listed(response, "calendars", WHAT)
        return mark(rows[0].get("ctag")) if rows else None

    async def _listing(self, params: Params, *, changed: bool = False) -> list[dict[str, Any]]:
        means = _filter_refused if changed else _calendar_gone
        response = await self.api.get(f"{self.path}/events", "events", params, means, headers=LARGE)
        return [] if response.status_code == 204 else listed(response, "events", "events")

    async def _filters(self, latest: Latest) -> bool:
        """§5.4: whether `lastmodified` filters: nothing is newer than the far future, and the newest event is there
        when it is asked for. A calendar without events proves nothing: windows are read until it has some."""
        if latest.id is None:
            return False
        try:
            later = await self._listing({"lastmodified": FAR.strftime(STAMP)}, changed=True)
            if any(row.get("uid") is not None for row in later):
                return False
            rows = await self._listing({"lastmodified": latest.since.strftime(STAMP)}, changed=True)
        except CursorExpired:
            return False
        return any(source_id_of(row) == latest.id for row in rows)

    def _window(self, now: datetime) -> tuple[datetime, datetime]:
        past, future = (
            parse_duration(str(self.ctx.options.get(key) or OPTIONS["properties"][key]["default"]))  # type: ignore[index]
            for key in ("past", "future")
        )
        day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return day - past, day + future + timedelta(days=1)


def _calendar(ctx: Context) -> str:
    """§5.1: the calendar's uid, or the word for the user's first one."""
    return ctx.partition.id if ctx.partition and ctx.partition.id else "default"


class _Gone(SyncdError):
    """The event is not there."""


def _event_gone(fault: Fault) -> SyncdError | None:
    """§5.4: 404, or another 4xx that speaks of neither token, scope nor permission."""
    return _Gone(str(fault)) if fault.http in (400, 404, 410, 422) else None


def _calendar_gone(fault: Fault) -> SyncdError | None:
    return PartitionGone(f"{WHAT}: {fault}") if fault.http in (404, 410) else None


def _filter_refused(fault: Fault) -> SyncdError | None:
    """Without `range` the call is refused where the filter is not known any more (§5.4)."""
    refused = 400 <= fault.http < 500 and fault.http not in (401, 403)
    return CursorExpired(f"{WHAT}: {fault}") if refused else None


def _partition(row: dict[str, Any], every: bool) -> Partition:
    uid = ident(row.get("uid"))
    if uid is None:
        raise ProtocolError("calendars: a calendar has no uid")
    privilege = row.get("privilege")
    if not isinstance(privilege, str) or not WORD.fullmatch(privilege):  # who may write decides what is mirrored
        raise ProtocolError("calendars: a calendar has no privilege")
    return Partition(uid, text(row.get("name")), excluded=not every and privilege.lower() not in WRITERS)


def _range(start: datetime, end: datetime) -> str:
    """§5.2: JSON, url-encoded, at most 31 days (trap 24)."""
    return orjson.dumps({"start": start.strftime(STAMP), "end": end.strftime(STAMP)}).decode()


def _items(rows: list[dict[str, Any]]) -> Iterator[Record | Reject]:
    """What lives. A row that says `deleted` is left to the sweep, which asks for the event itself (§5.4)."""
    for row in rows:
        item = item_of(row)
        if item is not None and not isinstance(item, Tombstone):
            yield item


def _time(value: Any) -> datetime | None:
    return None if value is None else _parsed(value)


def _parsed(value: Any) -> datetime:
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise CursorExpired("the cursor has no readable time") from error
