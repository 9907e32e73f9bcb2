"""The truth that a mirror must show, by kind: what the configured credential can read (zoho.md §4 to §8).

Public: snapshot, module_named. Everybody but the owner of the credential has nothing readable, except mail with
`world.admin_reads_mail`.
"""

import hashlib
import importlib
import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from syncd_simulator.zoho import calendar, contacts
from syncd_simulator.zoho.mailbox import boxes
from syncd_simulator.zoho.mailview import listing_row
from syncd_simulator.zoho.wire import JSON

if TYPE_CHECKING:
    from syncd_simulator.zoho.world import User, ZohoWorld

__all__ = ["module_named", "snapshot"]

Truth = dict[str, dict[str, JSON]]
CRM_MODULES = ("Contacts", "Leads", "Events")


def snapshot(world: "ZohoWorld", user: "User", kind: str) -> Truth:
    """partition → source id → item, of `contacts`, `calendar`, `files`, `mail` or `crm` (partition: the module)."""
    if user is not world.owner and not (kind == "mail" and world.admin_reads_mail and world.owner.is_admin):
        return {}
    return KINDS[kind](world, user)


def module_named(name: str) -> Any:
    """A module of this package, None when it is not installed."""
    full = f"syncd_simulator.zoho.{name}"
    return importlib.import_module(full) if importlib.util.find_spec(full) else None


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


def _files(world: "ZohoWorld", user: "User") -> Truth:
    found: Truth = module_named("edits_workdrive").workdrive_truth(world, user)
    return found


def _crm(world: "ZohoWorld", user: "User") -> Truth:
    truth = module_named("edits_crm").crm_truth
    return {module: truth(world, user, module) for module in CRM_MODULES}


KINDS: dict[str, Callable[["ZohoWorld", "User"], Truth]] = {
    "contacts": _contacts,
    "calendar": calendar.living,
    "files": _files,
    "mail": _mail,
    "crm": _crm,
}
