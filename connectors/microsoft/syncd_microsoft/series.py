"""What a round has seen of series, and which of their occurrences are cancelled (wire reference §6).

Public: Book, Series, Known, UNREAD, cancelled, beyond, pack, unpack.

A deleted occurrence yields no tombstone: the series comes again with its other occurrences, and that one is missing
(§18.12). Occurrences may be spread over pages, so a series is decided after the last one. Of an occurrence nothing is kept
but its slot: a number.
"""

import base64
import binascii
import hashlib
import zlib
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate, pairwise
from typing import Any

import orjson

from syncd.sdk import CursorExpired

from .events import EXCEPTION, MASTER, OCCURRENCE, SINGLE, Event, instant_of
from .recurrence import Rule
from .windows_zones import zone
from .wire import instant

__all__ = ["UNREAD", "Book", "Known", "Series", "beyond", "cancelled", "pack", "unpack"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
FAR = timedelta(days=366)  # how far out of the window an occurrence without a neighbour is looked for
KEPT = 8 << 20  # bytes of series that are kept until the end of a round; the others are asked for again
MOST = 90_000  # characters of one packed place in a cursor; the contract allows 256 KiB for all
LARGEST = 32 << 20  # bytes that a place may have when it is unpacked

Window = tuple[datetime, datetime]


@dataclass(slots=True)
class Series:
    """One series in one round. `slots`: minutes since 1970 (UTC) of its occurrences, exceptions by their original slot.

    `seen`: digests of the ids of its exceptions; `ids`: those ids, as far as this process has read them. `present`: the
    series itself was sent. `data`: as it was sent, unless it is too much to keep. `blind`: something of it could not be
    read, so what is missing proves nothing; `lost`: that was the series itself.
    """

    slots: "array[int]" = field(default_factory=lambda: array("q"))
    seen: set[str] = field(default_factory=set)
    ids: dict[str, None] = field(default_factory=dict)
    present: bool = False
    data: tuple[Event, bytes] | None = None
    blind: bool = False
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What the last rounds found out of a series: its cancelled dates, as days since year 1.

    `sent`: all that were sent, kept only where the rule is beyond us. `rule`: a digest of the rule that this is about.
    """

    gone: tuple[int, ...] = ()
    sent: tuple[int, ...] | None = None
    rule: str = ""

    def write(self) -> list[Any]:
        return [_steps(self.gone), None if self.sent is None else _steps(self.sent), self.rule]

    @classmethod
    def read(cls, value: list[Any]) -> "Known":
        gone, sent, rule = value
        return cls(tuple(accumulate(gone)), None if sent is None else tuple(accumulate(sent)), rule)


UNREAD = Known(rule="?")
"""Of a series that could not be read whole in a full round: what is cancelled stands in its record, if anywhere."""


class Book:
    """The series of a round. `state`: what `write` gave, where the round goes on after a cut."""

    def __init__(self, state: Mapping[str, list[Any]] | None = None) -> None:
        self.series: dict[str, Series] = {}
        self.blind = False  # something could not be read: what is missing proves nothing
        self._kept = 0
        for one, (slots, seen, present, *blind) in (state or {}).items():
            if one:
                self.series[one] = Series(
                    array("q", accumulate(slots)), set(seen.split()), present=present, blind=any(blind)
                )
            else:
                self.blind = True

    def master(self, event: Event, data: bytes, *, sent: bool = True) -> None:
        """A series as such, as it came in the round (`sent`) or was asked for."""
        one = self.series.setdefault(event.id, Series())
        one.present = one.present or sent
        if one.data is not None:
            self._kept -= len(one.data[1])
            one.data = None
        if self._kept + len(data) <= KEPT or not sent:
            one.data = (event, data)
            self._kept += len(data)

    def occurrence(self, event: Event) -> None:
        self._slot(event, instant_of(event.start))

    def exception(self, event: Event) -> None:
        """A changed occurrence: what counts is the slot that it replaces, not its time now."""
        self._slot(event, instant(event.originalStart) or instant_of(event.start))
        one = self.series[event.seriesMasterId or ""]
        one.seen.add(_digest(event.id))
        one.ids[event.id] = None

    def unreadable(self, event: Event) -> None:
        """An event that neither came whole nor could be asked for: its series is not known whole; if none is named, none."""
        if event.kind == MASTER:
            one = self.series.setdefault(event.id, Series())
            one.blind = one.lost = True
        elif event.kind in (EXCEPTION, OCCURRENCE) and event.seriesMasterId:
            self.series.setdefault(event.seriesMasterId, Series()).blind = True
        elif event.kind != SINGLE:
            self.blind = True

    def saw(self, series: str, exception: str) -> bool:
        return _digest(exception) in self.series[series].seen

    def drop(self, series: str) -> list[str]:
        """A series that ended: the ids of its exceptions that this process has read."""
        one = self.series.pop(series, None)
        if one is None:
            return []
        if one.data is not None:
            self._kept -= len(one.data[1])
        return list(one.ids)

    def write(self) -> dict[str, list[Any]]:
        """For a resume point. What was kept of the series themselves is asked for again."""
        state = {
            one: [
                _steps(sorted(series.slots)),
                " ".join(sorted(series.seen)),
                series.present,
                *([True] if series.blind else []),
            ]
            for one, series in self.series.items()
        }
        return {**state, "": [[], "", False]} if self.blind else state

    def _slot(self, event: Event, at: datetime | None) -> None:
        one = self.series.setdefault(event.seriesMasterId or "", Series())
        if at is None:
            self.blind = True
        else:
            one.slots.append((at - EPOCH) // MINUTE)


def cancelled(event: Event, rule: Rule | None, slots: Iterable[int], window: Window, known: Known | None) -> Known:
    """Which occurrences of a series are cancelled, where all others within the window are in `slots`.

    Dates outside of the window stay as they are known. A slot that the rule does not have means that the rule is not
    understood: then only what was sent before and is missing now counts.
    """
    rule_now = hashlib.blake2b(bytes(event.recurrence), digest_size=6).hexdigest()
    before = known if known is not None and known.rule == rule_now else Known()
    first = instant_of(event.start)
    if rule is None or first is None:
        sent = {_local(slot, "UTC") for slot in slots}
        return _by_memory(sent, before, rule_now)
    all_day = event.isAllDay is True
    slots = set(slots)
    horizon = max([window[1].date(), *((EPOCH + slot * MINUTE).date() for slot in slots)]) + DAY
    dates = set(rule.dates(horizon))
    sent = {_date(slot, rule, dates, all_day) for slot in slots}
    if not sent <= dates:
        return _by_memory(sent, before, rule_now)
    inside = {one for one in dates if _inside(one, rule, first, window, all_day)}
    kept = {date.fromordinal(day) for day in before.gone} & dates - inside
    return Known(tuple(sorted(day.toordinal() for day in (inside | kept) - sent)), None, rule_now)


def beyond(event: Event, rule: Rule | None, window: Window, now: Known) -> list[Window]:
    """Where else the first and the last occurrence of the window may be, if they are missing: moved out of it.

    An occurrence cannot be moved past its neighbours (§14), so the others cannot have left the window.
    """
    first = instant_of(event.start)
    if rule is None or first is None or not now.gone or now.sent is not None:
        return []
    all_day = event.isAllDay is True
    dates = list(rule.dates((window[1] + FAR).date()))
    inside = [one for one in dates if _inside(one, rule, first, window, all_day)]
    gone = {date.fromordinal(day) for day in now.gone}
    found: list[Window] = []
    if inside and inside[0] in gone:
        before = max((one for one in dates if one < inside[0]), default=None)
        found.append((_midnight(before) - DAY if before else window[0] - FAR, window[0]))
    if inside and inside[-1] in gone:
        after = min((one for one in dates if one > inside[-1]), default=None)
        found.append((window[1], _midnight(after) + 2 * DAY if after else window[1] + FAR))
    return [(start, end) for start, end in found if start < end]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _by_memory(sent: set[date], before: Known, rule: str) -> Known:
    now = {one.toordinal() for one in sent}
    gone = ({*before.gone} | {*(before.sent or ())}) - now
    return Known(tuple(sorted(gone)), tuple(sorted(now)), rule)


def _date(slot: int, rule: Rule, dates: set[date], all_day: bool) -> date:
    """A slot's date where the rule reckons. All-day ones are dates already; their `originalStart` may have been shifted."""
    if all_day and (day := _local(slot, "UTC")) in dates:
        return day
    return _local(slot, rule.zone)


def _local(slot: int, name: str) -> date:
    return (EPOCH + slot * MINUTE).astimezone(zone(name)).date()


def _inside(day: date, rule: Rule, first: datetime, window: Window, all_day: bool) -> bool:
    """Whether an occurrence on that day must have been sent. All-day ones at the window's ends may count or not."""
    if all_day:
        return window[0] + DAY <= datetime.combine(day, time(), UTC) < window[1] - DAY
    local = zone(rule.zone)
    return window[0] <= datetime.combine(day, first.astimezone(local).time(), local) < window[1]


def pack(value: Any) -> str | None:
    """A place in a cursor, compressed; None if it is too long for one."""
    packed = base64.b85encode(zlib.compress(orjson.dumps(value), 6)).decode()
    return packed if len(packed) <= MOST else None


def unpack(text: Any) -> Any:
    """What was packed. CursorExpired for anything else."""
    try:
        unzip = zlib.decompressobj()
        return orjson.loads(unzip.decompress(base64.b85decode(text), LARGEST))
    except (ValueError, TypeError, AttributeError, zlib.error, binascii.Error) as error:
        raise CursorExpired("the cursor cannot be read") from error


def _steps(numbers: Iterable[int]) -> list[int]:
    """Numbers in order as the steps between them, which compress well."""
    ordered = [0, *sorted(set(numbers))]
    return [later - earlier for earlier, later in pairwise(ordered)]


def _digest(one: str) -> str:
    return base64.urlsafe_b64encode(hashlib.blake2b(one.encode(), digest_size=6).digest()).decode()
