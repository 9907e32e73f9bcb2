"""What happens to mail while a mirror looks on. Public: MailEdits, new_mail, ascii_name."""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from syncd_simulator.google import words
from syncd_simulator.google.mime import compose
from syncd_simulator.microsoft.mail import discard, mark, relocate
from syncd_simulator.microsoft.mailbox import Folder, Mail

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld, User

__all__ = ["MailEdits", "ascii_name", "new_mail"]

_PLAIN = str.maketrans("áéíóúüñãöåøłŁç", "aeiouunaoaolLc")


def ascii_name(name: str) -> str:
    """A name as it stands in an address."""
    return name.translate(_PLAIN).encode("ascii", "ignore").decode().lower().replace(" ", "")


def new_mail(
    world: "MicrosoftWorld", user: "User", folder: Folder, raw: bytes, *, subject: str, sender: tuple[str, str],
    received: float, message_id: str, text: str, **values: Any,
) -> Mail:  # fmt: skip
    """A message in `folder`."""
    now, key = world.now(), world.new_id("AAkALg")
    mail = Mail(
        key, world.new_id(), folder.id, raw, subject, sender, [(user.name, user.address)], received, received,
        message_id, world.new_id("AAQkAG")[:60] + "=", text, world.touch(user, "mail", key, "created"), now, now,
        **values,
    )  # fmt: skip
    user.mailbox.put(mail)
    return mail


class MailEdits:
    """Mixin of Editor; `MAIL_EDITS` are the names that random edits draw from."""

    MAIL_EDITS = (
        "add_mail", "add_mail", "read_mail", "flag_mail", "move_mail", "delete_mail", "purge_mail", "add_mail_folder",
        "rename_mail_folder", "move_mail_folder",
    )  # fmt: skip
    world: "MicrosoftWorld"
    rng: random.Random
    person: Callable[[], "User"]
    pick: Callable[[Any], Any]
    number: Callable[[], int]
    topic: Callable[[], str]

    # -- messages -----------------------------------------------------------------------------------------------------

    def add_mail(
        self, user: "User | None" = None, folder: Folder | str = "inbox", *, raw: bytes | None = None,
        received: float | None = None, **values: Any,
    ) -> Mail:  # fmt: skip
        """A message arrives; `values` are properties of Mail. `raw` replaces the invented bytes."""
        user = user or self.person()
        where = user.mailbox.mail_folder(folder) if isinstance(folder, str) else folder
        assert where is not None
        rng, moment = self.rng, self.world.now() if received is None else received
        given, family, company = rng.choice(words.GIVEN), rng.choice(words.FAMILY), rng.choice(words.COMPANIES)
        address = f"{ascii_name(given)}.{ascii_name(family)}@{ascii_name(company)}.example"
        subject = values.pop("subject", None) or self.topic()
        text = "\n\n".join(rng.choice(words.SENTENCES) for _ in range(rng.randint(1, 5)))
        key = f"{rng.getrandbits(80):x}.{self.number()}@{ascii_name(company)}.example"
        files = [self._attachment()] if rng.random() < 0.25 else []
        html = f"<p>{text}</p>" if rng.random() < 0.5 else None
        made = compose(
            key, f"{ascii_name(given)} {ascii_name(family)} <{address}>", user.address, subject, moment, text,
            html=html, attachments=files,
        )  # fmt: skip
        return new_mail(
            self.world, user, where, made if raw is None else raw, subject=subject, received=moment, message_id=key,
            sender=(f"{given} {family}", address), text=text, has_attachments=bool(files), **values,
        )  # fmt: skip

    def _attachment(self) -> tuple[str, str, bytes]:
        extension, mime = self.rng.choice(words.BLOBS)
        return f"{self.rng.choice(words.TOPICS)}.{extension}", mime, self.rng.randbytes(self.rng.randint(50, 4000))

    def read_mail(self, user: "User | None" = None, mail: Mail | None = None) -> Mail | None:
        """Read becomes unread and the other way round."""
        user, mail = self._mail(user, mail)
        return mail and mark(self.world, user, mail, is_read=not mail.is_read)

    def flag_mail(self, user: "User | None" = None, mail: Mail | None = None) -> Mail | None:
        """A flag or a category comes or goes."""
        user, mail = self._mail(user, mail)
        if mail is None:
            return None
        if self.rng.random() < 0.5:
            categories = [] if mail.categories else [self.rng.choice(words.GROUPS)]
            return mark(self.world, user, mail, categories=categories)
        return mark(self.world, user, mail, flag="notFlagged" if mail.flag == "flagged" else "flagged")

    def move_mail(
        self, user: "User | None" = None, mail: Mail | None = None, folder: Folder | str | None = None
    ) -> Mail | None:
        """Into another folder."""
        user, mail = self._mail(user, mail)
        if mail is None:
            return None
        target = user.mailbox.mail_folder(folder) if isinstance(folder, str) else folder
        here = mail.folder
        target = target or self.pick(f for f in user.mailbox.ordinary() if f.id != here)
        return relocate(self.world, user, mail, target) if target else None

    def delete_mail(self, user: "User | None" = None, mail: Mail | None = None) -> Mail | None:
        """To Deleted Items."""
        user = self._owner(user, mail)
        away = user.mailbox.well_known["deleteditems"]
        mail = mail or self.pick(m for m in user.mailbox.mails.values() if m.folder != away)
        return mail and relocate(self.world, user, mail, user.mailbox.mail_folders[away])

    def purge_mail(self, user: "User | None" = None, mail: Mail | None = None) -> Mail | None:
        """Gone for good."""
        user, mail = self._mail(user, mail)
        if mail is not None:
            discard(self.world, user, mail)
        return mail

    def _owner(self, user: "User | None", mail: Mail | None) -> "User":
        if user is None and mail is not None:
            return next(u for u in self.world.users.values() if mail.key in u.mailbox.mails)
        return user or self.person()

    def _mail(self, user: "User | None", mail: Mail | None) -> tuple["User", Mail | None]:
        user = self._owner(user, mail)
        return user, mail or self.pick(user.mailbox.mails.values())

    # -- folders ------------------------------------------------------------------------------------------------------

    def add_mail_folder(
        self, user: "User | None" = None, name: str | None = None, parent: Folder | str | None = None, *,
        hidden: bool = False, search: bool = False,
    ) -> Folder:  # fmt: skip
        """A folder, at any depth; a search folder with `search`."""
        user = user or self.person()
        box = user.mailbox
        above = box.mail_folder(parent) if isinstance(parent, str) else parent
        top = box.mail_folders[box.root]
        above = above or self.pick([top, top, *self._own(user), box.mail_folders[box.well_known["inbox"]]])
        assert above is not None
        number = self.world.touch(user, "mail", above.id, "created")
        return box.add_folder(self.world, name or self.topic(), above.id, number, hidden=hidden, search=search)

    def rename_mail_folder(
        self, user: "User | None" = None, folder: Folder | None = None, name: str | None = None
    ) -> Folder | None:
        """Another name."""
        user = user or self.person()
        folder = folder or self.pick(self._own(user))
        if folder is not None:
            folder.name, folder.seq = name or self.topic(), self.world.touch(user, "mail", folder.id)
        return folder

    def move_mail_folder(
        self, user: "User | None" = None, folder: Folder | None = None, parent: Folder | str | None = None
    ) -> Folder | None:
        """Below another folder, with everything in it."""
        user = user or self.person()
        box = user.mailbox
        folder = folder or self.pick(self._own(user))
        if folder is None:
            return None
        inside = {folder.id, *(below.id for below in box.tree(folder.id))}
        target = box.mail_folder(parent) if isinstance(parent, str) else parent
        target = target or self.pick(f for f in (box.mail_folders[box.root], *self._own(user)) if f.id not in inside)
        if target is None or target.id in inside:
            return None
        folder.parent, folder.seq = target.id, self.world.touch(user, "mail", folder.id)
        return folder

    def delete_mail_folder(
        self, user: "User | None" = None, folder: Folder | None = None, *, keep: bool = False
    ) -> Folder | None:
        """A folder goes with everything in it; with `keep` its messages go to the inbox first."""
        user = user or self.person()
        box = user.mailbox
        folder = folder or self.pick(self._own(user))
        if folder is None:
            return None
        for one in (folder, *box.tree(folder.id)):
            for mail in list(one.items.values()):
                if keep:
                    relocate(self.world, user, mail, box.mail_folders[box.well_known["inbox"]])
                else:
                    discard(self.world, user, mail)
        for one in (folder, *box.tree(folder.id)):
            del box.mail_folders[one.id]
        self.world.touch(user, "mail", folder.id, "deleted")
        return folder

    def _own(self, user: "User") -> list[Folder]:
        """Folders that people made."""
        fixed = set(user.mailbox.well_known.values())
        return [folder for folder in user.mailbox.ordinary() if folder.id not in fixed]
