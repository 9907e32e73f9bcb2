"""The truth that a mirror must show, by kind: what the configured credential can read (zoho.md §4 to §8).

Public: snapshot. Everybody but the owner of the credential has nothing readable, except mail with
`world.admin_reads_mail`.
"""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from syncd_simulator.zoho import calendar, contacts
from syncd_simulator.zoho.edits_crm import crm_truth
from syncd_simulator.zoho.edits_workdrive import workdrive_truth
from syncd_simulator.zoho.mailbox import boxes
from syncd_simulator.zoho.mailview import listing_row
from syncd_simulator.zoho.wire import JSON

if TYPE_CHECKING:
    from syncd_simulator.zoho.world import User, ZohoWorld

__all__ = ["snapshot"]

Truth = dict[str, dict[str, JSON]]
CRM_MODULES = ("Contacts", "Leads", "Events")


def snapshot(world: "ZohoWorld", user: "User", kind: str) -> Truth:
    """partition → source id → item, of `contacts`, `calendar`, `files`, `mail` or `crm` (partition: the module)."""
    if user is not world.owner and not (kind == "mail" and world.admin_reads_mail and world.owner.is_admin):
        return {}
    return KINDS[kind](world, user)


def _contacts(world: "ZohoWorld", user: "User") -> Truth:
    return {"": contacts.living(world, user)}


def _mail(world: "ZohoWorld", user: "User") -> Truth:
    """folder id → message id → row and the sha256 of the raw message as UTF-8 of `data.content`."""
    box = boxes(world).of(user)
    found: Truth = {folder: {} for folder in box.folders}
    for mail in box.mails.values():
        digest = hashlib.sha256(mail.text.encode()).hexdigest()
        found[mail.folder][mail.id] = listing_row(mail) | {"sha256": digest}
    return found


def _crm(world: "ZohoWorld", user: "User") -> Truth:
    return {module: crm_truth(world, user, module)[""] for module in CRM_MODULES}


KINDS: dict[str, Callable[["ZohoWorld", "User"], Truth]] = {
    "contacts": _contacts,
    "calendar": calendar.living,
    "files": workdrive_truth,
    "mail": _mail,
    "crm": _crm,
}
