"""The truth that a mirror of one user's data must show, by kind."""

import hashlib
from typing import TYPE_CHECKING, Any

from syncd_simulator.google.driveview import Viewer
from syncd_simulator.google.wire import JSON

if TYPE_CHECKING:
    from syncd_simulator.google.world import GoogleWorld, User


def contacts(world: "GoogleWorld", user: "User") -> dict[str, JSON]:
    """resource name → person with all fields, of persons that are not deleted."""
    return {name: contact.person() for name, contact in user.contacts.alive().items()}


def calendar(world: "GoogleWorld", user: "User") -> dict[str, dict[str, JSON]]:
    """calendar id → event id → event: masters, single events, modified exceptions; nothing cancelled.

    Every calendar in the user's list counts, hidden ones too, with its events as their owner sees them.
    """
    return {key: entry.calendar.living() for key, entry in user.calendars.shown().items()}


def cancelled_instances(world: "GoogleWorld", user: "User") -> dict[str, dict[str, JSON]]:
    """calendar id → event id → event: cancelled exceptions of living series, which a mirror may keep (§5.4)."""
    return {key: entry.calendar.called_off() for key, entry in user.calendars.shown().items()}


def files(world: "GoogleWorld", user: "User") -> dict[str, JSON]:
    """file id → all fields as the user sees them, trashed files too, and `contentSha256` for blobs.

    My Drive, files shared with the user, and (with `driveId`) the items of the user's shared drives.
    """
    viewer = Viewer(world, user)
    result = {}
    for file in world.drive.of_user(user.id):
        shown = viewer.file(file, None)
        if file.checksums is not None:
            shown["contentSha256"] = file.checksums[2]
        result[file.id] = shown
    return result


def mail(world: "GoogleWorld", user: "User") -> dict[str, JSON]:
    """message id → labels (sorted), thread, date, and the sha256 of the raw message; spam and trash too."""
    return {
        mail.id: {
            "labelIds": sorted(mail.labels),
            "threadId": mail.thread,
            "internalDate": str(mail.date),
            "sha256": hashlib.sha256(mail.raw).hexdigest(),
        }
        for mail in user.mailbox.mails.values()
    }


KINDS = {
    "contacts": contacts,
    "calendar": calendar,
    "cancelled_instances": cancelled_instances,
    "files": files,
    "mail": mail,
}


def snapshot(world: "GoogleWorld", user: "User", kind: str) -> dict[str, Any]:
    """One of KINDS for `user`; KeyError for another kind."""
    return KINDS[kind](world, user)
