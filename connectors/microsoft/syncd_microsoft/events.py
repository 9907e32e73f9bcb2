"""What is looked at in an event of Graph, and what becomes of it (wire reference §6, §16).

Public: Event, EVENTS, SINGLE, OCCURRENCE, EXCEPTION, MASTER, TYPES, date_of, instant_of, record_of, summary_of, with_cancelled.

What `summary` holds: `title`, `start`, `end`, `timezone`, `organizer`, `attendees`, `location`, `status`, and
- `type`: "single", "exception" or "series";
- `recurrence`: the RRULE's value, for a series only. Its `start` and `end` then say how long each occurrence is and when
  the first one was: nothing takes place at that time unless the rule says so (§18.11). `Record.when` is the whole span
  from the first occurrence to the end of the last, without an end for an endless series.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import msgspec
import orjson

from syncd.sdk import Record

from .recurrence import Rule, rule_of
from .windows_zones import iana, zone
from .wire import Sliced, instant

__all__ = [
    "EVENTS",
    "EXCEPTION",
    "MASTER",
    "OCCURRENCE",
    "SINGLE",
    "TYPES",
    "Event",
    "date_of",
    "instant_of",
    "record_of",
    "summary_of",
    "with_cancelled",
]

SINGLE, OCCURRENCE, EXCEPTION, MASTER = "singleinstance", "occurrence", "exception", "seriesmaster"
TYPES = frozenset({SINGLE, OCCURRENCE, EXCEPTION, MASTER})
KINDS = {EXCEPTION: "exception", MASTER: "series"}
CANCELLED = "cancelledOccurrences"
NOTHING = (b"", b"null")

encode = msgspec.json.Encoder().encode


class Moment(msgspec.Struct):
    """Seven digits of a second, no offset; the zone is named beside it (§6)."""

    dateTime: str | None = None  # noqa: N815 - the provider's spelling
    timeZone: str | None = None  # noqa: N815


class Address(msgspec.Struct):
    name: str | None = None
    address: str | None = None


class Person(msgspec.Struct):
    emailAddress: Address | None = None  # noqa: N815

    @property
    def label(self) -> str | None:
        return (self.emailAddress.address or self.emailAddress.name) if self.emailAddress else None


class Place(msgspec.Struct):
    displayName: str | None = None  # noqa: N815


class Event(msgspec.Struct):
    """What is looked at; all else stays bytes. A removed event has no more than its id."""

    id: str
    type: str | None = None
    seriesMasterId: str | None = None  # noqa: N815
    subject: str | msgspec.UnsetType | None = msgspec.UNSET
    start: Moment | None = None
    end: Moment | None = None
    isAllDay: bool | None = None  # noqa: N815
    isCancelled: bool | None = None  # noqa: N815
    originalStart: str | None = None  # noqa: N815
    originalStartTimeZone: str | None = None  # noqa: N815
    organizer: Person | msgspec.UnsetType | None = msgspec.UNSET
    attendees: list[Person] | msgspec.UnsetType | None = msgspec.UNSET
    location: Place | msgspec.UnsetType | None = msgspec.UNSET
    lastModifiedDateTime: str | None = None  # noqa: N815
    recurrence: msgspec.Raw = msgspec.Raw(b"")
    etag: str | None = msgspec.field(default=None, name="@odata.etag")
    gone: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b""), name="@removed")

    @property
    def kind(self) -> str:
        """The type in lower case; a master without one is known by its recurrence."""
        if self.type:
            return self.type.lower()
        return MASTER if bytes(self.recurrence) not in NOTHING else ""

    @property
    def removed(self) -> bool:
        return bytes(self.gone) not in NOTHING

    @property
    def whole(self) -> bool:
        """Whether it tells what is needed; a sparse update (§3) may not: an occurrence must name its series."""
        if self.start is None or not self.type or self.kind not in TYPES:
            return False
        if self.kind in (EXCEPTION, OCCURRENCE) and not self.seriesMasterId:
            return False
        return self.kind == OCCURRENCE or self.end is not None

    @property
    def rule(self) -> Rule | None:
        return rule_of(bytes(self.recurrence), self.originalStartTimeZone)


EVENTS = Sliced(Event)


def record_of(event: Event, data: bytes, *, partial: bool = False) -> Record:
    """A single event, an exception or a series. `partial`: what it does not mention stays as it is stored."""
    return Record(
        event.id,
        data,
        summary=encode(summary_of(event, partial=partial)),
        etag=event.etag,
        modified_at=instant(event.lastModifiedDateTime),
        parent=event.seriesMasterId or None,
        when=_when(event),
        partial=partial,
    )


def summary_of(event: Event, *, partial: bool = False) -> dict[str, Any]:
    """The common fields. Of a `partial` one, only those that its update mentions."""
    rule = event.rule if event.kind == MASTER else None
    all_day = event.isAllDay is True
    found = {
        "title": event.subject,
        "start": _moment(event.start, all_day),
        "end": _moment(event.end, all_day),
        "timezone": None if all_day else _zone(event),
        "organizer": event.organizer.label if isinstance(event.organizer, Person) else event.organizer,
        "attendees": _labels(event.attendees),
        "location": event.location.displayName if isinstance(event.location, Place) else event.location,
        "status": None if event.isCancelled is None else "cancelled" if event.isCancelled else "confirmed",
        "type": KINDS.get(event.kind, "single"),
        "recurrence": rule.text(all_day=all_day) if rule else None,
    }
    if partial:
        silent = {"status"} if event.isCancelled is None else set()
        silent |= {"timezone"} if event.originalStartTimeZone is None and not all_day else set()
        return {key: value for key, value in found.items() if value is not msgspec.UNSET and key not in silent}
    return {key: None if value is msgspec.UNSET else value for key, value in found.items()}


def with_cancelled(data: bytes, dates: list[str]) -> bytes:
    """A series with its `cancelledOccurrences` (Graph's own form); those that came with it stay."""
    item = orjson.loads(data)
    given = item.get(CANCELLED)
    known = [one for one in given if isinstance(one, str)] if isinstance(given, list) else []
    item[CANCELLED] = sorted({*known, *(f"OID.{item['id']}.{one}" for one in dates)}, key=_day)
    return orjson.dumps(item)


def instant_of(moment: Moment | None) -> datetime | None:
    """The instant of a time without offset, in its own zone; UTC where that cannot be mapped (§18.45)."""
    if moment is None or not moment.dateTime:
        return None
    try:
        found = datetime.fromisoformat(moment.dateTime)
        if found.tzinfo is None:
            found = found.replace(tzinfo=zone(moment.timeZone))
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def date_of(moment: Moment | None) -> date | None:
    """The date as it is written: that of an all-day event goes through no time zone (§6)."""
    try:
        return date.fromisoformat((moment.dateTime or "")[:10]) if moment else None
    except ValueError:
        return None


def _when(event: Event) -> tuple[datetime, datetime | None] | None:
    start, end = instant_of(event.start), instant_of(event.end)
    if start is None:
        return None
    if event.kind != MASTER:
        return start, max(start, end or start)
    rule = event.rule
    last = rule.end() if rule else None
    if rule is None or last is None:
        return start, None
    try:
        over = datetime.combine(last, time(23, 59, 59), zone(rule.zone)).astimezone(UTC)
        return start, max(start, over + max((end or start) - start, timedelta()))
    except OverflowError:
        return start, None


def _moment(moment: Moment | None, all_day: bool) -> str | None:
    """A bare date for all-day events (§18.44: the end is exclusive, as it comes), else RFC 3339 UTC."""
    if moment is None or not moment.dateTime:
        return None
    day = date_of(moment)
    if all_day and day is not None:
        return day.isoformat()
    found = instant_of(moment)
    if found is None:
        return moment.dateTime
    return found.isoformat(timespec="milliseconds" if found.microsecond else "seconds").replace("+00:00", "Z")


def _zone(event: Event) -> str:
    """Where the event was made; what has no name in IANA is UTC (§18.45)."""
    return iana(event.originalStartTimeZone) or (iana(event.start.timeZone) if event.start else None) or "UTC"


def _labels(people: list[Person] | msgspec.UnsetType | None) -> list[str] | msgspec.UnsetType:
    if isinstance(people, msgspec.UnsetType):
        return people
    return [one.label for one in people or () if one.label]


def _day(oid: str) -> tuple[str, str]:
    return oid.rpartition(".")[2], oid
