"""State of calendars: events with a change log each, and every user's calendar list (google.md §5)."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from syncd_simulator.clock import rfc3339
from syncd_simulator.google.changelog import ChangeLog
from syncd_simulator.google.wire import JSON

if TYPE_CHECKING:
    from syncd_simulator.google.world import User

RANK = {"none": 0, "freeBusyReader": 1, "reader": 2, "writerWithoutPrivateAccess": 3, "writer": 4, "owner": 5}


@dataclass
class Calendar:
    """One calendar. Event JSON is complete and never changed in place: an edit puts a new object."""

    id: str
    uid: str  # stays when the id follows a renamed owner
    owner: "User"
    summary: str
    zone: str
    is_primary: bool = False
    description: str = ""
    roles: dict[str, str] = field(default_factory=dict)  # user id -> role; the owner is in it
    acl_version: int = 0
    deleted: bool = False
    events: dict[str, JSON] = field(default_factory=dict)
    exceptions: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    log: ChangeLog = field(default_factory=ChangeLog)
    _last: int = 0  # microseconds of the latest `updated`

    def put(self, event: JSON, now: float) -> JSON:
        """Store an event under its id, dressed with what the server owns; returns what is stored."""
        old = self.events.get(event["id"], {})
        updated = self._tick(now)
        stamp = rfc3339(updated / 1e6)
        me = {"email": self.owner.address, "self": True}
        dressed: JSON = {
            "kind": "calendar#event",
            "etag": f'"{2 * updated}"',
            "status": "confirmed",
            "htmlLink": f"https://www.google.com/calendar/event?eid={event['id']}",
            "created": old.get("created", stamp),
            "creator": me,
            "organizer": me,
            "iCalUID": f"{event['id']}@google.com",
            "sequence": 0,
            "reminders": {"useDefault": True},
            "eventType": "default",
        }
        dressed |= {key: value for key, value in event.items() if key not in ("etag", "updated", "created")}
        dressed["updated"] = stamp
        self.events[event["id"]] = dressed
        if "recurringEventId" in dressed:
            self.exceptions[dressed["recurringEventId"]].add(dressed["id"])
        self.log.touch(event["id"], now)
        return dressed

    def cancel(self, event_id: str, now: float) -> None:
        """Delete an event; a series takes its exceptions along."""
        for exception in sorted(self.exceptions.get(event_id, ())):
            if self.events[exception]["status"] != "cancelled":
                self.put(self.events[exception] | {"status": "cancelled"}, now)
        self.put(self.events[event_id] | {"status": "cancelled"}, now)

    def living(self) -> dict[str, JSON]:
        """Masters, single events and modified exceptions; nothing cancelled."""
        return {key: event for key, event in self.events.items() if event["status"] != "cancelled"}

    def called_off(self) -> dict[str, JSON]:
        """Cancelled exceptions of series that live."""
        living = self.living()
        return {
            key: event
            for key, event in self.events.items()
            if event["status"] == "cancelled" and event.get("recurringEventId") in living
        }

    def role(self, user: "User") -> str | None:
        """The user's role, None when the calendar is not shared with them."""
        return None if self.deleted else self.roles.get(user.id)

    def _tick(self, now: float) -> int:
        """Microseconds for `updated`: whole milliseconds that never repeat."""
        self._last = max(int(now * 1000) * 1000, self._last + 1000)
        return self._last


@dataclass
class ListEntry:
    """One line of a user's calendar list."""

    id: str
    calendar: Calendar
    selected: bool = True
    hidden: bool = False
    deleted: bool = False
    override: str = ""
    color: str = "1"
    version: int = 1


@dataclass
class UserCalendars:
    """A user's calendar list with its change log."""

    entries: dict[str, ListEntry] = field(default_factory=dict)
    log: ChangeLog = field(default_factory=ChangeLog)

    def add(self, calendar: Calendar, now: float, *, hidden: bool = False, override: str = "") -> ListEntry:
        """Show a calendar in the list."""
        old = self.entries.get(calendar.id)
        version = old.version + 1 if old else 1
        color = str(len(self.entries) % 24 + 1)
        entry = ListEntry(calendar.id, calendar, not hidden, hidden, False, override, color, version)
        self.entries[calendar.id] = entry
        self.log.touch(calendar.id, now)
        return entry

    def remove(self, calendar_id: str, now: float) -> None:
        """Leave a tombstone."""
        entry = self.entries[calendar_id]
        entry.deleted = True
        entry.version += 1
        self.log.touch(calendar_id, now)

    def touch(self, calendar_id: str, now: float) -> None:
        """Note a change of the user's own properties of an entry."""
        self.entries[calendar_id].version += 1
        self.log.touch(calendar_id, now)

    def shown(self) -> dict[str, ListEntry]:
        """Entries that are not removed."""
        return {key: entry for key, entry in self.entries.items() if not entry.deleted}


class CalendarStore:
    """All calendars of the organisation by id."""

    def __init__(self) -> None:
        self.calendars: dict[str, Calendar] = {}
        self._made = 0

    def open_primary(self, user: "User", now: float, zone: str = "Europe/Madrid") -> Calendar:
        """The user's own calendar; its id is the address."""
        calendar = self._make(user.address, user, user.address, zone)
        calendar.is_primary = True
        user.calendars.add(calendar, now)
        return calendar

    def create(self, owner: "User", key: str, summary: str, zone: str, now: float) -> Calendar:
        """A secondary calendar: `<key>@group.calendar.google.com`."""
        calendar = self._make(f"{key}@group.calendar.google.com", owner, summary, zone)
        owner.calendars.add(calendar, now)
        return calendar

    def find(self, user: "User", calendar_id: str) -> Calendar | None:
        """A calendar that the user may see; `primary` is an alias."""
        key = user.address if calendar_id == "primary" else calendar_id
        calendar = self.calendars.get(key)
        return calendar if calendar is not None and calendar.role(user) else None

    def share(self, calendar: Calendar, user: "User", role: str, now: float) -> None:
        """Grant a role and show the calendar in the user's list. Sync tokens of its events die (§5.3)."""
        calendar.roles[user.id] = role
        calendar.acl_version += 1
        entry = user.calendars.entries.get(calendar.id)
        if entry is None or entry.deleted:
            user.calendars.add(calendar, now)

    def unshare(self, calendar: Calendar, user: "User", now: float) -> None:
        """Take the role away; the entry leaves the user's list."""
        del calendar.roles[user.id]
        calendar.acl_version += 1
        if calendar.id in user.calendars.shown():
            user.calendars.remove(calendar.id, now)

    def delete(self, calendar: Calendar, users: list["User"], now: float) -> None:
        """The calendar goes, from every list."""
        calendar.deleted = True
        for user in users:
            if calendar.id in user.calendars.shown():
                user.calendars.remove(calendar.id, now)

    def rename_owner(self, user: "User", address: str, users: list["User"], now: float) -> None:
        """The primary calendar's id follows the address; the old id goes on working as an alias."""
        calendar = self.calendars[user.address]
        old = calendar.id
        if calendar.summary == old:
            calendar.summary = address
        calendar.id = address
        self.calendars[address] = calendar
        for other in users:
            entry = other.calendars.shown().get(old)
            if entry is not None:
                other.calendars.add(calendar, now, hidden=entry.hidden, override=entry.override)
                other.calendars.remove(old, now)

    def _make(self, calendar_id: str, owner: "User", summary: str, zone: str) -> Calendar:
        self._made += 1
        calendar = Calendar(calendar_id, f"k{self._made}", owner, summary, zone)
        calendar.roles[owner.id] = "owner"
        self.calendars[calendar_id] = calendar
        return calendar
