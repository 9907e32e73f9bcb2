"""Contacts and contact folders (microsoft.md §5, §15).

Public: API, READ, WRITE, ROUTES, FIELDS, shown.
"""

import re
from typing import TYPE_CHECKING, Any

from syncd_simulator.microsoft import delta
from syncd_simulator.microsoft.listing import check_id, check_match, not_found, page
from syncd_simulator.microsoft.mailbox import Contact, Folder
from syncd_simulator.microsoft.wire import JSON, ApiError, Call, Reply, project, select_of, unsupported

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld, User

__all__ = ["API", "FIELDS", "READ", "ROUTES", "WRITE", "new_contact", "shown", "update"]

API = "contacts"
READ = {"Contacts.Read", "Contacts.ReadWrite"}
WRITE = {"Contacts.ReadWrite"}

TEXTS = (
    "assistantName", "birthday", "businessHomePage", "companyName", "department", "displayName", "fileAs",
    "generation", "givenName", "initials", "jobTitle", "manager", "middleName", "mobilePhone", "nickName",
    "officeLocation", "personalNotes", "profession", "spouseName", "surname", "title", "yomiCompanyName",
    "yomiGivenName", "yomiSurname",
)  # fmt: skip
LISTS = {
    "businessPhones": 2,
    "homePhones": 2,
    "imAddresses": 3,
    "emailAddresses": 3,
    "categories": 500,
    "children": 500,
}
ADDRESSES = ("businessAddress", "homeAddress", "otherAddress")
FIELDS = frozenset((*TEXTS, *LISTS, *ADDRESSES))
KNOWN = FIELDS | {
    "id", "createdDateTime", "lastModifiedDateTime", "changeKey", "parentFolderId", "primaryEmailAddress",
    "secondaryEmailAddress", "tertiaryEmailAddress",
}  # fmt: skip
FOLDER_FIELDS = ("id", "parentFolderId", "displayName")
BLANK: JSON = dict.fromkeys(TEXTS) | {name: [] for name in LISTS} | {name: {} for name in ADDRESSES}
NO_DELTA_OPTIONS = ("$filter", "$orderby", "$expand", "$search")
TAG = re.compile(
    r"singleValueExtendedProperties/any\((\w+):\s*\1/id eq '([^']*)' and \1/value eq '([^']*)'\)", re.IGNORECASE
)
ADDRESS = re.compile(r"emailAddresses/any\((\w+):\s*\1/address eq '([^']*)'\)", re.IGNORECASE)
EXPANDED = re.compile(r"singleValueExtendedProperties\(\$filter=id eq '([^']*)'\)", re.IGNORECASE)


# -- how they look ----------------------------------------------------------------------------------------------------


def shown(world: "MicrosoftWorld", contact: Contact, immutable: bool) -> JSON:
    """A contact with all its properties."""
    change_key = world.change_key(contact.seq)
    return {
        "@odata.etag": f'W/"{change_key}"',
        "id": contact.key if immutable else contact.plain,
        "createdDateTime": world.stamp(contact.created),
        "lastModifiedDateTime": world.stamp(contact.modified),
        "changeKey": change_key,
        "parentFolderId": contact.folder,
        **BLANK,
        **contact.fields,
    }


def folder_shown(folder: Folder) -> JSON:
    """A contact folder."""
    return {"id": folder.id, "parentFolderId": folder.parent, "displayName": folder.name}


def _answer(world: "MicrosoftWorld", call: Call, contact: Contact) -> JSON:
    item = project(shown(world, contact, call.immutable), select_of(call, KNOWN, "contact"))
    wanted = EXPANDED.search(call.get("$expand") or "")
    if wanted and wanted[1] in contact.tags:
        item["singleValueExtendedProperties"] = [{"id": wanted[1], "value": contact.tags[wanted[1]]}]
    return item


# -- reading ----------------------------------------------------------------------------------------------------------


def _folder(world: "MicrosoftWorld", call: Call, error: str = "ErrorItemNotFound") -> Folder:
    named = call.args["f"].lower() == "contacts"
    folder = call.user.mailbox.contact_folder(call.args["f"]) if world.contacts_by_name or not named else None
    if folder is None:
        check_id(call.args["f"])
        raise ApiError(404, error, "The specified object was not found in the store.")
    return folder


def _contact(world: "MicrosoftWorld", call: Call) -> Contact:
    contact = call.user.mailbox.contact(call.args["c"])
    if contact is None:
        check_id(call.args["c"])
    if contact is None or ("f" in call.args and contact.folder != _folder(world, call).id):
        raise not_found()
    return contact


def list_folders(world: "MicrosoftWorld", call: Call) -> JSON:
    """§5: folders below the root, without the default one."""
    box = call.user.mailbox
    found = [f for f in box.children(box.contact_folders, box.root) if f.id != box.default_contacts]
    return _folders_page(world, call, found)


def list_children(world: "MicrosoftWorld", call: Call) -> JSON:
    """One level below a folder."""
    box = call.user.mailbox
    return _folders_page(world, call, box.children(box.contact_folders, _folder(world, call).id))


def _folders_page(world: "MicrosoftWorld", call: Call, found: list[Folder]) -> JSON:
    select = select_of(call, FOLDER_FIELDS, "contactFolder")
    context = f"users('{call.user.id}')/contactFolders"
    return page(world, call, API, found, lambda folder: project(folder_shown(folder), select), context)


def get_folder(world: "MicrosoftWorld", call: Call) -> JSON:
    """One folder; `contacts` names the default one."""
    return project(folder_shown(_folder(world, call)), select_of(call, FOLDER_FIELDS, "contactFolder"))


def list_contacts(world: "MicrosoftWorld", call: Call) -> JSON:
    """The contacts of one folder; without a folder, of the default one only (§5)."""
    box = call.user.mailbox
    folder = _folder(world, call) if "f" in call.args else box.contact_folders[box.default_contacts]
    found = _filtered(list(folder.items.values()), call.get("$filter"))
    context = f"users('{call.user.id}')/contacts"
    return page(world, call, API, found, lambda contact: _answer(world, call, contact), context)


def _filtered(found: list[Contact], text: str | None) -> list[Contact]:
    if text is None:
        return found
    if tag := TAG.fullmatch(text.strip()):
        name, value = tag[2], tag[3].lower()
        return [contact for contact in found if contact.tags.get(name, "").lower() == value]
    if match := ADDRESS.fullmatch(text.strip()):
        wanted = match[2].lower()
        return [c for c in found if any(a.get("address", "").lower() == wanted for a in c.fields["emailAddresses"])]
    raise ApiError(400, "ErrorInvalidUrlQueryFilter", "The query filter contains one or more invalid nodes.")


def get_contact(world: "MicrosoftWorld", call: Call) -> JSON:
    """One contact, wherever it is."""
    return _answer(world, call, _contact(world, call))


# -- changes ----------------------------------------------------------------------------------------------------------


def tombstone(kind: str, call: Call, key: str, version: Any) -> JSON:
    """`@removed` for an Outlook item in the id format of this request."""
    known = key if call.immutable or version is None else version[1]
    return {"@odata.type": f"#microsoft.graph.{kind}", "id": known, "@removed": {"reason": "deleted"}}


def contacts_delta(world: "MicrosoftWorld", call: Call) -> Reply:
    """The changes of one folder."""
    return delta.answer(world, call, lambda first: _contacts_feed(world, first))


def _contacts_feed(world: "MicrosoftWorld", call: Call) -> delta.Feed:
    unsupported(call, *NO_DELTA_OPTIONS)
    box = call.user.mailbox
    folder = _folder(world, call) if "f" in call.args else box.contact_folders[box.default_contacts]
    select = select_of(call, KNOWN, "contact")
    where = f"contactfolders/{folder.id}/contacts" if "f" in call.args else "contacts"

    def show(now: Call, key: str) -> JSON | None:
        contact = folder.items.get(key)
        if contact is None:
            return None
        return {"@odata.type": "#microsoft.graph.contact"} | project(shown(world, contact, now.immutable), select)

    return delta.Feed(
        ("contacts", call.user.id, folder.id), "contacts", "outlook", f"/users/{call.user.id}/{where}/delta",
        "Collection(contact)", folder.state, show, lambda now, key, version: tombstone("contact", now, key, version),
        changes=lambda before, now: moved(call, before, now), owner=call.user,
    )  # fmt: skip


def moved(call: Call, before: delta.State, now: delta.State) -> list[delta.Change]:
    """The difference; for plain ids, an item that came back is another one, so the old id goes."""
    found = list(delta.difference(before, now))
    if call.immutable or not before:
        return found
    again = [key for key, version in now.items() if key in before and before[key][1] != version[1]]
    return [delta.Change(key, before[key], True) for key in again] + found


def folders_delta(world: "MicrosoftWorld", call: Call) -> Reply:
    """The changes of the tree of folders."""
    return delta.answer(world, call, lambda first: _folders_feed(world, first))


def _folders_feed(world: "MicrosoftWorld", call: Call) -> delta.Feed:
    unsupported(call, *NO_DELTA_OPTIONS)
    box, select = call.user.mailbox, select_of(call, FOLDER_FIELDS, "contactFolder")

    def show(now: Call, key: str) -> JSON | None:
        folder = box.contact_folders.get(key)
        return None if folder is None else FOLDER_TYPE | project(folder_shown(folder), select)

    return delta.Feed(
        ("contactFolders", call.user.id), "contacts", "outlook", f"/users/{call.user.id}/contactfolders/delta",
        "Collection(contactFolder)",
        lambda: {f.id: f.seq for f in box.contact_folders.values() if f.id != box.default_contacts},
        show, lambda now, key, version: FOLDER_TYPE | {"id": key, "@removed": {"reason": "deleted"}}, owner=call.user,
    )  # fmt: skip


FOLDER_TYPE: JSON = {"@odata.type": "#microsoft.graph.contactFolder"}


# -- writing ----------------------------------------------------------------------------------------------------------


def new_contact(world: "MicrosoftWorld", user: "User", folder: Folder, fields: JSON) -> Contact:
    """A contact in `folder`; the server makes displayName and fileAs from the names (§15)."""
    key, plain, now = world.new_id("AAkALg"), world.new_id(), world.now()
    contact = Contact(key, plain, folder.id, BLANK | _named(fields, {}), 0, now, now)
    contact.seq = world.touch(user, API, key, "created")
    user.mailbox.put(contact)
    return contact


def update(world: "MicrosoftWorld", user: "User", contact: Contact, fields: JSON) -> Contact:
    """Sparse change: given properties replace the old ones whole."""
    contact.fields = contact.fields | _named(fields, contact.fields)
    contact.modified = world.now()
    contact.seq = world.touch(user, API, contact.key)
    user.mailbox.put(contact)
    return contact


def _named(fields: JSON, old: JSON) -> JSON:
    names = old | fields
    given, family = names.get("givenName") or "", names.get("surname") or ""
    made = dict(fields)
    if not old or {"givenName", "surname"} & fields.keys():
        made.setdefault("displayName", f"{given} {family}".strip())
        made.setdefault("fileAs", f"{family}, {given}" if given and family else given or family)
    return made


def _checked(body: JSON) -> tuple[JSON, dict[str, str]]:
    """The writable fields of a body, and its extended properties."""
    tags = {tag["id"]: tag["value"] for tag in body.pop("singleValueExtendedProperties", [])}
    fields = {name: value for name, value in body.items() if not name.startswith("@")}
    for name, value in fields.items():
        if name not in FIELDS:
            raise ApiError(400, "RequestBodyRead", f"The property '{name}' does not exist on type "
                           "'microsoft.graph.contact'. Make sure to only use property names that are defined by the "
                           "type.")  # fmt: skip
        if name in LISTS and (not isinstance(value, list) or len(value) > LISTS[name]):
            raise ApiError(400, "ErrorPropertyValidationFailure", f"At least one property failed validation: {name}.")
    return fields, tags


def create(world: "MicrosoftWorld", call: Call) -> Reply:
    """POST: 201 with the contact."""
    box = call.user.mailbox
    folder = _folder(world, call) if "f" in call.args else box.contact_folders[box.default_contacts]
    fields, tags = _checked(call.json())
    contact = new_contact(world, call.user, folder, fields)
    contact.tags = tags
    return Reply(201, shown(world, contact, call.immutable))


def patch(world: "MicrosoftWorld", call: Call) -> JSON:
    """PATCH: 200 with the contact."""
    contact = _contact(world, call)
    check_match(call, world.change_key(contact.seq))
    fields, tags = _checked(call.json())
    contact.tags |= tags
    return shown(world, update(world, call.user, contact, fields), call.immutable)


def remove(world: "MicrosoftWorld", call: Call) -> None:
    """DELETE: 204."""
    contact = _contact(world, call)
    check_match(call, world.change_key(contact.seq))
    call.user.mailbox.take(contact)
    world.touch(call.user, API, contact.key, "deleted")


FOLDERS = "/users/{u}/contactFolders"
ROUTES: list[Any] = [
    ("GET", FOLDERS, list_folders),
    ("GET", FOLDERS + "/delta", folders_delta),
    ("GET", FOLDERS + "/{f}", get_folder),
    ("GET", FOLDERS + "/{f}/childFolders", list_children),
    ("GET", FOLDERS + "/{f}/contacts/delta", contacts_delta),
    ("GET", "/users/{u}/contacts/delta", contacts_delta),  # §5: undocumented, used by several clients
]
for prefix in (FOLDERS + "/{f}/contacts", "/users/{u}/contacts"):
    ROUTES += [
        ("GET", prefix, list_contacts),
        ("POST", prefix, create),
        ("GET", prefix + "/{c}", get_contact),
        ("PATCH", prefix + "/{c}", patch),
        ("DELETE", prefix + "/{c}", remove),
    ]
