"""The truth that a mirror of one user's data must show, by kind. Public: snapshot, KINDS.

{partition id: {id: item}}, ids immutable where Outlook offers them, without empty partitions. Suspended users, guests
and users without mailbox have nothing.
"""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from syncd_simulator.microsoft import contacts as contacts_api
from syncd_simulator.microsoft import parts
from syncd_simulator.microsoft.wire import JSON

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld, User

__all__ = ["KINDS", "snapshot"]

Truth = dict[str, dict[str, JSON]]


def contacts(world: "MicrosoftWorld", user: "User") -> Truth:
    """contact folder → id → contact as the API shows it with immutable ids."""
    box = user.mailbox
    return {
        folder.id: {key: contacts_api.shown(world, contact, True) for key, contact in folder.items.items()}
        for folder in box.contact_folders.values()
    }


def mail(world: "MicrosoftWorld", user: "User") -> Truth:
    """mail folder → id → message, every folder below the root but search folders."""
    box = user.mailbox
    return {
        folder.id: {
            key: {
                "parentFolderId": mail.folder, "subject": mail.subject, "isRead": mail.is_read,
                "receivedDateTime": world.stamp(mail.received), "internetMessageId": f"<{mail.message_id}>",
                "categories": mail.categories, "flag": {"flagStatus": mail.flag},
                "sha256": hashlib.sha256(mail.raw).hexdigest(),
            }
            for key, mail in folder.items.items()
        }
        for folder in box.ordinary(hidden=True)
    }  # fmt: skip


KINDS: dict[str, Callable[["MicrosoftWorld", "User"], Truth]] = {
    "contacts": contacts,
    "calendar": parts.calendar_snapshot,
    "files": parts.drive_snapshot,
    "mail": mail,
}


def snapshot(world: "MicrosoftWorld", user: "User", kind: str) -> Truth:
    """One of KINDS for `user`; KeyError for another kind."""
    if kind not in KINDS:
        raise KeyError(kind)
    if user.suspended or user.guest or user.id not in world.users:
        return {}
    if (user.drive_trouble if kind == "files" else user.mailbox_trouble) is not None:
        return {}
    found = KINDS[kind](world, user)
    return {partition: items for partition, items in found.items() if items}
