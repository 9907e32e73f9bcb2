"""What a request gets to see of drives and their items (microsoft.md §7).

Public: item_json, tombstone, drive_json, site_json.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from syncd_simulator.clock import rfc3339
from syncd_simulator.microsoft.drive_store import (
    CONTAINERS,
    FILE,
    FOLDER,
    PACKAGE,
    ROOT,
    SHORTCUT,
    Drive,
    DriveStore,
    Item,
    Site,
)  # fmt: skip

JSON = dict[str, Any]
NEVER = "0001-01-01T00:00:00"
HOST = "https://contoso-my.sharepoint.com"
ITEM_TYPE = "#microsoft.graph.driveItem"
Address = Callable[[Drive, Item], str]  # makes the pre-authenticated URL of a file


def seconds(moment: float) -> str:
    """`2026-01-31T10:20:30Z`."""
    return rfc3339(moment)[:19] + "Z"


def item_json(store: DriveStore, drive: Drive, item: Item, address: Address, *, delta: bool, person: Any) -> JSON:
    """An item. In delta answers there is no `parentReference.path` and no cTag (§7)."""
    answer: JSON = {
        "@odata.type": ITEM_TYPE,
        "id": item.id,
        "name": item.name,
        "eTag": item.etag,
        "size": drive.total(item),
        "createdDateTime": seconds(item.created),
        "lastModifiedDateTime": seconds(item.modified),
        "createdBy": person,
        "lastModifiedBy": person,
        "fileSystemInfo": {"createdDateTime": seconds(item.created), "lastModifiedDateTime": seconds(item.modified)},
        "parentReference": _parent(drive, item, delta=delta),
        "webUrl": _web_url(drive, item),
    }
    if item.kind in (FILE, SHORTCUT) and not delta:
        answer["cTag"] = item.ctag
    answer |= _facets(store, drive, item)
    if item.kind == FILE:
        answer["@microsoft.graph.downloadUrl"] = address(drive, item)
    return answer


def _parent(drive: Drive, item: Item, *, delta: bool) -> JSON:
    reference: JSON = {"driveId": drive.id, "driveType": drive.kind}
    if item.kind == ROOT:  # §7: no id
        return reference
    reference["id"] = item.parent
    if drive.site is not None:
        reference["siteId"] = drive.site
    if not delta and item.parent is not None:
        parent = drive.items[item.parent]
        reference |= {"name": parent.name, "path": drive.path(item)}
    return reference


def _facets(store: DriveStore, drive: Drive, item: Item) -> JSON:
    if item.kind == ROOT:
        return {"root": {}, "folder": {"childCount": len(drive.below(item.id))}}
    if item.kind == FOLDER:
        return {"folder": {"childCount": len(drive.below(item.id))}}
    if item.kind == PACKAGE:  # neither file nor folder
        return {"package": {"type": item.package}}
    if item.kind == SHORTCUT:
        return {"remoteItem": _remote(store, item)}
    facets: JSON = {"file": {"mimeType": item.mime}}
    if hashes := item.digest():
        facets["file"]["hashes"] = hashes
    if item.malware:
        facets["malware"] = {"description": item.malware}
    return facets


def _remote(store: DriveStore, item: Item) -> JSON:
    """The item that a shortcut points to, in another drive, which may be gone by now."""
    assert item.target is not None
    drive_id, item_id = item.target
    drive = store.drives.get(drive_id)
    target = (drive.items.get(item_id) or drive.tombs.get(item_id)) if drive else None
    remote: JSON = {"id": item_id, "parentReference": {"driveId": drive_id, "driveType": "business"}}
    if target is not None:
        remote |= {"folder": {}} if target.kind in CONTAINERS else {"file": {"mimeType": target.mime}}
    return remote


def _web_url(drive: Drive, item: Item) -> str:
    """By GUID, as Office documents have it: what depends on folders' names would change without a delta entry."""
    return f"{HOST}/personal/{drive.id[2:10]}/_layouts/15/Doc.aspx?sourcedoc=%7B{item.guid}%7D&action=default"


def tombstone(drive: Drive, item: Item) -> JSON:
    """§7: no name, no cTag, size 0, timestamps of the year 1."""
    reference = {"driveId": drive.id, "driveType": drive.kind}
    if item.parent is not None:
        reference["id"] = item.parent
    answer: JSON = {
        "@odata.type": ITEM_TYPE,
        "id": item.id,
        "size": 0,
        "createdDateTime": NEVER,
        "lastModifiedDateTime": NEVER,
        "fileSystemInfo": {"createdDateTime": NEVER, "lastModifiedDateTime": NEVER},
        "parentReference": reference,
        "deleted": {"state": "deleted"},
    }
    if item.kind == FOLDER:
        answer["folder"] = {"childCount": 0}
    elif item.kind == FILE:
        answer["file"] = {}
    return answer


def drive_json(drive: Drive, owner: JSON, used: int) -> JSON:
    """A drive."""
    return {
        "id": drive.id,
        "name": drive.name,
        "driveType": drive.kind,
        "createdDateTime": seconds(drive.created),
        "lastModifiedDateTime": seconds(drive.history[-1][0]),
        "webUrl": _web_url(drive, drive.items[drive.root]),
        "owner": owner,
        "quota": {"state": "normal", "total": 2**40, "used": used, "remaining": 2**40 - used, "deleted": 0},
    }


def site_json(site: Site) -> JSON:
    """A site."""
    return {
        "id": site.id,
        "name": site.name,
        "displayName": site.name,
        "createdDateTime": seconds(site.created),
        "webUrl": f"https://contoso.sharepoint.com/sites/{quote(site.name)}",
        "siteCollection": {"hostname": "contoso.sharepoint.com"},
        "root": {},
    }
