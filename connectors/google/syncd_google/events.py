"""What is looked at in a calendar event, and which series have occurrences of their own (wire reference §5.4).

Public: Event, Series, summary_of.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from syncd.sdk import CursorExpired

from .wire import rfc3339

__all__ = ["Event", "Series", "summary_of"]

MOST = 150_000  # characters of ids that a cursor carries; the contract allows 256 KiB
MOST_ENDED = 1000  # ids of ended series that a resume point carries


class Moment(msgspec.Struct):
    """All-day: `date`; else `dateTime`, with `timeZone` where the series needs it."""

    date: str | None = None
    dateTime: str | None = None  # noqa: N815 - the provider's spelling
    timeZone: str | None = None  # noqa: N815


class Person(msgspec.Struct):
    email: str | None = None
    displayName: str | None = None  # noqa: N815

    @property
    def label(self) -> str | None:
        return self.email or self.displayName


class Event(msgspec.Struct):
    """What is looked at; all else stays bytes. A cancelled event guarantees no more than its id (§13.8)."""

    id: str
    status: str | None = None
    recurringEventId: str | None = None  # noqa: N815
    originalStartTime: Moment | None = None  # noqa: N815
    summary: str | None = None
    start: Moment | None = None
    end: Moment | None = None
    organizer: Person | None = None
    attendees: list[Person] | None = None
    etag: str | None = None
    updated: str | None = None


def summary_of(event: Event, zone: str | None) -> dict[str, Any]:
    """The common fields of an event. `zone`: the calendar's, for timed events that name none of their own."""
    start = event.start or event.originalStartTime  # a cancelled occurrence has its original slot only
    return {
        "title": event.summary,
        "start": _moment(start, zone),
        "end": _moment(event.end, zone),
        "timezone": (start.timeZone or zone) if start and start.dateTime else None,
        "organizer": event.organizer.label if event.organizer else None,
        "attendees": [one.label for one in event.attendees or () if one.label],
        "status": event.status,
    }


def _moment(moment: Moment | None, zone: str | None) -> str | None:
    if moment is None:
        return None
    return moment.date or rfc3339(moment.dateTime, moment.timeZone or zone)


class Series:
    """Which occurrences are kept per series, so that they go when the series goes.

    Google lists a deleted series as one cancelled event. Its changed and cancelled occurrences lived "for the life of
    the series" (§5.4), and a new listing would have none of them; whether the delta names them too is not promised. So
    the cursor remembers their ids (per series, what follows the series' id). `kept` None: they were too many for a
    cursor; then the end of any event in a delta asks for a full round.
    """

    def __init__(self, kept: Mapping[str, list[str]] | None, ended: list[str], *, full: bool) -> None:
        self._kept = {key: dict.fromkeys(ids) for key, ids in (kept or {}).items()}
        self._size = sum(_weight(key, one) for key, ids in self._kept.items() for one in ids)
        self._lost = kept is None
        self._full = full
        self._ended = dict.fromkeys(ended)

    def note(self, series: str, occurrence: str) -> bool:
        """Remember an occurrence, and say whether its series lives. False: it ended earlier in this round."""
        if series in self._ended:
            return False
        short = occurrence[len(series) :] if occurrence.startswith(series + "_") else occurrence
        ids = self._kept.setdefault(series, {})
        if short not in ids and not self._lost:
            ids[short] = None
            self._size += _weight(series, short)
            self._lost = self._size > MOST
        return True

    def living(self, series: str) -> None:
        """A series, or a single event, that is listed as living."""
        self._ended.pop(series, None)

    def end(self, series: str) -> list[str]:
        """Forget a series, or a single event: the ids of its occurrences."""
        if self._lost and not self._full:
            raise CursorExpired("an event ended that may be a series, and the occurrences were too many to remember")
        self._ended[series] = None
        if len(self._ended) > MOST_ENDED:
            del self._ended[next(iter(self._ended))]
        ids = self._kept.pop(series, {})
        self._size -= sum(_weight(series, one) for one in ids)
        return [series + one if one.startswith("_") else one for one in ids]

    @property
    def kept(self) -> dict[str, list[str]] | None:
        """For the cursor."""
        return None if self._lost else {series: list(ids) for series, ids in self._kept.items()}

    @property
    def ended(self) -> list[str]:
        """For a resume point inside the round."""
        return list(self._ended)


def _weight(series: str, occurrence: str) -> int:
    """Characters in the cursor; the series' id is there once, and counted for each, to be safe."""
    return len(series) + len(occurrence) + 8
