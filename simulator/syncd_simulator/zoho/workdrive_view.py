"""How WorkDrive shows its things: JSON:API resources with the attribute types of zoho.md §7.3.

Public: document, item, me, team, person, private_space, team_folder. Display times have no year and are in the viewer's
zone; the `*_in_millisecond` values are numbers in some attributes and quoted strings in others, always the same for one item.
"""

import html
import zlib
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from syncd_simulator.zoho.wire import JSON, Reply
from syncd_simulator.zoho.workdrive_store import Entry, PrivateSpace, TeamFolder, WorkDriveStore

if TYPE_CHECKING:
    from syncd_simulator.zoho.world import User, ZohoWorld

__all__ = ["document", "item", "me", "person", "private_space", "team", "team_folder"]

MEDIA_TYPE = "application/vnd.api+json;charset=UTF-8"
RESOURCE_TYPES = {"folder": 1001, "writer": 1, "sheet": 2, "show": 3, "pdf": 5, "image": 6, "audio": 7, "video": 8}
OTHER_TYPE = 10
CAPABILITIES = (
    "can_read", "can_edit", "can_rename", "can_trash", "can_move", "can_copy", "can_download", "can_delete",
)  # fmt: skip


def document(data: Any, status: int = 200, **more: Any) -> Reply:
    """`{"data": …}` in the JSON:API media type."""
    return Reply(status, {"data": data} | more, {"Content-Type": MEDIA_TYPE})


def _display(moment: float, zone: str) -> str:
    """`Aug 26, 4:46 PM`: never to be parsed."""
    local = datetime.fromtimestamp(moment, ZoneInfo(zone))
    return f"{local:%b} {local.day}, {local.hour % 12 or 12}:{local:%M %p}"


def _times(key: str, viewer: "User", moments: dict[str, float]) -> JSON:
    """For each name the display text and the milliseconds, half of them quoted."""
    found: JSON = {}
    for name, moment in moments.items():
        millis = int(moment * 1000)
        found[f"{name}_time"] = _display(moment, viewer.zone)
        quoted = zlib.crc32(f"{key}{name}".encode()) % 2
        found[f"{name}_time_in_millisecond"] = str(millis) if quoted else millis
    return found


def _size(count: int) -> str:
    """`1.2 KB`."""
    if count < 1024:
        return f"{count} bytes"
    if count < 1024 * 1024:
        return f"{count / 1024:.1f} KB"
    return f"{count / 1024 / 1024:.1f} MB"


def _storage(store: WorkDriveStore, entry: Entry) -> JSON:
    if entry.is_folder:
        inside = store.listed(entry.id)
        folders = sum(1 for child in inside if child.is_folder)
        return {"files_count": len(inside) - folders, "folders_count": folders, "size": "0 bytes", "size_in_bytes": 0}
    count = 0 if entry.is_native else len(entry.content or b"")
    return {"files_count": 0, "folders_count": 0, "size": _size(count), "size_in_bytes": count}


def item(world: "ZohoWorld", entry: Entry, viewer: "User", base: str) -> JSON:
    """A file or folder; `base` is the root of the API as the caller wrote it."""
    store = WorkDriveStore.of(world)
    moments = {"created": entry.created, "modified": entry.modified, "uploaded": entry.created}
    moments |= {"opened": entry.opened or entry.created, "status_change": entry.status_changed or entry.created}
    attributes: JSON = {
        "name": entry.name, "display_attr_name": entry.name, "display_html_name": html.escape(entry.name),
        "type": entry.type, "extn": entry.extension, "is_folder": entry.is_folder,
        "resource_type": RESOURCE_TYPES.get(entry.type, OTHER_TYPE), "parent_id": entry.parent or "-1",
        "library_id": entry.library, "status": entry.status, "is_locked": False, "edition": "TEAM",
        "storage_info": _storage(store, entry), "created_by": _name(world, entry.creator),
        "modified_by": _name(world, entry.modifier), "permalink": f"{_site(world)}/file/{entry.id}",
        "capabilities": dict.fromkeys(CAPABILITIES, True) | {"can_download": not entry.refused},
    }  # fmt: skip
    if not entry.is_folder:
        attributes["download_url"] = f"{_site(world)}/download/{entry.id}"
    return _resource("files", entry.id, attributes | _times(entry.id, viewer, moments), base)


def _site(world: "ZohoWorld") -> str:
    return f"https://workdrive.zoho.{world.dc}"


def _name(world: "ZohoWorld", user_id: str) -> str:
    user = world.users.get(user_id)
    return user.name if user else "Former member"


def _resource(kind: str, key: str, attributes: JSON, base: str) -> JSON:
    return {
        "id": key,
        "type": kind,
        "attributes": attributes,
        "relationships": {},
        "links": {"self": f"{base}/{kind}/{key}"},
    }


def me(world: "ZohoWorld", user: "User", base: str) -> JSON:
    """§7.1: `GET /users/me`; the id is not the one that opens the private space of a team's member."""
    store = WorkDriveStore.of(world)
    personal = user.id in store.personal
    attributes: JSON = {
        "email_id": user.address, "display_name": user.name, "first_name": user.given, "last_name": user.family,
        "zuid": user.id, "edition": "PERSONAL" if personal else "TEAM", "timezone": user.zone, "status": 1,
    }  # fmt: skip
    if not personal:
        attributes["preferred_team_id"] = store.team
    return _resource("users", user.id, attributes, base)


def team(world: "ZohoWorld", base: str) -> JSON:
    """The organisation's one team."""
    attributes = {"name": f"{world.domain} team", "status": 1, "edition": "TEAM"}
    return _resource("teams", WorkDriveStore.of(world).team, attributes, base)


def person(space: PrivateSpace, user: "User", base: str) -> JSON:
    """A member of the team, with the team-user id."""
    attributes = {
        "email_id": user.address, "display_name": user.name, "zuid": user.id, "zid": user.id, "status": 1,
        "is_active": not user.suspended, "role_id": 1 if user.is_admin else 2,
    }  # fmt: skip
    return _resource("users", space.team_user, attributes, base)


def private_space(space: PrivateSpace, base: str) -> JSON:
    """My Folders; the id works as a folder id."""
    return _resource("privatespace", space.id, {"name": "My Folders", "is_private": True}, base)


def team_folder(world: "ZohoWorld", folder: TeamFolder, viewer: "User", base: str) -> JSON:
    """A workspace; the id works as a folder id."""
    attributes = {
        "name": folder.name, "display_html_name": html.escape(folder.name), "status": 1,
        "is_public_within_team": False, "role": folder.members.get(viewer.id, ""),
        "parent_id": WorkDriveStore.of(world).team,
    }  # fmt: skip
    return _resource("workspaces", folder.id, attributes | _times(folder.id, viewer, {"created": folder.created}), base)
