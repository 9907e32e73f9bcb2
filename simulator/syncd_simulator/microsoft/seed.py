"""Seeded worlds: a small one for tests, an organisation for demonstrations, and large ones for measurements.

Public: tiny_microsoft, demo_microsoft, large_microsoft_contacts, add_many_contacts, add_many_mails.
"""

from syncd_simulator.clock import SimClock
from syncd_simulator.google import words
from syncd_simulator.google.mime import compose
from syncd_simulator.microsoft import contacts
from syncd_simulator.microsoft.edits import Editor
from syncd_simulator.microsoft.edits_mail import ascii_name, new_mail
from syncd_simulator.microsoft.world import DAY, MicrosoftWorld, User

__all__ = ["add_many_contacts", "add_many_mails", "demo_microsoft", "large_microsoft_contacts", "tiny_microsoft"]


def tiny_microsoft(seed: int = 0, clock: SimClock | None = None) -> MicrosoftWorld:
    """Three people (the first is the administrator) with a little of everything."""
    world = MicrosoftWorld(seed, clock)
    editor = Editor(world, seed)
    for given, family in (("Ada", "Lovelace"), ("Grace", "Hopper"), ("Alan", "Turing")):
        user = world.add_user(given, family, admin=given == "Ada")
        _fill(editor, user, contacts=5, events=4, series=2, files=5, mails=8)
    return world


def demo_microsoft(seed: int = 0, people: int = 25, clock: SimClock | None = None) -> MicrosoftWorld:
    """An organisation as it might be, with a shared mailbox, a room, a guest, a leaver and an unlicensed user."""
    world = MicrosoftWorld(seed, clock)
    editor = Editor(world, seed)
    rng = editor.rng
    taken: set[str] = set()
    for index in range(people - 5):
        given, family = rng.choice(words.GIVEN), rng.choice(words.FAMILY)
        name = f"{ascii_name(given)}.{ascii_name(family)}"
        while name in taken:
            name += str(index)
        taken.add(name)
        user = world.add_user(given, family, f"{name}@{world.domain}", admin=index == 0)
        user.title = rng.choice(words.TITLES)
        world.touch_user(user)
        _fill(
            editor, user,
            contacts=rng.randint(20, 150), events=rng.randint(15, 40), series=rng.randint(2, 5),
            files=rng.randint(10, 30), mails=rng.randint(60, 160),
        )  # fmt: skip
    _odd_ones(editor)
    return world


def _odd_ones(editor: Editor) -> None:
    """Five accounts that are not simply people at work."""
    world = editor.world
    shared = world.add_user("Sales", "", f"sales@{world.domain}", purpose="shared")
    _mails(editor, shared, 12)
    room = world.add_user("Room Turing", "", f"room.turing@{world.domain}", purpose="room")
    editor.add_event(room)
    world.add_user("Gina", "Guest", "gina@partner.example", guest=True)
    leaver = world.add_user("Leo", "Leaver")
    _fill(editor, leaver, contacts=3, events=2, series=1, files=2, mails=4)
    world.suspend_user(leaver)
    world.add_user("Una", "Unlicensed", licensed=False)


def _fill(editor: Editor, user: User, *, contacts: int, events: int, series: int, files: int, mails: int) -> None:
    """One person's data."""
    box, rng = user.mailbox, editor.rng
    default = box.contact_folders[box.default_contacts]
    second = editor.add_contact_folder(user, rng.choice(words.GROUPS), box.mail_folders[box.root])
    third = editor.add_contact_folder(user, "Archive", second)
    for _ in range(contacts):
        editor.add_contact(user, rng.choice((default, default, second, third)))
    editor.add_calendar(user)
    for _ in range(events):
        editor.add_event(user)
    editor.add_all_day(user)
    for _ in range(series):
        editor.add_series(user)
    editor.change_instance(user)
    editor.cancel_instance(user)
    for _ in range(files // 5 + 1):
        editor.add_folder(user)
    for _ in range(files):
        editor.add_file(user)
    _mails(editor, user, mails)


def _mails(editor: Editor, user: User, count: int) -> None:
    """Mail of the last year; nested folders, some read, some sent, some deleted; a search folder too."""
    world, rng = editor.world, editor.rng
    projects = editor.add_mail_folder(user, "Projects", "msgfolderroot")
    lisbon = editor.add_mail_folder(user, "Lisbon", projects)
    invoices = editor.add_mail_folder(user, "Invoices", "inbox")
    editor.add_mail_folder(user, "Unread Mail", "inbox", search=True)
    places = (
        "inbox",
        "inbox",
        "inbox",
        "inbox",
        "sentitems",
        "archive",
        "deleteditems",
        "junkemail",
        projects,
        lisbon,
        invoices,
    )
    for _ in range(count):
        received = float(int(world.base - rng.random() * 365 * DAY))
        editor.add_mail(user, rng.choice(places), received=received, is_read=rng.random() < 0.7,
                        meeting=rng.random() < 0.05)  # fmt: skip


# -- large worlds -------------------------------------------------------------------------------------------------------


def large_microsoft_contacts(count: int, seed: int = 0, clock: SimClock | None = None) -> MicrosoftWorld:
    """One person with so many contacts."""
    world = MicrosoftWorld(seed, clock)
    add_many_contacts(world, world.add_user("Ada", "Lovelace", admin=True), count)
    return world


def add_many_contacts(world: MicrosoftWorld, user: User, count: int) -> None:
    """Many plain contacts in the default folder, quickly."""
    with world.lock:
        folder = user.mailbox.contact_folders[user.mailbox.default_contacts]
        for index in range(count):
            name = f"person{index}"
            contacts.new_contact(world, user, folder, {
                "givenName": name.capitalize(), "surname": "Bulk",
                "emailAddresses": [{"name": name, "address": f"{name}@bulk.example"}],
            })  # fmt: skip


def add_many_mails(world: MicrosoftWorld, user: User, count: int, size: int = 2000) -> None:
    """Many messages of about `size` bytes in the inbox, quickly."""
    with world.lock:
        folder = user.mailbox.mail_folders[user.mailbox.well_known["inbox"]]
        text = ("All work and no play makes Jack a dull boy.\n" * (size // 44 + 1))[: max(1, size - 300)]
        sender = ("Jack", "jack@bulk.example")
        for index in range(count):
            key, moment = f"bulk{index}@bulk.example", world.base - index
            subject = f"Message {index}"
            raw = compose(key, "Jack <jack@bulk.example>", user.address, subject, moment, text)
            new_mail(
                world, user, folder, raw, subject=subject, sender=sender, received=moment, message_id=key, text=text
            )
