"""Calendars: one partition each, events with sync tokens (wire reference §5).

Public: Calendar.

The list is not expanded (`singleEvents=false`): series with their changed and cancelled occurrences, since an expanded
list cannot mirror the end of an endless series (§13.10).
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from syncd.sdk import (
    PARTITION,
    Context,
    CursorExpired,
    Forbidden,
    Item,
    Page,
    Partition,
    ProtocolError,
    Record,
    Reject,
    Scan,
    Stream,
    StreamInfo,
    SyncdError,
    Tombstone,
)

from .api import Api, Params
from .cursors import VERSION, read_cursor
from .errors import Fault
from .events import Event, Series, summary_of
from .wire import LONGEST_LIST, Chain, Sliced, decode, instant, next_token, text_of

__all__ = ["Calendar"]

WHAT = "calendar"
LIST_SIZE = 250  # §5.1: the most
PAGE_SIZE = 2500  # §5.1: the most
READ_ONLY = {"reader", "freeBusyReader", "none"}  # §5.1; a role that is new or left out may be one to write
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
            "description": "Accepted, as by all connectors. Google needs no window: everything is kept.",
        },
        "future": {"type": "string", "format": "syncd-duration", "description": "Accepted; Google needs no window."},
    },
}


class Events(msgspec.Struct):
    """A page. It may be empty and still have a successor (§13.7)."""

    items: list[msgspec.Raw] = []
    timeZone: str | None = None  # noqa: N815 - the provider's spelling
    nextPageToken: str | None = None  # noqa: N815
    nextSyncToken: str | None = None  # noqa: N815


PAGES = Sliced(Events, "items", Event, "id")
encode = msgspec.json.Encoder().encode


class Calendar(Stream):
    """Events of the calendars in an account's list. Ids are unique within a calendar only (§5.5)."""

    info = StreamInfo(
        "calendar",
        "Calendar",
        identity=PARTITION,
        volatile=("etag",),
        options_schema=OPTIONS,
    )

    async def partitions(self, ctx: Context) -> Sequence[Partition]:
        """All calendars that the account lists, hidden ones included."""
        api, chain = Api(ctx, "calendar", WHAT), Chain("calendar list", LONGEST_LIST)
        token: str | None = None
        every = ctx.options.get("calendars") == "all"
        found: list[Partition] = []
        while True:
            params: Params = {"maxResults": LIST_SIZE, "showHidden": "true", "pageToken": token}
            response = await api.get("/calendar/v3/users/me/calendarList", "calendar list", params)
            page = decode(response.content, "calendar list")
            found += [_partition(entry, every) for entry in _entries(page) if not _deleted(entry)]
            following = next_token(page, "calendar list")
            if following is None:
                return found
            token = chain.follow(following)

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        cursor = read_cursor(ctx.cursor)
        token = cursor.get("sync") if ctx.scan is Scan.DELTA else None
        if ctx.scan is Scan.DELTA and not token:
            raise CursorExpired("the cursor has no sync token")
        page_token: str | None = cursor.get("page")
        series = Series(cursor.get("series", {}), cursor.get("ended", []), full=ctx.scan is Scan.FULL)
        api, chain = Api(ctx, "calendar", WHAT), Chain(WHAT)
        path = f"/calendar/v3/calendars/{quote(ctx.partition.id if ctx.partition else 'primary', safe='')}/events"
        while True:
            head, entries = await _page(api, path, token, page_token)
            items = _items(entries, series, head.timeZone)
            if head.nextPageToken is None:
                yield Page(items, last=True, bookmark={"v": VERSION, "sync": _new_token(head), "series": series.kept})
                return
            page_token = chain.follow(head.nextPageToken)
            resume = {"v": VERSION, "sync": token, "page": page_token, "series": series.kept, "ended": series.ended}
            yield Page(items, resume=resume)


async def _page(
    api: Api, path: str, token: str | None, page_token: str | None
) -> tuple[Events, Iterable[tuple[Event, bytes] | Reject]]:
    """One page. A delta's pages need the sync token and the page token (§13.5), all other parameters stay the same.

    `showDeleted` is never sent: a delta always has deletions, and may not be told otherwise (§5.3).
    """
    params: Params = {"singleEvents": "false", "maxResults": PAGE_SIZE, "syncToken": token, "pageToken": page_token}
    response = await api.get(path, WHAT, params, lambda fault: _meaning(fault, used=bool(token or page_token)))
    return PAGES.read(response.content, WHAT)


def _meaning(fault: Fault, *, used: bool) -> SyncdError | None:
    """§5.3: 410 and, for garbled tokens, 400 mean to start over (§13.3); 404 is a calendar that may not be read."""
    if used and (fault.http == 410 or (fault.http == 400 and _about_token(fault))):
        return CursorExpired(f"{WHAT}: {fault}")
    if fault.http == 404:
        return Forbidden(f"{WHAT}: {fault}", hint="The calendar is gone, or no longer shared with the account.")
    return None


def _about_token(fault: Fault) -> bool:
    return fault.is_("invalid", "badRequest", "INVALID_ARGUMENT") or fault.location in ("syncToken", "pageToken")


def _items(entries: Iterable[tuple[Event, bytes] | Reject], series: Series, zone: str | None) -> list[Item]:
    """The items of a page. A deleted series takes its occurrences with it (see `Series`)."""
    items: list[Item] = []
    for entry in entries:
        if isinstance(entry, Reject):
            items.append(entry)
            continue
        event, data = entry
        if not event.id:
            items.append(Reject("an event without an id", None, data))
        elif event.recurringEventId:
            lives = series.note(event.recurringEventId, event.id)
            items.append(_record(event, data, zone) if lives else Tombstone(event.id))
        elif event.status == "cancelled":
            items += [Tombstone(one) for one in (event.id, *series.end(event.id))]
        else:
            series.living(event.id)
            items.append(_record(event, data, zone))
    return items


def _record(event: Event, data: bytes, zone: str | None) -> Record:
    return Record(
        event.id,
        data,
        summary=encode(summary_of(event, zone)),
        etag=event.etag,
        modified_at=instant(event.updated),
    )


def _new_token(head: Events) -> str:
    if not head.nextSyncToken:
        raise ProtocolError("calendar: the last page has no sync token")
    return head.nextSyncToken


def _entries(page: dict[str, Any]) -> list[dict[str, Any]]:
    entries = page.get("items", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ProtocolError("calendar list: items is not a list of objects")
    return entries


def _deleted(entry: dict[str, Any]) -> bool:
    return entry.get("deleted") is True


def _partition(entry: dict[str, Any], every: bool) -> Partition:
    title = entry.get("summaryOverride") or entry.get("summary") or ""
    return Partition(
        text_of(entry, "id", "calendar list"),
        str(title),
        excluded=not every and entry.get("accessRole") in READ_ONLY,
    )
