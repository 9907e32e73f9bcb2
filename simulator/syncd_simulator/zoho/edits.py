"""The edit driver: what people do to their data while a mirror looks on. Seeded, one edit at a time.

Public: ELSEWHERE, KINDS, Editor. Every method changes the world under its lock and returns the id of what it touched; with nothing given
it picks by itself, None when it found nothing to do. Edits of files and CRM records: edits_workdrive.py, edits_crm.py.
"""

import functools
import inspect
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from syncd_simulator.google import words
from syncd_simulator.zoho import edits_crm, edits_workdrive, invent
from syncd_simulator.zoho.book import books
from syncd_simulator.zoho.calendars import Calendar, Event, calendars_of
from syncd_simulator.zoho.caltimes import Moment, basic, zone_of
from syncd_simulator.zoho.mailbox import Folder, Mail, boxes
from syncd_simulator.zoho.repeat import slots
from syncd_simulator.zoho.world import User, ZohoWorld

__all__ = ["ELSEWHERE", "KINDS", "Editor"]

Class = TypeVar("Class", bound=type)
KINDS = ("contacts", "calendar", "files", "mail", "crm")
ELSEWHERE = {"files": edits_workdrive.EDITS, "crm": edits_crm.EDITS}  # functions of (world, rng, user)
RULES = (
    "FREQ=WEEKLY", "FREQ=WEEKLY;BYDAY=MO,WE;COUNT=20", "FREQ=DAILY;COUNT=10", "FREQ=MONTHLY;BYDAY=2TU",
    "FREQ=WEEKLY;INTERVAL=2;COUNT=12",
)  # fmt: skip


def locked(cls: Class) -> Class:
    """Run every public method under the world's lock, so that requests never see half an edit."""
    for name, function in list(vars(cls).items()):
        if inspect.isfunction(function) and not name.startswith("_"):
            setattr(cls, name, _under_lock(function))
    return cls


def _under_lock(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(self: "Editor", *args: Any, **kwargs: Any) -> Any:
        with self.world.lock:
            return function(self, *args, **kwargs)

    return wrapper


@locked
class Editor:
    """Edits of one world from one seed. Without a `user` it is the owner of the credential, whose data is mirrored."""

    def __init__(self, world: ZohoWorld, seed: int = 0) -> None:
        self.world = world
        self.rng = random.Random(f"editor {seed}")
        self._made = 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Edits of files and CRM records by name: `editor.add_file(user, name="a.txt")`."""
        if name.startswith("_"):
            raise AttributeError(name)
        for edits in ELSEWHERE.values():
            if name in edits:
                return functools.partial(self._apart, edits[name])
        raise AttributeError(name)

    def _apart(self, edit: Callable[..., Any], user: User | None = None, **more: Any) -> Any:
        with self.world.lock:
            return edit(self.world, self.rng, user or self.world.owner, **more)

    # -- choosing ---------------------------------------------------------------------------------------------

    def pick(self, items: Any) -> Any:
        """One of `items` (a mapping gives a key), None when there are none."""
        items = list(items)
        return self.rng.choice(items) if items else None

    def number(self) -> int:
        """Counts up: makes names unique."""
        self._made += 1
        return self._made

    def topic(self) -> str:
        """Words for a title."""
        return f"{self.rng.choice(words.TOPICS).capitalize()} {self.number()}"

    def text(self, sentences: int = 3) -> str:
        """A few sentences."""
        return " ".join(self.rng.choice(words.SENTENCES) for _ in range(sentences))

    # -- contacts ---------------------------------------------------------------------------------------------

    def add_contact(self, user: User | None = None, **values: Any) -> str:
        """A new contact."""
        made = books(self.world).add(user or self.world.owner, values or invent.contact(self.rng))
        return str(made["contact_id"])

    def edit_contact(self, user: User | None = None, key: str | None = None, **values: Any) -> str | None:
        """Change some fields (by default the phone number)."""
        user = user or self.world.owner
        key = key or self.pick(books(self.world).of(user).keys())
        if key is not None:
            phone = {"number": f"+34 9{self.rng.randrange(10**8):08d}", "type": "work"}
            books(self.world).edit(user, key, values or {"phones": [phone]})
        return key

    def delete_contact(self, user: User | None = None, key: str | None = None) -> str | None:
        """A contact goes."""
        user = user or self.world.owner
        key = key or self.pick(books(self.world).of(user).keys())
        if key is not None:
            books(self.world).delete(user, key)
        return key

    # -- calendars --------------------------------------------------------------------------------------------

    def calendar_of(self, user: User) -> Calendar:
        """A calendar of the user's own."""
        return self.rng.choice(calendars_of(self.world).own(user))

    def _event(self, user: User, start: Moment, end: Moment, zone: str, rule: str, **values: Any) -> Event:
        now = self.world.millis()
        guest = f"guest{self.number()}@elsewhere.example"
        shown = {
            "title": self.topic(), "location": self.rng.choice(("Room Miró", "Room Turing", "Video", "Café")),
            "organizer": user.address, "createdby": user.zuid, "modifiedby": user.zuid, "role": "organizer",
            "isprivate": False, "enable_eventmanagement": False, "color": "#8cbf40", "transparency": 0,
            "attendees": [{"email": guest, "status": "NEEDS-ACTION", "permission": 1, "attendance": 1}],
            "reminders": [{"action": "popup", "minutes": self.rng.choice(("-10", "-30", "+5"))}],
            "alarm": [{"action": "popup", "trigger": self.rng.choice((-600000, "-600000"))}],
        }  # fmt: skip
        if self.rng.random() < 0.6:
            text = self.text(2)
            shown |= {"description": text, "richtext_description": f"<div>{text}</div>"}
        uid = calendars_of(self.world).new_event_uid()
        return Event(uid, self.world.new_id(), shown | values, start, end, zone, now, now, 0, rule)

    def add_event(
        self, user: User | None = None, calendar: Calendar | None = None, *, rule: str = "",
        start: datetime | None = None, **values: Any,
    ) -> str:  # fmt: skip
        """A timed event within two months around the world's first day; `values` win over invented ones."""
        user = user or self.world.owner
        calendar = calendar or self.calendar_of(user)
        zone = self.rng.choice((calendar.zone, calendar.zone, *words.ZONES))
        if start is None:
            day = datetime.fromtimestamp(self.world.base, UTC) + timedelta(days=self.rng.randint(-60, 60))
            minute = self.rng.choice((0, 15, 30))
            start = day.replace(hour=self.rng.randint(7, 18), minute=minute, tzinfo=zone_of(zone))
        else:
            zone = start.tzinfo.key if isinstance(start.tzinfo, ZoneInfo) else "UTC"
        end = start + timedelta(minutes=self.rng.choice((30, 45, 60, 90)))
        event = calendar.put(self._event(user, start, end, zone, rule, **values), self.world.millis())
        return event.uid

    def add_all_day(self, user: User | None = None, calendar: Calendar | None = None, days: int | None = None) -> str:
        """An all-day event of one to four days."""
        user = user or self.world.owner
        calendar = calendar or self.calendar_of(user)
        first = datetime.fromtimestamp(self.world.base, UTC).date() + timedelta(days=self.rng.randint(-50, 50))
        last = first + timedelta(days=(days or self.rng.randint(1, 4)) - 1)  # inclusive
        return calendar.put(self._event(user, first, last, calendar.zone, ""), self.world.millis()).uid

    def add_series(self, user: User | None = None, calendar: Calendar | None = None, rule: str | None = None) -> str:
        """A repeating event."""
        return self.add_event(user, calendar, rule=rule or self.rng.choice(RULES))

    def _living(
        self, user: User | None, calendar: Calendar | None, key: str | None, wanted: Callable[[Event], bool]
    ) -> tuple[Calendar, Event] | None:
        own = [calendar] if calendar else calendars_of(self.world).own(user or self.world.owner)
        if key is not None:
            return next(((found, found.events[key]) for found in own if key in found.events), None)
        found = self.pick((cal, event) for cal in own for event in cal.events.values() if wanted(event))
        return found or None

    def edit_event(
        self, user: User | None = None, calendar: Calendar | None = None, key: str | None = None, **values: Any
    ) -> str | None:
        """Another title, or the given fields."""
        found = self._living(user, calendar, key, lambda _: True)
        if found is None:
            return None
        chosen, event = found
        event.values = event.values | (values or {"title": self.topic()})
        return chosen.put(event, self.world.millis()).key

    def change_instance(
        self, user: User | None = None, calendar: Calendar | None = None, key: str | None = None
    ) -> str | None:
        """One occurrence of a series gets another title and an hour's delay; returns `<uid>_<original start>`."""
        found = self._living(user, calendar, key, lambda event: bool(event.rrule))
        if found is None:
            return None
        chosen, master = found
        first = [slot for slot, _ in zip(slots(master.start, master.rrule), range(10), strict=False)]
        slot = self.pick(slot for slot in first if basic(slot) not in master.gone)
        if slot is None:
            return None
        hour = timedelta(hours=1) if isinstance(slot, datetime) else timedelta()
        length = master.end - master.start  # type: ignore[operator]
        changed = Event(
            master.uid, self.world.new_id(), master.values | {"title": self.topic()}, slot + hour,
            slot + hour + length, master.zone, master.created, 0, master.etag, recurrence=basic(slot),
        )  # fmt: skip
        return chosen.put(changed, self.world.millis()).key

    def delete_event(
        self, user: User | None = None, calendar: Calendar | None = None, key: str | None = None
    ) -> str | None:
        """An event or a whole series goes."""
        found = self._living(user, calendar, key, lambda event: not event.recurrence)
        if found is None:
            return None
        found[0].remove(found[1].uid, self.world.millis())
        return found[1].uid

    def add_calendar(self, user: User | None = None, name: str | None = None, zone: str = "UTC") -> str:
        """Another calendar; returns its uid."""
        return calendars_of(self.world).create(user or self.world.owner, name or self.topic(), zone).uid

    def delete_calendar(self, user: User | None = None, calendar: Calendar | None = None) -> str | None:
        """A calendar that is not the default one goes."""
        store = calendars_of(self.world)
        calendar = calendar or self.pick(c for c in store.own(user or self.world.owner) if not c.default)
        if calendar is None:
            return None
        del store.calendars[calendar.uid]
        return calendar.uid

    # -- mail -------------------------------------------------------------------------------------------------

    def add_mail(
        self, user: User | None = None, raw: bytes | None = None, folder: Folder | None = None,
        received: int | None = None, **more: Any,
    ) -> str:  # fmt: skip
        """A message arrives, in the inbox unless told otherwise."""
        user = user or self.world.owner
        received = received if received is not None else self.world.millis()
        raw = raw if raw is not None else invent.mail(self.rng, user, received / 1000, self.number())
        box = boxes(self.world).of(user)
        return box.add(raw, folder or box.system("Inbox"), received, **more).id

    def _mail(self, user: User, key: str | None, wanted: Callable[[Mail], bool] = lambda _: True) -> Mail | None:
        box = boxes(self.world).of(user)
        if key is not None:
            return box.mails[key]
        found: Mail | None = self.pick(mail for mail in box.mails.values() if wanted(mail))
        return found

    def read_mail(self, user: User | None = None, key: str | None = None) -> str | None:
        """Read becomes unread and the other way round."""
        mail = self._mail(user or self.world.owner, key)
        if mail is not None:
            mail.read = not mail.read
        return mail.id if mail else None

    def move_mail(self, user: User | None = None, key: str | None = None, folder: Folder | None = None) -> str | None:
        """Into another folder; the id stays."""
        user = user or self.world.owner
        mail, box = self._mail(user, key), boxes(self.world).of(user)
        if mail is None:
            return None
        box.move(mail, folder or self.pick(f for f in box.folders.values() if f.id != mail.folder))
        return mail.id

    def delete_mail(self, user: User | None = None, key: str | None = None) -> str | None:
        """Into the trash."""
        user = user or self.world.owner
        box = boxes(self.world).of(user)
        trash = box.system("Trash")
        mail = self._mail(user, key, lambda mail: mail.folder != trash.id)
        if mail is not None:
            box.move(mail, trash)
        return mail.id if mail else None

    def purge_mail(self, user: User | None = None, key: str | None = None) -> str | None:
        """For good."""
        user = user or self.world.owner
        mail = self._mail(user, key)
        if mail is not None:
            boxes(self.world).of(user).purge(mail)
        return mail.id if mail else None

    def add_mail_folder(self, user: User | None = None, name: str | None = None, parent: Folder | None = None) -> str:
        """A folder of the user's own; returns its id."""
        return boxes(self.world).of(user or self.world.owner).add_folder(name or self.topic(), parent).id

    # -- people -----------------------------------------------------------------------------------------------

    def _colleague(self) -> User:
        others = [user for user in self.world.users.values() if user is not self.world.owner and not user.suspended]
        found: User = self.pick(others) or self.world.owner
        return found

    def add_user(self, like: User | None = None) -> User:
        """A new colleague, in the time zone of `like`."""
        given, family = self.rng.choice(words.GIVEN), self.rng.choice(words.FAMILY)
        address = f"{invent.ascii_name(given)}.{invent.ascii_name(family)}.{self.number()}@{self.world.domain}"
        user = self.world.add_user(given, family, address)
        user.zone = like.zone if like else user.zone
        return user

    def rename_user(self, user: User | None = None) -> User:
        """Another primary address; the ids stay."""
        user = user or self._colleague()
        address = f"{invent.ascii_name(user.given)}.{invent.ascii_name(self.rng.choice(words.FAMILY))}.{self.number()}"
        self.world.rename_user(user, f"{address}@{self.world.domain}")
        return user

    def suspend_user(self, user: User | None = None) -> User:
        """A colleague (never the owner by chance) is suspended."""
        user = user or self._colleague()
        if user is not self.world.owner:
            self.world.suspend_user(user)
        return user

    # -- any --------------------------------------------------------------------------------------------------

    def edits_of(self, kind: str) -> list[Callable[..., Any]]:
        """The edits of one kind of data: contacts, calendar, files, mail, crm or directory."""
        if kind in ELSEWHERE:
            return [functools.partial(self._apart, edit) for edit in ELSEWHERE[kind].values()]
        edits: dict[str, list[Callable[..., Any]]] = {
            "contacts": [self.add_contact, self.edit_contact, self.delete_contact],
            "calendar": [
                self.add_event, self.add_all_day, self.add_series, self.edit_event, self.edit_event,
                self.change_instance, self.delete_event, self.add_calendar, self.delete_calendar,
            ],
            "mail": [
                self.add_mail, self.add_mail, self.read_mail, self.move_mail, self.delete_mail, self.purge_mail,
                self.add_mail_folder,
            ],
            "directory": [self.add_user, self.rename_user, self.suspend_user],
        }  # fmt: skip
        return edits[kind]

    def random_edit(self, kind: str | None = None, user: User | None = None) -> str:
        """One edit by `user` (the owner without); returns its name. Without a `kind` any but directory."""
        kind = kind or self.rng.choice(KINDS)
        edit = self.rng.choice(self.edits_of(kind))
        edit(user)
        return getattr(edit, "__name__", None) or str(edit.args[0].__name__)  # type: ignore[attr-defined]
