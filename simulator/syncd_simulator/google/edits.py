"""The edit driver: what people do to their data while a mirror looks on. Seeded, one edit at a time.

Every method changes the world under its lock and returns what it touched; with nothing given it picks by itself.
"""

import functools
import inspect
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from syncd_simulator.google import calendar as calendar_api
from syncd_simulator.google import recurrence, words
from syncd_simulator.google.calendars import RANK, Calendar
from syncd_simulator.google.files import FOLDER, NATIVE, SHORTCUT, File, SharedDrive
from syncd_simulator.google.mailbox import Mail
from syncd_simulator.google.mime import compose
from syncd_simulator.google.wire import JSON
from syncd_simulator.google.world import GoogleWorld, User

Class = TypeVar("Class", bound=type)


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
    """Edits of one world from one seed. `random_edit()` picks among all kinds; None when it found nothing to do."""

    def __init__(self, world: GoogleWorld, seed: int = 0) -> None:
        self.world = world
        self.rng = random.Random(f"editor {seed}")
        self._made = 0

    # -- choosing ---------------------------------------------------------------------------------------------

    def person(self) -> User:
        """Somebody who is neither suspended nor gone."""
        return self.rng.choice([user for user in self.world.users.values() if not user.suspended])

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

    def person_values(self) -> JSON:
        """Fields of an invented person."""
        rng = self.rng
        given, family, company = rng.choice(words.GIVEN), rng.choice(words.FAMILY), rng.choice(words.COMPANIES)
        values: JSON = {
            "names": [{"givenName": given, "familyName": family}],
            "emailAddresses": [
                {"value": f"{ascii_name(given)}.{ascii_name(family)}@{company.lower()}.example", "type": "work"}
            ],
            "memberships": [group_membership("myContacts")],
        }
        if rng.random() < 0.6:
            values["phoneNumbers"] = [{"value": f"+34 6{rng.randrange(10**8):08d}", "type": "mobile"}]
        if rng.random() < 0.5:
            values["organizations"] = [{"name": company, "title": rng.choice(words.TITLES)}]
        if rng.random() < 0.2:
            year = rng.choice([0, 1971, 1984, 1990])
            values["birthdays"] = [{"date": {"year": year, "month": rng.randint(1, 12), "day": rng.randint(1, 28)}}]
            if not year:
                del values["birthdays"][0]["date"]["year"]
        if rng.random() < 0.15:
            values["biographies"] = [{"value": self.text(2), "contentType": "TEXT_PLAIN"}]
        return values

    def add_contact(self, user: User | None = None, **values: Any) -> str:
        """A new contact; returns its resource name."""
        user = user or self.person()
        name = f"people/c{self.rng.randrange(10**17, 9 * 10**18)}"
        user.contacts.put(name, values or self.person_values(), self.world.now())
        return name

    def edit_contact(self, user: User | None = None, name: str | None = None, **values: Any) -> str | None:
        """Replace some fields (by default the phone number)."""
        user = user or self.person()
        name = name or self.pick(user.contacts.alive())
        if name is None:
            return None
        person = user.contacts.contacts[name].person()
        kept = {key: value for key, value in person.items() if key not in ("resourceName", "etag", "metadata")}
        phone = {"value": f"+34 9{self.rng.randrange(10**8):08d}", "type": "work"}
        user.contacts.put(name, kept | (values or {"phoneNumbers": [phone]}), self.world.now())
        return name

    def delete_contact(self, user: User | None = None, name: str | None = None) -> str | None:
        """A contact goes."""
        user = user or self.person()
        name = name or self.pick(user.contacts.alive())
        if name is not None:
            user.contacts.delete(name, self.world.now())
        return name

    def rename_contact(self, user: User | None = None, name: str | None = None) -> str | None:
        """The resource name changes (`previousResourceNames`); returns the new one."""
        user = user or self.person()
        name = name or self.pick(user.contacts.alive())
        if name is None:
            return None
        new = f"people/c{self.rng.randrange(10**17, 9 * 10**18)}"
        user.contacts.rename(name, new, self.world.now())
        return new

    # -- calendars --------------------------------------------------------------------------------------------

    def calendar_of(self, user: User) -> Calendar:
        """A calendar that the user may write to."""
        entries = user.calendars.shown().values()
        return self.rng.choice([e.calendar for e in entries if RANK[e.calendar.role(user) or "none"] >= 4])

    def event_values(self, *, days: int | None = None, zone: str | None = None) -> JSON:
        """A timed event somewhere around the world's first day."""
        zone = zone or self.rng.choice(words.ZONES)
        days = self.rng.randint(-90, 120) if days is None else days
        day = datetime.fromtimestamp(self.world.base, UTC) + timedelta(days=days)
        begin = recurrence.moment_of(
            {"dateTime": f"{day:%Y-%m-%d}T{self.rng.randint(7, 18):02d}:{self.rng.choice((0, 15, 30)):02d}:00",
             "timeZone": zone}
        )  # fmt: skip
        assert isinstance(begin, datetime)
        end = begin + timedelta(minutes=self.rng.choice((25, 30, 50, 60, 90)))
        like = {"timeZone": zone}
        return {
            "summary": f"{self.rng.choice(words.MEETINGS)}: {self.rng.choice(words.TOPICS)}",
            "description": self.text(2),
            "location": self.rng.choice(("Room Miró", "Room Turing", "Video", "Café")),
            "start": recurrence.when_of(begin, like),
            "end": recurrence.when_of(end, like),
        }

    def add_event(self, user: User | None = None, calendar: Calendar | None = None, **values: Any) -> JSON:
        """A single event; `values` win over invented ones. Returns the event."""
        user = user or self.person()
        calendar = calendar or self.calendar_of(user)
        event = self.event_values() | values
        event.setdefault("id", calendar_api.new_event_id(self.world))
        return calendar.put(event, self.world.now())

    def add_all_day(self, user: User | None = None, calendar: Calendar | None = None) -> JSON:
        """An all-day event of one to five days."""
        first = datetime.fromtimestamp(self.world.base, UTC).date() + timedelta(days=self.rng.randint(-60, 120))
        last = first + timedelta(days=self.rng.randint(1, 5))  # exclusive
        values = {
            "start": {"date": first.isoformat()},
            "end": {"date": last.isoformat()},
            "transparency": "transparent",
        }
        return self.add_event(user, calendar, summary=self.topic(), **values)

    def add_series(self, user: User | None = None, calendar: Calendar | None = None, rule: str | None = None) -> JSON:
        """A recurring event."""
        rule = rule or self.rng.choice(
            ("FREQ=WEEKLY", "FREQ=WEEKLY;BYDAY=MO,WE;COUNT=20", "FREQ=DAILY;COUNT=10", "FREQ=MONTHLY;BYDAY=2TU",
             "FREQ=WEEKLY;INTERVAL=2;COUNT=12")
        )  # fmt: skip
        return self.add_event(user, calendar, recurrence=[f"RRULE:{rule}"])

    def edit_event(
        self, user: User | None = None, calendar: Calendar | None = None, event_id: str | None = None
    ) -> Any:
        """Another title."""
        found = self._living(user, calendar, event_id, lambda event: True)
        if found is None:
            return None
        chosen, event = found
        return chosen.put(event | {"summary": self.topic()}, self.world.now())

    def change_instance(
        self, user: User | None = None, calendar: Calendar | None = None, *, cancel: bool = False
    ) -> Any:
        """Edit or cancel one occurrence of a series: an exception."""
        found = self._living(user, calendar, None, lambda event: "recurrence" in event)
        if found is None:
            return None
        chosen, master = found
        slots = [slot for _, slot in zip(range(12), recurrence.occurrences(master), strict=False)]
        slot = self.pick(slots)
        if slot is None:
            return None
        event = chosen.events.get(f"{master['id']}_{recurrence.stamp(slot)}") or recurrence.instance(master, slot)
        change = {"status": "cancelled"} if cancel else {"summary": self.topic(), "status": "confirmed"}
        return chosen.put(event | change, self.world.now())

    def cancel_instance(self, user: User | None = None, calendar: Calendar | None = None) -> Any:
        """One occurrence of a series is called off."""
        return self.change_instance(user, calendar, cancel=True)

    def delete_event(
        self, user: User | None = None, calendar: Calendar | None = None, event_id: str | None = None
    ) -> Any:
        """A master or single event goes; returns its id."""
        found = self._living(user, calendar, event_id, lambda event: "recurringEventId" not in event)
        if found is None:
            return None
        chosen, event = found
        chosen.cancel(event["id"], self.world.now())
        return event["id"]

    def move_event(self, user: User | None = None) -> Any:
        """A master or single event goes to another calendar of the user; returns its id."""
        user = user or self.person()
        found = self._living(user, None, None, lambda event: "recurringEventId" not in event)
        targets = [e.calendar for e in user.calendars.shown().values() if RANK[e.calendar.role(user) or "none"] >= 4]
        if found is None:
            return None
        source, event = found
        target = self.pick(c for c in targets if c is not source and event["id"] not in c.events)
        if target is None:
            return None
        calendar_api.move(self.world, source, target, event["id"])
        return event["id"]

    def _living(
        self, user: User | None, calendar: Calendar | None, event_id: str | None, wanted: Callable[[JSON], bool]
    ) -> tuple[Calendar, JSON] | None:
        calendar = calendar or self.calendar_of(user or self.person())
        if event_id is not None:
            return calendar, calendar.events[event_id]
        event = self.pick(event for event in calendar.living().values() if wanted(event))
        return (calendar, event) if event else None

    def add_calendar(self, user: User | None = None, summary: str | None = None, zone: str = "UTC") -> Calendar:
        """A secondary calendar."""
        user = user or self.person()
        key = f"c_{self.rng.getrandbits(240):060x}"
        return self.world.calendars.create(user, key, summary or self.topic(), zone, self.world.now())

    def delete_calendar(self, user: User | None = None, calendar: Calendar | None = None) -> Any:
        """A secondary calendar goes, for everybody."""
        user = user or self.person()
        entries = user.calendars.shown().values()
        mine = [e.calendar for e in entries if e.calendar.owner is user and not e.calendar.is_primary]
        calendar = calendar or self.pick(mine)
        if calendar is not None:
            self.world.calendars.delete(calendar, list(self.world.users.values()), self.world.now())
        return calendar

    def share_calendar(self, owner: User | None = None, other: User | None = None, role: str = "reader") -> Any:
        """Somebody else gets access and sees it in the list. Sync tokens of its events die."""
        owner, other = owner or self.person(), other or self.person()
        calendar = self.pick(e.calendar for e in owner.calendars.shown().values() if e.calendar.owner is owner)
        if calendar is None or other is owner or other.id in calendar.roles:
            return None
        self.world.calendars.share(calendar, other, role, self.world.now())
        return calendar

    def unshare_calendar(self, user: User | None = None) -> Any:
        """The user loses access to somebody else's calendar."""
        user = user or self.person()
        calendar = self.pick(e.calendar for e in user.calendars.shown().values() if e.calendar.owner is not user)
        if calendar is not None:
            self.world.calendars.unshare(calendar, user, self.world.now())
        return calendar

    # -- files ------------------------------------------------------------------------------------------------

    def blob(self, most: int = 6000) -> bytes:
        """Some bytes."""
        return self.rng.randbytes(self.rng.randint(0, most))

    def folder_of(self, user: User, drive: SharedDrive | None = None) -> str:
        """A folder of the user (or of a shared drive) to put things in."""
        store = self.world.drive
        root = drive.id if drive else store.views[user.id].root
        folders = [f.id for f in store.subtree(store.files[root]) if f.is_folder and not store.is_trashed(f)]
        return self.rng.choice(folders)

    def my_file(self, user: User, wanted: Callable[[File], bool] = lambda _: True) -> File | None:
        """A file of the user's own (My Drive)."""
        store = self.world.drive
        root = store.views[user.id].root
        found: File | None = self.pick(f for f in store.subtree(store.files[root]) if f.id != root and wanted(f))
        return found

    def add_file(self, user: User | None = None, drive: SharedDrive | None = None, **values: Any) -> File:
        """A binary file; `content`, `name`, `mime`, `parent` may be given."""
        user = user or self.person()
        extension, mime = self.rng.choice(words.BLOBS)
        return self.world.drive.add(
            user.id, values.get("name", f"{self.topic()}.{extension}"), values.get("mime", mime),
            values.get("parent") or self.folder_of(user, drive), self.world.now(),
            content=values["content"] if "content" in values else self.blob(),
        )  # fmt: skip

    def add_folder(self, user: User | None = None, drive: SharedDrive | None = None) -> File:
        """A folder."""
        user = user or self.person()
        parent = self.folder_of(user, drive)
        return self.world.drive.add(user.id, self.topic(), FOLDER, parent, self.world.now())

    def add_native(self, user: User | None = None, drive: SharedDrive | None = None, kind: str | None = None) -> File:
        """A Docs Editors file."""
        user = user or self.person()
        mime = NATIVE + (kind or self.rng.choice(words.NATIVES))
        parent = self.folder_of(user, drive)
        text = self.text(6).encode()
        return self.world.drive.add(user.id, self.topic(), mime, parent, self.world.now(), content=text)

    def add_shortcut(self, user: User | None = None) -> File | None:
        """A shortcut to another file."""
        user = user or self.person()
        target = self.my_file(user, lambda f: f.mime != SHORTCUT)
        if target is None:
            return None
        return self.world.drive.add(
            user.id, f"Shortcut to {target.name}", SHORTCUT, None, self.world.now(), target=target.id
        )

    def edit_file(
        self, user: User | None = None, file: File | None = None, content: bytes | None = None
    ) -> File | None:
        """New content."""
        user = user or self.person()
        file = file or self.my_file(user, lambda f: f.content is not None)
        if file is not None:
            new = content if content is not None else self.text(4).encode() + self.blob(500)
            file.write(self.text(6).encode() if file.is_native else new, self.world.drive.new_revision())
            self.world.drive.touch(file, user.id, self.world.now())
        return file

    def rename_file(self, user: User | None = None, file: File | None = None) -> File | None:
        """Another name."""
        user = user or self.person()
        file = file or self.my_file(user)
        if file is not None:
            file.name = f"{self.topic()} {file.name[-8:]}"
            self.world.drive.touch(file, user.id, self.world.now())
        return file

    def move_file(self, user: User | None = None, file: File | None = None, parent: str | None = None) -> File | None:
        """Into another folder of the user."""
        user = user or self.person()
        file = file or self.my_file(user)
        if file is None:
            return None
        below = {item.id for item in self.world.drive.subtree(file)}
        target = parent or self.folder_of(user)
        if target in below or target == file.parent:
            return None
        self.world.drive.move(file, target, self.world.now())
        return file

    def trash_file(self, user: User | None = None, file: File | None = None) -> File | None:
        """Into the trash."""
        return self._set_trashed(user or self.person(), file, True)

    def untrash_file(self, user: User | None = None, file: File | None = None) -> File | None:
        """Out of the trash."""
        return self._set_trashed(user or self.person(), file, False)

    def _set_trashed(self, user: User, file: File | None, trashed: bool) -> File | None:
        file = file or self.my_file(user, lambda f: f.trashed is not trashed)
        if file is not None:
            children = self.world.trash_entries_for_children
            self.world.drive.trash(file, user.id, self.world.now(), trashed=trashed, with_children=children)
        return file

    def delete_file(self, user: User | None = None, file: File | None = None) -> str | None:
        """For good; returns the id."""
        user = user or self.person()
        file = file or self.my_file(user)
        if file is None:
            return None
        self.world.drive.delete(file, self.world.now())
        return file.id

    def share_file(self, user: User | None = None, other: User | None = None) -> File | None:
        """Somebody else gets to see a file or folder."""
        user, other = user or self.person(), other or self.person()
        file = self.my_file(user)
        if file is None or other is user:
            return None
        self.world.drive.share(file, other.id, "reader", self.world.now())
        return file

    def unshare_file(self, user: User | None = None) -> File | None:
        """Those who saw a file of the user lose it."""
        user = user or self.person()
        file = self.my_file(user, lambda f: bool(f.shared_with))
        if file is not None:
            self.world.drive.share(file, self.pick(sorted(file.shared_with)), None, self.world.now())
        return file

    # -- shared drives ----------------------------------------------------------------------------------------

    def add_drive(self, *members: User, name: str | None = None) -> SharedDrive:
        """A shared drive; the first member organises it."""
        drive = self.world.drive.open_drive(name or self.topic(), self.world.now())
        for index, user in enumerate(members or (self.person(),)):
            role = "organizer" if index == 0 else "fileOrganizer"
            self.world.drive.set_member(drive, user.id, role, self.world.now())
        return drive

    def edit_drive(self, user: User | None = None, drive: SharedDrive | None = None) -> Any:
        """Something happens inside a shared drive (of which `user` is a member)."""
        drives = self.world.drive.drives.values()
        drive = drive or self.pick(d for d in drives if (user.id in d.members if user else d.members))
        if drive is None:
            return None
        user = user or self.world.users.get(self.rng.choice(sorted(drive.members)))
        if user is None:
            return None
        store = self.world.drive
        file = self.pick(f for f in store.subtree(store.files[drive.id]) if f.id != drive.id)
        actions: list[Callable[[], Any]] = [lambda: self.add_file(user, drive), lambda: self.add_native(user, drive)]
        if file is not None:
            actions += [
                lambda: self.rename_file(user, file),
                lambda: self.trash_file(user, file),
                lambda: self.untrash_file(user, file),
                lambda: self.delete_file(user, file),
            ]
            if file.content is not None:
                actions.append(lambda: self.edit_file(user, file))
        return self.rng.choice(actions)()

    def change_membership(self, user: User | None = None) -> SharedDrive | None:
        """Somebody joins or leaves a shared drive (the last member stays)."""
        drive: SharedDrive | None = self.pick(self.world.drive.drives.values())
        if drive is None:
            return None
        user = user or self.person()
        if user.id not in drive.members:
            self.world.drive.set_member(drive, user.id, "fileOrganizer", self.world.now())
        elif len(drive.members) > 1:
            self.world.drive.set_member(drive, user.id, None, self.world.now())
        return drive

    # -- mail -------------------------------------------------------------------------------------------------

    def mail_bytes(self, user: User, moment: float) -> bytes:
        """An invented message to `user`; some have HTML, some attachments."""
        rng = self.rng
        given, family, company = rng.choice(words.GIVEN), rng.choice(words.FAMILY), rng.choice(words.COMPANIES)
        sender = f"{ascii_name(given)} {ascii_name(family)} <{ascii_name(given)}.{ascii_name(family)}@{company.lower()}.example>"
        text = "\n\n".join(self.text(3) for _ in range(rng.randint(1, 5)))
        attachments = []
        if rng.random() < 0.25:
            extension, mime = rng.choice(words.BLOBS)
            attachments.append((f"{rng.choice(words.TOPICS)}.{extension}", mime, rng.randbytes(rng.randint(50, 4000))))
        html = f"<p>{text}</p>" if rng.random() < 0.5 else None
        key = f"{rng.getrandbits(80):x}.{self.number()}@{company.lower()}.example"
        return compose(
            key, sender, user.address, rng.choice(words.TOPICS).capitalize(), moment, text,
            html=html, attachments=attachments,
        )  # fmt: skip

    def add_mail(self, user: User | None = None, raw: bytes | None = None, labels: list[str] | None = None) -> Mail:
        """A message arrives."""
        user = user or self.person()
        now = self.world.now()
        raw = raw if raw is not None else self.mail_bytes(user, now)
        return user.mailbox.add(self.mail_id(), raw, labels or ["UNREAD", "INBOX"], now, now)

    def mail_id(self) -> str:
        """16 hex digits."""
        return format(self.rng.getrandbits(60) | 1 << 60, "x")

    def _mail(self, user: User, mail: Mail | None, wanted: Callable[[Mail], bool] = lambda _: True) -> Mail | None:
        found: Mail | None = mail or self.pick(m for m in user.mailbox.mails.values() if wanted(m))
        return found

    def relabel_mail(self, user: User | None = None, mail: Mail | None = None) -> Mail | None:
        """Read, unread, star, archive, or a label of the user's own."""
        user = user or self.person()
        mail = self._mail(user, mail)
        if mail is not None:
            label = self.rng.choice(["UNREAD", "STARRED", "IMPORTANT", "INBOX", *user.mailbox.labels])
            add, remove = ([], [label]) if label in mail.labels else ([label], [])
            user.mailbox.relabel(mail, add, remove, self.world.now())
        return mail

    def trash_mail(self, user: User | None = None, mail: Mail | None = None) -> Mail | None:
        """Into the trash."""
        user = user or self.person()
        mail = self._mail(user, mail, lambda m: "TRASH" not in m.labels)
        if mail is not None:
            user.mailbox.trash(mail, self.world.now())
        return mail

    def untrash_mail(self, user: User | None = None, mail: Mail | None = None) -> Mail | None:
        """Out of the trash."""
        user = user or self.person()
        mail = self._mail(user, mail, lambda m: "TRASH" in m.labels)
        if mail is not None:
            user.mailbox.untrash(mail, self.world.now())
        return mail

    def delete_mail(self, user: User | None = None, mail: Mail | None = None) -> str | None:
        """For good; returns the id."""
        user = user or self.person()
        mail = self._mail(user, mail)
        if mail is None:
            return None
        user.mailbox.delete(mail, self.world.now())
        return mail.id

    def edit_draft(self, user: User | None = None) -> Mail:
        """Save a draft anew: the old message id goes, a new one comes (§7.2.5)."""
        user = user or self.person()
        old = self._mail(user, None, lambda m: "DRAFT" in m.labels)
        if old is not None:
            user.mailbox.delete(old, self.world.now())
        return self.add_mail(user, labels=["DRAFT"])

    def add_label(self, user: User | None = None, name: str | None = None) -> str:
        """A label of the user's own; returns its id."""
        user = user or self.person()
        return user.mailbox.add_label(name or self.topic())

    # -- people -----------------------------------------------------------------------------------------------

    def add_user(self, like: User | None = None) -> User:
        """A new colleague, in the organisational unit of `like`."""
        given, family = self.rng.choice(words.GIVEN), self.rng.choice(words.FAMILY)
        address = f"{ascii_name(given)}.{ascii_name(family)}.{self.number()}@{self.world.domain}"
        user = self.world.add_user(given, family, address)
        user.org_unit = like.org_unit if like else "/"
        return user

    def rename_user(self, user: User | None = None) -> User:
        """Another primary address; the id stays."""
        user = user or self.person()
        address = f"{ascii_name(user.given)}.{ascii_name(self.rng.choice(words.FAMILY))}.{self.number()}"
        self.world.rename_user(user, f"{address}@{self.world.domain}")
        return user

    def suspend_user(self, user: User | None = None) -> User:
        """No more tokens for the user."""
        user = user or self.person()
        self.world.suspend_user(user)
        return user

    # -- any --------------------------------------------------------------------------------------------------

    def edits_of(self, kind: str) -> list[Callable[[User | None], Any]]:
        """The edits of one kind of data: contacts, calendar, files, mail or directory."""
        edits: dict[str, list[Callable[[User | None], Any]]] = {
            "contacts": [self.add_contact, self.edit_contact, self.delete_contact, self.rename_contact],
            "calendar": [
                self.add_event, self.add_all_day, self.add_series, self.edit_event, self.edit_event,
                self.change_instance, self.cancel_instance, self.delete_event, self.move_event, self.add_calendar,
                self.delete_calendar, self.share_calendar, self.unshare_calendar,
            ],
            "files": [
                self.add_file, self.add_file, self.add_folder, self.add_native, self.add_shortcut, self.edit_file,
                self.rename_file, self.move_file, self.trash_file, self.untrash_file, self.delete_file,
                self.share_file, self.unshare_file, self.edit_drive, self.change_membership,
            ],
            "directory": [
                self.add_user, self.rename_user, self.suspend_user,
            ],
            "mail": [
                self.add_mail, self.add_mail, self.relabel_mail, self.relabel_mail, self.trash_mail,
                self.untrash_mail, self.delete_mail, self.edit_draft, self.add_label,
            ],
        }  # fmt: skip
        return edits[kind]

    def random_edit(self, kind: str | None = None, user: User | None = None) -> str:
        """One edit by `user` (anybody without); returns its name. Without a `kind` any but directory."""
        kind = kind or self.rng.choice(("contacts", "calendar", "files", "mail"))
        edit = self.rng.choice(self.edits_of(kind))
        edit(user)
        return edit.__name__


def group_membership(key: str) -> JSON:
    """Membership of a contact group."""
    group = {"contactGroupId": key, "contactGroupResourceName": f"contactGroups/{key}"}
    return {"contactGroupMembership": group}


_PLAIN = str.maketrans("áéíóúüñãöåøłŁç", "aeiouunaoaolLc")


def ascii_name(name: str) -> str:
    return name.translate(_PLAIN).encode("ascii", "ignore").decode().lower()
