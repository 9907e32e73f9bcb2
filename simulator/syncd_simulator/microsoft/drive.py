"""The drive and site routes of Graph (microsoft.md §7): discovery, delta, items, content.

Public: ROUTES, API, READ, WRITE, download.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from syncd_simulator.microsoft import delta
from syncd_simulator.microsoft.drive_delta import root_feed
from syncd_simulator.microsoft.drive_download import address_of, download
from syncd_simulator.microsoft.drive_request import (
    drive_of,
    item_of,
    not_found,
    shown,
    site_of,
    store_of,
)  # fmt: skip
from syncd_simulator.microsoft.drive_store import CONTAINERS, FILE, JSON, Drive
from syncd_simulator.microsoft.drive_view import drive_json, site_json
from syncd_simulator.microsoft.wire import ApiError, Call, Reply, project, select_of

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld

__all__ = ["API", "READ", "ROUTES", "WRITE", "download"]

API = "drive"
READ = ("Files.Read.All", "Files.ReadWrite.All", "Sites.Read.All", "Sites.ReadWrite.All", "Sites.FullControl.All")
WRITE = ("Files.ReadWrite.All", "Sites.ReadWrite.All", "Sites.FullControl.All")
PAGE = 200
MOST = 1000
LATER = "Folder delta is not supported for this drive. Change tracking works on its root."


# -- discovery ------------------------------------------------------------------------------------------------------


def get_drive(world: "MicrosoftWorld", call: Call) -> JSON:
    """A drive by its id, or the default one of a user, site or group."""
    return project(_drive(world, drive_of(world, call)), select_of(call))


def list_user_drives(world: "MicrosoftWorld", call: Call) -> JSON:
    """The one drive that a user has."""
    return {"value": [_drive(world, drive_of(world, call))]}


def list_site_drives(world: "MicrosoftWorld", call: Call) -> Reply:
    """One drive per document library."""
    drives = [store_of(world).drives[key] for key in site_of(world, call).drives]
    return _listed(world, call, [_drive(world, drive) for drive in drives], "drives")


def _drive(world: "MicrosoftWorld", drive: Drive) -> JSON:
    owner: JSON = {"group": {"id": drive.site, "displayName": drive.name}}
    if drive.user is not None:
        owner = {"user": {"id": drive.user.id, "displayName": drive.user.name, "email": drive.user.address}}
    return drive_json(drive, owner, drive.total(drive.items[drive.root]))


def list_sites(world: "MicrosoftWorld", call: Call) -> Reply:
    """All sites; locked ones are listed too."""
    return _listed(world, call, [site_json(site) for site in store_of(world).sites.values()], "sites")


def get_site(world: "MicrosoftWorld", call: Call) -> JSON:
    """One site."""
    return project(site_json(site_of(world, call)), select_of(call))


# -- delta, items ---------------------------------------------------------------------------------------------------


def root_delta(world: "MicrosoftWorld", call: Call) -> Reply:
    """Delta of a drive's root."""
    drive = drive_of(world, call)
    path = "/" + "/".join(quote(segment, safe="!,") for segment in _prefix(call)) + "/root/delta"
    link = world.delta.links.get(call.get("token") or "")
    if link is not None and link.feed[0] == "drive" and link.feed[1] not in store_of(world).drives:
        raise delta.resync_required(world, call, path)  # the drive was made anew since
    return delta.answer(world, call, lambda first: root_feed(world, first, drive, path))


def _prefix(call: Call) -> list[str]:
    """The path of the drive, with ids in place of addresses."""
    if "u" in call.args:
        return ["users", call.user.id, "drive"]
    if "d" in call.args:
        return ["drives", call.args["d"]]
    kind = "sites" if "s" in call.args else "groups"
    return [kind, call.args.get("s") or call.args["g"], "drive"]


def folder_delta(world: "MicrosoftWorld", call: Call) -> Reply:
    """§7: on business drives of the root only."""
    drive, item = item_of(world, call)
    if item.id != drive.root:
        raise ApiError(400, "invalidRequest", LATER)
    return root_delta(world, call)


def get_item(world: "MicrosoftWorld", call: Call) -> JSON:
    """An item, with a fresh download URL when it is a file."""
    drive, item = item_of(world, call)
    kind = f"{call.root}/v1.0/$metadata#drives('{quote(drive.id)}')/items/$entity"
    return {"@odata.context": kind} | shown(world, call, drive, item)


def list_children(world: "MicrosoftWorld", call: Call) -> Reply:
    """What is directly in a folder, by name."""
    drive, item = item_of(world, call)
    below = sorted(drive.below(item.id), key=lambda each: each.name.lower())
    return _listed(world, call, [shown(world, call, drive, each) for each in below], "driveItems", selected=True)


def get_content(world: "MicrosoftWorld", call: Call) -> Reply:
    """302 to a pre-authenticated URL on the download host (§7)."""
    drive, item = item_of(world, call)
    if item.kind in CONTAINERS:
        raise ApiError(400, "invalidRequest", "You cannot get content for a folder or package.")
    if item.kind != FILE:
        raise not_found()
    if call.headers.get("if-none-match") in (item.etag, "*"):
        return Reply(304, None, {"ETag": item.etag})
    if item.malware and item.refused_at == "content":
        headers = {"X-Virus-Infected": "true"}
        raise ApiError(403, "malwareDetected", "Malware was detected in the requested item.", headers=headers)
    return Reply(302, None, {"Location": address_of(world, call, drive, item)})


def _listed(world: "MicrosoftWorld", call: Call, items: list[JSON], context: str, *, selected: bool = False) -> Reply:
    """A page of a plain list, with a nextLink that carries a `$skiptoken`."""
    size = min(call.number("$top", MOST) or PAGE, world.page_cap.get("files", MOST))
    skip = call.number("$skiptoken", 10**9) or 0
    page = items[skip : skip + size]
    body: JSON = {"@odata.context": f"{call.root}/v1.0/$metadata#{context}"}
    if skip + size < len(items):
        kept = [(name, value) for name, value in call.query if name.lower() != "$skiptoken"]
        query = urlencode([*kept, ("$skiptoken", skip + size)], safe="$")
        body["@odata.nextLink"] = f"{call.root}{call.path}?{query}"
    body["value"] = page if selected else [project(item, select_of(call)) for item in page]
    return Reply(200, body)


def _routes() -> Iterator[tuple[str, str, Any]]:
    for drive in ("/users/{u}/drive", "/drives/{d}", "/sites/{s}/drive", "/groups/{g}/drive"):
        yield "GET", drive, get_drive
        yield "GET", drive + "/root", get_item
        yield "GET", drive + "/root/delta", root_delta
        yield "GET", drive + "/root/children", list_children
        yield "GET", drive + "/items/{i}", get_item
        yield "GET", drive + "/items/{i}/children", list_children
        yield "GET", drive + "/items/{i}/content", get_content
        yield "GET", drive + "/items/{i}/delta", folder_delta


ROUTES = [
    ("GET", "/users/{u}/drives", list_user_drives),
    ("GET", "/sites", list_sites),
    ("GET", "/sites/getAllSites", list_sites),
    ("GET", "/sites/{s}", get_site),
    ("GET", "/sites/{s}/drives", list_site_drives),
    *_routes(),
]
