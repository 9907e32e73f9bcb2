"""State of Outlook calendars: events, series with their exceptions, calendars, groups (microsoft.md §6, §16).

Public: open_calendars, Calendars, Calendar, Event, Instance, instances. Stored times are local times with a zone of
their own; what a request gets to see is made in `calendar_view`. Hold `world.lock`.
"""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from syncd_simulator.microsoft import recurrence
from syncd_simulator.microsoft.calendar_zones import zone_of

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld, User

JSON = dict[str, Any]
Window = tuple[datetime, datetime]  # aware, the end excluded
MOST_INSTANCES = 20_000  # of one series in one answer
FAR = timedelta(days=2)  # zones and long events: how far before a window its occurrences may be named


def instant(when: JSON) -> datetime:
    """The UTC instant of a stored time."""
    return local(when).replace(tzinfo=zone_of(when["timeZone"])).astimezone(UTC)


def local(when: JSON) -> datetime:
    """The naive local time of a stored time."""
    return datetime.fromisoformat(when["dateTime"])


def stored(moment: datetime, zone: str) -> JSON:
    """A stored time from a naive local one."""
    return {"dateTime": moment.isoformat(), "timeZone": zone}


@dataclass(eq=False)
class Event:
    """A single event, a series master, or an exception (`master` and `slot` say of what)."""

    id: str  # the immutable one
    calendar: "Calendar"
    fields: JSON
    created: float
    uid: str
    modified: float = 0.0
    master: "Event | None" = None
    slot: date | None = None
    exceptions: dict[date, "Event"] = field(default_factory=dict)
    cancelled: set[date] = field(default_factory=set)
    slot_ids: dict[date, str] = field(default_factory=dict)
    transaction: str | None = None
    tags: dict[str, str] = field(default_factory=dict)  # singleValueExtendedProperties
    moves: int = 0  # between calendars: the plain id depends on it
    seq: int = 0  # of the last change; of a series: of the last change of anything in it

    @property
    def change_key(self) -> str:
        """Another one after every change."""
        return self.calendar.world.change_key(self.seq)

    @property
    def top(self) -> "Event":
        """The series of an exception, else the event itself."""
        return self.master or self

    def plain_id(self, key: str) -> str:
        """The id without `IdType="ImmutableId"`, of the event or one of its occurrences: moves change it (§17.8)."""
        digest = hashlib.blake2b(f"{key} {self.top.moves}".encode(), digest_size=51).digest()
        return "AAMkAD" + base64.urlsafe_b64encode(digest).decode() + "AAA="

    @property
    def type(self) -> str:
        """§6, without occurrences, which are not stored."""
        if self.master is not None:
            return "exception"
        return "seriesMaster" if self.fields.get("recurrence") else "singleInstance"

    @property
    def is_all_day(self) -> bool:
        """Dates rather than instants."""
        return bool(self.fields["isAllDay"])

    def span(self) -> Window:
        """When it takes place. Dates of all-day events count as UTC here."""
        if self.is_all_day:
            first, last = (local(self.fields[name]).replace(tzinfo=UTC) for name in ("start", "end"))
            return first, last
        return instant(self.fields["start"]), instant(self.fields["end"])

    def zone(self) -> str:
        """The zone that a series recurs in."""
        return str(self.fields["recurrence"]["range"]["recurrenceTimeZone"] or self.fields["start"]["timeZone"])

    def times(self, slot: date) -> tuple[JSON, JSON]:
        """Stored start and end of one occurrence."""
        start, end, zone = self.fields["start"], self.fields["end"], self.zone()
        first, last = local(start), local(end)
        if not self.is_all_day and not start["timeZone"] == end["timeZone"] == zone:
            first, last = (instant(when).astimezone(zone_of(zone)).replace(tzinfo=None) for when in (start, end))
        begins = datetime.combine(slot, first.time())
        return stored(begins, zone), stored(begins + (last - first), zone)

    def slots(self) -> Iterator[date]:
        """Every date of the series, cancelled ones and exceptions too."""
        return islice(recurrence.dates(self.fields["recurrence"]), MOST_INSTANCES)

    def is_slot(self, wanted: date) -> bool:
        """Whether the series has an occurrence on that date."""
        return next((day for day in self.slots() if day >= wanted), None) == wanted

    def slot_id(self, slot: date) -> str:
        """The immutable id of one occurrence; an exception in its place keeps it. The calendar can look it up."""
        if slot not in self.slot_ids:
            digest = hashlib.blake2b(f"{self.id} {slot}".encode(), digest_size=45).digest()
            self.slot_ids[slot] = "AAkALg" + base64.urlsafe_b64encode(digest).decode() + "="
            self.calendar.occurrences[self.slot_ids[slot]] = (self, slot)
        return self.slot_ids[slot]


@dataclass(frozen=True)
class Instance:
    """What takes place: a single event, an exception, or one occurrence of a series (`slot`)."""

    event: Event
    slot: date | None = None

    @property
    def id(self) -> str:
        """The immutable id."""
        return self.event.id if self.slot is None else self.event.slot_id(self.slot)

    def span(self) -> Window:
        """When."""
        if self.slot is None:
            return self.event.span()
        start, end = self.event.times(self.slot)
        if self.event.is_all_day:
            return local(start).replace(tzinfo=UTC), local(end).replace(tzinfo=UTC)
        return instant(start), instant(end)


def inside(span: Window, window: Window) -> bool:
    """Whether something takes place in the window; what has no length counts where it begins."""
    return span[0] < window[1] and (span[1] > window[0] or span[0] == span[1] == window[0])


@dataclass(eq=False)
class Calendar:
    """One calendar with its events."""

    world: "MicrosoftWorld"
    id: str
    name: str
    owner: "User"
    group: str
    is_default: bool = False
    events: dict[str, Event] = field(default_factory=dict)  # singles and masters
    occurrences: dict[str, tuple[Event, date]] = field(default_factory=dict)  # ids that were shown
    gone: dict[str, str] = field(default_factory=dict)  # immutable ids that were here -> the plain ones they had
    shared_with: dict[str, str] = field(default_factory=dict)  # user id -> the calendar's id in that user's list
    seq: int = 0

    def find(self, key: str) -> Instance | None:
        """A single event, master, exception or living occurrence by its immutable id."""
        if key in self.events:
            return Instance(self.events[key])
        event, slot = self.occurrences.get(key, (None, None))
        if event is None or slot is None or self.events.get(event.id) is not event or slot in event.cancelled:
            return None
        if slot in event.exceptions:
            return Instance(event.exceptions[slot])
        return Instance(event, slot) if event.type == "seriesMaster" and event.is_slot(slot) else None

    def new(self, fields: JSON) -> Event:
        """A new single event or series."""
        world = self.world
        uid = "040000008200E00074C5B7101A82E008" + "00000000" + world.rng.randbytes(36).hex().upper()
        event = Event(world.new_id("AAkALg"), self, fields, world.now(), uid)
        self.put(event)
        return event

    def put(self, event: Event) -> None:
        """A single event or series comes in, new or from another calendar."""
        event.calendar = self
        for exception in event.exceptions.values():
            exception.calendar = self
        self.events[event.id] = event
        self.occurrences |= {key: (event, slot) for slot, key in event.slot_ids.items()}
        self.touch(event, "updated" if event.moves else "created")

    def touch(self, event: Event, what: str = "updated") -> None:
        """A change: of a single event, a master, or an exception, which changes its series too."""
        event.modified = self.world.now()
        event.seq = event.top.seq = self.world.touch(self.owner, "calendar", event.id, what)

    def remove(self, event: Event, what: str = "deleted") -> None:
        """A single event or a whole series goes."""
        self.let_go(event)
        self.world.touch(self.owner, "calendar", event.id, what)

    def let_go(self, event: Event) -> None:
        """Take a single event or series out."""
        del self.events[event.id]
        self.gone[event.id] = event.plain_id(event.id)

    def exception(self, master: Event, slot: date) -> Event:
        """The exception of a slot, made from the occurrence when there is none yet."""
        if slot not in master.exceptions:
            start, end = master.times(slot)
            fields = master.fields | {"start": start, "end": end, "recurrence": None}
            made = Event(master.slot_id(slot), self, fields, self.world.now(), master.uid, master=master, slot=slot)
            master.exceptions[slot] = made
        return master.exceptions[slot]

    def cancel(self, master: Event, slot: date) -> None:
        """One occurrence or exception goes. Notifications name the master, `updated` (§6)."""
        master.slot_id(slot)
        master.exceptions.pop(slot, None)
        master.cancelled.add(slot)
        self.touch(master)

    def living(self) -> Iterator[Event]:
        """Singles, masters, and the exceptions of these."""
        for event in self.events.values():
            yield event
            yield from event.exceptions.values()


def instances(event: Event, window: Window) -> Iterator[Instance]:
    """What of a single event or series takes place in the window, exceptions in place of what they replace."""
    if not event.fields.get("recurrence"):
        if inside(event.span(), window):
            yield Instance(event)
        return
    start, end = event.span()
    opens, closes = (window[0] - (end - start) - FAR).date(), (window[1] + FAR).date()
    for slot in event.slots():
        if slot > closes:
            break
        if slot < opens or slot in event.cancelled or slot in event.exceptions:
            continue
        if inside((instance := Instance(event, slot)).span(), window):
            yield instance
    for exception in event.exceptions.values():
        if inside(exception.span(), window):
            yield Instance(exception)


@dataclass
class Calendars:
    """The calendars of one mailbox, its groups, and the calendars of others that are shared with it."""

    world: "MicrosoftWorld"
    user: "User"
    groups: dict[str, str] = field(default_factory=dict)  # id -> name, the default group first
    owned: dict[str, Calendar] = field(default_factory=dict)
    shared: dict[str, Calendar] = field(default_factory=dict)  # id in this list -> somebody else's calendar
    editable: set[str] = field(default_factory=set)  # of the shared ones
    plain: dict[str, str] = field(default_factory=dict)  # plain ids that were shown -> immutable ids
    master_in_delta: bool = True  # knob: §6 [U], rounds may come without masters
    repeat_conflicts: bool = False  # knob: §14 [U], a repeated transactionId is 409 rather than 201

    @property
    def default(self) -> Calendar:
        """The default calendar."""
        return next(calendar for calendar in self.owned.values() if calendar.is_default)

    def add(self, name: str, group: str | None = None, *, is_default: bool = False) -> Calendar:
        """A calendar of the user's own, in the default group when none is named."""
        group = group or next(iter(self.groups))
        calendar = Calendar(self.world, self.world.new_id("AAMkAD"), name, self.user, group, is_default)
        self.owned[calendar.id] = calendar
        calendar.seq = self.world.touch(None, "calendar", calendar.id, "created")
        return calendar

    def add_group(self, name: str) -> str:
        """A calendar group; returns its id."""
        key = self.world.new_id("AAMkAD")
        self.groups[key] = name
        return key

    def delete(self, calendar: Calendar) -> None:
        """A calendar goes with its events, for those too with whom it was shared."""
        for event in list(calendar.events.values()):
            calendar.remove(event)
        del self.owned[calendar.id]
        for user_id, key in calendar.shared_with.items():
            self.world.users[user_id].calendars.shared.pop(key, None)

    def share(self, calendar: Calendar, other: "User", *, editable: bool = False) -> str:
        """Somebody else sees the calendar in the list, under another id; returns that."""
        theirs: Calendars = other.calendars
        key = calendar.shared_with.setdefault(other.id, self.world.new_id("AAMkAD"))
        theirs.shared[key] = calendar
        if editable:
            theirs.editable.add(key)
        return key

    def unlist(self, key: str) -> None:
        """Somebody else's calendar leaves the list."""
        calendar = self.shared.pop(key)
        self.editable.discard(key)
        del calendar.shared_with[self.user.id]

    def move(self, event: Event, target: Calendar) -> None:
        """A single event or series goes to another calendar: the immutable id stays, the plain one changes."""
        event.calendar.let_go(event)
        event.moves += 1
        target.put(event)

    def find(self, key: str) -> Calendar | None:
        """An own or a shared-in calendar by its id in this mailbox."""
        return self.owned.get(key) or self.shared.get(key)

    def everywhere(self) -> list[Calendar]:
        """Own and shared-in calendars."""
        return [*self.owned.values(), *self.shared.values()]

    def show_id(self, event: Event, key: str, *, immutable: bool) -> str:
        """The id of an event, or of one of its occurrences, in the form that the request wants."""
        if immutable:
            return key
        plain = event.plain_id(key)
        self.plain[plain] = key
        return plain

    def translate(self, shown: str, immutable: bool) -> str | None:
        """The same event's id in the other form."""
        found = self.event(shown)
        return self.show_id(found.event, found.id, immutable=immutable) if found else None

    def event(self, shown: str) -> Instance | None:
        """What an id of either form stands for now; a plain id from before a move stands for nothing."""
        key = self.plain.get(shown, shown)
        for calendar in self.everywhere():
            found = calendar.find(key)
            if found is not None and (key == shown or found.event.plain_id(key) == shown):
                return found
        return None


def open_calendars(world: "MicrosoftWorld", user: "User") -> Calendars:
    """The calendars of a new mailbox: the default one, and an empty group beside the default group."""
    calendars = Calendars(world, user)
    calendars.add_group("My Calendars")
    calendars.add_group("Other Calendars")
    calendars.add("Calendar", is_default=True)
    return calendars
