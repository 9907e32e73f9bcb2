"""Calendars as state: calendars of users, events, changed occurrences (zoho.md §5).

Public: Calendar, CalendarStore, Event, calendars_of.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from syncd_simulator.zoho.caltimes import Moment, basic, instant, zone_of
from syncd_simulator.zoho.repeat import slots
from syncd_simulator.zoho.wire import JSON

if TYPE_CHECKING:
    from syncd_simulator.zoho.world import User, ZohoWorld

__all__ = ["Calendar", "CalendarStore", "Event", "calendars_of"]


@dataclass
class Event:
    """A single event, a series (`rrule`), or a changed occurrence (`recurrence`: its original start).

    All-day events have dates, `end` inclusive; timed ones aware datetimes. `values` are fields shown as they are.
    """

    uid: str
    id: str
    values: JSON
    start: Moment
    end: Moment
    zone: str
    created: int
    modified: int
    etag: int
    rrule: str = ""
    recurrence: str = ""
    gone: set[str] = field(default_factory=set)  # original starts of occurrences called off

    @property
    def key(self) -> str:
        """The identity of a row: uid, with the original start for a changed occurrence."""
        return f"{self.uid}_{self.recurrence}" if self.recurrence else self.uid

    @property
    def all_day(self) -> bool:
        """Whether it has dates."""
        return not isinstance(self.start, datetime)

    def span(self) -> tuple[float, float]:
        """First start and end as instants; an all-day end includes its day."""
        zone = zone_of(self.zone)
        end = self.end if isinstance(self.end, datetime) else self.end + timedelta(days=1)
        return instant(self.start, zone), instant(end, zone)


@dataclass(eq=False)
class Calendar:
    """`shared`: the privilege of other users who see it (`view`, `edit`, `delegate`), by their id."""

    uid: str
    id: str
    name: str
    zone: str
    owner: "User"
    created: int
    modified: int
    ctag: int
    category: str = "own"
    default: bool = False
    hidden: bool = False
    color: str = "#8cbf40"
    description: str = ""
    shared: dict[str, str] = field(default_factory=dict)
    events: dict[str, Event] = field(default_factory=dict)

    def privilege(self, user: "User") -> str | None:
        """What the user may do with it."""
        return "owner" if user is self.owner and self.category == "own" else self.shared.get(user.id)

    def touch(self, now: int) -> None:
        """Something in the calendar changed."""
        self.modified = now
        self.ctag = max(now, self.ctag + 1)

    def put(self, event: Event, now: int) -> Event:
        """Store an event, new or changed: another etag."""
        old = self.events.get(event.key)
        event.modified = now
        event.etag = max(now, (old or event).etag + 1)
        self.events[event.key] = event
        self.touch(now)
        return event

    def exceptions(self, uid: str) -> list[Event]:
        """The changed occurrences of a series."""
        return [event for event in self.events.values() if event.uid == uid and event.recurrence]

    def remove(self, uid: str, now: int) -> None:
        """An event goes, with its changed occurrences."""
        for event in self.exceptions(uid):
            del self.events[event.key]
        self.events.pop(uid, None)
        self.touch(now)

    def call_off(self, master: Event, original: str, now: int) -> None:
        """One occurrence of a series goes."""
        self.events.pop(f"{master.uid}_{original}", None)
        master.gone.add(original)
        self.put(master, now)

    def occurrences(self, master: Event, lower: float, upper: float) -> Iterator[tuple[str, Moment, Moment]]:
        """(original start, start, end) of the unchanged occurrences of a series that touch the window."""
        zone = zone_of(master.zone)
        changed = {event.recurrence for event in self.exceptions(master.uid)} | master.gone
        begin, finish = master.span()
        for slot in slots(master.start, master.rrule):
            at = instant(slot, zone)
            if at >= upper:
                return
            original = basic(slot)
            if at + finish - begin > lower and original not in changed:
                yield original, slot, moved(slot, master)

    def touches(self, event: Event, lower: float, upper: float) -> bool:
        """Whether the event has a part in the window; a series by any unchanged occurrence."""
        if event.rrule:
            return next(self.occurrences(event, lower, upper), None) is not None
        begin, end = event.span()
        return begin < upper and (end > lower or begin >= lower)


def moved(slot: Moment, master: Event) -> Moment:
    """The end of the occurrence that begins at `slot`."""
    if isinstance(slot, datetime) and isinstance(master.start, datetime) and isinstance(master.end, datetime):
        return (slot + (master.end - master.start)).astimezone(master.start.tzinfo)
    return slot + timedelta(days=master.end.toordinal() - master.start.toordinal())


class CalendarStore:
    """All calendars of a world, by uid. `mails`: (event uid, addresses) of notifications that writes sent (§5.5)."""

    def __init__(self, world: "ZohoWorld") -> None:
        self._world = world
        self.calendars: dict[str, Calendar] = {}
        self.mails: list[tuple[str, list[str]]] = []
        self._opened: set[str] = set()

    def new_uid(self) -> str:
        """32 hex digits, or text that looks like base64 with `==`: percent-encode it (§5.1)."""
        if self._world.rng.random() < 0.5:
            return format(self._world.rng.getrandbits(128), "032x")
        return base64.urlsafe_b64encode(self._world.rng.randbytes(16)).decode()

    def new_event_uid(self) -> str:
        """`…@zoho.com`."""
        return f"{self._world.rng.getrandbits(128):032x}@zoho.com"

    def create(self, owner: "User", name: str, zone: str, *, category: str = "own", default: bool = False) -> Calendar:
        """A calendar."""
        now = self._world.millis()
        calendar = Calendar(
            self.new_uid(), self._world.new_id(), name, zone, owner, now, now, now, category, default
        )  # fmt: skip
        self.calendars[calendar.uid] = calendar
        return calendar

    def seen_by(self, user: "User") -> list[Calendar]:
        """The user's list, the default calendar first."""
        self.default(user)
        found = [calendar for calendar in self.calendars.values() if calendar.privilege(user)]
        return sorted(found, key=lambda calendar: not (calendar.default and calendar.owner is user))

    def own(self, user: "User") -> list[Calendar]:
        """The calendars that the user owns: what a mirror shows."""
        return [calendar for calendar in self.seen_by(user) if calendar.privilege(user) == "owner"]

    def default(self, user: "User") -> Calendar:
        """The user's first calendar, made when it is missing."""
        if user.id not in self._opened:
            self._opened.add(user.id)
            self.create(user, user.name, user.zone, default=True)
        return next(c for c in self.calendars.values() if c.default and c.owner is user)


def calendars_of(world: "ZohoWorld") -> CalendarStore:
    """The calendars of a world."""
    return world.part("calendar", CalendarStore)
