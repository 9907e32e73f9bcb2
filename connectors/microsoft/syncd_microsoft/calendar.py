"""Calendars: one partition each, by the delta of a calendar's view (wire reference §6).

Public: CalendarStream.

Records are single events, series, and changed occurrences (their series is their `parent`). Plain occurrences are not
records: a series says by its rule when it takes place, and by `cancelledOccurrences`, which is added to it here in Graph's
own form, when it does not. The view has a window that is frozen in its link (§18.13): it is made 31 days longer than asked
for, and a full round at least every 30 days makes a new one.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

import msgspec
import orjson

from syncd.sdk import (
    JSON,
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
    Tombstone,
    Transient,
    Writable,
    parse_duration,
)

from . import event_place, event_write
from .api import IMMUTABLE, Graph, page_size, quoted
from .batch import Batch, Part, TooMuch
from .calendars import Groups, calendars
from .cursors import VERSION, read_cursor
from .errors import no_mailbox, refusal
from .events import EVENTS, EXCEPTION, MASTER, OCCURRENCE, TYPES, Event, record_of, with_cancelled
from .outlook import ETAGS, PAGE_SIZES, OverQuota, folder_fault, is_gone, looked_at
from .push import Push
from .series import UNREAD, Book, Known, Series, Window, beyond, cancelled, pack, unpack
from .throttle import ANSWERED
from .wire import LONGEST_LIST, Chain, Links

__all__ = ["CalendarStream"]

WHAT = "calendar"
IDS = "immutable"  # the format of all ids kept (§1)
EVERY = timedelta(days=30)  # a new window at least this often
AHEAD = timedelta(days=31)  # how much longer the frozen window is
WIDEST = timedelta(days=1825)  # §6: about five years
PAST, FUTURE = "365d", "730d"
CHUNK = 100  # series that are settled at once
TYPE = "#microsoft.graph.event"
FIELDS = {"type", "subject", "start", "end", "isAllDay", "organizer", "attendees", "location"}  # of a whole event
FEW = 3  # occurrences that may be missing at once without a second look
OPTIONS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "calendars": {
            "enum": ["owned", "all"],
            "default": "owned",
            "description": "owned: those that the mailbox owns or can write; all: those shared with it for reading too.",
        },
        "past": {
            "type": "string",
            "format": "syncd-duration",
            "default": PAST,
            "description": "How far back the calendar is mirrored. Together with `future` at most 1794 days.",
        },
        "future": {
            "type": "string",
            "format": "syncd-duration",
            "default": FUTURE,
            "description": "How far ahead the calendar is mirrored; in fact up to 31 days more.",
        },
    },
}


class CalendarStream(Stream, Writable, Push):
    """Events of a mailbox's calendars. Immutable ids survive a move from one calendar to another (§1)."""

    info = StreamInfo(
        "calendar",
        "Calendar",
        options_schema=OPTIONS,
        volatile=ETAGS,
        full_every=EVERY,
    )

    def __init__(self) -> None:
        self._groups: Groups = {}

    async def partitions(self, ctx: Context) -> Sequence[Partition]:
        return await calendars(ctx, self._groups)

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        async for page in _Round(ctx).pages():
            yield page

    async def get(self, ctx: Context, ids: Sequence[str]) -> AsyncIterator[Record | Tombstone | Reject]:
        """404 is gone; what is found is alive, though maybe outside of the window (§6).

        A plain occurrence is no record: an exception that became one again is gone.
        """
        graph = Graph(ctx, WHAT, (IMMUTABLE,))
        async for item in looked_at(graph, WHAT, {one: _path(graph, one) for one in ids}, _alone):
            plain = isinstance(item, Record) and item.parent and _kind(item) == OCCURRENCE
            yield Tombstone(item.source_id) if plain and item.source_id else item

    async def create(self, ctx: Context, data: Mapping[str, JSON], *, idempotency_key: str) -> Record:
        return _written(await event_write.create(ctx, data, idempotency_key), new=True)

    async def update(
        self, ctx: Context, source_id: str, data: Mapping[str, JSON], *, etag: str | None, idempotency_key: str
    ) -> Record:
        return _written(await event_write.update(ctx, source_id, data, etag))

    async def delete(self, ctx: Context, source_id: str, *, etag: str | None, idempotency_key: str) -> None:
        await event_write.delete(ctx, source_id, etag)


class _Round:
    """One round over one calendar.

    The cursor: `link`, followed byte for byte; `from` and `to`, the window; `known`, what is cancelled, by series; in
    the midst of a round `series`, what the pages so far told of series, which are decided after the last one.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._graph = Graph(ctx, WHAT, (IMMUTABLE,))
        self._full = ctx.scan is Scan.FULL
        cursor = read_cursor(ctx.cursor)
        self._plain = cursor.get("plain") is True
        self._where = self._start(cursor)
        packed = cursor.get("known")
        self._known = {} if self._full or packed is None else _read_known(packed)
        self._sure = self._full or packed is not None  # whether `known` is all there is to know
        self._book = Book(unpack(cursor["series"]) if cursor.get("series") else None)
        self._sizes = list(PAGE_SIZES)
        self._chain = Chain(WHAT)

    def _start(self, cursor: Mapping[str, Any]) -> str:
        """Where the round goes on, or begins: then with a new window."""
        if cursor:
            link = cursor.get("link")
            again = self._plain and not self._full
            if again or cursor.get("ids") != IDS or not isinstance(link, str) or not self._graph.at_home(link):
                raise CursorExpired(f"{WHAT}: the cursor cannot be used any more")
            self._window = _read_window(cursor)
            return link
        if not self._full:
            raise CursorExpired(f"{WHAT}: the cursor has no link")
        self._window = _new_window(self._ctx)
        return self._view("calendarView/delta")

    def _view(self, name: str) -> str:
        assert self._ctx.partition is not None
        calendar = f"{self._graph.user}/calendars/{quoted(self._ctx.partition.id)}"
        start, end = (f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in self._window)
        return f"{calendar}/{name}?startDateTime={start}&endDateTime={end}"

    async def pages(self) -> AsyncIterator[Page]:
        while True:
            links, items, skipped = await self._page()
            self._sure = self._sure and not self._book.blind
            if not links.next:
                break
            self._where = self._chain.follow(links.next)
            yield Page(items, resume=self._resume(), skipped=skipped, window=self._covers)
        ids = list(self._book.series)
        for start in range(0, len(ids), CHUNK):
            if start:
                yield Page(items, skipped=skipped, window=self._covers)
                items, skipped = [], 0
            items += await self._settled(ids[start : start + CHUNK])
        yield Page(items, last=True, bookmark=self._bookmark(links.delta or ""), skipped=skipped, window=self._covers)

    @property
    def _covers(self) -> Window | None:
        """What is outside of the window was not asked for, so it is not missing (§18.13)."""
        return self._window if self._full else None

    def _place(self, link: str) -> dict[str, JSON]:
        start, end = (moment.isoformat() for moment in self._window)
        plain: dict[str, JSON] = {"plain": True} if self._plain else {}
        return {"v": VERSION, "ids": IDS, "link": link, "from": start, "to": end, **plain}

    def _resume(self) -> JSON:
        """None if what the rest of the round needs from its past is too much: then an earlier place stays."""
        known, series = self._write_known(), pack(self._book.write())
        if series is None or (known is None and self._sure):
            return None
        return {**self._place(self._where), "known": known if self._sure else None, "series": series}

    def _bookmark(self, link: str) -> JSON:
        return {**self._place(link), "known": self._write_known() if self._sure else None}

    def _write_known(self) -> str | None:
        return pack({one: known.write() for one, known in self._known.items()})

    # -- a page

    async def _page(self) -> tuple[Links, list[Item], int]:
        """The next page: its links, its items, and how many occurrences it listed, which are not records."""
        links, entries = EVENTS.read(await self._feed(), WHAT)
        if not self._plain or links.next:
            self._graph.address(links.one(WHAT))
        found = [one if isinstance(one, Reject) or one[0].id else _anonymous(one[1]) for one in entries]
        if self._plain:
            found = [one if isinstance(one, Reject) else _annotated(one[1]) for one in found]
        living = [one for one in found if not isinstance(one, Reject) and not one[0].removed]
        removed = [one[0].id for one in found if not isinstance(one, Reject) and one[0].removed]
        thin = [event.id for event, data in living if self._is_thin(event, data)]
        asked = await self._ask(thin) if thin else {}
        kids = await self._ctx.children(removed) if removed else {}
        items: list[Item] = []
        for one in found:
            if isinstance(one, Reject):
                self._book.blind = True
                items.append(one)
            elif one[0].removed:
                items += self._ended(one[0].id, kids.get(one[0].id, []))
            elif isinstance(answer := asked.get(one[0].id, one), Reject):
                self._book.unreadable(one[0])
                items.append(answer)
            else:
                items += self._living(one[0].id, answer)
        return links, items, sum(event.kind == OCCURRENCE for event, _ in living)

    def _is_thin(self, event: Event, data: bytes) -> bool:
        """Whether an event must be asked for. In a delta, what an update leaves out has not changed (§3, §18.7)."""
        if not event.whole or self._full or event.kind == OCCURRENCE:
            return not event.whole
        return not orjson.loads(data).keys() >= FIELDS

    def _living(self, one: str, answer: tuple[Event, bytes] | None) -> Iterator[Item]:
        """What an event comes to."""
        if answer is None:
            yield Tombstone(one)
            return
        event, data = answer
        if event.kind == MASTER:
            self._book.master(event, data)
        elif event.kind == OCCURRENCE and event.seriesMasterId:
            self._book.occurrence(event)
        elif event.kind == OCCURRENCE:
            self._book.blind = True
            yield Reject("an occurrence that does not name its series", one, data)
        elif event.type and event.kind not in TYPES:  # it may be an occurrence, which is no record
            self._book.blind = True
            yield Reject("an event of an unknown type", one, data)
        else:
            if event.kind == EXCEPTION and event.seriesMasterId:
                self._book.exception(event)
            yield record_of(event, data)

    async def _feed(self) -> bytes:
        """The next page's body. A full mailbox keeps no state of a feed: its view is listed plainly then (§4).

        There the series are missing, which are asked for in any case; the next round is full again.
        """
        try:
            return await self._read()
        except OverQuota as error:
            if self._plain:
                raise
            if not self._full:
                raise CursorExpired(str(error)) from error
        self._plain, self._book, self._sure = True, Book(), True
        self._chain, self._where = Chain(WHAT), self._view("calendarView")
        return await self._read()

    async def _read(self) -> bytes:
        """A large page may fail again and again: then the same round is read on in smaller ones (§3)."""
        while True:
            try:
                response = await self._graph.get(
                    self._where, WHAT, folder_fault(WHAT), prefer=[page_size(self._sizes[0])]
                )
            except Transient as error:
                if len(self._sizes) == 1 or not error.message.startswith(f"{ANSWERED} 5"):
                    raise
                del self._sizes[0]
                continue
            return response.content

    def _ended(self, one: str, children: Sequence[str]) -> list[Item]:
        """Deleted, or out of the window now: `get` tells. A series takes its exceptions with it (§6)."""
        self._known.pop(one, None)
        return [Tombstone(gone) for gone in dict.fromkeys([one, *children, *self._book.drop(one)])]

    # -- after the last page

    async def _settled(self, ids: Sequence[str]) -> list[Item]:
        """Some series, with their cancelled occurrences; those that were not sent, or not kept, are asked for (§18.10)."""
        series = {one: self._book.series[one] for one in ids}
        absent = [one for one in ids if series[one].data is None and not series[one].lost]
        answers = await self._ask(absent) if absent else {}
        items: list[Item] = []
        for one, answer in answers.items():
            if isinstance(answer, Reject):
                series[one].blind = True
                items.append(answer)
            elif answer is not None:
                self._book.master(*answer, sent=False)
        gone = {one for one, answer in answers.items() if answer is None}
        kids = {} if self._full and not gone else await self._ctx.children(ids)
        held = await self._held(series)
        for one in ids:
            if one in gone:
                items += self._ended(one, kids.get(one, []))
                continue
            data = series[one].data
            if data is not None:
                items.append(await self._series(series[one], *data, held=one in held))
            if not self._full and series[one].present and not self._is_blind(series[one]):
                items += [Tombstone(kid) for kid in kids.get(one, []) if not self._book.saw(one, kid)]
            self._book.drop(one)
        return items

    async def _held(self, series: Mapping[str, Series]) -> Mapping[str, str | None]:
        """Those of whose cancelled occurrences nobody knows more than their records do."""
        if self._full:
            self._known |= {one: UNREAD for one, found in series.items() if self._is_blind(found)}
        unsure = [one for one in series if not self._sure or self._known.get(one) == UNREAD]
        return await self._ctx.known(unsure) if unsure else {}

    def _is_blind(self, series: Series) -> bool:
        return self._book.blind or series.blind

    async def _series(self, series: Series, event: Event, data: bytes, *, held: bool) -> Record:
        """One series. Its occurrences are all there in a full round, and in a delta when it was sent itself (§6)."""
        if event.kind != MASTER:
            return record_of(event, data)
        known = self._known.get(event.id)
        if not self._is_blind(series) and (self._full or series.present):
            known = await self._cancelled(series, event, known)
        elif known in (None, UNREAD) and held:  # what is cancelled is in the record only
            return record_of(event, data, partial=True)
        dates = [f"{datetime.fromordinal(day):%Y-%m-%d}" for day in known.gone] if known else []
        return record_of(event, with_cancelled(data, dates))

    async def _cancelled(self, series: Series, event: Event, before: Known | None) -> Known:
        known = cancelled(event, event.rule, series.slots, self._window, before)
        if not self._full and self._many(known, before, series):
            series.slots.extend(await self._instances(event.id, self._window) or ())
            known = cancelled(event, event.rule, series.slots, self._window, before)
        elsewhere = beyond(event, event.rule, self._window, known)
        for window in elsewhere:
            series.slots.extend(await self._instances(event.id, window) or ())
        if elsewhere:
            known = cancelled(event, event.rule, series.slots, self._window, before)
        self._known.pop(event.id, None)
        if known.gone or known.sent is not None:
            self._known[event.id] = known
        return known

    @staticmethod
    def _many(now: Known, before: Known | None, series: Series) -> bool:
        """Whether so many are missing at once that this may be a replay of a part (§3), not a deletion."""
        new = set(now.gone) - set(before.gone if before else ())
        return len(new) > max(FEW, len(series.slots))

    async def _instances(self, series: str, window: Window) -> list[int] | None:
        """The slots of a series as its own listing has them; None if that cannot be had."""
        start, end = (f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in window)
        where: str | None = f"{_path(self._graph, series)}/instances?startDateTime={start}&endDateTime={end}"
        chain, book = Chain("instances", LONGEST_LIST), Book()
        while where:
            try:
                response = await self._graph.get(where, "instances", prefer=[page_size(self._sizes[0])])
            except (Forbidden, ProtocolError):
                return None
            links, entries = EVENTS.read(response.content, "instances")
            for one in entries:
                if isinstance(one, Reject):
                    return None
                event = one[0]
                event.seriesMasterId = series
                if event.kind == EXCEPTION:
                    book.exception(event)
                else:
                    book.occurrence(event)
            where = chain.follow(links.next) if links.next else None
        return None if book.blind else list(book.series[series].slots) if book.series else []

    async def _ask(self, ids: Sequence[str]) -> dict[str, tuple[Event, bytes] | Reject | None]:
        """Events by id; None for those that are gone. What is the matter with one event is no other's fault (§8, §10)."""
        paths = {one: _path(self._graph, one) for one in dict.fromkeys(ids)}
        try:
            parts = await Batch(self._graph, serial=True).get(list(paths.values()), until=_refused)
        except TooMuch:
            parts = {}
            for path in paths.values():
                parts |= await Batch(self._graph, serial=True, cap=64 << 20).get([path])
        refused = next((part for part in parts.values() if _refused(part)), None)
        if refused is not None:
            raise no_mailbox(refused.fault, WHAT) or refusal(refused.fault, WHAT, WHAT)
        return {one: _asked(one, parts[path]) for one, path in paths.items()}


def _asked(one: str, part: Part) -> tuple[Event, bytes] | Reject | None:
    """The answer about one event; None if it is gone."""
    if part.status >= 400:
        gone = part.status == 404 or is_gone(part.fault)
        return None if gone else Reject(f"{WHAT}: {part.fault}", one)
    if not isinstance(part.body, dict):
        return Reject("unreadable item: it is no JSON object", one)
    data = orjson.dumps(_plain(part.body))
    read = EVENTS.one(data)
    if isinstance(read, Reject):
        return Reject(read.reason, one, data)
    read[0].id = one
    return read


def _alone(one: str, item: dict[str, Any]) -> Record:
    """An event that was asked for, to be merged: a series has its cancelled occurrences from the rounds."""
    read = EVENTS.one(orjson.dumps(_plain(item)))
    if isinstance(read, Reject):
        raise msgspec.ValidationError(read.reason)
    read[0].id = one
    found = record_of(*read, partial=True)
    found.partition = event_place.calendar_of(item)
    return found


def _written(item: dict[str, Any], *, new: bool = False) -> Record:
    """An event that was written, as a round will show it: the same etag says that this is no news (§18.43).

    What is cancelled of a series stays as the mirror holds it; of a new one nothing is.
    """
    read = EVENTS.one(orjson.dumps(_plain(item)))
    if isinstance(read, Reject):
        raise ProtocolError(f"{WHAT}: the event that was written cannot be read: {read.reason}")
    event, data = read
    if event.kind != MASTER:
        return record_of(event, data)
    return record_of(event, with_cancelled(data, [])) if new else record_of(event, data, partial=True)


def _kind(record: Record) -> str:
    return str(orjson.loads(record.data).get("type")).lower() if isinstance(record.data, bytes) else ""


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    """With the annotations of an item in a page, so that both compare equal."""
    return {"@odata.type": TYPE, **{key: value for key, value in item.items() if key not in event_place.ALONE}}


def _annotated(data: bytes) -> tuple[Event, bytes] | Reject:
    """An event of a plain list, as a feed would show it."""
    return EVENTS.one(orjson.dumps(_plain(orjson.loads(data))))


def _path(graph: Graph, one: str) -> str:
    return f"{graph.user}/events/{quoted(one)}"


def _anonymous(data: bytes) -> Reject:
    return Reject("an event without an id", None, data)


def _refused(part: Part) -> bool:
    """Whether an answer speaks of the mailbox or of the sign-in, and not of an item."""
    return part.status >= 400 and (part.status == 401 or no_mailbox(part.fault, WHAT) is not None)


def _read_known(packed: Any) -> dict[str, Known]:
    return {one: Known.read(value) for one, value in unpack(packed).items()}


def _read_window(cursor: Mapping[str, Any]) -> Window:
    try:
        return datetime.fromisoformat(cursor["from"]), datetime.fromisoformat(cursor["to"])
    except (KeyError, TypeError, ValueError) as error:
        raise CursorExpired(f"{WHAT}: the cursor has no window") from error


def _new_window(ctx: Context) -> Window:
    """From a midnight to a midnight, UTC; no wider than Graph takes."""
    past = parse_duration(str(ctx.options.get("past") or PAST))
    future = parse_duration(str(ctx.options.get("future") or FUTURE))
    room = WIDEST - AHEAD
    if past + future > room:
        half = room / 2
        past = min(past, max(half, room - future))
        future = min(future, room - past)
        ctx.log.warning("the calendar's window is wider than Graph takes", past=str(past), future=str(future))
    now = ctx.clock.now()
    start = datetime.combine((now - past).astimezone(UTC).date(), time(), UTC)
    return start, datetime.combine((now + future + AHEAD).astimezone(UTC).date(), time(), UTC)
