"""The drives that a mirror of one user must show.

Public: snapshot, drive_truth, library_truth.
"""

import hashlib
from typing import TYPE_CHECKING

from syncd_simulator.microsoft.drive_request import URL, person_of, store_of
from syncd_simulator.microsoft.drive_store import FILE, JSON, Drive
from syncd_simulator.microsoft.drive_view import item_json

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld, User


def drive_truth(world: "MicrosoftWorld", user: "User") -> dict[str, dict[str, JSON]]:
    """drive id → item id → item, of the user's own drive; nothing when it does not answer."""
    if user.drive_trouble is not None:
        return {}
    drive: Drive = user.drive
    return {drive.id: library_truth(world, drive)}


def library_truth(world: "MicrosoftWorld", drive: Drive) -> dict[str, JSON]:
    """item id → item of any drive, as delta shows it, without its download URL; the root is left out.

    `contentSha256` stands on files whose bytes can be had.
    """
    truth = {}
    for item in drive.items.values():
        if item.id == drive.root:
            continue
        person = person_of(world, item)
        shown = item_json(store_of(world), drive, item, lambda *_: "", delta=True, person=person)
        shown.pop(URL, None)
        if item.kind == FILE and not item.malware and not item.unavailable:
            shown["contentSha256"] = hashlib.sha256(item.content).hexdigest()
        truth[item.id] = shown
    return truth


snapshot = drive_truth
