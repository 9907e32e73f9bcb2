"""Recurrence rules: the six patterns as dates, and as RRULE (wire reference §16).

Public: Rule, rule_of.

Reads fill the fields that a type does not use with placeholders: only those of the given type are looked at.
"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice

import msgspec

from .windows_zones import iana, zone

__all__ = ["Rule", "rule_of"]

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
INDEXES = {"first": 0, "second": 1, "third": 2, "fourth": 3, "last": -1}
TYPES = ("daily", "weekly", "absolutemonthly", "relativemonthly", "absoluteyearly", "relativeyearly")
LONGEST = 100_000  # dates that a rule is followed for: 270 years of days
NONE = date(1, 1, 1)  # the placeholder of an end date


class Pattern(msgspec.Struct):
    """As Graph has it; every field may hold a placeholder."""

    type: str = ""
    interval: int = 1
    month: int = 0
    dayOfMonth: int = 0  # noqa: N815 - the provider's spelling
    daysOfWeek: list[str] | None = None  # noqa: N815
    firstDayOfWeek: str | None = None  # noqa: N815
    index: str | None = None


class Range(msgspec.Struct):
    type: str = ""
    startDate: str = ""  # noqa: N815
    endDate: str | None = None  # noqa: N815
    recurrenceTimeZone: str | None = None  # noqa: N815
    numberOfOccurrences: int | None = None  # noqa: N815


class Recurrence(msgspec.Struct):
    pattern: Pattern
    range: Range


READ = msgspec.json.Decoder(Recurrence)


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern with its range. `days`: Monday is 0. `until` is inclusive, a local date in `zone` (a Windows name)."""

    kind: str
    start: date
    interval: int = 1
    days: tuple[int, ...] = ()
    day: int = 0
    month: int = 0
    index: int = 0
    week_start: int = 6
    until: date | None = None
    count: int | None = None
    zone: str = ""

    def dates(self, last: date) -> Iterator[date]:
        """The dates of all occurrences up to `last`, in order. Nothing is known here of cancelled ones."""
        if self.until is not None:
            last = min(last, self.until)
        found = 0
        for one in islice(self._pattern(), LONGEST):
            if one > last or (self.count is not None and found >= self.count):
                return
            if one >= self.start:
                found += 1
                yield one

    def end(self) -> date | None:
        """The date of the last occurrence; None if there is no last one."""
        if self.until is not None:
            return self.until
        if self.count is None:
            return None
        final = self.start
        for one in self.dates(date.max):
            final = one
        return final

    def text(self, *, all_day: bool) -> str:
        """The rule as an RRULE's value (§16)."""
        return ";".join([*self._words(), *self._limit(all_day)])

    def _pattern(self) -> Iterator[date]:
        """Dates that fit, from the start of the first period on; some may be before `start`."""
        try:
            if self.kind == "daily":
                yield from _days(self.start, self.interval)
            elif self.kind == "weekly":
                yield from self._weeks()
            else:
                yield from self._months()
        except OverflowError:  # the end of all calendars
            return

    def _weeks(self) -> Iterator[date]:
        first = self.start - timedelta(days=(self.start.weekday() - self.week_start) % 7)
        offsets = sorted((day - self.week_start) % 7 for day in self.days)
        for week in _days(first, 7 * self.interval):
            for offset in offsets:
                yield week + timedelta(days=offset)

    def _months(self) -> Iterator[date]:
        yearly = self.kind.endswith("yearly")
        month = self.start.year * 12 + (self.month if yearly else self.start.month) - 1
        while month // 12 <= date.max.year:
            yield self._in_month(month // 12, month % 12 + 1)
            month += self.interval * (12 if yearly else 1)

    def _in_month(self, year: int, month: int) -> date:
        """The 31st of a short month is its last day, as Outlook has it (§16)."""
        first, length = monthrange(year, month)
        if self.kind.startswith("absolute"):
            return date(year, month, min(self.day, length))
        fitting = [day for day in range(1, length + 1) if (first + day - 1) % 7 in self.days]
        return date(year, month, fitting[self.index])

    def _words(self) -> list[str]:
        names = [DAYS[day][:2].upper() for day in self.days]
        every = f"INTERVAL={self.interval}"
        month = [f"BYMONTH={self.month}"] if self.kind.endswith("yearly") else []
        if self.kind == "daily":
            return ["FREQ=DAILY", every]
        if self.kind == "weekly":
            week = DAYS[self.week_start][:2].upper()
            return ["FREQ=WEEKLY", every, f"BYDAY={','.join(names)}", f"WKST={week}"]
        head = "FREQ=YEARLY" if month else "FREQ=MONTHLY"
        if self.kind.startswith("absolute"):
            return [head, every, *month, f"BYMONTHDAY={self.day}"]
        number = self.index + 1 if self.index >= 0 else -1
        which = [f"BYDAY={number}{names[0]}"] if len(names) == 1 else [f"BYDAY={','.join(names)}", f"BYSETPOS={number}"]
        return [head, *([every] if self.interval > 1 else []), *month, *which]

    def _limit(self, all_day: bool) -> list[str]:
        """`endDate` is a local date, inclusive: its last second, in UTC (§16)."""
        if self.count is not None:
            return [f"COUNT={self.count}"]
        if self.until is None:
            return []
        if all_day:
            return [f"UNTIL={self.until:%Y%m%d}"]
        ends = datetime.combine(self.until, time(23, 59, 59), zone(self.zone)).astimezone(UTC)
        return [f"UNTIL={ends:%Y%m%dT%H%M%SZ}"]


def rule_of(raw: bytes, original_zone: str | None = None) -> Rule | None:
    """The rule of an event's `recurrence`; None if there is none, or none that can be understood.

    `original_zone`: where the event was made, for rules whose own zone is empty (§16) or leads nowhere.
    """
    if raw in (b"", b"null"):
        return None
    try:
        read = READ.decode(raw)
        return _rule(read.pattern, read.range, original_zone)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return None


def _rule(pattern: Pattern, span: Range, original_zone: str | None) -> Rule | None:
    kind = pattern.type.lower()
    days = tuple(sorted({DAYS.index(day.lower()) for day in pattern.daysOfWeek or ()}))
    rule = Rule(
        kind,
        date.fromisoformat(span.startDate[:10]),
        max(1, pattern.interval),
        days,
        pattern.dayOfMonth,
        pattern.month,
        INDEXES.get((pattern.index or "first").lower(), 0),
        DAYS.index((pattern.firstDayOfWeek or "sunday").lower()),
        _until(span),
        span.numberOfOccurrences if span.type.lower() == "numbered" else None,
        _zone(span.recurrenceTimeZone, original_zone),
    )
    return rule if _complete(rule) else None


def _complete(rule: Rule) -> bool:
    """Whether the fields that its type needs make sense."""
    if rule.kind not in TYPES or (rule.count is not None and rule.count < 1):
        return False
    if rule.kind.endswith("yearly") and not 1 <= rule.month <= 12:
        return False
    if rule.kind.startswith("absolute"):
        return 1 <= rule.day <= 31
    return rule.kind == "daily" or bool(rule.days)


def _until(span: Range) -> date | None:
    if span.type.lower() != "enddate" or not span.endDate:
        return None
    until = date.fromisoformat(span.endDate[:10])
    return None if until == NONE else until


def _zone(name: str | None, original: str | None) -> str:
    return next((one for one in (name, original) if iana(one)), "UTC") or "UTC"


def _days(first: date, step: int) -> Iterator[date]:
    """Every `step` days for ever."""
    one = first
    while True:
        yield one
        one += timedelta(days=step)
