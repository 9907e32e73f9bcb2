"""WorkDrive's writes (zoho.md §7.5): folders, renames, moves, trash, copies, uploads.

Public: ROUTES. Uploads above 250 MB (another host) are not simulated.
"""

import hashlib
from email import message_from_bytes
from email.message import Message
from typing import TYPE_CHECKING, Any

from syncd_simulator.zoho import workdrive_view
from syncd_simulator.zoho.wire import JSON, ApiError, Call, Reply, Route
from syncd_simulator.zoho.workdrive_guard import gone
from syncd_simulator.zoho.workdrive_store import ACTIVE, DELETED, FOLDER, TRASHED, Entry, WorkDriveStore
from syncd_simulator.zoho.workdrive_view import document

if TYPE_CHECKING:
    from syncd_simulator.zoho.world import ZohoWorld

__all__ = ["ROUTES"]

UPLOAD_CAP = 250 * 1024 * 1024
STATUSES = {str(ACTIVE): ACTIVE, str(TRASHED): TRASHED, str(DELETED): DELETED}


def _refused(title: str) -> ApiError:
    return ApiError(400, "F6004", title)


def _data(call: Call) -> Any:
    """The `data` of a JSON:API body."""
    try:
        body = call.json()
    except ValueError:
        raise _refused("JSON is not well formed") from None
    if not isinstance(body, dict) or not isinstance(body.get("data"), dict | list):
        raise _refused("data is missing")
    return body["data"]


def _attributes(data: Any) -> JSON:
    attributes = data.get("attributes") if isinstance(data, dict) else None
    if not isinstance(attributes, dict):
        raise _refused("attributes are missing")
    return attributes


def _folder(world: "ZohoWorld", call: Call, key: Any) -> Entry:
    entry = WorkDriveStore.of(world).visible(call.user.id, str(key))
    if entry is None or not entry.is_folder:
        raise gone()
    return entry


def _name(text: Any) -> str:
    """§7.5: full-width characters are dropped from names."""
    name = "".join(char for char in str(text or "") if not "\uff00" <= char <= "\uffef").strip()
    if not name:
        raise _refused("name is missing")
    return name


def _shown(world: "ZohoWorld", call: Call, entry: Entry) -> JSON:
    return workdrive_view.item(world, entry, call.user, f"{call.base_url}/workdrive/api/v1")


def folders_create(world: "ZohoWorld", call: Call) -> Reply:
    """A new folder."""
    attributes = _attributes(_data(call))
    parent = _folder(world, call, attributes.get("parent_id"))
    name = _name(attributes.get("name"))
    entry = WorkDriveStore.of(world).add(call.user.id, name, parent.id, world.now(), kind=FOLDER)
    return document(_shown(world, call, entry), 201)


def files_update(world: "ZohoWorld", call: Call) -> Reply:
    """Rename, move or change the status of one entry."""
    return document(_shown_or_id(world, call, call.args["id"], _attributes(_data(call))))


def files_update_many(world: "ZohoWorld", call: Call) -> Reply:
    """The same for a list of entries."""
    data = _data(call)
    items = data if isinstance(data, list) else [data]
    return document([_shown_or_id(world, call, str(item.get("id")), _attributes(item)) for item in items])


def _shown_or_id(world: "ZohoWorld", call: Call, key: str, attributes: JSON) -> JSON:
    """Change one entry; one that is gone for good shows its id alone."""
    store, now = WorkDriveStore.of(world), world.now()
    entry = _changeable(store, call, key)
    if "name" in attributes:
        store.rename(entry, _name(attributes["name"]), call.user.id, now)
    if "parent_id" in attributes:
        try:
            store.move(entry, _folder(world, call, attributes["parent_id"]).id, call.user.id, now)
        except ValueError:
            raise _refused("A folder cannot be moved into itself") from None
    if "status" in attributes:
        status = STATUSES.get(str(attributes["status"]))
        if status is None:
            raise _refused("Invalid value for status")
        store.set_status(entry, status, now)
    if entry.id not in store.entries:
        return {"id": entry.id, "type": "files", "attributes": {"status": DELETED}}
    return _shown(world, call, entry)


def _changeable(store: WorkDriveStore, call: Call, key: str) -> Entry:
    """An entry that the caller sees, or that lies in the trash itself (restoring it must work); never a root."""
    entry = store.entries.get(key)
    if entry is None or entry.parent is None or not store.may(call.user.id, entry.library):
        raise gone()
    if store.visible(call.user.id, entry.parent) is None:
        raise gone()
    return entry


def files_copy(world: "ZohoWorld", call: Call) -> Reply:
    """A copy of `attributes.resource_id` in the folder of the path; it keeps its name."""
    data = _data(call)
    attributes = _attributes(data[0] if isinstance(data, list) and data else data)
    target = _folder(world, call, call.args["id"])
    source = WorkDriveStore.of(world).visible(call.user.id, str(attributes.get("resource_id")))
    if source is None or source.parent is None:
        raise gone()
    twin = WorkDriveStore.of(world).copy(source, target.id, call.user.id, world.now())
    return document(_shown(world, call, twin), 201)


# -- uploads ------------------------------------------------------------------------------------------------------------


def upload(world: "ZohoWorld", call: Call) -> Reply:
    """A multipart upload: field `content`; name and folder in the query or as fields."""
    fields, name, content = _multipart(call)
    name = _name(call.get("filename") or fields.get("filename") or name)
    parent = call.get("parent_id") or fields.get("parent_id")
    override = (call.get("override-name-exist") or fields.get("override-name-exist")) == "true"
    if len(content) > UPLOAD_CAP:
        raise _refused("The file is too large")
    return _stored(world, call, parent, name, content, override=override)


def _multipart(call: Call) -> tuple[dict[str, str], str, bytes]:
    """The plain fields, and name and bytes of the field `content`."""
    head = f"Content-Type: {call.headers.get('content-type', '')}\r\n\r\n".encode()
    message = message_from_bytes(head + call.body)
    fields: dict[str, str] = {}
    found: tuple[str, bytes] | None = None
    for part in message.get_payload() if message.is_multipart() else ():
        if not isinstance(part, Message):
            continue
        field = str(part.get_param("name", "", "content-disposition"))
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        if field == "content":
            found = part.get_filename() or "", content
        else:
            fields[field] = content.decode("utf-8", "replace")
    if found is None:
        raise _refused("content is missing")
    return fields, *found


def _stored(world: "ZohoWorld", call: Call, parent: str | None, name: str, content: bytes, *, override: bool) -> Reply:
    store = WorkDriveStore.of(world)
    folder = _folder(world, call, parent)
    same = [entry for entry in store.listed(folder.id) if entry.name == name and not entry.is_folder]
    if override and same:
        entry = same[0]
        store.write(entry, content, call.user.id, world.now())
    else:
        entry = store.add(call.user.id, name, folder.id, world.now(), content=content)
    attributes = {
        "resource_id": entry.id, "FileName": entry.name, "parent_id": folder.id,
        "Permalink": f"https://workdrive.zoho.{world.dc}/file/{entry.id}",
        "File INFO": "{}", "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
    }  # fmt: skip
    return document([{"id": entry.id, "type": "files", "attributes": attributes}])


V1 = "/workdrive/api/v1"
CREATE, UPDATE = ("WorkDrive.files.CREATE",), ("WorkDrive.files.UPDATE",)

ROUTES = [
    Route("POST", f"{V1}/files", folders_create, "workdrive", CREATE),
    Route("PATCH", f"{V1}/files/{{id}}", files_update, "workdrive", UPDATE),
    Route("PATCH", f"{V1}/files", files_update_many, "workdrive", UPDATE),
    Route("POST", f"{V1}/files/{{id}}/copy", files_copy, "workdrive", CREATE),
    Route("POST", f"{V1}/upload", upload, "workdrive", CREATE),
]
