"""Seeded worlds: a small one for tests, an organisation for demonstrations, and large ones for measurements."""

import itertools
import random

from syncd_simulator.clock import SimClock
from syncd_simulator.google import words
from syncd_simulator.google.contacts import Contact, etag_of, field_set, packed
from syncd_simulator.google.edits import Editor, ascii_name, group_membership
from syncd_simulator.google.mime import compose
from syncd_simulator.google.world import DAY, GoogleWorld, User


def tiny_organisation(seed: int = 0, clock: SimClock | None = None) -> GoogleWorld:
    """Three people (the first is the administrator) with a little of everything, and one shared drive."""
    world = GoogleWorld(seed, clock)
    editor = Editor(world, seed)
    users = [
        world.add_user("Ada", "Lovelace", admin=True),
        world.add_user("Grace", "Hopper"),
        world.add_user("Alan", "Turing"),
    ]
    for user in users:
        _fill(editor, user, contacts=5, events=4, series=2, files=5, mails=8)
    _share(editor, users)
    return world


def demo_organisation(seed: int = 0, people: int = 25, clock: SimClock | None = None) -> GoogleWorld:
    """An organisation as it might be: people, address books, calendars, a few thousand mails, two shared drives."""
    world = GoogleWorld(seed, clock)
    editor = Editor(world, seed)
    rng = editor.rng
    users = []
    taken: set[str] = set()
    for index in range(people):
        given, family = rng.choice(words.GIVEN), rng.choice(words.FAMILY)
        address = f"{ascii_name(given)}.{ascii_name(family)}"
        while address in taken:
            address += str(index)
        taken.add(address)
        user = world.add_user(given, family, f"{address}@{world.domain}", admin=index == 0)
        user.title = rng.choice(words.TITLES)
        user.is_delegated_admin = index == 1
        world.touch_user(user)
        users.append(user)
    for user in users:
        _fill(
            editor, user,
            contacts=rng.randint(20, 150), events=rng.randint(15, 40), series=rng.randint(2, 5),
            files=rng.randint(10, 30), mails=rng.randint(60, 160),
        )  # fmt: skip
    _share(editor, users)
    _odd_ones(editor, users)
    return world


def _fill(editor: Editor, user: User, *, contacts: int, events: int, series: int, files: int, mails: int) -> None:
    """One person's data."""
    world = editor.world
    for name in words.GROUPS[:2]:
        user.groups.add(format(editor.rng.getrandbits(56), "x"), name, world.now())
    for _ in range(contacts):
        editor.add_contact(user)
    for _ in range(contacts // 10 + 1):
        values = {"emailAddresses": [{"value": f"guest{editor.number()}@elsewhere.example"}]}
        user.other_contacts.put(f"otherContacts/c{editor.rng.randrange(10**17, 10**18)}", values, world.now())
    primary = world.calendars.calendars[user.address]
    second = editor.add_calendar(user, f"Projects of {user.given}", editor.rng.choice(words.ZONES))
    for _ in range(events):
        editor.add_event(user, editor.rng.choice((primary, primary, second)))
    for _ in range(events // 5 + 1):
        editor.add_all_day(user, primary)
    for _ in range(series):
        editor.add_series(user, primary)
    editor.change_instance(user, primary)
    editor.cancel_instance(user, primary)
    _files(editor, user, files)
    _mails(editor, user, mails)


def _files(editor: Editor, user: User, count: int) -> None:
    for _ in range(count // 5 + 1):
        editor.add_folder(user)
    for _ in range(count):
        editor.rng.choice((editor.add_file, editor.add_file, editor.add_native))(user)
    editor.add_shortcut(user)
    editor.trash_file(user)


def _mails(editor: Editor, user: User, count: int) -> None:
    """Mail of the last year; some read, some sent, some in spam or trash."""
    world, rng, box = editor.world, editor.rng, user.mailbox
    labels = [box.add_label(name) for name in words.MAIL_LABELS]
    threads: list[str] = []
    for index in range(count):
        date = world.base - rng.random() * 365 * DAY
        kind = rng.random()
        given = ["SENT"] if kind < 0.15 else ["SPAM"] if kind < 0.18 else ["TRASH"] if kind < 0.21 else ["INBOX"]
        if rng.random() < 0.3 and given == ["INBOX"]:
            given.append("UNREAD")
        if rng.random() < 0.15:
            given.append(rng.choice(labels))
        thread = rng.choice(threads) if threads and rng.random() < 0.2 else ""
        mail = box.add(editor.mail_id(), editor.mail_bytes(user, date), given, date, world.now(), thread)
        if index % 3 == 0:
            threads.append(mail.id)


def _share(editor: Editor, users: list[User]) -> None:
    """Calendars and files that others see, and shared drives."""
    world, rng = editor.world, editor.rng
    team = world.calendars.create(users[0], "c_team", "Team", "Europe/Madrid", world.now())
    for _ in range(5):
        editor.add_event(users[0], team)
    editor.add_series(users[0], team, "FREQ=WEEKLY")
    for user in users[1:6]:
        world.calendars.share(team, user, "reader", world.now())
    hidden = users[1].calendars.entries[team.id]
    hidden.hidden, hidden.selected = True, False
    for owner, other in itertools.pairwise(users):
        editor.share_file(owner, other)
    for name, members in (("Company", users), ("Finance", users[: max(2, len(users) // 4)])):
        drive = editor.add_drive(*members, name=name)
        for _ in range(3):
            editor.add_folder(users[0], drive)
        for _ in range(min(20, 4 * len(users))):
            rng.choice((editor.add_file, editor.add_native))(members[0], drive)
        if len(users) < 5:
            return


def _odd_ones(editor: Editor, users: list[User]) -> None:
    """What every organisation has: somebody suspended, somebody without a mailbox, somebody renamed."""
    if len(users) < 6:
        return
    editor.world.suspend_user(users[-1])
    users[-2].mailbox_setup = False
    editor.world.touch_user(users[-2])
    editor.rename_user(users[-3])


# -- scale ----------------------------------------------------------------------------------------------------------


def large_contacts(count: int, seed: int = 0, clock: SimClock | None = None) -> GoogleWorld:
    """One person with `count` contacts."""
    world = GoogleWorld(seed, clock)
    add_many_contacts(world, world.add_user("Ada", "Lovelace", admin=True), count)
    return world


def add_many_contacts(world: GoogleWorld, user: User, count: int) -> None:
    """Contacts by the thousand, from a few templates and quickly."""
    book, now = user.contacts, world.now()
    rng = random.Random(f"many contacts {world.seed}")
    for index in range(count):
        given, family = rng.choice(words.GIVEN), rng.choice(words.FAMILY)
        number = 10**17 + index
        name, source = f"people/c{number}", format(number, "x")
        mark = {"primary": True, "source": {"type": "CONTACT", "id": source}}
        person = {
            "resourceName": name,
            "etag": etag_of(name, 1),
            "metadata": {"sources": [book.source(name, 1, now)], "objectType": "PERSON"},
            "names": [{"metadata": mark, "displayName": f"{given} {family}", "givenName": given, "familyName": family,
                       "displayNameLastFirst": f"{family}, {given}", "unstructuredName": f"{given} {family}"}],
            "emailAddresses": [{"metadata": mark, "value": f"contact{index}@many.example", "type": "work"}],
            "phoneNumbers": [{"metadata": mark, "value": f"+34 600{index:06d}"}],
            "memberships": [{"metadata": mark, **group_membership("myContacts")}],
        }  # fmt: skip
        book.contacts[name] = Contact(name, 1, packed(person), field_set(person))
        book.live += 1
        book.log.touch(name, now)


def large_mailbox(count: int, seed: int = 0, clock: SimClock | None = None, size: int = 2000) -> GoogleWorld:
    """One person with `count` messages of about `size` bytes."""
    world = GoogleWorld(seed, clock)
    add_many_mails(world, world.add_user("Ada", "Lovelace", admin=True), count, size)
    return world


def add_many_mails(world: GoogleWorld, user: User, count: int, size: int = 2000) -> None:
    """Plain messages by the thousand."""
    rng = random.Random(f"many mails {world.seed}")
    filler = "\n".join(words.SENTENCES * (size // 500 + 1))
    for index in range(count):
        date = world.base - index * 600.0
        key = f"{rng.getrandbits(64):x}.{index}@many.example"
        body = f"Message {index}\n{filler[: max(0, size - 300)]}"
        raw = compose(key, f"Sender {index} <s{index}@many.example>", user.address, f"Subject {index}", date, body)
        labels = ["INBOX", "UNREAD"] if index % 4 == 0 else ["INBOX"]
        user.mailbox.add(format(1 << 60 | rng.getrandbits(59), "x"), raw, labels, date, world.now())
