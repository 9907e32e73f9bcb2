"""What people do to their calendars while a mirror looks on.

Public: CalendarEdits, CALENDAR_EDITS. A part of the Editor, which runs every method under the world's lock: each picks
by itself what it is not given, and returns what it touched (None when there was nothing to do). People's own edits send
no mail through `world.outbox`: that one shows what API clients send.
"""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from syncd_simulator.google import words
from syncd_simulator.microsoft import calendar_write
from syncd_simulator.microsoft.calendar_request import owner_json
from syncd_simulator.microsoft.calendar_store import JSON, Calendar, Calendars, Event, local, stored
from syncd_simulator.microsoft.calendar_view import NEVER
from syncd_simulator.microsoft.calendar_zones import CUSTOM

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld, User

ZONES = (
    "Romance Standard Time", "GMT Standard Time", "Pacific Standard Time", "Eastern Standard Time", "Tokyo Standard Time",
    "E. South America Standard Time", "UTC",
)  # fmt: skip
PATTERNS: tuple[JSON, ...] = (
    {"type": "daily", "interval": 1},
    {"type": "daily", "interval": 3},
    {"type": "weekly", "interval": 1, "daysOfWeek": ["monday", "wednesday"]},
    {"type": "weekly", "interval": 2, "daysOfWeek": ["thursday"], "firstDayOfWeek": "monday"},
    {"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 31},
    {"type": "relativeMonthly", "interval": 1, "daysOfWeek": ["tuesday"], "index": "second"},
    {"type": "relativeMonthly", "interval": 1, "daysOfWeek": ["friday"], "index": "last"},
    {"type": "absoluteYearly", "interval": 1, "month": 2, "dayOfMonth": 28},
    {"type": "relativeYearly", "interval": 1, "month": 11, "daysOfWeek": ["sunday"], "index": "third"},
)
CALENDAR_EDITS = (
    "add_event", "add_all_day", "add_series", "edit_event", "edit_series", "change_instance", "cancel_instance",
    "delete_event", "move_event", "add_calendar", "delete_calendar", "share_calendar",
)  # fmt: skip
REACH = 90  # days around the world's first one in which things happen
SOON = 40  # occurrences of a series among which people pick one


class CalendarEdits:
    """Mixin of Editor; `CALENDAR_EDITS` are the names that random edits draw from."""

    CALENDAR_EDITS = CALENDAR_EDITS
    world: "MicrosoftWorld"
    rng: random.Random
    person: Callable[[], "User"]
    pick: Callable[[Any], Any]

    # -- adding -----------------------------------------------------------------------------------------------------

    def add_event(
        self, user: "User | None" = None, calendar: Calendar | None = None, days: int | None = None, **values: Any
    ) -> Event:
        """A single event; `values` are properties as in a POST and win over invented ones."""
        user = user or self.person()
        calendar = calendar or self._calendar_of(user)
        return self._put_event(user, calendar, self._event_values(days) | values)

    def add_all_day(
        self, user: "User | None" = None, calendar: Calendar | None = None, days: int | None = None, length: int = 0
    ) -> Event:
        """An all-day event of one to five days."""
        user = user or self.person()
        first = self._event_day(days)
        last = first + timedelta(days=length or self.rng.randint(1, 5))  # exclusive
        zone = self.rng.choice(ZONES)
        values: JSON = {"subject": self._event_subject(), "isAllDay": True, "showAs": "free"}
        for name, day in (("start", first), ("end", last)):
            values[name] = {"dateTime": f"{day}T00:00:00", "timeZone": zone}
        return self._put_event(user, calendar or self._calendar_of(user), values)

    def add_series(
        self, user: "User | None" = None, calendar: Calendar | None = None, pattern: JSON | None = None,
        scope: JSON | None = None, days: int | None = None, **values: Any,
    ) -> Event:  # fmt: skip
        """A recurring event; `pattern` and `scope` (a range without startDate) as in a POST."""
        user = user or self.person()
        invented = self._event_values(self.rng.randint(-REACH, 0) if days is None else days)
        if not values and self.rng.random() < 0.15:
            invented |= self._whole_day(invented)
        fields = invented | values
        first = fields["start"]["dateTime"][:10]
        recurrence = {
            "pattern": dict(pattern or self.rng.choice(PATTERNS)),
            "range": scope or self._series_range(first),
        }
        recurrence["range"] = recurrence["range"] | {"startDate": first}
        event = self._put_event(user, calendar or self._calendar_of(user), fields | {"recurrence": recurrence})
        if self.rng.random() < 0.2:  # §16: occurs on reads
            event.fields["recurrence"]["range"]["recurrenceTimeZone"] = ""
        return event

    def _put_event(self, user: "User", calendar: Calendar, values: JSON) -> Event:
        event = calendar.new(
            calendar_write.created(values) | {"organizer": {"emailAddress": owner_json(calendar.owner)}}
        )
        draw = self.rng.random()
        if draw < 0.15:
            self._make_invited(event)
        elif draw < 0.2:
            event.fields |= {"originalStartTimeZone": CUSTOM, "originalEndTimeZone": CUSTOM}  # §6: an unmappable zone
        return event

    def _make_invited(self, event: Event) -> None:
        """Somebody else's meeting in this calendar."""
        name = self.rng.choice(words.GIVEN)
        organiser = {"name": name, "address": f"organiser{self.rng.randrange(1000)}@elsewhere.example"}
        me = owner_json(event.calendar.owner)
        answer = {"response": self.rng.choice(("accepted", "tentativelyAccepted", "notResponded")), "time": NEVER}
        event.fields |= {
            "organizer": {"emailAddress": organiser}, "isOrganizer": False, "responseStatus": answer,
            "attendees": [{"type": "required", "status": answer, "emailAddress": me}],
        }  # fmt: skip

    def _event_values(self, days: int | None) -> JSON:
        zone, day = self.rng.choice(ZONES), self._event_day(days)
        begin = datetime.combine(day, time(self.rng.randint(7, 20), self.rng.choice((0, 15, 30))))
        end = begin + timedelta(minutes=self.rng.choice((25, 30, 50, 60, 90)))
        text = " ".join(self.rng.choice(words.SENTENCES) for _ in range(2))
        return {
            "subject": self._event_subject(),
            "body": {"contentType": self.rng.choice(("html", "text")), "content": text},
            "location": {"displayName": self.rng.choice(("Room Miró", "Room Turing", "Video", "Café"))},
            "categories": [self.rng.choice(("Blue category", "Travel"))] if self.rng.random() < 0.3 else [],
            "start": {"dateTime": begin.isoformat(), "timeZone": zone},
            "end": {"dateTime": end.isoformat(), "timeZone": zone},
        }

    def _whole_day(self, values: JSON) -> JSON:
        """The same values from midnight to midnight."""
        first = date.fromisoformat(values["start"]["dateTime"][:10])
        days = {"start": first, "end": first + timedelta(days=1)}
        zone = values["start"]["timeZone"]
        times = {name: {"dateTime": f"{day}T00:00:00", "timeZone": zone} for name, day in days.items()}
        return {"isAllDay": True, "showAs": "free", **times}

    def _series_range(self, first: str) -> JSON:
        kind = self.rng.choice(("noEnd", "numbered", "endDate"))
        if kind == "endDate":
            last = date.fromisoformat(first) + timedelta(days=self.rng.randint(10, 200))
            return {"type": kind, "endDate": last.isoformat()}
        return {"type": kind} | ({"numberOfOccurrences": self.rng.randint(3, 25)} if kind == "numbered" else {})

    def _event_day(self, days: int | None) -> date:
        days = self.rng.randint(-REACH, REACH) if days is None else days
        return datetime.fromtimestamp(self.world.base, UTC).date() + timedelta(days=days)

    def _event_subject(self) -> str:
        return f"{self.rng.choice(words.MEETINGS)}: {self.rng.choice(words.TOPICS)} {self.rng.randrange(10_000)}"

    # -- changing ---------------------------------------------------------------------------------------------------

    def edit_event(self, user: "User | None" = None, event: Event | None = None, **values: Any) -> Event | None:
        """Another subject, or the given values, for a single event; now and then another day, within reach or not."""
        event = event or self._some_event(user, "singleInstance")
        if event is None:
            return None
        if not values:
            values = {"subject": self._event_subject()}
            if self.rng.random() < 0.3:
                shift = timedelta(days=self.rng.choice((-1, 1, 2, 7, 3000)))
                for name in ("start", "end"):
                    when = event.fields[name]
                    values[name] = stored(local(when) + shift, when["timeZone"])
        event.fields = calendar_write.patched(values, event.fields)
        event.calendar.touch(event)
        return event

    def edit_series(self, user: "User | None" = None, event: Event | None = None, **values: Any) -> Event | None:
        """Another subject (or the given values) for a master. With another pattern or time its exceptions go."""
        event = event or self._some_event(user, "seriesMaster")
        if event is None:
            return None
        if not values and self.rng.random() < 0.3:
            scope = {name: event.fields["recurrence"]["range"][name] for name in ("type", "startDate")}
            values = {"recurrence": {"pattern": dict(self.rng.choice(PATTERNS)), "range": scope | {"type": "noEnd"}}}
        fields = calendar_write.patched(values or {"subject": self._event_subject()}, event.fields)
        if any(fields[name] != event.fields[name] for name in ("start", "end", "recurrence")):
            event.exceptions.clear()
            event.cancelled.clear()
        event.fields = fields
        event.calendar.touch(event)
        return event

    def change_instance(
        self, user: "User | None" = None, event: Event | None = None, slot: date | None = None, **values: Any
    ) -> Event | None:
        """One occurrence gets another subject or the given values: an exception. Returns it."""
        found = self._some_instance(user, event, slot)
        if found is None:
            return None
        master, slot = found
        made = slot not in master.exceptions
        exception = master.calendar.exception(master, slot)
        if not values:
            values = {"subject": self._event_subject()}
            if made and not exception.is_all_day and self.rng.random() < 0.5:
                for name in ("start", "end"):
                    when = exception.fields[name]
                    values[name] = stored(local(when) + timedelta(minutes=30), when["timeZone"])
        exception.fields = calendar_write.patched(values, exception.fields)
        master.calendar.touch(exception)
        return exception

    def cancel_instance(
        self, user: "User | None" = None, event: Event | None = None, slot: date | None = None
    ) -> Event | None:
        """One occurrence, or an exception, is called off. Returns the master."""
        found = self._some_instance(user, event, slot)
        if found is None:
            return None
        found[0].calendar.cancel(*found)
        return found[0]

    def delete_event(self, user: "User | None" = None, event: Event | None = None) -> Event | None:
        """A single event or a whole series goes."""
        event = event or self._some_event(user)
        if event is not None:
            event.calendar.remove(event)
        return event

    def move_event(
        self, user: "User | None" = None, event: Event | None = None, target: Calendar | None = None
    ) -> Event | None:
        """A single event or series goes to another calendar of its owner: only the plain id changes."""
        event = event or self._some_event(user)
        if event is None:
            return None
        mine: Calendars = event.calendar.owner.calendars
        target = target or self.pick(c for c in mine.owned.values() if c is not event.calendar)
        if target is None:
            return None
        mine.move(event, target)
        return event

    def _calendar_of(self, user: "User") -> Calendar:
        mine: Calendars = user.calendars
        return self.rng.choice([mine.default, *mine.owned.values()])

    def _some_event(self, user: "User | None", kind: str | None = None) -> Event | None:
        mine: Calendars = (user or self.person()).calendars
        events = [event for calendar in mine.owned.values() for event in calendar.events.values()]
        found: Event | None = self.pick(event for event in events if kind in (None, event.type))
        return found

    def _some_instance(self, user: "User | None", master: Event | None, slot: date | None) -> tuple[Event, date] | None:
        master = master or self._some_event(user, "seriesMaster")
        if master is None:
            return None
        near = self._event_day(-REACH)
        slots = (day for day in master.slots() if day not in master.cancelled and day >= near)
        slot = slot or self.pick(islice(slots, SOON))
        return (master, slot) if slot else None

    # -- calendars --------------------------------------------------------------------------------------------------

    def add_calendar(
        self, user: "User | None" = None, name: str | None = None, *, grouped: bool | None = None
    ) -> Calendar:
        """A further calendar of the user, sometimes in a group of its own."""
        mine: Calendars = (user or self.person()).calendars
        group = None
        if self.rng.random() < 0.3 if grouped is None else grouped:
            group = self.pick([*mine.groups][1:])
        return mine.add(name or f"{self.rng.choice(words.TOPICS).capitalize()} {self.rng.randrange(1000)}", group)

    def delete_calendar(self, user: "User | None" = None, calendar: Calendar | None = None) -> Calendar | None:
        """A calendar goes with its events; the default one stays."""
        if calendar is None:
            mine: Calendars = (user or self.person()).calendars
            calendar = self.pick(each for each in mine.owned.values() if not each.is_default)
        if calendar is not None:
            owned: Calendars = calendar.owner.calendars
            owned.delete(calendar)
        return calendar

    def share_calendar(
        self, user: "User | None" = None, other: "User | None" = None, calendar: Calendar | None = None
    ) -> Calendar | None:
        """Somebody else gets to see a calendar, read-only."""
        user = user or self.person()
        other = other or self.pick(each for each in self.world.users.values() if each is not user)
        mine: Calendars = user.calendars
        calendar = calendar or self.pick(mine.owned.values())
        if other is None or calendar is None or calendar.owner is other:
            return None
        mine.share(calendar, other)
        return calendar
