"""Seeded worlds: a small one for tests, an organisation for demonstrations, and large ones for measurements.

Public: add_many_contacts, add_many_mails, demo_zoho, large_zoho_contacts, tiny_zoho.
"""

import random

from syncd_simulator.clock import SimClock
from syncd_simulator.google import words
from syncd_simulator.google.mime import compose
from syncd_simulator.zoho.book import books
from syncd_simulator.zoho.calendars import calendars_of
from syncd_simulator.zoho.edits import ELSEWHERE, Editor
from syncd_simulator.zoho.edits_workdrive import team_folder
from syncd_simulator.zoho.invent import ascii_name
from syncd_simulator.zoho.mailbox import boxes
from syncd_simulator.zoho.world import DAY, User, ZohoWorld

__all__ = ["add_many_contacts", "add_many_mails", "demo_zoho", "large_zoho_contacts", "tiny_zoho"]

LONG_AGO = 978_307_200_000  # 12 digits: as text it sorts after every later time (§10.19)


def tiny_zoho(seed: int = 0, clock: SimClock | None = None, dc: str = "eu") -> ZohoWorld:
    """Three people (the first is administrator and owner of the credential) with a little of everything."""
    world = ZohoWorld(seed, clock, dc=dc)
    editor = Editor(world, seed)
    users = [
        world.add_user("Ada", "Lovelace", admin=True),
        world.add_user("Grace", "Hopper"),
        world.add_user("Alan", "Turing"),
    ]
    for user in users:
        _fill(editor, user, contacts=5, events=4, series=2, mails=8, files=6, records=4)
    _share(editor, users)
    return world


def demo_zoho(seed: int = 0, people: int = 25, clock: SimClock | None = None, dc: str = "eu") -> ZohoWorld:
    """An organisation as it might be; the owner's data is rich, the colleagues' is there to stay unread."""
    world = ZohoWorld(seed, clock, dc=dc)
    editor = Editor(world, seed)
    rng = editor.rng
    taken: set[str] = set()
    for index in range(people):
        given, family = rng.choice(words.GIVEN), rng.choice(words.FAMILY)
        address = f"{ascii_name(given)}.{ascii_name(family)}"
        while address in taken:
            address += str(index)
        taken.add(address)
        user = world.add_user(given, family, f"{address}@{world.domain}", admin=index == 0)
        user.zone = rng.choice(words.ZONES)
    users = list(world.users.values())
    _fill(editor, users[0], contacts=300, events=120, series=12, mails=250, files=60, records=60)
    for user in users[1:]:
        _fill(editor, user, contacts=3, events=3, series=1, mails=4, files=2, records=0)
    _share(editor, users)
    if people > 5:
        world.suspend_user(users[-1])
        editor.rename_user(users[-2])
    return world


def _fill(
    editor: Editor, user: User, *, contacts: int, events: int, series: int, mails: int, files: int, records: int
) -> None:
    """One person's data."""
    for index in range(contacts):
        key = editor.add_contact(user)
        if index % 3 == 0:
            editor.edit_contact(user, key)
    store = calendars_of(editor.world)
    primary = store.default(user)
    second = store.calendars[editor.add_calendar(user, f"Projects of {user.given}", editor.rng.choice(words.ZONES))]
    for _ in range(events):
        editor.add_event(user, editor.rng.choice((primary, primary, second)))
    for _ in range(events // 5 + 1):
        editor.add_all_day(user, primary)
    for _ in range(series):
        editor.add_series(user, primary)
    editor.change_instance(user, primary)
    _mails(editor, user, mails)
    _elsewhere(editor, user, "files", files)
    if user is editor.world.owner:
        _elsewhere(editor, user, "crm", records)


def _mails(editor: Editor, user: User, count: int) -> None:
    """Mail of the last year, one of it very old; some read, some sent, some in spam or trash."""
    world, rng = editor.world, editor.rng
    box = boxes(world).of(user)
    projects = box.folders[editor.add_mail_folder(user, "Projects")]
    editor.add_mail_folder(user, "Trash", projects)  # named like a system folder (§4.3)
    editor.add_mail(user, received=LONG_AGO, read=True)
    threads: list[str] = []
    for index in range(count):
        received = int((world.base - rng.random() * 365 * DAY) * 1000)
        kind = rng.random()
        name = "Sent" if kind < 0.15 else "Spam" if kind < 0.18 else "Trash" if kind < 0.21 else "Inbox"
        folder = projects if kind > 0.85 else box.system(name)
        thread = rng.choice(threads) if threads and rng.random() < 0.2 else ""
        key = editor.add_mail(user, folder=folder, received=received, read=rng.random() < 0.7, thread=thread)
        if index % 3 == 0:
            threads.append(key)


def _elsewhere(editor: Editor, user: User, kind: str, count: int) -> None:
    """Files or records: additions of every sort that the kind has."""
    adders = sorted(name for name in ELSEWHERE[kind] if name.startswith("add_"))
    for index in range(count):
        getattr(editor, adders[index % len(adders)])(user)


def _share(editor: Editor, users: list[User]) -> None:
    """What others share with the owner: a calendar to look at, the calendar of an app, an account elsewhere."""
    world, owner = editor.world, users[0]
    store = calendars_of(world)
    theirs = store.default(users[1])
    theirs.shared[owner.id] = "view"
    app = store.create(owner, "CRM", "UTC", category="app")
    app.shared[owner.id] = "view"
    editor.add_event(owner, app)
    boxes(world).add_external(owner)
    company = team_folder(world, "Company", users)
    for name in ("handbook.txt", "budget.csv"):
        editor.add_file(owner, name=name, parent=company.id)


# -- scale ----------------------------------------------------------------------------------------------------------


def large_zoho_contacts(count: int, seed: int = 0, clock: SimClock | None = None) -> ZohoWorld:
    """One person with `count` contacts."""
    world = ZohoWorld(seed, clock)
    add_many_contacts(world, world.add_user("Ada", "Lovelace", admin=True), count)
    return world


def add_many_contacts(world: ZohoWorld, user: User, count: int) -> None:
    """Contacts by the thousand, quickly."""
    store, rng = books(world), random.Random(f"many contacts {world.seed}")
    for index in range(count):
        values = {
            "first_name": rng.choice(words.GIVEN), "last_name": rng.choice(words.FAMILY),
            "emails": [{"email_id": f"contact{index}@many.example", "is_primary": True}],
            "phones": [{"number": f"+34 600{index:06d}", "type": "mobile"}],
        }  # fmt: skip
        store.add(user, values)


def add_many_mails(world: ZohoWorld, user: User, count: int, size: int = 2000) -> None:
    """Plain messages by the thousand, ten minutes apart, the newest first."""
    rng = random.Random(f"many mails {world.seed}")
    filler = "\n".join(words.SENTENCES * (size // 500 + 1))
    box = boxes(world).of(user)
    inbox = box.system("Inbox")
    for index in range(count):
        date = world.base - index * 600.0
        body = f"Message {index}\n{filler[: max(0, size - 300)]}"
        key, sender = f"{rng.getrandbits(64):x}.{index}@many.example", f"Sender {index} <s{index}@many.example>"
        raw = compose(key, sender, user.address, f"Subject {index}", date, body)
        box.add(raw, inbox, int(date * 1000), read=index % 4 != 0)
